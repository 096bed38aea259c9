"""The beginning of a session: wake-up (IEC 62056-21:2002 annex B), request, identification, rate, list to read."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from drivers.iec62056_21.wire.readout import ReadoutSession, readout_session
from drivers.iec62056_21.wire.session import Send, SessionSettings, SetRate, Wait
from drivers.iec62056_21.wire.sign_on import SignOn
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.iec62056_21.conversation import (
    BLOCK,
    IDENTIFICATION,
    MODE_C,
    OPTION,
    SIGN_ON,
    Conversation,
    Said,
    answers,
)
from tests.drivers.iec62056_21.interview import BREAK

SLEEPY = SessionSettings(wake_up=2.2, wake_up_pause=1.6)
NULS = bytes(66)
"""2.2 s at 300 Bd, ten bits a character."""


# -- wake-up ---------------------------------------------------------------------------------------------------------


def test_the_meter_is_woken_and_then_left_alone_before_it_is_asked() -> None:
    conversation = Conversation(SLEEPY, answers(MODE_C))
    conversation.run()
    assert conversation.actions[:4] == [SetRate(300), Send(NULS), SetRate(300), Send(SIGN_ON)]
    assert conversation.at(Send(SIGN_ON)) == pytest.approx(2.2 + 1.6)


def test_the_wake_up_lasts_as_long_at_any_rate() -> None:
    actions = SignOn(SessionSettings(wake_up=2.2, wake_up_pause=1.6, start_baud=2400)).start(10.0)
    assert actions == (SetRate(2400), Send(bytes(528)), Wait(pytest.approx(13.8)))  # type: ignore[arg-type]


def test_what_comes_while_the_meter_wakes_is_nothing() -> None:
    """The echo of NUL, and what a meter says when it is torn from its sleep."""

    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        if heard == NULS:
            return [Said(at - 1.0, bytes(30)), Said(at + 0.5, b"/XYZ5no\r\n"), Said(at + 1.0, b"\x7f" * 5000)]
        return answers(MODE_C)(heard, at, baud)

    conversation = Conversation(SLEEPY, meter)
    telegram = conversation.run()
    assert telegram.identification is not None
    assert telegram.identification.raw == IDENTIFICATION
    assert conversation.at(Send(SIGN_ON)) == pytest.approx(3.8)


def test_bytes_that_come_late_in_the_pause_do_not_prolong_it() -> None:
    session = SignOn(SLEEPY)
    session.start(0.0)
    assert session.feed(b"\x00", 1.0) == (Wait(pytest.approx(3.8)),)  # type: ignore[arg-type]
    assert session.feed(b"\x00", 3.9)[1] == Send(SIGN_ON)


def test_each_repetition_wakes_the_meter_again() -> None:
    conversation = Conversation(SessionSettings(wake_up=2.2, wake_up_pause=1.6, attempts=2))
    with pytest.raises(MeterSilent):
        conversation.run()
    assert [action for action in conversation.actions if isinstance(action, Send)] == [
        Send(NULS),
        Send(SIGN_ON),
    ] * 2


# -- what came before the identification -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "echoed", "unclear"),
    [(b"", False, False), (b"\x00\x7f\xff", False, False), (SIGN_ON, True, True), (b"/?x\r\n", False, True)],
)
def test_whether_the_line_has_an_echo(before: bytes, echoed: bool, unclear: bool) -> None:
    sign_on = SignOn(SessionSettings())
    sign_on.start(0.0)
    assert sign_on.feed(before + IDENTIFICATION + b"rest", 0.1) == ()
    assert (sign_on.done, sign_on.echoed, sign_on.unclear, sign_on.rest) == (True, echoed, unclear, b"rest")


# -- lists, rates and leaving ----------------------------------------------------------------------------------------


def test_another_list_is_asked_for() -> None:
    session = ReadoutSession(SessionSettings(address="77"), "2")
    assert session.start(0.0)[1] == Send(b"/277!\r\n")


def test_a_rate_of_our_own_goes_before_what_the_meter_offers() -> None:
    forced = SessionSettings(baud_after_sign_on=2400)
    table = {SIGN_ON: IDENTIFICATION, b"\x06030\r\n": BLOCK}
    conversation = Conversation(forced, answers(table))
    conversation.run()
    assert conversation.actions[2:] == [Send(b"\x06030\r\n"), SetRate(2400)]
    for identification in (b"/ABC meter\r\n", b"/ABCEmeter\r\n"):
        for mode in ("A", "C"):
            settings = SessionSettings(mode=mode, baud_after_sign_on=2400)
            conversation = Conversation(settings, answers({SIGN_ON: identification + BLOCK}))
            conversation.run()
            assert conversation.actions[2:] == [SetRate(2400)]


def test_the_highest_rate_may_depend_on_the_meter() -> None:
    seen = []

    def highest(identification: object) -> int:
        seen.append(str(identification))
        return 4800

    conversation = Conversation(
        SessionSettings(max_baud_of=highest), answers({SIGN_ON: IDENTIFICATION, b"\x06040\r\n": BLOCK})
    )
    conversation.run()
    assert conversation.actions[3] == SetRate(4800)
    assert seen == ["/ISK5MT174-0001"]


def test_a_readout_is_left_with_a_break_from_the_identification_to_the_end_of_the_block() -> None:
    stations = [IDENTIFICATION, b"\x7f", BLOCK[:9], BLOCK[9:-1]]
    for count in range(len(stations) + 1):
        session = ReadoutSession(SessionSettings())
        session.start(0.0)
        for said in stations[:count]:
            session.feed(said, 1.0)
        assert session.close(2.0) == ((Send(BREAK), SetRate(300)) if count else ())
        assert session.close(2.0) == session.feed(BLOCK, 2.0) == session.expired(9.0) == ()


def test_a_readout_that_is_complete_needs_no_break_and_one_that_stopped_does() -> None:
    for said, left in ((BLOCK, ()), (BLOCK[:-1] + b"x", ()), (BLOCK[:-5], (Send(BREAK), SetRate(300)))):
        session = ReadoutSession(SessionSettings())
        session.start(0.0)
        session.feed(IDENTIFICATION, 1.0)
        session.feed(said, 1.0)
        session.expired(9.0)
        assert session.close(9.0) == left


def test_a_readout_that_broke_off_is_left_with_a_break() -> None:
    session = ReadoutSession(SessionSettings())
    session.start(0.0)
    session.feed(IDENTIFICATION, 1.0)
    with pytest.raises(ProtocolError):
        session.feed(b"x" * 5000, 1.0)
    assert session.close(2.0) == (Send(BREAK), SetRate(300))


def test_nothing_is_said_to_a_meter_that_pushes() -> None:
    session = readout_session(SessionSettings(mode="D"))
    session.start(0.0)
    session.feed(IDENTIFICATION, 1.0)
    assert session.close(1.0) == ()
    assert session.feed(b"1(1)\r\n!\r\n", 1.0) == ()


def test_the_option_is_that_of_a_readout() -> None:
    assert OPTION == b"\x06050\r\n"
