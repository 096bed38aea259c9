"""A disk whose power can be cut, and whose fsync can fail, under a real folder.

Every write goes to the real files at once, as it goes to the kernel's cache; beside that the disk keeps what has
reached the medium. A write reaches it by an fsync of its file; a name (create, rename, delete) by an fsync of its
folder, or of a file in it, as SQLite's own files do. `medium()` is what a power cut leaves: of the writes that were
not forced any subset, each perhaps torn at a sector; of the changes of names those up to some moment, as a journal
keeps them.

It stands between the archive and the kernel at two places: a VFS of SQLite, and the functions of `os`.

Rules: what fails on the disk fails for everybody from then on (`cut`), or only as often as asked (`failing`). A write
whose fsync failed is never on the medium later, even when a later fsync succeeds: that is how Linux does it.
"""

import contextlib
import errno
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
_NAME = "power-cut"


@dataclass(slots=True)
class _File:
    """What is on the medium of one file, and what is on its way there: (offset, data), or (length, None) for a cut."""

    medium: bytearray = field(default_factory=bytearray)
    coming: list[tuple[int, bytes | None]] = field(default_factory=list)

    def arrive(self, operations: list[tuple[int, bytes | None]]) -> bytearray:
        data = bytearray(self.medium)
        for offset, written in operations:
            if written is None:
                del data[offset:]
                data.extend(bytes(offset - len(data)))
            else:
                data.extend(bytes(max(offset + len(written) - len(data), 0)))
                data[offset : offset + len(written)] = written
        return data


class Disk:
    """The disk under `folder`. `countdown` operations from now the power is cut; `syncs` counts the calls of fsync."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.countdown: int | None = None
        self.operations = 0
        self.syncs = 0
        self.failing: Callable[[int], bool] = lambda _number: False
        self.watch: Callable[[], None] = lambda: None
        """Called before every operation: what lies in the folder now is what a kill leaves."""
        self.dead = False
        self._chance = chance
        self._files: dict[Path, _File] = {}
        self._names: list[tuple[Path, dict[Path, _File]]] = []
        self._settled: dict[Path, _File] = {}

    # -- what happens to files -----------------------------------------------------------------------------------------

    def has(self, path: Path) -> bool:
        return path.is_relative_to(self.folder) and not path.name.endswith(("-shm", ".lock"))

    def alive(self) -> None:
        if self.dead:
            raise OSError(errno.EIO, "the power is off")

    def tick(self) -> None:
        """One operation that changes something; the one at which the power is cut still counts as begun."""
        self.alive()
        self.watch()
        self.operations += 1
        if self.countdown is not None:
            self.countdown -= 1
            self.dead = self.countdown <= 0

    def opened(self, path: Path) -> None:
        if path not in self._files:
            there = path.read_bytes()
            self._files[path] = _File(bytearray(there))
            if there:  # from before this disk
                self._settled[path] = self._files[path]
            self._named()

    def written(self, path: Path, offset: int, data: bytes | None) -> None:
        self.tick()
        self._files[path].coming.append((offset, data))
        self.alive()

    def synced(self, path: Path) -> None:
        """fsync of a file. Its name arrives as well."""
        self.tick()
        self.alive()
        self.syncs += 1
        file = self._files[path]
        if self.failing(self.syncs):
            file.coming = []
            raise OSError(errno.EIO, "the disk does not take it")
        file.medium, file.coming = file.arrive(file.coming), []

    def folder_synced(self) -> None:
        self._settled, self._names = dict(self._files), []

    def moved(self, path: Path, to: Path | None) -> None:
        """Renamed, or deleted."""
        self.tick()
        self.alive()
        file = self._files.pop(path, None)
        if file is not None and to is not None:
            self._files[to] = file
        self._named()

    def _named(self) -> None:
        self._names.append((self.folder, dict(self._files)))

    def medium(self, to: Path) -> Path:
        """Put down in the folder `to` what is on the medium now."""
        kept = self._chance.randrange(len(self._names) + 1)
        names = self._names[kept - 1][1] if kept else self._settled
        to.mkdir(parents=True)
        for path, file in names.items():
            target = to / path.relative_to(self.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.arrive([one for one in map(self._perhaps, file.coming) if one is not None]))
            if target.name == "signing.key":
                target.chmod(0o600)
        return to

    def _perhaps(self, operation: tuple[int, bytes | None]) -> tuple[int, bytes | None] | None:
        offset, data = operation
        if self._chance.random() < 0.5:
            return None
        if data is not None and self._chance.random() < 0.2:
            first = SECTOR - offset % SECTOR
            ends = [0, *range(first, len(data), SECTOR)]
            return offset, data[: self._chance.choice(ends)]
        return operation


class _DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        self._path = Path(text) if text else None
        if self._path is not None and not disk.has(self._path):
            self._path = None
        if self._path is not None:
            disk.opened(self._path)

    def excepthook(self, *_: object) -> bool:
        """Errors are meant here: nothing on standard error."""
        return True

    def xWrite(self, data: Any, offset: int) -> None:
        if self._path is not None:
            with _as_sqlite():
                self._disk.written(self._path, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        if self._path is not None:
            with _as_sqlite():
                self._disk.written(self._path, newsize, None)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        if self._path is not None:
            with _as_sqlite():
                self._disk.synced(self._path)
                self._disk.folder_synced()
        super().xSync(flags)


class _DiskVfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__(_NAME, "unix", makedefault=True)
        self._disk = disk

    def excepthook(self, *_: object) -> bool:
        """As above."""
        return True

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        if flags[0] & (apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_READWRITE):
            with _as_sqlite(apsw.CantOpenError):
                self._disk.alive()
        return _DiskFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        path = Path(filename)
        if self._disk.has(path) and path.exists():
            # SQLite asks for this while it closes, too, when nobody wants to hear of errors any more.
            with contextlib.suppress(OSError):
                self._disk.moved(path, None)
        if self._disk.dead:
            return
        super().xDelete(filename, syncdir)
        if syncdir:
            self._disk.folder_synced()


@contextlib.contextmanager
def _as_sqlite(kind: type[apsw.Error] = apsw.IOError) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise kind(str(error)) from error


@contextlib.contextmanager
def under(folder: Path, chance: random.Random) -> Iterator[Disk]:
    """Everything in `folder` goes through the disk, as long as this lasts. What is in it already is on the medium."""
    folder = folder.resolve()
    disk = Disk(folder, chance)
    vfs = _DiskVfs(disk)
    kept = {name: getattr(os, name) for name in ("open", "write", "pwrite", "fsync", "fdatasync", "rename", "unlink")}

    def of(descriptor: int) -> Path | None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        return path if disk.has(path) else None

    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        descriptor: int = kept["open"](path, flags, mode, dir_fd=dir_fd)
        if flags & (os.O_CREAT | os.O_RDWR) and (found := of(descriptor)) is not None:
            disk.opened(found)
        return descriptor

    def write(descriptor: int, data: bytes) -> int:
        if (path := of(descriptor)) is not None:
            disk.written(path, os.lseek(descriptor, 0, os.SEEK_CUR), bytes(data))
        return int(kept["write"](descriptor, data))

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if (path := of(descriptor)) is not None:
            disk.written(path, offset, bytes(data))
        return int(kept["pwrite"](descriptor, data, offset))

    def sync(descriptor: int) -> None:
        if (path := of(descriptor)) is not None:
            if path.is_dir():
                disk.tick()
                disk.alive()
                disk.folder_synced()
            else:
                disk.synced(path)

    def rename(path: Any, to: Any, **_: Any) -> None:
        if disk.has(Path(path)) and not Path(path).is_dir():
            disk.moved(Path(path), Path(to))
        kept["rename"](path, to)

    def unlink(path: Any, **_: Any) -> None:
        if disk.has(Path(path)) and Path(path).exists():
            disk.moved(Path(path), None)
        kept["unlink"](path)

    ours = {
        "open": open_,
        "write": write,
        "pwrite": pwrite,
        "fsync": sync,
        "fdatasync": sync,
        "rename": rename,
        "unlink": unlink,
    }
    try:
        for name, function in ours.items():
            setattr(os, name, function)
        yield disk
    finally:
        for name, function in kept.items():
            setattr(os, name, function)
        vfs.unregister()
