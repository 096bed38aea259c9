"""Programming mode as a state machine: IEC 62056-21:2002 6.3.5, 6.3.6 and 6.4.3.2, on lines that misbehave.

Messages are written by hand or by interview.py; the clock is simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest

from drivers.iec62056_21.wire.outgoing import Login
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.session import (
    Action,
    Answered,
    CommandError,
    Event,
    Ready,
    Send,
    SessionSettings,
    SetRate,
    Wait,
    on_the_wire,
)
from drivers.iec62056_21.wire.telegram import TELEGRAM_LIMIT, Check
from gatewayd.errors import GatewayError, MeterDiffers, MeterRefused, MeterSilent, PasswordUnclear, ProtocolError
from tests.drivers.iec62056_21.conversation import BLOCK, IDENTIFICATION, OPTION, SIGN_ON, Said, every, in_pieces
from tests.drivers.iec62056_21.interview import (
    ACK,
    BREAK,
    ENTER,
    ERROR,
    NAK,
    OPTION_P,
    P0,
    P1,
    Interview,
    command,
    interview,
    knows,
    plays,
    reply,
    spoilt,
)

R5 = bytes.fromhex("01 52 35 02 31 2E 38 2E 30 28 29 03 5E")
"""SOH R5 STX 1.8.0() ETX BCC: 52 ^ 35 ^ 02 ^ 31 ^ 2E ^ 38 ^ 2E ^ 30 ^ 28 ^ 29 ^ 03 = 5E."""
READ = ("R5", "1.8.0()")
VALUE = b"1.8.0(0008048.375*kWh)"
R6 = command("R6", "P.01(;)")
TABLE = ("R6", "P.01(;)")


def no_password(_: object) -> Login:
    return Login()


def telegram(event: Event) -> tuple[bytes, Check]:
    assert isinstance(event, Answered)
    return event.telegram.data, event.telegram.check


def fails(
    error: type[GatewayError], match: str, table: dict[bytes, Sequence[bytes]], *commands: tuple[str, str]
) -> Interview:
    """The interview that ended with this error; the session was closed behind it."""
    held = Interview(SessionSettings(), plays(table), commands=commands)
    with pytest.raises(error, match=match):
        held.hold()
    return held


# -- into programming mode -------------------------------------------------------------------------------------------


def test_sign_on_password_command_break() -> None:
    held, events = interview({**ENTER, R5: [reply(VALUE)]}, READ)
    assert held.actions == [
        SetRate(300),
        Send(SIGN_ON),
        Send(OPTION_P),
        SetRate(9600),
        Send(P1, secret=True),
        Send(R5),
        Send(BREAK),
        SetRate(300),
    ]
    assert events[0] == Ready("00000000")
    assert telegram(events[1]) == (VALUE, Check.RIGHT)
    assert isinstance(events[1], Answered)
    assert events[1].blocks == 1
    assert events[1].telegram.identification == held.programming.identification is not None


def test_the_rate_changes_right_behind_the_acknowledgement() -> None:
    session = ProgrammingSession(SessionSettings(), knows)
    session.start(0.0)
    actions = session.feed(IDENTIFICATION, 1.0)
    assert actions == (Send(OPTION_P), SetRate(9600), Wait(pytest.approx(1.0 + 6 / 30 + 2.0)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p0", "operand"),
    [
        (P0, "00000000"),
        (command("P0", "()"), ""),
        (command("P0", ""), ""),
        (command("P0"), ""),
        (ACK, ""),
        (command("P0", "(1A2B)"), "1A2B"),
    ],
)
def test_meters_answer_the_request_for_programming_mode_in_many_ways(p0: bytes, operand: str) -> None:
    assert interview({**ENTER, OPTION_P: [p0]})[1] == [Ready(operand)]


def test_without_a_password_commands_follow_at_once() -> None:
    held, events = interview({**ENTER, R5: [reply(VALUE)]}, READ, login=no_password)
    assert held.sent == [SIGN_ON, OPTION_P, R5, BREAK]
    assert len(events) == 2


def test_a_lower_rate_and_a_rate_of_our_own() -> None:
    low = {**ENTER, b"\x06031\r\n": [P0]}
    assert SetRate(2400) in interview(low, max_baud=2400)[0].actions
    assert SetRate(2400) in interview(low, baud_after_sign_on=2400)[0].actions
    assert SetRate(2400) in interview(low, max_baud_of=lambda identification: 2400)[0].actions
    high = {**ENTER, b"\x06061\r\n": [P0]}
    assert SetRate(19200) in interview(high, baud_after_sign_on=19200)[0].actions


def test_a_lost_acknowledgement_begins_again_and_stops_what_the_meter_may_be_sending() -> None:
    held, events = interview({**ENTER, OPTION_P: [b"", P0]})
    assert events == [Ready("00000000")]
    assert held.sent == [SIGN_ON, OPTION_P, BREAK, BREAK, SIGN_ON, OPTION_P, P1, BREAK]
    assert held.actions[3:7] == [SetRate(9600), Send(BREAK), SetRate(300), Send(BREAK)]
    assert held.at(Send(SIGN_ON), 1) - held.at(Send(BREAK), 1) == pytest.approx(1.5)


def test_programming_mode_is_asked_for_as_often_as_is_signed_on() -> None:
    held = fails(MeterSilent, "fell silent", {SIGN_ON: [IDENTIFICATION]})
    assert held.sent.count(OPTION_P) == 3
    assert held.sent[-1] == BREAK


def test_a_meter_that_reads_itself_out_instead() -> None:
    held = fails(MeterDiffers, "access: readout", {**ENTER, OPTION_P: [BLOCK]})
    assert held.sent == [SIGN_ON, OPTION_P, BREAK]


@pytest.mark.parametrize("answer", [BREAK, ERROR])
def test_a_meter_that_lets_nobody_in(answer: bytes) -> None:
    """No password was sent, so that it may be tried again at the next regular time."""
    held = fails(MeterDiffers, "programming mode", {**ENTER, OPTION_P: [answer]})
    assert P1 not in held.sent


def test_a_garbled_p0_is_asked_for_again() -> None:
    held, events = interview({**ENTER, OPTION_P: [spoilt(P0)], NAK: [spoilt(P0), P0]})
    assert events == [Ready("00000000")]
    assert held.sent.count(NAK) == 2
    held = fails(ProtocolError, "garbled", {**ENTER, OPTION_P: [spoilt(P0)], NAK: [spoilt(P0)]})
    assert held.sent.count(NAK) == 3
    assert P1 not in held.sent


@pytest.mark.parametrize("identification", [b"/ABC-meter\r\n", b"/ABCEmeter\r\n"])
def test_a_meter_without_a_rate_to_choose_has_no_programming_mode(identification: bytes) -> None:
    held = fails(MeterDiffers, "no programming mode", {SIGN_ON: [identification]})
    assert held.sent == [SIGN_ON, BREAK]


def test_a_login_that_is_not_there_ends_the_session_behind_the_identification() -> None:
    def missing(_: object) -> Login:
        raise MeterDiffers("needs a password")

    held = Interview(SessionSettings(), plays(ENTER), login=missing)
    with pytest.raises(MeterDiffers):
        held.hold()
    assert held.sent == [SIGN_ON, BREAK]


# -- the password ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [BREAK, ERROR, reply(b"(ERR1)"), reply(b"(ER07)"), reply(b"(1)"), command("B0")])
def test_a_refused_password(answer: bytes) -> None:
    held = fails(MeterRefused, "refused the password", {**ENTER, P1: [answer]}, READ)
    assert held.sent == [SIGN_ON, OPTION_P, P1, BREAK]


def test_nak_is_no_reason_to_send_the_password_again() -> None:
    """It may have been garbled on its way, or wrong: the meter counts it."""
    held = fails(PasswordUnclear, "NAK to the password", {**ENTER, P1: [NAK, ACK]})
    assert held.sent == [SIGN_ON, OPTION_P, P1, BREAK]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x7f\x7f",
        b"garbage",
        spoilt(ERROR),
        spoilt(reply(b"(1)")),
        P0,
        NAK + b"x",
        b"\x02(ERR",
        reply(b"(ERROR)", last=False)[:-1],
    ],
)
def test_a_password_is_never_sent_again_after_silence_or_garbage(answer: bytes) -> None:
    held = fails(PasswordUnclear, "may have counted it", {**ENTER, P1: [answer]}, READ)
    assert held.sent == [SIGN_ON, OPTION_P, P1, BREAK]


def test_a_meter_that_says_nak_without_end_is_given_up() -> None:
    def meter(heard: bytes, at: float, baud: int) -> Iterable[Said]:
        return every(0.2, NAK, at + 0.3) if heard == P1 else plays(ENTER)(heard, at, baud)

    held = Interview(SessionSettings(), meter, longest=300)
    with pytest.raises(PasswordUnclear, match="may have counted it"):
        held.hold()
    assert held.sent.count(P1) == 1
    assert held.elapsed < 60


def test_a_late_answer_to_the_password_is_waited_for() -> None:
    held, events = interview(ENTER, delay=1.5)
    assert len(events) == 1
    assert held.sent.count(P1) == 1


def test_no_error_action_or_session_shows_the_password() -> None:
    secret = "(Geheim77)"
    message = command("P1", secret)

    def login(_: object) -> Login:
        return Login("P1", secret)

    for said in (b"garbage", message + b"garbage", message[1:] + b"x", b"\x02" + message[1:], message[:-3]):
        held = Interview(SessionSettings(), plays({**ENTER, message: [said]}), login=login)
        with pytest.raises(PasswordUnclear) as caught:
            held.hold()
        assert "Geheim77" not in f"{caught.value} {caught.value!r} {held.programming!r} {login(None)!r}"
        assert held.sent[2] == message
        assert "Geheim77" not in repr([action for _, action in held.log])
    assert repr(Send(b"x")) == "Send(b'x')"


# -- commands --------------------------------------------------------------------------------------------------------


def test_a_command_that_the_meter_does_not_do() -> None:
    for text in ("(ERROR)", "1.8.0(ERROR)", "(ERR2)"):
        held, events = interview({**ENTER, R5: [reply(text.encode()), reply(VALUE)]}, READ, READ)
        assert isinstance(events[1], CommandError)
        assert events[1].text in text
        assert events[1].understood
        assert telegram(events[2]) == (VALUE, Check.RIGHT)
        assert held.sent.count(R5) == 2


def test_nak_repeats_a_command_and_then_it_is_an_error_and_the_session_goes_on() -> None:
    held, events = interview({**ENTER, R5: [NAK, NAK, NAK, reply(VALUE)]}, READ)
    assert telegram(events[1]) == (VALUE, Check.RIGHT)
    assert held.sent.count(R5) == 4
    other = command("R5", "2.8.0()")
    held, events = interview({**ENTER, R5: [NAK], other: [reply(b"(1)")]}, READ, ("R5", "2.8.0()"))
    assert events[1] == CommandError("NAK", understood=False)
    assert telegram(events[2]) == (b"(1)", Check.RIGHT)
    assert held.sent.count(R5) == 4


def test_a_meter_that_falls_silent() -> None:
    held = fails(MeterSilent, "fell silent", dict(ENTER), READ)
    assert held.sent == [SIGN_ON, OPTION_P, P1, R5, BREAK]
    fails(ProtocolError, "nothing that is allowed", {**ENTER, R5: [b"what?"]}, READ)


@pytest.mark.parametrize("answer", [BREAK, reply(VALUE, last=False) + BREAK, command("B0", "")])
def test_a_meter_that_ends_the_session(answer: bytes) -> None:
    held = fails(ProtocolError, "ended the session", {**ENTER, R5: [answer], ACK: [BREAK]}, READ)
    assert held.sent[-1] == BREAK


def test_a_meter_that_ends_the_session_where_no_password_was_sent() -> None:
    held = Interview(SessionSettings(), plays({**ENTER, R5: [BREAK]}), commands=(READ,), login=no_password)
    with pytest.raises(ProtocolError, match=r"ended the session.*password_file.*login: password"):
        held.hold()
    with pytest.raises(ProtocolError, match=r"ended the session by itself$"):
        interview({**ENTER, R5: [BREAK]}, READ)


def test_a_meter_that_ends_the_session_behind_an_answer() -> None:
    held = fails(ProtocolError, "ended the session", {**ENTER, R5: [reply(VALUE) + BREAK]}, READ, READ)
    assert held.sent.count(R5) == 1
    assert telegram(held.events[-1]) == (VALUE, Check.RIGHT)


@pytest.mark.parametrize("behind", [b"\x02(9", b"\x01P", reply(b"(9)"), b"\x7f" * 4000, NAK, spoilt(reply(b"(9)"))])
def test_what_comes_behind_an_answer_is_not_the_next_one(behind: bytes) -> None:
    other = command("R5", "2.8.0()")
    table = {**ENTER, R5: [reply(VALUE) + behind], other: [b"\x7f" * 4000 + reply(b"(1)")]}
    _, events = interview(table, READ, ("R5", "2.8.0()"))
    assert [telegram(event) for event in events[1:]] == [(VALUE, Check.RIGHT), (b"(1)", Check.RIGHT)]


def test_a_command_before_the_session_is_ready_is_refused() -> None:
    session = ProgrammingSession(SessionSettings(), knows)
    with pytest.raises(ProtocolError, match="not ready"):
        session.command("R5", "1.8.0()", 0.0)
    session.start(0.0)
    with pytest.raises(ProtocolError, match="not ready"):
        session.command("R5", "1.8.0()", 0.0)


# -- blocks ----------------------------------------------------------------------------------------------------------

PARTS = (b"P.01(1)\r\n(1)", b"\r\n(2)", b"\r\n(3)\r\n")
WHOLE = b"".join(PARTS)
FIRST, SECOND, THIRD = reply(PARTS[0], last=False), reply(PARTS[1], last=False), reply(PARTS[2])


def test_partial_blocks_are_acknowledged_and_joined() -> None:
    held, events = interview({**ENTER, R6: [FIRST], ACK: [SECOND, THIRD]}, TABLE)
    assert telegram(events[1]) == (WHOLE, Check.RIGHT)
    assert isinstance(events[1], Answered)
    assert events[1].blocks == 3
    assert held.sent[3:] == [R6, ACK, ACK, BREAK]


def test_a_partial_block_with_a_wrong_check_character_is_asked_for_again_and_counts_once() -> None:
    table = {**ENTER, R6: [spoilt(FIRST)], NAK: [spoilt(FIRST), FIRST, SECOND], ACK: [spoilt(SECOND), THIRD]}
    held, events = interview(table, TABLE)
    assert telegram(events[1]) == (WHOLE, Check.RIGHT)
    assert held.sent[3:] == [R6, NAK, NAK, ACK, NAK, ACK, BREAK]


def test_a_partial_block_that_never_comes_right_is_kept_and_the_answer_is_not_sound() -> None:
    table = {**ENTER, R6: [spoilt(FIRST)], NAK: [spoilt(FIRST)], ACK: [SECOND, THIRD]}
    held, events = interview(table, TABLE)
    assert telegram(events[1]) == (WHOLE, Check.BCC_WRONG)
    assert isinstance(events[1], Answered)
    assert events[1].telegram.detail.startswith("block 1: block check character ")
    assert held.sent[3:] == [R6, NAK, NAK, NAK, ACK, ACK, BREAK]


def test_a_last_block_that_never_comes_right_is_kept_as_well() -> None:
    table = {**ENTER, R6: [FIRST], ACK: [SECOND, spoilt(THIRD)], NAK: [spoilt(THIRD)]}
    held, events = interview(table, TABLE)
    assert telegram(events[1]) == (WHOLE, Check.BCC_WRONG)
    assert held.sent.count(NAK) == 3


def test_an_answer_of_one_block_is_asked_for_twice_again_and_then_kept() -> None:
    held, events = interview({**ENTER, R5: [spoilt(reply(VALUE))], NAK: [spoilt(reply(VALUE)), reply(VALUE)]}, READ)
    assert telegram(events[1]) == (VALUE, Check.RIGHT)
    held, events = interview({**ENTER, R5: [spoilt(reply(VALUE))], NAK: [spoilt(reply(VALUE))]}, READ)
    assert telegram(events[1]) == (VALUE, Check.BCC_WRONG)
    assert held.sent[3:] == [R5, NAK, NAK, BREAK]


def test_a_meter_that_does_not_repeat_a_block_leaves_the_copy_that_there_is() -> None:
    held, events = interview({**ENTER, R5: [spoilt(reply(VALUE))]}, READ)
    assert telegram(events[1]) == (VALUE, Check.BCC_WRONG)
    held, events = interview({**ENTER, R5: [spoilt(reply(VALUE))], NAK: [NAK]}, READ)
    assert telegram(events[1]) == (VALUE, Check.BCC_WRONG)
    assert held.sent.count(NAK) == 4  # that one, and the three times that it was not understood


def test_an_error_with_a_wrong_check_character_is_not_believed() -> None:
    _, events = interview({**ENTER, R5: [spoilt(ERROR)], NAK: [reply(VALUE)]}, READ)
    assert telegram(events[1]) == (VALUE, Check.RIGHT)


@pytest.mark.parametrize(
    ("table", "data"),
    [
        ({R6: [FIRST], ACK: [b""]}, PARTS[0]),
        ({R6: [FIRST], ACK: [SECOND[:-4]]}, PARTS[0] + PARTS[1][:-2]),
        ({R6: [FIRST], ACK: [SECOND, THIRD[:-1]]}, WHOLE),
        ({R6: [FIRST[:-1]]}, PARTS[0]),
        ({R6: [FIRST], ACK: [NAK]}, PARTS[0]),
        ({R6: [spoilt(FIRST)], NAK: [b""]}, PARTS[0]),
    ],
)
def test_an_answer_that_stops_is_kept_and_cut_short(table: dict[bytes, Sequence[bytes]], data: bytes) -> None:
    _, events = interview({**ENTER, **table}, TABLE)
    assert telegram(events[1]) == (data, Check.CUT_SHORT)
    assert isinstance(events[1], Answered)
    assert "stops" in events[1].telegram.detail


def test_nothing_is_asked_for_again_after_silence() -> None:
    """Nobody would know which block comes then."""
    held, _ = interview({**ENTER, R6: [FIRST], ACK: [b""], NAK: [FIRST]}, TABLE)
    assert held.sent[3:] == [R6, ACK, BREAK]


# -- answers that come late ------------------------------------------------------------------------------------------


def each_with_its_delay(table: dict[bytes, tuple[float, bytes]], *commands: tuple[str, str]) -> Interview:
    """An interview with a meter that answers each message after so many seconds."""

    def hear(message: bytes, at: float, baud: int) -> list[Said]:
        delay, said = table.get(message, (0.0, b""))
        return [Said(at + delay, said)] if said else []

    enter = {message: (0.3, entries[0]) for message, entries in ENTER.items()}
    table = {**enter, **table}
    held = Interview(SessionSettings(), hear, commands=commands)
    held.hold()
    return held


IMPORT, EXPORT = ("R5", "1.8.0()"), ("R5", "2.8.0()")


@pytest.mark.parametrize("late", [2.1, 3.9])
def test_a_late_copy_is_not_the_answer_to_the_next_command(late: float) -> None:
    held = each_with_its_delay(
        {
            command(*IMPORT): (0.3, spoilt(reply(b"(111*kWh)"))),
            NAK: (late, reply(b"(111*kWh)")),
            command(*EXPORT): (0.3, reply(b"(222*kWh)")),
        },
        IMPORT,
        EXPORT,
    )
    assert [telegram(event) for event in held.events[1:]] == [
        (b"(111*kWh)", Check.BCC_WRONG),
        (b"(222*kWh)", Check.RIGHT),
    ]


def test_a_late_block_is_not_the_answer_to_the_next_command() -> None:
    held = each_with_its_delay({R6: (0.3, FIRST), ACK: (2.3, THIRD), command(*EXPORT): (0.3, ERROR)}, TABLE, EXPORT)
    assert telegram(held.events[1]) == (PARTS[0], Check.CUT_SHORT)
    assert held.events[2:] == [CommandError("ERROR")]
    assert held.sent[3:] == [R6, ACK, command(*EXPORT), BREAK]


def test_the_line_is_quiet_for_the_time_of_an_answer_before_the_next_command() -> None:
    table = {R6: (0.3, FIRST), command(*EXPORT): (0.3, reply(b"(222*kWh)"))}
    for late in (0.0, 2.5, 3.0):
        held = each_with_its_delay({**table, **({ACK: (late, b"\x7f")} if late else {})}, TABLE, EXPORT)
        heard = held.at(Send(ACK)) + max(on_the_wire(1, 9600) + SessionSettings().response_timeout, late)
        assert held.at(Send(command(*EXPORT))) - heard == pytest.approx(SessionSettings().response_timeout, abs=0.01)


def test_a_meter_that_goes_on_for_ever_behind_an_answer_that_had_stopped_is_given_up() -> None:
    def hear(message: bytes, at: float, baud: int) -> Iterable[Said]:
        return every(1.0, b"x", at + 2.5) if message == ACK else plays({**ENTER, R6: [FIRST]})(message, at, baud)

    held = Interview(SessionSettings(), hear, commands=(TABLE, EXPORT))
    with pytest.raises(ProtocolError, match="goes on"):
        held.hold()
    assert held.elapsed < 60
    assert held.sent[-2:] == [ACK, BREAK]


def test_a_sound_answer_is_followed_by_the_next_command_at_once() -> None:
    held, _ = interview({**ENTER, command(*IMPORT): [reply(b"(1)")], command(*EXPORT): [ERROR]}, IMPORT, EXPORT)
    gap = held.at(Send(command(*EXPORT))) - held.at(Send(command(*IMPORT)))
    assert gap < 0.4


def test_behind_an_answer_that_came_whole_nothing_is_waited_for_any_more() -> None:
    held, events = interview({**ENTER, R6: [FIRST], command(*EXPORT): [reply(b"(222*kWh)")]}, TABLE, EXPORT, EXPORT)
    assert [telegram(event)[1] for event in events[1:]] == [Check.CUT_SHORT, Check.RIGHT, Check.RIGHT]
    asked = Send(command(*EXPORT))
    assert held.at(asked, 1) - held.at(asked) < 0.4


def test_an_answer_without_a_value_is_no_echo_of_its_command() -> None:
    _, events = interview({**ENTER, R5: [reply(b"1.8.0()")]}, READ)
    assert telegram(events[1]) == (b"1.8.0()", Check.RIGHT)


def test_a_nak_to_the_password_is_believed_when_nothing_follows_it() -> None:
    held = fails(PasswordUnclear, "NAK", {**ENTER, P1: [NAK]})
    assert held.at(Send(BREAK)) - held.at(Send(P1, secret=True)) == pytest.approx(0.6, abs=0.05)
    held, events = interview({**ENTER, P1: [NAK + ACK]})  # the NAK was the end of a garbled echo
    assert events == [Ready("00000000")]


def test_equal_blocks_are_not_taken_for_repeated_ones() -> None:
    row = reply(b"(0.000)\r\n", last=False)
    _, events = interview({**ENTER, R6: [row], ACK: [row, row, reply(b"(0.000)\r\n")]}, TABLE)
    assert telegram(events[1]) == (b"(0.000)\r\n" * 4, Check.RIGHT)


def test_blocks_are_counted_for_the_loop_and_noise_is_no_telegram() -> None:
    session = ProgrammingSession(SessionSettings(), knows)
    session.start(0.0)
    for said in (IDENTIFICATION, P0, ACK):
        session.feed(said, 1.0)
    session.command("R6", "P.01(;)", 1.0)
    seen = []
    for said in (b"\x7f", FIRST[:5], FIRST[5:], b"\x00", SECOND[:-1], SECOND[-1:], spoilt(THIRD), THIRD):
        session.feed(said, 1.1)
        seen.append((session.in_telegram, session.blocks))
    assert seen == [
        (False, 0),
        (True, 0),
        (False, 1),
        (False, 1),
        (True, 1),
        (False, 2),
        (False, 2),
        (False, 3),
    ]


# -- echo ------------------------------------------------------------------------------------------------------------


def garbling(*places: int) -> Callable[[bytes], bytes]:
    """An echo that is wrong at these places."""

    def echo(message: bytes) -> bytes:
        return bytes(byte ^ 0x48 if place in places else byte for place, byte in enumerate(message))

    return echo


ECHOES: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda message: message,
    "noise before": lambda message: b"\x00\x7f\xff" + message,
    "parity": lambda message: bytes(byte | 0x80 for byte in message),
    "garbled": garbling(1, 4, 7, 9),
    "head garbled": garbling(0, 1),
    "end garbled": lambda message: message[:-1] + b"\x7f" if len(message) > 2 else message,
    "head missing": lambda message: message[3:] if len(message) > 6 else message,
    "SOH missing": lambda message: message[1:] if len(message) > 1 else message,
    "only long messages": lambda message: message if len(message) > 1 else b"",
    "ETX missing": lambda message: message.replace(b"\x03", b"", 1) if len(message) > 1 else message,
}


@pytest.mark.parametrize("name", ECHOES)
def test_an_echo_is_never_taken_for_the_meter(name: str) -> None:
    table = {
        **ENTER,
        R5: [spoilt(reply(VALUE))],
        NAK: [reply(VALUE), spoilt(SECOND), SECOND],
        R6: [FIRST],
        ACK: [spoilt(SECOND), THIRD],
    }
    held, events = interview(table, READ, TABLE, echo=ECHOES[name])
    assert held.sent == [SIGN_ON, OPTION_P, P1, R5, NAK, R6, ACK, NAK, NAK, ACK, BREAK]
    assert events[0] == Ready("00000000")
    assert [telegram(event) for event in events[1:]] == [(VALUE, Check.RIGHT), (WHOLE, Check.RIGHT)]


@pytest.mark.parametrize("name", ["whole", "garbled", "parity", "noise before"])
def test_an_echo_of_the_password_does_not_hide_what_the_meter_says(name: str) -> None:
    for answer, error in ((BREAK, MeterRefused), (ERROR, MeterRefused), (NAK, PasswordUnclear), (b"", PasswordUnclear)):
        held = Interview(SessionSettings(), plays({**ENTER, P1: [answer]}, echo=ECHOES[name]))
        with pytest.raises(error):
            held.hold()
        assert held.sent.count(P1) == 1


def test_on_a_line_with_an_echo_the_first_nak_behind_ours_is_our_own() -> None:
    bad = spoilt(reply(VALUE))
    held, events = interview({**ENTER, R5: [bad], NAK: [NAK, reply(VALUE)]}, READ, echo=lambda message: message)
    assert telegram(events[1]) == (VALUE, Check.RIGHT)
    assert held.sent.count(NAK) == 2
    held, events = interview({**ENTER, R5: [bad], NAK: [NAK, reply(VALUE)]}, READ)
    assert telegram(events[1]) == (VALUE, Check.RIGHT)
    assert held.sent.count(NAK) == 2


def test_a_plain_ack_is_no_echo_of_the_option_select_and_the_other_way_round() -> None:
    echo = ECHOES["whole"]
    assert interview({**ENTER, OPTION_P: [ACK]}, echo=echo)[1] == [Ready("")]
    held = Interview(SessionSettings(), plays({SIGN_ON: [IDENTIFICATION]}, echo=echo))
    with pytest.raises(MeterSilent):
        held.hold()
    assert P1 not in held.sent


def test_a_plain_ack_is_waited_behind_only_where_there_may_be_an_echo() -> None:
    quick, _ = interview({**ENTER, OPTION_P: [ACK]})
    assert quick.elapsed < 1.5
    slow, events = interview({**ENTER, SIGN_ON: [b"noise\r\n" + IDENTIFICATION], OPTION_P: [ACK]})
    assert events == [Ready("")]
    assert 2 < slow.elapsed < 4


# -- limits ----------------------------------------------------------------------------------------------------------


def test_an_answer_of_more_than_the_limit() -> None:
    def meter(heard: bytes, at: float, baud: int) -> list[Said]:
        if heard == R5:
            return in_pieces(b"\x02" + b"(1)" * (TELEGRAM_LIMIT // 2), range(0, 2 << 20, 16384), at + 0.1)
        return list(plays(ENTER)(heard, at, baud))

    held = Interview(SessionSettings(), meter, commands=[READ])
    with pytest.raises(ProtocolError, match=str(TELEGRAM_LIMIT)):
        held.hold()
    assert held.sent[-1] == BREAK


def test_blocks_without_end() -> None:
    big = reply(b"(1)" * 10000, last=False)
    for blocks in (big, reply(b"", last=False)):
        held = Interview(
            SessionSettings(), plays({**ENTER, R6: [blocks], ACK: [blocks]}), commands=[TABLE], longest=1e9
        )
        with pytest.raises(ProtocolError, match="more than"):
            held.hold()


@pytest.mark.parametrize("heard", [OPTION_P, P1, R5])
@pytest.mark.parametrize("noise", [b"x", b"\x7f", b"\x06", b"\x15", b"\x02", b"\x01", b"(", b"\x03"])
def test_noise_and_drips_come_to_an_end(heard: bytes, noise: bytes) -> None:
    table = {message: answers for message, answers in {**ENTER, R5: [b""]}.items() if message != heard}
    for pause in (0.05, 1.0):
        held = Interview(SessionSettings(attempts=1), plays(table), commands=[READ], pushed=every(pause, noise, 1003.0))
        try:
            held.hold()
        except GatewayError:
            assert held.sent[-1] == BREAK
        assert held.elapsed < 200
        assert held.sent.count(P1) <= 1


def test_noise_up_to_a_limit_is_passed_over() -> None:
    noise = b"\x7f" * 4000
    _, events = interview({**ENTER, R5: [noise + reply(VALUE)]}, READ)
    assert telegram(events[1]) == (VALUE, Check.RIGHT)
    for character in b"x", b"\x7f", b"\x06":
        fails(ProtocolError, "noise", {**ENTER, R5: [character * 4097 + reply(VALUE)]}, READ)


# -- leaving ---------------------------------------------------------------------------------------------------------

LEAVE: tuple[Action, ...] = (Send(BREAK), SetRate(300))


def test_a_session_that_has_heard_no_meter_leaves_without_a_word() -> None:
    session = ProgrammingSession(SessionSettings(), knows)
    assert session.close(0.0) == ()
    session = ProgrammingSession(SessionSettings(), knows)
    session.start(0.0)
    session.feed(b"/ISK5MT", 0.1)
    assert session.close(0.0) == ()


@pytest.mark.parametrize("heard", range(5))
def test_a_session_with_a_meter_leaves_with_a_break_from_every_state_and_only_once(heard: int) -> None:
    session = ProgrammingSession(SessionSettings(), knows)
    session.start(0.0)
    for said in (IDENTIFICATION, P0, ACK)[: heard + 1]:
        session.feed(said, 1.0)
    if heard >= 3:
        session.command("R6", "P.01(;)", 1.0)
    if heard >= 4:
        session.feed(FIRST[:-1], 1.0)
    assert session.close(2.0) == LEAVE
    assert session.close(2.0) == ()
    assert session.feed(ACK, 3.0) == session.expired(9.0) == ()


def test_the_readout_option_is_another_one() -> None:
    assert OPTION != OPTION_P
