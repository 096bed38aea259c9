"""Building the parts of a gateway from its configuration.

Rules: nothing is opened here; libraries that only some sinks need are loaded when such a sink is built.
"""

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from drivers import DRIVERS
from gatewayd import __version__, legal_time
from gatewayd.acquire import Acquisition
from gatewayd.archive.follow import Follower
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import GROUP_SECONDS, Store
from gatewayd.call_worker import CallWorker
from gatewayd.calls import Ledger
from gatewayd.channel import Channel, Framing
from gatewayd.channel.rfc2217 import open_rfc2217
from gatewayd.channel.serial import take_serial
from gatewayd.channel.tcp import open_tcp
from gatewayd.channel.tracing import Tap
from gatewayd.config import (
    Config,
    MeterSettings,
    ModemLine,
    Rfc2217Line,
    SerialLine,
    SinkSettings,
    TcpLine,
    TcpListenLine,
    UdpListenLine,
    load,
)
from gatewayd.config import Job as JobSettings
from gatewayd.config import Line as LineSettings
from gatewayd.daemon.derived_sinks import derived_history, receivers
from gatewayd.daemon.listening import build_line_worker, build_listening_line, build_port_worker
from gatewayd.daemon.modems import Modem, build_modem_line
from gatewayd.daemon.optical_head import optical_head
from gatewayd.daemon.trace import traced
from gatewayd.diary import Diary
from gatewayd.driver import Memory, Setting
from gatewayd.examine import Examiner
from gatewayd.gateway_clock import GatewayClock
from gatewayd.listener import ListenWorker, Pushing
from gatewayd.outbox import Start
from gatewayd.schedule import At, Boundaries, Every, Rhythm
from gatewayd.sink import Head, Sink
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.postgresql.options import PostgresqlOptions
from gatewayd.station import Line, OnCall, Station
from gatewayd.upkeep import Upkeep
from gatewayd.worker import Job, LineWorker

DRIVER_OPTIONS: Mapping[str, type[BaseModel]] = {name: kind.options for name, kind in DRIVERS.items()}
SINK_OPTIONS: Mapping[str, type[BaseModel]] = {
    "mqtt": MqttOptions,
    "line_protocol": LineProtocolOptions,
    "postgresql": PostgresqlOptions,
}


def now() -> datetime:
    return datetime.now(UTC)


def load_config(path: Path) -> Config:
    """The configuration, checked against the drivers and sinks that there are. Raises ConfigError."""
    return load(path, DRIVER_OPTIONS, SINK_OPTIONS)


def build_line(settings: LineSettings, tap: Tap | None = None) -> Line:
    """How to open a configured line. What a modem line remembers of its PIN lasts as long as the line.

    `tap` is told of all its traffic."""
    line = _line(settings, tap)
    return line if tap is None or line.calls else traced(line, tap)  # a modem tells by itself: of its dialogue as well


def _line(settings: LineSettings, tap: Tap | None) -> Line:
    framing = Framing(settings.framing) if settings.framing else None
    match settings:
        case SerialLine():
            delay = settings.switch_delay_ms / 1000
            baud = settings.baud or 300

            async def open_device(_station: Station, _on_call: OnCall) -> Channel:
                return await take_serial(settings.id, settings.device, baud, framing, delay)

            return Line(settings.id, open_device)
        case TcpLine():
            timeout = float(settings.connect_timeout_s)

            async def connect(_station: Station, _on_call: OnCall) -> Channel:
                deadline = asyncio.get_running_loop().time() + timeout
                return await open_tcp(settings.id, settings.host, settings.port, framing, deadline=deadline)

            return Line(settings.id, connect)
        case Rfc2217Line(host=host, port=port):
            patience = float(settings.connect_timeout_s)
            rate = settings.baud or 300

            async def take_port(_station: Station, _on_call: OnCall) -> Channel:
                deadline = asyncio.get_running_loop().time() + patience
                return await open_rfc2217(settings.id, host, port, rate, framing, deadline=deadline)

            return Line(settings.id, take_port)
        case ModemLine():
            return build_modem_line(Modem(settings, now, tap))
        case TcpListenLine() | UdpListenLine():
            return build_listening_line(settings)


def build_station(
    config: Config, settings: MeterSettings, memory: Memory, beside: dict[str, object] | None = None
) -> Station:
    """A configured meter with its driver and what that remembers (Store.memory_of). `beside`: the same for all meters
    of a line."""
    line = config.lines_of(settings.line)[0]
    setting = Setting(
        meter=settings.meter,
        options=settings.options,
        line_baud=line.baud if isinstance(line, SerialLine | Rfc2217Line | ModemLine) else None,
        clock=now,
        zone=config.gateway.zone,
        memory=memory,
        enter_hdlc=optical_head(settings.id, settings.line),
        beside={} if beside is None else beside,
    )
    driver = DRIVERS[settings.driver].build(setting)
    return Station(settings.meter, driver, settings.phone, settings.peer, settings.policy)


def build_store(config: Config, *, group_seconds: float = GROUP_SECONDS) -> Store:
    """The archive of a configuration, not yet open."""
    return Store(
        config.archive.path,
        config.gateway.id,
        lambda: to_us(now()),
        group_seconds=group_seconds,
        segment_bytes=config.archive.segment_mb << 20,
    )


def build_clock(config: Config) -> GatewayClock:
    """The watch over the gateway's own clock."""
    return GatewayClock(now, monotonic, trusted=config.gateway.clock == "trusted")


def build_acquisition(config: Config, store: Store, clock: GatewayClock | None = None) -> Acquisition:
    """`clock` says whether the gateway's clock is right; None: a watch of its own does."""
    sure = (clock or build_clock(config)).synchronised
    upkeep = Upkeep(store, now, config.gateway.zone, sure=sure, steady=monotonic)
    examiner = Examiner(store, now, sure)
    return Acquisition(store, now, config.gateway.zone, steady=monotonic, upkeep=upkeep, examiner=examiner)


def build_sink(config: Config, settings: SinkSettings, head: Head, *, quiet: bool = False) -> Sink:
    """A configured sink, not yet connected. A `quiet` one stands beside that of a running gateway."""
    gateway, folder = config.gateway.id, config.archive.path
    match settings.options:
        case MqttOptions() as options:
            from gatewayd.sink.mqtt.sink import MqttSink

            history = functools.partial(Follower, folder)
            derived = derived_history(folder) if settings.derived else None
            return MqttSink(
                settings.id,
                options,
                gateway,
                config.metered,
                head,
                now,
                __version__,
                history,
                derived=derived,
                quiet=quiet,
            )
        case LineProtocolOptions() as options:
            from gatewayd.sink.line_protocol.sink import LineProtocolSink

            return LineProtocolSink(settings.id, options, gateway, now, points=settings in receivers(config))
        case PostgresqlOptions() as options:
            from gatewayd.sink.postgresql.sink import PostgresqlSink

            return PostgresqlSink(settings.id, options, gateway)
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


Worker = LineWorker | CallWorker | ListenWorker


def build_workers(
    config: Config,
    acquisition: Acquisition,
    taps: Mapping[str, Tap],
    memory_of: Callable[[str], Memory],
    *,
    slots: asyncio.Semaphore | None = None,
    diary: Diary | None = None,
    owed: dict[str, dict[str, object]] | None = None,
) -> list[Worker]:
    """One worker for each line that has meters and each pool that has jobs; `taps` by line, `memory_of` by meter.

    `slots` are the places for conversations, where other workers share them: as many as the configuration says.
    `owed`: by line, what its drivers share (Setting.beside), where that is to outlive these workers.
    """
    places = slots or asyncio.Semaphore(config.acquisition.sessions)
    workers: list[Worker] = []
    by_line: dict[str, list[MeterSettings]] = {}
    for settings in config.meters:
        by_line.setdefault(settings.line, []).append(settings)
    for name in (*config.lines, *config.pools):
        shared: dict[str, object] = {} if owed is None else owed.setdefault(name, {})
        meters = [
            (settings, build_station(config, settings, memory_of(settings.id), shared))
            for settings in by_line.get(name, ())
        ]
        pairs = [
            (replace(station, policy=policy), job) for settings, station in meters for policy, job in settings.all_jobs
        ]
        jobs = [Job(station, job.request, _rhythm(job)) for station, job in pairs if not job.listen]
        pushing = [Pushing(station, job.silence) for station, job in pairs if job.listen]
        without = [station for settings, station in meters if not settings.all_jobs]
        lines = config.lines_of(name)
        if pushing:  # the configuration has nothing else on such a line
            workers.append(_listen_worker(lines[0], pushing, acquisition, taps.get(name)))
        elif jobs or (without and not isinstance(lines[0], ModemLine | TcpListenLine | UdpListenLine)):
            built = [build_line(line, taps.get(line.id)) for line in lines]
            zone = config.gateway.zone
            if built[0].calls:
                windows = {line.id: line.call_window for line in lines if isinstance(line, ModemLine)}
                ledger = Ledger(windows, zone)
                workers.append(CallWorker(name, built, jobs, acquisition, ledger, now, zone, diary=diary))
            else:
                jitter = random.Random()  # noqa: S311 - spreads jobs and retries, guards nothing
                spread = config.acquisition.spread
                worker = LineWorker(
                    built[0],
                    jobs,
                    acquisition,
                    now,
                    zone,
                    jitter,
                    slots=places,
                    diary=diary,
                    spread=spread,
                    beside=without,
                )
                workers.append(worker)
    return workers


def _listen_worker(
    line: LineSettings, pushing: Sequence[Pushing], acquisition: Acquisition, tap: Tap | None
) -> ListenWorker:
    if isinstance(line, TcpListenLine | UdpListenLine):
        return build_port_worker(line, pushing, acquisition, now, tap)
    return build_line_worker(build_line(line, tap), pushing[0], acquisition, now)


def _rhythm(job: JobSettings) -> Rhythm:
    if job.every is not None:
        return Boundaries(job.every) if job.intervals else Every(job.every)
    assert job.at is not None  # the configuration has exactly one of the two
    return At(job.at, job.on)


def sink_start(settings: SinkSettings, zone: ZoneInfo) -> Start:
    """Where a new sink begins; a day begins at its legal midnight."""
    if isinstance(settings.start, date):
        return legal_time.instant(settings.start, time(0), zone)
    return settings.start
