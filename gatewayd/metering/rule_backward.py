"""Rule `backward`: a register that shows less than before.

Rules: pure. Less than before by a whole digit or more is a finding, once, and it counts on from there. One that began
again at zero is none, nor is one of another meter or ratio, which is another Register. What was read by hand says
nothing: people read whole units, and mistype.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gatewayd.metering.algebra import less
from gatewayd.metering.evidence import Evidence, Register
from gatewayd.metering.exact import sane
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, shown
from gatewayd.metering.values import Layer, Value
from gatewayd.model import Flag, RawStatus


@dataclass(frozen=True, slots=True)
class BackwardTerms(Terms):
    """What the configuration may say of it."""

    severity: Severity = Rule.BACKWARD.severity


def check(evidence: Evidence, terms: BackwardTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of the states after `start` and not after `end`, each against the one before it."""
    for register in (*evidence.registers, *evidence.rates):
        before: Value | None = None
        for state in register.states:
            if state.at > end:
                break
            if not _believed(state):
                continue
            if before is not None and state.at > start and _fell(before, state, register):
                yield _finding(register, before, state, terms)
            before = state


def _believed(state: Value) -> bool:
    if Flag.MANUAL in state.flags or not sane(state.amount):
        return False
    return state.status is RawStatus.TRUE or Flag.BACKWARD in state.flags


def _fell(before: Value, state: Value, register: Register) -> bool:
    assert before.amount is not None and state.amount is not None
    return Flag.OVERFLOW not in state.flags and less(before.amount, state.amount) >= register.digit


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
