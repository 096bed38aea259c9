"""Computing derived values: a slice of points and days at a time, in a thread of its own.

Rules: reads the raw and the derived archive, and writes nothing: what is new comes out as entries for the derived
archive. Computing the same twice gives nothing new the second time. A sum over time is written when its time is over
and each of its intervals is there or told missing, or when it is `settled`: so long ago that nothing more is waited
for. A defect that one point brings out costs that point its day, and no other.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

from gatewayd.archive.records import Entry
from gatewayd.daemon.derived import DerivedReader, SeriesName, entry_of
from gatewayd.daemon.entered import Entered
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.daemon.metering_steps import Day, Made, Note, PointWork
from gatewayd.daemon.metering_validation import around
from gatewayd.legal_time import GAS_DAY_START, day_bounds, days, legal_day
from gatewayd.metering.aggregate import Span, aggregate, cut, month_bounds, spans
from gatewayd.metering.demand import maxima
from gatewayd.metering.derivation import GATEWAY, Derivation, Standing, news
from gatewayd.metering.entered import author_of, concerned, day_layer, with_entered
from gatewayd.metering.findings import Finding, apply
from gatewayd.metering.plan import Dirty, Task, Touch
from gatewayd.metering.values import Channel, Layer, Series, Value, missing
from gatewayd.model import Archived, RawStatus
from gatewayd.obis import Obis

SETTLED = timedelta(days=2)
"""After the end of an interval of legal time: what has not come by then is not waited for. The raw archive has told it
missing by that time, where somebody looks after the meter."""
_LOOKED = 300
"""Days of points that are remembered, about 0.1 MB each."""
BEFORE = timedelta(hours=1, microseconds=1)
"""So much of the day before is looked at, for the state of totals at the beginning of the day."""
_GONE = "the point has nothing of it as it is defined now"
GAS = 7
"""Group A of gas."""
_SUMMED = re.compile(r"[kMGT]?(Wh|varh|VAh|J|cal)|m3|m³|l|kg")
"""Units of what may be added up over time; a voltage may not."""

log = logging.getLogger("gatewayd.metering")


@dataclass(slots=True)
class Tally:
    """How much was computed, since the start."""

    days: int = 0
    months: int = 0
    values: int = 0
    written: int = 0


@dataclass(slots=True)
class _Fresh:
    """Intervals that were computed and are not in the archive yet."""

    series: dict[SeriesName, dict[datetime, Value]] = field(default_factory=lambda: defaultdict(dict))
    channels: dict[SeriesName, Channel] = field(default_factory=dict)

    def put(self, made: Series) -> None:
        name = made.channel.point, made.layer, made.channel.obis
        self.channels[name] = made.channel
        self.series[name].update({one.at: one for one in made.values})


class Compute:
    """The work. Used from one thread after the other, never from two at a time."""

    def __init__(self, raw: Path, derived: Path, works: Mapping[str, PointWork], zone: ZoneInfo) -> None:
        self.tally = Tally()
        self._raw = RawReader(raw)
        self._derived = DerivedReader(derived)
        self.entered = Entered(derived)
        """Substitute values by hand."""
        self._works = works
        self._zone = zone
        self._fresh = _Fresh()
        self._failing: dict[str, str] = {}
        self._begun: dict[str, date] = {}
        self._looked: dict[tuple[str, date], Mapping[Obis, Series]] = {}
        self._replaced: set[tuple[str, date]] = set()
        """Days of points with substitution that have intervals that are not true, since the last `again`."""
        self.notes: list[tuple[str, date, Note]] = []
        """What is to be told of what was computed and is new."""

    def begin(self) -> None:
        """Everything that was computed before is in the archive."""
        self._fresh = _Fresh()

    def days(self, tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
        """Of points that do not depend on each other, on one legal-time day: their intervals and sums of this day."""
        day = tasks[0].day
        self.entered.known()
        start, end = day_bounds(day, self._zone)
        works = [(task, self._works[task.point]) for task in tasks if task.point in self._works]
        raw = self._raw.intervals({meter for _, work in works for meter in work.plan.meters}, start - BEFORE, end)
        known = self._derived.current_of([task.point for task, _ in works], _OF_DAYS, *self._around(start, end))
        found: list[Entry] = []
        for task, work in works:
            own = {meter: raw[meter] for meter in work.plan.meters}
            settled = now >= end + SETTLED
            at = Day(
                task.point, day, start, end, own, self, now, settled, self._zone, self._registers(work, start, end)
            )
            self._looked.pop((task.point, day), None)
            try:
                found += [entry_of(one, now, work.identity) for one in self._day(at, task, work, known, reason)]
            except Exception as error:  # noqa: BLE001 - a defect of ours in one point must not stop the others
                self._failed(task.point, str(day), error)
            else:
                self._failing.pop(task.point, None)
        self.tally.days += len(works)
        return found

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
        try:
            found = [entry_of(one, now, work.identity) for one in self._month(work, start, end, now, reason)]
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(point, f"{month:%Y-%m}", error)
            return []
        self.tally.months += 1
        return found

    def touches(self, after: int, last: int) -> tuple[set[Touch], list[str]]:
        """See RawReader."""
        found, around, faults = self._raw.touches(after, last, self._zone)
        return found | {one for one in around if self._derived_of(one)}, faults

    def _derived_of(self, touch: Touch) -> bool:
        """Whether a day was validated and substituted already, without the state of a register that came late. One that
        is read now is there before its day is."""
        points = [point for point, work in self._works.items() if touch[0] in work.plan.meters]
        start, end = day_bounds(legal_day(touch[2], self._zone), self._zone)
        return bool(points) and bool(self._derived.days_of(points, start, end, self._zone))

    def affected(self, point: str, day: date) -> list[date]:
        """The other days of a point that may change with this one: those that are compared with it, or may have
        substitutes of it; as far as anything was derived of them."""
        work = self._works.get(point)
        later = [one for one in work.affected(day) if one != day] if work is not None and work.affected else []
        if not later:
            return []
        begin, end = day_bounds(min(later), self._zone)[0], day_bounds(max(later), self._zone)[1]
        there = self._derived.days_of((point,), begin, end, self._zone)
        return sorted(there.intersection(later))

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

    def days_of(self, point: str) -> list[date]:
        """The days on which the meters of a point have anything; of a virtual point those of its parts."""
        meters = self._meters(point)
        return self._raw.days(meters, self._zone) if meters else []

    def begun(self, point: str) -> date | None:
        """The first day of which the meters of a point have anything, as it was when that was asked first."""
        known = self._begun.get(point)
        if known is None:
            meters = self._meters(point)
            known = self._raw.first(meters, self._zone) if meters else None
            if known is not None:
                self._begun[point] = known
        return known

    def _meters(self, point: str) -> set[str]:
        """Those of a point and of all that it is a sum of."""
        meters: set[str] = set()
        waiting, seen = [point], {point}
        while waiting:
            work = self._works.get(waiting.pop())
            if work is not None:
                meters |= set(work.plan.meters)
                waiting += [part for part in work.plan.parts if part not in seen]
                seen |= set(work.plan.parts)
        return meters

    # -- what steps may look at ---------------------------------------------------------------------------------------

    def series(self, point: str, layer: Layer, first: datetime, last: datetime) -> Mapping[Obis, Series]:
        """See Look."""
        found: dict[Obis, Series] = {}
        standing = self._derived.current_of((point,), (layer,), first, last)
        names = {name for name in self._fresh.series if name[0] == point and name[1] is layer} | set(standing)
        for name in names:
            values = {at: one.derived.value for at, one in standing.get(name, {}).items()}
            fresh = self._fresh.series.get(name, {})
            values |= {at: one for at, one in fresh.items() if first < at <= last}
            if values:
                channel = self._fresh.channels.get(name) or self._channel(name, standing[name])
                found[name[2]] = Series(channel, layer, tuple(values[at] for at in sorted(values)))
        return found

    def day(self, point: str, day: date) -> Mapping[Obis, Series]:
        """See Look. What was looked at lately is remembered: the days of a month are compared with the same ones."""
        known = self._looked.get((point, day))
        if known is None:
            known = self.series(point, Layer.INTERVAL, *day_bounds(day, self._zone))
            self._look_at(point, day, known)
        return known

    def _look_at(self, point: str, day: date, found: Mapping[Obis, Series]) -> None:
        if len(self._looked) >= _LOOKED:
            self._looked.clear()
        self._looked[point, day] = found

    def _month_of(self, point: str, start: datetime, end: datetime) -> dict[Obis, Series]:
        """The intervals of all days of a month."""
        parts: defaultdict[Obis, list[Series]] = defaultdict(list)
        for day in days(legal_day(start + timedelta.resolution, self._zone), legal_day(end, self._zone)):
            for code, series in self.day(point, day).items():
                parts[code].append(series)
        return {
            code: Series(found[-1].channel, Layer.INTERVAL, tuple(chain.from_iterable(one.values for one in found)))
            for code, found in parts.items()
        }

    def _channel(self, name: SeriesName, standing: Mapping[datetime, Standing]) -> Channel:
        unit = max(standing.values(), key=lambda one: one.seq).unit
        return Channel(name[0], name[2], unit)

    # -- a day --------------------------------------------------------------------------------------------------------

    def _around(self, start: datetime, end: datetime) -> tuple[datetime, datetime]:
        """From the gas day that began the day before to the one that begins on this day."""
        return start, end + timedelta(hours=GAS_DAY_START.hour + 1)

    def _day(
        self,
        at: Day,
        task: Task,
        work: PointWork,
        known: Mapping[SeriesName, Mapping[datetime, Standing]],
        reason: str,
    ) -> Iterator[Derivation]:
        found: dict[Obis, Series] = {}
        for made in work.intervals(at, task.codes):
            made = replace(made, series=_whole(made.series, known, at.end))
            found[made.series.channel.obis] = made.series
            self._fresh.put(made.series)
            if work.dues is not None and any(one.status for one in made.series.values):
                self._replaced.add((at.point, at.day))
            fresh = list(self._new(made.series, known, made, reason))
            yield from fresh
            if fresh:
                self.notes += [(at.point, at.day, note) for note in made.notes]
            for layer, intervals in self._sums_of_day(at, made.series, work):
                yield from self._sums(made, layer, intervals, at.now, work, known, reason)
        if found.keys() >= {code for point, layer, code in known if (point, layer) == (at.point, Layer.INTERVAL)}:
            self._look_at(at.point, at.day, found)
        for code, unit in self.entered.channels(at.point, at.day).items():
            if code not in found:  # nothing was read of it at all
                empty = Made(Series(Channel(at.point, code, unit), Layer.INTERVAL, ()), bool(work.month))
                for layer, intervals in self._sums_of_day(at, empty.series, work):
                    yield from self._sums(empty, layer, intervals, at.now, work, known, reason)
        for step in work.after:
            for made in step(at, ()):
                self._fresh.put(made.series)
                yield from self._new(made.series, known, made, reason)

    def _sums_of_day(self, at: Day, series: Series, work: PointWork) -> Iterator[tuple[Layer, tuple[Span, ...]]]:
        if not _SUMMED.fullmatch(series.channel.unit):
            return
        if work.evaluation != work.period:
            yield Layer.EVALUATION, spans(Layer.EVALUATION, at.day, at.day, evaluation=work.evaluation, zone=self._zone)
        yield Layer.DAY, ((at.start, at.end),)
        if series.channel.obis.a == GAS:
            yield Layer.GAS_DAY, spans(Layer.GAS_DAY, at.day - timedelta(days=1), at.day, zone=self._zone)

    def _sums(
        self,
        made: Made,
        layer: Layer,
        intervals: Sequence[Span],
        now: datetime,
        work: PointWork,
        known: Mapping[SeriesName, Mapping[datetime, Standing]],
        reason: str,
    ) -> Iterator[Derivation]:
        series = made.series
        if layer is Layer.GAS_DAY:
            series = self.series(series.channel.point, Layer.INTERVAL, intervals[0][0], intervals[-1][1]).get(
                series.channel.obis, series
            )
        entered, channel = self.entered.latest, series.channel
        by_hand = bool(entered) and layer is day_layer(channel.obis)
        ripe = [
            span
            for span in intervals
            if _ripe(series, span, now)
            or (by_hand and concerned(entered, channel.point, channel.obis, span[1], self._zone))
        ]
        if ripe:
            summed = aggregate(series, layer, ripe, partial=work.partial, period=work.period)
            told = [one for one in made.findings if one.layer is not Layer.INTERVAL]
            summed = apply(summed, told, self._zone) if told else summed  # others came with the intervals they stand on
            summed = with_entered(summed, entered, self._zone)
            self._fresh.put(summed)
            author = author_of(summed, entered, self._zone) or GATEWAY
            for one in self._new(summed, known, Made(summed, made.checked, work.facts), reason):
                yield replace(one, author=author)

    # -- a month ------------------------------------------------------------------------------------------------------

    def _month(
        self, work: PointWork, start: datetime, end: datetime, now: datetime, reason: str
    ) -> Iterator[Derivation]:
        point = work.plan.id
        standing = self._derived.current_of((point,), (Layer.DAY,), start, end)
        known = self._derived.current_of((point,), (Layer.MONTH, Layer.MAXIMUM), end - timedelta(seconds=1), end)
        ripe = {
            code: days
            for code, days in self.series(point, Layer.DAY, start, end).items()
            if _ripe(days, (start, end), now)
        }
        intervals = self._month_of(point, start, end) if ripe else {}
        findings: tuple[Finding, ...] = ()
        if work.month is not None and ripe:
            first = legal_day(start + timedelta.resolution, self._zone)
            read = self._registers(work, start, end)
            at = Day(point, first, start, end, {}, self, now, now >= end + SETTLED, self._zone, read)
            findings = work.month(at, list(intervals.values()))
        for code, sums in ripe.items():
            checked = all(one.derived.validated for one in standing.get((point, Layer.DAY, code), {}).values())
            series = [aggregate(sums, Layer.MONTH, ((start, end),), partial=work.partial, period=work.period)]
            if code in intervals:
                series.append(maxima(intervals[code], ((start, end),), period=work.period))
            for one in series:
                told = apply(one, findings, self._zone) if findings else one
                yield from self._new(told, known, Made(told, checked, work.facts), reason)

    # -- what is new --------------------------------------------------------------------------------------------------

    def _new(
        self, series: Series, known: Mapping[SeriesName, Mapping[datetime, Standing]], made: Made, reason: str
    ) -> Iterator[Derivation]:
        channel = series.channel
        standing = known.get((channel.point, series.layer, channel.obis), {})
        self.tally.values += len(series.values)
        fresh = news(series.values, standing, validated=_validated(series.values, made.checked))
        if fresh:
            yield Derivation(channel, series.layer, fresh, reason, facts=made.facts)

    def _failed(self, point: str, what: str, error: Exception) -> None:
        """What does not fit together says so in a ValueError; told once until it is another."""
        text = str(error) if isinstance(error, ValueError) else f"a defect in gatewayd: {error!r}"
        if self._failing.get(point) != text:
            level, shown = (logging.ERROR, None) if isinstance(error, ValueError) else (logging.CRITICAL, error)
            log.log(level, "point %s: nothing is derived of %s: %s", point, what, text, exc_info=shown)
        self._failing[point] = text


_OF_DAYS = (Layer.INTERVAL, Layer.EVALUATION, Layer.DAY, Layer.GAS_DAY, Layer.LOSS)


def _whole(series: Series, known: Mapping[SeriesName, Mapping[datetime, Standing]], end: datetime) -> Series:
    """A day with what stands of it and is not made any more, as missing: the definition of the point has changed."""
    standing = known.get((series.channel.point, Layer.INTERVAL, series.channel.obis))
    if not standing:
        return series
    there = {one.at for one in series.values}
    gone = [one.derived.value for at, one in standing.items() if at <= end and at not in there]
    if not gone:
        return series
    values = [*series.values, *(missing(one.at, one.seconds, _GONE) for one in gone)]
    return Series(series.channel, series.layer, tuple(sorted(values, key=lambda one: one.at)))


def _ripe(series: Series, span: Span, now: datetime) -> bool:
    """Whether a sum over time is to be written."""
    if now < span[1]:
        return False
    return now >= span[1] + SETTLED or not cut(series, [one.at for one in series.values], *span).hole


def _validated(values: Iterable[Value], checked: bool) -> list[bool]:
    """There were rules, and none has found anything."""
    return [checked and not one.rules and one.there and one.status <= RawStatus.SUBSTITUTE for one in values]
