"""The algebra of values: exact numbers whatever the thread's context, and the laws that statuses keep."""

from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from functools import reduce
from itertools import pairwise, permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.metering.algebra import alone, counted, gathered, less, merged_rules, over, rest, times, total, wanted
from gatewayd.metering.values import Method, Value, missing, worst
from gatewayd.model import Flag, RawStatus
from tests.gatewayd.metering.series_made import amounts, value, values_at

AT = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
lists = st.lists(values_at(AT), min_size=1, max_size=6)


def together(*values: Value) -> Value:
    """The sum, as every layer makes it."""
    found = [one.amount for one in values if one.amount is not None and one.there]
    amount = total(found) if len(found) == len(values) else None
    return gathered(AT, 900, values, amount, want=sum(one.want for one in values))


def essence(one: Value) -> tuple[object, ...]:
    return one.amount, one.status, one.flags, one.inputs, one.rules, one.have, one.want


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_numbers_keep_all_their_digits_whatever_the_context_of_the_thread() -> None:
    long = Decimal("123456789012345678901234567890123456.789")
    with localcontext(Context(prec=3)):
        assert str(total([long, Decimal("0.0001")])) == "123456789012345678901234567890123456.7891"
        assert str(less(long, Decimal("0.0001"))) == "123456789012345678901234567890123456.7889"
        assert str(times(long, Decimal("0.5"))) == "61728394506172839450617283945061728.3945"
        assert str(times(long, Decimal(-1))) == "-" + str(long)
        assert str(over(Decimal(1), Decimal(3))) == "0." + "3" * 40
        assert str(rest(long, Decimal(10))) == "6.789"


def test_digits_that_nobody_measured_are_not_added() -> None:
    assert str(total([Decimal("0.25"), Decimal("0.250")])) == "0.500"
    assert str(total([])) == "0"
    assert str(times(Decimal("0.25"), Decimal("1.000"))) == "0.25"
    assert str(times(Decimal("0.00"), Decimal(-1))) == "0.00"  # and not -0.00


def test_a_division_by_nothing_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        over(Decimal(1), Decimal(0))


# -- statuses ----------------------------------------------------------------------------------------------------------


def test_the_order_of_the_statuses_is_that_of_the_decision() -> None:
    names = ["true", "substitute", "provisional", "distorted", "missing"]
    assert [status.text for status in sorted(RawStatus)] == names
    for low, high in pairwise(RawStatus):
        both = [value(AT, None if status is RawStatus.MISSING else "1", status) for status in (low, high)]
        assert worst(both) is high
        assert together(*both).status is high


@settings(max_examples=40, deadline=None)
@given(lists)
def test_the_order_of_values_does_not_matter(values: list[Value]) -> None:
    expected = essence(together(*values))
    for order in permutations(values[:3]):
        assert essence(together(*order, *values[3:])) == expected


@settings(max_examples=40, deadline=None)
@given(lists, st.integers(0, 6))
def test_sums_of_sums_are_the_sum(values: list[Value], at: int) -> None:
    halves = [together(*half) for half in (values[:at], values[at:]) if half]
    assert essence(together(*halves)) == essence(together(*values))
    assert essence(reduce(together, values[1:], together(values[0]))) == essence(together(*values))


@settings(max_examples=40, deadline=None)
@given(lists, values_at(AT), values_at(AT))
def test_a_worse_input_never_makes_the_result_better(values: list[Value], one: Value, other: Value) -> None:
    low, high = sorted((one, other), key=lambda value: value.status)
    assert together(*values, low).status <= together(*values, high).status
    assert together(*values, one).status >= together(*values).status


@given(amounts, st.sampled_from(RawStatus))
def test_what_has_no_amount_is_missing_and_a_part_is_too(amount: Decimal, status: RawStatus) -> None:
    parts = [value(AT, amount, status), missing(AT, 900)]
    assert together(*parts).status is RawStatus.MISSING
    assert together(*parts).amount is None
    bare = Value(AT, 900, None, RawStatus.MISSING)
    assert together(parts[0], bare).have == 1  # whoever made it has counted it
    partial = gathered(AT, 900, parts, amount, want=2)
    assert (partial.amount, partial.status, partial.have, partial.want) == (amount, RawStatus.MISSING, 1, 2)
    assert not partial.there
    assert gathered(AT, 900, parts[:1], amount, want=2, absent=True).status is RawStatus.MISSING


def test_everything_that_a_value_was_made_of_is_in_it() -> None:
    one = msgspec.structs.replace(value(AT, "1"), inputs=(3, 7), flags=Flag.LATE, rules=("zero", "backward"))
    other = msgspec.structs.replace(value(AT, "2"), inputs=(5, 3), flags=Flag.DST, rules=("backward",))
    made = together(one, other)
    assert made.inputs == (3, 5, 7)
    assert made.flags == Flag.LATE | Flag.DST
    assert made.rules == merged_rules([other, one]) == ("backward", "zero")
    assert made.method is Method.AGGREGATE
    assert together(missing(AT, 900)).method is Method.NONE


@settings(max_examples=40, deadline=None)
@given(values_at(AT))
def test_one_value_by_itself_is_made_like_any_sum(one: Value) -> None:
    if one.there:
        assert alone(one) == together(one)


# -- counting ----------------------------------------------------------------------------------------------------------


def test_coverage_in_words() -> None:
    assert counted(95, 96) == "95 of 96 intervals"
    assert (counted(96, 96), counted(1, 1), counted(0, 1)) == ("96 intervals", "1 interval", "0 of 1 interval")
    reasons = [together(value(AT, "1"), value(AT, "2")), together(value(AT, "1"), missing(AT, 900))]
    assert [one.reason for one in reasons] == ["the sum of 2 intervals", "only 1 of 2 intervals are there"]
    assert together(missing(AT, 900)).reason == "nothing of 1 interval"


def test_what_nothing_is_there_of_counts_like_the_rest() -> None:
    assert wanted(7200, value(AT, "1")) == 8
    assert wanted(7200, value(AT, "1", seconds=3600)) == 2
    assert wanted(7200, msgspec.structs.replace(value(AT, "1", seconds=3600), want=4)) == 8
    assert wanted(7200, None) == 8
    assert wanted(1000, value(AT, "1")) == 2  # begun ones are whole
