"""From when to when the values of the segments of the derived archive are: a look need not open all of them.

    Spans(folder).reaching(first, last)   the segments that may hold something that ends in such a time
    Spans(folder).written()               what is to be written down of sealed segments, as JSON; None for nothing new
    reading(lookups, path)                a connection to one segment, for one query

Rules: a sealed segment never changes. Its span is written down in state.sqlite as well, so that a segment that cannot
be read any more costs the days that it has, and no others; where nothing is written down of such a one it may have
everything that ended before the next segment was begun.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import memory, segments
from gatewayd.archive.lookups import Lookups
from gatewayd.errors import ArchiveDamaged, ArchiveError

MEMORY, KEY = "metering", "spans of segments"
"""Where they are written down."""
_EVER = 1 << 62
_NOTHING = (1, 0)
_ANYTHING = (-_EVER, _EVER)
_WRITTEN = msgspec.json.Decoder(dict[int, tuple[int, int]])

Span = tuple[int, int]
"""The first and the last end of a value, us since 1970."""


class Spans:
    """Of one derived archive. Used from one thread after the other, never from two at a time."""

    def __init__(self, folder: Path, lookups: Lookups | None = None) -> None:
        self.folder = folder
        self._lookups = Lookups() if lookups is None else lookups
        self._known: dict[int, Span] = {}
        self._put_down: dict[int, Span] | None = None

    def reaching(self, first_us: int, last_us: int) -> Iterator[int]:
        """The segments, oldest first, that may hold something that ends after `first_us` and not after `last_us`.
        ArchiveError."""
        numbers = self._numbers()
        for place, number in enumerate(numbers):
            span = self._known.get(number)
            if span is None and number == numbers[-1]:
                span = _ANYTHING  # the open one, as a rule: to look is as dear as to ask it
            elif span is None:
                span = self._read(number, numbers[place + 1 : place + 2])
            if first_us < span[1] and span[0] <= last_us and span[0] <= span[1]:
                yield number

    def written(self) -> bytes | None:
        """The spans of all sealed segments, where not all of them are written down. ArchiveError."""
        numbers = segments.segment_numbers(self.folder)[:-1]
        there = self._put_down = _recalled(self.folder) if self._put_down is None else self._put_down
        if all(number in there for number in numbers):
            return None
        found: dict[int, Span] = {}
        for number in numbers:
            try:
                sealed = self._known.get(number) or _sealed(self._lookups, segments.segment_path(self.folder, number))
            except ArchiveDamaged:
                sealed = there.get(number)
            if sealed is not None:
                found[number] = sealed
        if found == there:  # of a damaged one nothing more will be known
            return None
        self._put_down = found
        return msgspec.json.encode(found)

    def _numbers(self) -> list[int]:
        try:
            if self.folder.exists() and not self.folder.is_dir():
                raise ArchiveError(
                    f"{self.folder} is no folder; move it away, the gateway makes a derived archive there"
                )
            return segments.segment_numbers(self.folder)
        except OSError as error:
            raise ArchiveError(f"{self.folder} cannot be read: {error.strerror}") from error

    def _read(self, number: int, following: list[int]) -> Span:
        """That of a segment, which may not be sealed: then there is no end to it."""
        try:
            sealed = _sealed(self._lookups, segments.segment_path(self.folder, number))
        except ArchiveDamaged:
            there = _recalled(self.folder).get(number)
            return there if there is not None else (-_EVER, self._begun(following))
        if sealed is None:
            return _ANYTHING
        self._known[number] = sealed
        return sealed

    def _begun(self, following: list[int]) -> int:
        """When the segment behind one was begun: nothing in that one ends later."""
        for number in following:
            try:
                with reading(self._lookups, segments.segment_path(self.folder, number)) as connection:
                    return int(str(connection.execute("SELECT opened_at FROM segment").get))
            except ArchiveDamaged:
                break
        return _EVER


def _recalled(folder: Path) -> dict[int, Span]:
    """What is written down; nothing where that cannot be read."""
    try:
        text = memory.recalled(folder, MEMORY, KEY)
        return {} if text is None else _WRITTEN.decode(text)
    except (ArchiveError, msgspec.MsgspecError):
        return {}


def _sealed(lookups: Lookups, path: Path) -> Span | None:
    """The span of a sealed segment; None for one that is not sealed. ArchiveError."""
    with reading(lookups, path) as connection:
        row = connection.execute("SELECT first_at, last_at FROM seal").fetchone()
        if row is None:
            return None
        return _NOTHING if row[0] is None else (int(str(row[0])), int(str(row[1])))


@contextmanager
def reading(lookups: Lookups, path: Path) -> Iterator[apsw.Connection]:
    """A connection to one segment. ArchiveDamaged, ArchiveError."""
    try:
        with lookups.connection(path) as connection:
            yield connection
    except (
        apsw.CorruptError,
        apsw.NotADBError,
        msgspec.MsgspecError,
        ValueError,
        LookupError,
        ArithmeticError,
    ) as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify --derived") from error
    except apsw.SQLError as error:  # its tables are not there: what was written over the file is another database
        raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify --derived") from error
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify --derived") from error
