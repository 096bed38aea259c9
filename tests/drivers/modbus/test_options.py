"""What may stand under `modbus:`: defaults, contradictions in words, and what becomes of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from drivers import DRIVERS
from drivers.modbus.maps import maps
from drivers.modbus.options import ModbusOptions
from drivers.modbus.wire.dialogue import Transport
from gatewayd.channel import Framing
from gatewayd.config import json_schema, parse
from gatewayd.errors import ConfigError

MAP = "eastron-sdm630"
COUNTER = {"address": 0, "obis": "1-0:1.8.0", "pulse_weight": [{"weight": "0.001", "unit": "kWh"}]}


def options(**given: Any) -> ModbusOptions:
    return ModbusOptions.model_validate({"unit": 1, "map": MAP} | given)


def said(**given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        options(**given)
    return caught.value.errors()[0]["msg"].removeprefix("Value error, ")


def test_the_defaults() -> None:
    chosen = options()
    assert chosen.frames is Transport.RTU
    assert chosen.character is Framing.N81
    assert (chosen.most, chosen.gap) == (60, 16)  # as the map says
    assert chosen.device is maps()[MAP]
    settings = chosen.settings(9600)
    assert (settings.timeout_s, settings.late_s, settings.repeats) == (1.0, 3.0, False)
    assert settings.pause_s == pytest.approx(3.5 * 11 / 9600)
    assert settings.character_s == pytest.approx(11 / 9600)


def test_what_is_said_goes_before_the_map() -> None:
    chosen = options(max_registers=20, max_gap=0, pause_ms=40, timeout_s="0.3", late_s=2, repeats=True, framing="8E1")
    assert (chosen.most, chosen.gap, chosen.character) == (20, 0, Framing.E81)
    settings = chosen.settings(None)
    assert (settings.timeout_s, settings.late_s, settings.pause_s, settings.repeats) == (0.3, 2.0, 0.04, True)
    assert chosen.timeout_s == Decimal("0.3")


@pytest.mark.parametrize(
    ("baud", "silence", "late"),
    [
        (115200, 0.00175, 3.0),  # 2.5.1.1: not shorter above 19200
        (19200, 3.5 * 11 / 19200, 3.0),
        (None, 3.5 * 11 / 9600, 3.0),
        (300, 3.5 * 11 / 300, 1.0 + 256 * 11 / 300 + 0.25),  # the longest answer takes so long
    ],
)
def test_what_the_rate_of_the_line_means(baud: int | None, silence: float, late: float) -> None:
    settings = options().settings(baud)
    assert settings.pause_s == pytest.approx(silence)
    assert settings.late_s == pytest.approx(late)
    assert settings.character_s == pytest.approx(11 / baud if baud else 0.0)


def test_a_long_patience_is_not_shorter_than_the_timeout() -> None:
    assert options(timeout_s=60).settings(None).late_s > 60


@pytest.mark.parametrize("unit", [1, 247])
def test_units_of_a_serial_line(unit: int) -> None:
    assert options(unit=unit).unit == unit


@pytest.mark.parametrize("unit", [0, 1, 247, 255])
def test_units_of_modbus_tcp(unit: int) -> None:
    assert options(unit=unit, transport="tcp").unit == unit


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unit": 0}, "unit 0 is the broadcast, which nobody answers; expected 1 to 247"),
        ({"unit": 248}, "unit 248 is reserved; expected 1 to 247"),
        ({"unit": 255}, "unit 255 is reserved; expected 1 to 247 (0 and 255 belong to transport: tcp)"),
        ({"unit": 254, "transport": "tcp"}, "unit 254 is reserved; with transport: tcp expected 1 to 247, or 0 or 255"),
        ({"transport": "tcp", "framing": "8E1"}, "framing: of serial lines only; leave it out with transport: tcp"),
        ({"transport": "tcp", "pause_ms": 1, "repeats": True}, "pause_ms, repeats: of serial lines only"),
        ({"timeout_s": 2, "late_s": 1}, "late_s 1 is less than timeout_s 2"),
        ({"max_registers": 1}, "max_registers 1 is too small for map eastron-sdm630: '1-0:1.8.0*255' has 2 registers"),
        ({"map": "sunspec-201-204", "max_registers": 9}, "max_registers 9 is too small for map sunspec-201-204: "),
        ({"map": "carlo-gavazzi-em24", "max_registers": 6}, "map carlo-gavazzi-em24, which reads 7 at once"),
        ({"map": "sdm630"}, "'sdm630' is no map; known: abb-b21, "),
        ({"inputs": [COUNTER]}, "inputs belong to the maps of pulse counters (pulse-"),
        ({"map": "pulse-u32"}, "map pulse-u32 is for pulse counters: name them as inputs"),
        ({"map": "pulse-u32", "inputs": [COUNTER, COUNTER]}, "inputs at 0 and 0 both count 1-0:1.8.0*255"),
        ({"timeout_s": 0}, "Input should be greater than 0"),
        ({"attempts": 0}, "Input should be greater than or equal to 1"),
    ],
)
def test_contradictions(given: dict[str, Any], message: str) -> None:
    assert message in said(**given)


def test_pulse_counters() -> None:
    assert options(map="pulse-u32", inputs=[COUNTER]).inputs[0].address == 0


CONFIG = """\
gateway: {id: gw-1}
archive: {path: /var/lib/gatewayd}
lines:
  bus: {type: serial, device: /dev/ttyS1, baud: 9600}
meters:
  - id: em-1
    driver: modbus
    line: bus
    modbus: {MODBUS}
    jobs: [{registers: all, every: 60s}]
"""
KINDS = {name: kind.options for name, kind in DRIVERS.items()}


def test_in_a_configuration() -> None:
    config = parse(CONFIG.replace("MODBUS", f"unit: 5, map: {MAP}, timeout_s: 0.5"), "c.yaml", KINDS, {})
    chosen = config.meters[0].options
    assert isinstance(chosen, ModbusOptions)
    assert (chosen.unit, chosen.map, chosen.timeout_s) == (5, MAP, Decimal("0.5"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("map: eastron-sdm630", "modbus.unit"),
        ("unit: 5", "modbus.map"),
        ("unit: 0, map: eastron-sdm630", "the broadcast"),
        ("unit: 1, map: eastron-sdm630, password: x", "password"),
    ],
)
def test_errors_in_a_configuration_name_the_place(given: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(CONFIG.replace("MODBUS", given), "c.yaml", KINDS, {})
    assert message in str(caught.value)
    assert "c.yaml:9: meters[0].modbus" in str(caught.value)


def test_every_option_is_described() -> None:
    assert [name for name, field in ModbusOptions.model_fields.items() if not field.description] == []
    assert "late_s" in str(json_schema(KINDS, {}))
