"""Registers of a simulated Modbus device: types against octets computed by hand, and how values move."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest

from simulators.modbus_values import EPOCH, Shape, exponent, key, number, pulses, text, value, words_of

AT = EPOCH + timedelta(days=2000, hours=5, seconds=7)


@pytest.mark.parametrize(
    ("type_", "words", "given", "octets"),
    [
        ("u16", 1, "258.9", "0102"),
        ("u16", 1, "65537", "0001"),
        ("i16", 1, "-1", "ffff"),
        ("i16", 1, "-2.5", "fffd"),  # the greatest integer that is not above it
        ("i16", 1, "32768", "0000"),
        ("u32", 2, "16909060", "01020304"),
        ("i32", 2, "-2", "fffffffe"),
        ("u64", 4, "72623859790382856", "0102030405060708"),
        ("i64", 4, "-1", "ffffffffffffffff"),
        ("f32", 2, "1", "3f800000"),  # IEEE 754: sign 0, exponent 127, fraction 0
        ("f32", 2, "-6.5", "c0d00000"),
        ("f64", 4, "1", "3ff0000000000000"),
        ("bcd16", 1, "1234", "1234"),
        ("bcd32", 2, "35031234", "35031234"),
        ("bcd32", 2, "100000001", "00000001"),
        ("bcd64", 4, "7", "0000000000000007"),
        ("mod10k", 2, "12345678", "04d2162e"),  # 1234, 5678
        ("mod10k", 2, "-10002", "fffffffe"),  # -1, -2
        ("mod10k", 3, "123400005678", "04d20000162e"),
    ],
)
def test_a_number_in_registers(type_: str, words: int, given: str, octets: str) -> None:
    assert number(Fraction(given), Shape(type_, words)).hex() == octets


@pytest.mark.parametrize(
    ("low_word_first", "low_octet_first", "octets"),
    [(False, False, "01020304"), (True, False, "03040102"), (False, True, "02010403"), (True, True, "04030201")],
)
def test_the_orders_of_words_and_octets(low_word_first: bool, low_octet_first: bool, octets: str) -> None:
    assert number(Fraction(0x01020304), Shape("u32", 2, low_word_first, low_octet_first)).hex() == octets


def test_a_text_is_filled_up_and_cut_off() -> None:
    assert text("EM24", Shape("string", 3)) == b"EM24\0\0"
    assert text("EM24-DIN", Shape("string", 2)) == b"EM24"
    assert text("EM24", Shape("string", 2, low_octet_first=True)) == b"ME42"


def test_lengths_of_types() -> None:
    assert [words_of(each, None) for each in ("u16", "i32", "f64", "bcd64")] == [1, 2, 4, 4]
    assert words_of("string", 7) == 7
    with pytest.raises(ValueError, match="needs a length"):
        words_of("mod10k", None)
    with pytest.raises(ValueError, match="no type 'word'"):
        words_of("word", None)


def test_energy_rises_by_its_rate_and_never_falls() -> None:
    before = value(1, 1, "1-0:1.8.0", "Wh", AT)
    rate = 100 + key(1, 1, "1-0:1.8.0") // 10**7
    assert value(1, 1, "1-0:1.8.0", "Wh", AT + timedelta(hours=3)) - before == 3 * rate
    assert 100 <= rate < 530
    assert value(1, 1, "1-0:1.8.0", "kWh", AT) * 1000 == before
    instants = [AT + timedelta(milliseconds=37 * step) for step in range(500)]
    values = [value(1, 1, "1-0:1.8.0", "Wh", at) for at in instants]
    assert values == sorted(values) and values[0] < values[-1]


def test_others_stay_near_their_nominal_value_and_move() -> None:
    volts = {value(1, 1, "1-0:32.7.0", "V", AT + timedelta(seconds=step)) for step in range(41)}
    assert (min(volts), max(volts), len(volts)) == (Fraction("225.4"), Fraction("234.6"), 41)
    assert value(1, 1, "1-0:16.7.0", "kW", AT) == value(1, 1, "1-0:16.7.0", "W", AT) / 1000
    assert Fraction("0.88") < value(1, 1, "1-0:13.7.0", "", AT) < 1


def test_a_maximum_moves_with_the_day_alone() -> None:
    def on(at_hours: int) -> Fraction:
        return value(1, 1, "1-0:1.6.0", "W", EPOCH + timedelta(hours=at_hours))

    assert on(0) == on(23) != on(24)


def test_units_seeds_and_codes_differ() -> None:
    found = {value(*which, "Wh", AT) for which in ((1, 1, "1-0:1.8.0"), (2, 1, "1-0:1.8.0"), (1, 2, "1-0:1.8.0"))}
    assert len(found | {value(1, 1, "1-0:2.8.0", "Wh", AT)}) == 4


def test_pulses() -> None:
    assert pulses(5, 3600, EPOCH + timedelta(seconds=2.5)) == Fraction("7.5")


@pytest.mark.parametrize(
    ("highest", "shape", "found"), [(460, ("i16", 1), -1), (10**8, ("u32", 2), -1), (1, ("i32", 2), -3)]
)
def test_an_exponent_leaves_room(highest: int, shape: tuple[str, int], found: int) -> None:
    assert exponent(Fraction(highest), Shape(*shape)) == found
