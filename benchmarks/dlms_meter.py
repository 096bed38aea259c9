"""A simulated DLMS meter for the benchmark, and whole sessions with it.

Rules: the meter is a process of its own; sessions run the way the daemon runs them, into a real archive.
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Never

from benchmarks.counted import Counted
from drivers.dlms.driver import KIND
from drivers.dlms.options import DlmsOptions
from gatewayd.acquire import Acquisition, Line, OnCall, Station
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.channel import Channel, Framing
from gatewayd.channel.tcp import open_tcp
from gatewayd.driver import Setting
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Meter, Profile
from gatewayd.obis import Obis

ROOT = Path(__file__).resolve().parents[1]
METER = Meter("bench", "dlms", "bench")
NOW = "2026-11-27T09:00:00+01:00"
DAY = datetime(2026, 11, 25, 23, 0, tzinfo=UTC)
PROFILE = Obis.parse("1-0:99.1.0")
READINGS = 96 * 4
WARM_UP = 3
"""Sessions that are not counted: object list, scalers and capture objects are asked for once."""
PATIENCE = 60.0
_NEEDED = {
    "wrapper": 5,  # AARQ, proof of the key, clock and identity in one list, profile in one APDU, release
    "hdlc": 7,  # SNRM, AARQ, proof, list, profile in two segments of 2030 octets, DISC
}

Silence = Never
"""Of what a benchmark never asks."""


@dataclass(frozen=True, slots=True)
class MeterDay:
    """What a session costs, the processor time of all our threads in milliseconds, and what it sends."""

    cpu_ms: float
    round_trips: int
    needed: int


async def meter_day(stack: AsyncExitStack, folder: Path, transport: str, days: int) -> MeterDay:
    """Association with GMAC, clock and identity, the profile of a day, archived; the mean of so many sessions.

    RuntimeError when one of them is not sound."""
    keys = {name: folder / name for name in ("block_cipher", "authentication")}
    for number, path in enumerate(keys.values()):
        path.write_text(bytes(range(16 * number, 16 * number + 16)).hex(), encoding="ascii")
    port = await _meter(stack, transport, keys["block_cipher"], keys["authentication"])
    options = DlmsOptions.model_validate(
        {
            "transport": transport,
            "client": 1,
            "server": 1,
            **({"physical": 17, "max_info": 2030} if transport == "hdlc" else {}),
            "authentication": "hls-gmac",
            "security": "authenticated-encrypted",
            "system_title": "4757444245434831",
            **{f"{name}_key_file": path for name, path in keys.items()},
        }
    )
    counted: list[Counted] = []

    async def connect(_station: Station, _on_call: OnCall) -> Channel:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        counted.append(Counted(await open_tcp("bench", "127.0.0.1", port, Framing.N81, deadline=deadline)))
        return counted[-1]

    store = Store(folder / "archive", "bench", lambda: to_us(_now()), group_seconds=0.0)
    await asyncio.to_thread(store.open)
    stack.push_async_callback(asyncio.to_thread, store.close)
    acquisition = Acquisition(store, _now, PRAGUE)
    setting = Setting(METER, options, None, _now, PRAGUE, store.memory_of(METER.id))
    station, line = Station(METER, KIND.build(setting)), Line("bench", connect)
    started = 0.0
    for number in range(WARM_UP + days):
        if number == WARM_UP:
            started = time.process_time()
        begin = DAY - timedelta(days=number)  # another one each time: what is archived already is not archived again
        result = await acquisition.run(line, station, Profile(PROFILE, begin, begin + timedelta(days=1)))
        if result.fault is not None or sum(one.reading.interval_s == 900 for one in result.readings) != READINGS:
            raise RuntimeError(f"the session is not sound: {result.fault}, {len(result.readings)} readings")
    cpu = (time.process_time() - started) / days * 1000
    return MeterDay(cpu, counted[-1].sent, _NEEDED[transport])


async def _meter(stack: AsyncExitStack, transport: str, key: Path, authentication: Path) -> int:
    arguments = ["--tcp", "0", "--framing", transport, "--client", "1", "--authentication", "hls-gmac"]
    arguments += ["--security", "authenticated-encrypted", "--key-file", str(key), "--auth-key-file"]
    arguments += [str(authentication), "--now", NOW, "--max-info", "2030", "--profile-days", "200"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators", "dlms", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(_ended, process)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        ready = (await process.stdout.readline()).decode()
    return int(ready.rsplit(":", 1)[1])


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def _now() -> datetime:
    return datetime.now(UTC)
