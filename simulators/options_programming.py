"""Command line options of programming mode and of load profiles, and what they make.

Rules: an option is checked here and named when it is wrong; the values come by the names of the options.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from simulators import generator, profile
from simulators.generator import Incident
from simulators.profile import Stretch
from simulators.programming import READ, Access, AnswerForm, Opening, Refusal

_Decorated = TypeVar("_Decorated", bound=Callable[..., object])

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_OPTIONS = (
    click.option(
        "--programming/--no-programming",
        default=True,
        show_default=True,
        help="Modes C and E: play programming mode; otherwise ACK 0 Z 1 is met with silence.",
    ),
    click.option(
        "--p0",
        type=click.Choice([opening.value for opening in Opening]),
        default="full",
        show_default=True,
        help="The first message of programming mode: P0 with an operand, P0 without one, or a plain ACK.",
    ),
    click.option(
        "--operand", metavar="TEXT", help="Operand of P0. Default: the serial number (C.1.0, 0.0.0, C.1) or nothing."
    ),
    click.option("--password", default="00000000", show_default=True, metavar="TEXT", help="The right password."),
    click.option(
        "--password-command",
        type=click.Choice(["P1", "P2"]),
        default="P1",
        show_default=True,
        help="The command that takes it.",
    ),
    click.option(
        "--needs-password/--no-password",
        "needs_password",
        default=True,
        help="Whether commands are served only after the password (default).",
    ),
    click.option(
        "--refusal",
        type=click.Choice([refusal.value for refusal in Refusal]),
        default="b0",
        show_default=True,
        help="Answer to a wrong password and to a command before the right one: a break, (ERROR) or NAK.",
    ),
    click.option(
        "--lock-after",
        type=click.IntRange(0),
        default=3,
        show_default=True,
        metavar="N",
        help="Refuse every password after N wrong ones in the life of the process; 0: never.",
    ),
    click.option(
        "--commands",
        default=",".join(READ),
        show_default=True,
        metavar="R1,...",
        help="Read commands that are supported; the others are answered with (ERROR).",
    ),
    click.option(
        "--block",
        type=click.IntRange(1),
        default=256,
        show_default=True,
        metavar="BYTES",
        help="Data in one partial block (R3, R4, R6).",
    ),
    click.option(
        "--answer-form",
        type=click.Choice([form.value for form in AnswerForm]),
        default="full",
        show_default=True,
        help="1.8.0(1*kWh), or (1*kWh) only.",
    ),
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        type=_FILE,
        metavar="FILE",
        help="Load profiles and logs as the meter sends them: headers and rows, any number of tables; repeatable.",
    ),
    click.option(
        "--generate-profile",
        "plans",
        multiple=True,
        metavar="CODE:MINUTES:CHANNELS:FIRST:LAST",
        help="A generated profile, P.01:15:4:2026-01-01:2026-03-01 (days of legal time, both included); repeatable. "
        "Thousandths of the value of channel c in the interval that ends at Unix minute m: "
        "(m*7919 + c*104729 + seed*1299709) mod 100000.",
    ),
    click.option(
        "--incident",
        "incidents",
        multiple=True,
        metavar="KIND=zYYMMDDhhmm[;zYYMMDDhhmm]",
        help=f"What happened in the intervals of generated profiles that end there: {', '.join(Incident)}; repeatable.",
    ),
)


def programming_options(command: _Decorated) -> _Decorated:
    """All options of this module on one command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


# Any: click hands over each value with the type of its option, which a mapping cannot say.
def access(given: dict[str, Any], password: str | None = None) -> Access:
    """Programming mode as the options describe it; `password` is there when a meter on a bus has its own."""
    commands = tuple(given["commands"].split(","))
    if unknown := [name for name in commands if name not in READ]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(READ)}", param_hint="--commands")
    for name in ("operand", "password"):
        if not (given[name] or "").isascii():
            raise click.BadParameter("ASCII characters only", param_hint=f"--{name}")
    return Access(
        opening=Opening(given["p0"]),
        operand=given["operand"],
        password=given["password"] if password is None else password,
        password_command=given["password_command"],
        needs_password=given["needs_password"],
        refusal=Refusal(given["refusal"]),
        lock_after=given["lock_after"],
        commands=commands,
        block=given["block"],
        answer_form=AnswerForm(given["answer_form"]),
    )


def tables(given: dict[str, Any], seed: int) -> tuple[Stretch, ...]:
    """All load profiles and logs, from files and generated."""
    stretches: list[Stretch] = []
    for file in given["profiles"]:
        stretches += profile_file(file, "--profile")
    try:
        happenings = tuple(map(generator.parse_happening, given["incidents"]))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--incident") from error
    if happenings and not given["plans"]:
        raise click.BadParameter("nothing is generated", param_hint="--incident")
    for text in given["plans"]:
        try:
            stretches += generator.generate(generator.parse_plan(text), happenings, seed)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--generate-profile") from error
    return tuple(stretches)


def profile_file(file: Path, option: str) -> list[Stretch]:
    """The tables of one file."""
    try:
        return list(profile.load(file.read_bytes()))
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{file}: {error}", param_hint=option) from error
