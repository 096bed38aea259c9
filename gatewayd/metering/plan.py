"""What has to be computed again when something arrives: which points, which channels, which legal-time days.

    raw readings -> touched -> spread -> one Task after the other, by day and by the order of dependence

Rules: pure. A reading touches its point's channel on its legal-time day, and nothing else; what depends on it follows:
the virtual points that it is a part of, the points that it is the control metering of, later days whose substitute
values may be made of it, and the months of all of these. A point that has months alone has no days. Points come after
what they are made of; days come in their order, so that a comparable day is there before it is compared with.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, legal_day
from gatewayd.metering.era import in_era
from gatewayd.metering.quadrant_channels import wholes_of
from gatewayd.metering.sources import Source, channels, source_of
from gatewayd.obis import Obis

Codes = frozenset[Obis]
Touch = tuple[str, Obis, datetime]
"""A meter, a code of its intervals, and the end of the hour in which there is something new."""
EVERY: Codes = frozenset()
"""All channels of a point."""


@dataclass(frozen=True, slots=True)
class PointPlan:
    """Of what a point is made. `meters`: all that it ever had; `codes`: its channels, () for whatever intervals there
    are; `parts`: of a virtual point; `beside`: points that are looked at besides, such as its control metering."""

    id: str
    meters: tuple[str, ...] = ()
    codes: tuple[Obis, ...] = ()
    parts: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    reach: timedelta | None = None
    """Of a point that has months of states of registers, and no days: so far from the end of a month its state may be.
    A month of it is named by its first day."""


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """A legal-time day of a point. `rank`: points of a lower one come first."""

    day: date
    rank: int
    point: str
    codes: Codes = field(default=EVERY, compare=False)


class Dirty:
    """Which days of which points have to be computed, and of which of their channels."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, date], Codes] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[tuple[str, date]]:
        return iter(self._codes)

    def codes(self, point: str, day: date) -> Codes | None:
        """None where nothing has to be computed."""
        return self._codes.get((point, day))

    def add(self, point: str, day: date, codes: Codes = EVERY) -> None:
        """One day of a point; EVERY takes all channels, whatever was there. Days out of the era have nothing."""
        if not in_era(day):
            return
        known = self._codes.get((point, day))
        self._codes[point, day] = codes if known is None else known | codes if known and codes else EVERY

    def update(self, other: "Dirty") -> None:
        """Everything of another one as well."""
        for (point, day), codes in other._codes.items():
            self.add(point, day, codes)

    def months(self) -> frozenset[tuple[str, int, int]]:
        """Point, year and month of all days."""
        return frozenset((point, day.year, day.month) for point, day in self._codes)


class CycleError(ValueError):
    """Points that are made of each other."""


class Plan:
    """The points of a gateway and how they depend on each other. CycleError names the points of a cycle."""

    def __init__(self, points: Sequence[PointPlan], zone: ZoneInfo = PRAGUE) -> None:
        self.points: Mapping[str, PointPlan] = {one.id: one for one in points}
        self.zone = zone
        self._of_meter: dict[str, list[PointPlan]] = defaultdict(list)
        self._used_by: dict[str, list[str]] = defaultdict(list)
        for one in points:
            for meter in one.meters:
                self._of_meter[meter].append(one)
            for other in (*one.parts, *one.beside):
                self._used_by[other].append(one.id)
        self._rank: dict[str, int] = {}
        for one in points:
            self._ranked(one.id, ())

    @property
    def order(self) -> tuple[str, ...]:
        """All points, each after what it is made of."""
        return tuple(sorted(self.points, key=lambda point: (self._rank[point], point)))

    def rank(self, point: str) -> int:
        """0 for a point that needs no other one."""
        return self._rank[point]

    def touched(self, touches: Iterable[Touch]) -> Dirty:
        """What new readings touch themselves: channels that belong to points. The state of a total at the end of a day
        is the beginning of the next one as well."""
        found = Dirty()
        known: dict[Obis, tuple[Codes, Codes]] = {}
        for meter, obis, end in touches:
            if meter not in self._of_meter:
                continue
            if obis not in known:
                codes = frozenset(channels((obis,)) or (obis,))
                known[obis] = codes, frozenset(one for code in codes for one in wholes_of(code))
            codes, wholes = known[obis]
            for point in self._of_meter[meter]:
                if point.reach is None and (not point.codes or not codes.isdisjoint(point.codes)):
                    # A sum of it may be made of it: +R of QI and QII.
                    also = codes if wholes.isdisjoint(point.codes) else codes | wholes.intersection(point.codes)
                    for day in self._days(end, obis):
                        found.add(point.id, day, also)
        return found

    def months(self, states: Iterable[tuple[str, datetime]]) -> Dirty:
        """What states of registers touch, each with its meter: months that they may end or begin, and those that they
        are in, of points that have months alone."""
        found = Dirty()
        for meter, at in states:
            for point in self._of_meter.get(meter, ()):
                if point.reach is not None:
                    for near in (at - point.reach, at, at + point.reach):
                        found.add(point.id, legal_day(near, self.zone).replace(day=1))
        return found

    @property
    def monthly(self) -> frozenset[str]:
        """The meters of points that have months alone."""
        return frozenset(meter for one in self.points.values() if one.reach is not None for meter in one.meters)

    def _days(self, at: datetime, code: Obis) -> tuple[date, ...]:
        day = legal_day(at, self.zone)
        after = legal_day(at + timedelta.resolution, self.zone)
        return (day, after) if after != day and source_of(code) is Source.TOTAL else (day,)

    def spread(self, dirty: Dirty, affected: Callable[[str, date], Iterable[date]] | None = None) -> Dirty:
        """The same with everything that depends on it. `affected` says which other days of a point have substitute
        values, or may have, that are made of this one."""
        found = Dirty()
        waiting = [(point, day, dirty.codes(point, day) or EVERY, True) for point, day in dirty]
        asked: set[tuple[str, date]] = set()
        while waiting:
            point, day, codes, new = waiting.pop()
            before = found.codes(point, day)
            found.add(point, day, codes)
            if found.codes(point, day) != before and self.reach(point) is None:
                for user in self._used_by.get(point, ()):
                    # A virtual point has its channels by the codes of its parts; what is beside concerns all of it.
                    waiting.append((user, day, codes if point in self.points[user].parts else EVERY, new))
            if new and affected is not None and (point, day) not in asked:
                # Only what is new spreads to other days: substitutes are made of true values alone.
                asked.add((point, day))
                waiting += [(point, other, codes, False) for other in affected(point, day) if other != day]
        return found

    def tasks(self, dirty: Dirty) -> list[Task]:
        """What is to be done, in an order in which everything is there before it is needed."""
        return sorted(
            Task(day, self._rank[point], point, dirty.codes(point, day) or EVERY)
            for point, day in dirty
            if point in self.points and self.reach(point) is None
        )

    def whole(self, point: str, codes: Codes | None) -> bool:
        """Whether these are all channels of a point, as far as that is known."""
        known = self.points[point].codes if point in self.points else ()
        return codes is not None and (codes == EVERY or (bool(known) and codes.issuperset(known)))

    def reach(self, point: str) -> timedelta | None:
        """Of a point that has months alone, see PointPlan; else None."""
        return self.points[point].reach if point in self.points else None

    def _ranked(self, point: str, way: tuple[str, ...]) -> int:
        if point in way:
            cycle = " > ".join((*way[way.index(point) :], point))
            raise CycleError(f"the points are made of each other: {cycle}; take one of them out")
        known = self._rank.get(point)
        if known is not None:
            return known
        needs = self.points[point]
        below = [self._ranked(other, (*way, point)) for other in (*needs.parts, *needs.beside) if other in self.points]
        self._rank[point] = rank = max(below, default=-1) + 1
        return rank


def slices(tasks: Sequence[Task], most: int) -> Iterator[list[Task]]:
    """Points of one day and rank together, at most so many."""
    for _, group in groupby(tasks, key=lambda task: (task.day, task.rank)):
        part = list(group)
        for first in range(0, len(part), most):
            yield part[first : first + most]
