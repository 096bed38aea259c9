"""What the archive says of profiles: over segments, with late values, pushes and what the gateway has told."""

import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.archive.intervals import Intervals, SeriesKey, counted
from gatewayd.archive.records import Entry
from gatewayd.archive.rows import from_us
from gatewayd.archive.stats import profiles
from gatewayd.errors import ArchiveError
from gatewayd.legal_time import QUARTER, day_bounds, interval_ends
from gatewayd.model import DIRECT, Flag, Kind, RawStatus, Reading
from tests.gatewayd.archive.samples import append, exchange, opened
from tests.gatewayd.profile_world import row

DAY = date(2026, 10, 25)
ENDS = interval_ends(DAY)
PROFILE, CODE = "1-0:99.1.0*255", "1-0:1.29.0*255"


def put(request: str, *readings: Reading, meter: str = "em-1") -> Entry:
    made = replace(exchange(meter=meter), request=request)
    return Entry(made, readings, (DIRECT,) * len(readings), "77")


def rows(first: int, last: int, code: str = "1.29.0", raw: str = "1", flags: Flag = Flag(0)) -> list[Reading]:  # noqa: B008
    return [row(end, code, raw, flags) for end in ENDS[first : last + 1]]


def missing(first: int, last: int) -> list[Reading]:
    return [
        Reading("em-1", one.obis, "1.29.0", Kind.INTERVAL, one.at, b"", "", "kWh", 0, RawStatus.MISSING,
                Flag.NOT_SENT, ("the meter has no row",), 900)
        for one in rows(first, last)
    ]  # fmt: skip


def test_a_profile_over_two_segments(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, put(f"profile {PROFILE} a/b", *rows(0, 9), *rows(0, 9, "2.29.0")))
        append(store, put("profile 1-0:99.2.0*255 a/b", *rows(40, 49, "9.29.0")))
        append(store, put("registers all", *rows(50, 59)))
        seq = store.head
        asyncio.run(store.seal())
        append(store, put(f"gap {PROFILE} a/b", *missing(20, 21)))
        append(store, put("listen", *rows(30, 31), *rows(32, 33, "7.29.0")))
        append(store, put(f"profile {PROFILE} a/b", *rows(20, 20, flags=Flag.POWER_DOWN | Flag.LATE)))
        found = Intervals(tmp_path).of_profile(("em-1",), PROFILE, (), 0)
        assert {(from_us(one.at), one.told) for one in found.intervals} == {
            *((end, 0) for end in ENDS[:10]),
            *((end, 1) for end in ENDS[20:22]),
            (ENDS[20], 0),
            *((end, 0) for end in ENDS[30:32]),
        }
        assert [from_us(one.at) for one in found.intervals if one.dark] == [ENDS[20]]
        assert {(one.obis, one.serial) for one in found.channels} == {(CODE, "77"), ("1-0:2.29.0*255", "77")}
        assert found.begun == exchange().started_at
        behind = Intervals(tmp_path).of_profile(("em-1",), PROFILE, (CODE,), seq)
        assert {from_us(one.at) for one in behind.intervals} == {*ENDS[20:22], *ENDS[30:32]}
        assert Intervals(tmp_path).of_profile(("em-1",), PROFILE, (CODE,), store.head).intervals == []
        assert Intervals(tmp_path).of_profile(("em-2",), PROFILE, (), 0).begun is None


def test_a_profile_that_was_asked_for_in_vain_has_begun(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, put(f"profile {PROFILE} a/b"))
        assert Intervals(tmp_path).of_profile(("em-1",), PROFILE, (), 0).begun == exchange().started_at


def test_increments_are_told_by_their_status(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, put("registers 1-0:1.8.0*255", *rows(0, 3), *missing(4, 5)))
        append(store, put(f"gap {CODE} a/b", *missing(6, 7)))
        found = Intervals(tmp_path).of_increments("em-1", CODE, 900, 0)
        assert {(from_us(one.at), one.told) for one in found.intervals} == {
            *((end, 0) for end in ENDS[:4]),
            *((end, 1) for end in ENDS[4:8]),
        }


def test_readings_of_the_same_time_are_found_in_all_segments(tmp_path: Path) -> None:
    intervals = Intervals(tmp_path)

    def found(first: datetime, last: datetime) -> list[datetime]:
        kinds = (Kind.INTERVAL,)
        return [one.reading.at for one in intervals.same_time({"em-1"}, {CODE}, kinds, first, last)]

    with opened(tmp_path) as store:
        append(store, put("a", *rows(0, 9), *rows(0, 9, "2.29.0")))
        asyncio.run(store.seal())
        append(store, put("b", *rows(20, 29), *rows(5, 5)))
        for _ in range(2):  # the second time it knows which segments it can leave out
            assert found(ENDS[4], ENDS[5]) == [ENDS[4], ENDS[5], ENDS[5]]
            assert found(ENDS[20], ENDS[21]) == [ENDS[20], ENDS[21]]
            assert found(ENDS[10], ENDS[19]) == []


def test_counting_takes_a_late_value_once_and_a_missing_one_never(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, put("a", *rows(0, 9), *missing(10, 12)))
        append(store, put("a", *rows(0, 3, "2.29.0"), *[row(end, "1.29.0", "1", meter="em-2") for end in ENDS]))
        asyncio.run(store.seal())
        append(store, put("b", *rows(9, 10)))
    begin, end = day_bounds(DAY)
    assert counted(tmp_path, begin, end) == {
        SeriesKey("em-1", CODE, 900): 11,
        SeriesKey("em-1", "1-0:2.29.0*255", 900): 4,
        SeriesKey("em-2", CODE, 900): 100,
    }
    assert counted(tmp_path, begin, begin + 4 * QUARTER)[SeriesKey("em-2", CODE, 900)] == 4
    assert counted(tmp_path, end, end + timedelta(days=1)) == {}
    assert len(profiles(tmp_path)) == 3 and profiles(tmp_path, newest=1) == [SeriesKey("em-1", CODE, 900)]
    assert profiles(tmp_path, "em-2") == [SeriesKey("em-2", CODE, 900)]


def test_a_damaged_segment_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        append(store, put(f"profile {PROFILE} a/b", *rows(0, 9)))
        asyncio.run(store.seal())
        append(store, put(f"profile {PROFILE} a/b", *rows(10, 19)))
        path = tmp_path / "segment-000001.sqlite"
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40_000)
        found = Intervals(tmp_path).of_profile(("em-1",), PROFILE, (), 0)
        assert {from_us(one.at) for one in found.intervals} == set(ENDS[10:20])
        same = Intervals(tmp_path).same_time({"em-1"}, {CODE}, (Kind.INTERVAL,), ENDS[0], ENDS[-1])
        assert [one.reading.at for one in same] == list(ENDS[10:20])
        with pytest.raises(ArchiveError, match="000001"):
            counted(tmp_path, *day_bounds(DAY))
