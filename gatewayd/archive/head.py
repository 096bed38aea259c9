"""The head: number and hash of the last batch, kept outside the segment as well.

Without it a cut write-ahead log, or an older copy put in place of a segment, looks sound to SQLite and to the chain.

Rules: the file has two slots, written in turn, each with a check sum, so that a torn write costs the newer one only. A
head is written after its COMMIT is durable, never before: the head may be older than the archive, the archive never
older than the head. It is handed to the kernel after every batch and forced to the disk at most once a second.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from gatewayd.archive import owner
from gatewayd.errors import ArchiveError

NAME = "head"
SYNC_SECONDS = 1.0
_MAGIC = b"GWHD1\0\0\0"
_BODY = struct.Struct("<8sQQQQ32s")
_SUM = struct.Struct("<I")
_SLOT = 512


class HeadDamagedError(ArchiveError):
    """The file is there, and neither of its slots is whole."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: segment, batch, last sequence number, last exchange, hash of the batch."""

    segment: int
    batch: int
    seq: int
    exchange: int
    hash: bytes


def read_head(folder: Path) -> Head | None:
    """The newer of the two slots that is whole; None when none was ever written. ArchiveError when it cannot be read.

    Zeros are a slot that was not written, also where a power cut left the file longer than what had reached the disk.
    """
    path = folder / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise owner.fault(f"the head {path} cannot be read", error, folder, path, want=os.R_OK) from error
    found = [head for head in (_unpack(data[:_SLOT]), _unpack(data[_SLOT : 2 * _SLOT])) if head is not None]
    if not found and any(data):
        raise HeadDamagedError(f"the head {path} is damaged")
    return max(found, key=lambda head: head.batch, default=None)


class HeadFile:
    """The head, open for writing."""

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            self._fd = owner.opened(path, 0o640)
        except OSError as error:
            raise owner.fault(f"the head {path} cannot be written", error, folder, path) from error
        self._synced_at = 0.0

    def write(self, head: Head, now: float, *, sync: bool = False) -> None:
        """Put the head down; force it to the disk when `sync`, or when the last time was a second ago. OSError."""
        body = _BODY.pack(_MAGIC, head.segment, head.batch, head.seq, head.exchange, head.hash)
        slot = body + _SUM.pack(zlib.crc32(body))
        os.pwrite(self._fd, slot.ljust(_SLOT, b"\0"), (head.batch & 1) * _SLOT)
        if sync or now - self._synced_at >= SYNC_SECONDS:
            os.fdatasync(self._fd)
            self._synced_at = now

    def close(self) -> None:
        os.close(self._fd)


def _unpack(slot: bytes) -> Head | None:
    if len(slot) < _BODY.size + _SUM.size:
        return None
    body = slot[: _BODY.size]
    if _SUM.unpack_from(slot, _BODY.size)[0] != zlib.crc32(body):
        return None
    magic, segment, batch, seq, exchange, digest = _BODY.unpack(body)
    return Head(segment, batch, seq, exchange, digest) if magic == _MAGIC else None
