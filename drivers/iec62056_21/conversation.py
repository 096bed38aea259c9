"""The thin loop between a session and a channel: action -> bytes -> channel -> bytes -> event; and the way out.

Rules: nothing is decided here. Whoever leaves a conversation, by whatever way, cancellation included, leaves a meter
that has been told so and a line at its first rate; only a line that has failed is left as it is. That takes at most two
seconds, and a cancellation is passed on when it is done.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from drivers.iec62056_21.wire.session import Action, Event, HandedOver, Send, Session, SetRate, Wait, on_the_wire
from gatewayd.channel import Channel
from gatewayd.channel.leaving import to_its_end
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError

_SEND_TIMEOUT = 30.0
_LEAVE_TIMEOUT = 2.0
_BREAK_TIME = 0.3
"""At 300 Bd the five characters of a break need 170 ms."""
_REST = 0.04
"""Seconds of data that may come before they are looked at."""
_GATHERED_OF_PARTIAL = 8
"""Characters that may come where many blocks follow each other, because each of them may end in such a rest."""


@dataclass(frozen=True, slots=True)
class Span:
    """How an answer came, in the time in which sessions count: when our last message before it left, None where we have
    said nothing; when its data began to arrive, and when it was there."""

    asked: float | None
    began: float
    ended: float


class Conversation:
    """One session over one channel: `async with Conversation(channel, session) as conversation`."""

    def __init__(self, channel: Channel, session: Session) -> None:
        self._channel = channel
        self._session = session
        self._time = asyncio.get_running_loop().time
        self._pending: list[Action] = []  # what the session wants done, the present action first
        self._baud = 0
        self._first: SetRate | None = None
        self.parity_errors = 0
        """Characters with wrong parity in the data of the last event."""
        self._asked: float | None = None
        self._began = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ChannelError) and not isinstance(error, ChannelTimeout):
            return
        hear_out = isinstance(error, asyncio.CancelledError)
        await to_its_end(self._take_leave(hear_out), "leaving a meter")

    @property
    def now(self) -> float:
        """The time in which sessions count."""
        return self._time()

    @property
    def span(self) -> Span:
        """How the answer came that the last event tells of; to be asked for before anything else is said."""
        return Span(self._asked, self._began, self._time())

    async def until_event(self, actions: tuple[Action, ...]) -> Event:
        """Do what the session asks until it says that something has happened."""
        session, channel = self._session, self._channel
        before = channel.parity_errors
        blocks = session.blocks
        self.parity_errors = 0
        self._asked, self._began = None, self._time()
        while True:
            event, until = await self._perform(actions)
            if session.blocks > blocks:
                self.parity_errors += channel.parity_errors - before
                before = channel.parity_errors
            blocks = session.blocks
            if event is not None:
                self.parity_errors += channel.parity_errors - before
                return event
            assert until is not None  # a session that is not over says how long to wait
            if not session.in_telegram:  # noise at a wrong rate or before the block harms no value
                before = channel.parity_errors
            try:
                data = await channel.receive(deadline=until)
            except ChannelTimeout:
                actions = session.expired(self._time())
            else:
                if not session.in_telegram:
                    self._began = self._time()
                actions = session.feed(data, self._time())
                if session.in_telegram and len(actions) == 1 and self._baud:
                    await channel.rest(self._rest(blocks))

    def _rest(self, blocks: int) -> float:
        """Seconds that the line may be left alone in the middle of data."""
        return min(on_the_wire(_GATHERED_OF_PARTIAL, self._baud), _REST) if blocks else _REST

    async def _perform(self, actions: tuple[Action, ...]) -> tuple[Event | None, float | None]:
        self._pending = list(actions)
        until: float | None = None
        while self._pending:
            match self._pending[0]:
                case Send(data, secret):
                    if len(data) > 1:  # NAK and ACK ask for what the meter has said already, or for more of it
                        self._asked = self._time()
                    await self._channel.send(data, deadline=self._time() + _SEND_TIMEOUT, secret=secret)
                case SetRate(baud, framing):
                    self._first = self._first or SetRate(baud, framing)
                    await self._channel.set_line(baud, framing, deadline=self._time() + _SEND_TIMEOUT)
                    self._baud = baud
                case Wait(instant):
                    until = instant
                case event:
                    self._pending.clear()
                    return event, until
            del self._pending[0]
        return None, until

    async def _take_leave(self, hear_out: bool) -> None:
        deadline = self._time() + _LEAVE_TIMEOUT
        # What failed before is the error that counts.
        with contextlib.suppress(GatewayError, TimeoutError):
            async with asyncio.timeout_at(deadline):
                if hear_out and not any(isinstance(action, Send) for action in self._pending[1:]):
                    await self._hear_out(deadline - _BREAK_TIME)
                for action in self._last_actions():
                    match action:
                        case Send(data):
                            await self._channel.send(data, deadline=deadline)
                        case SetRate(baud, framing):
                            await self._channel.set_line(baud, framing, deadline=deadline)
                        case _:
                            raise AssertionError(f"nothing to wait for when leaving: {action}")

    async def _hear_out(self, until: float) -> None:
        """A meter that has been asked and then hears nothing reads itself out at the first rate, for minutes and over
        whoever is asked next (6.4.3.1): it can be told to stop when it has identified itself, and not before."""
        while self._session.asked:
            try:
                data = await self._channel.receive(deadline=until)
            except ChannelTimeout:
                return
            with contextlib.suppress(GatewayError):
                self._session.feed(data, self._time())

    def _last_actions(self) -> tuple[Action, ...]:
        actions = self._session.close(self._time())
        match self._pending:
            case _ if not actions:
                # Nobody has heard of a hand-over, so nobody takes the line over.
                unheard = any(isinstance(action, HandedOver) for action in self._pending)
                return (self._first,) if unheard and self._first is not None else ()
            case [SetRate() as change, *_]:
                return change, *actions  # the meter has heard of it: it listens at that rate
            case [Send(), SetRate() as change, *_]:
                return *actions[:1], change, *actions  # nobody knows whether it has
            case _:
                return actions
