"""Connections to segments for many small queries that are one piece of work.

    with lookups.together():                      # the queries in here share their connections
        with lookups.connection(path) as one: ... # outside of it: opened for this query, and closed behind it

Rules: to open a segment costs more than most queries do, since its schema has to be read; but sealing waits for its
readers no longer than SEALING_SECONDS. So connections are kept for HELD_SECONDS of that work, for as long again they
are not, and so on. Each query is a transaction by itself: it sees what is on the disk by then. A connection on which
one has failed is not used again. Used from one thread after the other, never from two at a time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from gatewayd.archive import segments

HELD_SECONDS = 0.1


class Lookups:
    """Of one reader of an archive, or of several that work together."""

    def __init__(self) -> None:
        self._kept: dict[Path, apsw.Connection] = {}
        """Nobody uses them now."""
        self._begun = 0.0
        self._depth = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """May be nested."""
        if not self._depth:
            self._begun = time.monotonic()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._close()

    @contextmanager
    def connection(self, path: Path) -> Iterator[apsw.Connection]:
        """A read-only connection to one segment, for one query. ArchiveDamaged, ArchiveError."""
        if not self._keeping():
            self._close()
        connection = self._kept.pop(path) if path in self._kept else segments.open_for_reading(path)
        sound = False
        try:
            yield connection
            sound = True
        finally:
            if sound and path not in self._kept and self._keeping():
                self._kept[path] = connection
            else:
                connection.close(True)

    def _keeping(self) -> bool:
        return self._depth > 0 and int((time.monotonic() - self._begun) / HELD_SECONDS) % 2 == 0

    def _close(self) -> None:
        for connection in self._kept.values():
            connection.close(True)
        self._kept.clear()
