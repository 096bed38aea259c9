"""The disk of the archive: room for its growth, and a file system on which a write-ahead log is safe.

Rules: the mount is found in /proc/self/mountinfo before the disk itself is touched. Growth is what the archive has
gained over its own lifetime, with the derived archive beside it; where that is on a disk of its own, both are told of.
"""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gatewayd.archive import segments
from gatewayd.doctor.findings import Finding, error, fine, note, warning
from gatewayd.doctor.scene import Scene

AREA = "disk"
_VOLATILE = frozenset({"tmpfs", "ramfs"})
_FOREIGN = re.compile(r"nfs4?|cifs|smb3?|9p|afs|ceph|glusterfs|fuse\..*|fuse|virtiofs|vboxsf")
_PLAIN = frozenset({"vfat", "exfat", "msdos", "ntfs", "ntfs3"})
_LAYERED = frozenset({"overlay", "aufs"})
_RISKY = frozenset({"nobarrier", "barrier=0", "data=writeback"})
_LEAST = 256 << 20
_LITTLE = 1 << 30
_FEW_INODES = 1000
_SHORT = 90
_DAY = 86400
_LEAST_AGE = 7
"""Days of archive from which on its growth says something."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a path is mounted, of which kind, from what and how."""

    point: str
    kind: str
    source: str
    options: frozenset[str]


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes and inodes. `archive`: what the archive has; `age_days`: since when."""

    free: int
    total: int
    inodes_free: int
    inodes: int
    archive: int
    age_days: int


def parsed_mounts(text: str) -> list[Mount]:
    """The lines of /proc/self/mountinfo (proc_pid_mountinfo(5)), the last mount of a point last."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) >= 6 and len(rest) >= 3:
            options = frozenset((*fields[5].split(","), *rest[2].split(",")))
            found.append(Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1]), options))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """The mount that a path lies on: the longest point above it, of those the last."""
    above = [mount for mount in mounts if path == mount.point or path.startswith(mount.point.rstrip("/") + "/")]
    return max(reversed(above), key=lambda mount: len(mount.point), default=None)


def judged_mount(mount: Mount | None) -> list[Finding]:
    if mount is None:
        return []
    subject = f"{mount.kind} at {mount.point}"
    found = []
    if mount.kind in _VOLATILE:
        found.append(
            error(AREA, subject, "is memory: the archive is gone after a restart", "archive: {path: ...} on a disk")
        )
    elif _FOREIGN.fullmatch(mount.kind):
        text = "is no local disk: SQLite's write-ahead log is not safe there, and may not work"
        found.append(
            error(AREA, subject, text, "archive: {path: ...} on a local disk; copy from there with archive export")
        )
    elif mount.kind in _PLAIN:
        text = "knows no owners and modes, and loses files at a power cut"
        found.append(error(AREA, subject, text, "a partition with ext4"))
    elif mount.kind in _LAYERED:
        text = "is the layer of a container, which goes with it"
        found.append(warning(AREA, subject, text, "a volume of its own for archive.path"))
    if "ro" in mount.options:
        found.append(
            error(AREA, subject, "is mounted read-only", f"dmesg | grep -i error; mount -o remount,rw {mount.point}")
        )
    risky = sorted(_RISKY & mount.options)
    if risky:
        text = f"is mounted with {', '.join(risky)}: what was written may be gone after a power cut"
        found.append(warning(AREA, subject, text, f"take that out of /etc/fstab; mount -o remount {mount.point}"))
    if mount.source.startswith("/dev/mmcblk"):
        text = f"{mount.source} is an SD card or eMMC, which wears out by writing"
        found.append(note(AREA, subject, text, "an industrial card or a USB disk; copy the archive regularly"))
    return found or [fine(AREA, subject, f"{mount.source}, fit for the archive")]


def judged_room(disk: Disk, retention_days: int) -> list[Finding]:
    free = f"{_size(disk.free)} of {_size(disk.total)} are free"
    remedy = "make room, or move the archive to a larger disk (stop, copy, archive.path)"
    found = []
    per_day = disk.archive // disk.age_days if disk.age_days >= _LEAST_AGE else 0
    days = disk.free // per_day if per_day else None
    if disk.free < _LEAST:
        found.append(error(AREA, "room", free, remedy))
    elif days is not None and days < _SHORT and disk.age_days < retention_days:
        text = f"{free}; the archive grows by {_size(per_day)} a day, which is enough for {days} days"
        found.append(warning(AREA, "room", text, remedy))
    elif disk.free < _LITTLE:
        found.append(warning(AREA, "room", free, remedy))
    else:
        grows = "" if days is None else f"; the archive grows by {_size(per_day)} a day"
        found.append(fine(AREA, "room", free + grows))
    if disk.inodes and disk.inodes_free < _FEW_INODES:
        text = f"{disk.inodes_free} inodes are free"
        found.append(
            warning(AREA, "room", text, "find which folder has so many files: du --inodes -x / | sort -n | tail")
        )
    return found


def _size(count: int) -> str:
    """`1.5 GiB`, without a float."""
    for unit, shift in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >> shift:
            tenths = (count * 10) >> shift
            return f"{tenths // 10}.{tenths % 10} {unit}"
    return f"{count} B"


def seen_disk(folder: Path, clock: Callable[[], float] = time.time, beside: Path | None = None) -> Disk:
    """Of the folder, or of the first one above it that is there. `beside`: another archive on the same disk."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    found = os.statvfs(there)
    size, oldest = 0, clock()
    for each in (folder,) if beside is None else (folder, beside):
        for number in segments.segment_numbers(each):
            for part in (segments.segment_path(each, number), Path(f"{segments.segment_path(each, number)}-wal")):
                try:
                    seen = part.stat()
                except OSError:
                    continue
                size += seen.st_size
                oldest = min(oldest, seen.st_mtime)
    key = folder / "signing.pub"  # made with the archive, and never changed
    if size and key.exists():
        oldest = min(oldest, key.stat().st_mtime)
    return Disk(
        free=found.f_bavail * found.f_frsize,
        total=found.f_blocks * found.f_frsize,
        inodes_free=found.f_favail,
        inodes=found.f_files,
        archive=size,
        age_days=int(clock() - oldest) // _DAY,
    )


def mounts(scene: Scene) -> list[Finding]:
    """The look at the file system; it does not touch the disk but to follow links."""
    known = parsed_mounts(Path("/proc/self/mountinfo").read_text())
    found = judged_mount(mount_of(os.path.realpath(scene.archive), known))
    if (own := _own_disk(scene)) is not None:
        found += judged_mount(mount_of(os.path.realpath(own), known))
    return found


def room(scene: Scene) -> list[Finding]:
    """The look at the room."""
    own, retention = _own_disk(scene), scene.config.archive.retention_months * 31
    beside = scene.derived if own is None and scene.derived is not None and scene.derived.is_dir() else None
    found = judged_room(seen_disk(scene.archive, beside=beside), retention)
    if own is not None:
        found += [replace(one, subject=f"{one.subject} of {own}") for one in judged_room(seen_disk(own), retention)]
    return found


def _own_disk(scene: Scene) -> Path | None:
    """The folder of the derived archive, where it is not on the disk of the archive."""
    try:
        if scene.derived is not None and scene.derived.stat().st_dev != scene.archive.stat().st_dev:
            return scene.derived
    except OSError:
        pass
    return None
