"""Frames in a stream: by length, between noise, cut anywhere, with bits that fell over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.hdlc_frame import FRAME_LIMIT, Damaged, Fault, Frame
from drivers.dlms.wire.hdlc_reader import FrameReader
from tests.drivers.dlms.hdlc_bytes import check, examples, frame, in_pieces
from tests.drivers.dlms.test_hdlc_frame import FRAMES, SOUND_FRAMES

SNRM = bytes.fromhex("7E A0 07 03 21 93 0F 01 7E")
UA = bytes.fromhex(next(vector["bytes"] for vector in FRAMES if vector["name"] == "ua-four-bytes"))
AARQ = bytes.fromhex(next(vector["bytes"] for vector in FRAMES if vector["name"] == "aarq-with-flag-as-check"))
INSIDE = frame("21 03 30", b"\xe6\xe7\x00" + b"\x7e\xa0\x07\x03\x21\x93\x7e\x7e\xa8\x7e")
"""Everything that looks like a beginning, inside."""

CUTS = st.lists(st.integers(0, 1 << 20), max_size=8)


def read(pieces: list[bytes]) -> list[Frame | Damaged]:
    reader = FrameReader()
    return [event for piece in pieces for event in reader.feed(piece)] + list(reader.finish())


def sound(data: bytes) -> list[bytes]:
    return [event.encoded for event in read([data]) if isinstance(event, Frame)]


# -- where frames are ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [SNRM, UA, AARQ, INSIDE], ids=["snrm", "ua", "aarq", "inside"])
def test_whole_and_byte_by_byte_and_at_the_last_byte(data: bytes) -> None:
    whole = FrameReader().feed(data)
    assert [event.encoded for event in whole if isinstance(event, Frame)] == [data]
    reader = FrameReader()
    for byte in data[:-1]:
        assert reader.feed(bytes([byte])) == ()
    assert reader.feed(data[-1:]) == whole
    assert not reader.pending


def test_frames_share_a_flag() -> None:
    assert sound(SNRM + UA[1:] + AARQ[1:]) == [SNRM, UA, AARQ]
    assert sound(SNRM + UA + AARQ) == [SNRM, UA, AARQ]
    assert sound(SNRM + b"\x7e\x7e" + UA) == [SNRM, UA]


@pytest.mark.parametrize(
    "noise",
    [b"\x7e" * 3000, b"\x00\xff\x7f", b"\x7e\xa0", b"\x7e\xa7\xff", b"\x7e\xa0\x03", b"\x7e\xa0\x7e\xa7", b"/?!\r\n"],
)
def test_noise_before_and_after(noise: bytes) -> None:
    assert sound(noise + UA + noise + AARQ + noise) == [UA, AARQ]


def test_3000_flags_byte_by_byte() -> None:
    reader = FrameReader()
    assert all(reader.feed(b"\x7e") == () for _ in range(3000))
    assert not reader.pending
    assert [event.encoded for event in reader.feed(UA[1:]) if isinstance(event, Frame)] == [UA]


def test_noise_cannot_hold_up_the_stream() -> None:
    # A length of 2047 with a header that is none: after 13 bytes it is known, and the frame behind it is found at once.
    (damaged, found) = FrameReader().feed(b"\x7e\xa7\xff\x03\x21\x93\x00\x00" + UA)
    assert damaged == Damaged(Fault.HCS, b"\x7e\xa7\xff\x03\x21\x93\x00\x00")
    assert isinstance(found, Frame)


@pytest.mark.parametrize("length", range(7))
def test_a_length_without_room_for_a_header_is_no_beginning(length: int) -> None:
    assert FrameReader().feed(b"\x7e\xa0" + bytes([length])) == ()
    reader = FrameReader()
    reader.feed(b"\x7e\xa0" + bytes([length]))
    assert not reader.pending


@pytest.mark.parametrize("middle", ["02 04 07 21 93", "03 02 04 07 93", "02 04 06 08 21 93"])
def test_addresses_of_three_and_five_bytes_are_none(middle: str) -> None:
    assert read([frame(middle, b"\x01\x02\x03\x04\x05\x06")]) == []


def test_an_information_field_without_content_is_no_frame() -> None:
    for length, rest in ((9, b""), (8, b"")):
        body = bytes([0xA0, length]) + bytes.fromhex("03 21 93")
        body += check(body) + rest
        data = b"\x7e" + body + check(body) + b"\x7e"
        assert not any(isinstance(event, Frame) for event in read([data]))


# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "control"), [(SNRM, 5), (UA, 8), (AARQ, 8), (INSIDE, 5)], ids=["snrm", "ua", "aarq", "inside"]
)
def test_no_frame_with_one_bit_wrong_is_accepted(data: bytes, control: int) -> None:
    for bit in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 0x80 >> bit % 8
        events = read([bytes(wrong)])
        assert not any(isinstance(event, Frame) for event in events), f"bit {bit}"
        # Without flag, format or addresses nothing begins like a frame; from the control field on it is a damaged one.
        assert events or bit // 8 < control, f"bit {bit}"


def test_a_wrong_fcs_comes_with_the_addresses_and_all_bytes() -> None:
    wrong = bytearray(UA)
    wrong[20] ^= 1
    (event, following) = FrameReader().feed(bytes(wrong) + AARQ[1:])
    assert isinstance(event, Damaged)
    assert (event.fault, event.raw) == (Fault.FCS, bytes(wrong))
    assert (str(event.destination), str(event.source)) == ("16", "1/17")
    assert isinstance(following, Frame)


def test_a_wrong_hcs_comes_without_addresses() -> None:
    wrong = bytearray(UA)
    wrong[9] ^= 1
    events = read([bytes(wrong)])
    assert events == [Damaged(Fault.HCS, bytes(wrong[:11]))]


def test_a_frame_without_its_closing_flag_is_none() -> None:
    (event, following) = FrameReader().feed(UA[:-1] + b"\x00" + AARQ)
    assert isinstance(event, Damaged)
    assert (event.fault, event.raw) == (Fault.FLAG, UA[:-1] + b"\x00")
    assert isinstance(following, Frame)


def test_what_is_inside_a_sound_frame_without_flag_is_not_looked_at() -> None:
    outer = frame("21 03 30", b"\xe6\xe7\x00" + SNRM)
    events = read([outer[:-1] + b"\x00"])
    assert [type(event) for event in events] == [Damaged]


def test_a_lost_byte_does_not_take_the_next_frame_along() -> None:
    for lost in range(1, 6):
        assert sound(UA[:20] + UA[20 + lost :] + AARQ + SNRM) == [AARQ, SNRM]
        assert sound(UA[:20] + UA[20 + lost : -1] + AARQ + SNRM) == [AARQ, SNRM]


def test_a_control_field_without_meaning() -> None:
    data = frame("21 03 19")
    (event,) = FrameReader().feed(data)
    assert isinstance(event, Damaged)
    assert (event.fault, event.raw) == (Fault.CONTROL, data)


def test_what_is_cut_is_looked_at_again() -> None:
    # The header is sound and wants 600 bytes that never come; a whole frame has arrived instead.
    begun = frame("21 03 30", bytes(600))[:20]
    reader = FrameReader()
    assert reader.feed(begun + UA) == ()
    cut, found = reader.finish()
    assert cut == Damaged(Fault.CUT, begun + UA)
    assert isinstance(found, Frame)
    assert not reader.pending
    assert reader.finish() == ()


def test_the_buffer_is_bounded() -> None:
    reader = FrameReader()
    for _ in range(50):
        reader.feed(b"\x55" * 1000)
    assert not reader.pending
    reader.feed(frame("21 03 30", bytes(2030))[:-5])
    (cut,) = reader.finish()
    assert isinstance(cut, Damaged)
    assert len(cut.raw) < FRAME_LIMIT


# -- properties ------------------------------------------------------------------------------------------------------

STREAMS = st.lists(
    st.one_of(
        SOUND_FRAMES.map(lambda value: value.encoded),
        st.binary(max_size=30),
        st.lists(st.sampled_from(b"\x7e\x7e\xa0\xa8\x07\x03\x21\x93\x00\x7e"), max_size=30).map(bytes),
        st.sampled_from([SNRM[1:], UA[:-1], UA[:9], AARQ[:20], INSIDE[:-3]]),
    ),
    max_size=6,
).map(b"".join)


@examples(300)
@given(STREAMS, CUTS)
def test_cutting_changes_nothing(data: bytes, cuts: list[int]) -> None:
    assert read(list(in_pieces(data, cuts))) == read([data])


@examples(300)
@given(STREAMS)
def test_every_event_is_a_piece_of_the_stream(data: bytes) -> None:
    for event in read([data]):
        assert (event.encoded if isinstance(event, Frame) else event.raw) in data


@examples(200)
@given(st.lists(SOUND_FRAMES, max_size=5), st.booleans(), CUTS)
def test_frames_come_out_in_order(values: list[Frame], shared: bool, cuts: list[int]) -> None:
    data = b"".join(value.encoded[:-1] if shared else value.encoded for value in values) + b"\x7e"
    assert read(list(in_pieces(data, cuts))) == values
