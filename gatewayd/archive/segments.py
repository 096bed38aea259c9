"""The files of the archive: where they are, how they are made and opened, who may write.

Rules: one process writes (flock); a segment comes into being whole, by a rename; the writing connection cannot change
or drop what it has written; readers open read-only and for the time of a query, or for little more, so that sealing
hardly waits for them; a sealed segment is one read-only file.
"""

import errno
import fcntl
import os
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import apsw
import msgspec

from gatewayd.archive import holder, owner
from gatewayd.archive.rows import RatioRow, typed
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.peer import user_name

FORMAT = 1
QUARANTINE = "quarantine"
LOCK = "writer.lock"
"""It has the number of the process that writes."""
_NEVER_REACHED = 1 << 53
_SMALLEST = 512
_ANY_WRITE = 0o222
_EMPTY = "the file is empty"  # SQLite would take it for a new database, and delete its journal
_NAME = re.compile(r"segment-(\d{6,})\.sqlite")
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
        apsw.SQLITE_CREATE_VTABLE,
        apsw.SQLITE_DROP_TABLE,
        apsw.SQLITE_DROP_TRIGGER,
        apsw.SQLITE_DROP_INDEX,
        apsw.SQLITE_DROP_VIEW,
        apsw.SQLITE_DROP_VTABLE,
        apsw.SQLITE_DROP_TEMP_TABLE,
        apsw.SQLITE_DROP_TEMP_TRIGGER,
        apsw.SQLITE_DROP_TEMP_INDEX,
        apsw.SQLITE_DROP_TEMP_VIEW,
    }
)


def segment_path(folder: Path, number: int = 1) -> Path:
    return folder / f"segment-{number:06d}.sqlite"


def segment_numbers(folder: Path) -> list[int]:
    """The segments that are there, oldest first. PermissionError, in words, where this user may not look."""
    try:
        if not folder.is_dir():
            return []
        return sorted(int(match[1]) for entry in folder.iterdir() if (match := _NAME.fullmatch(entry.name)))
    except PermissionError as error:
        text = f"archive {folder} cannot be read: {owner.told(error, folder, want=os.R_OK)}"
        told = PermissionError(text)
        told.strerror = text
        raise told from error


class WriterLock:
    """The right to write to an archive, held by one process at a time and given back even when it is killed."""

    def __init__(self, folder: Path) -> None:
        """ArchiveLocked when another process has it, ArchiveError when the folder cannot be made or written."""
        path = folder / LOCK
        try:
            owner.make_folder(folder, 0o750)
            self._fd = owner.opened(path, 0o640)
        except OSError as error:
            what, remedy = f"archive {folder} cannot be written", "check archive.path and its owner"
            raise owner.fault(what, error, folder, path, otherwise=remedy) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            number = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise ArchiveError(f"archive {folder} cannot be locked: {error.strerror}") from error
            raise holder.locked(folder, number) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        os.close(self._fd)


def create(path: Path, row: tuple[int | str | bytes, ...], fill: Callable[[Path], None] = lambda _draft: None) -> None:
    """A new segment with its `segment` row (without id) and what `fill` writes, made under another name, then renamed.

    ArchiveError when that fails."""
    draft = path.with_suffix(".new")
    try:
        for part in _parts(draft):  # a journal without its database would be played back into the new one
            part.unlink(missing_ok=True)
        owner.make_empty(draft, 0o640)
        connection = apsw.Connection(str(draft))
        try:
            connection.pragma("synchronous", "full")
            with connection:
                connection.execute((resources.files("gatewayd.archive") / "schema.sql").read_text(encoding="utf-8"))
                connection.execute("INSERT INTO segment VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            connection.pragma("journal_mode", "wal")  # now, while no reader can meet the journal of this change
        finally:
            connection.close()
        fill(draft)
        draft.chmod(0o640)
        draft.rename(path)
        sync_folder(path.parent)
    except (OSError, apsw.Error) as error:
        raise owner.fault(f"{path} cannot be made", error, path.parent) from error


def open_for_writing(path: Path) -> apsw.Connection:
    """The writing connection of an existing segment. apsw.Error when the file is damaged, which leaves it as it is;
    ArchiveError when this user may not."""
    if path.stat().st_size < _SMALLEST:
        raise apsw.NotADBError(_EMPTY)
    if path.stat().st_mode & _ANY_WRITE:  # else it is sealed, and only read
        owner.check_usable(f"{path} cannot be written", path.parent, *_parts(path))
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    except apsw.CantOpenError as error:
        raise _unwritable(path, error) from error
    try:
        # A segment that will be put aside must stay as it was found: nothing is folded in before it is accepted.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.set_busy_timeout(5000)
        found = connection.execute("SELECT format FROM segment").get
        if found != FORMAT:
            raise ArchiveError(f"{path} has format {found}; this version of gatewayd writes format {FORMAT}")
        if not connection.execute("SELECT count(*) FROM seal").get:  # a sealed one is read-only and stays so
            connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("recursive_triggers", True)
        connection.pragma("trusted_schema", False)
        connection.set_authorizer(_authorize)
    except apsw.CantOpenError as error:  # its journal is not ours
        connection.close(True)
        raise _unwritable(path, error) from error
    except BaseException:
        connection.close(True)
        raise
    return connection


def renew_journal(path: Path) -> None:
    """Write the journal that is there once more, as it is, and force it to the disk. OSError, ArchiveError when this
    user may not.

    After an fsync that failed the kernel keeps what it could not write, takes it for written, and a later fsync says
    nothing of it: frames that everybody can read now may be gone after a power cut, and all frames behind them too.
    """
    journal = path.with_name(path.name + "-wal")
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise _unwritable(path, error) from error
    try:
        place = 0
        while part := os.pread(descriptor, 1 << 20, place):
            place += os.pwrite(descriptor, part, place)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: Exception) -> ArchiveError:
    return owner.fault(f"{path} cannot be written", error, path.parent, *_parts(path))


def open_for_reading(path: Path) -> apsw.Connection:
    """A read-only connection to one segment, for the time of a query. ArchiveError when it cannot be opened."""
    try:
        if path.exists() and path.stat().st_size < _SMALLEST:
            raise apsw.NotADBError(_EMPTY)
        _check_journal(path)
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        connection.pragma("query_only", True)
    except apsw.NotADBError as error:
        raise ArchiveDamaged(f"{path} cannot be read: {error}") from error
    except (apsw.Error, OSError) as error:
        raise owner.fault(f"{path} cannot be read", error, path.parent, path, want=os.R_OK) from error
    return connection


def _check_journal(path: Path) -> None:
    """ArchiveError where only who may write can read at present: for a segment with a journal SQLite has to make a file
    beside it, unless a gateway has it open (https://www.sqlite.org/wal.html, read-only databases)."""
    beside = path.with_name(path.name + "-shm")
    if beside.exists() or not os.access(path, os.R_OK) or not path.stat().st_mode & _ANY_WRITE:
        return
    if not os.access(path.parent, os.W_OK, effective_ids=True):
        owns = user_name(path.parent.stat().st_uid)
        raise ArchiveError(
            f"{path} cannot be read: no gateway runs, and without one only {owns}, whose {path.parent} is, can read "
            f"what is not sealed yet; start the gateway (systemctl start gatewayd), or run this as {owns}"
        )


def ratio_rows(path: Path) -> list[RatioRow]:
    """The ratio versions that a segment has; none when it cannot be read."""
    try:
        connection = open_for_reading(path)
        try:
            return typed(connection.execute("SELECT * FROM ratio ORDER BY id"), RatioRow)
        finally:
            connection.close()
    except (ArchiveError, apsw.Error, msgspec.ValidationError):
        return []


def last_numbers(path: Path) -> tuple[int, int, int]:
    """The last batch, sequence number and exchange that a segment has given out, as far as it can still be read."""
    found: list[int] = []
    for sql in (
        "SELECT max(coalesce((SELECT max(id) FROM batch), 0), (SELECT last_batch FROM segment))",
        "SELECT max(coalesce((SELECT max(seq) FROM reading), 0), (SELECT last_seq FROM segment))",
        "SELECT max(coalesce((SELECT max(id) FROM exchange), 0), (SELECT last_exchange FROM segment))",
    ):
        try:
            connection = open_for_reading(path)
            try:
                connection.pragma("writable_schema", True)  # a damaged definition does not matter here
                number = connection.execute(sql).get
            finally:
                connection.close()
        except (ArchiveError, apsw.Error, ValueError):
            number = 0
        # A number that no gateway reaches is damage, and would use up the numbers that are left.
        found.append(number if isinstance(number, int) and 0 <= number < _NEVER_REACHED else 0)
    return found[0], found[1], found[2]


def in_quarantine(path: Path) -> list[Path]:
    """The folders in which a segment of this number was put aside."""
    return sorted((path.parent / QUARANTINE).glob(f"{path.stem}-*"))


def quarantine(path: Path, stamp: str) -> Path:
    """Put a damaged segment and its journals aside, unchanged; the folder they are in now."""
    aside = path.parent / QUARANTINE / f"{path.stem}-{stamp}"
    try:
        owner.make_folder(aside)
        for part in reversed(_parts(path)):  # the database last: without it nobody would look for its journal
            if part.exists():
                part.rename(aside / part.name)
        for changed in (aside, aside.parent, path.parent):
            sync_folder(changed)
    except OSError as error:
        raise ArchiveError(f"the damaged {path} cannot be put aside: {error.strerror}") from error
    return aside


def drop(path: Path) -> None:
    """Delete a segment and what may lie beside it. OSError."""
    for part in _parts(path):
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def _parts(path: Path) -> tuple[Path, ...]:
    """A database and its journals."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm", "-journal"))


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _authorize(operation: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    """Second wall behind the triggers: the writing connection is not even allowed to try."""
    if operation in _FORBIDDEN or (operation == apsw.SQLITE_PRAGMA and first != "wal_checkpoint"):
        return apsw.SQLITE_DENY
    return apsw.SQLITE_OK
