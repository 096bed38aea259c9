"""An engine that is given up again and again in the middle of its first readings gets on, and to the same values."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive.records import Entry
from gatewayd.archive.verify import verify
from gatewayd.daemon import metering_batch
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.metering_batch import OFTEN_S, Batch, Part
from gatewayd.daemon.metering_progress import recalled
from gatewayd.legal_time import days, interval_ends
from gatewayd.metering.plan import Dirty, Task
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Value
from gatewayd.model import RawStatus
from tests.gatewayd.metering_world import NORTH, SOUTH, World, brought, day_of, quarter, total, world

FIRST, LAST = date(2026, 10, 20), date(2026, 11, 9)
POINTS = (replace(NORTH, substitution=SubstitutionTerms(enabled=True)), SOUTH, total(north=1, south=1))
LAYERS = (Layer.INTERVAL, Layer.DAY, Layer.MONTH)


class GivenUpError(BaseException):
    """As if the process were killed."""


async def filled(here: World) -> None:
    """Three weeks of two meters; a gap over each midnight of the first one."""
    here.now = datetime(2026, 11, 12, 5, tzinfo=UTC)
    for day in days(FIRST, LAST):
        ends = interval_ends(day)
        rows = [quarter("em-1", at, "" if at in (ends[0], ends[-1]) else f"0.{day.day:02}1") for at in ends]
        await here.raw.append(brought(rows))
        await here.raw.append(brought(day_of("em-2", day, "0.100")))


def found(here: World) -> dict[tuple[str, Layer, datetime], tuple[Decimal | None, RawStatus]]:
    def said(value: Value) -> tuple[Decimal | None, RawStatus]:
        return value.amount, value.status

    names = [(point.id, layer) for point in POINTS for layer in LAYERS]
    return {(point, layer, at): said(one) for point, layer in names for at, one in here.values(point, layer).items()}


def test_each_start_gets_further_and_the_values_are_those_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering_batch, "OFTEN_S", 0.0)
    results, places = [], list[tuple[date, date]]()

    async def undisturbed() -> None:
        async with world(tmp_path / "plain", POINTS) as here:
            await filled(here)
            await here.engine.catch_up()
            results.append((found(here), here.engine.compute.tally.days))

    async def killed(slices: int) -> None:
        done = 0
        async with world(tmp_path / "killed", POINTS) as here:
            await filled(here)
            for _ in range(100):
                engine = here.begin(POINTS)
                left, days_of = [slices], engine.compute.days

                def spy(tasks: Sequence[Task], now: datetime, reason: str) -> list[Entry]:
                    if not left[0]:  # noqa: B023 - it is used in this round
                        raise GivenUpError
                    left[0] -= 1  # noqa: B023
                    return days_of(tasks, now, reason)  # noqa: B023

                engine.compute.days = spy  # type: ignore[method-assign]
                try:
                    await engine.catch_up()
                except GivenUpError:
                    part = (await recalled(here.store, here.raw)).progress.part
                    places.append((part.day, part.again) if part is not None else (date.max, date.max))
                    done += engine.compute.tally.days
                    continue
                results.append((found(here), done + engine.compute.tally.days))
                break

    asyncio.run(asyncio.wait_for(undisturbed(), 60))
    asyncio.run(asyncio.wait_for(killed(35), 60))
    assert len(results) == 2, places
    plain, disturbed = results
    assert plain[0] == disturbed[0]
    assert places == sorted(places) and places[0][0] > FIRST
    within = [one for one in places if one[1] < date.max]
    assert len(within) == len(set(within)), "each gets further than the one before"
    assert within[-1][1] > FIRST, "also where days are computed once more"
    assert disturbed[1] < 2 * plain[1], "what was done is not done again"
    assert verify(derived_folder(tmp_path / "killed")).ok


@pytest.mark.parametrize("day", [FIRST, date(2026, 11, 1)])
def test_what_is_left_of_a_batch(day: date) -> None:
    spread = Dirty()
    for one in (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)):
        spread.add("north", one)
    batch = Batch(5, Part(5, day + timedelta(days=1)))
    left = [one for _, one in batch.left(spread)]
    assert left == [one for _, one in spread if one > day]
    assert batch.months == ({("north", 2026, 10)} if day.month == 11 else set()), "a gas day of October ended on it"


def test_it_is_remembered_at_most_once_a_second_and_never_backwards() -> None:
    batch = Batch(5)
    replaced = {("north", FIRST), ("north", LAST)}
    assert batch.reached(LAST, replaced, 10.0) == Part(5, LAST, (("north", FIRST),))
    assert batch.reached(LAST, replaced, 20.0) is None
    assert batch.reached(LAST + timedelta(days=1), replaced, 10.0 + OFTEN_S / 2) is None
    assert batch.reached(LAST + timedelta(days=1), replaced, 10.0 + OFTEN_S) is not None
    spread = Dirty()
    spread.add("north", FIRST)
    assert len(batch.again(spread, replaced)) == 1
    second = batch.reached(LAST, (), 20.0)
    assert second == Part(5, date.max, (("north", FIRST), ("north", LAST)), LAST)
    assert not len(Batch(5, second).left(spread)) and not len(Batch(5, second).again(spread, replaced))
