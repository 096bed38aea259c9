"""Messages of programming mode and our own echo among them: IEC 62056-21:2002 6.3.4 to 6.3.6, annex A."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.framing import command as framed
from drivers.iec62056_21.wire.message import Echo, Inbox, Mark, Message
from tests.drivers.iec62056_21.conversation import cuts_of, examples
from tests.drivers.iec62056_21.interview import ACK, BREAK, ERROR, NAK, OPTION_P, P0, P1, command, reply, spoilt


def messages(*chunks: bytes) -> list[Message]:
    inbox = Inbox()
    found = []
    for chunk in chunks:
        inbox.buffer += chunk
        while (message := inbox.next()) is not None:
            found.append(message)
    return found


# -- framing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("B0", None, "01 42 30 03 71"),
        ("P1", "(00000000)", "01 50 31 02 28 30 30 30 30 30 30 30 30 29 03 61"),
        ("R5", "1.8.0()", "01 52 35 02 31 2E 38 2E 30 28 29 03 5E"),
        ("R1", "1.8.0()", "01 52 31 02 31 2E 38 2E 30 28 29 03 5A"),
        ("P0", "", "01 50 30 02 03 61"),
    ],
)
def test_command_messages_worked_out_by_hand(name: str, data: str | None, expected: str) -> None:
    made = framed(name, None if data is None else data.encode())
    assert made == bytes.fromhex(expected)
    (message,) = messages(made)
    assert message == Message(Mark.COMMAND, name, (data or "").encode())


# -- messages --------------------------------------------------------------------------------------------------------


def test_each_kind_of_message() -> None:
    data = ACK + NAK + P0 + BREAK + ERROR + reply(b"(1)", last=False)
    assert messages(data) == [
        Message(Mark.ACK),
        Message(Mark.NAK),
        Message(Mark.COMMAND, "P0", b"(00000000)"),
        Message(Mark.COMMAND, "B0"),
        Message(Mark.DATA, data=b"(ERROR)"),
        Message(Mark.DATA, data=b"(1)", last=False),
    ]


def test_a_wrong_check_character_is_said() -> None:
    (message,) = messages(spoilt(ERROR))
    assert message == Message(
        Mark.DATA,
        data=b"(ERROR)",
        sound=False,
        detail="block check character 1A received, 5A computed",
    )
    assert not messages(spoilt(BREAK))[0].sound


def test_the_parity_bit_of_the_check_character_does_not_count() -> None:
    assert messages(ERROR[:-1] + b"\xda")[0].sound


@pytest.mark.parametrize("check", range(128))
def test_any_character_may_be_the_check_character(check: int) -> None:
    """Also those that begin or end messages: 01 to 06, 15."""
    left = check ^ 3
    data = b"@" + bytes([left ^ 0x40]) if left ^ 0x40 >= 0x20 else b"0@" + bytes([left ^ 0x70])
    message = reply(data)
    (found, ack) = messages(message + ACK)
    assert found.sound
    assert found.data == data
    assert ack.mark is Mark.ACK


def test_noise_is_passed_over_and_counted() -> None:
    inbox = Inbox()
    inbox.buffer += b"\x7f\x00abc" + ACK + b"(1)" + NAK + b"x"
    assert [inbox.next(), inbox.next(), inbox.next()] == [Message(Mark.ACK), Message(Mark.NAK), None]
    assert bytes(inbox.noise) == b"\x7f\x00abc(1)x"
    inbox.clear()
    assert not inbox.noise


def test_what_is_begun() -> None:
    inbox = Inbox()
    for chunk, begun in ((b"x", None), (b"\x01", Mark.COMMAND), (b"x\x02", Mark.DATA), (b"\x03", Mark.DATA)):
        inbox.buffer += chunk
        inbox.next()
        assert inbox.begun is begun


@pytest.mark.parametrize(
    "before", [b"\x01", b"\x01R", b"\x01R5", b"\x01xy", b"\x01R5\x02P.01(;)", b"\x01\x01", P1[:-2], b"\x01B0\x01"]
)
def test_a_command_that_does_not_end_does_not_swallow_the_answer(before: bytes) -> None:
    found = messages(before + BREAK + ERROR)
    assert found[-2:] == [Message(Mark.COMMAND, "B0"), Message(Mark.DATA, data=b"(ERROR)")]


def test_a_mark_inside_a_block_does_not_begin_a_new_one() -> None:
    """Noise inside: the check character tells it, and the block stays one."""
    (message,) = messages(b"\x02" + b"1.8.0(\x02\x01\x06\x15)" + b"\x03\x00")
    assert message.data == b"1.8.0(\x02\x01\x06\x15)"
    assert not message.sound


STREAM = b"\x7f" + P0 + b"x" + ACK + reply(b"(1)", last=False) + NAK + spoilt(ERROR) + BREAK + reply(b"1.8.0(2)")


@given(cuts_of(STREAM))
@examples(150)
def test_chunks_change_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(set(cuts)), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(places)]
    whole = messages(STREAM)
    assert len(whole) == 7
    assert messages(*chunks) == whole
    assert messages(*(bytes([byte]) for byte in STREAM)) == whole


# -- echo ------------------------------------------------------------------------------------------------------------


def stripped(sent: bytes, *chunks: bytes) -> tuple[bytes, bool, bool]:
    """What is left of the chunks, whether more is waited for, and whether an echo was seen."""
    echo = Echo()
    echo.sent(sent)
    buffer = bytearray()
    waits = True
    for chunk in chunks:
        buffer += chunk
        waits = echo.strip(buffer)
    return bytes(buffer), waits, echo.seen


def test_the_echo_is_taken_off() -> None:
    assert stripped(P1, P1 + ACK) == (ACK, False, True)
    assert stripped(P1, P1) == (b"", False, True)
    assert stripped(NAK, NAK + NAK) == (NAK, False, True)


def test_what_an_idle_line_makes_up_is_passed_over_before_an_echo() -> None:
    inbox = Inbox()
    inbox.buffer += b"\x00\x7f\xff" + P1[:3] + b"\x7f"
    inbox.pass_idle()
    assert (bytes(inbox.noise), bytes(inbox.buffer)) == (b"\x00\x7f\xff", P1[:3] + b"\x7f")


def test_the_beginning_of_an_echo_is_waited_behind() -> None:
    for size in range(len(P1)):
        assert stripped(P1, P1[:size]) == (P1[:size], True, False)


@pytest.mark.parametrize("answer", [ACK, NAK, BREAK, ERROR, reply(b"1.8.0(1)")])
@pytest.mark.parametrize("sent", [P1, command("R5", "1.8.0()"), OPTION_P])
def test_an_answer_is_no_echo(sent: bytes, answer: bytes) -> None:
    if sent != OPTION_P or answer != ACK:  # that one is the beginning of the other
        assert stripped(sent, answer) == (answer, False, False)
        assert stripped(sent, sent + answer) == (answer, False, True)


@pytest.mark.parametrize("answer", [ACK, NAK, BREAK, ERROR])
def test_an_echo_that_breaks_off_ends_where_the_answer_begins(answer: bytes) -> None:
    for size in range(5, len(P1)):
        assert stripped(P1, P1[:size] + answer)[0] == answer


@given(st.integers(4, 15), st.sets(st.integers(4, 14), max_size=5), st.binary(max_size=4))
@examples(100)
def test_a_garbled_echo_is_an_echo(first: int, wrong: set[int], behind: bytes) -> None:
    garbled = bytes(byte ^ 0x48 if place in wrong else byte for place, byte in enumerate(P1))
    assert stripped(P1, garbled[:first], garbled[first:] + behind) == (behind, False, True)


@pytest.mark.parametrize("noise", [b"\r\n\x08", b"abc", b"a b"])
@pytest.mark.parametrize("address", ["1.8.0", "1-0:1.8.0*255", "P.01"])
def test_an_answer_behind_noise_of_the_length_of_a_head_is_no_echo(noise: bytes, address: str) -> None:
    """Its address then stands where the address of the command stood."""
    answer = noise + reply(f"{address}(0008048.375*kWh)".encode())
    assert stripped(command("R5", f"{address}()"), answer) == (answer, False, False)


def test_an_echo_of_which_the_first_half_is_garbled_is_waited_for() -> None:
    """Judged by its beginning alone it would be none."""
    garbled = bytes(byte ^ 0x48 if 4 <= place <= 8 else byte for place, byte in enumerate(P1))
    for size in range(1, len(P1)):
        assert stripped(P1, garbled[:size], garbled[size:] + ACK) == (ACK, False, True)


def test_an_echo_with_a_garbled_head_is_an_echo() -> None:
    assert stripped(P1, b"\x49\x18" + P1[2:] + ACK) == (ACK, False, True)


def test_nothing_is_taken_off_when_nothing_was_sent() -> None:
    echo = Echo()
    buffer = bytearray(P1)
    assert not echo.strip(buffer)
    echo.sent(P1)
    echo.forget()
    assert not echo.awaited
    assert not echo.strip(buffer)
    assert buffer == P1
