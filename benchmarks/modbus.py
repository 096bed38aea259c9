"""Modbus: requests a second beside the bare pymodbus client, requests for a meter, a slow line, two hundred meters.

Rules: both clients ask the same foreign server (pymodbus's, a process of its own). The floor of the slow line is
computed from the bytes that went over it, the silence of 3.5 characters before each request, and the slave's delay: the
same silence, by which it knows that the request has ended, and its reaction. Two hundred meters are read the way the
daemon reads them, into a real archive; the processor time is ours alone.
"""

import asyncio
import random
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pymodbus.client import AsyncModbusTcpClient

from benchmarks.counted import Counted
from benchmarks.result import Result
from drivers.modbus.conversation import Conversation
from drivers.modbus.driver import KIND
from drivers.modbus.maps import maps
from drivers.modbus.options import CHARACTER_BITS, ModbusOptions
from drivers.modbus.wire.pdu import Function, Read, Words
from drivers.modbus.wire.transaction import exchange
from gatewayd.acquire import Acquisition, Line, OnCall, Station
from gatewayd.archive.query import Reader
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.channel import Channel, Framing
from gatewayd.channel.serial import open_serial
from gatewayd.channel.tcp import open_tcp
from gatewayd.driver import Forgetful, Setting
from gatewayd.legal_time import PRAGUE
from gatewayd.model import Meter, Registers
from gatewayd.obis import Obis
from gatewayd.schedule import Every
from gatewayd.worker import Job, LineWorker

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0
AT_ONCE = 120
REQUESTS = 1500
TURNS = 3
RATE_BOUND, FLOOR_BOUND, REQUESTS_BOUND = 0.8, 1.05, 4
MAP, REGISTERS_OF_A_METER = "eastron-sdm630", 60
LEFT_OUT = (Obis.parse("1-0:91.7.0"),)
"""The current in the neutral lies by itself, far from everything else."""
BAUD, REACTION_S = 9600, 0.02
METERS, SECONDS = 200, 20


def run() -> list[Result]:
    """Requests a second, requests of a meter, the slow line, two hundred meters."""
    return [asyncio.run(_rate()), *asyncio.run(_slow_line()), *asyncio.run(_many_meters())]


# -- requests a second -------------------------------------------------------------------------------------------------


async def _rate() -> Result:
    async with AsyncExitStack() as stack:
        port = await _process(stack, "benchmarks.modbus_server")
        ours, theirs = 0.0, 0.0
        for _ in range(TURNS):
            ours = max(ours, await _ours(port))
            theirs = max(theirs, await _theirs(port))
    ratio = ours / theirs
    name = f"requests/s, {AT_ONCE} registers, Modbus TCP; bare pymodbus"
    return Result(name, ours, theirs, ratio, f"at least {RATE_BOUND:g}", ratio >= RATE_BOUND, "1/s")


async def _ours(port: int) -> float:
    options = ModbusOptions.model_validate({"unit": 1, "map": MAP, "transport": "tcp"})
    channel = await open_tcp("bench", "127.0.0.1", port, Framing.N81, deadline=asyncio.get_running_loop().time() + 10)
    request = Read(Function.READ_HOLDING_REGISTERS, 0, AT_ONCE)
    expected = b"".join(number.to_bytes(2) for number in range(AT_ONCE))
    try:
        async with Conversation(channel, exchange(options.frames, options.settings(None))) as conversation:
            started = time.perf_counter()
            for _ in range(REQUESTS):
                reply = await conversation.ask(1, request)
                if not isinstance(reply, Words) or reply.octets != expected:
                    raise RuntimeError(f"a wrong answer: {reply}")
            return REQUESTS / (time.perf_counter() - started)
    finally:
        await channel.close()


async def _theirs(port: int) -> float:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    expected = list(range(AT_ONCE))
    try:
        started = time.perf_counter()
        for _ in range(REQUESTS):
            reply = await client.read_holding_registers(0, count=AT_ONCE, device_id=1)
            if reply.registers != expected:
                raise RuntimeError(f"a wrong answer: {reply}")
        return REQUESTS / (time.perf_counter() - started)
    finally:
        client.close()


# -- a slow line -------------------------------------------------------------------------------------------------------


async def _slow_line() -> list[Result]:
    """Sixty registers of a meter and its serial number, at 9600 Bd on a pseudo-terminal that takes its time."""
    chosen = [register for register in maps()[MAP].registers if register.code not in LEFT_OUT]
    pieces = sorted((piece for register in chosen for piece in register.pieces), key=lambda piece: piece.address)
    last = pieces[REGISTERS_OF_A_METER // 2 - 1].address
    codes = tuple(r.code for r in chosen if all(piece.address <= last for piece in r.pieces))
    words = sum(piece.words for piece in pieces if piece.address <= last)
    async with AsyncExitStack() as stack:
        device = Path(stack.enter_context(TemporaryDirectory())) / "line"
        arguments = ("--pty", str(device), "--map", MAP, "--baud", str(BAUD), "--reaction-ms", str(REACTION_S * 1000))
        await _process(stack, "simulators", "modbus", *arguments, "--lenient")
        best, floor, requests = float("inf"), 0.0, 0
        for _ in range(TURNS):
            channel = Counted(open_serial("bench", device, BAUD, Framing.N81, 0.0))
            driver = KIND.build(_setting(Meter("bench", "modbus", "bench"), {"unit": 1, "map": MAP}, BAUD))
            started = time.perf_counter()
            found = [answer async for answer in driver.execute(channel, Registers(codes))]
            seconds = time.perf_counter() - started
            await channel.close()
            if [len(answer.readings) for answer in found if answer.sound] != [len(codes)]:
                raise RuntimeError(f"the session is not sound: {[answer.detail for answer in found]}")
            requests = channel.sent
            character = CHARACTER_BITS_ON_THE_LINE / BAUD
            octets = channel.octets_sent + channel.octets_received
            # Both sides wait for 3.5 characters: we before a request, the slave until it knows that it has ended.
            slave_delay = 3.5 * character + REACTION_S
            floor = octets * character + requests * (3.5 * character + slave_delay)
            best = min(best, seconds)
    over = best / floor
    return [
        Result(
            f"RTU at {BAUD} Bd, {words} registers; floor",
            best,
            floor,
            over,
            f"at most {FLOOR_BOUND:g}",
            over <= FLOOR_BOUND,
            "s",
        ),
        Result(
            f"requests for {words} registers and the serial number",
            requests,
            REQUESTS_BOUND,
            requests / REQUESTS_BOUND,
            f"at most {REQUESTS_BOUND}",
            requests <= REQUESTS_BOUND,
        ),
    ]


CHARACTER_BITS_ON_THE_LINE = CHARACTER_BITS - 1
"""8N1."""


# -- two hundred meters ------------------------------------------------------------------------------------------------


async def _many_meters() -> list[Result]:
    """Each on a line of its own, every second, for twenty seconds."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port = await _process(stack, "benchmarks.modbus_server")
        store = Store(folder, "bench", lambda: to_us(_now()))
        await asyncio.to_thread(store.open)
        stack.push_async_callback(asyncio.to_thread, store.close)
        acquisition = Acquisition(store, _now, PRAGUE)
        workers = [_worker(number, port, acquisition) for number in range(METERS)]
        stop = asyncio.Event()
        begin = _now().replace(microsecond=0) + timedelta(seconds=3)
        tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
        await asyncio.sleep((begin - _now()).total_seconds())
        cpu, started = time.process_time(), time.perf_counter()
        await asyncio.sleep(SECONDS)
        load = (time.process_time() - cpu) / (time.perf_counter() - started)
        end = begin + timedelta(seconds=SECONDS)
        stop.set()
        await asyncio.gather(*tasks)
        await store.flush()
        seconds = {
            (exchange.meter, exchange.started_at.replace(microsecond=0))
            for exchange in Reader(folder).exchanges()
            if exchange.outcome.value == "done" and begin <= exchange.started_at < end
        }
    missed = METERS * SECONDS - len(seconds)
    name = f"{METERS} meters, every second for {SECONDS} s"
    return [
        Result(f"{name}: seconds missed", missed, 0, float(missed), "none", missed == 0),
        Result(f"{name}: processor", load, 1.0, load, "less than one core", load < 1.0, "cores"),
    ]


def _worker(number: int, port: int, acquisition: Acquisition) -> LineWorker:
    meter = Meter(f"meter-{number}", "modbus", f"line-{number}")
    driver = KIND.build(_setting(meter, {"unit": 1, "map": "eastron-sdm120", "transport": "tcp"}, None))

    async def connect(_station: Station, _on_call: OnCall) -> Channel:
        deadline = asyncio.get_running_loop().time() + 10
        return await open_tcp(meter.line, "127.0.0.1", port, Framing.N81, deadline=deadline)

    job = Job(Station(meter, driver), Registers(), Every(timedelta(seconds=1)))
    jitter = random.Random(number)
    return LineWorker(Line(meter.line, connect), [job], acquisition, _now, PRAGUE, jitter)


def _setting(meter: Meter, options: dict[str, object], baud: int | None) -> Setting:
    return Setting(meter, ModbusOptions.model_validate(options), baud, _now, PRAGUE, Forgetful())


async def _process(stack: AsyncExitStack, *arguments: str) -> int:
    """Starts a Python module and gives its port, where it has one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(_ended, process)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        ready = (await process.stdout.readline()).decode().strip()
    last = ready.rsplit(":", 1)[-1]
    return int(last) if last.isdigit() else 0


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def _now() -> datetime:
    return datetime.now(UTC)
