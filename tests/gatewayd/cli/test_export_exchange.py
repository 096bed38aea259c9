"""`gatewayd export` where the meter of a point was exchanged: each value bears the meter that was there."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.gatewayd.cli.exchange_site import command, configured, derive, electricity

SPACE = "{http://iec.ch/TC57/2011/MeterReadings#}"
SPAN = ("--from", "2026-10-13", "--to", "2026-10-15")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exchange")
    derive(configured(folder), electricity(), datetime(2026, 10, 16, 5, tzinfo=UTC))
    return folder


def pnd(site: Path, *arguments: str) -> tuple[list[str], list[list[str]]]:
    """The names of the columns of values, and the rows."""
    done = command(site, "export", *arguments, "--layout", "cez-pnd", "--encoding", "utf-8", *SPAN)
    assert done.exit_code == 0, done.output
    heading, *rows = csv.reader(io.StringIO(done.stdout), delimiter=";")
    return heading[1:-1:2], rows


def message(site: Path, *arguments: str) -> list[tuple[str, Counter[str]]]:
    """The serial number of each MeterReading, and how often it has each value."""
    done = command(site, "export", *arguments, "--layout", "iec61968-9", *SPAN)
    assert done.exit_code == 0, done.output
    return [
        (
            one.findtext(f"{SPACE}Meter/{SPACE}Names/{SPACE}name", ""),
            Counter(value.findtext(f"{SPACE}value", "") for value in one.iter(f"{SPACE}IntervalReadings")),
        )
        for one in ET.fromstring(done.stdout).findall(f"{SPACE}MeterReading")
    ]


def test_a_meter_that_comes_at_the_end_of_the_time_has_none_of_its_values(site: Path, tmp_path: Path) -> None:
    names, rows = pnd(site, "swap")
    assert (names, len(rows)) == (["+A/8888 [kW]"], 288)
    assert [serial for serial, _ in message(site, "swap")] == ["8888"]
    for layout in ("cez-pnd", "pre"):
        output = tmp_path / f"{layout}.csv"
        done = command(site, "export", "swap", "--layout", layout, *SPAN, "-o", output)
        assert done.exit_code == 0, done.output
        (series,) = json.loads((tmp_path / f"{layout}.csv.json").read_bytes())["series"]
        assert series["serial"] == "8888" and [one["serial"] for one in series["meters"]] == ["8888"]


def test_columns_are_divided_where_a_meter_was_exchanged(site: Path) -> None:
    names, rows = pnd(site, "north", "--obis", "1.29.0")
    assert names == ["+A/OLD-1 [kW]", "+A/north [kW]", "+A/NEW-7 [kW]"]
    by_stamp = {row[0]: row[1:-1] for row in rows}
    nothing = ["", "nedefinovaný status"]
    assert by_stamp["14.10.2026 10:00"] == ["4,0", "naměřená data OK", *nothing, *nothing]
    assert by_stamp["14.10.2026 10:15"][:2] == by_stamp["14.10.2026 10:15"][4:] == nothing
    assert by_stamp["14.10.2026 10:15"][2:4] != nothing
    assert by_stamp["14.10.2026 10:30"] == [*nothing, *nothing, "8,0", "naměřená data OK"]
    assert len(rows) == 288


def test_a_day_of_two_meters_is_no_ones_of_them(site: Path) -> None:
    names, rows = pnd(site, "north", "--layer", "day", "--obis", "1.29.0")
    assert names == ["+A d/OLD-1 [kWh]", "+A d/north [kWh]", "+A d/NEW-7 [kWh]"]
    assert [[bool(cell) for cell in row[1:-1:2]] for row in rows] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def test_meter_readings_are_divided_where_a_meter_was_exchanged(site: Path) -> None:
    assert message(site, "north") == [
        ("OLD-1", Counter({"1.0": 2 * 136})),
        ("", Counter({"2.0": 2})),
        ("NEW-7", Counter({"2.0": 2 * 151})),
    ]


def test_the_file_beside_names_all_meters_with_their_times(site: Path, tmp_path: Path) -> None:
    output = tmp_path / "pre.csv"
    done = command(site, "export", "north", "--obis", "1.29.0", "--layout", "pre", *SPAN, "-o", output)
    assert done.exit_code == 0, done.output
    assert len(output.read_bytes().splitlines()) == 289, "pre names no meter: its rows stay one column"
    (series,) = json.loads((tmp_path / "pre.csv.json").read_bytes())["series"]
    assert series["serial"] == ""
    assert series["meters"] == [
        {"serial": "OLD-1", "start": "2026-10-12T22:00:00Z", "end": "2026-10-14T08:00:00Z"},
        {"serial": "", "start": "2026-10-14T08:00:00Z", "end": "2026-10-14T08:15:00Z"},
        {"serial": "NEW-7", "start": "2026-10-14T08:15:00Z", "end": "2026-10-15T22:00:00Z"},
    ]


def test_class_and_verification_of_each_time_are_those_that_held_then(site: Path) -> None:
    done = command(site, "export", "meters")
    assert done.exit_code == 0, done.output
    found = [
        tuple(row[name] for name in ("meter", "since", "until", "meter_class", "meter_verified_until"))
        for row in csv.DictReader(io.StringIO(done.stdout))
        if row["point"] == "north"
    ]
    exchanged, better = "2026-10-14 10:07+02:00", "2026-12-01 00:00+01:00"
    assert found == [
        ("em-1", "", exchanged, "1", "2027-01-31"),
        ("em-7", exchanged, better, "0.5S", "2030-01-31"),
        ("em-7", better, "", "0.2S", "2030-01-31"),
    ]
    november = command(site, "export", "meters", "--month", "2026-11").stdout
    assert [row["meter_class"] for row in csv.DictReader(io.StringIO(november)) if row["point"] == "north"] == ["0.5S"]
