"""One open connection to a broker: messages with a window, what the meters are, and discovery.

Rules: packets leave in the order in which they are handed in; no more than `window` wait for their PUBACK; the task is
woken when there is room, not for each message. A message that the broker will never take is set aside with its reason;
one that this user may not write, or that the broker has no room for, is a fault of the connection.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from aiomqtt import Message, MqttError

from gatewayd.errors import SinkError
from gatewayd.model import Archived
from gatewayd.sink import Ledger
from gatewayd.sink.mqtt.client import SUCCESS_BELOW, AckClient, MessageProperties, Publication
from gatewayd.sink.mqtt.faults import NEVER, refusal
from gatewayd.sink.payload import to_json
from gatewayd.sink.topics import RETAINED

if TYPE_CHECKING:
    from gatewayd.sink.mqtt.sink import MqttSink

_FRAME = 64
"""Bytes of a PUBLISH packet beside topic and payload, at most: header, lengths, packet id, our properties."""


class MqttDelivery:
    """The Delivery of an MqttSink. `received` holds what came from the broker and is nobody's request."""

    def __init__(self, sink: "MqttSink", client: AckClient, *, is_v5: bool) -> None:
        self.is_v5 = is_v5
        self.client = client
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self.verdict: SinkError | None = None
        """What the broker objected to, once it did: what comes after that, it does for this reason."""
        self._proved = False
        self._sink = sink
        self._window = min(sink.options.window, client.receive_maximum or sink.options.window)
        self._limit = client.packet_limit
        self._lasting = MessageProperties() if is_v5 else None
        self._passing = MessageProperties(expiry_s=sink.options.message_expiry_s) if is_v5 else None
        self._loop = asyncio.get_running_loop()

    async def announce(self) -> None:
        """Say that the gateway is there, and describe all meters."""
        sink = self._sink
        await self.send([Publication(sink.topics.status, to_json(sink.online()), retain=True)], self._lasting)
        await self._describe(sink.descriptions.everything())
        if sink.discovery is not None:
            sink.discovery.reset()
            await self._discover()

    async def deliver(self, readings: Sequence[Archived], ledger: Ledger) -> None:
        """See Delivery.deliver."""
        sink = self._sink
        await self.send(self._publications(readings), self._passing, ledger)
        if sink.quiet:
            return
        sink.descriptions.note(readings)
        await self._describe(sink.descriptions.due(self._loop.time()))
        if sink.discovery is not None:
            sink.discovery.note(readings)
            await self._discover()

    async def again(self, readings: Sequence[Archived], replay: str, ledger: Ledger | None = None) -> None:
        """Publish readings once more, as the answer to a request: not retained, the latest value stays what it is."""
        await self.send(self._publications(readings, replay), self._passing, ledger)

    def _publications(self, readings: Sequence[Archived], replay: str = "") -> Iterator[Publication]:
        topics, limit = self._sink.topics, self._sink.options.message_limit
        if self._limit is not None:
            longest = max(len(topics.reading(archived.reading)) for archived in readings)
            limit = min(limit, self._limit - longest - _FRAME)
        for message in self._sink.composer.messages(readings, limit, replay):
            reading = message.readings[0].reading
            retain = not replay and reading.kind in RETAINED
            yield Publication(topics.reading(reading), message.payload, retain, message.readings)

    async def _describe(self, meters: Sequence[str]) -> None:
        sink = self._sink
        documents = ((meter, to_json(sink.descriptions.document(meter))) for meter in meters)
        await self.send(
            (Publication(sink.topics.meta(meter), payload, retain=True) for meter, payload in documents), self._lasting
        )
        for meter in meters:
            sink.descriptions.published(meter, self._loop.time())

    async def _discover(self) -> None:
        discovery = self._sink.discovery
        if discovery is None:
            return
        due = discovery.due()
        await self.send((Publication(topic, to_json(document), retain=True) for topic, document in due), self._lasting)
        for topic, _ in due:
            discovery.published(topic)

    async def send(
        self,
        publications: Iterable[Publication],
        properties: MessageProperties | None,
        ledger: Ledger | None = None,
    ) -> None:
        """Publish all and wait for every acknowledgement. SinkError, and what the ledger raises."""
        flight = _Flight(self.client, self._sink.options.timeout_s, self._object)
        try:
            for publication in publications:
                if self._limit is not None and _size(publication) > self._limit:
                    reason = f"the message has {_size(publication)} bytes, {self._sink.place} takes {self._limit}"
                    await self._refused(publication, reason, ledger)
                    continue
                await flight.room(self._window)
                self.client.send(publication, properties, flight.entered(publication, ledger))
                if not self._proved and ledger is not None:
                    # The first one alone: a broker that refuses it may close the connection, and the reason be lost
                    # behind those that follow.
                    await flight.room(1)
                    self._proved = True
                while flight.refused:
                    await self._judge(*flight.refused.pop(0), ledger)
            await flight.room(1)
            while flight.refused:
                await self._judge(*flight.refused.pop(0), ledger)
        except (MqttError, TimeoutError) as error:
            raise self._sink.fault(error) from error

    def _object(self, publication: Publication, code: int) -> None:
        """The broker refuses a message."""
        if code not in NEVER and self.verdict is None:
            reason = refusal(code, self._sink.who, publication.topic)
            self.verdict = SinkError(f"{self._sink.place} {reason}")

    async def _judge(self, publication: Publication, code: int, ledger: Ledger | None) -> None:
        if self.verdict is not None:
            raise self.verdict
        await self._refused(publication, refusal(code, self._sink.who, publication.topic), ledger)

    async def _refused(self, publication: Publication, reason: str, ledger: Ledger | None) -> None:
        if ledger is None:
            raise SinkError(f"{self._sink.place} will not take a message on {publication.topic}: {reason}")
        for reading in publication.readings:
            await ledger.set_aside(reading, reason)


class _Flight:
    """The messages of one `send` that wait for their acknowledgement."""

    def __init__(self, client: AckClient, timeout_s: float, on_refused: Callable[[Publication, int], None]) -> None:
        self.refused: list[tuple[Publication, int]] = []
        self._on_refused = on_refused
        self._client = client
        self._timeout_s = timeout_s
        self._count = 0
        self._wanted = 0
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] | None = None

    def entered(self, publication: Publication, ledger: Ledger | None) -> Callable[[int], None]:
        """A message is on its way; the result is to be called with the code of its acknowledgement."""
        self._count += 1

        def acknowledged(code: int) -> None:
            self._count -= 1
            if code >= SUCCESS_BELOW:
                self.refused.append((publication, code))
                self._on_refused(publication, code)
            elif ledger is not None:
                ledger.done(publication.readings)
            if self._woken is not None and not self._woken.done():
                if self._count < self._wanted:
                    self._woken.set_result(None)
                else:
                    self._client.hurry()

        return acknowledged

    async def room(self, below: int) -> None:
        """Wait until fewer than `below` are on their way. TimeoutError when for too long no acknowledgement comes."""
        while self._count >= below:
            self._wanted = below
            self._woken = self._loop.create_future()
            before = self._count
            handle = self._loop.call_later(self._timeout_s, self._too_long, self._woken)
            try:
                await self._woken
            except TimeoutError:
                if self._count == before:
                    raise
            finally:
                handle.cancel()
                self._woken = None

    @staticmethod
    def _too_long(woken: "asyncio.Future[None]") -> None:
        if not woken.done():
            woken.set_exception(TimeoutError())


def _size(publication: Publication) -> int:
    return len(publication.payload) + len(publication.topic) + _FRAME
