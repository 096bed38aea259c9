"""A kill between any two operations of sealing, rotation and putting aside: the next start goes on where it ended.

What a kill leaves is what lies in the folder at that moment. So the folder is copied before every operation on the
disk, and the gateway is started on each of the copies.
"""

import os
import random
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.store import Store
from gatewayd.model import Archived
from tests.crash.disk import under
from tests.crash.rig import NOBODY, Clock, build, content, copied, found, rounds, seal, varied
from tests.gatewayd.archive.samples import append, everything, opened

Left = list[tuple[Path, int]]
"""What kills leave: the folder, and how many readings were acknowledged by then."""


def work(folder: Path, to: Path, rotate: Callable[[Store, Clock], None]) -> tuple[Left, list[Archived]]:
    """Archive, rotate, archive; a copy of the folder before every operation from the rotation on."""
    left: Left = []
    acknowledged: list[Archived] = []
    clock = Clock(datetime(2026, 11, 30, 23, 58, tzinfo=UTC))
    with under(folder, random.Random(0)) as disk, opened(folder, now_us=clock) as store:
        for number in range(4):
            acknowledged += append(store, varied(number))
        disk.watch = lambda: left.append((copied(folder, to / str(len(left))), len(acknowledged)))
        rotate(store, clock)
        for number in range(4, 6):
            acknowledged += append(store, varied(number))
        disk.watch = lambda: None
    assert len(segments.segment_numbers(folder)) == 2
    return left, acknowledged


def by_month(store: Store, clock: Clock) -> None:
    clock.go_on(180)


def by_command(store: Store, clock: Clock) -> None:
    seal(store)


def ratio_ids(folder: Path) -> dict[tuple[object, ...], object]:
    """Ratio versions by content: their numbers must be the same in all segments."""
    found_ids: dict[tuple[object, ...], object] = {}
    for number in segments.segment_numbers(folder):
        for row in content(segments.segment_path(folder, number))["ratio"]:
            assert found_ids.setdefault(tuple(row[1:7]), row[0]) == row[0]
    assert len(set(found_ids.values())) == len(found_ids)
    return found_ids


def goes_on(folder: Path, acknowledged: list[Archived]) -> None:
    """Start on what a kill has left; everything is there, sound, and has its numbers."""
    stored = everything(folder)
    assert stored[: len(acknowledged)] == acknowledged
    with opened(folder) as store:
        added = append(store, varied(4))
        assert added[0].seq == stored[-1].seq + 1
        added += append(store, varied(1))
        assert added[4].ratio_id == acknowledged[4].ratio_id
        assert store.fault == ""
    assert everything(folder) == [*stored, *added]
    assert not (folder / "quarantine").exists()
    sealed = segments.segment_numbers(folder)[:-1]
    for number in sealed:
        path = segments.segment_path(folder, number)
        assert path.stat().st_mode & 0o777 == 0o444
        assert not path.with_name(path.name + "-wal").exists()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder in which somebody who is not root may work."""
    folder = Path(tempfile.mkdtemp(prefix="archive-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("rotate", [by_command, by_month])
def test_a_kill_at_any_step_of_a_rotation(tmp_path: Path, rotate: Callable[[Store, Clock], None]) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    left, acknowledged = work(folder, tmp_path / "left", rotate)
    assert len(left) > 40
    assert ratio_ids(folder)
    for place, (copy, count) in enumerate(left):
        if place % rounds(6, 1):
            continue
        assert found(copy) == (), copy.name
        goes_on(copy, acknowledged[:count])
        assert found(copy) == (), copy.name
        assert ratio_ids(copy).items() <= ratio_ids(folder).items(), copy.name


def test_a_kill_at_any_step_of_a_rotation_without_roots_rights(open_to_all: Path) -> None:
    """A sealed segment cannot be written by its owner either, only by root; the gateway is not root."""
    assert os.geteuid() == 0, "this test needs root, to be somebody else: sudo ./dev test"
    folder = open_to_all / "archive"
    folder.mkdir()
    left, acknowledged = work(folder, open_to_all / "left", by_command)
    for path in (open_to_all, *open_to_all.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            for copy, count in left[:: rounds(5, 1)]:
                goes_on(copy, acknowledged[:count])
            status = 0
        except BaseException:  # noqa: BLE001 - a child must not come back into pytest
            (open_to_all / "failed").write_text(traceback.format_exc())
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0, (open_to_all / "failed").read_text()


@pytest.mark.parametrize("segment_count", [1, 2])
def test_a_kill_at_any_step_of_putting_aside(tmp_path: Path, segment_count: int) -> None:
    folder = tmp_path / "archive"
    build(folder, segment_count=segment_count)
    last = 12 * segment_count
    newest = segments.segment_path(folder, segment_count)
    newest.write_bytes(newest.read_bytes()[:5000])
    left: list[Path] = []
    with under(folder, random.Random(0)) as disk:
        disk.watch = lambda: left.append(copied(folder, tmp_path / "left" / str(len(left))))
        with opened(folder) as store:
            append(store, varied(50))
            disk.watch = lambda: None
    assert len(left) > 10
    for copy in left[:: rounds(4, 1)]:
        with opened(copy) as store:
            first = append(store, varied(51))[0].seq
            assert first > last, copy.name
            assert store.fault == ""
        assert any(newest.name in finding.message for finding in found(copy)), copy.name
        (aside,) = (copy / "quarantine").iterdir()
        assert (aside / newest.name).stat().st_size == 5000
        stored = [item.seq for item in everything(copy)]
        assert stored == sorted(set(stored))
        assert stored[: last - 12] == list(range(1, last - 11))


def test_a_reader_does_not_hold_up_a_sealing(tmp_path: Path) -> None:
    """Somebody's long query keeps the journal from being folded in; the readings do not wait for that."""
    with opened(tmp_path) as store:
        append(store, varied(1))
        reader = segments.open_for_reading(segments.segment_path(tmp_path, 1))
        reading = reader.execute("SELECT * FROM reading")
        next(reading)
        seal(store)
        assert append(store, varied(2))[0].seq == 4
        assert store.fault == ""
        reading.close()
        reader.close()
    with opened(tmp_path) as store:
        assert append(store, varied(3))[0].seq == 7
    assert segments.segment_path(tmp_path, 1).stat().st_mode & 0o777 == 0o444
    assert sorted(path.name for path in tmp_path.glob("segment-*")) == [
        "segment-000001.sqlite",
        "segment-000002.sqlite",
    ]
    assert found(tmp_path) == ()
