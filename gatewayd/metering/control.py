"""Main against control metering: whether they differ by more than the accuracy of the meters explains.

    compare(main, control, Layer.DAY, first, last)   -> Report: a Comparison for each day, verdicts, findings, lines

Rules: pure. |Em - Ec| <= 2 x class% x Em, of the worse class of the two meters (PPDS annex 5, 2.9; requirements DEC6).
Only times of which both have true values are compared; the rest is counted. Where little flows the digits of the meters
decide: the limit is never below one unit of the last digit of both, nor below that of `least`. The limit itself is met.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import lcm
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, QUARTER, day_bounds
from gatewayd.metering.accuracy import AccuracyClass, worse
from gatewayd.metering.aggregate import Span, spans
from gatewayd.metering.algebra import ZERO, less, total
from gatewayd.metering.evidence import digit_of, true_amount
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, shown
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.resolution import resolution
from gatewayd.metering.values import Layer, Series
from gatewayd.model import Archived

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ControlTerms(Terms):
    """What the configuration may say of it. `least`: an amount of the main metering; less of it is judged like this."""

    severity: Severity = Rule.CONTROL.severity
    intervals: bool = True
    days: bool = True
    months: bool = True
    least: Decimal = ZERO

    @property
    def layers(self) -> tuple[Layer, ...]:
        """By what is compared."""
        wanted = ((self.intervals, Layer.INTERVAL), (self.days, Layer.DAY), (self.months, Layer.MONTH))
        return tuple(layer for on, layer in wanted if on)


@dataclass(frozen=True, slots=True)
class Metering:
    """Intervals of one of the two, with the class of its meter. `digit`: what one unit of the last digit of an interval
    is worth, ratios included; None: as the amounts show it."""

    series: Series
    accuracy: AccuracyClass
    digit: Decimal | None = None


def with_digit(
    point: MeteringPoint,
    metering: Metering,
    archived: Sequence[Archived],
    start: datetime,
    end: datetime,
    zone: ZoneInfo = PRAGUE,
) -> Metering:
    """With the last digit that the readings of its intervals have, where the amounts show none as coarse: a constant
    load does not. As it is where nothing is read of it, such as a sum of points."""
    found = resolution(point, archived, metering.series.channel.obis, start, end, zone)
    return metering if found is None else replace(metering, digit=max(found, _digit(metering)))


class Verdict(Enum):
    """What came of a comparison."""

    OK = "ok"
    ALARM = "alarm"
    NOT_COMPARED = "not compared"
    """There is nothing of which both have true values."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of one interval, day or month; amounts of the `have` of `want` intervals of which both have true values."""

    start: datetime
    end: datetime
    main: Decimal
    control: Decimal
    limit: Decimal
    verdict: Verdict
    have: int
    want: int

    @property
    def difference(self) -> Decimal:
        """By how much the control metering has more."""
        return less(self.control, self.main)


@dataclass(frozen=True, slots=True)
class Report:
    """All comparisons of one layer, and what they were made with."""

    main: Metering
    control: Metering
    layer: Layer
    comparisons: tuple[Comparison, ...]

    @property
    def accuracy(self) -> AccuracyClass:
        """The class that was compared by."""
        return worse(self.main.accuracy, self.control.accuracy)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many of each verdict."""
        found = Counter(one.verdict for one in self.comparisons)
        return {verdict: found[verdict] for verdict in Verdict}

    def findings(self, terms: ControlTerms | None = None) -> tuple[Finding, ...]:
        """What is told of the main metering."""
        severity = (terms or ControlTerms()).severity
        return tuple(self._finding(one, severity) for one in self.comparisons if one.verdict is Verdict.ALARM)

    def lines(self, zone: ZoneInfo = PRAGUE) -> Iterator[str]:
        """For people: a line for each comparison, and a summary."""
        unit = self.main.series.channel.unit
        for one in self.comparisons:
            when = self._finding(one, Severity.WARNING).when(zone)
            if one.verdict is Verdict.NOT_COMPARED:
                yield f"{when}  not compared: true values of both are missing"
                continue
            sign = "+" if one.difference > 0 else ""
            part = "" if one.have == one.want else f", {one.have} of {one.want} intervals"
            verdict = one.verdict.value.upper() if one.verdict is Verdict.ALARM else one.verdict.value
            yield (
                f"{when}  main {shown(one.main)}  control {shown(one.control)}  difference {sign}"
                f"{shown(one.difference)}  limit {shown(one.limit, unit)}  {verdict}{part}"
            )
        counts = self.counts
        compared = len(self.comparisons) - counts[Verdict.NOT_COMPARED]
        main, control = self.main.series.channel, self.control.series.channel
        yield (
            f"{main.point} against {control.point}, {main.obis.reduced()}, class {self.accuracy.name}: {compared} "
            f"compared, {counts[Verdict.ALARM]} outside, {counts[Verdict.NOT_COMPARED]} not compared"
        )

    def _finding(self, one: Comparison, severity: Severity) -> Finding:
        channel = self.main.series.channel
        part = "" if one.have == one.want else f" in {one.have} of {one.want} intervals"
        text = (
            f"{shown(one.main, channel.unit)}{part}, the control metering {self.control.series.channel.point} has "
            f"{shown(one.control, channel.unit)}: they differ by {shown(one.difference.copy_abs(), channel.unit)}, "
            f"twice the error of class {self.accuracy.name} is {shown(one.limit, channel.unit)}; have both meters "
            f"and their transformers looked at"
        )
        return Finding(
            Rule.CONTROL,
            severity,
            channel.point,
            channel.obis,
            self.layer,
            one.start,
            one.end,
            text,
            one.main,
            one.control,
            channel.unit,
        )


@dataclass(frozen=True, slots=True)
class _Slot:
    """An interval of the longer of both metering periods, or of a time that both divide, and what both have in it; None
    where that is not true."""

    start: datetime
    end: datetime
    main: Decimal | None
    control: Decimal | None


def compare(
    main: Metering,
    control: Metering,
    layer: Layer,
    first: date,
    last: date,
    terms: ControlTerms | None = None,
    zone: ZoneInfo = PRAGUE,
    period: timedelta = QUARTER,
) -> Report:
    """Of the legal-time days from `first` to `last`, both included; months whole. INTERVAL: each interval of the longer
    of both metering periods, or of the shortest time that both divide. ValueError for series of different units."""
    (report,) = compare_layers(main, control, (layer,), first, last, terms, zone, period)
    return report


def compare_layers(
    main: Metering,
    control: Metering,
    layers: Iterable[Layer],
    first: date,
    last: date,
    terms: ControlTerms | None = None,
    zone: ZoneInfo = PRAGUE,
    period: timedelta = QUARTER,
) -> Iterator[Report]:
    """The same by each of several layers. `period`: the metering period, where nothing at all is there to tell it."""
    slots: list[_Slot] | None = None
    for layer in layers:
        if slots is None:
            slots = _slots(main.series, control.series)
        yield _report(main, control, slots, layer, first, last, terms or ControlTerms(), zone, period)


def _report(
    main: Metering,
    control: Metering,
    slots: Sequence[_Slot],
    layer: Layer,
    first: date,
    last: date,
    terms: ControlTerms,
    zone: ZoneInfo,
    period: timedelta,
) -> Report:
    mine, other = main.series.channel, control.series.channel
    if mine.unit != other.unit:
        raise ValueError(
            f"{mine.point} {mine.obis} is in {mine.unit}, its control metering {other.point} {other.obis} in "
            f"{other.unit}: compare channels of the same energy"
        )
    accuracy = worse(main.accuracy, control.accuracy)
    floor = max(total([_digit(main), _digit(control)]), accuracy.twice(terms.least))
    begin, end = day_bounds(first, zone)[0], day_bounds(last, zone)[1]
    usual = max((one.end - one.start for one in slots), default=period)
    if layer is Layer.INTERVAL:
        own = ((one, (one.start, one.end)) for one in slots if begin < one.end <= end)
        return Report(
            main, control, layer, tuple([_compared(span, (one,), accuracy, floor, usual) for one, span in own])
        )
    ends = [one.end for one in slots]
    found = tuple(
        _compared(span, slots[bisect_right(ends, span[0]) : bisect_right(ends, span[1])], accuracy, floor, usual)
        for span in spans(layer, first, last, zone=zone)
    )
    return Report(main, control, layer, found)


def _compared(
    span: Span, slots: Sequence[_Slot], accuracy: AccuracyClass, floor: Decimal, usual: timedelta
) -> Comparison:
    """`usual`: the length of an interval, for a time of which there is none; a day of legal time may have 23 hours."""
    start, end = span
    pairs = [(one.main, one.control) for one in slots if one.main is not None and one.control is not None]
    length = slots[0].end - slots[0].start if slots else usual
    want = max(round((end - start) / length), len(slots))
    ours, theirs = pairs[0] if len(pairs) == 1 else (total(one for one, _ in pairs), total(one for _, one in pairs))
    limit = max(accuracy.twice(ours), floor)
    if not pairs:
        return Comparison(start, end, ZERO, ZERO, limit, Verdict.NOT_COMPARED, 0, want)
    verdict = Verdict.OK if less(theirs, ours).copy_abs() <= limit else Verdict.ALARM
    return Comparison(start, end, ours, theirs, limit, verdict, len(pairs), want)


def _slots(main: Series, control: Series) -> list[_Slot]:
    """Every interval that either of them has; where their periods differ those of the longer one, or of the shortest
    time that both divide: half an hour of 10 and 15 minutes."""
    ours = {(one.at, one.seconds): true_amount(one) for one in main.values}
    theirs = {(one.at, one.seconds): true_amount(one) for one in control.values}
    periods = [max((seconds for _, seconds in found), default=0) for found in (ours, theirs)]
    if 0 in periods or periods[0] == periods[1]:
        wanted = list(ours) if ours.keys() == theirs.keys() else sorted(ours.keys() | theirs.keys())
    elif periods[0] % periods[1] and periods[1] % periods[0]:
        wanted = _common(ours.keys() | theirs.keys(), lcm(*periods))
        ours, theirs = _summed(main, wanted), _summed(control, wanted)
    elif periods[0] > periods[1]:
        wanted, theirs = list(ours), theirs | _summed(control, ours)
    else:
        wanted, ours = list(theirs), ours | _summed(main, theirs)
    return [
        _Slot(at - timedelta(seconds=seconds), at, ours.get((at, seconds)), theirs.get((at, seconds)))
        for at, seconds in wanted
    ]


def _common(known: Iterable[tuple[datetime, int]], seconds: int) -> list[tuple[datetime, int]]:
    """Times of this length, up to an hour, that end with intervals of both: legal time is whole half hours off UTC."""
    length = timedelta(seconds=seconds)
    return [(at, seconds) for at in sorted({at for at, _ in known}) if not (at - _EPOCH) % length]


def _summed(series: Series, wanted: Iterable[tuple[datetime, int]]) -> dict[tuple[datetime, int], Decimal | None]:
    """The sums of shorter intervals by the end and length of longer ones; None unless all are there and true."""
    found: dict[tuple[datetime, int], Decimal | None] = {}
    ends = [one.at for one in series.values]
    for at, seconds in wanted:
        parts = series.values[bisect_right(ends, at - timedelta(seconds=seconds)) : bisect_right(ends, at)]
        amounts = [amount for amount in map(true_amount, parts) if amount is not None]
        whole = len(amounts) == len(parts) and sum([one.seconds for one in parts]) == seconds
        found[at, seconds] = total(amounts) if whole and parts else None
    return found


def _digit(metering: Metering) -> Decimal:
    if metering.digit is not None:
        return metering.digit
    amounts = [amount for amount in map(true_amount, metering.series.values) if amount is not None]
    return digit_of(amounts) if amounts else ZERO
