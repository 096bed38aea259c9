"""The clock of a meter: what it shows at an instant, which instant it means, and where intervals end on it.

Rules: instants are UTC, what a clock shows is a naive wall clock reading; a season is `0` normal time, `1` summer time,
`2` UTC (EDIS, the digit z of a time). Intervals are counted on in UTC, days on the calendar of the clock, so that the
days of the change have 92 and 100 quarter-hours, 23 and 25 hours, by themselves.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_MINUTES = 1440
_DAY = timedelta(days=1)
_NONE = timedelta(0)


class ClockKind(Enum):
    """What a meter's clock shows."""

    LEGAL = "legal"
    STANDARD = "standard"
    UTC = "utc"


@dataclass(frozen=True, slots=True)
class MeterClock:
    """A clock in a zone; STANDARD is the zone's winter time all the year."""

    kind: ClockKind
    zone: ZoneInfo

    def wall(self, at: datetime) -> datetime:
        """What the clock shows at an instant, naive."""
        match self.kind:
            case ClockKind.LEGAL:
                return at.astimezone(self.zone).replace(tzinfo=None)
            case ClockKind.STANDARD:
                return (at + standard_offset(self.zone, at.year)).replace(tzinfo=None)
            case ClockKind.UTC:
                return at.replace(tzinfo=None)

    def instant(self, wall: datetime) -> datetime:
        """The instant of a naive reading: the first of two in autumn, moved on by the gap in spring."""
        match self.kind:
            case ClockKind.LEGAL:
                return wall.replace(tzinfo=self.zone).astimezone(UTC)
            case ClockKind.STANDARD:
                return wall.replace(tzinfo=UTC) - standard_offset(self.zone, wall.year)
            case ClockKind.UTC:
                return wall.replace(tzinfo=UTC)

    def season(self, at: datetime) -> str:
        """The season digit that belongs to the clock at an instant."""
        match self.kind:
            case ClockKind.LEGAL:
                return "1" if is_summer(at, self.zone) else "0"
            case ClockKind.STANDARD:
                return "0"
            case ClockKind.UTC:
                return "2"


@lru_cache(maxsize=64)
def standard_offset(zone: ZoneInfo, year: int) -> timedelta:
    """The zone's offset in winter: the smaller one of January and July (Dublin calls its summer time the standard)."""
    offsets = (datetime(year, month, 1, tzinfo=zone).utcoffset() or _NONE for month in (1, 7))
    return min(offsets)


def is_summer(at: datetime, zone: ZoneInfo) -> bool:
    """True when the zone's legal time is ahead of its winter time."""
    local = at.astimezone(zone)
    return (local.utcoffset() or _NONE) > standard_offset(zone, local.year)


def row_ends(
    stamp: datetime, minutes: int, clock: MeterClock, *, count: int, starts: bool = False
) -> tuple[bool, tuple[datetime, ...]]:
    """The ends of `count` intervals under a header, and whether the first one is shorter or longer than the others.

    `stamp` is the end of the first interval, with `starts` its beginning; `minutes` is the period, at least 1. Periods
    lie on a grid that begins at midnight of the clock; behind a stamp beside it the next ends are on it again. Fewer
    ends than rows come back where the calendar ends.
    """
    ends: list[datetime] = []
    partial = False
    try:
        if minutes % DAY_MINUTES:
            partial, first, second = _first_two(stamp, timedelta(minutes=minutes), clock, starts)
            step = timedelta(minutes=minutes)
            ends.append(first)
            for _ in range(1, count):
                ends.append(second)
                second += step
        else:
            partial, wall = _first_day(stamp, minutes // DAY_MINUTES, clock, starts)
            ends.append(stamp if partial and not starts else clock.instant(wall))
            for _ in range(1, count):
                wall += _DAY * (minutes // DAY_MINUTES)
                ends.append(clock.instant(wall))
    except OverflowError:  # beyond the year 9999: such rows have no end
        pass
    return partial, tuple(ends[:count])


def _first_two(stamp: datetime, period: timedelta, clock: MeterClock, starts: bool) -> tuple[bool, datetime, datetime]:
    wall = clock.wall(stamp)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    beside = (stamp - clock.instant(midnight)) % period
    if beside and not (wall - midnight) % period:
        beside = _NONE  # periods above an hour: a clock may keep to its wall clock on the days of the change
    following = stamp + period - beside
    return bool(beside), (following if starts else stamp), (following + period if starts else following)


def _first_day(stamp: datetime, days: int, clock: MeterClock, starts: bool) -> tuple[bool, datetime]:
    """Whether the first day is partial, and the reading that the days are counted on from.

    Meters end their days at midnight or at another full quarter-hour (06:00 for gas); any other reading is partial.
    """
    wall = clock.wall(stamp)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if wall.minute % 15 or wall.second:
        return True, midnight + _DAY if starts else midnight
    return False, wall + _DAY * days if starts else wall
