"""Days and months that are computed although nothing came: substitutes are settled, nothing more is waited for.

    of(looked, now, whole)    what has become due since the last look
    holes(now, points)        what nothing was derived of, though it is settled: where nobody has looked yet, or when
                              there was nothing of them
    unbegun()                 the points of which there is nothing yet
    all_days(points, now)     everything, where points are others now

Rules: reads the archives, writes nothing. Nothing is due of before the meters of a point told anything. What was just
computed as a whole is not computed once more, unless it became due in that very moment.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.daemon.metering_reach import Reach
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.legal_time import day_bounds, days, legal_day
from gatewayd.metering.plan import Dirty

BACK = timedelta(days=10)
"""Days are looked at from so long ago on, and those besides whose substitutes have a later deadline."""


class Dues:
    """Of all points. Used from one thread after the other, never from two at a time."""

    def __init__(self, reach: Reach, works: Mapping[str, PointWork], zone: ZoneInfo) -> None:
        self._reach = reach
        self._works = works
        self._zone = zone
        self._begun: set[str] = set()
        """Points of which there is something, as far as it was asked: that stays so."""

    def of(
        self, looked: datetime, now: datetime, whole: Mapping[tuple[str, date], datetime], unbegun: Collection[str] = ()
    ) -> Dirty:
        """What has become due after `looked` and is by now. `whole`: what was computed as a whole, and when; of the
        `unbegun` points nothing is. ArchiveError."""
        works = {point: work for point, work in self._works.items() if point not in unbegun}
        found, begun = Dirty(), min(whole.values(), default=now)
        late = self._due(works, begun, now) if begun < now else Dirty()
        for point, day in self._due(works, looked, now):
            if (point, day) not in whole or late.codes(point, day) is not None:
                found.add(point, day)
        return found

    def unbegun(self) -> tuple[str, ...]:
        """The points of which there is nothing yet. ArchiveError."""
        left = [point for point in self._works if point not in self._begun]
        self._begun.update(point for point in left if self._reach.has_begun(point))
        return tuple(point for point in left if point not in self._begun)

    def holes(self, now: datetime, points: Iterable[str] | None = None) -> Dirty:
        """What nothing was derived of, though it is settled; of all points, or of these. ArchiveError."""
        dirty = Dirty()
        for point in self._works if points is None else points:
            for day in self._reach.holes(point, now):
                dirty.add(point, day)
        return dirty

    def all_days(self, points: Iterable[str], now: datetime, *, standing: bool) -> list[tuple[date, Dirty]]:
        """All days of these points, month by month, so that what they are parts of is computed once: the first day of
        each and what it has. `standing`: those besides of which anything was ever derived. ArchiveError."""
        months: defaultdict[date, Dirty] = defaultdict(Dirty)
        for point in points:
            there = self._reach.days_of(point, now)
            for day in {*there, *self._reach.standing(point)} if standing else there:
                months[day.replace(day=1)].add(point, day)
        return sorted(months.items(), key=lambda one: one[0])

    def _due(self, works: Mapping[str, PointWork], looked: datetime, now: datetime) -> Dirty:
        dirty = Dirty()
        first, last = legal_day(looked - BACK, self._zone), legal_day(now, self._zone)
        settled = {day: day_bounds(day, self._zone)[1] + SETTLED for day in days(first, last)}
        for point, work in works.items():
            if work.plan.reach is not None:
                for month in self._reach.months_due(point, looked, now):
                    dirty.add(point, month)
                continue
            begun = self._reach.begun(point)
            for day in (*settled, *_late(work, looked, now, self._zone)):
                if begun is None or day < begun:
                    continue  # nobody looked after it yet
                at = settled.get(day) or day_bounds(day, self._zone)[1] + SETTLED
                if any(looked < due <= now for due in (at, *(work.dues(day) if work.dues else ()))):
                    dirty.add(point, day)
        return dirty


def _late(work: PointWork, looked: datetime, now: datetime, zone: ZoneInfo) -> Iterable[date]:
    """The days of a point whose deadline may have come, where it is later than `BACK`."""
    after = timedelta(days=work.point.substitution.deadline_days if work.point is not None else 0)
    return days(legal_day(looked, zone) - after, legal_day(now, zone) - after) if after >= BACK and work.dues else ()
