"""Fractions, their rounding, and sums that are met to the last digit."""

from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.metering.energy_units import amount, energy_unit
from gatewayd.metering.exact import difference, finest, rounded, sane, shares


def test_rounding_has_three_digits_more_and_no_needless_zeros() -> None:
    assert str(rounded(Fraction(10, 3), 2)) == "3.33333"
    assert str(rounded(Fraction(5, 2), 2)) == "2.50" and str(rounded(Fraction(5, 2), 0)) == "2.5"
    assert str(rounded(Fraction(-10, 3), 0)) == "-3.333" and str(rounded(Fraction(7000), -3)) == "7000"
    assert str(rounded(Fraction(0), 1)) == "0.0"


def test_what_is_left_goes_to_those_that_lost_most() -> None:
    assert list(map(str, shares(Fraction(1), [Fraction(1)] * 3, 0))) == ["0.334", "0.333", "0.333"]
    assert list(map(str, shares(Fraction(1), [Fraction(1), Fraction(5)], 0))) == ["0.167", "0.833"]
    assert list(map(str, shares(Fraction(1), [Fraction(5), Fraction(1)], 0))) == ["0.833", "0.167"]
    assert list(map(str, shares(Fraction(3), [Fraction(0)] * 2, 0))) == ["1.5", "1.5"], "evenly where all are zero"
    assert list(map(str, shares(Fraction(0), [Fraction(1), Fraction(2)], 1))) == ["0.0", "0.0"]


@settings(max_examples=100, deadline=None)
@given(
    st.decimals(0, 10**9, places=3),
    st.lists(st.fractions(0, 10**6), min_size=1, max_size=20),
)
def test_shares_are_the_sum_exactly_and_each_is_near_its_own(total: Decimal, weights: list[Fraction]) -> None:
    parts = shares(Fraction(total), weights, 3)
    assert sum(map(Fraction, parts)) == Fraction(total)
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(total) * weight / whole if whole else Fraction(total) / len(weights)
        assert abs(Fraction(part) - exact) < Fraction(1, 10**6) and part >= 0


def test_absurd_amounts_are_not_computed_with() -> None:
    assert not any(map(sane, [None, Decimal("NaN"), Decimal("Infinity"), Decimal("1E+99999"), Decimal("1E-99999")]))
    assert sane(Decimal(0)) and sane(Decimal("-12.345"))
    tenth = amount(
        Decimal("0.000001"), energy_unit("kW"), Decimal(1), 600
    )  # to 40 digits, all of them behind the point
    assert sane(tenth)
    with localcontext(prec=200):
        assert difference(Decimal("9" * 41), tenth) + tenth == Decimal("9" * 41)
    assert finest([Decimal("1.50"), Decimal("1E+3")]) == 2 and finest([]) == 0
    assert difference(Decimal("12345678901234567890123456789.1"), Decimal("0.001")) == Decimal(
        "12345678901234567890123456789.099"
    )
