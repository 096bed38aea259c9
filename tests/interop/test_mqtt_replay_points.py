"""Requests for derived values over a real broker: by point, layer, code, time and number; and what is refused.

Rules: as in test_mqtt_replay.py. The sink is the one of readings, which listens; the other archive lies beside theirs.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive.follow import Follower
from gatewayd.archive.records import Entry
from gatewayd.archive.store import Store
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.derived_sinks import derived_history
from gatewayd.metering.values import Layer
from gatewayd.model import DIRECT
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher
from gatewayd.sink.mqtt.options import MqttOptions, ReplayOptions
from gatewayd.sink.mqtt.sink import MqttSink
from gatewayd.sink.payload import rfc3339
from tests.gatewayd.archive.samples import append, entry, exchange, opened, reading
from tests.gatewayd.sink.derived_samples import AT, derived
from tests.gatewayd.sink.samples import METER, clock
from tests.interop.mosquitto import Mosquitto, Received, Subscriber
from tests.interop.test_mosquitto import DEADLINE_S, parsed, until
from tests.interop.test_mqtt_replay import ANSWERS, answers, ask, ended

QUARTERS = 300
VALUES = 2 * QUARTERS + 1 + 1
"""Of two points; a day, and a second version."""


def fill(store: Store) -> None:
    """Numbers: odd ones are of north, even ones of south; then the day of north, and a second version of its first."""
    for n in range(QUARTERS):
        at = AT + timedelta(minutes=15 * n)
        both = [derived(2 * n + 1, f"{n}.000", at=at), derived(2 * n + 2, f"{n}.500", at=at, point="south")]
        for one in both:
            _append(store, one.reading)
    _append(store, derived(VALUES - 1, "9.5", at=AT, layer=Layer.DAY).reading)
    _append(store, derived(VALUES, "0.750", 2, at=AT).reading)


def _append(store: Store, one: Any) -> None:
    store.submit(Entry(exchange(meter=one.meter), (one,), (DIRECT,)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points") / "archive"
    with opened(folder) as raw:
        append(raw, entry(reading(1)))
    with opened(derived_folder(folder)) as store:
        fill(store)
        asyncio.run(store.flush())
        assert store.head == VALUES
    return folder


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder) as running:
        yield running


@asynccontextmanager
async def gateway(
    folder: Path, broker: Mosquitto, replay: ReplayOptions, *, wanted: bool = True, **options: Any
) -> AsyncIterator[Publisher]:
    with opened(folder) as store:
        settings = MqttOptions(host=broker.host, port=broker.port, replay=replay, **options)
        history: Callable[[], Follower] = lambda: Follower(folder)  # noqa: E731 - with its type
        values = derived_history(folder) if wanted else None
        sink = MqttSink(
            "mqtt", settings, "gw-1", [METER], store.published_head, clock, "0.1.0", history, derived=values
        )
        outbox = Outbox("mqtt", store)
        publisher = Publisher(sink, outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected and not outbox.depth())
        try:
            yield publisher
        finally:
            await publisher.drain(asyncio.get_running_loop().time() + DEADLINE_S)
            await task
            outbox.close()


def asked(
    archive: Path, broker: Mosquitto, *requests: dict[str, object], most: int = 100_000, **options: Any
) -> tuple[list[dict[str, Any]], list[Received]]:
    """The answers, and the messages of derived values."""

    async def main() -> list[Received]:
        async with gateway(archive, broker, ReplayOptions(readings=most), **options) as publisher:
            with Subscriber(broker, "gatewayd/#", qos=1, contract=False) as subscriber:
                for request in requests:
                    await asyncio.to_thread(ask, broker, {"schema": "gatewayd.replay/1", "id": "r1", **request})
                await asyncio.to_thread(subscriber.wait_for, ended(len(requests)), DEADLINE_S)
                assert publisher.state.connected
                return subscriber.received

    seen = asyncio.run(main())
    return answers(seen), [message for message in seen if "/points/" in message.topic]


def numbers(messages: list[Received]) -> list[int]:
    return [value["seq"] for message in messages for value in parsed(message)["values"]]


NORTH = [*range(1, 2 * QUARTERS, 2), VALUES - 1, VALUES]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"point": "north"}, NORTH),
        ({"point": "north", "layer": "day"}, [VALUES - 1]),
        ({"point": "south", "obis": "1.29.0", "from": 100, "to": 120}, list(range(100, 121, 2))),
        ({"derived": True, "from": 590, "to": 10**15}, list(range(590, VALUES + 1))),
        (
            {
                "derived": True,
                "layer": "interval",
                "after": "2026-11-21T21:45:00+01:00",
                "until": rfc3339(AT + timedelta(hours=1)),
            },
            list(range(3, 11)),
        ),
        ({"point": "north", "until": rfc3339(AT), "layer": "interval"}, [1, VALUES]),
    ],
    ids=["point", "layer", "numbers", "to the end", "span", "both versions"],
)
def test_what_is_asked_for_comes_again_on_its_own_topics(
    archive: Path, broker: Mosquitto, request_: dict[str, object], expected: list[int]
) -> None:
    (accepted, done), messages = asked(archive, broker, request_)
    assert (accepted["state"], accepted["derived"], accepted["readings"]) == ("accepted", True, 0)
    assert (done["state"], done["readings"], done["reason"]) == ("done", len(expected), None)
    assert (done["from"], done["to"], done["head"]["seq"]) == (expected[0], expected[-1], VALUES)
    assert done["head"]["hash"]
    assert sorted(numbers(messages)) == expected
    by_topic: dict[str, list[int]] = {}
    for message in messages:
        document = parsed(message)
        assert document["replay"] == "r1" and not message.retained
        assert document["head"]["seq"] == VALUES
        by_topic.setdefault(message.topic, []).extend(value["seq"] for value in document["values"])
    assert all(found == sorted(found) for found in by_topic.values())
    assert set(by_topic) <= {
        f"gatewayd/gw-1/points/{point}/{layer}/1-0:1.29.0*255"
        for point in ("north", "south")
        for layer in ("interval", "day")
    }


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"point": "nort"}, "there is no point 'nort' among the derived values; there are: north, south"),
        ({"point": "x" * 200}, f"there is no point '{'x' * 63}…' among"),
        (
            {"point": "north", "layer": "year"},
            "there is no layer 'year' among the derived values; there are: day, interval",
        ),
        ({"point": "north", "obis": "2.29.0"}, "there is no code '1-0:2.29.0*255' among the derived values"),
        ({"point": "south", "layer": "day"}, "there are no derived values of that"),
        (
            {"derived": True, "from": VALUES + 1},
            f"begins at {VALUES + 1}, and the archive of derived values ends at {VALUES}",
        ),
        ({"point": "north", "from": 20, "to": 10}, "ends at 10, before it begins at 20"),
        ({"point": "north", "obis": "east"}, "obis 'east' is no OBIS code"),
        ({"derived": True, "layer": "day"}, "is not limited: it needs a point, from or after"),
        ({"from": 1, "layer": "day"}, "layer: only of derived values; add a point, or derived: true"),
        ({}, "says not where to begin: from is missing"),
        ({"point": "north", "after": "2026-11-21"}, "is no request of schema gatewayd.replay/1"),
        ({"point": "north", "after": "2026-11-21T20:00:00"}, "is no request of schema gatewayd.replay/1"),
        ({"point": 7}, "is no request of schema gatewayd.replay/1"),
        (
            {"point": "north", "after": "2026-11-22T00:00:00Z", "until": "2026-11-22T01:00:00+01:00"},
            "ends at 2026-11-22T01:00:00+01:00, not after it begins",
        ),
        ({"point": "north"}, "asks for more than 100 derived values; ask for a part of them"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_is_refused_and_why(archive: Path, broker: Mosquitto, request_: dict[str, object], reason: str) -> None:
    (answer,), messages = asked(archive, broker, request_, most=100)
    assert answer["state"] == "refused"
    assert answer["reason"].startswith(reason)
    assert messages == []


def test_a_hundred_of_a_hundred_are_given(archive: Path, broker: Mosquitto) -> None:
    (_, done), messages = asked(archive, broker, {"point": "north", "to": 199}, most=100)
    assert (done["state"], done["readings"], len(numbers(messages))) == ("done", 100, 100)


def test_a_sink_that_gets_no_derived_values_gives_none(archive: Path, broker: Mosquitto) -> None:
    (answer,), _ = asked(archive, broker, {"point": "north"}, wanted=False)
    assert answer["reason"] == "this sink gets no derived values (derived: false)"


def test_a_gateway_without_points_says_so_and_readings_can_be_asked_for_all_the_same(
    tmp_path: Path, broker: Mosquitto
) -> None:
    folder = tmp_path / "archive"
    with opened(folder) as raw:
        append(raw, entry(reading(1)))
    found, _ = asked(folder, broker, {"point": "north"}, {"from": 1})
    refused, accepted, done = found
    assert refused["reason"] == "there are no derived values: the configuration has had no points yet"
    assert refused["head"] == {"seq": 0, "hash": None}
    assert (accepted["state"], done["state"], done["readings"]) == ("accepted", "done", 1)
    assert "derived" not in done


def test_the_contract_holds_for_requests_and_answers(archive: Path, broker: Mosquitto) -> None:
    async def main() -> None:
        async with gateway(archive, broker, ReplayOptions()):
            with Subscriber(broker, "gatewayd/#", qos=1) as subscriber:  # which checks each message
                for name, request in (("a", {"point": "north", "layer": "day"}), ("b", {"derived": True, "from": 600})):
                    await asyncio.to_thread(ask, broker, {"schema": "gatewayd.replay/1", "id": name, **request})
                await asyncio.to_thread(subscriber.wait_for, ended(2), DEADLINE_S)
                states = [json.loads(one.payload)["state"] for one in subscriber.received if one.topic == ANSWERS]
                assert states == ["accepted", "done", "accepted", "done"]

    asyncio.run(main())
