"""The thin loop between an exchange and a channel: action -> bytes -> channel -> bytes -> reply; and the way out.

Rules: nothing is decided here. Whoever leaves a conversation, by whatever way, cancellation included, leaves a line
that owes nothing: it is drained first (wire/transaction.py), else the answer that is still under way would come to the
next meter. Who is cancelled drains for LEAVE_TIMEOUT at most, as a gateway has to stop in time; what the line owes then
is in the exchange, which the next conversation with this meter goes on with. A line that has failed is left at once.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from drivers.modbus.naming import asked
from drivers.modbus.wire.dialogue import Action, Answered, Drain, Exchange, Send, Wait
from drivers.modbus.wire.pdu import Reply, Request
from gatewayd.channel import Channel
from gatewayd.channel.leaving import to_its_end
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError, MeterSilent, ProtocolError

SEND_TIMEOUT = 10.0
LEAVE_TIMEOUT = 5.0
"""Seconds for draining behind a cancellation."""


class Conversation:
    """One exchange over one channel: `async with Conversation(channel, exchange) as conversation`.

    The exchange (wire/transaction.py: exchange) may be that of the conversation before, and for RTU has to be."""

    def __init__(self, channel: Channel, exchange: Exchange) -> None:
        self._channel = channel
        self._exchange = exchange
        self._time = asyncio.get_running_loop().time

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        actions = self._exchange.leave(self.now)
        failed = isinstance(error, ChannelError) and not isinstance(error, ChannelTimeout)
        if actions and not failed:
            cancelled = isinstance(error, asyncio.CancelledError)
            await to_its_end(self._drained(actions), "draining a line", grace=LEAVE_TIMEOUT, cancelled=cancelled)

    @property
    def now(self) -> float:
        """The time in which exchanges count."""
        return self._time()

    async def ask(self, unit: int, request: Request) -> Reply:
        """The reply, an exception as well. MeterSilent and ProtocolError name the request; ChannelError."""
        try:
            return await self._until_answered(self._exchange.start(unit, request, self.now))
        except (MeterSilent, ProtocolError) as error:
            raise asked(error, unit, request) from error

    async def pause(self, seconds: float) -> None:
        """Ask nothing for so long. ChannelError, ProtocolError."""
        until = self.now + seconds
        while self.now < until:
            await self._next(until)

    async def _until_answered(self, actions: tuple[Action, ...]) -> Reply:
        while True:
            until: float | None = None
            for action in actions:
                match action:
                    case Send(data):
                        await self._channel.send(data, deadline=self.now + SEND_TIMEOUT)
                    case Wait(instant) | Drain(instant):
                        until = instant
                    case Answered(reply):
                        return reply
            assert until is not None  # an exchange that is asking says how long to wait
            actions = await self._next(until)

    async def _next(self, until: float) -> tuple[Action, ...]:
        # Twice: where the loop is late, the time is over in the same turn in which octets came. They would be taken for
        # the answer to what is sent next.
        for _ in range(2):
            with contextlib.suppress(ChannelTimeout):
                return self._exchange.feed(await self._channel.receive(deadline=until), self.now)
        return self._exchange.expired(self.now)

    # -- the way out -------------------------------------------------------------------------------------------------

    async def _drained(self, actions: tuple[Action, ...]) -> None:
        # What failed before is the error that counts.
        with contextlib.suppress(GatewayError):
            while actions:
                (drain,) = actions
                assert isinstance(drain, Drain)  # who leaves asks nothing
                actions = await self._next(drain.until)
