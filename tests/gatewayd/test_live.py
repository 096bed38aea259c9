"""What is known of meters, and what the log tells of them: each change once."""

import logging
from datetime import timedelta

import pytest

from gatewayd.errors import ChannelError, MeterRefused, MeterSilent, PasswordUnclear
from gatewayd.live import Meters, MeterState
from tests.gatewayd.doubles import START

GONE = ChannelError("line bus: gone")


def states(meters: Meters) -> dict[str, MeterState]:
    return {one.meter: one for one in meters.states({}, {}, (), ())}


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_a_meter_is_read_again_when_each_of_its_jobs_is(told: pytest.LogCaptureFixture) -> None:
    meters = Meters("bus", ["em-1", "em-1", "em-2"])
    meters.note(0, MeterSilent("em-1 is silent"), START)
    meters.note(1, MeterSilent("em-1 is silent still"), START + timedelta(minutes=1))
    meters.note(0, None, START)
    assert meters.faults == {"em-1": "em-1 is silent still"}
    assert states(meters)["em-1"].fault_since == START
    meters.note(1, None, START)
    assert meters.faults == {} and states(meters)["em-1"].fault_since is None
    assert told.messages == ["em-1 is silent", "meter em-1 on line bus is read again"]


@pytest.mark.parametrize("fault", [PasswordUnclear("cut"), MeterRefused("no")])
def test_a_password_that_failed_and_works_again_is_told_twice(
    told: pytest.LogCaptureFixture, fault: MeterRefused
) -> None:
    meters = Meters("bus", ["em-1"])
    meters.note(0, fault, START)
    meters.note(0, None, START)
    assert len(told.messages) == 2 and told.messages[1] == "meter em-1 on line bus is read again"


def test_what_the_line_tells_is_not_told_of_each_meter(told: pytest.LogCaptureFixture) -> None:
    meters = Meters("bus", [f"em-{n}" for n in range(8)])
    meters.note(0, GONE, START)
    for place in range(1, 8):
        meters.note(place, GONE, START, quiet=True)
    meters.told_by_the_line()
    assert len(meters.faults) == 8
    for place in range(7):
        meters.note(place, None, START)
    assert told.messages == ["line bus: gone"]
    meters.note(7, MeterSilent("em-7 is silent"), START)
    assert told.messages[1:] == ["em-7 is silent"], "that is its own"


def test_what_a_session_tells() -> None:
    meters = Meters("bus", ["em-1"], ["em-1", "em-9"])
    meters.session("em-1", START, 12.5, timedelta(seconds=-3), sound=True)
    meters.session("em-1", START + timedelta(hours=1), 60.0, None, sound=False)
    one, beside = meters.states({"em-1": START}, {"em-1": 7}, ["em-1"], ())
    assert (one.last_success, one.seconds, one.deviation) == (START, 60.0, timedelta(seconds=-3))
    assert (one.next_due, one.left, one.silent, one.dead) == (START, 7, True, False)
    assert beside == MeterState("em-9")
