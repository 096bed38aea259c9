"""The head-end: the real daemon reads a day of each of thousands of simulated TCP meters, and 32 meters every minute.

Rules: daemon and meters are processes of their own on the same processors. The time for all meters is held against
what it cannot be below: their round trips over the conversations that may go on at once, and the processor time of a
session, of both sides, measured in the same run with few meters. Time runs from the first exchange to the COMMIT of the
last one. The daemon has read these meters before, as its short cuts say, and has a day of each to read when it begins.

GATEWAYD_BENCH_METERS and GATEWAYD_BENCH_SECONDS make it smaller.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.headend_site import (
    archived,
    configuration,
    cpu_seconds,
    daemon,
    fleets,
    memory_mb,
    read_until_yesterday,
)
from benchmarks.result import Result
from gatewayd.config import AcquisitionSettings

METERS = int(os.environ.get("GATEWAYD_BENCH_METERS", "2000"))
FEW = 100
DELAY_MS, PROCESSES = 200, 2
SESSIONS = AcquisitionSettings().sessions
ROWS, CHANNELS = 96, 4
PROFILE = "1-0:99.1.0"
TIME_BOUND, MEMORY_BOUND_MB = 1.5, 400.0
QUIET_S, LIMIT_S = 3.0, 900.0

LOCAL = 32
MINUTES_S = float(os.environ.get("GATEWAYD_BENCH_SECONDS", "180"))
SETTLED_S = 15.0
LOCAL_CPU_BOUND, LOCAL_MEMORY_BOUND_MB = 0.015, 90.0

_PROFILE = (
    "driver: dlms, metering_type: A, point: {eic: 27ZG600Z0424987D}, "
    "dlms: {transport: wrapper, client: 16, server: 1}, "
    f'jobs: [{{profile: {PROFILE}, at: "00:20", backfill_months: 1}}]'
)
_REGISTERS = (
    "driver: modbus, metering_type: C, modbus: {unit: 1, map: eastron-sdm630, transport: tcp}, "
    "jobs: [{registers: all, every: 60s}]"
)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of each meter: seconds until all was archived, processor time of both sides in seconds, round trips, the
    daemon's memory."""

    seconds: float
    cpu_s: float
    daemon_cpu_s: float
    round_trips: int
    memory_mb: float


def run() -> list[Result]:
    """A day of many meters against its floor, the memory for it, and what local meters cost."""
    return [*_many(), *_local()]


def _many() -> list[Result]:
    few, many = _day(FEW), _day(METERS)
    cores = len(os.sched_getaffinity(0))
    talking = many.round_trips * DELAY_MS / 1000 / min(SESSIONS, METERS)
    working = few.cpu_s / FEW * METERS / cores
    floor = max(talking, working)
    ratio = many.seconds / floor
    name = f"{METERS} meters, a day of {CHANNELS} channels, {DELAY_MS} ms"
    told = (
        f"{name}; floor: {many.round_trips} round trips {talking:.1f} s, "
        f"{few.cpu_s / FEW * 1000:.1f} ms a session (daemon {few.daemon_cpu_s / FEW * 1000:.1f}) on {cores} cores "
        f"{working:.1f} s"
    )
    return [
        Result(told, many.seconds, floor, ratio, f"at most {TIME_BOUND:g}", ratio <= TIME_BOUND, "s"),
        _memory(f"{name}: memory", many.memory_mb, MEMORY_BOUND_MB),
    ]


def _day(meters: int) -> Day:
    with TemporaryDirectory() as name:
        folder = Path(name)
        simulators = ("dlms", "--framing", "wrapper", "--profile-days", "1", "--delay-ms", str(DELAY_MS))
        with fleets(folder, meters, PROCESSES, *simulators) as found:
            ports = [port for fleet in found for port in fleet.ports]
            asyncio.run(read_until_yesterday(folder, meters, PROFILE))
            with daemon(folder, configuration(folder, ports, _PROFILE, SESSIONS, "0s")) as gateway:
                processes = [gateway.process, *(fleet.process for fleet in found)]
                before = [cpu_seconds(process) for process in processes]
                gateway.until_quiet(meters * ROWS * CHANNELS, QUIET_S, LIMIT_S)
                used = [cpu_seconds(process) - then for process, then in zip(processes, before, strict=True)]
                memory = memory_mb(gateway.process)
            round_trips = sum(fleet.answers() for fleet in found)
        kept = archived(folder / "archive")
    short = sum(count < ROWS * CHANNELS for count in kept.intervals.values()) + meters - len(kept.intervals)
    if short or kept.unsound:
        raise RuntimeError(f"{short} meters are not complete, {kept.unsound} exchanges were not sound")
    return Day(kept.seconds, sum(used), used[0], round_trips, memory)


def _local() -> list[Result]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with fleets(folder, LOCAL, 1, "modbus", "--transport", "tcp", "--map", "eastron-sdm630") as found:
            ports = [port for fleet in found for port in fleet.ports]
            with daemon(folder, configuration(folder, ports, _REGISTERS, SESSIONS, "60s")) as gateway:
                time.sleep(SETTLED_S)
                cpu, began = cpu_seconds(gateway.process), time.monotonic()
                time.sleep(MINUTES_S)
                load = (cpu_seconds(gateway.process) - cpu) / (time.monotonic() - began)
                memory = memory_mb(gateway.process)
            if sum(fleet.answers() for fleet in found) < LOCAL * (MINUTES_S // 60):
                raise RuntimeError("the local meters were not read every minute")
        if archived(folder / "archive").unsound:
            raise RuntimeError("a local meter was not read soundly")
    what = f"{LOCAL} local meters, every register every minute for {MINUTES_S:.0f} s"
    ratio = load / LOCAL_CPU_BOUND
    bound = f"below {LOCAL_CPU_BOUND:.1%} of a core"
    return [
        Result(f"{what}: processor", load * 100, LOCAL_CPU_BOUND * 100, ratio, bound, load < LOCAL_CPU_BOUND, "%"),
        _memory(f"{what}: memory", memory, LOCAL_MEMORY_BOUND_MB),
    ]


def _memory(what: str, measured: float, bound: float) -> Result:
    return Result(what, measured, bound, measured / bound, f"at most {bound:.0f} MB", measured <= bound, "MB")
