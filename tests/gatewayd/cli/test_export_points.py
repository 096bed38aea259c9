"""`gatewayd export`: derived values of points in each layout, what is refused, and the list of meters."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw
import pytest
from click.testing import CliRunner, Result

from gatewayd.archive.segments import segment_numbers, segment_path
from gatewayd.cli import gatewayd
from gatewayd.cli.export_meters import COLUMNS, rows_of
from gatewayd.daemon.derived import derived_folder
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.model import Ratio
from tests.gatewayd.points_site import DAY, configured, filled

PRAGUE = ZoneInfo("Europe/Prague")
SPAN = ("--from", DAY.isoformat(), "--to", DAY.isoformat())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    configured(folder)
    filled(folder)
    return folder


def export(site: Path, *arguments: object) -> Result:
    words: Sequence[str] = ["-c", str(site / "points.yaml"), "export", *map(str, arguments)]
    return CliRunner().invoke(gatewayd, words)


def test_all_columns_of_several_points_to_standard_output(site: Path) -> None:
    done = export(site, "north", "total", "--layout", "csv", "--layer", "day", *SPAN)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    found = [(one["point"], one["obis"], one["amount"], one["status"]) for one in rows]
    assert found == [
        ("north", "1-0:1.29.0*255", "", "missing"),
        ("north", "1-0:2.29.0*255", "0.960", "true"),
        ("total", "1-0:1.29.0*255", "", "missing"),
        ("total", "1-0:2.29.0*255", "", "missing"),
    ]
    assert (rows[0]["have"], rows[0]["want"]) == ("95", "96")
    assert {one["eic"] for one in rows} == {"27ZG600Z0424987D", ""}
    assert "4 values of 4 series; csv labels the start and end of intervals; offset: UTC" in done.stderr


def test_a_portal_layout_with_the_file_beside_it(site: Path, tmp_path: Path) -> None:
    output = tmp_path / "october.csv"
    done = export(site, "27ZG600Z0424987D", "--layout", "cez-pnd", *SPAN, "-o", output)
    assert done.exit_code == 0, done.output
    lines = output.read_bytes().decode("cp1250").splitlines()
    assert lines[0] == '"Datum";"+A/35031234 [kW]";"Status";"-A/35031234 [kW]";"Status";'
    assert lines[1] == "20.11.2026 00:15;1,000;naměřená data OK;0,040;naměřená data OK;"
    assert lines[6] == "20.11.2026 01:30;;neznámá hodnota;0,040;naměřená data OK;"
    assert lines[-1].startswith("20.11.2026 24:00;") and len(lines) == 97
    said = json.loads((tmp_path / "october.csv.json").read_bytes())
    assert (said["layout"], said["interval_label"], len(said["series"])) == ("cez-pnd", "end", 2)
    assert "labels the end of intervals" in done.stderr and "october.csv.json" in done.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["october.csv", "october.csv.json"], "no draft stays"


def test_what_a_layout_cannot_say_is_refused_and_leaves_no_file(site: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.csv"
    for arguments, why in (
        (("north", "--layout", "pre"), "pre has one channel in a file"),
        (("north", "--layout", "cez-pnd", "--layer", "month"), "nothing was derived of north (month)"),
        (("north", "--layout", "pre", "--layer", "day"), "has load profiles only"),
        (("north", "--layout", "iec61968-9", "--layer", "maximum"), "nothing was derived of north (maximum)"),
    ):
        done = export(site, *arguments, *SPAN, "-o", output)
        assert done.exit_code == 1 and why in str(done.exception) + done.output, done.output
        assert not list(tmp_path.iterdir())
    one = export(site, "north", "--layout", "pre", "--obis", "1.8.0", *SPAN, "-o", output)
    assert one.exit_code == 0, one.output
    assert output.read_bytes().decode("cp1250").splitlines()[1] == "20.11.2026 00:00;20.11.2026 00:15;0,250;1,000"


@pytest.mark.parametrize("layout", ["xlsx", "parquet", "iec61968-9"])
def test_the_other_layouts(site: Path, tmp_path: Path, layout: str) -> None:
    done = export(site, "north", "south", "--layout", layout, *SPAN, "-o", tmp_path / "file")
    assert done.exit_code == 0, done.output
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert "288 values of 3 series" in done.stderr


def test_mistakes_on_the_command_line(site: Path) -> None:
    for arguments, why in (
        (("nobody", "--layout", "csv"), "the configuration has: north, south, total"),
        (("north",), "--layout"),
        (("north", "--layout", "xlsx"), "xlsx is no text"),
        (("north", "--layout", "csv", "--from", "2026-11-21", "--to", "2026-11-20"), "is not after"),
        (("north", "--layout", "csv", "--from", "soon"), "is no time"),
        (("points", "--layout", "csv"), "POINT"),
    ):
        done = export(site, *arguments)
        assert done.exit_code == 2 and why in done.output, done.output


def test_everything_there_is_without_a_time_and_the_same_point_only_once(site: Path) -> None:
    done = export(site, "points", "south", "south", "--layout", "jsonl")
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 96


def test_a_damaged_archive_is_not_passed_off_as_sound(tmp_path: Path) -> None:
    configured(tmp_path)
    filled(tmp_path)
    folder = derived_folder(tmp_path / "archive")
    path = segment_path(folder, segment_numbers(folder)[0])
    connection = apsw.Connection(str(path))
    connection.execute("DROP TRIGGER reading_kept")
    connection.execute("UPDATE reading SET raw_text = '9.999' WHERE seq = 3")
    connection.close()
    done = export(tmp_path, "north", "--layout", "csv", *SPAN)
    assert (done.exit_code, done.stdout) == (1, "") and "nothing is exported" in done.stderr
    anyway = export(tmp_path, "north", "--layout", "csv", "--even-damaged", *SPAN)
    assert anyway.exit_code == 0 and "9.999" in anyway.stdout and "other" not in anyway.stdout


def test_without_derived_values(tmp_path: Path) -> None:
    configured(tmp_path)
    done = export(tmp_path, "north", "--layout", "csv")
    assert done.exit_code == 1 and "computed while the gateway runs" in done.output


def test_the_list_of_meters(site: Path) -> None:
    done = export(site, "meters", "--month", "2026-11")
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(one["point"], one["meter"], one["serial"], one["sum"]) for one in rows] == [
        ("north", "em-1", "35031234", ""),
        ("south", "em-2", "", ""),
        ("total", "", "", "+1 north -1 south"),
    ]
    assert (rows[0]["since"], rows[0]["until"], rows[0]["meter_class"]) == ("", "", "0.5S")
    assert export(site, "meters", "--month", "11/2026").exit_code == 2


def test_exchanges_and_changes_of_ratio_are_rows_of_their_own() -> None:
    changed = datetime(2026, 3, 3, 9, 15, tzinfo=UTC)
    ratio = Ratio("200/5", since=datetime(2026, 5, 1, tzinfo=UTC))
    point = MeteringPoint(
        "north", installed=(Installed("em-1"), Installed("em-7", changed, ratios=(Ratio("100/5"), ratio)))
    )
    names = [one.name for one in COLUMNS]
    rows = [dict(zip(names, row, strict=True)) for row in rows_of(point, {"em-7": "7"}, PRAGUE)]
    assert [(row["meter"], row["since"], row["until"], row["ct"]) for row in rows] == [
        ("em-1", None, "2026-03-03 10:15+01:00", None),
        ("em-7", "2026-03-03 10:15+01:00", "2026-05-01 02:00+02:00", "100/5"),
        ("em-7", "2026-05-01 02:00+02:00", None, "200/5"),
    ]
    march = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert len(list(rows_of(point, {}, PRAGUE, march))) == 2
