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

from gatewayd.archive.intervals import ProfileRows
from gatewayd.archive.rows import from_us
from gatewayd.coverage import DAY, YOUNG, Channel, Complete, Coverage, Rows, completeness, horizon
from gatewayd.errors import GatewayError
from gatewayd.increments import LONGEST_HOLE, increment_code
from gatewayd.legal_time import Grid, grid_of
from gatewayd.model import Archived, Increments, Kind, LoadProfile, Meter, Reading
from gatewayd.obis import Obis
from gatewayd.pieces import Terms, Window, pieces
from gatewayd.policy import Policy
from gatewayd.rows_seen import newest as newest_of
from gatewayd.rows_seen import of_archive, of_readings
from gatewayd.runs import NONE, Runs

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


VAIN_SECONDS = 3600.0


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
    nothing is known to be new. `open`: readings were sifted, and nobody has said yet that the archive has them."""

    meter: Meter
    order: Watch
    policy: Policy
    code: str
    zone: ZoneInfo
    coverage: Coverage = field(default_factory=Coverage)
    loaded: bool = False
    lost: bool = False
    open: bool = False
    stale: bool = False
    """It was open already when it was looked at last."""
    astray: bool = False
    """The archive may have what is not known here: somebody was cancelled while it was written."""
    changed: bool = False
    skip: Runs = NONE
    vain: Runs = NONE
    """Asked for to the end while a clock was not right, the gateway's or the meter's: that is no evidence, and asking
    again at once would bring no other answer."""
    vain_until: float = 0.0
    entries_asked: bool = False
    latest: datetime | None = None
    """Of a log: the newest entry of the piece that is being asked for."""
    closing: Runs = NONE
    """Intervals that are being told missing."""
    fault: GatewayError | None = None
    clock_wrong: bool = False
    sound_at: float | None = None
    """When a piece was answered soundly, on a clock that nobody sets."""

    @property
    def months(self) -> int:
        return self.order.months if isinstance(self.order, LoadProfile) else self.policy.backfill_months

    @property
    def period(self) -> timedelta:
        """The length of the intervals, as configured, as seen, or as the policy says."""
        if self.order.period is not None:
            return self.order.period
        seconds = self.coverage.period_s
        return self.policy.period if not seconds else timedelta(seconds=seconds)

    @property
    def rhythmic(self) -> bool:
        """Whether it has intervals that can be counted."""
        if isinstance(self.order, LoadProfile) and self.order.period is None and is_log(self.order.obis):
            return False
        return self.coverage.period_s != 0 and Grid.fits(self.period)

    @property
    def grid(self) -> Grid:
        """Of its intervals; of days where it has none."""
        return grid_of(self.period if self.rhythmic else DAY, self.zone)

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
        if steady >= self.vain_until:
            self.vain = NONE
        self.skip, self.entries_asked, self.latest = NONE, False, None
        self.coverage = self.coverage.trimmed(self.grid, now)

    def pieces(self, now: datetime) -> Iterator[Window]:
        """What is to be asked for now, the newest first."""
        coverage = self.coverage if self.rhythmic else replace(self.coverage, period_s=0)
        return pieces(coverage, self.grid, Terms(now, self.months, self.skip.union(self.vain), self.entries_asked))

    def asked_in_vain(self, start: datetime, end: datetime, steady: float) -> None:
        """A piece was answered to its end, and that proves nothing. It is not offered again for a while."""
        if not self.vain:
            self.vain_until = steady + VAIN_SECONDS
        self.vain = self.vain.add(self.grid.last(start) + 1, self.grid.last(end))

    def answered(self, start: datetime, end: datetime, now: datetime, *, sound: bool) -> None:
        """A piece was asked for to its end. It is not offered again in this run."""
        grid = self.grid
        numbers = (grid.last(start) + 1, grid.last(end))
        self.skip = self.skip.add(*numbers)
        if not self.rhythmic and end >= grid.end(grid.last(now)):
            self.entries_asked = True
        if sound:
            newest = self.coverage.newest
            if self.latest is not None and self.latest <= end:
                newest = self.latest if newest is None else max(newest, self.latest)
            self.coverage = replace(self.coverage.asked_for(grid, start, end, now), newest=newest)
        self.latest = None
        self.changed = True

    def sifted(self) -> None:
        """Readings of it go into the archive: until `keep` nobody knows whether they are there."""
        self.astray, self.open = self.astray or self.open, True

    def state(self, reading: Reading) -> State:
        """What is known of an interval; nothing where it is of another length than those of the profile."""
        if self.lost or not self.loaded or not self.rhythmic:
            return State.DOUBTFUL
        if timedelta(seconds=reading.interval_s or 0) != self.period:
            return State.DOUBTFUL
        number = self.grid.number(reading.at)
        if number is None or number in self.coverage.there:
            return State.DOUBTFUL
        return State.TOLD if number in self.coverage.told or number in self.closing else State.NEW

    def keep(self, archived: Sequence[Archived], added: int) -> None:
        """The archive has them; `added`: up to which number it is known to hold nothing else of this meter."""
        kinds: dict[tuple[str, Kind], bool] = {}  # a day has hundreds of readings and a handful of codes
        rows: list[Archived] = []
        for one in archived:
            key = one.reading.obis_raw, one.reading.kind
            if key not in kinds:
                kinds[key] = self._is_row(one.reading)
            if kinds[key]:
                rows.append(one)
        if isinstance(self.order, LoadProfile) and not any(one.reading.kind is Kind.INTERVAL for one in rows):
            self._note_entries([one.reading for one in rows])
        self._learn([one.reading for one in rows if one.reading.kind is Kind.INTERVAL])
        if archived:
            behind = self.coverage.seq if self.astray or self.closing else max(self.coverage.seq, added)
            self.coverage = replace(self.coverage, seq=behind, serial=archived[-1].serial)
        self.changed = True

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
        self.latest = max((*ats, self.latest) if self.latest is not None else ats)

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
        self._take(of_readings(rows, self.grid, fixed=fixed, made=made), self.grid.last(newest))

    def learn_period(self, period: timedelta | None, newest: datetime) -> None:
        """The newest row is so long. Another length than before makes another profile of it, from there on."""
        if period is None or self.order.period is not None:
            return
        seconds = int(period.total_seconds())
        known = self.coverage.period_s
        if known == seconds:
            return
        if not Grid.fits(period):
            self.coverage = replace(self.coverage, period_s=0, there=NONE, told=NONE, asked=NONE, dark=NONE)
            return
        if not self.rhythmic:
            return
        before = self.grid
        last = self.coverage.there.highest(before.last(newest)) if known else None
        if last is None or before.end(last) < newest:
            self.coverage = self.coverage.on(before, Grid(period, self.zone))
            self.skip = NONE

    def _take(self, rows: Rows, newest: int) -> None:
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
            self._take(rows, self.grid.last(from_us(channels[0].at)) if channels else 0)
        self.coverage = replace(self.coverage, seq=max(self.coverage.seq, head))
        self.loaded, self.open, self.stale, self.astray = True, False, False, False

    def expected(self, now: datetime) -> tuple[int, int]:
        return self.coverage.expected(self.grid, now, self.months)

    def day(self, day: date, now: datetime) -> Complete:
        """How complete a legal-time day is."""
        return completeness(self.coverage, self.expected(now), *self.grid.day(day))

    def reached(self, now: datetime) -> tuple[datetime | None, datetime]:
        """Back to when everything was asked for, None where that is as far as it goes; and how far it goes."""
        grid, back = self.grid, horizon(now, self.months, self.grid)
        lowest, last = grid.last(back) + 1, grid.last(now)
        oldest = self.coverage.there.lowest(lowest) if self.rhythmic else None
        top = last if oldest is None else oldest - 1
        done = self.coverage.asked.union(self.skip)
        holes = list(done.holes(lowest, min(top, grid.last(now - YOUNG))))
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
