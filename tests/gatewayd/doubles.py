"""A line, a meter and a clock that do what a test says: as short as the protocols that they stand in for."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from datetime import UTC, datetime, timedelta

from gatewayd.acquire import Line, OnCall, Station
from gatewayd.channel import Channel, Framing
from gatewayd.channel.modem_options import CallRecord, CallResult, ModemStatus, Registration
from gatewayd.dialling import PhoneNumber
from gatewayd.errors import ChannelError
from gatewayd.model import Answer, Kind, Meter, Reading, Request
from gatewayd.obis import Obis

START = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
NUMBER = PhoneNumber("+420601234589")
PATIENCE = 20.0
"""Seconds after which a test gives up."""


class TestClock:
    """Goes on by a second each time that somebody looks, so that no two instants are the same."""

    __test__ = False

    def __init__(self, now: datetime = START, step: timedelta = timedelta(seconds=1)) -> None:
        self.now = now
        self._step = step

    def __call__(self) -> datetime:
        self.now += self._step
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ScriptedChannel:
    """Delivers chunks; an exception among them is raised, and after the last one nothing comes for ever."""

    def __init__(self, script: Iterable[bytes | Exception] = ()) -> None:
        self.script = list(script)
        self.waiting = asyncio.Event()
        """Set when somebody waits for what will never come."""
        self.closed = 0
        self.sent = b""

    @property
    def parity_errors(self) -> int:
        return 0

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        self.sent += data

    async def receive(self, *, deadline: float) -> bytes:
        if not self.script:
            self.waiting.set()
            await asyncio.Event().wait()
        part = self.script.pop(0)
        if isinstance(part, Exception):
            raise part
        return part

    async def rest(self, seconds: float) -> None:
        pass

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        pass

    async def close(self) -> None:
        self.closed += 1


Conversation = Callable[[Channel, Request], AsyncGenerator[Answer, None]]


class ScriptedDriver:
    """A driver whose conversation is an async generator of the test."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.credentials = ""

    def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        return self._conversation(channel, request)


def line_to(channel: Channel, name: str = "optical") -> Line:
    async def connect(_station: Station, _on_call: OnCall) -> Channel:
        return channel

    return Line(name, connect)


def dead_line(fault: ChannelError, name: str = "optical") -> Line:
    async def connect(_station: Station, _on_call: OnCall) -> Channel:
        raise fault

    return Line(name, connect)


class CallChannel(ScriptedChannel):
    """A connected call: closing it tells what it has cost."""

    def __init__(self, on_close: Callable[[], None], script: Iterable[bytes | Exception] = ()) -> None:
        super().__init__(script)
        self._on_close = on_close

    async def close(self) -> None:
        await super().close()
        if self.closed == 1:
            self._on_close()


def call_record(
    result: CallResult,
    line: str = "gsm",
    number: PhoneNumber = NUMBER,
    at: datetime = START,
    seconds: float = 34.0,
) -> CallRecord:
    connected = result in (CallResult.DONE, CallResult.LOST)
    return CallRecord(
        line=line,
        number=number.masked,
        started_at=at,
        connected_at=at + timedelta(seconds=20) if connected else None,
        ended_at=at + timedelta(seconds=20 + seconds),
        seconds=seconds if connected else 0.0,
        result=result,
        dialled=True,
        hung_up=True,
        bytes_sent=12 if connected else 0,
        bytes_received=345 if connected else 0,
        status=ModemStatus(sim="READY", registration=Registration.ROAMING, signal=17, connect="9600/RLP"),
    )


def station(conversation: Conversation, meter: Meter | str = "em-1001", phone: PhoneNumber | None = None) -> Station:
    meter = Meter(meter, "scripted", "optical") if isinstance(meter, str) else meter
    return Station(meter, ScriptedDriver(conversation), phone)


def reading(
    raw: str = "0008048.375",
    code: str = "1.8.0",
    *,
    meter: str = "em-1001",
    at: datetime = START,
    kind: Kind = Kind.REGISTER,
) -> Reading:
    return Reading(
        meter=meter,
        obis=Obis.parse(code),
        obis_raw=code,
        kind=kind,
        at=at,
        raw=raw.encode(),
        raw_text=raw,
        unit="kWh",
        interval_s=900 if kind is Kind.INTERVAL else None,
    )


def answering(*answers: Answer) -> Conversation:
    """One chunk from the line for each answer."""

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        for answer in answers:
            await channel.receive(deadline=0)
            yield answer

    return conversation


def failing(fault: Exception, chunks: int = 0) -> Conversation:
    """Receives some chunks, then fails."""

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        answers: tuple[Answer, ...] = ()
        for _ in range(chunks):
            await channel.receive(deadline=0)
        for answer in answers:
            yield answer
        raise fault

    return conversation


def listening(chunks: int = 1) -> Conversation:
    """Receives some chunks, then waits for more, without end."""

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        for _ in range(chunks + 1):
            await channel.receive(deadline=0)
        yield Answer(())

    return conversation
