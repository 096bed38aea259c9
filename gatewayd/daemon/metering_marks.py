"""What an archive was when the engine wrote down where it is, and whether it still is that one.

    mark_of(folder)            the last batch that the head knows
    found(folder, mark)        whether the archive still has it
    lost(folder, first, ...)   segments that are not there, and were not dropped by retention

Rules: read-only. Only what is proven counts: of a damaged segment, and of one that retention has dropped, nothing is
known, and the archive is taken for the same.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import rows, segments
from gatewayd.archive.head import HeadDamagedError, read_head
from gatewayd.errors import ArchiveDamaged, ArchiveError

_BATCH = "SELECT hash FROM batch WHERE id = ?"
_START = "SELECT last_batch FROM segment"
_DROPPED = "SELECT subject FROM audit WHERE type = 'segment-dropped'"


class Mark(msgspec.Struct, frozen=True):
    """A batch of an archive: its segment, number and hash, in hexadecimal."""

    segment: int
    batch: int
    hash: str


class Found(Enum):
    """What became of a mark."""

    SAME = "same"
    GONE = "gone"
    """Its segment is not there, though later ones are, or was put aside."""
    OTHER = "other"
    """The archive ends before it, or has something else in its place."""


def mark_of(folder: Path) -> Mark | None:
    """None where the archive has no head, or it cannot be told. ArchiveError."""
    try:
        head = read_head(folder)
    except HeadDamagedError:
        return None
    return None if head is None else Mark(head.segment, head.batch, head.hash.hex())


def found(folder: Path, mark: Mark | None) -> Found:
    """Whether an archive still has what it had. ArchiveError."""
    numbers = segments.segment_numbers(folder)
    if mark is None or not numbers or mark.segment < numbers[0]:
        return Found.SAME
    if mark.segment not in numbers:
        return Found.OTHER if mark.segment > numbers[-1] else Found.GONE
    try:
        with _reading(segments.segment_path(folder, mark.segment)) as connection:
            digest = connection.execute(_BATCH, (mark.batch,)).get
            start = connection.execute(_START).get
    except ArchiveDamaged:
        return Found.SAME
    if digest is None:
        return Found.SAME if start == mark.batch else Found.OTHER
    return Found.SAME if digest == bytes.fromhex(mark.hash) else Found.OTHER


def lost(folder: Path, first: int, known: Collection[int]) -> tuple[int, ...]:
    """The segments from `first` on that are not there, were not dropped, and are not `known` to be lost.
    ArchiveError."""
    numbers = segments.segment_numbers(folder)
    gone = set(range(first or numbers[0], numbers[-1])).difference(numbers, known) if numbers else set[int]()
    if not gone:
        return ()
    dropped: set[str] = set()
    for number in numbers:
        try:
            with _reading(segments.segment_path(folder, number)) as connection:
                dropped.update(name for (name,) in rows.typed(connection.execute(_DROPPED), tuple[str]))
        except ArchiveDamaged:
            continue
    return tuple(sorted(one for one in gone if segments.segment_path(folder, one).name not in dropped))


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    connection = segments.open_for_reading(path)
    try:
        yield connection
    except (apsw.CorruptError, apsw.NotADBError, msgspec.MsgspecError, ValueError) as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be read: {error}; see gatewayd archive verify") from error
    finally:
        connection.close(True)
