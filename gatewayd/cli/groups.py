"""Groups of commands: their overview.

Rules: light, as it is loaded with every group.
"""

import click

_WHOLE = 10_000


class Group(click.Group):
    """Its overview has the whole first sentence of each command, on several lines where it is long; click cuts it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in commands if command])
