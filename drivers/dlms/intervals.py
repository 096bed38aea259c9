"""The rows of a load profile in time: which interval each one is, and what is wrong with it.

Rules: an interval is named by its END, in UTC. A row whose time is beside the grid of the period is a partial interval,
and so is the rest of that interval, the row behind it. Rows that are apart by the same number of periods, one after the
other, are of another period than the profile has now. Two rows of one interval both stay; where they differ, neither
is whole. A clock that was set makes an interval partial whose length is not the period's; a hole before a row in which
the supply failed besides is explained by that. A time that may be either of two is the one that goes on where the row
before it ended, and as certain as that. The grid is that of the meter's own clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from drivers.dlms.captures import Captures
from drivers.dlms.columns import Layout
from drivers.dlms.profile_plan import ProfileContext, Window
from drivers.dlms.row_times import NO_TIME, RowTime, clock_by, later, octets_of
from drivers.dlms.rows import Row
from drivers.dlms.status_words import StatusWords
from drivers.dlms.wire.axdr_value import Value
from gatewayd.obis import Obis
from gatewayd.status import Fault

_DAY = 86_400
_SLACK = timedelta(minutes=1)
"""How far a row may be ahead of what is known of the meter's clock."""
_ENOUGH = 3
"""Times that are needed to contradict how a profile says that it is sorted: two may be a clock that was set."""
_ANOTHER_PERIOD = 5
"""Rows in a row that are as far apart, and further than the period: fewer may be rows that are missing."""
_OUTAGE = frozenset({Fault.POWER_FAILED, Fault.POWER_CAME_BACK})
_SHORTENS = _OUTAGE | {Fault.CLOCK_SET}
"""What cuts an interval in two, so that two rows have the same end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, of which profile, and `at`, when the answer came."""

    context: ProfileContext
    obis: Obis
    captures: Captures
    layout: Layout
    words: StatusWords
    window: Window
    at: datetime

    @property
    def meter_now(self) -> datetime:
        return self.at + self.context.ahead


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A row with its time: the end of its interval, or when it was captured; None where that is not known. `text` is
    the time as the meter wrote it, "" for a row whose time was counted."""

    end: datetime | None
    faults: tuple[Fault, ...]
    text: str
    row: Row


Timed = tuple[Row, RowTime]


def times_of(rows: Sequence[Row], asked: Asked) -> list[Timed]:
    """Every row with its own time or the one that is counted, oldest first. No period of the vendor's is added yet."""
    place = asked.layout.clock
    if place is None:
        return [(row, NO_TIME) for row in rows]
    own = [row.counted == 0 and bool(row.values) for row in rows]
    gaps = not all(own)
    times = clock_by(asked.context.rules).read_all(
        [octets_of(row.values[place]) if timed else None for row, timed in zip(rows, own, strict=True)]
    )
    newest_first = _newest_first(times, asked.captures)
    if gaps:
        _count(rows, times, -asked.captures.period if newest_first else asked.captures.period, asked)
    found = list(zip(rows, times, strict=True))
    if newest_first:
        found.reverse()
    return found


def backward(times: list[Timed]) -> bool:
    """Whether the second of two rows is before the first."""
    (_, first), (_, second) = times
    return first.at is not None and second.at is not None and first.at > second.at


def apart(placed: Sequence[Placed], period: timedelta) -> bool:
    """Whether all rows are further apart than their period; a time that is not known is none."""
    ends = (row.end for row in placed if row.end is not None)
    return not any(second - first <= period for first, second in pairwise(ends))


def joined(older: list[Timed], newer: list[Timed], clock: int | None) -> list[Timed]:
    """One behind the other; a row that came with both stands once."""
    known = {(time.at, _without_time(row, clock)) for row, time in older}
    return older + [(row, time) for row, time in newer if (time.at, _without_time(row, clock)) not in known]


def _without_time(row: Row, clock: int | None) -> tuple[Value, ...] | bytes:
    """What two answers say alike of a row, though its time may be null in one of them; of what is no row all of it."""
    if not row.values:
        return row.raw
    if clock is None:
        return row.values
    return row.values[:clock] + row.values[clock + 1 :]


def _newest_first(times: list[RowTime], captures: Captures) -> bool:
    """As the profile says that it is sorted, unless all times of the answer go the other way."""
    stated = captures.newest_first
    own = [time.at for time in times if time.at is not None]
    against = len(own) >= _ENOUGH and all((first > second) is not stated for first, second in pairwise(own))
    return not stated if against else stated


def _count(rows: Sequence[Row], times: list[RowTime], period: int, asked: Asked) -> None:
    """Fills in the times of rows that have none of their own: each one period on from the row before in the buffer."""
    rules = asked.context.rules
    for index, row in enumerate(rows):
        if not row.counted or not row.values:
            continue
        before = times[index - 1]
        if before.at is None or not period:
            continue
        second = None if before.second is None else later(before.second, period, rules)
        times[index] = RowTime(later(before.at, period, rules), before.faults, "", before.seconds, second)


def place_intervals(
    times: list[Timed], asked: Asked, before: Placed | None = None
) -> tuple[list[Placed], tuple[str, ...]]:
    """All rows, also those outside of the window, oldest first, and complaints. `before` is the last row of the answer
    before this one."""
    placed = _ends(times, asked, before)
    _cut(placed, asked, before)
    return placed, tuple(_twice(placed, asked))


def place_captured(times: list[Timed], asked: Asked) -> list[Placed]:
    """The same for rows that no period captures: each stands for itself."""
    return [Placed(_chosen(time, asked.window), time.faults, time.text, row) for row, time in times]


def _ends(times: list[Timed], asked: Asked, before: Placed | None) -> list[Placed]:
    """The end of each interval, and whether it is on the grid."""
    period = asked.captures.period
    grid = min(period, _DAY) if not _DAY % period or not period % _DAY else 1  # else it moves from day to day
    starts, rules = asked.context.vendor.time == "start", asked.context.rules
    slack = timedelta(0) if starts else _SLACK
    latest = asked.meter_now + slack
    step = timedelta(seconds=period)
    placed: list[Placed] = []
    last = None if before is None else before.end
    for row, time in times:
        end, faults, text, second = time.at, time.faults, time.text, time.second
        if end is not None:
            if starts:
                end = later(end, period, rules)
                second = None if second is None else later(second, period, rules)
            if second is not None:
                end, faults = _resolved(end, second, faults, last, step, placed[-1] if placed else before, asked.window)
            if time.seconds is None or time.seconds % grid or end.microsecond or end > latest:
                faults = (*faults, Fault.INTERVAL_PARTIAL)
            last = end
        placed.append(Placed(end, faults, text, row))
    return placed


def _resolved(
    first: datetime,
    second: datetime,
    faults: tuple[Fault, ...],
    last: datetime | None,
    step: timedelta,
    before: Placed | None,
    window: Window,
) -> tuple[datetime, tuple[Fault, ...]]:
    """Which of two instants is meant: the one that goes on from the row before, else the one that is not before that,
    else the one that was asked for."""
    if last is not None and before is not None:
        for candidate in (first, second):
            if candidate - last == step:
                certain = Fault.TIME_TWICE not in before.faults
                return candidate, tuple(fault for fault in faults if fault is not Fault.TIME_TWICE or not certain)
        if first < last < second:
            return second, faults
    return _chosen(RowTime(first, (), "", None, second), window) or first, faults


def _chosen(time: RowTime, window: Window) -> datetime | None:
    """The first of two instants, but the second where only that was asked for."""
    if time.at is None or time.second is None:
        return time.at
    first, second = (window.start <= at <= window.end for at in (time.at, time.second))  # a range has both of its ends
    return time.second if second and not first else time.at


def _cut(placed: list[Placed], asked: Asked, before: Placed | None) -> None:
    """Marks intervals that are shorter or longer than the period, by the end of the row before them."""
    step = timedelta(seconds=asked.captures.period)
    whole_days = not asked.captures.period % _DAY
    previous = before
    wide, wide_at, alike = step, -1, 0
    for index, row in enumerate(placed):
        end = row.end
        if end is None:
            previous = None
            continue
        if previous is not None and previous.end is not None:
            gap = end - previous.end
            if gap != step and not (
                whole_days and end == later(previous.end, asked.captures.period, asked.context.rules)
            ):
                if timedelta(0) < gap < step or _set_over(gap, step, said_of(row.row, asked)):
                    placed[index] = row = _partial(row)
                if gap > step:
                    alike = alike + 1 if (gap, index) == (wide, wide_at + 1) else 1
                    wide, wide_at = gap, index
                    if alike >= _ANOTHER_PERIOD:
                        first = index + 1 - alike if alike == _ANOTHER_PERIOD else index
                        for place in range(first, index + 1):
                            placed[place] = _partial(placed[place])
                        row = placed[index]
        previous = row


def _set_over(gap: timedelta, step: timedelta, said: tuple[Fault, ...]) -> bool:
    """Whether the clock was set past the ends of intervals. Behind an outage the clock is what is put right first: no
    rows were made in it, and a clock that was lost in it the meter calls invalid itself."""
    return Fault.CLOCK_SET in said and (gap < step or _OUTAGE.isdisjoint(said))


def _twice(placed: list[Placed], asked: Asked) -> list[str]:
    """Marks rows that have the same end and differ, and tells of those that neither clock nor supply explains."""
    ends = [row.end for row in placed if row.end is not None]
    if all(earlier < end for earlier, end in pairwise(ends)):
        return []
    at: dict[datetime, list[int]] = {}
    for index, row in enumerate(placed):
        if row.end is not None:
            at.setdefault(row.end, []).append(index)
    unexplained: list[datetime] = []
    for end, places in at.items():
        rivals = [placed[index] for index in places]
        if len(rivals) == 1:
            continue
        said = [_without_time(row.row, asked.layout.clock) for row in rivals]
        if all(one == said[0] for one in said):
            unexplained.append(end)
            continue
        if not any(_SHORTENS.intersection(said_of(row.row, asked)) for row in rivals):
            unexplained.append(end)
        for index in places:
            placed[index] = _partial(placed[index])
    if not unexplained:
        return []
    return [
        f"{asked.obis}: two rows for one interval end, {len(unexplained)} times, the first "
        f"{min(unexplained):%Y-%m-%dT%H:%M:%SZ}"
    ]


def said_of(row: Row, asked: Asked) -> tuple[Fault, ...]:
    """What all status words of a row say."""
    places = dict.fromkeys(place for group in asked.layout.groups for place in group.statuses)
    return tuple(fault for place in places if row.values for fault in asked.words.read(row.values[place]).faults)


def _partial(placed: Placed) -> Placed:
    if Fault.INTERVAL_PARTIAL in placed.faults:
        return placed
    return msgspec.structs.replace(placed, faults=(*placed.faults, Fault.INTERVAL_PARTIAL))
