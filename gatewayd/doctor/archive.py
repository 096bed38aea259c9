"""The archive at a glance: may the gateway write it, who does, does the end fit, what was put aside.

Rules: quick, and no proof: `gatewayd archive verify` reads everything. Nothing is opened for writing, no lock is taken.
"""

import contextlib
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from gatewayd.archive import refused, segments, set_aside
from gatewayd.archive.head import Head, read_head
from gatewayd.archive.signing import PRIVATE, PUBLIC
from gatewayd.doctor import archive_rights
from gatewayd.doctor.account import ENTER, READ, WRITE, Account, has_access_list, mode_text, obstacle
from gatewayd.doctor.archive_rights import Foreign, judged_foreign, seen_foreign
from gatewayd.doctor.findings import Finding, Unseen, error, fine, note, unseen, warning
from gatewayd.doctor.processes import Holder, lock_holders, seen_locks
from gatewayd.doctor.scene import Scene
from gatewayd.errors import ArchiveError

AREA = "archive"
_LOCK = "writer.lock"
_OTHERS = 0o007
_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
_END = (
    "SELECT max(coalesce((SELECT max(id) FROM batch), 0), (SELECT last_batch FROM segment))",
    "SELECT max(coalesce((SELECT max(seq) FROM reading), 0), (SELECT last_seq FROM segment))",
    "SELECT max(coalesce((SELECT max(id) FROM exchange), 0), (SELECT last_exchange FROM segment))",
)


@dataclass(frozen=True, slots=True)
class Files:
    """What is in the folder. `last`: batch, sequence number and exchange at the end of the newest segment."""

    head: Head | None = None
    head_fault: str = ""
    segments: tuple[int, ...] = ()
    last: tuple[int, int, int] | None = None
    quarantined: int = 0
    private: int | None = None
    """The mode of the signing key; None: it is not there."""
    public: bool = False
    holders: tuple[Holder, ...] = ()
    foreign: Foreign | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """What is beside the archive: readings that a sink did not get, and meters that are left alone, and why."""

    readings: dict[str, int] = field(default_factory=dict)
    left_alone: dict[str, str] = field(default_factory=dict)


def judged_folder(folder: Path, mode: int | None, blocked: Path | None, account: Account) -> Finding:
    """`mode` None: it is not there."""
    subject = str(folder)
    if mode is None:
        if blocked is None:
            return note("permissions", subject, "there is no archive yet; the gateway makes it at its first start")
        text = f"there is no archive, and user {account.name} may not make one in {blocked}"
        remedy = f"install -d -m 0750 -o {account.name} -g {account.name} {folder}"
        return error("permissions", subject, text, remedy)
    if not stat.S_ISDIR(mode):
        return error("permissions", subject, "is no folder", "correct archive.path in the configuration")
    if blocked is not None:
        where = "it" if blocked == folder else str(blocked)
        text = f"user {account.name} may not write {where} (mode {mode_text(mode)})"
        return error("permissions", subject, text, f"chown -R {account.name} {folder}; chmod 0750 {folder}")
    if mode & _OTHERS:
        text = f"everybody on this machine may enter it (mode {mode_text(mode)}), and readings are personal data"
        return warning("permissions", subject, text, f"chmod 0750 {folder}")
    return fine("permissions", subject, f"mode {mode_text(mode)}; user {account.name} may write it")


def judged_group(folder: Path, mode: int, gid: int, group: str, number: int | None) -> Finding | None:
    """Whether the members of control.group come as far as the socket in the folder."""
    subject = f"group {group}"
    if number is None:
        text = f"there is no group '{group}' (control.group): only root and the gateway's own user may ask it"
        return note(
            "permissions", subject, text, f"groupadd --system {group}; usermod -aG {group} USER; restart gatewayd"
        )
    if (gid == number and mode & 0o010) or mode & 0o001:
        return None
    text = f"its members cannot enter {folder}, and so cannot reach the control socket"
    remedy = f"setfacl -m g:{group}:rx {folder} (docs/systemd.md; the service takes a chgrp back when it starts)"
    return warning("permissions", subject, text, remedy)


def judged_files(files: Files, pid: int | None) -> list[Finding]:
    """`pid` is that of the running gateway, None where none runs."""
    first = [] if files.foreign is None else [judged_foreign(files.foreign)]
    end, key = _judged_end(files), _judged_key(files)
    return [*first, *_judged_lock(files.holders, pid), *end, *key, *_judged_quarantine(files)]


def _judged_lock(holders: Iterable[Holder], pid: int | None) -> list[Finding]:
    held = list(holders)
    if not held:
        if pid is not None:
            return [unseen(AREA, "lock", "not seen: the locks of the running gateway are not told here")]
        return [fine(AREA, "lock", "nobody writes to the archive")]
    if all(holder.pid == pid for holder in held):
        return [fine(AREA, "lock", "held by the running gateway")]
    if pid is None:
        one = held[0]
        text = f"held by {one.text}, which does not answer at the control socket"
        return [warning(AREA, "lock", text, f"ps -fp {one.pid}: a command that is under way, or a gateway that hangs")]
    return [warning(AREA, "lock", f"held by {held[0].text}", f"ps -fp {held[0].pid}")]


def _judged_end(files: Files) -> list[Finding]:
    verify = "gatewayd archive verify"
    if files.head_fault:
        return [error(AREA, "head", files.head_fault, verify)]
    if files.head is None:
        if files.segments:
            return [error(AREA, "head", "the head file is missing beside segments that are there", verify)]
        return []
    if not files.segments:
        return [error(AREA, "head", f"says reading {files.head.seq}, and no segment is there", verify)]
    number = files.segments[-1]
    if files.head.segment > number:
        return [
            error(AREA, "head", f"is in segment {files.head.segment}, and the newest that is there is {number}", verify)
        ]
    if files.last is None:
        return [unseen(AREA, "head", f"the end of segment {number} could not be read in passing", verify)]
    batch, seq, _ = files.last
    if seq < files.head.seq or batch < files.head.batch:
        text = f"the segments end at reading {seq}, and the head at {files.head.seq}: readings are missing at the end"
        return [error(AREA, "head", text, verify)]
    return [fine(AREA, "head", f"reading {seq} in segment {number}; the head fits")]


def _judged_key(files: Files) -> list[Finding]:
    if files.private is None:
        if files.segments:
            text = "the signing key is missing: what comes from now on is signed with another one"
            return [error(AREA, "signing key", text, f"put {PRIVATE} and {PUBLIC} back from a copy")]
        return []
    if files.private & 0o077:
        text = f"others than its owner can get at it (mode {mode_text(files.private)}), and sign what never came"
        return [error(AREA, "signing key", text, f"chmod 0600 {PRIVATE} in the archive's folder")]
    if not files.public:
        return [error(AREA, "signing key", f"{PUBLIC} is missing: nobody can verify", f"put {PUBLIC} back from a copy")]
    return [fine(AREA, "signing key", "there, and for its owner alone")]


def _judged_quarantine(files: Files) -> list[Finding]:
    if not files.quarantined:
        return []
    were = "segment was" if files.quarantined == 1 else "segments were"
    text = f"{files.quarantined} damaged {were} put aside; the gateway goes on without"
    return [warning(AREA, "quarantine", text, "gatewayd archive verify; docs/archive.md says what can be saved")]


def judged_aside(aside: Aside) -> list[Finding]:
    """Meters that are left alone, and readings that a sink did not get."""
    left = [
        error(
            "meters", meter, f"is left alone: {words}", "put its password or key right; a changed file is tried again"
        )
        for meter, words in aside.left_alone.items()
    ]
    lost = [
        warning(
            AREA, f"sink {sink}", f"{count} readings were set aside: it refused them", f"gatewayd sink set-aside {sink}"
        )
        for sink, count in aside.readings.items()
        if count
    ]
    return [*left, *lost]


def seen_files(folder: Path) -> Files:
    """PermissionError where this user may not look into the folder. Of files that it may not read because they are
    somebody else's, this alone is told."""
    foreign = seen_foreign(folder)
    names = {path.name: path for path in folder.iterdir()}
    numbers = tuple(segments.segment_numbers(folder))
    lock = names.get(_LOCK)
    holders = () if lock is None else tuple(lock_holders(lock, seen_locks()))
    head, fault, last = None, "", None
    try:
        head = read_head(folder)
    except ArchiveError as error_:
        if isinstance(error_.__cause__, PermissionError):
            if foreign is not None:
                return Files(holders=holders, foreign=foreign)
            raise error_.__cause__ from None
        fault = str(error_)
    if numbers:
        last = _seen_end(segments.segment_path(folder, numbers[-1]))
    quarantine = folder / segments.QUARANTINE
    key = names.get(PRIVATE)
    return Files(
        head=head,
        head_fault=fault,
        segments=numbers,
        last=last,
        quarantined=len(list(quarantine.iterdir())) if quarantine.is_dir() else 0,
        private=None if key is None else key.stat().st_mode,
        public=PUBLIC in names,
        holders=holders,
        foreign=foreign,
    )


def _seen_end(path: Path) -> tuple[int, int, int] | None:
    """SQLite makes a journal where there is none, also for who only reads: then it is told that nothing changes."""
    if Path(f"{path}-wal").exists():
        if not Path(f"{path}-shm").exists():
            return None
        found = segments.last_numbers(path)
        return found if any(found) else None
    try:
        connection = unchanged(path)
        try:
            return tuple(int(str(connection.execute(sql).get)) for sql in _END)  # type: ignore[return-value]  # three
        finally:
            connection.close()
    except (apsw.Error, ValueError):
        return None


def unchanged(path: Path) -> apsw.Connection:
    """A connection to a segment to which nobody writes. apsw.Error."""
    return apsw.Connection(f"{path.absolute().as_uri()}?immutable=1", flags=_READ_ONLY)


def opened_in_passing(path: Path) -> apsw.Connection:
    """The same of a segment to which somebody may write. A look leaves no file behind: one of root would keep the
    gateway from writing. ArchiveError, apsw.Error; Unseen where that cannot be."""
    if not Path(f"{path}-wal").exists():
        return unchanged(path)
    if not Path(f"{path}-shm").exists():
        raise Unseen(f"{path} cannot be read in passing, as its journal is not in use")
    return segments.open_for_reading(path)


@contextlib.contextmanager
def _undisturbed(folder: Path) -> Iterator[Path]:
    """The folder with state.sqlite, or one with a copy where a look would make a journal beside it."""
    state = set_aside.state_path(folder)
    if not state.exists() or Path(f"{state}-wal").exists():
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="gatewayd-doctor-") as made:
        shutil.copyfile(state, set_aside.state_path(Path(made)))
        yield Path(made)


def folder(scene: Scene, number: int | None) -> list[Finding]:
    """The look at who may do what; `number` is that of control.group, None where it is not there."""
    path = scene.archive
    try:
        found = path.stat()
    except FileNotFoundError:
        there = next(each for each in path.parents if each.exists())
        first = judged_folder(path, None, obstacle(there, scene.service, WRITE | ENTER), scene.service)
        return [first, *_unit(scene)]
    blocked = obstacle(path, scene.service, READ | WRITE | ENTER)
    first = judged_folder(path, found.st_mode, blocked, scene.service)
    reach = None
    if not has_access_list(path):  # which may let them in
        reach = judged_group(path, found.st_mode, found.st_gid, scene.config.control.group, number)
    return [first, *_unit(scene), *([] if reach is None else [reach])]


def _unit(scene: Scene) -> list[Finding]:
    return archive_rights.unit(scene.archive, scene.unit) if scene.status is None else []


def files(scene: Scene) -> list[Finding]:
    """The look into the folder."""
    if not scene.archive.is_dir():
        return []
    return judged_files(seen_files(scene.archive), scene.pid)


def aside(scene: Scene) -> list[Finding]:
    """The look at what is beside the archive."""
    if not scene.archive.is_dir():
        return []
    known = {meter.id for meter in scene.config.meters} | {f"SIM of line {line}" for line in scene.config.lines}
    with _undisturbed(scene.archive) as place:
        left = {one.meter: one.text for one in refused.listed(place) if one.final and one.meter in known}
        counts = {sink: count.readings for sink, count in set_aside.counts(place).items()}
    return judged_aside(Aside(counts, left))
