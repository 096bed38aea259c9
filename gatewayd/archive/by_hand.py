"""What people have told an archive beside readings: exchanges without readings on the line `by hand`.

    note_entry(...)          one of them, to be archived
    notes_of(folder, ...)    those of a segment; notes_in(connection, ...) of one that is open
    NotesByHand(folder)      those that are there: only what is new is read again

Rules: a note has no reading, so that nothing is published or counted of it. Its device has the serial number `by hand`:
segments without notes are passed over at once, and no meter is known by it. Whose note it is says the first word of its
request. A connection is open for one look only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Entry
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.model import NOWHERE, Exchange, MeteringType, Outcome, Point

_LAST = "SELECT max(id) FROM exchange"
_DEVICES = "SELECT id FROM device WHERE serial = ?"
_NOTES = """
SELECT id, ended_at, request, received FROM exchange
WHERE id > ? AND id <= ? AND device IN (SELECT value FROM json_each(?)) AND line = ? ORDER BY id
"""


Connect = Callable[[Path], apsw.Connection]
"""Opens a segment for reading."""


@dataclass(frozen=True, slots=True)
class Note:
    """One of them: the number of its exchange, that of its segment, when it was made (in microseconds), and what it
    says."""

    exchange: int
    segment: int
    at_us: int
    request: str
    received: bytes

    @property
    def at(self) -> datetime:
        """OverflowError for a time that is none: the bytes of a file may say anything."""
        return rows.from_us(self.at_us)


def note_entry(
    subject: str,
    request: str,
    content: bytes,
    detail: str,
    at: datetime,
    point: Point = NOWHERE,
    metering_type: MeteringType = MeteringType.C,
) -> Entry:
    """A note about `subject` (a meter, a metering point) as it is archived."""
    exchange = Exchange(subject, BY_HAND, request, at, at, content, Outcome.DONE, detail)
    return Entry(exchange, serial=BY_HAND, point=point, metering_type=metering_type)


def notes_of(
    folder: Path,
    number: int,
    upto: int,
    connect: Connect = segments.open_for_reading,
) -> tuple[int, list[Note]]:
    """The last exchange of a segment, and its notes behind `upto`. ArchiveDamaged, ArchiveError."""
    path = segments.segment_path(folder, number)
    connection = connect(path)
    try:
        return notes_in(connection, path, number, upto)
    finally:
        connection.close(True)


def notes_in(
    connection: apsw.Connection, path: Path, number: int, upto: int, remedy: str = "gatewayd archive verify"
) -> tuple[int, list[Note]]:
    """The same of a segment that is open. ArchiveDamaged, ArchiveError with the remedy."""
    try:
        last = connection.execute(_LAST).get
        if not isinstance(last, int) or last <= upto:
            return upto, []
        devices = [one for (one,) in rows.typed(connection.execute(_DEVICES, (BY_HAND,)), tuple[int])]
        if not devices:
            return last, []
        values = upto, last, msgspec.json.encode(devices).decode(), BY_HAND
        found = rows.typed(connection.execute(_NOTES, values), tuple[int, int, str, bytes])
        return last, [Note(exchange, number, at, request, received) for exchange, at, request, received in found]
    except (apsw.CorruptError, apsw.NotADBError, msgspec.MsgspecError, ValueError, LookupError) as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error}; see {remedy}") from error
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be read: {error}; see {remedy}") from error


class NotesByHand:
    """The notes of the archive in `folder`, which may not be there yet. Used from one thread after the other."""

    def __init__(self, folder: Path, connect: Connect = segments.open_for_reading) -> None:
        self._folder = folder
        self._connect = connect
        self._segment = 0
        self.upto = 0
        """The last exchange as of the last look."""
        self.first_segment = 0
        """The oldest segment that was there then."""

    def fresh(self) -> list[Note]:
        """Those behind the last look, oldest first. ArchiveError, and the next look begins where this one did."""
        found: list[Note] = []
        numbers = segments.segment_numbers(self._folder)
        upto = self.upto
        for number in numbers:
            if number >= self._segment:  # those before are sealed, and read
                upto, notes = notes_of(self._folder, number, upto, self._connect)
                found += notes
        self.upto = upto
        if numbers:
            self._segment, self.first_segment = numbers[-1], numbers[0]
        return found
