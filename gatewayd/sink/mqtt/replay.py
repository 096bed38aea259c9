"""Requests to publish again what is in the archive, for subscribers that have lost data and brokers that were wiped.

Rules: off unless configured; bounded in size and number; one request at a time, beside the live readings and never
before them; it reads the archive and nothing else, so no meter ever hears of it. Replayed readings are not retained:
the latest value of a register stays what it is. A request that is retained is refused, or every connection would start
it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from aiomqtt import Message

from gatewayd.archive.follow import Follower
from gatewayd.errors import ArchiveError, SinkError
from gatewayd.model import Archived
from gatewayd.sink import Head
from gatewayd.sink.mqtt.client import MessageProperties, Publication
from gatewayd.sink.mqtt.options import ReplayOptions
from gatewayd.sink.payload import head_object, to_json
from gatewayd.sink.topics import Topics

if TYPE_CHECKING:
    from gatewayd.sink.mqtt.delivery import MqttDelivery

BATCH = 200
ANSWER_SCHEMA = "gatewayd.replay-answer/1"

_Number = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]


class _Wanted(msgspec.Struct):
    """docs/mqtt/replay-1.schema.json"""

    schema: Literal["gatewayd.replay/1"]
    id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z")]
    first: _Number = msgspec.field(name="from")
    last: _Number | None = msgspec.field(default=None, name="to")


_DECODER = msgspec.json.Decoder(_Wanted)
_LONGEST_CORRELATION = 64
"""Longer correlation data do not come back."""
_LONGEST = 4096
"""No request is longer."""


@dataclass(slots=True)
class _Request:
    """A request on its way: accepted, or refused with a reason. `id` is None when it could not be read."""

    id: str | None = None
    first: int | None = None
    last: int | None = None
    reason: str | None = None
    count: int = 0
    correlation: bytes | None = None
    refused: int = 0

    # A ledger as well: what the broker refuses is told in the answer, and the rest goes on.

    def done(self, readings: Sequence[Archived]) -> None:
        self.count += len(readings)

    async def set_aside(self, reading: Archived, reason: str) -> None:
        self.refused += 1
        self.reason = f"{self.refused} readings are refused by the broker, for instance {reading.seq}: {reason}"


class Replay:
    """Takes requests and answers them over the connection that there is. What waits when it breaks is forgotten."""

    def __init__(
        self, options: ReplayOptions, topics: Topics, gateway: str, head: Head, history: Callable[[], Follower]
    ) -> None:
        self._options = options
        self._topics = topics
        self._gateway = gateway
        self._head = head
        self._history = history
        self._waiting: deque[_Request] = deque()
        self._more = asyncio.Event()

    def ask(self, message: Message) -> None:
        """A message on the topic for requests."""
        request = self._understood(message)
        accepted = sum(1 for waiting in self._waiting if waiting.reason is None)
        if request.reason is None and accepted >= self._options.waiting:
            request.reason = f"{self._options.waiting} requests are waiting already"
        if len(self._waiting) < 10 * self._options.waiting:  # whoever floods us gets no answers any more
            self._waiting.append(request)
            self._more.set()

    async def run(self, delivery: "MqttDelivery") -> None:
        """Answer requests, one after the other, for as long as the connection lasts. SinkError."""
        self._waiting.clear()
        while True:
            self._more.clear()
            if not self._waiting:
                await self._more.wait()
                continue
            request = self._waiting.popleft()
            if request.reason is not None:
                await self._answer(delivery, request, "refused")
                continue
            await self._answer(delivery, request, "accepted")
            try:
                await self._publish(delivery, request)
            except (ArchiveError, SinkError) as error:
                if isinstance(error, SinkError) and delivery.verdict is not None:
                    raise  # the connection is at its end
                request.reason = str(error)
                await self._answer(delivery, request, "broken off")
            else:
                await self._answer(delivery, request, "done")

    async def _publish(self, delivery: "MqttDelivery", request: _Request) -> None:
        assert request.id is not None and request.first is not None and request.last is not None
        follower = await asyncio.to_thread(self._history)
        seq, last = request.first - 1, request.last
        while seq < last:
            batch: list[Archived] = await asyncio.to_thread(follower.after, seq, BATCH, last)
            if not batch:
                return  # the rest is not in the archive any more
            await delivery.again(batch, request.id, request)
            seq = batch[-1].seq

    async def _answer(self, delivery: "MqttDelivery", request: _Request, state: str) -> None:
        document = {
            "schema": ANSWER_SCHEMA,
            "gateway": self._gateway,
            "id": request.id,
            "state": state,
            "from": request.first,
            "to": request.last,
            "readings": request.count,
            "reason": request.reason,
            "head": head_object(self._head()),
        }
        properties = MessageProperties(correlation=request.correlation) if delivery.is_v5 else None
        await delivery.send([Publication(self._topics.replay_answer, to_json(document))], properties)

    def _understood(self, message: Message) -> _Request:
        correlation = getattr(message.properties, "CorrelationData", None)
        is_short = isinstance(correlation, bytes) and len(correlation) <= _LONGEST_CORRELATION
        request = _Request(correlation=correlation if is_short else None)
        payload = message.payload
        if message.retain:
            request.reason = "a retained request is not answered: publish it without the retain flag"
            return request
        try:
            wanted = _DECODER.decode(payload if len(payload) <= _LONGEST else b"")
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # no UTF-8, nested without end
            request.reason = f"is no request of schema gatewayd.replay/1: {error}"
            return request
        request.id, request.first = wanted.id, wanted.first
        head = self._head()[0]
        request.last = min(wanted.last if wanted.last is not None else head, head)
        if wanted.last is not None and wanted.last < wanted.first:
            request.reason = f"ends at {wanted.last}, before it begins at {wanted.first}"
        elif wanted.first > head:
            request.reason = f"begins at {wanted.first}, and the archive ends at {head}"
        elif request.last - wanted.first + 1 > self._options.readings:
            request.reason = f"asks for {request.last - wanted.first + 1} readings; at most {self._options.readings}"
        return request
