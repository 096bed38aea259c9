"""How close sessions of IEC 62056-21 come to what their lines allow, at every rate, and what a line costs.

The sessions run over pseudo-terminals (over a modem: behind a scripted one) on which simulated meters send at the real
speed of the line. The floor is computed from the bytes that went over the line and the meter's reaction time, with no
reader in it. The sessions of one rate run at the same time, each on a line of its own; the ten lines are ten meters of
one bus rate that are read at once.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.iec_lines import MeterLine, modem_before, paced_meter, pushing_meter
from benchmarks.result import Result
from drivers.iec62056_21.readings import readings
from drivers.iec62056_21.vendors import choose
from drivers.iec62056_21.wire.telegram import read_block
from gatewayd.acquire import Acquisition
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Profile, Registers, Request
from gatewayd.obis import Obis

ROOT = Path(__file__).resolve().parents[1]
INDUSTRIAL = ROOT / "simulators" / "readouts" / "industrial.txt"
MT174 = ROOT.parent / "shared" / "captures" / "iec62056-21" / "iskra_mt174_15months_echo.bin"
RATES = (300, 2400, 9600, 19200)
DAY = datetime(2026, 1, 14, 23, 0, tzinfo=UTC)
PROFILE = Profile(Obis.parse("P.01"), DAY, DAY + timedelta(days=1))
SESSION_BOUND = 1.05
TEN = 10
TEN_BAUD = 9600
CPU_BOUND = 0.01
PUSHED = 20
PARSE_BOUND_MB = 1.0
REPETITIONS = 30


def run() -> list[Result]:
    """Every session kind at every rate, ten lines at once, the processor time of one line, and parsing."""
    found: list[Result] = []
    for baud in RATES:
        found += asyncio.run(_kinds(baud))
    return [*found, asyncio.run(_ten_lines()), asyncio.run(_processor()), _parsing()]


async def _kinds(baud: int) -> list[Result]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        readout = await paced_meter(stack, folder / "readout", baud)
        one_block = await paced_meter(stack, folder / "r5", baud, command="R5")
        partial = await paced_meter(stack, folder / "r6", baud, command="R6")
        behind = await modem_before(stack, folder / "modem", baud)
        sessions: Sequence[tuple[str, MeterLine, Request]] = (
            ("readout", readout, Registers()),
            ("profile R5", one_block, PROFILE),
            ("profile R6", partial, PROFILE),
            ("readout over modem", behind, Registers()),
        )
        taken = await asyncio.gather(*(line.session(request) for _, line, request in sessions))
    return [
        _session(f"{name}, {baud} Bd, {seen.size} bytes", seen.seconds, seen.floor)
        for (name, _, _), seen in zip(sessions, taken, strict=True)
    ]


def _session(name: str, seconds: float, floor: float) -> Result:
    ratio = seconds / floor
    return Result(name, seconds, floor, ratio, f"at most {SESSION_BOUND}", ratio <= SESSION_BOUND, "s")


async def _ten_lines() -> Result:
    """The worst of ten."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        lines = [await paced_meter(stack, folder / f"head{n}", TEN_BAUD) for n in range(TEN)]
        taken = await asyncio.gather(*(line.session(Registers()) for line in lines))
    worst = max(taken, key=lambda seen: seen.seconds / seen.floor)
    return _session(f"worst of ten lines at once, {TEN_BAUD} Bd", worst.seconds, worst.floor)


async def _processor() -> Result:
    """P1 telegrams of 2 kB, one each second at 115200 Bd, each received and archived as `run` does it."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        line = await pushing_meter(stack, folder / "port")
        store = Store(folder / "archive", "bench", lambda: to_us(datetime.now(UTC)))
        await asyncio.to_thread(store.open)
        try:
            acquisition = Acquisition(store, lambda: datetime.now(UTC), PRAGUE)
            for _ in range(3):  # the first ones load what they need
                await line.archived(acquisition)
            began, used = time.monotonic(), time.process_time()
            for _ in range(PUSHED):
                await line.archived(acquisition)
            used, seconds = time.process_time() - used, time.monotonic() - began
        finally:
            await asyncio.to_thread(store.close)
    if seconds > 1.1 * PUSHED:
        raise RuntimeError(f"{PUSHED} telegrams took {seconds:.1f} s: some were missed")
    share = used / seconds
    name = "processor time of a 2 kB readout a second (P1, 115200 Bd), archived; reference: one core"
    return Result(name, share, 1.0, share, f"at most {CPU_BOUND}", share <= CPU_BOUND, "s")


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
        found = readings(block, (), meter="bench", at=now, zone=PRAGUE, vendor=vendor)
        count = len(found)
        best = min(best, time.process_time() - started)
    speed = len(telegram) / best / 1e6
    name = f"{path.stem}: {len(telegram)} bytes to {count} readings"
    ok = speed >= PARSE_BOUND_MB
    return Result(name, speed, PARSE_BOUND_MB, speed / PARSE_BOUND_MB, "at least 1", ok, "MB/s")
