"""Reading the archive by meter, point, code, kind, time and status, for people (for outboxes: follow.py).

Rules: connections are read-only and open for one query only, so that sealing never waits for a reader; every query
has a time limit; readings come in the order of their sequence numbers, through all segments.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw

from gatewayd.archive import rows, segments
from gatewayd.archive.records import Audit
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, Exchange, Kind, RawStatus

QUERY_SECONDS = 60.0
_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which readings: None means any. `since` is included, `until` is not; both refer to the reading's instant.

    `point` is an EIC or EAN; `worst` asks for this status or a worse one; `last` for that many of the newest; with
    `current` a late value takes the place of the `missing` one, and of two values of one instant the newer is taken.
    """

    meter: str | None = None
    obis: str | None = None
    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None
    worst: RawStatus | None = None
    last: int | None = None
    point: str | None = None
    current: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the archive holds."""

    readings: int
    exchanges: int
    head: int


class Reader:
    """A read-only view of an archive."""

    def __init__(self, folder: Path, limit_seconds: float = QUERY_SECONDS) -> None:
        """ArchiveError when there is no archive."""
        self._folder = folder
        self._limit = limit_seconds
        if not segments.segment_numbers(folder):
            raise ArchiveError(f"there is no archive at {folder}; has the gateway ever run?")

    def close(self) -> None:
        """Nothing stays open between queries."""

    def select(self, selection: Selection) -> list[Archived]:
        """The readings of a selection."""
        found = list(self.stream(selection))
        if selection.current:
            found = _current(found)
        return found if selection.last is None else found[-selection.last :]

    def stream(self, selection: Selection) -> Iterator[Archived]:
        """The readings of a selection one by one, without holding them all; `current` and `last` are not applied
        (except that `last` bounds what is read of each segment)."""
        where, values = _conditions(selection)
        bounded = selection.last is not None and not selection.current
        for number in self._newest_first(selection) if bounded else segments.segment_numbers(self._folder):
            order = f"{rows.READINGS} {where} ORDER BY r.seq"
            if bounded and selection.last is not None:
                newest = self._rows(number, f"{order} DESC LIMIT ?", (*values, selection.last))
                yield from map(rows.archived, reversed(newest))
            else:
                yield from map(rows.archived, self._cursor(number, order, tuple(values)))

    def newest(self, selection: Selection, count: int = 2) -> list[Archived]:
        """The readings of a selection that are in so many of the newest segments: quick, however large the archive is.

        `current` and `last` are not applied."""
        where, values = _conditions(selection)
        return [
            rows.archived(row)
            for number in segments.segment_numbers(self._folder)[-count:]
            for row in self._rows(number, f"{rows.READINGS} {where} ORDER BY r.seq", tuple(values))
        ]

    def window(self, number: int, selection: Selection, first: int, last: int) -> Iterator[tuple[object, ...]]:
        """Rows (rows.READINGS) of a selection in one segment, from sequence number `first` to `last`.

        `current` and `last` of the selection are not applied. They are found by number and never through the index
        on series: so a window costs what it holds, whatever is selected, and is soon over.
        """
        where, values = _conditions(selection)
        by_number = rows.READINGS.replace("reading AS r", "reading AS r NOT INDEXED")
        sql = f"{by_number} {where + ' AND' if where else 'WHERE'} r.seq BETWEEN ? AND ? ORDER BY r.seq"
        return self._cursor(number, sql, (*values, first, last))

    def exchanges(self, meter: str | None = None) -> list[Exchange]:
        """The exchanges with a meter, or all, oldest first."""
        where, values = ("WHERE d.meter = ? ", (meter,)) if meter is not None else ("", ())
        return [
            rows.exchange(row)
            for number in segments.segment_numbers(self._folder)
            for row in self._rows(number, f"{rows.EXCHANGES} {where}ORDER BY e.id", values)
        ]

    def audits(
        self,
        category: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        last: int | None = None,
    ) -> list[Audit]:
        """Entries of the audit log, oldest first: all, or those of a category, on a subject, from an instant on, and
        so many of the newest."""
        parts: list[str] = []
        values: list[str | int] = []
        for condition, value in (
            ("category = ?", category),
            ("subject = ?", subject),
            ("at >= ?", rows.to_us(since) if since is not None else None),
        ):
            if value is not None:
                parts.append(condition)
                values.append(value)
        where = "WHERE " + " AND ".join(parts) if parts else ""
        # Only our own texts are put together here; values are bound. -1: as many as there are.
        sql = f"SELECT at, source, category, type, subject, result, detail FROM audit {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        newest: list[Audit] = []
        for number in reversed(segments.segment_numbers(self._folder)):
            left = -1 if last is None else last - len(newest)
            if left:
                newest += map(_audit, self._rows(number, sql, (*values, left)))
        return newest[::-1]

    def counts(self) -> Counts:
        readings = exchanges = head = 0
        for number in segments.segment_numbers(self._folder):
            (row,) = self._rows(
                number,
                "SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM exchange), "
                "(SELECT coalesce((SELECT max(seq) FROM reading), last_seq) FROM segment)",
                (),
            )
            readings += int(str(row[0]))
            exchanges += int(str(row[1]))
            head = int(str(row[2]))
        return Counts(readings, exchanges, head)

    def _newest_first(self, selection: Selection) -> list[int]:
        """The segments that are needed for the newest readings, in their order."""
        assert selection.last is not None
        where, values = _conditions(selection)
        needed: list[int] = []
        count = 0
        for number in reversed(segments.segment_numbers(self._folder)):
            needed.insert(0, number)
            # Only our own texts are put together here; values are bound.
            sql = f"SELECT count(*) FROM (SELECT 1 {rows.FROM} {where} LIMIT ?)"  # noqa: S608
            (row,) = self._rows(number, sql, (*values, selection.last))
            count += int(str(row[0]))
            if count >= selection.last:
                break
        return needed

    def _rows(self, number: int, sql: str, values: tuple[str | int, ...]) -> list[tuple[object, ...]]:
        return list(self._cursor(number, sql, values))

    def _cursor(self, number: int, sql: str, values: tuple[str | int, ...]) -> Iterator[tuple[object, ...]]:
        path = segments.segment_path(self._folder, number)
        until = time.monotonic() + self._limit
        connection = segments.open_for_reading(path)
        try:
            connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            yield from connection.execute(sql, values)
        except apsw.InterruptError as error:
            raise ArchiveError(f"the query took longer than {self._limit:.0f} s; narrow it down") from error
        except apsw.Error as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        finally:
            connection.close(True)


def _audit(row: tuple[object, ...]) -> Audit:
    at, *texts = row
    source, category, kind, subject, result, detail = map(str, texts)
    return Audit(rows.from_us(int(str(at))), source, category, kind, subject, result, detail)


def _conditions(selection: Selection) -> tuple[str, list[str | int]]:
    parts: list[str] = []
    values: list[str | int] = []
    series: list[str] = []
    for condition, value in (
        ("meter = ?", selection.meter),
        ("obis = ?", selection.obis),
        ("kind = ?", selection.kind.value if selection.kind else None),
    ):
        if value is not None:
            series.append(condition)
            values.append(value)
    if series:  # as a set of numbers, so that the index on (series, at) serves
        parts.append(f"r.series IN (SELECT id FROM series WHERE {' AND '.join(series)})")  # noqa: S608
    for condition, bound in (
        ("r.at >= ?", rows.to_us(selection.since) if selection.since else None),
        ("r.at < ?", rows.to_us(selection.until) if selection.until else None),
        ("r.status >= ?", int(selection.worst) if selection.worst else None),
    ):
        if bound is not None:
            parts.append(condition)
            values.append(bound)
    if selection.point is not None:
        parts.append("(d.eic = ? OR d.ean = ?)")
        values += [selection.point, selection.point]
    return ("WHERE " + " AND ".join(parts) if parts else ""), values


def _current(found: list[Archived]) -> list[Archived]:
    """One reading for each series and instant: a value before a `missing`, and of those the newest."""
    best: dict[tuple[str, str, Kind, datetime], Archived] = {}
    for archived in found:
        reading = archived.reading
        key = (reading.meter, reading.code, reading.kind, reading.at)
        known = best.get(key)
        gone = reading.status is RawStatus.MISSING
        if known is None or not gone or known.reading.status is RawStatus.MISSING:
            best[key] = archived
    return sorted(best.values(), key=lambda archived: archived.seq)
