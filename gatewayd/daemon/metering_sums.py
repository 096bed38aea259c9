"""Sums over time of a point: evaluation intervals, days and gas days of its intervals, months of its days.

Rules: writes nothing: what is new comes out as derivations. A sum is made when its time is over and each of its
intervals is there or told missing, or when it is `settled`: so long ago that nothing more is waited for. Sums of days
take what somebody has entered in place of what is not true; what stands and cannot be made any more stays
(metering_held.py). A month is the sum of its days, of gas of its gas days: it begins and ends at 06:00 (requirements
T6). A gas day ends on the next day, and waits for that one where it is about to be computed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import DerivedReader, SeriesName
from gatewayd.daemon.entered import Entered
from gatewayd.daemon.metering_held import Held
from gatewayd.daemon.metering_look import Current
from gatewayd.daemon.metering_steps import Day, Made, PointWork, Read
from gatewayd.legal_time import GAS_DAY_START, legal_day
from gatewayd.metering.aggregate import Span, aggregate, cut, month_bounds, spans
from gatewayd.metering.demand import maxima
from gatewayd.metering.derivation import GATEWAY, Derivation, Standing, news
from gatewayd.metering.entered import author_of, concerned, day_layer, with_entered
from gatewayd.metering.entered_before import kept_by_hand
from gatewayd.metering.findings import Finding, apply
from gatewayd.metering.periods import apart
from gatewayd.metering.plan import EVERY, Dirty
from gatewayd.metering.sources import counts_energy
from gatewayd.metering.substitute import marked
from gatewayd.metering.values import Channel, Layer, Series, Value
from gatewayd.model import Archived, RawStatus
from gatewayd.obis import Obis

SETTLED = timedelta(days=2)
"""After the end of an interval of legal time: what has not come by then is not waited for. The raw archive has told it
missing by that time, where somebody looks after the meter."""
GAS = 7
"""Group A of gas."""
_SUMMED = re.compile(r"[kMGT]?(Wh|varh|VAh|J|cal)|m3|m³|l|kg")
"""Units of what may be added up over time; a voltage may not."""

Known = Mapping[SeriesName, Mapping[datetime, Standing]]
"""What stands in the derived archive."""


@dataclass(slots=True)
class Tally:
    """How much was computed, since the start."""

    days: int = 0
    months: int = 0
    values: int = 0
    written: int = 0


class Sums:
    """Used from one thread after the other, never from two at a time."""

    def __init__(
        self,
        derived: DerivedReader,
        look: Current,
        entered: Entered,
        tally: Tally,
        zone: ZoneInfo,
        read: Read,
        held: Held,
    ) -> None:
        self._derived = derived
        self._look = look
        self._entered = entered
        self._tally = tally
        self._zone = zone
        self._read = read
        self._held = held
        self.coming = Dirty()
        """What is computed together, each day behind those before it. What of it is made is not in the archive before
        all of it was: so nothing may be made twice."""
        self.seen: list[Series] = []
        """All that was made since `begin`, new or not..."""
        self.findings: tuple[Finding, ...] = ()
        """...and what was found on the month."""
        self.gas_months: set[tuple[str, int, int]] = set()
        """Point, year and month of gas of which a day was made together with days of the next one: the last gas day
        ends in it. Whoever computes months takes them away."""

    def begin(self) -> None:
        """Another day or month."""
        self.seen, self.findings = [], ()

    def of_day(self, at: Day, made: Made, work: PointWork, known: Known, reason: str) -> Iterator[Derivation]:
        """Those of the intervals of one channel on a day."""
        made = replace(made, series=self._in_unit(apart(made.series), at))
        for layer, intervals in self._layers(at, made.series, work, known):
            yield from self._sums(made, layer, intervals, at, work, known, reason)

    def _in_unit(self, series: Series, at: Day) -> Series:
        """What nobody has told a unit of is in that of the day before."""
        channel = series.channel
        if channel.unit:
            return series
        before = self._look.series(channel.point, Layer.DAY, at.start - timedelta.resolution, at.start)
        return replace(series, channel=before[channel.obis].channel) if channel.obis in before else series

    def _layers(
        self, at: Day, series: Series, work: PointWork, known: Known
    ) -> Iterator[tuple[Layer, tuple[Span, ...]]]:
        channel = series.channel
        if not (_SUMMED.fullmatch(channel.unit) if channel.unit else _uncounted(series)):
            return
        standing = known.get((at.point, Layer.EVALUATION, channel.obis), {})
        if _evaluated(series, work, stands=any(at.start < end <= at.end for end in standing)):
            yield Layer.EVALUATION, spans(Layer.EVALUATION, at.day, at.day, evaluation=work.evaluation, zone=self._zone)
        yield Layer.DAY, ((at.start, at.end),)
        if series.channel.obis.a == GAS:
            first = at.day - timedelta(days=1)
            if first.month != at.day.month:
                self.gas_months.add((at.point, first.year, first.month))
            yield Layer.GAS_DAY, spans(Layer.GAS_DAY, first, at.day, zone=self._zone)

    def _sums(
        self,
        made: Made,
        layer: Layer,
        intervals: Sequence[Span],
        at: Day,
        work: PointWork,
        known: Known,
        reason: str,
    ) -> Iterator[Derivation]:
        series = made.series
        if layer is Layer.GAS_DAY:
            series = self._look.series(series.channel.point, Layer.INTERVAL, intervals[0][0], intervals[-1][1]).get(
                series.channel.obis, series
            )
        entered, channel = self._entered.latest, series.channel
        by_hand = bool(entered) and layer is day_layer(channel.obis)
        standing = known.get((channel.point, layer, channel.obis), {})
        ripe: list[Span] = []
        for span in intervals:
            if span[1] > at.end and self._comes(channel, legal_day(span[1], self._zone)):
                continue
            known_or_whole = span[1] <= at.end or span[1] in standing or not _hole(series, span)
            if (known_or_whole and _ripe(series, span, at.now)) or (
                by_hand and concerned(entered, channel.point, channel.obis, span[1], self._zone)
            ):
                ripe.append(span)
        if ripe:
            summed = aggregate(series, layer, ripe, partial=work.partial, period=work.period)
            told = [one for one in made.findings if one.layer is not Layer.INTERVAL]
            summed = apply(summed, told, self._zone) if told else summed  # others came with the intervals they stand on
            summed = marked(with_entered(summed, entered, self._zone), made.findings, self._zone)
            summed = self._held.kept(kept_by_hand(summed, standing, entered), standing)
            self._look.put(summed)
            author = author_of(summed, entered, self._zone) or GATEWAY
            for one in self.new(summed, known, Made(summed, made.checked, work.facts, made.findings), reason):
                yield replace(one, author=author)

    def _comes(self, channel: Channel, day: date) -> bool:
        """Whether a channel is about to be computed on a later day, and its gas day with it."""
        codes = self.coming.codes(channel.point, day)
        return codes is not None and (codes == EVERY or channel.obis in codes)

    def of_month(
        self,
        work: PointWork,
        start: datetime,
        end: datetime,
        now: datetime,
        registers: Callable[[], Sequence[Archived]],
        reason: str,
    ) -> Iterator[Derivation]:
        """The sums and maxima of a month. `registers` reads the states of registers around it."""
        point = work.plan.id
        first = legal_day(start + timedelta.resolution, self._zone)
        gas = month_bounds(first, self._zone, GAS_DAY_START)
        standing = self._derived.current_of((point,), (Layer.DAY, Layer.GAS_DAY), start, gas[1])
        known = self._derived.current_of((point,), (Layer.MONTH, Layer.MAXIMUM), end - timedelta(seconds=1), gas[1])
        ripe: dict[Obis, tuple[Series, Span]] = {}
        for layer, span in ((Layer.DAY, (start, end)), (Layer.GAS_DAY, gas)):
            for code, days in self._look.series(point, layer, *span).items():
                if layer is day_layer(code) and _ripe(days, span, now):
                    ripe[code] = days, span
        intervals = self._look.days(point, start, end) if ripe else {}
        findings: tuple[Finding, ...] = ()
        if work.month is not None and ripe:
            settled = now >= end + SETTLED
            at = Day(point, first, start, end, {}, self._look, now, settled, self._zone, registers, read=self._read)
            self.findings = findings = work.month(at, list(intervals.values()))
        for code, (sums, span) in ripe.items():
            written = standing.get((point, sums.layer, code), {})
            checked = all(one.derived.validated for at, one in written.items() if at > span[0])
            series = [aggregate(sums, Layer.MONTH, (span,), partial=work.partial, period=work.period)]
            mine = intervals if sums.layer is Layer.DAY else self._look.series(point, Layer.INTERVAL, *span)
            if code in mine:
                series.append(maxima(mine[code], (span,), period=work.period, zone=self._zone))
            for one in series:
                told = apply(one, findings, self._zone) if findings else one
                yield from self.new(told, known, Made(told, checked, work.facts, findings), reason)

    def new(self, series: Series, known: Known, made: Made, reason: str) -> Iterator[Derivation]:
        """What of a series is not written down yet."""
        channel = series.channel
        standing = known.get((channel.point, series.layer, channel.obis), {})
        series = self._held.kept(series, standing)
        self.seen.append(series)
        self._tally.values += len(series.values)
        values = [
            one for one in series.values if (before := standing.get(one.at)) is None or before.derived.value is not one
        ]
        fresh = news(values, standing, validated=_validated(values, made.checked))
        if fresh:
            yield Derivation(
                channel,
                series.layer,
                fresh,
                reason,
                facts=made.facts,
                findings=made.findings,
                remarks=made.remarks,
                checked=made.checked,
            )


def _uncounted(series: Series) -> bool:
    """Whether it is of what is added up, and without a number: nobody has told in what unit it is."""
    return counts_energy(series.channel.obis) and all(one.amount is None for one in series.values)


def _evaluated(series: Series, work: PointWork, *, stands: bool) -> bool:
    """Whether there is an evaluation interval besides; none of a time when a meter had longer intervals. One that
    `stands` of the day, from when there were shorter ones, is made of what there is now."""
    seconds = round(work.evaluation.total_seconds())
    lengths = {one.seconds for one in series.values}
    other = stands or work.evaluation != work.period or any(one != seconds for one in lengths)
    return other and all(one <= seconds for one in lengths)


def _ripe(series: Series, span: Span, now: datetime) -> bool:
    """Whether a sum over time is to be written."""
    if now < span[1]:
        return False
    return now >= span[1] + SETTLED or not _hole(series, span)


def _hole(series: Series, span: Span) -> bool:
    return bool(cut(series, [one.at for one in series.values], *span).hole)


def _validated(values: Iterable[Value], checked: bool) -> list[bool]:
    """There were rules, and none has found anything."""
    return [checked and not one.rules and one.there and one.status <= RawStatus.SUBSTITUTE for one in values]
