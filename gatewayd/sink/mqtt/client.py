"""An aiomqtt client that hands on what aiomqtt keeps to itself: what PUBACK and CONNACK say.

Rules: `send` writes at once and calls back with the reason code of the acknowledgement, so that no task waits for each
message; a broker that hangs up before CONNACK is noticed at once; a connection attempt that was given up may go on in
its thread, and `connecting` tells so.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from aiomqtt import Client, MqttError
from aiomqtt.exceptions import MqttCodeError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gatewayd.model import Archived

SUCCESS_BELOW = 0x80
"""Reason codes from here on are failures (MQTT 5 2.4)."""


def code_of(reason: int | ReasonCode) -> int:
    """The number of a reason code, which paho gives in two forms."""
    return reason.value if isinstance(reason, ReasonCode) else int(reason)


Acknowledged = Callable[[int], None]
"""Called with the reason code of the PUBACK; 0 from a broker of MQTT 3.1.1, which has none."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One PUBLISH packet; `readings` are done with its acknowledgement."""

    topic: str
    payload: bytes
    retain: bool = False
    readings: tuple[Archived, ...] = ()


class ClosedEarly(MqttError):
    """The broker closed the connection without an answer to CONNECT."""


class AckClient(Client):
    """See above. `receive_maximum`, `packet_limit` and the rest of `granted` are what the broker said in CONNACK."""

    def __init__(self, *args: Any, **options: Any) -> None:  # those of aiomqtt.Client
        super().__init__(*args, **options)
        self.granted: Properties | None = None
        self.connecting = threading.Event()
        self.abandoned = False
        self.is_v5 = False
        self._unacknowledged: dict[int, Acknowledged] = {}
        self._client.connect_timeout = self.timeout

    @property
    def receive_maximum(self) -> int | None:
        """How many messages may wait for their acknowledgement; None when the broker said nothing."""
        return getattr(self.granted, "ReceiveMaximum", None)

    @property
    def packet_limit(self) -> int | None:
        """The largest packet that the broker takes, in bytes; None when it said nothing."""
        return getattr(self.granted, "MaximumPacketSize", None)

    def send(self, publication: Publication, properties: Properties | None, acknowledged: Acknowledged) -> None:
        """Publish with QoS 1. MqttError when the connection is broken."""
        info = self._client.publish(publication.topic, publication.payload, 1, publication.retain, properties)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            broken = self._disconnected.exception() if self._disconnected.done() else None
            raise MqttCodeError(info.rc, "Could not publish message") from broken
        self._unacknowledged[info.mid] = acknowledged

    def hurry(self) -> None:
        """Acknowledge at once what TCP has received (tcp(7)). A broker that has more to say and does not set
        TCP_NODELAY, such as Mosquitto, waits for that: without it each pause of ours costs 40 ms."""
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            with contextlib.suppress(OSError):  # it has just been closed
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _client_connect(self) -> None:
        """In a thread, where name service, TCP and TLS may take their time."""
        self.connecting.set()
        try:
            super()._client_connect()
            if self.abandoned:  # nobody waits for it any more
                self._loop.call_soon_threadsafe(self._client.disconnect)
        finally:
            self.connecting.clear()

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.granted = properties
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():
            self._loop.call_soon_threadsafe(self._closed_early)
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _closed_early(self) -> None:
        if not self._connected.done():
            self._connected.set_exception(ClosedEarly("closed before CONNACK"))
            self._connected.exception()  # nobody may be waiting any more; that is no fault of its own

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        acknowledged = self._unacknowledged.pop(mid, None)
        if acknowledged is not None:
            acknowledged(reason_code.value)
        else:
            super()._on_publish(client, userdata, mid, reason_code, properties)


class MessageProperties(Properties):
    """The properties of MQTT 5 messages of one kind, packed once: they are the same for each message."""

    def __init__(
        self, *, expiry_s: int | None = None, correlation: bytes | None = None, packet: int = PacketTypes.PUBLISH
    ) -> None:
        super().__init__(packet)  # type: ignore[no-untyped-call]  # paho has no types here
        self.ContentType = "application/json"
        self.PayloadFormatIndicator = 1
        if expiry_s is not None:
            self.MessageExpiryInterval = expiry_s
        if correlation is not None:
            self.CorrelationData = correlation
        object.__setattr__(self, "_packed", super().pack())  # type: ignore[no-untyped-call]

    def pack(self) -> bytes:
        packed: bytes = object.__getattribute__(self, "_packed")
        return packed


async def closed(client: Client) -> None:
    """Close the socket, also of a client that never got its answer: aiomqtt leaves that one open.

    DISCONNECT is written at once where it can be written at all; there is nothing to wait for."""
    client.timeout = 0
    if isinstance(client, AckClient):
        client.abandoned = True
    try:
        await client.__aexit__(None, None, None)
    except (MqttError, asyncio.InvalidStateError):
        return
