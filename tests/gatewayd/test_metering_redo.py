"""Another definition of points is given up in the middle: by a kill, or because somebody takes it back."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive.records import Entry
from gatewayd.daemon import metering_batch, metering_deriving
from gatewayd.daemon.metering_build import works_of
from gatewayd.daemon.metering_progress import recalled
from gatewayd.legal_time import PRAGUE, days
from gatewayd.metering.plan import Dirty, Task
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.values import Layer
from gatewayd.model import Flag, Ratio
from tests.gatewayd.metering_world import IMPORT, NORTH, SOUTH, World, brought, day_of, quarter, world

MONTHS = [date(2026, month, 1) for month in (7, 8, 9, 10)]
DAYS = [day for first in MONTHS for day in days(first, first + timedelta(days=2))]
"""Three days of each month."""
OTHER = replace(NORTH, installed=(Installed("em-1", ratios=(Ratio("100/5", since=date(2020, 1, 1)),)),))
"""Twenty times as much."""


class GivenUpError(BaseException):
    """As if the process were killed."""


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


async def filled(here: World) -> None:
    here.now = datetime(2026, 11, 12, 5, tzinfo=UTC)
    for day in DAYS:
        await here.raw.append(brought(day_of("em-1", day, "1")))
        await here.raw.append(brought(day_of("em-2", day, "1")))
    await here.engine.catch_up()


async def computed(here: World, *points: MeteringPoint, upto: int | None = None) -> list[date]:
    """Another process with these points: the months that it has computed; given up behind so many of them."""
    engine, done = here.begin(points), list[date]()
    derive = engine._deriving.derive

    async def spy(dirty: Dirty, reason: str, *more: object) -> None:
        if upto is not None and len(done) == upto:
            raise GivenUpError
        done.append(min(day for _, day in dirty).replace(day=1))
        await derive(dirty, reason, *more)  # type: ignore[arg-type]

    engine._deriving.derive = spy  # type: ignore[method-assign, assignment]
    if upto is None:
        await engine.catch_up()
    else:
        with pytest.raises(GivenUpError):
            await engine.catch_up()
    return done


def amounts(here: World, point: str = "north") -> dict[date, Decimal | None]:
    found = here.values(point, Layer.DAY, IMPORT)
    return {(at - timedelta(hours=12)).date(): value.amount for at, value in found.items() if value.want}


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message.partition("again")[2] for one in caplog.records if "new or changed" in one.message]


def test_it_goes_on_behind_the_months_that_are_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with world(tmp_path, (NORTH, SOUTH)) as here:
            await filled(here)
            assert await computed(here, OTHER, SOUTH, upto=2) == MONTHS[:2]
            assert await computed(here, OTHER, SOUTH, upto=0) == []
            assert await computed(here, OTHER, SOUTH) == MONTHS[2:]
            assert {amounts(here)[day] for day in DAYS} == {Decimal(1920)}
            assert {amounts(here, "south")[day] for day in DAYS} == {Decimal(96)}
            assert await computed(here, OTHER, SOUTH) == [], "that is done"
            assert await computed(here, NORTH, SOUTH) == MONTHS, "and nothing is left of it"

    with caplog.at_level(logging.INFO):
        run(body())
    behind = ", from behind 2026-08 on"
    assert told(caplog) == ["", behind, behind, ""]


def test_the_former_definition_is_another_one_in_the_middle(tmp_path: Path) -> None:
    """Or else the months that are done would keep the values of the one that was taken back."""

    async def body() -> None:
        async with world(tmp_path, (NORTH, SOUTH)) as here:
            await filled(here)
            await computed(here, OTHER, SOUTH, upto=2)
            assert amounts(here)[DAYS[0]] == 1920
            assert await computed(here, NORTH, SOUTH) == MONTHS
            assert {amounts(here)[day] for day in DAYS} == {Decimal(96)}

    run(body())


def test_taken_back_while_it_is_computed(tmp_path: Path) -> None:
    """The same in one process: a reload, and another one before all is computed."""

    async def body() -> None:
        async with world(tmp_path, (NORTH, SOUTH)) as here:
            await filled(here)
            here.engine.take(works_of((OTHER, SOUTH), PRAGUE))
            task = asyncio.create_task(here.engine.catch_up(), name="computes")
            while amounts(here)[DAYS[0]] != 1920:
                await asyncio.sleep(0)
            assert not task.done()
            here.engine.take(works_of((NORTH, SOUTH), PRAGUE))
            await task
            assert {amounts(here)[day] for day in DAYS} == {Decimal(96)}

    run(body())


def test_a_point_that_was_away_meanwhile_is_computed_from_its_beginning(tmp_path: Path) -> None:
    """What came while it was away belongs to months that were done."""

    async def body() -> None:
        async with world(tmp_path, (NORTH, SOUTH)) as here:
            await filled(here)
            await computed(here, OTHER, SOUTH, upto=2)
            assert await computed(here, SOUTH) == []
            late = quarter("em-1", day_of("em-1", DAYS[0])[4].at, "11", flags=Flag.CONFLICT)
            await here.raw.append(brought([late]))
            await computed(here, SOUTH)
            assert await computed(here, OTHER, SOUTH) == MONTHS
            assert amounts(here)[DAYS[0]] != 1920, "the other value counts"

    run(body())


def test_another_definition_in_the_middle_of_the_first_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days that are done are so with the former one."""
    monkeypatch.setattr(metering_batch, "OFTEN_S", 0.0)

    async def body() -> None:
        async with world(tmp_path, (NORTH, SOUTH)) as here:
            here.now = datetime(2026, 11, 12, 5, tzinfo=UTC)
            for day in DAYS:
                await here.raw.append(brought(day_of("em-1", day, "1")))
            monkeypatch.setattr(metering_deriving, "_WRITE", 1)
            compute, left = here.engine.compute, [5]
            days_of = compute.days

            def spy(tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
                left[0] -= 1
                if left[0] < 0:
                    raise GivenUpError
                return days_of(tasks, now, reason)

            monkeypatch.setattr(compute, "days", spy)
            with pytest.raises(GivenUpError):
                await here.engine.catch_up()
            assert (await recalled(here.store, here.raw)).progress.part is not None
            await here.begin((OTHER, SOUTH)).catch_up()
            assert {amounts(here)[day] for day in DAYS} == {Decimal(1920)}

    run(body())
