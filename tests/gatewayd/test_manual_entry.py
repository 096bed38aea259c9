"""Readings by hand over the control socket: two at the same time, long ones, and what is no request."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest

from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.store import Store
from gatewayd.config import Config, parse
from gatewayd.control import follow, listening
from gatewayd.daemon import DRIVER_OPTIONS, SINK_OPTIONS, Handing, hand_in
from gatewayd.daemon.build import build_store, now
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.manual import REQUEST, manual_stream
from gatewayd.errors import GatewayError
from gatewayd.manual.submission import Outcome, Submission, written

T = TypeVar("T")


def configured(folder: Path) -> Config:
    head = f"gateway: {{id: gw, clock: trusted}}\narchive: {{path: {folder}}}\n"
    text = head + "lines: {a: {type: tcp, host: h, port: 9}}"
    meters = "".join(f"  - {{id: gm-{n}, driver: iec62056_21, line: a}}\n" for n in range(60))
    return parse(f"{text}\nmeters:\n{meters}", "x.yaml", DRIVER_OPTIONS, SINK_OPTIONS)


def with_gateway(folder: Path, main: Callable[[Config, Store], Awaitable[T]]) -> T:
    """Run beside a gateway that has an archive and a socket."""

    async def whole() -> T:
        config = configured(folder)
        store = build_store(config, group_seconds=0.0)
        await asyncio.to_thread(store.open)
        gateway = cast(Gateway, SimpleNamespace(config=config, store=store))  # all that is asked of it
        try:
            async with asyncio.timeout(30), listening(folder, {}, {REQUEST: manual_stream(gateway)}):
                return await main(config, store)
        finally:
            await asyncio.to_thread(store.close)

    return asyncio.run(whole())


def submission(meter: int = 0, **rest: Any) -> Submission:
    return Submission("1000", meter=f"gm-{meter}", obis="7-0:3.0.0*255", at=now(), **rest)


def test_of_two_at_the_same_time_one_is_archived(tmp_path: Path) -> None:
    async def main(config: Config, _store: Store) -> list[Outcome]:
        table = [submission()]
        found = await asyncio.gather(*(hand_in(config, table, Handing(enter=True)) for _ in range(8)))
        return [handled.outcome for (handled,) in found]

    outcomes = with_gateway(tmp_path, main)
    assert sorted(one.value for one in outcomes) == ["archived"] + ["refused"] * 7
    assert len(Reader(tmp_path).select(Selection())) == 1
    assert len(Reader(tmp_path).audits("operator")) == 8


def test_long_texts_are_handed_in_by_portions(tmp_path: Path) -> None:
    table = [submission(n, note="„ž" * 100, number="\\" * 18, eic='"' * 64) for n in range(60)]
    done: list[int] = []

    async def main(config: Config, _store: Store) -> list[Outcome]:
        return [one.outcome for one in await hand_in(config, table, Handing(enter=True), done.append)]

    assert with_gateway(tmp_path, main) == [Outcome.ARCHIVED] * 60
    assert done[-1] == 60 and len(done) > 2


def test_a_portion_is_archived_whole_or_not_at_all(tmp_path: Path) -> None:
    async def main(config: Config, store: Store) -> str:
        await asyncio.to_thread(store.close)
        with pytest.raises(GatewayError) as caught:
            await hand_in(config, [submission(), submission(1)], Handing(enter=True))
        return str(caught.value)

    assert "takes nothing more" in with_gateway(tmp_path, main)
    assert Reader(tmp_path).select(Selection()) == []


def test_who_has_gone_has_not_stopped_it(tmp_path: Path) -> None:
    async def main(_config: Config, _store: Store) -> None:
        details = {"readings": written([submission()]), "handing": '{"enter": true}'}
        async with aclosing(follow(tmp_path, REQUEST, **details)) as events:
            assert (await anext(events))["event"] == "taken"
        while not Reader(tmp_path).audits("operator"):
            await asyncio.sleep(0.01)

    with_gateway(tmp_path, main)
    assert len(Reader(tmp_path).select(Selection())) == 1


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"readings": "[]"},
        {"readings": "[{}]", "handing": "{}"},
        {"readings": '[{"value": 5}]', "handing": "{}"},
        {"readings": '[{"value": "5", "at": "2026-11-26T10:00:00"}]', "handing": "{}"},
        {"readings": "[]", "handing": '{"enter": "perhaps"}'},
    ],
)
def test_what_is_no_request_is_refused_in_words(details: dict[str, str], tmp_path: Path) -> None:
    async def main(_config: Config, _store: Store) -> str:
        with pytest.raises(GatewayError) as caught:
            async with aclosing(follow(tmp_path, REQUEST, **details)) as events:
                async for _ in events:
                    pass
        return str(caught.value)

    assert "the running gateway says: " in with_gateway(tmp_path, main)
