"""The archive against bare SQLite in one run: writing with chain and signatures, verifying, space, many producers."""

import asyncio
import gc
import os
import re
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import apsw

import gatewayd.archive
from benchmarks.result import Result
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.records import Entry
from gatewayd.archive.rows import to_us
from gatewayd.archive.store import Store
from gatewayd.archive.verify import verify
from gatewayd.model import Exchange, Kind, Outcome, Ratio, Reading
from gatewayd.obis import Obis

START = datetime(2026, 11, 1, tzinfo=UTC)
RATIO = Ratio("200/5", "22000/100", Decimal(1))
CHANNELS = ("1.29.0", "2.29.0", "5.29.0", "8.29.0")
QUARTER = timedelta(minutes=15)
BATCHES = 500
BATCH = 100
METERS = 8
DAYS = int(os.environ.get("GATEWAYD_BENCH_ROWS", "1200000")) // (METERS * 384)
"""GATEWAYD_BENCH_ROWS=10000000 for the size that the promises speak of; it takes some minutes."""
ROUNDS = 9


def run() -> list[Result]:
    """All bounds that the archive promises."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("GATEWAYD_BENCH_DIR")) as name:
        folder = Path(name)
        return [_writing(folder), *_reading(folder), _producers(folder)]


def _entry(meter: int, first: int, count: int, received: bytes = b"\x02" + bytes(200)) -> Entry:
    """An exchange with `count` readings of a load profile, four channels, as a profile answer brings them."""
    name = f"em-{meter:04d}"
    readings = tuple(
        Reading(
            meter=name,
            obis=Obis.parse(CHANNELS[k % 4]),
            obis_raw=CHANNELS[k % 4],
            kind=Kind.INTERVAL,
            at=START + QUARTER * (first + k // 4),
            raw=b"(%07.3f)" % (k / 8),
            raw_text=f"{k / 8:07.3f}",
            unit="kWh",
            interval_s=900,
        )
        for k in range(count)
    )
    exchange = Exchange(name, "line", "profile", START, START, received, Outcome.DONE)
    return Entry(exchange, readings, (RATIO,) * count, "35031234")


def _writing(folder: Path) -> Result:
    """Batches of 100: the whole store, from records to acknowledged, against executemany of the same rows."""
    entries = [_entry(n % 50, (n // 50) * 25, BATCH) for n in range(BATCHES)]
    gc.collect()
    gc.freeze()  # 50,000 readings that wait in memory are the benchmark's, not the archive's
    rounds = sorted(
        (_one_round(folder, number, entries) for number in range(ROUNDS)), key=lambda pair: pair[0] / pair[1]
    )
    ours, bare = rounds[ROUNDS // 2]  # the median: each pair was measured side by side
    ratio = ours / bare
    return Result("durable readings/s at batch 100", ours, bare, ratio, "at least 0.75", ratio >= 0.75, "rows/s")


def _one_round(folder: Path, number: int, entries: list[Entry]) -> tuple[float, float]:
    rows = BATCHES * BATCH
    store = _store(folder / f"ours-{number}")
    started = time.perf_counter()
    for entry in entries:
        store.submit(entry)
    asyncio.run(store.flush())
    ours = rows / (time.perf_counter() - started)
    store.close()
    connection = apsw.Connection(str(folder / f"ours-{number}" / "segment-000001.sqlite"))
    tables = [
        connection.execute("SELECT * FROM reading WHERE exchange = ?", (n + 1,)).fetchall() for n in range(BATCHES)
    ]
    connection.close()
    return ours, rows / _bare(folder / f"bare-{number}.sqlite", tables)


_SCHEMA = (Path(gatewayd.archive.__file__).parent / "schema.sql").read_text(encoding="utf-8")
_READING_TABLE = "\n".join(
    statement + ";"
    for statement in _SCHEMA.split(";\n")
    if re.search(r"CREATE (TABLE reading |INDEX reading_)", statement)
)
"""The same table and index, and nothing else: no trigger, no other table."""


def _bare(path: Path, tables: list[list[tuple[object, ...]]]) -> float:
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.execute(_READING_TABLE)
    started = time.perf_counter()
    for table in tables:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", table)
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _reading(folder: Path) -> Iterator[Result]:
    """Space for each reading of daily profiles, exchanges included; speed and memory of a verification."""
    path = folder / "profiles"
    store = _store(path)
    wire = bytes(range(256)) * 15  # 3.8 kB: what 96 rows of four channels take as P.01
    for day in range(DAYS):
        for meter in range(METERS):
            store.submit(_entry(meter, day * 96, 384, wire))
    asyncio.run(store.seal())
    store.close()
    count = DAYS * METERS * 384
    size = (path / "segment-000001.sqlite").stat().st_size / count
    yield Result("bytes for each reading, with its exchange", size, 180, size / 180, "at most 1", size <= 180, "B")
    before = _reset_peak()
    started = time.perf_counter()
    verdict = verify(path)
    seconds = time.perf_counter() - started
    grown = (_peak() - before) / 1024
    assert verdict.ok and verdict.readings == count
    speed = verdict.readings / seconds
    yield Result("verified rows/s", speed, 500_000, speed / 500_000, "at least 1", speed >= 500_000, "rows/s")
    yield Result(f"memory grown by verifying {count} rows", grown, 40, grown / 40, "at most 1", grown <= 40, "MB")
    reader = Reader(path)
    since = START + timedelta(days=DAYS // 2)
    selection = Selection(meter="em-0003", since=since, until=since + timedelta(days=1))
    reader.select(selection)
    started = time.perf_counter()
    found = len(reader.select(selection))
    milliseconds = (time.perf_counter() - started) * 1000
    name = f"one meter-day ({found} readings) of {count}, warm"
    yield Result(name, milliseconds, 100, milliseconds / 100, "at most 1", found == 384 and milliseconds <= 100, "ms")


def _producers(folder: Path) -> Result:
    """300 producers that each wait for their reading, over a disk whose fsync takes 20 ms."""
    rate = asyncio.run(_produce(folder / "slow"))
    name = "300 producers, fsync of 20 ms"
    return Result(name, rate, 5000, rate / 5000, "at least 1", rate >= 5000, "rows/s")


async def _produce(folder: Path) -> float:
    slow = _SlowDisk()
    store = Store(folder, "bench", lambda: to_us(START), group_seconds=0.0)
    store.open()
    until = time.perf_counter() + 3
    counts = [0] * 300

    async def producer(number: int) -> None:
        entry = _entry(number, 0, 1)
        while time.perf_counter() < until:
            await store.append(entry)
            counts[number] += 1

    started = time.perf_counter()
    await asyncio.gather(*(producer(number) for number in range(300)))
    rate = sum(counts) / (time.perf_counter() - started)
    await asyncio.to_thread(store.close)
    slow.unregister()
    return rate


class _SlowDisk(apsw.VFS):
    """The system's file access, with an fsync of the journal that takes 20 ms longer."""

    def __init__(self) -> None:
        super().__init__("slow-disk", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "_SlowFile":
        return _SlowFile("unix", name, flags)


class _SlowFile(apsw.VFSFile):
    def xSync(self, flags: int) -> None:
        time.sleep(0.02)
        super().xSync(flags)


def _store(folder: Path) -> Store:
    store = Store(folder, "bench", lambda: to_us(START), group_seconds=0.0, segment_bytes=1 << 40)
    store.open()
    return store


def _reset_peak() -> int:
    """Forget the largest memory so far (proc(5), clear_refs); what is in use now, in kB."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """Largest resident memory since the last reset, in kB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])
