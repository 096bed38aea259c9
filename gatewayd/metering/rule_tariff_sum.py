"""Rule `tariff_sum`: the registers of the tariffs add up to the total register (requirements R2).

Rules: pure. States count as read together when they are no more than `apart_s` seconds apart. The tolerance is `digits`
units of the last digit of each register, for what each of them has not shown yet. True states of one meter only; where
the state of a tariff is not there nothing is looked at.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gatewayd.metering.algebra import less, times, total
from gatewayd.metering.evidence import Evidence, Register, true_amount
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, shown
from gatewayd.metering.values import Layer, Value
from gatewayd.obis import Obis


@dataclass(frozen=True, slots=True)
class TariffSumTerms(Terms):
    """What the configuration may say of it."""

    severity: Severity = Rule.TARIFF_SUM.severity
    digits: Decimal = Decimal(1)
    apart_s: int = 60


def check(evidence: Evidence, terms: TariffSumTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of the states of the total after `start` and not after `end`."""
    apart = timedelta(seconds=terms.apart_s)
    by_meter: Mapping[str, dict[Obis, list[Register]]] = defaultdict(lambda: defaultdict(list))
    for one in evidence.rates:
        by_meter[one.meter][one.channel.obis].append(one)
    for register in evidence.registers:
        rates = by_meter.get(register.meter, {})
        for state in register.states if rates else ():
            if start < state.at <= end and true_amount(state) is not None:
                beside = [_beside(state.at, parts, apart) for parts in rates.values()]
                found = [one for one in beside if one is not None]
                if len(found) == len(beside):
                    yield from _judged(register, state, found, terms)


def _beside(at: datetime, parts: Sequence[Register], apart: timedelta) -> tuple[Register, Value, Decimal] | None:
    """The true state of a tariff that is nearest to an instant."""
    near = [
        (abs(state.at - at), register, state, amount)
        for register in parts
        for state in register.states
        if abs(state.at - at) <= apart and (amount := true_amount(state)) is not None
    ]
    return min(near, key=lambda one: (one[0], one[2].at))[1:] if near else None


def _judged(
    register: Register, state: Value, beside: Sequence[tuple[Register, Value, Decimal]], terms: TariffSumTerms
) -> Iterator[Finding]:
    assert state.amount is not None
    summed = total(amount for _, _, amount in beside)
    off = less(summed, state.amount)
    tolerance = times(total([register.digit, *(one.digit for one, _, _ in beside)]), terms.digits)
    if off.copy_abs() <= tolerance:
        return
    channel = register.channel
    names = " + ".join(one.channel.obis.reduced() for one, _, _ in beside)
    text = (
        f"the tariffs {names} are {shown(summed)} together, {channel.obis.reduced()} shows "
        f"{shown(state.amount, channel.unit)}: {shown(off.copy_abs(), channel.unit)} too "
        f"{'much' if off > 0 else 'little'}, allowed are {shown(tolerance)}; is a tariff "
        f"not read, or does a ratio not fit?"
    )
    inputs = tuple(sorted({*state.inputs, *(seq for _, other, _ in beside for seq in other.inputs)}))
    yield Finding(
        Rule.TARIFF_SUM,
        terms.severity,
        channel.point,
        channel.obis,
        Layer.INTERVAL,
        state.at,
        state.at,
        text,
        summed,
        state.amount,
        channel.unit,
        inputs,
    )
