"""Append-only: neither the writing connection nor a foreign one changes or drops what is archived."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from gatewayd.archive import segments
from gatewayd.archive.verify import verify
from tests.gatewayd.archive.samples import append, entry, opened, reading

TABLES = ("segment", "exchange", "device", "ratio", "series", "reading", "audit", "batch", "checkpoint", "seal")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    with opened(folder) as store:
        for number in range(1, 4):
            append(store, entry(reading(number), reading(number, code="2.8.0")))
        asyncio.run(store.seal())  # so that no table is empty
    return segments.segment_path(folder)


@pytest.fixture
def path(archive: Path, tmp_path: Path) -> Path:
    """A segment with something in each table, not open; every test has its own copy."""
    return Path(shutil.copy(archive, tmp_path))


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row, and the schema."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        schema = connection.execute("SELECT * FROM sqlite_schema").fetchall()
        tables = [name for kind, name, *_ in schema if kind == "table"]
        return {"schema": schema} | {
            table: connection.execute(f"SELECT rowid, * FROM {table}").fetchall() for table in tables
        }


ROW = "1, 1, 1, 0, x'', '0', 0, 0, 0, NULL, NULL"
"""The columns of a reading behind its number."""

# Refused by the triggers, whoever opens the file and whatever the connection is set to.
CHANGES = [
    *(f"DELETE FROM {table}" for table in TABLES),
    *(f"DELETE FROM {table} WHERE rowid = 1" for table in TABLES),
    *(f"UPDATE {table} SET rowid = rowid + 1000" for table in TABLES),
    *(f"REPLACE INTO {table} SELECT * FROM {table}" for table in TABLES if table != "reading"),
    *(f"INSERT OR IGNORE INTO {table} SELECT * FROM {table}" for table in TABLES if table != "reading"),
    "UPDATE reading SET raw_text = '0'",
    "UPDATE reading SET status = 0 WHERE seq = 2",
    "UPDATE OR REPLACE reading SET raw_text = '0'",
    "UPDATE OR IGNORE reading SET raw_text = '0'",
    "UPDATE OR FAIL reading SET raw_text = '0'",
    "UPDATE OR ROLLBACK reading SET raw_text = '0'",
    "UPDATE exchange SET received = x''",
    "UPDATE ratio SET ct = '1/1'",
    "UPDATE series SET unit = 'Wh'",
    "UPDATE segment SET gateway = 'another'",
    "UPDATE batch SET hash = zeroblob(32)",
    "UPDATE checkpoint SET signature = zeroblob(64)",
    "UPDATE audit SET result = 'done'",
    "UPDATE device SET serial = '1'",
    "INSERT INTO segment SELECT 2, number, format, gateway, opened_at, previous, last_batch, last_exchange, last_seq "
    "FROM segment",
    "INSERT INTO seal SELECT 2, batch, sealed_at, first_at, last_at FROM seal",
    f"INSERT INTO reading VALUES (2, {ROW})",
    f"INSERT INTO reading VALUES (2, {ROW}) ON CONFLICT (seq) DO UPDATE SET raw_text = '0'",
]

# `reading` has no trigger on INSERT: the writing connection refuses these by recursive_triggers, and what somebody else
# puts in place of a reading, or beside the readings, does not fit the chain.
REPLACEMENTS = [
    f"REPLACE INTO reading VALUES (2, {ROW})",
    f"INSERT OR REPLACE INTO reading VALUES (2, {ROW})",
    "REPLACE INTO reading SELECT seq, exchange, series, ratio, at, raw, '0', scaler, status, flags, more, meter_time "
    "FROM reading",
]
ADDITIONS = [
    f"INSERT INTO reading VALUES (0, {ROW})",
    f"INSERT INTO reading VALUES (-1, {ROW})",
    f"INSERT INTO reading VALUES (1000, {ROW})",
]

# Refused to the writing connection, which is not even allowed to try.
INTRUSIONS = [
    *(f"DROP TABLE {table}" for table in TABLES),
    "DROP TRIGGER reading_kept",
    "DROP TRIGGER reading_stays",
    "DROP INDEX reading_of_series",
    "ALTER TABLE reading RENAME TO old",
    "ALTER TABLE reading ADD COLUMN note TEXT",
    "ALTER TABLE reading RENAME COLUMN raw_text TO text",
    "ALTER TABLE reading DROP COLUMN more",
    "CREATE TABLE other (a)",
    "CREATE TABLE other AS SELECT * FROM reading",
    "CREATE VIEW other AS SELECT * FROM reading",
    "CREATE TRIGGER other AFTER INSERT ON reading BEGIN SELECT 1; END",
    "CREATE TEMP TRIGGER other AFTER INSERT ON reading BEGIN SELECT 1; END",
    "CREATE TEMP TABLE reading (seq)",  # would catch what is meant for the archive
    "CREATE TEMP VIEW reading AS SELECT 1",
    "CREATE VIRTUAL TABLE other USING fts5(a)",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "VACUUM",
    "PRAGMA writable_schema = ON",
    "PRAGMA recursive_triggers = OFF",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA journal_mode = OFF",
    "PRAGMA user_version = 7",
    "UPDATE sqlite_schema SET sql = ''",
    "DELETE FROM sqlite_schema WHERE type = 'trigger'",
]


@pytest.fixture
def writing(path: Path) -> Iterator[apsw.Connection]:
    connection = segments.open_for_writing(path)
    yield connection
    connection.close()


@pytest.mark.parametrize("statement", CHANGES + REPLACEMENTS + INTRUSIONS)
def test_the_writing_connection_cannot_change_what_is_archived(
    path: Path, writing: apsw.Connection, statement: str
) -> None:
    before = content(path)
    with pytest.raises(apsw.Error):
        writing.execute(statement).fetchall()
    if writing.in_transaction:
        writing.execute("ROLLBACK")
    assert content(path) == before


def test_the_writing_connection_can_still_append(path: Path, writing: apsw.Connection) -> None:
    writing.execute(f"INSERT INTO reading VALUES (7, {ROW})")
    assert len(content(path)["reading"]) == 7


@pytest.mark.parametrize("recursive_triggers", ["ON", "OFF"])
@pytest.mark.parametrize("statement", CHANGES)
def test_a_foreign_connection_cannot_change_what_is_archived(
    path: Path, statement: str, recursive_triggers: str
) -> None:
    """Another program with its own SQLite, which knows nothing of our rules."""
    before = content(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA recursive_triggers = {recursive_triggers}")
        with pytest.raises(sqlite3.Error):
            connection.execute(statement)
        connection.commit()
    assert content(path) == before


@pytest.mark.parametrize("statement", REPLACEMENTS + ADDITIONS)
def test_what_a_foreign_connection_puts_among_the_readings_is_found(
    archive: Path, tmp_path: Path, statement: str
) -> None:
    shutil.copytree(archive.parent, tmp_path / "copy")
    path = tmp_path / "copy" / archive.name
    path.chmod(0o640)
    assert verify(path.parent).ok
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    verdict = verify(path.parent)
    assert not verdict.ok
    assert any("reading" in finding.text or "rows" in finding.text for finding in verdict.findings), verdict


@pytest.mark.parametrize(
    "statement", ["DELETE FROM reading", "UPDATE reading SET raw_text = '0'", "CREATE TABLE other (a)"]
)
def test_a_reader_cannot_change_anything(path: Path, statement: str) -> None:
    before = content(path)
    connection = segments.open_for_reading(path)
    with pytest.raises(apsw.Error):
        connection.execute(statement)
    with pytest.raises(apsw.Error):
        connection.execute(f"PRAGMA query_only = OFF; INSERT INTO reading VALUES (7, {ROW})")
    connection.close()
    assert content(path) == before


def test_there_is_a_trigger_against_every_change_of_every_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        triggers = {
            (table, change)
            for table, sql in connection.execute("SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'")
            for change in ("INSERT", "UPDATE", "DELETE")
            if f"BEFORE {change}" in sql
        }
    assert tables == set(TABLES)
    every = {(table, change) for table in tables for change in ("INSERT", "UPDATE", "DELETE")}
    assert triggers == every - {("reading", "INSERT")}
