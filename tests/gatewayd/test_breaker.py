"""Lines that fail: when nobody on them is asked, for how long, and what closes the breaker."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.breaker import FIRST_PAUSE, LONGEST_PAUSE, OPENS_AFTER, Breaker, Condition
from tests.gatewayd.doubles import START

SECOND = timedelta(seconds=1)


def test_the_third_failure_in_a_row_opens_it() -> None:
    breaker = Breaker(1, lambda: 1.0)
    assert [breaker.failed("em-1", START) for _ in range(3)] == [False, False, True]
    assert breaker.condition(START) is Condition.OPEN
    assert breaker.ready(START) == START + SECOND
    assert breaker.condition(START + SECOND) is Condition.HALF_OPEN
    assert breaker.failures == OPENS_AFTER


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(1, lambda: 1.0)
    for _ in range(5):
        assert not breaker.failed("em-1", START)
        assert not breaker.failed("em-1", START)
        assert breaker.answered() == 0
    assert breaker.condition(START) is Condition.CLOSED
    assert breaker.ready(START) == START


def test_the_pauses_double_up_to_five_minutes() -> None:
    breaker, now, pauses = Breaker(1, lambda: 1.0), START, []
    for _ in range(14):
        breaker.failed("em-1", now)
        pauses.append((breaker.ready(now) - now).total_seconds())
        now = breaker.ready(now)
    assert pauses == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert breaker.answered() == 14
    assert breaker.condition(now) is Condition.CLOSED
    assert [breaker.failed("em-1", now) for _ in range(3)] == [False, False, True]
    assert breaker.ready(now) - now == FIRST_PAUSE, "from the beginning"


@given(st.floats(0, 1, exclude_max=True), st.integers(3, 40))
def test_the_jitter_is_full(fraction: float, failures: int) -> None:
    breaker = Breaker(1, lambda: fraction)
    for _ in range(failures):
        breaker.failed("em-1", START)
    longest = min(FIRST_PAUSE * 2 ** (failures - 3), LONGEST_PAUSE)
    assert abs(breaker.ready(START) - START - longest * fraction) <= timedelta(microseconds=1)


def test_one_meter_of_several_does_not_condemn_the_line() -> None:
    """Whoever makes a line hang up costs his own slot."""
    breaker = Breaker(8, lambda: 1.0)
    assert not any(breaker.failed("em-7", START) for _ in range(50))
    assert breaker.condition(START) is Condition.CLOSED
    assert breaker.failed("em-1", START)


@pytest.mark.parametrize("back", [SECOND, timedelta(hours=3), timedelta(days=3650)])
def test_a_clock_that_is_set_back_makes_no_pause_longer(back: timedelta) -> None:
    breaker = Breaker(1, lambda: 1.0)
    for _ in range(20):
        breaker.failed("em-1", START)
    now = START - back
    assert breaker.ready(now) <= now + LONGEST_PAUSE
    assert breaker.condition(now + LONGEST_PAUSE) is Condition.HALF_OPEN


def test_who_has_not_failed_comes_first_and_waits_for_a_second_at_most() -> None:
    """Meters that make the line hang up keep nobody from it: they take turns behind the others."""
    breaker = Breaker(8, lambda: 1.0)
    assert breaker.turn("em-0") == 0
    for meter in ("em-0", "em-1", "em-0", "em-0", "em-1", "em-0", "em-1", "em-0"):
        breaker.failed(meter, START)
    assert sorted(["em-0", "em-1", "em-2"], key=breaker.turn) == ["em-2", "em-1", "em-0"]
    assert set(breaker.failing) == {"em-0", "em-1"}
    assert breaker.ready(START) == breaker.ready(START, "em-1") == START + 32 * SECOND
    assert breaker.ready(START, "em-2") == START + SECOND
    assert breaker.ready(START - timedelta(days=1), "em-2") <= START - timedelta(days=1) + SECOND
    breaker.answered()
    assert breaker.turn("em-0") == breaker.turn("em-2") == 0 and not breaker.failing
