"""Processes of this machine in /proc: who holds a lock, who has a file open, what one has of memory and limits.

Rules: only read. Locks are seen in /proc/locks, without trying to take them; it tells them of all users, while open
files are told of one's own processes only, and of all to root.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gatewayd.archive.holder import command_of

_PROC = Path("/proc")
_LOCK = re.compile(
    r"^\d+:\s+(?:-> )?(?P<kind>FLOCK|POSIX|OFDLCK)\s+\w+\s+\w+\s+(?P<pid>-?\d+)\s+"
    r"(?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+):(?P<inode>\d+)\s"
)
_NOFILE = re.compile(r"^Max open files\s+(\d+|unlimited)", re.MULTILINE)
_CORE = re.compile(r"^Max core file size\s+(\d+|unlimited)", re.MULTILINE)
_UNLIMITED = 1 << 62


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody holds a lock on a file: device and inode. `pid` is 0 or less where it is not of this container."""

    kind: str
    pid: int
    major: int
    minor: int
    inode: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that uses a file; `locked`: with a lock on it."""

    pid: int
    name: str
    locked: bool

    @property
    def text(self) -> str:
        return f"process {self.pid} ({self.name})" if self.pid > 0 else "a process outside of this container"


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process has and may have, in bytes and files; None where that is not told."""

    rss: int | None = None
    memory_limit: int | None = None
    files: int | None = None
    core: int | None = None


def parsed_locks(text: str) -> list[Lock]:
    """The lines of /proc/locks; those of who waits for a lock are left out."""
    found = []
    for line in text.splitlines():
        match = _LOCK.match(line)
        if match and "->" not in line:
            major, minor = int(match["major"], 16), int(match["minor"], 16)
            found.append(Lock(match["kind"], int(match["pid"]), major, minor, int(match["inode"])))
    return found


def is_at(lock: Lock, path: Path) -> bool:
    """Whether it is a lock on this file. FileNotFoundError, PermissionError."""
    found = path.stat()
    return (lock.major, lock.minor, lock.inode) == (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)


def lock_holders(path: Path, locks: Iterable[Lock]) -> list[Holder]:
    """Who holds a lock on this file. FileNotFoundError, PermissionError."""
    path.stat()
    pids = {lock.pid for lock in locks if is_at(lock, path)}
    return [Holder(pid, process_name(pid), locked=True) for pid in sorted(pids)]


def writer_of(lock: Path) -> tuple[Holder, bool] | None:
    """Who holds the writer's lock of an archive, and whether that is a gateway (`gatewayd run`) and not a command that
    is over in a moment; None: nobody does, or this user may not see it."""
    try:
        holders = lock_holders(lock, seen_locks())
    except OSError:
        return None
    return (holders[0], is_gateway(holders[0].pid)) if holders else None


def is_gateway(pid: int) -> bool:
    """Whether a process carries out `gatewayd run`, as far as its command line can be seen."""
    return command_of(pid) == "run"


def seen_locks() -> list[Lock]:
    try:
        return parsed_locks((_PROC / "locks").read_text())
    except OSError:
        return []


def users_of(paths: Iterable[Path]) -> dict[Path, list[Holder]]:
    """Which processes have these files open, as far as this user may see that."""
    wanted = {str(path): path for path in paths}
    found: dict[Path, list[Holder]] = {path: [] for path in wanted.values()}
    for pid in _pids() if wanted else ():
        seen = {target for target in _open_files(pid) if target in wanted}
        for target in seen:
            found[wanted[target]].append(Holder(pid, process_name(pid), locked=False))
    return found


def process_name(pid: int) -> str:
    """Its name as the kernel has it, 15 characters; `?` for one that has gone."""
    try:
        return (_PROC / str(pid) / "comm").read_text(errors="replace").strip() or "?"
    except OSError:
        return "?"


def process_names() -> set[str]:
    """Those of all processes."""
    return {process_name(pid) for pid in _pids()}


def user_of_process(pid: int) -> int | None:
    """The user that a process runs as. Who owns its files in /proc is not it: of one without dumps that is root."""
    found = _field(_text(_PROC / str(pid) / "status"), "Uid")
    return None if found is None else int(found.split()[1])


def resources(pid: int) -> Resources:
    """Of a process, and the tightest memory limit of its control groups."""
    status, limits = _text(_PROC / str(pid) / "status"), _text(_PROC / str(pid) / "limits")
    rss = _field(status, "VmRSS")
    return Resources(
        rss=None if rss is None else int(rss.split()[0]) << 10,
        memory_limit=_memory_limit(_text(_PROC / str(pid) / "cgroup")),
        files=_limit(_NOFILE, limits),
        core=_limit(_CORE, limits),
    )


def _memory_limit(groups: str) -> int | None:
    """Out of /proc/PID/cgroup (cgroup v2: `0::/system.slice/...`)."""
    path = next((line[3:] for line in groups.splitlines() if line.startswith("0::/")), None)
    if path is None:
        return None
    found = []
    for folder in (Path(path), *Path(path).parents):
        text = _text(Path("/sys/fs/cgroup") / str(folder).lstrip("/") / "memory.max").strip()
        if text.isdigit():
            found.append(int(text))
    return min(found, default=None)


def _limit(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    if match is None:
        return None
    return _UNLIMITED if match[1] == "unlimited" else int(match[1])


def _field(text: str, name: str) -> str | None:
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{name}:")), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _pids() -> Iterator[int]:
    for entry in os.scandir(_PROC):
        if entry.name.isdigit():
            yield int(entry.name)


def _open_files(pid: int) -> Iterator[str]:
    try:
        entries = list((_PROC / str(pid) / "fd").iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            yield str(entry.readlink())
        except OSError:
            continue
