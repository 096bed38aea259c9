"""What is counted in memory."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.model import Outcome, RawStatus
from gatewayd.tallies import COMMIT_BOUNDS, RESULTS, SESSION_BOUNDS, Commits, Histogram, Sessions, decimal


def test_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram(("0.5", "1"))
    for seconds in (0.0, 0.5, 0.500001, 1.0, 1.5, 900.0):
        histogram.observe(seconds)
    assert histogram.counts == (2, 2, 2)
    assert histogram.total == "903.500001"


@pytest.mark.parametrize("bounds", [SESSION_BOUNDS, COMMIT_BOUNDS])
def test_bounds_ascend(bounds: tuple[str, ...]) -> None:
    assert sorted(bounds, key=Decimal) == list(bounds)


@given(st.integers(-(10**21), 10**21))
def test_nanoseconds_are_exact(nanoseconds: int) -> None:
    text = decimal(nanoseconds)
    assert Decimal(text).scaleb(9) == nanoseconds
    assert "E" not in text and not (text.endswith("0") and "." in text)


def test_sessions_count_each_order_and_time_only_those_that_asked() -> None:
    tally = Sessions()
    tally.ended("dlms", ("done", "done", "silent"), 0.3)
    tally.ended("dlms", ("done",), None)
    tally.ended("modbus", ("refused",), 2.0)
    assert dict(tally.reads) == {("dlms", "done"): 3, ("dlms", "silent"): 1, ("modbus", "refused"): 1}
    assert {driver: sum(one.counts) for driver, one in tally.seconds.items()} == {"dlms": 1, "modbus": 1}


def test_commits_have_every_status_from_the_beginning() -> None:
    tally = Commits()
    assert tally.readings == dict.fromkeys(RawStatus, 0)
    tally.confirmed([RawStatus.TRUE, RawStatus.MISSING, RawStatus.TRUE], ["done", "silent"], 0.002)
    assert (tally.readings[RawStatus.TRUE], tally.readings[RawStatus.MISSING]) == (2, 1)
    assert (tally.exchanges["done"], tally.exchanges["silent"]) == (1, 1)
    assert set(tally.exchanges) == {outcome.value for outcome in Outcome}


def test_every_end_of_an_exchange_that_a_fault_may_have_is_a_result() -> None:
    ends = {outcome.value for outcome in Outcome} - {"check_failed", "truncated"}  # those are protocol errors
    assert ends <= set(RESULTS)
