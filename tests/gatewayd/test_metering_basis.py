"""The engine and what substitutes are made of: mean power of short intervals, control metering with shorter intervals,
numbers that nobody can compute with, and what both meters have of the interval of an exchange."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace as replaced

from gatewayd.legal_time import day_bounds, instant, interval_ends
from gatewayd.metering.points import Accuracy, Installed, MeteringPoint, Rated
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method, Value
from gatewayd.model import DIRECT, NO_FLAGS, Flag, Kind, MeteringType, Ratio, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, World, world

START, END = day_bounds(DAY)
TEN, QUARTER, HOUR = timedelta(minutes=10), timedelta(minutes=15), timedelta(hours=1)
POWER = Obis.parse("1-0:1.5.0")
FILLED = MeteringPoint(
    "north",
    metering_type=MeteringType.A,
    installed=(Installed("em-1"),),
    substitution=SubstitutionTerms(enabled=True),
)


def play(
    folder: Path, points: Sequence[MeteringPoint], body: Callable[[World], Awaitable[None]], now: datetime | None = None
) -> None:
    async def run() -> None:
        async with world(folder, points) as here:
            here.now = now or END + timedelta(days=4)
            await body(here)

    asyncio.run(asyncio.wait_for(run(), 60))


def row(
    at: datetime,
    text: str,
    period: timedelta = QUARTER,
    *,
    meter: str = "em-1",
    code: Obis = IMPORT,
    unit: str = "kWh",
    scaler: int = 0,
    status: RawStatus = RawStatus.TRUE,
    flags: Flag = NO_FLAGS,
) -> Reading:
    """An interval as a meter has it; without a text none."""
    status, seconds = status if text else RawStatus.MISSING, round(period.total_seconds())
    return Reading(
        meter, code, str(code), Kind.INTERVAL, at, text.encode(), text, unit, scaler, status, flags, interval_s=seconds
    )


# -- mean power -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "text"), [(TEN, "0.5"), (timedelta(minutes=5), "0.5"), (TEN, "0.001")], ids=["10 min", "5 min", "1 W"]
)
def test_a_gap_in_small_mean_powers_is_interpolated(tmp_path: Path, period: timedelta, text: str) -> None:
    """Half a kilowatt in 10 minutes is no whole number of kWh, whatever its digits."""
    point, ends = replace(FILLED, period=period, evaluation=HOUR), interval_ends(DAY, period)

    async def body(here: World) -> None:
        await here.bring(
            [row(at, "" if n in (60, 61) else text, period, code=POWER, unit="kW") for n, at in enumerate(ends)]
        )
        found = here.values("north")
        assert [found[ends[n]].method for n in (59, 60, 61)] == [Method.PRIMARY, *[Method.INTERPOLATED] * 2]
        assert {found[ends[n]].amount for n in (59, 60, 61)} == {found[ends[0]].amount}
        day = here.one_of("north", Layer.DAY, END)
        assert day.status is RawStatus.SUBSTITUTE
        assert day.amount is not None, "each of the quotients has 40 digits"
        assert abs(Fraction(day.amount) - 24 * Fraction(text)) < Fraction(1, 10**36)

    play(tmp_path, [point], body)


def test_why_nothing_is_made_of_numbers_that_nobody_can_compute_with(tmp_path: Path) -> None:
    """A scaler of -100 in the profile."""
    ends = interval_ends(DAY)

    async def body(here: World) -> None:
        await here.bring([row(at, "" if n == 60 else "250", scaler=-100) for n, at in enumerate(ends)])
        found = here.values("north")[ends[60]]
        assert found.status is RawStatus.MISSING
        assert "no substitute is made of the value of 2026-11-20 15:00+01:00" in found.reason
        assert "80 behind it" in found.reason and found.reason.startswith("no value; ")

    play(tmp_path, [FILLED], body)


def test_of_a_gap_beside_nothing_nothing_more_is_said(tmp_path: Path) -> None:
    ends = interval_ends(DAY)

    async def body(here: World) -> None:
        await here.bring([row(at, "" if n < 60 else "0.250") for n, at in enumerate(ends)])
        assert here.values("north")[ends[59]].reason == "no value"

    play(tmp_path, [FILLED], body)


# -- control metering -------------------------------------------------------------------------------------------------

MAIN = replace(FILLED, period=HOUR, evaluation=HOUR, accuracy=Accuracy("1"))
CONTROL = MeteringPoint("control", installed=(Installed("em-2"),), control_of="north", accuracy=Accuracy("1"))
LOST = instant(DAY, time(11))


async def both(here: World, quarters: list[Reading]) -> None:
    await here.bring(quarters)
    await here.bring([row(at, "" if at == LOST else "4.00", HOUR) for at in interval_ends(DAY, HOUR)])


def quarters_of() -> list[Reading]:
    """1 kWh in each quarter-hour of the control metering, and 5 in those of the hour that is lost."""
    return [row(at, "5.000" if LOST - HOUR < at <= LOST else "1.000", meter="em-2") for at in interval_ends(DAY)]


def test_control_metering_with_quarter_hours_stands_in_for_an_hour(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await both(here, quarters_of())
        found = here.values("north")[LOST]
        assert (found.amount, found.method, found.status) == (Decimal(20), Method.CONTROL, RawStatus.SUBSTITUTE)
        assert "the control metering control" in found.reason
        parts = [here.values("control")[LOST - n * QUARTER].inputs for n in range(4)]
        assert found.inputs == tuple(sorted(seq for one in parts for seq in one)), "all four of them"

    play(tmp_path, [MAIN, CONTROL], body)


def test_why_nothing_is_made_of_such_a_control_metering(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await here.bring([replaced(one, scaler=-100) for one in quarters_of()])
        await here.bring([row(at, "", HOUR) for at in interval_ends(DAY, HOUR)])
        found = here.values("north")[LOST]
        assert found.status is RawStatus.MISSING
        assert "no substitute is made of the value of the control metering" in found.reason

    play(tmp_path, [MAIN, CONTROL], body)


@pytest.mark.parametrize("odd", [{"text": ""}, {"status": RawStatus.DISTORTED}], ids=["missing", "distorted"])
def test_an_hour_of_which_a_quarter_is_not_true_is_none_of_the_control_metering(
    tmp_path: Path, odd: dict[str, object]
) -> None:
    async def body(here: World) -> None:
        quarters = [one for one in quarters_of() if one.at != LOST]
        options = {"text": "5.000", "meter": "em-2"} | odd
        await both(here, [*quarters, row(LOST, **options)])  # type: ignore[arg-type]  # options of row
        found = here.values("north")[LOST]
        assert (found.amount, found.method) == (Decimal("4.00"), Method.INTERPOLATED)

    play(tmp_path, [MAIN, CONTROL], body)


def test_an_hour_of_control_metering_is_no_quarter_hour(tmp_path: Path) -> None:
    main, control = replace(FILLED, accuracy=Accuracy("1")), replace(CONTROL, period=HOUR, evaluation=HOUR)

    async def body(here: World) -> None:
        await here.bring([row(at, "4.000", HOUR, meter="em-2") for at in interval_ends(DAY, HOUR)])
        await here.bring([row(at, "" if at == LOST else "1.000") for at in interval_ends(DAY)])
        found = here.values("north")[LOST]
        assert (found.amount, found.method) == (Decimal("1.000"), Method.INTERPOLATED)

    play(tmp_path, [main, control], body)


# -- exchange of the meter --------------------------------------------------------------------------------------------

CHANGE, CHANGING = instant(DAY, time(10, 20)), instant(DAY, time(10, 30))
OLD, NEW = Ratio("100/5"), DIRECT
EXCHANGED = replace(FILLED, installed=(Installed("em-1", ratios=(OLD,)), Installed("em-7", CHANGE)))


async def exchanged(here: World, old: str = "0.030", new: str = "0.500", **odd: object) -> None:
    """2 kWh in each quarter-hour; of that of the exchange both meters tell their part."""
    ends = interval_ends(DAY)
    before = [row(at, "0.100") for at in ends if at < CHANGING]
    await here.bring([*before, row(CHANGING, old, **odd)], OLD)  # type: ignore[arg-type]  # options of row
    behind = [row(at, "2.000", meter="em-7") for at in ends if at > CHANGING]
    await here.bring([row(CHANGING, new, meter="em-7"), *behind], NEW)


def of_exchange(here: World) -> Value:
    return here.values("north")[CHANGING]


@pytest.mark.parametrize(
    "odd",
    [{}, {"status": RawStatus.DISTORTED, "flags": Flag.PARTIAL_INTERVAL | Flag.POWER_DOWN}],
    ids=["as whole", "as a part"],
)
def test_what_both_meters_have_of_the_interval_of_their_exchange_stands(tmp_path: Path, odd: dict[str, object]) -> None:
    async def body(here: World) -> None:
        await exchanged(here, "0.030", "0.500", **odd)
        found = of_exchange(here)
        assert (found.amount, found.status, found.method) == (
            Decimal("1.100"),
            RawStatus.DISTORTED,
            Method.PRIMARY,
        )
        assert found.flags & (Flag.CONFIG_CHANGED | Flag.PARTIAL_INTERVAL) == (
            Flag.CONFIG_CHANGED | Flag.PARTIAL_INTERVAL
        )
        day = here.one_of("north", Layer.DAY, END)
        assert (day.amount, day.status) == (Decimal("191.100"), RawStatus.DISTORTED)

    play(tmp_path, [EXCHANGED], body)


@pytest.mark.parametrize("text", ["1.120", ""], ids=["true", "missing"])
def test_a_true_value_of_the_control_metering_takes_the_place_of_both_parts(tmp_path: Path, text: str) -> None:
    control = MeteringPoint("beside", installed=(Installed("em-3"),), control_of="north")

    async def body(here: World) -> None:
        await here.bring([row(CHANGING, text, meter="em-3")])
        await exchanged(here, "0.030", "0.500")
        found = of_exchange(here)
        wanted = (Decimal("1.120"), Method.CONTROL) if text else (Decimal("1.100"), Method.PRIMARY)
        assert (found.amount, found.method) == wanted

    play(tmp_path, [EXCHANGED, control], body)


@pytest.mark.parametrize(("old", "new"), [("", "0.500"), ("0.030", "")], ids=["the new one", "the former one"])
def test_where_one_meter_alone_tells_its_part_there_is_a_substitute(tmp_path: Path, old: str, new: str) -> None:
    async def body(here: World) -> None:
        await exchanged(here, old, new)
        found = of_exchange(here)
        assert (found.amount, found.method) == (Decimal("2.000"), Method.INTERPOLATED)
        assert here.one_of("north", Layer.DAY, END).amount == 192

    play(tmp_path, [EXCHANGED], body)


def test_when_the_other_part_comes_late_it_takes_the_place_of_the_substitute(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await exchanged(here, "")
        assert of_exchange(here).method is Method.INTERPOLATED
        await here.bring([row(CHANGING, "0.030", flags=Flag.LATE)], OLD)
        assert (of_exchange(here).amount, of_exchange(here).status) == (Decimal("1.100"), RawStatus.DISTORTED)

    play(tmp_path, [EXCHANGED], body)


@pytest.mark.parametrize("flag", [Flag.CONFLICT, Flag.CLOCK_INVALID, Flag.DISTURBED], ids=str)
def test_a_part_that_is_wrong_in_itself_is_replaced_with_the_interval(tmp_path: Path, flag: Flag) -> None:
    async def body(here: World) -> None:
        await exchanged(here, status=RawStatus.DISTORTED, flags=flag)
        assert of_exchange(here).method is Method.INTERPOLATED

    play(tmp_path, [EXCHANGED], body)


def test_what_the_connection_cannot_carry_is_replaced(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await exchanged(here, "3.000")
        assert of_exchange(here).method is Method.INTERPOLATED

    play(tmp_path, [replace(EXCHANGED, rated=Rated(Decimal(63), Decimal(400)))], body)


def test_where_a_ratio_changes_in_the_same_interval_there_is_a_substitute(tmp_path: Path) -> None:
    """Nobody knows what of the former meter's part belongs to which ratio."""
    ratios = (OLD, Ratio("200/5", since=instant(DAY, time(10, 17))))
    point = replace(EXCHANGED, installed=(Installed("em-1", ratios=ratios), Installed("em-7", CHANGE)))

    async def body(here: World) -> None:
        await exchanged(here)
        assert of_exchange(here).method is Method.INTERPOLATED

    play(tmp_path, [point], body)
