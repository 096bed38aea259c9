"""Days and months beyond all metering on the command line: a mistake in words, never a traceback."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd
from gatewayd.daemon.derived import derived_folder
from tests.gatewayd.points_site import DAY, configured, filled


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edges")
    configured(folder)
    filled(folder)
    return folder


def command(site: Path, *words: str) -> Result:
    return CliRunner().invoke(gatewayd, ["-c", str(site / "points.yaml"), *words])


@pytest.mark.parametrize(
    "words",
    [
        *(("explain", "north", "1.29.0", time) for time in ("0001-01", "9999-12", "0001-01-01", "9999-12-31")),
        *(("explain", "north", "1.29.0", f"9999-12-31 {time}") for time in ("23:59", "24:00")),
        *(("point", "north", "--month", time) for time in ("0001-01", "9999-12", "1969-12", "2200-01")),
        *(("point", "north", "--day", time) for time in ("0001-01-01", "9999-12-30", "9999-12-31")),
        ("point", "north", "--from", "0001-01-02", "--to", "0001-01-03"),
        ("point", "north", "--from", "2026-11-20", "--to", "9999-12-31"),
        *(("substitute", "set", "north", "1.29.0", "24", "--day", time) for time in ("0001-01-01", "9999-12-31")),
        ("substitute", "estimate", "north", "1.29.0", "24", "--month", "9999-12", "--author", "e", "--note", "n"),
    ],
)
def test_it_is_a_mistake_that_is_told(site: Path, words: tuple[str, ...]) -> None:
    done = command(site, *words)
    assert done.exit_code == 2, (done.output, done.exception)
    assert "of metering; expected one from 1970-01" in done.stderr or "is no time" in done.stderr
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize("name", ["north", "27ZG600Z0424987D"])
def test_explain_knows_a_point_by_its_eic(site: Path, name: str) -> None:
    done = command(site, "explain", name, "1.29.0", DAY.isoformat())
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("north 1-0:1.29.0*255 day")


def test_nobody_is_a_point_by_an_empty_name(site: Path) -> None:
    done = command(site, "explain", "", "1.29.0", DAY.isoformat())
    assert done.exit_code == 1 and "there is no metering point" in done.stderr


@pytest.mark.parametrize(
    "words", [("point", "north", "--day", DAY.isoformat()), ("explain", "north", "1.29.0", DAY.isoformat())]
)
def test_an_archive_that_cannot_be_opened_is_not_an_empty_one(
    site: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    configured(tmp_path)
    shutil.copytree(site / "archive", tmp_path / "archive")
    folder = derived_folder(tmp_path / "archive")
    shutil.rmtree(folder)
    done = command(tmp_path, *words)
    assert done.exit_code == 1 and f"there is no derived archive in {folder}: gatewayd status says" in done.stderr
    folder.write_text("a file in its place")
    done = command(tmp_path, *words)
    assert done.exit_code == 1 and f"{folder} is no folder; move it away" in str(done.stderr or done.exception)
