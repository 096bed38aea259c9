"""Readings that the raw archive does not have any more: dropped, or in a segment that cannot be read. What was derived
of them stays as it is, whatever comes late and however a point is defined now."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Value
from gatewayd.model import Ratio, RawStatus
from tests.gatewayd.derived_chains import broken_chains
from tests.gatewayd.metering_world import DAY, IMPORT, NORTH, World, brought, day_of, quarter, total, world
from tests.gatewayd.months_world import TOTAL, enter, midnight, months, shop, state

ENDS = interval_ends(DAY)
WHOLE = day_bounds(DAY)[1]
NOVEMBER = tuple(days(date(2026, 11, 1), date(2026, 11, 30)))
POINTS = [NORTH, total(north=2)]
AFTER = datetime(2026, 12, 1, 5, tzinfo=UTC)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 100))


async def november(here: World) -> None:
    here.now = AFTER
    for day in NOVEMBER:
        await here.raw.append(brought(day_of("em-1", day), at=AFTER))
    await here.engine.catch_up()
    assert here.one("north", Layer.MONTH).amount == Decimal("720.000")
    await here.raw.seal()


def drop(here: World, keep: int = 1) -> None:
    """As retention does it, but for the entry in the audit log."""
    for number in segments.segment_numbers(here.raw.folder)[:-keep]:
        segments.drop(segments.segment_path(here.raw.folder, number))


def all_values(here: World) -> dict[tuple[str, Layer, datetime], Value]:
    return {
        (point, layer, at): one
        for point in ("north", "total")
        for layer in (Layer.INTERVAL, Layer.DAY, Layer.MONTH)
        for at, one in here.values(point, layer).items()
    }


def test_a_late_reading_of_a_day_whose_readings_are_dropped_changes_its_interval_alone(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, POINTS) as here:
            await november(here)
            before = all_values(here)
            drop(here)
            await here.bring([quarter("em-1", ENDS[3], "0.260")])  # as it runs
            here.begin(POINTS)  # and after a start
            await here.bring([quarter("em-1", ENDS[3], "0.260")])
            found = all_values(here)
            changed = {key for key in found if found[key].amount != before[key].amount}
            assert found.keys() == before.keys()
            assert {one.status for one in found.values()} == {RawStatus.TRUE}
            months_end = day_bounds(NOVEMBER[-1])[1]
            assert changed == {
                (point, layer, at)
                for point in ("north", "total")
                for layer, at in ((Layer.INTERVAL, ENDS[3]), (Layer.DAY, WHOLE), (Layer.MONTH, months_end))
            }

    run(body())
    assert not broken_chains(tmp_path)


OTHERS = {
    "substitution": MeteringPoint(
        "north", installed=(Installed("em-1"),), substitution=SubstitutionTerms(enabled=True), channels=(IMPORT,)
    ),
    "ratio": MeteringPoint("north", installed=(Installed("em-1", ratios=(Ratio("100/5", since=date(2020, 1, 1)),)),)),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("left", [0, 4])
def test_another_definition_takes_nothing_from_what_cannot_be_computed_again(
    tmp_path: Path, name: str, left: int
) -> None:
    """`left`: the last quarter-hours of the month were read in the next one, and are kept with it."""

    async def body() -> None:
        async with world(tmp_path, POINTS) as here:
            here.now = AFTER
            readings = [one for day in NOVEMBER for one in day_of("em-1", day)]
            await here.raw.append(brought(readings[: len(readings) - left], at=AFTER))
            await here.raw.seal()
            if left:
                await here.raw.append(brought(readings[-left:], at=AFTER))
                await here.raw.seal()
            await here.engine.catch_up()
            before = all_values(here)
            drop(here, keep=2 if left else 1)
            await here.begin([OTHERS[name], total(north=2)]).catch_up()
            found = all_values(here)
            again = {one.at for one in readings[len(readings) - left :]} if name == "ratio" else set()
            assert found.keys() == before.keys()
            assert {one.status for one in found.values()} == {RawStatus.TRUE}
            others = {
                key[2] for key, one in found.items() if key[1] is Layer.INTERVAL and one.amount != before[key].amount
            }
            assert others == again, "what is there still is computed as it is defined now"

    run(body())


def test_nothing_is_made_missing_of_before_the_oldest_segment(tmp_path: Path) -> None:
    """Derived and raw values of the day are dropped, and then a single reading of it comes."""

    async def body() -> None:
        async with world(tmp_path) as here:
            await november(here)
            await here.store.seal()
            drop(here)
            for number in segments.segment_numbers(here.store.folder)[:-1]:
                segments.drop(segments.segment_path(here.store.folder, number))
            here.now = datetime(2026, 12, 2, 5, tzinfo=UTC)
            here.begin([NORTH])
            await here.bring([quarter("em-1", ENDS[3], "0.260")])
            missing = [at for at, one in here.values("north").items() if one.status is RawStatus.MISSING]
            assert here.values("north")[ENDS[3]].amount == Decimal("0.260")
            assert missing == []

    run(body())


@pytest.mark.parametrize("spoilt", ["all of it", "its pages"])
def test_a_damaged_segment_takes_nothing_and_is_told_once(
    tmp_path: Path, spoilt: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(tmp_path, POINTS) as here:
            await november(here)
            before = all_values(here)
            path = segments.segment_path(here.raw.folder, segments.segment_numbers(here.raw.folder)[-2])
            path.chmod(0o640)
            whole = path.read_bytes()
            path.write_bytes((b"" if spoilt == "all of it" else whole[:4096]).ljust(len(whole), b"\x55"))
            here.begin(POINTS)
            await here.bring([quarter("em-1", ENDS[3], "0.260")])
            found = all_values(here)
            assert {key: one for key, one in found.items() if one.status is not RawStatus.TRUE} == {}
            assert found["north", Layer.DAY, WHOLE].amount == Decimal("24.010")
            assert found.keys() == before.keys()
            assert path.name in here.engine.state.unreadable
            await here.bring([quarter("em-1", ENDS[4], "0.260")])
            path.write_bytes(whole)
            await here.bring([quarter("em-1", ENDS[5], "0.260")])
            assert here.engine.state.unreadable == ""

    with caplog.at_level(logging.ERROR, "gatewayd.metering"):
        run(body())
    assert len([one for one in caplog.records if "what cannot be read" in one.message]) == 1
    assert not broken_chains(tmp_path)


def test_a_month_of_registers_stays_when_the_state_at_its_beginning_is_dropped(tmp_path: Path) -> None:
    async def body() -> None:
        points = [shop(channels=(TOTAL,))]
        async with world(tmp_path, points) as here:
            here.now = datetime(2026, 5, 2, 8, tzinfo=UTC)
            await enter(here, [state(midnight(2026, 3), "1000"), state(midnight(2026, 4), "1310")])
            await here.raw.seal()
            drop(here)
            here.begin(points)
            await enter(here, [state(midnight(2026, 4), "1310.5"), state(midnight(2026, 5), "1500")])
            found = months(here)
            assert (found["2026-03"].amount, found["2026-03"].status) == (Decimal(310), RawStatus.TRUE)
            assert found["2026-04"].amount == Decimal("189.5")

    run(body())
