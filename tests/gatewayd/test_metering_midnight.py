"""What reaches over midnight, through the engine: whose days are wrong, whichever values come first."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from gatewayd.legal_time import day_bounds, instant, interval_ends
from gatewayd.metering.points import Installed, MeteringPoint, Rated
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Value
from gatewayd.model import NO_FLAGS, Flag, Kind, MeteringType, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, EXPORT, IMPORT, World, brought, day_of, quarter, world

PREV, NEXT = DAY - timedelta(days=1), DAY + timedelta(days=1)
ENDS = interval_ends(DAY)
WEEK = timedelta(days=7)
NORTH = MeteringPoint("north", installed=(Installed("em-1"),))
SUBSTITUTED = replace(NORTH, metering_type=MeteringType.A, substitution=SubstitutionTerms(enabled=True))
RATED = Rated(Decimal(63), Decimal(400))
LATER = day_bounds(DAY)[1] + timedelta(days=3)


def play(folder: Path, points: Iterable[MeteringPoint], body: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with world(folder, list(points)) as here:
            here.now = LATER
            await body(here)

    asyncio.run(asyncio.wait_for(run(), 120))


def state(at: datetime, text: str, flags: Flag = NO_FLAGS) -> Reading:
    code = Obis.parse("1-0:1.8.0")
    return Reading("em-1", code, "1.8.0", Kind.REGISTER, at, text.encode(), text, "kWh", 0, RawStatus.TRUE, flags)


async def read(here: World, *states: tuple[datetime, str]) -> None:
    """Each archived five seconds after its instant; nobody computes yet."""
    for at, text in states:
        await here.raw.append(brought([state(at, text)], at=at + timedelta(seconds=5)))


async def kept(here: World, readings: list[Reading]) -> None:
    await here.raw.append(brought(readings, at=here.now))


def of_day(here: World, day: date) -> Value:
    return here.values("north", Layer.DAY)[day_bounds(day)[1]]


def validated(here: World, day: date) -> bool:
    return here.derived.reader.history("north", IMPORT, day_bounds(day)[1], Layer.DAY)[-1].derived.validated


def test_a_daily_reading_at_three_names_both_days_of_its_stretch(tmp_path: Path) -> None:
    """10 kWh too many between two readings at 03:00, 21 of 24 hours of it on the day before: nobody knows where."""

    async def body(here: World) -> None:
        await read(here, (instant(PREV, time(3)), "100.000"), (instant(DAY, time(3)), "134.000"))
        await read(here, (instant(NEXT, time(3)), "158.000"))
        for day in (PREV, DAY, NEXT):
            await here.bring(day_of("em-1", day))
        for day in (PREV, DAY):
            assert (of_day(here, day).status, of_day(here, day).rules) == (RawStatus.DISTORTED, ("register_advance",))
            assert not validated(here, day)
        assert of_day(here, NEXT).rules == () and validated(here, NEXT)
        named = [at for at, one in here.values("north").items() if one.rules]
        assert (min(named), max(named)) == (interval_ends(PREV)[12], instant(DAY, time(3))) and len(named) == 96

    play(tmp_path, [NORTH], body)


def test_a_reading_some_seconds_after_midnight_is_of_midnight(tmp_path: Path) -> None:
    """The seven seconds of the next day are no part of it."""

    async def body(here: World) -> None:
        late = timedelta(seconds=7)
        starts = [day_bounds(day)[0] + late for day in (PREV, DAY, NEXT)]
        await read(here, *zip(starts, ("100.000", "134.000", "158.000"), strict=True))
        for day in (PREV - timedelta(days=1), PREV, DAY):
            await here.bring(day_of("em-1", day))
        assert [of_day(here, day).status for day in (PREV, DAY)] == [RawStatus.DISTORTED, RawStatus.TRUE]

    play(tmp_path, [NORTH], body)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_all_intervals_of_a_short_stretch_are_replaced_on_both_days(tmp_path: Path, order: tuple[int, int]) -> None:
    """23 hours from 04:00 to 03:00: together they are what the register says, whichever day comes first."""

    async def body(here: World) -> None:
        span = instant(PREV, time(4)), instant(DAY, time(3))
        await read(here, (span[0], "100.000"), (span[1], "133.000"), (instant(NEXT, time(3)), "157.000"))
        for weeks in (1, 2):
            await here.bring(day_of("em-1", PREV - WEEK * weeks))
            await here.bring(day_of("em-1", DAY - WEEK * weeks, "0.500"))
        for place in order:
            await here.bring(day_of("em-1", (PREV, DAY)[place]))
        within = [one for at, one in here.values("north").items() if span[0] < at <= span[1]]
        assert len(within) == 92 and {one.status for one in within} == {RawStatus.SUBSTITUTE}
        assert sum(one.amount or 0 for one in within) == 33
        outside = [one for at, one in here.values("north").items() if span[1] < at]
        assert {one.status for one in outside} == {RawStatus.TRUE}

    play(tmp_path, [SUBSTITUTED], body)


def test_a_register_that_went_back_between_two_days_marks_both(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await read(here, (instant(PREV, time(3)), "500.000"), (instant(DAY, time(3)), "400.000"))
        for day in (PREV, DAY, NEXT):
            await here.bring(day_of("em-1", day))
        assert [of_day(here, day).rules for day in (PREV, DAY, NEXT)] == [("backward",), ("backward",), ()]

    play(tmp_path, [replace(NORTH, validation={"register_advance": {"enabled": False}})], body)


def test_what_is_impossible_on_one_day_is_not_held_against_the_other(tmp_path: Path) -> None:
    """30 kWh in a quarter-hour of the day before: what the register says of it nobody knows, on neither day."""

    async def body(here: World) -> None:
        await read(here, (instant(PREV, time(12)), "100.000"), (instant(DAY, time(12)), "124.000"))
        before = day_of("em-1", PREV)
        await here.bring([*before[:60], quarter("em-1", before[60].at, "30.000"), *before[61:]])
        await here.bring(day_of("em-1"))
        assert [of_day(here, day).rules for day in (PREV, DAY)] == [("above_maximum",), ()]

    play(tmp_path, [replace(NORTH, rated=RATED)], body)


def test_a_state_half_an_hour_late_is_looked_at(tmp_path: Path) -> None:
    """It came when the day was computed and validated, and nothing else comes of it."""

    async def body(here: World) -> None:
        start, end = day_bounds(DAY)
        here.now = end + timedelta(minutes=5)
        await read(here, (start, "100.000"))
        await here.bring(day_of("em-1"))
        assert validated(here, DAY)
        here.now = end + timedelta(minutes=30)
        await here.bring([state(end, "134.000")])
        assert of_day(here, DAY).status is RawStatus.DISTORTED and not validated(here, DAY)

    play(tmp_path, [NORTH], body)


def test_a_register_that_is_read_each_minute_has_the_day_before_computed_once(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        end = day_bounds(DAY)[1]
        here.now = end + timedelta(minutes=1)
        await read(here, (end - timedelta(minutes=10), "123.900"))
        await here.bring([*day_of("em-1"), quarter("em-1", interval_ends(NEXT)[0], "0.250")])
        counts = []
        for minute in range(2, 12):
            before = here.engine.compute.tally.days
            await read(here, (end + timedelta(minutes=minute), f"{124 + minute * 0.016:.3f}"))
            await here.engine.catch_up()
            counts.append(here.engine.compute.tally.days - before)
        assert counts == [1, *[0] * 9]

    play(tmp_path, [NORTH], body)


def test_three_days_of_nothing_are_found_where_72_hours_are_configured(tmp_path: Path) -> None:
    """What is compared is the first of them; what goes before is seen as far back as the hours reach."""

    async def body(here: World) -> None:
        for back in range(40, -1, -1):
            await kept(here, day_of("em-1", DAY - timedelta(days=back), "0.000" if back < 4 else "0.250"))
        await here.engine.catch_up()
        told = [back for back in range(5) if "zero" in of_day(here, DAY - timedelta(days=back)).rules]
        assert told == [0, 1]

    rules: dict[str, object] = {"zero": {"hours": 72}, "comparable": {"enabled": False}}
    play(tmp_path, [replace(NORTH, validation=rules)], body)


def test_a_late_value_three_days_ago_ends_the_zeros_of_today(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        for back in range(40, -1, -1):
            await kept(here, day_of("em-1", DAY - timedelta(days=back), "0.000" if back < 3 else "0.250"))
        await here.engine.catch_up()
        assert "zero" in of_day(here, DAY).rules
        first = interval_ends(DAY - timedelta(days=2))
        await here.bring([quarter("em-1", first[80], "0.125")])
        assert "zero" not in of_day(here, DAY).rules

    rules: dict[str, object] = {"zero": {"hours": 72}, "comparable": {"enabled": False}}
    play(tmp_path, [replace(NORTH, validation=rules)], body)


def test_after_a_start_a_late_value_of_the_day_before_is_not_forgotten(tmp_path: Path) -> None:
    """Which days have looked at which is in memory alone: without it both neighbours are computed."""

    async def body(here: World) -> None:
        await read(here, (instant(PREV, time(12)), "100.000"), (instant(DAY, time(12)), "124.000"))
        before = day_of("em-1", PREV)
        await here.bring([*before[:60], quarter("em-1", before[60].at, ""), *before[61:]])
        await here.bring(day_of("em-1"))
        assert of_day(here, DAY).rules == ()
        here.begin([NORTH])
        await here.bring([quarter("em-1", before[60].at, "10.250")])
        assert of_day(here, DAY).rules == ("register_advance",)

    play(tmp_path, [NORTH], body)


def test_days_that_nothing_reaches_into_are_not_computed_again(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await read(here, (day_bounds(DAY)[0], "100.000"), (day_bounds(DAY)[1], "124.000"))
        for day in (PREV, DAY, NEXT):
            await here.bring(day_of("em-1", day))
        before = here.engine.compute.tally.days
        await here.bring([quarter("em-1", ENDS[40], "0.251")])
        assert here.engine.compute.tally.days == before + 1

    play(tmp_path, [NORTH], body)


def test_a_critical_finding_is_one_of_all_channels_and_of_the_whole_day(tmp_path: Path) -> None:
    """What is impossible in one channel makes the other distorted too, also where only one of them comes late."""

    async def body(here: World) -> None:
        await here.bring([*day_of("em-1"), *day_of("em-1", code=EXPORT)])
        await here.bring([quarter("em-1", ENDS[50], "25.000")])
        for code in (IMPORT, EXPORT):
            values = [one for at, one in here.values("north", code=code).items() if at in ENDS]
            assert {(one.status, one.rules) for one in values} == {(RawStatus.DISTORTED, ("above_maximum",))}
            day = here.values("north", Layer.DAY, code)[ENDS[-1]]
            assert (day.status, day.rules) == (RawStatus.DISTORTED, ("above_maximum",))
        await here.bring([quarter("em-1", ENDS[50], "0.250")])  # of that interval there are two by then
        other = here.values("north", Layer.DAY, EXPORT)[ENDS[-1]]
        assert (other.status, other.rules) == (RawStatus.TRUE, ())

    rules: dict[str, object] = {"above_maximum": {"severity": "critical"}}
    play(tmp_path, [replace(NORTH, rated=RATED, validation=rules)], body)


def test_a_critical_stretch_over_midnight_takes_both_days_of_all_channels(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        await read(here, (instant(PREV, time(12)), "100.000"), (instant(DAY, time(6)), "150.000"))
        for day in (PREV, DAY, NEXT):
            await here.bring([*day_of("em-1", day), *day_of("em-1", day, code=EXPORT)])
        for code in (IMPORT, EXPORT):
            days = here.values("north", Layer.DAY, code)
            found = [days[day_bounds(day)[1]].status for day in (PREV, DAY, NEXT)]
            assert found == [RawStatus.DISTORTED, RawStatus.DISTORTED, RawStatus.TRUE]

    play(tmp_path, [replace(NORTH, validation={"register_advance": {"severity": "critical"}})], body)


# -- any order --------------------------------------------------------------------------------------------------------

ALL = [PREV, DAY, NEXT]
STATES = [
    (instant(PREV, time(12)), "100.000"),
    (instant(DAY, time(12)), "124.000"),
    (instant(NEXT, time(3)), "139.000"),
    (day_bounds(NEXT)[1], "160.000"),
]
ODD = {(PREV, 60): "10.250", (NEXT, 70): "30.000"}
"""By day and interval: too much for the register, and too much for the connection."""


def pieces() -> list[list[Reading]]:
    """Three days in pieces of half a day, with zeros over a midnight, and four states of the register."""
    rows = [
        quarter("em-1", end, ODD.get((day, place), "0.000" if dark else "0.250"))
        for day in ALL
        for place, end in enumerate(interval_ends(day))
        for dark in [(day == DAY and place >= 80) or (day == NEXT and place < 16)]
    ]
    return [*(rows[place : place + 48] for place in range(0, len(rows), 48)), *([state(*one)] for one in STATES)]


Found = tuple[Layer, datetime, Decimal | None, RawStatus, tuple[str, ...], str, bool]


async def in_the_end(folder: Path, order: Iterable[int], point: MeteringPoint) -> list[Found]:
    """What there is when the pieces have come in an order, each of them computed before the next one."""
    found: list[Found] = []
    async with world(folder, [point]) as here:
        here.now = day_bounds(NEXT)[1] + timedelta(days=6)
        for day in (one - WEEK * weeks for weeks in (2, 1) for one in ALL):
            await kept(here, day_of("em-1", day))
        parts = pieces()
        for place in order:
            await here.bring(parts[place])
        for layer in (Layer.INTERVAL, Layer.DAY):
            for at, one in sorted(here.values("north", layer).items()):
                newest = here.derived.reader.history("north", IMPORT, at, layer)[-1].derived.validated
                found.append((layer, at, one.amount, one.status, one.rules, one.method.value, newest))
    return found


@pytest.mark.parametrize("terms", [SubstitutionTerms(), SubstitutionTerms(enabled=True)])
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_the_order_in_which_they_come_the_end_is_the_same(
    tmp_path: Path, seed: int, terms: SubstitutionTerms
) -> None:
    """Each day looks at what was measured beside it, never at what was made of that. Zeros are an error here."""
    rules: dict[str, object] = {"zero": {"severity": "error"}}
    point = replace(NORTH, metering_type=MeteringType.A, validation=rules, substitution=terms, rated=RATED)

    async def both() -> None:
        usual = await in_the_end(tmp_path / "usual", range(10), point)
        named = {rule for _, at, _, _, rules, _, _ in usual for rule in rules if at > instant(PREV, time(0))}
        replaced = set() if terms.enabled else {"above_maximum", "zero"}
        assert named == {"register_advance"} | replaced
        order = Random(seed).sample(range(10), 10)
        assert await in_the_end(tmp_path / "other", order, point) == usual

    asyncio.run(asyncio.wait_for(both(), 300))
