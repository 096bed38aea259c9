"""From octets to readings: scale, exponent, sentinels and what is no value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.image import Snapshot
from drivers.modbus.map_registers import Register
from drivers.modbus.readings import missing, object_of, power_of_ten, reading_of
from gatewayd.model import Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault
from tests.drivers.modbus.rtu_bytes import examples

AT = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)


def register(**given: Any) -> Register:
    return Register.model_validate({"obis": "1-0:1.8.0", "address": 0, "type": "u32", "unit": "kWh"} | given)


def reading(one: Register, *octets: str, others: tuple[Fault, ...] = ()) -> Reading:
    return reading_of("em-1", one, Snapshot(tuple(bytes.fromhex(text) for text in octets), AT), others)


def test_a_number_without_a_scale() -> None:
    found = reading(register(), "0001E240")
    assert found == Reading(
        meter="em-1",
        obis=Obis.parse("1-0:1.8.0"),
        obis_raw="1-0:1.8.0*255",
        kind=Kind.REGISTER,
        at=AT,
        raw=bytes.fromhex("0001E240"),
        raw_text="123456",
        unit="kWh",
    )


def test_the_octets_stay_in_the_order_of_the_device() -> None:
    found = reading(register(word_order="little", byte_order="little"), "40E20100")
    assert (found.raw, found.raw_text) == (bytes.fromhex("40E20100"), "123456")


@pytest.mark.parametrize(
    ("scale", "text", "scaler", "more", "value"),
    [
        ("0.01", "123456", -2, (), "1234.56"),
        ("10", "123456", 1, (), "1234560"),
        ("1.0", "123456", 0, (), "123456"),
        ("1000", "123456", 3, (), "123456000"),
        ("0.5", "61728.0", 0, ("123456",), "61728.0"),
        ("40", "4938240", 0, ("123456",), "4938240"),
    ],
)
def test_scales(scale: str, text: str, scaler: int, more: tuple[str, ...], value: str) -> None:
    found = reading(register(scale=scale), "0001E240")
    assert (found.raw_text, found.scaler, found.more) == (text, scaler, more)
    assert found.value == Decimal(value)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("449A5000", "1234.5"),
        ("43661999", "230.0999908447265625"),  # what the binary number is, and not what it was meant to be
        ("00000001", f"{5**149}E-149"),
        ("80000000", "-0"),
        ("7F7FFFFF", "340282346638528859811704183484516925440"),
    ],
)
def test_binary_numbers_are_exact_and_written_in_full(octets: str, text: str) -> None:
    found = reading(register(type="f32"), octets)
    assert Decimal(found.raw_text) == Decimal(text)
    assert "E" not in found.raw_text
    assert found.value is not None


def test_a_binary_number_times_a_scale_loses_no_digit() -> None:
    found = reading(register(type="f64", scale="0.3"), "0000000000000001")
    numerator, denominator = Decimal(found.raw_text).as_integer_ratio()
    assert numerator * 10 * 2**1074 == 3 * denominator


def with_exponent() -> Register:
    cell = {"address": 2, "type": "i16", "not_available": ["8000"]}
    return register(type="u32", group="energy", scale_register=cell)


@pytest.mark.parametrize(("octets", "exponent"), [("0000", 0), ("0003", 3), ("FFFE", -2), ("000A", 10), ("FFF6", -10)])
def test_an_exponent_of_the_device(octets: str, exponent: int) -> None:
    found = reading(with_exponent(), "0001E240", octets)
    assert (found.raw, found.raw_text, found.scaler) == (bytes.fromhex("0001E240"), "123456", exponent)
    assert found.status is RawStatus.TRUE


@pytest.mark.parametrize("octets", ["8000", "7FFF", "000B", "FFF5"])
def test_without_a_right_exponent_nobody_knows_the_number(octets: str) -> None:
    found = reading(with_exponent(), "0001E240", octets)
    assert (found.raw_text, found.value, found.more) == ("", None, ("123456",))
    assert (found.status, found.flags) == (RawStatus.DISTORTED, Flag.UNDECODABLE)


@pytest.mark.parametrize(
    ("form", "octets"),
    [({"not_available": ["ffffffff"]}, "FFFFFFFF"), ({"type": "f32"}, "7FC00000"), ({"type": "f32"}, "FF800000")],
)
def test_what_means_that_there_is_no_value(form: dict[str, Any], octets: str) -> None:
    found = reading(register(**form), octets)
    assert (found.raw, found.raw_text, found.value) == (bytes.fromhex(octets), "", None)
    assert (found.status, found.flags) == (RawStatus.MISSING, Flag.SENTINEL)


def test_digits_that_are_none() -> None:
    found = reading(register(type="bcd32"), "0012345A")
    assert (found.raw_text, found.status, found.flags) == ("", RawStatus.DISTORTED, Flag.UNDECODABLE)


def test_texts_and_bits() -> None:
    text = reading(register(obis="0-0:96.1.0", unit="", type="string", length=3), "414200000000")
    assert (text.raw_text, text.status) == ("AB", RawStatus.TRUE)
    empty = reading(register(obis="0-0:96.1.0", unit="", type="string", length=3), "000000000000")
    assert (empty.raw_text, empty.flags) == ("", Flag.NO_VALUE)
    bits = reading(register(obis="0-0:97.97.0", unit="", type="bits", length=1), "0005")
    assert (bits.raw_text, bits.value) == ("0b0000000000000101", None)


def test_maxima_and_faults_of_the_whole_session() -> None:
    found = reading(register(obis="1-0:1.6.0", unit="kW", kind="maximum"), "00000001", others=(Fault.OTHER_RATIO,))
    assert (found.kind, found.flags, found.status) == (Kind.MAXIMUM, Flag.RATIO_MISMATCH, RawStatus.TRUE)


def test_a_register_that_is_missing() -> None:
    found = missing("em-1", Obis.parse("1-0:1.8.0"), AT)
    assert (found.obis_raw, found.raw, found.raw_text, found.at) == ("", b"", "", AT)
    assert (found.status, found.flags) == (RawStatus.MISSING, Flag.NOT_SENT)


def test_as_the_list_of_a_scan_has_them() -> None:
    found = object_of(register(scale="0.01", phase="L2"))
    assert (found.class_id, found.unit, found.scaler, found.meaning) == (3, "kWh", -2, "L2")
    assert object_of(register(scale="0.5")).scaler == 0
    assert object_of(register(obis="0-0:96.1.0", unit="", type="string", length=3)).class_id == 1


@given(st.integers(min_value=-12, max_value=12), st.integers(min_value=0, max_value=4))
def test_powers_of_ten(exponent: int, zeros: int) -> None:
    assert power_of_ten(Decimal((0, (1, *([0] * zeros)), exponent - zeros))) == exponent
    assert power_of_ten(Decimal((0, (2,), exponent))) is None


@examples(200)
@given(st.binary(min_size=8, max_size=8), st.sampled_from(["0.01", "0.5", "1"]), st.data())
def test_any_octets_give_a_reading(octets: bytes, scale: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["u64", "i64", "f64", "bcd64"]))
    found = reading(register(type=kind, scale=scale), octets.hex())
    assert found.raw == octets
    assert (found.value is None) == (found.raw_text == "") == (found.status is not RawStatus.TRUE)
