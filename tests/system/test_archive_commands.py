"""The commands around the archive, as processes: what they print, what they refuse, and their exit codes."""

import asyncio
import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyarrow import parquet

from gatewayd.archive.records import Audit, Entry
from gatewayd.archive.signing import public_key
from gatewayd.legal_time import interval_ends
from gatewayd.model import DIRECT, Exchange, Kind, Outcome, Point, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import append, opened
from tests.system.rig import ROOT, Site

EIC, EAN = "27ZG600Z0424987D", "859182400100000001"
DAY = date(2026, 10, 25)
"""It has 100 quarter-hours."""
OBIS = "1-0:1.29.0*255"


def quarter(end: datetime, raw: str, status: RawStatus = RawStatus.TRUE) -> Reading:
    return Reading(
        meter="em-1001",
        obis=Obis.parse(OBIS),
        obis_raw="1.29.0",
        kind=Kind.INTERVAL,
        at=end,
        raw=raw.encode(),
        raw_text=raw,
        unit="kWh",
        status=status,
        interval_s=900,
    )


def entry(*readings: Reading, serial: str = "35031234", point: Point = Point(eic=EIC)) -> Entry:  # noqa: B008 - frozen
    at = readings[-1].at + timedelta(minutes=5)
    exchange = Exchange(readings[0].meter, "optical", "profile", at, at, b"/ISk5", Outcome.DONE)
    return Entry(exchange, readings, (DIRECT,) * len(readings), serial, point)


def register(raw: str, meter: str = "gm-1") -> Reading:
    at = datetime(2026, 10, 25, 12, 0, tzinfo=UTC)
    return Reading(meter, Obis.parse("7-0:3.0.0"), "7-0:3.0.0", Kind.REGISTER, at, raw.encode(), raw, "m3")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """101 readings in 6 batches: a day with two gaps and a late value, and the register of another meter."""
    site = Site(tmp_path)
    site.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", "  - {id: em-1001, driver: iec62056_21, line: a}\n")
    quarters = [quarter(end, f"{n:03d}.125") for n, end in enumerate(interval_ends(DAY))]
    quarters[20] = quarter(quarters[20].at, "", RawStatus.MISSING)
    quarters[21] = quarter(quarters[21].at, "", RawStatus.MISSING)
    with opened(site.archive) as store:
        append(store, entry(*quarters[:10]))
        append(store, entry(*quarters[10:50]))
        append(store, entry(*quarters[54:]))
        append(store, entry(quarter(quarters[21].at, "021.125")))
        append(store, entry(register("0012.50"), serial="", point=Point(ean=EAN)))
        append(
            store, entry(register("-0"), register("18446744073709551615"), register("NaN"), serial="", point=Point())
        )
    return site


def damage(site: Site, old: bytes, new: bytes) -> None:
    """Write other bytes into the file, where SQLite does not notice it."""
    path = site.archive / "segment-000001.sqlite"
    connection = apsw.Connection(str(path))
    connection.pragma("wal_checkpoint", "truncate")
    connection.close()
    data = path.read_bytes()
    assert len(old) == len(new) and data.count(old) >= 1
    path.write_bytes(data.replace(old, new))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# -- show -------------------------------------------------------------------------------------------------------------


def test_show_by_point_status_and_what_is_current(site: Site) -> None:
    def shown(*options: str) -> list[dict[str, Any]]:
        readings: list[dict[str, Any]] = site.json("archive", "show", *options)["readings"]
        return readings

    assert {reading["meter"] for reading in shown("--point", EIC)} == {"em-1001"}
    assert [reading["raw"] for reading in shown("--point", EAN)] == ["0012.50"]
    assert shown("--point", "nowhere") == []
    assert len(shown("--status", "missing")) == 2
    assert len(shown("--status", "true")) == 101
    current = shown("em-1001", "--current")
    assert len(current) == 96
    assert [reading["status"] for reading in current].count("missing") == 1
    assert [reading["raw"] for reading in shown("--current", "--last", "2")] == shown_texts(site)[-2:]
    wrong = site.run("archive", "show", "--status", "good")
    assert wrong.returncode == 2 and "substitute" in wrong.stderr


def shown_texts(site: Site) -> list[str]:
    return [reading["raw"] for reading in site.json("archive", "show", "--current")["readings"]]


# -- verify and public-key --------------------------------------------------------------------------------------------


def test_verify_says_that_all_is_well(site: Site) -> None:
    document = site.json("archive", "verify")
    assert document == {"ok": True, "segments": 1, "readings": 101, "exchanges": 6, "findings": []}
    done = site.run("archive", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "sound; 1 segment, 101 readings, 6 exchanges" in done.stdout


def test_verify_names_what_is_damaged(site: Site) -> None:
    damage(site, b"054.125", b"954.125")
    done = site.run("archive", "verify")
    assert done.returncode == 1 and "DAMAGED" in done.stdout
    (line,) = done.stderr.splitlines()
    assert "segment 1, batch 3" in line and "reading 51 to 96" in line
    document = site.json("archive", "verify", code=1)
    assert document["ok"] is False
    (finding,) = document["findings"]
    assert set(finding) == {"segment", "batch", "rows", "message"}
    assert (finding["segment"], finding["batch"]) == (1, 3)


def test_verify_with_the_key_and_a_head_from_elsewhere(site: Site, tmp_path: Path) -> None:
    printed = site.run("archive", "public-key")
    assert printed.returncode == 0 and printed.stdout.startswith("-----BEGIN PUBLIC KEY-----\n")
    kept = tmp_path / "kept.pub"
    kept.write_text(printed.stdout)
    public_key(kept)
    assert site.json("archive", "public-key") == {"public_key": printed.stdout}
    head = site.json("archive", "stats")["head"]
    anchor = f"{head['seq']}:{head['hash']}"
    copy = tmp_path / "copy of the head"
    copy.write_bytes((site.archive / "head").read_bytes())
    for known in (anchor, str(copy)):
        assert site.run("archive", "verify", "--public-key", str(kept), "--anchor", known).returncode == 0

    stranger = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    kept.write_bytes(stranger)
    done = site.run("archive", "verify", "--public-key", str(kept))
    assert done.returncode == 1 and "signature" in done.stderr
    done = site.run("archive", "verify", "--anchor", f"{head['seq']}:{'0' * 64}")
    assert done.returncode == 1 and "not part of this archive" in done.stderr


@pytest.mark.parametrize("anchor", ["101", "101:abc", "x:" + "0" * 64, "no such file"])
def test_an_anchor_that_is_none_is_a_usage_error(anchor: str, site: Site) -> None:
    done = site.run("archive", "verify", "--anchor", anchor)
    assert done.returncode == 2 and "SEQ:HASH" in done.stderr


def test_a_file_that_is_no_head_and_a_key_that_is_none(site: Site, tmp_path: Path) -> None:
    empty, noise = tmp_path / "empty", tmp_path / "noise"
    empty.write_bytes(b"")
    noise.write_bytes(b"x" * 2000)
    assert site.run("archive", "verify", "--anchor", str(empty)).returncode == 2
    assert site.run("archive", "verify", "--anchor", str(noise)).returncode == 1
    assert site.run("archive", "verify", "--public-key", str(noise)).returncode == 1
    (site.archive / "signing.pub").unlink()
    done = site.run("archive", "public-key")
    assert done.returncode == 1 and "signing.pub" in done.stderr and "Traceback" not in done.stderr


def test_a_quick_verification_shows_no_bar_even_in_a_terminal(site: Site) -> None:
    terminal, ours = pty.openpty()
    command = [sys.executable, "-m", "gatewayd", "-c", str(site.config), "archive", "verify"]
    done = subprocess.run(command, stderr=ours, stdout=subprocess.PIPE, timeout=60, cwd=ROOT, check=True)
    os.set_blocking(terminal, False)
    os.close(ours)
    try:
        shown = os.read(terminal, 4096)
    except OSError:  # nothing was written, and the other end is closed
        shown = b""
    os.close(terminal)
    assert shown == b"" and b"sound" in done.stdout


# -- export -----------------------------------------------------------------------------------------------------------


def test_export_as_text(site: Site, tmp_path: Path) -> None:
    printed = site.run("archive", "export", "--format", "csv")
    assert (printed.returncode, printed.stderr) == (0, "")
    rows = rows_of(printed.stdout)
    assert len(rows) == 101
    assert rows[0]["interval_start"] == "2026-10-24T22:00:00Z" and rows[0]["interval_end"] == "2026-10-24T22:15:00Z"
    assert rows[0]["interval_end_legal"] == "2026-10-25 00:15+02:00"
    assert rows[95]["interval_end_legal"] == "2026-10-25 24:00+01:00"
    assert (rows[0]["eic"], rows[0]["serial"]) == (EIC, "35031234")
    assert (rows[0]["value"], rows[0]["raw"], rows[0]["unit"]) == ("0.125", "000.125", "kWh")
    assert [row["raw"] for row in rows[97:]] == ["0012.50", "-0", "18446744073709551615", "NaN"]
    assert [row["value"] for row in rows[97:]] == ["12.50", "-0", "18446744073709551615", ""]
    assert "damaged" not in rows[0]

    lines = site.run("archive", "export", "gm-1", "--format", "jsonl", "--output", "-")
    assert lines.returncode == 0
    found = [json.loads(line, parse_float=str, parse_int=str) for line in lines.stdout.splitlines()]
    assert [line["value"] for line in found] == ["12.50", "-0", "18446744073709551615", None]
    assert list(found[0]) == list(rows[0])

    file = tmp_path / "selected.csv"
    link = tmp_path / "link.csv"
    link.symlink_to(file)
    assert site.run("archive", "export", "--format", "csv", "-o", str(link)).returncode == 0
    assert link.is_symlink() and len(rows_of(file.read_text())) == 101
    assert site.run("archive", "export", "--format", "csv", "-o", str(tmp_path)).returncode == 1
    link.unlink()
    done = site.run("archive", "export", "em-1001", "--status", "missing", "--format", "csv", "-o", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert [row["seq"] for row in rows_of(file.read_text())] == ["21", "22"]
    done = site.run("archive", "export", "em-1001", "--current", "--last", "80", "--format", "csv", "-o", str(file))
    assert len(rows_of(file.read_text())) == 80
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "gatewayd.yaml", "selected.csv"]


def test_export_as_parquet_and_workbook(site: Site, tmp_path: Path) -> None:
    texts = [row["raw"] for row in rows_of(site.run("archive", "export", "--format", "csv").stdout)]
    file = tmp_path / "all.parquet"
    assert site.run("archive", "export", "--format", "parquet", "-o", str(file)).returncode == 0
    table = parquet.read_table(file)
    assert table.column("raw").to_pylist() == texts
    assert table.column("interval_end").to_pylist()[0] == datetime(2026, 10, 24, 22, 15, tzinfo=UTC)
    assert table.column("value").to_pylist()[-2:] == ["18446744073709551615", None]

    book = tmp_path / "all.xlsx"
    assert site.run("archive", "export", "--format", "xlsx", "-o", str(book)).returncode == 0
    with zipfile.ZipFile(book) as archive:
        assert b"15 digits" in archive.read("xl/worksheets/sheet1.xml")
        sheet = ET.fromstring(archive.read("xl/worksheets/sheet2.xml"))
    cells = ["".join(part.itertext()) for part in sheet.iter() if re.match(r"M\d+$", part.get("r", ""))]
    assert cells == ["raw", *texts]

    for name in ("parquet", "xlsx"):
        done = site.run("archive", "export", "--format", name)
        assert done.returncode == 2 and "--output" in done.stderr


@pytest.mark.parametrize(("name", "library"), [("parquet", "pyarrow"), ("xlsx", "xlsxwriter")])
def test_a_format_whose_library_is_not_there_says_what_to_do(
    name: str, library: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{library}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{library}'\")\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    done = site.run_afresh("archive", "export", "--format", name, "-o", str(tmp_path / "out"))
    assert done.returncode == 2
    assert f"pip install gatewayd[{name}]" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert site.run_afresh("archive", "export", "--format", "csv").returncode == 0


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "xlsx"])
def test_damaged_readings_are_refused_or_marked(name: str, site: Site, tmp_path: Path) -> None:
    damage(site, b"054.125", b"954.125")
    file = tmp_path / f"out.{name}"
    done = site.run("archive", "export", "--format", name, "-o", str(file))
    assert done.returncode == 1
    assert "segment 1, batch 3 (exchange 3 to 3, reading 51 to 96)" in done.stderr
    assert "86 readings" in done.stderr and "--even-damaged" in done.stderr
    sound = [*range(1, 11), *range(97, 102)]  # batch 1 is signed; batch 2 may have been forged together with its hash
    assert _seqs[name](file) == [(seq, None) for seq in sound]
    done = site.run("archive", "export", "--format", name, "--even-damaged", "-o", str(file))
    assert done.returncode == 0 and "batch 3" in done.stderr
    assert _seqs[name](file) == [(seq, 11 <= seq <= 96) for seq in range(1, 102)]


def _seqs_csv(file: Path) -> list[tuple[int, bool | None]]:
    marks = {None: None, "true": True, "false": False}
    return [(int(row["seq"]), marks[row.get("damaged")]) for row in rows_of(file.read_text())]


def _seqs_jsonl(file: Path) -> list[tuple[int, bool | None]]:
    return [(row["seq"], row.get("damaged")) for row in map(json.loads, file.read_text().splitlines())]


def _seqs_parquet(file: Path) -> list[tuple[int, bool | None]]:
    return [(row["seq"], row.get("damaged")) for row in parquet.read_table(file).to_pylist()]


def _seqs_xlsx(file: Path) -> list[tuple[int, bool | None]]:
    with zipfile.ZipFile(file) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet2.xml"))
    columns: dict[str, dict[int, str]] = {"V": {}, "X": {}}
    for cell in sheet.iter():
        place = re.fullmatch(r"([VX])(\d+)", cell.get("r", ""))
        if place is not None:
            columns[place[1]][int(place[2])] = "".join(cell.itertext())
    assert columns["V"].pop(1) == "seq" and columns["X"].pop(1, "damaged") == "damaged"
    marks = {None: None, "true": True, "false": False}
    return [(int(text), marks[columns["X"].get(row)]) for row, text in columns["V"].items()]


_seqs: dict[str, Callable[[Path], list[tuple[int, bool | None]]]] = {
    "csv": _seqs_csv,
    "jsonl": _seqs_jsonl,
    "parquet": _seqs_parquet,
    "xlsx": _seqs_xlsx,
}


def test_a_file_that_cannot_be_written_and_an_archive_that_is_not_there(site: Site, tmp_path: Path) -> None:
    done = site.run("archive", "export", "--format", "csv", "-o", str(tmp_path / "nowhere" / "out.csv"))
    assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
    site.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", "  - {id: m, driver: iec62056_21, line: a}\n")
    empty = Site(tmp_path / "empty")
    empty.folder.mkdir()
    empty.configure("  a: {type: tcp, host: 127.0.0.1, port: 9}\n", "  - {id: m, driver: iec62056_21, line: a}\n")
    for command in (
        ["export", "--format", "csv", "-o", str(tmp_path / "out.csv")],
        ["audit"],
        ["stats"],
        ["verify"],
        ["public-key"],
        ["gaps", "m", "1.29.0", "--from", "2026-10-25", "--to", "2026-10-25"],
    ):
        done = empty.run("archive", *command)
        assert done.returncode == 1, command
        assert done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out.csv").exists()


# -- gaps and stats ---------------------------------------------------------------------------------------------------


def test_gaps_of_a_day_with_a_hundred_quarters(site: Site) -> None:
    days = ("--from", "2026-10-25", "--to", "2026-10-26")
    document = site.json("archive", "gaps", "em-1001", *days)
    assert (document["meter"], document["from"], document["to"]) == ("em-1001", "2026-10-25", "2026-10-26")
    (series,) = document["series"]
    assert (series["obis"], series["interval_s"]) == (OBIS, 900)
    assert (series["expected"], series["present"], series["missing"]) == (196, 95, 101)
    first, second = series["days"]
    assert (first["day"], first["expected"], first["present"], first["missing"]) == ("2026-10-25", 100, 95, 5)
    assert first["completeness"] == "95.0"
    assert [(gap["count"], gap["reason"]) for gap in first["gaps"]] == [(1, "missing"), (4, "absent")]
    assert first["gaps"][0]["first_legal"] == "2026-10-25 04:15+01:00"
    assert (second["expected"], second["present"], second["completeness"]) == (96, 0, "0.0")

    table = site.run("archive", "gaps", "em-1001", "1.29.0", *days)
    assert table.returncode == 0
    assert "04:15+01:00 (1 missing)" in table.stdout and "95.0 %" in table.stdout
    assert "00:15 to 24:00 (96 absent)" in table.stdout

    hours = site.json("archive", "gaps", "em-1001", "1.29.0", *days, "--interval", "1h")["series"][0]
    assert [day["expected"] for day in hours["days"]] == [25, 24]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["em-1001", "--from", "2026-10-26", "--to", "2026-10-25"], 2, "before"),
        (["em-1001", "--from", "the 24th", "--to", "2026-10-25"], 2, "no day"),
        (["em-1001", "1.29.0", "--from", "2026-10-25", "--to", "2026-10-25", "--interval", "7m"], 2, "does not divide"),
        (["em-1001", "1.29.0", "--from", "2026-10-25", "--to", "2026-10-25", "--interval", "0m"], 2, "length"),
        (["gm-1", "--from", "2026-10-25", "--to", "2026-10-25"], 1, "no intervals"),
    ],
)
def test_gaps_that_cannot_be_told(arguments: list[str], code: int, words: str, site: Site) -> None:
    done = site.run("archive", "gaps", *arguments)
    assert done.returncode == code and words in done.stderr and "Traceback" not in done.stderr


def test_stats_count_segments_meters_and_statuses(site: Site) -> None:
    document = site.json("archive", "stats")
    (segment,) = document["segments"]
    assert (segment["number"], segment["readings"], segment["exchanges"]) == (1, 101, 6)
    assert segment["sealed_at"] is None and segment["fault"] is None
    assert segment["bytes"] >= (site.archive / "segment-000001.sqlite").stat().st_size
    assert float(segment["bytes_per_reading"]) == pytest.approx(segment["bytes"] / 101, abs=0.1)
    assert [(meter["meter"], meter["readings"]) for meter in document["meters"]] == [("em-1001", 97), ("gm-1", 4)]
    assert document["meters"][0]["statuses"]["missing"] == 2
    assert document["meters"][0]["first_at"] == "2026-10-24T22:15:00Z"
    assert document["total"]["readings"] == 101
    assert document["head"]["seq"] == 101 and len(document["head"]["hash"]) == 64
    printed = site.run("archive", "stats")
    assert printed.returncode == 0 and document["head"]["hash"] in printed.stdout and "em-1001" in printed.stdout


def test_stats_of_a_segment_that_cannot_be_read(site: Site) -> None:
    (site.archive / "segment-000001.sqlite").write_bytes(b"this is no database" * 500)
    done = site.run("archive", "stats")
    assert done.returncode == 1 and "segment 1 cannot be counted" in done.stderr and "Traceback" not in done.stderr
    document = site.json("archive", "stats", code=1)
    assert document["segments"][0]["fault"] and document["total"]["readings"] == 0
    done = site.run("archive", "export", "--format", "csv", "--even-damaged")
    assert done.returncode == 1 and "segment 1" in done.stderr and "Traceback" not in done.stderr


# -- audit -------------------------------------------------------------------------------------------------------------


def call(meter: str, at: datetime, result: str = "done") -> Audit:
    """As gatewayd.call_log writes it."""
    detail = (
        '{"line": "gsm", "number": "+42060****89", "seconds": 34.0, "hung_up": true, "signal": null, "rejected": []}'
    )
    return Audit(at, "gateway", "call", "modem-call", meter, result, detail)


@pytest.fixture
def audited(site: Site) -> Site:
    """Four calls in two segments, the last one twenty minutes after midnight of the 26th, legal time."""
    with opened(site.archive) as store:
        for meter, at in (("em-1001", "10-25T20:00"), ("gm-1", "10-25T21:00"), ("em-1001", "10-25T22:59")):
            store.submit(call(meter, datetime.fromisoformat(f"2026-{at}+00:00"), "carrier lost")).result()
        asyncio.run(store.seal())
        store.submit(call("em-1001", datetime(2026, 10, 25, 23, 20, tzinfo=UTC))).result()
    return site


def test_audit_shows_what_was_done_through_all_segments(audited: Site) -> None:
    entries = audited.json("archive", "audit")["audit"]
    assert [entry["at"] for entry in entries if entry["category"] == "call"] == [
        f"2026-10-25T{clock}:00Z" for clock in ("20:00", "21:00", "22:59", "23:20")
    ]
    assert [entry["type"] for entry in entries].count("segment-sealed") == 1
    (last,) = audited.json("archive", "audit", "--category", "call", "--last", "1")["audit"]
    assert last == {
        "at": "2026-10-25T23:20:00Z",
        "source": "gateway",
        "category": "call",
        "type": "modem-call",
        "subject": "em-1001",
        "result": "done",
        "detail": {
            "line": "gsm",
            "number": "+42060****89",
            "seconds": "34.0",
            "hung_up": True,
            "signal": None,
            "rejected": [],
        },
    }


@pytest.mark.parametrize(
    ("options", "clocks"),
    [
        (["--subject", "gm-1"], ["21:00"]),
        (["--subject", "em-1001", "--last", "2"], ["22:59", "23:20"]),
        (["--subject", "em-1001", "--last", "9"], ["20:00", "22:59", "23:20"]),
        (["--category", "call", "--last", "3"], ["21:00", "22:59", "23:20"]),
        (["--category", "call", "--since", "2026-10-26"], ["23:20"]),
        (["--category", "call", "--since", "2026-10-25 23:59"], ["22:59", "23:20"]),
        (["--category", "nothing"], []),
    ],
)
def test_audit_of_what_is_asked_for(audited: Site, options: list[str], clocks: list[str]) -> None:
    entries = audited.json("archive", "audit", *options)["audit"]
    assert [entry["at"] for entry in entries] == [f"2026-10-25T{clock}:00Z" for clock in clocks]


def test_audit_for_people_and_a_time_that_is_none(audited: Site) -> None:
    printed = audited.run("archive", "audit", "--category", "call", "--last", "1")
    assert printed.returncode == 0
    (_, row) = printed.stdout.splitlines()
    assert row.split() == [
        *("2026-10-26", "00:20:00+0100", "gateway", "call", "modem-call", "em-1001", "done"),
        *("line=gsm", "number=+42060****89", "seconds=34.0", "hung_up=yes"),
    ]
    refused = audited.run("archive", "audit", "--since", "2026-13-01")
    assert refused.returncode == 2 and "--since" in refused.stderr and "is no time" in refused.stderr
