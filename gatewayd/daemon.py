"""The composition root: the only place that builds parts from a configuration and connects them.

Rules: archive first, sinks only through their outboxes; a line's or a sink's fault ends nothing but itself; on SIGTERM
or SIGINT sessions are cancelled, what they received is archived, sinks get a moment to deliver, the archive is closed.
"""

import asyncio
import contextlib
import functools
import logging
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from drivers import DRIVERS
from gatewayd import __version__, legal_time
from gatewayd.acquire import Acquisition, Line, Station
from gatewayd.archive.cursors import read_cursors
from gatewayd.archive.follow import Follower
from gatewayd.archive.retention import Limits
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import GROUP_SECONDS, Store
from gatewayd.channel import Channel, Framing
from gatewayd.channel.serial import open_serial
from gatewayd.channel.tcp import open_tcp
from gatewayd.config import Config, MeterSettings, SerialLine, SinkSettings, TcpLine, load
from gatewayd.config import Job as JobSettings
from gatewayd.driver import Setting
from gatewayd.errors import ArchiveError
from gatewayd.outbox import Outbox, Start
from gatewayd.publish import Publisher
from gatewayd.schedule import At, Every, Rhythm
from gatewayd.sink import Head, Sink
from gatewayd.sink.mqtt import MqttOptions, MqttSink
from gatewayd.worker import Job, LineWorker

SHUTDOWN_SECONDS = 8.0
"""How long sinks may take to deliver what is left; with the rest a stop stays within 10 s."""
_CANCEL_SECONDS = 3.0
RETENTION_SECONDS = 24 * 3600.0

DRIVER_OPTIONS: Mapping[str, type[BaseModel]] = {name: kind.options for name, kind in DRIVERS.items()}
SINK_OPTIONS: Mapping[str, type[BaseModel]] = {"mqtt": MqttOptions}

log = logging.getLogger("gatewayd.daemon")


def now() -> datetime:
    return datetime.now(UTC)


def load_config(path: Path) -> Config:
    """The configuration, checked against the drivers and sinks that there are. Raises ConfigError."""
    return load(path, DRIVER_OPTIONS, SINK_OPTIONS)


def build_line(settings: SerialLine | TcpLine) -> Line:
    """How to open a configured line."""
    framing = Framing(settings.framing) if settings.framing else None
    match settings:
        case SerialLine():
            delay = settings.switch_delay_ms / 1000
            baud = settings.baud or 300

            async def open_device() -> Channel:
                return open_serial(settings.id, settings.device, baud, framing, delay)

            return Line(settings.id, open_device)
        case TcpLine():
            timeout = float(settings.connect_timeout_s)

            async def connect() -> Channel:
                deadline = asyncio.get_running_loop().time() + timeout
                return await open_tcp(settings.id, settings.host, settings.port, framing, deadline=deadline)

            return Line(settings.id, connect)


def build_station(config: Config, settings: MeterSettings) -> Station:
    """A configured meter with its driver."""
    line = config.lines[settings.line]
    setting = Setting(
        meter=settings.meter,
        options=settings.options,
        line_baud=line.baud if isinstance(line, SerialLine) else None,
        clock=now,
        zone=config.gateway.zone,
    )
    return Station(settings.meter, DRIVERS[settings.driver].build(setting))


def build_store(config: Config, *, group_seconds: float = GROUP_SECONDS) -> Store:
    """The archive of a configuration, not yet open."""
    return Store(
        config.archive.path,
        config.gateway.id,
        lambda: to_us(now()),
        group_seconds=group_seconds,
        segment_bytes=config.archive.segment_mb << 20,
    )


def build_acquisition(config: Config, store: Store) -> Acquisition:
    return Acquisition(store, now, config.gateway.zone)


def build_sink(config: Config, settings: SinkSettings, head: Head, *, quiet: bool = False) -> Sink:
    """A configured sink, not yet connected. A `quiet` one stands beside that of a running gateway."""
    gateway, folder = config.gateway.id, config.archive.path
    match settings.options:
        case MqttOptions() as options:
            meters = [meter.meter for meter in config.meters]
            history = functools.partial(Follower, folder)
            return MqttSink(settings.id, options, gateway, meters, head, now, __version__, history, quiet=quiet)
        case options:
            raise TypeError(f"sink {settings.id}: no sink takes {type(options).__name__}")


@contextlib.asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    """The store, open for the time of an `async with`; opening and closing do not hold up the loop."""
    await asyncio.to_thread(store.open)
    try:
        yield store
    finally:
        await asyncio.to_thread(store.close)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that runs, for the daemon's own tasks and for displays."""

    store: Store
    workers: Sequence[LineWorker]
    publishers: Sequence[Publisher]
    outboxes: Sequence[Outbox]


def build_workers(config: Config, acquisition: Acquisition) -> list[LineWorker]:
    """One worker for each line that has jobs."""
    workers = []
    for line_id, line in config.lines.items():
        jobs = [
            Job(station, job.request, _rhythm(job))
            for settings in config.meters
            if settings.line == line_id
            for station in [build_station(config, settings)]
            for job in settings.jobs
        ]
        if jobs:
            jitter = random.Random()  # noqa: S311 - spreads retries, guards nothing
            workers.append(LineWorker(build_line(line), jobs, acquisition, now, config.gateway.zone, jitter))
    return workers


def _rhythm(job: JobSettings) -> Rhythm:
    if job.every is not None:
        return Every(job.every)
    assert job.at is not None  # the configuration has exactly one of the two
    return At(job.at)


async def run(config: Config) -> None:
    """Run the gateway until SIGTERM or SIGINT. Raises ArchiveError when the archive cannot be opened."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
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
            await _supervise(config, gateway, stop)
        finally:
            for outbox in gateway.outboxes:
                outbox.close()
    log.info("gatewayd stopped, archive at seq %d", store.head)


def _assemble(config: Config, store: Store) -> Gateway:
    outboxes = [Outbox(settings.id, store, _start(settings, config.gateway.zone)) for settings in config.sinks]
    publishers = [
        Publisher(build_sink(config, settings, store.published_head), outbox, now)
        for settings, outbox in zip(config.sinks, outboxes, strict=True)
    ]
    return Gateway(store, build_workers(config, build_acquisition(config, store)), publishers, outboxes)


def _start(settings: SinkSettings, zone: ZoneInfo) -> Start:
    """Where a new sink begins; a day begins at its legal midnight."""
    if isinstance(settings.start, date):
        return legal_time.instant(settings.start, time(0), zone)
    return settings.start


async def _supervise(config: Config, gateway: Gateway, stop: asyncio.Event) -> None:
    """Run all tasks; when `stop` comes, end them in the order acquisition, sinks."""
    acquisition = [asyncio.create_task(worker.run(stop), name=f"line {worker.line.id}") for worker in gateway.workers]
    sinks = [
        asyncio.create_task(publisher.run(), name=f"sink {publisher.state.sink}") for publisher in gateway.publishers
    ]
    retention = asyncio.create_task(_retain(config, gateway.store), name="retention")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await _until_stop([*acquisition, *sinks, retention], stopping)
    finally:
        stop.set()
        await _cancel([*acquisition, retention, stopping])
        await gateway.store.flush()  # what the cancelled sessions had received goes out with the rest
        deadline = asyncio.get_running_loop().time() + SHUTDOWN_SECONDS - _CANCEL_SECONDS
        running = [publisher for publisher, task in zip(gateway.publishers, sinks, strict=True) if not task.done()]
        await asyncio.gather(*(publisher.drain(deadline) for publisher in running), return_exceptions=True)
        await _cancel(sinks)


async def _retain(config: Config, store: Store) -> None:
    """Once a day: drop segments that are older than the retention and delivered everywhere, or waited for long enough."""
    settings = config.archive
    while True:
        positions = read_cursors(settings.path)
        limits = Limits(
            before_us=_months_ago(settings.retention_months, config.gateway.zone),
            even_us=_months_ago(settings.retention_months + settings.undelivered_months, config.gateway.zone),
            acknowledged={sink.id: positions[sink.id].cursor if sink.id in positions else 0 for sink in config.sinks},
        )
        try:
            kept = await store.prune(limits)
        except ArchiveError as error:
            log.error("retention: %s", error)
        else:
            waited_for = [
                sink for sink in kept.sinks if sink in positions
            ]  # a new one has not said yet where it begins
            if waited_for:
                log.error(
                    "retention: %d segments of the archive are older than %d months and kept only because these sinks "
                    "have not taken them: %s; after %d more months they go all the same (archive.undelivered_months)",
                    kept.segments,
                    settings.retention_months,
                    ", ".join(waited_for),
                    settings.undelivered_months,
                )
        await asyncio.sleep(RETENTION_SECONDS)


def _months_ago(months: int, zone: ZoneInfo) -> int:
    """The beginning of the legal-time month that was `months` ago, in microseconds."""
    today = now().astimezone(zone).date()
    month = max(today.year * 12 + today.month - 1 - months, 1970 * 12)
    return to_us(legal_time.instant(date(month // 12, month % 12 + 1, 1), time(0), zone))


async def _until_stop(tasks: Sequence["asyncio.Task[None]"], stopping: "asyncio.Task[bool]") -> None:
    """Wait for the stop. A task that ends by a defect is reported, and the others go on."""
    waiting: set[asyncio.Task[None] | asyncio.Task[bool]] = {*tasks, stopping}
    while stopping in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            error = task.exception() if not task.cancelled() else None
            if error is not None:
                log.critical("%s ended by a defect in gatewayd: %r", task.get_name(), error, exc_info=error)


async def _cancel(tasks: Sequence["asyncio.Task[None] | asyncio.Task[bool]"]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)
