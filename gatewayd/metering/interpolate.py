"""Interpolation of short gaps: a straight line of the mean power between the true intervals on both sides.

Rules: pure, exact. All intervals have the same length, so the line of the energy is that of the power. The gap is the
whole run of intervals that are not true, whatever day they are of; a longer one than the terms allow is not
interpolated at all (requirements U6, DEC2).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from gatewayd.metering.basis import Basis


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of intervals between two true ones: where those end, and what they have."""

    before: datetime
    after: datetime
    amounts: tuple[Decimal, Decimal]
    count: int


def gap_around(at: datetime, basis: Basis, longest: int) -> Gap | None:
    """The gap in which the interval lies that ends then; None where it is too long or has no end on one side."""
    count, before, after = 1, at - basis.period, at + basis.period
    while (left := basis.true(before)) is None:
        count, before = count + 1, before - basis.period
        if count > longest:
            return None
    while (right := basis.true(after)) is None:
        count, after = count + 1, after + basis.period
        if count > longest:
            return None
    return Gap(before, after, (left, right), count) if count <= longest else None


def on_the_line(at: datetime, gap: Gap, basis: Basis) -> Fraction:
    """The energy of an interval of the gap."""
    place, (left, right) = (at - gap.before) // basis.period, map(Fraction, gap.amounts)
    return left + (right - left) * Fraction(place, gap.count + 1)
