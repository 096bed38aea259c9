"""The MQTT sink: archived readings to a broker, MQTT 3.1.1, QoS 1.

Rules: a reading is done when its PUBACK has come. Messages leave in the order in which they are handed in, and about
`window` of them are on their way at once; a connection never sends a message twice, so the order of a series holds.
Every wait is bounded by `timeout_s`. The broker always knows whether the gateway is there: retained `status` with a
last will. What a broker acknowledged it may still lose; the archive does not.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from aiomqtt import Client, MqttError, Will
from pydantic import Field, model_validator

from gatewayd.errors import SinkError
from gatewayd.model import Archived, Meter
from gatewayd.options import PasswordReference, SecretUnavailable
from gatewayd.sink import FAREWELL_S, Delivery, Head
from gatewayd.sink.meta import Descriptions, offline, online
from gatewayd.sink.mqtt_faults import sink_fault
from gatewayd.sink.payload import Origin, messages, rfc3339, to_json
from gatewayd.sink.topics import RETAINED, Topics


class MqttOptions(PasswordReference):
    """What may stand in the configuration of an MQTT sink."""

    host: str = Field(min_length=1)
    """Name or address of the broker."""
    port: int = Field(default=1883, ge=1, le=65535)
    """TCP port of the broker."""
    prefix: str = Field(default="gatewayd", pattern=r"^[^$/+#\x00-\x1f]([^+#\x00-\x1f]*[^/+#\x00-\x1f])?$")
    """First levels of every topic."""
    username: str | None = Field(default=None, min_length=1)
    """User at the broker; the password is given by reference."""
    client_id: str | None = Field(default=None, min_length=1)
    """Client id at the broker, by default gatewayd-GATEWAY-SINK. Two clients with the same id throw each other out."""
    keepalive_s: int = Field(default=60, ge=5, le=65535)
    """Seconds without traffic after which the connection is probed."""
    timeout_s: float = Field(default=10.0, gt=0, le=300)
    """Seconds to wait for any one answer of the broker."""
    window: int = Field(default=20, ge=1, le=1000)
    """Messages on their way at once."""
    message_limit: int = Field(default=64 * 1024, ge=4096, le=16 * 1024 * 1024)
    """Size in bytes up to which intervals and events share a message. Keep it below the limit of the broker."""

    @model_validator(mode="after")
    def _password_needs_user(self) -> Self:
        referenced = self.password_file or self.password_env or self.password_credential
        if referenced and self.username is None:
            raise ValueError("a password needs a username (MQTT 3.1.1 3.1.2.9)")
        return self


@dataclass(frozen=True, slots=True)
class Publication:
    """One PUBLISH packet; `seqs` are the readings that are done with its acknowledgement."""

    topic: str
    payload: bytes
    retain: bool
    seqs: tuple[int, ...] = ()


class MqttSink:
    """One broker. `clock` gives the current instant in UTC."""

    def __init__(
        self,
        id: str,
        options: MqttOptions,
        gateway: str,
        meters: Sequence[Meter],
        head: Head,
        clock: Callable[[], datetime],
        version: str,
    ) -> None:
        self.id = id
        self._options = options
        self._gateway = gateway
        self._points = {meter.id: meter.point for meter in meters}
        self._descriptions = Descriptions(meters)
        self._head = head
        self._clock = clock
        self._version = version
        self._topics = Topics(options.prefix, gateway)
        # aiomqtt and paho log every failed attempt; here each becomes a SinkError, and the publisher logs changes.
        self._silent = logging.Logger("mqtt", level=logging.CRITICAL + 1)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Delivery]:
        """See Sink.connect. The retained status is `online` inside and `offline` afterwards."""
        client = self._client()
        await self._enter(client)
        fault = ""
        try:
            with _ungrouped():
                async with asyncio.TaskGroup() as group:
                    watch = group.create_task(self._watch(client), name=f"sink {self.id} watch")
                    connection = _Connection(self, client)
                    await connection.announce()
                    yield connection
                    # Waited for here: a task that fails while its group ends leaves the group's owner marked as
                    # cancelled for ever (Python 3.11 and 3.12).
                    watch.cancel()
                    await asyncio.wait((watch,))
        except Exception as error:
            fault = str(error) or type(error).__name__
            raise
        finally:
            await self._leave(client, fault)

    def origin(self) -> Origin:
        return Origin(self._gateway, self._points, self._head())

    def _client(self) -> Client:
        options = self._options
        try:
            password = options.password()
        except SecretUnavailable as error:
            raise SinkError(str(error)) from error
        client = Client(
            options.host,
            options.port,
            username=options.username,
            password=password,
            identifier=options.client_id or f"gatewayd-{self._gateway}-{self.id}",
            clean_session=True,
            keepalive=options.keepalive_s,
            timeout=options.timeout_s,
            max_inflight_messages=options.window,
            logger=self._silent,
            will=Will(
                self._topics.status,
                to_json(offline(self._gateway, self._version, "connection lost")),
                qos=1,
                retain=True,
            ),
        )
        client.pending_calls_threshold = options.window
        return client

    async def _enter(self, client: Client) -> None:
        entered = False
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await client.__aenter__()
            entered = True  # after the timeout: it may strike in the last moment
        except (MqttError, OSError, ValueError) as error:
            raise self._fault(error) from error
        finally:
            if not entered:
                await _close(client)

    async def _watch(self, client: Client) -> None:
        """Ends, with a SinkError, when the connection does; aiomqtt tells it only to those who wait for messages."""
        try:
            async for _ in client.messages:
                pass
        except MqttError as error:
            raise self._fault(error.__cause__ if isinstance(error.__cause__, Exception) else error) from error

    async def _leave(self, client: Client, fault: str) -> None:
        """Say goodbye as far as the broker still listens: the DISCONNECT that follows discards the last will.

        After a fault, and where no answer comes, with QoS 0: written at once, past the window that may be full."""
        topic = self._topics.status
        status = to_json(offline(self._gateway, self._version, fault or "stopped", rfc3339(self._clock())))
        try:
            if not fault:
                with suppress(MqttError, TimeoutError):
                    async with asyncio.timeout(FAREWELL_S):
                        await client.publish(topic, status, qos=1, retain=True)
                        return
            with suppress(MqttError):
                await client.publish(topic, status, qos=0, retain=True, timeout=0)
        finally:
            await _close(client)

    def _fault(self, error: Exception) -> SinkError:
        options = self._options
        return sink_fault(error, options.host, options.port, options.username, options.timeout_s)


class _Connection:
    """The Delivery of an MqttSink: one client that is connected."""

    def __init__(self, sink: MqttSink, client: Client) -> None:
        self._sink = sink
        self._client = client

    async def announce(self) -> None:
        """Say that the gateway is there, and describe all meters."""
        sink = self._sink
        status = online(sink._gateway, sink._version, sink._head(), rfc3339(sink._clock()))
        await self._send([Publication(sink._topics.status, to_json(status), retain=True)])
        await self._describe(sink._descriptions.everything())

    async def deliver(self, readings: Sequence[Archived], done: Callable[[int], None]) -> None:
        sink = self._sink
        publications = [
            Publication(
                topic=sink._topics.reading(message.readings[0].reading),
                payload=message.payload,
                retain=message.readings[0].reading.kind in RETAINED,
                seqs=tuple(archived.seq for archived in message.readings),
            )
            for message in messages(readings, sink.origin(), sink._options.message_limit)
        ]
        await self._send(publications, done)
        sink._descriptions.note(readings)
        await self._describe(sink._descriptions.due(asyncio.get_running_loop().time()))

    async def _describe(self, meters: Sequence[str]) -> None:
        sink = self._sink
        await self._send(
            [
                Publication(sink._topics.meta(meter), to_json(sink._descriptions.document(meter)), retain=True)
                for meter in meters
            ]
        )
        for meter in meters:
            sink._descriptions.published(meter, asyncio.get_running_loop().time())

    async def _send(self, publications: Sequence[Publication], done: Callable[[int], None] | None = None) -> None:
        """Publish all and wait for every acknowledgement.

        `window` tasks take from one iterator. A task hands its packet to the socket before it first waits, so packets
        leave in the order of the iterator whatever the order of the acknowledgements."""
        waiting = iter(publications)

        async def forward() -> None:
            for publication in waiting:
                await self._publish(publication)
                if done is not None:
                    for seq in publication.seqs:
                        done(seq)

        # No task group: it would report the first fault by cancelling the caller (see MqttSink.connect).
        tasks = [
            asyncio.create_task(forward(), name=f"sink {self._sink.id} window {n}")
            for n in range(min(self._sink._options.window, len(publications)))
        ]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _publish(self, publication: Publication) -> None:
        try:
            await self._client.publish(publication.topic, publication.payload, qos=1, retain=publication.retain)
        except MqttError as error:
            raise self._sink._fault(error) from error


@contextmanager
def _ungrouped() -> Iterator[None]:
    """Give the one exception of a task group, or the first of several SinkErrors, to those outside as it is.

    A task that is cancelled from outside at the same moment stays cancelled: Python 3.11 and 3.12 forget it."""
    task = asyncio.current_task()
    cancellations = task.cancelling() if task is not None else 0
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1 and group.split(SinkError)[1] is not None:
            raise
        if task is not None and task.cancelling() > cancellations:
            raise asyncio.CancelledError from None
        fault = group.exceptions[0]
        raise fault from fault.__cause__


async def _close(client: Client) -> None:
    """Close the socket, also of a client that never got its answer: aiomqtt leaves that one open.

    DISCONNECT is written at once where it can be written at all; there is nothing to wait for."""
    client.timeout = 0
    with suppress(MqttError):
        await client.__aexit__(None, None, None)
