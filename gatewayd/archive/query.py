"""Reading the archive: by sequence for the outbox, by meter, code and time for people.

Rules: connections are read-only; every query has a time limit; readings come in the order of their sequence numbers.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from gatewayd.archive import rows, segments
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, Exchange, Kind, RawStatus

QUERY_SECONDS = 60.0
_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which readings: None means any. `since` is included, `until` is not; both refer to the reading's instant."""

    meter: str | None = None
    obis: str | None = None
    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None
    worst: RawStatus | None = None
    last: int | None = None
    """Only this many of the newest, in order of sequence all the same."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the archive holds."""

    readings: int
    exchanges: int
    head: int


class Reader:
    """A read-only view of an archive, for one thread at a time."""

    def __init__(self, folder: Path, limit_seconds: float = QUERY_SECONDS) -> None:
        self._connection = segments.open_for_reading(segments.segment_path(folder))
        self._limit = limit_seconds
        self._until = 0.0
        self._lock = threading.Lock()
        self._connection.set_progress_handler(self._expired, _STEPS)

    def close(self) -> None:
        """Waits for a query that is under way in another thread."""
        with self._lock:
            self._connection.close()

    def after(self, seq: int, limit: int) -> list[Archived]:
        """Up to `limit` readings that follow `seq`."""
        return list(self._readings(rows.READINGS + "WHERE r.seq > ? ORDER BY r.seq LIMIT ?", (seq, limit)))

    def select(self, selection: Selection) -> list[Archived]:
        """The readings of a selection."""
        where, values = _conditions(selection)
        if selection.last is None:
            return list(self._readings(f"{rows.READINGS} {where} ORDER BY r.seq", tuple(values)))
        newest = list(self._readings(f"{rows.READINGS} {where} ORDER BY r.seq DESC LIMIT ?", (*values, selection.last)))
        return newest[::-1]

    def exchanges(self, meter: str | None = None) -> list[Exchange]:
        """The exchanges with a meter, or all, oldest first."""
        where, values = ("WHERE meter = ? ", (meter,)) if meter is not None else ("", ())
        return [rows.exchange(row) for row in self._rows(f"{rows.EXCHANGES} {where}ORDER BY id", values)]

    def counts(self) -> Counts:
        (row,) = self._rows(
            "SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM exchange), "
            "(SELECT coalesce(max(seq), 0) FROM reading)",
            (),
        )
        readings, exchanges, head = (int(str(value)) for value in row)
        return Counts(readings, exchanges, head)

    def _readings(self, sql: str, values: tuple[str | int, ...]) -> Iterator[Archived]:
        return (rows.archived(row) for row in self._rows(sql, values))

    def _rows(self, sql: str, values: tuple[str | int, ...]) -> list[tuple[object, ...]]:
        with self._lock:
            self._until = time.monotonic() + self._limit
            try:
                return self._connection.execute(sql, values).fetchall()
            except apsw.InterruptError as error:
                raise ArchiveError(f"the query took longer than {self._limit:.0f} s; narrow it down") from error
            except apsw.Error as error:
                raise ArchiveError(f"the archive cannot be read: {error}") from error

    def _expired(self) -> bool:
        return time.monotonic() > self._until


def _conditions(selection: Selection) -> tuple[str, list[str | int]]:
    parts: list[str] = []
    values: list[str | int] = []
    for condition, value in (
        ("s.meter = ?", selection.meter),
        ("s.obis = ?", selection.obis),
        ("s.kind = ?", selection.kind.value if selection.kind else None),
        ("r.at >= ?", rows.to_us(selection.since) if selection.since else None),
        ("r.at < ?", rows.to_us(selection.until) if selection.until else None),
        ("r.status >= ?", int(selection.worst) if selection.worst else None),
    ):
        if value is not None:
            parts.append(condition)
            values.append(value)
    return ("WHERE " + " AND ".join(parts) if parts else ""), values
