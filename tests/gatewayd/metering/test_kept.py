"""What stays of a value whose readings are gone."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gatewayd.metering.kept import NOTHING_GONE, Gone, stays
from gatewayd.metering.values import Value, missing
from gatewayd.model import RawStatus

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
GONE = Gone(((1, 9), (20, 29)))


def value(*inputs: int, status: RawStatus = RawStatus.TRUE) -> Value:
    return Value(AT, 900, Decimal(1), status, inputs=inputs)


@pytest.mark.parametrize(
    ("inputs", "found"),
    [((), set()), ((10, 19, 30), set()), ((1,), {1}), ((9, 10), {9}), ((10, 20, 29, 30), {20, 29}), ((5, 25), {5, 25})],
)
def test_which_numbers_are_not_there(inputs: tuple[int, ...], found: set[int]) -> None:
    assert GONE.of(inputs) == found
    assert not NOTHING_GONE.of(inputs)


@pytest.mark.parametrize(
    ("new", "standing", "own", "kept"),
    [
        (None, value(5), True, True),
        (None, value(15), True, False),
        (missing(AT, 900), value(5), True, True),
        (missing(AT, 900), value(15), True, False),
        (missing(AT, 900), value(15, 25), True, True),
        (value(40), value(5), True, False),
        (value(40, status=RawStatus.SUBSTITUTE), value(5), True, True),
        (value(12), value(25), True, True),
        (value(40), value(5, status=RawStatus.DISTORTED), True, False),
        (value(5, status=RawStatus.DISTORTED), value(5), True, False),
        (value(5, 15), value(5), False, False),
        (value(12), value(5, 25), False, False),
        (missing(AT, 900), value(5), False, True),
    ],
    ids=[
        "nothing instead",
        "nothing, and its readings are there",
        "missing instead",
        "missing, and its readings are there",
        "missing, and one of two readings is gone",
        "it was read once more",
        "a substitute is not as good",
        "an older reading says nothing new",
        "a true one is better",
        "something was found on it",
        "another definition of a sum",
        "a sum without the part whose readings are gone",
        "a sum of nothing",
    ],
)
def test_what_stays(new: Value | None, standing: Value, own: bool, kept: bool) -> None:
    assert stays(new, standing, GONE, own=own) is kept
    assert not stays(new, standing, NOTHING_GONE, own=own)
