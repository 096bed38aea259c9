"""The chain against a computation of its own, from the format's description; and every change that it must show."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.archive import chain, segments
from gatewayd.archive.verify import verify
from tests.crash.rig import (
    CHAINED,
    KEYS,
    Content,
    Value,
    build,
    chain_of,
    columns,
    content,
    copied,
    found,
    packed,
    sha256,
    spans,
    tamper,
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def archive(original: Path, tmp_path: Path) -> Path:
    """A copy for each test."""
    return copied(original, tmp_path / "archive")


def path_of(archive: Path, number: int) -> Path:
    return segments.segment_path(archive, number)


# -- the bytes ---------------------------------------------------------------------------------------------------------

PACKED = [
    (None, "c0"),
    (0, "00"),
    (127, "7f"),
    (128, "cc80"),
    (256, "cd0100"),
    (65536, "ce00010000"),
    (2**32, "cf0000000100000000"),
    (-1, "ff"),
    (-32, "e0"),
    (-33, "d0df"),
    (-129, "d1ff7f"),
    (-(2**63), "d38000000000000000"),
    ("", "a0"),
    ("kWh", "a36b5768"),
    ("č", "a2c48d"),
    ("x" * 32, "d920" + "78" * 32),
    (b"", "c400"),
    (b"\x00\xff", "c40200ff"),
    ((1, (None, "a")), "920192c0a161"),
    (tuple(range(16)), "dc0010000102030405060708090a0b0c0d0e0f"),
]


@pytest.mark.parametrize(("value", "wanted"), PACKED)
def test_message_pack_of_the_specification(value: Value, wanted: str) -> None:
    """This holds the tests' own encoder to the specification; the next test holds the archive to it."""
    assert packed(value).hex() == wanted


values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])) | st.binary()
tables = st.lists(st.lists(st.lists(values, max_size=4), max_size=3), min_size=6, max_size=6)


@given(st.integers(1, 10**6), st.integers(1, 2**40), st.binary(min_size=32, max_size=32), st.integers(0, 2**60), tables)
def test_the_hash_of_any_batch(segment: int, batch: int, before: bytes, at: int, rows: list[list[list[Value]]]) -> None:
    named = [(name, added) for name, added in zip(CHAINED, rows, strict=True)]
    wanted = sha256(("gatewayd/archive/batch/1", segment, batch, before, at, named))
    assert chain.batch_hash(segment, batch, before, at, rows) == wanted


def test_long_texts_and_bytes_are_packed_alike() -> None:
    for value in ("x" * 255, "x" * 256, "x" * 65536, b"x" * 255, b"x" * 256, b"x" * 65536, (0,) * 65536):
        assert packed(value) == msgspec.msgpack.encode(value)


def test_the_chain_is_what_the_format_says(original: Path) -> None:
    before: Value = bytes(32)
    for number in segments.segment_numbers(original):
        rows = content(path_of(original, number))
        assert rows["segment"][0][5] == before, "a segment holds the last hash of the one before"
        assert chain_of(rows) == [batch[8] for batch in rows["batch"]]
        before = rows["batch"][-1][8]
    assert verify(original).ok


def test_every_row_is_in_exactly_one_batch(original: Path) -> None:
    for number in segments.segment_numbers(original):
        rows = content(path_of(original, number))
        for table in CHAINED:
            assert [row for _, added in spans(rows) for row in added[table]] == rows[table]


# -- what is changed is found ------------------------------------------------------------------------------------------


def another(value: Value) -> Value:
    match value:
        case None:
            return 900
        case int():
            return value + 1000
        case str():
            return value + "x"
        case bytes():
            return bytes([value[0] ^ 1]) + value[1:] if value else b"x"


def cells() -> list[tuple[str, str]]:
    schema = (Path(segments.__file__).parent / "schema.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        return [
            (table, row[1]) for table in CHAINED for row in connection.execute(f"PRAGMA table_info({table})").fetchall()
        ]


def batch_of(rows: Content, table: str, key: Value) -> tuple[Value, dict[str, list[tuple[Value, ...]]]]:
    return next((batch[0], added) for batch, added in spans(rows) if key in [row[0] for row in added[table]])


def range_of(table: str, added: dict[str, list[tuple[Value, ...]]]) -> str:
    return f"{table} {added[table][0][0]!r} to {added[table][-1][0]!r}"


@pytest.mark.parametrize(("table", "column"), cells())
def test_a_changed_value_is_found_in_its_batch(archive: Path, table: str, column: str) -> None:
    wanted: list[tuple[int, Value, list[str]]] = []
    for number in segments.segment_numbers(archive):
        path = path_of(archive, number)
        rows = content(path)
        place = columns(path, table).index(column)
        row = rows[table][len(rows[table]) // 2]
        batch, added = batch_of(rows, table, row[0])
        value: Value = "x" if row[place] is None and column != "interval_s" else another(row[place])
        tamper(path, (f"UPDATE {table} SET {column} = ? WHERE {KEYS.get(table, 'id')} = ?", (value, row[0])))
        wanted.append((number, batch, [range_of(name, added) for name in ("reading", "exchange") if added[name]]))
    findings = found(archive)
    for number, batch, ranges in wanted:
        named = [finding for finding in findings if (finding.segment, finding.batch) == (number, batch)]
        assert named
        assert all(text in finding.text for finding in named for text in ranges)


@pytest.mark.parametrize("table", CHAINED)
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_a_deleted_row_is_found(archive: Path, table: str, where: str) -> None:
    for number in segments.segment_numbers(archive):
        path = path_of(archive, number)
        rows = content(path)
        row = {"first": rows[table][0], "middle": rows[table][len(rows[table]) // 2], "last": rows[table][-1]}[where]
        batch, _ = batch_of(rows, table, row[0])
        tamper(path, (f"DELETE FROM {table} WHERE {KEYS.get(table, 'id')} = ?", (row[0],)))
        assert (number, batch) in {(finding.segment, finding.batch) for finding in found(archive)}


@pytest.mark.parametrize("table", CHAINED)
@pytest.mark.parametrize("where", ["behind the last", "far behind the last", "before the first", "negative"])
def test_an_inserted_row_is_found(archive: Path, table: str, where: str) -> None:
    for number in segments.segment_numbers(archive):
        path = path_of(archive, number)
        rows = content(path)[table]
        first, last = rows[0][0], rows[-1][0]
        assert isinstance(first, int) and isinstance(last, int)
        key = {"behind the last": last + 1, "far behind the last": last + 900, "before the first": first - 1}.get(
            where, -7
        )
        marks = ", ".join("?" * len(rows[0]))
        tamper(path, (f"INSERT INTO {table} VALUES ({marks})", (key, *rows[0][1:])))
        assert number in {finding.segment for finding in found(archive)}


@pytest.mark.parametrize("table", CHAINED)
def test_two_swapped_rows_are_found(archive: Path, table: str) -> None:
    path = path_of(archive, 1)
    rows = content(path)
    one, two = rows[table][0], rows[table][-1]
    if one == two:
        return
    key = KEYS.get(table, "id")
    batch, _ = batch_of(rows, table, one[0])
    tamper(
        path,
        (f"UPDATE {table} SET {key} = -1 WHERE {key} = ?", (one[0],)),
        (f"UPDATE {table} SET {key} = ? WHERE {key} = ?", (one[0], two[0])),
        (f"UPDATE {table} SET {key} = ? WHERE {key} = -1", (two[0],)),
    )
    assert (1, batch) in {(finding.segment, finding.batch) for finding in found(archive)}


@pytest.mark.parametrize("table", CHAINED)
def test_renumbered_rows_are_found(archive: Path, table: str) -> None:
    """All of them move up by one, as if there had been another before."""
    path = path_of(archive, 2)
    key = KEYS.get(table, "id")
    numbers = [row[0] for row in content(path)[table]]
    tamper(
        path,
        *((f"UPDATE {table} SET {key} = {key} + 1 WHERE {key} = ?", (number,)) for number in reversed(numbers)),
    )
    assert 2 in {finding.segment for finding in found(archive)}


@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("by", [1, -1])
def test_a_changed_batch_is_found(archive: Path, place: int, by: int) -> None:
    for number in segments.segment_numbers(archive):
        path = path_of(archive, number)
        column = columns(path, "batch")[place]
        for batch in content(path)["batch"]:
            value = batch[place]
            changed = value + by if isinstance(value, int) else another(value)
            if column == "id" and changed in [row[0] for row in content(path)["batch"]]:
                changed = 10**6
            copy = copied(archive, archive.parent / "copy")
            tamper(path_of(copy, number), (f"UPDATE batch SET {column} = ? WHERE id = ?", (changed, batch[0])))
            assert number in {finding.segment for finding in found(copy)}, f"batch {batch[0]!r}, {column} = {changed!r}"


def test_a_batch_that_is_taken_out_with_its_rows_is_found(archive: Path) -> None:
    for number in segments.segment_numbers(archive):
        for batch, added in spans(content(path_of(archive, number))):
            copy = copied(archive, archive.parent / "copy")
            deletions: list[str | tuple[str, tuple[Value, ...]]] = [
                (f"DELETE FROM {table} WHERE {KEYS.get(table, 'id')} = ?", (row[0],))
                for table in CHAINED
                for row in added[table]
            ]
            deletions += [("DELETE FROM batch WHERE id = ?", (batch[0],))]
            deletions += [("DELETE FROM checkpoint WHERE batch = ?", (batch[0],))]
            tamper(path_of(copy, number), *deletions)
            assert found(copy), f"segment {number}, batch {batch[0]!r}"


# -- what the chain hangs on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column", ["number", "format", "gateway", "opened_at", "previous", "last_batch", "last_exchange", "last_seq"]
)
@pytest.mark.parametrize("number", [1, 2])
def test_a_changed_segment_row_is_found(archive: Path, column: str, number: int) -> None:
    path = path_of(archive, number)
    value = content(path)["segment"][0][columns(path, "segment").index(column)]
    tamper(path, (f"UPDATE segment SET {column} = ?", (another(value),)))
    assert number in {finding.segment for finding in found(archive)}


def test_a_segment_without_its_row_is_found(archive: Path) -> None:
    tamper(path_of(archive, 1), "DELETE FROM segment")
    assert 1 in {finding.segment for finding in found(archive)}


@pytest.mark.parametrize("column", ["batch", "sealed_at", "first_at", "last_at"])
def test_a_changed_seal_is_found(archive: Path, column: str) -> None:
    path = path_of(archive, 1)
    value = content(path)["seal"][0][columns(path, "seal").index(column)]
    assert isinstance(value, int)
    for changed in (value + 1, value - 1):
        tamper(path, (f"UPDATE seal SET {column} = ?", (changed,)))
        assert 1 in {finding.segment for finding in found(archive)}
        tamper(path, (f"UPDATE seal SET {column} = ?", (value,)))
    assert not found(archive)


def test_a_seal_that_is_taken_off_is_found(archive: Path) -> None:
    tamper(path_of(archive, 1), "DELETE FROM seal")
    assert 1 in {finding.segment for finding in found(archive)}


def test_a_seal_that_the_gateway_did_not_set_is_found(archive: Path) -> None:
    path = path_of(archive, 2)
    batch = content(path)["batch"][0]
    tamper(path, ("INSERT INTO seal VALUES (1, ?, ?, NULL, NULL)", (batch[0], batch[1])))
    assert 2 in {finding.segment for finding in found(archive)}


SCHEMA_CHANGES = [
    "DROP TRIGGER reading_kept",
    "DROP TRIGGER batch_rises",
    "DROP TRIGGER checkpoint_stays",
    "DROP TRIGGER reading_stays; CREATE TRIGGER reading_stays BEFORE DELETE ON reading BEGIN SELECT 1; END",
    "CREATE TRIGGER more AFTER INSERT ON reading BEGIN SELECT 1; END",
    "CREATE TABLE other (a)",
    "CREATE VIEW other AS SELECT * FROM reading",
    "CREATE INDEX other ON reading (at)",
    "DROP INDEX reading_of_series",
    "ALTER TABLE reading ADD COLUMN note TEXT",
    "ALTER TABLE reading RENAME COLUMN raw_text TO text",
    "ALTER TABLE series RENAME TO old",
    "DROP TABLE audit",
]


@pytest.mark.parametrize("statement", SCHEMA_CHANGES)
def test_a_changed_schema_is_found(archive: Path, statement: str) -> None:
    for number in segments.segment_numbers(archive):
        path = path_of(archive, number)
        path.chmod(0o644)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(statement)
    assert {1, 2} <= {finding.segment for finding in found(archive)}


def swapped(archive: Path) -> None:
    one, two = path_of(archive, 1), path_of(archive, 2)
    one.rename(archive / "aside")
    two.rename(one)
    (archive / "aside").rename(two)


@pytest.mark.parametrize(
    "change",
    [lambda archive: path_of(archive, 1).unlink(), lambda archive: path_of(archive, 2).unlink(), swapped],
    ids=["the first is gone", "the last is gone", "swapped"],
)
def test_segments_that_are_gone_or_swapped_are_found(archive: Path, change: Callable[[Path], None]) -> None:
    change(archive)
    assert found(archive)


def test_a_segment_of_another_gateway_is_found(archive: Path, tmp_path: Path) -> None:
    other = build(tmp_path / "other", per_segment=3)
    for number in (1, 2):
        copy = copied(archive, tmp_path / "copy")
        path_of(other, number).replace(path_of(copy, number))
        assert found(copy)
