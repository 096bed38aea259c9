"""`gatewayd export points --registers`: states at the end of each day, of the total and of tariffs, as the portal has
them; hours, the portal's limits and several points in one word."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd
from gatewayd.legal_time import day_bounds, days
from gatewayd.model import Kind, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import NORTH, SOUTH, day_of
from tests.gatewayd.points_site import configured, filled

PRAGUE = ZoneInfo("Europe/Prague")
FIRST, LAST = date(2026, 10, 20), date(2026, 11, 21)
WHOLE = ("--from", FIRST.isoformat(), "--to", LAST.isoformat())
LACKING = date(2026, 11, 5)


def state(day: date, code: str, amount: str, late: timedelta = timedelta(0)) -> Reading:
    at = day_bounds(day, PRAGUE)[1] + late
    obis = Obis.parse(code)
    text = amount.encode()
    return Reading("em-1", obis, code, Kind.REGISTER, at, text, amount, "kWh", 0, RawStatus.TRUE)


def readings() -> list[list[Reading]]:
    """Quarter-hours of two meters, and from 1 November on states of em-1 some minutes behind midnight, but for one day
    on which it was read in the morning only."""
    found = [day_of("em-1", day) + day_of("em-2", day) for day in days(FIRST, LAST)]
    both: list[list[Reading]] = [one for part in found for one in (part[: len(part) // 2], part[len(part) // 2 :])]
    for n, day in enumerate(days(date(2026, 11, 1), date(2026, 11, 8))):
        late = timedelta(hours=6) if day == LACKING else timedelta(minutes=n)
        total, high = Decimal(5000) + n, Decimal(100) + n
        states = [state(day, "1-0:1.8.0", f"{total}.5", late), state(day, "1-0:2.8.0", f"{n}.125", late)]
        states += [state(day, "1-0:1.8.1", f"{high}.5", late), state(day, "1-0:1.8.2", f"{total - high}", late)]
        both.append(states)
    return both


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registers")
    configured(folder)
    filled(folder, readings(), (NORTH, SOUTH), datetime(2026, 11, 22, 5, 0, tzinfo=UTC))
    return folder


def export(site: Path, *arguments: str) -> Result:
    return CliRunner().invoke(gatewayd, ["-c", str(site / "points.yaml"), "export", "points", *arguments])


def test_states_of_registers_at_the_end_of_each_day(site: Path, tmp_path: Path) -> None:
    output = tmp_path / "states.csv"
    done = export(
        site, "north", "--layout", "cez-pnd", "--registers", "--vt", "1", "--nt", "2", *WHOLE, "-o", str(output)
    )
    assert done.exit_code == 0, done.output
    rows = list(csv.reader(io.StringIO(output.read_bytes().decode("cp1250")), delimiter=";"))
    names = ("+E", "-E", "+E_NT", "+E_VT")
    assert sorted(rows[0][1:-1:2]) == sorted(f"{name}/35031234 [kWh]" for name in names)
    assert rows[0][0] == "Datum" and set(rows[0][2::2]) == {"Status"}
    table = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert [row["Datum"] for row in table] == [f"{day:02d}.11.2026 24:00" for day in range(1, 9)]
    first = {name: table[0][f"{name}/35031234 [kWh]"] for name in names}
    assert first == {"+E": "5000,5", "-E": "0,125", "+E_NT": "4900", "+E_VT": "100,5"}
    lacking = table[LACKING.day - 1]
    assert set(lacking.values()) == {"05.11.2026 24:00", "", "neznámá hodnota"}, "it was read six hours later"
    said = json.loads(output.with_name("states.csv.json").read_bytes())
    assert {one["obis"] for one in said["series"]} == {
        f"1-0:{code}*255" for code in ("1.8.0", "2.8.0", "1.8.1", "1.8.2")
    }
    assert all(one["interval_s"] == [0] and one["not_true"] for one in said["series"])


def test_rates_are_not_guessed(site: Path, tmp_path: Path) -> None:
    output = tmp_path / "states.csv"
    assert export(site, "north", "--layout", "cez-pnd", "--registers", *WHOLE, "-o", str(output)).exit_code == 0
    heading = output.read_bytes().decode("cp1250").splitlines()[0]
    assert heading == '"Datum";"+E/35031234 [kWh]";"Status";"-E/35031234 [kWh]";"Status";'


def test_mistakes_with_registers(site: Path) -> None:
    for arguments, code, why in (
        (("--layout", "pre", "--registers", *WHOLE), 2, "--registers is for the layout cez-pnd"),
        (("--layout", "cez-pnd", "--registers"), 2, "--registers needs --from"),
        (("--layout", "cez-pnd", "--vt", "1"), 2, "which registers of tariffs"),
        (("--layout", "cez-pnd", "--registers", "--vt", "1", "--nt", "1", *WHOLE), 2, "the same rate"),
        (("--layout", "csv", "--encoding", "utf-8"), 2, "csv has one encoding only"),
        (("--layout", "cez-pnd", "--registers", "--from", "2026-10-20", "--to", "2026-10-25"), 1, "no state of a"),
    ):
        done = export(site, "north", *arguments)
        assert (done.exit_code, why in done.output) == (code, True), done.output


@pytest.mark.parametrize("layer, kept, whole", [("day", 31, 33), ("hour", 750, 793), ("interval", 750, 3172)])
def test_portal_limits_of_each_point(site: Path, layer: str, kept: int, whole: int) -> None:
    """Requirements G3."""
    common = ("27ZG600Z0424987D;south", "--layout", "csv", "--layer", layer, *WHOLE)
    every = export(site, *common)
    assert "portal-limits" not in every.stderr
    limited = export(site, *common, "--portal-limits")
    assert limited.exit_code == 0, limited.output
    rows, all_rows = (list(csv.DictReader(io.StringIO(one.stdout))) for one in (limited, every))
    for point in ("north", "south"):
        mine = [row for row in rows if row["point"] == point]
        assert mine == [row for row in all_rows if row["point"] == point][:kept] and len(mine) == kept
        assert f"point {point}: --portal-limits keeps the first {kept} of {whole} records" in limited.stderr


def test_hours_are_the_sums_of_their_quarters(site: Path) -> None:
    done = export(site, "south", "--layout", "pre", "--layer", "hour", "--from", "2026-10-25", "--to", "2026-10-25")
    assert done.exit_code == 0, done.output
    rows = list(csv.reader(io.StringIO(done.stdout_bytes.decode("cp1250")), delimiter=";"))[1:]
    assert len(rows) == 25 and {tuple(row[2:]) for row in rows} == {("1,000", "1,000")}
    assert [row[0][11:] for row in rows[1:5]] == ["01:00", "02:00", "02:00", "03:00"]


def test_utf_8_for_who_wants_it(site: Path, tmp_path: Path) -> None:
    output = tmp_path / "utf8.csv"
    done = export(site, "south", "--layout", "cez-pnd", "--encoding", "utf-8", *WHOLE, "-o", str(output))
    assert done.exit_code == 0 and "naměřená data OK" in output.read_text(encoding="utf-8")
