"""The thin loop between a transport and a channel: action -> bytes -> channel -> bytes -> event; and the way out.

Rules: nothing is decided here. Whoever leaves a conversation, by whatever way, cancellation included, leaves a meter
that has been told so (DISC in HDLC; the wrapper has no word for it); only a line that has failed is left as it is. A
meter in the middle of an answer is heard out, as two of them talking spoil the line for whoever is asked next. All that
takes at most LEAVE_TIMEOUT, and a cancellation is passed on when it is done.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from drivers.dlms.wire.hdlc_dialogue import Action, Connected, Disconnected, Event, Received, Send, State, Wait
from drivers.dlms.wire.transport import Transport
from gatewayd.channel import Channel
from gatewayd.channel.leaving import to_its_end
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError

SEND_TIMEOUT = 30.0
LEAVE_TIMEOUT = 2.0
_WAITING = (State.CONNECTING, State.SENDING, State.ANSWERING, State.DISCONNECTING)
_LAST_WORD = 0.5
"""Seconds for a meter's word to DISC, so that it does not come to whoever is asked next."""


class Conversation:
    """One transport over one channel: `async with Conversation(channel, link) as conversation`.

    `rest`: seconds for which a line that brings an answer in small pieces is left alone between them; 0 for TCP.
    """

    def __init__(self, channel: Channel, transport: Transport, rest: float = 0.0) -> None:
        self._channel = channel
        self._transport = transport
        self._rest = rest
        self.unsettled = False
        """Whether a secret is out whose fate nobody knows: everything that is sent until then goes as a part of it, as
        whoever records the line takes what is answered behind a secret for its acceptance (gatewayd/refusals.py)."""
        self._time = asyncio.get_running_loop().time

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ChannelError) and not isinstance(error, ChannelTimeout):
            return
        await to_its_end(self._take_leave(), "leaving a meter")

    @property
    def now(self) -> float:
        """The time in which transports count."""
        return self._time()

    @property
    def connected(self) -> bool:
        """Whether an APDU may be sent."""
        return self._transport.state is State.READY

    async def connect(self) -> Connected:
        """Set up the link. MeterSilent, ProtocolError, ChannelError."""
        event = await self._until_event(self._transport.start(self.now))
        assert isinstance(event, Connected)  # the only event of `start`
        return event

    async def exchange(self, apdu: bytes, secret: bool = False) -> bytes:
        """Send an APDU and receive the next one. MeterSilent, ProtocolError, ChannelError: the link is over then."""
        self.unsettled = self.unsettled or secret
        return await self._received(self._transport.send(apdu, self.now, secret))

    async def listen(self) -> bytes:
        """Receive one more APDU without sending one. Errors as `exchange`."""
        return await self._received(self._transport.listen(self.now))

    async def disconnect(self) -> Disconnected:
        """Take down the link and wait for the meter's word. ProtocolError, ChannelError."""
        event = await self._until_event(self._transport.disconnect(self.now))
        assert isinstance(event, Disconnected)  # the only event of `disconnect`
        return event

    async def _received(self, actions: tuple[Action, ...]) -> bytes:
        event = await self._until_event(actions)
        assert isinstance(event, Received)  # the only event of `send` and `listen`
        return event.apdu

    async def _until_event(self, actions: tuple[Action, ...]) -> Event:
        transport, channel = self._transport, self._channel
        while True:
            event, until = await self._perform(actions)
            if event is not None:
                return event
            assert until is not None  # a transport that is not over says how long to wait
            late = self.now >= until  # what had come in time is still heard
            try:
                data = await channel.receive(deadline=until)
            except ChannelTimeout:
                actions = transport.expired(self.now)
            else:
                actions = transport.feed(data, self.now)
                if late and actions == (Wait(until),):
                    actions = transport.expired(self.now)  # a line on which somebody always talks is never silent
                elif self._rest and len(actions) == 1 and isinstance(actions[0], Wait):
                    await channel.rest(self._rest)

    async def _perform(self, actions: tuple[Action, ...]) -> tuple[Event | None, float | None]:
        until: float | None = None
        for action in actions:
            match action:
                case Send(data, secret):
                    masked = secret or self.unsettled
                    await self._channel.send(data, deadline=self.now + SEND_TIMEOUT, secret=masked)
                case Wait(instant):
                    until = instant
                case event:
                    return event, until
        return None, until

    # -- the way out -------------------------------------------------------------------------------------------------

    async def _take_leave(self) -> None:
        deadline = self.now + LEAVE_TIMEOUT
        # What failed before is the error that counts.
        with contextlib.suppress(GatewayError, TimeoutError):
            async with asyncio.timeout_at(deadline):
                if self._transport.shared:
                    await self._hear_out(deadline - _LAST_WORD)
                words = self._transport.close(self.now)
                for word in words:
                    assert isinstance(word, Send)  # who leaves at once waits for nothing
                    await self._channel.send(word.data, deadline=deadline, secret=self.unsettled)
                if words:
                    await self._channel.receive(deadline=min(deadline, self.now + _LAST_WORD))

    async def _hear_out(self, until: float) -> None:
        """Until the meter has said what it was asked for, or a part of it behind which it waits for us."""
        while self._transport.state in _WAITING and self.now < until:
            try:
                data = await self._channel.receive(deadline=until)
            except ChannelTimeout:
                return
            try:
                actions = self._transport.feed(data, self.now)
            except GatewayError:
                return
            if not isinstance(actions[-1], Wait) or isinstance(actions[0], Send):
                return
