"""Sealing a segment: what has its seal becomes one file that nobody may write, without a journal beside it."""

import os
import time
from pathlib import Path

import apsw

from gatewayd.archive.segments import sync_folder

SEALING_SECONDS = 0.5
"""How long the writer waits for who reads the segment: data does not wait for that."""
_STEP = 0.005


def has_seal(path: Path) -> bool:
    """Whether the last batch of a segment has sealed it. apsw.Error."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return bool(connection.execute("SELECT count(*) FROM seal").get)
    finally:
        connection.close()


def finish_sealing(path: Path) -> None:
    """Turn a segment that has its seal into one read-only file. May be repeated. Waits SEALING_SECONDS for who reads
    it, and no longer. apsw.Error, OSError."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(round(SEALING_SECONDS * 1000))
        connection.pragma("wal_checkpoint", "truncate")
        _without_journal(connection)
    finally:
        connection.close()
    path.chmod(0o444)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def _without_journal(connection: apsw.Connection) -> None:
    """For this SQLite waits for nobody: who has the segment open at this moment is asked for again."""
    deadline = time.monotonic() + SEALING_SECONDS
    while True:
        try:
            # Two bytes of the first sector change. A journal for that would be left over by a power cut, and nobody
            # could read the segment before somebody who may write has rolled it back.
            connection.pragma("journal_mode", "off")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_STEP)
        else:
            return
