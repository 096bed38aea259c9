"""`gatewayd compare`: main against control metering, with the limits of requirements 1.5 and what is not compared."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd
from gatewayd.legal_time import PRAGUE
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.model import Ratio
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, day_of, quarter
from tests.gatewayd.points_site import configured, filled


def compare(site: Path, *arguments: str) -> Result:
    words: Sequence[str] = ["-c", str(site / "points.yaml"), "compare", *arguments]
    return CliRunner().invoke(gatewayd, words)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """0.250 against 0.251 kWh; in one quarter-hour main is missing, in another one control has 0.500."""
    folder = tmp_path_factory.mktemp("compare")
    configured(folder)
    filled(folder)
    return folder


def test_a_day_by_intervals_and_as_a_whole(site: Path) -> None:
    done = compare(site, "north", "--day", DAY.isoformat())
    assert done.exit_code == 1, done.output
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "2026-11-20 02:30+01:00 0.25 0.5 0.25 0.005 alarm 1 / 1" in lines
    assert "interval: north against south, 1.29.0, class 1: 95 compared, 1 outside, 1 not compared" in lines
    assert "2026-11-20 23.75 24.094 0.344 0.475 ok 95 / 96" in lines, "2 x 1 % of 23.75, the worse class"
    assert "day: north against south, 1.29.0, class 1: 1 compared, 0 outside, 0 not compared" in lines


def test_a_month_for_programs_by_the_name_of_either(site: Path) -> None:
    found = [json.loads(compare(site, name, "--month", "2026-11", "--json").stdout) for name in ("north", "south")]
    assert found[0] == found[1] and (found[0]["point"], found[0]["control"]) == ("north", "south")
    by_layer = {one["layer"]: one for one in found[0]["reports"]}
    assert list(by_layer) == ["interval", "day", "month"]
    assert by_layer["interval"]["counts"] == {"ok": 94, "alarm": 1, "not_compared": 1}
    (month,) = by_layer["month"]["comparisons"]
    assert (month["main"], month["control"], month["limit"], month["verdict"]) == (23.75, 24.094, 0.475, "ok")
    assert (month["have"], month["want"], by_layer["month"]["class"]) == (95, 2880, "1")
    day = by_layer["day"]["comparisons"][0]
    assert (day["verdict"], day["main"], day["have"]) == ("not_compared", None, 0)


def test_in_czech(site: Path) -> None:
    shown = compare(site, "north", "--day", DAY.isoformat(), "--lang", "cs").stdout
    assert "hlavní měření" in shown and "den: north proti south, 1.29.0, třída 1: porovnáno 1" in shown


def test_the_example_of_the_rule(tmp_path: Path) -> None:
    """Class 0.5, 10,000 kWh: the limit is 100 kWh; 10,085 is within it, 10,101 is not (requirements A3)."""
    path = configured(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('meter: "1"', "meter: 0.5S"), encoding="utf-8")
    ends = [one.at for one in day_of("em-1")]
    main = [quarter("em-1", at, "2500") for at in ends[:4]]
    others = [[quarter("em-2", at, text) for at in ends[:4]] for text in ("2521.25", "2525.25")]
    filled(tmp_path, [main, others[0]])
    assert compare(tmp_path, "north", "--day", DAY.isoformat()).exit_code == 0
    (tmp_path / "more").mkdir()
    path = configured(tmp_path / "more")
    path.write_text(path.read_text(encoding="utf-8").replace('meter: "1"', "meter: 0.5S"), encoding="utf-8")
    filled(tmp_path / "more", [main, others[1]])
    done = compare(tmp_path / "more", "north", "--day", DAY.isoformat(), "--obis", str(IMPORT), "--json")
    day = json.loads(done.stdout)["reports"][1]["comparisons"][0]
    assert (day["main"], day["control"], day["limit"], day["verdict"]) == (10000, 10101, 100, "alarm")
    assert done.exit_code == 1


def test_more_intervals_outside_than_a_table_should_have(tmp_path: Path) -> None:
    configured(tmp_path)
    filled(tmp_path, [day_of("em-1"), day_of("em-2", amount="0.300")])
    few = compare(tmp_path, "north", "--day", DAY.isoformat())
    assert "and 76 more intervals outside; --all shows all" in few.stdout
    every = compare(tmp_path, "north", "--day", DAY.isoformat(), "--all")
    assert every.stdout.count("alarm") == 97 and "more intervals" not in every.stdout


def test_this_month_ends_today(tmp_path: Path) -> None:
    configured(tmp_path)
    now = datetime.now(UTC)
    today = now.astimezone(PRAGUE).date()
    filled(tmp_path, [day_of("em-1", today), day_of("em-2", today)], now=now)
    reports = json.loads(compare(tmp_path, "north", "--json").stdout)["reports"]
    days = [one["end"] for one in reports[1]["comparisons"]]
    assert len(days) == today.day, "of days to come nobody has anything"
    assert reports[2]["comparisons"][0]["main"] == 24


def test_what_cannot_be_compared(site: Path, tmp_path: Path) -> None:
    for arguments, code, why in (
        (("total",), 2, "none of the points has control_of: total"),
        (("nobody",), 2, "the configuration has: north, south, total"),
        (("north", "--month", "2026-13"), 2, "is no month"),
        (("north", "--day", "today", "--month", "2026-11"), 2, "give one of them"),
        (("north", "--month", "2026-10"), 1, "no intervals of the same code from 2026-10-01 to 2026-10-31"),
    ):
        done = compare(site, *arguments)
        assert done.exit_code == code and why in done.output, done.output
    path = configured(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace(', accuracy: {meter: "1"}', ""), encoding="utf-8")
    assert "the accuracy class of point south is not known" in compare(tmp_path, "north").output


def test_each_report_has_its_limit_and_class_and_days_of_which_there_is_nothing_their_intervals(tmp_path: Path) -> None:
    """March 2026: a month of 2,972 quarter-hours; the day of the change of time has 92."""
    configured(tmp_path)
    day = date(2026, 3, 10)
    filled(tmp_path, [day_of("em-1", day), day_of("em-2", day, "0.251")], now=datetime(2026, 4, 10, 5, 0, tzinfo=UTC))
    done = compare(tmp_path, "north", "--month", "2026-03", "--json")
    assert done.exit_code == 0, done.output
    reports = {one["layer"]: one for one in json.loads(done.stdout)["reports"]}
    assert list(reports) == ["interval", "day", "month"]
    assert {one["class"] for one in reports.values()} == {"1"}, "the worse of 0.5S and 1"
    wanted = {one["end"][:10]: one["want"] for one in reports["day"]["comparisons"]}
    assert (wanted["2026-03-10"], wanted["2026-03-29"], wanted["2026-03-15"]) == (96, 92, 96)
    (month,) = reports["month"]["comparisons"]
    assert (month["want"], month["have"], month["limit"]) == (2972, 96, 0.48)
    compared = [one for one in reports["interval"]["comparisons"] if one["verdict"] != "not_compared"]
    assert len(compared) == 96 and {one["limit"] for one in compared} == {0.005}
    shown = compare(tmp_path, "north", "--month", "2026-03").stdout
    assert "limit" in shown and "class 1" in shown and "96 / 2972" in shown


REACTIVE = Obis.parse("1-0:3.29.0")


def test_reactive_energy_without_its_class_is_not_compared(tmp_path: Path) -> None:
    """By the class of active energy two right meters would differ."""
    path = configured(tmp_path)
    ends = [one.at for one in day_of("em-1")]
    filled(
        tmp_path, [[quarter(meter, at, "10.0", REACTIVE, unit="kvarh") for at in ends] for meter in ("em-1", "em-2")]
    )
    done = compare(tmp_path, "north", "--day", DAY.isoformat())
    assert done.exit_code == 1 and "3.29.0: the accuracy class of north or south for this energy is not" in done.output
    text = path.read_text(encoding="utf-8").replace("meter: 0.5S", "meter: 0.5S, reactive: 2")
    path.write_text(text.replace('meter: "1"', 'meter: "1", reactive: 3'), encoding="utf-8")
    done = compare(tmp_path, "north", "--day", DAY.isoformat())
    assert done.exit_code == 0 and "3.29.0, class 3: 96 compared, 0 outside" in " ".join(done.output.split())


def test_a_constant_load_is_compared_by_the_digits_of_its_readings(tmp_path: Path) -> None:
    """0.001 against 0.003 kWh behind 8800: two digits of 8.8 kWh apart, as the rule has it."""
    ends = [one.at for one in day_of("em-1")]
    high = MeteringPoint("north", installed=(Installed("em-1", ratios=(Ratio("200/5", "22000/100"),)),))
    other = MeteringPoint(
        "south", installed=(Installed("em-2", ratios=(Ratio("200/5", "22000/100"),)),), control_of="north"
    )
    for text, code in (("0.003", 0), ("0.004", 1)):
        folder = tmp_path / text
        folder.mkdir()
        path = configured(folder)
        ratio = "ratio: [{ct: 200/5, vt: 22000/100}]"
        said = path.read_text(encoding="utf-8").replace('meter: "1"', "meter: 0.5S")
        path.write_text(said.replace("metering_type: A,", f"metering_type: A, {ratio},"), encoding="utf-8")
        rows = [quarter("em-2", at, text if at == ends[0] else "0.001") for at in ends]
        filled(folder, [day_of("em-1", amount="0.001"), rows], [high, other])
        done = compare(folder, "north", "--day", DAY.isoformat())
        assert done.exit_code == code, done.output
