"""Rule `register_advance`: the intervals between two states of a register add up to what it went up by.

Rules: pure. Registers are read at any instant, so that intervals at both edges belong to the stretch in part: the
advance has to lie between the sum without them and the sum with them. A state at the very end of an interval is the
meter's own and has no edge; any other may be off by `clock_s` seconds. The tolerance is `digits` units of the last
digit of the register at each state, and one of each interval. Where an interval is missing or not true there is no
upper bound. A stretch that reaches over midnight is looked at on both days, and nobody knows on which of them the fault
is: it is told on each that has part in what does not fit. Stretches that fail alone are told; all that lies between the
states of a day, or month, only where none does. One that has part in more than two days is judged with its month.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from gatewayd.legal_time import day_bounds, end_label, legal_day, start_label
from gatewayd.metering.algebra import ZERO, less, times, total
from gatewayd.metering.evidence import (
    TWO_DAYS,
    Evidence,
    Register,
    Span,
    days_between,
    digit_of,
    over_midnight,
    true_amount,
)
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, shown
from gatewayd.metering.values import Layer, Value
from gatewayd.model import Flag

_TOLD = 3
"""So many stretches are named in one text."""


@dataclass(frozen=True, slots=True)
class RegisterAdvanceTerms(Terms):
    """What the configuration may say of it."""

    severity: Severity = Rule.REGISTER_ADVANCE.severity
    digits: Decimal = Decimal(1)
    clock_s: int = 60


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From one state to another: the advance, and the sums between which it should be; `most` None: no bound. `begin`,
    `end`: the same in time, states of midnight at midnight; `sure`: from when to when its intervals lie in it."""

    first: Value
    last: Value
    begin: datetime
    end: datetime
    sure: tuple[datetime, datetime]
    advance: Decimal
    least: Decimal
    most: Decimal | None
    tolerance: Decimal

    @property
    def wrong(self) -> bool:
        """Whether the advance is outside of the bounds."""
        if less(self.least, self.advance) > self.tolerance:
            return True
        return self.most is not None and less(self.advance, self.most) > self.tolerance

    def concerns(self, start: datetime, end: datetime) -> bool:
        """Whether what does not fit has part in a time: too much is in the intervals themselves, too little may be at
        the edges."""
        begin, last = self.sure if self.advance < self.least else (self.begin, self.end)
        return begin < end and start < last

    @property
    def nearest(self) -> Decimal:
        """The bound that it misses."""
        return self.least if self.most is None or self.advance < self.least else self.most


def check(evidence: Evidence, terms: RegisterAdvanceTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of a legal-time day: the stretches that have part in it, then from the first state in it to the last one."""
    for register in evidence.registers:
        pairs = _pairs(register, terms, start, end, evidence.zone)
        found = [_stretch(evidence, register, terms, first, last) for first, last in pairs]
        failing = [one for one in found if one is not None and one.wrong and one.concerns(start, end)]
        layers = [_layer(evidence, one, terms) for one in failing]
        states = [one for one in _known(register) if start <= one.at <= end]
        if not failing and len(states) > TWO_DAYS:
            whole = _stretch(evidence, register, terms, states[0], states[-1])
            failing, layers = ([whole], [Layer.DAY]) if whole is not None and whole.wrong else ([], [])
        for one, layer in zip(failing, layers, strict=True):
            yield _finding(evidence, register, terms, one, layer)


def reaching(evidence: Evidence, terms: RegisterAdvanceTerms, day: date) -> frozenset[Span]:
    """The times whose intervals have to be seen so that a day can be judged, where they reach out of it: its stretches,
    with the intervals at their edges."""
    clock, found = timedelta(seconds=terms.clock_s), set[Span]()
    start, end = day_bounds(day, evidence.zone)
    for register in evidence.registers:
        for first, last in _pairs(register, terms, start, end, evidence.zone):
            begin = first.at if first.at == start else first.at - clock
            until = last.at if last.at == end else last.at + clock
            if begin < start or end < until:
                found.add((begin, until))
    return frozenset(found)


def check_month(evidence: Evidence, terms: RegisterAdvanceTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of a legal-time month: from the last state before it to the last one in it; names the stretches that fail."""
    for register in evidence.registers:
        states = _chain(register, start, end)
        whole = _stretch(evidence, register, terms, states[0], states[-1]) if len(states) > 1 else None
        if whole is not None and whole.wrong:
            failing = [one for one in _stretches(evidence, register, terms, states) if one.wrong]
            yield _finding(evidence, register, terms, whole, Layer.MONTH, failing)


def _known(register: Register) -> list[Value]:
    """The true states that nobody has typed."""
    return [one for one in register.states if true_amount(one) is not None and Flag.MANUAL not in one.flags]


def _pairs(
    register: Register, terms: RegisterAdvanceTerms, start: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[tuple[Value, Value]]:
    """The states one behind the other between which a time has part, over two legal-time days at most."""
    clock = timedelta(seconds=terms.clock_s)
    for first, last in pairwise(_known(register)):
        begin, until = over_midnight(first.at, last.at, clock, zone)
        if begin < end and start < until and days_between(begin, until, zone) <= TWO_DAYS:
            yield first, last


def _chain(register: Register, start: datetime, end: datetime) -> Sequence[Value]:
    """The true states in a time, and the last one before it."""
    known = _known(register)
    times_of = [one.at for one in known]
    return known[max(bisect_right(times_of, start) - 1, 0) : bisect_right(times_of, end)]


def _stretches(
    evidence: Evidence, register: Register, terms: RegisterAdvanceTerms, states: Sequence[Value]
) -> Iterator[_Stretch]:
    for first, last in pairwise(states):
        found = _stretch(evidence, register, terms, first, last)
        if found is not None:
            yield found


def _stretch(
    evidence: Evidence, register: Register, terms: RegisterAdvanceTerms, first: Value, last: Value
) -> _Stretch | None:
    """None where the register began again or went back on the way, which is another rule's, or nothing is known."""
    between = [one for one in register.states if first.at < one.at <= last.at]
    if any(one.flags & (Flag.OVERFLOW | Flag.BACKWARD) for one in between):
        return None
    assert first.amount is not None and last.amount is not None
    advance = less(last.amount, first.amount)
    if advance < 0:
        return None
    begin, end = _around(evidence, first.at, terms), _around(evidence, last.at, terms)
    sure = evidence.inside(begin[1], end[0]) if begin[1] < end[0] else ()
    amounts = [amount for amount in map(true_amount, sure) if amount is not None]
    part = evidence.touching(begin[0], end[1])
    known = [amount for amount in map(true_amount, part) if amount is not None]
    whole = bool(part) and len(known) == len(part) and part[0].start <= begin[0] and part[-1].at >= end[1]
    whole = whole and all(one.at == other.start for one, other in pairwise(part))
    if not known or min(known) < 0:  # of a net register no bound can be told at its edges
        return None
    at_states = times(total([register.digit_at(first.at), register.digit_at(last.at)]), terms.digits)
    span = over_midnight(first.at, last.at, timedelta(seconds=terms.clock_s), evidence.zone)
    inner = (sure[0].start, sure[-1].at) if sure else span
    most, least = total(known) if whole else None, total(amounts) if amounts else ZERO

    def allowing(digit: Decimal) -> _Stretch:
        tolerance = total([at_states, times(digit, Decimal(len(known)))])
        return _Stretch(first, last, *span, inner, advance, least, most, tolerance)

    digit = evidence.digit or digit_of(known)
    found = allowing(digit)
    if found.wrong and evidence.resolution is not None:
        shown_by = evidence.resolution(part[0].start, part[-1].at)
        found = allowing(max(digit, shown_by)) if shown_by is not None else found
    return found


def _around(evidence: Evidence, at: datetime, terms: RegisterAdvanceTerms) -> tuple[datetime, datetime]:
    """Between which instants of the meter's clock a state was: one at the end, or start, of an interval is exact."""
    place = bisect_left(evidence.ends, at)
    if place < len(evidence.ends) and at in (evidence.ends[place], evidence.series.values[place].start):
        return at, at
    clock = timedelta(seconds=terms.clock_s)
    return at - clock, at + clock


def _layer(evidence: Evidence, one: _Stretch, terms: RegisterAdvanceTerms) -> Layer:
    """What is narrower than its day is of intervals: nothing finer can be told of them. Else it is of days. Nobody
    reads a register twice at the same second of the day."""
    begin, end = day_bounds(legal_day(one.end, evidence.zone), evidence.zone)
    clock = timedelta(seconds=terms.clock_s)
    return Layer.INTERVAL if one.end - one.begin < end - begin - clock else Layer.DAY


def _finding(
    evidence: Evidence,
    register: Register,
    terms: RegisterAdvanceTerms,
    one: _Stretch,
    layer: Layer,
    parts: Sequence[_Stretch] = (),
) -> Finding:
    channel, zone = register.channel, evidence.zone
    what, unit = channel.obis.reduced(), channel.unit
    off = less(one.advance, one.nearest)
    where = "; ".join(f"{start_label(p.first.at, zone)} to {end_label(p.last.at, zone)}" for p in parts[:_TOLD])
    more = f" and {len(parts) - _TOLD} more" if len(parts) > _TOLD else ""
    text = (
        f"{what} went up by {shown(one.advance, unit)} from {start_label(one.first.at, zone)} to "
        f"{end_label(one.last.at, zone)}, its intervals have {shown(one.nearest, unit)}: {shown(off.copy_abs(), unit)} "
        f"too {'little' if off > 0 else 'much'}, allowed are {shown(one.tolerance)}"
    )
    text += f"; it is in {where}{more}" if where else ""
    inputs = tuple(sorted({*one.first.inputs, *one.last.inputs}))
    return Finding(
        Rule.REGISTER_ADVANCE,
        terms.severity,
        channel.point,
        channel.obis,
        layer,
        one.first.at,
        one.last.at,
        text,
        one.nearest,
        one.advance,
        unit,
        inputs,
    )
