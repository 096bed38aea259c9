"""The losses of a transformer as series of a point: flat per cent of its energy, or calculated of its load.

Rules: pure; the energy itself is never touched. Flat losses are a series for each direction of active energy, exact.
Calculated ones are one series under the code of +A: those of an interval come of its mean active and reactive power,
the difference of both directions, and need nothing of other intervals; together they are W_z of formula (2) with (3).
The worst status of the inputs wins; where one of them is missing or a partial sum there are no calculated losses.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, end_label
from gatewayd.metering.aggregate import cut
from gatewayd.metering.algebra import merged_rules, named
from gatewayd.metering.losses import Load, Losses, Nameplate, flat_losses, interval_losses, losses_of_profile
from gatewayd.metering.points import MeteringPoint, MeteringSide, SupplyTransformer, on_day
from gatewayd.metering.values import Channel, Layer, Method, Series, Value, merged_flags, merged_inputs, worst
from gatewayd.metering.virtual import Term, combined
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

IMPORT, EXPORT = Obis.parse("1-0:1.29.0"), Obis.parse("1-0:2.29.0")
_PLUS, _MINUS = Decimal(1), Decimal(-1)
_ACTIVE = {IMPORT: _PLUS, EXPORT: _MINUS}
_REACTIVE = {Obis.parse("1-0:3.29.0"): _PLUS, Obis.parse("1-0:4.29.0"): _MINUS}
_QUADRANTS = {
    **dict.fromkeys((Obis.parse("1-0:5.29.0"), Obis.parse("1-0:6.29.0")), _PLUS),
    **dict.fromkeys((Obis.parse("1-0:7.29.0"), Obis.parse("1-0:8.29.0")), _MINUS),
}
"""Of a point that has no +R and -R. One that only takes energy has QI and QIV alone; what it has not counts nothing."""


def nameplate(transformer: SupplyTransformer) -> Nameplate | None:
    """What its losses are calculated of; None where they are flat. ValueError."""
    rated, no_load, load = transformer.rated_kva, transformer.no_load_kw, transformer.load_kw
    if not transformer.calculated or rated is None or no_load is None or load is None:
        return None
    return Nameplate(rated, no_load, load)


def transformer_on(point: MeteringPoint | None, day: date, zone: ZoneInfo = PRAGUE) -> SupplyTransformer | None:
    """The supply transformer on a legal-time day of a point that is metered on its secondary side; None for others."""
    if point is None or point.metering_side is not MeteringSide.SECONDARY:
        return None
    return on_day(point, day, zone).transformer


def losses_of_point(transformer: SupplyTransformer, series: Mapping[Obis, Series]) -> tuple[Series, ...]:
    """All series of losses of a point, of those of its intervals by their codes; () where it has no active energy.
    ValueError where the series do not fit together."""
    plate = nameplate(transformer)
    if plate is None:
        return tuple(flat_series(series[code], transformer.flat_percent) for code in (IMPORT, EXPORT) if code in series)
    active = _net(series, _ACTIVE)
    return () if active is None else (calculated_series(active, _reactive(series), plate),)


def load_codes(codes: Collection[Obis]) -> tuple[Obis, ...]:
    """The codes of which losses are calculated, of those that a point has: active energy and the reactive one beside
    it."""
    active = tuple(code for code in _ACTIVE if code in codes)
    reactive = tuple(code for code in _REACTIVE if code in codes) or tuple(code for code in _QUADRANTS if code in codes)
    return (*active, *reactive) if active else ()


def flat_series(active: Series, percent: Decimal) -> Series:
    """So many per cent of each value, of intervals or of days; a partial sum has partial losses."""
    said = f"{percent:f} % of the energy"
    made = tuple(_flat(one, percent, said) for one in active.values)
    return Series(active.channel, Layer.LOSS, made)


def calculated_series(active: Series, reactive: Series | None, plate: Nameplate) -> Series:
    """The losses of each interval of the active energy, which is in kWh, beside reactive energy in kvarh. ValueError
    for other units, and where an interval of the reactive energy has another length."""
    _expect(active, "kWh")
    if reactive is not None:
        _expect(reactive, "kvarh")
    beside = {} if reactive is None else reactive.by_end()
    said = f"of {plate.rated_kva:f} kVA, dP0 {plate.no_load_kw:f} kW, dPk {plate.load_kw:f} kW"
    made: list[Value] = []
    for one in active.values:
        pair = _pair(active, one, beside.get(one.at))
        load = _load(pair)
        if load is None:
            made.append(_value(pair, None, _why_not(one, reactive), 0, 1))
        else:
            made.append(_value(pair, interval_losses(plate, load), said, 1, 1))
    return Series(active.channel, Layer.LOSS, tuple(made))


@dataclass(frozen=True, slots=True)
class PeriodLosses:
    """W_z and what belongs to it for a stretch of time. `have` of `want` intervals were there; `losses` are those of
    them alone, and None where there are none, or some are missing and partial sums are not wanted. `peak_at`: when S_m
    was, the end of its interval, of equal ones the first; None without losses and without load."""

    losses: Losses | None
    status: RawStatus
    have: int
    want: int
    peak_at: datetime | None = None


def period_losses(
    plate: Nameplate,
    series: Mapping[Obis, Series],
    start: datetime,
    end: datetime,
    *,
    partial: bool = False,
) -> PeriodLosses:
    """Formulas (1), (2), (3) and (6) over the intervals from `start` to `end`; of partial ones T_p is the time that
    there is. ValueError as for `losses_of_point`, and where intervals reach over the edges."""
    active, reactive = _net(series, _ACTIVE), _reactive(series)
    if active is None:
        return PeriodLosses(None, RawStatus.MISSING, 0, 0)
    inside = cut(active, [one.at for one in active.values], start, end)
    beside = {} if reactive is None else reactive.by_end()
    pairs = [_pair(active, one, beside.get(one.at)) for one in inside.values]
    there = [(pair[0].at, load) for pair in pairs if (load := _load(pair)) is not None]
    loads = [load for _, load in there]
    whole = bool(pairs) and not inside.hole and len(loads) == len(pairs)
    status = worst(value for pair in pairs for value in pair) if whole else RawStatus.MISSING
    found = losses_of_profile(plate, loads) if whole or (partial and loads) else None
    peak = max(there, key=lambda one: one[1].square_kva, default=None) if found is not None and found.peak_kva else None
    return PeriodLosses(found, status, len(loads), len(pairs) + inside.absent, None if peak is None else peak[0])


def _net(series: Mapping[Obis, Series], signs: Mapping[Obis, Decimal]) -> Series | None:
    """The difference of both directions, or the one that there is, under the code of the first; None of nothing."""
    terms = [Term(sign, series[code]) for code, sign in signs.items() if code in series]
    if not terms:
        return None
    if len(terms) == 1 and next(iter(signs)) in series:
        return terms[0].series  # one direction, as most points have: it is what it is
    first = terms[0].series.channel
    return combined(Channel(first.point, next(iter(signs)), first.unit), terms)


def _reactive(series: Mapping[Obis, Series]) -> Series | None:
    return _net(series, _REACTIVE) or _net(series, _QUADRANTS)


def _expect(series: Series, unit: str) -> None:
    if series.channel.unit != unit:
        raise ValueError(
            f"{named(series)} is in {series.channel.unit or 'no unit'}; losses are calculated of {unit}: leave the "
            "code out of the channels of the point, or set the losses in per cent"
        )


def _pair(active: Series, one: Value, reactive: Value | None) -> Sequence[Value]:
    if reactive is None:
        return (one,)
    if reactive.seconds != one.seconds:
        raise ValueError(
            f"{named(active)}: the interval that ends at {end_label(one.at)} has {one.seconds} s, that of its reactive "
            f"energy {reactive.seconds} s; losses need both of the same length"
        )
    return one, reactive


def _load(pair: Sequence[Value]) -> Load | None:
    """None where something of it is not there, or only in part."""
    if len(pair) < 2 or not all(one.there for one in pair):
        return None
    active, reactive = pair[0].amount, pair[1].amount
    assert active is not None and reactive is not None  # both are there
    return Load(active, reactive, pair[0].seconds)


def _flat(one: Value, percent: Decimal, said: str) -> Value:
    amount = None if one.amount is None else flat_losses(one.amount, percent)
    return _value((one,), amount, said if amount is not None else "there is no active energy of it", one.have, one.want)


def _why_not(active: Value, reactive: Series | None) -> str:
    if reactive is None:
        return (
            "the point has no reactive energy, of which losses are calculated; have it read too, or set the losses in "
            "per cent"
        )
    return "there is no reactive energy of it" if active.there else "there is no whole active energy of it"


def _value(pair: Sequence[Value], amount: Decimal | None, said: str, have: int, want: int) -> Value:
    one = pair[0]
    return Value(
        one.at,
        one.seconds,
        amount,
        RawStatus.MISSING if amount is None else worst(pair),
        merged_flags(pair),
        merged_inputs(pair),
        Method.NONE if amount is None else Method.LOSS,
        have,
        want,
        rules=merged_rules(pair),
        reason=said,
    )
