"""What a load profile or event log brought, for people: rows by the end of the interval, one column for each channel.

Rules: pure; nothing is left out: a second value of the same interval and channel gets a row of its own, and what is no
interval is listed as it came.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from gatewayd.cli.clock_text import is_clock
from gatewayd.cli.language import said, said_count
from gatewayd.cli.plot import Value
from gatewayd.legal_time import end_label, ends_between
from gatewayd.model import NO_FLAGS, Archived, Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis


@dataclass(frozen=True, slots=True)
class Channel:
    """A column: code and unit."""

    code: str
    unit: str

    @property
    def title(self) -> str:
        return f"{self.code} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """One interval: the readings of its channels, None where a channel has none."""

    end: datetime
    cells: tuple[Reading | None, ...]

    @property
    def status(self) -> RawStatus:
        return RawStatus.worst(cell.status if cell is not None else RawStatus.MISSING for cell in self.cells)

    @property
    def flags(self) -> Flag:
        found = NO_FLAGS
        for cell in self.cells:
            found |= cell.flags if cell is not None else NO_FLAGS
        return found


@dataclass(frozen=True, slots=True)
class Pivot:
    """Intervals as rows and channels; what the meter's clock showed; everything else as `others`, by time."""

    channels: tuple[Channel, ...]
    rows: tuple[Row, ...]
    others: tuple[Reading, ...]
    period: timedelta | None
    """The usual length of an interval; None without intervals or without a length."""
    clock: Reading | None = None

    def values(self, channel: Channel) -> dict[datetime, Value]:
        """For a chart; of two values of one interval the worse status, and the last value."""
        place = self.channels.index(channel)
        found: dict[datetime, Value] = {}
        for row in self.rows:
            cell = row.cells[place]
            if cell is not None:
                before = found.get(row.end)
                status = cell.status if before is None else RawStatus.worst((before.status, cell.status))
                # A reading whose status is missing has no number, whatever stands in it.
                found[row.end] = Value(None if cell.status is RawStatus.MISSING else cell.value, status)
        return found


def pivot(readings: Iterable[Archived]) -> Pivot:
    """Sort readings into rows and columns, in the order of time and of the meter."""
    intervals = [one.reading for one in readings if one.reading.kind is Kind.INTERVAL]
    rest = [one.reading for one in readings if one.reading.kind is not Kind.INTERVAL]
    clock = next((one for one in rest if is_clock(one)), None)
    others = sorted((one for one in rest if one is not clock), key=lambda one: one.at)
    channels = tuple(dict.fromkeys(Channel(one.code, one.unit) for one in intervals))
    rows: dict[tuple[datetime, int], list[Reading | None]] = {}
    seen: Counter[tuple[datetime, Channel]] = Counter()
    for one in intervals:
        channel = Channel(one.code, one.unit)
        nth = seen[one.at, channel]
        seen[one.at, channel] += 1
        rows.setdefault((one.at, nth), [None] * len(channels))[channels.index(channel)] = one
    lengths = Counter(one.interval_s for one in intervals if one.interval_s)
    period = timedelta(seconds=lengths.most_common(1)[0][0]) if lengths else None
    ordered = tuple(Row(end, tuple(cells)) for (end, _), cells in sorted(rows.items(), key=lambda item: item[0]))
    return Pivot(channels, ordered, tuple(others), period, clock)


def summary(shown: Pivot, start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """How much there is of what should be, from when to when, and its worst status."""
    rows = shown.rows
    if not rows:
        count = len(shown.others)
        return said_count(count, "entry", "entries") if count else said("nothing in this time")
    first, last = end_label(rows[0].end, zone), end_label(rows[-1].end, zone)
    span = said("{rows}, {first} to {last}").format(rows=said_count(len(rows), "row"), first=first, last=last)
    status = said(RawStatus.worst(row.status for row in rows).text)
    worst = said("worst status {status}").format(status=status)
    if shown.period is None:
        return f"{span}; {worst}"
    ends = ends_between(start, end, shown.period, zone)
    there = {row.end for row in rows if row.status is not RawStatus.MISSING}
    present = sum(at in there for at in ends)
    minutes = Decimal(int(shown.period.total_seconds())) / 60
    counts = {"present": present, "intervals": said_count(len(ends), "interval"), "minutes": f"{minutes.normalize():f}"}
    return f"{span}; {said('{present} of {intervals} of {minutes} min').format(**counts)}; {worst}"


def fitting(widths: Sequence[int], room: int) -> list[list[int]]:
    """Which columns stand beside each other in so many characters, two between them; at least one in each group."""
    groups: list[list[int]] = []
    left = 0
    for place, width in enumerate(widths):
        if not groups or left < width + 2:
            groups.append([])
            left = room
        groups[-1].append(place)
        left -= width + 2
    return groups


def highest(values: dict[datetime, Value], zone: ZoneInfo) -> str:
    """`max 0.412 at 2026-11-20 18:15+01:00`."""
    numbers: Sequence[tuple[Decimal, datetime]] = [
        (one.value, end) for end, one in values.items() if one.value is not None
    ]
    if not numbers:
        return said("no values")
    value, end = max(numbers, key=lambda pair: pair[0])
    return said("max {value} at {end}").format(value=f"{value:f}", end=end_label(end, zone))


def increments(values: Mapping[datetime, Value], ends: Sequence[datetime]) -> dict[datetime, Value]:
    """What a total rose by in the intervals between these ends, of which the first has nothing before it: the worse
    status of both, and no value where one of the two has none."""
    found = {}
    for before, end in pairwise(ends):
        old, new = values.get(before, _NOTHING), values.get(end, _NOTHING)
        rise = None if old.value is None or new.value is None else new.value - old.value
        found[end] = Value(rise, RawStatus.worst((old.status, new.status)))
    return found


def is_total(code: str) -> bool:
    """Whether an OBIS code is that of a register that only rises (IEC 62056-6-1: time integral 1, value group D 8)."""
    try:
        obis = Obis.parse(code)
    except ValueError:
        return False
    return obis.d == _TIME_INTEGRAL_1 and obis.c != _ABSTRACT


_NOTHING = Value(None, RawStatus.MISSING)
_TIME_INTEGRAL_1, _ABSTRACT = 8, 0
