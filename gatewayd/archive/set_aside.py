"""What sinks were not given, or have refused for good: kept in state.sqlite, beside the archive and outside its chain.

Rules: a reading that is set aside is in the archive all the same; here stand only its number and the reason. Ranges, so
that a damaged segment is one row. The writer's thread of the store writes; everybody may read. A damaged file is put
aside: losing it loses no reading. One that this user may not write is not damaged, and stays.
"""

import os
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

import apsw

from gatewayd.archive import owner
from gatewayd.archive.rows import from_us
from gatewayd.errors import ArchiveError

_PUT = """
INSERT INTO set_aside VALUES (?, ?, ?, ?, ?) ON CONFLICT (sink, first_seq)
DO UPDATE SET last_seq = max(last_seq, excluded.last_seq), at = excluded.at, reason = excluded.reason
"""
_LIST = (
    "SELECT sink, first_seq, last_seq, at, reason FROM set_aside WHERE ?1 IS NULL OR sink = ?1 ORDER BY sink, first_seq"
)
_COUNT = "SELECT sink, sum(last_seq - first_seq + 1), count(*) FROM set_aside GROUP BY sink"
_CLEAR = "DELETE FROM set_aside WHERE sink = ? AND first_seq >= ? AND last_seq <= ?"


@dataclass(frozen=True, slots=True)
class SetAside:
    """Readings from `first` to `last` that a sink does not get; `at` is None as long as it is not written down."""

    sink: str
    first: int
    last: int
    reason: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How much of one sink was set aside: readings, and rows that say so."""

    readings: int = 0
    rows: int = 0


def state_path(folder: Path) -> Path:
    return folder / "state.sqlite"


def open_state(folder: Path) -> apsw.Connection:
    """The writing connection. ArchiveError, with owner and remedy where this user may not write."""
    path = state_path(folder)
    parts = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    owner.check_usable(f"{path} cannot be written", folder, *parts)
    try:
        try:
            return _open(path)
        except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.ReadOnlyError, ValueError):
            path.rename(path.with_suffix(".damaged"))
            for part in parts[1:]:
                part.unlink(missing_ok=True)
            return _open(path)
    except (apsw.Error, OSError) as error:
        raise owner.fault(f"{path} cannot be opened", error, folder, path) from error


def put(state: apsw.Connection, aside: SetAside, now_us: int) -> None:
    """Write down. ArchiveError when that is not possible."""
    try:
        state.execute(_PUT, (aside.sink, aside.first, aside.last, now_us, aside.reason))
    except apsw.Error as error:
        raise ArchiveError(f"what sink {aside.sink} refuses cannot be written down: {error}") from error


def listed(folder: Path, sink: str | None = None) -> list[SetAside]:
    """What was set aside, of one sink or of all. ArchiveError."""
    return [
        SetAside(str(row[0]), int(str(row[1])), int(str(row[2])), str(row[4]), from_us(int(str(row[3]))))
        for row in _ask(folder, _LIST, (sink,))
    ]


def counts(folder: Path) -> dict[str, Count]:
    """How much each sink does not get. ArchiveError."""
    return {str(row[0]): Count(int(str(row[1])), int(str(row[2]))) for row in _ask(folder, _COUNT, ())}


def clear(folder: Path, sink: str, first: int = 1, last: int = (1 << 63) - 1) -> int:
    """Forget what was set aside of a sink, all of it or what lies between two numbers; how many rows. ArchiveError.

    The gateway may run: what it writes down meanwhile is not touched."""
    path = state_path(folder)
    if not path.exists():
        return 0
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(5000)
            connection.execute(_CLEAR, (sink, first, last))
            return connection.changes()
        finally:
            connection.close()
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be written: {error}") from error


def _ask(folder: Path, sql: str, values: tuple[str | None, ...]) -> list[tuple[object, ...]]:
    path = state_path(folder)
    if not path.exists():
        return []
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5000)
            return list(connection.execute(sql, values))
        finally:
            connection.close()
    except (apsw.Error, ValueError) as error:  # ValueError: a text that is none
        raise owner.fault(f"{path} cannot be read", error, folder, path, want=os.R_OK) from error


def _open(path: Path) -> apsw.Connection:
    owner.make_empty(path, 0o644)
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(5000)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.execute((resources.files("gatewayd.archive") / "state.sql").read_text(encoding="utf-8"))
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")  # a flipped bit in the header may make it read-only
        damage = connection.pragma("quick_check")
        if damage != "ok":
            raise apsw.CorruptError(str(damage))
        connection.execute(_LIST, (None,)).fetchall()
        connection.execute(_COUNT).fetchall()
    except (apsw.Error, ValueError):
        connection.close(True)
        raise
    return connection
