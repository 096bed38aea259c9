"""What the line owes, step by step: when is asked, when is waited, which answer is whose. Time is a number here."""

from __future__ import annotations

import pytest

from drivers.modbus.wire.connection import TcpExchange
from drivers.modbus.wire.dialogue import Action, Answered, Drain, Send, Settings, Transport, Wait
from drivers.modbus.wire.pdu import Function, Identify, Read, Refused, Request, Words
from drivers.modbus.wire.rtu import HEARD_LIMIT, Damaged, Stranger, frame
from drivers.modbus.wire.transaction import DOUBLES_LASTS, DOUBT_LASTS, DOUBTS, RtuExchange, exchange
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.modbus.rtu_bytes import rtu

SETTINGS = Settings(timeout_s=1.0, late_s=3.0, gap_s=0.25)
ONE = Read(Function.READ_HOLDING_REGISTERS, 100, 1)
SAME_LENGTH = Read(Function.READ_HOLDING_REGISTERS, 500, 1)
LONGER = Read(Function.READ_HOLDING_REGISTERS, 500, 2)
OTHER_FUNCTION = Read(Function.READ_INPUT_REGISTERS, 500, 1)

REFUSED = rtu("01 83 02")


def answer(value: int, request: Read = ONE, unit: int = 1) -> bytes:
    """A reply whose registers all hold `value`."""
    content = value.to_bytes(2, "big") * request.count
    return rtu(bytes((unit, request.function, len(content))).hex() + content.hex())


def words(value: int, request: Read = ONE) -> tuple[Action, ...]:
    return (Answered(Words(value.to_bytes(2, "big") * request.count)),)


def sent(request: Request, until: float, unit: int = 1) -> tuple[Action, ...]:
    return Send(frame(unit, request.encoded)), Wait(until)


def asked(line: RtuExchange, unit: int, request: Request, now: float) -> tuple[Action, ...]:
    """What follows when there is nothing to be heard at `now`."""
    actions = line.start(unit, request, now)
    return line.expired(now) if actions == (Drain(now),) else actions


def begun(settings: Settings = SETTINGS) -> RtuExchange:
    """An exchange that has listened to the line and is answered once, at 0."""
    line = RtuExchange(settings)
    asked(line, 1, OTHER_FUNCTION, -settings.pause_s)
    if settings.pause_s:
        line.expired(0.0)
    line.feed(answer(0, OTHER_FUNCTION), 0.0)
    return line


def silent(line: RtuExchange, request: Read, now: float, unit: int = 1) -> None:
    """Asked at `now`, and not answered in time."""
    assert asked(line, unit, request, now) == sent(request, now + 1.0, unit)
    with pytest.raises(MeterSilent, match="does not answer"):
        line.expired(now + 1.0)


# -- what is owed ----------------------------------------------------------------------------------------------------


def test_one_after_the_other() -> None:
    line = begun()
    for number in range(1, 5):
        assert asked(line, 1, ONE, float(number)) == sent(ONE, number + 1.0)
        assert not line.settled(number + 0.1)
        assert line.feed(answer(number), number + 0.1) == words(number)
        assert line.settled(number + 0.1)
        assert line.leave(number + 0.1) == ()


def test_after_a_time_out_nothing_is_sent_until_the_late_answer_has_come() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert not line.settled(2.0)
    assert asked(line, 1, SAME_LENGTH, 2.5) == (Drain(4.0),)
    late = answer(100)
    assert line.feed(late[:4], 2.8) == (Drain(4.0),)
    assert line.feed(late[4:], 2.9) == sent(SAME_LENGTH, 3.9)
    assert line.feed(answer(500), 3.0) == words(500)


def test_a_late_exception_settles_as_well() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert asked(line, 1, SAME_LENGTH, 2.5) == (Drain(4.0),)
    assert line.feed(REFUSED, 2.9) == sent(SAME_LENGTH, 3.9)


@pytest.mark.parametrize(
    "other",
    [answer(1, unit=2), answer(1, LONGER), answer(1, OTHER_FUNCTION), answer(1)[:-1] + b"\x00", b"\x00\xff"],
    ids=["unit", "length", "function", "damaged", "noise"],
)
def test_what_does_not_fit_settles_nothing(other: bytes) -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert asked(line, 1, SAME_LENGTH, 2.0) == (Drain(4.0),)
    assert line.feed(other, 2.5) == (Drain(4.0),)
    assert line.expired(3.9) == (Drain(4.0),)
    assert line.expired(4.0) == sent(SAME_LENGTH, 5.0)


def test_time_settles_only_when_late_s_has_passed_since_the_request_left() -> None:
    line = begun(Settings(timeout_s=1.0, late_s=3.0, character_s=0.01))
    assert asked(line, 1, ONE, 1.0) == sent(ONE, 2.08)
    with pytest.raises(MeterSilent):
        line.expired(2.08)
    assert not line.settled(4.07)
    assert line.settled(4.08)
    assert asked(line, 1, ONE, 4.0) == (Drain(4.08),)


# -- what is doubtful ------------------------------------------------------------------------------------------------


def test_after_time_alone_the_next_request_is_asked_twice_and_the_first_answer_thrown_away() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert asked(line, 1, SAME_LENGTH, 10.0) == sent(SAME_LENGTH, 11.0)
    assert line.feed(answer(100), 10.1) == sent(SAME_LENGTH, 11.1)  # whose it was nobody knows
    assert line.feed(answer(500), 10.2) == words(500)


def test_the_same_request_is_asked_twice_too() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert asked(line, 1, ONE, 10.0) == sent(ONE, 11.0)
    assert line.feed(answer(1), 10.1) == sent(ONE, 11.1)
    assert line.feed(answer(2), 10.2) == words(2)


def test_the_answer_to_the_first_asking_is_never_the_next_request_s() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    asked(line, 1, SAME_LENGTH, 10.0)
    line.feed(answer(100), 10.1)  # the late one it was, indeed: two answers to the request are still to come
    assert line.feed(answer(500), 10.2) == words(500)
    assert asked(line, 1, ONE, 11.0) == sent(ONE, 12.0)
    assert line.feed(answer(500), 11.1) == sent(ONE, 12.1)
    assert line.feed(answer(100), 11.2) == words(100)


@pytest.mark.parametrize("request_", [LONGER, OTHER_FUNCTION], ids=["length", "function"])
def test_an_answer_that_only_the_present_request_can_have_is_taken_at_once(request_: Read) -> None:
    line = begun()
    silent(line, ONE, 1.0)
    asked(line, 1, request_, 10.0)
    assert line.feed(answer(7, request_), 10.1) == words(7, request_)
    # And it says that the late one never comes, as a line answers in order.
    assert asked(line, 1, SAME_LENGTH, 11.0) == sent(SAME_LENGTH, 12.0)
    assert line.feed(answer(500), 11.1) == words(500)


def test_another_unit_is_not_confused() -> None:
    line = begun()
    silent(line, ONE, 1.0, unit=2)
    asked(line, 1, SAME_LENGTH, 10.0)
    assert line.feed(answer(500), 10.1) == words(500)


def test_a_doubtful_answer_that_comes_is_passed_over() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert asked(line, 1, LONGER, 10.0) == sent(LONGER, 11.0)
    assert line.feed(answer(100), 10.1) == (Wait(11.0),)
    assert line.feed(answer(7, LONGER), 10.2) == words(7, LONGER)
    assert asked(line, 1, SAME_LENGTH, 11.0) == sent(SAME_LENGTH, 12.0)
    assert line.feed(answer(500), 11.1) == words(500)


def test_an_exception_says_only_unit_and_function() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    asked(line, 1, LONGER, 10.0)
    assert line.feed(REFUSED, 10.1) == sent(LONGER, 11.1)
    assert line.feed(rtu("01 83 03"), 10.2) == (Answered(Refused(3)),)


def test_several_doubts() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    silent(line, ONE, 10.0)
    asked(line, 1, SAME_LENGTH, 20.0)
    assert line.feed(answer(1), 20.1) == sent(SAME_LENGTH, 21.1)
    assert line.feed(answer(2), 20.2) == sent(SAME_LENGTH, 21.2)
    assert line.feed(answer(3), 20.3) == words(3)


def test_several_doubtful_answers_in_one_piece_are_one_reason_to_ask_again() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    silent(line, ONE, 10.0)
    asked(line, 1, SAME_LENGTH, 20.0)
    assert line.feed(answer(1) + answer(2), 20.1) == sent(SAME_LENGTH, 21.1)
    assert line.feed(answer(3), 20.2) == words(3)


def test_half_of_a_late_answer_that_lies_before_the_request() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    late = answer(100)
    asked(line, 1, SAME_LENGTH, 3.9)
    line.feed(late[:3], 3.95)
    assert line.expired(4.0) == sent(SAME_LENGTH, 5.0)
    assert line.feed(late[3:], 4.1) == (Wait(5.0),)  # it began before the request: no reason to ask again
    assert line.feed(answer(500), 4.2) == words(500)


@pytest.mark.parametrize("doubts", [0, 1])
def test_what_began_before_a_request_never_answers_it(doubts: int) -> None:
    line = begun()
    for _ in range(doubts):
        silent(line, ONE, 1.0)
    foreign = answer(66, LONGER)
    line.feed(foreign[:4], 9.0)
    assert asked(line, 1, LONGER, 10.0) == sent(LONGER, 11.0)
    line.feed(foreign[4:], 10.1)
    assert line.feed(answer(7, LONGER), 10.2) == words(7, LONGER)


def test_doubts_do_not_last_for_ever() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert line.leave(2.0) == (Drain(4.0),)
    assert line.expired(4.0) == ()
    at = 1.0 + DOUBT_LASTS * SETTINGS.late_s
    assert asked(line, 1, SAME_LENGTH, at) == sent(SAME_LENGTH, at + 1)
    assert line.feed(answer(500), at + 0.1) == words(500)


def test_what_nobody_was_there_to_hear_is_doubtful_until_it_has_come() -> None:
    """The connection broke; a serial server keeps the answer for whoever connects next, a quarter of an hour later."""
    line = begun()
    assert asked(line, 1, ONE, 1.0) == sent(ONE, 2.0)
    line.leave(1.2)
    line.expired(900.0)
    assert asked(line, 1, SAME_LENGTH, 900.1) == sent(SAME_LENGTH, 901.1)
    assert line.feed(answer(100), 900.2) == sent(SAME_LENGTH, 901.2)
    assert line.feed(answer(500), 900.3) == words(500)
    assert asked(line, 1, SAME_LENGTH, 1900.0) == sent(SAME_LENGTH, 1901.0)
    assert line.feed(answer(501), 1900.1) == words(501)  # settled: nothing is asked twice for ever


def test_another_meter_of_the_line_has_its_own_patience_and_the_same_debt() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    line.adapt(Settings(timeout_s=0.5, late_s=0.5))
    assert not line.settled(3.9)
    assert asked(line, 1, SAME_LENGTH, 2.0) == (Drain(4.0),)
    assert line.expired(4.0) == sent(SAME_LENGTH, 4.5)
    assert line.feed(answer(100), 4.1) == sent(SAME_LENGTH, 4.6)
    assert line.feed(answer(500), 4.2) == words(500)


def test_only_so_many_doubts_are_kept() -> None:
    settings = Settings(timeout_s=0.01, late_s=0.01, gap_s=0.0)
    line = begun(settings)
    for number in range(DOUBTS + 3):
        asked(line, 1, ONE, 1.0 + number / 100)
        with pytest.raises(MeterSilent):
            line.expired(1.01 + number / 100)
    now = 1.0 + (DOUBTS + 3) / 100
    actions = asked(line, 1, SAME_LENGTH, now)
    askings = 0
    while actions == sent(SAME_LENGTH, now + 0.01):
        askings += 1
        actions = line.feed(answer(askings), now)
    assert actions == words(askings)
    # What left before 0.1 s (ten times late_s) is gone, eight of the rest are kept.
    assert askings == DOUBTS + 1


# -- cancellation and leaving ----------------------------------------------------------------------------------------


def test_whoever_leaves_in_the_middle_hears_the_answer_out() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    line.feed(answer(100)[:3], 1.1)
    assert line.leave(1.2) == (Drain(4.0),)
    assert not line.settled(1.3)
    assert line.feed(answer(100)[3:], 1.4) == ()
    assert line.settled(1.4)


def test_leaving_ends_when_late_s_has_passed() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    assert line.leave(1.2) == (Drain(4.0),)
    for now in (1.5, 2.5, 3.99):
        assert line.feed(b"\x00", now) == (Drain(4.0),)
    assert line.expired(4.0) == ()


def test_leaving_behind_a_time_out() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert line.leave(2.0) == (Drain(4.0),)
    assert line.leave(4.0) == ()


def test_a_request_that_waits_for_its_turn_and_is_given_up_was_never_sent() -> None:
    line = begun()
    silent(line, ONE, 1.0)
    assert asked(line, 1, LONGER, 2.0) == (Drain(4.0),)
    assert line.leave(2.5) == (Drain(4.0),)
    assert line.expired(4.0) == ()
    asked(line, 1, LONGER, 10.0)
    assert line.feed(answer(7, LONGER), 10.1) == words(7, LONGER)


def test_the_next_request_may_follow_a_cancellation_at_once() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    line.leave(1.2)
    assert asked(line, 1, SAME_LENGTH, 1.3) == (Drain(4.0),)
    assert line.feed(answer(100), 1.4) == sent(SAME_LENGTH, 2.4)
    assert line.feed(answer(500), 1.5) == words(500)


def test_given_up_between_the_askings_of_one_request() -> None:
    line = begun(Settings(timeout_s=1.0, late_s=3.0, pause_s=0.1))
    asked(line, 1, ONE, 1.0)
    with pytest.raises(MeterSilent):
        line.expired(2.0)
    asked(line, 1, SAME_LENGTH, 10.0)
    assert line.feed(answer(100), 10.1) == (Drain(10.2),)  # before it is asked again
    assert line.leave(10.15) == (Drain(13.0),)  # the first asking may be answered yet


def test_an_answer_between_the_askings_is_taken() -> None:
    line = begun(Settings(timeout_s=1.0, late_s=3.0, pause_s=0.1))
    asked(line, 1, ONE, 1.0)
    with pytest.raises(MeterSilent):
        line.expired(2.0)
    asked(line, 1, SAME_LENGTH, 10.0)
    assert line.feed(answer(100), 10.1) == (Drain(10.2),)
    assert line.feed(answer(500), 10.15) == words(500)


# -- before a request ------------------------------------------------------------------------------------------------


def test_what_lies_in_the_line_at_the_beginning_is_nobody_s() -> None:
    line = RtuExchange(SETTINGS)
    assert line.start(1, ONE, 5.0) == (Drain(5.0),)
    assert line.feed(answer(100), 5.0) == sent(ONE, 6.0)
    assert line.feed(answer(1), 5.1) == words(1)


def test_at_the_beginning_is_listened_for_the_pause() -> None:
    assert RtuExchange(Settings(pause_s=0.5)).start(1, ONE, 5.0) == (Drain(5.5),)


def test_what_came_while_nobody_listened_is_heard_before_the_next_request() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    line.feed(answer(1), 1.1)
    assert line.start(1, SAME_LENGTH, 2.0) == (Drain(2.0),)
    assert line.feed(answer(1), 2.0) == (Drain(4.0),)  # the line doubles
    assert line.expired(4.0) == sent(SAME_LENGTH, 5.0)


def test_silence_before_a_request() -> None:
    line = begun(Settings(pause_s=0.5))
    assert asked(line, 1, ONE, 0.2) == (Drain(0.5),)
    assert line.feed(b"\x00", 0.4) == (Drain(0.9),)
    assert line.expired(0.9) == sent(ONE, 1.9)


def test_a_line_that_is_never_quiet_is_asked_all_the_same() -> None:
    line = begun(Settings(pause_s=0.5))
    actions, now = asked(line, 1, ONE, 0.2), 0.2
    while isinstance(actions[-1], Drain):
        now += 0.1
        actions = line.feed(b"\x00", now)
    assert actions == sent(ONE, now + 1.0)
    assert now == pytest.approx(3.2)


@pytest.mark.parametrize("unit", [0, 248, -1])
def test_nobody_is_broadcast_to(unit: int) -> None:
    line = begun()
    with pytest.raises(ValueError, match="expected 1 to 247"):
        asked(line, unit, ONE, 1.0)
    assert asked(line, 1, ONE, 1.0) == sent(ONE, 2.0)


def test_one_request_at_a_time() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    with pytest.raises(ValueError, match="under way"):
        asked(line, 1, ONE, 1.1)
    with pytest.raises(MeterSilent):
        line.expired(2.0)
    asked(line, 1, ONE, 2.0)
    with pytest.raises(ValueError, match="under way"):
        asked(line, 1, ONE, 2.1)


# -- patience --------------------------------------------------------------------------------------------------------


def test_an_answer_that_has_begun_is_heard_out() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    data = answer(1)
    assert line.feed(data[:2], 1.9) == (Wait(2.15),)
    assert line.feed(data[2:4], 2.1) == (Wait(2.35),)
    assert line.expired(2.2) == (Wait(2.35),)
    assert line.feed(data[4:], 2.3) == words(1)


def test_an_answer_that_drips_is_not_waited_for_beyond_late_s() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    now = 1.9
    with pytest.raises(ProtocolError):
        while now < 10.0:
            line.feed(b"\x01", now)
            now += 0.2
    assert now < 4.2


def test_a_line_that_only_drips_strangers_is_not_waited_for() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    with pytest.raises(MeterSilent):
        line.feed(b"", 2.0)


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (answer(1)[:-1], Damaged, "breaks off"),
        (answer(1)[:-1] + b"\x00", Damaged, "wrong CRC"),
        (answer(1, unit=2), Stranger, "is answered by unit 2"),
        (answer(1, LONGER), Stranger, "answers 4 octets, where 2"),
        (b"\xff\x00\xff", Damaged, "no frame"),
    ],
)
def test_what_came_instead_is_told_and_owed(data: bytes, kind: type[ProtocolError], says: str) -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    assert line.feed(data, 1.5) == (Wait(2.0),)
    with pytest.raises(kind, match=says) as caught:
        line.expired(2.0)
    assert caught.value.raw == data
    assert asked(line, 1, ONE, 2.0) == (Drain(4.0),)


def test_only_the_echo_came() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    assert line.feed(frame(1, ONE.encoded), 1.1) == (Wait(2.0),)
    with pytest.raises(MeterSilent):
        line.expired(2.0)


def test_an_answer_that_came_before_the_echo_is_not_this_request_s() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    assert line.feed(answer(66) + frame(1, ONE.encoded) + answer(1), 1.1) == words(1)


def test_a_line_that_talks_without_end() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    with pytest.raises(Damaged, match="no answer among them"):
        for _ in range(HEARD_LIMIT // 100 + 1):
            line.feed(bytes(100), 1.1)
    assert not line.settled(1.2)


def test_answers_without_end_are_not_asked_for_without_end() -> None:
    line = begun(Settings(timeout_s=1.0, late_s=1.0))
    for number in range(4):
        silent(line, ONE, 1.0 + number)
    actions, askings = asked(line, 1, SAME_LENGTH, 5.0), 1
    while not isinstance(actions[0], Answered):
        assert askings <= 5
        actions = line.feed(answer(1), 5.0)
        askings += isinstance(actions[0], Send)
    assert askings == 5


# -- what comes twice ------------------------------------------------------------------------------------------------


def test_a_second_answer_behind_the_first_is_dropped() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    assert line.feed(answer(1) + answer(1), 1.1) == words(1)
    assert line.leave(1.2) == (Drain(4.0),)  # this line doubles: see below


def test_where_requests_are_doubled_nothing_is_sent_that_could_be_confused() -> None:
    line = begun(Settings(repeats=True))
    assert asked(line, 1, ONE, 1.0) == sent(ONE, 2.0)
    assert line.feed(answer(1), 1.1) == words(1)
    assert asked(line, 1, SAME_LENGTH, 1.2) == (Drain(4.0),)
    assert line.feed(answer(1), 2.0) == (Drain(4.0),)
    assert line.expired(4.0) == sent(SAME_LENGTH, 5.0)
    assert line.feed(answer(2), 4.1) == words(2)
    assert asked(line, 2, ONE, 4.2) == sent(ONE, 5.2, unit=2)
    assert line.feed(answer(2), 4.3) == (Wait(5.2),)
    assert line.feed(answer(3, unit=2), 4.4) == words(3)
    # The exception of a second answer says nothing of the length.
    assert asked(line, 1, LONGER, 4.5) == (Drain(7.0),)


def test_where_requests_are_doubled_the_last_asking_counts() -> None:
    line = begun(Settings(repeats=True))
    silent(line, ONE, 1.0)
    assert asked(line, 1, SAME_LENGTH, 10.0) == sent(SAME_LENGTH, 11.0)
    assert line.feed(answer(1), 10.1) == (Drain(13.0),)  # doubtful, and the first asking may bring two
    assert line.expired(13.0) == sent(SAME_LENGTH, 14.0)
    assert line.feed(answer(2), 13.1) == words(2)
    assert asked(line, 1, ONE, 13.2) == (Drain(16.0),)


def test_the_first_answer_too_many_says_that_the_line_doubles() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    line.feed(answer(1), 1.1)
    assert asked(line, 1, SAME_LENGTH, 1.2) == sent(SAME_LENGTH, 2.2)
    line.feed(answer(2), 1.3)
    asked(line, 1, OTHER_FUNCTION, 1.4)
    assert line.feed(answer(2), 1.5) == (Wait(2.4),)
    assert line.feed(answer(3, OTHER_FUNCTION), 1.6) == words(3, OTHER_FUNCTION)
    assert asked(line, 1, ONE, 1.7) == (Drain(4.2),)


def test_one_answer_too_many_does_not_make_a_line_slow_for_ever() -> None:
    line = begun()
    asked(line, 1, ONE, 1.0)
    assert line.feed(answer(1) + answer(1), 1.1) == words(1)
    assert asked(line, 1, SAME_LENGTH, 1.2) == (Drain(4.0),)
    assert line.expired(4.0) == sent(SAME_LENGTH, 5.0)
    assert line.feed(answer(2), 4.1) == words(2)
    for number in range(1, DOUBLES_LASTS):
        asked(line, 1, ONE, 10.0 * number)
        assert line.feed(answer(number), 10.0 * number + 0.1) == words(number)
        assert line.settled(10.0 * number + 0.1) is (number == DOUBLES_LASTS - 1)
    assert asked(line, 1, SAME_LENGTH, 10.0 * number + 0.2) == sent(SAME_LENGTH, 10.0 * number + 1.2)


def test_a_line_that_doubles_is_left_when_nothing_can_come_any_more() -> None:
    line = begun(Settings(repeats=True))
    asked(line, 1, ONE, 1.0)
    line.feed(answer(1), 1.1)
    assert line.leave(1.2) == (Drain(4.0),)
    assert line.expired(4.0) == ()


# -- when nobody asks ------------------------------------------------------------------------------------------------


def test_octets_that_nobody_waits_for() -> None:
    line = begun()
    assert line.feed(b"\x00" * 5000, 0.5) == ()
    assert line.feed(answer(66), 0.5) == ()
    assert line.expired(0.6) == ()
    asked(line, 1, ONE, 1.0)
    assert line.feed(answer(1), 1.1) == words(1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_s": 0.0},
        {"timeout_s": 4.0, "late_s": 3.0},
        {"gap_s": -1.0},
        {"pause_s": -1.0},
        {"character_s": -1.0},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Settings(**wrong)  # type: ignore[arg-type]  # repeats is not among them


def test_the_exchange_of_a_transport() -> None:
    assert isinstance(exchange(Transport.RTU, SETTINGS), RtuExchange)
    assert isinstance(exchange(Transport.TCP, SETTINGS), TcpExchange)


def test_identification_over_rtu() -> None:
    line = begun()
    asked(line, 1, Identify(1), 1.0)
    (answered,) = line.feed(rtu("01 2B 0E 01 01 00 00 01 00 01 41"), 1.1)
    assert isinstance(answered, Answered)
