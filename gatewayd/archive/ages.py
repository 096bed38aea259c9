"""Since when readings wait: when the first reading behind a sequence number was archived.

Rules: read-only; one look at one index, in a segment that is found without opening many. Blocks: not for the event
loop. What cannot be told is None, and no fault: whoever needs the reading itself will tell.
"""

from datetime import datetime
from pathlib import Path

import apsw

from gatewayd.archive import rows, segments
from gatewayd.errors import ArchiveError

_START = "SELECT last_seq FROM segment"
_FIRST = """
SELECT e.ended_at FROM reading AS r JOIN exchange AS e ON e.id = r.exchange WHERE r.seq > ? ORDER BY r.seq LIMIT 1
"""


class Ages:
    """Of one archive; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts: dict[int, int] = {}
        """By segment: the number behind which it begins; that never changes."""
        self._known: dict[int, datetime] = {}
        """By sequence number, of the last look: a sink that does not move is not looked up again."""

    def archived_at(self, behind: list[int]) -> list[datetime | None]:
        """For each sequence number; None where nothing is behind it, or nothing can be read."""
        self._known = {seq: at for seq, at in self._known.items() if seq in behind}
        for seq in behind:
            if seq not in self._known and (at := self._looked_up(seq)) is not None:
                self._known[seq] = at
        return [self._known.get(seq) for seq in behind]

    def _looked_up(self, seq: int) -> datetime | None:
        try:
            for number in self._from(seq):
                found = self._ask(number, _FIRST, (seq,))
                if isinstance(found, int):
                    return rows.from_us(found)
        except (apsw.Error, ArchiveError, OSError, OverflowError):
            return None
        return None

    def _from(self, seq: int) -> list[int]:
        """The segments that may hold readings after `seq`, the oldest first."""
        found: list[int] = []
        for number in reversed(segments.segment_numbers(self._folder)):
            found.insert(0, number)
            if number not in self._starts:
                start = self._ask(number, _START, ())
                if not isinstance(start, int):
                    continue
                self._starts[number] = start
            if self._starts[number] <= seq:
                break
        return found

    def _ask(self, number: int, sql: str, values: tuple[int, ...]) -> object:
        connection = segments.open_for_reading(segments.segment_path(self._folder, number))
        try:
            return connection.execute(sql, values).get
        finally:
            connection.close(True)
