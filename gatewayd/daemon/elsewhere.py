"""A gateway that runs with this configuration file and has another archive than the file names by now.

Somebody has changed `archive.path` and not restarted it. A command that looks at the new path finds nobody there; it
would begin a second archive, and talk to meters that the gateway talks to.

Rules: who it is comes from the command lines in /proc. It is one only beyond doubt: nobody has the lock of the archive
that the file names, the process is no gateway that starts, nor one of a container with a file of the same name. What
may not be seen (the working directory of a gateway that was given a relative path, another user's processes) is not
found, and then all is as if no gateway ran.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from gatewayd.archive.holder import age_of, gateways
from gatewayd.archive.segments import LOCK
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.daemon.build import build_store, opened
from gatewayd.errors import ArchiveElsewhere

if TYPE_CHECKING:
    from gatewayd.doctor.processes import Lock

STARTED_S = 60.0
"""A gateway has got its archive by then, whatever it had to load and whoever it has waited for."""
_PROC = Path("/proc")


def gateway_elsewhere(config: Config) -> int | None:
    """The process of that gateway. Blocks for a moment."""
    from gatewayd.doctor.processes import is_at, seen_locks  # a gateway, which never asks, does without it

    if config.source is None:
        return None
    lock, locks = config.archive.path / LOCK, seen_locks()
    try:
        if any(is_at(one, lock) for one in locks):
            return None
    except FileNotFoundError:
        pass
    except OSError:  # who may not look at this archive does not know whose it is
        return None
    for pid, path in gateways():
        age = age_of(pid)
        if age is not None and age > STARTED_S and _same(pid, path, config.source) and not _holds(pid, lock, locks):
            return pid
    return None


def _same(pid: int, path: str, source: Path) -> bool:
    """Whether that is our file, as that process sees it."""
    place = _PROC / str(pid)
    try:
        folder = Path("/") if path.startswith("/") else (place / "cwd").readlink()
        seen = place / "root" / str(folder / path).lstrip("/")
        return seen.samefile(source)
    except PermissionError:  # of another user: by its name, where it is no process of a container
        return _of_this_machine(place) and path.startswith("/") and _samefile(Path(path), source)
    except OSError:
        return False


def _samefile(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:
        return False


def _of_this_machine(place: Path) -> bool:
    """Whether the process has one number, and not another one in a container (NSpid, proc_pid_status(5))."""
    try:
        lines = (place / "status").read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(one.startswith("NSpid:") and len(one.split()) == 2 for one in lines)


def _holds(pid: int, lock: Path, locks: "list[Lock]") -> bool:
    """Where /proc/locks names another device than stat(2) does (btrfs, overlay): the number of the file says it."""
    try:
        inode = lock.stat().st_ino
    except OSError:
        return False
    return any(one.pid == pid and one.inode == inode for one in locks)


def check_elsewhere(config: Config) -> None:
    """ArchiveElsewhere where there is one. Blocks for a moment."""
    pid = gateway_elsewhere(config)
    if pid is not None:
        raise ArchiveElsewhere(
            f"process {pid} is a gateway with {config.source}, and does not write the archive {config.archive.path}: "
            "archive.path was changed since it started; systemctl restart gatewayd, or set archive.path back"
        )


@contextlib.asynccontextmanager
async def opened_here(config: Config) -> AsyncIterator[Store]:
    """The archive of a configuration, open for a command that does its work itself. ArchiveElsewhere where a gateway
    runs with this configuration and writes another one; ArchiveLocked, ArchiveError."""
    await asyncio.to_thread(check_elsewhere, config)
    async with opened(build_store(config, group_seconds=0.0)) as store:
        yield store
