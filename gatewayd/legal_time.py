"""Legal time: the days and quarter-hours in which energy is settled.

Rules: instants are UTC; a legal-time day begins at local midnight and has 96, 92 or 100 quarter-hours
(PPDS annex 5, 1.5; never a constant 96). An interval is named by its END, the label of the last one is 24:00.
No clock is read here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

PRAGUE = ZoneInfo("Europe/Prague")
QUARTER = timedelta(minutes=15)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_OFF_GRID = 100
"""An interval that ends beside the grid by less than this part of its length ends on it."""
GAS_DAY_START = time(6, 0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TODAY = datetime(2026, 1, 1, tzinfo=UTC)
"""Some instant of these years: zones had other offsets long ago."""


def instant(day: date, at: time, zone: ZoneInfo = PRAGUE) -> datetime:
    """The UTC instant of a legal-time wall clock reading.

    In the autumn hour that happens twice, the first one; a reading inside the spring gap is moved on by the gap
    (02:30 becomes 03:30 summer time), so that a daily job never falls out.
    """
    return datetime.combine(day, at, zone).astimezone(UTC)


def day_bounds(day: date, zone: ZoneInfo = PRAGUE, start: time = time(0, 0)) -> tuple[datetime, datetime]:
    """Start and end of a legal-time day as UTC instants; `start=GAS_DAY_START` for the gas day."""
    return instant(day, start, zone), instant(day + timedelta(days=1), start, zone)


def interval_ends(
    day: date, period: timedelta = QUARTER, zone: ZoneInfo = PRAGUE, start: time = time(0, 0)
) -> tuple[datetime, ...]:
    """The ends of all intervals of a legal-time day, ascending, in UTC.

    ValueError when the period does not divide the day.
    """
    begin, end = day_bounds(day, zone, start)
    count, rest = divmod(end - begin, period)
    if rest:
        raise ValueError(f"{period} does not divide the legal-time day {day} of {end - begin}")
    return tuple(begin + period * n for n in range(1, count + 1))


def quarters(day: date, zone: ZoneInfo = PRAGUE) -> int:
    """96, or 92 and 100 on the days when daylight saving begins and ends."""
    return len(interval_ends(day, QUARTER, zone))


def legal_day(end: datetime, zone: ZoneInfo = PRAGUE, start: time = time(0, 0)) -> date:
    """The legal-time day to which the interval ending at `end` belongs: midnight ends the day before."""
    return _legal_day(end.astimezone(UTC), zone, start)


@lru_cache(maxsize=4096)
def _legal_day(end: datetime, zone: ZoneInfo, start: time) -> date:
    """Of an instant in UTC: those of a zone are the same to a cache twice in the autumn."""
    offset = timedelta(hours=start.hour, minutes=start.minute)
    naive = end.astimezone(zone).replace(tzinfo=None) - offset
    return (naive - timedelta(microseconds=1)).date()


def boundary(at: datetime, period: timedelta, zone: ZoneInfo = PRAGUE) -> datetime:
    """The last instant at or before `at` when the legal wall clock showed a multiple of the period, in UTC.

    Shifts of the zone count whole: in zones of half hours an hour ends where people say that it does."""
    shift = at.astimezone(zone).utcoffset() or timedelta()
    return at - (at - _EPOCH + shift) % period


@dataclass(frozen=True, slots=True)
class Grid:
    """The ends of intervals of one length as whole numbers that follow each other, summer and winter.

    `period` divides the hour, or is a day of legal time; ValueError for another. Days are numbered by the date of the
    midnight at which they end, other intervals by their count since 1970.
    """

    period: timedelta
    zone: ZoneInfo = PRAGUE
    _shift: timedelta = field(init=False, repr=False, compare=False)
    """In zones of half hours an hour ends where people say that it does."""

    def __post_init__(self) -> None:
        if not self.fits(self.period):
            raise ValueError(f"intervals of {self.period} have no grid: expected a part of an hour, or a day")
        object.__setattr__(self, "_shift", (_TODAY.astimezone(self.zone).utcoffset() or timedelta()) % self.period)

    @staticmethod
    def fits(period: timedelta) -> bool:
        """Whether intervals of this length have a grid."""
        return period == _DAY or (period > timedelta(0) and not _HOUR % period)

    @property
    def daily(self) -> bool:
        return self.period == _DAY

    def number(self, end: datetime) -> int | None:
        """The interval that ends then, or so near that it is meant; None for an instant beside the grid. Of a day that
        is the nearest midnight: meters that know no summer time end it an hour later."""
        if self.daily:
            return (end.astimezone(self.zone).replace(tzinfo=None) + _DAY / 2).toordinal()
        count, rest = divmod(end - _EPOCH + self._shift, self.period)
        limit = self.period / _OFF_GRID
        return count if rest <= limit else count + 1 if rest >= self.period - limit else None

    def last(self, at: datetime) -> int:
        """The last interval that has ended."""
        if self.daily:
            return at.astimezone(self.zone).toordinal()
        return (at - _EPOCH + self._shift) // self.period

    def end(self, number: int) -> datetime:
        """When an interval ends, in UTC."""
        if self.daily:
            return instant(date.fromordinal(number), time(0, 0), self.zone)
        return _EPOCH + self.period * number - self._shift

    def day(self, day: date) -> tuple[int, int]:
        """The first and the last interval of a legal-time day."""
        if self.daily:
            return day.toordinal() + 1, day.toordinal() + 1
        begin, end = day_bounds(day, self.zone)
        return self.last(begin) + 1, self.last(end)


@lru_cache(maxsize=64)
def grid_of(period: timedelta, zone: ZoneInfo) -> Grid:
    """The same one for the same length and zone. ValueError."""
    return Grid(period, zone)


def ends_between(start: datetime, end: datetime, period: timedelta, zone: ZoneInfo = PRAGUE) -> tuple[datetime, ...]:
    """The ends of all intervals after `start` and not after `end`, ascending, in UTC; days end at legal midnight. Those
    of a period that divides no day are counted from the start."""
    if Grid.fits(period):
        grid = Grid(period, zone)
        return tuple(grid.end(number) for number in range(grid.last(start) + 1, grid.last(end) + 1))
    found: list[datetime] = []
    for day in days(legal_day(start, zone), legal_day(end, zone)):
        try:
            found += interval_ends(day, period, zone)
        except ValueError:
            return tuple(start + period * n for n in range(1, (end - start) // period + 1))
    return tuple(at for at in found if start < at <= end)


def end_label(end: datetime, zone: ZoneInfo = PRAGUE) -> str:
    """How people write the end of an interval: `2026-10-25 02:15+01:00`, midnight as `2026-10-25 24:00+01:00`.

    The offset tells apart the two hours of the autumn change.
    """
    local = end.astimezone(zone)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{(local - timedelta(days=1)).date().isoformat()} 24:00{_offset(local)}"
    return start_label(end, zone)


def start_label(start: datetime, zone: ZoneInfo = PRAGUE) -> str:
    """The same for the start of an interval and for an instant: midnight is 00:00 of the day that begins."""
    local = start.astimezone(zone)
    seconds = f":{local.second:02d}" if local.second else ""
    return f"{local.date().isoformat()} {local.hour:02d}:{local.minute:02d}{seconds}{_offset(local)}"


def _offset(local: datetime) -> str:
    offset = local.strftime("%z")
    return f"{offset[:3]}:{offset[3:5]}"


def days(first: date, last: date) -> Iterator[date]:
    """Every calendar day from `first` to `last`, both included."""
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)


def ambiguous(local: datetime) -> bool:
    """True for a wall clock reading (with its zone) that happens twice, in the autumn hour."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset() and not imaginary(local)


def imaginary(local: datetime) -> bool:
    """True for a wall clock reading that never happens, in the spring gap."""
    back = local.replace(fold=0).astimezone(UTC).astimezone(local.tzinfo)
    return back.replace(tzinfo=None) != local.replace(tzinfo=None)
