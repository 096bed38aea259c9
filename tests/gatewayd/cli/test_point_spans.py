"""Which values `gatewayd point` and `export` take of a time: whole intervals by their end, and gas by its own days."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.gatewayd.cli.exchange_site import command, configured, derive, electricity, gas

OCTOBER = ("--from", "2026-10-01", "--to", "2026-10-31")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spans")
    pieces = [gas(date(2026, 9, 28), date(2026, 11, 2)), *electricity()]
    derive(configured(folder), pieces, datetime(2026, 11, 3, 9, tzinfo=UTC))
    return folder


def channel(site: Path, *arguments: str) -> dict[str, Any]:  # Any: JSON
    done = command(site, "point", *arguments, "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout, parse_float=Decimal)["channels"]
    assert isinstance(found, dict)
    return found


def ends(site: Path, *arguments: str) -> list[str]:
    return [value["at"] for value in channel(site, *arguments)["values"]]


def exported(site: Path, *arguments: str) -> list[str]:
    done = command(site, "export", *arguments, "--layout", "csv")
    assert done.exit_code == 0, done.output
    return [row["interval_end"] for row in csv.DictReader(io.StringIO(done.stdout))]


@pytest.mark.parametrize("span", [OCTOBER, ("--month", "2026-10")])
def test_a_month_of_gas_has_the_name_of_the_month_and_nothing_is_missing_of_it(
    site: Path, span: tuple[str, ...]
) -> None:
    found = channel(site, "boiler", "--layer", "month", *span)
    assert [(value["at"], value["value"]) for value in found["values"]] == [("2026-11-01T05:00:00Z", Decimal("372.5"))]
    assert (found["have"], found["want"], found["statuses"]["missing"]) == (745, 745, 0)
    rows = command(site, "point", "boiler", "--layer", "month", *span).stdout.splitlines()
    assert [row.split()[:2] for row in rows if row.startswith("2026-")] == [["2026-10", "372.5"]]


def test_days_of_gas_are_those_that_begin_on_the_days_asked_for(site: Path) -> None:
    found = ends(site, "boiler", "--layer", "gas_day", *OCTOBER)
    assert (len(found), found[0], found[-1]) == (31, "2026-10-02T04:00:00Z", "2026-11-01T05:00:00Z")
    shown = command(site, "point", "boiler", "--layer", "gas_day", *OCTOBER)
    days = [row.split()[0] for row in shown.stdout.splitlines() if row.startswith("2026-")]
    assert (days[0], days[-1], len(days)) == ("2026-10-01", "2026-10-31", 31)
    assert "100.0 % (745 / 745)" in shown.stdout
    assert exported(site, "boiler", "--layer", "gas_day", *OCTOBER) == found
    assert ends(site, "boiler", "--layer", "gas_day", "--day", "2026-10-25") == ["2026-10-26T05:00:00Z"]


def test_a_month_and_maximum_of_gas_are_exported_with_the_days_of_that_month(site: Path) -> None:
    for layer in ("month", "maximum"):
        assert exported(site, "boiler", "--layer", layer, *OCTOBER) == ["2026-11-01T05:00:00Z"]
        assert exported(site, "boiler", "--layer", layer, "--to", "2026-10-31")[-1] == "2026-11-01T05:00:00Z"
    first = exported(site, "boiler", "--layer", "gas_day", "--to", "2026-10-01")[0]
    assert first == "2026-09-28T04:00:00Z", "without --from everything, also the gas day that had begun before"


def test_intervals_and_days_of_gas_are_those_of_legal_time(site: Path) -> None:
    hours = exported(site, "boiler", "--from", "2026-10-25", "--to", "2026-10-25")
    assert (len(hours), hours[0], hours[-1]) == (25, "2026-10-24T23:00:00Z", "2026-10-25T23:00:00Z")
    assert exported(site, "boiler", "--layer", "day", "--from", "2026-10-25", "--to", "2026-10-25") == hours[-1:]


@pytest.mark.parametrize(
    "layer, begin, end, expected",
    [
        ("interval", "2026-10-13 10:07", "2026-10-13 11:03", ["08:15", "08:30", "08:45", "09:00"]),
        ("hour", "2026-10-13 10:07", "2026-10-13 12:03", ["09:00", "10:00"]),
        ("day", "2026-10-13 10:07", "2026-10-15 10:07", ["22:00", "22:00"]),
    ],
)
def test_whole_intervals_that_end_within_the_time_are_shown_and_none_of_them_is_missing(
    site: Path, layer: str, begin: str, end: str, expected: list[str]
) -> None:
    asked = ("swap", "--layer", layer, "--from", begin, "--to", end)
    found = channel(site, *asked)
    times = [value["at"] for value in found["values"]]
    assert [at[11:16] for at in times] == expected
    assert found["completeness"] == 100 and found["statuses"]["missing"] == 0
    assert found["mean"] == 4 and found["maximum_demand"]["power"] == 4
    assert exported(site, *asked) == times
    assert all(value["status"] == "true" for value in found["values"])


def test_what_has_not_ended_in_the_time_is_not_missing(site: Path) -> None:
    done = command(site, "point", "swap", "--from", "2026-10-13 10:01", "--to", "2026-10-13 10:14")
    assert done.exit_code == 1 and "nothing was derived" in done.output


def test_a_gas_day_that_has_not_begun_hinders_nothing(site: Path) -> None:
    found = ends(site, "swap", "--from", "2026-10-13", "--to", "2026-10-13 05:00")
    assert len(found) == 20
    done = command(site, "point", "boiler", "--layer", "gas_day", "--from", "2026-10-13", "--to", "2026-10-13 05:00")
    assert done.exit_code == 1 and "nothing was derived" in done.output
