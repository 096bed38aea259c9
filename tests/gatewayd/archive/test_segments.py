"""Segments: when one ends, what it looks like afterwards, and that everything goes on in the next."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from gatewayd.archive import segments
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.errors import ArchiveError
from tests.crash.rig import Clock, build, content, found, seal, varied
from tests.gatewayd.archive.samples import append, entry, everything, opened, reading


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("segment-*"))


def test_a_sealed_segment_is_one_file_that_nobody_may_write(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, varied(1))
        seal(store)
        path = segments.segment_path(tmp_path, 1)
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert [name for name in names(tmp_path) if "000001" in name] == ["segment-000001.sqlite"]
        data = path.read_bytes()
        assert data[18:20] == b"\1\1", "not in WAL mode: SQLite needs no file beside it"
        append(store, varied(2))
        assert len(everything(tmp_path)) == 6
    verify(tmp_path)
    assert path.read_bytes() == data, "neither readers nor the gateway change it"
    with opened(tmp_path):
        pass
    assert path.read_bytes() == data


def test_every_number_goes_on(tmp_path: Path) -> None:
    build(tmp_path / "archive", segment_count=3)
    stored = everything(tmp_path / "archive")
    assert [item.seq for item in stored] == list(range(1, 37))
    last: dict[str, object] = {}
    for number in (1, 2, 3):
        rows = content(segments.segment_path(tmp_path / "archive", number))
        for table, first in (("exchange", 7), ("reading", 8), ("batch", 6)):
            assert rows[table][0][0] == rows["segment"][0][first] + 1  # type: ignore[operator]
            assert rows["segment"][0][first] == last.get(table, 0)
            last[table] = rows[table][-1][0]
        for table in ("device", "series", "audit"):
            assert not rows[table] or rows[table][0][0] == 1
        assert rows["segment"][0][1] == number
        assert rows["segment"][0][2] == 1
    assert [item.exchange for item in stored[::3]] == list(range(1, 13))


def test_each_segment_can_be_read_by_itself(tmp_path: Path) -> None:
    folder = build(tmp_path / "archive", segment_count=3)
    for number in (1, 2, 3):
        rows = content(segments.segment_path(folder, number))
        assert {row[1] for row in rows["exchange"]} <= {row[0] for row in rows["device"]}
        assert {row[1] for row in rows["reading"]} <= {row[0] for row in rows["exchange"]}
        assert {row[2] for row in rows["reading"]} <= {row[0] for row in rows["series"]}
        assert {row[3] for row in rows["reading"]} <= {row[0] for row in rows["ratio"]}


def test_a_segment_ends_with_the_month_of_its_first_readings_in_utc(tmp_path: Path) -> None:
    clock = Clock(datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC))
    with opened(tmp_path, now_us=clock) as store:
        append(store, varied(1))
        clock.go_on(1)
        append(store, varied(2))
        assert segments.segment_numbers(tmp_path) == [1]
        clock.go_on(1)
        append(store, varied(3))
        assert segments.segment_numbers(tmp_path) == [1, 2]
        clock.go_on(40 * 86400)  # over the new year
        append(store, varied(4))
        append(store, varied(5))
        assert segments.segment_numbers(tmp_path) == [1, 2, 3]
        clock.go_on(-60 * 86400)  # a clock that is set back begins nothing
        append(store, varied(6))
        assert segments.segment_numbers(tmp_path) == [1, 2, 3]
    assert verify(tmp_path).ok
    assert [len(content(segments.segment_path(tmp_path, number))["reading"]) for number in (1, 2, 3)] == [6, 3, 9]


def test_a_month_without_readings_leaves_no_segment(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(3):
        with opened(tmp_path, now_us=clock):
            clock.go_on(40 * 86400)
    assert segments.segment_numbers(tmp_path) == [1]
    with opened(tmp_path, now_us=clock) as store:
        append(store, varied(1))
    assert segments.segment_numbers(tmp_path) == [1]


def test_the_month_ends_while_the_gateway_is_off(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, now_us=clock) as store:
        append(store, varied(1))
    clock.go_on(40 * 86400)
    with opened(tmp_path, now_us=clock) as store:
        append(store, varied(2))
        assert segments.segment_numbers(tmp_path) == [1, 2]
    assert verify(tmp_path).ok


def test_a_segment_ends_with_its_size(tmp_path: Path) -> None:
    store = Store(tmp_path, "gw-1", Clock(), group_seconds=0.0, segment_bytes=500_000)
    store.open()
    try:
        for number in range(30):
            append(store, entry(reading(number), received=bytes(50_000)))
    finally:
        store.close()
    sizes = [segments.segment_path(tmp_path, number).stat().st_size for number in segments.segment_numbers(tmp_path)]
    assert len(sizes) >= 3
    assert all(size < 700_000 for size in sizes)
    assert verify(tmp_path).ok
    assert [item.seq for item in everything(tmp_path)] == list(range(1, 31))


def test_what_a_killed_start_left_half_made_is_made_anew(tmp_path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        (tmp_path / f"segment-000001.new{suffix}").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\xa5" * 5000)
    with opened(tmp_path) as store:
        append(store, varied(1))
    assert names(tmp_path) == ["segment-000001.sqlite"]
    assert verify(tmp_path).ok


def test_other_files_are_no_segments(tmp_path: Path) -> None:
    for name in ("segment-1.sqlite", "segment-000001.sqlite.bak", "xsegment-000001.sqlite", "segment-00000a.sqlite"):
        (tmp_path / name).write_bytes(b"")
    assert segments.segment_numbers(tmp_path) == []
    assert segments.segment_path(tmp_path, 1_234_567).name == "segment-1234567.sqlite"
    segments.segment_path(tmp_path, 1_234_567).touch()
    assert segments.segment_numbers(tmp_path) == [1_234_567]


def test_sealing_an_archive_over_and_over(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(12):
            append(store, varied(number))
            seal(store)
            assert not found(tmp_path)
    assert segments.segment_numbers(tmp_path) == list(range(1, 14))
    assert [item.seq for item in everything(tmp_path)] == list(range(1, 37))


@pytest.mark.parametrize("mode", ["reading", "writing"])
def test_an_empty_file_is_left_as_it_is(tmp_path: Path, mode: str) -> None:
    """SQLite would make a database of it, and delete the journal beside it."""
    path = segments.segment_path(tmp_path, 1)
    path.touch()
    journal = path.with_name(path.name + "-wal")
    journal.write_bytes(b"journal" * 100)
    with pytest.raises((ArchiveError, apsw.Error), match="empty"):
        (segments.open_for_reading if mode == "reading" else segments.open_for_writing)(path)
    assert path.stat().st_size == 0
    assert journal.read_bytes() == b"journal" * 100


def test_an_older_copy_in_the_place_of_a_sealed_segment_is_told_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a restored backup makes it that was not put into an empty folder."""
    path = segments.segment_path(tmp_path / "archive", 1)
    with opened(tmp_path / "archive") as store:
        append(store, varied(1))
    older = path.read_bytes()
    with opened(tmp_path / "archive") as store:
        append(store, varied(2))
        seal(store)
        append(store, varied(3))
    path.chmod(0o640)
    path.write_bytes(older)
    before = path.stat()
    with opened(tmp_path / "archive") as store:
        append(store, varied(4))
    told = [one.message for one in caplog.records if one.levelname == "ERROR"]
    assert len(told) == 1 and "segment-000001.sqlite ends before it was sealed" in told[0] and "put back" in told[0]
    assert path.read_bytes() == older and path.stat().st_mode == before.st_mode
    assert not verify(tmp_path / "archive").ok
