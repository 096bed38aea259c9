"""The parts of the head-end benchmark as processes: fleets of simulated meters, and the daemon that reads them.

Rules: everything runs as an operator would start it; what a process has used is read from /proc, from outside; what
was archived is read from the archive when the daemon has ended.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw

from gatewayd.archive.head import read_head
from gatewayd.archive.rows import to_us
from gatewayd.archive.segments import segment_numbers, segment_path
from gatewayd.archive.store import Store
from gatewayd.coverage import Coverage, encode
from gatewayd.legal_time import PRAGUE, Grid
from gatewayd.model import LoadProfile, Meter, MeteringType
from gatewayd.obis import Obis
from gatewayd.policy import POLICIES
from gatewayd.recollection import context
from gatewayd.runs import Runs
from gatewayd.watched import watched

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120.0
_DAY_ROWS, _DAYS_KNOWN = 96, 40
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK = 0.05


def cpu_seconds(process: "subprocess.Popen[str]") -> float:
    """Processor time of all threads of a process until now."""
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
    user, system = stat.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def memory_mb(process: "subprocess.Popen[str]", what: str = "VmHWM") -> float:
    """The most that a process has had in memory, or (VmRSS) what it has now, in millions of bytes."""
    for line in Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"the process has no {what}")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Simulated meters in one process, by their ports."""

    process: "subprocess.Popen[str]"
    ports: tuple[int, ...]
    tally: Path

    def answers(self) -> int:
        """How many answers its meters have sent until now: round trips."""
        self.tally.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + PATIENCE
        while not self.tally.exists():
            if time.monotonic() > until:
                raise RuntimeError("the simulators tell no tally")
            time.sleep(_LOOK)
        return int(json.loads(self.tally.read_text(encoding="ascii"))["answers"])


@contextmanager
def fleets(folder: Path, count: int, processes: int, *arguments: str) -> Iterator[list[Fleet]]:
    """`count` meters over so many processes, `python -m simulators ARGUMENTS`."""
    with ExitStack() as stack:
        found = []
        for number in range(processes):
            share = count // processes + (number < count % processes)
            if share:
                tally = folder / f"tally-{number}.json"
                seed = str(1 + number * 10_000)
                more = ["--count", str(share), "--tcp", "0", "--seed", seed, "--tally", str(tally)]
                command = [sys.executable, "-m", "simulators", *arguments, *more]
                process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
                stack.callback(_end, process)
                found.append((process, tally))
        yield [Fleet(process, _ports(process), tally) for process, tally in found]


def _ports(process: "subprocess.Popen[str]") -> tuple[int, ...]:
    assert process.stdout is not None
    ready = process.stdout.readline().strip()
    if not ready.startswith("ready tcp"):
        raise RuntimeError(f"the simulators said {ready!r}")
    return tuple(map(int, ready.rsplit(":", 1)[1].split(",")))


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def read_until_yesterday(folder: Path, meters: int, profile: str) -> None:
    """What the daemon would remember of meters that it reads every day, and that it has to read now: everything is
    there but the last day, of a profile of quarter-hours."""
    grid, now = Grid(timedelta(minutes=15)), datetime.now(UTC)
    last = grid.last(now) - _DAY_ROWS
    known = Coverage(period_s=900, there=Runs(((last - _DAYS_KNOWN * _DAY_ROWS, last),)), begun=now)
    store = Store(folder / "archive", "bench", lambda: to_us(datetime.now(UTC)))
    await asyncio.to_thread(store.open)
    try:
        order, meter = LoadProfile(Obis.parse(profile)), Meter("m0", "dlms", "l0")
        ((_, code), one), *_ = watched(meter, order, POLICIES[MeteringType.A], PRAGUE).items()
        stored = encode(known, str(PRAGUE), context(one, ""))
        await store.remember_all([(f"m{number}", f"coverage {code}", stored) for number in range(meters)])
    finally:
        await asyncio.to_thread(store.close)


@dataclass(frozen=True, slots=True)
class Daemon:
    """`gatewayd run`, ready: its first sessions begin now."""

    process: "subprocess.Popen[str]"
    archive: Path

    def until_quiet(self, readings: int, quiet_s: float, limit_s: float) -> None:
        """Returns when so many readings are archived and nothing new came for a while. RuntimeError after the limit."""
        until, last, since = time.monotonic() + limit_s, -1, time.monotonic()
        while True:
            head = read_head(self.archive)
            exchanges, seq = (head.exchange, head.seq) if head is not None else (0, 0)
            if exchanges != last:
                last, since = exchanges, time.monotonic()
            if seq >= readings and time.monotonic() - since >= quiet_s:
                return
            if time.monotonic() > until:
                raise RuntimeError(f"{seq} of {readings} readings were archived within {limit_s:.0f} s")
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.process.returncode}")
            time.sleep(_LOOK * 4)


@contextmanager
def daemon(folder: Path, text: str) -> Iterator[Daemon]:
    """The daemon with this configuration, in which the archive is FOLDER/archive."""
    config, log = folder / "gatewayd.yaml", folder / "daemon.log"
    config.write_text(text, encoding="utf-8")
    with log.open("wb") as errors:
        command = [sys.executable, "-m", "gatewayd", "-c", str(config), "run"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=errors, text=True)
    try:
        until = time.monotonic() + PATIENCE
        while " lines: " not in log.read_text(encoding="utf-8", errors="replace"):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the daemon is not ready: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(_LOOK)
        yield Daemon(process, folder / "archive")
    finally:
        _end(process)


def configuration(folder: Path, ports: Sequence[int], meter: str, sessions: int, spread: str) -> str:
    """A line and a meter for each port; `meter` is what stands in the entry of each."""
    lines = "".join(f"  l{n}: {{type: tcp, host: 127.0.0.1, port: {port}}}\n" for n, port in enumerate(ports))
    meters = "".join(f"  - {{id: m{n}, line: l{n}, {meter}}}\n" for n in range(len(ports)))
    return (
        "gateway: {id: bench, clock: trusted}\n"
        f"archive: {{path: {folder / 'archive'}}}\n"
        f"acquisition: {{sessions: {sessions}, spread: {spread}}}\n"
        f"lines:\n{lines}meters:\n{meters}"
    )


@dataclass(frozen=True, slots=True)
class Archived:
    """What the archive has: from the first exchange to the COMMIT of the last one in seconds; how many intervals of
    each meter; exchanges that were not sound."""

    seconds: float
    intervals: dict[str, int]
    unsound: int


def archived(folder: Path) -> Archived:
    """Read an archive that nobody writes any more."""
    began, ended, unsound, intervals = 0, 0, 0, dict[str, int]()
    for number in segment_numbers(folder):
        path = segment_path(folder, number)
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            for first, bad in connection.execute(
                "SELECT min(started_at), sum(outcome NOT IN ('done', 'cancelled')) FROM exchange"
            ):
                began = began or int(first or 0)
                unsound += int(bad or 0)
            for (last,) in connection.execute(
                "SELECT min(committed_at) FROM batch WHERE last_exchange = (SELECT max(id) FROM exchange)"
            ):
                ended = int(last or ended)
            for meter, count in connection.execute(
                "SELECT s.meter, count(*) FROM reading AS r JOIN series AS s ON s.id = r.series "
                "WHERE s.interval_s = 900 GROUP BY s.meter"
            ):
                intervals[str(meter)] = intervals.get(str(meter), 0) + int(count)
        finally:
            connection.close()
    return Archived((ended - began) / 1e6, intervals, unsound)
