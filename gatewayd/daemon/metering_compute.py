"""Computing derived values: a slice of points and days at a time, in a thread of its own.

Rules: reads the raw and the derived archive, and writes nothing: what is new comes out as entries for the derived
archive. Computing the same twice gives nothing new the second time. A defect that one point brings
out costs that point its day, and no other. Sums over time are made by metering_sums.py.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd.archive.lookups import Lookups
from gatewayd.archive.records import Entry
from gatewayd.daemon.derived import DerivedReader, entry_of
from gatewayd.daemon.derived_events import Told
from gatewayd.daemon.entered import Entered
from gatewayd.daemon.metering_begun import Beginnings
from gatewayd.daemon.metering_events import Events, with_events
from gatewayd.daemon.metering_failing import Failing, passed_over
from gatewayd.daemon.metering_held import Held, unmade
from gatewayd.daemon.metering_look import Current
from gatewayd.daemon.metering_losses import Losses
from gatewayd.daemon.metering_months import Months
from gatewayd.daemon.metering_notes import note_of
from gatewayd.daemon.metering_ratios import Ratios
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.daemon.metering_raw_unread import RawUnread
from gatewayd.daemon.metering_reach import Reach
from gatewayd.daemon.metering_states import StateReader
from gatewayd.daemon.metering_steps import Day, Made, Note, PointWork
from gatewayd.daemon.metering_sums import SETTLED, Known, Sums, Tally
from gatewayd.daemon.metering_unread import Unread
from gatewayd.daemon.metering_validation import around
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.legal_time import GAS_DAY_START, day_bounds
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.derivation import Derivation
from gatewayd.metering.periods import apart
from gatewayd.metering.plan import EVERY, Dirty, Task
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import Archived
from gatewayd.obis import Obis

BEFORE = timedelta(hours=1, microseconds=1)
"""So much of the day before is looked at, for the state of totals at the beginning of the day."""
_GONE = "the point has nothing of it as it is defined now"
_REPLACED = "its readings are not in the raw archive, which was replaced"


class Compute:
    """The work. Used from one thread after the other, never from two at a time."""

    def __init__(self, raw: Path, derived: Path, works: Mapping[str, PointWork], zone: ZoneInfo) -> None:
        self.tally = Tally()
        self._lookups = lookups = Lookups()
        self._raw = RawReader(raw, lookups)
        self._derived = DerivedReader(derived, lookups)
        self.unread = Unread(self._derived)
        self.raw_unread = RawUnread(self._raw)
        self.entered = Entered(derived, passed_over, lookups)
        """Substitute values by hand."""
        self._works = works
        self._zone = zone
        self._look = Current(self._derived, zone)
        self._held = Held(self._raw, works)
        self._sums = Sums(self._derived, self._look, self.entered, self.tally, zone, self._read, self._held)
        self._losses = Losses(self._derived, self._look, self._sums, zone)
        self._events = Events(self._derived)
        self._ratios = Ratios(raw, self._events, works, zone)
        self._begun = Beginnings(self._raw, works, zone)
        self._states = StateReader(self._raw, raw, zone)
        self._months = Months(self._states, self._derived, self.entered, self._events, self.tally, zone, self._held)
        self._replaced: set[tuple[str, date]] = set()
        """Days of points with substitution that have intervals that are not true, since the last `again`."""
        self.reach = Reach(
            self._raw, self._states, self._derived, self._months, self._begun, works, self._replaced, zone
        )
        self._failing = Failing()
        self._failed = self._failing.tell
        self.notes: list[tuple[str, date, Note]] = []
        """What is to be told of what was computed and is new."""
        self.replaced = False
        """Days are computed of which there may be values of another raw archive."""

    def begin(self) -> None:
        """Everything that was computed before is in the archive."""
        self._look.begin()
        self._events.written()

    def forget(self) -> None:
        """What was computed before was not written."""
        self._look.lost()
        self._replaced.clear()
        self._events.forget()
        self.notes.clear()

    def look_again(self) -> None:
        """What could not be read of the raw archive is tried again."""
        self._raw.damaged.clear()

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What cannot be read of the raw archive, in words; as far as it was looked at."""
        return tuple(self._raw.damaged.values())

    def coming(self, dirty: Dirty) -> None:
        """This is computed together from now on."""
        self._sums.coming = dirty

    def ratios(self, points: Iterable[str], now: datetime, reason: str) -> list[Entry]:
        """What is to be told of the ratios that the meters of these points have set themselves."""
        return [self._told(one, now) for one in self._ratios.told(points, reason)]

    def ratios_read(self, after: int, last: int, now: datetime, reason: str) -> list[Entry]:
        """The same of the meters whose ratio registers are among the readings behind a number, up to another one."""
        meters = self._raw.ratio_meters(after, last)
        return self.ratios(self._ratios.points_of(meters), now, reason) if meters else []

    def _told(self, one: Derivation | Told, now: datetime) -> Entry:
        """As it is archived; what it tells is told in words when that is done."""
        self.notes += [(event.point, event.day, note_of(event)) for event in one.events]
        work = self._works.get(one.point)
        return entry_of(one, now) if work is None else entry_of(one, now, work.identity)

    def days(self, tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
        """Of points that do not depend on each other, on one legal-time day: their intervals and sums of this day."""
        try:
            with self._lookups.together():
                return self._together(tasks, now, reason)
        except ArchiveDamaged:  # in the derived archive: what stands of the day cannot be read
            self.unread.passed.update((task.point, task.day) for task in tasks)
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours costs the point that brings it out its day
            if len(tasks) > 1:
                return [one for task in tasks for one in self.days([task], now, reason)]
            self._failed(tasks[0].point, str(tasks[0].day), error)
        return []

    def _together(self, tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
        day = tasks[0].day
        self.entered.known()
        start, end = day_bounds(day, self._zone)
        works = [(task, self._works[task.point]) for task in tasks if self._looked_after(task)]
        raw = self._raw.intervals({meter for _, work in works for meter in work.plan.meters}, start - BEFORE, end)
        known = self._derived.current_of([task.point for task, _ in works], _OF_DAYS, *self._around(start, end))
        self._events.begin([task.point for task, _ in works], start, end)
        self._held.look()
        found: list[Entry] = []
        for task, work in works:
            own = {meter: raw[meter] for meter in work.plan.meters}
            settled = now >= end + SETTLED
            read = self._registers(work, start, end)
            begun = self._begun.of(task.point) if settled else None
            at = Day(task.point, day, start, end, own, self._look, now, settled, self._zone, read, read=self._read)
            at = at if begun is None else replace(at, since=begun.since)
            self._look.forget(task.point, day)
            try:
                found += [self._told(one, now) for one in self._day_told(at, task, work, known, reason)]
            except ArchiveDamaged:
                self.unread.passed.add((task.point, day))
            except ArchiveError:
                raise
            except Exception as error:  # noqa: BLE001 - a defect of ours in one point must not stop the others
                self._failed(task.point, str(day), error)
            else:
                self._failing.over(task.point)
                self.reach.looked(task.point, day, at.looked)
        self.tally.days += len(works)
        return found

    def _read(self, meters: Collection[str], start: datetime, end: datetime) -> Mapping[str, Sequence[Archived]]:
        """See Day."""
        return self._raw.intervals(meters, start - BEFORE, end)

    def _looked_after(self, task: Task) -> bool:
        """Whether there is anything of the point by that day: a total at midnight says nothing of the day before, and a
        day before the first meter is not missing."""
        if task.point not in self._works:
            return False
        if self.replaced:
            return True
        return not self._begun.before(task.point, task.day) or bool(self.entered.channels(task.point, task.day))

    def _registers(self, work: PointWork, start: datetime, end: datetime) -> Callable[[], Sequence[Archived]]:
        """Reads them when they are asked for, once."""
        found: list[list[Archived]] = []

        def read() -> Sequence[Archived]:
            if not found:
                found.append(self._raw.registers(work.plan.meters, *around(start, end)))
            return found[0]

        return read

    def month(self, point: str, month: date, now: datetime, reason: str) -> list[Entry]:
        """The sums and maxima of a legal-time month of a point, once it is over."""
        work = self._works.get(point)
        start, end = month_bounds(month, self._zone)
        if work is None or now < end:
            return []
        read = self._registers(work, start, end)
        try:
            self._held.look()
            self._sums.begin()
            made = list(self._sums.of_month(work, start, end, now, read, reason))
            made += self._losses.of_month(work, (start, end), now, self._sums.seen, reason)
            self._events.begin((point,), end - timedelta.resolution, end)
            events = self._events.of_month(point, self._sums.findings, self._sums.seen, month, end)
            found = [self._told(one, now) for one in with_events(made, events, point, reason)]
        except ArchiveDamaged:
            self.unread.passed.add((point, month))
            return []
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(point, f"{month:%Y-%m}", error)
            return []
        self.tally.months += 1
        return found

    def gas_months(self) -> frozenset[tuple[str, int, int]]:
        """Point, year and month of gas of which a day was made among those of the next one, since this was asked."""
        found = frozenset(self._sums.gas_months)
        self._sums.gas_months.clear()
        return found

    def months(self, point: str, firsts: Sequence[date], now: datetime, reason: str) -> list[Entry]:
        """Months of a point that has months alone, named by their first days."""
        work = self._works.get(point)
        try:
            self._held.look()
            made = self._months.of(work, firsts, now, reason) if work is not None else []
            found = [self._told(one, now) for one in made]
        except ArchiveDamaged:
            if len(firsts) > 1:
                return [one for first in firsts for one in self.months(point, [first], now, reason)]
            self.unread.passed.add((point, firsts[0]))
            return []
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(point, f"{firsts[0]:%Y-%m}", error)
            return []
        self._failing.over(point)
        return found

    # -- a day --------------------------------------------------------------------------------------------------------

    def _around(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        """From the gas day that began the day before to the one that begins on this day."""
        return start, end + timedelta(hours=GAS_DAY_START.hour + 1)

    def _day_told(self, at: Day, task: Task, work: PointWork, known: Known, reason: str) -> Sequence[Derivation | Told]:
        """With the events of the day."""
        self._sums.begin()
        intervals: list[Made] = []
        made = list(self._day(at, task, work, known, reason, intervals))
        there = {one.series.channel.obis for one in intervals}
        whole = there >= {code for point, layer, code in known if (point, layer) == (at.point, Layer.INTERVAL)}
        events = self._events.of_day(at, intervals, self._sums.seen, whole=whole)
        return with_events(made, events, at.point, reason)

    def _day(
        self,
        at: Day,
        task: Task,
        work: PointWork,
        known: Known,
        reason: str,
        intervals: list[Made],
    ) -> Iterator[Derivation]:
        """Adds the intervals that were made."""
        found: dict[Obis, Series] = {}
        own = work.intervals(at, task.codes)
        gone = unmade(own, known, at) if self.replaced and task.codes == EVERY else ()
        for made in (*own, *gone):
            standing = known.get((at.point, Layer.INTERVAL, made.series.channel.obis), {})
            series = self._held.whole(made.series, standing, at.end, _REPLACED if self.replaced else _GONE)
            made = replace(made, series=series)
            found[made.series.channel.obis] = apart(made.series)
            intervals.append(made)
            self._look.put(made.series)
            if work.dues is not None and any(one.status for one in made.series.values):
                self._replaced.add((at.point, at.day))
            yield from self._sums.new(made.series, known, made, reason)
            summed = replace(made, checked=made.checked and not self._held.unproven(series, standing))
            yield from self._sums.of_day(at, summed, work, known, reason)
        if found.keys() >= {code for point, layer, code in known if (point, layer) == (at.point, Layer.INTERVAL)}:
            self._look.remember(at.point, at.day, found)
        for code, unit in self.entered.channels(at.point, at.day).items():
            if code not in found and (task.codes == EVERY or not known.get((at.point, Layer.INTERVAL, code))):
                # nothing was read of it at all; where only other channels are made its intervals stand
                empty = Made(Series(Channel(at.point, code, unit), Layer.INTERVAL, ()), bool(work.month))
                yield from self._sums.of_day(at, empty, work, known, reason)
        yield from self._losses.of_day(at, work, known, reason)


_OF_DAYS = (Layer.INTERVAL, Layer.EVALUATION, Layer.DAY, Layer.GAS_DAY, Layer.LOSS, Layer.LOSS_DAY)
