"""How close a readout comes to what the line allows, and how fast a telegram becomes readings.

The session runs over a pseudo-terminal on which the simulated meter sends at the real speed of the line; the floor is
computed from the bytes and the meter's reaction time (200 ms, twice), with no reader in it.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from benchmarks.result import Result
from drivers.iec62056_21.driver import Iec62056_21Driver
from drivers.iec62056_21.readings import readings
from drivers.iec62056_21.vendors import choose
from drivers.iec62056_21.wire.session import SessionSettings
from drivers.iec62056_21.wire.telegram import read_block
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.channel.serial import open_serial
from gatewayd.model import Answer, Meter, Registers
from simulators.line import floor_seconds

ROOT = Path(__file__).resolve().parents[1]
INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
MT174 = ROOT.parent / "shared" / "captures" / "iec62056-21" / "iskra_mt174_15months_echo.bin"
ZONE = ZoneInfo("Europe/Prague")
SESSION_BOUND = 1.05
PARSE_BOUND_MB = 1.0
REPETITIONS = 30


def run() -> list[Result]:
    """A paced mode C session against its floor; parsing against 1 MB/s."""
    return [asyncio.run(_session()), _parsing()]


async def _session() -> Result:
    with TemporaryDirectory() as folder:
        device = Path(folder) / "meter"
        command = ["-m", "simulators", "iec62056_21", "--readout", str(INDUSTRIAL), "--pty", str(device)]
        simulator = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        assert simulator.stdout is not None
        await simulator.stdout.readline()
        try:
            seconds, received = await _read(device)
        finally:
            simulator.terminate()
            await simulator.wait()
    end_of_identification = received.index(b"\r\n") + 2
    floor = floor_seconds(
        b"/?!\r\n",
        received[:end_of_identification],
        b"\x06050\r\n",
        received[end_of_identification:],
        start_baud=300,
        data_baud=9600,
        reaction_s=0.2,
    )
    ratio = seconds / floor
    name = f"mode C session, 300 -> 9600 Bd, {len(received)} bytes"
    return Result(name, seconds, floor, ratio, f"at most {SESSION_BOUND}", ratio <= SESSION_BOUND, "s")


async def _read(device: Path) -> tuple[float, bytes]:
    meter = Meter("bench", "iec62056_21", "bench")
    driver = Iec62056_21Driver(meter, SessionSettings(), "generic", lambda: datetime.now(UTC), ZONE)
    started = time.monotonic()
    channel = RecordingChannel(open_serial("bench", device, 300, None, 0.0))
    try:
        answer = await _answer(driver.execute(channel, Registers()))
    finally:
        await channel.close()
    seconds = time.monotonic() - started
    if not answer.sound or not answer.readings:
        raise RuntimeError(f"the readout is not sound: {answer.detail}")
    return seconds, channel.take()


async def _answer(answers: AsyncGenerator[Answer, None]) -> Answer:
    async with aclosing(answers):
        return await anext(answers)


def _parsing() -> Result:
    path, start = (MT174, 6) if MT174.exists() else (INDUSTRIAL, 0)
    telegram = path.read_bytes()[start:]
    if path is INDUSTRIAL:
        telegram = b"\x02" + telegram + b"\x03\x00"  # the check character does not matter for the speed
    now = datetime.now(UTC)
    vendor = choose("generic", "")
    best = float("inf")
    count = 0
    for _ in range(REPETITIONS):
        started = time.process_time()
        block = read_block(telegram, None)
        found = readings(block, (), meter="bench", at=now, zone=ZONE, vendor=vendor)
        count = len(found)
        best = min(best, time.process_time() - started)
    speed = len(telegram) / best / 1e6
    name = f"{path.stem}: {len(telegram)} bytes to {count} readings"
    ok = speed >= PARSE_BOUND_MB
    return Result(name, speed, PARSE_BOUND_MB, speed / PARSE_BOUND_MB, "at least 1", ok, "MB/s")
