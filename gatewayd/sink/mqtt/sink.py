"""The MQTT sink: archived readings to a broker, MQTT 5 or 3.1.1, QoS 1.

Rules: a reading is done when its PUBACK has come and says so. Messages leave in the order in which they are handed in,
and at most `window` of them are on their way at once; a connection never sends a message twice, so the order of a
series holds. Every wait is bounded by `timeout_s`. The broker always knows whether the gateway is there: retained
`status` with a last will. What a broker acknowledged it may still lose; the archive does not.
"""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime

import paho.mqtt.client as paho
from aiomqtt import MqttError, ProtocolVersion, Will
from paho.mqtt.packettypes import PacketTypes

from gatewayd.archive.follow import Follower
from gatewayd.errors import SinkError
from gatewayd.model import Meter
from gatewayd.options import SecretUnavailable
from gatewayd.sink import FAREWELL_S, Delivery, Head
from gatewayd.sink.check import Remark
from gatewayd.sink.derived_payload import DerivedComposer
from gatewayd.sink.home_assistant import Discovery
from gatewayd.sink.meta import Descriptions, offline, online
from gatewayd.sink.mqtt.check import check
from gatewayd.sink.mqtt.client import SUCCESS_BELOW, AckClient, ClosedEarly, MessageProperties, closed, code_of
from gatewayd.sink.mqtt.delivery import MqttDelivery
from gatewayd.sink.mqtt.faults import BROKE, speaks_another_version, words
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.replay import DerivedHistory, Replay
from gatewayd.sink.mqtt.window import Window
from gatewayd.sink.payload import Composer, rfc3339, to_json
from gatewayd.sink.tls import tls_context
from gatewayd.sink.topics import Topics

HANG_UPS = 3
"""So often one after the other a broker may hang up without a word before an older version is tried."""
_log = logging.getLogger("gatewayd.sink.mqtt")
BATCH = 500
"""Readings that are taken from the archive at once."""


class MqttSink:
    """One broker. `clock` gives the current instant in UTC; `history` opens the archive for replay requests,
    `derived` that of derived values; None where they are not for this sink.

    With `quiet` the connection says nothing about the gateway: it is another one beside that of the gateway itself."""

    batch = BATCH
    linger_s = 0.0
    beside = "-beside"
    """What follows in the client id of a quiet connection: two clients with the same id throw each other out."""
    retains = True
    """Whether the latest message of registers and maxima is retained."""

    def __init__(
        self,
        id: str,
        options: MqttOptions,
        gateway: str,
        meters: Sequence[Meter],
        head: Head,
        clock: Callable[[], datetime],
        version: str,
        history: Callable[[], Follower] | None = None,
        *,
        derived: DerivedHistory | None = None,
        quiet: bool = False,
    ) -> None:
        self.id = id
        self.options = options
        self.gateway = gateway
        self.version = version
        self.topics = Topics(options.prefix, gateway)
        self.composer: Composer | DerivedComposer = Composer(gateway, {meter.id: meter.point for meter in meters}, head)
        self.descriptions = Descriptions(meters)
        self.discovery: Discovery | None = None
        if options.home_assistant is not None and not quiet:
            self.discovery = Discovery(options.home_assistant.prefix, self.topics, gateway, version, meters)
        self.replay: Replay | None = None
        if options.replay is not None and history is not None and not quiet:
            self.replay = Replay(options.replay, self.topics, gateway, head, history, derived)
        self.head = head
        self.clock = clock
        self.quiet = quiet
        self.suspects: Counter[int] = Counter()
        """Readings in messages above `message_limit`, and how often the connection broke over each."""
        self._protocol = ProtocolVersion.V311 if options.protocol == "3.1.1" else ProtocolVersion.V5
        self._attempt: AckClient | None = None
        self._hung_up = 0
        # aiomqtt and paho log every failed attempt; here each becomes a SinkError, and the publisher logs changes.
        self._silent = logging.Logger("mqtt", level=logging.CRITICAL + 1)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Delivery]:
        """See Sink.connect. The retained status is `online` inside and `offline` afterwards."""
        async with self.connection() as delivery:
            yield delivery

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[MqttDelivery]:
        client = await self._connected()
        delivery = MqttDelivery(self, client, is_v5=client.is_v5)
        fault = ""
        try:
            with _ungrouped():
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._watch(client, delivery), name=f"sink {self.id} watch")]
                    if not self.quiet:
                        await delivery.announce()
                    if self.replay is not None:
                        await self._subscribe(client, self.topics.replay)
                        tasks.append(group.create_task(self.replay.run(delivery), name=f"sink {self.id} replay"))
                    yield delivery
                    # Waited for here: a task that fails while its group ends leaves the group's owner marked as
                    # cancelled for ever (Python 3.11 and 3.12).
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks)
        except Exception as error:
            fault = str(error) or type(error).__name__
            raise
        finally:
            await self._leave(client, fault, delivery.window)

    async def check(self, months: int) -> list[Remark]:
        """See Sink.check."""
        return await check(self)

    # -- opening and closing ------------------------------------------------------------------------------------------

    async def _connected(self) -> AckClient:
        """A client that is connected, with the newest version of MQTT that the broker knows."""
        try:
            client = await self._enter(self._protocol)
        except (MqttError, OSError, ValueError) as error:
            self._hung_up = self._hung_up + 1 if isinstance(error, ClosedEarly) else 0
            # Some old brokers only hang up when they meet MQTT 5; one that is just starting does so as well.
            told = speaks_another_version(error)
            other = told or self._hung_up >= (1 if self.quiet else HANG_UPS)  # a check tries once
            if self._protocol is not ProtocolVersion.V5 or self.options.protocol != "auto" or not other:
                raise self._early(error) from error
        else:
            self._hung_up = 0
            return client
        try:
            client = await self._enter(ProtocolVersion.V311)
        except (MqttError, OSError, ValueError) as error:
            raise self._early(error) from error
        if told:  # one that only hung up is asked for 5 each time: 3.1.1 does not tell what it throws away
            self._protocol = ProtocolVersion.V311
        _log.warning("sink %s: %s does not know MQTT 5: 3.1.1 is used", self.id, self.place)
        return client

    async def _enter(self, protocol: ProtocolVersion) -> AckClient:
        if self._attempt is not None and self._attempt.connecting.is_set():
            raise TimeoutError  # the attempt before is still waiting for the network: one thread is enough for that
        client = self._attempt = await self._client(protocol)
        entered = False
        try:
            async with asyncio.timeout(self.options.timeout_s):
                await client.__aenter__()
            entered = True  # after the timeout: it may strike in the last moment
        finally:
            if not entered:
                await closed(client)
        return client

    async def _client(self, protocol: ProtocolVersion) -> AckClient:
        options = self.options
        try:
            password = options.password()
        except SecretUnavailable as error:
            raise SinkError(str(error)) from error
        context = None if options.tls is None else await asyncio.to_thread(tls_context, options.tls)
        is_v5 = protocol is ProtocolVersion.V5
        will = Will(
            self.topics.status,
            to_json(offline(self.gateway, self.version, "connection lost")),
            qos=1,
            retain=True,
            properties=MessageProperties(packet=PacketTypes.WILLMESSAGE) if is_v5 else None,
        )
        name = options.client_id or f"gatewayd-{self.gateway}-{self.id}"
        client = AckClient(
            options.host,
            options.port,
            username=options.username,
            password=password,
            identifier=f"{name}{self.beside}" if self.quiet else name,
            protocol=protocol,
            clean_session=None if is_v5 else True,
            clean_start=True if is_v5 else paho.MQTT_CLEAN_START_FIRST_ONLY,
            keepalive=options.keepalive_s,
            timeout=options.timeout_s,
            max_inflight_messages=0xFFFF,  # the window is kept by MqttDelivery
            tls_context=context,
            # Otherwise the last small packet before a pause waits 40 ms for the acknowledgement of the one before.
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
            logger=self._silent,
            will=None if self.quiet else will,
        )
        client.is_v5 = is_v5
        client.pending_calls_threshold = options.window
        return client

    async def _subscribe(self, client: AckClient, topic: str) -> None:
        try:
            codes = await client.subscribe(topic, qos=1)
        except MqttError as error:
            raise self.fault(error) from error
        if any(code_of(code) >= SUCCESS_BELOW for code in codes):
            raise SinkError(f"{self.place} does not let {self.who} read {topic} (needed for replay requests)")

    async def _watch(self, client: AckClient, delivery: MqttDelivery) -> None:
        """Hands on what the broker sends, and ends, with a SinkError, when the connection does: aiomqtt tells that only
        to those who wait for messages."""
        try:
            async for message in client.messages:
                if self.replay is not None and str(message.topic) == self.topics.replay:
                    self.replay.ask(message)
                else:
                    delivery.received.put_nowait(message)
        except MqttError as error:
            if delivery.verdict is not None:  # Mosquitto refuses a message, and then closes the connection
                raise delivery.verdict from error
            raise self.fault(error.__cause__ if isinstance(error.__cause__, Exception) else error) from error

    async def _leave(self, client: AckClient, fault: str, window: Window) -> None:
        """Say goodbye as far as the broker still listens: the DISCONNECT that follows discards the last will.

        After a fault, and where no answer comes, with QoS 0: written at once, past everything that waits."""
        try:
            if self.quiet:
                return
            topic = self.topics.status
            status = to_json(offline(self.gateway, self.version, fault or "stopped", rfc3339(self.clock())))
            properties = MessageProperties() if client.is_v5 else None
            if not fault and not window.full:
                with suppress(MqttError, TimeoutError):
                    async with asyncio.timeout(FAREWELL_S):
                        await client.publish(topic, status, qos=1, retain=True, properties=properties)
                        return
            with suppress(MqttError):
                await client.publish(topic, status, qos=0, retain=True, properties=properties, timeout=0)
        finally:
            await closed(client)

    # -- words --------------------------------------------------------------------------------------------------------

    @property
    def place(self) -> str:
        return f"broker {self.options.host}:{self.options.port}"

    @property
    def who(self) -> str:
        return f"user '{self.options.username}'" if self.options.username else "a client without a user"

    def online(self) -> dict[str, object]:
        return online(self.gateway, self.version, self.head(), rfc3339(self.clock()))

    def _early(self, error: Exception) -> SinkError:
        """Of a connection that did not even come about."""
        text, tls = str(self.fault(error)), self.options.tls
        hung_up = isinstance(error, ClosedEarly)
        if text.endswith(BROKE):
            hung_up = True
            text += f" before it had answered; is this a port {'without' if tls is not None else 'with'} TLS?"
        if hung_up and tls is not None and tls.cert_file is None:
            text += " Does it want our certificate (tls.cert_file)?"
        return SinkError(text)

    def fault(self, error: Exception) -> SinkError:
        """The SinkError that tells what a foreign error means to the operator."""
        if isinstance(error, SinkError):
            return error
        return SinkError(f"{self.place} {words(error, self.who, self.options.timeout_s, self.options.protocol)}")


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
