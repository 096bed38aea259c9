"""`gatewayd point`: daily and hourly diagrams of any time, the portal's limits, figures, and what fits a terminal."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd, point_view
from gatewayd.cli.output import Screen
from gatewayd.legal_time import day_bounds, days
from gatewayd.model import Reading
from tests.gatewayd.metering_world import NORTH, day_of, quarter
from tests.gatewayd.points_site import configured, filled

PRAGUE = ZoneInfo("Europe/Prague")
FIRST, LAST = date(2026, 10, 20), date(2026, 11, 21)
"""33 days, one of them with 100 quarter-hours."""
WHOLE = ("--from", FIRST.isoformat(), "--to", LAST.isoformat())
PEAK = datetime(2026, 11, 3, 11, 15, tzinfo=UTC)
HOLE = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def a_month() -> list[list[Reading]]:
    """0.250 kWh in each quarter-hour, 1.000 in one of them, none in another."""
    found = []
    for day in days(FIRST, LAST):
        amounts = {PEAK: "1.000", HOLE: ""}
        found.append([quarter("em-1", one.at, amounts.get(one.at, "0.250")) for one in day_of("em-1", day)])
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("point")
    configured(folder)
    filled(folder, a_month(), (NORTH,), datetime(2026, 11, 22, 5, 0, tzinfo=UTC))
    return folder


def point(site: Path, *arguments: str, name: str = "north") -> Result:
    return CliRunner().invoke(gatewayd, ["-c", str(site / "points.yaml"), "point", name, *arguments])


def document(site: Path, *arguments: str) -> dict[str, Any]:  # Any: JSON
    done = point(site, *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout, parse_float=Decimal)
    return found


def test_a_daily_diagram_from_and_to(site: Path) -> None:
    found = document(site, *WHOLE)
    (channel,) = found["channels"]
    assert found["layer"] == "day" and found["truncated"] is None and found["interval_label"] == "end"
    assert len(channel["values"]) == 33
    by_end = {value["at"]: value["value"] for value in channel["values"]}
    assert by_end["2026-10-25T23:00:00Z"] == Decimal("25.000"), "100 quarter-hours"
    assert by_end["2026-10-24T22:00:00Z"] == Decimal("24.000")
    assert by_end["2026-11-20T23:00:00Z"] is None, "one is missing"


def test_an_hourly_diagram_of_the_day_with_25_hours(site: Path) -> None:
    found = document(site, "--from", "2026-10-25", "--to", "2026-10-25", "--layer", "hour")
    values = found["channels"][0]["values"]
    begin = day_bounds(date(2026, 10, 25), PRAGUE)[0]
    ends = [(begin + timedelta(hours=n)).isoformat().replace("+00:00", "Z") for n in range(1, 26)]
    assert [value["at"] for value in values] == ends
    assert {(str(value["value"]), value["have"], value["want"]) for value in values} == {("1.000", 4, 4)}


def test_an_hour_that_lacks_a_quarter_is_missing_and_no_zero(site: Path) -> None:
    values = document(site, "--day", "2026-11-20", "--layer", "hour")["channels"][0]["values"]
    lacking = [value for value in values if value["status"] != "true"]
    assert [(value["at"], value["value"], value["status"], value["have"]) for value in lacking] == [
        ("2026-11-20T10:00:00Z", None, "missing", 3)
    ]
    shown = point(site, "--day", "2026-11-20", "--layer", "hour").stdout
    assert "2026-11-20 11:00+01:00" in shown and "no value" in shown


@pytest.mark.parametrize(
    "layer, kept, whole, last",
    [
        ("day", 31, 33, "2026-11-19 24:00+01:00"),
        ("hour", 750, 793, "2026-11-20 05:00+01:00"),
        ("interval", 750, 3172, "2026-10-27 18:30+01:00"),
    ],
)
def test_portal_limits(site: Path, layer: str, kept: int, whole: int, last: str) -> None:
    """Requirements G3: at most 31 daily or 750 hourly records in one query, the first ones, and a warning."""
    found = document(site, *WHOLE, "--layer", layer)
    assert len(found["channels"][0]["values"]) == whole
    limited = point(site, *WHOLE, "--layer", layer, "--portal-limits", "--json")
    said = json.loads(limited.stdout, parse_float=Decimal)
    values = said["channels"][0]["values"]
    assert values == found["channels"][0]["values"][:kept]
    assert said["truncated"] == {"records": kept, "of": whole} and said["to"] == values[-1]["at"]
    assert f"keeps the first {kept} of {whole} records, up to {last}; narrow the selection" in limited.stderr
    assert said["channels"][0]["want"] <= kept * {"day": 100, "hour": 4, "interval": 1}[layer]


def test_what_is_within_the_portal_limits_is_not_touched(site: Path) -> None:
    span = ("--from", "2026-10-21", "--to", "2026-11-20")
    limited = point(site, *span, "--portal-limits", "--json")
    assert limited.stderr == "" and limited.stdout == point(site, *span, "--json").stdout
    assert len(json.loads(limited.stdout)["channels"][0]["values"]) == 31
    october = ("--from", "2026-10-20", "--to", "2026-11-19 17:00", "--layer", "hour")
    assert len(document(site, *october, "--portal-limits")["channels"][0]["values"]) == 738


@pytest.mark.parametrize("layer", ["day", "hour", "interval"])
def test_the_maximum_demand_is_that_of_the_intervals_whatever_is_shown(site: Path, layer: str) -> None:
    (channel,) = document(site, "--month", "2026-11", "--layer", layer)["channels"]
    assert channel["maximum_demand"] == {"power": Decimal(4), "at": "2026-11-03T11:15:00Z"}
    hours = {"day": Decimal(480), "hour": Decimal(503), "interval": Decimal("503.75")}[layer]
    energy = hours + Decimal("0.75")
    assert channel["total"] == energy
    assert abs(channel["mean"] - energy / hours) < Decimal("1e-9")
    assert abs(channel["load_factor"] - energy / hours / 4) < Decimal("1e-9")


def test_shares_of_each_status(site: Path) -> None:
    (channel,) = document(site, "--day", "2026-11-20")["channels"]
    assert channel["statuses"] == {"true": 95, "substitute": 0, "provisional": 0, "distorted": 0, "missing": 1}
    assert channel["shares"]["true"] == Decimal("98.9") and channel["shares"]["missing"] == Decimal("1.0")
    shown = point(site, "--day", "2026-11-20").stdout
    for name, text in (("true", "95 (98.9 %)"), ("missing", "1 (1.0 %)"), ("complete", "98.9 % (95 / 96)")):
        assert any(line.split() == [name, *text.split()] for line in shown.splitlines()), shown


def test_by_eic_and_mistakes(site: Path) -> None:
    assert point(site, "--day", "2026-11-20", name="27ZG600Z0424987D").exit_code == 0
    for arguments, why in (
        (("--day", "2026-11-20", "--month", "2026-11"), "--day and --month at the same time"),
        (("--month", "2026-11", "--from", "2026-11-01"), "--month and --from or --to at the same time"),
        (("--to", "2026-11-01"), "--to needs --from"),
        (("--from", "2026-11-02", "--to", "2026-11-01"), "is not after"),
        (("--from", "soon"), "is no time"),
        (("--month", "2026-13"), "is no month"),
    ):
        done = point(site, *arguments)
        assert done.exit_code == 2 and why in done.output, done.output


def test_czech_words(site: Path) -> None:
    shown = point(site, "--day", "2026-11-20", "--lang", "cs").stdout
    for word in ("maximum výkonu", "nejnižší", "využití", "chybějící", "skutečná"):
        assert word in shown, shown
    assert "maximum demand" not in shown


@pytest.mark.parametrize("width", [40, 80, 160])
def test_chart_and_figures_fit_the_terminal(site: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(file=io.StringIO(), force_terminal=True, width=width, highlight=False, color_system=None)
    monkeypatch.setattr(point_view, "console", lambda: screen)
    assert isinstance(screen.file, io.StringIO)
    tables = ""
    for language in ("en", "cs"):
        done = point(site, *WHOLE, "--layer", "hour", "--plot", "--lang", language)
        assert done.exit_code == 0, done.output
        tables += done.stdout
    lines = [line.rstrip() for line in (screen.file.getvalue() + tables).splitlines()]
    assert max(map(len, lines)) <= width, max(lines, key=len)
    assert any("█" in line for line in lines) and any("2026-11-03 13:00" in line for line in lines)


def test_a_pipe_gets_no_colours(site: Path) -> None:
    for more in ((), ("--plot",)):
        assert "\x1b" not in point(site, "--day", "2026-11-20", *more).stdout
