"""Messages and check characters: IEC 62056-21:2002 6.3, against vectors that were worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.framing import (
    ADDRESS_LIMIT,
    Identification,
    block_check,
    crc16,
    find_identification,
    mode_c_rates,
    option_select,
    sign_on,
)
from tests.drivers.iec62056_21.conversation import SIGN_ON, VECTORS, examples

CHECKS = yaml.safe_load((VECTORS / "check_characters.yaml").read_text(encoding="utf-8"))
IDENTIFICATIONS = yaml.safe_load((VECTORS / "identifications.yaml").read_text(encoding="utf-8"))


def found(data: bytes) -> Identification:
    result = find_identification(data)
    assert result is not None
    return result[0]


# -- request message -------------------------------------------------------------------------------------------------


def test_the_request_message() -> None:
    assert sign_on() == b"/?!\r\n"
    assert sign_on("12345678") == b"/?12345678!\r\n"
    assert sign_on("Az 09") == b"/?Az 09!\r\n"
    assert sign_on("1", "2") == b"/21!\r\n"
    assert sign_on(table="4") == b"/4!\r\n"


def test_an_address_has_at_most_32_characters() -> None:
    assert ADDRESS_LIMIT == 32
    assert sign_on("7" * 32) == b"/?" + b"7" * 32 + b"!\r\n"
    with pytest.raises(ValueError, match="32"):
        sign_on("7" * 33)


@pytest.mark.parametrize("address", ["1!", "/1", "1\r\n", "1\n", "(1)", "1*2", "é", "٣", "1\x00", "-1"])
def test_an_address_of_other_characters_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        sign_on(address)


# -- acknowledgement and break ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (300, "06 30 30 30 0D 0A"),
        (600, "06 30 31 30 0D 0A"),
        (1200, "06 30 32 30 0D 0A"),
        (2400, "06 30 33 30 0D 0A"),
        (4800, "06 30 34 30 0D 0A"),
        (9600, "06 30 35 30 0D 0A"),
        (19200, "06 30 36 30 0D 0A"),
    ],
)
def test_the_acknowledgement_chooses_a_rate_and_the_readout(rate: int, expected: str) -> None:
    assert option_select(rate) == bytes.fromhex(expected)


def test_the_acknowledgement_of_other_protocols_and_modes() -> None:
    assert option_select(9600, mode="1") == b"\x06051\r\n"
    assert option_select(9600, protocol="2", mode="2") == b"\x06252\r\n"


def test_the_rates_that_can_be_chosen() -> None:
    assert mode_c_rates() == (300, 600, 1200, 2400, 4800, 9600, 19200)


def test_the_break_message() -> None:
    assert bytes.fromhex("01 42 30 03 71") == framing.BREAK


# -- identification --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", IDENTIFICATIONS, ids=lambda vector: vector["raw"])
def test_identifications(vector: dict[str, Any]) -> None:
    raw = vector["raw"].encode("ascii") + b"\r\n"
    result = find_identification(raw)
    assert result is not None
    identification, end = result
    assert end == len(raw)
    assert identification.raw == raw
    assert str(identification) == vector["raw"]
    for field in ("manufacturer", "mode", "rate", "reaction_ms", "sequences", "text"):
        assert getattr(identification, field) == vector[field], field


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        SIGN_ON,
        b"/?12345678!\r\n",
        b"\x00" * 40,
        b"\x7f\x7f\x00",
        b"\r\n",
        b"/",
        b"/AB",
        b"/?!\r\n/?!\r\n",
        b"\xff\x80/?!\r\n\x7f",
        b"junk\r\n!\r\n",
    ],
)
def test_echo_and_noise_before_are_passed_over(noise: bytes) -> None:
    data = noise + b"/ISK5MT174-0001\r\n" + b"\x02behind"
    result = find_identification(data)
    assert result is not None
    assert result[0].raw == b"/ISK5MT174-0001\r\n"
    assert data[result[1] :] == b"\x02behind"
    assert find_identification(bytearray(data)) == result


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SIGN_ON,
        b"/ISK5MT174",
        b"/ISK5MT174\r",
        b"/ISK5MT174\n",
        b"ISK5MT174\r\n",
        b"/IS5\r\n",
        b"/I1K5MT174\r\n",
        b"/ISK\r\n",
        b"/ISK5MT\x01174\r\n",
        b"/ISK5MT\xe9174\r\n",
    ],
)
def test_what_is_no_identification(data: bytes) -> None:
    assert find_identification(data) is None


def test_more_than_the_allowed_16_characters_are_taken_up_to_a_limit() -> None:
    assert found(b"/ABC5" + b"x" * 64 + b"\r\n").text == "x" * 64
    assert find_identification(b"/ABC5" + b"x" * 65 + b"\r\n") is None


@given(noise=st.binary(max_size=60), text=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=16))
@examples(150)
def test_an_identification_is_found_behind_any_noise(noise: bytes, text: str) -> None:
    raw = b"/XYZ5" + text.encode("ascii") + b"\r\n"
    result = find_identification(noise + b"\r\n" + raw)
    assert result is not None
    # Noise may hold an identification of its own, or a text may; what is found first ends here at the latest.
    assert result[1] <= len(noise) + 2 + len(raw)
    if b"/" not in noise:
        assert result[0].raw == raw


# -- check characters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", CHECKS["bcc"], ids=lambda vector: vector["name"])
def test_block_check_characters(vector: dict[str, str]) -> None:
    assert block_check(bytes.fromhex(vector["data"])) == int(vector["check"], 16)


@pytest.mark.parametrize("vector", CHECKS["crc"], ids=lambda vector: vector["name"])
def test_crc16(vector: dict[str, str]) -> None:
    assert crc16(bytes.fromhex(vector["data"])) == int(vector["check"], 16)


def bitwise_crc(data: bytes) -> int:
    """The definition, one bit after the other."""
    crc = 0
    for byte in data:
        for bit in range(8):
            carry = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0xA001 if carry else 0)
    return crc


@given(st.binary(max_size=80))
@examples(100)
def test_crc16_is_what_its_definition_says(data: bytes) -> None:
    assert crc16(data) == bitwise_crc(data)


@given(st.binary(min_size=1, max_size=80), st.integers(0, 10**6), st.integers(0, 6))
@examples(100)
def test_every_single_bit_that_flips_is_seen(data: bytes, place: int, bit: int) -> None:
    changed = bytearray(data)
    changed[place % len(data)] ^= 1 << bit
    assert block_check(bytes(changed)) != block_check(data)
    assert crc16(bytes(changed)) != crc16(data)
