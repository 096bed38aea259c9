"""What simulated Modbus devices answer: registers of real maps, refusals, identity, SunSpec, whatever octets come."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import modbus_map
from tests.drivers.modbus.rtu_bytes import examples
from tests.simulators.modbus_devices import adu, devices, expected, frame, plan, read

SDM = ("--map", "eastron-sdm630")


def floats(octets: bytes) -> tuple[float, ...]:
    return struct.unpack(f">{len(octets) // 4}f", octets)


def as_f32(value: Fraction) -> float:
    (nearest,) = struct.unpack(">f", struct.pack(">f", value))
    return float(nearest)


def test_floats_of_input_registers() -> None:
    energy = devices(*SDM).registers(0x48, 4, function=4)
    assert floats(energy) == tuple(as_f32(expected(obis) / 1000) for obis in ("1-0:1.8.0", "1-0:2.8.0"))


def test_integers_with_a_scale_and_the_low_word_first() -> None:
    octets = devices("--map", "carlo-gavazzi-em24").registers(0x3E, 2, function=4)
    (low, high) = struct.unpack(">HH", octets)
    assert (high << 16) + low == expected("1-0:1.8.0") // 100  # 0.1 kWh


def test_half_of_a_value_is_given_and_with_whole_values_refused() -> None:
    whole = devices(*SDM).registers(0x48, 2, function=4)
    assert devices(*SDM).registers(0x49, 1, function=4) == whole[2:]
    strict = devices(*SDM, "--whole-values")
    assert strict.ask(read(0x49, 1, 4)) == strict.ask(read(0x48, 1, 4)) == b"\x84\x02"
    assert strict.registers(0x48, 2, function=4) == whole


def test_an_exponent_register_fits_its_values() -> None:
    device = devices("--map", "iskra-mt440")
    (exponent,) = struct.unpack(">h", device.registers(401, 1, function=4))
    (counter,) = struct.unpack(">i", device.registers(406, 2, function=4))
    assert counter == expected("1-0:1.8.0") / Fraction(10) ** exponent // 1
    assert exponent == -1  # 10^8 Wh in half of an i32


def test_an_exponent_that_two_values_share_fits_both(tmp_path: Path) -> None:
    file = tmp_path / "shared.yaml"
    both = "".join(
        f"  - {{obis: {obis}, address: {at}, type: {kind}, unit: Wh, group: a, scale_register: 8}}\n"
        for obis, at, kind in (("1-0:1.8.0", 0, "u32"), ("1-0:2.8.0", 2, "i16"), ("1-0:3.8.0", 3, "u64"))
    )
    file.write_text(f"name: shared\nmodels: [S]\nregisters:\n{both}")
    device = devices("--map", file)
    assert device.registers(8, 1) == (4).to_bytes(2)  # 10^8 Wh in half of an i16: 10^4
    assert int.from_bytes(device.registers(0, 2)) == expected("1-0:1.8.0") // 10_000
    assert int.from_bytes(device.registers(2, 1)) == expected("1-0:2.8.0") // 10_000


def test_holes_are_refused_answered_or_only_small_ones() -> None:
    small, great = read(0x000C, 8, 4), read(0x001E, 42, 4)  # 0x0E to 0x11 and 0x20 to 0x45 are in no map; max_gap is 4
    strict, gaps, lenient = (devices("--map", "eastron-sdm120", *how) for how in ((), ("--gaps",), ("--lenient",)))
    assert [device.ask(small)[:2].hex() for device in (strict, gaps, lenient)] == ["8402", "0410", "0410"]
    assert [device.ask(great)[:2].hex() for device in (strict, gaps, lenient)] == ["8402", "8402", "0454"]
    assert gaps.registers(0x0C, 8, 4) == gaps.registers(0x0C, 2, 4) + bytes(8) + gaps.registers(0x12, 2, 4)
    assert gaps.ask(read(0x0E, 1, 4)) == b"\x04\x02\0\0"


def test_ratios_serial_and_firmware() -> None:
    device = devices("--map", "carlo-gavazzi-em24", "--ct", "200/5", "--vt", "22000/100", "--serial", "BT1234567")
    assert device.registers(0x112C, 4, function=4) == struct.pack(">HHHH", 400, 0, 2200, 0)  # 0.1 each
    assert device.registers(0x1300, 7, function=4) == b"BT1234567".ljust(14, b"\0")
    janitza = devices("--map", "janitza-umg96rm", "--ct", "250/5")
    assert floats(janitza.registers(10, 8)) == (250.0, 5.0, 100.0, 100.0)
    inepro = devices("--map", "inepro-pro380", "--firmware", "V2.18")
    assert inepro.registers(0x4000, 2).hex() == "35031001"
    assert floats(inepro.registers(0x4007, 2)) == (as_f32(Fraction("2.18")),)


def test_identification_registers_say_what_the_map_looks_for() -> None:
    assert devices("--map", "eastron-sdm630").registers(0xFC02, 1) == (112).to_bytes(2)
    assert devices("--map", "schneider-iem3000").registers(49, 20).startswith(b"iEM3150")


def test_not_available_and_absent() -> None:
    device = devices("--map", "abb-b23", "--not-available", "1-0:1.8.0", "--absent", "1-0:2.8.0")
    assert device.registers(0x5000, 4) == b"\xff" * 8
    assert device.ask(read(0x5004, 4)) == b"\x83\x02"
    assert devices(*SDM, "--not-available", "1-0:1.8.0").registers(0x48, 2, 4).hex() == "7fc00000"
    basic = devices("--map", "abb-b23", "--without-optional")
    assert basic.ask(read(0x5004, 4)) == b"\x83\x02"
    assert len(basic.registers(0x5000, 4)) == 8


def test_pulse_counters() -> None:
    device = devices("--map", "pulse-u32-low-first", "--pulses", "0x10=70000", "--pulses", "20=3@0")
    assert device.registers(0x10, 2) == struct.pack(">HH", 70000 % 65536, 1)
    assert device.registers(20, 2) == struct.pack(">HH", 3, 0)
    assert device.ask(read(18, 1)) == b"\x83\x02"


def test_the_chain_of_sunspec() -> None:
    device = devices("--map", "sunspec-201-204", "--sunspec-model", "203", "--sunspec-before", "64110:5")
    at = 40000
    assert device.registers(at, 4) == b"SunS" + struct.pack(">HH", 1, 66)
    assert device.registers(at + 2 + 50, 16) == b"35031001".ljust(32, b"\0")
    at += 2 + 68
    assert device.registers(at, 2) == struct.pack(">HH", 64110, 5)
    at += 7
    assert device.registers(at, 2) == struct.pack(">HH", 203, 105)
    (exponent,) = struct.unpack(">h", device.registers(at + 54, 1))
    (imported,) = struct.unpack(">I", device.registers(at + 46, 2))
    assert imported == expected("1-0:1.8.0") / Fraction(10) ** exponent // 1
    assert device.registers(at + 107, 2) == struct.pack(">HH", 0xFFFF, 0)
    assert device.ask(read(at + 109, 1)) == b"\x83\x02"
    assert devices("--map", "sunspec-201-204", "--sunspec-base", "0").registers(0, 2) == b"SunS"


def test_refusals_of_the_specification() -> None:
    device = devices(*SDM)
    assert device.ask(read(0, 2, 1)) == b"\x81\x01"
    assert device.ask(read(0, 0, 4)) == b"\x84\x03"
    assert device.ask(read(0, 61, 4)) == b"\x84\x03"  # the map says 60
    assert devices(*SDM, "--max-registers", "125", "--lenient").registers(0, 125, function=4)
    assert device.ask(read(0xFFFF, 2, 4)) == b"\x84\x02"
    assert devices("--map", "carlo-gavazzi-em24").ask(read(0, 2, 3)) == b"\x83\x01"


def test_a_write_is_refused_and_noted(tmp_path: Path) -> None:
    device = devices(*SDM, "--journal", tmp_path / "journal")
    assert device.ask(b"\x06\x00\x01\x00\x02") == b"\x86\x01"
    assert device.ask(b"\x10\x00\x01\x00\x01\x02\x00\x05") == b"\x90\x01"
    assert device.ask(b"\x06\x00\x01\x00\x02", unit=0) == b""
    lines = (tmp_path / "journal").read_text().splitlines()
    assert [line for line in lines if line.startswith("WRITE")] == ["WRITE 6 00010002", "WRITE 16 00010001020005"]
    assert "asked 0 0600010002" in lines


IDENTIFIED = """
name: identified
models: [ID-1]
identification: {device_id: {vendor: "Some (Maker|Other).*", product: "ID-[12].?"}}
registers: [{obis: 1-0:1.8.0, address: 0, type: u32, unit: Wh}]
"""


@pytest.fixture
def identified(tmp_path: Path) -> Path:
    file = tmp_path / "identified.yaml"
    file.write_text(IDENTIFIED)
    return file


def test_device_identification(identified: Path) -> None:
    device = devices("--map", identified, "--firmware", "1.2")
    basic = b"\x00\x0aSome Maker" + b"\x01\x04ID-1" + b"\x02\x031.2"
    assert device.ask(b"\x2b\x0e\x01\x00") == b"\x2b\x0e\x01\x82\x00\x00\x03" + basic
    assert device.ask(b"\x2b\x0e\x02\x00") == b"\x2b\x0e\x02\x82\x00\x00\x04" + basic + b"\x04\x04ID-1"
    assert device.ask(b"\x2b\x0e\x04\x01") == b"\x2b\x0e\x04\x82\x00\x00\x01\x01\x04ID-1"
    assert device.ask(b"\x2b\x0e\x04\x03") == b"\xab\x02"
    assert device.ask(b"\x2b\x0e\x05\x00") == b"\xab\x03"
    assert device.ask(b"\x2b\x0d\x01\x00") == b"\xab\x01"
    pieces = devices("--map", identified, "--identity-in-pieces")
    assert pieces.ask(b"\x2b\x0e\x01\x00").startswith(b"\x2b\x0e\x01\x82\xff\x01\x01\x00")
    assert pieces.ask(b"\x2b\x0e\x01\x02") == b"\x2b\x0e\x01\x82\x00\x00\x01\x02\x031.0"
    assert device.ask(b"\x11") == b"\x11\x05ID-1\xff"
    silent = devices("--map", identified, "--no-identification")
    assert (silent.ask(b"\x2b\x0e\x01\x00"), silent.ask(b"\x11")) == (b"\xab\x01", b"\x91\x01")
    assert devices(*SDM).ask(b"\x2b\x0e\x01\x00") == b"\xab\x01"  # its map knows none


def test_several_units_each_with_its_map() -> None:
    line = devices(*SDM, "--unit", "3", "--unit", "7=siemens-pac3200", "--gateway", "11")
    assert floats(line.registers(0x48, 2, 4, unit=3)) == (as_f32(expected("1-0:1.8.0", unit=3) / 1000),)
    assert struct.unpack(">d", line.registers(801, 4, unit=7)) == (float(expected("1-0:1.8.1", unit=7)),)
    assert line.ask(read(0, 2, 4), unit=8) == b"\x84\x0b"
    assert devices(*SDM).ask(read(0, 2, 4), unit=8) == b""


def test_every_map_makes_a_device_that_answers_for_all_of_its_registers() -> None:
    for file in sorted(modbus_map.FOLDER.glob("*.yaml")):
        pulses = ("--pulses", "16") if file.stem.startswith("pulse") else ()
        given = ("--map", file.stem, *pulses)
        device = devices(*given, "--whole-values")
        for unit in plan(*given).units:
            found = [cell for cell in unit.cells if cell.name != "not implemented"]
            assert found
            for cell in found:
                assert len(device.registers(cell.address, cell.words, cell.function)) == 2 * cell.words, cell


@examples(60)
@given(st.binary(max_size=300))
def test_any_octets_over_rtu(data: bytes) -> None:
    line = devices(*SDM, "--unit", "1", "--unit", "2")
    line.hear(data)
    line.silence()
    assert line.registers(0, 2, function=4)


@examples(60)
@given(st.binary(min_size=1, max_size=250))
def test_any_pdu_has_an_answer(pdu: bytes) -> None:
    line = devices(*SDM, "--transport", "tcp")
    answer = line.hear(adu(pdu, transaction=300))
    assert answer[:4] == b"\x01\x2c\x00\x00" and len(answer) == 6 + int.from_bytes(answer[4:6])
    assert answer[7] & 0x7F == pdu[0] & 0x7F


@examples(60)
@given(st.lists(st.integers(1, 40), max_size=20))
def test_how_requests_are_cut_makes_no_difference(sizes: list[int]) -> None:
    stream = frame(read(0, 2, 4)) + frame(b"\x10\x00\x01\x00\x01\x02\x00\x05") + frame(b"\x11") + frame(read(6, 2, 4))
    whole = devices(*SDM).hear(stream)
    line, said = devices(*SDM), b""
    for size in sizes:
        said += line.hear(stream[:size])
        stream = stream[size:]
    assert said + line.hear(stream) == whole != b""
