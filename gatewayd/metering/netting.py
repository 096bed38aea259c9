"""Netting of phases: what +A and -A of a three-phase connection are when phases run in different directions.

Rules: pure (PPDS annex 5, 1.8). Simultaneous saldo: supply and take-off of all phases are set off against each other,
what is left counts in its direction, equality counts nothing in either. Per phase: every phase counts in its own
direction. When all phases run in one direction, both are the same. A phase that is missing makes both results missing:
without it not even the direction is known. Meters net power at every moment; what is netted here are energies of
intervals, as they come.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum

from gatewayd.metering.algebra import ZERO, gathered, less, times, total, wanted
from gatewayd.metering.quadrants import Quantity, quantity
from gatewayd.metering.values import Channel, Method, Series, Value
from gatewayd.metering.virtual import fitting
from gatewayd.obis import Obis

_PHASES = 3
_ALL = 0
_SUMS = (Quantity.PLUS_A, Quantity.MINUS_A)
_FORWARD, _BACKWARD = Decimal(1), Decimal(-1)
_Leg = tuple[Mapping[datetime, Value], Value | None, Decimal]
"""The values of one direction of one phase by their ends, one of them as an example, and how they count: 1 or -1."""


class Netting(Enum):
    """The setting of a metering point. The values are those of the configuration."""

    SALDO = "saldo"
    PER_PHASE = "per_phase"


_WHAT = {Netting.SALDO: "the simultaneous saldo of", Netting.PER_PHASE: "each phase by itself, of"}


@dataclass(frozen=True, slots=True)
class Netted:
    """What counts in each direction; neither is ever negative."""

    plus: Decimal
    minus: Decimal


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: signed amounts in `plus` alone (+ is take-off), or what it took and gave in a series each."""

    plus: Series
    minus: Series | None = None


def net(phases: Iterable[Decimal], netting: Netting) -> Netted:
    """Of the signed amounts of the phases: (3, 1, -2) is +2 by saldo, +4 and -2 per phase."""
    taken: list[Decimal] = []
    given: list[Decimal] = []
    for amount in phases:
        (taken if amount > ZERO else given).append(amount)
    return _left(total(taken), less(ZERO, total(given)), netting)


def _left(taken: Decimal, given: Decimal, netting: Netting) -> Netted:
    match netting:
        case Netting.PER_PHASE:
            return Netted(taken, given)
        case Netting.SALDO:
            rest = less(taken, given)
            return Netted(max(rest, ZERO), max(less(ZERO, rest), ZERO))


def netted(phases: Sequence[Phase], netting: Netting, plus: Channel, minus: Channel) -> tuple[Series, Series]:
    """The series of +A and -A of one to three phases, as the channels `plus` and `minus`.

    ValueError in words for phases of different units, layers or lengths, and for another number of them."""
    if not 1 <= len(phases) <= _PHASES:
        raise ValueError(f"point {plus.point}: {len(phases)} phases to be netted, expected 1 to {_PHASES}")
    legs = [(phase.plus, _FORWARD) for phase in phases]
    legs += [(phase.minus, _BACKWARD) for phase in phases if phase.minus is not None]
    instants = fitting(plus, [series for series, _ in legs])
    tables = [(series.by_end(), series.values[0] if series.values else None, sign) for series, sign in legs]
    made = [_at(at, seconds, tables, netting) for at, seconds in instants]
    layer = phases[0].plus.layer
    return Series(plus, layer, tuple(one for one, _ in made)), Series(minus, layer, tuple(one for _, one in made))


def of_point(series: Mapping[Obis, Series], netting: Netting) -> tuple[Series, Series] | None:
    """+A and -A of a point that has the codes of its phases (C 21 and 22 of L1, 41 and 42, 61 and 62), and not those of
    the sum; None for another. The phases are those that it has codes of. ValueError as for `netted`, and for a phase
    that has -A alone."""
    known = [(obis, what) for obis in series if (what := quantity(obis)) is not None]
    plus, minus = ({phase: obis for obis, (what, phase) in known if what is one} for one in _SUMS)
    phases = sorted((plus.keys() | minus.keys()) - {_ALL})
    if not phases or _ALL in plus or _ALL in minus:
        return None
    for phase in phases:
        if phase not in plus:
            whose = series[minus[phase]].channel.point
            raise ValueError(f"point {whose}: phase L{phase} has -A and no +A; add the channel C={20 * phase + 1}")
    legs = [Phase(series[plus[phase]], series[minus[phase]] if phase in minus else None) for phase in phases]
    like = legs[0].plus.channel
    taken, given = (Channel(like.point, replace(like.obis, c=int(what)), like.unit) for what in _SUMS)
    return netted(legs, netting, taken, given)


def is_phase(code: Obis) -> bool:
    """Whether it is +A or -A of one phase."""
    what = quantity(code)
    return what is not None and what[0] in _SUMS and what[1] != _ALL


def is_sum(code: Obis) -> bool:
    """Whether it is +A or -A of all phases: what is netted, where the meter does not tell it."""
    what = quantity(code)
    return what is not None and what[0] in _SUMS and what[1] == _ALL


def _at(at: datetime, seconds: int, legs: Sequence[_Leg], netting: Netting) -> tuple[Value, Value]:
    found: list[Value] = []
    signed: list[Decimal] = []
    lost = 0
    for by_end, like, sign in legs:
        one = by_end.get(at)
        if one is None:
            lost += wanted(seconds, like)
            continue
        found.append(one)
        if one.there and one.amount is not None:
            signed.append(times(one.amount, sign))
    whole = len(signed) == len(legs)
    both = net(signed, netting) if whole else None
    want = sum(one.want for one in found) + lost

    def value(amount: Decimal | None) -> Value:
        return gathered(at, seconds, found, amount, want=want, method=Method.NETTED, what=_WHAT[netting])

    return value(both.plus if both else None), value(both.minus if both else None)
