"""Texts of values: every type of COSEM, what is no number, and that nothing is taken for one that is none."""

from __future__ import annotations

import pytest
from gurux_dlms.enums import Unit
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.units import UNITS, unit_text
from drivers.dlms.value_text import LIMIT, bits_of, date_time_of, date_time_text, number_of, octets_text, text_of
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.cosem_time import Deviation, parse_date_time
from gatewayd.errors import ProtocolError
from gatewayd.model import number
from tests.drivers.dlms.asked_meter import array, boolean, enum, octets, structure, text, u16, u32, value

WINTER = bytes.fromhex("07EA0B15060D2D0000FFC400")
"""2026-11-21, a Saturday, 13:45:00, deviation -60."""


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("00", ""),
        ("FF", ""),
        ("03 FF", "true"),
        ("03 00", "false"),
        ("04 0A A080", "0b1010000010"),
        ("05 FFFFFFFF", "-1"),
        ("06 00000001", "1"),
        ("09 00", ""),
        ("09 04 41423132", "AB12"),
        ("09 06 414231320000", "AB12"),
        ("09 04 00000102", "0x00000102"),
        ("09 02 0000", "0x0000"),
        ("0A 03 304131", "0A1"),
        ("0C 02 C39F", "ß"),
        ("0D 42", "42"),
        ("0F FE", "-2"),
        ("14 FFFFFFFFFFFFFFFF", "-1"),
        ("15 FFFFFFFFFFFFFFFF", "18446744073709551615"),
        ("16 03", "3"),
        ("17 3FC00000", "1.5"),
        ("17 7FC00000", "not a number"),
        ("18 3FB999999999999A", "0.1000000000000000055511151231257827021181583404541015625"),
        ("19 07EA0B15060D2D0000FFC400", "2026-11-21T13:45:00+01:00"),
        ("1A 07EA0B1506", "2026-11-21"),
        ("1A FFFF0BFEFF", "????-11-FE"),
        ("1B 0D2D00FF", "13:45:00"),
        ("1B 0DFFFFFF", "13:??:??"),
    ],
)
def test_every_type_has_a_text(sent: str, expected: str) -> None:
    assert text_of(value(bytes.fromhex(sent))) == expected


def test_twelve_octets_that_are_a_time_are_written_as_one_and_a_serial_number_is_not() -> None:
    assert text_of(value(octets(WINTER))) == "2026-11-21T13:45:00+01:00"
    assert text_of(value(octets(b"123456789012"))) == "123456789012"
    assert text_of(value(octets(b"\x00" * 12))) == "0x000000000000000000000000"


def test_structures_are_written_as_such() -> None:
    sent = structure(u32(7), octets(b"AB"), array(enum(1), boolean(True)), octets(WINTER), octets(b"\x01"), b"\x00")
    assert text_of(value(sent)) == '{7, "AB", [1, true], 2026-11-21T13:45:00+01:00, 0x01, null}'
    assert text_of(value(structure(text('a"b'), b"\x04\x02\x80"))) == '{"a\\"b", 0b10}'


def test_a_text_without_end_is_cut_and_says_so() -> None:
    shown = text_of(value(array(*[u32(4_000_000_000)] * 1000)))
    assert len(shown) <= LIMIT
    assert shown.endswith("... (5004 octets)")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("06 00000400", "0x00000400"),
        ("12 0001", "0x0001"),
        ("11 80", "0x80"),
        ("10 FFFF", "0xFFFF"),
        ("04 08 80", "0b10000000"),
        ("09 02 0001", "0x0001"),
    ],
)
def test_error_registers_are_bits(sent: str, expected: str) -> None:
    assert bits_of(value(bytes.fromhex(sent))) == expected


def test_bits_of_a_number_in_a_compact_array_have_no_tag_in_them() -> None:
    (first, _), _ = decode(bytes.fromhex("13 12 04 0001 0002"))[0].children, None
    assert first.raw == b"\x00\x01"
    assert bits_of(first) == "0x0001"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("FFFFFFFFFFFFFFFFFF8000FF", "????-??-??T??:??:??"),
        ("07EA0B15FF0D2D0000800000", "2026-11-21T13:45:00"),
        ("07EA0B15FF0D2D0519800000", "2026-11-21T13:45:05.25"),
        ("07EA0715FF0D2D00FF FF88 80", "2026-07-21T13:45:00+02:00"),
        ("07EA0715FF0D2D00FF 012C 00", "2026-07-21T13:45:00-05:00"),
        ("07EA0DFDFF 3D2D00FF 8000 00", "2026-13-FDT61:45:00"),
    ],
)
def test_times_as_the_meter_shows_them(sent: str, expected: str) -> None:
    assert date_time_text(parse_date_time(bytes.fromhex(sent))) == expected


def test_the_offset_follows_what_the_meter_means_by_its_deviation() -> None:
    time = parse_date_time(WINTER)
    assert date_time_text(time, Deviation.LOCAL_MINUS_UTC).endswith("-01:00")
    assert date_time_text(time, Deviation.IGNORED) == "2026-11-21T13:45:00"


def test_a_time_is_an_octet_string_of_twelve_or_a_date_time() -> None:
    assert date_time_of(value(octets(WINTER))) == parse_date_time(WINTER)
    assert date_time_of(value(b"\x19" + WINTER)) == parse_date_time(WINTER)
    assert date_time_of(value(octets(WINTER[:11]))) is None
    assert date_time_of(value(u32(7))) is None


@given(st.binary(max_size=40))
def test_octets_are_never_taken_for_a_number_unless_they_are_digits(content: bytes) -> None:
    shown = octets_text(content)
    if number(shown) is not None:
        assert shown == content.rstrip(b"\x00").decode("ascii")


@given(st.binary(max_size=60))
def test_whatever_decodes_has_a_text(sent: bytes) -> None:
    try:
        found, _ = decode(sent)
    except ProtocolError:
        return
    assert len(text_of(found)) <= LIMIT
    assert isinstance(bits_of(found), str)
    shown = number_of(found)
    assert shown is None or number(shown) == found.content


def test_units_are_those_that_the_foreign_stack_has_under_the_same_numbers() -> None:
    assert set(UNITS) <= {int(unit) for unit in Unit}
    named = {Unit.ACTIVE_ENERGY: "Wh", Unit.REACTIVE_ENERGY: "varh", Unit.APPARENT_ENERGY: "VAh"}
    named |= {Unit.ACTIVE_POWER: "W", Unit.REACTIVE_POWER: "var", Unit.VOLTAGE: "V"}
    named |= {Unit.CURRENT: "A", Unit.FREQUENCY: "Hz", Unit.VOLUME_CUBIC_METER: "m³"}
    named |= {Unit.TEMPERATURE: "°C", Unit.PRESSURE_BAR: "bar", Unit.ENERGY_JOULE: "J"}
    assert {int(unit): shown for unit, shown in named.items()}.items() <= UNITS.items()
    assert unit_text(255) == ""
    assert unit_text(200) == "unit 200"


def test_a_long_number_of_two_octets() -> None:
    assert number_of(value(u16(65535))) == "65535"
