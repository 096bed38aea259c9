"""Which intervals of one profile of one meter are there, were told missing, or were asked for in vain.

    Coverage.seen(rows)            rows have come        Coverage.asked_for(window)  the meter was asked soundly
    overdue(coverage, ...)         whose time is up      completeness(coverage, ...) of a day
    encode, decode                 for the short cut in state.sqlite

Rules: pure, no clock, no I/O. Intervals are numbers of a `Grid`. An interval is there when a row of it has come from
the meter, whatever its status; expected are those from the oldest that is there, or from when the profile was
configured where nothing is, to now. A profile without a rhythm (a log, billing periods) has no intervals: of it only
the newest entry is known, and the days that were asked for.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto

import msgspec
from msgspec.structs import replace

from gatewayd.legal_time import Grid, instant, legal_day
from gatewayd.model import Reading
from gatewayd.obis import Obis
from gatewayd.runs import NONE, Range, Runs

YOUNG = timedelta(hours=1)
"""What is younger is asked for again and again: its row may just be late. What is older, every hour at most."""
SETTLED = timedelta(days=2)
"""An interval that the meter was asked for in vain is taken as not in it when it is so old: some show the rows of a day
only in the next morning, and are read before that."""
DAY = timedelta(days=1)
_VERSION = 1


class Channel(msgspec.Struct, frozen=True):
    """A column of a profile as it was seen last. `obis`: whether the code is an OBIS code."""

    code: str
    obis_raw: str
    unit: str = ""
    scaler: int = 0
    obis: bool = True

    @classmethod
    def of(cls, reading: Reading) -> "Channel":
        return cls(reading.code, reading.obis_raw, reading.unit, reading.scaler, reading.obis is not None)

    @property
    def key(self) -> Obis | None:
        return Obis.parse(self.code) if self.obis else None


@dataclass(frozen=True, slots=True)
class Rows:
    """What has come of a profile: its intervals, those of them with a supply failure, and the channels and length of
    the newest one, () and None where none is new. `told`: intervals that the gateway has put down as missing."""

    there: Runs = NONE
    dark: Runs = NONE
    told: Runs = NONE
    channels: tuple[Channel, ...] = ()
    period: timedelta | None = None


class Coverage(msgspec.Struct, frozen=True):
    """What is known. `period_s` is 0 for a profile without a rhythm, None as long as no row has told it; `begun` is
    when the profile was configured first, `newest` the newest entry of a log, `seq` the archive number up to which all
    of this is known."""

    period_s: int | None = None
    there: Runs = NONE
    told: Runs = NONE
    asked: Runs = NONE
    dark: Runs = NONE
    """Intervals with a supply failure behind a hole."""
    channels: tuple[Channel, ...] = ()
    begun: datetime | None = None
    newest: datetime | None = None
    serial: str = ""
    seq: int = 0
    mixed: datetime | None = None
    """Up to here intervals of another length are in the archive."""

    def seen(self, rows: Rows) -> "Coverage":
        """With these rows. Two rows of one interval are one interval that is there."""
        there, dark = self.there.union(rows.there), self.dark.union(rows.dark)
        return replace(
            self,
            there=there,
            told=self.told.union(rows.told),
            dark=Runs.of([first for first, _ in dark.ranges if first - 1 not in there]),
            channels=rows.channels or self.channels,
        )

    def asked_for(
        self, grid: Grid, start: datetime, end: datetime, now: datetime, settled: timedelta = SETTLED
    ) -> "Coverage":
        """The meter was asked soundly for what lies after `start` and not after `end`; what is not `settled` yet does
        not count."""
        first, last = grid.last(start) + 1, min(grid.last(end), grid.last(now - settled))
        return replace(self, asked=self.asked.union(Runs(tuple(self.there.holes(first, last)))))

    def trimmed(self, grid: Grid, now: datetime, settled: timedelta = SETTLED) -> "Coverage":
        """Without what was asked for and is not `settled` yet: the gateway's clock may have been set back."""
        last = grid.last(now - settled)
        if not self.asked or self.asked.ranges[-1][1] <= last:
            return self
        return replace(self, asked=self.asked.within(self.asked.ranges[0][0], last))

    def on(self, old: Grid, new: Grid) -> "Coverage":
        """With another length of the intervals: one is there, told or asked when all of its time is. What is not, is
        outstanding as before."""
        there, told, asked = (covered(one, old, new) for one in (self.there, self.told, self.asked))
        newest = self.there.highest(self.there.ranges[-1][1]) if self.there else None
        mixed = self.mixed if newest is None else max(old.end(newest), self.mixed or old.end(newest))
        seconds = int(new.period.total_seconds())
        return replace(self, period_s=seconds, there=there, told=told, dark=NONE, asked=asked, mixed=mixed)

    def expected(self, grid: Grid, now: datetime, months: int) -> Range:
        """The first and the last interval that should be there; the last is before the first where none should."""
        lowest, last = grid.last(horizon(now, months, grid)) + 1, grid.last(now)
        oldest = self.there.lowest(lowest)
        if oldest is not None and oldest <= last:
            told = self.told.lowest(lowest)  # who was told that something is missing expects what comes behind it
            return (oldest if told is None else min(oldest, told)), last
        if self.begun is None:
            return last + 1, last
        return max(lowest, grid.last(self.begun) + 1), last


def covered(runs: Runs, old: Grid, new: Grid) -> Runs:
    """The intervals of the new grid all of whose time is in those of the old one."""
    found: list[Range] = []
    for first, last in runs.ranges:
        begin = old.end(first - 1)
        lowest = new.last(begin) + 1
        if new.end(lowest - 1) < begin:
            lowest += 1
        highest = new.last(old.end(last))
        if lowest <= highest:
            found.append((lowest, highest))
    return NONE.union(Runs(tuple(found))) if found else NONE


def horizon(now: datetime, months: int, grid: Grid) -> datetime:
    """The legal midnight so many months ago: nothing before it is asked for or expected."""
    local = now.astimezone(grid.zone).date()
    year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
    year = max(year, 1)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return instant(date(year, month + 1, day), datetime.min.time(), grid.zone)


class Cause(Enum):
    """Why the time of an interval is up."""

    NOT_IN_METER = auto()
    NOT_READ = auto()


@dataclass(frozen=True, slots=True)
class Overdue:
    """Intervals in a row, of one legal-time day, that are to be told missing. `dark`: the row behind them tells of a
    supply failure."""

    first: int
    last: int
    cause: Cause
    dark: bool = False


def overdue(
    coverage: Coverage,
    grid: Grid,
    now: datetime,
    retry_window: timedelta,
    months: int,
    *,
    given_up: bool,
    stubborn: Runs = NONE,
) -> Iterator[Overdue]:
    """What is to be told now, oldest first. `given_up`: the meter cannot be read at present, so that what was not asked
    for is told as well when its retry window is over; never what is older than the profile's configuration. `stubborn`:
    of what is not given up, what was asked for in vain again and again."""
    first, last = coverage.expected(grid, now, months)
    last = min(last, _last_of_days(grid, now - SETTLED))
    known = coverage.there.union(coverage.told)
    begun = last + 1 if coverage.begun is None else grid.last(coverage.begun) + 1
    closed = _last_of_days(grid, now - retry_window)
    for hole in known.holes(first, last):
        behind = coverage.there.lowest(hole[1] + 1)
        dark = behind is not None and behind in coverage.dark
        asked = coverage.asked.within(*hole)
        found = [(a, b, Cause.NOT_IN_METER) for a, b in asked.ranges]
        unread = Runs(tuple(asked.holes(max(hole[0], begun), min(hole[1], closed))))
        if not given_up:
            unread = unread.minus(Runs(tuple(stubborn.holes(*hole))))
        found += [(a, b, Cause.NOT_READ) for a, b in unread.ranges]
        for a, b, cause in sorted(found, key=lambda one: one[0]):
            yield from (Overdue(x, y, cause, dark and cause is Cause.NOT_IN_METER) for x, y in by_day(grid, a, b))


def _last_of_days(grid: Grid, at: datetime) -> int:
    """The last interval of the last legal-time day that has ended: a day is told as a whole, and not by the quarter."""
    return grid.day(at.astimezone(grid.zone).date())[0] - 1


def by_day(grid: Grid, first: int, last: int) -> Iterator[Range]:
    """A range of intervals cut at legal midnights, ascending."""
    while first <= last:
        end = min(last, grid.day(legal_day(grid.end(first), grid.zone))[1])
        yield first, max(end, first)
        first = max(end, first) + 1


@dataclass(frozen=True, slots=True)
class Complete:
    """How many intervals of a time are expected, there, and told missing."""

    expected: int
    present: int
    told: int

    @property
    def settled(self) -> bool:
        """Whether each is there or explained."""
        return self.present + self.told >= self.expected


def completeness(coverage: Coverage, expected: Range, first: int, last: int) -> Complete:
    """Of the intervals from `first` to `last`, as far as they are expected."""
    first, last = max(first, expected[0]), min(last, expected[1])
    present = coverage.there.count(first, last)
    told = sum(b - a + 1 - coverage.there.count(a, b) for a, b in coverage.told.within(first, last).ranges)
    return Complete(max(last - first + 1, 0), present, told)


def evaluated(coverage: Coverage, grid: Grid, day: date, evaluation: timedelta) -> tuple[int, int]:
    """How many evaluation intervals (15 or 60 minutes) a legal-time day has, and of how many everything is there."""
    first, last = grid.day(day)
    many = max(evaluation // grid.period, 1)
    begins = range(first, last + 1, many)
    return len(begins), sum(coverage.there.count(begin, begin + many - 1) == many for begin in begins)


class _Kept(msgspec.Struct):
    """As it stands in state.sqlite. `aside`: what was put aside of the archive when it was written."""

    version: int
    zone: str
    aside: str
    coverage: Coverage


def encode(coverage: Coverage, zone: str, aside: str) -> bytes:
    """The short cut."""
    return msgspec.json.encode(_Kept(_VERSION, zone, aside, coverage))


def decode(stored: bytes, zone: str, aside: str) -> Coverage | None:
    """The coverage of a short cut; None where it is none, or of another archive than it was: it is made anew then."""
    try:
        kept = msgspec.json.decode(stored, type=_Kept)
    except (msgspec.DecodeError, ValueError):
        return None
    found = kept.coverage
    sound = all(runs.sound for runs in (found.there, found.told, found.asked, found.dark))
    aware = all(at is None or at.tzinfo is not None for at in (found.begun, found.newest))
    period = found.period_s
    fits = not period or Grid.fits(timedelta(seconds=period))
    if (kept.version, kept.zone, kept.aside) != (_VERSION, zone, aside) or not (sound and aware and fits):
        return None
    return found
