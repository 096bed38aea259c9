"""Intervals that nobody has told anything of: missing once the day is settled, and never before a meter began."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.values import Layer
from gatewayd.model import Ratio, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, NORTH, SOUTH, day_of, quarter, total, world

NEXT = DAY + timedelta(days=1)
ENDS = interval_ends(DAY)
LATER = day_bounds(DAY)[1] + SETTLED
NAMED = MeteringPoint("north", installed=(Installed("em-1"),), channels=(IMPORT,))


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def test_what_nobody_told_is_missing_when_the_day_is_settled(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH]) as here:
            rows = day_of("em-1")
            await here.bring([*rows[:40], *rows[44:]])
            assert len(here.values("north")) == 92
            here.now = LATER - timedelta(seconds=1)
            await here.engine.catch_up()
            assert len(here.values("north")) == 92
            here.now = LATER
            await here.engine.catch_up()
            found = here.values("north")
            assert [found[at].status for at in ENDS[39:45]] == [
                RawStatus.TRUE,
                *[RawStatus.MISSING] * 4,
                RawStatus.TRUE,
            ]
            assert found[ENDS[40]].reason == "nobody has told it"
            day = here.one("north", Layer.DAY)
            assert (day.status, day.have, day.want) == (RawStatus.MISSING, 92, 96)
            await here.bring([rows[41]])
            assert here.values("north")[ENDS[41]].status is RawStatus.TRUE

    run(body())


def test_a_whole_day_of_nothing_is_missing_too_also_in_a_back_fill(tmp_path: Path) -> None:
    after = DAY + timedelta(days=2)

    async def body() -> None:
        for place, at_once in enumerate((True, False)):
            async with world(tmp_path / str(place), [NORTH, total(north=2)]) as here:
                here.now = day_bounds(after)[1] + SETTLED if at_once else here.now
                await here.bring(day_of("em-1"))
                here.now = day_bounds(after)[1] + SETTLED
                await here.bring(day_of("em-1", after))
                for point in ("north", "total"):
                    found = here.values(point)
                    assert len(found) == 3 * 96
                    assert {found[at].status for at in interval_ends(NEXT)} == {RawStatus.MISSING}

    run(body())


def test_nothing_is_missing_before_a_meter_began(tmp_path: Path) -> None:
    totals = Obis.parse("1-0:1.8.0")

    async def body() -> None:
        async with world(tmp_path, [NAMED]) as here:
            here.now = LATER
            midnight = day_bounds(DAY)[0]
            rows = [quarter("em-1", midnight, "100", totals)]
            rows += [quarter("em-1", at, str(101 + n), totals) for n, at in enumerate(ENDS)]
            await here.bring(rows)
            found = here.values("north")
            assert sorted(found) == list(ENDS), "of the day before the total at midnight is all that there is"
            assert list(here.values("north", Layer.DAY)) == [ENDS[-1]]
        async with world(tmp_path / "b", [NAMED]) as here:
            here.now = LATER
            await here.bring(day_of("em-1")[30:])
            assert sorted(here.values("north")) == list(ENDS[30:]), "the meter began in the course of the day"

    run(body())


def test_what_was_computed_in_that_moment_is_not_computed_because_it_is_due(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NAMED]) as here:
            await here.bring(day_of("em-1", date(2026, 11, 19)))
            here.now = LATER
            done = here.engine.compute.tally.days
            await here.bring(day_of("em-1"))
            assert here.engine.compute.tally.days == done + 2, "the day itself, and the one before, which is due"

    run(body())


@pytest.mark.parametrize("first", [True, False], ids=["it came first", "it came late"])
def test_a_stray_reading_of_ten_years_ago_makes_nothing_missing(tmp_path: Path, first: bool) -> None:
    """A meter whose clock was wrong; and what the gateway has looked after since makes missing what it has to."""
    stray = [quarter("em-1", datetime(2016, 5, 3, 10, tzinfo=UTC), "5")]
    after = DAY + timedelta(days=2)

    async def body() -> None:
        async with world(tmp_path, [NORTH, total(north=2)]) as here:
            await here.bring(stray if first else day_of("em-1"))
            await here.bring(day_of("em-1") if first else stray)
            here.now = day_bounds(after)[1] + SETTLED
            await here.bring(day_of("em-1", after))
            await here.begin([NORTH, total(north=2)]).catch_up()
            for point in ("north", "total"):
                found = here.values(point)
                assert len(found) == 1 + 3 * 96
                assert found[stray[0].at].status is RawStatus.TRUE
                assert {found[at].status for at in interval_ends(NEXT)} == {RawStatus.MISSING}
                assert len(here.values(point, Layer.DAY)) == 4
            another = MeteringPoint("north", installed=(Installed("em-1", ratios=(Ratio("100/5", since=DAY),)),))
            days_done = here.engine.compute.tally.days
            await here.begin([another, total(north=2)]).catch_up()
            assert here.engine.compute.tally.days - days_done <= 2 * 4, "no day in between is computed either"

    run(body())


def test_a_stray_reading_of_years_ahead_makes_no_days_in_between(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH]) as here:
            await here.bring([*day_of("em-1"), quarter("em-1", datetime(2036, 5, 3, 10, tzinfo=UTC), "5")])
            here.now = LATER
            another = MeteringPoint("north", installed=(Installed("em-1", ratios=(Ratio("100/5", since=DAY),)),))
            await here.begin([another]).catch_up()
            assert here.engine.compute.tally.days <= 3

    run(body())


@pytest.mark.parametrize(("gap", "owed"), [(31, True), (32, False)])
def test_what_a_profile_tells_of_before_the_gateway_asked_is_owed_as_long_as_it_is_unbroken(
    tmp_path: Path, gap: int, owed: bool
) -> None:
    before = DAY - timedelta(days=gap)

    async def body() -> None:
        async with world(tmp_path, [NORTH]) as here:
            here.now = LATER
            await here.bring([*day_of("em-1", before)[50:], *day_of("em-1")])
            found = here.values("north")
            between = days(before + timedelta(days=1), DAY - timedelta(days=1)) if owed else ()
            assert len(found) == 96 + 46 + sum(len(interval_ends(day)) for day in between)

    run(body())


def test_a_meter_that_is_dead_for_a_year_has_each_day_computed_once(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [NAMED]) as here:
            await here.bring(day_of("em-1"))
            here.now = day_bounds(DAY + timedelta(days=365))[1] + SETTLED
            await here.engine.catch_up()
            assert len(here.values("north")) == 366 * 96
            done = here.engine.compute.tally.days
            assert done <= 366 + 2
            here.now += timedelta(days=1)
            await here.engine.catch_up()
            await here.begin([NAMED]).catch_up()
            assert here.engine.compute.tally.days <= 1

    run(body())


@pytest.mark.parametrize("restarted", [False, True])
def test_what_came_late_of_a_point_of_which_there_was_nothing(restarted: bool, tmp_path: Path) -> None:
    """When days that were due were looked for there was nothing of it: those behind what came were due by then."""
    points = [NORTH, SOUTH, total(north=1, south=1)]

    async def body() -> None:
        async with world(tmp_path, points) as here:
            here.now = day_bounds(DAY + timedelta(days=9))[1] + SETTLED + timedelta(seconds=1)
            await here.bring(day_of("em-2"))
            assert here.engine.state.points == 3
            if restarted:
                here.begin(points)
            await here.bring(day_of("em-1"))
            found = here.values("north", Layer.DAY)
            assert [one.status for one in found.values()] == [RawStatus.TRUE, *[RawStatus.MISSING] * 9]
            assert {one.reason for one in list(found.values())[1:]} == {"nothing of 96 intervals"}
            assert len(here.values("total", Layer.DAY)) == 10
            before = here.store.head
            await here.engine.catch_up()
            assert here.store.head == before

    run(body())
