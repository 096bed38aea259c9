"""Profiles of a simulated DLMS meter (class 7): every row is a function of seed and instant, so a test computes it too.

The value of channel c (from 1) at Unix minute m, in the register's unit:

    total      (m - 26,000,000) * (c + 1) + (m * 7919 + c * 104729 + seed * 1299709) mod (c + 1)     only rises
    interval   generator.value(end, c, seed)                                                     0 to 99,999

A total has 32 bits: before June 2019 (minute 26,000,000) it has not rolled over yet.

Rules: a row's time is the END of its interval; rows lie on the grid of legal time (Europe/Prague), so that days have
92, 96 or 100 quarters; entry 1 is the oldest row that is kept; ranges include both of their ends. The status column
is the AMR profile status of IDIS: bit 7 power down, 5 clock adjusted, 3 daylight saving.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from simulators import dlms_values as axdr
from simulators.dlms_clock import Writing
from simulators.generator import Happening, Incident, value
from simulators.profile import LEGAL

POWER_DOWN, CLOCK_ADJUSTED, SUMMER = 0x80, 0x20, 0x08
_FIRST_MINUTE = 26_000_000  # in June 2019
OTHER_REASON, TYPE_UNMATCHED, SCOPE_VIOLATED = 250, 12, 13
CLOCK = (8, bytes([0, 0, 1, 0, 0, 255]), 2)
BY_RANGE, BY_ENTRY = 1, 2


class Refused(Exception):
    """What is asked for is answered with this data-access-result."""

    def __init__(self, code: int) -> None:
        super().__init__(f"data-access-result {code}")
        self.code = code


def total(at: datetime, channel: int, seed: int) -> int:
    """A register that only rises, at an instant."""
    minute = int(at.timestamp()) // 60
    spread = channel + 1
    rise = (minute - _FIRST_MINUTE) * spread + (minute * 7919 + channel * 104729 + seed * 1299709) % spread
    return rise % (1 << 32)


@lru_cache(maxsize=1 << 16)
def _total_cell(at: datetime, channel: int, residue: int) -> bytes:
    return axdr.u32(total(at, channel, residue))


def total_cell(at: datetime, channel: int, seed: int) -> bytes:
    """The total as it stands in a row; many meters in one process share them, since only a remainder of the seed
    counts."""
    return _total_cell(at, channel, seed % (channel + 1))


@lru_cache(maxsize=1 << 14)
def time_cell(at: datetime, writing: Writing) -> bytes:
    """The time as it stands in a row."""
    return axdr.octets(writing.octets(at))


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a row was captured, its status, and which part of its interval it covers: 0 all of it, else 1 or 2."""

    at: datetime
    status: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A capture object: class, logical name, attribute, data index; and what a row has in it."""

    class_id: int
    logical_name: bytes
    attribute: int
    cell: Callable[[Stamp], bytes]
    data_index: int = 0

    @property
    def encoded(self) -> bytes:
        return axdr.structure(
            axdr.u16(self.class_id), axdr.octets(self.logical_name), axdr.i8(self.attribute), axdr.u16(self.data_index)
        )

    @property
    def identity(self) -> tuple[int, bytes, int]:
        return self.class_id, self.logical_name, self.attribute


@dataclass(frozen=True, slots=True)
class Manner:
    """How buffers are written, and which selections are understood (of BY_RANGE and BY_ENTRY)."""

    writing: Writing
    null_compression: bool = False
    compact_array: bool = False
    selectors: frozenset[int] = frozenset({BY_RANGE, BY_ENTRY})


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: `stamps` gives what is in it now, the oldest first; `period` None where rows have no rhythm."""

    logical_name: bytes
    period: timedelta | None
    columns: tuple[Column, ...]
    stamps: Callable[[], Sequence[Stamp]]
    entries: int
    manner: Manner

    def buffer(self, selection: bytes | None) -> bytes:
        """Attribute 2. Refused for a selection that this meter does not do, axdr.Malformed for one that is none."""
        stamps, columns = list(self.stamps()), self.columns
        if selection is not None:
            selector, parameters = selection[0], axdr.whole(selection[1:])
            if selector not in self.manner.selectors:
                raise Refused(OTHER_REASON)
            by = self._by_range if selector == BY_RANGE else self._by_entry
            stamps, columns = by(stamps, parameters)
        rows = [[column.cell(stamp) for column in columns] for stamp in stamps]
        if self.manner.null_compression:
            rows = list(self._compressed(stamps, rows, columns))
        encoded = [axdr.structure(*cells) for cells in rows]
        if self.manner.compact_array and not self.manner.null_compression:
            return axdr.compact_array(encoded)
        return axdr.array(encoded)

    def _by_range(self, stamps: list[Stamp], parameters: axdr.Item) -> tuple[list[Stamp], tuple[Column, ...]]:
        restricting, first, last, wanted = parameters.elements(4)
        if _identity(restricting) != CLOCK:
            raise Refused(SCOPE_VIOLATED)
        begin, end = (self.manner.writing.instant(bound.octets) for bound in (first, last))
        kept = _within(stamps, begin, end)
        if not wanted.elements():
            return kept, self.columns
        names = [_identity(each) for each in wanted.elements()]
        known = {column.identity: column for column in self.columns}
        if not known.keys() >= set(names):
            raise Refused(SCOPE_VIOLATED)
        return kept, tuple(known[name] for name in names)

    def _by_entry(self, stamps: list[Stamp], parameters: axdr.Item) -> tuple[list[Stamp], tuple[Column, ...]]:
        first, last, first_column, last_column = (each.number for each in parameters.elements(4))
        if first < 1 or first_column < 1:
            raise Refused(TYPE_UNMATCHED)
        return stamps[first - 1 : last or None], self.columns[first_column - 1 : last_column or None]

    def _compressed(
        self, stamps: list[Stamp], rows: list[list[bytes]], columns: tuple[Column, ...]
    ) -> Iterator[list[bytes]]:
        """null-data for what is the same as in the row before, and for a time that is one period later."""
        before: tuple[Stamp, list[bytes]] | None = None
        for stamp, cells in zip(stamps, rows, strict=True):
            if before is None:
                yield cells
            else:
                regular = self.period is not None and stamp.at == before[0].at + self.period
                yield [
                    axdr.null() if (regular if column.identity == CLOCK else cell == old) else cell
                    for column, cell, old in zip(columns, cells, before[1], strict=True)
                ]
            before = (stamp, cells)


def _within(stamps: list[Stamp], begin: datetime | None, end: datetime | None) -> list[Stamp]:
    """Those from `begin` to `end`, both included; they are in order of time."""
    first = 0 if begin is None else bisect_left(stamps, begin, key=_at)
    last = len(stamps) if end is None else bisect_right(stamps, end, key=_at)
    return stamps[first:last]


def _at(stamp: Stamp) -> datetime:
    return stamp.at


def _identity(capture: axdr.Item) -> tuple[int, bytes, int]:
    class_id, logical_name, attribute, _ = capture.elements(4)
    return class_id.number, logical_name.octets, attribute.number


def quarters(now: datetime, days: int, happenings: tuple[Happening, ...], period: timedelta) -> tuple[Stamp, ...]:
    """The ends of all intervals of `period` (a part of an hour) in the last `days` days, with what happened in them."""
    step = int(period.total_seconds())
    return _quarters(int(now.timestamp()) // step * step, step, days, happenings)


@lru_cache(maxsize=4)
def _quarters(last: int, step: int, days: int, happenings: tuple[Happening, ...]) -> tuple[Stamp, ...]:
    """They change once in an interval, and years of them are asked for again and again."""
    period = timedelta(seconds=step)
    stamps: list[Stamp] = []
    gap = False
    for seconds in range(last - days * 86400 + step, last + 1, step):
        at = datetime.fromtimestamp(seconds, UTC)
        incidents = {each.incident for each in happenings if each.first <= at <= each.last}
        if Incident.MISSING in incidents:
            gap = True
            continue
        status = SUMMER if at.astimezone(LEGAL).dst() else 0
        if gap or Incident.POWER_FAILURE in incidents:
            status |= POWER_DOWN
        gap = False
        if Incident.CLOCK_SET in incidents:
            status |= CLOCK_ADJUSTED
            stamps += [Stamp(at - period / 2, status, 1), Stamp(at, status, 2)]
        else:
            stamps.append(Stamp(at, status))
    return tuple(stamps)


def amount(stamp: Stamp, channel: int, seed: int, period: timedelta) -> int:
    """What an interval channel has in a row: of two rows of one interval each has its part."""
    end = stamp.at + period / 2 if stamp.part == 1 else stamp.at
    all_of_it = value(end, channel, seed)
    early = all_of_it // 2
    return (all_of_it, early, all_of_it - early)[stamp.part]


def days(now: datetime, count: int) -> list[Stamp]:
    """The midnights of legal time in the last `count` days."""
    today = now.astimezone(LEGAL).date()
    found = (_midnight(today - timedelta(days=back)) for back in range(count - 1, -1, -1))
    return [Stamp(at, SUMMER if at.astimezone(LEGAL).dst() else 0) for at in found]


def months(now: datetime, count: int) -> list[Stamp]:
    """The first midnights of the last `count` months, this one included."""
    local = now.astimezone(LEGAL).date()
    numbers = range(local.year * 12 + local.month - count, local.year * 12 + local.month)
    return [Stamp(_midnight(local.replace(year=n // 12, month=n % 12 + 1, day=1))) for n in numbers]


def events(now: datetime, count: int, seed: int) -> list[Stamp]:
    """One event in each of the last `count` days, at a second that the seed decides; `status` is its code."""
    found = []
    for midnight in days(now, count):
        drawn = value(midnight.at, 1, seed)
        at = midnight.at + timedelta(seconds=drawn * 7 % 80_000)
        if at <= now:
            found.append(Stamp(at, 1 + drawn % 20))
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LEGAL).astimezone(UTC)
