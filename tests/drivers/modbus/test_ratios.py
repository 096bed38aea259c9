"""Ratios of transformers: what the device has set against what is configured."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.maps import Map, maps, read_map
from drivers.modbus.ratios import Compared, compared, ratio_cells
from gatewayd.model import DIRECT, Ratio, ValueSide
from gatewayd.status import Fault
from tests.drivers.modbus.asked_unit import Unit

EM24, CVM, JANITZA = maps()["carlo-gavazzi-em24"], maps()["circutor-cvm-c10"], maps()["janitza-umg96rm"]
SECONDARY_VALUES = read_map(
    "m.yaml",
    "name: m\nmodels: [M]\nsources: [S]\nevidence: map\ndefaults: {values: secondary}\n"
    "registers: [{obis: 1-0:1.8.0, address: 0, type: u32, unit: kWh}]\n"
    "ct: {numerator: {address: 10, type: u16}, denominator: 5}\n",
)


def primary(ct: str = "", vt: str = "") -> Ratio:
    return Ratio(ct=ct, vt=vt, value_side=ValueSide.PRIMARY)


def em24(ct: int, vt: int = 10) -> Unit:
    """In tenths, the low word first."""
    unit = Unit()
    for address, number in ((0x112C, ct), (0x112E, vt)):
        octets = number.to_bytes(4)
        unit.put(address, octets[2:] + octets[:2], 4)
    return unit


def cvm(ct: tuple[int, int], vt: tuple[int, int] = (1, 1)) -> Unit:
    unit = Unit()
    for address, content in ((0x2710, vt[0].to_bytes(4)), (0x2712, vt[1]), (0x2713, ct[0]), (0x2714, ct[1])):
        unit.put(address, content, 4)
    return unit


def janitza(ct: tuple[str, str], vt: tuple[str, str] = ("400", "400")) -> Unit:
    unit = Unit()
    for address, number in enumerate((*ct, *vt)):
        unit.put(10 + 2 * address, struct.pack(">f", Decimal(number)))
    return unit


def test_what_has_to_be_read() -> None:
    assert [one.address for one in ratio_cells(CVM)] == [0x2713, 0x2714, 0x2710, 0x2712]
    assert ratio_cells(maps()["eastron-sdm630"]) == ()


@pytest.mark.parametrize(
    ("found", "unit", "configured"),
    [
        (CVM, cvm((200, 5)), primary("200/5")),
        (CVM, cvm((200, 5)), primary("400/10")),
        (CVM, cvm((200, 5), (22000, 100)), primary("200/5", "22000/100")),
        (CVM, cvm((100, 3)), primary("100/3")),
        (EM24, em24(400), primary("200/5")),
        (EM24, em24(333), primary("100/3")),
        (JANITZA, janitza(("200", "5")), primary("200/5")),
        (JANITZA, janitza(("200", "5"), ("20000", "57.735")), primary("200/5", "20000/57.735")),
        # The device does not multiply, gatewayd does: the usual way with an indirect meter of the secondary side.
        (CVM, cvm((5, 5)), Ratio(ct="200/5")),
        (SECONDARY_VALUES, Unit().put(10, 5), Ratio(ct="200/5")),
        (SECONDARY_VALUES, Unit().put(10, 200), Ratio(ct="200/5")),
        # Nothing is set and nothing configured.
        (CVM, cvm((5, 5)), DIRECT),
        # Not every device of a map tells.
        (CVM, Unit(), primary("200/5")),
        (CVM, Unit(), DIRECT),
    ],
)
def test_what_agrees_is_not_spoken_of(found: Map, unit: Unit, configured: Ratio) -> None:
    known = [unit.given(one) is not None for one in ratio_cells(found)]
    assert all(known) == bool(unit.registers), "the device of this test has what the map asks for"
    assert compared(found, unit.given, configured) == Compared()


@pytest.mark.parametrize(
    ("found", "unit", "configured", "said"),
    [
        (CVM, cvm((200, 5)), primary("250/5"), "CT ratio that is set in the meter is 200/5, configured is 250/5"),
        (CVM, cvm((200, 5)), Ratio(ct="250/5"), "CT ratio that is set in the meter is 200/5, configured is 250/5"),
        (CVM, cvm((5, 5)), primary("250/5"), "CT ratio that is set in the meter is 5/5, configured is 250/5"),
        (EM24, em24(400), primary("250/5"), "CT ratio that is set in the meter is 40, configured is 250/5"),
        (EM24, em24(332), primary("100/3"), "CT ratio that is set in the meter is 33.2, configured is 100/3"),
        (JANITZA, janitza(("200", "5")), primary("201/5"), "CT ratio that is set in the meter is 200/5, configured"),
        # A voltage transformer that nobody configured, beside a current transformer that somebody did.
        (CVM, cvm((200, 5), (22000, 100)), primary("200/5"), "VT ratio that is set in the meter is 22000/100, conf"),
        (SECONDARY_VALUES, Unit().put(10, 200), Ratio(ct="250/5"), "meter is 200/5, configured is 250/5"),
    ],
)
def test_a_difference_is_flagged_alarmed_and_told(found: Map, unit: Unit, configured: Ratio, said: str) -> None:
    result = compared(found, unit.given, configured)
    assert result.faults == (Fault.OTHER_RATIO,)
    (alarm,) = result.alarms
    assert said in alarm
    assert said in result.detail
    assert alarm.endswith(": correct whichever is wrong")


def test_both_differ() -> None:
    result = compared(CVM, cvm((200, 5), (22000, 100)).given, primary("250/5", "35000/100"))
    assert result.faults == (Fault.OTHER_RATIO,)
    assert [alarm.partition(" ratio")[0] for alarm in result.alarms] == ["the CT", "the VT"]
    assert result.detail.count("; ") == 1


def test_where_nothing_is_configured_the_ratio_is_only_told() -> None:
    result = compared(CVM, cvm((200, 5)).given, DIRECT)
    assert result == Compared(detail="the CT ratio that is set in the meter is 200/5, none is configured")


def test_two_that_multiply_are_an_alarm_without_a_difference() -> None:
    result = compared(CVM, cvm((200, 5)).given, Ratio(ct="200/5"))
    assert (result.faults, result.detail) == ((Fault.OTHER_RATIO,), ""), "what is multiplied twice is no true value"
    (alarm,) = result.alarms
    assert "multiplies by its CT ratio 200/5, and so does gatewayd: configure `value_side: primary`" in alarm


def test_a_ratio_that_the_map_does_not_know_is_spoken_of_where_gatewayd_multiplies() -> None:
    found = maps()["abb-b23"]
    said = compared(found, Unit().given, Ratio(ct="200/5"))
    assert said.detail.startswith("gatewayd multiplies by the CT ratio 200/5: right only where that of the meter")
    assert (said.faults, said.alarms) == ((), ())
    assert compared(found, Unit().given, primary("200/5")) == compared(found, Unit().given, DIRECT) == Compared()


@pytest.mark.parametrize("configured", [DIRECT, primary("200/5"), Ratio(ct="200/5")])
@pytest.mark.parametrize("unit", [cvm((0, 5)), cvm((200, 0)), cvm((0, 0))])
def test_what_is_no_ratio_is_told_and_not_compared(unit: Unit, configured: Ratio) -> None:
    result = compared(CVM, unit.given, configured)
    assert (result.faults, result.alarms) == ((), ())
    assert result.detail.startswith("the CT ratio that is set in the meter is none: ")


def test_a_ratio_of_nan_is_not_told() -> None:
    assert compared(JANITZA, Unit().put(10, b"\x7f\xc0\0\0").given, primary("200/5")) == Compared()


@given(st.binary(min_size=40, max_size=40), st.sampled_from([DIRECT, primary("200/5"), Ratio(ct="200/5", vt="6/1")]))
def test_any_octets_are_compared_without_an_error(octets: bytes, configured: Ratio) -> None:
    for found in (JANITZA, CVM, EM24, maps()["schneider-iem3000"], maps()["siemens-pac3200"]):
        unit = Unit()
        for at, one in enumerate(ratio_cells(found)):
            unit.put(one.address, (octets[4 * at :] + octets)[: 2 * one.form.words], one.function)
        result: Any = compared(found, unit.given, configured)
        assert bool(result.faults) <= bool(result.alarms)
