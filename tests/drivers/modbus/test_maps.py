"""Maps of Modbus meters: data with its sources. What contradicts itself does not load, and the error says why."""

from __future__ import annotations

import re
from collections.abc import Hashable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers.modbus.map_registers import UNITS, DeviceId, Factor, Identification, Register, Sign, Transformer
from drivers.modbus.maps import Defaults, Map, MapInvalid, Pulse, SunSpec, maps, read_map
from drivers.modbus.wire.plan import covers, plan
from drivers.modbus.wire.values import Number, Order, Type, decode
from gatewayd.model import Kind, ValueSide
from gatewayd.options import Options

FILES = sorted((Path(__file__).parents[3] / "drivers" / "modbus" / "maps").glob("*.yaml"))
GUIDE = (Path(__file__).parents[3] / "drivers" / "modbus" / "MAPS.md").read_text(encoding="utf-8")
MAPS = tuple(maps().values())

OWED = {
    "abb-b21",
    "abb-b23",
    "carlo-gavazzi-em111",
    "carlo-gavazzi-em24",
    "carlo-gavazzi-em340",
    "circutor-cvm-c10",
    "circutor-cvm-c5",
    "circutor-cvm-mini",
    "eastron-sdm120",
    "eastron-sdm230",
    "eastron-sdm630",
    "eastron-sdm630mct",
    "inepro-pro380",
    "iskra-mt440",
    "iskra-wm3",
    "janitza-umg604",
    "janitza-umg96rm",
    "pulse-u16",
    "pulse-u32",
    "pulse-u32-low-first",
    "schneider-iem3000",
    "siemens-pac2200",
    "siemens-pac3200",
    "socomec-countis-e2x",
    "socomec-diris-a40",
    "sunspec-201-204",
    "sunspec-211-214",
}
"""The meters of issue 7."""

# Looked up one by one in the sources that the map names; function, address on the wire, type, order of words, scale,
# unit. In brackets the place.
CHECKED = [
    # Eastron, SDM72D-M and SDM630 tables: 30073 Total Import kWh, 00 48, Float
    ("eastron-sdm630", "1-0:1.8.0", 4, 0x0048, Type.F32, Order.BIG, "1", "kWh"),
    # sdm_modbus, SDM630: l3_export_energy_reactive
    ("eastron-sdm630", "1-0:64.8.0", 4, 0x0176, Type.F32, Order.BIG, "1", "kvarh"),
    # sdm_modbus, SDM120: maximum_export_demand_power_active
    ("eastron-sdm120", "1-0:2.6.0", 4, 0x005E, Type.F32, Order.BIG, "1", "W"),
    # dbus-cgwacs, Em24Commands; aggsoft, Carlo Gavazzi EM24: 62 "Kwh(+) tot", 66 "Kwh(+) par"
    ("carlo-gavazzi-em24", "1-0:1.8.0", 4, 0x003E, Type.I32, Order.LITTLE, "0.1", "kWh"),
    ("carlo-gavazzi-em24", "1-0:2.8.0", 4, 0x005C, Type.I32, Order.LITTLE, "0.1", "kWh"),
    # reference/modbus.md: EM3x0 0x0034/0x004E
    ("carlo-gavazzi-em340", "1-0:1.8.0", 4, 0x0034, Type.I32, Order.LITTLE, "0.1", "kWh"),
    ("carlo-gavazzi-em340", "1-0:2.8.0", 4, 0x004E, Type.I32, Order.LITTLE, "0.1", "kWh"),
    # reference/modbus.md: 0x0C83/0x0C87, Wh; aggsoft, Farnell iEM3100: 3204
    ("schneider-iem3000", "1-0:1.8.0", 3, 0x0C83, Type.I64, Order.BIG, "1", "Wh"),
    ("schneider-iem3000", "1-0:2.8.0", 3, 0x0C87, Type.I64, Order.BIG, "1", "Wh"),
    # ABB A43/A44 manual 9.4: 5000 active import, size 4, 0,01 kWh; example in 9.11: 5460 + 6 x 4 + 3 x 4 is L1 of
    # reactive import
    ("abb-b23", "1-0:1.8.0", 3, 0x5000, Type.U64, Order.BIG, "0.01", "kWh"),
    ("abb-b23", "1-0:23.8.0", 3, 0x5484, Type.U64, Order.BIG, "0.01", "kvarh"),
    # mbmd, abb.go: Frequency 0x5B2C, snip16u, 100
    ("abb-b21", "1-0:14.7.0", 3, 0x5B2C, Type.U16, Order.BIG, "0.01", "Hz"),
    # reference/modbus.md: Janitza 0x4A7C/0x4A84, Wh
    ("janitza-umg604", "1-0:1.8.0", 3, 0x4A7C, Type.F32, Order.BIG, "1", "Wh"),
    ("janitza-umg96rm", "1-0:2.8.0", 3, 0x4A84, Type.F32, Order.BIG, "1", "Wh"),
    # reference/modbus.md: Socomec 0xC702/0xC708, x 10 Wh
    ("socomec-countis-e2x", "1-0:1.8.0", 3, 0xC702, Type.U32, Order.BIG, "10", "Wh"),
    ("socomec-countis-e2x", "1-0:2.8.0", 3, 0xC708, Type.U32, Order.BIG, "10", "Wh"),
    # PAC4200 manual A.3.6: 809 Active Energy Export Tariff 1, double, Wh
    ("siemens-pac3200", "1-0:2.8.1", 3, 809, Type.F64, Order.BIG, "1", "Wh"),
    # aggsoft, Sentron PAC 3200: 65 Total Active Power
    ("siemens-pac2200", "1-0:16.7.0", 3, 65, Type.F32, Order.BIG, "1", "W"),
    # reference/modbus.md: Inepro 0x600C/0x6018, kWh
    ("inepro-pro380", "1-0:2.8.0", 3, 0x6018, Type.F32, Order.BIG, "1", "kWh"),
    # CVM-C5 manual, table 18: generated active energy, tariff 2, 74-75, Wh
    ("circutor-cvm-c5", "1-0:2.8.2", 4, 0x0074, Type.U32, Order.BIG, "1", "Wh"),
    # CVM-MINI manual 6.1: current A L3 16-17, mA
    ("circutor-cvm-mini", "1-0:71.7.0", 4, 0x0016, Type.U32, Order.BIG, "0.001", "A"),
    # smdx_00203.xml: TotWhImp at 44 behind a header of two; smdx_00213.xml: TotWhExp at 58
    ("sunspec-201-204", "1-0:1.8.0", 3, 46, Type.U32, Order.BIG, "1", "Wh"),
    ("sunspec-211-214", "1-0:2.8.0", 3, 60, Type.F32, Order.BIG, "1", "Wh"),
]


class Strict(yaml.SafeLoader):
    """A key that stands twice is an error and does not silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # YAML is untyped
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(set(keys)) == len(keys), f"{node.start_mark}: a key twice"
        return super().construct_mapping(node, deep)


def register(address: int = 0x48, obis: str = "1-0:1.8.0", **more: object) -> dict[str, object]:
    return {"obis": obis, "address": address, "type": "f32", "unit": "kWh"} | more


def text(*registers: dict[str, object], **more: object) -> str:
    head = {"name": "x", "models": ["X 1"], "sources": ["made up for a test"], "evidence": "map"}
    return yaml.safe_dump(head | {"registers": list(registers) or [register()]} | more)


def read(*registers: dict[str, object], **more: object) -> Map:
    return read_map("maps/x.yaml", text(*registers, **more))


def refused(*registers: dict[str, object], **more: object) -> str:
    with pytest.raises(MapInvalid) as refusal:
        read(*registers, **more)
    said = str(refusal.value)
    assert said.startswith("maps/x.yaml: ")
    return said.removeprefix("maps/x.yaml: ")


def test_the_meters_of_the_issue_have_maps() -> None:
    assert set(maps()) == OWED == {path.stem for path in FILES}
    assert all(name == one.name for name, one in maps().items())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_key_stands_twice(path: Path) -> None:
    yaml.load(path.read_text(encoding="utf-8"), Loader=Strict)


@pytest.mark.parametrize("one", MAPS, ids=lambda one: one.name)
def test_a_map_names_its_sources_and_no_capture_that_nobody_has(one: Map) -> None:
    assert all(len(source) > 30 for source in one.sources)
    assert one.evidence in ("manual", "map")


@pytest.mark.parametrize("one", MAPS, ids=lambda one: one.name)
def test_codes_and_units_are_known_and_each_code_stands_once(one: Map) -> None:
    codes = [register.code for register in one.registers]
    assert len(set(codes)) == len(codes)
    assert {register.unit for register in one.registers} <= UNITS
    assert all(code.a == 1 for code in codes)


@pytest.mark.parametrize("one", MAPS, ids=lambda one: one.name)
def test_the_conductor_is_the_one_of_the_code(one: Map) -> None:
    for each in one.registers:
        phases = {21: "L1", 41: "L2", 61: "L3"}
        expected = next((name for first, name in phases.items() if first <= each.code.c < first + 20), "")
        assert each.phase == ("N" if each.code.c == 91 else expected), each.obis


@pytest.mark.parametrize("one", [one for one in MAPS if one.registers], ids=lambda one: one.name)
def test_the_registers_of_a_map_can_be_asked_for(one: Map) -> None:
    pieces = [piece for register in one.registers for piece in register.pieces]
    reads = plan(pieces, one.defaults.max_registers, one.defaults.max_gap)
    assert all(read.count <= one.defaults.max_registers for read in reads)
    for group in {register.group for register in one.registers} - {None}:
        together = [piece for piece in pieces if piece.group == group]
        assert any(all(covers(read, piece) for piece in together) for read in reads)


@pytest.mark.parametrize("one", [one for one in MAPS if one.registers], ids=lambda one: one.name)
def test_a_counter_of_energy_or_a_reason_why_there_is_none(one: Map) -> None:
    imports = [register for register in one.registers if register.code.groups[2:4] == (1, 8)]
    assert imports or one.name == "circutor-cvm-c10"  # its file says why
    assert all(register.kind_of_reading is Kind.REGISTER for register in imports)


@pytest.mark.parametrize("case", CHECKED, ids=lambda case: f"{case[0]} {case[1]}")
def test_addresses_looked_up_by_hand(case: tuple[str, str, int, int, Type, Order, str, str]) -> None:
    name, obis, function, address, kind, order, scale, unit = case
    found = maps()[name].register(f"{obis}*255")
    assert found is not None
    assert (found.function, found.address, found.type, found.word_order) == (function, address, kind, order)
    assert (found.scale, found.unit) == (Decimal(scale), unit)


def test_ratios_of_transformers_stand_where_the_makers_say() -> None:
    em24, iem, umg = maps()["carlo-gavazzi-em24"], maps()["schneider-iem3000"], maps()["janitza-umg96rm"]
    assert em24.ct is not None and em24.ct.ratio is not None
    assert (em24.ct.ratio.address, em24.ct.ratio.scale, em24.ct.ratio.word_order) == (
        0x112C,
        Decimal("0.1"),
        Order.LITTLE,
    )
    assert iem.ct is not None and [cell.address for cell in iem.ct.cells] == [2029, 2030]
    assert umg.vt is not None and [cell.address for cell in umg.vt.cells] == [14, 16]
    mt440 = maps()["iskra-mt440"]
    assert mt440.ct is not None and mt440.vt is not None  # reference/modbus.md: 40144-40147
    assert [cell.address for cell in (*mt440.ct.cells, *mt440.vt.cells)] == [145, 144, 147, 146]
    # MT440 User's Manual, p. 49: 8028 is 4000 A/10 = 400 A, 8032 is 5000 mA
    primary, secondary = mt440.ct.cells
    assert [_scaled("8028", primary), _scaled("8032", secondary)] == [400, 5]
    cvm = maps()["circutor-cvm-c10"]
    assert cvm.ct is not None and cvm.vt is not None  # reference/modbus.md: 0x2710-0x2714
    assert [cell.address for cell in (*cvm.vt.cells, *cvm.ct.cells)] == [0x2710, 0x2712, 0x2713, 0x2714]


def test_a_missing_value_is_known_by_its_octets() -> None:
    abb = maps()["abb-b23"]
    export = abb.register("1-0:2.8.0*255")
    assert export is not None
    assert decode(b"\xff" * 8, export.form) is None
    assert decode(b"\x00" * 7 + b"\x01", export.form) == Number(Decimal(1))
    sunspec = maps()["sunspec-201-204"]
    total, phase = sunspec.register("1-0:1.8.0*255"), sunspec.register("1-0:21.8.0*255")
    assert total is not None and phase is not None
    assert decode(bytes(4), total.form) == Number(Decimal(0))
    assert decode(bytes(4), phase.form) is None


def test_defaults_hold_for_every_part_that_says_nothing_itself() -> None:
    one = read(
        register(0x49, type="i32", values="secondary", word_order="big"),
        register(0x4B, "1-0:2.8.0", type="u32", not_available=[]),
        register(0x4D, "1-0:3.8.0", type="u32", unit="kvarh", function=3),
        register(0x10, "1-0:16.7.0", type="i16", unit="W", group="power", scale_register=0x11),
        defaults={
            "function": 4,
            "word_order": "little",
            "byte_order": "little",
            "base": 1,
            "not_available": {"u32": ["ffffffff"], "i16": ["8000"]},
        },
        serial={"address": 1, "type": "u32", "function": 3},
        ct={"numerator": {"address": 3, "type": "u16"}, "denominator": 5},
        identification={"registers": [{"address": 0x100, "type": "u16", "equals": [7]}]},
    )
    first, second, third, fourth = one.registers
    assert (first.address, first.function, first.word_order, first.byte_order) == (0x48, 4, Order.BIG, Order.LITTLE)
    assert (first.side, first.not_available) == (ValueSide.SECONDARY, ())
    assert (second.address, second.side, second.not_available) == (0x4A, ValueSide.PRIMARY, ())
    assert (third.function, third.not_available) == (3, ("ffffffff",))
    assert fourth.scale_register is not None
    exponent = fourth.scale_register
    assert (exponent.address, exponent.type, exponent.function, exponent.not_available) == (
        0x10,
        Type.I16,
        4,
        ("8000",),
    )
    assert [(piece.address, piece.group) for piece in fourth.pieces] == [(0x0F, "power"), (0x10, "power")]
    assert one.serial is not None
    assert (one.serial.address, one.serial.function, one.serial.word_order) == (0, 3, Order.LITTLE)
    assert one.ct is not None and one.ct.numerator is not None
    assert (one.ct.numerator.address, one.ct.numerator.function, one.ct.denominator) == (2, 4, Decimal(5))
    assert one.identification is not None
    sign = one.identification.registers[0]
    assert (sign.address, sign.function, sign.fits("7"), sign.fits("8")) == (0xFF, 4, True, False)


def test_a_text_is_recognised_as_a_whole() -> None:
    (sign,) = _signs("schneider-iem3000")
    assert sign.fits("iEM3255") and not sign.fits("iEM2155") and not sign.fits("an iEM3255")
    assert [one.fits("70") for one in _signs("carlo-gavazzi-em24")] == [False]
    assert [one.fits("71") for one in _signs("carlo-gavazzi-em24")] == [True]


def test_counters_of_pulses_are_given_by_address() -> None:
    low_first, plain = maps()["pulse-u32-low-first"].pulse, maps()["pulse-u16"].pulse
    assert low_first is not None and plain is not None
    cell = low_first.cell(27)
    assert (cell.address, cell.end, cell.function) == (27, 29, 3)
    assert decode(b"\x00\x02\x00\x01", cell.form) == Number(Decimal(0x1_0002))
    assert plain.cell(5).end == 6


def test_a_scale_is_a_text_because_a_binary_fraction_is_another_number() -> None:
    assert read(register(scale="0.1")).registers[0].scale == Decimal("0.1")
    assert read(register(scale=10)).registers[0].scale == 10
    assert "register 1-0:1.8.0 at 0x0048: scale: 0.1 is a binary float; put it in quotes" in refused(
        register(scale=0.1)
    )


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ([register(obis="energy")], "register energy at 0x0048: obis: 'energy' is not an OBIS code"),
        ([register(unit="kwh")], "register 1-0:1.8.0 at 0x0048: unit 'kwh' is not known; known are %, A"),
        ([register(unit="W")], "register 1-0:1.8.0 at 0x0048: 1-0:1.8.0*255 has Wh or kWh or MWh, not 'W'; correct"),
        ([register(obis="1-0:36.7.0")], "has W or kW or MW, not 'kWh'; correct the code or the unit"),
        ([register(obis="1-0:91.7.0")], "has A, not 'kWh'"),
        ([register(obis="1-0:13.7.0")], "has no unit, not 'kWh'"),
        ([register(type="float")], "register 1-0:1.8.0 at 0x0048: type: Input should be 'u16'"),
        ([register(type="string")], "expected 1 to 125; correct `type`, `length` or `not_available`"),
        ([register(length=2)], "leave length out"),
        ([register(not_available=["ffff"])], "expected 4 octets; correct"),
        ([register(not_available=["FFFFFFFF"])], "should match pattern"),
        ([register(0xFFFF)], "register 1-0:1.8.0 at 0xffff: its last register would be 65536; there are 65536, from 0"),
        ([register(-1)], "address: Input should be greater than or equal to 0"),
        ([register(function=16)], "function: Input should be 3 or 4"),
        ([register(scale="-1")], "scale: Input should be greater than 0"),
        ([register(scale="NaN")], "scale: "),
        ([register(colour="red")], "register 1-0:1.8.0 at 0x0048: colour: no map has this key here; correct its name"),
        ([{"obis": "1-0:1.8.0", "type": "f32"}], "register 1-0:1.8.0: address: it is missing; add it"),
        ([register(scale_register=0x4A)], "`scale_register` goes with a `group`"),
        ([register(scale_register=0x4A, group="g", scale="10")], "without `scale`"),
        (
            [register(scale_register={"address": 0x4A, "type": "i16", "function": 4}, group="g")],
            "`scale_register` is read with another function",
        ),
        (
            [register(), register(0x50)],
            "register 1-0:1.8.0*255 stands twice, at 0x0048 and 0x0050; remove one, or give it its own code",
        ),
        (
            [register(), register(0x49, "1-0:2.8.0", type="i16")],
            "register 1-0:2.8.0*255 at 0x0049 (i16) overlaps register 1-0:1.8.0*255 at 0x0048 (f32), both of "
            "function 3; correct the address or the type of one of them",
        ),
        ([register(), register(0x48, "1-0:2.8.0", type="u32")], "overlaps register"),
        ([register(), register(0x48, "1-0:2.8.0")], "overlaps register"),
        ([register(), register(0x48, "1-0:2.8.0", word_order="little")], "overlaps register"),
        (
            [
                register(type="u64"),
                register(0x4A, "1-0:2.8.0", type="i16"),
                register(0x4B, "1-0:3.8.0", type="i16", unit="varh"),
            ],
            "register 1-0:3.8.0*255 at 0x004b (i16) overlaps register 1-0:1.8.0*255",
        ),
        (
            [register(group="g"), register(0x4B, "1-0:2.8.0", group="g")],
            "register 1-0:2.8.0*255 at 0x004b: group 'g' has a gap of 1 registers before it and `max_gap` is 0; raise",
        ),
        (
            [register(group="g"), register(0x4A, "1-0:2.8.0", group="g", function=4)],
            "register 1-0:2.8.0*255 at 0x004a is read with function 4 and others of group 'g' with 3; they cannot come",
        ),
    ],
    ids=str,
)
def test_a_register_that_cannot_be_is_refused(registers: list[dict[str, object]], said: str) -> None:
    assert said in refused(*registers)


@pytest.mark.parametrize(
    ("obis", "unit"),
    [("1-0:40.7.0", "W"), ("1-0:80.8.0", "Wh"), ("1-0:92.7.0", "V"), ("7-0:3.0.0", "m³"), ("1-0:1.9.0", "MWh")],
)
def test_a_unit_that_fits_the_code_is_taken(obis: str, unit: str) -> None:
    assert read(register(obis=obis, unit=unit)).registers[0].unit == unit


def test_a_code_may_be_written_reduced_and_is_kept_canonical() -> None:
    assert read(register(obis="1.8.0")).registers[0].obis == "1-0:1.8.0*255"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"evidence": "hearsay"}, "evidence: Input should be 'capture', 'manual' or 'map'"),
        ({"sources": []}, "sources: Tuple should have at least 1 item"),
        ({"sources": [" "]}, "sources: an entry is empty; name it or remove it"),
        ({"registers": []}, "it has neither `registers` nor `pulse`: nothing could be read with it"),
        ({"defaults": {"max_registers": 126}}, "defaults: max_registers: Input should be less than or equal to 125"),
        (
            {"defaults": {"max_registers": 1}},
            "register 1-0:1.8.0*255 at 0x0048 has 2 registers and `max_registers` is 1",
        ),
        ({"defaults": {"base": 2}}, "defaults: base: Input should be 0 or 1"),
        ({"defaults": {"not_available": {"f33": ["00"]}}}, "defaults: not_available.f33"),
        (
            {"serial": {"address": 0x47, "type": "u32"}},
            "register 1-0:1.8.0*255 at 0x0048 (f32) overlaps serial at 0x0047",
        ),
        ({"serial": {"address": 0, "type": ["u32"]}}, "serial: type: Input should be"),
        ({"ct": {}}, "ct: give either `ratio` or both `numerator` and `denominator`"),
        ({"ct": {"numerator": {"address": 0, "type": "u16"}}}, "ct: give either `ratio` or both"),
        (
            {"ct": {"numerator": {"address": 0, "type": "u16"}, "denominator": 0}},
            "`denominator` 0 is no secondary side",
        ),
        ({"identification": {}}, "identification: give `device_id`, `registers` or both"),
        ({"identification": {"device_id": {"vendor": "(", "product": ""}}}, "vendor: '(' is no regular expression"),
        ({"identification": {"registers": [{"address": 0, "type": "u16"}]}}, "give either `equals` or `matches`"),
        (
            {"identification": {"registers": [{"address": 0, "type": "u16", "matches": "7"}]}},
            "`matches` is for strings; for a number give `equals`",
        ),
        ({"pulse": {"type": "f32"}}, "pulse: type: f32 does not count pulses; use u16, u32"),
        (
            {
                "sunspec": {
                    "models": [201],
                    "length": 70,
                    "common_serial": {"address": 50, "type": "string", "length": 16},
                    "common_firmware": {"address": 42, "type": "string", "length": 8},
                }
            },
            "a register reaches to offset 73 and the model to 71; correct one",
        ),
        ({"name": "y"}, "its `name` is y; call the file y.yaml"),
    ],
    ids=str,
)
def test_a_map_that_contradicts_itself_is_refused(more: dict[str, object], said: str) -> None:
    assert said in refused(**more)


@pytest.mark.parametrize(
    ("content", "said"), [("a: [", "not YAML"), ("- 1", "Input should be"), ("", "Input should be")]
)
def test_what_is_no_map_at_all_is_refused(content: str, said: str) -> None:
    with pytest.raises(MapInvalid, match=said):
        read_map("maps/x.yaml", content)


def test_a_snapshot_longer_than_one_answer_is_refused() -> None:
    counters = [register(2 * n, f"1-0:{n}.8.0", unit="Wh", group="g") for n in (1, 2)]
    said = refused(*counters, defaults={"max_registers": 3})
    assert said == (
        "register 1-0:2.8.0*255: group 'g' reaches from 0x0002 to 0x0005, 4 registers, and `max_registers` is 3; make "
        "the group smaller"
    )


def test_two_registers_may_share_their_exponent_but_no_other_place() -> None:
    shared = read(
        register(0, "1-0:16.7.0", type="i16", unit="W", group="g", scale_register=2),
        register(1, "1-0:36.7.0", type="i16", unit="W", group="g", scale_register=2),
    )
    assert [len(one.cells) for one in shared.registers] == [2, 2]
    assert isinstance(shared.registers[0], Register)


def test_the_example_of_the_guide_is_a_map() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    one = read_map("maps/maker-model.yaml", example)
    assert [register.address for register in one.registers] == [72, 74, 18]
    assert one.registers[2].scale_register is not None


@pytest.mark.parametrize(
    "part", [Map, Defaults, Register, Factor, Transformer, Sign, DeviceId, Identification, SunSpec, Pulse]
)
def test_the_guide_names_every_key(part: type[Options]) -> None:
    assert [key for key in part.model_fields if f"`{key}`" not in GUIDE] == []


def _scaled(octets: str, cell: Factor) -> Decimal:
    number = decode(bytes.fromhex(octets), cell.form)
    assert isinstance(number, Number)
    return number.value * cell.scale


def _signs(name: str) -> tuple[Any, ...]:  # Sign, of which the test asks one thing only
    identification = maps()[name].identification
    assert identification is not None
    return identification.registers
