"""The engine with substitute values by hand: the day, its month, what is taken back, restarts, late values."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Entry as Record
from gatewayd.archive.verify import verify
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.metering_sums import SETTLED
from gatewayd.legal_time import day_bounds, days
from gatewayd.metering.entered import document
from gatewayd.metering.manual_history import Entry, State, Subject
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Exchange, Outcome, RawStatus, Reading
from tests.gatewayd.metering_world import DAY, IMPORT, NORTH, World, day_of, quarter, world

END = day_bounds(DAY)[1]


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


async def tell(here: World, number: int, state: State, amount: int | None = None, author: str = "eva") -> None:
    """As the desk archives it, and the engine looks after it."""
    subject = Subject("north", IMPORT, DAY)
    entry = Entry(number, subject, state, author, here.now, None if amount is None else Decimal(amount))
    received = document(entry, "kWh", "root")
    exchange = Exchange("north", BY_HAND, "substitute", here.now, here.now, received, Outcome.DONE)
    await asyncio.wrap_future(here.store.submit(Record(exchange, serial=BY_HAND)))
    await here.engine.catch_up()


def gap() -> list[Reading]:
    rows = day_of("em-1")
    return [*rows[:5], quarter("em-1", rows[5].at, ""), *rows[6:]]


def test_it_takes_the_place_of_a_day_that_is_not_true_and_goes_when_it_is_rejected(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring(gap())
            head = here.store.head
            await tell(here, 1, State.ENTERED, 24)
            day = here.one("north", Layer.DAY)
            assert (day.amount, day.status, day.method) == (Decimal(24), RawStatus.SUBSTITUTE, Method.MANUAL)
            assert here.store.head == head + 2, "the day, and that a substitute is used: nothing else"
            written = here.derived.reader.history("north", IMPORT, END, Layer.DAY)[-1]
            assert written.document["author"] == "eva" and written.derived.version == 2
            await tell(here, 2, State.ENTERED, 25, "jan")
            assert here.one("north", Layer.DAY).amount == 25
            await tell(here, 2, State.SENT)
            assert here.store.head == head + 3, "a step is no new value"
            await tell(here, 2, State.REJECTED)
            assert here.one("north", Layer.DAY).status is RawStatus.MISSING
        assert verify(derived_folder(tmp_path)).ok

    run(body())


def test_also_where_nothing_was_read_at_all_and_over_a_restart(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await tell(here, 1, State.ENTERED, 24)
            assert here.one("north", Layer.DAY).amount == 24
            head = here.store.head
            await here.begin([NORTH]).catch_up()
            assert here.store.head == head
            await here.store.remember_all([("metering", "metering", b"{}")])  # killed before it remembered
            await here.begin([NORTH]).catch_up()
            assert here.store.head == head and here.one("north", Layer.DAY).amount == 24
            await tell(here, 1, State.SUPERSEDED)
            day = here.one("north", Layer.DAY)
            assert (day.status, day.amount) == (RawStatus.MISSING, None), "withdrawn"

    run(body())


def test_late_true_values_take_its_place(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await here.bring(gap())
            await tell(here, 1, State.ENTERED, 26)
            await here.bring([day_of("em-1")[5]])
            day = here.one("north", Layer.DAY)
            assert (day.method, day.amount) == (Method.AGGREGATE, Decimal("24.000"))

    run(body())


def test_the_month_is_made_of_it(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await tell(here, 1, State.ENTERED, 24)
            for day in days(DAY.replace(day=1), DAY.replace(day=30)):
                if day != DAY:
                    await here.bring(day_of("em-1", day, "0.100"))
            here.now = day_bounds(DAY.replace(day=30))[1] + SETTLED + timedelta(minutes=1)
            await here.engine.catch_up()
            assert here.values("north", Layer.DAY)[END].amount == 24, "a day that is due keeps it"
            month = here.one("north", Layer.MONTH)
            assert (month.amount, month.status) == (Decimal("302.400"), RawStatus.SUBSTITUTE), "29 x 9.600 + 24"

    run(body())
