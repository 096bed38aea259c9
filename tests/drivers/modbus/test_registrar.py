"""Registration devices: pulses and their weight, which changes on a day; several metering points behind one unit."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.modbus.maps import Pulse, maps
from drivers.modbus.options import ModbusOptions
from drivers.modbus.registrar import Input, Weight, input_cell, inputs_fault, pulse_reading
from drivers.modbus.wire.values import Type
from gatewayd.model import Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis

PRAGUE = ZoneInfo("Europe/Prague")
NOON = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)


def pulse(name: str = "pulse-u32") -> Pulse:
    found = maps()[name].pulse
    assert found is not None
    return found


def counts(*weights: dict[str, Any], obis: str = "1-0:1.8.0", **more: Any) -> Input:
    return Input.model_validate(
        {"address": 4, "obis": obis, "pulse_weight": [{"unit": "kWh"} | one for one in weights]} | more
    )


def read(one: Input, octets: str, at: datetime = NOON, name: str = "pulse-u32") -> Reading:
    return pulse_reading("em-1", one, pulse(name), bytes.fromhex(octets), at, PRAGUE)


HALF = counts({"weight": "0.5"})


def test_pulses_times_weight_with_the_pulses_beside() -> None:
    reading = read(HALF, "0001e240")
    assert (reading.meter, reading.code, reading.obis_raw, reading.kind, reading.at) == (
        "em-1",
        "1-0:1.8.0*255",
        "1-0:1.8.0*255",
        Kind.REGISTER,
        NOON,
    )
    assert reading.raw == bytes.fromhex("0001e240")
    assert (reading.raw_text, reading.scaler, reading.unit) == ("61728.0", 0, "kWh")
    assert reading.value == Decimal("61728.0")
    assert reading.more == ("pulses 123456", "weight 0.5 kWh")
    assert (reading.status, reading.flags) == (RawStatus.TRUE, Flag(0))


@pytest.mark.parametrize(
    ("name", "octets", "pulses"),
    [("pulse-u32", "00010002", 65538), ("pulse-u32-low-first", "00010002", 131073), ("pulse-u16", "ffff", 65535)],
)
def test_the_map_says_how_a_counter_stands(name: str, octets: str, pulses: int) -> None:
    reading = read(counts({"weight": "1"}), octets, name=name)
    assert (reading.raw_text, reading.more[0]) == (str(pulses), f"pulses {pulses}")


def test_a_counter_has_digits_that_cannot_be() -> None:
    bcd = Pulse(type=Type.BCD32)
    reading = pulse_reading("em-1", HALF, bcd, bytes.fromhex("0000 00a1"), NOON, PRAGUE)
    assert (reading.raw_text, reading.value, reading.more) == ("", None, ())
    assert (reading.status, reading.flags) == (RawStatus.DISTORTED, Flag.UNDECODABLE)


def test_function_of_the_options_before_that_of_the_map() -> None:
    assert input_cell(HALF, pulse()).function == 3
    assert input_cell(counts({"weight": "1"}, function=4), pulse()).function == 4
    assert pulse().function == 3


# -- validity of a weight --------------------------------------------------------------------------------------------

CHANGED = counts({"weight": "1", "since": "2026-03-29"}, {"weight": "0.5"}, {"weight": "2", "since": "2026-10-01"})


@pytest.mark.parametrize(
    ("at", "value"),
    [
        # Midnight of legal time: one hour before UTC in winter, two in summer.
        (datetime(2026, 3, 28, 22, 59, tzinfo=UTC), "50.0"),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), "100"),
        (datetime(2026, 9, 30, 21, 59, tzinfo=UTC), "100"),
        (datetime(2026, 9, 30, 22, 0, tzinfo=UTC), "200"),
    ],
)
def test_a_weight_holds_from_the_legal_day_on(at: datetime, value: str) -> None:
    assert read(CHANGED, "00000064", at).raw_text == value


def test_a_day_on_which_the_total_jumps_is_flagged() -> None:
    assert read(CHANGED, "00000064", datetime(2026, 10, 1, 10, tzinfo=UTC)).flags == Flag.CONFIG_CHANGED
    assert read(CHANGED, "00000064", datetime(2026, 10, 2, 10, tzinfo=UTC)).flags == Flag(0)
    assert read(CHANGED, "00000064", datetime(2026, 9, 30, 10, tzinfo=UTC)).flags == Flag(0)


@pytest.mark.parametrize(
    ("weights", "jumps"),
    [
        # 1, 2, and 1 again: compared with the one before and not with the first.
        (({"weight": "1"}, {"weight": "2", "since": "2026-01-01"}, {"weight": "1", "since": "2026-11-27"}), True),
        (({"weight": "1"}, {"weight": "1", "since": "2026-11-27"}), False),
        (({"weight": "1", "since": "2026-11-27"},), False),
        (({"weight": "1", "at_pulses": 5, "at_value": "9"}, {"weight": "1", "since": "2026-11-27"}), True),
        (({"weight": "1"}, {"weight": "2", "since": "2026-11-27", "at_pulses": 5, "at_value": "5"}), False),
    ],
)
def test_what_a_jump_is(weights: tuple[dict[str, Any], ...], jumps: bool) -> None:
    assert (read(counts(*weights), "00000064").flags == Flag.CONFIG_CHANGED) is jumps


GOES_ON = counts({"weight": "0.5"}, {"weight": "2", "since": "2026-10-01", "at_pulses": 1000, "at_value": "500.0"})


@pytest.mark.parametrize(
    ("at", "pulses", "value"),
    [(datetime(2026, 9, 30, 12, tzinfo=UTC), 1000, "500.0"), (NOON, 1000, "500.0"), (NOON, 1010, "520.0")],
)
def test_a_total_that_goes_on_does_not_jump(at: datetime, pulses: int, value: str) -> None:
    reading = read(GOES_ON, pulses.to_bytes(4).hex(), at)
    assert (reading.raw_text, reading.flags) == (value, Flag(0))
    assert reading.more[0] == f"pulses {pulses}"


def test_a_counter_that_began_again_has_no_value() -> None:
    reading = read(GOES_ON, "000003e7")
    assert (reading.raw_text, reading.status, reading.flags) == ("", RawStatus.DISTORTED, Flag.UNDECODABLE)
    assert reading.more == ("pulses 999", "weight 2 kWh from 500.0 at 1000 pulses")


def test_before_the_first_weight_the_pulses_have_no_value() -> None:
    reading = read(counts({"weight": "1", "since": "2027-01-01"}), "00000064")
    assert (reading.raw_text, reading.value, reading.more) == ("", None, ("pulses 100",))
    assert (reading.status, reading.flags) == (RawStatus.DISTORTED, Flag.UNDECODABLE)


@given(st.integers(0, 2**32 - 1), st.decimals(Decimal("0.000001"), 10**6, places=6).filter(bool))
def test_the_value_is_exact(count: int, weight: Decimal) -> None:
    reading = read(counts({"weight": format(weight, "f")}), count.to_bytes(4).hex())
    assert reading.value is not None
    assert reading.value.as_integer_ratio() == (count * Decimal(weight)).as_integer_ratio()


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (({"weight": 0.5},), "put it in quotes"),
        (({"weight": "0"},), "greater than 0"),
        (({"weight": "-1"},), "greater than 0"),
        (({"weight": "NaN"},), "finite number"),
        (({"weight": "1", "unit": "kW"},), "1-0:1.8.0*255 has Wh or kWh or MWh, not 'kW'"),
        (({"weight": "1", "unit": "pulses"},), "unit 'pulses' is not known"),
        (({"weight": "1"}, {"weight": "1", "unit": "Wh", "since": "2026-01-01"}), "counted in Wh and kWh"),
        (({"weight": "1"}, {"weight": "2"}), "two weights since 1970-01-01"),
        (({"weight": "1", "at_pulses": 5},), "belong together"),
        ((), "at least 1 item"),
    ],
)
def test_a_weight_that_cannot_be(weights: tuple[dict[str, Any], ...], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        counts(*weights)
    assert message in str(error.value)


@pytest.mark.parametrize(("key", "value"), [("obis", "x"), ("address", 65536), ("function", 6), ("function", 1)])
def test_an_input_that_cannot_be(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Input.model_validate(
            {"address": 0, "obis": "1.8.0", "pulse_weight": [{"weight": "1", "unit": "kWh"}], key: value}
        )


def input_at(address: int, obis: str, **more: Any) -> Input:
    return counts({"weight": "1"}, obis=obis, address=address, **more)


def test_several_inputs_of_one_point() -> None:
    assert inputs_fault((input_at(0, "1.8.0"), input_at(2, "2.8.0"), input_at(1, "1.8.1", function=4)), pulse()) is None
    assert inputs_fault((), pulse()) is None


def test_the_example_of_the_guide_counts() -> None:
    guide = (resources.files("drivers.modbus") / "MAPS.md").read_text(encoding="utf-8")
    section = guide.partition("## A registration device")[2].partition("## ")[0]
    example = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))
    (meter,) = yaml.safe_load(example)
    (one,) = ModbusOptions.model_validate(meter["modbus"]).inputs
    before, after = (datetime(2026, month, 1, 12, tzinfo=UTC) for month in (2, 4))
    readings = [
        read(one, (1_500_000 + more).to_bytes(4).hex(), at) for more, at in ((0, before), (0, after), (5, after))
    ]
    assert [reading.value for reading in readings] == [1500, 1500, Decimal("1500.010")]


def test_two_inputs_with_one_code_are_two_metering_points() -> None:
    said = inputs_fault((input_at(0, "1.8.0"), input_at(2, "1-0:1.8.0")), pulse())
    assert said is not None
    assert "0 and 2 both count 1-0:1.8.0" in said
    assert "an entry of its own under `meters`, on the same line and unit" in said


@pytest.mark.parametrize("address", [4, 5])
def test_two_inputs_at_one_place(address: int) -> None:
    said = inputs_fault((input_at(address, "2.8.0"), input_at(4, "1.8.0")), pulse())
    assert said is not None
    assert "overlap, as a counter has 2 registers" in said
    assert (inputs_fault((input_at(5, "2.8.0"), input_at(4, "1.8.0")), pulse("pulse-u16"))) is None


def test_a_counter_behind_the_last_register() -> None:
    said = inputs_fault((input_at(65535, "1.8.0"),), pulse())
    assert said is not None
    assert "last register" in said


def test_the_last_weight_of_the_past_counts_in_any_order() -> None:
    for weights in (CHANGED.pulse_weight, CHANGED.pulse_weight[::-1]):
        one = Input(address=0, obis="1.8.0", pulse_weight=weights)
        found = one.weight_on(date(2026, 5, 1))
        assert isinstance(found, Weight)
        assert found.weight == 1
        assert one.code == Obis.parse("1.8.0")
