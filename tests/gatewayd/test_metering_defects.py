"""What breaks the engine costs what brings it out: readings at the edge of time, a day, a point; it never ends."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.daemon.metering import Metering
from gatewayd.daemon.metering_defects import Defects
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.daemon.metering_reach import Reach
from gatewayd.errors import ArchiveError
from gatewayd.legal_time import day_bounds
from gatewayd.metering.values import Layer
from tests.gatewayd.metering_world import DAY, NORTH, SOUTH, World, day_of, quarter, total, world

ALL = (NORTH, SOUTH, total(north=1, south=1))


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


async def whole(here: World) -> None:
    """Both days, and what is made of them, are there."""
    await here.bring(day_of("em-1"))
    await here.bring(day_of("em-2"))
    assert here.one("total", Layer.DAY).amount == Decimal("48.000")


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, 0, 15, tzinfo=UTC),
        datetime(1969, 12, 31, 12, tzinfo=UTC),
        datetime(9999, 12, 1, 12, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 45, tzinfo=UTC),
    ],
)
def test_a_reading_at_the_edge_of_time_costs_itself_alone(
    tmp_path: Path, at: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(tmp_path, ALL) as here:
            await here.bring([quarter("em-1", at, "1")])
            assert not here.store.head
            await whole(here)
            await here.begin(ALL).catch_up()

    run(body())
    assert caplog.text.count("meter em-1 has intervals that end before 1970 or after 2199") <= 2, "once for each start"
    assert "is its clock right?" in caplog.text


def test_a_reading_that_brings_out_a_defect_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad = quarter("em-1", datetime(2026, 11, 10, 12, tzinfo=UTC), "66")
    numbers: list[int] = []
    touches = RawReader.touches

    def spoilt(self: RawReader, after: int, last: int, zone: object) -> object:
        if any(after < number <= last for number in numbers):
            raise ZeroDivisionError
        return touches(self, after, last, zone)  # type: ignore[arg-type]

    async def body() -> None:
        async with world(tmp_path, ALL) as here:
            numbers.append(here.raw.head + 97)
            monkeypatch.setattr(RawReader, "touches", spoilt)
            await here.bring([*day_of("em-1"), bad, *day_of("em-2")])
            assert here.engine.state.seq == here.raw.head
            assert here.one_of("total", Layer.DAY, day_bounds(DAY)[1]).amount == Decimal("48.000")

    run(body())
    assert caplog.text.count("readings 97-97 of the raw archive are passed over: a defect in gatewayd") == 1


def test_a_defect_in_what_depends_on_a_day_costs_no_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_all: object) -> list[object]:
        raise ZeroDivisionError

    async def body() -> None:
        async with world(tmp_path, ALL) as here:
            monkeypatch.setattr(Reach, "_affected", defect)
            await whole(here)

    run(body())


def test_a_slice_that_cannot_be_read_costs_the_point_that_is_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals = RawReader.intervals

    def spoilt(self: RawReader, meters: set[str], first: datetime, last: datetime) -> object:
        if "em-1" in meters:
            raise ArithmeticError("no number")
        return intervals(self, meters, first, last)

    async def body() -> None:
        async with world(tmp_path, (NORTH, SOUTH)) as here:
            monkeypatch.setattr(RawReader, "intervals", spoilt)
            await here.bring([*day_of("em-1"), *day_of("em-2")])
            assert here.one("south", Layer.DAY).amount == 24
            assert not here.values("north", Layer.DAY)

    run(body())


def test_the_engine_goes_on_after_a_defect_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catch_up, left = Metering.catch_up, [2]

    async def defect(self: Metering) -> None:
        if left[0]:
            left[0] -= 1
            raise ZeroDivisionError
        await catch_up(self)

    async def body() -> None:
        async with world(tmp_path, ALL) as here:
            monkeypatch.setattr(Metering, "catch_up", defect)
            running = asyncio.create_task(here.engine.run())
            while left[0]:
                await asyncio.sleep(0)
            while here.engine.state.fault or not here.engine.state.known:
                await asyncio.sleep(0.001)
            assert "ZeroDivisionError" in here.engine.state.last_fault and not here.engine.state.ended
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(body())


def test_a_stretch_is_cut_down_to_what_is_bad_and_a_fault_of_the_disk_is_none() -> None:
    defects, bad = Defects(), {7, 12}

    def work(after: int, last: int) -> set[int]:
        numbers = set(range(after + 1, last + 1))
        if numbers & bad:
            raise ValueError
        return numbers

    assert set().union(*defects.over(0, 20, work)) == set(range(1, 21)) - bad
    bad |= set(range(1, 10_000))
    assert not list(defects.over(0, 9999, work)), "too many: the rest is given up"

    def disk(_after: int, _last: int) -> None:
        raise ArchiveError("the disk")

    with pytest.raises(ArchiveError):
        list(defects.over(0, 20, disk))
