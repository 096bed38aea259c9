"""Clocks that are off: what a reading says of one, what it means, and in which words."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd import clocks
from gatewayd.model import Kind, Reading
from gatewayd.obis import Obis
from gatewayd.policy import POLICY, Policy
from tests.gatewayd.doubles import reading

QUARTER = timedelta(minutes=15)


def clock(seconds: str = "-3.2") -> Reading:
    return replace(reading("12:00", "0-0:1.0.0"), more=(seconds,), meter_time="12:00")


@given(st.integers(-(10**9), 10**9))
def test_a_deviation_is_the_first_text_behind_the_clock(tenths: int) -> None:
    sign = "-" if tenths < 0 else ""
    text = f"{sign}{abs(tenths) // 10}.{abs(tenths) % 10}"
    assert clocks.deviation_of(clock(text)) == timedelta(milliseconds=100 * tenths)


@pytest.mark.parametrize(
    "other",
    [
        replace(clock(), more=()),
        replace(clock(), meter_time=""),
        replace(clock(), obis=Obis.parse("1.8.0")),
        replace(clock(), obis=None),
        replace(clock(), kind=Kind.EVENT),
        clock("right"),
        clock("9" * 16),
        clock("9" * 40),
    ],
)
def test_what_says_nothing_of_a_clock(other: Reading) -> None:
    assert clocks.deviation_of(other) is None


def test_the_limit_itself_is_allowed() -> None:
    limit = POLICY.clock_limit
    assert limit == timedelta(seconds=9)
    assert not clocks.is_off(limit, POLICY)
    assert not clocks.is_off(-limit, POLICY)
    assert clocks.is_off(limit + timedelta(milliseconds=100), POLICY)
    assert clocks.is_off(-limit - timedelta(milliseconds=100), POLICY)


def test_a_clock_half_an_interval_off_is_no_witness() -> None:
    assert clocks.is_evidence(None, POLICY)
    assert clocks.is_evidence(QUARTER / 2, POLICY)
    assert not clocks.is_evidence(QUARTER / 2 + timedelta(seconds=1), POLICY)
    assert not clocks.is_evidence(-QUARTER, POLICY)
    assert clocks.is_evidence(QUARTER, Policy(period=timedelta(days=1)))


@pytest.mark.parametrize(
    ("one", "meter", "gateway"),
    [
        (reading(kind=Kind.INTERVAL), True, False),
        (reading(kind=Kind.MAXIMUM), True, True),
        (replace(reading(kind=Kind.MAXIMUM), meter_time="2611211915"), True, False),
        (reading(), False, True),
        (replace(reading(), meter_time="2611211915"), True, False),
        (reading(kind=Kind.EVENT), False, False),
    ],
)
def test_whose_clock_says_when_a_value_was(one: Reading, meter: bool, gateway: bool) -> None:
    assert (clocks.by_meter(one), clocks.by_gateway(one)) == (meter, gateway)


@pytest.mark.parametrize(
    ("limit", "words"),
    [(timedelta(seconds=9), "9"), (timedelta(seconds=100), "100"), (timedelta(milliseconds=500), "0.5")],
)
def test_the_alarm_names_the_limit_and_no_number_that_changes(limit: timedelta, words: str) -> None:
    assert clocks.alarm_text(Policy(clock_limit=limit)) == f"the clock is more than {words} s off"


@pytest.mark.parametrize(("tenths", "words"), [(123, "+12.3 s"), (-123, "-12.3 s"), (0, "+0.0 s"), (600, "+60.0 s")])
def test_a_deviation_in_words(tenths: int, words: str) -> None:
    assert clocks.text_of(timedelta(milliseconds=100 * tenths)) == words
