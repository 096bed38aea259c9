"""The engine with losses: by the interval, the day and the month, what changes them, and what they are told of."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.legal_time import day_bounds, days, interval_ends
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.manual_history import State
from gatewayd.metering.points import Dated, MeteringPoint, MeteringSide, Rated, SupplyTransformer
from gatewayd.metering.values import Layer, Method, Value
from gatewayd.model import RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, EXPORT, IMPORT, NORTH, World, quarter, world
from tests.gatewayd.months_world import FIRST, SECOND, TOTAL, end_of, enter, estimate, midnight, shop, state
from tests.gatewayd.test_metering_entered import tell

D = Decimal
END = day_bounds(DAY)[1]
ENDS = interval_ends(DAY)
REACTIVE = Obis.parse("1-0:3.29.0")
FLAT = SupplyTransformer(percent=D(4))
LOAD = SupplyTransformer(FLAT.kind, None, D(1000), D(2), D(10))
PLATE = SupplyTransformer(FLAT.kind, None, D(400), D("0.6"), D("4.6"), D(200))
"""Type C: 200 kW at most."""
DAWN = date(1970, 1, 1)


def behind(transformer: SupplyTransformer, point: MeteringPoint = NORTH, **more: object) -> MeteringPoint:
    found = replace(point, metering_side=MeteringSide.SECONDARY, transformer=transformer)
    return replace(found, **more)  # type: ignore[arg-type]  # fields of a point


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 120))


def a_day(amount: str = "100", code: Obis = IMPORT, day: date = DAY) -> list[Reading]:
    unit = "kWh" if code.c < 3 else "kvarh"
    return [quarter("em-1", at, amount, code, unit=unit) for at in interval_ends(day)]


def said(one: Value) -> tuple[Decimal | None, RawStatus, int, int]:
    return one.amount, one.status, one.have, one.want


def validated(here: World, layer: Layer, code: Obis = IMPORT, at: object = END) -> bool:
    reader = here.derived.reader
    return reader.history("north", code, END if at is END else at, layer)[-1].derived.validated  # type: ignore[arg-type]


def test_a_day_has_the_losses_of_its_energy(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(FLAT)]) as here:
            seqs = await here.bring(a_day()[:95])
            assert here.values("north", Layer.LOSS_DAY) == {}, "not before the day is there"
            seqs = (*seqs, *await here.bring(a_day()[95:]))
            day = here.one("north", Layer.LOSS_DAY)
            assert said(day) == (D(384), RawStatus.TRUE, 96, 96) and day.inputs == seqs
            assert (day.method, day.seconds) == (Method.LOSS, 86_400) and "4 % of the energy" in day.reason
            head = here.store.head
            here.begin([behind(FLAT)])
            await here.engine.catch_up()
            assert here.store.head == head, "the same again is nothing new"

    run(body())


def test_losses_are_validated_as_their_energies_are(tmp_path: Path) -> None:
    """415 kW is the most that the connection can carry: 200 kWh in a quarter-hour are above it."""
    rated = Rated(D(600), D(400))

    async def body() -> None:
        async with world(tmp_path, [behind(FLAT, rated=rated)]) as here:
            other = DAY + timedelta(days=1)
            here.now = day_bounds(other)[1] + timedelta(hours=5)
            await here.bring(a_day())
            await here.bring([*a_day(day=other)[:95], *a_day("200", day=other)[95:]])
            assert validated(here, Layer.LOSS_DAY) and validated(here, Layer.LOSS, at=ENDS[3])
            last = day_bounds(other)[1]
            for layer in (Layer.LOSS, Layer.LOSS_DAY):
                one = here.one_of("north", layer, last)
                assert (one.rules, one.status) == (("above_maximum",), RawStatus.DISTORTED)
                assert not validated(here, layer, at=last)
            assert validated(here, Layer.LOSS, at=interval_ends(other)[3])

    run(body())


def test_calculated_losses_of_a_day_wait_for_its_reactive_energy(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(LOAD)]) as here:
            await here.bring(a_day("75", REACTIVE)[:90])
            await here.bring(a_day())
            assert here.one("north", Layer.DAY).status is RawStatus.TRUE
            assert here.values("north", Layer.LOSS_DAY) == {}
            await here.bring(a_day("75", REACTIVE)[90:])
            assert said(here.one("north", Layer.LOSS_DAY)) == (D("4.5") * 24, RawStatus.TRUE, 96, 96)
            await here.bring([quarter("em-1", ENDS[7], "", REACTIVE, unit="kvarh")])
            assert here.one("north", Layer.LOSS_DAY).status is RawStatus.TRUE, "what was there stays"
            odd = quarter("em-1", ENDS[7], "75", REACTIVE, unit="kvarh", status=RawStatus.DISTORTED)
            await here.bring([odd])
            assert here.one("north", Layer.LOSS_DAY).status is here.one("north", Layer.DAY, REACTIVE).status

    run(body())


def test_a_late_interval_changes_its_day_and_month(tmp_path: Path) -> None:
    first = date(2026, 10, 1)
    start, end = month_bounds(first)
    every = [one for day in days(first, date(2026, 10, 31)) for one in a_day(day=day)]
    assert start < every[0].at and every[-1].at == end

    async def body() -> None:
        async with world(tmp_path, [behind(FLAT)]) as here:
            here.now = end + SETTLED + timedelta(hours=1)
            await here.bring([one for place, one in enumerate(every) if place != 100])
            want = len(every)
            assert said(here.one("north", Layer.LOSS_MONTH)) == (None, RawStatus.MISSING, want - 1, want)
            await here.bring([every[100]])
            month = here.one("north", Layer.LOSS_MONTH)
            assert said(month) == (D(4) * want, RawStatus.TRUE, want, want)
            assert (month.seconds, month.method) == (745 * 3600, Method.LOSS) and len(month.inputs) == want
            versions = here.derived.reader.history("north", IMPORT, end, Layer.LOSS_MONTH)
            assert [one.derived.version for one in versions] == [1, 2] and versions[-1].derived.validated
            parameters = versions[-1].document["parameters"]
            assert isinstance(parameters, dict) and parameters["percent"] == "4"

    run(body())


def test_a_day_that_was_entered_by_hand_has_flat_losses(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(FLAT)]) as here:
            rows = a_day()
            await here.bring([*rows[:5], quarter("em-1", rows[5].at, ""), *rows[6:]])
            assert here.one("north", Layer.LOSS_DAY).status is RawStatus.MISSING
            await tell(here, 1, State.ENTERED, 10_000)
            assert here.one("north", Layer.LOSS_DAY).amount == D(400)
            assert here.one("north", Layer.LOSS_DAY).status is RawStatus.SUBSTITUTE
            assert here.values("north", Layer.LOSS)[ENDS[5]].status is RawStatus.MISSING

    run(body())


def test_a_point_that_is_metered_on_the_primary_side_now_has_no_losses_any_more(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(FLAT)]) as here:
            await here.bring(a_day())
            here.begin([NORTH])
            await here.engine.catch_up()
            assert said(here.one("north", Layer.LOSS_DAY))[:2] == (None, RawStatus.MISSING)
            found = here.values("north", Layer.LOSS)
            assert len(found) == 96 and {one.status for one in found.values()} == {RawStatus.MISSING}
            assert "no such losses" in found[ENDS[0]].reason
            here.begin([behind(FLAT)])
            await here.engine.catch_up()
            assert here.one("north", Layer.LOSS_DAY).amount == D(384)

    run(body())


def test_minus_a_of_a_month_that_is_calculated_from_some_day_on(tmp_path: Path) -> None:
    """Flat until the 20th, of both directions; afterwards -A has no losses of its own: its month is those before."""
    first, change = date(2026, 11, 1), date(2026, 11, 21)
    there = behind(LOAD, transformers=(Dated(DAWN, FLAT), Dated(change, LOAD)))
    every = tuple(days(first, date(2026, 11, 30)))

    async def body() -> None:
        async with world(tmp_path, [there]) as here:
            here.now = month_bounds(first)[1] + SETTLED + timedelta(hours=1)
            for code, amount in ((IMPORT, "100"), (EXPORT, "10"), (REACTIVE, "0")):
                await here.bring([one for day in every for one in a_day(amount, code, day)])
            assert said(here.one("north", Layer.LOSS_MONTH, EXPORT)) == (
                D(20 * 96) * D("0.4"),
                RawStatus.TRUE,
                1920,
                1920,
            )
            taken = here.one("north", Layer.LOSS_MONTH)
            each = D("0.5") + D(10) * D("0.36") ** 2 / 4  # 360 kW of 1000 kVA
            assert taken.amount == D(20 * 96 * 4) + 10 * 96 * each and taken.status is RawStatus.TRUE
            assert len(here.values("north", Layer.LOSS_DAY, EXPORT)) == 20

    run(body())


# -- type C ------------------------------------------------------------------------------------------------------------


def losses(here: World, code: Obis = TOTAL) -> dict[str, str]:
    found = here.values("shop", Layer.LOSS_MONTH, code)
    return {
        f"{at - timedelta(days=1):%Y-%m}": f"{'-' if one.amount is None else format(one.amount.normalize(), 'f')} "
        f"{one.status.text}"
        for at, one in found.items()
    }


def states(numbers: Sequence[int], code: Obis = TOTAL) -> list[Reading]:
    """At the ends of months from 2026-01-01 on."""
    return [state(midnight(2026, month), str(number), code) for month, number in enumerate(numbers, 1)]


def test_months_of_registers_have_losses(tmp_path: Path) -> None:
    """74,400 kWh of January are half of what 200 kW give in 744 h: T_d is 0.3 of them."""

    async def body() -> None:
        async with world(tmp_path, [behind(PLATE, shop())]) as here:
            here.now = midnight(2026, 3) + timedelta(days=4)
            await enter(here, states([0, 74_400, 74_400]))
            january = D("0.6") * 744 + D("1.15") * D("223.2")
            assert losses(here) == {"2026-01": f"{january.normalize():f} true", "2026-02": "403.2 true"}
            one = here.values("shop", Layer.LOSS_MONTH, TOTAL)[end_of(2026, 1)]
            energy = here.values("shop", Layer.MONTH, TOTAL)[end_of(2026, 1)]
            assert one.inputs == energy.inputs and one.seconds == energy.seconds
            head = here.store.head
            await here.engine.catch_up()
            assert here.store.head == head

    run(body())


def test_an_estimated_month_has_estimated_losses(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(FLAT, shop())]) as here:
            here.now = midnight(2026, 3) + timedelta(days=4)
            await enter(here, states([0, 1000]))
            assert losses(here) == {"2026-01": "40 true", "2026-02": "- missing"}
            await estimate(here, 1, "500", date(2026, 2, 1))
            found = here.values("shop", Layer.MONTH, TOTAL)[end_of(2026, 2)].status
            assert losses(here)["2026-02"] == ("- missing" if found is RawStatus.MISSING else f"20 {found.text}")
            await enter(here, [state(midnight(2026, 3), "1600")])
            assert losses(here)["2026-02"] == "24 true"

    run(body())


def test_rates_are_added_where_there_is_no_total(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(FLAT, shop(channels=(FIRST, SECOND)))]) as here:
            here.now = midnight(2026, 2) + timedelta(days=4)
            await enter(here, states([0, 1000], FIRST))
            assert losses(here) in ({}, {"2026-01": "- missing"}), "half of the energy is not the energy"
            await enter(here, states([0, 500], SECOND))
            assert losses(here) == {"2026-01": "60 true"}

    run(body())


def test_the_transformer_of_the_last_day_counts_for_a_month(tmp_path: Path) -> None:
    half = SupplyTransformer(percent=D(2))
    there = behind(half, shop(), transformers=(Dated(DAWN, FLAT), Dated(date(2026, 2, 10), half)))

    async def body() -> None:
        async with world(tmp_path, [there]) as here:
            here.now = midnight(2026, 4) + timedelta(days=4)
            await enter(here, states([0, 1000, 2000, 3000]))
            assert losses(here) == {"2026-01": "40 true", "2026-02": "20 true", "2026-03": "20 true"}
            reasons = [one.reason for one in here.values("shop", Layer.LOSS_MONTH, TOTAL).values()]
            assert ["has changed" in one for one in reasons] == [False, True, False]

    run(body())


def test_a_register_point_that_is_on_the_primary_side_now(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(FLAT, shop())]) as here:
            here.now = midnight(2026, 2) + timedelta(days=4)
            await enter(here, states([0, 1000]))
            assert losses(here) == {"2026-01": "40 true"}
            here.begin([shop()])
            await here.engine.catch_up()
            assert losses(here) == {"2026-01": "- missing"}

    run(body())


@pytest.mark.parametrize("peak, said_of", [(D(1), "look at the agreed peak"), (None, "no highest power pm_kw")])
def test_what_cannot_be_calculated_is_missing_and_costs_the_point_nothing(
    tmp_path: Path, peak: Decimal | None, said_of: str
) -> None:
    async def body() -> None:
        async with world(tmp_path, [behind(replace(PLATE, peak_kw=peak), shop())]) as here:
            here.now = midnight(2026, 2) + timedelta(days=4)
            await enter(here, states([0, 1000]))
            assert losses(here) == {"2026-01": "- missing"}
            assert said_of in here.values("shop", Layer.LOSS_MONTH, TOTAL)[end_of(2026, 1)].reason
            assert here.values("shop", Layer.MONTH, TOTAL)[end_of(2026, 1)].amount == D(1000)

    run(body())
