"""A disk that is full, read-only, or fails at fsync: nothing is acknowledged meanwhile, and data is taken again after.

The file systems need root, mount, and for the read-only fault an ext4 in a loop device; without them these tests fail.
"""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.store import Store
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived
from tests.crash.disk import under
from tests.crash.rig import Clock, chain_of, content, found, rounds, run_as_root, seal, varied
from tests.gatewayd.archive.samples import PATIENCE, append, entry, everything, opened, reading, submit, written


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    mount_point = folder / "disk"
    mount_point.mkdir()
    run_as_root("mount", *options, str(mount_point), package="mount")
    try:
        yield mount_point
    finally:
        run_as_root("umount", str(mount_point), package="mount")


def takes_again(store: Store, number: int) -> tuple[Archived, ...]:
    """The store must come back by itself; every attempt is a group that somebody wanted to archive."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return append(store, varied(number))
        except ArchiveError:
            assert time.monotonic() < until, store.fault


def is_sound(folder: Path, acknowledged: list[Archived]) -> None:
    """Everything acknowledged is there, no number is missing, and the chain is whole."""
    stored = everything(folder)
    assert [item.seq for item in stored] == list(range(1, len(stored) + 1))
    assert set(acknowledged) <= set(stored)
    assert found(folder) == ()
    for number in segments.segment_numbers(folder):
        rows = content(segments.segment_path(folder, number))
        assert chain_of(rows) == [batch[8] for batch in rows["batch"]]


def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=2m", "tmpfs") as disk, caplog.at_level(logging.WARNING):
        acknowledged: list[Archived] = []
        with opened(disk / "archive") as store:
            with pytest.raises(ArchiveError):
                for number in range(1, 1000):
                    acknowledged += append(store, entry(reading(number), received=bytes(20_000)))
            assert store.fault
            assert acknowledged
            head = store.head
            futures = [submit(store, entry(reading(number), received=bytes(200_000))) for number in range(5)]
            for future in futures:
                with pytest.raises(ArchiveError):
                    written(future)
            assert store.head == head == acknowledged[-1].seq
            assert everything(disk / "archive") == acknowledged
            run_as_root("mount", "-o", "remount,size=32m", str(disk), package="mount")
            acknowledged += takes_again(store, 1)
            assert store.fault == ""
            seal(store)
            acknowledged += append(store, varied(2))
            assert everything(disk / "archive") == acknowledged, "no gap, and nothing twice"
        assert sum("DEGRADED" in record.message for record in caplog.records) == 1, "one line for each change"
        assert sum("takes data again" in record.message for record in caplog.records) == 1
        is_sound(disk / "archive", acknowledged)


def test_a_disk_that_is_full_while_a_segment_is_sealed(tmp_path: Path) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=2m", "tmpfs") as disk:
        folder = disk / "archive"
        with opened(folder) as store:
            acknowledged = [item for number in range(5) for item in append(store, varied(number))]
            ballast = disk / "ballast"
            for size in (200_000, 100_000, 50_000, 20_000, 0):
                with contextlib.suppress(OSError), ballast.open("wb") as file:
                    while True:
                        file.write(bytes(4096))
                        file.flush()
                with ballast.open("r+b") as file:
                    file.truncate(max(ballast.stat().st_size - size, 0))
                with contextlib.suppress(ArchiveError):
                    seal(store)
                with contextlib.suppress(ArchiveError):
                    acknowledged += append(store, varied(size))
            ballast.unlink()
            acknowledged += takes_again(store, 9)
            assert store.fault == ""
        is_sound(folder, acknowledged)


def test_a_disk_that_turns_read_only(tmp_path: Path) -> None:
    """What ext4 does after an error. The mount must be made anew, and the gateway with it."""
    image = tmp_path / "image"
    image.write_bytes(bytes(16 << 20))
    run_as_root("mkfs.ext4", "-q", str(image), package="e2fsprogs")
    acknowledged: list[Archived] = []
    with mounted(tmp_path, "-o", "loop,errors=remount-ro", str(image)) as disk:
        device = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if str(disk) in line)
        with opened(disk / "archive") as store:
            for number in range(10):
                acknowledged += append(store, varied(number))
            (Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error").write_text("1")
            for number in range(3):
                with pytest.raises(ArchiveError):
                    append(store, varied(number))
            assert store.fault
            assert store.head == acknowledged[-1].seq
        with pytest.raises(ArchiveError), opened(disk / "archive"):
            pass
    (tmp_path / "disk").rmdir()
    with mounted(tmp_path, "-o", "loop", str(image)) as disk:
        assert everything(disk / "archive") == acknowledged
        with opened(disk / "archive") as store:
            acknowledged += append(store, varied(10))
        is_sound(disk / "archive", acknowledged)


def test_files_that_may_not_be_written_for_a_while(tmp_path: Path) -> None:
    """Read-only under a running gateway, by the file attribute `i`, and writable again without a new start."""
    image = tmp_path / "image"
    image.write_bytes(bytes(16 << 20))
    run_as_root("mkfs.ext4", "-q", str(image), package="e2fsprogs")
    with mounted(tmp_path, "-o", "loop", str(image)) as disk:
        folder = disk / "archive"
        with opened(folder) as store:
            acknowledged = [item for number in range(5) for item in append(store, varied(number))]
            journal = folder / "segment-000001.sqlite-wal"
            run_as_root("chattr", "+i", str(journal), package="e2fsprogs")
            for number in range(3):
                with pytest.raises(ArchiveError):
                    append(store, varied(number))
            assert store.fault
            assert store.head == acknowledged[-1].seq
            run_as_root("chattr", "-i", str(journal), package="e2fsprogs")
            acknowledged += takes_again(store, 9)
            assert store.fault == ""
        is_sound(folder, acknowledged)


# -- fsync -------------------------------------------------------------------------------------------------------------

FAULTS: dict[str, Callable[[int, int], bool]] = {
    "once": lambda at, number: number == at,
    "three times": lambda at, number: at <= number < at + 3,
    "now and then": lambda at, number: number >= at and (number - at) % 3 == 0 and number < at + 12,
}


def work(folder: Path, failing: Callable[[int], bool], after: Path) -> tuple[list[Archived], int, int]:
    """Archive and seal on a disk that fails; what was acknowledged, how many were refused, and the calls of fsync."""
    acknowledged: list[Archived] = []
    refused = 0
    clock = Clock()
    with under(folder, random.Random(str(folder))) as disk:
        with opened(folder, now_us=clock) as store:
            disk.syncs, disk.failing = 0, failing
            for number in range(8):
                burst = [submit(store, varied(number + part)) for part in range(1 + number % 3)]
                for future in burst:
                    try:
                        acknowledged += written(future)
                    except ArchiveError:
                        refused += 1
                        assert future.exception() is not None
                clock.go_on(45)
                if number == 4:
                    with contextlib.suppress(ArchiveError):
                        seal(store)
            disk.failing = lambda _number: False
            acknowledged += takes_again(store, 50)
            assert store.fault == ""
            count = disk.syncs
            disk.medium(after)
        disk.dead = True
    return acknowledged, refused, count


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_fsync_that_fails(tmp_path: Path, fault: str) -> None:
    """At every fsync of the work. Afterwards the power is cut as well: what a failed fsync has left in the cache does
    not count as written, though everybody can read it."""
    (tmp_path / "good").mkdir()
    _, _, syncs = work(tmp_path / "good", lambda _number: False, tmp_path / "good" / "after")
    assert syncs > 20
    refusals = 0
    for at in sorted({*range(1, syncs, rounds(7, 1)), *range(syncs - 9, syncs)}):
        folder = tmp_path / str(at)
        folder.mkdir()
        acknowledged, refused, _ = work(folder, partial(FAULTS[fault], at), folder / "after")
        refusals += refused
        assert len({item.seq for item in acknowledged}) == len(acknowledged)
        is_sound(folder, acknowledged)
        is_sound(folder / "after", acknowledged)
        with opened(folder / "after") as store:
            acknowledged += append(store, varied(3))
        is_sound(folder / "after", acknowledged)
    assert refusals
