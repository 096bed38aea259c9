"""What was entered by hand, out of the derived archive: substitute values, and what became of them.

    Entered(folder).known()      all values with their states, by number
    Entered(folder).after(n)     which days of which points an engine has to compute again

Rules: an entry is an exchange of the derived archive without readings (line `by hand`), so that nothing is published of
it before the engine has made a value of it. Its device has the serial number `by hand`: segments without entries are
passed over at once. Only what is new is read again. An entry that is none, and
a segment that is damaged, are told of once and cost nothing but themselves; such a segment is tried again each time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gatewayd.archive import segments
from gatewayd.archive.by_hand import notes_in
from gatewayd.archive.lookups import Lookups
from gatewayd.errors import ArchiveDamaged
from gatewayd.metering import entered
from gatewayd.metering.manual_history import Entry, Submission
from gatewayd.obis import Obis


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry with the number of its exchange and the unit of its amount."""

    exchange: int
    entry: Entry
    unit: str


class Entered:
    """What was entered, read from the derived archive; only what is new is read again. Used from one thread after the
    other."""

    def __init__(
        self, folder: Path, tell: Callable[[str], None] = lambda _text: None, lookups: Lookups | None = None
    ) -> None:
        """`tell` is handed, once each, why something was passed over."""
        self._lookups = Lookups() if lookups is None else lookups
        self._folder = folder
        self._tell = tell
        self._told: set[str] = set()
        self._found: list[Kept] = []
        self._upto = self._segment = 0
        self._damaged: set[int] = set()
        """Segments that could not be read."""
        self._known: dict[int, Submission] = {}
        self.given = 0
        """Numbers up to this one were given to values, whatever retention has left of them."""

    def known(self) -> dict[int, Submission]:
        """All values with their states, by number. ArchiveError."""
        self._refresh()
        return self._known

    def after(self, exchange: int) -> tuple[frozenset[tuple[str, date]], int]:
        """Points and days (of estimates the first days of their months) of what was entered behind an exchange of the
        derived archive, and the last exchange that there is: from there on the next time. ArchiveError."""
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
            if (subject.point, subject.day) == (point, day) and not subject.month
        }

    @property
    def kept(self) -> Sequence[Kept]:
        """All entries as of the last look, oldest first."""
        return self._found

    @property
    def highest(self) -> int:
        """The highest number of an entry, also where retention has dropped it; as of the last look."""
        return max((self.given, *(one.entry.number for one in self._found)))

    def unit(self, number: int) -> str:
        """That of a value, as of the last look."""
        return next((one.unit for one in self._found if one.entry.number == number and one.unit), "")

    def _refresh(self) -> None:
        fresh: list[Kept] = []
        upto, segment = self._upto, self._segment
        for number in segments.segment_numbers(self._folder):
            if number < self._segment and number not in self._damaged:  # sealed, and read
                continue
            try:
                last = self._read(number, 0 if number in self._damaged else self._upto, fresh)
            except ArchiveDamaged as error:
                self._damaged.add(number)
                self._once(f"values by hand in a damaged segment of the derived archive are passed over: {error}")
                last = 0
            else:
                self._damaged.discard(number)
            upto, segment = max(upto, last), max(segment, number)
        if fresh:
            self._found = sorted([*self._found, *fresh], key=lambda one: one.exchange)
            self._known = entered.submissions((one.entry for one in self._found), self._refused)
        self._upto, self._segment = upto, segment

    def _refused(self, words: str) -> None:
        self._once(f"a step of a value by hand is passed over: {words}")

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)

    def _read(self, number: int, upto: int, fresh: list[Kept]) -> int:
        """The last exchange of a segment; its entries behind `upto` go into `fresh`."""
        path = segments.segment_path(self._folder, number)
        with self._lookups.connection(path) as connection:
            last, notes = notes_in(connection, path, number, upto, "gatewayd archive verify --derived")
        for note in notes:
            try:
                fresh.append(Kept(note.exchange, *entered.entry_of(note.received, note.at)))
            except (ValueError, OverflowError) as error:
                self._once(f"exchange {note.exchange} of {path.name} is no value by hand, and is passed over: {error}")
        return last
