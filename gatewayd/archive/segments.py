"""The files of the archive: where they are, how they are opened, who may write.

Rules: one process writes (flock); the writing connection cannot change or drop what it has written; readers open
read-only. Sealing, size caps and several segments belong here as well (next stage); today there is segment 1.
"""

import errno
import fcntl
import os
from importlib import resources
from pathlib import Path

import apsw

from gatewayd.errors import ArchiveError

FORMAT = 1
_FORBIDDEN = frozenset(
    {
        apsw.SQLITE_UPDATE,
        apsw.SQLITE_DELETE,
        apsw.SQLITE_ALTER_TABLE,
        apsw.SQLITE_ATTACH,
        apsw.SQLITE_DETACH,
        apsw.SQLITE_CREATE_TRIGGER,
        apsw.SQLITE_CREATE_TEMP_TRIGGER,
        apsw.SQLITE_CREATE_TABLE,
        apsw.SQLITE_CREATE_INDEX,
        apsw.SQLITE_CREATE_VIEW,
        apsw.SQLITE_DROP_TABLE,
        apsw.SQLITE_DROP_TRIGGER,
        apsw.SQLITE_DROP_INDEX,
        apsw.SQLITE_DROP_VIEW,
        apsw.SQLITE_DROP_TEMP_TABLE,
        apsw.SQLITE_DROP_TEMP_TRIGGER,
        apsw.SQLITE_DROP_TEMP_INDEX,
        apsw.SQLITE_DROP_TEMP_VIEW,
    }
)
_PRAGMAS = frozenset({"wal_checkpoint", "optimize"})


def segment_path(folder: Path, number: int = 1) -> Path:
    return folder / f"segment-{number:06d}.sqlite"


def state_path(folder: Path) -> Path:
    return folder / "state.sqlite"


class WriterLock:
    """The right to write to an archive, held by one process at a time and given back even when it is killed."""

    def __init__(self, folder: Path) -> None:
        """ArchiveError when another process has it, or when the folder cannot be made or written."""
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._fd = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise ArchiveError(
                f"archive {folder} cannot be written: {error.strerror}; check archive.path and its owner"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise ArchiveError(f"archive {folder} cannot be locked: {error.strerror}") from error
            raise ArchiveError(
                f"archive {folder} is being written by process {holder} (a running gatewayd?); stop it first"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        os.close(self._fd)


def open_for_writing(path: Path, gateway: str, now_us: int) -> apsw.Connection:
    """The writing connection of a segment, created when it is not there yet. ArchiveError names the file."""
    try:
        if not path.exists():
            _create(path, gateway, now_us)
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(5000)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("recursive_triggers", True)
        connection.pragma("foreign_keys", True)
        connection.pragma("trusted_schema", False)
        found = connection.execute("SELECT format FROM segment").get
        if found != FORMAT:
            raise ArchiveError(f"{path} has format {found}; this version of gatewayd writes format {FORMAT}")
        connection.set_authorizer(_authorize)
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be opened: {error}") from error
    return connection


def _create(path: Path, gateway: str, now_us: int) -> None:
    """A new segment comes into being whole: made under another name, synced, then renamed."""
    draft = path.with_suffix(".new")
    try:
        draft.unlink(missing_ok=True)
        connection = apsw.Connection(str(draft))
        try:
            connection.pragma("synchronous", "full")
            with connection:
                connection.execute((resources.files("gatewayd.archive") / "schema.sql").read_text(encoding="utf-8"))
                connection.execute("INSERT INTO segment VALUES (1, 1, ?, ?, ?)", (FORMAT, gateway, now_us))
        finally:
            connection.close()
        draft.chmod(0o640)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be made: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_for_reading(path: Path) -> apsw.Connection:
    """A read-only connection; ArchiveError when there is no archive there."""
    if not path.exists():
        raise ArchiveError(f"there is no archive at {path.parent}; has the gateway ever run?")
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        connection.pragma("query_only", True)
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error
    return connection


def open_state(folder: Path) -> apsw.Connection:
    """The connection to what may change: cursors."""
    path = state_path(folder)
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(5000)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.execute((resources.files("gatewayd.archive") / "state.sql").read_text(encoding="utf-8"))
    except apsw.Error as error:
        raise ArchiveError(f"{path} cannot be opened: {error}") from error
    return connection


def _authorize(operation: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """Second wall behind the triggers: the writing connection is not even allowed to try."""
    if operation in _FORBIDDEN or (operation == apsw.SQLITE_PRAGMA and first not in _PRAGMAS):
        return apsw.SQLITE_DENY
    return apsw.SQLITE_OK
