"""Commands with a value: a number below zero is a value, and no option.

Rules: that it is too low is told by whoever checks it, in the words that he has for it, and not by the command line.
"""

import re

import click

_BELOW_ZERO = re.compile(r"-[\d.,].*", re.ASCII | re.DOTALL)


class Signed(click.Command):
    """`reading add em-1 1.8.0 -5` is what it looks like. The callback gets the value as it was written."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        marked = [f" {one}" if _BELOW_ZERO.fullmatch(one) else one for one in args]
        rest = super().parse_args(ctx, marked)
        for name, value in ctx.params.items():
            if isinstance(value, str) and _BELOW_ZERO.fullmatch(value.strip()):
                ctx.params[name] = value.strip()
        return rest
