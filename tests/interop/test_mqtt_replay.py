"""Replay requests and discovery over a real broker: what is asked for comes again, and nothing else changes."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gatewayd.archive.follow import Follower
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher
from gatewayd.sink.mqtt.options import HomeAssistantOptions, MqttOptions, ReplayOptions
from gatewayd.sink.mqtt.sink import MqttSink
from tests.gatewayd.archive.samples import append, entry, opened, reading
from tests.gatewayd.sink.samples import METER, clock
from tests.interop.mosquitto import Mosquitto, Received, Subscriber, program
from tests.interop.test_mosquitto import DEADLINE_S, parsed, until

REQUESTS = "gatewayd/gw-1/replay"
ANSWERS = f"{REQUESTS}/answer"
COUNT = 500


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder) as running:
        yield running


@asynccontextmanager
async def gateway(folder: Path, broker: Mosquitto, **options: Any) -> AsyncIterator[Publisher]:
    """An archive with COUNT registers and a sink that has taken them all."""
    with opened(folder) as store:
        for number in range(COUNT // 10):
            await asyncio.to_thread(append, store, entry(*(reading(number * 10 + k + 1) for k in range(10))))
        settings = MqttOptions(host=broker.host, port=broker.port, **options)
        history: Callable[[], Follower] = lambda: Follower(folder)  # noqa: E731 - with its type
        sink = MqttSink("mqtt", settings, "gw-1", [METER], store.published_head, clock, "0.1.0", history)
        outbox = Outbox("mqtt", store)
        publisher = Publisher(sink, outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: store.head == COUNT and publisher.state.delivered == COUNT)
        try:
            yield publisher
        finally:
            await publisher.drain(asyncio.get_running_loop().time() + DEADLINE_S)
            await task
            outbox.close()


def ask(broker: Mosquitto, document: object, *more: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    where = ["-h", broker.host, "-p", str(broker.port), "-t", REQUESTS, "-q", "1"]
    subprocess.run([program("mosquitto_pub"), *where, "-m", text, *more], check=True, timeout=DEADLINE_S)


def wanted(first: int, last: int | None = None, name: str = "r1", **more: object) -> dict[str, object]:
    request: dict[str, object] = {"schema": "gatewayd.replay/1", "id": name, "from": first, **more}
    return request if last is None else request | {"to": last}


def answers(messages: list[Received]) -> list[dict[str, Any]]:
    return [parsed(message) for message in messages if message.topic == ANSWERS]


def ended(count: int) -> Callable[[list[Received]], bool]:
    """So many requests have come to their end."""
    return lambda messages: sum(answer["state"] != "accepted" for answer in answers(messages)) >= count


async def asked(folder: Path, broker: Mosquitto, *requests: Any, replay: ReplayOptions | None = None) -> list[Received]:
    """What a subscriber sees from the first request to the end of the last."""
    async with gateway(folder, broker, replay=replay or ReplayOptions()) as publisher:
        with Subscriber(broker, "gatewayd/#", qos=1) as subscriber:
            before = len(await asyncio.to_thread(subscriber.wait_for, lambda seen: len(seen) >= 3))
            for request in requests:
                await asyncio.to_thread(ask, broker, *(request if isinstance(request, tuple) else (request,)))
            await asyncio.to_thread(subscriber.wait_for, ended(len(requests)), DEADLINE_S)
            assert publisher.state.connected
            return subscriber.received[before:]


def test_a_range_comes_again_and_the_latest_value_stays_what_it_is(tmp_path: Path, broker: Mosquitto) -> None:
    seen = asyncio.run(asked(tmp_path / "archive", broker, wanted(101, 350)))
    accepted, done = answers(seen)
    assert (accepted["state"], accepted["from"], accepted["to"], accepted["readings"]) == ("accepted", 101, 350, 0)
    assert (done["state"], done["readings"], done["reason"]) == ("done", 250, None)
    again = [message for message in seen if message.topic.startswith("gatewayd/gw-1/em-1001/register/")]
    assert [parsed(message)["readings"][0]["seq"] for message in again] == list(range(101, 351))
    assert {parsed(message)["replay"] for message in again} == {"r1"}
    with Subscriber(broker, "gatewayd/+/+/register/#") as late:
        (kept,) = late.wait_for(lambda received: len(received) == 1)
    assert parsed(kept)["readings"][0]["seq"] == COUNT
    assert "replay" not in parsed(kept)


def test_to_the_end_when_no_end_is_given_and_one_after_the_other(tmp_path: Path, broker: Mosquitto) -> None:
    seen = asyncio.run(asked(tmp_path / "archive", broker, wanted(COUNT - 1), wanted(COUNT, 10**15, "r2")))
    assert [(answer["id"], answer["state"], answer["to"], answer["readings"]) for answer in answers(seen)] == [
        ("r1", "accepted", COUNT, 0),
        ("r1", "done", COUNT, 2),
        ("r2", "accepted", COUNT, 0),
        ("r2", "done", COUNT, 1),
    ]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (wanted(200, 100), "ends at 100, before it begins at 200"),
        (wanted(COUNT + 1), f"begins at {COUNT + 1}, and the archive ends at {COUNT}"),
        (wanted(1, 101), "asks for 101 readings; at most 100"),
        (wanted(0, 5), "is no request of schema gatewayd.replay/1"),
        (wanted(1, 5, "a/b"), "is no request of schema gatewayd.replay/1"),
        (wanted(1, 5) | {"schema": "gatewayd.replay/9"}, "is no request of schema gatewayd.replay/1"),
        ("{", "is no request of schema gatewayd.replay/1"),
        ("[" * 2000, "is no request of schema gatewayd.replay/1"),
        ((wanted(1, 5), "-r"), None),
        ("x" * 100_000, "is no request of schema gatewayd.replay/1"),
    ],
    ids=["backwards", "beyond", "too many", "zero", "id", "schema", "no JSON", "nested", "retained", "long"],
)
def test_what_is_refused_and_why(tmp_path: Path, broker: Mosquitto, request_: Any, reason: str | None) -> None:
    """A retained one is answered like any other while it is fresh, and refused when the next connection finds it."""
    seen = asyncio.run(asked(tmp_path / "archive", broker, request_, replay=ReplayOptions(readings=100)))
    if reason is None:
        assert [answer["state"] for answer in answers(seen)] == ["accepted", "done"]
        with Subscriber(broker, ANSWERS) as subscriber:

            async def once_more() -> list[Received]:
                async with gateway(tmp_path / "other", broker, replay=ReplayOptions()):
                    return await asyncio.to_thread(subscriber.wait_for, ended(1))

            seen = asyncio.run(once_more())
        reason = "a retained request is not answered"
    (answer,) = answers(seen)
    assert answer["state"] == "refused"
    assert answer["reason"].startswith(reason)
    assert not any("replay" in parsed(message) for message in seen if "/register/" in message.topic)


def test_bytes_that_are_no_text_end_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    poison = tmp_path / "poison"
    poison.write_bytes(b'{"schema":"gatewayd.replay/1","id":"\xff","from":1}')

    async def main() -> list[Received]:
        async with gateway(tmp_path / "archive", broker, replay=ReplayOptions()) as publisher:
            with Subscriber(broker, ANSWERS, qos=1) as subscriber:
                where = ["-h", broker.host, "-p", str(broker.port), "-t", REQUESTS, "-f", str(poison)]
                await asyncio.to_thread(subprocess.run, [program("mosquitto_pub"), *where], check=True)
                await asyncio.to_thread(ask, broker, wanted(1, 5))
                await asyncio.to_thread(subscriber.wait_for, ended(2))
                assert publisher.state.connected
                return subscriber.received

    assert [answer["state"] for answer in answers(asyncio.run(main()))] == ["refused", "accepted", "done"]


def test_a_flood_of_requests_is_bounded(tmp_path: Path, broker: Mosquitto) -> None:
    async def flood() -> list[Received]:
        async with gateway(tmp_path / "archive", broker, replay=ReplayOptions(waiting=2)) as publisher:
            with Subscriber(broker, ANSWERS, qos=1) as subscriber:
                lines = "\n".join(json.dumps(wanted(1, COUNT, f"r{number}")) for number in range(300))
                where = ["-h", broker.host, "-p", str(broker.port), "-t", REQUESTS, "-l"]
                await asyncio.to_thread(
                    subprocess.run, [program("mosquitto_pub"), *where], input=lines.encode(), check=True
                )
                await asyncio.to_thread(subscriber.wait_for, ended(20))
                assert publisher.state.connected
                return subscriber.received

    found = answers(asyncio.run(flood()))
    assert any(answer["reason"] == "2 requests are waiting already" for answer in found)
    assert sum(answer["state"] == "accepted" for answer in found) < 20


def test_without_the_option_nobody_listens(tmp_path: Path, broker: Mosquitto) -> None:
    async def main() -> None:
        async with gateway(tmp_path / "archive", broker):
            told = await asyncio.to_thread(lambda: broker.log)
            assert "Received SUBSCRIBE" not in told

    asyncio.run(main())
    with Subscriber(broker, ANSWERS) as subscriber:
        ask(broker, wanted(1, 5))
        assert subscriber.received == []


def test_home_assistant_finds_live_registers(tmp_path: Path, broker: Mosquitto) -> None:
    async def main() -> None:
        async with gateway(tmp_path / "archive", broker, home_assistant=HomeAssistantOptions()):
            pass

    asyncio.run(main())
    with Subscriber(broker, "homeassistant/#") as subscriber:
        found = subscriber.wait_for(lambda received: len(received) == 2)
    (config,) = [parsed(message) for message in found if "/sensor/" in message.topic]
    assert all(message.retained for message in found)
    assert config["state_topic"] == "gatewayd/gw-1/em-1001/register/1-0:1.8.0*255"
    assert (config["device_class"], config["state_class"]) == ("energy", "total_increasing")
