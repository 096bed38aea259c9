"""Serial number and firmware by the map, and the device identification in parts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.identity import Identity, cell_text, device_identification, identity_cells, identity_of
from drivers.modbus.map_registers import Cell
from drivers.modbus.maps import maps
from drivers.modbus.wire.pdu import Identification, Identify
from drivers.modbus.wire.values import Type
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.modbus.asked_unit import Unit, identification


def cell(**content: Any) -> Cell:
    return Cell.model_validate({"address": 0} | content)


@pytest.mark.parametrize(
    ("content", "octets", "text"),
    [
        ({"type": "u32"}, b"\x02\x16\x84\xba", "35030202"),
        ({"type": "u32", "word_order": "little"}, b"\x84\xba\x02\x16", "35030202"),
        ({"type": "bcd32"}, b"\x35\x03\x12\x34", "35031234"),
        ({"type": "bcd32"}, b"\x3f\x03\x12\x34", "3f031234"),
        ({"type": "u32", "not_available": ["ffffffff"]}, b"\xff\xff\xff\xff", ""),
        # 1.19 as a binary number is 1.19000005722...
        ({"type": "f32"}, b"\x3f\x98\x51\xec", "1.19"),
        ({"type": "f32"}, b"\x7f\xc0\x00\x00", ""),
        ({"type": "string", "length": 4}, b"BJ04\0\0\0\0", "BJ04"),
        ({"type": "string", "length": 4}, b"  BJ04  ", "BJ04"),
        ({"type": "string", "length": 2, "byte_order": "little"}, b"JB40", "BJ04"),
        # Each letter in a register of its own: high octet or low octet empty.
        ({"type": "string", "length": 4}, b"\0B\0J\x000\x004", "BJ04"),
        ({"type": "string", "length": 4}, b"B\0J\x000\x004\0", "BJ04"),
        ({"type": "string", "length": 3}, b"\0B\0J\0\0", "BJ"),
        ({"type": "string", "length": 2}, b"\xff\xff\xff\xff", ""),
        ({"type": "string", "length": 2}, b"\0\0\0\0", ""),
        ({"type": "string", "length": 1}, b"\xe1A", "\\xe1A"),
    ],
)
def test_what_a_place_of_the_identity_says(content: dict[str, Any], octets: bytes, text: str) -> None:
    assert cell_text(cell(**content), octets) == text


@given(st.sampled_from(list(Type)), st.binary(min_size=8, max_size=8))
def test_any_octets_are_a_text_of_one_line_at_most(kind: Type, octets: bytes) -> None:
    length = {"length": 4} if kind in (Type.STRING, Type.BITS, Type.MOD10K) else {}
    one = cell(type=kind.value, **length)
    text = cell_text(one, octets[: 2 * one.form.words])
    assert text == text.strip()


def test_serial_and_firmware_of_a_map() -> None:
    found = maps()["abb-b23"]
    unit = Unit().put(0x8900, (35031234).to_bytes(4)).put(0x8908, "B23 2.1.0", words=8)
    assert [one.address for one in identity_cells(found)] == [0x8900, 0x8908]
    who = identity_of(found, unit.given)
    assert (who.serials, who.identification) == (("35031234",), "firmware B23 2.1.0")


def test_what_is_refused_is_empty_and_no_fault() -> None:
    who = identity_of(maps()["abb-b23"], Unit().given)
    assert (who, who.serials, who.identification) == (Identity(), (), "")


@pytest.mark.parametrize("octets", [bytes(4), b"\xff" * 4])
def test_a_number_that_nobody_has_given_a_device_is_no_serial_number(octets: bytes) -> None:
    assert identity_of(maps()["eastron-sdm120"], Unit().put(0xFC00, octets).given).serials == ()


def test_a_map_without_identity_asks_for_nothing() -> None:
    assert identity_cells(maps()["pulse-u32"]) == ()


# -- device identification -------------------------------------------------------------------------------------------


def identified(unit: Unit) -> str | None:
    found = asyncio.run(device_identification(unit.ask))
    return None if found is None else found.text


def test_a_device_identification_in_one_part() -> None:
    unit = Unit(parts={(2, 0): identification({0: "Maker", 1: "M-1", 2: "V1.2", 4: "Meter One"})})
    found = asyncio.run(device_identification(unit.ask))
    assert found is not None
    assert (found.vendor, found.products) == ("Maker", ("M-1", "Meter One"))
    assert found.text == "Maker M-1 Meter One V1.2"


def test_a_device_identification_in_parts() -> None:
    unit = Unit(parts={(2, 0): identification({0: "Maker"}, 1), (2, 1): identification({1: "M-1", 4: "M-1"})})
    assert identified(unit) == "Maker M-1"
    assert unit.asked == [Identify(2), Identify(2, 1)]


def test_who_refuses_regular_objects_is_asked_for_the_basic_ones() -> None:
    assert identified(Unit(parts={(1, 0): identification({0: "Maker", 1: "M-1"})})) == "Maker M-1"


def test_who_does_not_know_the_function_is_not_asked_again() -> None:
    unit = Unit()
    assert identified(unit) is None
    assert unit.asked == [Identify(2)]


def test_what_came_before_a_refusal_counts() -> None:
    assert identified(Unit(parts={(2, 0): identification({0: "Maker"}, 1)})) == "Maker"


def test_an_identification_without_an_end_is_an_error() -> None:
    endless = {(2, at): identification({at: "x"}, at + 1) for at in range(200)}
    unit = Unit(parts={**endless})
    with pytest.raises(ProtocolError, match="more than 16 parts"):
        identified(unit)
    assert len(unit.asked) == 16
    with pytest.raises(ProtocolError, match="behind it"):
        identified(Unit(parts={(2, 0): Identification(1, 0, {0: b"x"})}))


def test_silence_is_told() -> None:
    with pytest.raises(MeterSilent):
        identified(Unit(silent=True))
