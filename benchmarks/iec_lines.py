"""The lines of the session benchmarks: simulated meters on pseudo-terminals and behind a scripted modem.

Rules: a meter is a process of its own; what went over a line is written down in turns (what we sent, what was
answered), and the floor is computed from those bytes alone. The clock of a session runs from the open line (behind a
modem: from CONNECT) until the driver has ended it, break included, although the floor leaves the break out.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drivers.iec62056_21.driver import KIND
from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd.acquire import Acquisition, Line, OnCall, Station
from gatewayd.channel import Channel, Framing
from gatewayd.channel.modem import ModemLine, open_modem
from gatewayd.channel.modem_options import ModemOptions, SimPin
from gatewayd.channel.serial import open_serial
from gatewayd.dialling import PhoneNumber
from gatewayd.driver import Setting
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Meter, Registers, Request
from simulators.line import programming_floor_seconds

ROOT = Path(__file__).resolve().parents[1]
INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
REACTION_S = 0.2
START_BAUD = 300
PASSWORD = "12345678"  # noqa: S105 - that of a simulated meter
BLOCK = 256
PUSH_BAUD = 115200
CHARACTERS = {300: "0", 2400: "3", 9600: "5", 19200: "6"}
METER = Meter("bench", "iec62056_21", "bench")
BREAK = b"\x01B0\x03"

Open = Callable[[], Awaitable[Channel]]


@dataclass(frozen=True, slots=True)
class Taken:
    """One session: how long it took, the shortest time possible, and how many bytes came."""

    seconds: float
    floor: float
    size: int


@dataclass(frozen=True, slots=True)
class MeterLine:
    """A line with one meter, and the rates of its sign-on and of its data."""

    open: Open
    options: Iec62056_21Options
    start_baud: int
    data_baud: int

    async def session(self, request: Request) -> Taken:
        """RuntimeError when it does not bring sound readings."""
        inner = await self.open()
        channel = TurnChannel(inner)
        try:
            started = time.monotonic()
            async with aclosing(self._station().driver.execute(channel, request)) as answers:
                found = [answer async for answer in answers]
            seconds = time.monotonic() - started
        finally:
            await inner.close()
        if not found or not all(answer.sound and answer.readings for answer in found):
            raise RuntimeError(f"the session is not sound: {[answer.detail for answer in found]}")
        return Taken(seconds, self._floor(channel.turns), sum(len(answered) for _, answered in channel.turns))

    async def archived(self, acquisition: Acquisition) -> None:
        """One readout the way the daemon does it."""

        async def open_line(_station: Station, _on_call: OnCall) -> Channel:
            return await self.open()

        result = await acquisition.run(Line("bench", open_line), self._station(), Registers())
        if result.fault is not None:
            raise result.fault

    def _station(self) -> Station:
        setting = Setting(METER, self.options, self.start_baud, lambda: datetime.now(UTC), PRAGUE)
        return Station(METER, KIND.build(setting))

    def _floor(self, turns: list[tuple[bytes, bytes]]) -> float:
        (request, identification), (option, first), *rest = turns
        return programming_floor_seconds(
            request,
            identification,
            option,
            [(b"", first), *(turn for turn in rest if not turn[0].startswith(BREAK))],
            start_baud=self.start_baud,
            data_baud=self.data_baud,
            reaction_s=REACTION_S,
        )


class TurnChannel:
    """Passes everything through and keeps it in turns."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self._turns: list[tuple[bytearray, bytearray]] = []

    @property
    def turns(self) -> list[tuple[bytes, bytes]]:
        return [(bytes(asked), bytes(answered)) for asked, answered in self._turns]

    @property
    def parity_errors(self) -> int:
        return self._inner.parity_errors

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        if not self._turns or self._turns[-1][1]:
            self._turns.append((bytearray(), bytearray()))
        self._turns[-1][0].extend(data)
        await self._inner.send(data, deadline=deadline, secret=secret)

    async def receive(self, *, deadline: float) -> bytes:
        data = await self._inner.receive(deadline=deadline)
        self._turns[-1][1].extend(data)
        return data

    async def rest(self, seconds: float) -> None:
        await self._inner.rest(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await self._inner.set_line(baud, framing, deadline=deadline)

    async def close(self) -> None:
        await self._inner.close()


async def paced_meter(stack: AsyncExitStack, device: Path, baud: int, command: str | None = None) -> MeterLine:
    """An optical head: sign-on at 300 Bd, data at `baud`; with `command` a meter with a load profile."""
    await _simulator(stack, "--pty", str(device), *_meter_arguments(baud, command))
    return MeterLine(_serial(device), _options(device, command), START_BAUD, baud)


async def pushing_meter(stack: AsyncExitStack, device: Path) -> MeterLine:
    """A P1 port: a telegram each second, unasked."""
    arguments = ("--mode", "D", "--baud", str(PUSH_BAUD), "--push-every", "1", "--readout", str(INDUSTRIAL))
    await _simulator(stack, "--pty", str(device), *arguments)
    options = Iec62056_21Options(vendor="generic", mode="D")
    return MeterLine(_serial(device, PUSH_BAUD), options, PUSH_BAUD, PUSH_BAUD)


async def modem_before(stack: AsyncExitStack, device: Path, baud: int) -> MeterLine:
    """A meter whose modem port keeps to one rate, and the modem by which it is called; the open line is connected."""
    ready = await _simulator(stack, "--tcp", "0", "--baud", str(baud), *_meter_arguments(baud, None))
    await _process(stack, "modem", "--pty", str(device), "--connect-to", f"tcp:{ready.rpartition(' ')[2]}")
    line = ModemLine("modem", str(device), ModemOptions(), SimPin(), lambda: datetime.now(UTC))

    async def call() -> Channel:
        inner = open_serial("modem", device, 9600, None, 0.0)
        deadline = asyncio.get_running_loop().time() + 30
        return await open_modem(line, inner, PhoneNumber("+420600123456"), deadline=deadline)

    return MeterLine(call, _options(device, None), baud, baud)


def _meter_arguments(baud: int, command: str | None) -> list[str]:
    arguments = ["--readout", str(INDUSTRIAL), "--identification", f"SIM{CHARACTERS[baud]}BENCH"]
    if command is not None:
        arguments += ["--generate-profile", "P.01:15:4:2026-01-14:2026-01-16", "--password", PASSWORD]
        arguments += ["--commands", command, "--block", str(BLOCK)]
    return arguments


def _options(device: Path, command: str | None) -> Iec62056_21Options:
    if command is None:
        return Iec62056_21Options(vendor="generic")
    password = device.with_suffix(".pw")
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    return Iec62056_21Options.model_validate(
        {"vendor": "generic", "password_file": password, "profile_command": command}
    )


def _serial(device: Path, baud: int = START_BAUD) -> Open:
    async def open_device() -> Channel:
        return open_serial("bench", device, baud, None, 0.0)

    return open_device


async def _simulator(stack: AsyncExitStack, *arguments: str) -> str:
    return await _process(stack, "iec62056_21", *arguments)


async def _process(stack: AsyncExitStack, kind: str, *arguments: str) -> str:
    """Start a simulator; its `ready` line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators", kind, *arguments, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )

    async def end() -> None:
        process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    assert process.stdout is not None
    ready = (await process.stdout.readline()).decode().strip()
    if not ready.startswith("ready "):
        raise RuntimeError(f"the simulator {kind} does not start: {ready}")
    return ready
