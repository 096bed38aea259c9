"""What the engine makes of days that depend on each other, whichever of them comes first; found by the simulated month
(tests/system/test_metering_month.py)."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.legal_time import day_bounds, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint, Rated
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method, Value
from gatewayd.model import Kind, MeteringType, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import (
    DAY,
    EXPORT,
    IMPORT,
    NORTH,
    SOUTH,
    World,
    brought,
    day_of,
    quarter,
    total,
    world,
)

NEXT = DAY + timedelta(days=1)
FIRST, SECOND = interval_ends(DAY), interval_ends(NEXT)
LATER = day_bounds(NEXT)[1] + timedelta(days=5)
"""Nothing of both days is waited for any more."""
TOTAL = Obis.parse("1-0:1.8.0")
REPLACED = MeteringPoint(
    "north",
    metering_type=MeteringType.A,
    installed=(Installed("em-1"),),
    rated=Rated(Decimal(63), Decimal(400)),
    substitution=SubstitutionTerms(enabled=True),
)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def but(readings: list[Reading], *ends: datetime) -> list[Reading]:
    """These, with some of them told missing."""
    return [quarter("em-1", one.at, "") if one.at in ends else one for one in readings]


def state(at: datetime, text: str, kind: Kind = Kind.REGISTER) -> Reading:
    """A total of em-1."""
    status = RawStatus.TRUE if text else RawStatus.MISSING
    seconds = 900 if kind is Kind.INTERVAL else None
    return Reading("em-1", TOTAL, "1.8.0", kind, at, text.encode(), text, "kWh", 0, status, interval_s=seconds)


def told(values: dict[datetime, Value], *ends: datetime) -> list[tuple[Decimal | None, RawStatus, Method]]:
    return [(values[at].amount, values[at].status, values[at].method) for at in ends]


Parts = Callable[[World, list[Reading], list[Reading]], Coroutine[None, None, None]]


async def at_once(here: World, first: list[Reading], second: list[Reading]) -> None:
    await here.bring([*first, *second])


async def one_after_the_other(here: World, first: list[Reading], second: list[Reading]) -> None:
    await here.bring(first)
    await here.bring(second)


async def the_other_way(here: World, first: list[Reading], second: list[Reading]) -> None:
    await here.bring(second)
    await here.bring(first)


orders = pytest.mark.parametrize("order", [at_once, one_after_the_other, the_other_way])


@orders
def test_a_gap_over_midnight_is_one_gap_in_whatever_order_its_days_come(tmp_path: Path, order: Parts) -> None:
    gap = (*FIRST[-2:], SECOND[0])

    async def body() -> None:
        async with world(tmp_path, [REPLACED]) as here:
            here.now = LATER
            await order(here, but(day_of("em-1", DAY, "1"), *gap), but(day_of("em-1", NEXT, "5"), *gap))
            made = [(Decimal(n), RawStatus.SUBSTITUTE, Method.INTERPOLATED) for n in (2, 3, 4)]
            assert told(here.values("north"), *gap) == made
            assert here.values("north", Layer.DAY)[FIRST[-1]].amount == Decimal(94 + 2 + 3)

    run(body())


@orders
def test_registers_around_two_days_are_met_by_the_substitutes_of_both(tmp_path: Path, order: Parts) -> None:
    """At the midnight between the register was not read."""
    gap = (FIRST[40], SECOND[40])
    states = [state(day_bounds(DAY)[0], "100.0"), state(day_bounds(NEXT)[1], "294.0")]

    async def body() -> None:
        async with world(tmp_path, [REPLACED]) as here:
            here.now = LATER
            first, second = but(day_of("em-1", DAY, "1"), *gap), but(day_of("em-1", NEXT, "1"), *gap)
            await order(here, [*first, states[0]], [*second, states[1]])
            days = here.values("north", Layer.DAY)
            assert [days[at].amount for at in (FIRST[-1], SECOND[-1])] == [Decimal(97), Decimal(97)]

    run(body())


def test_a_register_that_comes_late_is_looked_at(tmp_path: Path) -> None:
    """Nothing else comes of the day: it is computed again for the register alone."""
    states = [state(day_bounds(DAY)[0], "100.0"), state(FIRST[-1], "200.0")]

    async def body() -> None:
        async with world(tmp_path, [NORTH]) as here:
            here.now = LATER
            await here.bring(day_of("em-1", DAY, "1.000"))
            assert here.one_of("north", Layer.DAY, FIRST[-1]).status is RawStatus.TRUE
            await here.bring(states)
            day = here.one_of("north", Layer.DAY, FIRST[-1])
            assert (day.amount, day.status, day.rules) == (Decimal(96), RawStatus.DISTORTED, ("register_advance",))
            days = here.engine.compute.tally.days
            for end in SECOND[40:42]:
                await here.raw.append(brought([state(end, "200.0")], at=end + timedelta(seconds=5)))
                await here.engine.catch_up()
            assert here.engine.compute.tally.days == days, "its intervals follow, and this day is computed with them"

    run(body())


def test_a_profile_of_totals_says_what_there_was_in_a_gap(tmp_path: Path) -> None:
    """Without any other register: 3 kWh went through in the three intervals, not 1.5."""
    rows = [state(at, f"{100 + n * 0.5 + (1.5 if n > 40 else 0):.1f}", Kind.INTERVAL) for n, at in enumerate(FIRST)]
    lost = [state(rows[n].at, "", Kind.INTERVAL) for n in (39, 40)]

    async def body() -> None:
        async with world(tmp_path, [REPLACED]) as here:
            here.now = LATER
            await here.bring([*rows[:39], *lost, *rows[41:]])
            made = (Decimal(1), RawStatus.SUBSTITUTE, Method.INTERPOLATED)
            assert told(here.values("north"), *FIRST[39:42]) == [made] * 3

    run(body())


def test_a_day_is_as_good_as_its_intervals_when_what_was_implausible_is_replaced(tmp_path: Path) -> None:
    """25 kWh through 63 A: neither the day nor the advance of the register is wrong when that has its substitute."""
    rows = day_of("em-1", DAY, "1.000")
    rows[50] = quarter("em-1", FIRST[50], "25.000")
    states = [state(day_bounds(DAY)[0], "100.0"), state(FIRST[-1], "196.5")]

    async def body() -> None:
        async with world(tmp_path, [REPLACED]) as here:
            here.now = LATER
            await here.bring([*states, *rows])
            assert told(here.values("north"), FIRST[50]) == [
                (Decimal("1.5"), RawStatus.SUBSTITUTE, Method.INTERPOLATED)
            ]
            day = here.one_of("north", Layer.DAY, FIRST[-1])
            assert (day.amount, day.status, day.rules) == (Decimal("196.5") - 100, RawStatus.SUBSTITUTE, ())

    run(body())


def test_a_sum_has_the_codes_that_all_of_its_points_have(tmp_path: Path) -> None:
    """Also on the morning on which one of them has not been read yet."""

    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH, total(north=1, south=1)]) as here:
            await here.bring([*day_of("em-1"), *day_of("em-1", code=EXPORT)])
            await here.bring(day_of("em-2"))
            here.now += timedelta(days=1)
            await here.bring([*day_of("em-1", NEXT), *day_of("em-1", NEXT, code=EXPORT)])
            assert {at for at in here.values("total") if at > FIRST[-1]} == set(SECOND)
            assert not {at for at in here.values("total", code=EXPORT) if at > FIRST[-1]}
            assert here.values("total", code=IMPORT)[SECOND[0]].status is RawStatus.MISSING

    run(body())
