"""How far each sink has come, beside the archive: one small file for each sink, `cursors/ID`.

Rules: a file has two slots, written in turn, each with a check sum, so that a torn write costs the newer one only. What
is acknowledged goes to the kernel at once: a killed process repeats nothing that its sink had acknowledged. It is
forced to the disk when the file is made and then now and again: a power cut only repeats deliveries. A file that is
damaged is said to be so, and never taken for a sink that is new.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from gatewayd.archive import owner
from gatewayd.archive.segments import sync_folder
from gatewayd.errors import ArchiveError

FOLDER = "cursors"
REMEMBERED = 4096
"""How many numbers behind the cursor may be remembered as acknowledged out of order."""
_DRAFT = "~new"  # no id of a sink has this character
_MAGIC = b"GWCU1\0\0\0"
_BODY = struct.Struct("<8sQQH")
_SUM = struct.Struct("<I")
_SLOT = 1024


@dataclass(frozen=True, slots=True)
class Position:
    """Everything up to `cursor` is acknowledged, and `cursor + 1 + k` where bit k of `beyond` is set."""

    cursor: int
    beyond: int = 0


class CursorFile:
    """The cursor of one sink, open for writing.

    `position` is what the file said; None when it is new, or `damaged`: it is there, and neither of its slots is whole.
    A new one gets its name only when it has its first position, so that an empty one is never taken for new."""

    def __init__(self, folder: Path, sink: str) -> None:
        """ArchiveError when the file cannot be used."""
        self._path = folder / FOLDER / sink
        self._draft = folder / FOLDER / f"{sink}{_DRAFT}"
        try:
            owner.make_folder(self._path.parent, 0o750)
            self._is_new = not self._path.exists()
            if self._is_new:
                self._draft.unlink(missing_ok=True)
                self._fd = owner.made(self._draft, 0o640)
            else:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            what = f"the cursor {self._path} cannot be written"
            raise owner.fault(what, error, folder, self._path.parent, self._path) from error
        self._generation = 0
        self._unsynced = False
        data = os.pread(self._fd, 2 * _SLOT, 0)
        found = _newest(data)
        self.position: Position | None = None
        if found is not None:
            self._generation, self.position = found
        self.damaged = found is None and not self._is_new

    def begin(self, position: Position) -> None:
        """The first position of a new or damaged file, forced to the disk. ArchiveError."""
        try:
            self.write(position)
            os.fsync(self._fd)
            if self._is_new:
                self._draft.rename(self._path)
                self._is_new = False
            sync_folder(self._path.parent)
            sync_folder(self._path.parent.parent)
        except OSError as error:
            raise ArchiveError(f"the cursor {self._path} cannot be written: {error.strerror}") from error
        self._unsynced = False

    def write(self, position: Position) -> None:
        """Hand a position to the kernel. OSError."""
        self._generation += 1
        beyond = position.beyond & ((1 << REMEMBERED) - 1)
        bits = beyond.to_bytes((beyond.bit_length() + 7) // 8, "little")
        body = _BODY.pack(_MAGIC, self._generation, position.cursor, len(bits)) + bits
        os.pwrite(self._fd, body + _SUM.pack(zlib.crc32(body)), (self._generation & 1) * _SLOT)
        self._unsynced = True

    def sync(self) -> None:
        """Force what was written to the disk; blocks. OSError."""
        if self._unsynced:
            self._unsynced = False
            os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def read_cursors(folder: Path) -> dict[str, Position]:
    """The positions of all sinks that have ever been configured, as far as their files can be read."""
    found: dict[str, Position] = {}
    try:
        paths = sorted((folder / FOLDER).iterdir())
    except OSError:
        return found
    for path in paths:
        if path.name.endswith(_DRAFT):
            continue
        try:
            newest = _newest(path.read_bytes())
        except OSError:
            continue
        if newest is not None:
            found[path.name] = newest[1]
    return found


def _newest(data: bytes) -> tuple[int, Position] | None:
    """The newer of the two slots that is whole, with its generation."""
    found = [slot for slot in (_unpack(data[:_SLOT]), _unpack(data[_SLOT : 2 * _SLOT])) if slot is not None]
    return max(found, key=lambda slot: slot[0], default=None)


def _unpack(slot: bytes) -> tuple[int, Position] | None:
    if len(slot) < _BODY.size + _SUM.size:
        return None
    magic, generation, cursor, length = _BODY.unpack_from(slot)
    end = _BODY.size + length
    if magic != _MAGIC or len(slot) < end + _SUM.size or _SUM.unpack_from(slot, end)[0] != zlib.crc32(slot[:end]):
        return None
    return generation, Position(cursor, int.from_bytes(slot[_BODY.size : end], "little"))
