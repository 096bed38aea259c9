"""MBAP: the transaction number decides, however TCP cuts and joins, and however late an answer comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.wire.pdu import Function, Read, Refused, Reply, Words
from drivers.modbus.wire.tcp import MbapReader, MbapStream, frame
from gatewayd.errors import ProtocolError
from tests.drivers.modbus.rtu_bytes import examples, in_pieces, mbap

HOLDING = Read(Function.READ_HOLDING_REGISTERS, 0x006B, 2)
ANSWER = "01 03 04 AE 41 56 52"
OTHER = "01 03 04 00 00 00 00"
WORDS = Words(bytes.fromhex("AE415652"))
CUTS = st.lists(st.integers(0, 1 << 20), max_size=8)


def read(data: bytes, transaction: int = 500, unit: int = 1) -> Reply | None:
    return MbapReader(transaction, unit, HOLDING).feed(data)


def test_frame() -> None:
    # The example of MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 4.4.2.1 (transaction 1501, unit FF).
    assert frame(0x1501, 0xFF, bytes.fromhex("03 00 04 00 01")) == bytes.fromhex("15 01 00 00 00 06 FF 03 00 04 00 01")


@pytest.mark.parametrize(
    ("transaction", "unit", "size"), [(-1, 1, 5), (65536, 1, 5), (1, -1, 5), (1, 256, 5), (1, 1, 0), (1, 1, 254)]
)
def test_no_frame_for_that(transaction: int, unit: int, size: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        frame(transaction, unit, bytes(size))


def test_whole_and_byte_by_byte() -> None:
    data = mbap(500, ANSWER)
    assert read(data) == WORDS
    reader = MbapReader(500, 1, HOLDING)
    assert all(reader.feed(data[at : at + 1]) is None for at in range(len(data) - 1))
    assert reader.finish() is not None
    assert reader.feed(data[-1:]) == WORDS
    assert reader.finish() is None


def test_exception() -> None:
    assert read(mbap(500, "01 83 0B")) == Refused(11)


@pytest.mark.parametrize("late", [499, 1, 500 - 32767 + 65536])
def test_late_answers_of_older_transactions_are_passed_over(late: int) -> None:
    assert read(mbap(late, OTHER) + mbap(late, "02 83 02") + mbap(500, ANSWER)) == WORDS
    assert read(mbap(late, OTHER)) is None


@pytest.mark.parametrize("early", [501, 500 + 32768, 1000])
def test_a_transaction_that_nobody_asked_for(early: int) -> None:
    with pytest.raises(ProtocolError, match=f"answers transaction {early}, which nobody asked for"):
        read(mbap(early, ANSWER))


def test_transactions_go_round() -> None:
    assert read(mbap(65535, OTHER) + mbap(0, ANSWER), transaction=0) == WORDS
    assert read(mbap(0, OTHER) + mbap(3, ANSWER), transaction=3) == WORDS


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (mbap(500, ANSWER, protocol=1), "sends protocol 0001"),
        (mbap(500, ANSWER, protocol=0x0100), "sends protocol 0100"),
        (b"HTTP/1.1 400 Bad Request", "sends protocol 5450"),
        (mbap(500, "01"), "says 1 octets"),
        (mbap(500, "01 03"), "says 2 octets"),
        (bytes.fromhex("01F4 0000 00FF 01"), "says 255 octets"),
        (bytes.fromhex("01F4 0000 0000"), "says 0 octets"),
        (mbap(500, "02 03 04 AE 41 56 52"), "is answered by unit 2, where 1 was asked"),
        (mbap(500, "01 04 04 AE 41 56 52"), "answers function 4"),
        (mbap(500, "01 03 02 AE 41"), "sends 2 octets, where 4 were asked"),
        (mbap(500, "01 03 06 AE 41 56 52 00 00"), "sends 6 octets, where 4 were asked"),
        (mbap(500, ANSWER + "00"), "1 octets behind its reply"),
        (mbap(500, "01 03 04 AE 41 56"), "breaks off"),
    ],
)
def test_wrong_answers(data: bytes, says: str) -> None:
    with pytest.raises(ProtocolError, match=says):
        read(data)
    with pytest.raises(ProtocolError, match=says):
        read(mbap(499, OTHER) + data)
    reader = MbapReader(500, 1, HOLDING)
    with pytest.raises(ProtocolError, match=says):
        for octet in data:
            reader.feed(bytes((octet,)))


def test_a_spoilt_stream_stays_spoilt() -> None:
    stream = MbapStream()
    good = mbap(1, ANSWER)
    assert [adu.raw for adu in stream.feed(good + b"\x00\x02\xff\xff" + good)] == [good]
    for data in (b"", good):
        with pytest.raises(ProtocolError, match="sends protocol ffff"):
            stream.feed(data)


def test_the_longest_and_the_shortest() -> None:
    longest, shortest = mbap(1, "01" + "03" * 253), mbap(2, "01 83 02")
    assert [adu.raw for adu in MbapStream().feed(longest + shortest)] == [longest, shortest]


@examples(200)
@given(st.lists(st.integers(1, 30000), max_size=4), CUTS)
def test_segments_cut_and_joined(late: list[int], cuts: list[int]) -> None:
    data = b"".join(mbap((500 - behind) % 65536, OTHER) for behind in late) + mbap(500, ANSWER)
    reader = MbapReader(500, 1, HOLDING)
    *before, last = [reader.feed(piece) for piece in in_pieces(data, cuts)]
    assert not any(before)
    assert last == WORDS


def test_what_one_request_leaves_behind_is_there_for_the_next() -> None:
    stream = MbapStream()
    first, second = mbap(500, OTHER), mbap(501, ANSWER)
    assert MbapReader(500, 1, HOLDING, stream).feed(first[:5]) is None
    assert MbapReader(501, 1, HOLDING, stream).feed(first[5:] + second) == WORDS


@examples(300)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_octets(pieces: list[bytes]) -> None:
    reader = MbapReader(0x0101, 1, HOLDING)
    try:
        replies = [reader.feed(piece) for piece in pieces]
    except ProtocolError as error:
        assert error.raw in b"".join(pieces)
    else:
        assert all(reply is None or isinstance(reply, (Words, Refused)) for reply in replies)
