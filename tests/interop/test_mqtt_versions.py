"""What the MQTT sink and a real broker agree on: version, TLS, who may write what, sizes, windows."""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gatewayd.errors import SinkError
from gatewayd.model import Kind
from gatewayd.publish import Publisher
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.sink import MqttSink
from gatewayd.sink.tls import TlsOptions
from tests.gatewayd.sink.samples import METER, ListOutbox, clock, head, interval, register
from tests.interop.certificates import Authority
from tests.interop.mosquitto import Mosquitto, Subscriber, program
from tests.interop.old_broker import REFUSALS, Door
from tests.interop.server import free_port
from tests.interop.test_mosquitto import DEADLINE_S, data, parsed, until


def sink(port: int, **options: Any) -> MqttSink:
    settings = MqttOptions(host=Mosquitto.host, port=port, **options)
    return MqttSink("mqtt", settings, "gw-1", [METER], head, clock, "0.1.0")


async def deliver(target: MqttSink, *readings: Any) -> ListOutbox:
    ledger = ListOutbox([])
    async with target.connect() as delivery:
        await delivery.deliver(readings, ledger)
    return ledger


# ---------------------------------------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    ("protocol", "log"), [("auto", "p5"), ("5", "p5"), ("3.1.1", "p2")], ids=["auto", "only 5", "only 3.1.1"]
)
def test_the_version_is_the_newest_that_is_allowed(tmp_path: Path, protocol: str, log: str) -> None:
    with Mosquitto(tmp_path) as broker:
        asyncio.run(deliver(sink(broker.port, protocol=protocol), register(1)))
        assert f"gatewayd-gw-1-mqtt ({log}, c1" in broker.log


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_broker_that_does_not_know_mqtt_5_gets_3_1_1_and_is_not_asked_again(tmp_path: Path, refusal: str) -> None:
    async def main(port: int) -> None:
        async with Door(port, refusal).opened() as door:
            target = sink(door.port, timeout_s=5)
            before = 0
            while refusal == "hang up" and before < 2:  # it may just be starting
                with pytest.raises(SinkError, match=r"hung up without an answer"):
                    await deliver(target, register(1))
                before += 1
            assert (await deliver(target, register(1))).acknowledged == [1]
            assert door.versions == [5] * before + [5, 4]
            assert (await deliver(target, register(2))).acknowledged == [2]
            again = [5, 4] if refusal == "hang up" else [4]  # what was not told is not taken for granted
            assert door.versions == [5] * before + [5, 4, *again]
            door.versions.clear()
            with pytest.raises(SinkError, match=r"another version of MQTT|hung up without an answer"):
                await deliver(sink(door.port, timeout_s=5, protocol="5"), register(3))
            assert door.versions == [5]

    with Mosquitto(tmp_path) as broker, Subscriber(broker, "gatewayd/+/+/register/#", qos=1) as subscriber:
        asyncio.run(main(broker.port))
        assert len(subscriber.wait_for(lambda received: len(received) == 2)) == 2


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_check_finds_a_broker_that_does_not_know_mqtt_5(tmp_path: Path, refusal: str) -> None:
    """It has one try, where the gateway would try again."""

    async def main(port: int) -> list[str]:
        async with Door(port, refusal).opened() as door:
            options = MqttOptions(host=Mosquitto.host, port=door.port, timeout_s=5)
            target = MqttSink("mqtt", options, "gw-1", [METER], head, clock, "0.1.0", quiet=True)
            return [remark.text for remark in await target.check(0)]

    with Mosquitto(tmp_path) as broker:
        texts = asyncio.run(main(broker.port))
    assert "with MQTT 3.1.1" in texts[0]
    assert any("the probe came back" in text for text in texts)


def test_hang_ups_count_only_one_after_the_other(tmp_path: Path) -> None:
    """Two on one day and one on another are no reason to speak 3.1.1 with a broker that knows 5."""

    async def main(port: int) -> None:
        target = sink(port, timeout_s=5)
        async with Door(port, "hang up").opened() as door:
            target.options = target.options.model_copy(update={"port": door.port})
            for _ in range(2):
                with pytest.raises(SinkError, match="hung up"):
                    await deliver(target, register(1))
            target.options = target.options.model_copy(update={"port": port})
            await deliver(target, register(1))
            target.options = target.options.model_copy(update={"port": door.port})
            with pytest.raises(SinkError, match="hung up"):
                await deliver(target, register(2))
            assert door.versions == [5, 5, 5]

    with Mosquitto(tmp_path) as broker:
        asyncio.run(main(broker.port))


def with_properties(broker: Mosquitto, topic: str, count: int) -> "subprocess.Popen[str]":
    """mosquitto_sub that prints content type, payload format and what is left of the expiry."""
    command = [program("mosquitto_sub"), "-V", "5", "-h", broker.host, "-p", str(broker.port), "-t", topic]
    command += ["-C", str(count), "-W", "10", "-F", "%C %F %E %t"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_mqtt_5_tells_what_a_message_is_and_when_it_is_of_no_use_any_more(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        asyncio.run(deliver(sink(broker.port, message_expiry_s=3600), register(1), register(2, code="1.6.0")))
        told, _ = with_properties(broker, "gatewayd/#", 4).communicate(timeout=DEADLINE_S)
    lines = {line.rsplit("/", 2)[-1]: line.split() for line in told.splitlines()}
    assert len(lines) == 4
    for name, (content, form, *rest) in lines.items():
        assert (content, form) == ("application/json", "1")
        assert (3500 < int(rest[0]) <= 3600) if "*" in name else len(rest) == 1, "status and meta do not expire"


# --------------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls_listener(authority: Authority, *more: str) -> tuple[int, list[str]]:
    """A port, and the lines of a configuration that listen there with TLS."""
    port = free_port()
    certificate, key = authority.issue("broker")
    return port, [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}", *more]


def test_tls_with_a_pinned_authority(tmp_path: Path, authority: Authority) -> None:
    port, settings = tls_listener(authority)
    stranger = Authority(tmp_path, "stranger")
    with Mosquitto(tmp_path, settings=settings):
        pinned = TlsOptions(ca_file=authority.ca_file)
        assert asyncio.run(deliver(sink(port, tls=pinned), register(1))).acknowledged == [1]
        for tls in (TlsOptions(ca_file=stranger.ca_file), TlsOptions()):
            with pytest.raises(SinkError, match=r"TLS certificate that is not trusted: .*check tls\.ca_file"):
                asyncio.run(deliver(sink(port, tls=tls), register(2)))
        with pytest.raises(SinkError, match=r"hung up without an answer|broke the connection|did not answer"):
            asyncio.run(deliver(sink(port, timeout_s=2), register(3)))


def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    certificate, key = authority.issue("elsewhere", host="192.0.2.1")
    settings = [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"]
    with (
        Mosquitto(tmp_path, settings=settings),
        pytest.raises(SinkError, match="not trusted: IP address mismatch"),
    ):
        asyncio.run(deliver(sink(port, tls=TlsOptions(ca_file=authority.ca_file)), register(1)))


def test_a_broker_that_wants_to_know_who_we_are(tmp_path: Path, authority: Authority) -> None:
    port, settings = tls_listener(authority, f"cafile {authority.ca_file}", "require_certificate true")
    certificate, key = authority.issue("gateway")
    with Mosquitto(tmp_path, settings=settings):
        ours = TlsOptions(ca_file=authority.ca_file, cert_file=certificate, key_file=key)
        assert asyncio.run(deliver(sink(port, tls=ours), register(1))).acknowledged == [1]
        with pytest.raises(SinkError, match=r"^broker 127\.0\.0\.1:\d+ (broke|hung up|did not answer)"):
            asyncio.run(deliver(sink(port, tls=TlsOptions(ca_file=authority.ca_file), timeout_s=3), register(2)))


@pytest.mark.parametrize("wrong", ["missing", "no certificate"])
def test_files_that_cannot_be_used_are_named(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "ca.pem"
    if wrong != "missing":
        path.write_text("nothing in here\n")
    with pytest.raises(SinkError, match=rf"the file {path} \(tls\.ca_file\) cannot be used: "):
        asyncio.run(deliver(sink(1, tls=TlsOptions(ca_file=path)), register(1)))


# ------------------------------------------------------------------------------------------------------------- rights


def acl(folder: Path, *rights: str) -> list[str]:
    path = folder / "acl"
    path.write_text("topic readwrite test/#\n" + "".join(f"topic {right}\n" for right in rights))
    path.chmod(0o600)
    return [f"acl_file {path}"]


def test_a_topic_that_we_may_not_write_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    """With MQTT 5 the broker says so; then the sink waits longer and longer, and goes on when it may."""
    settings = acl(tmp_path, "write gatewayd/gw-1/status", "write gatewayd/gw-1/em-1001/meta")
    outbox = ListOutbox([register(seq) for seq in range(1, 101)])

    async def main(broker: Mosquitto) -> None:
        pauses: list[float] = []
        gate = asyncio.Event()

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 4:
                await gate.wait()

        publisher = Publisher(sink(broker.port), outbox, clock, sleep=sleep, uniform=lambda _, bound: bound)
        task = asyncio.create_task(publisher.run())
        await until(lambda: len(pauses) == 4)
        assert pauses == [2, 4, 8, 16], "a connection that serves nothing is no success"
        assert publisher.state.text == (
            f"broken: broker 127.0.0.1:{broker.port} does not let a client without a user write to "
            "gatewayd/gw-1/em-1001/register/1-0:1.8.0*255; its access list has to allow gatewayd/gw-1/#"
        )
        assert outbox.acknowledged == []
        acl(tmp_path, "write gatewayd/gw-1/#")
        await asyncio.to_thread(broker.restart)
        gate.set()
        await until(lambda: outbox.depth() == 0)
        await publisher.drain(asyncio.get_running_loop().time() + DEADLINE_S)
        await task

    with Mosquitto(tmp_path, settings=settings) as broker:
        asyncio.run(main(broker))
    assert outbox.acknowledged == list(range(1, 101))
    assert outbox.refused == []


# --------------------------------------------------------------------------------------------------- sizes and windows


def texts(count: int) -> Sequence[str]:
    return tuple(f"{n:020d}" for n in range(count))


def test_what_is_larger_than_the_broker_takes_is_set_aside_and_the_rest_arrives(tmp_path: Path) -> None:
    readings = [
        register(1),
        register(2, code="2.8.0", kind=Kind.EVENT, more=tuple(texts(400))),
        *(interval(seq) for seq in range(3, 60)),
    ]
    with (
        Mosquitto(tmp_path, settings=["max_packet_size 4000"]) as broker,
        Subscriber(broker, "gatewayd/+/+/+/#", qos=1) as subscriber,
    ):
        ledger = asyncio.run(deliver(sink(broker.port), *readings))
        arrived = data(subscriber.wait_for(lambda received: sum(map(_count, data(received))) == 58))
    assert [seq for seq, _ in ledger.refused] == [2]
    assert "takes (4000 bytes)" in ledger.refused[0][1]
    assert sorted(ledger.acknowledged) == list(range(1, 60))
    assert max(len(message.payload) for message in arrived) < 4000
    assert len(arrived) > 3, "the quarter-hours had to be parted"


def _count(message: Any) -> int:
    return len(parsed(message)["readings"])


def test_a_broker_with_a_smaller_window_than_ours(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, settings=["max_inflight_messages 3"]) as broker:
        ledger = asyncio.run(deliver(sink(broker.port, window=500), *(register(seq) for seq in range(1, 301))))
        assert "receive maximum" not in broker.log.lower()
    assert ledger.acknowledged == list(range(1, 301))


@pytest.mark.parametrize("count", [1, 40])
def test_a_broker_that_takes_no_reading_at_all_gets_none_set_aside(tmp_path: Path, count: int) -> None:
    """Its limit lets status and description pass, and no reading: somebody has to look, and nothing is lost."""
    ledger = ListOutbox([])

    async def main(port: int) -> None:
        async with sink(port).connect() as delivery:
            await delivery.deliver([register(seq) for seq in range(1, count + 1)], ledger)

    with (
        Mosquitto(tmp_path, settings=["max_packet_size 500"]) as broker,
        pytest.raises(SinkError, match=r"takes no reading at all: the message is larger than .* takes \(500 bytes\)"),
    ):
        asyncio.run(main(broker.port))
    assert ledger.acknowledged == []
    assert ledger.refused == []


def test_a_reading_that_an_old_broker_breaks_the_connection_over_is_set_aside_after_some_tries(tmp_path: Path) -> None:
    """MQTT 3.1.1 has no word for "too large"."""
    readings = [register(1), register(2, code="2.8.0", more=tuple(texts(400))), register(3)]
    outbox = ListOutbox(list(readings))

    async def main(port: int) -> None:
        async def sleep(_: float) -> None:
            await asyncio.sleep(0)

        target = sink(port, protocol="3.1.1", message_limit=4096)
        publisher = Publisher(target, outbox, clock, sleep=sleep)
        task = asyncio.create_task(publisher.run())
        await until(lambda: outbox.depth() == 0)
        await publisher.drain(asyncio.get_running_loop().time() + DEADLINE_S)
        await task

    with Mosquitto(tmp_path, settings=["max_packet_size 5000"]) as broker:
        asyncio.run(main(broker.port))
    assert [seq for seq, _ in outbox.refused] == [2]
    assert "breaks the connection over this message" in outbox.refused[0][1]
    assert sorted(outbox.acknowledged) == [1, 2, 3]


def test_a_description_that_is_too_large_goes_without_its_units(tmp_path: Path) -> None:
    codes = [register(seq, code=f"1-0:{1 + seq % 90}.8.{seq // 90}") for seq in range(1, 200)]
    with Mosquitto(tmp_path, settings=["max_packet_size 3000"]) as broker:
        ledger = asyncio.run(deliver(sink(broker.port), *codes))
    assert len(ledger.acknowledged) == 199
