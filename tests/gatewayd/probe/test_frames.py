"""Frames that were written by others: the standard's examples, and bytes that real programs sent and received."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.probe.frames import (
    Frame,
    disconnect,
    fcs,
    find_frame,
    modbus_answer,
    modbus_crc,
    read_register,
    snrm,
)

CHECK = b"123456789"
# IEC 62056-46 and every client's log: public client 16 asks server 1; the answer with the parameters of the link.
UA = bytes.fromhex("7EA01E210373C37A8180120501800601800704000000010804000000 01533B7E".replace(" ", ""))
# A client's log, u9n/dlms-cosem issue 62: a server address of two bytes.
SNRM_TWO_BYTES = bytes.fromhex("7EA020204127930C0C8180130501800602020007040000000108040000000 1B4F97E".replace(" ", ""))


def test_check_sums_have_the_published_check_values() -> None:
    """CRC-16/X-25 is 0x906E and CRC-16/MODBUS 0x4B37 for this text (RevEng catalogue); low byte first on the wire."""
    assert fcs(CHECK).hex() == "6e90"
    assert modbus_crc(CHECK).hex() == "374b"


@pytest.mark.parametrize("message", ["1103006B00037687", "110306AE415652434049AD", "0A8102B053"])
def test_the_modbus_sum_of_published_examples(message: str) -> None:
    """Request, answer and exception of the worked examples at simplymodbus.ca."""
    data = bytes.fromhex(message)
    assert modbus_crc(data[:-2]) == data[-2:]


def test_snrm_and_disc_are_the_constant_frames_of_every_client() -> None:
    assert snrm().hex().upper() == "7EA0070321930F017E"
    assert disconnect().hex().upper() == "7EA00703215303C77E"


@pytest.mark.parametrize("address", [0, 128, -1])
def test_addresses_of_more_than_one_byte_are_refused(address: int) -> None:
    with pytest.raises(ValueError, match="1 to 127"):
        snrm(address)


def test_a_foreign_answer() -> None:
    assert find_frame(UA) == Frame(b"\x21", b"\x03", 0x73)
    assert find_frame(b"\x7f\x7e\x7e" + UA[1:] + b"\0") == Frame(b"\x21", b"\x03", 0x73)


def test_a_foreign_address_of_two_bytes() -> None:
    assert find_frame(SNRM_TWO_BYTES) == Frame(b"\x20\x41", b"\x27", 0x93)


@pytest.mark.parametrize("place", range(1, len(UA) - 1))
def test_a_frame_with_one_wrong_byte_is_none(place: int) -> None:
    assert find_frame(UA[:place] + bytes((UA[place] ^ 0x10,)) + UA[place + 1 :]) is None


def test_the_question_about_a_register_is_that_of_the_manuals() -> None:
    """01 03 00 00 00 01 84 0A, an example in many device manuals."""
    assert read_register(1).hex().upper() == "010300000001840A"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("01030200E639CE", "register 0 is 230"),
        ("018302C0F1", "exception 2 (illegal address)"),
        ("01830B00F7", "exception 11 (see its manual)"),
    ],
)
def test_answers_of_a_unit(data: str, said: str) -> None:
    answer = bytes.fromhex(data)
    assert modbus_answer(answer, 1) == said
    assert modbus_answer(read_register(1) + answer, 1) == said, "behind the echo of the question"
    assert modbus_answer(b"\0" + answer, 1) == said, "behind noise"
    assert modbus_answer(answer, 2) is None
    assert modbus_answer(answer[:-1], 1) is None
    assert modbus_answer(answer[:-1] + b"\x55", 1) is None


def test_an_echo_is_no_answer() -> None:
    assert modbus_answer(read_register(1), 1) is None


@given(st.binary(max_size=80), st.integers(1, 247))
def test_any_bytes_are_judged(data: bytes, unit: int) -> None:
    find_frame(data)
    modbus_answer(data, unit)
