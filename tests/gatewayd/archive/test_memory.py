"""What drivers remember of their meters: it outlives the process, and a damaged file costs only itself."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from gatewayd.archive import memory
from gatewayd.archive.set_aside import state_path
from gatewayd.errors import ArchiveDamaged, ArchiveError
from tests.gatewayd.archive.samples import opened

_WRITER = """
import asyncio, sys
from pathlib import Path
from tests.gatewayd.archive.samples import opened

async def count() -> None:
    with opened(Path(sys.argv[1])) as store:
        kept = store.memory_of("em-1")
        for number in range(10_000):
            await kept.remember("counter", str(number).encode())
            print(number, flush=True)

asyncio.run(count())
"""


def test_what_is_remembered_is_there_after_a_restart(tmp_path: Path) -> None:
    async def remember() -> None:
        with opened(tmp_path) as store:
            await store.memory_of("em-1").remember("counter", b"\x00\x01")
            await store.memory_of("em-1").remember("objects", b"")
            await store.memory_of("em-2").remember("counter", b"other")

    async def recall() -> list[bytes | None]:
        with opened(tmp_path) as store:
            one = store.memory_of("em-1")
            return [await one.recall("counter"), await one.recall("objects"), await one.recall("nothing")]

    asyncio.run(remember())
    assert asyncio.run(recall()) == [b"\x00\x01", b"", None]


def test_the_last_value_counts_and_is_seen_at_once(tmp_path: Path) -> None:
    async def both() -> bytes | None:
        with opened(tmp_path) as store:
            kept = store.memory_of("em-1")
            assert await kept.recall("counter") is None
            await kept.remember("counter", b"1")
            await kept.remember("counter", b"2")
            return await kept.recall("counter")

    assert asyncio.run(both()) == b"2"
    assert memory.recalled(tmp_path, "em-1", "counter") == b"2"


def test_what_could_not_be_written_is_not_remembered(tmp_path: Path) -> None:
    async def fail(_change: memory.Change) -> None:
        raise ArchiveError("disk full")

    async def run() -> None:
        kept = memory.MeterMemory("em-1", tmp_path, fail)
        with pytest.raises(ArchiveError, match="disk full"):
            await kept.remember("counter", b"7")
        assert await kept.recall("counter") is None

    asyncio.run(run())


def test_a_damaged_file_is_put_aside_and_the_memory_goes_on_empty(tmp_path: Path) -> None:
    async def remember(value: bytes) -> bytes | None:
        with opened(tmp_path) as store:
            kept = store.memory_of("em-1")
            before = await kept.recall("counter")
            await kept.remember("counter", value)
            return before

    assert asyncio.run(remember(b"1")) is None
    state_path(tmp_path).write_bytes(b"no database at all" * 1000)
    assert asyncio.run(remember(b"2")) is None
    assert asyncio.run(remember(b"3")) == b"2"


def test_a_file_of_an_earlier_version_knows_nothing(tmp_path: Path) -> None:
    connection = apsw.Connection(str(state_path(tmp_path)))
    connection.execute("CREATE TABLE refused (meter TEXT)")
    connection.close()
    assert memory.recalled(tmp_path, "em-1", "counter") is None


def test_what_was_remembered_survives_a_kill(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(20)]
            os.kill(process.pid, signal.SIGKILL)
            told += process.stdout.readlines()
        last = int([line for line in told if line.endswith("\n")][-1])
        found = memory.recalled(tmp_path, "em-1", "counter")
        assert found is not None
        assert int(found) in (last, last + 1)


def test_a_counter_is_shared_by_all_meters_and_never_gives_a_number_twice(tmp_path: Path) -> None:
    async def count() -> list[int]:
        with opened(tmp_path) as store:
            one, other = store.memory_of("em-1"), store.memory_of("em-2")
            begun = await asyncio.gather(*((one, other)[n % 2].count("key", 1, 10) for n in range(20)))
            return sorted(begun)

    assert asyncio.run(count()) == [1 + 10 * n for n in range(20)]
    assert asyncio.run(count()) == [201 + 10 * n for n in range(20)]


def test_a_counter_jumps_to_the_least_and_never_back(tmp_path: Path) -> None:
    async def count() -> tuple[int | None, int, int, int | None]:
        with opened(tmp_path) as store:
            kept = store.memory_of("em-1")
            return (
                await kept.counted("key"),
                await kept.count("key", 500, 5),
                await kept.count("key", 7, 1),
                (await store.memory_of("em-2").counted("key")),
            )

    assert asyncio.run(count()) == (None, 500, 505, 506)


def test_a_spoilt_counter_is_told_and_not_begun_anew(tmp_path: Path) -> None:
    async def count() -> None:
        with opened(tmp_path) as store:
            kept = store.memory_of("em-1")
            await kept.count("key", 1, 1)
            with apsw.Connection(str(state_path(tmp_path))) as connection:
                connection.execute("UPDATE memory SET value = x'ff' WHERE key = 'key'")
            with pytest.raises(ArchiveDamaged, match="restore the file"):
                await kept.counted("key")
            with pytest.raises(ArchiveDamaged, match="restore the file"):
                await kept.count("key", 1, 1)

    asyncio.run(count())
