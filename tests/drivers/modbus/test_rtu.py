"""RTU frames in a stream: by length, between noise, behind an echo, cut anywhere, with bits that fell over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.wire.pdu import (
    Function,
    Identification,
    Identify,
    Read,
    Refused,
    Reply,
    ReportServerId,
    Request,
    ServerId,
    Words,
)
from drivers.modbus.wire.rtu import HEARD_LIMIT, Damaged, RtuReader, Stranger, crc, frame
from gatewayd.errors import ProtocolError
from tests.drivers.modbus.rtu_bytes import check, examples, in_pieces, rtu

UNIT = 17
HOLDING = Read(Function.READ_HOLDING_REGISTERS, 0x006B, 3)
ANSWER = rtu("11 03 06 AE 41 56 52 43 40")
WORDS = Words(bytes.fromhex("AE4156524340"))
ECHO = frame(UNIT, HOLDING.encoded)
CASES: list[tuple[Request, bytes, Reply]] = [
    (HOLDING, ANSWER, WORDS),
    (HOLDING, rtu("11 83 02"), Refused(2)),
    (Read(Function.READ_INPUT_REGISTERS, 8, 1), rtu("11 04 02 00 0A"), Words(b"\x00\x0a")),
    (ReportServerId(), rtu("11 11 03 41 42 FF"), ServerId(b"AB\xff")),
    (
        Identify(1),
        rtu("11 2B 0E 01 01 00 00 02 00 01 41 01 02 42 43"),
        Identification(1, None, {0: b"A", 1: b"BC"}),
    ),
]
NAMES = ["registers", "exception", "one register", "server id", "identification"]
NOISE = [
    b"\x00",
    b"\xff\xff",
    b"\x11",
    b"\x11\x03",
    b"\x11\x03\x06",
    ANSWER[:-1],
    ANSWER[:-2] + b"\x00\x00",
    b"\x11" * 9,
]
CUTS = st.lists(st.integers(0, 1 << 20), max_size=8)


def read(request: Request, pieces: list[bytes], unit: int = UNIT) -> Reply | ProtocolError | None:
    """The reply, or the error of the silence behind it."""
    reader = RtuReader(unit, request)
    for piece in pieces:
        reply = reader.feed(piece)
        if reply is not None:
            return reply
    return reader.finish()


# -- what is sent ----------------------------------------------------------------------------------------------------


def test_crc() -> None:
    assert crc(b"123456789") == b"\x37\x4b"  # the catalogue's check value of CRC-16/MODBUS: 0x4B37
    assert crc(b"\x02\x07") == b"\x41\x12"  # MODBUS over Serial Line V1.02, 6.2.2: 0x1241, the low octet first


@examples(100)
@given(st.binary(max_size=300))
def test_crc_bit_by_bit(data: bytes) -> None:
    assert crc(data) == check(data)


def test_frames() -> None:
    assert frame(UNIT, HOLDING.encoded) == rtu("11 03 00 6B 00 03")
    assert frame(247, b"\x11")[0] == 247
    assert len(frame(1, bytes(253))) == 256


@pytest.mark.parametrize("unit", [0, 248, 255, -1])
def test_nobody_is_broadcast_to(unit: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 247"):
        frame(unit, b"\x03")
    with pytest.raises(ValueError, match="expected 1 to 247"):
        RtuReader(unit, HOLDING)


@pytest.mark.parametrize("pdu", [b"", bytes(254)])
def test_no_frame_for_such_a_pdu(pdu: bytes) -> None:
    with pytest.raises(ValueError, match="expected 1 to 253"):
        frame(1, pdu)


# -- where the answer is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("request_", "data", "expected"), CASES, ids=NAMES)
def test_whole_and_byte_by_byte(request_: Request, data: bytes, expected: Reply) -> None:
    assert read(request_, [data]) == expected
    reader = RtuReader(UNIT, request_)
    assert all(reader.feed(data[at : at + 1]) is None for at in range(len(data) - 1))
    assert reader.feed(data[-1:]) == expected
    assert reader.finish() is None


@pytest.mark.parametrize(("request_", "data", "expected"), CASES, ids=NAMES)
@pytest.mark.parametrize("noise", NOISE, ids=[noise.hex() for noise in NOISE])
def test_noise_before_and_after(request_: Request, data: bytes, expected: Reply, noise: bytes) -> None:
    pieces = [noise + data + noise]
    assert read(request_, pieces) == expected
    assert read(request_, [bytes((octet,)) for octet in pieces[0]]) == expected


@pytest.mark.parametrize(("request_", "data", "expected"), CASES, ids=NAMES)
def test_behind_the_echo(request_: Request, data: bytes, expected: Reply) -> None:
    echo = frame(UNIT, request_.encoded)
    assert read(request_, [echo + data]) == expected
    assert read(request_, [bytes((octet,)) for octet in b"\x00" + echo + b"\xff" + data]) == expected
    assert read(request_, [echo]) is None  # the line works, and nobody answers


def test_an_echo_that_looks_like_the_beginning_of_the_answer() -> None:
    # Address 0600: the third octet of the request is the byte count of the answer.
    request = Read(Function.READ_HOLDING_REGISTERS, 0x0600, 3)
    echo = frame(UNIT, request.encoded)
    assert echo[2] == request.reply_octets - 2
    for pieces in ([echo + ANSWER], [bytes((octet,)) for octet in echo + ANSWER]):
        assert read(request, pieces) == WORDS


def test_an_answer_that_was_there_before_the_echo_is_not_taken() -> None:
    stale = rtu("11 03 06 00 01 00 02 00 03")
    assert read(HOLDING, [stale + ECHO + ANSWER]) == WORDS


@examples(200)
@given(st.sampled_from(CASES), st.binary(max_size=20), st.booleans(), CUTS)
def test_cut_anywhere(case: tuple[Request, bytes, Reply], noise: bytes, echoed: bool, cuts: list[int]) -> None:
    request, data, expected = case
    stream = noise + (frame(UNIT, request.encoded) if echoed else b"") + data
    assert read(request, list(in_pieces(stream, cuts))) == expected


# -- what is not the answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("request_", "data", "expected"), CASES, ids=NAMES)
def test_every_bit_that_falls_over_is_an_error(request_: Request, data: bytes, expected: Reply) -> None:
    for bit in range(8 * len(data)):
        damaged = bytes(octet ^ (1 << bit % 8 if index == bit // 8 else 0) for index, octet in enumerate(data))
        assert isinstance(read(request_, [damaged]), Damaged), bit


def test_two_bits_that_fall_over() -> None:
    # CRC-16 finds all of two bits within its period of 32,767.
    for first in range(8 * len(ANSWER)):
        for second in range(first):
            damaged = bytearray(ANSWER)
            damaged[first // 8] ^= 1 << first % 8
            damaged[second // 8] ^= 1 << second % 8
            assert isinstance(read(HOLDING, [bytes(damaged)]), ProtocolError), (first, second)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (rtu("12 03 06 AE 41 56 52 43 40"), "is answered by unit 18, where 17 was asked"),
        (rtu("12 83 02"), "is answered by unit 18, where 17 was asked"),
        (rtu("11 04 06 AE 41 56 52 43 40"), "answers function 4, where 3 was asked"),
        (rtu("11 84 02"), "answers function 4, where 3 was asked"),
        (rtu("11 2B 0E 01 01 00 00 00"), "answers function 43, where 3 was asked"),
        (rtu("11 03 04 AE 41 56 52"), "answers 4 octets, where 6 were asked"),
        (rtu("11 03 08 AE 41 56 52 43 40 00 00"), "answers 8 octets, where 6 were asked"),
    ],
)
def test_an_answer_to_something_else(data: bytes, says: str) -> None:
    for pieces in ([data], [bytes((octet,)) for octet in data], [b"\xff" + data + b"\x00"]):
        if pieces == [b"\xff" + data + b"\x00"] and data[1] == 0x2B:
            continue  # how long it is says only the silence
        error = read(HOLDING, pieces)
        assert isinstance(error, Stranger)
        assert says in str(error)
        assert error.raw == b"".join(pieces)
    assert read(HOLDING, [data, ANSWER]) == WORDS  # what is due behind it is found


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (ANSWER[:-1], "breaks off"),
        (ANSWER[:3], "breaks off"),
        (ANSWER[:-1] + b"\x00", "wrong CRC"),
        (rtu("11 83 02")[:-2] + b"\x00\x00", "wrong CRC"),
        (b"\x00\xff\x00", "3 octets that are no frame"),
        (b"\x11", "1 octets that are no frame"),
        (ANSWER[1:], "no frame"),
        (ECHO[:-1] + b"\x00", "no frame"),
    ],
)
def test_what_is_no_answer_at_all(data: bytes, says: str) -> None:
    error = read(HOLDING, [data])
    assert isinstance(error, Damaged)
    assert says in str(error)
    assert error.raw == data


def test_nothing_came() -> None:
    assert RtuReader(UNIT, HOLDING).finish() is None


def test_a_line_that_talks_without_end() -> None:
    reader = RtuReader(UNIT, HOLDING)
    assert reader.feed(bytes(HEARD_LIMIT)) is None
    with pytest.raises(Damaged, match="no answer among them") as caught:
        reader.feed(b"\x00")
    assert len(caught.value.raw) == HEARD_LIMIT + 1


@examples(300)
@given(st.sampled_from([case[0] for case in CASES]), st.lists(st.binary(max_size=60), max_size=6))
def test_any_octets(request_: Request, pieces: list[bytes]) -> None:
    told = read(request_, pieces)
    assert told is None or isinstance(told, (Refused, Words, ServerId, Identification, Damaged, Stranger))
    assert told == read(request_, [bytes((octet,)) for octet in b"".join(pieces)]) or isinstance(told, ProtocolError)
