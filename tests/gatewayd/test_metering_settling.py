"""The engine: when substitutes are settled, and what stands beside values by hand, of gas as well. A bug of each was
found by a reviewer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Entry as Record
from gatewayd.legal_time import GAS_DAY_START, day_bounds, days, instant, interval_ends
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.entered import document
from gatewayd.metering.manual_history import Entry, State, Subject
from gatewayd.metering.points import Installed, MeteringPoint, Verified
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Exchange, Kind, MeteringType, Outcome, RawStatus, Reading
from gatewayd.obis import Obis
from tests.gatewayd.metering_world import DAY, IMPORT, World, brought, day_of, quarter, world

ENDS = interval_ends(DAY)
END = day_bounds(DAY)[1]
NEXT = DAY + timedelta(days=1)
GAS = Obis.parse("7-0:3.0.0")
"""The state of the meter at the end of each interval."""
PLAIN = MeteringPoint("north", metering_type=MeteringType.A, installed=(Installed("em-1"),))
FILLED = replace(PLAIN, substitution=SubstitutionTerms(enabled=True))


def play(folder: Path, point: MeteringPoint, body: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        async with world(folder, [point]) as here:
            await body(here)

    asyncio.run(asyncio.wait_for(run(), 120))


def holed(first: int, end: int) -> list[Reading]:
    return [quarter("em-1", at, "" if first <= n < end else "0.250") for n, at in enumerate(ENDS)]


def validated(here: World, at: datetime, layer: Layer = Layer.INTERVAL) -> bool:
    return here.derived.reader.history("north", IMPORT, at, layer)[-1].derived.validated


async def by_hand(here: World, code: Obis, amount: str, unit: str, day: date = DAY) -> None:
    entry = Entry(1, Subject("north", code, day), State.ENTERED, "eva", here.now, Decimal(amount))
    received = document(entry, unit, "root")
    exchange = Exchange("north", BY_HAND, "substitute", here.now, here.now, received, Outcome.DONE)
    await here.store.append(Record(exchange, serial=BY_HAND))
    await here.engine.catch_up()


# ------------------------------------------------------------------------------------------------ when it is settled


def test_a_day_of_which_all_was_told_is_settled_at_the_deadline(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        here.now = END + timedelta(hours=5)
        await here.bring(holed(20, 24))
        assert here.values("north")[ENDS[21]].status is RawStatus.PROVISIONAL
        here.now = instant(NEXT, time(11))
        await here.engine.catch_up()
        found = here.values("north")[ENDS[21]]
        assert found.status is RawStatus.SUBSTITUTE and "provisional" not in found.reason
        assert validated(here, ENDS[21]) and here.values("north", Layer.DAY)[END].status is RawStatus.SUBSTITUTE

    play(tmp_path, FILLED, body)


def test_one_of_which_not_all_was_told_says_until_when_it_waits(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        here.now = END + timedelta(hours=5)
        await here.bring([one for one in holed(20, 24) if one.at != ENDS[50]])
        here.now = instant(NEXT, time(11))
        await here.engine.catch_up()
        for at in (ENDS[21], ENDS[50]):
            found = here.values("north")[at]
            assert found.status is RawStatus.PROVISIONAL and "until 2026-11-21 11:00" not in found.reason
            assert "a reading may still come until 2026-11-23 00:00+01:00" in found.reason
        here.now = END + timedelta(days=2)
        await here.engine.catch_up()
        assert {here.values("north")[at].status for at in (ENDS[21], ENDS[50])} == {RawStatus.SUBSTITUTE}

    play(tmp_path, FILLED, body)


@pytest.mark.parametrize("after", [9, 10, 14, 366])
def test_a_late_deadline_comes_as_well(tmp_path: Path, after: int) -> None:
    async def body(here: World) -> None:
        here.now = END + timedelta(hours=5)
        await here.bring(holed(20, 24))
        due = instant(DAY + timedelta(days=after), time(11))
        here.now = due - timedelta(seconds=1)
        await here.engine.catch_up()
        assert here.values("north")[ENDS[21]].status is RawStatus.PROVISIONAL
        here.now = due + timedelta(minutes=5)
        await here.engine.catch_up()
        assert here.values("north")[ENDS[21]].status is RawStatus.SUBSTITUTE

    play(tmp_path, replace(FILLED, substitution=SubstitutionTerms(enabled=True, deadline_days=after)), body)


def test_substitutes_of_a_day_without_verification_are_not_validated(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        here.now = END + timedelta(days=3)
        await here.bring(holed(20, 24))
        for at in (ENDS[19], ENDS[21]):
            assert here.values("north")[at].rules == ("verification",) and not validated(here, at)
        assert here.values("north")[ENDS[21]].status is RawStatus.SUBSTITUTE
        assert not validated(here, END, Layer.DAY)
        await by_hand(here, IMPORT, "25", "kWh")
        day = here.values("north", Layer.DAY)[END]
        assert (day.method, day.rules, validated(here, END, Layer.DAY)) == (Method.MANUAL, ("verification",), False)

    play(tmp_path, replace(FILLED, verified=Verified(meter=DAY - timedelta(days=1))), body)


# -------------------------------------------------------------------------------------------------- a day by hand


def test_a_day_by_hand_stands_for_all_of_its_intervals(tmp_path: Path) -> None:
    async def body(here: World) -> None:
        here.now = instant(date(2026, 12, 1), time(8))
        for day in days(date(2026, 11, 1), date(2026, 11, 30)):
            await here.raw.append(brought(holed(5, 6) if day == DAY else day_of("em-1", day)))
        await here.engine.catch_up()
        await by_hand(here, IMPORT, "25", "kWh")
        summed, month = here.values("north", Layer.DAY)[END], here.one("north", Layer.MONTH)
        assert (summed.have, summed.want) == (96, 96)
        assert (month.amount, month.status) == (Decimal("721.000"), RawStatus.SUBSTITUTE)
        assert (month.have, month.want) == (2880, 2880)

    play(tmp_path, PLAIN, body)


def test_a_day_of_which_nothing_was_read_has_as_many_as_the_calendar_says(tmp_path: Path) -> None:
    autumn = date(2026, 10, 25)

    async def body(here: World) -> None:
        await by_hand(here, IMPORT, "25", "kWh", autumn)
        found = here.one("north", Layer.DAY)
        assert (found.have, found.want) == (100, 100)

    play(tmp_path, PLAIN, body)


# ---------------------------------------------------------------------------------------------------------- gas

LOST = instant(DAY, time(10))


def gas(first: date, last: date, *lost: datetime) -> list[Reading]:
    """1 m3 in each quarter-hour; some of the states are told missing."""
    found: list[Reading] = []
    start = day_bounds(first)[0]
    for at in (start, *(at for day in days(first, last) for at in interval_ends(day))):
        text = "" if at in lost else f"{1000 + (at - start) // timedelta(minutes=15)}.000"
        status = RawStatus.TRUE if text else RawStatus.MISSING
        found.append(
            Reading("em-1", GAS, "3.0.0", Kind.INTERVAL, at, text.encode(), text, "m3", 0, status, interval_s=900)
        )
    return found


def test_a_month_of_gas_is_the_sum_of_its_gas_days(tmp_path: Path) -> None:
    """October 2026 has a day of 25 hours: 2980 quarters, from 06:00 of its first day to 06:00 of 1 November."""

    async def body(here: World) -> None:
        here.now = instant(date(2026, 11, 1), time(5))
        rows = gas(date(2026, 9, 30), date(2026, 11, 2))
        await here.bring([one for one in rows if one.at <= here.now])
        start, end = month_bounds(date(2026, 10, 1), start=GAS_DAY_START)
        assert (start, end) == (instant(date(2026, 10, 1), time(6)), instant(date(2026, 11, 1), time(6)))
        assert set(here.values("north", Layer.MONTH, GAS)) == {start}, "its last day is not over"
        here.now = instant(date(2026, 11, 1), time(7))
        await here.bring([one for one in rows if instant(date(2026, 11, 1), time(5)) < one.at <= here.now])
        for layer in (Layer.MONTH, Layer.MAXIMUM):
            month = here.values("north", layer, GAS)[end]
            assert (month.have, month.want, month.seconds) == (2980, 2980, 745 * 3600)
        month = here.values("north", Layer.MONTH, GAS)[end]
        assert (month.amount, month.status) == (Decimal("2980.000"), RawStatus.TRUE)
        assert set(here.values("north", Layer.MONTH, GAS)) == {start, end}, "none of days of legal time"

    play(tmp_path, replace(PLAIN, channels=(GAS,)), body)


@pytest.mark.parametrize("day", [DAY, date(2026, 11, 30)], ids=["within", "the last one"])
def test_a_gas_day_by_hand_is_in_its_month(tmp_path: Path, day: date) -> None:
    async def body(here: World) -> None:
        here.now = instant(date(2026, 12, 1), time(10))
        lost = instant(day, time(10))
        await here.bring([one for one in gas(date(2026, 10, 31), date(2026, 12, 1), lost) if one.at <= here.now])
        end = instant(date(2026, 12, 1), time(6))
        assert here.values("north", Layer.MONTH, GAS)[end].status is RawStatus.MISSING
        await by_hand(here, GAS, "100", "m3", day)
        month = here.values("north", Layer.MONTH, GAS)[end]
        assert (month.amount, month.status) == (Decimal("2884.000"), RawStatus.SUBSTITUTE), "29 of 96, one of 100"
        assert (month.have, month.want) == (2880, 2880)

    play(tmp_path, replace(PLAIN, channels=(GAS,)), body)
