"""Losses of a transformer behind which registers alone are read: of a month of type C, or of more of them together.

    taken_of(energies)                     +A and -A of a month, out of what its registers went up
    of_registers(transformer, taken, ...)  its losses: flat, or by formulas (2), (4), (5) and (7)

Rules: pure (PPDS annex 5, annex on losses). The total of a direction counts; where the meter has rates alone their sum
does. Flat losses are those of each direction. Calculated ones stand under the code of +A and are of the energy that
went through the transformer in either direction, each of which loads it: nobody can see in registers what has met. T_p
is the real time of the month. The worst status wins; what is missing has no losses and no percentage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.legal_time import PRAGUE, legal_day
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.algebra import counted, gathered, merged_rules, over, total
from gatewayd.metering.loss_series import nameplate, transformer_on
from gatewayd.metering.losses import Losses, flat_losses, losses_of_registers
from gatewayd.metering.points import MeteringPoint, SupplyTransformer
from gatewayd.metering.values import Method, Value, merged_flags, merged_inputs, worst
from gatewayd.model import RawStatus
from gatewayd.obis import CURRENT, Obis

_ELECTRICITY, _TOTAL = 1, 8
_PLUS, _MINUS = 1, 2
"""Group C of +A and -A."""
_UNIT = "kWh"
_HOUR = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Energy:
    """What was taken or supplied in a time: the code of its total, the value and its unit."""

    obis: Obis
    value: Value
    unit: str


@dataclass(frozen=True, slots=True)
class Loss:
    """The losses of a time under the code of their energy. `figures`: what the formulas say; None where the losses are
    flat, or missing. `taken`: the energy that they are of."""

    obis: Obis
    value: Value
    unit: str
    taken: Value
    figures: Losses | None = None


def taken_of(energies: Iterable[Energy], wanted: Iterable[Obis] = ()) -> tuple[Energy, ...]:
    """+A and -A, each at most once, of the registers of one time. `wanted`: registers that the point has, of which a
    rate that is not there makes the sum of the rates missing."""
    known = {one.obis: one for one in energies}
    codes = {code for code in (*known, *wanted) if _is_active(code)}
    found: list[Energy] = []
    for c in (_PLUS, _MINUS):
        mine = sorted(code for code in codes if code.c == c)
        mine = [code for code in mine if code.b == mine[0].b]
        whole = next((code for code in mine if code.e == 0), None)
        if whole is not None and whole in known:
            found.append(known[whole])
        elif rates := [known[code] for code in mine if code in known]:
            found.append(_summed(rates, len([code for code in mine if code.e])))
    return tuple(found)


def of_registers(transformer: SupplyTransformer, taken: Sequence[Energy], said: str = "") -> tuple[Loss, ...]:
    """The losses of all that was taken and supplied in one time; () where there is no active energy. `said`: what else
    is to be told of them, in words."""
    if not taken:
        return ()
    plate = nameplate(transformer)
    if plate is None:
        return tuple(_flat(one, transformer.flat_percent, said) for one in taken)
    first, values = taken[0], [one.value for one in taken]
    code = replace(first.obis, c=_PLUS)
    whole = _together(values)
    figures, why = None, ""
    if transformer.peak_kw is None:
        why = "the point has no load profile, and no highest power pm_kw of its transformer is configured"
    elif any(one.unit != _UNIT for one in taken):
        why = f"its registers are in {' and '.join(sorted({one.unit or 'no unit' for one in taken}))}, expected kWh"
    elif whole.amount is None:
        why = "there is no whole active energy of it"
    else:
        hours = over(Decimal(whole.seconds), _HOUR)
        try:
            figures = losses_of_registers(plate, whole.amount, transformer.peak_kw, hours, transformer.power_factor)
        except ValueError as error:
            why = str(error)
    words = (
        f"of {plate.rated_kva:f} kVA, dP0 {plate.no_load_kw:f} kW, dPk {plate.load_kw:f} kW, "
        f"P_m {transformer.peak_kw:f} kW, cos phi {transformer.power_factor:f}, by formulas (2), (4) and (5)"
        if figures is not None and transformer.peak_kw is not None
        else why
    )
    value = _value(whole, None if figures is None else figures.energy_kwh, words, said)
    return (Loss(code, value, _UNIT, whole, figures),)


def transformer_in(point: MeteringPoint, month: date, zone: ZoneInfo = PRAGUE) -> tuple[SupplyTransformer | None, str]:
    """The transformer that counts in a month, named by its first day, and what is to be told of it: nobody reads the
    registers on the day on which it is another one."""
    found = transformer_on(point, legal_day(month_bounds(month, zone)[1], zone), zone)
    changed = found is not None and found != transformer_on(point, month, zone)
    return found, "the transformer has changed in the month: that of its last day counts" if changed else ""


def together(parts: Sequence[Sequence[Energy]], want: int) -> tuple[Energy, ...]:
    """The energies of so many months as those of one time, each direction by itself; of fewer they are missing."""
    found: list[Energy] = []
    for code in dict.fromkeys(one.obis for part in parts for one in part):
        mine = [one for part in parts for one in part if one.obis == code]
        values = [one.value for one in mine]
        whole = len(mine) == want and all(one.there for one in values) and len({one.unit for one in mine}) == 1
        seconds = sum(one.seconds for one in values)
        amount = total(one.amount for one in values if one.amount is not None) if whole else None
        made = gathered(values[-1].at, seconds, values, amount, want=want, absent=not whole)
        have = sum(one.there for one in values)
        reason = f"the sum of {have} of {want} months"
        found.append(Energy(code, msgspec.structs.replace(made, have=have, want=want, reason=reason), mine[-1].unit))
    return tuple(found)


def _is_active(code: Obis) -> bool:
    return (code.a, code.d, code.f) == (_ELECTRICITY, _TOTAL, CURRENT) and code.c in (_PLUS, _MINUS)


def _summed(rates: Sequence[Energy], want: int) -> Energy:
    values = [one.value for one in rates]
    whole = len(rates) == want and all(one.there for one in values) and len({one.unit for one in rates}) == 1
    amount = total(one.amount for one in values if one.amount is not None) if whole else None
    made = gathered(values[0].at, values[0].seconds, values, amount, want=want, absent=not whole)
    reason = f"the sum of {counted(len(rates), want).replace('interval', 'rate')}"
    return Energy(replace(rates[0].obis, e=0), msgspec.structs.replace(made, reason=reason), rates[0].unit)


def _together(values: Sequence[Value]) -> Value:
    """What went through the transformer, in whichever direction."""
    if len(values) == 1:
        return values[0]
    there = all(one.there for one in values)
    amount = total(one.amount for one in values if one.amount is not None) if there else None
    first, want = values[0], max(one.want for one in values)
    made = gathered(first.at, first.seconds, values, amount, want=want, absent=not there)
    return msgspec.structs.replace(made, have=min(one.have for one in values), want=want)


def _flat(one: Energy, percent: Decimal, said: str) -> Loss:
    amount = None if not one.value.there or one.value.amount is None else flat_losses(one.value.amount, percent)
    words = f"{percent:f} % of the energy" if amount is not None else "there is no active energy of it"
    return Loss(one.obis, _value(one.value, amount, words, said), one.unit, one.value)


def _value(taken: Value, amount: Decimal | None, words: str, said: str) -> Value:
    return Value(
        taken.at,
        taken.seconds,
        amount,
        RawStatus.MISSING if amount is None else worst((taken,)),
        merged_flags((taken,)),
        merged_inputs((taken,)),
        Method.NONE if amount is None else Method.LOSS,
        taken.have if amount is not None or taken.want > 1 else 0,
        taken.want,
        rules=merged_rules((taken,)),
        reason=f"{words}; {said}" if said else words,
    )
