"""Amounts as exact fractions, and back into Decimals: one rounding, at the end, and sums that are met exactly.

Rules: pure; the context of the thread is never asked, so nothing is rounded unseen. What is computed has at most three
digits more than the finest amount that it was made of, and no zeros behind those of that amount. Where parts of a known
sum are rounded, each is within one unit of its last digit of the exact one, and together they are the sum.
"""

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction

MORE_DIGITS = 3
LARGEST, FINEST = 40, 80
"""Digits before and behind the point of an amount that anything is computed with; more is no energy of this world. A
quotient of 40 digits (energy_units.py: mean power) has as many behind its first one, wherever that is."""
_WIDE = Context(prec=LARGEST + FINEST + 10)
"""Enough for a difference of two such amounts to be exact."""


def sane(amount: Decimal | None) -> bool:
    """Whether it is a number of a size that may be computed with."""
    if amount is None or not amount.is_finite():
        return False
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -FINEST and amount.adjusted() <= LARGEST


def finest(amounts: Iterable[Decimal]) -> int:
    """How many places behind the point the finest of these amounts has."""
    return max((-int(one.as_tuple().exponent) for one in amounts), default=0)


def difference(later: Decimal, earlier: Decimal) -> Decimal:
    """Exactly what one sane amount is more than another."""
    return _WIDE.subtract(later, earlier)


def rounded(value: Fraction, places: int) -> Decimal:
    """The fraction with at most MORE_DIGITS digits more than `places`, half to even."""
    most = max(places, 0) + MORE_DIGITS
    return _decimal(round(value * 10**most), most, places)


def shares(total: Fraction, weights: Sequence[Fraction], places: int) -> list[Decimal]:
    """The total divided by weights, which are not negative; evenly where all of them are zero. The total has no more
    than `places` digits behind the point. What rounding down leaves goes to those that it took most from, the earlier
    first."""
    most = max(places, 0) + MORE_DIGITS
    if not any(weights):
        weights = [Fraction(1)] * len(weights)
    units, whole = total * 10**most, sum(weights)
    exact = [units * weight / whole for weight in weights]
    parts = [one.numerator // one.denominator for one in exact]
    left = int(units) - sum(parts)
    for n in sorted(range(len(exact)), key=lambda n: (parts[n] - exact[n], n))[:left]:
        parts[n] += 1
    return [_decimal(part, most, places) for part in parts]


def _decimal(units: int, most: int, places: int) -> Decimal:
    """So many units of the last of `most` places, without zeros behind `places`."""
    while most > max(places, 0) and not units % 10:
        units, most = units // 10, most - 1
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -most))
