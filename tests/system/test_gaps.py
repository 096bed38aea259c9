"""`gatewayd archive gaps` as a process: all meters, one meter, reasons in words, hours."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.archive.records import Entry
from gatewayd.legal_time import PRAGUE, interval_ends
from gatewayd.model import DIRECT, Flag, Kind, RawStatus, Reading
from tests.gatewayd.archive.samples import append, exchange, opened
from tests.gatewayd.profile_world import row
from tests.system.rig import Site

DAY = date(2026, 10, 25)
ENDS = interval_ends(DAY)
LINE = "  a: {type: tcp, host: 127.0.0.1, port: 9}\n"
TYPE_A = "driver: iec62056_21, line: a, metering_type: A, point: {eic: 27ZG600Z0424987D}"
METERS = (
    f"  - {{id: em-1, {TYPE_A}, policy: {{evaluation: 60m}}, jobs: [{{profile: 1-0:99.1.0}}]}}\n"
    f"  - {{id: em-2, {TYPE_A}, jobs: [{{profile: 1-0:99.1.0}}]}}\n"
    "  - {id: em-3, driver: iec62056_21, line: a}\n"
)


def put(*readings: Reading) -> Entry:
    made = replace(exchange(meter="em-1"), request="profile 1-0:99.1.0*255 a/b")
    return Entry(made, readings, (DIRECT,) * len(readings), "77")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """em-1 has 95 of 100 quarters, one of them late; em-2 was never read; em-3 is read for no intervals."""
    site = Site(tmp_path)
    site.configure(LINE, METERS)
    told = [
        Reading("em-1", None, "1.29.0", Kind.INTERVAL, ENDS[n], b"", "", "kWh", 0, RawStatus.MISSING,
                Flag.NOT_SENT, ("the meter has no row",), 900)
        for n in (5, 20, 21)
    ]  # fmt: skip
    told = [replace_code(one) for one in told]
    with opened(site.archive) as store:
        append(store, put(*[row(end, "1.29.0", "1") for n, end in enumerate(ENDS) if n not in (5, 20, 21, 40, 41, 42)]))
        append(store, put(*told))
        append(store, put(row(ENDS[5], "1.29.0", "2", Flag.LATE)))
    return site


def replace_code(reading: Reading) -> Reading:
    like = row(reading.at, "1.29.0", "1")
    return Reading(**{name: getattr(reading, name) for name in reading.__struct_fields__} | {"obis": like.obis})


def test_one_meter_with_reasons_and_hours(site: Site) -> None:
    days = ("--from", "2026-10-25", "--to", "2026-10-25")
    (series,) = site.json("archive", "gaps", "em-1", *days)["series"]
    assert (series["expected"], series["present"], series["missing"], series["completeness"]) == (100, 95, 5, "95.0")
    assert series["evaluation"] == {"interval_s": 3600, "expected": 25, "complete": 23}
    assert [(gap["count"], gap["reason"], gap["why"]) for gap in series["days"][0]["gaps"]] == [
        (2, "missing", "the meter has no row"),
        (3, "absent", ""),
    ]
    table = site.run("archive", "gaps", "em-1", *days)
    assert table.returncode == 0, table.stderr
    assert "(2 missing: the meter has no row)" in " ".join(table.stdout.split())
    assert "23 of 25" in table.stdout


def test_all_meters_one_line_each(site: Site) -> None:
    days = ("--from", "2026-10-25", "--to", "2026-10-26")
    document = site.json("archive", "gaps", *days, "--days")
    first, second = document["meters"]
    assert (first["meter"], first["expected"], first["present"], first["missing"]) == ("em-1", 196, 95, 101)
    assert [(day["day"], day["completeness"]) for day in first["days"]] == [
        ("2026-10-25", "95.0"),
        ("2026-10-26", "0.0"),
    ]
    assert (second["meter"], second["expected"], second["completeness"]) == ("em-2", 196, "0.0")
    table = site.run("archive", "gaps", *days)
    assert table.returncode == 0
    lines = [line.split() for line in table.stdout.splitlines()]
    assert ["em-1", "196", "95", "101", "48.4", "%"] in lines and ["total", "392", "95", "297", "24.2", "%"] in lines
    assert not any("em-3" in line for line in lines)
    by_day = site.run("archive", "gaps", *days, "--days")
    assert "2026-10-26" in by_day.stdout and by_day.stdout.count("em-1") == 2


def test_without_days_it_is_yesterday(site: Site) -> None:
    before = datetime.now(UTC).astimezone(PRAGUE).date() - timedelta(days=1)
    document = site.json("archive", "gaps")
    after = datetime.now(UTC).astimezone(PRAGUE).date() - timedelta(days=1)
    assert document["from"] == document["to"] and document["from"] in {before.isoformat(), after.isoformat()}
    assert site.json("archive", "gaps", "--from", "2026-10-25")["from"] == "2026-10-25"
    assert site.json("archive", "gaps", "--to", "2026-10-25")["from"] == "2026-10-25"


def test_meters_without_intervals_are_told(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.configure(LINE, "  - {id: em-3, driver: iec62056_21, line: a}\n")
    done = site.run("archive", "gaps")
    assert done.returncode == 1 and "there is no archive" in done.stderr
    with opened(site.archive) as store:
        append(store, put())
    done = site.run("archive", "gaps")
    assert done.returncode == 1 and "no meter has intervals" in done.stderr
