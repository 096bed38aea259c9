"""The traffic of a line for those who look on: bytes both ways, changes of the line, faults, each with its time.

Rules: nobody who looks on can slow a line down or stop it: a subscriber that does not keep up loses events, and is told
how many. Where nobody looks on, the cost is one comparison. Secrets and their echoes are hidden (masking.py), the PIN
and the numbers of modem lines too.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from gatewayd.channel import Channel, Framing
from gatewayd.channel.masking import EchoMask, Piece, Shown, hide, spoken_secret
from gatewayd.errors import ChannelError, ChannelTimeout

LIMIT = 4096
"""Events that wait for one subscriber."""


class What(Enum):
    """What happened on the line."""

    SENT = "sent"
    RECEIVED = "received"
    SET = "set"
    OPENED = "opened"
    CLOSED = "closed"
    FAULT = "fault"
    LOST = "lost"
    """Events that came too fast for whoever looks on; `text` says how many."""


@dataclass(frozen=True, slots=True)
class Traced:
    """One event. `data` are the bytes of SENT and RECEIVED, None for one that is hidden; `text` tells of the others."""

    at: datetime
    what: What
    data: Shown = ()
    text: str = ""


class Subscription:
    """The events of a tap, from the subscription on."""

    def __init__(self, clock: Callable[[], datetime], limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._waiting: deque[Traced] = deque()
        self._arrived = asyncio.Event()
        self._lost = 0

    def put(self, event: Traced) -> None:
        """Take an event, or count it as lost. Never waits."""
        if len(self._waiting) >= self._limit:
            self._lost += 1
            return
        if self._lost:
            self._waiting.append(self._loss())
        self._waiting.append(event)
        self._arrived.set()

    async def get(self) -> Traced:
        """The next event."""
        while (event := self.get_nowait()) is None:
            self._arrived.clear()
            await self._arrived.wait()
        return event

    def get_nowait(self) -> Traced | None:
        """The next event, None when none waits."""
        if self._waiting:
            return self._waiting.popleft()
        return self._loss() if self._lost else None

    def _loss(self) -> Traced:
        count, self._lost = self._lost, 0
        return Traced(self._clock(), What.LOST, text=f"{count} events lost: they came faster than they were read")


class Tap:
    """Hands the events of one line to everybody who has subscribed."""

    def __init__(self, line: str, clock: Callable[[], datetime]) -> None:
        self.line = line
        self.clock = clock
        self._subscriptions: list[Subscription] = []

    @property
    def watched(self) -> bool:
        """True when somebody looks on."""
        return bool(self._subscriptions)

    @contextmanager
    def subscribe(self, limit: int = LIMIT) -> Iterator[Subscription]:
        """Look on for the time of a `with`."""
        subscription = Subscription(self.clock, limit)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def put(self, what: What, data: Shown = (), text: str = "", at: datetime | None = None) -> None:
        """Something happened, now unless `at` says when."""
        if not self._subscriptions:
            return
        event = Traced(at or self.clock(), what, data, text)
        for subscription in self._subscriptions:
            subscription.put(event)


class TracingChannel:
    """Passes everything through to `inner` and tells the tap. See the Channel protocol for the contract.

    `inner` may be a call over `dialogue`, a traced channel to a modem: that one tells of the set-up and the hang-up and
    is silent in between, so that nothing is told twice.
    """

    def __init__(self, inner: Channel, tap: Tap, dialogue: "TracingChannel | None" = None) -> None:
        self._inner = inner
        self._dialogue = dialogue
        if dialogue is not None:
            dialogue.mute(True)
        self._tap = tap
        self._mask = EchoMask()
        self._closed = False
        self._muted = False

    @property
    def parity_errors(self) -> int:
        return self._inner.parity_errors

    def mute(self, muted: bool) -> None:
        """While muted nothing is told: another channel around this one does."""
        self._tell(self._mask.flush())
        self._muted = muted

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        spoken = b"" if secret or self._muted else spoken_secret(data)
        self._tell(self._mask.turn())
        if self._told:
            self._tap.put(What.SENT, (None,) * len(data) if secret else hide(data, spoken))
        # Also when nobody looks on: somebody may before the echo comes.
        if secret and data:
            self._mask.sent(data)
        elif spoken:
            self._mask.sent(spoken, whole=False)
        try:
            await self._inner.send(data, deadline=deadline, secret=secret)
        except ChannelError as error:
            self._fault(error)
            raise

    async def receive(self, *, deadline: float) -> bytes:
        try:
            data = await self._inner.receive(deadline=deadline)
        except ChannelTimeout:
            self._tell(self._mask.flush())
            raise
        except ChannelError as error:
            self._fault(error)
            raise
        if self._told or self._mask.waiting:  # whoever begins to look on amid an echo must not see the rest of it
            self._tell(self._mask.feed(self._tap.clock(), data))
        return data

    async def rest(self, seconds: float) -> None:
        await self._inner.rest(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        self._tell(self._mask.flush())
        try:
            await self._inner.set_line(baud, framing, deadline=deadline)
        except ChannelError as error:
            self._fault(error)
            raise
        if self._told:
            self._tap.put(What.SET, text=f"{baud} {framing.value}")

    async def close(self) -> None:
        self._tell(self._mask.flush())
        if self._dialogue is not None:
            self._dialogue.mute(False)
        await self._inner.close()
        if not self._closed and self._told and self._dialogue is None:
            self._tap.put(What.CLOSED)
        self._closed = True

    @property
    def _told(self) -> bool:
        return self._tap.watched and not self._muted

    def _tell(self, pieces: list[Piece]) -> None:
        if self._muted:
            return
        for piece in pieces:
            self._tap.put(What.RECEIVED, piece.data, at=piece.at)

    def _fault(self, error: ChannelError) -> None:
        self._tell(self._mask.flush())
        if self._told:
            self._tap.put(What.FAULT, text=str(error))
