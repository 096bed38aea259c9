"""The readings by hand that wait for their release, out of the archive, and those that have waited.

Rules: read-only; what was read once is not read again. What retention has dropped is gone here too, at once. A note
that cannot be understood is passed over. ArchiveError when the archive cannot be read.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw

from gatewayd.archive.by_hand import Note, NotesByHand
from gatewayd.archive.segments import open_for_reading
from gatewayd.manual import held
from gatewayd.manual.held import Entry, Held
from gatewayd.manual.submission import Handled

Subject = tuple[str, str, date]
"""Meter, OBIS code and legal-time day: what there is one reading by hand of."""


class Queue:
    """Those of the archive in `folder`, which may not be there yet. Used from one thread after the other."""

    def __init__(self, folder: Path, connect: Callable[[Path], apsw.Connection] = open_for_reading) -> None:
        self._notes = NotesByHand(folder, connect)
        self._entries: list[tuple[int, Entry]] = []
        self._known: dict[int, Held] = {}
        self._first = 0

    def known(self) -> Mapping[int, Held]:
        """All of them by their numbers. ArchiveError."""
        fresh = [(note.segment, entry) for note in self._notes.fresh() if (entry := _entry(note)) is not None]
        first = self._notes.first_segment
        if fresh or first != self._first:
            self._entries = [one for one in (*self._entries, *fresh) if one[0] >= first]
            self._known = held.folded(entry for _, entry in self._entries)
            self._first = first
        return self._known

    def waiting(self, meter: str | None = None) -> list[Held]:
        """Those that wait, of a meter or of all, by their numbers. ArchiveError."""
        found = [one for one in self.known().values() if one.waits and meter in (None, one.seen.meter)]
        return sorted(found, key=lambda one: one.number)

    def highest(self) -> int:
        """The highest number that was ever given, as far as the archive goes back; as of the last look."""
        return max((entry.number for _, entry in self._entries), default=0)


def subject_of(seen: Handled, zone: ZoneInfo) -> Subject | None:
    """What a reading is of; None where that was not understood."""
    return None if seen.at is None else (seen.meter, seen.obis, _day(seen.at, zone))


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _entry(note: Note) -> Entry | None:
    if note.request.partition(" ")[0] != held.REQUEST:
        return None
    try:
        return held.entry_of(note.received, note.at)
    except (ValueError, OverflowError):
        return None
