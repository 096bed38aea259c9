"""A constant load behind a high ratio, through the engine: the amounts do not show what a digit is worth."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.points import Accuracy, Installed, MeteringPoint
from gatewayd.metering.values import Layer
from gatewayd.model import Kind, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, World, brought, day_of, quarter, world

HIGH = Ratio("200/5", "22000/100")
"""8800"""
NORTH = MeteringPoint("north", installed=(Installed("em-1"),), accuracy=Accuracy("0.5S"))
CONTROL = MeteringPoint("c", installed=(Installed("em-2"),), accuracy=Accuracy("0.5S"), control_of="north")
REACTIVE = Obis.parse("1-0:3.29.0")
ENDS = interval_ends(DAY)


def play(folder: Path, points: Iterable[MeteringPoint], body: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with world(folder, list(points)) as here:
            here.now = day_bounds(DAY)[1] + timedelta(days=3)
            await body(here)

    asyncio.run(asyncio.wait_for(run(), 120))


async def read(here: World, at: datetime, text: str) -> None:
    code = Obis.parse("1-0:1.8.0")
    reading = Reading("em-1", code, "1.8.0", Kind.REGISTER, at, text.encode(), text, "kWh", 0, RawStatus.TRUE)
    await here.raw.append(brought([reading], HIGH, at + timedelta(seconds=5)))


@pytest.mark.parametrize(("last", "status"), [("112.086", RawStatus.TRUE), ("112.099", RawStatus.DISTORTED)])
def test_what_a_meter_cuts_off_is_allowed_for_and_no_more(tmp_path: Path, last: str, status: RawStatus) -> None:
    """Of 0.1259 kWh a quarter 0.125 are shown: (2 + 96) x 8.8 = 862.4 kWh are allowed, 756.8 is it, 871.2 is more."""

    async def body(here: World) -> None:
        start, end = day_bounds(DAY)
        await read(here, start, "100.000")
        await read(here, end, last)
        await here.bring(day_of("em-1", amount="0.125"), HIGH)
        day = here.values("north", Layer.DAY)[end]
        assert day.status is status, day.reason
        assert status is RawStatus.TRUE or "allowed are 862.4" in day.reason

    play(tmp_path, [NORTH], body)


def test_the_same_over_a_month(tmp_path: Path) -> None:
    """No register was read in between: only the month can be judged, and its digits are read of all of its days."""

    async def body(here: World) -> None:
        november = list(days(date(2026, 11, 1), date(2026, 11, 30)))
        here.now = day_bounds(november[-1])[1] + timedelta(hours=5)
        await read(here, day_bounds(november[0])[0], "100.000")
        await read(here, day_bounds(november[-1])[1], f"{Decimal(100) + 2880 * Decimal('0.1259'):.3f}")
        for day in november:
            await here.raw.append(brought(day_of("em-1", day, "0.125"), HIGH, here.now))
        await here.engine.catch_up()
        month = here.one("north", Layer.MONTH)
        assert (month.status, month.rules) == (RawStatus.TRUE, ()), month.reason

    play(tmp_path, [NORTH], body)


@pytest.mark.parametrize(("text", "rules"), [("0.002", ()), ("0.003", ()), ("0.004", ("control",))])
def test_little_flows_behind_a_high_ratio(tmp_path: Path, text: str, rules: tuple[str, ...]) -> None:
    """A digit of each of both meters is 17.6 kWh: so much more is no finding, three digits are."""

    async def body(here: World) -> None:
        await here.bring(day_of("em-1", amount="0.001"), HIGH)
        await here.bring([quarter("em-2", at, text if at == ENDS[0] else "0.001") for at in ENDS], HIGH)
        assert here.values("north")[ENDS[0]].rules == rules

    play(tmp_path, [NORTH, CONTROL], body)


@pytest.mark.parametrize(
    ("classes", "rules"), [(("", ""), ()), (("2", ""), ()), (("2", "3"), ()), (("0.5S", "1S"), ("control",))]
)
def test_reactive_energy_is_compared_by_its_own_classes(
    tmp_path: Path, classes: tuple[str, str], rules: tuple[str, ...]
) -> None:
    """3 % more, which class 0.5S of active energy does not allow: twice 2 % and twice 3 % do, twice 1 % do not."""

    async def body(here: World) -> None:
        await here.bring([quarter("em-1", at, "10.00", REACTIVE, unit="kvarh") for at in ENDS])
        await here.bring([quarter("em-2", at, "10.30", REACTIVE, unit="kvarh") for at in ENDS])
        assert here.values("north", code=REACTIVE)[ENDS[0]].rules == rules
        assert not here.values("north", code=IMPORT)

    ours, theirs = (replace(one.accuracy, reactive=two) for one, two in zip((NORTH, CONTROL), classes, strict=True))
    play(tmp_path, [replace(NORTH, accuracy=ours), replace(CONTROL, accuracy=theirs)], body)
