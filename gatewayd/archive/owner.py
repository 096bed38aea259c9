"""Whose the files of an archive are: what root makes in its folder belongs to whoever the folder belongs to.

A command that root runs while the gateway is stopped would lock the gateway out otherwise: a new month begins with a
file of root's, which the service may not even read.

Rules: changed is only what this process has made itself, and by its descriptor: never a file that was there, and
nothing behind a link, because the folder is that of a user who may do less than root. For -wal, -shm and -journal
SQLite does the same: root makes them for the owner of their database (os_unix.c, findCreateFileMode). What could not
be given away is told, and keeps nobody from archiving.
"""

import errno
import grp
import logging
import os
from pathlib import Path

import apsw

from gatewayd.errors import ArchiveError, ArchiveNotPermitted
from gatewayd.peer import user_name

_ROOT = 0
_USE = os.R_OK | os.W_OK
_CHANGE = os.R_OK | os.W_OK | os.X_OK

log = logging.getLogger("gatewayd.archive")


def opened(path: Path, mode: int) -> int:
    """A descriptor for reading and writing; the file is made where there is none. OSError."""
    try:
        return made(path, mode)
    except FileExistsError:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def made(path: Path, mode: int) -> int:
    """A descriptor for reading and writing of a new file. FileExistsError where there is one, OSError."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = os.open(path.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
        if os.geteuid() == _ROOT:
            _give(descriptor, os.fstat(folder), path)
    finally:
        os.close(folder)
    return descriptor


def make_empty(path: Path, mode: int) -> None:
    """An empty file, which SQLite takes for a new database; one that is there stays as it is. OSError."""
    try:
        os.close(made(path, mode))
    except FileExistsError:
        return


def make_folder(path: Path, mode: int = 0o777) -> None:
    """A folder, and those above it, as far as they are not there. OSError.

    What root makes belongs to whoever the folder around it belongs to; around an archive that is mostly root, and then
    it stays root's."""
    if not path.parent.exists():
        make_folder(path.parent)
    try:
        path.mkdir(mode)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    around = path.parent.stat()
    if os.geteuid() != _ROOT or around.st_uid == _ROOT:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid == _ROOT:  # else it is not the one that was made here
            _give(descriptor, around, path)
    finally:
        os.close(descriptor)


def _give(descriptor: int, around: os.stat_result, path: Path) -> None:
    """Have it belong to the owner and group of the folder around it."""
    found = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) == (around.st_uid, around.st_gid):
        return
    try:
        os.fchown(descriptor, around.st_uid, around.st_gid)
    except OSError as error:
        remedy = f"chown {user_name(around.st_uid)}:{group_name(around.st_gid)} {path}"
        log.warning("%s stays root's, the gateway may not be able to use it: %s; %s", path, error.strerror, remedy)


def group_name(gid: int) -> str:
    """The name of a group of this machine; the number where there is none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def fault(
    what: str, error: Exception, folder: Path, *files: Path, want: int = _USE, otherwise: str = ""
) -> ArchiveError:
    """The error to raise: `what`, and what `told` says; ArchiveNotPermitted where this user may not."""
    barred = isinstance(error, PermissionError) or bool(_barred(error, folder, files, want))
    kind = ArchiveNotPermitted if barred else ArchiveError
    return kind(f"{what}: {told(error, folder, *files, want=want, otherwise=otherwise)}")


def check_usable(what: str, folder: Path, *files: Path) -> None:
    """ArchiveError where this user cannot read and write those of these files that are there: SQLite opens what it may
    not write for reading only, and says so when it is too late.

    Nothing is opened: closing a file takes the locks with it that SQLite has on it in this process."""
    for path in files:
        if path.exists() and not _may(path, _USE):
            read_only = os.statvfs(path).f_flag & os.ST_RDONLY
            number = errno.EROFS if read_only else errno.EACCES
            raise fault(what, OSError(number, os.strerror(number)), folder, path)


def told(error: Exception, folder: Path, *files: Path, want: int = _USE, otherwise: str = "") -> str:
    """What the system says of a file of an archive, and whose it is and the remedy where that is the reason.

    `files`: those that were needed; `want`: what for; `otherwise`: the remedy where it is another reason."""
    text: str = getattr(error, "strerror", None) or str(error)
    if getattr(error, "errno", None) == errno.EROFS:
        return (
            f"{text}; either its disk is mounted read-only, or the unit of the service does not let it write there: "
            f"ReadWritePaths={folder} in a drop-in (docs/systemd.md)"
        )
    remedy = _barred(error, folder, files, want) or otherwise
    return f"{text}; {remedy}" if remedy else text


def _barred(error: Exception, folder: Path, files: tuple[Path, ...], want: int) -> str:
    """Which file or folder keeps this user out, and what to do; "" where none does, as far as owners and modes say."""
    if not isinstance(error, PermissionError | apsw.CantOpenError | apsw.ReadOnlyError | apsw.PermissionsError):
        return ""
    me, uid = user_name(os.geteuid()), os.geteuid()
    try:
        around = folder.stat()
        if around.st_uid == uid:
            for path in files:
                if not path.exists() or _may(path, want):
                    continue
                owner = path.stat().st_uid
                if owner == uid:
                    mode = f"{path.stat().st_mode & 0o777:04o}"
                    wanted = "r" if want == os.R_OK else "rw"
                    return f"{path} belongs to {me}, but its mode is {mode}: chmod u+{wanted} {path}"
                whose = f"{me}:{group_name(around.st_gid)}"
                return f"{path} belongs to {user_name(owner)}, its folder to {me}: chown -R {whose} {folder}"
        elif not _may(folder, _CHANGE) or not all(_may(path, want) for path in files if path.exists()):
            owns = user_name(around.st_uid)
            return (
                f"{folder} belongs to {owns}, and this process is user {me}: run it as {owns}, or, "
                f"if {me} is the user of the gateway, chown -R {me}: {folder}"
            )
    except FileNotFoundError:
        above = next(each for each in folder.parents if each.exists())
        if not _may(above, os.W_OK | os.X_OK):
            return (
                f"{above} belongs to {user_name(above.stat().st_uid)}: if {me} is the user of the gateway, "
                f"as root: install -d -m 0750 -o {me} -g {me} {folder}"
            )
    except OSError:  # what may not even be looked at is not told of
        pass
    return ""


def _may(path: Path, want: int) -> bool:
    return os.access(path, want, effective_ids=True)
