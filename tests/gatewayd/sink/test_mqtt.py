"""The MQTT sink without a broker: options, errors in plain words, descriptions of meters."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from aiomqtt import MqttError
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from gatewayd.errors import SinkError
from gatewayd.model import Point, RawStatus
from gatewayd.sink.home_assistant import Discovery
from gatewayd.sink.meta import CODES, Descriptions
from gatewayd.sink.mqtt.client import Publication
from gatewayd.sink.mqtt.delivery import MqttDelivery
from gatewayd.sink.mqtt.faults import words
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.sink import MqttSink
from gatewayd.sink.topics import Topics
from tests.gatewayd.sink.samples import METER, ListOutbox, clock, head, register


def test_defaults() -> None:
    options = MqttOptions(host="localhost")
    assert (options.port, options.prefix, options.window, options.client_id) == (1883, "gatewayd", 20, None)
    assert options.message_limit == 65536
    assert options.password() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"port": 0},
        {"window": 0},
        {"window": 1001},
        {"timeout_s": 0},
        {"password_env": "SECRET"},
        {"password": "open"},
        *({"prefix": prefix} for prefix in ("", "/a", "a/", "a+b", "#", "$SYS", "a\x00b")),
    ],
)
def test_options_that_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MqttOptions.model_validate({"host": "localhost"} | wrong)


@pytest.mark.parametrize("prefix", ["g", "gatewayd", "site/hall 2/gatewayd"])
def test_prefixes(prefix: str) -> None:
    assert MqttOptions(host="localhost", prefix=prefix).prefix == prefix


def test_password_by_reference(tmp_path: Path) -> None:
    path = tmp_path / "pw"
    path.write_text("secret\n")
    assert MqttOptions(host="localhost", username="gw", password_file=path).password() == "secret"


def wrapped(cause: Exception) -> MqttError:
    """As aiomqtt does it."""
    try:
        try:
            raise cause
        except type(cause):
            raise MqttError("text") from None
    except MqttError as error:
        return error


def refused(code: int) -> MqttError:
    return MqttConnectError(ReasonCode(PacketTypes.CONNACK, identifier=code))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (wrapped(ConnectionRefusedError(111, "Connection refused")), "refuses the connection; is it running"),
        (wrapped(socket.gaierror(-2, "Name or service not known")), "not known by that name"),
        (wrapped(TimeoutError()), "did not answer within 10 s"),
        (TimeoutError(), "did not answer within 10 s"),
        (wrapped(OSError(113, "No route to host")), "cannot be reached: No route to host"),
        (wrapped(ssl.SSLError(1, "wrong version number")), "TLS handshake"),
        (wrapped(ConnectionResetError(104, "reset")), "broke the connection"),
        (MqttError("Disconnected during message iteration"), "broke the connection"),
        (UnicodeError("label empty or too long"), "cannot be used: label empty or too long"),
        (refused(0x86), "does not let user 'gw' in: wrong user or password"),
        (refused(0x87), "does not let user 'gw' in: wrong user or password, or not authorised"),
        (refused(0x84), "another version of MQTT"),
        (refused(0x85), "set client_id"),
        (refused(0x88), "service is unavailable"),
        (refused(0x97), "quota is exceeded"),
    ],
)
def test_errors_in_plain_words(error: Exception, said: str) -> None:
    text = words(error, "user 'gw'", 10.0, "auto")
    assert said in text


def test_descriptions_grow_with_sound_readings_and_go_out_once_a_minute() -> None:
    descriptions = Descriptions([METER])
    assert descriptions.everything() == [METER.id]
    descriptions.published(METER.id, 100.0)
    assert descriptions.due(100.0) == []

    descriptions.note([register(1), register(2, unit="kW", code="1.6.0")])
    assert descriptions.due(101.0) == [METER.id]
    descriptions.published(METER.id, 101.0)
    assert descriptions.document(METER.id)["units"] == {"1-0:1.6.0*255": "kW", "1-0:1.8.0*255": "kWh"}

    descriptions.note([register(3), register(4, unit="kW", code="1.6.0")])
    assert descriptions.due(200.0) == []

    descriptions.note([register(5, code="2.8.0", serial="35039999")])
    assert descriptions.due(160.0) == []
    assert descriptions.due(161.0) == [METER.id]
    assert descriptions.document(METER.id)["serial"] == "35039999"


@pytest.mark.parametrize(
    "other",
    [{"status": RawStatus.DISTORTED}, {"status": RawStatus.MISSING}, {"code": "no obis"}, {"meter": "em-9999"}],
)
def test_what_noise_made_up_is_not_described(other: dict[str, Any]) -> None:
    descriptions = Descriptions([METER])
    descriptions.note([register(1, serial="99999999", **other)])
    assert descriptions.due(0.0) == []
    assert descriptions.document(METER.id)["units"] == {}


def test_the_document_of_a_meter() -> None:
    assert Descriptions([METER]).document(METER.id) == {
        "schema": "gatewayd.meta/1",
        "id": "em-1001",
        "serial": "35031234",
        "point": {"eic": Point(eic="27ZG600Z0424987D").eic},
        "metering_type": "C",
        "driver": "iec62056_21",
        "line": "optical",
        "ratios": [
            {"since": "1970-01-01", "ct": "200/5", "vt": None, "multiplier": "1", "value_side": "secondary"},
        ],
        "units": {},
    }


class ScriptedClient:
    """Stands for a connected client: keeps what is sent, and the test acknowledges it."""

    receive_maximum: int | None = None
    packet_limit: int | None = None

    def __init__(self) -> None:
        self.sent: list[tuple[str, Callable[[int], None]]] = []

    def send(self, publication: Publication, _: object, acknowledged: Callable[[int], None]) -> None:
        self.sent.append((publication.topic, acknowledged))

    def hurry(self) -> None:
        return


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


def delivery(client: ScriptedClient, **options: Any) -> MqttDelivery:
    sink = MqttSink("mqtt", MqttOptions(host="h", **options), "gw-1", [METER], head, clock, "0.1.0", quiet=True)
    return MqttDelivery(sink, cast("Any", client), is_v5=False)


def test_behind_a_message_that_is_refused_for_now_nothing_counts_as_done() -> None:
    """It comes again in its order with all behind it, and the latest value stays the latest."""

    async def main() -> None:
        client, ledger = ScriptedClient(), ListOutbox([])
        task = asyncio.create_task(delivery(client).deliver([register(seq) for seq in range(1, 11)], ledger))
        await until(lambda: len(client.sent) == 1)
        client.sent[0][1](0)
        await until(lambda: len(client.sent) == 10)
        for place, (_, acknowledged) in enumerate(client.sent[1:], 2):
            acknowledged(0x97 if place == 3 else 0)
        with pytest.raises(SinkError, match="says that its quota is exceeded"):
            await task
        assert ledger.acknowledged == [1, 2]

    asyncio.run(main())


def test_one_window_for_all_who_send() -> None:
    async def main() -> None:
        client = ScriptedClient()
        client.receive_maximum = 5
        one = delivery(client)
        live = asyncio.create_task(one.deliver([register(seq) for seq in range(1, 30)], ListOutbox([])))
        await until(lambda: len(client.sent) == 1)
        client.sent[0][1](0)
        replayed = ListOutbox([])
        again = asyncio.create_task(one.again([register(seq) for seq in range(1, 30)], "r1", replayed))
        place, most = 1, 0
        while not (live.done() and again.done()):
            await asyncio.sleep(0)
            most = max(most, len(client.sent) - place)
            if place < len(client.sent):
                client.sent[place][1](0)
                place += 1
        await asyncio.gather(live, again)
        assert most == 5
        assert replayed.acknowledged == list(range(1, 30))

    asyncio.run(main())


def test_noise_that_makes_codes_without_end_is_described_up_to_a_bound() -> None:
    descriptions = Descriptions([METER])
    discovery = Discovery("homeassistant", Topics("gatewayd", "gw-1"), "gw-1", "0.1.0", [METER])
    noise = [register(seq, code=f"1-{seq // 200}:1.8.{seq % 200}") for seq in range(1, 5000)]
    descriptions.note(noise)
    discovery.note(noise)
    units = descriptions.document(METER.id)["units"]
    assert isinstance(units, dict)
    assert len(units) == CODES
    assert 0 < len(discovery.due()) <= CODES + 1
