"""`--portal-limits`: no more records in one answer than the operator's portal shows (requirements G3).

Rules: of days, months and what else is longer than an hour 31 records, of anything shorter 750; the first ones are
kept, and what is left out is told on standard error. A record is an interval, however many channels it has.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from gatewayd.legal_time import end_label

DAYS, HOURS = 31, 750
_SHORT_S = 3600
# Any: a command may return what it likes, click ignores it.
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Cut:
    """Where an answer ends: with the record that ends at `last`, the `kept`th of `found`."""

    last: datetime
    kept: int
    found: int

    def said(self, what: str, zone: ZoneInfo) -> str:
        """The warning."""
        return (
            f"{what}: --portal-limits keeps the first {self.kept} of {self.found} records, up to "
            f"{end_label(self.last, zone)}; narrow the selection with --from and --to"
        )


def portal_limits_option(command: Command) -> Command:
    """Give a command the option --portal-limits."""
    return click.option(
        "--portal-limits",
        is_flag=True,
        help=f"At most {DAYS} records of days, or {HOURS} of what is shorter, as the portal shows.",
    )(command)


def cut(records: Iterable[tuple[datetime, int]]) -> Cut | None:
    """Of records (end, and length in seconds) of one kind; None where there are few enough."""
    found = sorted(set(records))
    limit = DAYS if any(seconds == 0 or seconds > _SHORT_S for _, seconds in found) else HOURS
    ends = sorted({at for at, _ in found})
    return Cut(ends[limit - 1], limit, len(ends)) if len(ends) > limit else None
