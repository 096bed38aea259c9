"""Which intervals a metering point has: those of the metering period of the meter that is there.

    Intervals(versions, period, zone).of(end)       the interval that something of a meter belongs to; None: to none
                                     .between(...)  all intervals of a time
    apart(series)                                   without missing ones that reach into others
    beneath(point, known)                           the points with meters that a sum is made of, through all levels
    common(periods)                                 the intervals in which values of all these periods are added up

Rules: pure. As long as a meter is there its period counts, on the clock of legal time. Where a meter with another
period takes its place within an interval, that interval reaches from the last one that the former has whole to the
first one that the new one has whole, and belongs to neither of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, Grid, ends_between, grid_of
from gatewayd.metering.points import MeteringPoint, PointVersion, versions
from gatewayd.metering.values import Series, Value

_HOUR = timedelta(hours=1)

Span = tuple[datetime, datetime]
"""Beginning and end of an interval, UTC."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A time, and the period that counts in it; None: it is one interval itself, in which the period changes."""

    start: datetime | None
    end: datetime | None
    period: timedelta | None
    meters: tuple[str, ...] = ()
    """Those between which it changes."""

    def has(self, end: datetime) -> bool:
        """Whether what ends then belongs to it."""
        return (self.start is None or self.start < end) and (self.end is None or end <= self.end)


class Intervals:
    """Of the versions of a point, ascending. `period`: of a point without any."""

    def __init__(self, held: Sequence[PointVersion], period: timedelta, zone: ZoneInfo = PRAGUE) -> None:
        self._zone = zone
        self._stretches = tuple(_stretches(held, zone))
        same = {one.period for one in held} or {period}
        self._period = next(iter(same)) if len(same) == 1 else None
        self.changing: Mapping[Span, tuple[str, ...]] = {
            (one.start, one.end): one.meters
            for one in self._stretches
            if one.period is None and one.start is not None and one.end is not None
        }
        """The intervals in which the period changes, with the meters between which it does."""

    def of(self, end: datetime) -> Span | None:
        """The interval of the point to which one belongs that ends then on the clock of some meter."""
        if self._period is not None:  # nearly always
            return end - self._period, end
        stretch = next(one for one in self._stretches if one.has(end))
        if stretch.period is None and stretch.start is not None and stretch.end is not None:
            return stretch.start, stretch.end
        if stretch.period is None or grid_of(stretch.period, self._zone).number(end) is None:
            return None
        return end - stretch.period, end

    def all_of(self, ends: Iterable[datetime]) -> set[Span]:
        """The intervals of all of these."""
        if (period := self._period) is not None:
            return {(end - period, end) for end in ends}
        return {span for end in ends if (span := self.of(end)) is not None}

    def between(self, start: datetime, end: datetime) -> tuple[Span, ...]:
        """All intervals that end after `start` and not after `end`, ascending."""
        if self._period is not None:
            return tuple((at - self._period, at) for at in ends_between(start, end, self._period, self._zone))
        return tuple(self._between(start, end))

    def _between(self, start: datetime, end: datetime) -> Iterator[Span]:
        for one in self._stretches:
            begin = start if one.start is None else max(start, one.start)
            finish = end if one.end is None else min(end, one.end)
            if one.period is not None and begin < finish:
                yield from ((at - one.period, at) for at in ends_between(begin, finish, one.period, self._zone))
            elif one.period is None and one.start is not None and one.end is not None and start < one.end <= end:
                yield one.start, one.end


def intervals_of(point: MeteringPoint, zone: ZoneInfo = PRAGUE) -> Intervals:
    """Of a point. Of a virtual one those of its period."""
    return Intervals(versions(point, zone), point.period, zone)


def beneath(point: MeteringPoint, known: Mapping[str, MeteringPoint]) -> tuple[MeteringPoint, ...]:
    """The points with meters that a sum is made of, through all levels, each once; a point with meters itself. Of parts
    that are not `known` nothing."""
    found: dict[str, MeteringPoint] = {}
    waiting = [point]
    while waiting:
        one = waiting.pop()
        if one.id not in found:
            found[one.id] = one
            waiting += [known[part] for part in one.sum.terms if part in known] if one.sum is not None else ()
    return tuple(one for one in found.values() if one.sum is None)


def common(periods: Collection[timedelta]) -> timedelta:
    """The intervals in which values of all these periods are added up: the longest of them, or an hour, which metering
    periods divide, where one of the others does not fill that or it is on no clock."""
    longest = max(periods)
    return longest if Grid.fits(longest) and not any(longest % one for one in periods) else _HOUR


def apart(series: Series) -> Series:
    """The series without what is missing and reaches into another interval: it was told missing when the point was
    said to have other periods, and what stands in the archive is never taken away. Of missing ones the longest stays,
    since what stands of a longer period ends with an interval of the shorter one, and made room for that."""
    if len({one.seconds for one in series.values}) < 2:  # nearly always
        return series
    kept: list[Value] = []
    for one in series.values:
        place = len(kept)
        while place and kept[place - 1].at > one.start:
            place -= 1
        within = kept[place:]
        if one.there or not any(other.there or other.start < one.start for other in within):
            kept[place:] = [other for other in within if other.there]
            kept.append(one)
    return series if len(kept) == len(series.values) else replace(series, values=tuple(kept))


def _stretches(held: Sequence[PointVersion], zone: ZoneInfo) -> Iterator[_Stretch]:
    """Without a gap; changes that follow each other within one interval are one."""
    changes: list[tuple[datetime, datetime, timedelta, tuple[str, ...]]] = []
    for before, one in pairwise(held):
        if before.period == one.period:
            continue
        low, high = _floor(grid_of(before.period, zone), one.since), _ceiling(grid_of(one.period, zone), one.since)
        period = before.period
        meters: tuple[str, ...] = (before.meter, one.meter)
        if changes and low < changes[-1][1]:
            first = changes.pop()
            low, period, meters = first[0], first[2], (*first[3], one.meter)
        changes.append((low, high, period, meters))
    begin: datetime | None = None
    for low, high, period, meters in changes:
        yield _Stretch(begin, low, period)
        if low < high:
            yield _Stretch(low, high, None, meters)
        begin = high
    if held:
        yield _Stretch(begin, None, held[-1].period)


def _floor(grid: Grid, at: datetime) -> datetime:
    return grid.end(grid.last(at))


def _ceiling(grid: Grid, at: datetime) -> datetime:
    found = _floor(grid, at)
    return found if found == at else grid.end(grid.last(at) + 1)
