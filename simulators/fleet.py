"""Many simulated meters in one process: one event loop, one port for each meter.

Rules: ports follow each other from the given one, or are free ones where that is 0; the ready line names them all; on
SIGUSR1 and at the end the tally is written, whole or not at all. A meter that nobody talks to costs a socket.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from simulators.process import ENDING, announce
from simulators.served import Meter, Post, Road, Tally

SPARE_FILES = 128
SMALL_BACKLOG = 8


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many meters from which port on (0: free ones), how they are reached, and where it is written what happened;
    `seed` decides which connections are lost."""

    count: int
    port: int
    road: Road
    seed: int
    tally: Path | None


def serve(fleet: Fleet, make: Callable[[int], Meter]) -> None:
    """Serve the meters that `make` makes of their numbers, from 0, until a signal."""
    asyncio.run(_serve(fleet, make))


async def _serve(fleet: Fleet, make: Callable[[int], Meter]) -> None:
    loop, tally, over = asyncio.get_running_loop(), Tally(), asyncio.Event()
    for ending in ENDING:
        loop.add_signal_handler(ending, over.set)
    loop.add_signal_handler(signal.SIGUSR1, _write, fleet.tally, tally)
    _allow_files(fleet.count + SPARE_FILES)
    servers: list[asyncio.Server] = []
    try:
        for number in range(fleet.count):
            post = Post(make(number), fleet.road, fleet.seed + number, tally)
            port = fleet.port + number if fleet.port else 0
            try:
                servers.append(await loop.create_server(post, "127.0.0.1", port, backlog=SMALL_BACKLOG))
            except OSError as error:
                raise click.UsageError(f"cannot serve: {error}") from error
        announce(f"tcp 127.0.0.1:{','.join(str(server.sockets[0].getsockname()[1]) for server in servers)}")
        await over.wait()
    finally:
        for server in servers:
            server.close()
        _write(fleet.tally, tally)


def _write(file: Path | None, tally: Tally) -> None:
    if file is None:
        return
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(json.dumps(asdict(tally)), encoding="ascii")
    fresh.replace(file)


def _allow_files(wanted: int) -> None:
    """Each meter may have a listening and a connected socket open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted *= 2
    if soft != resource.RLIM_INFINITY and soft < wanted:
        best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(best, soft), hard))
