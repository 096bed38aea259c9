"""Following an archive: the same readings as everybody else sees, in order, through segments, damage and sealing."""

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.archive import segments
from gatewayd.archive.follow import Follower, _check_order
from gatewayd.archive.query import Selection
from gatewayd.archive.records import Entry
from gatewayd.archive.rows import to_us
from gatewayd.errors import ArchiveDamaged, ArchiveError
from gatewayd.model import Archived, Flag, Kind, MeteringType, Point, Ratio, RawStatus, Reading, ValueSide
from gatewayd.obis import Obis
from tests.crash.rig import Clock, build, seal
from tests.gatewayd.archive.samples import PATIENCE, append, entry, exchange, opened, reading, reading_from

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
readings = st.builds(
    Reading,
    meter=st.sampled_from(["em-1", "em-2"]),
    obis=st.sampled_from([Obis.parse("1.8.0"), Obis(1, 0, 1, 8, 1, 5, manual=True), None]),
    obis_raw=WORDS,
    kind=st.sampled_from(Kind),
    at=instants,
    raw=st.binary(max_size=6),
    raw_text=WORDS | st.sampled_from(["0008048.375", "\0", "\u2028", '"\\', str(2**64 - 1)]),
    unit=WORDS,
    scaler=st.integers(-(2**63), 2**63 - 1),
    status=st.sampled_from(RawStatus),
    flags=st.integers(0, int(max(Flag)) * 2 - 1).map(Flag),
    more=st.lists(WORDS, max_size=2).map(tuple),
    interval_s=st.none() | st.integers(1, 2**40),
    meter_time=WORDS,
)
ratios = st.builds(
    Ratio,
    ct=st.sampled_from(["", "200/5"]),
    vt=st.sampled_from(["", "22000/100"]),
    multiplier=st.sampled_from([Decimal(1), Decimal("0.10")]),
    value_side=st.sampled_from(ValueSide),
    since=st.dates(date(1970, 1, 1)) | st.datetimes(timezones=st.just(timezone(timedelta(hours=2)))),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(readings, ratios), min_size=1, max_size=5))
def test_what_is_followed_is_what_was_put_in(
    tmp_path_factory: pytest.TempPathFactory, ones: list[tuple[Reading, Ratio]]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    one = Entry(exchange(), tuple(x for x, _ in ones), tuple(y for _, y in ones), "35", Point("e", "a"), MeteringType.A)
    with opened(folder) as store:
        put = append(store, one)
    assert Follower(folder).after(0, 100) == list(put)
    with reading_from(folder) as reader:
        assert reader.select(Selection()) == list(put)


def test_it_goes_on_where_one_has_stopped_through_all_segments(tmp_path: Path) -> None:
    build(tmp_path, per_segment=7, segment_count=3)
    with reading_from(tmp_path) as reader:
        everything = reader.select(Selection())
    follower = Follower(tmp_path)
    found: list[Archived] = []
    while part := follower.after(len(found), 5):
        assert len(part) <= 5
        found += part
    assert found == everything
    assert [item.seq for item in follower.after(10, 1000, 12)] == [11, 12]
    assert follower.after(len(everything), 7) == follower.after(10**6, 7) == []


def test_new_meters_codes_and_ratios_are_learned_on_the_way(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        follower = Follower(tmp_path)
        for number in range(5):
            new = replace(reading(number), meter=f"em-{number}", unit=f"u{number}")
            put = append(store, Entry(exchange(), (new,), (Ratio(f"{number + 1}/5"),), f"serial {number}"))
            assert follower.after(number, 10) == list(put)


def test_where_there_is_no_archive_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=f"no archive at {tmp_path}"):
        Follower(tmp_path)


def test_a_query_has_a_time_limit(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, entry(*map(reading, range(3000))))
    with pytest.raises(ArchiveError, match="longer than 0 s"):
        Follower(tmp_path, limit_seconds=0).after(0, 3000)


def test_a_damaged_segment_gives_what_comes_before_it_first(tmp_path: Path) -> None:
    build(tmp_path, per_segment=4, segment_count=3)  # 12 readings in each
    path = segments.segment_path(tmp_path, 2)
    path.chmod(0o644)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    follower = Follower(tmp_path)
    assert [item.seq for item in follower.after(0, 100)] == list(range(1, 13))
    with pytest.raises(ArchiveDamaged, match=r"segment-000002.*archive verify"):
        follower.after(12, 100)
    assert follower.after(24, 1)[0].seq == 25


@pytest.mark.parametrize("moved_to", [3, 0, -5, 2**62])
def test_a_damaged_number_is_damage_and_no_hole(moved_to: int) -> None:
    """A flipped bit in a row's number: the rows come out of their order, and a count of them would notice nothing."""
    numbers = [1, 2, 3, 4, 5, 6, 7, 8]
    _check_order(numbers, 0, 8)
    numbers[6] = moved_to
    with pytest.raises(ValueError, match="out of order"):
        _check_order(numbers, 0, 2**62 - 1)
    _check_order([2, 3, 7], 1, 7)  # a hole is for the outbox to tell


def test_where_to_begin_for_what_was_archived_since(tmp_path: Path) -> None:
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    clock = Clock(begin)
    with opened(tmp_path, now_us=clock) as store:
        for number in range(6):
            append(store, entry(reading(number), reading(number)))
            if number == 2:
                seal(store)
            clock.go_on(86400)

    def before(day: int) -> int | None:
        return Follower(tmp_path).before(to_us(begin.replace(day=day)))

    assert [before(day) for day in (1, 2, 3, 4, 5, 6)] == [0, 2, 4, 6, 8, 10]
    assert before(20) is None
    assert Follower(tmp_path).first() == 1
    segments.segment_path(tmp_path, 1).unlink()
    assert Follower(tmp_path).first() == 7


def test_followers_see_whole_appends_in_order_while_the_writer_writes(tmp_path: Path) -> None:
    stop = threading.Event()
    faults: list[str] = []
    seen: list[int] = []

    def watch() -> None:
        follower, last = Follower(tmp_path), 0
        while not stop.is_set() or not seen or seen[-1] < 500:
            found = follower.after(last, 1000)
            if [item.seq for item in found] != list(range(last + 1, last + len(found) + 1)):
                faults.append(f"after {last}: {[item.seq for item in found]}")
            last += len(found)
            if last % 5:
                faults.append(f"part of an append is visible: {last}")
            seen.append(last)
            if faults or len(seen) > 1_000_000:
                return

    with opened(tmp_path) as store:
        watchers = [threading.Thread(target=watch, daemon=True) for _ in range(2)]
        for watcher in watchers:
            watcher.start()
        for number in range(100):
            append(store, entry(*(reading(number * 5 + part) for part in range(5))))
        asyncio.run(store.seal())
        stop.set()
        for watcher in watchers:
            watcher.join(PATIENCE)
            assert not watcher.is_alive()
    assert not faults
    assert seen[-1] == 500
