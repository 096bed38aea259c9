"""How far something new reaches: what readings touch, what depends on a day, what has to be looked at again.

Rules: reads the archives and computes nothing. Used from one thread after the other, never from two at a time.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import DerivedReader
from gatewayd.daemon.metering_begun import Beginnings
from gatewayd.daemon.metering_defects import Defects
from gatewayd.daemon.metering_late import noon, told_by
from gatewayd.daemon.metering_months import Months
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.daemon.metering_states import EVER, NEVER, StateReader
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.errors import ArchiveError
from gatewayd.legal_time import day_bounds, days, legal_day
from gatewayd.metering.era import FIRST, LAST
from gatewayd.metering.evidence import Span
from gatewayd.metering.plan import Dirty, Plan, Touch
from gatewayd.metering.values import Layer

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_BATCH = 10_000
_READ_AHEAD = 50_000
"""Readings that are looked through before their days are computed, and then..."""
_DAYS = 400
"""...or so many days of points."""
_KNOWN = 50_000
"""Days of points that are known; when there are more they are forgotten: then their neighbours are computed once more
than they would have to be."""


class Reach:
    """Of all points. `replaced`: days that have intervals that are not true, which whoever computes adds."""

    def __init__(
        self,
        raw: RawReader,
        states: StateReader,
        derived: DerivedReader,
        alone: Months,
        begun: Beginnings,
        works: Mapping[str, PointWork],
        replaced: set[tuple[str, date]],
        zone: ZoneInfo,
    ) -> None:
        self._raw = raw
        self._states = states
        self._derived = derived
        self._months = alone
        self._begun = begun
        self._works = works
        self._defects = Defects()
        self._replaced = replaced
        self._zone = zone
        self._of_meter: defaultdict[str, list[PointWork]] = defaultdict(list)
        for work in works.values():
            for meter in work.plan.meters if work.plan.reach is None else ():
                self._of_meter[meter].append(work)
        self._looked: dict[tuple[str, date], tuple[Span, ...]] = {}
        """Days that were computed since the start, or are not there: times out of them that were looked at."""

    def state_touches(self, meters: Collection[str], after: int, last: int) -> set[tuple[str, datetime]]:
        """See StateReader."""
        return self._states.touches(meters, after, last)

    def months_due(self, point: str, looked: datetime, now: datetime) -> list[date]:
        """See Months."""
        return list(self._months.due(self._works[point], looked, now))

    def touches(self, after: int, last: int) -> tuple[set[Touch], list[str]]:
        """Of which meters, codes and hours there is something new behind a number, up to another one: intervals, with
        the days whose findings they may change; days that were computed without a state that is there now. And what
        cannot be read of it, in words. ArchiveError."""
        found, faults = self._raw.touches(after, last, self._zone)
        for meter in sorted(self._raw.beyond):
            self._defects.warn(
                f"meter {meter} has intervals that end before {FIRST.year} or after {LAST.year}; is its "
                "clock right? nothing is derived of them"
            )
        self._raw.beyond.clear()
        late = self._derived_of(told_by(self._raw, after, last, self._zone))
        return found | self._beside(found) | late, faults

    def behind(self, plan: Plan, seq: int, head: int) -> tuple[Dirty, int]:
        """What the readings behind a number touch, up to which number; what cannot be read touches nothing.
        ArchiveError."""
        dirty, start = Dirty(), seq
        with self._derived.lookups.together():
            while seq < head and seq - start < _READ_AHEAD and len(dirty) < _DAYS:
                last = min(seq + _BATCH, head)
                for one in self._defects.over(seq, last, lambda after, upto: self._news(plan, after, upto)):
                    dirty.update(one)
                seq = last
        return dirty, seq

    def spread(self, plan: Plan, dirty: Dirty) -> Dirty:
        """The same with everything that depends on it: see Plan. ArchiveError."""
        with self._derived.lookups.together():
            return plan.spread(dirty, self.affected)

    def _news(self, plan: Plan, after: int, last: int) -> Dirty:
        dirty = plan.touched(self.touches(after, last)[0])
        dirty.update(plan.months(self.state_touches(plan.monthly, after, last)))
        return dirty

    def looked(self, point: str, day: date, spans: Collection[Span]) -> None:
        """A day was computed, and what was measured in these times was looked at, which reach out of it."""
        if len(self._looked) >= _KNOWN:
            self._looked.clear()
        self._looked[point, day] = tuple(spans)

    def _beside(self, touches: Collection[Touch]) -> set[Touch]:
        """The days that have looked, or may have, at what was measured in the hours of these."""
        touched: dict[tuple[str, date], list[Touch]] = {}
        for one in touches:
            touched.setdefault((one[0], legal_day(one[2], self._zone)), []).append(one)
        beside = ((work, day) for meter, day in touched for work in self._of_meter.get(meter, ()))
        self._find_out({(work.plan.id, other) for work, day in beside for other in _around(work, day)})
        return {
            (meter, code, noon(other, self._zone))
            for (meter, day), new in touched.items()
            for work in self._of_meter.get(meter, ())
            for other in _around(work, day)
            if (meter, other) not in touched
            for _, code, end in new
            if self._sees(work.plan.id, other, end - max(work.period, _HOUR) - _HOUR, end)
        }

    def _near(self, work: PointWork, day: date) -> list[date]:
        """The days of a point that have looked at what was measured on a day, or may have; as far as anything was
        derived of them."""
        near = _around(work, day)
        self._find_out({(work.plan.id, one) for one in near})
        return [one for one in near if self._sees(work.plan.id, one, *day_bounds(day, self._zone))]

    def _sees(self, point: str, day: date, start: datetime, end: datetime) -> bool:
        """Whether a day of a point has looked at what was measured in a time, or may have."""
        known = self._looked.get((point, day))
        return known is None or any(begin < end and start < until for begin, until in known)

    def _find_out(self, wanted: Collection[tuple[str, date]]) -> None:
        """Which of these days of points nothing was derived of: what is derived later is computed, and then known."""
        points: defaultdict[date, set[str]] = defaultdict(set)
        for point, day in wanted:
            if (point, day) not in self._looked:
                points[day].add(point)
        for day, unknown in points.items():
            for point in unknown - self._derived.having(unknown, *day_bounds(day, self._zone)):
                self.looked(point, day, ())

    def _derived_of(self, touches: Collection[Touch]) -> set[Touch]:
        """Those of days that were validated and substituted already."""
        by_day: defaultdict[date, list[Touch]] = defaultdict(list)
        for one in touches:
            if one[0] in self._of_meter:
                by_day[legal_day(one[2], self._zone)].append(one)
        found: set[Touch] = set()
        for day, theirs in by_day.items():
            points = {work.plan.id for one in theirs for work in self._of_meter[one[0]]}
            there = self._derived.having(points, *day_bounds(day, self._zone))
            found.update(one for one in theirs if any(work.plan.id in there for work in self._of_meter[one[0]]))
        return found

    def affected(self, point: str, day: date) -> list[date]:
        """The other days of a point that may change with this one: those that are compared with it, or may have
        substitutes of it; as far as anything was derived of them."""
        try:
            return self._affected(point, day)
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours must not cost more than these
            self._defects.tell(f"point {point}: what depends on {day} is not computed again", error)
            return []

    def _affected(self, point: str, day: date) -> list[date]:
        work = self._works.get(point)
        if work is not None and work.plan.reach is not None:
            return self._months.affected(work, day)
        later = [one for one in work.affected(day) if one != day] if work is not None and work.affected else []
        if work is not None and not work.plan.meters:  # what is measured of others is derived
            later += self._near(work, day)
        if not later:
            return []
        begin, end = day_bounds(min(later), self._zone)[0], day_bounds(max(later), self._zone)[1]
        there = self._derived.days_of((point,), begin, end, self._zone)
        return sorted(there.intersection(later))

    @property
    def replaced(self) -> Collection[tuple[str, date]]:
        """Days that have intervals that are not true, since the last `again`."""
        return self._replaced

    def resume(self, replaced: Collection[tuple[str, date]]) -> None:
        """Go on where somebody was who had computed these days."""
        self._replaced.update(replaced)

    def again(self, computed: Dirty) -> Dirty:
        """Of what was computed in the order of the days, those that may have substitutes of a day behind them, which
        was not there yet: where a gap reaches over midnight, or a register was read at its end only."""
        found = Dirty()
        for point, day in computed if self._replaced else ():
            affected = self._works[point].affected if point in self._works else None
            for other in affected(day) if affected is not None else ():
                codes = computed.codes(point, other)
                if other < day and codes is not None and (point, other) in self._replaced:
                    found.add(point, other, codes)
        self._replaced.clear()
        return found

    def days_of(self, point: str, now: datetime) -> list[date]:
        """The days on which the meters of a point have anything; of a virtual point those of its parts; of one that has
        months alone the first days of these."""
        work = self._works.get(point)
        if work is not None and work.plan.reach is not None:
            return list(self._months.all(work, now))
        return self._begun.days(point, legal_day(now - SETTLED - timedelta(days=1), self._zone))

    def holes(self, point: str, now: datetime) -> list[date]:
        """Days that are settled, since there is anything of a point, of which nothing was derived."""
        work, begun = self._works[point], self._begun.of(point)
        if work.plan.reach is not None:
            return list(self._months.all(work, now))
        last = legal_day(now - SETTLED - timedelta(days=1), self._zone)
        if begun is None or last < begun.owed:
            return []
        start, end = day_bounds(begun.owed, self._zone)[0], day_bounds(last, self._zone)[1]
        there = self._derived.days_of((point,), start, end, self._zone)
        return [day for day in days(begun.owed, last) if day not in there]

    def begun(self, point: str) -> date | None:
        """The first day of which the meters of a point owe anything, as it was when that was asked first."""
        begun = self._begun.of(point)
        return None if begun is None else begun.owed

    def has_begun(self, point: str) -> bool:
        """Whether there is anything of a point. ArchiveError."""
        work = self._works[point]
        return (self._begun.of(point) if work.plan.reach is None else self._months.begun(work)) is not None

    def standing(self, point: str) -> list[date]:
        """The days of which anything was ever derived of a point; of one that has months alone the first days of
        these."""
        work = self._works.get(point)
        if work is None or work.plan.reach is None:
            return sorted(self._derived.days_of((point,), EVER, NEVER, self._zone))
        found = self._derived.current_of((point,), (Layer.MONTH,), EVER, NEVER).values()
        return sorted({legal_day(at, self._zone).replace(day=1) for one in found for at in one})


def _around(work: PointWork, day: date) -> list[date]:
    """The days on which rules may look at what was measured on this one."""
    before, behind = work.near
    return [*(day - n * _DAY for n in range(1, behind + 1)), *(day + n * _DAY for n in range(1, before + 1))]
