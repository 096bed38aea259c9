"""Validation of a metering point: all rules that it has, on all of its channels, on a day or a month.

    reaching(seen, day, rules)          -> the times out of it of which `near` has to have what was measured
    validated_day(seen, day, rules)     -> Validated: the series of the day with what was found on them, the findings
    month_findings(seen, month, rules)  -> findings of a month, to be applied to its sums

Rules: pure. Looks at primary values, before anything is substituted. The findings of a day belong to its sums too:
apply them (findings.py) to the day that is made of the intervals, as those of the month to the month. A channel without
the same one at the control metering is not compared, nor one of whose energy the class of a meter is not known.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from zoneinfo import ZoneInfo

from gatewayd.holidays import is_holiday
from gatewayd.legal_time import PRAGUE, day_bounds
from gatewayd.metering import rule_quadrants
from gatewayd.metering import rules as rule_set
from gatewayd.metering.accuracy import class_of
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.control import Metering, compare, compare_layers, with_digit
from gatewayd.metering.evidence import Evidence, Span
from gatewayd.metering.findings import Finding, apply
from gatewayd.metering.limits import maximum_kva
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.registers import registers
from gatewayd.metering.resolution import resolution
from gatewayd.metering.rules import Rules, check_day, check_month
from gatewayd.metering.values import Layer, Series
from gatewayd.metering.verification import annotations
from gatewayd.model import Archived
from gatewayd.obis import Obis

_NONE: Mapping[Obis, Series] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to look at. `series`: intervals of each channel, of the day or month and of the comparable days in
    `rules.weeks` weeks before; `near`: what was measured on the days of `reaching`, by code, as `believed` has it, and
    never what was made of it: both days of a midnight come to the same. `readings`: registers, from the last one before
    it on; `control`: intervals of the control metering of the same time, by code, and its point. `raw`, `control_raw`:
    read the readings of all of these intervals, which is seldom asked for."""

    point: MeteringPoint
    series: Sequence[Series]
    readings: Sequence[Archived] = ()
    control: Mapping[Obis, Series] = field(default_factory=lambda: _NONE)
    control_point: MeteringPoint | None = None
    zone: ZoneInfo = PRAGUE
    holiday: Callable[[date], bool] = is_holiday
    near: Mapping[Obis, Series] = field(default_factory=lambda: _NONE)
    raw: Callable[[], Sequence[Archived]] = tuple
    control_raw: Callable[[], Sequence[Archived]] = tuple


@dataclass(frozen=True, slots=True)
class Validated:
    """The intervals of a day with what was found told on them, and all findings, in order of time."""

    series: tuple[Series, ...]
    findings: tuple[Finding, ...]


def reaching(seen: Seen, day: date, rules: Rules) -> frozenset[Span]:
    """The times that reach out of a legal-time day and of which it has to see what was measured; `near` may be empty
    for it."""
    return frozenset().union(*(rule_set.reaching(evidence, day, rules) for evidence in _evidence(seen)))


def believed(point: MeteringPoint, series: Series, day: date, rules: Rules, zone: ZoneInfo = PRAGUE) -> Series:
    """What was measured on a legal-time day, without what rules do not believe by itself. `point` as of that day."""
    return rule_set.believed(Evidence(series, maximum_kva=_limit(point), zone=zone), day, rules)


def validated_day(seen: Seen, day: date, rules: Rules) -> Validated:
    """Of a legal-time day; what lies before it is looked at and not given back."""
    found: list[Finding] = []
    start, end = day_bounds(day, seen.zone)
    for evidence in _evidence(seen):
        found += check_day(evidence, day, rules)
    sound = seen
    if any(one.turns for one in found):  # what is distorted is not compared
        sound = replace(seen, series=[apply(one, found, seen.zone) for one in seen.series])
    found += _control(sound, day, rules, Layer.INTERVAL, Layer.DAY)
    if rules.quadrants.enabled:
        codes = rule_quadrants.judged({one.channel.obis for one in sound.series})
        mine = {one.channel.obis: _cut(one, start, end) for one in sound.series if one.channel.obis in codes}
        found += rule_quadrants.check(mine, rules.quadrants)
    if rules.verification.enabled:
        found += annotations(seen.point.id, seen.point.verified, day, day, rules.verification, seen.zone)
    own = tuple(apply(_cut(one, start, end), found, seen.zone) for one in seen.series)
    return Validated(own, _sorted(found))


def month_findings(seen: Seen, month: date, rules: Rules) -> tuple[Finding, ...]:
    """What only a whole legal-time month shows."""
    found: list[Finding] = []
    for evidence in _evidence(seen):
        found += check_month(evidence, month, rules)
    found += _control(seen, month, rules, Layer.MONTH)
    return _sorted(found)


def _limit(point: MeteringPoint) -> Decimal | None:
    return None if point.rated is None else maximum_kva(point.rated)


def _evidence(seen: Seen) -> Iterator[Evidence]:
    limit = _limit(seen.point)
    for series in seen.series:
        channel = series.channel
        totals, rates = registers(seen.point, seen.readings, channel, seen.zone)
        near = seen.near.get(channel.obis)
        if near is None or near.channel.unit != channel.unit:
            near = Series(channel, series.layer, ())
        digits = partial(_digit, seen, channel.obis)
        yield Evidence(series, totals, rates, None, limit, seen.zone, seen.holiday, near, digits)


def _digit(seen: Seen, code: Obis, start: datetime, end: datetime) -> Decimal | None:
    return resolution(seen.point, seen.raw(), code, start, end, seen.zone)


def _control(seen: Seen, day: date, rules: Rules, *layers: Layer) -> Iterator[Finding]:
    """Nothing where the class of one of the meters is not known."""
    other, terms = seen.control_point, rules.control
    if other is None or not terms.enabled:
        return
    start, end = month_bounds(day, seen.zone) if Layer.MONTH in layers else day_bounds(day, seen.zone)
    wanted = [layer for layer in layers if layer in terms.layers]
    period = max(seen.point.period, other.period)
    for series in seen.series:
        beside = seen.control.get(series.channel.obis)
        ours, theirs = (class_of(one.accuracy, series.channel.obis) for one in (seen.point, other))
        if beside is None or beside.channel.unit != series.channel.unit or ours is None or theirs is None:
            continue
        main, control = Metering(_cut(series, start, end), ours), Metering(_cut(beside, start, end), theirs)
        for report in compare_layers(main, control, wanted, day, day, terms, seen.zone, period):
            found = report.findings(terms)
            if found:  # the amounts show a digit that is no coarser than the real one
                main = with_digit(seen.point, main, seen.raw(), start, end, seen.zone)
                control = with_digit(other, control, seen.control_raw(), start, end, seen.zone)
                found = compare(main, control, report.layer, day, day, terms, seen.zone, period).findings(terms)
            yield from found


def _cut(series: Series, start: datetime, end: datetime) -> Series:
    """The values that end in a time."""
    ends = [one.at for one in series.values]
    values = series.values[bisect_right(ends, start) : bisect_right(ends, end)]
    return Series(series.channel, series.layer, values)


def _sorted(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.rule.value, one.text)))
