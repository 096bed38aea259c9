"""Readings by hand as processes: entered with and without a running gateway, imported, and refused in words."""

import json
import os
import pwd
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook

from gatewayd.control import NAME
from gatewayd.manual.table import COLUMNS
from tests.gatewayd.manual.books import EIC, data
from tests.system.rig import DEADLINE_S, ROOT, Site, eventually

PRAGUE = ZoneInfo("Europe/Prague")
ME = pwd.getpwuid(os.getuid()).pw_name
TOTAL = "7-0:3.0.0"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    meters = (
        f"  - {{id: gm-1, driver: iec62056_21, line: a, serial: '00123', point: {{eic: {EIC}}}}}\n"
        "  - {id: em-1, driver: iec62056_21, line: a, ratio: [{ct: 200/5}]}\n"
    )
    made.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", meters)
    return made


def day(ago: int) -> str:
    """So many days ago, as tables have it."""
    return f"{datetime.now(PRAGUE) - timedelta(days=ago):%d.%m.%Y}"


def at(ago: int) -> str:
    return f"{datetime.now(PRAGUE) - timedelta(days=ago):%Y-%m-%d} 10:00"


def row(state: object, ago: int, number: str = "123", kind: str = "K", eic: str = EIC) -> tuple[object, ...]:
    return eic, number, day(ago), state, kind, ""


def readings(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.json("archive", "show")["readings"]
    return found


def audits(site: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.json("archive", "audit", "--category", "operator")["audit"]
    return found


def in_a_terminal(site: Site, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, and answer its question; exit code and what it has written."""
    master, slave = os.openpty()
    command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), *arguments]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT)
    os.close(slave)
    os.write(master, answer.encode())
    said = b""
    try:
        while chunk := os.read(master, 4096):
            said += chunk
    except OSError:  # the end of a terminal
        pass
    os.close(master)
    return process.wait(DEADLINE_S), said.decode()


def test_a_reading_is_entered_without_a_gateway(site: Site) -> None:
    done = site.run(
        "reading", "add", "em-1", "1.8.0", "0008048", "--at", at(1), "--author", "Jan Novák", "--note", "cellar"
    )
    assert done.returncode == 0, done.stderr
    assert "archived as seq 1: em-1 1-0:1.8.0*255  0008048 kWh" in done.stdout and "true (manual)" in done.stdout
    (one,) = readings(site)
    assert (one["raw"], one["value"], one["unit"], one["kind"]) == ("0008048", 8048, "kWh", "register")
    assert (one["status"], one["flags"], one["primary"]) == ("true", ["manual"], 8048 * 40)
    (audit,) = audits(site)
    assert (audit["source"], audit["type"], audit["subject"], audit["result"]) == (ME, "reading", "em-1", "done")
    assert audit["detail"]["author"] == "Jan Novák" and audit["detail"]["first_seq"] == 1
    listed = site.run("reading", "list")
    assert "Jan Novák" in listed.stdout and "cellar" in listed.stdout
    (known,) = site.json("reading", "list", "em-1")["readings"]
    assert known["entered"] == {
        "source": "manual", "author": "Jan Novák", "user": ME, "method": "visual", "note": "cellar"
    }  # fmt: skip


def test_the_running_gateway_archives_what_is_entered(site: Site) -> None:
    with site.daemon() as daemon:
        eventually(lambda: (site.archive / NAME).exists(), "the gateway listens")
        entered = site.json("reading", "add", "gm-1", TOTAL, "1000", "--at", at(1), "--type", "K")["reading"]
        assert (entered["outcome"], entered["seq"], entered["serial"]) == ("archived", 1, "00123")
        lower = site.run("reading", "add", "gm-1", TOTAL, "900", "--at", "now")
        assert lower.returncode == 1 and "warning: 900 m3 is lower than 1000 m3" in lower.stderr
        assert "with --yes it is" in lower.stderr
        again = site.run("reading", "add", "gm-1", TOTAL, "900", "--at", "now", "--yes")
        assert again.returncode == 0 and "distorted (manual, backward)" in again.stdout
        table = site.folder / "table.xlsx"
        table.write_bytes(data(*[row(700 + 10 * (14 - ago), ago) for ago in range(14, 1, -1)]))
        imported = site.run("reading", "import", str(table), "--yes")
        assert imported.returncode == 0, imported.stderr
        assert "13 archived" in imported.stdout
        assert daemon.terminate() == 0
    found = readings(site)
    assert [one["seq"] for one in found] == list(range(1, 16))
    assert {tuple(one["flags"]) for one in found} == {("manual",), ("manual", "backward")}
    log = audits(site)
    assert [(one["source"], one["subject"], one["result"]) for one in log] == [
        (ME, "gm-1", "done"), (ME, "gm-1", "done"), (ME, "table.xlsx", "done")
    ]  # fmt: skip
    assert log[2]["detail"]["archived"] == 13
    assert site.run("archive", "verify").returncode == 0


def test_what_is_doubtful_is_asked_about_on_a_terminal(site: Site) -> None:
    assert site.run("reading", "add", "gm-1", TOTAL, "1000", "--at", at(3)).returncode == 0
    code, said = in_a_terminal(site, "n\n", "reading", "add", "gm-1", TOTAL, "900", "--at", at(1))
    assert code == 1 and "Archive it all the same?" in said and "not archived" in said
    assert len(readings(site)) == 1
    code, said = in_a_terminal(site, "y\n", "reading", "add", "gm-1", TOTAL, "900", "--at", at(1))
    assert code == 0 and "archived as seq 2" in said


def test_what_is_refused_is_told_and_leaves_nothing(site: Site) -> None:
    done = site.run("reading", "add", "em-1", "1.8.0", "12345678", "--at", "now")
    assert (done.returncode, done.stdout) == (
        1,
        "",
    ) and "error: the state 12345678 has more than 7 digits" in done.stderr
    assert not site.archive.exists()


def test_a_table_is_looked_at_then_archived_and_never_twice(site: Site) -> None:
    table, report = site.folder / "listopad.xlsx", site.folder / "report.xlsx"
    rows = [
        row(1000, 9),
        row(1010, 8),
        row(1010, 6),
        row(1, 5, number="124"),
        row(1020, 5),
        row("=1", 4),
        row("x", 3),
        (" ",),
    ]
    table.write_bytes(data(*rows))
    dry = site.run("reading", "import", str(table), "--dry-run", "--report", str(report))
    assert dry.returncode == 1 and not site.archive.exists()
    assert "8 readings loaded, 6 with findings: 2 sound, 1 doubtful, 5 refused; nothing was archived" in dry.stdout
    told = (
        "row 4: warning: nothing was consumed",
        "row 5: error: meter gm-1 did not have",
        "row 6: error: row 5 is",
        "row 7: error: cell D7",
        "row 8: error: the state",
        "row 9: error: the EIC is missing",
    )
    for words in told:
        assert words in dry.stderr
    heading, *lines = load_workbook(report)["Report"].iter_rows(values_only=True)
    assert heading == ("Row", *COLUMNS, "Result", "Findings", "In the portal")
    assert [(line[0], line[7]) for line in lines] == [
        ("2", "sound"), ("3", "sound"), ("4", "doubtful"), *((str(place), "refused") for place in range(5, 10))
    ]  # fmt: skip
    assert "did not have the number 124" in str(lines[3][8])
    done = site.run("reading", "import", str(table), "--author", "Novák")
    assert (
        done.returncode == 1 and "2 archived, 1 doubtful and left out (--yes archives them), 5 refused" in done.stdout
    )
    assert [one["raw"] for one in readings(site)] == ["1000", "1010"]
    again = site.json("reading", "import", str(table), "--yes", code=1)
    assert (again["rows"], again["archived"], again["refused"]) == (8, 1, 7)
    assert [one["raw"] for one in readings(site)] == ["1000", "1010", "1010"]
    (first, second) = audits(site)
    assert first["detail"] == {"archived": 2, "not_archived": 4, "first_seq": 1, "last_seq": 2, "author": "Novák"}
    assert second["subject"] == "listopad.xlsx"


def test_a_file_with_a_critical_fault_is_not_loaded(site: Site) -> None:
    table, report = site.folder / "a.xlsx", site.folder / "report.xlsx"
    table.write_bytes(data(row(1000, 9), heading=("EIC", *COLUMNS[1:])))
    done = site.run("reading", "import", str(table), "--report", str(report), "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1 and document["loaded"] is False
    assert document["findings"][0]["severity"] == "critical"
    assert "critical: cell A1 holds 'EIC'; expected exactly 'EIC OM'" in done.stderr
    assert "nothing of it is archived" in done.stderr and not site.archive.exists()
    assert "cell A1" in str([*load_workbook(report)["Report"].iter_rows(values_only=True)][1])


def test_the_template_is_a_table_that_is_taken(site: Site) -> None:
    out = site.folder / "odecet.xlsx"
    assert site.run("reading", "template", str(out)).returncode == 0
    book = load_workbook(out)
    sheet: Any = book.active
    for column, text in enumerate(row(1000, 2), 1):
        sheet.cell(2, column).value = text
    book.save(out)
    done = site.run("reading", "import", str(out))
    assert (done.returncode, done.stderr) == (0, "") and "1 archived" in done.stdout
    assert json.loads(site.run("reading", "list", "--json").stdout)["readings"][0]["entered"]["file"] == "odecet.xlsx"
