"""Other points while days are computed: a reload costs no value, whenever it comes."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gatewayd.archive.records import Entry
from gatewayd.daemon.metering_build import works_of
from gatewayd.daemon.metering_deriving import Deriving
from gatewayd.legal_time import PRAGUE, days
from gatewayd.metering.plan import CycleError, Task
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.values import Layer
from tests.gatewayd.derived_chains import broken_chains
from tests.gatewayd.metering_world import NORTH, SOUTH, World, brought, day_of, total, world

BEFORE = [NORTH, SOUTH, total(north=1, south=1)]
AFTER = [*BEFORE, MeteringPoint("spare", installed=(Installed("em-3"),))]


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 100))


async def back_fill(here: World) -> None:
    here.now = datetime(2026, 11, 13, 5, tzinfo=UTC)
    await here.bring(day_of("em-1", date(2026, 10, 27)))
    await here.bring(day_of("em-2", date(2026, 10, 27)))  # from now on nothing is looked for that is not told
    for day in days(date(2026, 10, 28), date(2026, 11, 10)):
        await here.raw.append(brought(day_of("em-1", day)))
        await here.raw.append(brought(day_of("em-2", day, "0.100")))


def taken_at(
    here: World, slices: Sequence[int], points: Sequence[Sequence[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Take points behind these slices, each counted over all engines' computations."""
    count = 0
    whole = Deriving.slice

    async def slice_of(deriving: Deriving, work: Callable[[], list[Entry]]) -> list[Entry]:
        nonlocal count
        found = await whole(deriving, work)
        count += 1
        if count in slices:
            here.engine.take(works_of(points[list(slices).index(count)], PRAGUE))  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(Deriving, "slice", slice_of)


def values(here: World) -> dict[tuple[str, str, datetime], tuple[object, ...]]:
    return {
        (point, layer.value, at): (one.amount, one.status, one.inputs)
        for point in ("north", "south", "total")
        for layer in (Layer.INTERVAL, Layer.DAY, Layer.MONTH)
        for at, one in here.values(point, layer).items()
    }


@pytest.mark.parametrize("place", [1, 5, 9, 14])
def test_points_that_come_in_the_middle_change_no_value(
    tmp_path: Path, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        async with world(tmp_path / "undisturbed", AFTER) as here:
            await back_fill(here)
            await here.engine.catch_up()
            wanted = values(here)
        async with world(tmp_path / "taken", BEFORE) as here:
            await back_fill(here)
            taken_at(here, (place, place + 2, place + 3), (AFTER, BEFORE, AFTER), monkeypatch)
            await here.engine.catch_up()
            assert here.engine.state.points == 4
            assert values(here) == wanted

    run(body())
    assert len(broken_chains(tmp_path / "taken")) == 0


def test_the_same_points_once_more_disturb_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six times SIGHUP with an unchanged file: no day is computed a second time."""

    async def body() -> None:
        async with world(tmp_path, AFTER) as here:
            await back_fill(here)
            compute, done = here.engine.compute, here.engine.compute.tally.days
            taken_at(here, range(1, 7), [AFTER] * 6, monkeypatch)
            await here.engine.catch_up()
            assert here.engine.compute is compute
            assert compute.tally.days - done == 3 * 14

    run(body())


def test_points_that_are_made_of_each_other_are_refused_and_nothing_changes(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, AFTER) as here:
            await back_fill(here)
            with pytest.raises(CycleError):
                here.engine.take(works_of([total(total=1)], PRAGUE))
            await here.engine.catch_up()
            assert here.engine.state.points == 4
            assert here.values("total", Layer.DAY)

    run(body())


def test_what_was_computed_and_not_written_is_computed_once_more(tmp_path: Path) -> None:
    """The old engine is at a slice that it has not written: the new one begins behind the cursor, not behind that."""

    async def body() -> None:
        async with world(tmp_path, BEFORE) as here:
            await back_fill(here)
            first: list[Task] = []
            days_of = here.engine.compute.days

            def spy(tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
                found = days_of(tasks, now, reason)
                if not first:
                    first.extend(tasks)
                    here.engine.take(works_of(AFTER, PRAGUE))
                return found

            here.engine.compute.days = spy  # type: ignore[method-assign]
            await here.engine.catch_up()
            assert first
            for task in first:
                assert any(at.astimezone(PRAGUE).date() == task.day for at in here.values(task.point))

    run(body())
