"""One open connection to a broker: messages with a window, what the meters are, and discovery.

Rules: packets leave in the order in which they are handed in. A message that the broker will never take is set aside
with its reason, once it has taken another; one that this user may not write, or that the broker has no room for, is a
fault of the connection, and nothing behind it counts as done.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aiomqtt import Message, MqttError

from gatewayd.errors import SinkError
from gatewayd.model import Archived, Flag
from gatewayd.sink import Ledger
from gatewayd.sink.mqtt.client import SUCCESS_BELOW, AckClient, MessageProperties, Publication
from gatewayd.sink.mqtt.faults import NEVER, refusal
from gatewayd.sink.mqtt.voice import Voice
from gatewayd.sink.mqtt.window import Flight, Window
from gatewayd.sink.payload import to_json
from gatewayd.sink.topics import RETAINED

if TYPE_CHECKING:
    from gatewayd.sink.mqtt.sink import MqttSink

TRIES_ABOVE_THE_LIMIT = 3
FRAME = 160
"""Bytes of a PUBLISH packet beside topic and payload, at most: header, lengths, packet id, our properties."""


class MqttDelivery:
    """The Delivery of an MqttSink. `received` holds what came from the broker and is nobody's request."""

    def __init__(self, sink: "MqttSink", client: AckClient, *, is_v5: bool) -> None:
        self.is_v5 = is_v5
        self.client = client
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self.window = Window(client, min(sink.options.window, client.receive_maximum or sink.options.window))
        self.verdict: SinkError | None = None
        """What the broker objected to, once it did: what comes after that, it does for this reason."""
        self._sink = sink
        self._limit = client.packet_limit
        self._lasting = MessageProperties() if is_v5 else None
        self._passing = MessageProperties(expiry_s=sink.options.message_expiry_s) if is_v5 else None
        self._takes_readings = False
        self._refused: list[tuple[Publication, str]] = []
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

    async def again(
        self, readings: Sequence[Archived], replay: str, ledger: Ledger, voice: Voice | None = None
    ) -> None:
        """Publish readings once more, as the answer to a request: not retained, the latest value stays what it is.
        `voice`: that of another archive; None for the sink's own."""
        await self.send(self._publications(readings, replay, voice), self._passing, ledger)

    def _publications(
        self, readings: Sequence[Archived], replay: str = "", voice: Voice | None = None
    ) -> Iterator[Publication]:
        sink = self._sink
        topics, composer = (sink.topics, sink.composer) if voice is None else (voice.topics, voice.composer)
        limit = sink.options.message_limit
        if self._limit is not None:
            longest = max(len(topics.reading(archived.reading)) for archived in readings)
            limit = min(limit, self._limit - longest - FRAME)
        for message in composer.messages(readings, limit, replay):
            reading = message.readings[0].reading
            latest = reading.kind in RETAINED and Flag.MANUAL not in reading.flags  # by hand: of any time
            retain = not replay and latest and sink.retains
            yield Publication(topics.reading(reading), message.payload, retain, message.readings)

    async def _describe(self, meters: Sequence[str]) -> None:
        sink = self._sink
        await self.send(map(self._description, meters), self._lasting)
        for meter in meters:
            sink.descriptions.published(meter, self._loop.time())

    def _description(self, meter: str) -> Publication:
        """Without its units where it would be too large with them: readings carry theirs anyway."""
        document = self._sink.descriptions.document(meter)
        publication = Publication(self._sink.topics.meta(meter), to_json(document), retain=True)
        if self._limit is not None and size(publication) > self._limit:
            publication = replace(publication, payload=to_json({**document, "units": {}}))
        return publication

    async def _discover(self) -> None:
        discovery = self._sink.discovery
        if discovery is None:
            return
        due = discovery.due()
        await self.send((Publication(topic, to_json(document), retain=True) for topic, document in due), self._lasting)
        for topic, _ in due:
            discovery.published(topic)

    # -- sending ------------------------------------------------------------------------------------------------------

    async def send(
        self,
        publications: Iterable[Publication],
        properties: MessageProperties | None,
        ledger: Ledger | None = None,
    ) -> None:
        """Publish all and wait for every acknowledgement. SinkError, and what the ledger raises."""
        flight = Flight(self.window, self._sink.options.timeout_s)
        try:
            for publication in publications:
                if self._limit is not None and size(publication) > self._limit:
                    self._refuse(
                        publication, f"the message is larger than {self._sink.place} takes ({self._limit} bytes)"
                    )
                elif self._is_suspect(publication, ledger):
                    await self._send_alone(publication, properties, ledger)
                else:
                    await flight.room()
                    self.client.send(publication, properties, self._entered(flight, publication, ledger))
                    if not self._takes_readings and ledger is not None:
                        # The first one alone: a broker that refuses it may close the connection, and the reason be
                        # lost behind those that follow.
                        await flight.rest()
                await self._settle(ledger)
            await flight.rest()
            await self._settle(ledger, at_the_end=True)
        except (MqttError, TimeoutError) as error:
            raise self.verdict or self._sink.fault(error) from error

    def _entered(self, flight: "Flight", publication: Publication, ledger: Ledger | None) -> Callable[[int], None]:
        """A message is on its way; the result is to be called with the code of its acknowledgement."""
        flight.enter()

        def acknowledged(code: int) -> None:
            if code in NEVER:
                self._refuse(publication, refusal(code, self._sink.who, publication.topic))
            elif code >= SUCCESS_BELOW:
                reason = refusal(code, self._sink.who, publication.topic)
                self.verdict = self.verdict or SinkError(f"{self._sink.place} {reason}")
            elif ledger is not None and self.verdict is None:
                # Behind one that was refused for now nothing is done: it all comes again, in its order.
                self._takes_readings = True
                ledger.done(publication.readings)
            flight.leave()

        return acknowledged

    def _refuse(self, publication: Publication, reason: str) -> None:
        self._refused.append((publication, reason))

    async def _settle(self, ledger: Ledger | None, *, at_the_end: bool = False) -> None:
        """Set aside what was refused for good: when the broker takes other readings, or else it is the broker."""
        if self.verdict is not None:
            raise self.verdict
        if not self._refused:
            return
        publication, reason = self._refused[0]
        if ledger is None:
            self._refused.clear()
            raise SinkError(f"{self._sink.place} will not take a message on {publication.topic}: {reason}")
        if self._takes_readings:
            for publication, reason in self._refused:
                for reading in publication.readings:
                    await ledger.set_aside(reading, reason)
            self._refused.clear()
        elif at_the_end:
            self._refused.clear()
            raise SinkError(f"{self._sink.place} takes no reading at all: {reason}")

    def _is_suspect(self, publication: Publication, ledger: Ledger | None) -> bool:
        """A message above `message_limit` to a broker that has not said what it takes: it may close the connection."""
        return (
            self._limit is None and ledger is not None and len(publication.payload) > self._sink.options.message_limit
        )

    async def _send_alone(
        self, publication: Publication, properties: MessageProperties | None, ledger: Ledger | None
    ) -> None:
        """When the connection has broken over it a few times, it is refused."""
        suspects, seq = self._sink.suspects, publication.readings[0].seq
        if suspects[seq] >= TRIES_ABOVE_THE_LIMIT:
            self._refuse(publication, f"{self._sink.place} breaks the connection over this message (message_limit)")
            return
        suspects[seq] += 1
        alone = Flight(self.window, self._sink.options.timeout_s)
        await alone.room()
        self.client.send(publication, properties, self._entered(alone, publication, ledger))
        await alone.rest()
        del suspects[seq]


def size(publication: Publication) -> int:
    return len(publication.payload) + len(publication.topic) + FRAME
