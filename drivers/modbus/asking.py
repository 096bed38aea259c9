"""Requests for registers, as few as can be: together what is near, finer where the device refuses that.

Rules: what a device refuses with "illegal data address" or "illegal data value" is asked for in smaller parts, down to
what cannot be divided; what is learned of that is kept for the next session. A device that is busy is asked once more;
one behind a gateway that does not answer it is silent. All other exceptions are in the image, for whoever needs what
was refused. What had come before an error is there as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from drivers.modbus.conversation import Conversation
from drivers.modbus.image import Image
from drivers.modbus.naming import asked
from drivers.modbus.reading_plan import Forbidden
from drivers.modbus.wire.pdu import ExceptionCode, Read, Refused, Reply, Request, Words
from drivers.modbus.wire.plan import Span, plan, split
from gatewayd.driver import Clock
from gatewayd.errors import MeterSilent, ProtocolError

BUSY_PAUSE_S = 0.5
"""Seconds before a device that is busy is asked again."""
ADDRESSES = (ExceptionCode.ILLEGAL_DATA_ADDRESS, ExceptionCode.ILLEGAL_DATA_VALUE)
"""2: not all of these addresses are there; 3: not so many at once (MODBUS Application Protocol V1.1b3, 6.3)."""
OF_REQUEST = (ExceptionCode.ILLEGAL_FUNCTION, *ADDRESSES)
"""What says that the device does not have what was asked for. Every other exception is a fault of the moment."""
_BUSY = (ExceptionCode.ACKNOWLEDGE, ExceptionCode.SERVER_DEVICE_BUSY)
_BEHIND = (ExceptionCode.GATEWAY_PATH_UNAVAILABLE, ExceptionCode.GATEWAY_TARGET_FAILED_TO_RESPOND)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a device is asked: its unit, the longest request, what may be read along, how often a request is sent."""

    unit: int
    max_registers: int
    max_gap: int
    attempts: int = 1


class Reader:
    """Asks one device. `learned`: what it refused in this session."""

    def __init__(
        self, conversation: Conversation, manner: Manner, clock: Clock, forbidden: Forbidden | None = None
    ) -> None:
        self._conversation = conversation
        self._manner = manner
        self._clock = clock
        self._forbidden = (forbidden or Forbidden()).spans
        self.learned: set[Span] = set()

    async def read(self, image: Image) -> None:
        """Everything that the image wants. MeterSilent, ProtocolError, ChannelError."""
        manner = self._manner
        for read in plan(image.wanted, manner.max_registers, manner.max_gap, self._forbidden):
            await self._read(read, image)

    async def ask(self, request: Request) -> Reply:
        """One request: the reply, of exceptions those that say something of the request. Errors as `read`."""
        reply = await self._reply(request)
        if isinstance(reply, Refused) and reply.code not in OF_REQUEST:
            raise asked(ProtocolError(f"refuses: {reply.text}"), self._manner.unit, request)
        return reply

    async def _reply(self, request: Request) -> Reply:
        """The reply, once it is no longer that the device is busy, or not to be reached."""
        reply = await self._attempted(request)
        if isinstance(reply, Refused) and reply.code in _BUSY:
            await self._conversation.pause(BUSY_PAUSE_S)
            reply = await self._attempted(request)
        if isinstance(reply, Refused) and reply.code in _BEHIND:
            silent = MeterSilent(f"does not answer the gateway on its line: {reply.text}")
            raise asked(silent, self._manner.unit, request)
        if isinstance(reply, Refused) and reply.code in _BUSY:
            raise asked(ProtocolError(f"refuses twice: {reply.text}"), self._manner.unit, request)
        return reply

    async def _attempted(self, request: Request) -> Reply:
        for _ in range(self._manner.attempts - 1):
            try:
                return await self._conversation.ask(self._manner.unit, request)
            except (MeterSilent, ProtocolError):
                continue
        return await self._conversation.ask(self._manner.unit, request)

    async def _read(self, read: Read, image: Image) -> bool:
        """Whether the device answered all of it at once."""
        match await self._reply(read):
            case Words(octets):
                image.add(read, octets, self._clock())
                return True
            case Refused(code) as refused:
                parts = split(read, image.wanted) if code in ADDRESSES else ()
                answered = [await self._read(part, image) for part in parts]
                image.refuse(read, refused)  # behind the parts: what is as long as the request is none of them
                if not parts:
                    self.learned |= {(read.function, read.address, read.count)} if code in ADDRESSES else set()
                elif all(answered):
                    self.learned.update(_borders(parts))
                return False
            case other:
                raise AssertionError(f"{other} in answer to {read}")  # parse_reply has seen to that


def _borders(parts: Sequence[Read]) -> Iterator[Span]:
    """What must not be read across, where all parts can be read and the whole cannot: the registers between them, or,
    where there are none, the border itself."""
    for before, after in pairwise(parts):
        if before.end < after.address:
            yield before.function, before.end, after.address - before.end
        elif before.end == after.address:
            yield before.function, before.end - 1, 2
