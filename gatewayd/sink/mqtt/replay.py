"""Requests to publish again what is in an archive, for subscribers that have lost data and brokers that were wiped.

Rules: off unless configured; bounded in size and number; one request at a time, beside the live readings and never
before them; it reads the archives and nothing else, so no meter ever hears of it. Replayed readings are not retained:
the latest value of a register stays what it is. Derived values come again on the topics of their points, all versions.
A request that is retained is refused, or every connection would start it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiomqtt import Message

from gatewayd.archive.follow import Follower
from gatewayd.archive.selection import Chooser, Selection
from gatewayd.errors import ArchiveError, SinkError
from gatewayd.model import Archived
from gatewayd.sink import Head
from gatewayd.sink.derived_payload import DerivedComposer, PointTopics
from gatewayd.sink.mqtt.client import MessageProperties, Publication
from gatewayd.sink.mqtt.options import ReplayOptions
from gatewayd.sink.mqtt.requests import Request, quoted, understood
from gatewayd.sink.mqtt.voice import Voice
from gatewayd.sink.payload import head_object, to_json
from gatewayd.sink.topics import Topics

if TYPE_CHECKING:
    from gatewayd.sink.mqtt.delivery import MqttDelivery

BATCH = 200
ANSWER_SCHEMA = "gatewayd.replay-answer/1"
_NAMED = 20
"""So many names stand in a reason."""


@dataclass(frozen=True, slots=True)
class DerivedHistory:
    """The archive of derived values, which may not be there yet. `open` raises ArchiveError in plain words; `head` is
    its end. Both look at the disk."""

    open: Callable[[], Chooser]
    head: Head


class Replay:
    """Takes requests and answers them over the connection that there is. What waits when it breaks is forgotten.
    `derived`: None for a sink that gets no derived values."""

    def __init__(
        self,
        options: ReplayOptions,
        topics: Topics,
        gateway: str,
        head: Head,
        history: Callable[[], Follower],
        derived: DerivedHistory | None = None,
    ) -> None:
        self._options = options
        self._topics = topics
        self._gateway = gateway
        self._head = head
        self._history = history
        self._derived = derived
        self._waiting: deque[Request] = deque()
        self._more = asyncio.Event()

    def ask(self, message: Message) -> None:
        """A message on the topic for requests."""
        request = understood(message)
        if request.reason is None and request.wanted is None:
            self._limit(request)
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
            if request.reason is None and request.wanted is not None:
                await asyncio.to_thread(self._look, request, request.wanted)
            if request.reason is not None:
                await self._answer(delivery, request, "refused")
                continue
            await self._answer(delivery, request, "accepted")
            try:
                await (self._publish if request.wanted is None else self._publish_derived)(delivery, request)
            except (ArchiveError, SinkError) as error:
                if isinstance(error, SinkError) and delivery.verdict is not None:
                    raise  # the connection is at its end
                request.reason = str(error)
                await self._answer(delivery, request, "broken off")
            else:
                await self._answer(delivery, request, "done")

    def _limit(self, request: Request) -> None:
        """Where readings end that are asked for by number, or why they are not given."""
        head = self._head()[0]
        first = request.first or 1
        request.last = min(request.last if request.last is not None else head, head)
        if first > head:
            request.reason = f"begins at {first}, and the archive ends at {head}"
        elif request.last - first + 1 > self._options.readings:
            request.reason = f"asks for {request.last - first + 1} readings; at most {self._options.readings}"

    async def _publish(self, delivery: "MqttDelivery", request: Request) -> None:
        assert request.id is not None and request.first is not None and request.last is not None
        follower = await asyncio.to_thread(self._history)
        seq, last = request.first - 1, request.last
        while seq < last:
            batch: list[Archived] = await asyncio.to_thread(follower.after, seq, BATCH, last)
            if not batch:
                return  # the rest is not in the archive any more
            await delivery.again(batch, request.id, request)
            seq = batch[-1].seq

    # -- derived values -----------------------------------------------------------------------------------------------

    def _look(self, request: Request, wanted: Selection) -> None:
        """In a thread: which derived values are asked for, or why they are not given."""
        if self._derived is None:
            request.reason = "this sink gets no derived values (derived: false)"
            return
        most = self._options.readings
        try:
            chooser = self._derived.open()
            request.head = self._derived.head()
            found = chooser.numbers(wanted, most + 1)
            if not found:
                request.reason = "; ".join(_nothing(chooser, wanted, request.head[0]))
        except ArchiveError as error:
            request.reason = str(error)
            return
        if len(found) > most:
            request.reason = f"asks for more than {most} derived values; ask for a part of them"
        elif found:
            request.numbers, request.first, request.last = found, found[0], found[-1]

    async def _publish_derived(self, delivery: "MqttDelivery", request: Request) -> None:
        assert request.id is not None and self._derived is not None
        composer = DerivedComposer(self._gateway, lambda: request.head)
        voice = Voice(PointTopics(self._topics.prefix, self._topics.gateway), composer)
        chooser = await asyncio.to_thread(self._derived.open)
        for place in range(0, len(request.numbers), BATCH):
            batch = await asyncio.to_thread(chooser.chosen, request.numbers[place : place + BATCH])
            if batch:
                await delivery.again(batch, request.id, request, voice)

    # -- answers ------------------------------------------------------------------------------------------------------

    async def _answer(self, delivery: "MqttDelivery", request: Request, state: str) -> None:
        derived = {} if request.wanted is None else {"derived": True}
        document = {
            "schema": ANSWER_SCHEMA,
            "gateway": self._gateway,
            "id": request.id,
            "state": state,
            **derived,
            "from": request.first,
            "to": request.last,
            "readings": request.count,
            "reason": request.reason,
            "head": head_object(request.head if derived else self._head()),
        }
        properties = MessageProperties(correlation=request.correlation) if delivery.is_v5 else None
        await delivery.send([Publication(self._topics.replay_answer, to_json(document))], properties)


def _nothing(chooser: Chooser, wanted: Selection, head: int) -> Iterator[str]:
    """Why nothing is there of what is wanted. ArchiveError."""
    if wanted.first > head:
        yield f"begins at {wanted.first}, and the archive of derived values ends at {head}"
        return
    series = chooser.series()
    names = (
        ("point", wanted.meter, {meter for meter, _, _ in series}),
        ("layer", wanted.obis_raw, {layer for _, _, layer in series}),
        ("code", wanted.obis, {code for _, code, _ in series}),
    )
    told = False
    for what, name, known in names:
        if name is not None and name not in known:
            told = True
            shown = ", ".join(sorted(known)[:_NAMED]) or "none"
            yield f"there is no {what} {quoted(name)} among the derived values; there are: {shown}"
    if not told:
        yield "there are no derived values of that"
