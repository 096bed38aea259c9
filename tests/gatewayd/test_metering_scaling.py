"""The engine with substitutes scaled to registers: over midnight, beside the quarter, by hand, coarse, too much.
A bug of each was found by a reviewer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.legal_time import day_bounds, instant, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint, Rated
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method
from gatewayd.model import DIRECT, NO_FLAGS, Flag, Kind, MeteringType, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, World, brought, day_of, quarter, world

BEFORE = DAY - timedelta(days=1)
WEEK = timedelta(days=7)
ENDS = interval_ends(DAY)
START, END = day_bounds(DAY)
NOON_BEFORE, NOON = instant(BEFORE, time(12)), instant(DAY, time(12))
LATER = END + timedelta(days=3)
TOTAL = Obis.parse("1-0:1.8.0")
FILLED = MeteringPoint(
    "north",
    metering_type=MeteringType.A,
    installed=(Installed("em-1"),),
    substitution=SubstitutionTerms(enabled=True),
)


def play(folder: Path, point: MeteringPoint, body: Callable[[World], Awaitable[None]], now: datetime = LATER) -> None:
    async def run() -> None:
        async with world(folder, [point]) as here:
            here.now = now
            await body(here)

    asyncio.run(asyncio.wait_for(run(), 60))


async def read(here: World, at: datetime, text: str, ratio: Ratio = DIRECT, flags: Flag = NO_FLAGS) -> None:
    """A register, archived five seconds after it was read."""
    one = Reading("em-1", TOTAL, "1.8.0", Kind.REGISTER, at, text.encode(), text, "kWh", 0, RawStatus.TRUE, flags)
    await here.raw.append(brought([one], ratio, at + timedelta(seconds=5)))


def holed(day: date, first: int, end: int, amount: str = "0.250") -> list[Reading]:
    """A day of which the meter has told some intervals missing."""
    return [quarter("em-1", at, "" if first <= n < end else amount) for n, at in enumerate(interval_ends(day))]


def between(here: World, start: datetime, end: datetime) -> Decimal:
    return sum((one.amount or Decimal(0) for at, one in here.values("north").items() if start < at <= end), Decimal(0))


async def compared(here: World) -> None:
    """Four weeks before of both days, of which the one before has more in the afternoon."""
    for weeks in (1, 2, 3, 4):
        for day, amount in ((BEFORE, "0.300"), (DAY, "0.250")):
            await here.raw.append(brought(day_of("em-1", day - WEEK * weeks, amount)))


Gap = tuple[int, int]
LONG, SHORT, MORNING, EARLY = (60, 72), (60, 64), (20, 40), (20, 24)


@pytest.mark.parametrize(("first", "second"), [(LONG, MORNING), (SHORT, MORNING), (LONG, EARLY), (SHORT, EARLY)])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "the later day first"])
def test_two_gaps_on_two_days_share_out_one_advance(tmp_path: Path, first: Gap, second: Gap, later: bool) -> None:
    """48 kWh from noon to noon: whichever of both gaps is a line or a median, and whichever day comes first."""

    async def body(here: World) -> None:
        await compared(here)
        await read(here, NOON_BEFORE, "100.000")
        await read(here, NOON, "148.000")
        if later:
            await here.bring(holed(DAY, *second))
            await here.bring(holed(BEFORE, *first))
        else:
            await here.bring([*holed(BEFORE, *first), *holed(DAY, *second)])
        assert between(here, NOON_BEFORE, NOON) == 48
        factors = {
            round((here.values("north")[at].amount or Decimal(0)) / alone, 4)
            for at, alone in (
                (interval_ends(BEFORE)[first[0] + 1], Decimal("0.300" if first is LONG else "0.250")),
                (ENDS[second[0] + 1], Decimal("0.250")),
            )
        }
        assert len(factors) == 1, "one factor on both days"

    play(tmp_path, FILLED, body)


def test_a_late_value_of_a_comparable_day_changes_both_days(tmp_path: Path) -> None:
    """It changes the median of the first day, and so what is left for the second."""

    async def body(here: World) -> None:
        for weeks in (1, 2, 3, 4):
            await here.raw.append(brought(day_of("em-1", DAY - WEEK * weeks)))
        for weeks in (3, 4):
            await here.raw.append(brought(day_of("em-1", BEFORE - WEEK * weeks, "0.300")))
        await read(here, NOON_BEFORE, "100.000")
        await read(here, NOON, "148.000")
        await here.bring([*holed(BEFORE, *LONG), *holed(DAY, *MORNING)])
        before = here.values("north")[ENDS[21]].amount
        for weeks in (1, 2):
            await here.bring(day_of("em-1", BEFORE - WEEK * weeks, "0.900"))
        assert between(here, NOON_BEFORE, NOON) == 48
        assert here.values("north")[ENDS[21]].amount != before

    play(tmp_path, FILLED, body)


@pytest.mark.parametrize(("seconds", "whole"), [(0, 30), (1, 30), (5, 30), (9, 30), (10, 12)])
def test_a_register_that_was_read_some_seconds_beside_the_quarter(tmp_path: Path, seconds: int, whole: int) -> None:
    async def body(here: World) -> None:
        beside = timedelta(seconds=seconds)
        await read(here, START + beside, "100.000")
        await read(here, NOON + beside, "130.000")
        await here.bring(day_of("em-1", BEFORE))
        await here.bring(holed(DAY, *EARLY))
        assert between(here, START, NOON) == whole
        within = "the register was read within an interval" in here.values("north")[ENDS[20]].reason
        assert within is (whole == 12)

    play(tmp_path, FILLED, body)


def test_what_somebody_has_typed_scales_nothing(tmp_path: Path) -> None:
    """160 instead of 110, and whole units, which say nothing of how exact the register is."""

    async def body(here: World) -> None:
        await read(here, START, "100.000")
        await read(here, instant(DAY, time(10)), "160", flags=Flag.MANUAL)
        await here.bring(day_of("em-1", BEFORE))
        await here.bring(holed(DAY, *EARLY))
        assert here.values("north")[ENDS[21]].amount == Decimal("0.250")
        await read(here, END, "124.400")
        await here.bring(day_of("em-1", DAY + timedelta(days=1)))
        assert between(here, START, END) == Decimal("24.400"), "met exactly"

    play(tmp_path, FILLED, body)


def test_a_register_of_whole_kwh_behind_8800(tmp_path: Path) -> None:
    ratio = Ratio("200/5", "22000/100")

    async def body(here: World) -> None:
        await here.raw.append(brought(day_of("em-1", BEFORE, "0.128"), ratio))
        await read(here, START, "100", ratio)  # it was at 100.800, and at 113.088 at the end
        await read(here, END, "113", ratio)
        await here.bring(holed(DAY, *EARLY, "0.128"), ratio)
        found = here.values("north")[ENDS[21]]
        assert (found.amount, found.method) == (Decimal("1126.4"), Method.INTERPOLATED)
        assert "its last digit is 8800 kWh" in found.reason

    play(tmp_path, replace(FILLED, installed=(Installed("em-1", ratios=(ratio,)),)), body)


@pytest.mark.parametrize("times", ["1", "30"])
def test_no_substitute_is_above_what_the_connection_carries(tmp_path: Path, times: str) -> None:
    """900 kWh in a day would be 219 in each missing quarter; 63 A at 400 V carry 10.9."""

    async def body(here: World) -> None:
        await here.bring(day_of("em-1", BEFORE))
        await read(here, START, "100.000")
        await read(here, END, "1000.000")
        await here.bring(holed(DAY, *EARLY))
        found = here.values("north")[ENDS[21]]
        if times == "30":
            assert found.amount == Decimal("219.250")
        else:
            assert found.amount == Decimal("0.250") and "more than its connection carries" in found.reason

    rules = {"above_maximum": {"times": times}, "register_advance": {"enabled": False}}
    play(tmp_path, replace(FILLED, rated=Rated(Decimal(63), Decimal(400)), validation=rules), body)


def test_a_control_point_shares_an_advance_over_a_day_of_25_hours(tmp_path: Path) -> None:
    """The hour of the day before that is the 25th one back is of it as well."""
    autumn = date(2026, 10, 25)
    after = autumn + timedelta(days=1)
    control = MeteringPoint("control", installed=(Installed("em-2"),), control_of="north")

    async def run() -> None:
        async with world(tmp_path, [FILLED, control]) as here:
            here.now = day_bounds(after)[1] + timedelta(days=3)
            start, end = day_bounds(autumn)[0], day_bounds(after)[1]
            await read(here, start, "100.000")
            await read(here, end, "160.000")
            await here.bring([quarter("em-2", interval_ends(autumn)[0], "7.000")])
            await here.bring([*holed(autumn, 0, 1), *holed(after, 20, 24)])
            assert here.values("north")[interval_ends(autumn)[0]].method is Method.CONTROL
            assert between(here, start, end) == 60

    asyncio.run(asyncio.wait_for(run(), 60))
