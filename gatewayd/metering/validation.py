"""Validation of a metering point: all rules that it has, on all of its channels, on a day or a month.

    validated_day(seen, day, rules)     -> Validated: the series of the day with what was found on them, the findings
    month_findings(seen, month, rules)  -> findings of a month, to be applied to its sums

Rules: pure. Looks at primary values, before anything is substituted. The findings of a day belong to its sums too:
apply them (findings.py) to the day that is made of the intervals, as those of the month to the month. A channel without
the same one at the control metering is not compared.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from gatewayd.holidays import is_holiday
from gatewayd.legal_time import PRAGUE, day_bounds
from gatewayd.metering.accuracy import accuracy_class
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.control import Metering, compare_layers
from gatewayd.metering.evidence import Evidence
from gatewayd.metering.findings import Finding, apply
from gatewayd.metering.limits import maximum_kva
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.registers import registers
from gatewayd.metering.rules import Rules, check_day, check_month
from gatewayd.metering.values import Layer, Series
from gatewayd.metering.verification import annotations
from gatewayd.model import Archived
from gatewayd.obis import Obis

_NONE: Mapping[Obis, Series] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to look at. `series`: intervals of each channel, of the day or month and of `rules.weeks` weeks
    before; `readings`: registers, from the last one before it on; `control`: intervals of the control metering of the
    same time, by code, and its point."""

    point: MeteringPoint
    series: Sequence[Series]
    readings: Sequence[Archived] = ()
    control: Mapping[Obis, Series] = field(default_factory=lambda: _NONE)
    control_point: MeteringPoint | None = None
    zone: ZoneInfo = PRAGUE
    holiday: Callable[[date], bool] = is_holiday


@dataclass(frozen=True, slots=True)
class Validated:
    """The intervals of a day with what was found told on them, and all findings, in order of time."""

    series: tuple[Series, ...]
    findings: tuple[Finding, ...]


def validated_day(seen: Seen, day: date, rules: Rules) -> Validated:
    """Of a legal-time day; what lies before it is looked at and not given back."""
    found: list[Finding] = []
    for evidence in _evidence(seen):
        found += check_day(evidence, day, rules)
    sound = seen
    if any(one.severity.turns for one in found):  # what is distorted is not compared
        sound = replace(seen, series=[apply(one, found, seen.zone) for one in seen.series])
    found += _control(sound, day, rules, Layer.INTERVAL, Layer.DAY)
    if rules.verification.enabled:
        found += annotations(seen.point.id, seen.point.verified, day, day, rules.verification, seen.zone)
    start, end = day_bounds(day, seen.zone)
    own = tuple(apply(_cut(one, start, end), found, seen.zone) for one in seen.series)
    return Validated(own, _sorted(found))


def month_findings(seen: Seen, month: date, rules: Rules) -> tuple[Finding, ...]:
    """What only a whole legal-time month shows."""
    found: list[Finding] = []
    for evidence in _evidence(seen):
        found += check_month(evidence, month, rules)
    found += _control(seen, month, rules, Layer.MONTH)
    return _sorted(found)


def _evidence(seen: Seen) -> Iterator[Evidence]:
    rated = seen.point.rated
    limit = maximum_kva(rated) if rated is not None else None
    for series in seen.series:
        totals, rates = registers(seen.point, seen.readings, series.channel, seen.zone)
        yield Evidence(series, totals, rates, None, limit, seen.zone, seen.holiday)


def _control(seen: Seen, day: date, rules: Rules, *layers: Layer) -> Iterator[Finding]:
    """Nothing where the class of one of the meters is not known."""
    other, terms = seen.control_point, rules.control
    if other is None or not terms.enabled or not seen.point.accuracy.meter or not other.accuracy.meter:
        return
    ours, theirs = accuracy_class(seen.point.accuracy.meter), accuracy_class(other.accuracy.meter)
    start, end = month_bounds(day, seen.zone) if Layer.MONTH in layers else day_bounds(day, seen.zone)
    for series in seen.series:
        beside = seen.control.get(series.channel.obis)
        if beside is None or beside.channel.unit != series.channel.unit:
            continue
        main, control = Metering(_cut(series, start, end), ours), Metering(_cut(beside, start, end), theirs)
        wanted = [layer for layer in layers if layer in terms.layers]
        for report in compare_layers(main, control, wanted, day, day, terms, seen.zone):
            yield from report.findings(terms)


def _cut(series: Series, start: datetime, end: datetime) -> Series:
    """The values that end in a time."""
    ends = [one.at for one in series.values]
    values = series.values[bisect_right(ends, start) : bisect_right(ends, end)]
    return Series(series.channel, series.layer, values)


def _sorted(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.rule.value, one.text)))
