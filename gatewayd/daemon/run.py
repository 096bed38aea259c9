"""Running a gateway: the parts connected and supervised.

Rules: archive first, sinks only through their outboxes; a line's or a sink's fault ends nothing but itself; on SIGTERM
or SIGINT sessions are cancelled, what they received is archived, sinks get a moment to deliver, the archive is closed;
on SIGHUP the configuration is loaded again.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from gatewayd import __version__
from gatewayd.archive.records import Audit
from gatewayd.archive.store import Store
from gatewayd.channel.tracing import Tap
from gatewayd.config import Config, SinkSettings
from gatewayd.control import Request, listening
from gatewayd.daemon import manual, noting, substitutes
from gatewayd.daemon.archive_turn import behind_commands
from gatewayd.daemon.build import (
    build_acquisition,
    build_clock,
    build_sink,
    build_store,
    build_workers,
    now,
    opened,
    sink_start,
)
from gatewayd.daemon.gateway import Gateway, Stage
from gatewayd.daemon.lending import Lending
from gatewayd.daemon.lines import Lines, Worker, hang_up_seconds
from gatewayd.daemon.metering_site import MeteringSite
from gatewayd.daemon.notify import Notifier
from gatewayd.daemon.observing import Observing
from gatewayd.daemon.reload import Reloads
from gatewayd.daemon.retention import retain
from gatewayd.daemon.roles import doorkeeper, group_number
from gatewayd.daemon.service import attend
from gatewayd.daemon.sinks import Sinks
from gatewayd.daemon.status import running_status
from gatewayd.daemon.status_beside import beside
from gatewayd.daemon.technician import CATEGORY, ask_stream
from gatewayd.daemon.threads import DaemonThreads, collect_seldom, share_promptly
from gatewayd.daemon.trace import trace_stream
from gatewayd.daemon.upkeep_loop import look_after, save, watch
from gatewayd.diary import PREFIX, Diary
from gatewayd.errors import ArchiveError, ArchiveLocked
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher

SHUTDOWN_SECONDS = 8.0
"""How long sinks may take to deliver what is left; with the rest a stop stays within 10 s."""
_CANCEL_SECONDS = 3.0
_DELIVER_SECONDS = 0.5
"""What sinks get in any case, also where hanging up has taken most of the time."""
_STANDARD_ERROR = 2

log = logging.getLogger("gatewayd.daemon")


async def run(config: Config, path: Path | None = None) -> None:
    """Run the gateway until SIGTERM or SIGINT. `path` is the file to load again on SIGHUP. Raises ArchiveError when the
    archive cannot be opened."""
    notifier = Notifier.from_environment(os.environ)
    stop, hung_up = asyncio.Event(), asyncio.Event()
    _heed_signals(stop, hung_up)
    asyncio.get_running_loop().set_default_executor(DaemonThreads())
    share_promptly()
    async with AsyncExitStack() as archive:
        store = await _archive_of(archive, config, stop)
        if store is None:
            return
        store.declare(config.metered)
        gateway = await _assembled(config, path, store)
        collect_seldom()
        reloads = Reloads(gateway, notifier)
        async with AsyncExitStack() as stack:
            stack.callback(notifier.close)
            await _listen(stack, gateway, reloads)
            await _observe(stack, gateway)
            await _derive(stack, gateway)
            await _supervise(gateway, reloads, notifier, stop, hung_up)
    log.info("gatewayd stopped, archive at seq %d", store.head)


async def _archive_of(archive: AsyncExitStack, config: Config, stop: asyncio.Event) -> Store | None:
    """The archive, open; None when the stop came while somebody else had it. ArchiveError."""

    async def here() -> Store:
        return await archive.enter_async_context(opened(build_store(config)))

    try:
        return await behind_commands(here, log.warning, stop.is_set)
    except ArchiveLocked:
        if stop.is_set():
            return None
        raise


def _heed_signals(stop: asyncio.Event, hung_up: asyncio.Event) -> None:
    """SIGHUP is another configuration, save where the terminal that the gateway was started in has gone."""
    loop = asyncio.get_running_loop()
    attached = sys.stderr.isatty()

    def hang_up() -> None:
        (stop if attached and not os.isatty(_STANDARD_ERROR) else hung_up).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup stays what it is
        loop.add_signal_handler(signal.SIGHUP, hang_up)


async def _assembled(config: Config, path: Path | None, store: Store) -> Gateway:
    """The parts; nothing runs yet."""
    clock = build_clock(config)
    acquisition = build_acquisition(config, store, clock)
    diary = await _diary(store)
    taps: dict[str, Tap] = {}
    slots: dict[int, asyncio.Semaphore] = {}
    """Places for conversations, by how many there are: shared by all lines, also by those that begin at a reload."""

    owed: dict[str, dict[str, object]] = {}

    def workers(wanted: Config) -> Sequence[Worker]:
        for line in wanted.lines:
            taps.setdefault(line, Tap(line, now))
        places = slots.setdefault(wanted.acquisition.sessions, asyncio.Semaphore(wanted.acquisition.sessions))
        return build_workers(wanted, acquisition, taps, store.memory_of, slots=places, diary=diary, owed=owed)

    def sink(wanted: Config, settings: SinkSettings) -> tuple[Outbox, Publisher]:
        outbox = Outbox(settings.id, store, sink_start(settings, wanted.gateway.zone))
        return outbox, Publisher(build_sink(wanted, settings, store.published_head), outbox, now)

    at = now()
    return Gateway(config, path, at, at, store, acquisition, Lines(workers), Sinks(sink), taps, clock, diary)


async def _diary(store: Store) -> Diary:
    try:
        return Diary(await store.recall_all(PREFIX))
    except ArchiveError as error:
        log.warning("which daily jobs are done is not known, so they run once more: %s", error)
        return Diary()


async def _listen(stack: AsyncExitStack, gateway: Gateway, reloads: Reloads) -> None:
    """Answer the command line. A gateway that cannot do that does everything else all the same."""

    async def status(_request: Request) -> dict[str, object]:
        return running_status(gateway, await beside(gateway), now())

    def looked_on(user: str, line: str) -> None:
        gateway.store.submit(Audit(now(), user, CATEGORY, "trace", line, "done"))

    streams = {"trace": trace_stream(gateway.taps, looked_on), "ask": ask_stream(gateway), "reload": reloads.stream()}
    lending = Lending(gateway, gateway.acquisition.refusals)
    gateway.heeding.append(lending.heed)
    streams.update(lending.streams)
    streams[manual.REQUEST] = manual.manual_stream(gateway)
    streams[noting.REQUEST] = noting.note_stream(gateway.store)
    streams[substitutes.REQUEST] = substitutes.substitute_stream(
        gateway, lambda: gateway.metering.wake() if gateway.metering is not None else None
    )
    try:
        group = gateway.config.control.group
        keeper = doorkeeper(group, gateway.store.submit, now)
        answers = {"status": status}
        served = listening(gateway.store.folder, answers, streams, admit=keeper, group=group_number(group))
        await stack.enter_async_context(served)
    except OSError as error:
        log.error("the control socket cannot be made, so `gatewayd status` and `trace` will not work: %s", error)


async def _observe(stack: AsyncExitStack, gateway: Gateway) -> None:
    """Metrics and health, where the configuration wants them."""
    observing = Observing(gateway)
    stack.push_async_callback(observing.close)
    gateway.heeding.append(observing.take)
    await observing.take(gateway.config)


async def _derive(stack: AsyncExitStack, gateway: Gateway) -> None:
    """The derived layer, where the configuration has metering points."""
    gateway.metering = site = MeteringSite(gateway.store, gateway.clock.synchronised)
    stack.push_async_callback(site.close)
    gateway.heeding.append(site.take)
    await site.take(gateway.config)


async def _supervise(
    gateway: Gateway, reloads: Reloads, notifier: Notifier, stop: asyncio.Event, hung_up: asyncio.Event
) -> None:
    """Run everything; when `stop` comes, end it in the order acquisition, sinks."""
    config, loop = gateway.config, asyncio.get_running_loop()
    watch(gateway.acquisition.upkeep, config)
    gateway.lines.start(config)
    gateway.sinks.start(gateway.sinks.planned(config))
    log.info(
        "gatewayd %s: gateway %s, meters: %d, lines: %d, sinks: %d, archive %s at seq %d",
        __version__,
        config.gateway.id,
        len(config.meters),
        len(gateway.lines.workers),
        len(config.sinks),
        config.archive.path,
        gateway.store.head,
    )
    retention = retain(lambda: gateway.config, gateway.store, gateway.clock.synchronised)
    chores = [
        asyncio.create_task(retention, name="retention"),
        asyncio.create_task(look_after(gateway), name="upkeep"),
        asyncio.create_task(reloads.heed(hung_up), name="reload on SIGHUP"),
        asyncio.create_task(attend(gateway, notifier), name="service manager"),
    ]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    gateway.stage = Stage.SERVING
    notifier.ready()
    try:
        await _until_stop(chores, stopping)
    finally:
        begun = loop.time()
        gateway.stage = Stage.STOPPING
        notifier.stopping("stopping: sessions are ended, what they received is archived and delivered")
        await reloads.stop()
        for task in (*chores, stopping):
            task.cancel()
        # A call costs money until it is hung up on: that comes before what is waiting for sinks, which loses nothing.
        await gateway.lines.stop(max(_CANCEL_SECONDS, hang_up_seconds(gateway.config)))
        await asyncio.wait([*chores, stopping], timeout=_CANCEL_SECONDS)
        await save(gateway)
        await gateway.store.flush()  # what the cancelled sessions had received goes out with the rest
        rest = min(begun + SHUTDOWN_SECONDS, loop.time() + SHUTDOWN_SECONDS - _CANCEL_SECONDS)
        deadline = max(rest, loop.time() + _DELIVER_SECONDS)
        derived = gateway.metering.stop(deadline) if gateway.metering is not None else asyncio.sleep(0)
        await asyncio.gather(gateway.sinks.stop(deadline), derived)


async def _until_stop(tasks: Sequence["asyncio.Task[None]"], stopping: "asyncio.Task[bool]") -> None:
    """Wait for the stop. A task that ends by a defect is reported, and the others go on."""
    waiting: set[asyncio.Task[None] | asyncio.Task[bool]] = {*tasks, stopping}
    while stopping in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            error = task.exception() if not task.cancelled() else None
            if error is not None:
                log.critical("%s ended by a defect in gatewayd: %r", task.get_name(), error, exc_info=error)
