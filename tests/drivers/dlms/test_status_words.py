"""Status words: each bit by the vendor's map, unknown bits said to be unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.status_words import StatusWords, judged
from drivers.dlms.vendors import StatusWord, vendors
from drivers.dlms.wire.axdr import Tag, Value
from gatewayd.status import Fault
from tests.drivers.dlms.asked_meter import octets, u8, u16, u32, value

AMR = vendors()["generic"].status


@pytest.mark.parametrize(
    ("word", "faults"),
    [
        (0x00, ()),
        (0x01, (Fault.METER_FATAL,)),
        (0x02, (Fault.CLOCK_DOUBTFUL,)),
        (0x04, (Fault.VALUE_DISTURBED,)),
        (0x08, (Fault.SEASON_SUMMER,)),
        (0x10, (Fault.BIT_UNKNOWN,)),
        (0x20, (Fault.CLOCK_SET,)),
        (0x40, (Fault.BIT_UNKNOWN,)),
        (0x80, (Fault.POWER_FAILED,)),
        (0xA8, (Fault.SEASON_SUMMER, Fault.CLOCK_SET, Fault.POWER_FAILED)),
        (0x50, (Fault.BIT_UNKNOWN,)),
    ],
)
def test_the_amr_profile_status_bit_by_bit(word: int, faults: tuple[Fault, ...]) -> None:
    assert judged(value(u8(word)), AMR) == (faults, f"{word:02X}")


def test_bit_6_is_a_recovered_value_for_dutch_meters_only() -> None:
    assert judged(value(u8(0x40)), vendors()["dsmr"].status).faults == (Fault.DATA_RECOVERED,)
    assert judged(value(u8(0x40)), vendors()["idis"].status).faults == (Fault.BIT_UNKNOWN,)


def test_a_word_of_another_width_is_another_word() -> None:
    assert judged(value(u16(0x0080)), AMR) == ((Fault.BIT_UNKNOWN,), "0080")
    assert judged(value(u32(0)), AMR) == ((), "00000000")
    assert judged(value(u16(0x0100)), StatusWord(bits=16, meaning={0x100: Fault.METER_RESET})).faults == (
        Fault.METER_RESET,
    )


def test_octets_are_a_word_with_the_highest_first() -> None:
    assert judged(value(octets(b"\x80")), AMR) == ((Fault.POWER_FAILED,), "80")
    assert judged(value(octets(b"\x00\x80")), AMR) == ((Fault.BIT_UNKNOWN,), "0080")


@pytest.mark.parametrize("sent", [b"\x00", octets(b""), octets(bytes(9)), b"\x0a\x011", b"\x05\x00\x00\x00\x00"])
def test_what_is_no_word_is_not_believed(sent: bytes) -> None:
    assert judged(value(sent), AMR).faults == (Fault.BIT_UNKNOWN,)


def test_a_bit_string_says_nothing_only_where_no_bit_is_set() -> None:
    assert judged(value(b"\x04\x08\x00"), AMR).faults == ()
    assert judged(value(b"\x04\x08\x80"), AMR).faults == (Fault.BIT_UNKNOWN,)


def test_a_bit_that_says_nothing_about_the_value() -> None:
    assert judged(value(u8(0x10)), StatusWord(meaning={0x10: None})).faults == ()


@given(st.integers(0, 255))
def test_no_set_bit_is_passed_over(word: int) -> None:
    faults = judged(value(u8(word)), AMR).faults
    assert set(faults) == {AMR.meaning.get(1 << bit, Fault.BIT_UNKNOWN) for bit in range(8) if word >> bit & 1}


def test_words_are_told_apart_by_type_too() -> None:
    words = StatusWords(AMR)
    assert words.read(value(u8(0x80))).faults == (Fault.POWER_FAILED,)
    assert words.read(value(u16(0x80))).faults == (Fault.BIT_UNKNOWN,)
    assert words.read(Value(Tag.UNSIGNED, b"", 0x80)).faults == (Fault.POWER_FAILED,)
    for word in range(256):
        assert words.read(value(u16(word))).text == f"{word:04X}"
