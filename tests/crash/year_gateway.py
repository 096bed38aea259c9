"""The gateway of the simulated year: `python -m tests.crash.year_gateway`, a process for each line of standard input.

What runs is gatewayd.daemon.run with a configuration from a file; only its clocks, its way to the meters and the time
of its event loop are those of the campaign. A line names the folder of the campaign and the second at which the gateway
is stopped in an orderly way; before that anybody may kill it.

Rules: a gateway is forked from a process that has imported everything and has no thread; it writes nothing to standard
output but what the parent says of it: `pid N`, then `ended CODE`.
"""

import asyncio
import contextlib
import ctypes
import functools
import importlib
import json
import logging
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from gatewayd import worker
from gatewayd.archive.store import Store
from gatewayd.channel import Channel, Framing
from gatewayd.config import Config
from gatewayd.daemon import build, upkeep_loop
from gatewayd.kernel_clock import Sync, Synchronised
from tests.crash.year_meter import connected
from tests.crash.year_time import Busy, CountedThreads, Elapsed, LeapingLoop, Spell, Wall, watched
from tests.crash.year_truth import Meter, MeterPlan

run = importlib.import_module("gatewayd.daemon.run")
"""The module; the package has a function of that name."""
LONGEST_WAIT, CHORES = 600.0, 420.0
"""Seconds: so long a worker waits before it looks at the clock again, and the upkeep before it does its chores: a year
of minutes is long. What is remembered is written down at every second time."""


@dataclass(frozen=True, slots=True)
class Site:
    """The folder of a campaign, and what is in it."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "gatewayd.yaml"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def elapsed(self) -> Path:
        return self.folder / "elapsed"

    def lose_short_cuts(self) -> None:
        """What is remembered of profiles beside the archive is gone."""
        with contextlib.closing(sqlite3.connect(self.archive / "state.sqlite", isolation_level=None)) as state:
            state.execute("DELETE FROM memory WHERE key LIKE 'coverage %'")

    @property
    def commits(self) -> Path:
        """A line for each commit: second of the campaign, and the last sequence number."""
        return self.folder / "commits"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def write_plan(self, begin: datetime, meters: tuple[MeterPlan, ...]) -> None:
        plan = {"begin": begin.isoformat(), "meters": [each.written() for each in meters]}
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def read_plan(self) -> tuple[datetime, tuple[MeterPlan, ...]]:
        plan = json.loads((self.folder / "plan.json").read_text())
        return datetime.fromisoformat(plan["begin"]), tuple(map(MeterPlan.read, plan["meters"]))

    def write_spells(self, spells: list[Spell]) -> None:
        (self.folder / "spells.json").write_text(json.dumps([each.written() for each in spells]))

    def wall(self, begin: datetime) -> Wall:
        spells = json.loads((self.folder / "spells.json").read_text())
        return Wall(begin, tuple(map(Spell.read, spells)))


def gateway(site: Site, until: float) -> None:
    """One process of the gateway, from its start to its end."""
    begin, plans = site.read_plan()
    elapsed, busy, wall = Elapsed(site.elapsed), Busy(), site.wall(begin)
    meters = {plan.port: Meter(plan, begin, site.folder) for plan in plans}
    replace_parts(elapsed, busy, wall, meters, site)
    config = build.load_config(site.config)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(until, os.kill, os.getpid(), signal.SIGTERM)
        await run.run(config)

    with contextlib.closing(LeapingLoop(elapsed, busy)) as loop:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(main())


def replace_parts(elapsed: Elapsed, busy: Busy, wall: Wall, meters: dict[int, Meter], site: Site) -> None:
    """Give the daemon the campaign's clocks and lines."""

    class ShownTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return wall.shown(elapsed.seconds).astimezone(tz)

    async def open_line(name: str, host: str, port: int, framing: Framing | None, *, deadline: float) -> Channel:
        return await connected(meters[port], lambda: elapsed.seconds, f"line {name}")

    def kernel() -> Synchronised:
        return Synchronised(Sync.YES if wall.synchronised(elapsed.seconds) else Sync.NO, "campaign")

    commits = os.open(site.commits, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def committed(head: int) -> None:
        os.write(commits, f"{elapsed.seconds:.3f} {head}\n".encode())

    def store(config: Config) -> Store:
        made = watched(build_store(config, group_seconds=0.0), busy)
        made.on_commit(committed)
        return made

    async def at_leisure(_: float) -> None:
        await asyncio.sleep(CHORES)

    build_store: Callable[..., Store] = build.build_store
    replacements: list[tuple[object, str, object]] = [
        (build, "datetime", ShownTime),
        (build, "monotonic", lambda: elapsed.seconds),
        (build, "open_tcp", open_line),
        (run, "build_store", store),
        (run, "DaemonThreads", functools.partial(CountedThreads, busy)),
        (worker, "LONGEST_WAIT", LONGEST_WAIT),
        (run, "look_after", functools.partial(upkeep_loop.look_after, sleep=at_leisure)),
    ]
    for place, name, part in replacements:
        assert hasattr(place, name), f"{place} has no {name} any more"
        setattr(place, name, part)
    with contextlib.suppress(ImportError):
        from gatewayd.gateway_clock import GatewayClock

        GatewayClock.state = property(lambda _: kernel())  # type: ignore[method-assign,assignment]


def _forked(site: Site, until: float) -> None:
    """In the process of its own."""
    end_with_parent()
    log = os.open(site.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(log, number)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", force=True)
    code = 1
    try:
        gateway(site, until)
        code = 0
    except BaseException:  # noqa: BLE001 - it is told, and the process ends with it
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)


def end_with_parent() -> None:
    """Whoever started this process is not to be outlived by it (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    """Until standard input ends."""
    end_with_parent()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _forked(Site(Path(order["folder"])), order["until"])
        _say(f"pid {pid}")
        _, status = os.waitpid(pid, 0)
        _say(f"ended {os.waitstatus_to_exitcode(status)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
