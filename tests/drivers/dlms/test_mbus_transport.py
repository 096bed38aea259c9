"""M-Bus long frames and the transport layer above them; vectors by hand, after EN 13757-2 and IEC 62056-7-3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.mbus_transport import MbusPush, Segment
from drivers.dlms.wire.push_event import Damage, Pushed, Spoilt, Waiting
from tests.drivers.dlms.hdlc_bytes import examples, in_pieces
from tests.drivers.dlms.push_bytes import mbus, waits

SINGLE = bytes.fromhex("68 07 07 68 53 FF 10 01 67 0F 40 19 16")
"""By hand: 53+FF+10+01+67+0F+40 = 219, the sum's last octet is 19."""


def test_a_single_frame() -> None:
    assert MbusPush().feed(SINGLE) == (Pushed(bytes.fromhex("0F40")),)
    assert Segment(0, True, 0x01, 0x67, bytes.fromhex("0F40")).encoded() == SINGLE


def test_segments_as_customer_ports_send_them() -> None:
    """Kaifa MA309: 245 octets in the first frame (L = FA, CI = 00), the rest in the second (CI = 11)."""
    apdu = bytes(range(250)) + b"\xdb" * 60
    first = Segment(0, False, 0x01, 0x67, apdu[:245]).encoded()
    second = Segment(1, True, 0x01, 0x67, apdu[245:]).encoded()
    assert (first[:9].hex(), second[:9].hex()) == ("68fafa6853ff000167", "6846466853ff110167")
    reader = MbusPush()
    assert reader.feed(first) == ()
    assert waits(reader) is Waiting.MESSAGE
    assert reader.feed(second) == (Pushed(apdu),)
    assert waits(reader) is Waiting.NOTHING


@given(st.binary(min_size=1, max_size=5000), st.integers(1, 250), st.lists(st.integers(0, 9999), max_size=9))
@examples(50)
def test_round_trip_in_pieces(apdu: bytes, size: int, cuts: list[int]) -> None:
    size = max(size, len(apdu) // 40 + 1)
    data = mbus(apdu, size)
    reader = MbusPush()
    events = [event for piece in in_pieces(data, cuts) for event in reader.feed(piece)]
    assert events == [Pushed(apdu)]
    assert reader.finish() == ()


def test_every_wrong_bit_is_seen() -> None:
    data = mbus(bytes.fromhex("0F400000010006") + bytes(range(30)), 20)
    whole = MbusPush().feed(data)
    assert len(whole) == 1
    for bit in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        reader = MbusPush()
        events = (*reader.feed(bytes(wrong)), *reader.finish())
        assert not any(isinstance(event, Pushed) for event in events), f"bit {bit}"
        assert events, f"bit {bit}"


@pytest.mark.parametrize("noise", [b"\x68", b"\x68\x68", b"\x68\x07\x07\x68", b"\xff\x00\xe5", b"\x68" * 40])
def test_noise_before_and_between(noise: bytes) -> None:
    reader = MbusPush()
    events = (*reader.feed(noise + SINGLE + noise + SINGLE), *reader.finish())
    assert [event for event in events if isinstance(event, Pushed)] == [Pushed(bytes.fromhex("0F40"))] * 2


def test_a_missing_segment_spoils_the_message_and_not_the_next() -> None:
    frames = [Segment(number, number == 2, 1, 0x67, bytes([number]) * 9).encoded() for number in range(3)]
    reader = MbusPush()
    events = reader.feed(frames[0] + frames[2] + SINGLE)
    assert [event.damage for event in events if isinstance(event, Spoilt)] == [Damage.CUT]
    assert events[-1] == Pushed(bytes.fromhex("0F40"))


def test_another_sender_is_no_continuation() -> None:
    first = Segment(0, False, 1, 0x67, b"\x0f" * 9).encoded()
    other = Segment(1, True, 2, 0x67, b"\x0f" * 9).encoded()
    events = MbusPush().feed(first + other)
    assert [type(event) for event in events] == [Spoilt]


def test_the_end_without_the_beginning() -> None:
    (event,) = MbusPush().feed(Segment(1, True, 1, 0x67, b"\x0f" * 9).encoded())
    assert isinstance(event, Spoilt) and "without its beginning" in event.reason


def test_silence_ends_what_is_incomplete() -> None:
    reader = MbusPush()
    assert reader.feed(SINGLE[:-1]) == ()
    assert waits(reader) is Waiting.FRAME
    (cut,) = reader.finish()
    assert isinstance(cut, Spoilt) and cut.damage is Damage.CUT
    assert reader.feed(SINGLE) == (Pushed(bytes.fromhex("0F40")),)
    assert reader.feed(Segment(0, False, 1, 0x67, b"\x0f").encoded()) == ()
    (cut,) = reader.finish()
    assert isinstance(cut, Spoilt) and cut.damage is Damage.CUT and cut.raw == b"\x0f"
    assert waits(reader) is Waiting.NOTHING


def test_ordinary_m_bus_is_told_apart() -> None:
    body = bytes.fromhex("08 05 72 01020304")  # RSP-UD with CI 72: variable data, no transport layer
    frame = bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
    (event,) = MbusPush().feed(frame)
    assert isinstance(event, Spoilt) and event.damage is Damage.FORM and "CI 72" in event.reason


def test_frames_that_carry_no_data_are_passed_over() -> None:
    body = bytes.fromhex("5B FF 10 01 67 0F 40")  # REQ-UD2 has no long frame
    frame = bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
    assert MbusPush().feed(frame) == ()


def test_a_message_without_end_is_given_up() -> None:
    reader = MbusPush()
    events = [
        event
        for number in range(300)
        for event in reader.feed(Segment(number % 16, False, 1, 0x67, b"\x0f" * 250).encoded())
    ]
    assert isinstance(events[0], Spoilt) and "more than 65536" in events[0].reason
    assert not any(isinstance(event, Pushed) for event in events)


@pytest.mark.parametrize("segment", [Segment(16, True, 1, 2, b"x"), Segment(0, True, 1, 2, b"x" * 251)])
def test_what_has_no_room(segment: Segment) -> None:
    with pytest.raises(ValueError, match="M-Bus segment"):
        segment.encoded()


@given(st.lists(st.binary(max_size=300), max_size=6))
@examples(200)
def test_any_bytes(pieces: list[bytes]) -> None:
    reader, whole = MbusPush(), MbusPush()
    events = [event for piece in pieces for event in reader.feed(piece)] + list(reader.finish())
    assert events == [*whole.feed(b"".join(pieces)), *whole.finish()]
    assert waits(reader) is Waiting.NOTHING
