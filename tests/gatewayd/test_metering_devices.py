"""What the engine makes of devices that change: meters of other periods, classes, rated values, verifications, parts.

Rules: each day is what the devices of that day make of it, and stays so when others take their place.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive.store import Store
from gatewayd.daemon.metering_site import MeteringSite
from gatewayd.legal_time import day_bounds, interval_ends
from gatewayd.metering.points import (
    Accuracy,
    Dated,
    Installed,
    MeteringPoint,
    MeteringSide,
    Rated,
    SupplyTransformer,
    Verified,
    verified_on,
)
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Value
from gatewayd.metering.virtual import Virtual
from gatewayd.model import NO_FLAGS, Kind, MeteringType, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import opened
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
from tests.gatewayd.test_metering_site import METERED, config, ended, points

D = Decimal
HOUR = timedelta(hours=1)
ENDS = interval_ends(DAY)
BEFORE = DAY - timedelta(days=1)
LATER = DAY + timedelta(days=1)
START, END = day_bounds(DAY)
DAWN = date(1970, 1, 1)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 120))


def hours_of(meter: str, day: date, amount: str = "1.000") -> list[Reading]:
    return [
        Reading(
            meter, IMPORT, str(IMPORT), Kind.INTERVAL, at, amount.encode(), amount, "kWh", 0, RawStatus.TRUE, NO_FLAGS,
            (), 3600,
        )
        for at in interval_ends(day, HOUR)
    ]  # fmt: skip


def of_day(here: World, day: date, point: str = "north", code: Obis = IMPORT) -> Value:
    return here.one_of(point, Layer.DAY, day_bounds(day)[1], code)


def statuses(here: World, point: str = "north") -> set[tuple[int, RawStatus]]:
    return {(one.seconds, one.status) for one in here.values(point).values()}


# -- meters of other metering periods ----------------------------------------------------------------------------------
@pytest.mark.parametrize("channels", [(), (IMPORT,)])
def test_the_hours_of_the_former_meter_stay(tmp_path: Path, channels: tuple[Obis, ...]) -> None:
    """Requirements M4, M11: 24 kWh that were true are so after the exchange, day and month as well."""
    former = MeteringPoint("north", installed=(Installed("em-1"),), period=HOUR, evaluation=HOUR, channels=channels)
    meters = (Installed("em-1", period=HOUR), Installed("em-7", START, period=HOUR / 4))
    both = MeteringPoint("north", installed=meters, evaluation=HOUR, channels=channels)

    async def body() -> None:
        async with world(tmp_path, [former]) as here:
            here.now = END + timedelta(days=12)
            for n in range(1, 20):
                await here.raw.append(brought(hours_of("em-1", DAY - timedelta(days=n)), at=here.now))
            await here.engine.catch_up()
            hours = here.values("north")
            hours = {at: one for at, one in hours.items() if at <= START}  # later ones are told missing
            assert of_day(here, BEFORE).amount == 24
            here.begin([both])
            for n in range(11):
                await here.raw.append(brought(day_of("em-7", DAY + timedelta(days=n)), at=here.now))
            await here.engine.catch_up()
            assert {at: one for at, one in here.values("north").items() if at <= START} == hours
            assert statuses(here) == {(3600, RawStatus.TRUE), (900, RawStatus.TRUE)}, "the missing hours are gone"
            assert (of_day(here, BEFORE).amount, of_day(here, BEFORE).have) == (D(24), 24)
            assert (of_day(here, DAY).amount, of_day(here, DAY).have) == (D(24), 96)
            month = here.one_of("north", Layer.MONTH, day_bounds(date(2026, 11, 30))[1])
            assert (month.amount, month.status, month.have) == (D(30 * 24), RawStatus.TRUE, 19 * 24 + 11 * 96)
            evaluated = here.values("north", Layer.EVALUATION)
            assert {one.amount for at, one in evaluated.items() if at > START} == {1}

    run(body())


def test_a_meter_of_hours_that_is_written_down_late_loses_no_day(tmp_path: Path) -> None:
    """Until then the quarter-hours of the former one were told missing, and stay so in the archive."""
    former = replace(NORTH, channels=(IMPORT,))
    meters = (Installed("em-1", period=HOUR / 4), Installed("em-7", START, period=HOUR))
    both = MeteringPoint("north", installed=meters, period=HOUR, evaluation=HOUR, channels=(IMPORT,))

    async def body() -> None:
        async with world(tmp_path, [former]) as here:
            here.now = END + timedelta(days=12)
            await here.bring(day_of("em-1", BEFORE))
            await here.bring(hours_of("em-7", DAY))
            await here.bring([quarter("em-1", at, "") for at in ENDS])
            assert of_day(here, DAY).status is RawStatus.MISSING
            here.begin([both])
            await here.engine.catch_up()
            assert {(one.amount, one.status) for one in (of_day(here, day) for day in (BEFORE, DAY))} == {
                (D(24), RawStatus.TRUE)
            }
            assert [here.values("north")[at].amount for at in interval_ends(DAY, HOUR)] == [1] * 24

    run(body())


def test_on_the_day_of_the_exchange_hours_and_quarters_are_one_day_without_substitutes(tmp_path: Path) -> None:
    noon = ENDS[47]
    meters = (Installed("em-1", period=HOUR), Installed("em-7", noon, period=HOUR / 4))
    terms = SubstitutionTerms(enabled=True)
    there = MeteringPoint(
        "north", metering_type=MeteringType.A, installed=meters, evaluation=HOUR, channels=(IMPORT,), substitution=terms
    )

    async def body() -> None:
        async with world(tmp_path, [there]) as here:
            here.now = END + timedelta(days=3)
            await here.bring(hours_of("em-1", DAY))
            await here.bring([*day_of("em-7")[:60], quarter("em-7", ENDS[60], ""), *day_of("em-7")[61:]])
            ends = sorted(here.values("north"))
            assert ends == [*interval_ends(DAY, HOUR)[:12], *ENDS[48:]]
            lost = here.values("north")[ENDS[60]]
            assert (lost.status, lost.seconds) == (RawStatus.MISSING, 900)
            assert (of_day(here, DAY).have, of_day(here, DAY).want) == (59, 60)

    run(body())


def test_gaps_of_either_time_are_substituted_by_intervals_of_that_time(tmp_path: Path) -> None:
    meters = (Installed("em-1", period=HOUR), Installed("em-7", START, period=HOUR / 4))
    there = MeteringPoint(
        "north",
        metering_type=MeteringType.A,
        installed=meters,
        evaluation=HOUR,
        channels=(IMPORT,),
        substitution=SubstitutionTerms(enabled=True),
    )

    async def body() -> None:
        async with world(tmp_path, [there]) as here:
            here.now = END + timedelta(days=3)
            hours = hours_of("em-1", BEFORE)
            await here.bring([*hours[:5], *hours[6:]])
            await here.bring([*day_of("em-7")[:60], *day_of("em-7")[61:]])
            old, new = here.values("north")[hours[5].at], here.values("north")[ENDS[60]]
            assert [(one.amount, one.seconds) for one in (old, new)] == [(1, 3600), (D("0.250"), 900)]
            assert of_day(here, BEFORE).amount == of_day(here, DAY).amount == 24
            assert len(here.values("north")) == 24 + 96

    run(body())


# -- sums --------------------------------------------------------------------------------------------------------------
def test_a_sum_of_hours_and_quarters_is_made_in_hours(tmp_path: Path) -> None:
    slow = MeteringPoint("north", installed=(Installed("em-1"),), period=HOUR, evaluation=HOUR)
    both = replace(total(north=1, south=-1), period=HOUR, evaluation=HOUR)

    async def body() -> None:
        async with world(tmp_path, [slow, SOUTH, both]) as here:
            here.now = END + timedelta(days=3)
            await here.bring(hours_of("em-1", DAY))
            await here.bring([*day_of("em-2", amount="0.125")[:95], quarter("em-2", ENDS[95], "")])
            found = here.values("total")
            assert list(found) == list(interval_ends(DAY, HOUR))
            first, last = found[ENDS[3]], found[ENDS[95]]
            assert (first.amount, first.status, first.have, first.want) == (D("0.500"), RawStatus.TRUE, 5, 5)
            assert (last.amount, last.status, last.have, last.want) == (None, RawStatus.MISSING, 4, 5)
            assert of_day(here, DAY, "total").status is RawStatus.MISSING

    run(body())


@pytest.mark.parametrize("partial", [False, True])
def test_a_part_that_is_silent_for_days_makes_the_sum_missing_and_never_smaller(tmp_path: Path, partial: bool) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH, total(partial, north=1, south=1)]) as here:
            for n in range(5):
                day = DAY + timedelta(days=n)
                here.now = day_bounds(day)[1] + timedelta(hours=5)
                if n == 0:
                    await here.bring(day_of("em-2", day))
                await here.bring(day_of("em-1", day) + day_of("em-1", day, "9.000", EXPORT))
                expected = RawStatus.MISSING if n else RawStatus.TRUE
                assert {here.values("total")[at].status for at in interval_ends(day)} == {expected}, "at once"
            here.now += timedelta(days=5)
            await here.engine.catch_up()
            assert of_day(here, DAY, "total").amount == 48
            for n in range(1, 5):
                ends = interval_ends(DAY + timedelta(days=n))
                values = [here.values("total")[at] for at in ends]
                assert {(one.status, one.have, one.want) for one in values} == {(RawStatus.MISSING, 1, 2)}
                assert {one.amount for one in values} == ({D("0.250")} if partial else {None})
                assert of_day(here, DAY + timedelta(days=n), "total").status is RawStatus.MISSING
            assert here.values("total", code=EXPORT) == {}, "south never had it"

    run(body())


# -- what is said since a day ------------------------------------------------------------------------------------------
def test_a_meter_that_is_verified_anew_covers_the_days_since_then(tmp_path: Path) -> None:
    """Requirements V1: the days between stay marked; a new day without `since` is said of all the past."""
    old = Dated(DAWN, Verified(meter=BEFORE))

    def verified(*entries: Dated[Verified]) -> MeteringPoint:
        return replace(NORTH, verified=verified_on(entries, date.max), verifications=entries)

    async def body() -> None:
        async with world(tmp_path, [replace(NORTH, verified=Verified(meter=BEFORE))]) as here:
            here.now = day_bounds(LATER)[1] + timedelta(days=3)
            for day in (BEFORE, DAY, LATER):
                await here.bring(day_of("em-1", day))
            rules = [of_day(here, day).rules for day in (BEFORE, DAY, LATER)]
            assert rules == [(), ("verification",), ("verification",)]
            here.begin([verified(old, Dated(LATER, Verified(meter=date(2036, 12, 31))))])
            await here.engine.catch_up()
            assert [of_day(here, day).rules for day in (BEFORE, DAY, LATER)] == [(), ("verification",), ()]
            here.begin([replace(NORTH, verified=Verified(meter=date(2036, 12, 31)))])
            await here.engine.catch_up()
            assert [of_day(here, day).rules for day in (BEFORE, DAY, LATER)] == [(), (), ()]

    run(body())


def test_a_stronger_connection_excuses_no_value_of_the_days_before_it(tmp_path: Path) -> None:
    """63 A at 400 V carry 10.9 kWh in a quarter-hour, 100 A 17.3 kWh."""
    weak, strong = Rated(D(63), D(400)), Rated(D(100), D(400))
    there = replace(NORTH, rated=strong, ratings=(Dated(DAWN, weak), Dated(LATER, strong)))

    async def body() -> None:
        async with world(tmp_path, [there]) as here:
            here.now = day_bounds(LATER)[1] + timedelta(days=3)
            for day in (DAY, LATER):
                await here.bring([quarter("em-1", interval_ends(day)[0], "12.000"), *day_of("em-1", day)[1:]])
            assert "above_maximum" in of_day(here, DAY).rules
            assert of_day(here, DAY).status is RawStatus.DISTORTED
            assert "above_maximum" not in of_day(here, LATER).rules

    run(body())


def test_each_day_is_compared_by_the_class_of_its_meter(tmp_path: Path) -> None:
    """They differ by 3 %: twice the error of class 2 allows 4 %, that of class 1 allows 2 %."""
    coarse, fine = Accuracy("2"), Accuracy("1")
    main = replace(NORTH, accuracy=fine, accuracies=(Dated(DAWN, coarse), Dated(LATER, fine)))
    control = MeteringPoint("check", installed=(Installed("em-2"),), accuracy=fine, control_of="north")

    async def body() -> None:
        async with world(tmp_path, [main, control]) as here:
            here.now = day_bounds(LATER)[1] + timedelta(days=3)
            for day in (DAY, LATER):
                await here.bring(day_of("em-1", day, "1.000"))
                await here.bring(day_of("em-2", day, "1.030"))
            assert [of_day(here, day).rules for day in (DAY, LATER)] == [(), ("control",)]

    run(body())


def test_losses_are_those_of_the_transformer_that_is_there(tmp_path: Path) -> None:
    old, new = SupplyTransformer(percent=D(4)), SupplyTransformer(percent=D(2))
    there = replace(
        NORTH,
        metering_side=MeteringSide.SECONDARY,
        transformer=new,
        transformers=(Dated(DAWN, old), Dated(LATER, new)),
    )

    async def body() -> None:
        async with world(tmp_path, [there]) as here:
            here.now = day_bounds(LATER)[1] + timedelta(days=3)
            for day in (DAY, LATER):
                await here.bring(day_of("em-1", day, "1.000"))
            losses = here.values("north", Layer.LOSS)
            assert [losses[interval_ends(day)[7]].amount for day in (DAY, LATER)] == [D("0.04"), D("0.02")]

    run(body())


# -- circles -----------------------------------------------------------------------------------------------------------
def test_points_that_go_round_in_a_circle_end_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The configuration refuses them; should one come through, what was there goes on."""
    good = config(tmp_path, METERED, "points: [{id: north, meter: em-1}]\n")
    control = MeteringPoint("check", sum=Virtual("check", {"north": D(1)}), control_of="north")
    bad = replace(good, points=(*good.points, control))

    async def body(raw: Store) -> None:
        site = MeteringSite(raw, lambda: True)
        await site.take(bad)
        assert (points(site), "north > check > north" in site.fault) == (None, True)
        await site.take(good)
        assert (points(site), site.fault) == (1, "")
        await site.take(bad)
        assert (points(site), "north > check > north" in site.fault) == (1, True)
        await ended(site)

    with opened(tmp_path / "archive") as raw:
        run(body(raw))
    assert "made of each other" in caplog.text
