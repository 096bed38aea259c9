"""The driver and the simulated meter in one process, and between them somebody who changes what the meter says.

    driver -> channel -> meter (simulators) -> what the adversary makes of it -> channel -> driver

Rules: no sockets, no sleeping: a wait that nothing ends makes the loop's time jump. Whoever does not come to an end
within STEPS awaits or SECONDS of the loop's time fails the test. The meter's clock stands.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from drivers import DRIVERS
from drivers.dlms.options import DlmsOptions
from gatewayd.channel import Framing
from gatewayd.driver import Driver, Memory, Setting
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError
from gatewayd.model import Meter, Profile, RawStatus, Reading, Registers, Request
from gatewayd.obis import Obis
from tests.drivers.dlms.asked_meter import CountingMemory, Ticking
from tests.simulators.dlms_meter import InProcess, meter

T = TypeVar("T")

STEPS = 4_000
SECONDS = 300.0
NOW = "2026-11-21T13:04:20+01:00"
"""The meter's clock, and ours (asked_meter.NOW) but for some seconds."""
CODES = ("1-0:1.8.0", "1-0:32.7.0", "1-0:1.6.0", "0-0:96.1.0")
SOME = Registers(tuple(Obis.parse(code) for code in CODES))
"""A register, one with a scaler, a maximum with its time, and data that are no number."""
CLIENT_TITLE = "4757440000000001"
METER_TITLE = "53494D0000000001"

FULL = os.environ.get("GATEWAYD_TEST_FULL") == "1"


def seeds(number: int) -> range:
    """So many where there is time, and a quarter of them everywhere."""
    return range(number if FULL else number // 4)


Adversary = Callable[[int, bytes], Iterable[bytes]]
"""Number of the meter's message, from 0, and its octets -> what arrives in its place."""


def honest(number: int, said: bytes) -> Iterable[bytes]:
    return (said,)


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop in whose time a wait takes as long as is said, and no time at all."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class Endless(AssertionError):
    """What was asked does not come to an end."""


class Wire:
    """The channel. `said` is what the meter sent, message by message, before anybody touched it."""

    def __init__(self, meter: InProcess, adversary: Adversary = honest, steps: int = STEPS) -> None:
        self._meter = meter
        self._adversary = adversary
        self._steps = steps
        self._coming: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._hung_up = False
        self.parity_errors = 0
        self.said: list[bytes] = []
        self.sent: list[bytes] = []

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        self._step()
        self.sent.append(data)
        for out in self._meter.inside.framing.feed(data):
            self._coming += self._adversary(len(self.said), out.data)
            self.said.append(out.data)
            self._hung_up = self._hung_up or out.hang_up

    async def receive(self, *, deadline: float) -> bytes:
        self._step()
        while self._coming:
            if data := self._coming.pop(0):
                return data
        if self._hung_up:
            raise ChannelError("the meter closed the connection")
        self.ahead(max(0.0, deadline - self._loop.time()))
        raise ChannelTimeout("nothing received in time")

    def ahead(self, seconds: float) -> None:
        """The time goes on by so much."""
        assert isinstance(self._loop, JumpingLoop)
        self._loop.ahead += seconds

    async def rest(self, seconds: float) -> None:
        self._step()

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        self._step()

    async def close(self) -> None:
        raise AssertionError("the channel is not the driver's to close")

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0 or self._loop.time() - self._begun > SECONDS:
            raise Endless(f"after {len(self.said)} messages of the meter")


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)


@dataclass(slots=True)
class Heard:
    """What came of one session: the readings up to its end, and what ended it."""

    readings: list[Reading]
    error: GatewayError | None
    said: list[bytes]

    @property
    def whole(self) -> bool:
        return self.error is None

    @property
    def believed(self) -> set[tuple[object, ...]]:
        """What is passed on as true."""
        return {essence(reading) for reading in self.readings if reading.status is RawStatus.TRUE}

    @property
    def all(self) -> set[tuple[object, ...]]:
        """Every reading that has a value, whatever its status."""
        return {essence(reading) for reading in self.readings if reading.raw}


def essence(reading: Reading) -> tuple[object, ...]:
    """What a reading says. A clock goes on: its minute is what counts."""
    clock = reading.code == "0-0:1.0.0*255"
    raw = reading.raw[:7] if clock else reading.raw
    text = "" if clock else reading.raw_text
    time = reading.at if reading.meter_time and not clock else None
    return reading.code, reading.kind, raw, text, reading.unit, reading.scaler, time


@dataclass
class Case:
    """A meter with its driver, session after session, over the same line."""

    meter: InProcess
    options: dict[str, Any]  # Any: as the configuration has them
    baud: int | None = None
    memory: Memory = field(default_factory=CountingMemory)

    def __post_init__(self) -> None:
        setting = Setting(
            meter=Meter("em-1", "dlms", "bus"),
            options=DlmsOptions.model_validate(self.options),
            line_baud=self.baud,
            clock=Ticking(),
            zone=ZoneInfo("Europe/Prague"),
            memory=self.memory,
        )
        self.driver: Driver = DRIVERS["dlms"].build(setting)

    def ask(
        self,
        request: Request = SOME,
        adversary: Adversary = honest,
        *,
        wire: Callable[..., Wire] = Wire,
        same_connection: bool = False,
    ) -> Heard:
        """One session; only errors that the gateway knows may end it."""
        if not same_connection:
            self.meter.inside.framing.disconnected()
        return run(self._ask(request, adversary, wire))

    async def _ask(self, request: Request, adversary: Adversary, wire: Callable[..., Wire]) -> Heard:
        channel = wire(self.meter, adversary)
        heard = Heard([], None, channel.said)
        try:
            answers: AsyncGenerator[Any, None] = self.driver.execute(channel, request)
            async with aclosing(answers):
                async for answer in answers:
                    heard.readings += answer.readings
        except GatewayError as error:
            heard.error = error
        return heard


@dataclass(frozen=True)
class Kind:
    """A sort of session: arguments of the meter, options of the driver. Made afresh for each test."""

    name: str
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()  # Any: as the configuration has them
    keys: bool = False
    password: str = ""

    def made(self, folder: Path, *more: str) -> Case:
        """A new meter and its driver."""
        arguments = ["--now", NOW, *self.arguments, *more]
        options: dict[str, Any] = dict(self.options)
        if self.keys:
            for name, option, octets in (
                ("block", "--key-file", BLOCK_KEY),
                ("auth", "--auth-key-file", AUTHENTICATION_KEY),
            ):
                file = folder / name
                if not file.exists():
                    file.write_text(octets.hex())
                    file.chmod(0o600)
                arguments += [option, str(file)]
            options["block_cipher_key_file"] = str(folder / "block")
            options["authentication_key_file"] = str(folder / "auth")
            options["system_title"] = CLIENT_TITLE
        if self.password:
            file = folder / "password"
            if not file.exists():
                file.write_text(self.password)
                file.chmod(0o600)
            arguments += ["--password", self.password]
            options["password_file"] = str(file)
        return Case(meter(*arguments), options)


BLOCK_KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0))
_WRAPPER = ("--framing", "wrapper")
_WRAPPED = (("transport", "wrapper"), ("release", "no"))
_HDLC = (("transport", "hdlc"), ("physical", 17))
PLAIN_HDLC = Kind("plain hdlc", ("--framing", "hdlc"), _HDLC)
PLAIN_WRAPPER = Kind("plain wrapper", _WRAPPER, _WRAPPED)


def ciphered(form: str, general: bool, security: str, authentication: str, *more: str) -> Kind:
    """In the wrapper, where nothing but the ciphering checks."""
    name = f"{'general ' if general else ''}{form} {security} {authentication} {' '.join(more)}".strip()
    return Kind(
        name,
        (*_WRAPPER, "--client", "1", "--security", security, "--authentication", authentication, *more),
        (
            *_WRAPPED,
            ("client", 1),
            ("security", security),
            ("authentication", authentication),
            ("ciphering", form),
            ("general", general),
        ),
        keys=True,
        password="" if authentication in ("none", "hls-gmac") else "a password",
    )


# -- what an adversary does -------------------------------------------------------------------------------------------


def changed(number: int, change: Callable[[bytes], bytes]) -> Adversary:
    """Message `number` is changed, the others are not."""

    def adversary(at: int, said: bytes) -> Iterable[bytes]:
        return (change(said) if at == number else said,)

    return adversary


def flipped(octets: bytes, bit: int) -> bytes:
    """Bit 0 is the lowest of the first octet."""
    there = bytearray(octets)
    there[bit // 8] ^= 1 << bit % 8
    return bytes(there)


def burst(octets: bytes, begin: int, pattern: int) -> bytes:
    """Several bits at once: `pattern` from bit `begin` on."""
    for offset in range(pattern.bit_length()):
        if pattern >> offset & 1:
            octets = flipped(octets, begin + offset)
    return octets


@dataclass
class Shuffler:
    """Anything: flips, cuts, doubles, drops, puts in another order, plays again. The same seed does the same."""

    random: Random
    rate: float = 0.2
    earlier: Sequence[bytes] = ()
    """Messages of earlier sessions."""
    flips: bool = True
    heard: list[bytes] = field(default_factory=list)
    _held: bytes = b""

    def __call__(self, number: int, said: bytes) -> Iterable[bytes]:
        self.heard.append(said)
        held, self._held = self._held, b""
        if self.random.random() > self.rate:
            return (said, held)
        kinds = ("cut", "double", "drop", "hold", "replay", "before", "flip", "head", "splice", "extend")
        match self.random.choice(kinds):
            case "cut":
                return (said[: self.random.randrange(len(said))], held) if said else (held,)
            case "double":
                return (said, said, held)
            case "drop":
                return (held,)
            case "hold":
                self._held = said
                return (held,)
            case "replay":
                return (self._old(), held)
            case "before":
                return (self._old(), said, held)
            case "head":
                return (said[self.random.randrange(len(said)) :], held) if said else (held,)
            case "splice" if said:
                at = self.random.randrange(len(said))
                return (said[:at] + self._old()[at:], held)
            case "extend":
                return (said + self.random.randbytes(self.random.randint(1, 9)), held)
            case _ if said and self.flips:
                for _ in range(self.random.choice((1, 1, 1, 2, 8))):
                    said = flipped(said, self.random.randrange(8 * len(said)))
                return (said, held)
            case _:
                return (said, held)

    def _old(self) -> bytes:
        return self.random.choice([*self.earlier, *self.heard])


def profile_of(day: str = "2026-11-20") -> Profile:
    """One day of quarter-hours of the meter."""
    begin = datetime.fromisoformat(f"{day}T00:00:00+01:00").astimezone(ZoneInfo("UTC"))
    return Profile(Obis.parse("1-0:99.1.0"), begin, begin + timedelta(days=1))
