"""Running a gateway: the parts connected and supervised.

Rules: archive first, sinks only through their outboxes; a line's or a sink's fault ends nothing but itself; on SIGTERM
or SIGINT sessions are cancelled, what they received is archived, sinks get a moment to deliver, the archive is closed.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gatewayd import __version__
from gatewayd.acquire import Acquisition
from gatewayd.archive import set_aside
from gatewayd.archive.set_aside import Count
from gatewayd.archive.store import Store
from gatewayd.channel.tracing import Tap
from gatewayd.config import Config, ModemLine
from gatewayd.control import listening
from gatewayd.daemon.build import (
    Worker,
    build_acquisition,
    build_sink,
    build_store,
    build_workers,
    now,
    opened,
    sink_start,
)
from gatewayd.daemon.retention import retain
from gatewayd.daemon.status import running_status
from gatewayd.daemon.threads import DaemonThreads, share_promptly
from gatewayd.daemon.trace import trace_stream
from gatewayd.errors import ArchiveError
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher

SHUTDOWN_SECONDS = 8.0
"""How long sinks may take to deliver what is left; with the rest a stop stays within 10 s."""
_CANCEL_SECONDS = 3.0
_DELIVER_SECONDS = 0.5
"""What sinks get in any case, also where hanging up has taken most of the time."""

log = logging.getLogger("gatewayd.daemon")


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that runs, for the daemon's own tasks and for displays."""

    store: Store
    acquisition: Acquisition
    workers: Sequence[Worker]
    publishers: Sequence[Publisher]
    outboxes: Sequence[Outbox]
    taps: Mapping[str, Tap]


async def run(config: Config) -> None:
    """Run the gateway until SIGTERM or SIGINT. Raises ArchiveError when the archive cannot be opened."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(DaemonThreads())
    share_promptly()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened(build_store(config)) as store:
        store.declare([meter.meter for meter in config.meters])
        gateway = _assemble(config, store)
        log.info(
            "gatewayd %s: gateway %s, %d meters on %d lines, %d sinks, archive %s at seq %d",
            __version__,
            config.gateway.id,
            len(config.meters),
            len(gateway.workers),
            len(gateway.publishers),
            config.archive.path,
            store.head,
        )
        try:
            async with AsyncExitStack() as stack:
                await _listen(stack, config, gateway)
                await _supervise(config, gateway, stop)
        finally:
            for outbox in gateway.outboxes:
                outbox.close()
    log.info("gatewayd stopped, archive at seq %d", store.head)


async def _listen(stack: AsyncExitStack, config: Config, gateway: Gateway) -> None:
    """Answer the command line. A gateway that cannot do that does everything else all the same."""
    since = now()

    async def status() -> dict[str, object]:
        cursors = {outbox.sink: outbox.cursor for outbox in gateway.outboxes}
        asides: dict[str, Count] = {}
        with contextlib.suppress(ArchiveError):  # the rest is worth telling all the same
            asides = await asyncio.to_thread(set_aside.counts, config.archive.path)
        alarms = gateway.acquisition.alarms.standing
        return running_status(
            config, gateway.store, gateway.publishers, cursors, asides, since, gateway.workers, alarms
        )

    try:
        await stack.enter_async_context(
            listening(config.archive.path, {"status": status}, {"trace": trace_stream(gateway.taps)})
        )
    except OSError as error:
        log.error("the control socket cannot be made, so `gatewayd status` and `trace` will not work: %s", error)


def _assemble(config: Config, store: Store) -> Gateway:
    outboxes = [Outbox(settings.id, store, sink_start(settings, config.gateway.zone)) for settings in config.sinks]
    publishers = [
        Publisher(build_sink(config, settings, store.published_head), outbox, now)
        for settings, outbox in zip(config.sinks, outboxes, strict=True)
    ]
    taps = {line: Tap(line, now) for line in config.lines}
    acquisition = build_acquisition(config, store)
    workers = build_workers(config, acquisition, taps, store.memory_of)
    return Gateway(store, acquisition, workers, publishers, outboxes, taps)


async def _supervise(config: Config, gateway: Gateway, stop: asyncio.Event) -> None:
    """Run all tasks; when `stop` comes, end them in the order acquisition, sinks."""
    acquisition = [asyncio.create_task(worker.run(stop), name=f"line {worker.name}") for worker in gateway.workers]
    sinks = [
        asyncio.create_task(publisher.run(), name=f"sink {publisher.state.sink}") for publisher in gateway.publishers
    ]
    retention = asyncio.create_task(retain(config, gateway.store), name="retention")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await _until_stop([*acquisition, *sinks, retention], stopping)
    finally:
        stop.set()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        # A call costs money until it is hung up on: that comes before what is waiting for sinks, which loses nothing.
        await _cancel([*acquisition, retention, stopping], max(_CANCEL_SECONDS, _hang_up_seconds(config)))
        await gateway.store.flush()  # what the cancelled sessions had received goes out with the rest
        rest = min(begun + SHUTDOWN_SECONDS, loop.time() + SHUTDOWN_SECONDS - _CANCEL_SECONDS)
        deadline = max(rest, loop.time() + _DELIVER_SECONDS)
        running = [publisher for publisher, task in zip(gateway.publishers, sinks, strict=True) if not task.done()]
        await asyncio.gather(*(publisher.drain(deadline) for publisher in running), return_exceptions=True)
        await _cancel(sinks)


async def _until_stop(tasks: Sequence["asyncio.Task[None]"], stopping: "asyncio.Task[bool]") -> None:
    """Wait for the stop. A task that ends by a defect is reported, and the others go on."""
    waiting: set[asyncio.Task[None] | asyncio.Task[bool]] = {*tasks, stopping}
    while stopping in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            error = task.exception() if not task.cancelled() else None
            if error is not None:
                log.critical("%s ended by a defect in gatewayd: %r", task.get_name(), error, exc_info=error)


def _hang_up_seconds(config: Config) -> float:
    """How long the slowest modem may take to hang up, and its session to be archived."""
    modems = [line for line in config.lines.values() if isinstance(line, ModemLine)]
    return max((float(line.hang_up_s) + 0.5 for line in modems), default=0.0)


async def _cancel(tasks: Sequence["asyncio.Task[None] | asyncio.Task[bool]"], seconds: float = _CANCEL_SECONDS) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
