"""Times and days as they are given to an option of a command.

    given_time(text, zone, "--since")   -> UTC instant, or click.BadParameter that names the option
    given_day(text, zone, "--day")      -> legal-time day, or the same

Rules: one vocabulary for all commands, that of times.py. What is relative is so to the gateway's legal time.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.cli.times import day_of, instant_of


def given_time(text: str, zone: ZoneInfo, option: str, *, now: datetime | None = None, end: bool = False) -> datetime:
    """The UTC instant that a text means; a day is its beginning, or its `end`. click.BadParameter."""
    try:
        return instant_of(text, zone, now or daemon.now(), end=end)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def given_day(text: str, zone: ZoneInfo, option: str) -> date:
    """The legal-time day that a text means. click.BadParameter."""
    try:
        return day_of(text, zone, daemon.now())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
