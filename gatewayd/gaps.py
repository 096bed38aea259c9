"""What should be in the archive and is not: the intervals of a legal-time day against those that are there.

Rules: pure, no clock and no archive. A day has the intervals that legal time gives it (92, 96 or 100 quarter-hours); an
interval is named by its end. A value of any status but `missing` fills its interval; an interval that the archive
holds as `missing` is a gap too, with its own reason. Completeness is rounded down: 100 % means nothing is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from enum import Enum
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, QUARTER, interval_ends
from gatewayd.model import RawStatus

_TENTH = Decimal("0.1")


class Reason(Enum):
    """Why an interval has no value."""

    ABSENT = "absent"  # nothing was ever archived for it
    MISSING = "missing"  # archived with the status `missing`: it was asked for, and the meter had no value


@dataclass(frozen=True, slots=True)
class Gap:
    """Intervals in a row that have no value for the same reason: ends of the first and the last one, and how many."""

    first: datetime
    last: datetime
    count: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Day:
    """One legal-time day: how many intervals it has, how many have a value, and where those are that have none."""

    day: date
    expected: int
    present: int
    gaps: tuple[Gap, ...]

    @property
    def missing(self) -> int:
        return self.expected - self.present

    @property
    def completeness(self) -> Decimal:
        """Per cent, one digit after the point."""
        return completeness(self.present, self.expected)


def completeness(present: int, expected: int) -> Decimal:
    """Per cent, one digit after the point; 100.0 for nothing expected."""
    if not expected:
        return Decimal("100.0")
    return (Decimal(100 * present) / expected).quantize(_TENTH, ROUND_DOWN)


def gaps_of_day(
    day: date, found: Mapping[datetime, RawStatus], period: timedelta = QUARTER, zone: ZoneInfo = PRAGUE
) -> Day:
    """Compare a day with the ends of intervals (UTC) that are there, each with its status.

    `found` may hold more than the day. ValueError when the period does not divide the day.
    """
    ends = interval_ends(day, period, zone)
    gaps: list[Gap] = []
    present = 0
    for end in ends:
        status = found.get(end)
        if status is not None and status is not RawStatus.MISSING:
            present += 1
            continue
        reason = Reason.ABSENT if status is None else Reason.MISSING
        before = gaps[-1] if gaps else None
        if before is not None and before.reason is reason and before.last + period == end:
            gaps[-1] = Gap(before.first, end, before.count + 1, reason)
        else:
            gaps.append(Gap(end, end, 1, reason))
    return Day(day, len(ends), present, tuple(gaps))
