"""The steps behind primary values: netting of phases, validation, substitution, and losses beside them.

Rules: each step hands its series to the pure functions of gatewayd.metering, together with what they look at: registers
out of the raw archive, comparable days and the control metering through `Look`. Only days that are looked at are read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.daemon.metering_steps import Day, Made, Note, Step
from gatewayd.legal_time import legal_day
from gatewayd.metering.basis import Advance, Basis, advances, affected
from gatewayd.metering.day_class import comparable_days, later_days
from gatewayd.metering.derivation import Facts
from gatewayd.metering.findings import Finding, Rule, Severity
from gatewayd.metering.loss_series import losses_of_point
from gatewayd.metering.netting import Netting, of_point
from gatewayd.metering.points import MeteringPoint, SupplyTransformer
from gatewayd.metering.registers import registers
from gatewayd.metering.rules import Rules
from gatewayd.metering.substitute import substituted, used
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.validation import Seen, month_findings, validated_day
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import Archived, Kind
from gatewayd.obis import Obis

_DAY = timedelta(days=1)
_TOTAL = 8
"""Group D of the state of a total."""
REGISTERS_BEFORE, REGISTERS_AFTER = timedelta(hours=36), timedelta(hours=26)
"""Around a day, or a month, within which states of registers are looked for."""


def netting_step(netting: Netting) -> Step:
    """+A and -A of the phases, in place of those that the meter tells."""

    def step(day: Day, made: tuple[Made, ...]) -> tuple[Made, ...]:
        found = of_point({one.series.channel.obis: one.series for one in made}, netting)
        if found is None:
            return made
        codes = {one.channel.obis for one in found}
        kept = tuple(one for one in made if one.series.channel.obis not in codes)
        facts: Facts = (("netting", netting.value),)
        return (*kept, *(Made(one, facts=facts) for one in found))

    return step


@dataclass(frozen=True, slots=True)
class Validation:
    """What validates a point. `control`: its control metering, where it has one."""

    point: MeteringPoint
    rules: Rules
    control: MeteringPoint | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The rules that are looked at."""
        return tuple(rule.value for rule in Rule if self.rules.terms(rule).enabled)

    @property
    def by_channel(self) -> bool:
        """Whether a channel is judged by itself: a critical finding is one of all of them."""
        return all(self.rules.terms(rule).severity is not Severity.CRITICAL for rule in Rule)

    def step(self, day: Day, made: tuple[Made, ...]) -> tuple[Made, ...]:
        """The values with what was found on them."""
        before = _before(day, self.rules.weeks)
        series = [_joined(one.series, before) for one in made]
        found = validated_day(self._seen(day, series, day.start, day.end), day.day, self.rules)
        facts: Facts = (("rules", self.names),)
        notes = _notes(found.findings)
        return tuple(
            replace(
                one,
                series=series,
                checked=bool(self.names),
                facts=(*one.facts, *facts),
                findings=found.findings,
                notes=notes.get(code, ()),
            )
            for one, series in zip(made, found.series, strict=True)
            for code in (one.series.channel.obis,)
        )

    def month(self, day: Day, series: Sequence[Series]) -> tuple[Finding, ...]:
        """What only the whole month shows; `day` reaches over it."""
        return month_findings(self._seen(day, series, day.start, day.end), day.day, self.rules) if self.names else ()

    def _seen(self, day: Day, series: Sequence[Series], start: datetime, end: datetime) -> Seen:
        wants = self.rules.backward.enabled or self.rules.tariff_sum.enabled or self.rules.register_advance.enabled
        readings = day.registers() if wants and self.point.meters else ()
        control: Mapping[Obis, Series] = {}
        if self.control is not None and self.rules.control.enabled:
            control = day.look.series(self.control.id, Layer.INTERVAL, start, end)
        return Seen(self.point, series, readings, control, self.control, day.zone)


@dataclass(frozen=True, slots=True)
class Substitution:
    """What makes substitute values of a point."""

    point: MeteringPoint
    terms: SubstitutionTerms
    control: MeteringPoint | None = None

    @property
    def facts(self) -> Facts:
        """The parameters, by name."""
        terms = self.terms
        return (
            ("substitution longest_gap", terms.longest_gap),
            ("substitution weeks", terms.weeks),
            ("substitution use_control", terms.use_control),
            ("substitution scale", terms.scale),
        )

    def step(self, day: Day, made: tuple[Made, ...]) -> tuple[Made, ...]:
        """The values with substitutes in place of what is missing or distorted."""
        before = _before(day, self.terms.weeks, beside=True)
        control: Mapping[Obis, Series] = {}
        if self.control is not None and self.terms.use_control:
            control = day.look.series(self.control.id, Layer.INTERVAL, day.start - _DAY, day.end + _DAY)
        readings = day.registers() if self.terms.scale and self.point.meters else ()
        return tuple(self._of_channel(one, before, control, readings, day) for one in made)

    def _of_channel(
        self,
        made: Made,
        before: Mapping[Obis, Sequence[Series]],
        control: Mapping[Obis, Series],
        readings: Sequence[Archived],
        day: Day,
    ) -> Made:
        series = _joined(made.series, before)
        totals, _ = registers(self.point, readings, made.series.channel, day.zone)
        known = [one for total in totals for one in advances(total.states) if _seen_from_both(one, day.zone)]
        if self.terms.scale and any(one.status for one in made.series.values):
            known += self._over_gaps(made.series.channel, day)
        basis = Basis(series, control.get(made.series.channel.obis), tuple(known), self.point.period, day.zone)
        found = substituted(basis, day.day, self.terms, day.now, closed=day.settled)
        events = used(made.series.by_end(), found)
        notes = tuple(
            Note("substituted", f"{count} of {made.series.channel.obis.reduced()}: {method}", warn=False)
            for method, count in _counted(one.method.value for one in events).items()
        )
        return replace(made, series=found, facts=(*made.facts, *self.facts), notes=(*made.notes, *notes))

    def _over_gaps(self, channel: Channel, day: Day) -> Iterator[Advance]:
        """A profile of totals says itself by how much they went up over a gap within the day."""
        states = [
            msgspec.structs.replace(one, reading=msgspec.structs.replace(one.reading, kind=Kind.REGISTER))
            for one in chain.from_iterable(day.raw.values())
            if one.reading.obis is not None and one.reading.obis.d == _TOTAL and day.start <= one.reading.at <= day.end
        ]
        totals, _ = registers(self.point, states, channel, day.zone)
        for one in chain.from_iterable(advances(total.states) for total in totals):
            if one.end - one.start > self.point.period:
                yield one


def losses_step(point: MeteringPoint, transformer: SupplyTransformer) -> Step:
    """The losses of the supply transformer, as a layer of its own."""
    facts: Facts = (("transformer", transformer.kind.value), ("calculated", transformer.calculated))

    def step(day: Day, _made: tuple[Made, ...]) -> tuple[Made, ...]:
        series = day.look.series(point.id, Layer.INTERVAL, day.start, day.end)
        return tuple(Made(one, facts=facts) for one in losses_of_point(transformer, series))

    return step


def affected_days(rules: Rules, terms: SubstitutionTerms, zone: ZoneInfo) -> Callable[[date], Iterable[date]] | None:
    """The other days that a value of a day may change: those that are compared with it, or get substitutes of it."""
    weeks = rules.weeks
    if not weeks and not terms.enabled:
        return None

    def found(day: date) -> Iterable[date]:
        return {*(later_days(day, weeks) if weeks else ()), *affected(day, terms, zone=zone)}

    return found


def _before(day: Day, weeks: int, *, beside: bool = False) -> dict[Obis, list[Series]]:
    """What there is of comparable days, and of the day before; `beside`: of the day after, too."""
    wanted = {day.day - _DAY, *(comparable_days(day.day, weeks) if weeks else ())}
    if beside:
        wanted.add(day.day + _DAY)
    found: dict[Obis, list[Series]] = {}
    for other in sorted(wanted):
        for code, series in day.look.day(day.point, other).items():
            found.setdefault(code, []).append(series)
    return found


def _joined(series: Series, others: Mapping[Obis, Sequence[Series]]) -> Series:
    """A series with those of other days, ascending."""
    beside = others.get(series.channel.obis, ())
    first = [one for one in beside if one.channel.unit == series.channel.unit]
    if not first:
        return series
    values = sorted(chain(series.values, *(one.values for one in first)), key=lambda value: value.at)
    return Series(series.channel, series.layer, tuple(values))


def _seen_from_both(one: Advance, zone: ZoneInfo) -> bool:
    """Whether an advance reaches over two days at most: each of them sees all of it, and so both share out the same."""
    return legal_day(one.end, zone) - legal_day(one.start + timedelta.resolution, zone) <= _DAY


def _notes(findings: Iterable[Finding]) -> dict[Obis, tuple[Note, ...]]:
    """By channel, what is to be told of it."""
    found: dict[Obis, tuple[Note, ...]] = {}
    for one in findings:
        if one.obis is not None:
            note = Note(one.rule.value, one.text, warn=one.severity.turns)
            found[one.obis] = (*found.get(one.obis, ()), note)
    return found


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def around(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Within which states of registers are looked for."""
    return start - REGISTERS_BEFORE, end + REGISTERS_AFTER
