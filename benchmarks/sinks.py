"""From the archive to a broker and to databases: speed beside a bare client or a floor, and memory, in one run."""

import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiomqtt import Client, ProtocolVersion

from benchmarks.archive import _peak, _reset_peak, _store
from benchmarks.result import Result
from gatewayd.archive.follow import Follower
from gatewayd.archive.records import Entry
from gatewayd.archive.store import Store
from gatewayd.daemon.threads import share_promptly
from gatewayd.model import DIRECT, Exchange, Kind, Meter, MeteringType, Outcome, Ratio, Reading
from gatewayd.obis import Obis
from gatewayd.outbox import Outbox
from gatewayd.publish import Publisher
from gatewayd.sink import Sink
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.sink import LineProtocolSink
from gatewayd.sink.mqtt.client import Publication
from gatewayd.sink.mqtt.options import MqttOptions
from gatewayd.sink.mqtt.sink import MqttSink
from gatewayd.sink.postgresql.options import PostgresqlOptions
from gatewayd.sink.postgresql.sink import PostgresqlSink
from tests.interop.mosquitto import Mosquitto
from tests.interop.postgresql import PostgreSQL
from tests.interop.victoria_metrics import VictoriaMetrics

MESSAGES = 30_000
ROWS = int(os.environ.get("GATEWAYD_BENCH_ROWS", "1000000")) // 384 * 384
"""Readings of load profiles for the databases."""
POSTGRES_ROWS = 300_000
ROUNDS = 3
IN_FLIGHT = 20
MONTHS_120 = "120"
MINUTES_15 = timedelta(minutes=15)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
METERS = [Meter(f"em-{n:04d}", "iec62056_21", "line", MeteringType.A) for n in range(20)]
REGISTERS = ("1.8.0", "1.8.1", "1.8.2", "2.8.0", "3.8.0", "4.8.0", "1.7.0", "32.7.0", "31.7.0", "14.7.0")
CHANNELS = ("1.29.0", "2.29.0", "5.29.0", "8.29.0")
RATIO = Ratio("200/5", "22000/100")


def run() -> list[Result]:
    share_promptly()  # as the daemon does
    with tempfile.TemporaryDirectory(dir=os.environ.get("GATEWAYD_BENCH_DIR")) as name:
        folder = Path(name)
        profiles = _profiles(folder / "profiles")
        try:
            return [_mqtt(folder), *_victoria_metrics(folder, profiles), _postgresql(profiles)]
        finally:
            profiles.close()


def _archive(folder: Path, entries: Iterator[Entry]) -> Store:
    store = _store(folder)
    for number, entry in enumerate(entries, 1):
        store.submit(entry)
        if number % 1000 == 0:
            asyncio.run(store.flush())  # what waits to be written is not what is measured
    asyncio.run(store.flush())
    return store


def _registers(number: int) -> Entry:
    """A readout: ten registers of one meter."""
    name = METERS[number % len(METERS)].id
    at = BEGIN + MINUTES_15 * (number // len(METERS))
    readings = tuple(
        Reading(name, Obis.parse(code), code, Kind.REGISTER, at, b"(%09d)" % number, f"{number:07d}.375", "kWh")
        for code in REGISTERS
    )
    exchange = Exchange(name, "line", "registers all", at, at, b"\x02" + bytes(200), Outcome.DONE)
    return Entry(exchange, readings, (DIRECT,) * len(readings), "35031234")


def _profile(number: int) -> Entry:
    """A day of a load profile: 96 quarter-hours of four channels, behind instrument transformers."""
    name = METERS[number % len(METERS)].id
    first = BEGIN + timedelta(days=number // len(METERS) % 300)
    obis = [Obis.parse(code) for code in CHANNELS]
    readings = tuple(
        Reading(
            name,
            obis[k % 4],
            CHANNELS[k % 4],
            Kind.INTERVAL,
            first + MINUTES_15 * (k // 4 + 1),
            b"(%07.3f)" % ((number + k) % 999 / 8),
            f"{(number + k) % 999 / 8:07.3f}",
            "kWh",
            interval_s=900,
        )
        for k in range(384)
    )
    exchange = Exchange(name, "line", "profile", first, first, b"\x02" + bytes(3800), Outcome.DONE)
    return Entry(exchange, readings, (RATIO,) * len(readings), "35031234")


def _profiles(folder: Path) -> Store:
    return _archive(folder, (_profile(number) for number in range(ROWS // 384)))


# --------------------------------------------------------------------------------------------------------------- MQTT


def _mqtt(folder: Path) -> Result:
    """QoS 1 messages/s, archive and payloads included, against bare aiomqtt with the same payloads ready in memory."""
    store = _archive(folder / "registers", (_registers(number) for number in range(MESSAGES // len(REGISTERS))))
    with Mosquitto(folder) as broker:
        pairs = [asyncio.run(_pair(store, broker, number)) for number in range(ROUNDS)]
    store.close()
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    name = "MQTT QoS 1 from the archive; reference: bare aiomqtt, 20 in flight"
    return Result(name, ours, bare, ours / bare, "at least 0.7", ours / bare >= 0.7, "messages/s")


async def _pair(store: Store, broker: Mosquitto, number: int) -> tuple[float, float]:
    options = MqttOptions(host=broker.host, port=broker.port, window=IN_FLIGHT)
    sink = MqttSink("mqtt", options, "bench", METERS, store.published_head, _now, "0")
    readings = await asyncio.to_thread(Follower(store.folder).after, 0, MESSAGES)
    publications = [
        Publication(sink.topics.reading(message.readings[0].reading), message.payload, retain=True)
        for message in sink.composer.messages(readings, 1 << 16)
    ]
    del readings
    ours = await _drained(sink, store, f"mqtt-{number}", MESSAGES)
    return ours, await _bare(broker, publications)


async def _bare(broker: Mosquitto, publications: Sequence[Publication]) -> float:
    """What aiomqtt itself does with the same messages."""
    waiting: Iterator[Publication] = iter(publications)

    async def forward(client: Client) -> None:
        for publication in waiting:
            await client.publish(publication.topic, publication.payload, qos=1, retain=publication.retain)

    async with Client(broker.host, broker.port, protocol=ProtocolVersion.V5) as client:
        client.pending_calls_threshold = IN_FLIGHT
        started = time.perf_counter()
        await asyncio.gather(*(forward(client) for _ in range(IN_FLIGHT)))
        return len(publications) / (time.perf_counter() - started)


# ---------------------------------------------------------------------------------------------------------- databases


def _victoria_metrics(folder: Path, profiles: Store) -> list[Result]:
    """Points/s from the archive, and what draining it adds to the memory of the process."""
    (folder / "vm").mkdir()
    with VictoriaMetrics(folder / "vm", f"-retentionPeriod={MONTHS_120}") as database:
        options = LineProtocolOptions(dialect="victoriametrics", url=database.url)
        sink = LineProtocolSink("tsdb", options, "bench", _now)
        asyncio.run(_drained(sink, profiles, "tsdb-first", 20_000))  # libraries loaded, connections made
        before = _reset_peak()
        speed = asyncio.run(_drained(sink, profiles, "tsdb", ROWS))
        grown = (_peak() - before) / 1024
        stored = database.count('reading_value{gateway="bench"}')
        assert stored >= ROWS, f"{stored} of {ROWS} points are there"
    name = f"memory grown by draining {ROWS} readings"
    return [
        Result("line protocol into VictoriaMetrics", speed, 1e5, speed / 1e5, "at least 1", speed >= 1e5, "points/s"),
        Result(name, grown, 50, grown / 50, "at most 1", grown <= 50, "MB"),
    ]


def _postgresql(profiles: Store) -> Result:
    """New rows/s from the archive; the table has its indexes, and every batch is one durable transaction."""
    with PostgreSQL() as database:
        os.environ["GATEWAYD_BENCH_PASSWORD"] = database.password
        options = PostgresqlOptions(
            host=database.host,
            port=database.port,
            database=database.database,
            username=database.user,
            password_env="GATEWAYD_BENCH_PASSWORD",  # noqa: S106 - the name of a variable
        )
        sink = PostgresqlSink("sql", options, "bench")
        count = min(POSTGRES_ROWS, ROWS)
        speed = asyncio.run(_drained(sink, profiles, "sql", count))
        ((stored,),) = database.query("SELECT count(*) FROM gatewayd.reading")
        assert int(stored) >= count
    return Result("PostgreSQL, new rows", speed, 5e4, speed / 5e4, "at least 1", speed >= 5e4, "rows/s")


async def _drained(sink: Sink, store: Store, name: str, count: int) -> float:
    """Readings/s from the archive into a sink, until it has acknowledged `count` of them."""
    outbox = Outbox(name, store)
    publisher = Publisher(sink, outbox, _now)
    await outbox.open()
    gc.collect()
    gc.freeze()  # what other benchmarks have left in memory is not the sink's
    started = time.perf_counter()
    task = asyncio.create_task(publisher.run())
    await _until(lambda: outbox.cursor >= count or task.done())
    seconds = time.perf_counter() - started
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    delivered = outbox.cursor
    outbox.close()
    assert delivered >= count, publisher.state.last_fault
    return delivered / seconds


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the outbox tells nobody, and need not
        await asyncio.sleep(0.005)


def _now() -> datetime:
    return datetime.now(UTC)
