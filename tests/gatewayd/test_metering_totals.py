"""The engine with profiles of totals: what they went up by over a gap is shared out, of all media and over midnight."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from gatewayd.legal_time import QUARTER, day_bounds, instant, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer
from gatewayd.model import Kind, MeteringType, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, World, brought, world

BEFORE, AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)
START, END = day_bounds(DAY)
HOUR = timedelta(hours=1)
TOTAL, GAS = Obis.parse("1-0:1.8.0"), Obis.parse("7-0:3.0.0")
FILLED = MeteringPoint(
    "north",
    metering_type=MeteringType.A,
    installed=(Installed("em-1"),),
    substitution=SubstitutionTerms(enabled=True),
)


def hourly(code: Obis) -> MeteringPoint:
    return replace(FILLED, channels=(code,), period=HOUR, evaluation=HOUR)


def play(folder: Path, point: MeteringPoint, body: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with world(folder, [point]) as here:
            here.now = END + timedelta(days=4)
            await body(here)

    asyncio.run(asyncio.wait_for(run(), 60))


def total(at: datetime, text: str, code: Obis = TOTAL, unit: str = "kWh", period: timedelta = QUARTER) -> Reading:
    """A row of a profile of totals; without a text the meter has none."""
    status, seconds = RawStatus.TRUE if text else RawStatus.MISSING, round(period.total_seconds())
    return Reading("em-1", code, str(code), Kind.INTERVAL, at, text.encode(), text, unit, 0, status, interval_s=seconds)


def register(at: datetime, text: str, code: Obis = TOTAL, unit: str = "kWh") -> Reading:
    return Reading("em-1", code, str(code), Kind.REGISTER, at, text.encode(), text, unit, 0, RawStatus.TRUE)


async def read(here: World, *states: Reading) -> None:
    """Each archived five seconds after its instant; nobody computes yet."""
    for one in states:
        await here.raw.append(brought([one], at=one.at + timedelta(seconds=5)))


def rising(
    day: date,
    lost: Sequence[datetime] = (),
    more: datetime | None = None,
    unit: str = "kWh",
    code: Obis = TOTAL,
    period: timedelta = QUARTER,
) -> list[Reading]:
    """The totals of a day, which go up by 1 in each interval; by 10 in the one that ends at `more`."""
    first = day_bounds(BEFORE)[0]
    extra = {at: 9 for at in (more,) if at is not None}
    return [
        total(
            at,
            "" if at in lost else f"{1000 + (at - first) // period + sum(n for end, n in extra.items() if end <= at)}",
            code,
            unit,
            period,
        )
        for at in interval_ends(day, period)
    ]


def amounts(here: World, *ends: datetime, code: Obis = IMPORT) -> list[Decimal | None]:
    values = here.values("north", code=code)
    return [values[at].amount for at in ends]


# -- other media ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "unit"),
    [(GAS, "m3"), (Obis.parse("8-0:1.0.0"), "m3"), (Obis.parse("6-0:1.0.0"), "GJ"), (Obis.parse("6-0:6.8.0"), "kWh")],
    ids=["gas", "water", "heat", "heat with IEC 62056-21"],
)
def test_an_index_of_any_medium_says_what_went_through_in_a_gap(tmp_path: Path, code: Obis, unit: str) -> None:
    """One hourly row is lost, and 11 went through in the two hours around it."""
    lost, after = instant(DAY, time(11)), instant(DAY, time(12))

    async def body(here: World) -> None:
        for day in (BEFORE, DAY, AFTER):
            await here.bring(rising(day, [lost], after, unit, code, HOUR))
        assert amounts(here, lost, after, code=code) == [Decimal("5.5"), Decimal("5.5")]
        assert f"scaled to the register advance of 11 {unit}" in here.values("north", code=code)[lost].reason
        assert here.one_of("north", Layer.DAY, END, code).amount == 33
        if code == GAS:
            gas_day = here.one_of("north", Layer.GAS_DAY, instant(AFTER, time(6)), code)
            assert (gas_day.amount, gas_day.status) == (Decimal(33), RawStatus.SUBSTITUTE)

    play(tmp_path, hourly(code), body)


def test_an_index_that_was_read_scales_the_substitutes_of_gas(tmp_path: Path) -> None:
    """The meter says that its total of 11:00 is disturbed; the register was read at midnight and at noon."""
    lost, after = instant(DAY, time(11)), instant(DAY, time(12))

    async def body(here: World) -> None:
        await read(here, register(START, "500", GAS, "m3"), register(after, "521", GAS, "m3"))
        for day in (BEFORE, DAY, AFTER):
            rows = rising(day, [], after, "m3", GAS, HOUR)
            await here.bring([replaced(one, status=RawStatus.DISTORTED) if one.at == lost else one for one in rows])
        assert amounts(here, lost, after, code=GAS) == [Decimal("5.5"), Decimal("5.5")]

    play(tmp_path, hourly(GAS), body)


@pytest.mark.parametrize("late", [False, True], ids=["in time", "when the day was computed already"])
def test_a_gas_register_is_held_against_its_intervals(tmp_path: Path, late: bool) -> None:
    """The index of the profile went up by 24 on the day, that which was read by 100."""

    async def body(here: World) -> None:
        await here.bring(rising(BEFORE, unit="m3", code=GAS, period=HOUR))
        if late:
            await here.bring(rising(DAY, unit="m3", code=GAS, period=HOUR))
            assert here.one_of("north", Layer.DAY, END, GAS).rules == ()
        await read(here, register(START, "500", GAS, "m3"), register(END, "600", GAS, "m3"))
        if late:
            await here.engine.catch_up()
        else:
            await here.bring(rising(DAY, unit="m3", code=GAS, period=HOUR))
        day = here.one_of("north", Layer.DAY, END, GAS)
        assert (day.status, day.rules) == (RawStatus.DISTORTED, ("register_advance",))

    play(tmp_path, replace(hourly(GAS), substitution=SubstitutionTerms()), body)


def test_a_gas_register_that_goes_back_is_found(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await read(here, register(instant(DAY, time(3)), "500", GAS, "m3"))
        await read(here, register(instant(DAY, time(9)), "400", GAS, "m3"))
        await here.bring([*rising(BEFORE, unit="m3", code=GAS, period=HOUR)])
        await here.bring(rising(DAY, unit="m3", code=GAS, period=HOUR))
        assert "backward" in here.one_of("north", Layer.DAY, END, GAS).rules

    play(tmp_path, replace(hourly(GAS), validation={"register_advance": {"enabled": False}}), body)


def test_a_tariff_in_the_profile_is_not_scaled_to_the_total(tmp_path: Path) -> None:
    """The total went up by 11 over the gap, the tariff by 2."""
    lost, after = instant(DAY, time(11)), instant(DAY, time(11, 15))
    rate = Obis.parse("1-0:1.8.1")

    async def body(here: World) -> None:
        for day in (BEFORE, DAY, AFTER):
            await here.bring([*rising(day, [lost], after), *rising(day, [lost], None, code=rate)])
        assert amounts(here, lost, after) == [Decimal("5.5"), Decimal("5.5")]
        assert amounts(here, lost, after, code=Obis.parse("1-0:1.29.1")) == [1, 1]
        (reason,) = {here.values("north", code=Obis.parse("1-0:1.29.1"))[lost].reason}
        assert "scaled to the register advance of 2 kWh" in reason

    play(tmp_path, FILLED, body)


# -- over midnight ----------------------------------------------------------------------------------------------------

FIRST, LAST = interval_ends(BEFORE)[-1], interval_ends(DAY)[0]
"""The intervals on both sides of the midnight between the days."""


def whole(here: World, *days: date) -> list[Decimal]:
    return [here.one_of("north", Layer.DAY, day_bounds(day)[1]).amount or Decimal(0) for day in days]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
def test_a_total_that_is_lost_at_midnight_takes_nothing_of_either_day(tmp_path: Path, order: tuple[int, ...]) -> None:
    """From 23:45 to 00:15 it went up by 11; whichever day comes first."""

    async def body(here: World) -> None:
        await here.bring([total(day_bounds(BEFORE)[0], "1000")])
        days = BEFORE, DAY, AFTER
        for place in order:
            await here.bring(rising(days[place], [FIRST], FIRST))
        assert amounts(here, FIRST, LAST) == [Decimal("5.5"), Decimal("5.5")]
        assert whole(here, *days) == [Decimal("100.5"), Decimal("100.5"), 96]

    play(tmp_path, FILLED, body)


def test_a_long_gap_over_midnight_is_one_advance_on_both_days(tmp_path: Path) -> None:
    """Of five hours and a quarter, in which 30 went through, comparable days tell."""
    lost = [instant(BEFORE, time(21)) + QUARTER * n for n in range(20)]

    async def body(here: World) -> None:
        first = day_bounds(BEFORE - timedelta(days=7))[0]
        rows = [total(first, "0")]
        for day in (BEFORE, DAY):
            ends = interval_ends(day - timedelta(days=7))
            rows += [total(at, f"{(at - first) // QUARTER}") for at in ends]
        await here.bring(rows)
        await here.bring([total(day_bounds(BEFORE)[0], "1000")])
        await here.bring([*rising(BEFORE, lost), *rising(DAY, lost, lost[-1])])
        assert sum(whole(here, BEFORE, DAY)) == 2 * 96 + 9
        shares = {round(one, 2) for one in amounts(here, *lost, lost[-1] + QUARTER) if one is not None}
        assert shares == {round(Decimal(30) / 21, 2)}, "one factor on both days"

    play(tmp_path, FILLED, body)


def test_a_total_that_comes_late_on_the_next_day_changes_the_day_before(tmp_path: Path) -> None:
    """At first the totals end at 23:45, then those behind midnight come, and at last that of midnight itself."""

    async def body(here: World) -> None:
        await here.bring([total(day_bounds(BEFORE)[0], "1000"), *rising(BEFORE, [FIRST])])
        assert amounts(here, FIRST) == [None]
        await here.bring(rising(DAY, [FIRST], FIRST))
        assert amounts(here, FIRST, LAST) == [Decimal("5.5"), Decimal("5.5")]
        (late,) = (one for one in rising(BEFORE, [], FIRST) if one.at == FIRST)
        await here.bring([late])
        assert amounts(here, FIRST, LAST) == [10, 1]
        assert here.values("north")[FIRST].status is RawStatus.TRUE

    play(tmp_path, FILLED, body)


@pytest.mark.parametrize(
    ("text", "scaler", "expected"),
    [("1105", 0, ["10", "1"]), ("11", 2, ["5.5", "5.5"])],
    ids=["as exact", "too coarse"],
)
@pytest.mark.parametrize("seconds", [0, 4])
def test_a_register_that_was_read_at_midnight_stands_for_the_total(
    tmp_path: Path, seconds: int, text: str, scaler: int, expected: list[str]
) -> None:
    """Where it shows as much as the profile does: then each day has what it had."""

    async def body(here: World) -> None:
        state = register(FIRST + timedelta(seconds=seconds), text)
        await read(here, replaced(state, scaler=scaler))
        await here.bring([total(day_bounds(BEFORE)[0], "1000"), *rising(BEFORE, [FIRST], FIRST)])
        await here.bring(rising(DAY, [FIRST], FIRST))
        assert amounts(here, FIRST, LAST) == [Decimal(one) for one in expected]

    play(tmp_path, FILLED, body)


def test_a_total_stamped_some_seconds_after_midnight_is_of_midnight(tmp_path: Path) -> None:
    """What was lost is the one before; the day behind has nothing to do with it."""
    lost = FIRST - QUARTER

    async def body(here: World) -> None:
        await here.bring([total(day_bounds(BEFORE)[0], "1000")])
        rows = rising(BEFORE, [lost], FIRST)
        await here.bring([*rows[:-1], total(FIRST + timedelta(seconds=3), rows[-1].raw_text)])
        await here.bring(rising(DAY, [], FIRST))
        assert amounts(here, lost, FIRST) == [Decimal("5.5"), Decimal("5.5")]

    play(tmp_path, FILLED, body)
