"""What should be in the archive and is not: the intervals of a legal-time day against those that are there.

Rules: pure, no clock and no archive. A day has the intervals that legal time gives it (92, 96 or 100 quarter-hours); an
interval is named by its end. A value of any status but `missing` fills its interval; an interval that the archive
holds as `missing` is a gap too, with its own reason. Completeness is rounded down: 100 % means nothing is missing. An
evaluation interval is complete when every interval in it has a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, QUARTER, day_bounds, interval_ends
from gatewayd.metering.statistics import completeness
from gatewayd.model import RawStatus, Reading


class Reason(Enum):
    """Why an interval has no value."""

    ABSENT = "absent"  # nothing was ever archived for it
    MISSING = "missing"  # archived with the status `missing`: it was asked for, and the meter had no value


@dataclass(frozen=True, slots=True)
class Gap:
    """Intervals in a row that have no value for the same reason: ends of the first and the last one, and how many.
    `why`: the reason in words, "" where nobody has given one."""

    first: datetime
    last: datetime
    count: int
    reason: Reason
    why: str = ""

    @property
    def text(self) -> str:
        """`absent`, `missing: the meter has no row`."""
        return f"{self.reason.value}: {self.why}" if self.why else self.reason.value


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


def why(reading: Reading) -> str:
    """Why an interval that is archived as missing is: as the gateway has put it down, else what the meter said."""
    if not reading.raw and reading.more:
        return reading.more[0]
    return ", ".join(text.replace("_", " ") for text in reading.flags.texts)


def gaps_of_day(
    day: date,
    found: Mapping[datetime, RawStatus],
    period: timedelta = QUARTER,
    zone: ZoneInfo = PRAGUE,
    reasons: Mapping[datetime, str] = MappingProxyType({}),
) -> Day:
    """Compare a day with the ends of intervals (UTC) that are there, each with its status; `reasons` says of those that
    are missing why.

    `found` may hold more than the day. ValueError when the period does not divide the day.
    """
    ends = _ends(day, period, zone)
    gaps: list[Gap] = []
    present = 0
    for end in ends:
        status = found.get(end)
        if status is not None and status is not RawStatus.MISSING:
            present += 1
            continue
        reason, words = (Reason.ABSENT, "") if status is None else (Reason.MISSING, reasons.get(end, ""))
        before = gaps[-1] if gaps else None
        goes_on = before is not None and (before.reason, before.why) == (reason, words)
        if before is not None and goes_on and before.last + period == end:
            gaps[-1] = Gap(before.first, end, before.count + 1, reason, words)
        else:
            gaps.append(Gap(end, end, 1, reason, words))
    return Day(day, len(ends), present, tuple(gaps))


def evaluated(
    day: date, found: Mapping[datetime, RawStatus], period: timedelta, evaluation: timedelta, zone: ZoneInfo = PRAGUE
) -> tuple[int, int]:
    """How many evaluation intervals a day has, and how many are complete; those of a longer period are its own."""
    ends = _ends(day, period, zone)
    many = max(evaluation // period, 1)
    valued = [found.get(end, RawStatus.MISSING) is not RawStatus.MISSING for end in ends]
    parts = [valued[begin : begin + many] for begin in range(0, len(valued), many)]
    return len(parts), sum(all(part) for part in parts)


def expected(day: date, period: timedelta, zone: ZoneInfo = PRAGUE) -> int:
    """How many intervals a day has. ValueError when the period does not divide it."""
    return len(_ends(day, period, zone))


def _ends(day: date, period: timedelta, zone: ZoneInfo) -> tuple[datetime, ...]:
    """A day of legal time is one interval of a day, however long it is."""
    return (day_bounds(day, zone)[1],) if period == timedelta(days=1) else interval_ends(day, period, zone)
