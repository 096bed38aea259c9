"""Frames that were written by others: the standard's examples, and bytes that real programs sent and received."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.acse import Mechanism, parse_aarq
from gatewayd.probe.frames import (
    FIRST,
    Frame,
    Server,
    associate,
    associated,
    disconnect,
    fcs,
    find_frame,
    modbus_answer,
    modbus_crc,
    pushed,
    read_register,
    release,
    snrm,
)

# AARE of the Green Book, 11.2: accepted, and the same with result 1 and a diagnostic, behind the header of the wrapper.
AARE = bytes.fromhex("6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F040000501F01F40007")
REFUSAL = AARE.replace(bytes.fromhex("A203020100A305A103020100"), bytes.fromhex("A203020101A305A10302010D"))
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
    assert snrm(FIRST).hex().upper() == "7EA0070321930F017E"
    assert disconnect(FIRST).hex().upper() == "7EA00703215303C77E"


@pytest.mark.parametrize("address", [0, 128, -1])
def test_numbers_that_take_more_than_a_byte_are_refused(address: int) -> None:
    for numbers in ((address,), (1, address)):
        with pytest.raises(ValueError, match="1 to 127"):
            Server(*numbers)


def test_a_server_with_a_physical_device_has_two_addresses() -> None:
    """IEC 62056-46 6.4.2.2."""
    assert (Server(1, 17).encoded.hex(), Server(1, 17, wide=True).encoded.hex()) == ("0223", "00020023")
    for server in (Server(1, 17), Server(1, 17, wide=True)):
        assert find_frame(snrm(server)) == Frame(server.encoded, b"\x21", 0x93)
        assert find_frame(disconnect(server)) == Frame(server.encoded, b"\x21", 0x53)
        assert str(server) == "1/17"


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
    associated(data, unit)
    pushed(data)


# -- wrapper -----------------------------------------------------------------------------------------------------------


def wrapped(apdu: bytes, source: int = 1, destination: int = 16) -> bytes:
    """Behind the header of IEC 62056-47: version, wPorts, length."""
    return b"".join(number.to_bytes(2, "big") for number in (1, source, destination, len(apdu))) + apdu


def test_the_public_client_asks_without_a_password() -> None:
    asked = associate(3)
    assert asked[:8].hex() == "000100100003001f"
    aarq = parse_aarq(asked[8:])
    assert (aarq.mechanism, aarq.authentication, aarq.ciphered) == (Mechanism.NONE, b"", False)
    assert release(3).hex() == "00010010000300056203800100"


@pytest.mark.parametrize(
    ("apdu", "said"),
    [
        (AARE, "connects"),
        (REFUSAL, "is there and refuses the public client"),
        (bytes.fromhex("0E010600"), "is there and refuses the public client"),
        (bytes.fromhex("D80101"), "is there and refuses the public client"),
        (bytes.fromhex("C401C100"), None),
        (b"", None),
    ],
)
def test_answers_in_the_wrapper(apdu: bytes, said: str | None) -> None:
    assert associated(wrapped(apdu), 1) == said
    assert associated(associate(1) + wrapped(apdu), 1) == said, "behind the echo of the question"
    assert associated(wrapped(apdu), 2) is None, "of another wPort"
    assert associated(wrapped(apdu, destination=1), 1) is None, "to another client"
    assert associated(wrapped(apdu)[:-1], 1) is None


def test_pushes_in_the_wrapper() -> None:
    notification = bytes.fromhex("0F00000001000203")
    assert pushed(wrapped(notification))
    assert pushed(wrapped(b"\xdb" + notification) + b"\0")
    assert not pushed(wrapped(notification)[:-1])
    assert not pushed(b"\0" + wrapped(notification)), "without check sum only from the beginning"
    assert not pushed(wrapped(AARE))
