"""What was entered by hand, out of the derived archive: substitute values, and what became of them.

    Entered(folder).known()      all values with their states, by number
    Entered(folder).after(n)     which days of which points an engine has to compute again

Rules: an entry is an exchange of the derived archive without readings (line `by hand`), so that nothing is published of
it before the engine has made a value of it. Its device has the serial number `by hand`: segments without entries are
passed over at once. Only what is new is read again. A connection is open for one look only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.metering import entered
from gatewayd.metering.manual_history import Entry, Submission
from gatewayd.obis import Obis

_LAST = "SELECT max(id) FROM exchange"
_DEVICES = "SELECT id FROM device WHERE serial = ?"
_ENTRIES = """
SELECT id, ended_at, received FROM exchange
WHERE id > ? AND id <= ? AND device IN (SELECT value FROM json_each(?)) AND line = ? ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with the number of its exchange and the unit of its amount."""

    exchange: int
    entry: Entry
    unit: str


class Entered:
    """What was entered, read from the derived archive; only what is new is read again. Used from one thread after the
    other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: list[Kept] = []
        self._upto = self._segment = 0
        self._known: dict[int, Submission] = {}

    def known(self) -> dict[int, Submission]:
        """All values with their states, by number. ArchiveError."""
        self._refresh()
        return self._known

    def after(self, exchange: int) -> tuple[frozenset[tuple[str, date]], int]:
        """Points and days of what was entered behind an exchange of the derived archive, and the last exchange that
        there is: from there on the next time. ArchiveError."""
        self._refresh()
        subjects = {one.entry.subject for one in self._found if one.exchange > exchange}
        return frozenset((one.point, one.day) for one in subjects), max(self._upto, exchange)

    @property
    def latest(self) -> Mapping[int, Submission]:
        """All values as of the last look."""
        return self._known

    def channels(self, point: str, day: date) -> dict[Obis, str]:
        """Codes and units of what was ever entered for a day of a point, as of the last look."""
        subjects = {one.subject: number for number, one in self._known.items()}
        return {
            subject.obis: self.unit(number)
            for subject, number in subjects.items()
            if (subject.point, subject.day) == (point, day)
        }

    @property
    def kept(self) -> Sequence[Kept]:
        """All entries as of the last look, oldest first."""
        return self._found

    @property
    def highest(self) -> int:
        """The highest number of an entry, also where retention has dropped its beginning; as of the last look."""
        return max((one.entry.number for one in self._found), default=0)

    def unit(self, number: int) -> str:
        """That of a value, as of the last look."""
        return next((one.unit for one in self._found if one.entry.number == number and one.unit), "")

    def _refresh(self) -> None:
        fresh: list[Kept] = []
        upto, segment = self._upto, self._segment
        for number in segments.segment_numbers(self._folder):
            if number >= self._segment:  # those before are sealed, and read
                upto, segment = max(upto, self._read(number, fresh)), number
        if fresh:
            self._found += fresh
            self._known = entered.submissions(one.entry for one in self._found)
        self._upto, self._segment = upto, segment

    def _read(self, number: int, fresh: list[Kept]) -> int:
        """The last exchange of a segment; its entries that were not read yet go into `fresh`."""
        path = segments.segment_path(self._folder, number)
        connection = segments.open_for_reading(path)
        try:
            last = connection.execute(_LAST).get
            if not isinstance(last, int) or last <= self._upto:
                return self._upto
            devices = [one for (one,) in rows.typed(connection.execute(_DEVICES, (BY_HAND,)), tuple[int])]
            if devices:
                values = self._upto, last, msgspec.json.encode(devices).decode(), BY_HAND
                found = rows.typed(connection.execute(_ENTRIES, values), tuple[int, int, bytes])
                fresh += [
                    Kept(exchange, *entered.entry_of(received, rows.from_us(at))) for exchange, at, received in found
                ]
            return last
        except (apsw.CorruptError, apsw.NotADBError, msgspec.MsgspecError, ValueError, LookupError) as error:
            raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        except apsw.Error as error:
            raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
        finally:
            connection.close(True)
