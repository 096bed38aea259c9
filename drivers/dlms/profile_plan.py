"""How a profile is asked for, without I/O: what has to be known for it, in which pieces, and by which entry numbers.

Rules: a piece is a legal-time day or several, and what came of one is archived before the next is asked for. Entry
numbers are estimates until the times of the rows confirm them: a search goes on until rows reach over both ends of
what was asked for, or the buffer ends; it never jumps over rows.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drivers.dlms.caches import Cache
from drivers.dlms.row_times import later
from drivers.dlms.scales import Scales
from drivers.dlms.vendors import Access, Vendor
from drivers.dlms.wire.cosem_time import ClockRules, Deviation
from gatewayd.driver import Clock
from gatewayd.legal_time import ambiguous, day_bounds, legal_day

BATCH = 100
"""Rows that are asked for at once where nobody knows how many are needed."""
_MOST = 1000
"""Rows of one request by entries."""
_STEPS = 200
"""Requests of one search: a meter whose times lead nowhere does not keep the line for ever."""
ROWS_OF_A_DAY = 96
_SHORT = timedelta(hours=25)
_MOMENT = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_BEHIND = timedelta(minutes=1)
"""A range is asked for this much longer, half a period at most: there are meters that leave out its end."""


@dataclass(frozen=True, slots=True)
class ProfileContext:
    """What profiles need besides a session. `ahead`: the meter's clock minus the gateway's, as far as it is known.
    `range_deviation` None: as the vendor profile says. `days`: legal-time days of one request."""

    meter: str
    rules: ClockRules
    vendor: Vendor
    cache: Cache = field(repr=False)
    scales: Scales = field(repr=False)
    clock: Clock = field(repr=False)
    ahead: timedelta = timedelta(0)
    range_deviation: bool | None = None
    access: Access = "auto"
    days: int = 1

    @property
    def with_deviation(self) -> bool:
        return self.vendor.range_deviation if self.range_deviation is None else self.range_deviation

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways to the rows, in the order in which they are tried: what is configured, else what the vendor says."""
        chosen = self.vendor.selective_access if self.access == "auto" else self.access
        return ("range", "entry", "none") if chosen == "auto" else (chosen,)


@dataclass(frozen=True, slots=True)
class Window:
    """Rows after `start` and not after `end`."""

    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        return self.start < at <= self.end


def windows(wanted: Window, context: ProfileContext, period: int) -> tuple[Window, ...]:
    """The pieces, oldest first: cut at legal midnight, but what is no longer than a day stays one, and so does what no
    period captures: logs and billing periods are short. Rows that are far apart come in pieces of as many rows."""
    if not period or wanted.end - wanted.start <= _SHORT:
        return (wanted,)
    zone = context.rules.zone
    days = max(context.days, ROWS_OF_A_DAY * period // 86_400)
    found: list[Window] = []
    begin = wanted.start
    while begin < wanted.end:
        last = legal_day(begin + _MOMENT, zone) + timedelta(days=days - 1)
        end = min(day_bounds(last, zone)[1], wanted.end)
        found.append(Window(begin, end))
        begin = end
    return tuple(found)


def stamps_of(window: Window, context: ProfileContext, period: int) -> Window:
    """The times that the meter gives to the rows of a window."""
    if context.vendor.time == "end":
        return window
    return Window(later(window.start, -period, context.rules), later(window.end, -period, context.rules))


def margins(stamps: Window, context: ProfileContext, period: int) -> tuple[timedelta, timedelta]:
    """How much earlier and later than wanted a range is asked for. Where no deviation tells them apart, a range neither
    begins nor ends in the hour that happens twice."""
    before, behind = timedelta(0), min(_BEHIND, timedelta(seconds=period // 2 or 1))
    if context.with_deviation and context.rules.deviation is not Deviation.IGNORED:
        return before, behind
    while ambiguous((stamps.start - before).astimezone(context.rules.zone)):
        before += _HOUR
    while ambiguous((stamps.end + behind).astimezone(context.rules.zone)):
        behind += _HOUR
    return before, behind


class EntrySearch:
    """Looks for the entries of a window. Ages count from the newest row, which is 1, up to `in_use`, the oldest; the
    caller turns them into entry numbers.

    `newest`: time of the newest row. `next()` says which ages to ask for, `found()` takes the oldest and the newest
    time that came of them, None where no row had one.
    """

    def __init__(self, window: Window, in_use: int, newest: datetime, period: int) -> None:
        self._window = window
        self._in_use = in_use
        self._period = timedelta(seconds=period)
        self._steps = 0
        young = max(1, self._rows(newest - window.end)) if period else 1
        old = self._rows(newest - window.start) + 1 if period else BATCH
        self._wanted: tuple[int, int] | None = self._limited(young, max(young, old))
        self._read: tuple[int, int] | None = None
        self._times: tuple[datetime | None, datetime | None] = (None, None)

    def next(self) -> tuple[int, int] | None:
        """The youngest and the oldest age to ask for; None when everything is there, or no more can be done."""
        return self._wanted if self._steps < _STEPS else None

    @property
    def goes_back(self) -> bool:
        """True where `next()` asks for rows that are older than those that are there."""
        return self._read is not None and self._wanted is not None and self._wanted[1] > self._read[1]

    @property
    def complete(self) -> bool:
        return self._wanted is None

    def found(self, oldest: datetime | None, newest: datetime | None) -> None:
        """What the rows of `next()` say."""
        assert self._wanted is not None
        self._steps += 1
        young, old = self._wanted
        if self._read is None:
            self._read, self._times = (young, old), (oldest, newest)
        else:
            if old > self._read[1]:
                self._times = (oldest or self._times[0], self._times[1])
            if young < self._read[0]:
                self._times = (self._times[0], newest or self._times[1])
            self._read = (min(young, self._read[0]), max(old, self._read[1]))
        self._wanted = self._more()

    def _more(self) -> tuple[int, int] | None:
        """The next ages, one of those that are there included: the buffer may have moved on by a row meanwhile."""
        assert self._read is not None
        young, old = self._read
        oldest, newest = self._times
        if young > 1 and (newest is None or newest < self._window.end):
            missing = BATCH if newest is None else self._rows(self._window.end - newest)
            return self._limited(max(1, young - max(1, min(missing, _MOST - 1))), young)
        if old < self._in_use and (oldest is None or oldest > self._window.start):
            missing = BATCH if oldest is None else self._rows(oldest - self._window.start)
            return self._limited(old, old + max(1, missing))
        return None

    def _rows(self, time: timedelta) -> int:
        """Rows that a time takes, rounded down."""
        return max(0, time // self._period) if self._period else BATCH

    def _limited(self, young: int, old: int) -> tuple[int, int]:
        young = min(young, self._in_use)
        return young, min(old, self._in_use, young + _MOST - 1)
