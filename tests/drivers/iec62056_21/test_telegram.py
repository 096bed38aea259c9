"""Blocks and pushed telegrams: where they end, and whether they are sound. A faulty one is kept and says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.iec62056_21.wire.framing import Identification, find_identification
from drivers.iec62056_21.wire.telegram import (
    TELEGRAM_LIMIT,
    Check,
    Telegram,
    end_of_block,
    end_of_push,
    read_block,
    read_push,
)
from tests.drivers.iec62056_21.conversation import BLOCK, BODY, PUSHED, block, examples

# STX 1 ( 2 ) CR LF ! CR LF ETX BCC; by hand: 31 19 2B 02 0F 05 24 29 23 20
SMALL = bytes.fromhex("02 31 28 32 29 0D 0A 21 0D 0A 03 20")


def test_the_limit_is_the_designs() -> None:
    assert TELEGRAM_LIMIT == 1024 * 1024


# -- blocks ----------------------------------------------------------------------------------------------------------


def test_a_block_with_its_check_character() -> None:
    assert block(b"1(2)\r\n") == SMALL
    assert read_block(SMALL, None) == Telegram(None, b"1(2)\r\n", Check.RIGHT)
    assert read_block(BLOCK, None) == Telegram(None, BODY, Check.RIGHT)


def test_a_wrong_check_character_is_kept_and_named() -> None:
    telegram = read_block(SMALL[:-1] + b"\x21", None)
    assert telegram.check is Check.BCC_WRONG
    assert telegram.data == b"1(2)\r\n"
    assert "21" in telegram.detail
    assert "20" in telegram.detail


def test_a_changed_byte_is_kept_as_it_came() -> None:
    telegram = read_block(SMALL.replace(b"2", b"3"), None)
    assert telegram.check is Check.BCC_WRONG
    assert telegram.data == b"1(3)\r\n"


def test_bit_eight_of_the_check_character_does_not_count() -> None:
    assert read_block(SMALL[:-1] + b"\xa0", None).check is Check.RIGHT


def test_the_mark_may_stand_at_the_end_of_the_last_line() -> None:
    """As the UH50 heat meter does it."""
    data = bytearray(b"\x020.0(1)!\r\n\x03")
    check = 0
    for byte in data[1:]:
        check ^= byte
    assert read_block(bytes(data) + bytes([check]), None) == Telegram(None, b"0.0(1)", Check.RIGHT)


def test_a_block_without_the_mark_is_taken_whole() -> None:
    assert read_block(b"\x02A\x03\x42", None) == Telegram(None, b"A", Check.RIGHT)


def test_an_empty_block() -> None:
    assert read_block(b"\x02\x03\x03", None) == Telegram(None, b"", Check.RIGHT)
    assert read_block(block(b""), None) == Telegram(None, b"", Check.RIGHT)


@pytest.mark.parametrize("length", range(1, len(SMALL)))
def test_a_block_that_stops_is_cut_short_wherever_it_stops(length: int) -> None:
    telegram = read_block(SMALL[:length], None)
    assert telegram.check is Check.CUT_SHORT
    assert b"1(2)\r\n".startswith(telegram.data) or telegram.data in (b"1(2)\r\n!", b"1(2)\r\n!\r")
    assert telegram.detail


def test_an_etx_without_a_check_character_cannot_be_checked() -> None:
    assert read_block(BLOCK[:-1], None).check is Check.CUT_SHORT
    assert read_block(BLOCK[:-1], None).data == BODY


def test_the_check_character_may_look_like_anything() -> None:
    """02 and 03 as check characters neither begin nor end anything."""
    for check in (0x02, 0x03, 0x06, 0x21):
        body = bytes([check ^ 0x03 ^ 0x20, 0x20])
        whole = b"\x02" + body + b"\x03" + bytes([check])
        assert read_block(whole, None) == Telegram(None, body, Check.RIGHT)
        assert end_of_block(whole, 0) == len(whole)
        assert end_of_block(whole[:-1], 0) == 0


def test_where_a_block_ends() -> None:
    assert end_of_block(SMALL, 0) == len(SMALL)
    assert end_of_block(SMALL + b"\x7f" + SMALL, 0) == len(SMALL)
    assert end_of_block(bytearray(SMALL), 3) == len(SMALL)
    assert not any(end_of_block(SMALL[:length], 0) for length in range(len(SMALL)))


# -- pushed telegrams ------------------------------------------------------------------------------------------------

HEAD = b"/XYZ5\\2TEST\r\n"
P1 = HEAD + b"\r\n1-0:1.8.1(000001.000*kWh)\r\n"


def bitwise_crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def identified(data: bytes) -> Identification:
    result = find_identification(data)
    assert result is not None
    return result[0]


def pushed(data: bytes) -> Telegram:
    return read_push(data, identified(data))


def test_mode_d_has_no_check_character() -> None:
    telegram = pushed(PUSHED)
    assert telegram.check is Check.NONE_DEFINED
    assert telegram.data == PUSHED[len(b"/ESY5Q3DA3024 V3.04\r\n") : -len(b"!\r\n")]
    assert telegram.identification == identified(PUSHED)


def test_a_crc_is_verified() -> None:
    right = P1 + b"!%04X\r\n" % bitwise_crc(P1 + b"!")
    assert pushed(right).check is Check.RIGHT
    assert pushed(right).data == b"\r\n1-0:1.8.1(000001.000*kWh)\r\n"
    assert pushed(right.replace(b"!" + right[-6:-2], b"!" + right[-6:-2].lower())).check is Check.RIGHT
    wrong = pushed(right.replace(b"000001", b"000002"))
    assert wrong.check is Check.CRC_WRONG
    assert wrong.data == b"\r\n1-0:1.8.1(000002.000*kWh)\r\n"
    assert right[-6:-2].decode() in wrong.detail


def test_a_crc_without_its_leading_zero() -> None:
    """Some meters write B9F instead of 0B9F (capture dsmr_parser_telegram_unpadded_crc)."""
    numbered = (P1 + b"0-0:96.1.1(%d)\r\n" % n for n in range(1000))
    data = next(data for data in numbered if 0x100 <= bitwise_crc(data + b"!") <= 0xFFF)
    assert pushed(data + b"!%X\r\n" % bitwise_crc(data + b"!")).check is Check.RIGHT
    assert pushed(data + b"!%X\r\n" % (bitwise_crc(data + b"!") ^ 1)).check is Check.CRC_WRONG


def test_the_crc_covers_the_identification() -> None:
    right = P1 + b"!%04X\r\n" % bitwise_crc(P1 + b"!")
    assert pushed(right.replace(b"TEST", b"TOST")).check is Check.CRC_WRONG


@pytest.mark.parametrize("end", [b"!\r\n", b"!\n", b"!ABCD\r\n", b"!abc\r\n", b"!0 \r\n"])
def test_where_a_pushed_telegram_ends(end: bytes) -> None:
    assert end_of_push(P1 + end, 0) == len(P1 + end)
    assert end_of_push(P1 + end + P1 + end, len(HEAD)) == len(P1 + end)
    assert not any(end_of_push((P1 + end)[:length], 0) for length in range(len(P1 + end)))


@pytest.mark.parametrize("text", [b"0.2.0(A!B)\r\n", b"0.2.0(!!)\r\n", b"0.2.0(a!b!c)\r\n"])
def test_an_exclamation_mark_inside_a_value_ends_nothing(text: bytes) -> None:
    assert end_of_push(HEAD + text, 0) == 0
    assert pushed(HEAD + text + b"!\r\n").data == text


def test_a_pushed_telegram_that_stops_is_cut_short() -> None:
    for length in range(len(HEAD), len(P1) + 1):
        telegram = read_push((P1 + b"!")[:length], identified(P1))
        assert telegram.check is Check.CUT_SHORT
        assert telegram.data == P1[len(HEAD) : length]


# -- properties ------------------------------------------------------------------------------------------------------

BODIES = st.binary(max_size=60).map(lambda body: body.translate(None, b"\x02\x03"))


@given(BODIES)
@examples(150)
def test_a_built_block_is_right_and_every_changed_bit_is_seen(body: bytes) -> None:
    whole = block(bytes(byte & 0x7F for byte in body).translate(None, b"\x03"))
    telegram = read_block(whole, None)
    assert telegram.check is Check.RIGHT
    assert end_of_block(whole, 0) == len(whole)
    for place in range(1, len(whole) - 2):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        if b"\x03" not in changed[1:-2]:
            assert read_block(bytes(changed), None).check is Check.BCC_WRONG


@given(st.binary(max_size=80))
@examples(150)
def test_any_block_is_a_telegram(data: bytes) -> None:
    telegram = read_block(b"\x02" + data, None)
    assert telegram.check in (Check.RIGHT, Check.BCC_WRONG, Check.CUT_SHORT)
    assert (b"\x02" + data).startswith(b"\x02" + telegram.data)


@given(st.binary(max_size=80))
@examples(150)
def test_any_pushed_telegram_is_a_telegram(data: bytes) -> None:
    telegram = read_push(HEAD + data, identified(HEAD))
    assert telegram.check is not Check.BCC_WRONG
    assert data.startswith(telegram.data)
