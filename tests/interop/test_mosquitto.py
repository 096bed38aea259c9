"""The MQTT sink and a real broker, seen by an independent subscriber: contract, faults, restarts, hang-ups.

Rules: nothing is mocked but the pause between attempts, which waits for the test instead of for time.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gatewayd.errors import ArchiveError, SinkError
from gatewayd.model import Flag, Kind, Ratio, RawStatus
from gatewayd.publish import Publisher
from gatewayd.sink import FAREWELL_S
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.sink import MqttSink
from tests.gatewayd.sink.samples import METER, ListOutbox, clock, head, interval, register
from tests.interop.mosquitto import Mosquitto, Received, Subscriber
from tests.interop.server import free_port

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "mqtt" / "readings-1.schema.json").read_text(encoding="utf-8"))
DEADLINE_S = 20.0
STATUS = "gatewayd/gw-1/status"
REMEDY = "is it overloaded, stopped or behind a firewall?"
META = "gatewayd/gw-1/em-1001/meta"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


def sink(port: int, **options: Any) -> MqttSink:
    settings = MqttOptions(host=Mosquitto.host, port=port, **options)
    return MqttSink("mqtt", settings, "gw-1", [METER], head, clock, "0.1.0")


def parsed(message: Received) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(message.payload, parse_float=Decimal)
    return document


def data(messages: list[Received]) -> list[Received]:
    return [message for message in messages if message.topic not in (STATUS, META)]


def states(messages: list[Received]) -> list[tuple[str, str | None]]:
    found = [parsed(message) for message in messages if message.topic == STATUS]
    return [(document["state"], document.get("reason")) for document in found]


async def until(condition: Callable[[], bool]) -> None:
    """Give way until it holds; the network of the loop goes on meanwhile."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def deliver(port: int, *readings: Any) -> list[int]:
    ledger = ListOutbox([])
    async with sink(port).connect() as delivery:
        await delivery.deliver(readings, ledger)
    return ledger.acknowledged


# ---------------------------------------------------------------------------------------------------- the contract


def test_a_batch_arrives_as_the_schema_says_with_every_digit(broker: Mosquitto) -> None:
    ratio = Ratio(ct="200/5", vt="22000/100")
    readings = [
        register(1, "0008048.375"),
        register(2, "000.000", "2.8.0"),
        register(3, "18446744073709551615", "3.8.0", scaler=-3, ratio=ratio),
        register(4, "1", "4.8.0", scaler=-9),
        register(5, "---.-", "5.8.0", status=RawStatus.MISSING),
        register(6, "02.468", "1.6.0*05", kind=Kind.MAXIMUM, more=("1703100930",)),
        register(7, "0036486", "Ser#/1"),
        interval(8, "000.125", ratio=ratio),
        interval(9, "000.250", ratio=ratio),
    ]
    with Subscriber(broker, "gatewayd/#", qos=1) as subscriber:
        assert sorted(asyncio.run(deliver(broker.port, *readings))) == list(range(1, 10))
        messages = data(subscriber.wait_for(lambda received: len(data(received)) == 8))

    for message in messages:
        Draft202012Validator(SCHEMA).validate(json.loads(message.payload))
        assert message.qos == 1
    assert [message.topic.removeprefix("gatewayd/gw-1/em-1001/") for message in messages] == [
        "register/1-0:1.8.0*255",
        "register/1-0:2.8.0*255",
        "register/1-0:3.8.0*255",
        "register/1-0:4.8.0*255",
        "register/1-0:5.8.0*255",
        "maximum/1-0:1.6.0*5",
        "register/Ser%23%2F1",
        "interval/1-0:1.29.0*255",
    ]
    values = [reading["value"] for message in messages for reading in parsed(message)["readings"]]
    assert [None if value is None else str(value) for value in values] == [
        "8048.375",
        "0.000",
        "18446744073709551.615",
        "1E-9",  # as Decimal writes it; on the wire it is 0.000000001
        None,
        "2.468",
        "36486",
        "0.125",
        "0.250",
    ]
    assert "0.000000001" in messages[3].payload
    assert [reading["primary"] for reading in parsed(messages[-1])["readings"]] == [Decimal(1100), Decimal(2200)]


def test_registers_and_maxima_are_there_for_a_late_subscriber_and_the_last_one_wins(broker: Mosquitto) -> None:
    readings = [
        register(1, "1.0"),
        register(2, "2.0"),
        register(3, "7", "1.6.0", kind=Kind.MAXIMUM),
        interval(4),
        register(5, "x", "P.98", kind=Kind.EVENT),
    ]
    asyncio.run(deliver(broker.port, *readings))
    with Subscriber(broker, "gatewayd/#") as subscriber:
        messages = subscriber.wait_for(lambda received: len(received) == 4)
    assert all(message.retained for message in messages)
    kept = {message.topic.rsplit("/", 2)[-2]: parsed(message) for message in data(messages)}
    assert kept.keys() == {"register", "maximum"}
    assert kept["register"]["readings"][0]["seq"] == 2


def test_what_a_person_has_read_is_published_and_not_kept(broker: Mosquitto) -> None:
    """It may be of last week: the latest value stays that of the meter."""
    with Subscriber(broker, "gatewayd/#") as early:
        asyncio.run(deliver(broker.port, register(1, "2.0"), register(2, "1", flags=Flag.MANUAL)))
        heard = data(early.wait_for(lambda received: len(data(received)) == 2))
    assert [reading["flags"] for one in heard for reading in parsed(one)["readings"]] == [[], ["manual"]]
    with Subscriber(broker, "gatewayd/#") as late:
        messages = late.wait_for(lambda received: len(data(received)) == 1)
    assert [parsed(one)["readings"][0]["seq"] for one in data(messages)] == [1]


def test_status_and_description(broker: Mosquitto) -> None:
    async def main() -> None:
        async with sink(broker.port).connect() as delivery:
            with Subscriber(broker, "gatewayd/#") as late:
                seen = await asyncio.to_thread(late.wait_for, lambda received: len(received) == 2)
                assert all(message.retained for message in seen)
                status, meta = (
                    parsed(next(message for message in seen if message.topic == topic)) for topic in (STATUS, META)
                )
                assert status == {
                    "schema": "gatewayd.status/1",
                    "gateway": "gw-1",
                    "state": "online",
                    "version": "0.1.0",
                    "head": {"seq": 8123, "hash": None},
                    "since": "2026-11-21T20:00:00Z",
                }
                assert (meta["schema"], meta["id"], meta["units"]) == ("gatewayd.meta/1", "em-1001", {})
                await delivery.deliver([register(1)], ListOutbox([]))
                seen = await asyncio.to_thread(
                    late.wait_for, lambda received: [message.topic for message in received].count(META) == 2
                )
                assert parsed(seen[-1])["units"] == {"1-0:1.8.0*255": "kWh"}

    asyncio.run(main())
    with Subscriber(broker, STATUS) as later:
        assert states(later.wait_for(lambda received: len(received) == 1)) == [("offline", "stopped")]


CONNECT_AND_STAY = """
import asyncio, sys
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.sink import MqttSink
from tests.gatewayd.sink.samples import METER, clock, head

async def main():
    options = MqttOptions(host="127.0.0.1", port=int(sys.argv[1]))
    async with MqttSink("mqtt", options, "gw-1", [METER], head, clock, "0.1.0").connect():
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_gateway_leaves_its_last_will(broker: Mosquitto) -> None:
    with Subscriber(broker, STATUS) as subscriber:
        gateway = subprocess.Popen([sys.executable, "-c", CONNECT_AND_STAY, str(broker.port)], cwd=ROOT)
        try:
            subscriber.wait_for(lambda received: states(received) == [("online", None)], DEADLINE_S)
        finally:
            gateway.kill()
            gateway.wait(DEADLINE_S)
        seen = subscriber.wait_for(lambda received: len(received) == 2)
    assert states(seen)[1] == ("offline", "connection lost")


# ---------------------------------------------------------------------------------------------------------- faults


def test_a_broker_that_is_not_there_is_tried_with_pauses_and_the_state_says_why() -> None:
    port = free_port()

    async def main() -> None:
        pauses: list[float] = []
        gate = asyncio.Event()

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 5:
                await gate.wait()

        publisher = Publisher(sink(port), ListOutbox([register(1)]), clock, sleep=sleep, uniform=lambda _, bound: bound)
        task = asyncio.create_task(publisher.run())
        await until(lambda: len(pauses) == 5)
        assert pauses == [2, 4, 8, 16, 32]
        assert publisher.state.text == (
            f"broken: broker 127.0.0.1:{port} refuses the connection; is it running, are host and port right?"
        )
        await publisher.drain(asyncio.get_running_loop().time() + DEADLINE_S)
        await task

    asyncio.run(main())


def test_an_unknown_host() -> None:
    options = MqttOptions(host="broker.invalid", timeout_s=10)

    async def main() -> None:
        async with MqttSink("mqtt", options, "gw-1", [], head, clock, "0.1.0").connect():
            pytest.fail("connected to a host that cannot exist (RFC 6761 6.4)")

    with pytest.raises(SinkError, match=r"^broker broker\.invalid:1883 (is not known by that name|did not answer)"):
        asyncio.run(main())


def test_wrong_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def enter(port: int, variable: str, **other: Any) -> None:
        async with sink(port, password_env=variable, **other).connect() as delivery:
            await delivery.deliver([register(1)], ListOutbox([]))

    monkeypatch.setenv("RIGHT", "open sesame")
    monkeypatch.setenv("WRONG", "open barley")
    with Mosquitto(tmp_path, users={"gw": "open sesame"}) as broker:
        asyncio.run(enter(broker.port, "RIGHT", username="gw"))
        with pytest.raises(SinkError, match="does not let user 'gw' in: wrong user or password") as caught:
            asyncio.run(enter(broker.port, "WRONG", username="gw"))
        assert "barley" not in str(caught.value)
        with pytest.raises(SinkError, match="environment variable NOWHERE is not set"):
            asyncio.run(enter(broker.port, "NOWHERE", username="gw"))
        with pytest.raises(SinkError, match="does not let a client without a user in"):
            asyncio.run(deliver(broker.port, register(1)))


def test_a_broker_that_hangs_while_delivering(broker: Mosquitto) -> None:
    ledger = ListOutbox([])

    async def main() -> None:
        async with sink(broker.port, timeout_s=0.5).connect() as delivery:
            broker.stop()
            await delivery.deliver([register(seq) for seq in range(100)], ledger)

    with Subscriber(broker, STATUS) as subscriber:
        with pytest.raises(SinkError, match=r"did not answer within 0\.5 s"):
            asyncio.run(asyncio.wait_for(main(), DEADLINE_S))
        assert ledger.acknowledged == []
        broker.cont()
        # The goodbye with its reason waits in the broker's socket; the broker may notice the hang-up first.
        seen = states(subscriber.wait_for(lambda received: len(received) == 2))
    assert [state for state, _ in seen] == ["online", "offline"]
    assert seen[1][1] in ("connection lost", f"broker 127.0.0.1:{broker.port} did not answer within 0.5 s; {REMEDY}")


def test_a_broker_that_hangs_while_connecting(broker: Mosquitto) -> None:
    async def main() -> None:
        async with sink(broker.port, timeout_s=0.5).connect():
            pytest.fail("connected to a broker that does not answer")

    broker.stop()
    with pytest.raises(SinkError, match=r"did not answer within 0\.5 s"):
        asyncio.run(asyncio.wait_for(main(), DEADLINE_S))
    broker.cont()


def test_an_idle_connection_that_breaks_is_noticed_at_once(broker: Mosquitto) -> None:
    async def main() -> None:
        entered = asyncio.Event()

        async def idle() -> None:
            async with sink(broker.port).connect():
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(idle())
        await asyncio.wait_for(entered.wait(), DEADLINE_S)
        broker.kill()
        with pytest.raises(SinkError, match="broke the connection"):
            await asyncio.wait_for(task, DEADLINE_S)

    asyncio.run(main())


def test_what_the_body_raises_comes_out_as_it_is(broker: Mosquitto) -> None:
    async def main() -> None:
        async with sink(broker.port).connect():
            raise ArchiveError("disk full")

    with Subscriber(broker, STATUS) as subscriber:
        with pytest.raises(ArchiveError, match="disk full"):
            asyncio.run(main())
        assert states(subscriber.wait_for(lambda received: len(received) == 2))[1] == ("offline", "disk full")


@pytest.mark.parametrize("busy", [False, True])
def test_cancellation_passes_through_and_says_goodbye(broker: Mosquitto, busy: bool) -> None:
    async def main() -> None:
        entered = asyncio.Event()

        async def work() -> None:
            async with sink(broker.port).connect() as delivery:
                entered.set()
                while busy:
                    await delivery.deliver([register(seq) for seq in range(100)], ListOutbox([]))
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await asyncio.wait_for(entered.wait(), DEADLINE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, DEADLINE_S)

    with Subscriber(broker, STATUS) as subscriber:
        asyncio.run(main())
        seen = subscriber.wait_for(lambda received: len(received) == 2)
    assert states(seen) == [("online", None), ("offline", "stopped")]


# -------------------------------------------------------------------------------------------------------- restarts


@pytest.mark.parametrize("limit", [100, 5000])
def test_a_broker_killed_and_restarted_in_the_middle_costs_nothing_but_a_few_repetitions(
    broker: Mosquitto, limit: int
) -> None:
    window = 20
    codes = ("1.8.0", "1.8.1", "2.8.0", "3.8.0", "4.8.0")
    readings = [register(seq, f"{seq}.000", codes[seq % 5]) for seq in range(1, 2001)]
    outbox = ListOutbox(readings)

    async def main() -> tuple[list[Received], list[Received]]:
        restarted = asyncio.Event()

        async def sleep(_: float) -> None:
            await restarted.wait()

        target = sink(broker.port, window=window)
        target.batch = limit
        publisher = Publisher(target, outbox, clock, sleep=sleep)
        with Subscriber(broker, "gatewayd/+/+/register/#") as before:
            task = asyncio.create_task(publisher.run())
            await until(lambda: len(outbox.acknowledged) >= 700)
            broker.kill()
            await until(lambda: publisher.state.fault != "")
            assert "broke the connection" in publisher.state.text
            acknowledged = set(outbox.acknowledged)
            assert 700 <= len(acknowledged) < 2000
            # Mosquitto hands a message to its subscribers before it acknowledges it.
            await asyncio.to_thread(before.wait_for, lambda received: acknowledged <= numbers(received))
            first = before.received
        await asyncio.to_thread(broker.start)
        with Subscriber(broker, "gatewayd/+/+/register/#") as after:
            restarted.set()
            await until(lambda: outbox.depth() == 0)
            assert publisher.state.text == "connected"
            second = await asyncio.to_thread(
                after.wait_for, lambda received: set(range(1, 2001)) - numbers(first) <= numbers(received)
            )
            await publisher.drain(asyncio.get_running_loop().time() + DEADLINE_S)
            await task
        return first, second

    first, second = asyncio.run(main())
    counts = Counter(seq(message) for message in first + second)
    assert counts.keys() == set(range(1, 2001))
    assert sum(counts.values()) - len(counts) <= window
    assert Counter(outbox.acknowledged) == Counter(range(1, 2001))

    by_topic: defaultdict[str, list[int]] = defaultdict(list)
    for message in first + second:
        if seq(message) not in by_topic[message.topic]:
            by_topic[message.topic].append(seq(message))
    assert len(by_topic) == 5
    assert all(found == sorted(found) for found in by_topic.values())


def test_a_batch_that_waits_in_a_hung_broker_is_not_done_and_comes_again(broker: Mosquitto) -> None:
    outbox = ListOutbox([])

    async def main() -> None:
        going_on = asyncio.Event()

        async def sleep(_: float) -> None:
            await going_on.wait()

        publisher = Publisher(sink(broker.port, timeout_s=0.5), outbox, clock, sleep=sleep)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected)
        broker.stop()
        outbox.add([register(seq, f"{seq}") for seq in range(1, 101)])
        await until(lambda: publisher.state.fault != "")
        assert outbox.acknowledged == []
        broker.cont()
        with Subscriber(broker, "gatewayd/+/+/register/#") as subscriber:
            going_on.set()
            await until(lambda: outbox.depth() == 0)
            await asyncio.to_thread(subscriber.wait_for, lambda received: numbers(received) == set(range(1, 101)))
        await publisher.drain(asyncio.get_running_loop().time() + DEADLINE_S)
        await task

    asyncio.run(main())
    assert sorted(outbox.acknowledged) == list(range(1, 101))


def test_draining_into_a_hung_broker_ends_at_the_deadline_and_the_status_tells(broker: Mosquitto) -> None:
    outbox = ListOutbox([])

    async def main() -> None:
        publisher = Publisher(sink(broker.port), outbox, clock)
        task = asyncio.create_task(publisher.run())
        await until(lambda: publisher.state.connected)
        broker.stop()
        outbox.add([register(seq) for seq in range(1, 101)])
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FAREWELL_S + 0.2
        await publisher.drain(deadline)
        assert loop.time() < deadline + 0.5
        await task

    with Subscriber(broker, STATUS) as subscriber:
        asyncio.run(main())
        broker.cont()
        seen = states(subscriber.wait_for(lambda received: len(received) >= 2))
    # The goodbye waits in the broker's socket; where the broker notices the hang-up first, the last will follows it.
    assert [state for state, _ in seen[:2]] == ["online", "offline"]
    assert {state for state, _ in seen[1:]} == {"offline"}
    assert outbox.depth() == 100


def seq(message: Received) -> int:
    (reading,) = parsed(message)["readings"]
    number: int = reading["seq"]
    return number


def numbers(messages: list[Received]) -> set[int]:
    return {seq(message) for message in messages}
