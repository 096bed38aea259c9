"""The steps behind primary values: netting of phases, validation and substitution.

Rules: each step hands its series to the pure functions of gatewayd.metering, together with what they look at: registers
out of the raw archive, comparable days and the control metering through `Look`. Only days that are looked at are read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.daemon.metering_near import near_of
from gatewayd.daemon.metering_steps import Day, Made, Step
from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.legal_time import day_bounds, interval_ends, legal_day
from gatewayd.metering.basis import NEAR, Advance, Basis, advances, affected, needed, reaching
from gatewayd.metering.day_class import comparable_days, later_days
from gatewayd.metering.derivation import Facts
from gatewayd.metering.evidence import Register
from gatewayd.metering.findings import Finding, Rule, Severity
from gatewayd.metering.limits import most_in
from gatewayd.metering.netting import Netting, of_point
from gatewayd.metering.points import MeteringPoint, on_day, periods_of
from gatewayd.metering.registers import belongs, registers
from gatewayd.metering.rules import DEFAULTS, Rules
from gatewayd.metering.substitute import marked, metered, substituted
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.validation import Seen, month_findings, validated_day
from gatewayd.metering.validation import reaching as reaching_out
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import Archived, Flag, Kind, RawStatus
from gatewayd.obis import Obis

_DAY = timedelta(days=1)
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
    """What validates a point. `control`: its control metering, where it has one; `before`: what makes its values."""

    point: MeteringPoint
    rules: Rules
    control: MeteringPoint | None = None
    before: tuple[Step, ...] = ()

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
        weeks = self.rules.weeks
        before = _beside(day, comparable_days(day.day, weeks)) if weeks else {}
        series = [_joined(one.series, before) for one in made]
        seen = self._seen(day, series, day.start, day.end)
        if spans := reaching_out(seen, day.day, self.rules):
            near, raw = near_of(day, spans, self.point, self.before, self.rules)
            seen = replace(seen, near=near, raw=lambda: [*chain.from_iterable(day.raw.values()), *raw])
        found = validated_day(seen, day.day, self.rules)
        facts: Facts = (("rules", self.names),)
        return tuple(
            replace(
                one,
                series=series,
                checked=bool(self.names),
                facts=(*one.facts, *facts),
                findings=found.findings,
            )
            for one, series in zip(made, found.series, strict=True)
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
        last = legal_day(day.end, day.zone)
        beside = None if self.control is None else on_day(self.control, last, day.zone)
        return Seen(
            on_day(self.point, last, day.zone),
            series,
            readings,
            control,
            beside,
            day.zone,
            raw=lambda: _read(self.point, day),
            control_raw=lambda: () if self.control is None else _read(self.control, day),
        )


def _read(point: MeteringPoint, day: Day) -> Sequence[Archived]:
    """The readings of the intervals of a point on a day, or in a month."""
    return list(chain.from_iterable(day.read(sorted(point.meters), day.start, day.end).values()))


@dataclass(frozen=True, slots=True)
class Substitution:
    """What makes substitute values of a point. `rules`: what validates it, which says how much an interval can have."""

    point: MeteringPoint
    terms: SubstitutionTerms
    control: MeteringPoint | None = None
    rules: Rules = DEFAULTS

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
        """The values with substitutes in place of what is missing or distorted; as they are on a day on which the
        metering period changes."""
        if len(periods_of(self.point, day.start, day.end)) > 1:
            return made
        wanted = [self._wanted(one.series, day) for one in made]
        readings: Sequence[Archived] = ()
        if self.terms.scale and self.point.meters and any(wanted):  # what was typed by hand measures nothing
            readings = [one for one in day.registers() if Flag.MANUAL not in one.reading.flags]
        return tuple(
            replace(one, series=self._of(one, readings, day) if mine else one.series, facts=(*one.facts, *self.facts))
            for one, mine in zip(made, wanted, strict=True)
        )

    def _wanted(self, series: Series, day: Day) -> bool:
        """Whether there is anything to be replaced."""
        there = len(series.values) == len(interval_ends(day.day, _period(self.point, day), day.zone))
        return not there or any(one.status is not RawStatus.TRUE for one in series.values)

    def _of(self, made: Made, readings: Sequence[Archived], day: Day) -> Series:
        channel, period = made.series.channel, _period(self.point, day)
        totals, _ = registers(self.point, readings, channel, day.zone)
        known = [
            one
            for total in totals
            for one in advances(total.states, period, day.zone, total.digit)
            if _seen_from_both(one, day.zone)
        ]
        if self.terms.scale:
            known += self._over_gaps(channel, readings, day)
        shared = [one for one in reaching(known, day.start, day.end) if one.on_grid(period, day.zone)]
        series = _joined(made.series, _beside(day, needed(day.day, self.terms, shared, day.zone)))
        rated, rule = on_day(self.point, day.day, day.zone).rated, self.rules.above_maximum
        seconds = round(period.total_seconds())
        most = most_in(rated, rule.times, channel.unit, seconds) if rule.enabled else None
        stand = metered(self.point, made.series, _rows(day), made.findings, day.zone)
        control = self._control(channel, shared, day)
        basis = Basis(series, control, tuple(known), period, day.zone, most=most, measured=stand)
        found = substituted(basis, day.day, self.terms, day.now, waits=day.end + SETTLED)
        return marked(found, made.findings, day.zone)

    def _control(self, channel: Channel, shared: Iterable[Advance], day: Day) -> Series | None:
        """The control metering of the day, and of those with which it shares an advance."""
        if self.control is None or not self.terms.use_control:
            return None
        start = min([day.start, *(one.start for one in shared)])
        end = max([day.end, *(one.end for one in shared)])
        return day.look.series(self.control.id, Layer.INTERVAL, start, end).get(channel.obis)

    def _over_gaps(self, channel: Channel, readings: Sequence[Archived], day: Day) -> Iterator[Advance]:
        """A profile of totals says itself by how much they went up over a gap. Where that of midnight is lost, so that
        the gap is on two days, the register that was read then stands for it, if that shows as much; else the totals of
        the day beside are looked at: both days come to the same."""
        period = _period(self.point, day)
        rows = _states(_rows(day), channel)
        totals, _ = registers(self.point, rows, channel, day.zone)
        if not totals:
            return
        near, digit, read = period / NEAR, min(chain.from_iterable(one.digits for one in totals)), frozenset[int]()
        for midnight, beside in ((day.start, day.day - _DAY), (day.end, day.day + _DAY)):
            if any(abs(state.at - midnight) <= near for one in totals for state in one.states):
                continue
            at_midnight = [one for one in readings if abs(one.reading.at - midnight) <= near]
            stand = _as_exact(registers(self.point, at_midnight, channel, day.zone)[0], digit)
            read |= stand
            rows += [one for one in at_midnight if one.seq in stand]
            if not stand:
                there = day.read(sorted(self.point.meters), *day_bounds(beside, day.zone))
                rows += _states(chain.from_iterable(there.values()), channel)
        for total in registers(self.point, rows, channel, day.zone)[0]:
            for one in advances(total.states, period, day.zone, total.digit):
                gap = one.end - one.start > period or not read.isdisjoint(one.inputs)
                if gap and _seen_from_both(one, day.zone):
                    yield one


def _rows(day: Day) -> list[Archived]:
    return list(chain.from_iterable(day.raw.values()))


def _states(rows: Iterable[Archived], channel: Channel) -> list[Archived]:
    """The totals of a channel among the rows of a profile, as states of a register."""
    return [
        msgspec.structs.replace(one, reading=msgspec.structs.replace(one.reading, kind=Kind.REGISTER))
        for one in rows
        if one.reading.obis is not None and belongs(one.reading.obis, channel.obis) and one.reading.value is not None
    ]


def _as_exact(found: Iterable[Register], digit: Decimal) -> frozenset[int]:
    """The readings of true states with a last digit that is worth no more than this."""
    states = (state for one in found for state in one.states if one.digit_at(state.at) <= digit)
    return frozenset(seq for state in states if state.status is RawStatus.TRUE for seq in state.inputs)


def _period(point: MeteringPoint, day: Day) -> timedelta:
    return on_day(point, day.day, day.zone).period


def affected_days(rules: Rules, terms: SubstitutionTerms, zone: ZoneInfo) -> Callable[[date], Iterable[date]] | None:
    """The other days that a value of a day may change: those that are compared with it, or get substitutes of it."""
    weeks = rules.weeks
    if not weeks and not terms.enabled:
        return None

    def found(day: date) -> Iterable[date]:
        near = set(affected(day, terms, zone=zone))
        if terms.enabled and terms.scale:  # a day shares an advance with the one before, or behind
            near |= {other + step for other in near for step in (-_DAY, _DAY)}
        return {*(later_days(day, weeks) if weeks else ()), *near}

    return found


def _beside(day: Day, wanted: Iterable[date]) -> dict[Obis, list[Series]]:
    """What there is of other days."""
    found: dict[Obis, list[Series]] = {}
    for other in sorted(set(wanted) - {day.day}):
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


def around(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Within which states of registers are looked for."""
    return start - REGISTERS_BEFORE, end + REGISTERS_AFTER
