"""What substitutes are scaled to: which states of a register measure, how exactly, and what an interval can have."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from gatewayd.legal_time import QUARTER, interval_ends
from gatewayd.metering.basis import Advance, Basis, advances
from gatewayd.metering.limits import most_in
from gatewayd.metering.points import Rated
from gatewayd.metering.substitute import substituted
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method, Series, Value
from gatewayd.model import NO_FLAGS, Flag, RawStatus
from tests.gatewayd.metering.profiles import CONTROL, DAY, LATER, amount, changed, end, holed, profile

ON = SubstitutionTerms(enabled=True)
WHOLE = profile(DAY - timedelta(days=28), DAY + timedelta(days=1))
ENDS = interval_ends(DAY)
START = ENDS[0] - QUARTER
NIGHT = [end(DAY, label) for label in ("02:15", "02:30", "02:45")]
OTHERS = sum((amount(at) for at in ENDS if at not in NIGHT), Decimal(0))
ALONE = sum((amount(at) for at in NIGHT), Decimal(0))
"""What a straight line makes of it: the profile is one there."""


def state(at: datetime, text: str, flags: Flag = NO_FLAGS, status: RawStatus = RawStatus.TRUE) -> Value:
    return Value(at, 0, Decimal(text), status, flags, (int(text),))


def spans(states: Iterable[Value]) -> list[tuple[datetime, datetime, int]]:
    return [(one.start, one.end, int(one.amount)) for one in advances(states)]


def filled(found: Advance, most: str | None = None) -> dict[datetime, Value]:
    limit = None if most is None else Decimal(most)
    return substituted(Basis(holed(WHOLE, NIGHT), None, (found,), most=limit), DAY, ON, LATER).by_end()


def sums(values: dict[datetime, Value]) -> Decimal:
    return sum((values[at].amount or Decimal(0) for at in NIGHT), Decimal(0))


# ------------------------------------------------------------------------------------------------ which states measure


@pytest.mark.parametrize("beside", [timedelta(0), timedelta(seconds=9), timedelta(seconds=-9)])
def test_a_state_some_seconds_beside_the_end_of_an_interval_is_one_of_it(beside: timedelta) -> None:
    assert spans([state(START + beside, "5"), state(ENDS[3] - beside, "9")]) == [(START, ENDS[3], 4)]


def test_one_that_is_farther_away_lies_within_an_interval() -> None:
    late = START + timedelta(seconds=9, microseconds=1)
    assert spans([state(late, "5"), state(ENDS[3], "9")]) == [(late, ENDS[3], 4)]


def test_of_days_one_within_a_hundredth_of_midnight_counts() -> None:
    """The grid itself takes whatever is nearest to a midnight."""
    for minutes, counts in ((14, True), (15, False)):
        states = [state(START, "5"), state(ENDS[-1] + timedelta(minutes=minutes), "9")]
        (found,) = advances(states, timedelta(days=1))
        assert (found.end == ENDS[-1]) is counts


def test_what_lies_within_an_interval_takes_nothing_from_those_at_the_ends() -> None:
    polled = [state(START + n * timedelta(minutes=5), str(n)) for n in range(8)]
    assert spans(polled) == [(START, ENDS[0], 3), (ENDS[0], ENDS[1], 3), (polled[6].at, polled[7].at, 1)]


def test_of_two_states_at_one_end_the_nearer_counts() -> None:
    two = [state(ENDS[0] - timedelta(seconds=5), "7"), state(ENDS[0] + timedelta(seconds=1), "8")]
    assert spans([state(START, "5"), *two, state(ENDS[1], "9")]) == [(START, ENDS[0], 3), (ENDS[0], ENDS[1], 1)]


def test_one_that_went_back_or_is_not_true_on_the_way_ends_it() -> None:
    back = [state(START, "5"), state(START + timedelta(minutes=5), "3"), state(ENDS[0], "9"), state(ENDS[1], "11")]
    assert spans(back) == [(START + timedelta(minutes=5), ENDS[0], 6), (ENDS[0], ENDS[1], 2)]
    wrong = state(START + timedelta(minutes=5), "7", status=RawStatus.DISTORTED)
    assert spans([state(START, "5"), wrong, state(ENDS[0], "9"), state(ENDS[1], "11")]) == [(ENDS[0], ENDS[1], 2)]


def test_what_somebody_has_typed_measures_nothing() -> None:
    typed = state(ENDS[1], "500", Flag.MANUAL)
    assert spans([state(START, "5"), typed, state(ENDS[3], "9")]) == [(START, ENDS[3], 4)]


def test_an_advance_from_within_an_interval_is_not_shared_out_and_the_reason_says_so() -> None:
    (found,) = advances([state(START + timedelta(minutes=20), "1"), state(ENDS[-1], "2000")])
    values = filled(found)
    assert sums(values) == ALONE and 2000 not in values[NIGHT[0]].inputs
    assert values[NIGHT[0]].reason.endswith(
        "; not scaled to the register advance of 1999 kWh from 2026-11-24 00:20+01:00 to 2026-11-24 24:00+01:00: "
        "the register was read within an interval; instead of missing (the meter has no row)"
    )


# --------------------------------------------------------------------------------------------------- how exactly


def advance(over: str, digit: str) -> Advance:
    """One that has so much more than the intervals with their straight line."""
    return Advance(START, ENDS[-1], OTHERS + ALONE + Decimal(over), (5001, 5002), Decimal(digit))


@pytest.mark.parametrize("over", ["0.01", "4", "-4"])
def test_a_coarse_register_says_nothing_against_what_is_within_its_digits(over: str) -> None:
    values = filled(advance(over, "2"))
    assert sums(values) == ALONE
    assert "not scaled" in values[NIGHT[0]].reason and "its last digit is 2 kWh" in values[NIGHT[0]].reason


@pytest.mark.parametrize("over", ["4.01", "-4.01", "0"])
def test_what_is_beyond_them_or_agrees_is_scaled(over: str) -> None:
    values = filled(advance(over, "2"))
    assert sums(values) == ALONE + Decimal(over) and "; scaled to" in values[NIGHT[0]].reason


@pytest.mark.parametrize(("digit", "over"), [("1.9635", "0.3"), ("1.9636", "0")])
def test_a_register_that_is_fine_enough_is_met_exactly(digit: str, over: str) -> None:
    """39.27 kWh are missing: two digits of 1.9635 kWh are a tenth of them."""
    assert Decimal("39.27") == ALONE
    assert sums(filled(advance("0.3", digit))) == ALONE + Decimal(over)


def test_a_register_of_whole_kwh_behind_a_ratio_of_8800() -> None:
    """0.128 kWh a quarter behind 8800: four missing ones have 4505.6 kWh. The register shows 100 and 113, and was at
    100.800 and 113.088: what is left, 10771.2 kWh, is nearer to nothing than a digit of it."""
    ends = interval_ends(DAY)
    series = Series(CONTROL, Layer.INTERVAL, tuple(
        Value(at, 900, Decimal("1126.4"), RawStatus.TRUE) for at in ends
    ))  # fmt: skip
    found = Advance(START, ENDS[-1], Decimal(13 * 8800), (), Decimal(8800))
    values = substituted(Basis(holed(series, ends[20:24]), None, (found,)), DAY, ON, LATER).by_end()
    assert {values[at].amount for at in ends[20:24]} == {Decimal("1126.4")}


# ---------------------------------------------------------------------------------------------- what it can have


def test_nothing_is_scaled_to_more_than_the_connection_carries() -> None:
    found = advance("10", "0")
    highest = max(filled(found)[at].amount or Decimal(0) for at in NIGHT)
    assert sums(filled(found, str(highest))) == ALONE + 10
    values = filled(found, str(highest - Decimal("0.00001")))
    assert sums(values) == ALONE and "more than its connection carries" in values[NIGHT[0]].reason


def test_of_methods_that_give_too_much_the_next_one_is_taken() -> None:
    at = NIGHT[0]
    control = Series(CONTROL, Layer.INTERVAL, (Value(at, 900, Decimal("20.01"), RawStatus.TRUE),))
    holes = holed(WHOLE, [at])
    for most, method in (("20.01", Method.CONTROL), ("20", Method.INTERPOLATED)):
        basis = Basis(holes, control, most=Decimal(most))
        assert substituted(basis, DAY, ON, LATER).by_end()[at].method is method
    beside = [Value(one, 900, Decimal(30), RawStatus.TRUE) for one in (at - QUARTER, NIGHT[1])]
    found = substituted(Basis(changed(holes, beside), most=Decimal(20)), DAY, ON, LATER).by_end()[at]
    assert found.method is Method.COMPARABLE
    nothing = substituted(Basis(changed(holes, beside), most=Decimal(1)), DAY, ON, LATER).by_end()[at]
    assert nothing.status is RawStatus.MISSING


def test_what_an_interval_can_have() -> None:
    rated = Rated(Decimal(63), Decimal(400))
    most = most_in(rated, Decimal(1), "kWh", 900)
    assert most is not None and Decimal("10.91") < most < Decimal("10.92"), "43.6 kVA for a quarter of an hour"
    assert most_in(None, Decimal(1), "kWh", 900) is None and most_in(rated, Decimal(1), "m3", 900) is None
