"""Rule `backward`: a register that shows less than before.

Rules: pure. Less than before by a whole digit or more is a finding, once, and it counts on from there. One that began
again at zero is none, nor is one of another meter or ratio, which is another Register. What was read by hand says
nothing: people read whole units, and mistype. It is told on each of the two days between whose states it is; where more
days lie between them on the last one alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from gatewayd.metering.algebra import less
from gatewayd.metering.evidence import TWO_DAYS, Evidence, Register, days_between, over_midnight
from gatewayd.metering.exact import sane
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, shown
from gatewayd.metering.values import Layer, Value
from gatewayd.model import Flag, RawStatus

_CLOCK = timedelta(seconds=60)
"""So near to midnight a state is one of midnight."""


@dataclass(frozen=True, slots=True)
class BackwardTerms(Terms):
    """What the configuration may say of it."""

    severity: Severity = Rule.BACKWARD.severity


def check(evidence: Evidence, terms: BackwardTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of what lies between `start` and `end`, a legal-time day: each state against the one before it."""
    for register in (*evidence.registers, *evidence.rates):
        for before, state in pairwise(one for one in register.states if _believed(one)):
            if _fell(before, state, register) and _of_day(evidence, before, state, start, end):
                yield _finding(register, before, state, terms)


def _of_day(evidence: Evidence, before: Value, state: Value, start: datetime, end: datetime) -> bool:
    begin, last = over_midnight(before.at, state.at, _CLOCK, evidence.zone)
    return start < last and (begin < end if days_between(begin, last, evidence.zone) <= TWO_DAYS else last <= end)


def _believed(state: Value) -> bool:
    if Flag.MANUAL in state.flags or not sane(state.amount):
        return False
    return state.status is RawStatus.TRUE or Flag.BACKWARD in state.flags


def _fell(before: Value, state: Value, register: Register) -> bool:
    assert before.amount is not None and state.amount is not None
    return Flag.OVERFLOW not in state.flags and less(before.amount, state.amount) >= max(
        register.digit_at(before.at), register.digit_at(state.at)
    )


def _finding(register: Register, before: Value, state: Value, terms: BackwardTerms) -> Finding:
    assert before.amount is not None and state.amount is not None
    channel = register.channel
    text = (
        f"{_of(register)} goes back from {shown(before.amount)} to {shown(state.amount, channel.unit)}: was the meter "
        f"exchanged? Name the new one with `since` in the configuration; else have the meter looked at"
    )
    inputs = tuple(sorted({*before.inputs, *state.inputs}))
    return Finding(
        Rule.BACKWARD,
        terms.severity,
        channel.point,
        channel.obis,
        Layer.DAY,
        before.at,
        state.at,
        text,
        state.amount,
        before.amount,
        channel.unit,
        inputs,
    )


def _of(register: Register) -> str:
    return f"{register.channel.obis.reduced()} of meter {register.meter}" if register.meter else "the register"
