"""Directions and quadrants: what sign, phase angle and OBIS code of energy have to do with each other.

Rules: pure (PPDS annex 5, 1.7). Active energy is + from the network to the user (+A), - from the user to the network
(-A); reactive energy is + for a phase angle between 0° and 180° (quadrants I and II), - between 180° and 360° (III and
IV). Codes are those of group C (IEC 62056-6-1), those of the phases L1 to L3 20, 40 and 60 above; other groups stay as
they are. What belongs together is checked only where all of it is there, and never corrected.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum

from gatewayd.metering.algebra import ZERO, less, rest, times, total
from gatewayd.metering.values import Channel, Series
from gatewayd.metering.virtual import Term, combined, fitting
from gatewayd.obis import Obis

_ELECTRICITY = 1
_PHASE = 20
_PHASES = 3
_RIGHT, _CIRCLE = Decimal(90), Decimal(360)
_ONE, _MINUS = Decimal(1), Decimal(-1)


class Quantity(IntEnum):
    """What is metered: group C of the sum of phases."""

    PLUS_A = 1
    MINUS_A = 2
    PLUS_R = 3
    MINUS_R = 4
    R_1 = 5
    R_2 = 6
    R_3 = 7
    R_4 = 8
    PLUS_S = 9
    MINUS_S = 10
    ABSOLUTE_A = 15
    """|+A| + |-A|."""
    NET_A = 16
    """|+A| - |-A|."""

    @property
    def text(self) -> str:
        """How people write it: +A, QI."""
        return _TEXTS[self]


_TEXTS = dict(zip(Quantity, "+A -A +R -R QI QII QIII QIV +S -S |+A|+|-A| |+A|-|-A|".split(), strict=True))
PARTS: Mapping[Quantity, tuple[tuple[Quantity, Decimal], ...]] = {
    Quantity.PLUS_R: ((Quantity.R_1, _ONE), (Quantity.R_2, _ONE)),
    Quantity.MINUS_R: ((Quantity.R_3, _ONE), (Quantity.R_4, _ONE)),
    Quantity.ABSOLUTE_A: ((Quantity.PLUS_A, _ONE), (Quantity.MINUS_A, _ONE)),
    Quantity.NET_A: ((Quantity.PLUS_A, _ONE), (Quantity.MINUS_A, _MINUS)),
}
"""What a quantity is the sum of, with the sign of each."""


class Quadrant(Enum):
    """Of the plane of active (to the right +A) and reactive power (upwards +R)."""

    I = 1  # noqa: E741 - that is its name
    II = 2
    III = 3
    IV = 4


_QUADRANTS = {
    (True, True): Quadrant.I,
    (False, True): Quadrant.II,
    (False, False): Quadrant.III,
    (True, False): Quadrant.IV,
}


def quadrant(active: Decimal, reactive: Decimal) -> Quadrant | None:
    """Where signed active and reactive power are; None on an axis, where no quadrant is meant."""
    if active == ZERO or reactive == ZERO:
        return None
    return _QUADRANTS[active > ZERO, reactive > ZERO]


def quadrant_of_angle(degrees: Decimal) -> Quadrant | None:
    """The same of the phase angle; angles go round. None on an axis."""
    turned = rest(total((rest(degrees, _CIRCLE), _CIRCLE)), _CIRCLE)
    return Quadrant(int(turned // _RIGHT) + 1) if rest(turned, _RIGHT) else None


def quantity(obis: Obis) -> tuple[Quantity, int] | None:
    """What a code of electricity measures, and of which phase (0: of all); None for other codes."""
    if obis.a != _ELECTRICITY:
        return None
    phase, code = divmod(obis.c, _PHASE)
    return (Quantity(code), phase) if phase <= _PHASES and code in _CODES else None


_CODES = frozenset(Quantity)


def code_of(obis: Obis, wanted: Quantity) -> Obis:
    """The code of another quantity of the same phase: 1-0:5.29.0 of 1-0:3.29.0. ValueError for other codes."""
    found = quantity(obis)
    if found is None:
        raise ValueError(f"{obis} is no code of active or reactive energy, so that it has no {wanted.text}")
    return replace(obis, c=wanted + _PHASE * found[1])


def parts_of(obis: Obis) -> tuple[tuple[Obis, Decimal], ...]:
    """The codes of which this one is the sum, with their signs: QI and QII of +R; () for another."""
    found = quantity(obis)
    if found is None:
        return ()
    return tuple((code_of(obis, part), sign) for part, sign in PARTS.get(found[0], ()))


def made_of_parts(obis: Obis, series: Mapping[Obis, Series]) -> Series | None:
    """The series of a code as the sum of its parts, where the point has them all and not the code itself: +R of a meter
    that has quadrants only. None elsewhere. ValueError where the parts do not fit together."""
    parts = parts_of(obis)
    if obis in series or not parts or any(code not in series for code, _ in parts):
        return None
    first = series[parts[0][0]].channel
    return combined(Channel(first.point, obis, first.unit), [Term(sign, series[code]) for code, sign in parts])


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An interval in which a quantity is not the sum of its parts."""

    obis: Obis
    at: datetime
    amount: Decimal
    of_parts: Decimal

    @property
    def difference(self) -> Decimal:
        """The quantity less the sum of its parts."""
        return less(self.amount, self.of_parts)


def disagreements(series: Mapping[Obis, Series], tolerance: Decimal = ZERO) -> tuple[Disagreement, ...]:
    """Where quantities and their parts are all there and differ by more than `tolerance`, in the unit of the series:
    every register cuts off what is less than its last digit, so that one digit of each is no fault. By code, then by
    time; ValueError where series of one point do not fit together."""
    found: list[Disagreement] = []
    for obis in sorted(series):
        parts = parts_of(obis)
        if not parts or any(code not in series for code, _ in parts):
            continue
        whole = series[obis]
        fitting(whole.channel, [whole, *(series[code] for code, _ in parts)])
        tables = [(series[code].by_end(), sign) for code, sign in parts]
        for one in whole.values:
            amounts = [
                times(part.amount, sign)
                for by_end, sign in tables
                if (part := by_end.get(one.at)) is not None and part.there and part.amount is not None
            ]
            if one.amount is None or not one.there or len(amounts) < len(parts):
                continue
            of_parts = total(amounts)
            if less(one.amount, of_parts).copy_abs() > tolerance:
                found.append(Disagreement(obis, one.at, one.amount, of_parts))
    return tuple(found)


def directions(series: Iterable[Series]) -> Mapping[Quantity, Series]:
    """The series of a point by what they measure; those of single phases, and other codes, are left out."""
    found: dict[Quantity, Series] = {}
    for one in series:
        what = quantity(one.channel.obis)
        if what is not None and what[1] == 0:
            found[what[0]] = one
    return found
