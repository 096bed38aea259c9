"""Which readings: the options that all commands on archived readings share, and what they mean."""

from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from gatewayd.archive.query import Selection
from gatewayd.cli.given import given_time
from gatewayd.cli.session import obis_code
from gatewayd.model import Kind, RawStatus
from gatewayd.obis import Obis

# Any: a command may return what it likes, click ignores it.
Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("meter", required=False),
    click.option("--obis", type=obis_code, help="Only this code."),
    click.option("--kind", type=click.Choice([kind.value for kind in Kind]), help="Only this kind of reading."),
    click.option("--point", metavar="EIC|EAN", help="Only readings of this metering point."),
    click.option(
        "--status", type=click.Choice([status.text for status in RawStatus]), help="Only this status or a worse one."
    ),
    click.option(
        "--since", metavar="TIME", help='From this time on, legal time: 2026-11-21, "2026-11-21 08:15", yesterday, now.'
    ),
    click.option("--until", metavar="TIME", help="Before this time; a day is its beginning."),
    click.option(
        "--current",
        is_flag=True,
        help="One reading for each code and instant: a late value takes the place of a missing one.",
    ),
    click.option("--last", type=click.IntRange(min=1), help="Only this many of the newest."),
)


def selection_options(command: Command) -> Command:
    """Give a command the argument METER and the options of `selection`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def selection(
    zone: ZoneInfo,
    *,
    meter: str | None,
    obis: Obis | None,
    kind: str | None,
    point: str | None,
    status: str | None,
    since: str | None,
    until: str | None,
    current: bool,
    last: int | None,
) -> Selection:
    """What the options ask for. click.BadParameter for a time that is none."""
    return Selection(
        meter=meter,
        obis=str(obis) if obis is not None else None,
        kind=Kind(kind) if kind is not None else None,
        since=None if since is None else given_time(since, zone, "--since"),
        until=None if until is None else given_time(until, zone, "--until"),
        worst=RawStatus[status.upper()] if status is not None else None,
        last=last,
        point=point,
        current=current,
    )
