"""`gatewayd reading`: what is refused before anybody is asked, and with which exit code."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gatewayd.cli import gatewayd
from tests.gatewayd.manual.books import EIC, GOOD, data

CONFIG = f"""gateway: {{id: gw-test, clock: trusted}}
archive: {{path: PATH}}
lines: {{a: {{type: tcp, host: 127.0.0.1, port: 9}}}}
meters:
  - {{id: gm-1, driver: iec62056_21, line: a, serial: '00123', point: {{eic: {EIC}}}}}
  - {{id: em-1, driver: iec62056_21, line: a}}
"""
TOTAL = "7-0:3.0.0"


def run(folder: Path, arguments: Sequence[str]) -> Result:
    config = folder / "gatewayd.yaml"
    config.write_text(CONFIG.replace("PATH", str(folder / "archive")), encoding="utf-8")
    return CliRunner().invoke(gatewayd, ["-c", str(config), "reading", *arguments])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("em-1", "1.8.0", "8048.5", "--at", "now"), 1, "--decimals"),
        (("em-1", "1.8.0", "-5", "--at", "now"), 1, "the state is a positive whole number, '-5' is none"),
        (("em-1", "1.8.0", "-.5 kWh", "--at", "now"), 1, "the state is a positive whole number, '-.5 kWh' is none"),
        (("em-1", "1.8.0", "-x", "--at", "now"), 2, "No such option '-x'"),
        (("gm-1", TOTAL, "10", "--at", "now", "--number", "-124"), 1, "did not have the number -124"),
        (("gm-1", TOTAL, "10", "--at", "now", "--number", "124"), 1, "did not have the number 124"),
        (("gm-1", TOTAL, "10", "--at", "2026-03-29 02:30"), 2, "never happens"),
        (("gm-1", TOTAL, "10", "--at", "soon"), 2, "'soon' is no time"),
        (("gm-1", TOTAL, "10", "--at", "2020-01-01", "--type", "K"), 1, "could be handed in until 15.01.2020"),
        (("gm-1", TOTAL, "10", "--at", "now", "--type", "X"), 2, "'X' is not one of"),
        (("gm-1", TOTAL, "10", "--at", "now", "--note", "x" * 201), 2, "more than 200"),
        (("gm-1", TOTAL, "1" * 100_000, "--at", "now"), 2, "more than 64"),
        (("gm-1", TOTAL, "10", "--at", "now", "--author", "a\x1b[2J"), 2, "cannot be shown"),
        (("nobody", TOTAL, "10", "--at", "now"), 2, "known: gm-1, em-1"),
        (("gm-1", "1-0:99.1.0", "10", "--at", "now"), 2, "load profile"),
    ],
)
def test_what_is_not_added(arguments: Sequence[str], code: int, words: str, tmp_path: Path) -> None:
    done = run(tmp_path, ["add", *arguments])
    assert done.exit_code == code and words in done.stderr
    assert done.stdout == "" and not (tmp_path / "archive").exists()


def test_what_is_not_imported(tmp_path: Path) -> None:
    table = tmp_path / "a.xlsx"
    table.write_bytes(data(GOOD))
    assert run(tmp_path, ["import", str(tmp_path / "none.xlsx")]).exit_code == 2
    onto_itself = run(tmp_path, ["import", str(table), "--report", str(table)])
    assert onto_itself.exit_code == 2 and "name another one" in onto_itself.stderr
    assert run(tmp_path, ["import", str(table), "--note", "x" * 201]).exit_code == 2


def test_a_report_is_written_to_files_only(tmp_path: Path) -> None:
    """What takes its name takes its place: a device would be one no more."""
    table, device, other = tmp_path / "a.xlsx", tmp_path / "null.xlsx", tmp_path / "other"
    table.write_bytes(data(GOOD))
    (tmp_path / "notes.txt").write_text("mine")
    os.mkfifo(device)
    os.mkfifo(other)
    (tmp_path / "link.xlsx").symlink_to(other)
    (tmp_path / "circle.xlsx").symlink_to("circle.xlsx")
    (tmp_path / "folder.xlsx").mkdir()
    for name in ("null.xlsx", "notes.txt", "link.xlsx", "circle.xlsx", "folder.xlsx"):
        done = run(tmp_path, ["import", str(table), "--yes", "--report", str(tmp_path / name)])
        assert done.exit_code == 2 and "--report" in done.stderr, name
        assert run(tmp_path, ["template", str(tmp_path / name)]).exit_code == 2, name
    assert not (tmp_path / "archive").exists()
    assert device.is_fifo() and other.is_fifo()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_link_to_a_report_stays_a_link(tmp_path: Path) -> None:
    table, link, report = tmp_path / "a.xlsx", tmp_path / "link.xlsx", tmp_path / "shared" / "report.xlsx"
    report.parent.mkdir()
    link.symlink_to(report)
    table.write_bytes(data(GOOD))
    for _ in range(2):
        run(tmp_path, ["import", str(table), "--dry-run", "--report", str(link)])
        assert link.is_symlink() and report.read_bytes().startswith(b"PK")


def test_a_template_overwrites_nothing(tmp_path: Path) -> None:
    out = tmp_path / "a.xlsx"
    assert run(tmp_path, ["template", str(out)]).exit_code == 0
    first = out.read_bytes()
    again = run(tmp_path, ["template", str(out)])
    assert again.exit_code == 2 and "there already" in again.stderr and out.read_bytes() == first
    assert run(tmp_path, ["template", str(tmp_path / "a.ods")]).exit_code == 2
    nowhere = run(tmp_path, ["template", str(tmp_path / "none" / "a.xlsx")])
    assert nowhere.exit_code == 1 and "none/a.xlsx" in nowhere.stderr


def test_where_there_is_no_archive_nothing_is_listed(tmp_path: Path) -> None:
    assert run(tmp_path, ["list", "--json"]).stdout == '{"readings":[]}\n'
    assert run(tmp_path, ["list", "nobody"]).exit_code == 2


def test_nothing_of_a_spreadsheet_is_loaded_before_it_is_needed() -> None:
    code = "import sys, gatewayd.cli.reading; sys.exit('openpyxl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
