"""The engine with entries by hand that are none, and with entries that retention has dropped."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from gatewayd.archive import segments
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Entry as Record
from gatewayd.config import Config
from gatewayd.daemon import substitutes
from gatewayd.daemon.build import load_config
from gatewayd.daemon.substitute_orders import Order
from gatewayd.daemon.substitutes import Desk, numbers_given
from gatewayd.metering.entered import document
from gatewayd.metering.manual_history import Entry, State, Subject
from gatewayd.metering.values import Layer, Method
from gatewayd.model import Exchange, Outcome, RawStatus, Reading
from tests.gatewayd.metering_world import DAY, IMPORT, NORTH, SOUTH, World, day_of, quarter, world
from tests.gatewayd.points_site import configured

MORNING = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def run(body: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def gap() -> list[Reading]:
    rows = day_of("em-1")
    return [*rows[:5], quarter("em-1", rows[5].at, ""), *rows[6:]]


async def put(here: World, received: bytes) -> None:
    exchange = Exchange("north", BY_HAND, "substitute", here.now, here.now, received, Outcome.DONE)
    await asyncio.wrap_future(here.store.submit(Record(exchange, serial=BY_HAND)))


def forged(**changes: str) -> bytes:
    sound = document(Entry(1, Subject("north", IMPORT, DAY), State.ENTERED, "eva", MORNING, Decimal(30)), "kWh")
    for old, new in changes.items():
        sound = sound.replace(f'"{old}":'.encode(), b'"":').replace(b"{", f'{{"{old}":{new},'.encode(), 1)
    return sound


@pytest.mark.parametrize(
    "received",
    [
        b"\xff\xfe garbage",
        b"",
        b'{"schema":"x/1"}',
        forged(amount='""'),
        forged(amount='"NaN"'),
        forged(amount='"1e999999999"'),
        forged(day='"9999-12-31"'),
        forged(day='"0001-01-01"'),
        forged(number="0"),
    ],
)
def test_an_entry_that_is_none_costs_nobody_anything_and_is_told_once(
    tmp_path: Path, received: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        async with world(tmp_path, [NORTH, SOUTH]) as here:
            await put(here, received)
            await put(here, document(Entry(2, Subject("north", IMPORT, DAY), State.ENTERED, "e", MORNING, Decimal(26))))
            await here.bring(gap())
            await here.bring(day_of("em-2"))
            assert here.one("south", Layer.DAY).amount == 24
            assert here.one("north", Layer.DAY).amount == 26, "the sound one beside it counts"

    run(body())
    assert caplog.text.count("passed over") == 1


async def dropped(here: World) -> None:
    """Retention drops all segments of the derived archive but the open one."""
    for number in segments.segment_numbers(here.store.folder)[:-1]:
        segments.drop(segments.segment_path(here.store.folder, number))


def test_a_number_is_given_once_though_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(substitutes, "now", lambda: MORNING)
    config = load_config(configured(tmp_path))

    async def entered(here: World, amount: int, config: Config = config) -> int:
        desk = Desk(lambda: config, here.raw, lambda: here.store)  # as after a start
        found = await desk.carry_out(Order("north", str(IMPORT), DAY, str(amount), author="eva"), "root")
        assert found.done, found
        await here.engine.catch_up()
        return found.number

    async def body() -> None:
        async with world(tmp_path / "archive", config.points) as here:
            await here.bring(gap())
            assert await entered(here, 30) == 1
            await here.store.seal()
            await here.bring([quarter("em-1", gap()[9].at, "0.260")])
            await here.store.seal()
            await dropped(here)
            here.begin(config.points)
            await here.bring([quarter("em-1", gap()[10].at, "0.270")])
            assert await entered(here, 31) == 2, "not number 1 once more"
            assert here.one("north", Layer.DAY).amount == 31

    run(body())


def test_what_stands_stays_and_tells_the_number_where_the_memory_is_lost(tmp_path: Path) -> None:
    async def body() -> None:
        async with world(tmp_path) as here:
            await put(
                here, document(Entry(4, Subject("north", IMPORT, DAY), State.ENTERED, "eva", MORNING, Decimal(30)))
            )
            await here.store.seal()
            await here.bring(gap())
            await here.engine.catch_up()
            await dropped(here)
            engine = here.begin([NORTH])
            await here.bring(gap()[9:11])
            day = here.one("north", Layer.DAY)
            assert (day.amount, day.method) == (Decimal(30), Method.MANUAL), "though its entry is gone"
            assert engine.compute.entered.highest == 0
            assert numbers_given(here.store.folder) == 4
            await here.bring([day_of("em-1")[5]])
            assert here.one("north", Layer.DAY).status is RawStatus.TRUE

    run(body())
