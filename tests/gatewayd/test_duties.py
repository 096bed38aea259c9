"""One duty: when it is due after what came of it, and after a clock that was set."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.duties import AGE, PAUSES, Brought, Duty, Pending, Priority, Terms
from gatewayd.errors import GatewayError, MeterDiffers, MeterRefused, MeterSilent, ProtocolError
from gatewayd.model import Increments, LoadProfile, Order, Registers
from gatewayd.obis import Obis
from gatewayd.schedule import At, Boundaries, Every, Rhythm, Served
from tests.gatewayd.doubles import START

PRAGUE = ZoneInfo("Europe/Prague")
TERMS = Terms(PRAGUE)
PROFILE = LoadProfile(Obis.parse("1-0:99.1.0"))
REGISTERS = Registers()
QUARTER = Every(timedelta(minutes=15))
DAILY = At(time(0, 20))
MIDNIGHT = datetime(2026, 11, 21, 23, 20, tzinfo=UTC)
"""The first time of DAILY behind START, which is 21:00 legal time."""
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
NONSENSE = ProtocolError("nonsense")


def pending(
    rhythm: Rhythm = QUARTER, order: Order = REGISTERS, served: datetime | None = None, now: datetime = START
) -> Pending:
    known = None if served is None else Served(served, served)
    return Pending(Duty("em-1", order, rhythm), TERMS, now, known)


def fail(one: Pending, at: datetime, fault: GatewayError = NONSENSE) -> datetime:
    one.failed(fault, at, at)
    return one.due


def do(one: Pending, at: datetime, left: int = 0, *, gained: bool = True) -> datetime:
    one.sound(Brought(None, left, gained), at, at)
    return one.due


# -- after a start -----------------------------------------------------------------------------------------------------


def test_after_a_start() -> None:
    assert pending(QUARTER).due == START
    assert pending(DAILY).due == MIDNIGHT
    assert pending(DAILY, PROFILE).due == START, "a new profile is filled at once"
    assert pending(DAILY, PROFILE, START - HOUR).due == MIDNIGHT
    assert pending(DAILY, served=START - DAY).due == START, "missed, and due at once"
    assert pending(DAILY, served=START + 3650 * DAY).due == MIDNIGHT


def test_a_run_that_was_missed_is_done_once() -> None:
    one = pending(DAILY, served=START - 9 * DAY)
    assert do(one, START) == MIDNIGHT


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_fault_is_tried_again_after_longer_and_longer_pauses_until_the_regular_time() -> None:
    one, at, pauses = pending(DAILY), MIDNIGHT, []
    while (due := fail(one, at)) < MIDNIGHT + DAY:
        pauses.append((due - at).total_seconds())
        at = due
    assert pauses[:8] == [*PAUSES, 3600]
    assert set(pauses[6:]) == {3600.0}
    assert due == MIDNIGHT + DAY
    assert (fail(one, due) - due).total_seconds() == 10, "and from the beginning"


@given(st.floats(0, 1, exclude_max=True))
def test_pauses_are_half_as_long_at_the_least(fraction: float) -> None:
    one = Pending(Duty("em-1", REGISTERS, DAILY), Terms(PRAGUE, lambda: fraction), START)
    assert timedelta(seconds=5) <= fail(one, MIDNIGHT) - MIDNIGHT <= timedelta(seconds=10)


def test_after_so_many_retries_it_waits_where_each_costs_money() -> None:
    one = Pending(Duty("em-1", REGISTERS, DAILY), Terms(PRAGUE, pauses=(30, 120), retries=3), START)
    at, pauses = MIDNIGHT, []
    while (due := fail(one, at)) < MIDNIGHT + DAY:
        pauses.append((due - at).total_seconds())
        at = due
    assert pauses == [30, 120, 120]


@pytest.mark.parametrize("fault", [MeterRefused("no"), MeterDiffers("other")])
def test_what_would_be_the_same_again_is_not_asked_again(fault: GatewayError) -> None:
    one = pending(DAILY)
    assert fail(one, MIDNIGHT, fault) == MIDNIGHT + DAY


def test_a_success_ends_the_pauses() -> None:
    one = pending(DAILY)
    at = fail(one, fail(one, MIDNIGHT))
    assert do(one, at) == MIDNIGHT + DAY
    assert fail(one, MIDNIGHT + DAY) == MIDNIGHT + DAY + 10 * SECOND


def test_what_was_not_tried_goes_along_with_what_was() -> None:
    lead, other = pending(QUARTER), pending(DAILY)
    fail(lead, MIDNIGHT, MeterSilent("silent"))
    other.goes_along(lead, MeterSilent("silent"), MIDNIGHT, MIDNIGHT)
    assert other.due == lead.due == MIDNIGHT + 10 * SECOND
    refused = pending(DAILY)
    refused.goes_along(lead, MeterRefused("no"), MIDNIGHT, MIDNIGHT)
    assert refused.due == MIDNIGHT + DAY


def test_a_session_that_ends_behind_the_next_time_leaves_that_due() -> None:
    boundaries = pending(Boundaries(timedelta(minutes=1)), Increments((Obis.parse("1.8.0"),), timedelta(minutes=1)))
    boundaries.sound(Brought(None), START - SECOND, START + 70 * SECOND)
    assert boundaries.due == START, "begun before the boundary, so that this one is read late"
    often = pending(Every(timedelta(minutes=1)))
    often.sound(Brought(None), START, START + 70 * SECOND)
    assert often.due == START + 120 * SECOND, "once, and not once for each time"


# -- back-fill ---------------------------------------------------------------------------------------------------------


def test_what_is_left_of_a_profile_is_due_at_once_as_back_fill() -> None:
    one = pending(DAILY, PROFILE)
    at = START + SECOND
    assert one.priority(START, START) is Priority.SCHEDULED
    assert do(one, at, left=1000) == at
    assert one.priority(at, at) is Priority.BACKFILL
    assert one.needed == MIDNIGHT
    assert do(one, at, left=0) == MIDNIGHT


def test_back_fill_that_fails_pauses_and_stays_back_fill() -> None:
    one = pending(DAILY, PROFILE)
    do(one, START, left=1000)
    due = fail(one, START)
    assert due == START + 10 * SECOND and one.priority(due, due) is Priority.BACKFILL
    assert fail(one, due) == due + 30 * SECOND


def test_back_fill_that_brings_nothing_does_not_turn_in_circles() -> None:
    one = pending(DAILY, PROFILE)
    do(one, START, left=7)
    due = do(one, START, left=7, gained=False)
    assert due == START + 10 * SECOND
    assert do(one, due, left=7, gained=False) == due + 30 * SECOND
    assert do(one, due, left=6, gained=False) == due, "an empty piece less is progress"


def test_at_its_regular_time_it_is_scheduled_again() -> None:
    one = pending(DAILY, PROFILE)
    do(one, START, left=1000)
    assert one.priority(START, MIDNIGHT - SECOND) > Priority.SCHEDULED or MIDNIGHT - START > AGE
    assert one.priority(MIDNIGHT, MIDNIGHT) is Priority.SCHEDULED


# -- priorities --------------------------------------------------------------------------------------------------------


def test_priorities_and_ages() -> None:
    boundary = pending(Boundaries(timedelta(minutes=15)), Increments((Obis.parse("1.8.0"),), timedelta(minutes=15)))
    assert boundary.priority(START, START) is Priority.BOUNDARY
    assert pending(QUARTER).priority(START, START) is Priority.SCHEDULED
    retry = pending(DAILY)
    due = fail(retry, MIDNIGHT)
    assert retry.priority(due, due) is Priority.RETRY
    assert retry.priority(due, due + AGE - SECOND) is Priority.RETRY
    assert retry.priority(due, due + AGE) is Priority.SCHEDULED
    assert retry.priority(due, due + 2 * AGE) is Priority.BOUNDARY


# -- clocks that are set -----------------------------------------------------------------------------------------------


def test_a_clock_set_back_by_years_keeps_nothing_waiting() -> None:
    for one in (pending(QUARTER), pending(DAILY), pending(DAILY, PROFILE), pending(At(time(0, 5), 1))):
        do(one, START)
        now = START - 3650 * DAY
        one.set_back(START, now)
        assert now < one.due <= now + 32 * DAY


@pytest.mark.parametrize("back", [timedelta(minutes=2), timedelta(hours=3), timedelta(hours=23)])
def test_a_clock_set_back_by_less_than_a_day_runs_nothing_twice_for_one_day(back: timedelta) -> None:
    one = pending(DAILY)
    ran = MIDNIGHT + timedelta(minutes=1)
    do(one, ran)
    one.set_back(ran, ran - back)
    assert one.due == MIDNIGHT + DAY


@pytest.mark.parametrize("back", [timedelta(minutes=2), timedelta(hours=3), timedelta(hours=23)])
def test_what_is_late_when_the_clock_is_set_back_is_due_all_the_same_and_done_once(back: timedelta) -> None:
    one = pending(DAILY)
    seen = MIDNIGHT + timedelta(minutes=1)
    now = seen - back
    one.set_back(seen, now)
    assert one.due <= now
    assert do(one, now) == MIDNIGHT + DAY


def test_every_goes_on_after_any_set_back() -> None:
    one = pending(QUARTER)
    do(one, START)
    now = START - timedelta(minutes=31)
    one.set_back(START, now)
    assert one.due == START - timedelta(minutes=30)


def test_a_retry_is_not_put_off_by_more_than_the_longest_pause() -> None:
    one = pending(DAILY)
    for _ in range(9):
        due = fail(one, MIDNIGHT)
    assert due == MIDNIGHT + HOUR
    now = MIDNIGHT - timedelta(hours=20)
    one.set_back(MIDNIGHT, now)
    assert one.due == now + HOUR


def test_a_retry_behind_a_set_back_is_for_the_day_that_had_begun() -> None:
    one = pending(DAILY)
    fail(one, MIDNIGHT)
    now = MIDNIGHT - timedelta(hours=3)
    one.set_back(MIDNIGHT, now)
    assert do(one, one.due) == MIDNIGHT + DAY


def test_a_clock_that_was_at_1970_does_not_run_again_what_is_done() -> None:
    """Done today, then a start with a clock without a battery, which is set two days later in its own time."""
    one = pending(DAILY, served=MIDNIGHT, now=datetime(1970, 1, 1, 12, tzinfo=UTC))
    assert one.due == datetime(1970, 1, 1, 23, 20, tzinfo=UTC)
    do(one, one.due)
    assert one.due == datetime(1970, 1, 2, 23, 20, tzinfo=UTC)
    now = MIDNIGHT + timedelta(hours=3)
    one.set_forward(now)
    assert one.due == MIDNIGHT + DAY


def test_a_clock_that_was_at_1970_runs_at_once_what_was_missed() -> None:
    one = pending(DAILY, served=MIDNIGHT - 2 * DAY, now=datetime(1970, 1, 1, 12, tzinfo=UTC))
    now = MIDNIGHT + timedelta(hours=3)
    one.set_forward(now)
    assert one.due <= now
    assert do(one, now) == MIDNIGHT + DAY


def test_to_be_put_off_is_to_wait_for_a_regular_time() -> None:
    one = pending(QUARTER)
    fail(one, START)
    one.put_off(START + timedelta(minutes=20))
    assert one.due == START + timedelta(minutes=30)
