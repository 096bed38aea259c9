"""A meter that sends by itself: bytes of its line to Answers, one for each message, sound or not.

Rules: nothing is ever sent. What is damaged, not proved or not understood is an Answer without readings that says so,
and the next message is heard all the same; its bytes are recorded by the caller like all others. Half a frame is given
up after 3 seconds of silence, a message that lacks a frame after 10. Silence between messages is a fault only where it
is configured to be one. What the channel still holds when it fails is told before the failure.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

from drivers.dlms.push_options import PushOptions
from drivers.dlms.push_readings import Heard, Source, readings_of
from drivers.dlms.push_receiver import PushReceiver, Received
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.push_event import Damage, Event, Spoilt, Waiting
from drivers.dlms.wire.push_reader import Framing, PushReader
from drivers.dlms.wire.security import Keys, Kind, SecurityError, Suite
from gatewayd.channel import Channel
from gatewayd.driver import Memory
from gatewayd.errors import ChannelError, ChannelTimeout, MeterDiffers, MeterSilent, ProtocolError
from gatewayd.model import Answer, Listen, Outcome, Reading, Registers, Request
from gatewayd.model import Kind as ReadingKind
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

Located = tuple[Event, int]
"""An event, and how many of the octets that came last it took."""

_PATIENCE = {Waiting.NOTHING: None, Waiting.FRAME: 3.0, Waiting.MESSAGE: 10.0}
"""Seconds of silence before what is waited for is given up."""
_AT_ONCE = 4096
"""Octets of noise whose reading takes some 20 ms."""
_WAIT = 3600.0
"""Longest single wait of somebody who waits for ever."""
_OUTCOME = {
    Damage.CHECK: Outcome.CHECK_FAILED,
    Damage.CUT: Outcome.TRUNCATED,
    Damage.FORM: Outcome.PROTOCOL_ERROR,
}
_WEAK = (Framing.MBUS, Framing.RAW)
"""A sum of eight bits, or nothing."""
_DETAILS = 3
"""Complaints that are told of one piece of damage: the bytes have it all."""


@dataclass(frozen=True, slots=True)
class PushContext:
    """Whose line it is, and how its messages are opened and read. `title`: the system title that the meter has to have,
    empty for any."""

    meter: str
    options: PushOptions
    rules: ClockRules
    clock: Callable[[], datetime]
    memory: Memory
    keys: Keys | None = None
    suite: Suite = Suite.SUITE_0
    title: bytes = b""


async def listen(channel: Channel, context: PushContext, request: Request) -> AsyncGenerator[Answer, None]:
    """Listen: an Answer for each message, for ever. Registers: until all that are asked for have come, or, where none
    is named, one whole message; what has not come in time is missing.

    MeterSilent where nothing comes, ProtocolError where nothing sound comes; MeterDiffers for what only an asked meter
    answers; ChannelError, ArchiveError.
    """
    minimum = context.options.minimum(keys=context.keys is not None)
    receiver = PushReceiver(context.keys, context.suite, minimum, context.title, context.memory)
    hearing = _Hearing(channel, context, receiver)
    match request:
        case Listen():
            answers = _for_ever(hearing, context.options.silence_s)
        case Registers(registers):
            answers = _registers(hearing, context, registers)
        case _:
            raise MeterDiffers("only sends by itself (push): it cannot be asked for this")
    try:
        async with aclosing(answers):
            async for answer in answers:
                yield answer
    finally:
        await receiver.close()


async def _for_ever(hearing: "_Hearing", silence: int | None) -> AsyncGenerator[Answer, None]:
    heard = hearing.now
    while True:
        answers = await hearing.next(heard + silence if silence is not None else hearing.now + _WAIT)
        if answers is None and silence is not None:
            raise MeterSilent(f"has sent no sound message for {silence} s (push: silence_s)")
        for answer in answers or ():
            heard = hearing.now if answer.sound else heard
            yield answer


async def _registers(
    hearing: "_Hearing", context: PushContext, registers: tuple[Obis, ...]
) -> AsyncGenerator[Answer, None]:
    rest = list(dict.fromkeys(registers))
    until = hearing.now + context.options.timeout_s
    unsound: Answer | None = None
    sound = False
    while (answers := await hearing.next(until)) is not None:
        for answer in answers:
            if not answer.sound:
                unsound = answer
                continue
            sound = True
            came = tuple(reading for reading in answer.readings if _wanted(reading, rest) or not registers)
            rest = [obis for obis in rest if not any(_same(obis, reading.obis) for reading in came)]
            if came or not registers:
                yield replace(answer, readings=came)
            if not rest:
                return
        if hearing.now > until:
            break
    if not sound:
        if unsound is None:
            raise MeterSilent(f"has sent nothing for {context.options.timeout_s} s (push: timeout_s)")
        raise ProtocolError(unsound.detail)
    yield Answer(tuple(_missing(context, obis) for obis in rest))


class _Hearing:
    """What comes from a channel, as Answers."""

    def __init__(self, channel: Channel, context: PushContext, receiver: PushReceiver) -> None:
        self._channel = channel
        self._context = context
        self._receiver = receiver
        self._reader = PushReader(Framing(context.options.framing))
        self._time = asyncio.get_running_loop().time
        self._failure: ChannelError | None = None
        self._parity_errors = channel.parity_errors  # before what is being heard

    @property
    def now(self) -> float:
        return self._time()

    async def next(self, until: float) -> list[Answer] | None:
        """What the next bytes, or a silence in the middle of something, bring; None when there is only silence. A
        failure of the channel is raised when what it has left is told."""
        if self._failure is not None:
            raise self._failure
        patience = _PATIENCE[self._reader.waiting]
        deadline = until if patience is None else self._time() + patience
        try:
            data = await self._channel.receive(deadline=deadline)
        except ChannelTimeout:
            return None if patience is None else await self._answers(self._finished())
        except ChannelError as error:  # a meter that hangs up behind its message has said everything
            self._failure = error
            return await self._answers(self._finished())
        return await self._answers(await self._located(data), len(data))

    async def _located(self, data: bytes) -> Sequence[Located]:
        """Who floods us with octets holds up nobody else: the other lines have their turn between the pieces."""
        found: list[Located] = []
        for begin in range(0, len(data), _AT_ONCE):
            if begin:
                await asyncio.sleep(0)
            found += [(event, begin + end) for event, end in self._reader.located(data[begin : begin + _AT_ONCE])]
        return found

    def _finished(self) -> Sequence[Located]:
        return [(event, 0) for event in self._reader.finish()]

    async def _answers(self, events: Sequence[Located], size: int = 0) -> list[Answer]:
        """What `size` octets have brought. Those behind a message belong to the next one, where one has begun."""
        answers = await self._told(events, size)
        if self._reader.waiting is Waiting.NOTHING:
            self._parity_errors = self._channel.parity_errors
            return [*answers[:-1], *(replace(answer, behind=0) for answer in answers[-1:])]
        return answers

    async def _told(self, events: Sequence[Located], size: int) -> list[Answer]:
        answers: list[Answer] = []
        damage: list[Spoilt] = []
        damaged = 0
        for event, end in events:
            if isinstance(event, Spoilt):
                damage.append(event)
                damaged = size - end
                continue
            if damage:
                answers.append(replace(_damaged(damage), behind=damaged))
                damage = []
            answers.append(replace(await self._answer(event.apdu), behind=size - end))
        return [*answers, replace(_damaged(damage), behind=damaged)] if damage else answers

    async def _answer(self, apdu: bytes) -> Answer:
        context = self._context
        try:
            received = await self._receiver.receive(apdu)
            faults = self._line_faults(received)
            heard = readings_of(received.message, _source(context, received, faults))
        except SecurityError as error:
            failed = Outcome.CHECK_FAILED if error.kind is Kind.TAG else Outcome.PROTOCOL_ERROR
            return Answer((), failed, str(error))
        except ProtocolError as error:
            return Answer((), Outcome.PROTOCOL_ERROR, f"sends a message that cannot be read: {error}")
        if faults:
            detail = "; ".join(("sends characters with wrong parity", *heard.complaints))
            return Answer(heard.readings, Outcome.CHECK_FAILED, detail, heard.serials, heard.version)
        return _sound(received, heard)

    def _line_faults(self, received: Received) -> tuple[Fault, ...]:
        """Where neither a tag nor an FCS vouches for the octets, their parity is heard, too."""
        weak = self._reader.framing in _WEAK and not received.proved
        return (Fault.PARITY,) if weak and self._channel.parity_errors > self._parity_errors else ()


def _source(context: PushContext, received: Received, faults: tuple[Fault, ...]) -> Source:
    options = context.options
    return Source(
        context.meter,
        context.clock(),
        context.rules,
        received.title,
        options.layout,
        options.codes,
        options.units,
        faults,
    )


def _sound(received: Received, heard: Heard) -> Answer:
    complaints = heard.complaints
    if received.protection and not received.proved:
        complaints = ("encrypted only: nothing proves that these values are the meter's", *complaints)
    if not heard.readings:
        return Answer((), Outcome.PROTOCOL_ERROR, "; ".join((*complaints, "sends a message without a single value")))
    return Answer(heard.readings, Outcome.DONE, "; ".join(complaints), heard.serials, heard.version)


def _damaged(damage: list[Spoilt]) -> Answer:
    reasons = list(dict.fromkeys(spoilt.reason for spoilt in damage))
    more = f" (and {len(reasons) - _DETAILS} more)" if len(reasons) > _DETAILS else ""
    return Answer((), _OUTCOME[damage[0].damage], "; ".join(reasons[:_DETAILS]) + more)


def _wanted(reading: Reading, registers: list[Obis]) -> bool:
    return any(_same(obis, reading.obis) for obis in registers)


def _same(asked: Obis, sent: Obis | None) -> bool:
    """Abstract objects have no medium, but some meters write 1-0 for them: as in readouts by IEC 62056-21."""
    if sent is None or asked == sent:
        return asked == sent
    return asked.c >= 94 and (asked.a, asked.b) == (0, 0) and asked.groups[2:] == sent.groups[2:]


def _missing(context: PushContext, obis: Obis) -> Reading:
    """A register that was asked for and did not come."""
    status, flags = judge((Fault.NOT_IN_READOUT,))
    return Reading(
        meter=context.meter,
        obis=obis,
        obis_raw="",
        kind=ReadingKind.REGISTER,
        at=context.clock(),
        raw=b"",
        raw_text="",
        status=status,
        flags=flags,
    )
