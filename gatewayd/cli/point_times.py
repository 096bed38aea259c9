"""Times of derived values on the command line: an instant, and from when to when.

Rules: a time is one of legal time, as everywhere, and of the era that the derived layer knows; another one is a mistake
on the command line, told with the option that has it.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import click

from gatewayd.cli.given import given_time
from gatewayd.metering.era import instant_of_era


def moment_of(text: str, zone: ZoneInfo, option: str, *, end: bool = False) -> datetime:
    """The UTC instant that a text means; a day is its beginning, or its `end`. click.BadParameter."""
    try:
        return instant_of_era(given_time(text, zone, option, end=end))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def span_of(start: str | None, end: str | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From `--from` to `--to`, which is now when it is not said. click.UsageError, click.BadParameter."""
    if start is None:
        raise click.UsageError("--to needs --from")
    begun, ended = moment_of(start, zone, "--from"), moment_of(end or "now", zone, "--to", end=True)
    if ended <= begun:
        raise click.UsageError(f"--to {end or 'now'} is not after --from {start}")
    return begun, ended
