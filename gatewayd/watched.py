"""One profile that is kept complete: what is known of it, and what a run of the process has added to that.

Rules: no I/O. What the archive holds decides; what is only known here (what was left out in this run, how the last
session ended) may be lost at any time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum, auto
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.archive.profile_rows import ProfileRows
from gatewayd.archive.rows import from_us
from gatewayd.attempts import Attempts
from gatewayd.coverage import DAY, SETTLED, YOUNG, Channel, Complete, Coverage, Rows, completeness, horizon
from gatewayd.errors import GatewayError
from gatewayd.increments import LONGEST_HOLE, increment_code
from gatewayd.legal_time import Grid, grid_of
from gatewayd.model import Archived, Increments, Kind, LoadProfile, Meter, Reading
from gatewayd.obis import Obis
from gatewayd.pieces import Terms, Window, again, pieces
from gatewayd.policy import Policy
from gatewayd.rows_seen import newest as newest_of
from gatewayd.rows_seen import of_archive, of_readings
from gatewayd.runs import NONE, Range, Runs

Watch = LoadProfile | Increments
Key = tuple[str, str]
"""Meter, and what of it: the code of a profile, or code and length of intervals that the gateway makes."""

_CLOCK = Obis.parse("0-0:1.0.0")
_PROFILE, _LOGS, _BILLING = 99, frozenset({97, 98, 99}), 98
"""Groups C and D of load profiles, event logs and billing periods (IEC 62056-6-1)."""


def is_log(code: Obis) -> bool:
    """Whether a profile has no rhythm, as its code says."""
    return code.c == _BILLING or (code.c == _PROFILE and code.d in _LOGS)


def is_clock(reading: Reading) -> bool:
    """Whether it is what the meter's clock showed, and no row of a profile."""
    return reading.obis == _CLOCK


class State(Enum):
    """Of an interval in the archive."""

    NEW = auto()
    """There is nothing of it."""
    TOLD = auto()
    """Only that it is missing, or that is about to be put down."""
    DOUBTFUL = auto()
    """There is a row, or nobody knows: it has to be looked up."""


@dataclass(slots=True)
class Watched:
    """`code`: of the profile, or of the increments of one register. `lost`: the archive could not be asked, so that
    nothing is known to be new. `open`: of so many answers readings were sifted, and nobody has said yet that the
    archive has them."""

    meter: Meter
    order: Watch
    policy: Policy
    code: str
    zone: ZoneInfo
    coverage: Coverage = field(default_factory=Coverage)
    loaded: bool = False
    lost: bool = False
    open: int = 0
    stale: bool = False
    """It was open already when it was looked at last."""
    astray: bool = False
    """The archive may have what is not known here: somebody was cancelled while it was written."""
    changed: bool = False
    attempts: Attempts = field(default_factory=Attempts)
    closing: Runs = NONE
    """Intervals that are being told missing."""
    fault: GatewayError | None = None
    clock_wrong: bool = False
    sound_at: float | None = None
    """When a piece was answered soundly, on a clock that nobody sets."""
    _known: tuple[object, tuple[timedelta, bool, Grid]] | None = field(default=None, repr=False, compare=False)

    @property
    def months(self) -> int:
        return self.order.months if isinstance(self.order, LoadProfile) else self.policy.backfill_months

    @property
    def period(self) -> timedelta:
        """The length of the intervals, as configured, as seen, or as the policy says."""
        return self._rhythm[0]

    @property
    def rhythmic(self) -> bool:
        """Whether it has intervals that can be counted."""
        return self._rhythm[1]

    @property
    def grid(self) -> Grid:
        """Of its intervals; of days where it has none."""
        return self._rhythm[2]

    @property
    def _rhythm(self) -> tuple[timedelta, bool, Grid]:
        """Asked for at every row, and hardly ever another one."""
        basis = self.order, self.policy, self.coverage.period_s
        if self._known is None or self._known[0] != basis:
            self._known = basis, self._worked_out()
        return self._known[1]

    def _worked_out(self) -> tuple[timedelta, bool, Grid]:
        order, seconds = self.order, self.coverage.period_s
        period = order.period or (timedelta(seconds=seconds) if seconds else self.policy.period)
        log = isinstance(order, LoadProfile) and order.period is None and is_log(order.obis)
        rhythmic = not log and seconds != 0 and Grid.fits(period)
        return period, rhythmic, grid_of(period if rhythmic else DAY, self.zone)

    @property
    def settled(self) -> timedelta:
        """So old is what is not in the meter when the meter was asked for it in vain."""
        return SETTLED if self.rhythmic else YOUNG

    @property
    def retry_window(self) -> timedelta:
        """Of increments not less than what they tell by themselves when the meter comes back."""
        window = self.policy.retry_window
        return window if isinstance(self.order, LoadProfile) else max(window, LONGEST_HOLE)

    @property
    def fresh(self) -> bool:
        """Whether all that the archive has is known."""
        return self.loaded and not (self.lost or self.open or self.astray)

    def begin(self, now: datetime, steady: float) -> None:
        """A run begins: what failed in the one before is asked for again. `steady`: seconds that nobody sets."""
        self.attempts.begin(steady)
        self.coverage = self.coverage.trimmed(self.grid, now, self.settled)

    def seen_at(self, now: datetime) -> None:
        """A clock that is right shows this: it was not, when the profile was configured later than that."""
        if self.coverage.begun is not None and self.coverage.begun > now:
            self.coverage, self.changed = replace(self.coverage, begun=now), True

    def pieces(self, now: datetime) -> Iterator[Window]:
        """What is to be asked for now, the newest first."""
        coverage = self.coverage if self.rhythmic else replace(self.coverage, period_s=0)
        attempts, grid = self.attempts, self.grid
        left_out = attempts.left_out
        yield from pieces(coverage, grid, Terms(now, self.months, left_out.union(attempts.stubborn), attempts.entries))
        yield from again(coverage, grid, Terms(now, self.months, left_out), attempts.stubborn)

    def asked(self, start: datetime, end: datetime, now: datetime) -> Range:
        """A piece was asked for: it is not offered again in this run. Gives its numbers."""
        grid = self.grid
        piece = grid.last(start) + 1, grid.last(end)
        self.attempts.asked(piece)
        if not self.rhythmic and end >= grid.end(grid.last(now)):
            self.attempts.entries = True
        return piece

    def sound(self, start: datetime, end: datetime, now: datetime, steady: float) -> None:
        """A piece was answered soundly, to its end: what did not come of it is not in the meter, unless that is too
        young to say so. `steady`: seconds that nobody sets."""
        piece = self.asked(start, end, now)
        self.attempts.sound(piece)
        grid, settled = self.grid, self.settled
        young = max(piece[0], grid.last(now - settled) + 1), min(piece[1], grid.last(now - YOUNG))
        if young[0] <= young[1]:
            self.attempts.proved_nothing(young, steady)
        newest, latest = self.coverage.newest, self.attempts.latest
        if latest is not None and latest <= end:
            newest = latest if newest is None else max(newest, latest)
        self.coverage = replace(self.coverage.asked_for(grid, start, end, now, settled), newest=newest)
        self.changed = True

    def sifted(self) -> None:
        """Readings of it go into the archive: until `keep` nobody knows whether they are there."""
        self.open += 1

    def state(self, reading: Reading) -> State:
        """What is known of an interval; nothing where it is of another length than those of the profile."""
        if self.lost or not self.loaded or not self.rhythmic:
            return State.DOUBTFUL
        if timedelta(seconds=reading.interval_s or 0) != self.period:
            return State.DOUBTFUL
        mixed, number = self.coverage.mixed, self.grid.number(reading.at)
        if number is None or number in self.coverage.there or (mixed is not None and reading.at <= mixed):
            return State.DOUBTFUL
        return State.TOLD if number in self.coverage.told or number in self.closing else State.NEW

    def all_new(self, rows: Sequence[Reading]) -> bool:
        """Whether `state` says of each of these, one of each interval, that there is nothing of it."""
        if self.lost or not self.loaded or not self.rhythmic:
            return False
        seconds, grid, coverage = int(self.period.total_seconds()), self.grid, self.coverage
        numbers = [grid.number(one.at) for one in rows if one.interval_s == seconds]
        found = [number for number in numbers if number is not None]
        if len(found) < len(rows) or not found:
            return False
        if coverage.mixed is not None and min(one.at for one in rows) <= coverage.mixed:
            return False
        first, last = min(found), max(found)
        return not any(known.count(first, last) for known in (coverage.there, coverage.told, self.closing))

    def keep(self, archived: Sequence[Archived], added: int, answers: int) -> None:
        """The archive has them, of so many answers; `added`: up to which number it is known to hold nothing else of
        this meter."""
        self.open = max(self.open - answers, 0)
        self.stale = self.stale and self.open > 0
        rows = self._rows_of(archived)
        intervals = [one for one in rows if one.kind is Kind.INTERVAL]
        if isinstance(self.order, LoadProfile) and not intervals:
            self._note_entries(rows)
        self._learn(intervals)
        if archived:
            behind = self.coverage.seq if self.astray or self.closing or self.open else max(self.coverage.seq, added)
            self.coverage = replace(self.coverage, seq=behind, serial=archived[-1].serial)
        self.changed = True

    def _rows_of(self, archived: Sequence[Archived]) -> list[Reading]:
        known: dict[str, tuple[Kind, bool]] = {}  # a day has hundreds of readings and a handful of codes
        rows: list[Reading] = []
        for one in archived:
            reading = one.reading
            kind, is_row = known.get(reading.obis_raw, (None, False))
            if kind is not reading.kind:
                is_row = self._is_row(reading)
                known[reading.obis_raw] = reading.kind, is_row
            if is_row:
                rows.append(reading)
        return rows

    def _is_row(self, reading: Reading) -> bool:
        """No clock reading, and not what stood where a row should be."""
        if isinstance(self.order, Increments):
            return reading.kind is Kind.INTERVAL and reading.code == self.code
        return not is_clock(reading) and (reading.kind is Kind.EVENT or reading.code != self.code)

    def _note_entries(self, rows: Sequence[Reading]) -> None:
        ats = [one.at for one in rows if one.kind is not Kind.MAXIMUM]
        if not ats:
            return
        if self.rhythmic and not self.coverage.there:
            self.coverage = Coverage(0, begun=self.coverage.begun, seq=self.coverage.seq)  # its rows are no intervals
        latest = self.attempts.latest
        self.attempts.latest = max((*ats, latest) if latest is not None else ats)

    def _learn(self, rows: Sequence[Reading]) -> None:
        if not rows:
            return
        newest = max(one.at for one in rows)
        last = [one for one in rows if one.at == newest]
        period = next((timedelta(seconds=one.interval_s) for one in last if one.interval_s), None)
        self.learn_period(period, newest)
        if not self.rhythmic:
            return
        fixed, made = self.order.period is not None, isinstance(self.order, Increments)
        self._take(*of_readings(rows, self.grid, fixed=fixed, made=made), self.grid.last(newest))

    def learn_period(self, period: timedelta | None, newest: datetime) -> None:
        """The newest row is so long: another length than before is that of the profile from now on."""
        if period is None or self.order.period is not None:
            return
        seconds = int(period.total_seconds())
        known = self.coverage.period_s
        if known == seconds:
            return
        if not self.rhythmic:
            return
        before = self.grid
        last = self.coverage.there.highest(before.last(newest)) if known else None
        if last is not None and before.end(last) >= newest:
            return
        if Grid.fits(period):
            self.coverage = self.coverage.on(before, grid_of(period, self.zone))
        else:
            self.coverage = replace(self.coverage, period_s=0, there=NONE, told=NONE, asked=NONE, dark=NONE)
        self.attempts = Attempts()

    def _take(self, rows: Rows, others: datetime | None, newest: int) -> None:
        """`others`: the newest end of a row of another length."""
        mixed = self.coverage.mixed
        if others is not None and (mixed is None or others > mixed):
            self.coverage = replace(self.coverage, mixed=others)
        known = self.coverage.there.highest(newest)
        if known is not None and known >= newest:
            rows = Rows(rows.there, rows.dark, rows.told)
        self.coverage = self.coverage.seen(rows)

    def told(self, first: int, last: int) -> None:
        """The archive has them as missing."""
        self.coverage = self.coverage.seen(Rows(told=Runs(((first, last),))))
        self.changed = True

    def restore(self, found: ProfileRows, head: int) -> None:
        """What the archive has behind what is known."""
        channels = newest_of(found.channels)
        if channels:
            seconds = channels[0].interval_s
            self.learn_period(timedelta(seconds=seconds) if seconds else None, from_us(channels[0].at))
            self.coverage = replace(self.coverage, serial=channels[0].serial or self.coverage.serial)
        if self.coverage.begun is None and found.begun is not None:
            self.coverage = replace(self.coverage, begun=found.begun)
        if self.rhythmic:
            rows = of_archive(found, self.grid, fixed=self.order.period is not None)
            self._take(*rows, self.grid.last(from_us(channels[0].at)) if channels else 0)
        self.coverage = replace(self.coverage, seq=max(self.coverage.seq, head))
        self.loaded, self.open, self.stale, self.astray = True, 0, False, False

    def expected(self, now: datetime) -> tuple[int, int]:
        return self.coverage.expected(self.grid, now, self.months)

    def day(self, day: date, now: datetime) -> Complete:
        """How complete a legal-time day is."""
        return completeness(self.coverage, self.expected(now), *self.grid.day(day))

    def reached(self, now: datetime) -> tuple[datetime | None, datetime]:
        """Back to when everything was asked for, but for what is not settled: None where that is as far as it goes; and
        how far it goes."""
        grid, back = self.grid, horizon(now, self.months, self.grid)
        lowest, last = grid.last(back) + 1, grid.last(now)
        oldest = self.coverage.there.lowest(lowest) if self.rhythmic else None
        top = last if oldest is None else oldest - 1
        done = self.coverage.asked.union(self.attempts.left_out)
        holes = list(done.holes(lowest, min(top, grid.last(now - self.settled))))
        return (grid.end(holes[-1][1]) if holes else None), back

    def channels(self) -> tuple[Channel, ...]:
        """Those that a row must have: as configured, with what was seen of each; else those of the newest row."""
        seen = self.coverage.channels
        if not isinstance(self.order, LoadProfile) or not self.order.channels:
            return seen
        by_code = {one.code: one for one in seen}
        return tuple(by_code.get(str(code), Channel(str(code), code.reduced())) for code in self.order.channels)


def watched(meter: Meter, order: Watch, policy: Policy, zone: ZoneInfo) -> dict[Key, Watched]:
    """What an order keeps complete: a profile, or the intervals of each register that has some."""
    if isinstance(order, LoadProfile):
        code = str(order.obis)
        return {(meter.id, code): Watched(meter, order, policy, code, zone)}
    seconds = int(order.period.total_seconds())
    codes = [str(code) for code in map(increment_code, order.registers) if code is not None]
    return {
        (meter.id, f"{code} {seconds}"): Watched(meter, order, policy, code, zone, Coverage(seconds)) for code in codes
    }
