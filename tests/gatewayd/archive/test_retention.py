"""Retention: whole sealed segments, the oldest first, never one that is not delivered, and it is written down."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.retention import Kept, Limits, droppable
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from tests.crash.rig import Clock, audits, content, found, seal, varied
from tests.gatewayd.archive.samples import append, entry, everything, opened, reading

DAY = 86400
US = 1_000_000
ALL = 10**9
"""A cursor that has seen everything."""


BEGIN = datetime(2026, 12, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return BEGIN + timedelta(days=number)


def filled(folder: Path, count: int = 4) -> Clock:
    """`count` sealed segments of five days with readings of those days, all in one month, and one that is written."""
    clock = Clock(BEGIN)
    with opened(folder, now_us=clock) as store:
        for number in range(count):
            append(store, entry(reading(1, at=clock.now), reading(2, at=clock.now)))
            clock.go_on(4 * DAY)
            append(store, entry(reading(3, at=clock.now)))
            clock.go_on(DAY)
            seal(store)
            assert number + 2 == segments.segment_numbers(folder)[-1]
        append(store, entry(reading(1, at=clock.now)))
    return clock


def limits(before: datetime, acknowledged: int = ALL, even: datetime | None = None) -> Limits:
    even_us = 0 if even is None else int(even.timestamp()) * US
    return Limits(int(before.timestamp()) * US, even_us, {"mqtt": acknowledged, "tsdb": ALL})


def prune(store: Store, before: datetime, acknowledged: int = ALL, even: datetime | None = None) -> Kept:
    return asyncio.run(store.prune(limits(before, acknowledged, even)))


def test_the_old_ones_go_whole_and_the_oldest_first(tmp_path: Path) -> None:
    clock = filled(tmp_path)
    hashes = [content(segments.segment_path(tmp_path, number))["batch"][-1][8] for number in (1, 2)]
    with opened(tmp_path, now_us=clock) as store:
        prune(store, day(10))
        assert segments.segment_numbers(tmp_path) == [2, 3, 4, 5], "the second was sealed on that very day"
        prune(store, day(11))
        assert segments.segment_numbers(tmp_path) == [3, 4, 5]
        prune(store, day(11))
        assert segments.segment_numbers(tmp_path) == [3, 4, 5]
        assert store.fault == ""
        assert [item.seq for item in everything(tmp_path)] == list(range(7, 14))
        assert append(store, varied(1))[0].seq == 14
    assert verify(tmp_path).ok
    dropped = audits(tmp_path, "segment-dropped")
    assert [row[5] for row in dropped] == ["segment-000001.sqlite", "segment-000002.sqlite"]
    for row, digest, seqs in zip(dropped, hashes, ("seq 1 to 3", "seq 4 to 6"), strict=True):
        assert isinstance(digest, bytes)
        assert digest.hex() in str(row[7])
        assert seqs in str(row[7])


def test_nothing_goes_that_is_not_delivered_everywhere(tmp_path: Path) -> None:
    clock = filled(tmp_path)
    with opened(tmp_path, now_us=clock) as store:
        for acknowledged, left in ((0, 1), (2, 1), (3, 2), (5, 2), (6, 3), (8, 3), (9, 4)):
            prune(store, day(10_000), acknowledged)
            assert segments.segment_numbers(tmp_path)[0] == left, f"acknowledged up to {acknowledged}"
    assert verify(tmp_path).ok


def test_a_sink_is_waited_for_only_so_long_and_what_it_did_not_get_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Sealed on days 5, 10, 15 and 20; up to day 12 nobody is waited for."""
    clock = filled(tmp_path)
    with opened(tmp_path, now_us=clock) as store:
        assert prune(store, day(18), 4, even=day(4)) == Kept(2, ("mqtt",))
        assert segments.segment_numbers(tmp_path) == [2, 3, 4, 5]
        assert prune(store, day(18), 4, even=day(12)) == Kept(1, ("mqtt",))
        assert segments.segment_numbers(tmp_path) == [3, 4, 5]
    (*_, first), (*_, subject, _result, detail) = audits(tmp_path, "segment-dropped")
    assert "never taken" not in str(first)
    assert subject == "segment-000002.sqlite"
    assert "seq 4 to 6" in str(detail) and "never taken by mqtt" in str(detail)
    assert [record.levelname for record in caplog.records if "segment-000002" in record.message] == ["CRITICAL"]
    assert verify(tmp_path).ok


def test_the_segment_that_is_written_never_goes(tmp_path: Path) -> None:
    clock = filled(tmp_path)
    with opened(tmp_path, now_us=clock) as store:
        prune(store, day(10_000))
        assert segments.segment_numbers(tmp_path) == [5]
        prune(store, day(10_000))
        assert append(store, varied(1))[0].seq == 14
    assert verify(tmp_path).ok
    assert [item.seq for item in everything(tmp_path)] == [13, 14, 15, 16]


def test_a_reading_of_the_future_keeps_nothing(tmp_path: Path) -> None:
    """A meter whose clock stands in 2040 must not fill up the disk: the age is that of the segment."""
    clock = Clock(BEGIN)
    with opened(tmp_path, now_us=clock) as store:
        for number in (1, 2, 3):
            append(store, entry(reading(number, at=day(5000) if number == 2 else clock.now)))
            seal(store)
        prune(store, day(100))
        assert segments.segment_numbers(tmp_path) == [4]
    assert verify(tmp_path).ok


@pytest.mark.parametrize(("now", "left"), [(21, 3), (80, 3), (86, 1), (3650, 1), (-100, 1)])
def test_a_clock_that_has_leapt_drops_nothing(tmp_path: Path, now: int, left: int) -> None:
    """Sealed on days 5, 10, 15 and 20: whoever says that it is ten years later has to show that time has passed."""
    clock = filled(tmp_path)
    with opened(tmp_path, now_us=clock) as store:
        told = dataclasses.replace(limits(day(12)), now_us=int(day(now).timestamp()) * US)
        asyncio.run(store.prune(told))
        assert segments.segment_numbers(tmp_path)[0] == left


def test_an_old_reading_in_a_young_segment_keeps_nothing_from_its_age(tmp_path: Path) -> None:
    """A profile that was read late: what counts is when the segment was sealed, as well."""
    clock = Clock(BEGIN)
    with opened(tmp_path, now_us=clock) as store:
        append(store, entry(reading(1, at=day(-1000))))
        seal(store)
        prune(store, day(-10))
        assert segments.segment_numbers(tmp_path) == [1, 2]


def test_looking_drops_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    assert [one.path.name for one in droppable(tmp_path, limits(day(10_000)))] == [
        f"segment-00000{number}.sqlite" for number in (1, 2, 3, 4)
    ]
    assert len(segments.segment_numbers(tmp_path)) == 5
    assert droppable(tmp_path / "nowhere", limits(day(0))) == []


def test_the_archive_stays_sound_when_the_entry_about_the_first_drop_is_dropped_itself(tmp_path: Path) -> None:
    clock = filled(tmp_path, 2)
    for turn in range(3):
        with opened(tmp_path, now_us=clock) as store:
            prune(store, day(5 * turn + 6))
            clock.go_on(5 * DAY)
            append(store, entry(reading(9, at=clock.now)))
            seal(store)
        assert verify(tmp_path).ok
    with opened(tmp_path, now_us=clock) as store:
        prune(store, day(10_000))
        clock.go_on(DAY)
        append(store, entry(reading(9, at=clock.now)))
        seal(store)
        prune(store, day(10_000))
    assert len(segments.segment_numbers(tmp_path)) == 1
    assert verify(tmp_path).ok
    assert "segment-000001.sqlite" not in [row[5] for row in audits(tmp_path, "segment-dropped")]


def test_a_segment_that_somebody_else_dropped_is_found(tmp_path: Path) -> None:
    clock = filled(tmp_path)
    with opened(tmp_path, now_us=clock) as store:
        prune(store, day(6))
    segments.segment_path(tmp_path, 2).unlink()
    assert any(finding.segment == 2 for finding in found(tmp_path))


def test_a_kill_between_the_entry_and_the_drop(tmp_path: Path) -> None:
    clock = filled(tmp_path)
    data = segments.segment_path(tmp_path, 1).read_bytes()
    with opened(tmp_path, now_us=clock) as store:
        prune(store, day(6))
    segments.segment_path(tmp_path, 1).write_bytes(data)
    assert verify(tmp_path).ok
    with opened(tmp_path, now_us=clock) as store:
        prune(store, day(6))
    assert segments.segment_numbers(tmp_path) == [2, 3, 4, 5]
    assert verify(tmp_path).ok
