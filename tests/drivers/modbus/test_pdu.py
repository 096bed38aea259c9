"""Requests and replies without frame: what may be asked, and what of an answer is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.wire.pdu import (
    PDU_LIMIT,
    Bits,
    ExceptionCode,
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
    parse_reply,
    reply_size,
)
from gatewayd.errors import ProtocolError
from tests.drivers.modbus.rtu_bytes import examples

HOLDING = Read(Function.READ_HOLDING_REGISTERS, 0x006B, 3)
COILS = Read(Function.READ_COILS, 0x0013, 0x13)

READS = st.builds(
    Read,
    st.sampled_from([Function(number) for number in (1, 2, 3, 4)]),
    st.integers(0, 60000),
    st.integers(1, 125),
)
REQUESTS = READS | st.builds(Identify, st.integers(1, 4), st.integers(0, 255)) | st.just(ReportServerId())


def told(request: Request, pdu: str) -> Reply:
    return parse_reply(request, bytes.fromhex(pdu))


# -- what may be asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "encoded"),
    [
        # The examples of MODBUS Application Protocol V1.1b3, 6.1 to 6.4, 6.13 and 6.21.
        (COILS, "01 00 13 00 13"),
        (Read(Function.READ_DISCRETE_INPUTS, 0x00C4, 0x16), "02 00 C4 00 16"),
        (HOLDING, "03 00 6B 00 03"),
        (Read(Function.READ_INPUT_REGISTERS, 0x0008, 1), "04 00 08 00 01"),
        (ReportServerId(), "11"),
        (Identify(1), "2B 0E 01 00"),
        (Identify(4, 0x80), "2B 0E 04 80"),
    ],
)
def test_requests_as_the_standard_writes_them(request_: Request, encoded: str) -> None:
    assert request_.encoded == bytes.fromhex(encoded)


def test_no_function_writes() -> None:
    writing = {5, 6, 8, 15, 16, 20, 21, 22, 23}
    assert {int(function) for function in Function} == {1, 2, 3, 4, 17, 43}
    assert not writing & {int(function) for function in Function}
    for function in (Function.REPORT_SERVER_ID, Function.ENCAPSULATED_INTERFACE):
        with pytest.raises(ValueError, match="reads no addresses"):
            Read(function, 0, 1)
    with pytest.raises(ValueError, match="reads no addresses"):
        Read(6, 0, 1)  # type: ignore[arg-type]  # what no type check stops


@pytest.mark.parametrize(
    ("function", "most"),
    [(1, 2000), (2, 2000), (3, 125), (4, 125)],
)
def test_not_more_than_a_request_may_ask_for(function: int, most: int) -> None:
    assert Read(Function(function), 0x10000 - most, most).end == 0x10000
    for address, count in ((0, most + 1), (0, 0), (0, -1), (0x10000 - most + 1, most), (-1, 1), (0x10000, 1)):
        with pytest.raises(ValueError, match="expected"):
            Read(Function(function), address, count)


@pytest.mark.parametrize(("level", "object_id"), [(0, 0), (5, 0), (1, -1), (1, 256)])
def test_identification_without_such_a_level_or_object(level: int, object_id: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 4"):
        Identify(level, object_id)


@pytest.mark.parametrize(
    ("request_", "octets"),
    [(HOLDING, 8), (COILS, 5), (Read(Function.READ_COILS, 0, 16), 4), (Read(Function.READ_COILS, 0, 17), 5)],
)
def test_length_of_the_reply(request_: Read, octets: int) -> None:
    assert request_.reply_octets == octets
    assert Identify(1).reply_octets is None
    assert ReportServerId().reply_octets is None


# -- what is answered ------------------------------------------------------------------------------------------------


def test_registers_stay_octets() -> None:
    assert told(HOLDING, "03 06 02 2B 00 00 00 64") == Words(bytes.fromhex("022B00000064"))  # 6.3


def test_bits_count_from_the_lowest() -> None:
    reply = told(COILS, "01 03 CD 6B 05")  # 6.1: coils 27 to 20 are CD, 38 to 36 are 05
    assert isinstance(reply, Bits)
    assert [reply[index] for index in range(8)] == [True, False, True, True, False, False, True, True]
    assert [reply[index] for index in range(16, 19)] == [True, False, True]
    for index in (-1, 19):
        with pytest.raises(IndexError):
            _ = reply[index]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6, 10, 11])
@pytest.mark.parametrize("request_", [HOLDING, COILS, Identify(1), ReportServerId()])
def test_exceptions(request_: Request, code: int) -> None:
    reply = parse_reply(request_, bytes((request_.function | 0x80, code)))
    assert reply == Refused(code)
    assert reply.text == f"{ExceptionCode(code).text} (exception {code})"


def test_an_exception_that_the_standard_does_not_have() -> None:
    reply = told(HOLDING, "83 7F")
    assert reply == Refused(0x7F)
    assert "127" in reply.text
    assert Refused(2).text == "illegal data address (exception 2)"


@pytest.mark.parametrize(
    ("pdu", "says"),
    [
        ("04 06 02 2B 00 00 00 64", "answers function 4, where 3 was asked"),
        ("84 02", "answers an exception of function 4, where 3 was asked"),
        ("03 04 02 2B 00 00", "sends 4 octets, where 6 were asked"),
        ("03 08 02 2B 00 00 00 64 00 00", "sends 8 octets, where 6 were asked"),
        ("03 06 02 2B 00 00 00", "breaks off"),
        ("03", "breaks off"),
        ("", "breaks off"),
        ("83", "breaks off"),
        ("03 06 02 2B 00 00 00 64 00", "sends 1 octets behind its reply"),
        ("83 02 00", "sends 1 octets behind its reply"),
    ],
)
def test_a_reply_that_does_not_fit(pdu: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says) as caught:
        told(HOLDING, pdu)
    assert caught.value.raw == bytes.fromhex(pdu)


def test_server_id() -> None:
    assert told(ReportServerId(), "11 03 41 42 FF") == ServerId(b"AB\xff")
    assert told(ReportServerId(), "11 00") == ServerId(b"")
    for wrong in ("11 03 41 42", "11 03 41 42 FF 00", "11 FC" + "00" * 252):
        with pytest.raises(ProtocolError):
            told(ReportServerId(), wrong)


def test_identification_in_one_part() -> None:
    # The example of 6.21, with lengths that fit what is sent.
    pdu = "2B 0E 01 01 00 00 03 00 03 41 42 43 01 02 58 59 02 05 56 32 2E 31 31"
    reply = told(Identify(1), pdu)
    assert reply == Identification(1, None, {0: b"ABC", 1: b"XY", 2: b"V2.11"})
    assert Identify(1).following(reply) is None
    for end in range(len(bytes.fromhex(pdu))):
        with pytest.raises(ProtocolError, match="breaks off"):
            parse_reply(Identify(1), bytes.fromhex(pdu)[:end])


def test_identification_in_several_parts() -> None:
    first = told(Identify(2), "2B 0E 02 82 FF 02 02 00 01 41 01 01 42")
    assert isinstance(first, Identification)
    assert (first.more, first.objects) == (2, {0: b"A", 1: b"B"})
    asked = Identify(2).following(first)
    assert asked == Identify(2, 2)
    second = told(asked, "2B 0E 02 82 FF 80 01 02 01 43")
    assert isinstance(second, Identification)
    assert asked.following(second) == Identify(2, 0x80)
    last = told(Identify(2, 0x80), "2B 0E 02 82 00 00 01 80 00")
    assert isinstance(last, Identification)
    assert Identify(2, 0x80).following(last) is None
    assert last.objects == {0x80: b""}


@pytest.mark.parametrize(
    ("asked", "more"), [(Identify(2), 0), (Identify(2), 1), (Identify(2, 5), 5), (Identify(2, 5), 2)]
)
def test_identification_that_goes_round_in_circles(asked: Identify, more: int) -> None:
    reply = Identification(1, more, {1: b"B"})
    with pytest.raises(ProtocolError, match="goes on with object"):
        asked.following(reply)


@pytest.mark.parametrize(
    "pdu",
    [
        "2B 0D 01 01 00 00 00",  # another MEI type: CANopen
        "2B 0E 02 01 00 00 00",  # another level
        "2B 0E 01 01 01 00 00",  # more follows is 00 or FF
        "2B 0E 01 01 00 00 00 00",  # an octet behind
        "2B 0E 01 01 00 00 01 00 FF" + "00" * 244,  # longer than a PDU
    ],
)
def test_identification_that_is_none(pdu: str) -> None:
    with pytest.raises(ProtocolError, match=r"not as it was asked|behind its reply"):
        told(Identify(1), pdu)


# -- whatever comes --------------------------------------------------------------------------------------------------


@examples(300)
@given(REQUESTS, st.binary(max_size=260), st.booleans())
def test_any_octets(request_: Request, data: bytes, fitting: bool) -> None:
    pdu = bytes((request_.function,)) + data if fitting else data
    try:
        reply = parse_reply(request_, pdu)
    except ProtocolError as error:
        assert error.raw == pdu
    else:
        assert reply_size(request_, pdu) == len(pdu)
        assert isinstance(reply, (Words, Bits, Identification, ServerId, Refused))


@examples(200)
@given(READS, st.binary(min_size=260, max_size=260))
def test_every_reply_that_fits_is_taken_whole(request_: Read, content: bytes) -> None:
    octets = content[: request_.reply_octets - 2]
    pdu = bytes((request_.function, len(octets))) + octets
    reply = parse_reply(request_, pdu)
    assert isinstance(reply, Bits if request_.function.of_bits else Words)
    assert reply.octets == octets
    for end in range(len(pdu)):
        assert reply_size(request_, pdu[:end]) in ((0,) if end < 2 else (len(pdu),))


@examples(200)
@given(st.dictionaries(st.integers(0, 255), st.binary(max_size=40), max_size=5), st.integers(1, 4), st.booleans())
def test_identification_round_trip(objects: dict[int, bytes], level: int, more: bool) -> None:
    parts = b"".join(bytes((number, len(content))) + content for number, content in objects.items())
    pdu = bytes((0x2B, 0x0E, level, 0x81, 0xFF if more else 0, 7, len(objects))) + parts
    assert len(pdu) <= PDU_LIMIT
    assert parse_reply(Identify(level), pdu) == Identification(0x81, 7 if more else None, objects)
    assert all(reply_size(Identify(level), pdu[:end]) == 0 for end in range(7))
