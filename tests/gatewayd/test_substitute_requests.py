"""Orders about substitute values that come over the socket past the command line: answered in words, or handled."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from gatewayd.archive import segments
from gatewayd.archive.segments import WriterLock
from gatewayd.archive.store import Store
from gatewayd.control import Request, Stream
from gatewayd.daemon.build import build_store, load_config
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.substitute_orders import Order
from gatewayd.daemon.substitute_requests import order_of
from gatewayd.daemon.substitutes import Desk, derived_store, place, substitute_stream
from gatewayd.errors import ArchiveLocked, GatewayError
from tests.gatewayd.points_site import DAY, IMPORT, configured, filled

SOUND: dict[str, object] = {"point": "north", "obis": str(IMPORT), "day": DAY.isoformat(), "value": "24"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"obis": "garbage"}, "obis: "),
        ({"obis": ""}, "obis: "),
        ({"day": "0001-01-01"}, "0001-01-01 is no day of metering; expected one from 1970-01-01 to 2199-12-31"),
        ({"day": "9999-12-31"}, "9999-12-31 is no day of metering"),
        ({"day": None}, "it has no day"),
        ({"day": "today"}, "Invalid RFC3339"),
        ({"state": "nonsense"}, "there is no state 'nonsense'; expected entered, sent, accepted, rejected, superseded"),
        ({"number": -5}, "number -5: expected that of a value"),
        ({"author": "root\u202e"}, "author holds characters that cannot be shown"),
        ({"note": "a\x1b[2J"}, "note holds characters that cannot be shown"),
        ({"note": "x" * 201}, "note has more than 200 characters"),
        ({"value": "1\n"}, "value holds characters"),
        ({"point": "x" * 201}, "point has more than 200 characters"),
    ],
)
def test_what_is_no_order_is_refused_in_words(changes: dict[str, object], words: str) -> None:
    order_of(msgspec.json.encode(SOUND).decode())
    with pytest.raises(GatewayError) as refused:
        order_of(msgspec.json.encode(SOUND | changes).decode())
    assert words in str(refused.value)


def test_a_step_of_a_value_needs_neither_day_nor_code() -> None:
    assert order_of('{"number": 3, "state": "sent"}') == Order(number=3, state="sent")
    with pytest.raises(GatewayError):
        order_of("{]")


@asynccontextmanager
async def archives(site: Path) -> AsyncIterator[tuple[Any, Store, Store]]:
    config = load_config(site / "points.yaml")
    raw, derived = build_store(config, group_seconds=0.0), derived_store(config)
    for store in (raw, derived):
        await asyncio.to_thread(store.open)
    try:
        yield config, raw, derived
    finally:
        for store in (raw, derived):
            await asyncio.to_thread(store.close)


def test_the_stream_says_why_before_it_takes_anything_and_tells_of_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(tmp_path)
    filled(tmp_path)

    async def answer(stream: Stream, order: dict[str, object]) -> list[dict[str, object]]:
        request = Request("substitute", {"order": msgspec.json.encode(order).decode()}, "root")
        async with aclosing(stream(request)) as events:
            return [one async for one in events]

    async def body() -> None:
        async with archives(tmp_path) as (config, raw, derived):
            site = type("Site", (), {"store": derived})
            gateway = cast(Gateway, type("Gateway", (), {"config": config, "store": raw, "metering": site}))
            stream = substitute_stream(gateway)
            with pytest.raises(GatewayError, match="no order"):
                await answer(stream, SOUND | {"obis": "garbage"})
            assert [one["event"] for one in await answer(stream, SOUND)] == ["taken", "handled"]

            async def defect(*_all: object) -> None:
                raise ZeroDivisionError

            monkeypatch.setattr(Desk, "carry_out", defect)
            with pytest.raises(GatewayError, match=r"a defect in gatewayd.*ZeroDivisionError"):
                await answer(stream, SOUND)

    asyncio.run(asyncio.wait_for(body(), 30))


def test_a_command_waits_for_another_one_that_has_the_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(configured(tmp_path))
    filled(tmp_path)
    order = Order("north", str(IMPORT), DAY, "24")

    async def body() -> None:
        lock = WriterLock(config.archive.path)
        monkeypatch.setattr("gatewayd.daemon.archive_turn.PATIENCE_S", 0.0)
        with pytest.raises(ArchiveLocked, match=f"being written by process {os.getpid()}"):
            await place(config, order)
        monkeypatch.setattr("gatewayd.daemon.archive_turn.PATIENCE_S", 30.0)
        waiting = asyncio.create_task(place(config, order))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        lock.release()
        assert (await waiting).refused[0].check == "DEADLINE", "it was that long ago; somebody has looked at it"

    asyncio.run(asyncio.wait_for(body(), 60))


def test_who_has_just_begun_has_no_number_yet(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    os.truncate(tmp_path / "writer.lock", 0)
    with pytest.raises(ArchiveLocked, match="another process, which has just begun; wait until"):
        segments.WriterLock(tmp_path)
    lock.release()
