"""A bus with unknown devices on it, from the scan to the first readings; and what a device is that is read: two
metering points behind one registration device, another ratio than configured. All as processes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulators.modbus_devices import NOW, SINCE_2020, expected
from tests.simulators.reader import simulate
from tests.system.forked import QuickSite
from tests.system.rig import Site

FROZEN = ("--now", NOW, "--frozen")
UNITS = {2: "eastron-sdm630", 3: "carlo-gavazzi-em24", 7: "sunspec-201-204", 11: "abb-b23"}
MANY = [word for unit, name in UNITS.items() for word in ("--unit", f"{unit}={name}")]


def with_block(site: QuickSite, line: str, block: str) -> None:
    site.site.configure(line, block.removeprefix("meters:\n"))


@pytest.mark.parametrize("transport", ["rtu", "tcp"])
def test_from_an_unknown_bus_to_its_readings(tmp_path: Path, transport: str) -> None:
    site, journal, link = QuickSite(Site(tmp_path)), tmp_path / "journal", tmp_path / "bus"
    place = ("--pty", link, "--baud", "19200") if transport == "rtu" else ("--tcp", "0", "--transport", "tcp")
    with simulate(*place, *MANY, *FROZEN, "--journal", journal, kind="modbus") as simulator:
        where = f"serial, device: {link}, baud: 19200" if transport == "rtu" else "tcp, host: 127.0.0.1"
        line = f"  bus: {{type: {where}{'' if transport == 'rtu' else f', port: {simulator.port}'}}}\n"
        site.site.configure(line, "  []\n")
        document = site.json("scan", "bus", "--units", "1-12", "--timeout-ms", "200")
        assert document["transport"] == transport
        assert [(one["unit"], one["map"], one["serial"]) for one in document["found"]] == [
            (unit, name, str(35031000 + unit)) for unit, name in UNITS.items()
        ]
        with_block(site, line, document["block"])
        checked = site.run("check")
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr
        for unit in UNITS:
            (reading,) = site.json("read", f"bus-{unit}", "1.8.0")["readings"]
            factor = {"Wh": 1, "kWh": 1000}[reading["unit"]]
            difference = abs(Decimal(reading["value"]) * factor - Decimal(int(expected("1-0:1.8.0", unit))))
            assert difference < 100, (unit, reading)  # what the least digit of the register is worth
            assert reading["flags"] == []
        again = site.run("scan", "bus", "--units", "1-12", "--timeout-ms", "200")
        assert "configured as bus-11" in again.stdout
        assert "meters:" not in again.stdout
    said = journal.read_text(encoding="utf-8")
    assert "WRITE" not in said
    assert "asked 0 " not in said


# -- several metering points behind one device -----------------------------------------------------------------------

TWO_POINTS = """\
  - id: flat-1
    driver: modbus
    line: cabin
    point: {ean: "859182400123456789"}
    modbus:
      unit: 5
      map: pulse-u32
      transport: tcp
      inputs:
        - {address: 0, obis: 1-0:1.8.0, pulse_weight: [{weight: "0.001", unit: kWh}]}
        - {address: 2, obis: 1-0:2.8.0, pulse_weight: [{weight: "0.5", unit: kWh}]}
    jobs: [{registers: all, every: 1d}]
  - id: flat-2
    driver: modbus
    line: cabin
    point: {ean: "859182400123456796"}
    modbus:
      unit: 5
      map: pulse-u32
      transport: tcp
      inputs:
        - address: 4
          obis: 1-0:1.8.0
          pulse_weight:
            - {weight: "1", unit: kWh}
            - {weight: "0.25", unit: kWh, since: 2020-01-01}
            - {weight: "7", unit: kWh, since: 2999-01-01}
    jobs: [{registers: all, every: 1d}]
"""


def test_two_metering_points_behind_one_registration_device(tmp_path: Path) -> None:
    site = QuickSite(Site(tmp_path))
    counters = ("--pulses", "0=1000@0", "--pulses", "2=123457@0", "--pulses", "4=70001@0")
    place = ("--tcp", "0", "--transport", "tcp", "--unit", "5=pulse-u32")
    with simulate(*place, *counters, *FROZEN, kind="modbus") as simulator:
        site.site.configure(f"  cabin: {{type: tcp, host: 127.0.0.1, port: {simulator.port}}}\n", TWO_POINTS)
        first, second = (site.json("read", meter)["readings"] for meter in ("flat-1", "flat-2"))
        assert [seen(one) for one in first] == [
            ("1-0:1.8.0*255", "1.000", "kWh", "true"),
            ("1-0:2.8.0*255", "61728.5", "kWh", "true"),
        ]
        assert [seen(one) for one in second] == [("1-0:1.8.0*255", "17500.25", "kWh", "true")]
        assert [one["meter"] for one in (*first, *second)] == ["flat-1", "flat-1", "flat-2"]
    assert SINCE_2020 > 0, "the weight of flat-2 that holds is the second"


def seen(one: dict[str, Any]) -> tuple[str, str, str, str]:
    return one["obis"], one["value"], one["unit"], one["status"]


def test_two_inputs_of_one_code_in_one_meter_are_refused(tmp_path: Path) -> None:
    site = QuickSite(Site(tmp_path))
    config = TWO_POINTS.replace("obis: 1-0:2.8.0", "obis: 1.8.0")
    site.site.configure("  cabin: {type: tcp, host: 127.0.0.1, port: 502}\n", config)
    done = site.run("check")
    assert done.returncode == 2
    assert "0 and 2 both count 1-0:1.8.0*255" in done.stderr


# -- ratios ----------------------------------------------------------------------------------------------------------


def em24(site: QuickSite, port: int, ratio: str) -> None:
    entry = {
        "id": "em-1",
        "driver": "modbus",
        "line": "cabin",
        "ratio": [yaml.safe_load(ratio)] if ratio else [],
        "modbus": {"unit": 1, "map": "carlo-gavazzi-em24", "transport": "tcp"},
        "jobs": [{"registers": ["1.8.0"], "every": "1d"}],
    }
    line = f"  cabin: {{type: tcp, host: 127.0.0.1, port: {port}}}\n"
    site.site.configure(line, yaml.safe_dump([entry]).replace("\n", "\n  ").rstrip(" ").replace("- ", "  - ", 1))


@pytest.mark.parametrize(
    ("ratio", "flags", "said"),
    [
        ("{ct: 200/5, value_side: primary}", [], ""),
        ("{ct: 250/5, value_side: primary}", ["ratio_mismatch"], "set in the meter is 40, configured is 250/5"),
        ("{ct: 250/5}", ["ratio_mismatch"], "set in the meter is 40, configured is 250/5"),
        ("", [], "set in the meter is 40, none is configured"),
    ],
)
def test_a_ratio_of_the_device(tmp_path: Path, ratio: str, flags: list[str], said: str) -> None:
    site = QuickSite(Site(tmp_path))
    place = ("--tcp", "0", "--transport", "tcp", "--map", "carlo-gavazzi-em24", "--ct", "200/5")
    with simulate(*place, *FROZEN, kind="modbus") as simulator:
        em24(site, simulator.port, ratio)
        (first,) = site.json("read", "em-1", "1.8.0")["readings"]
        done = site.run("scan", "em-1")  # which prints what the driver had to say
    assert first["flags"] == flags
    assert first["status"] == "true"
    assert done.returncode == 0, done.stderr
    assert (said in done.stderr) if said else not done.stderr
    audit = site.json("archive", "audit")
    alarms = [one for one in audit["audit"] if one.get("type") == "alarm"]
    assert len(alarms) == 2 * len(flags)  # each command is a process of its own, and knows of none before it
    if not ratio:
        assert Decimal(first["primary"]) == Decimal(first["value"]), "a ratio of the device is never applied"
