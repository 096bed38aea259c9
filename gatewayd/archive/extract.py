"""The readings of a selection for an export: all of them, one by one, and for each whether it can be trusted.

Rules: only what `verify` has looked at is handed out, nothing that a running gateway wrote meanwhile; memory does not
grow with the readings; no query is open for longer than a window takes, so that sealing never waits; what cannot be
read is told, and the rest goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import apsw

from gatewayd.archive import rows, segments
from gatewayd.archive.damage import Damage
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, RawStatus

WINDOW = 20_000
"""Sequence numbers in one query."""

_NEWEST = """
CREATE TABLE newest (
    meter   TEXT    NOT NULL,
    obis    TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    seq     INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (meter, obis, kind, at)
) STRICT, WITHOUT ROWID
"""
_PUT = """
INSERT INTO newest VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (meter, obis, kind, at)
DO UPDATE SET missing = excluded.missing, seq = excluded.seq WHERE NOT excluded.missing OR missing
"""


@dataclass(frozen=True, slots=True)
class Extent:
    """First and last sequence number in a segment, at the time of looking; `ends` is None where it cannot be read."""

    segment: int
    ends: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Item:
    """A reading, and whether a finding casts doubt on it."""

    archived: Archived
    damaged: bool


def extents(folder: Path) -> list[Extent]:
    """Of all segments that hold readings or cannot be read, oldest first."""
    found: list[Extent] = []
    for number in segments.segment_numbers(folder):
        try:
            first = _seq(folder, number, "SELECT min(seq) FROM reading")
            last = _seq(folder, number, "SELECT max(seq) FROM reading")
        except ArchiveError:
            found.append(Extent(number, None))
            continue
        if first is not None and last is not None:
            found.append(Extent(number, (first, last)))
    return found


class Extract:
    """The readings of a selection out of an archive that is verified first.

    Without `even_damaged` doubtful readings are left out, and `refused` counts them. `faults` says what cannot be read.
    Both are complete when all readings have been taken.
    """

    def __init__(
        self,
        folder: Path,
        selection: Selection,
        *,
        even_damaged: bool = False,
        on_progress: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """ArchiveError when there is no archive. `on_progress` gets the number of readings verified so far."""
        self.refused = 0
        self.faults: list[str] = []
        self._folder = folder
        self._selection = selection
        self._even_damaged = even_damaged
        self._reader = Reader(folder)
        self._extents = extents(folder)  # before verify, so that everything in them is verified
        self.verdict = verify(folder, on_progress=on_progress)
        self._damage = Damage(folder, self.verdict)

    def __iter__(self) -> Iterator[Item]:
        last = self._selection.last
        newest = _Newest() if self._selection.current else None
        count = 0
        if newest is not None:
            for item in self._walk():
                newest.put(item.archived)
            count = newest.count()
        elif last is not None:
            count = sum(1 for _ in self._walk())
        found = (item for item in self._walk() if newest is None or item.archived.seq in newest)
        yield from islice(found, 0 if last is None else max(count - last, 0), None)

    def _walk(self) -> Iterator[Item]:
        """Everything that matches, but for `current` and `last`, oldest first."""
        self.refused = 0
        self.faults.clear()
        bare = replace(self._selection, current=False, last=None)
        for extent in self._extents:
            if extent.ends is None:
                self.faults.append(f"segment {extent.segment} cannot be read, nothing of it is exported")
                continue
            start: int | None = extent.ends[0]
            while start is not None:
                end = min(start + WINDOW - 1, extent.ends[1])
                try:
                    yield from self._window(extent.segment, bare, start, end)
                    start = self._start_after(extent.segment, end, extent.ends[1])
                except ArchiveError as error:
                    self.faults.append(f"segment {extent.segment}, from reading {start} on: {error}")
                    start = end + 1 if end < extent.ends[1] else None

    def _window(self, segment: int, selection: Selection, first: int, last: int) -> Iterator[Item]:
        for row in self._reader.window(segment, selection, first, last):
            seq = row[0]
            assert isinstance(seq, int)
            if not self._even_damaged and self._damage.number_is_doubtful(segment, seq):
                self.refused += 1  # unread: it may not even be readable
                continue
            try:
                archived = rows.archived(row)
            except (ValueError, ArithmeticError, AssertionError) as error:
                self.faults.append(f"segment {segment}, reading {seq} cannot be understood: {error!r}")
                continue
            damaged = self._damage.is_doubtful(segment, archived)
            if damaged and not self._even_damaged:
                self.refused += 1
                continue
            yield Item(archived, damaged)

    def _start_after(self, segment: int, seq: int, last: int) -> int | None:
        """Where the next window begins. Asked of the archive, because a damaged number may lie very far away."""
        if seq >= last:
            return None
        return _seq(self._folder, segment, "SELECT min(seq) FROM reading WHERE seq > ?", seq)


class _Newest:
    """The sequence numbers that count, one for each series and instant: a value before a `missing`, and of those the
    newest. Kept in a file of SQLite that goes away by itself."""

    def __init__(self) -> None:
        self._connection = apsw.Connection("")
        self._connection.execute(_NEWEST)
        self._connection.execute("BEGIN")

    def put(self, archived: Archived) -> None:
        reading = archived.reading
        missing = int(reading.status is RawStatus.MISSING)
        key = (reading.meter, reading.code, reading.kind.value, rows.to_us(reading.at))
        self._connection.execute(_PUT, (*key, missing, archived.seq))

    def count(self) -> int:
        return int(str(self._connection.execute("SELECT count(*) FROM newest").get))

    def __contains__(self, seq: int) -> bool:
        return bool(self._connection.execute("SELECT count(*) FROM newest WHERE seq = ?", (seq,)).get)


def _seq(folder: Path, number: int, sql: str, *values: int) -> int | None:
    """One sequence number; None when there is none. ArchiveError when the segment cannot be read."""
    path = segments.segment_path(folder, number)
    connection = segments.open_for_reading(path)
    try:
        found = connection.execute(sql, values).get
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error
    finally:
        connection.close(True)
    return found if isinstance(found, int) else None
