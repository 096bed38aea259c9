"""Exports: what is read back from a file is what the archive has, letter by letter; damage is left out or marked."""

import asyncio
import csv
import io
import json
import re
import sqlite3
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from gatewayd.archive import chain
from gatewayd.archive import extract as extract_module
from gatewayd.archive.extract import Extract
from gatewayd.archive.query import Selection
from gatewayd.archive.verify import verify
from gatewayd.export import FORMATS, writer, xlsx_file
from gatewayd.export.columns import COLUMNS, cells, names, text
from gatewayd.legal_time import PRAGUE
from gatewayd.model import DIRECT, Archived, Kind, RawStatus, Reading
from tests.gatewayd.archive.samples import START, append, entry, opened, reading

ODD = ["", "-0", "18446744073709551615", "0012.50*kWh", "4567,890", "NaN", "Infinity", "1E5", "---.-", "12.", ".5"]
ODD += ["=1+1", "_x0041_", 'a"b,c', " blanks ", "\r", "\n", "\x00\x1f", "\t", "\uffff\ufffe", "Ω°\U0001f50c", "0" * 40]
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
texts = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def archived(raw: str, seq: int = 1, scaler: int = 0, status: RawStatus = RawStatus.TRUE) -> Archived:
    one = Reading("em-1001", None, raw[:9], Kind.REGISTER, START, b"", raw, "kWh", scaler, status)
    return Archived(seq, one, START, "35031234", 1, DIRECT)


def exported(name: str, found: Sequence[Archived]) -> bytes:
    stream = io.BytesIO()
    writer(name)((cells(one, PRAGUE) for one in found), COLUMNS, stream)
    return stream.getvalue()


def read_csv(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def read_jsonl(data: bytes) -> list[dict[str, str]]:
    """With numbers as they are written; split at LF alone, because a text may hold other line ends."""
    lines = [json.loads(line, parse_float=str, parse_int=str) for line in data.split(b"\n")[:-1]]
    return [{key: _plain(value) for key, value in line.items()} for line in lines]


def _plain(value: str | list[str] | None) -> str:
    return " ".join(value) if isinstance(value, list) else value or ""


def read_parquet(data: bytes) -> list[dict[str, str]]:
    return [
        {key: text(value) if value is not None else "" for key, value in row.items()}
        for row in parquet.read_table(io.BytesIO(data)).to_pylist()
    ]


def read_xlsx(data: bytes) -> list[dict[str, str]]:
    """Of all sheets but the first, without any library for it."""
    found: list[dict[str, str]] = []
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        for place in range(2, 1 + sum(name.startswith("xl/worksheets/sheet") for name in book.namelist())):
            lines = list(_lines(book.read(f"xl/worksheets/sheet{place}.xml")))
            found += [{name: line.get(column, "") for column, name in lines[0].items()} for line in lines[1:]]
    return found


def _lines(sheet: bytes) -> Iterator[dict[str, str]]:
    for row in ET.fromstring(sheet).iter(f"{SHEET}row"):
        line: dict[str, str] = {}
        for cell in row:
            assert cell.get("t") == "inlineStr", "every cell is text"
            content = "".join(part.text or "" for part in cell.iter(f"{SHEET}t"))
            line[re.sub(r"\d", "", cell.attrib["r"])] = re.sub(
                "_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), content
            )
        yield line


READ: dict[str, Callable[[bytes], list[dict[str, str]]]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "xlsx": read_xlsx,
}


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(st.builds(archived, texts, st.integers(1, (1 << 63) - 1), st.integers(-12, 12)), max_size=8))
def test_what_is_read_back_is_what_the_archive_has(name: str, found: list[Archived]) -> None:
    rows = READ[name](exported(name, found))
    assert [row["raw"] for row in rows] == [one.reading.raw_text for one in found]
    assert [row["obis_raw"] for row in rows] == [one.reading.obis_raw for one in found]
    assert rows == [dict(zip(names(COLUMNS), map(text, cells(one, PRAGUE)), strict=True)) for one in found]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("raw", ODD)
def test_odd_texts(name: str, raw: str) -> None:
    (row,) = READ[name](exported(name, [archived(raw)]))
    assert row["raw"] == raw
    assert row["seq"] == "1"


@pytest.mark.parametrize("name", FORMATS)
def test_numbers_have_their_own_digits(name: str) -> None:
    found = [
        archived("18446744073709551615"),
        archived("-0"),
        archived("0012.500"),
        archived("4567,890"),
        archived("NaN"),
        archived("12", scaler=3),
        archived("1", scaler=-9),
        archived("7", status=RawStatus.MISSING),
    ]
    rows = READ[name](exported(name, found))
    assert [row["value"] for row in rows] == [
        "18446744073709551615", "-0", "12.500", "4567.890", "", "12000", "0.000000001", "",
    ]  # fmt: skip


def test_the_columns_of_an_interval_and_of_a_register() -> None:
    midnight = datetime(2026, 10, 25, 23, 0, tzinfo=UTC)
    interval = reading(1, kind=Kind.INTERVAL, at=midnight, raw="000.125")
    register = reading(2, at=midnight)
    rows = [
        dict(zip(names(COLUMNS), map(text, cells(Archived(1, one, START, "", 1, DIRECT), PRAGUE)), strict=True))
        for one in (interval, register)
    ]
    assert rows[0]["interval_start"] == "2026-10-25T22:45:00Z"
    assert rows[0]["interval_end"] == "2026-10-25T23:00:00Z"
    assert rows[0]["interval_start_legal"] == "2026-10-25 23:45+01:00"
    assert rows[0]["interval_end_legal"] == "2026-10-25 24:00+01:00"
    assert (rows[0]["obis"], rows[0]["value"], rows[0]["raw"]) == ("1-0:1.8.0*255", "0.125", "000.125")
    assert (rows[1]["interval_start"], rows[1]["interval_start_legal"]) == ("", "")
    assert rows[1]["interval_end_legal"] == "2026-10-26 00:00+01:00", "an instant is no end of a day"


def test_a_workbook_goes_on_on_another_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_file, "SHEET_ROWS", 3)
    for count, sheets in ((0, 1), (3, 1), (4, 2), (7, 3)):
        data = exported("xlsx", [archived(str(n), n + 1) for n in range(count)])
        assert [row["raw"] for row in read_xlsx(data)] == [str(n) for n in range(count)]
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            assert sum(name.startswith("xl/worksheets/sheet") for name in book.namelist()) == sheets + 1
            assert b"exact" in book.read("xl/worksheets/sheet1.xml"), "the first sheet explains"


def test_what_no_cell_can_hold_is_refused_and_not_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert read_xlsx(exported("xlsx", [archived("x" * 32_767)]))
    with pytest.raises(xlsx_file.TooLong, match="another format"):
        exported("xlsx", [archived("x" * 32_768)])
    assert not list(tmp_path.iterdir())


# -- out of an archive ------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six batches of two readings; the series of em-1001 is new in the first, that of em-1002 in the fourth."""
    with opened(tmp_path / "archive") as store:
        for n in range(6):
            meter = "em-1001" if n < 3 else "em-1002"
            append(store, entry(reading(2 * n, meter=meter), reading(2 * n + 1, meter=meter)))
    return tmp_path / "archive"


def change(folder: Path, sql: str, segment: int = 1) -> None:
    """As somebody does who has the file and knows SQLite."""
    path = folder / f"segment-{segment:06d}.sqlite"
    path.chmod(0o644)
    connection = apsw.Connection(str(path))
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(sql)
    for _, definition in triggers:
        connection.execute(str(definition))
    connection.close()


def seqs(
    folder: Path, selection: Selection | None = None, *, even_damaged: bool = False
) -> list[int | tuple[int, bool]]:
    extract = Extract(folder, selection or Selection(), even_damaged=even_damaged)
    return [(item.archived.seq, item.damaged) if even_damaged else item.archived.seq for item in extract]


def test_a_sound_archive_comes_whole(folder: Path) -> None:
    extract = Extract(folder, Selection())
    assert [item.archived.seq for item in extract] == list(range(1, 13))
    assert (extract.verdict.ok, extract.refused, extract.faults) == (True, 0, [])
    assert seqs(folder, Selection(meter="em-1002", last=2)) == [11, 12]


@pytest.mark.parametrize("window", [1, 2, 5, 12, 13])
def test_windows_change_nothing(window: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_module, "WINDOW", window)
    assert seqs(folder) == list(range(1, 13))
    assert seqs(folder, Selection(meter="em-1002")) == list(range(7, 13))
    assert seqs(folder, Selection(last=5)) == list(range(8, 13))


def test_the_readings_of_a_damaged_batch_are_left_out_or_marked(folder: Path) -> None:
    """Readings 5 and 6 are the damaged batch; 3 and 4 lie between it and the checkpoint before it, after 1 and 2."""
    change(folder, "UPDATE reading SET raw_text = '9999999.999' WHERE seq = 5")
    extract = Extract(folder, Selection())
    assert [item.archived.seq for item in extract] == [1, 2, *range(7, 13)]
    assert (extract.refused, extract.faults) == (4, [])
    assert "5 to 6" in extract.verdict.findings[0].text
    assert seqs(folder, even_damaged=True) == [(seq, 3 <= seq <= 6) for seq in range(1, 13)]


def test_a_batch_that_was_forged_together_with_its_hash_is_left_out(folder: Path) -> None:
    """The chain breaks only at the batch behind it: what is proven ends with the last genuine checkpoint."""
    change(folder, "UPDATE reading SET raw_text = '9999999.999' WHERE seq = 3")
    with closing(sqlite3.connect(folder / "segment-000001.sqlite")) as connection:
        (previous,) = connection.execute("SELECT hash FROM batch WHERE id = 1").fetchone()
        before = connection.execute("SELECT * FROM batch WHERE id = 1").fetchone()
        batch = connection.execute("SELECT * FROM batch WHERE id = 2").fetchone()
        places = {"exchange": 2, "device": 3, "ratio": 4, "series": 5, "reading": 6, "audit": 7}
        added = [
            connection.execute(
                f"SELECT * FROM {table} WHERE rowid > ? AND rowid <= ?", (before[places[table]], batch[places[table]])
            ).fetchall()
            for table in chain.TABLES
        ]
        forged = chain.batch_hash(1, 2, previous, batch[1], added)
        assert forged != batch[8]
    change(folder, f"UPDATE batch SET hash = x'{forged.hex()}' WHERE id = 2")
    verdict = verify(folder)
    assert [finding.batch for finding in verdict.findings] == [3]
    assert seqs(folder) == [1, 2, *range(7, 13)]


def test_what_a_damaged_batch_says_about_later_readings_is_doubted_too(folder: Path) -> None:
    """The unit of em-1002 was written by the fourth batch; all its readings hang on it."""
    change(folder, "UPDATE series SET unit = 'Wh' WHERE meter = 'em-1002'")
    assert seqs(folder) == [1, 2]
    assert seqs(folder, even_damaged=True) == [(seq, seq >= 3) for seq in range(1, 13)]


def test_a_finding_without_a_place_counts_for_the_segment(folder: Path) -> None:
    change(folder, "DROP INDEX reading_of_series")
    assert seqs(folder) == []
    assert len(seqs(folder, even_damaged=True)) == 12


def test_a_row_that_cannot_be_understood_is_told_and_the_others_are_exported(folder: Path) -> None:
    change(folder, "UPDATE reading SET status = 77 WHERE seq = 5")
    assert seqs(folder) == [1, 2, *range(7, 13)]
    extract = Extract(folder, Selection(), even_damaged=True)
    assert [item.archived.seq for item in extract] == [1, 2, 3, 4, *range(6, 13)]
    assert len(extract.faults) == 1 and "reading 5" in extract.faults[0]


@pytest.mark.timeout(60)
def test_a_number_that_lies_far_away_costs_no_time(folder: Path) -> None:
    change(folder, "UPDATE reading SET seq = 9000000000000000000 WHERE seq = 12")
    assert seqs(folder) == list(range(1, 11))


async def _sealed(folder: Path) -> None:
    with opened(folder) as store:
        await store.seal()


def test_a_segment_that_cannot_be_read_does_not_hide_the_others(folder: Path) -> None:
    asyncio.run(_sealed(folder))
    with opened(folder) as store:
        append(store, entry(reading(90)))
    path = folder / "segment-000001.sqlite"
    path.chmod(0o644)
    path.write_bytes(b"not SQLite at all" * 1000)
    extract = Extract(folder, Selection())
    assert [item.archived.seq for item in extract] == [13]
    assert extract.faults == ["segment 1 cannot be read, nothing of it is exported"]
    assert not extract.verdict.ok


def test_a_late_value_takes_the_place_of_a_missing_one(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    at = [START + timedelta(minutes=15 * n) for n in range(3)]
    missing = [reading(n, raw="", status=RawStatus.MISSING, kind=Kind.INTERVAL, at=at[n]) for n in range(3)]
    with opened(folder) as store:
        append(store, entry(*missing))
        append(store, entry(reading(7, kind=Kind.INTERVAL, at=at[1]), reading(8, kind=Kind.INTERVAL, at=at[1])))
        append(store, entry(missing[1]))
    assert seqs(folder, Selection(current=True)) == [1, 3, 5]
    assert seqs(folder, Selection(current=True, last=2)) == [3, 5]
    assert seqs(folder, Selection(worst=RawStatus.MISSING)) == [1, 2, 3, 6]


def test_what_comes_after_the_verification_is_not_exported(folder: Path) -> None:
    extract = Extract(folder, Selection())
    with opened(folder) as store:
        append(store, entry(reading(91)))
    assert [item.archived.seq for item in extract] == list(range(1, 13))


def test_a_decimal_is_never_written_with_an_exponent() -> None:
    assert text(Decimal("1E-9")) == "0.000000001"
