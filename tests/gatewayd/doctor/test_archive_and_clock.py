"""What doctor makes of an archive, its disk, a clock and libraries that it has seen, without any of them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive import segments
from gatewayd.archive.head import Head
from gatewayd.doctor import (
    archive,
    clock,
    disk,
    software,
)
from gatewayd.doctor.findings import Level
from gatewayd.doctor.processes import Holder
from gatewayd.kernel_clock import Sync, Synchronised
from tests.crash.rig import seal, varied
from tests.gatewayd.archive.samples import append, opened
from tests.gatewayd.doctor.samples import ACCOUNT, ERROR, FOLDER, NOTE, NOW, OK, REGULAR, WARNING, only, told

# -- the archive and its disk ------------------------------------------------------------------------------------------

ARCHIVE = Path("/var/lib/gatewayd")
FILES = archive.Files(
    head=Head(2, 9, 100, 50, b""), segments=(1, 2), last=(9, 100, 50), private=REGULAR | 0o600, public=True
)


def files(**changed: Any) -> archive.Files:
    return archive.Files(**{name: getattr(FILES, name) for name in FILES.__slots__} | changed)


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({"head": None}, ERROR, "the head file is missing"),
        ({"head_fault": "the head is damaged"}, ERROR, "damaged"),
        ({"segments": ()}, ERROR, "no segment is there"),
        ({"segments": (1,)}, ERROR, "the newest that is there is 1"),
        ({"last": (9, 99, 50)}, ERROR, "readings are missing at the end"),
        ({"last": None}, NOTE, "could not be read"),
        ({"private": None}, ERROR, "signing key is missing"),
        ({"private": REGULAR | 0o640}, ERROR, "sign what never came"),
        ({"public": False}, ERROR, "nobody can verify"),
        ({"quarantined": 2}, WARNING, "2 damaged segments"),
        ({"holders": (Holder(9, "gatewayd", True),)}, WARNING, "does not answer"),
    ],
)
def test_an_archive_with_a_fault(changed: dict[str, Any], level: Level, words: str) -> None:
    found = [one for one in archive.judged_files(files(**changed), None) if one.level is not OK]
    only(found, level, words)


def test_each_segment_that_was_put_aside_is_counted_once(tmp_path: Path) -> None:
    """It lies in a folder of its own, with its journal."""
    with opened(tmp_path) as store:
        append(store, varied(1))
        seal(store)
        append(store, varied(2))
    assert archive.seen_files(tmp_path).quarantined == 0
    path = segments.segment_path(tmp_path, 1)
    path.with_name(f"{path.name}-wal").touch()
    segments.quarantine(path, "20261121T200000Z")
    assert archive.seen_files(tmp_path).quarantined == 1


def test_a_sound_archive() -> None:
    assert {one.level for one in archive.judged_files(FILES, None)} == {OK}
    running = archive.judged_files(files(holders=(Holder(7, "gatewayd", True),), last=(12, 130, 60)), 7)
    assert {one.level for one in running} == {OK}, "the gateway goes on while it is looked at"
    assert archive.judged_files(archive.Files(), None)[0].level is OK, "a folder that is empty"
    (lock,) = [one for one in archive.judged_files(FILES, 7) if one.subject == "lock"]
    assert lock.unseen, "a running gateway holds it, so nothing was found out"


@pytest.mark.parametrize(
    ("mode", "blocked", "level", "words"),
    [
        (FOLDER | 0o750, None, OK, "may write it"),
        (FOLDER | 0o755, None, WARNING, "personal data"),
        (FOLDER | 0o750, ARCHIVE, ERROR, "may not write it"),
        (REGULAR | 0o640, None, ERROR, "is no folder"),
        (None, None, NOTE, "no archive yet"),
        (None, Path("/var/lib"), ERROR, "may not make one in /var/lib"),
    ],
)
def test_the_folder(mode: int | None, blocked: Path | None, level: Level, words: str) -> None:
    only(archive.judged_folder(ARCHIVE, mode, blocked, ACCOUNT), level, words)


@pytest.mark.parametrize(
    ("mode", "gid", "number", "level"),
    [(0o750, 990, 990, None), (0o700, 990, 990, WARNING), (0o750, 0, 990, WARNING), (0o711, 0, 990, None),
     (0o750, 0, None, NOTE)],
)  # fmt: skip
def test_whether_the_group_comes_as_far_as_the_socket(
    mode: int, gid: int, number: int | None, level: Level | None
) -> None:
    found = archive.judged_group(ARCHIVE, mode, gid, "gatewayd", number)
    assert (None if found is None else found.level) is level


def test_meters_left_alone_and_readings_set_aside() -> None:
    left, lost = archive.judged_aside(archive.Aside({"sql": 3, "mqtt": 0}, {"em-1": "the password is refused"}))
    assert told([left, lost]) == [
        (ERROR, "is left alone: the password is refused"),
        (WARNING, "3 readings were set aside: it refused them"),
    ]


@pytest.mark.parametrize(
    ("kind", "source", "options", "level", "words"),
    [
        ("ext4", "/dev/sda1", "rw", OK, "fit"),
        ("btrfs", "/dev/sda1", "rw", OK, "fit"),
        ("tmpfs", "tmpfs", "rw", ERROR, "memory"),
        ("nfs4", "nas:/a", "rw", ERROR, "no local disk"),
        ("fuse.sshfs", "a:/b", "rw", ERROR, "no local disk"),
        ("9p", "host", "rw", ERROR, "no local disk"),
        ("vfat", "/dev/sda1", "rw", ERROR, "owners"),
        ("overlay", "overlay", "rw", WARNING, "container"),
        ("ext4", "/dev/sda1", "ro", ERROR, "read-only"),
        ("ext4", "/dev/sda1", "rw,data=writeback", WARNING, "power cut"),
        ("ext4", "/dev/mmcblk0p2", "rw", NOTE, "SD card"),
    ],
)
def test_a_file_system(kind: str, source: str, options: str, level: Level, words: str) -> None:
    only(disk.judged_mount(disk.Mount("/", kind, source, frozenset(options.split(",")))), level, words)


def test_where_a_path_is_mounted() -> None:
    text = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /var rw - ext4 /dev/sda2 rw,data=writeback\n"
        "31 30 0:41 / /var/lib\\040new rw master:3 - tmpfs tmpfs rw\n"
        "32 30 0:42 / /var ro,noatime - xfs /dev/sdb1 rw\n"
    )
    mounts = disk.parsed_mounts(text)

    def at(path: str) -> str:
        found = disk.mount_of(path, mounts)
        assert found is not None
        return found.kind

    assert (at("/home/x"), at("/var/lib/gatewayd"), at("/var/lib new/a"), at("/variable")) == (
        "ext4", "xfs", "tmpfs", "ext4",
    )  # fmt: skip
    assert "ro" in disk.mount_of("/var", mounts).options  # type: ignore[union-attr]


GIB = 1 << 30


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (disk.Disk(50 * GIB, 100 * GIB, 10**6, 10**6, 0, 0), OK, "50.0 GiB of 100.0 GiB"),
        (disk.Disk(50 * GIB, 100 * GIB, 10**6, 10**6, 10 * GIB, 100), OK, "grows by 102.3 MiB a day"),
        (disk.Disk(5 * GIB, 100 * GIB, 10**6, 10**6, 10 * GIB, 100), WARNING, "enough for 50 days"),
        (disk.Disk(5 * GIB, 100 * GIB, 10**6, 10**6, 10 * GIB, 1200), OK, "grows"),  # as much goes as comes
        (disk.Disk(GIB // 2, 100 * GIB, 10**6, 10**6, 0, 0), WARNING, "512.0 MiB"),
        (disk.Disk(GIB // 8, 100 * GIB, 10**6, 10**6, 0, 0), ERROR, "128.0 MiB"),
    ],
)
def test_the_room(seen: disk.Disk, level: Level, words: str) -> None:
    only(disk.judged_room(seen, 1116), level, words)


def test_inodes_run_out_first() -> None:
    _, inodes = disk.judged_room(disk.Disk(50 * GIB, 100 * GIB, 12, 10**6, 0, 0), 1116)
    only(inodes, WARNING, "12 inodes")
    assert len(disk.judged_room(disk.Disk(50 * GIB, 100 * GIB, 0, 0, 0, 0), 1116)) == 1, "btrfs has none"


# -- clock and software ------------------------------------------------------------------------------------------------

UNSURE = Synchronised(Sync.NO, "adjtimex")


@pytest.mark.parametrize(
    ("told_", "keepers", "trusted", "level", "words"),
    [
        (Synchronised(Sync.YES, "adjtimex", Decimal("0.0125")), ["chronyd"], False, OK, "off by 0.012 s at most"),
        (UNSURE, ["bash"], False, ERROR, "nothing keeps the clock right"),
        (UNSURE, ["bash", "systemd-timesyn"], False, WARNING, "has not synchronised"),
        (UNSURE, [], True, NOTE, "trusted"),
        (Synchronised(Sync.UNKNOWN, "no adjtimex"), [], False, WARNING, "not known (no adjtimex)"),
    ],
)
def test_the_clock(told_: Synchronised, keepers: list[str], trusted: bool, level: Level, words: str) -> None:
    only(clock.judged_clock(told_, keepers, trusted), level, words)


def test_the_time() -> None:
    only(clock.judged_now(datetime(1970, 1, 1, tzinfo=UTC), None), ERROR, "in the past")
    only(clock.judged_now(NOW, NOW + timedelta(hours=1)), ERROR, "and the archive was written at 2026-11-27 13:00:00Z")
    only(clock.judged_now(NOW, NOW + timedelta(minutes=4)), OK, "it is")


@pytest.mark.parametrize(
    ("version", "offsets", "level", "words"),
    [
        ("2026b", {2025: 2, 2026: 2, 2027: 2}, OK, "2026b"),
        ("", {2025: 2, 2026: 2, 2027: 2}, OK, "unknown version"),
        ("2019c", {2025: 2, 2026: 2, 2027: 2}, NOTE, "old"),
        ("2026b", {2025: 2, 2026: 2, 2027: 1}, WARNING, "no change of the clocks in 2027"),
        ("2026b", {2025: 1, 2026: 1, 2027: 1}, OK, "2026b"),
    ],
)
def test_the_time_zone(version: str, offsets: dict[int, int], level: Level, words: str) -> None:
    only(clock.judged_zone(clock.Zone("Europe/Prague", "/usr", version, offsets), NOW), level, words)


def test_the_time_zone_of_this_machine() -> None:
    found = clock.seen_zone("Europe/Prague", NOW)
    assert found.offsets == {2025: 2, 2026: 2, 2027: 2}
    assert clock.seen_zone("UTC", NOW).offsets[2026] == 1


def test_python_and_libraries() -> None:
    assert told(software.judged_python((3, 11, 2), "3.54.1")) == [(OK, "3.11.2"), (OK, "3.54.1")]
    assert [level for level, _ in told(software.judged_python((3, 9, 2), "3.51.2"))] == [ERROR, ERROR]
    lock = software.pinned("# x\napsw==3.54.1.0 \\\n    --hash=sha256:aa\nPy_Dantic==2.1\n")
    assert lock == {"apsw": "3.54.1.0", "py-dantic": "2.1"}
    only(software.judged_libraries({"apsw": "3.54.1.0"}, lock, ["apsw"]), OK, "tested")
    only(software.judged_libraries({"apsw": "3.1"}, lock, ["apsw"]), WARNING, "apsw 3.1 instead of 3.54.1.0")
    only(software.judged_libraries({}, lock, ["apsw"]), ERROR, "apsw missing")
    only(software.judged_libraries({"apsw": "1"}, {}, ["apsw"]), OK, "are there")
