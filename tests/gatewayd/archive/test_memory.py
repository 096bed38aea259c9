"""What drivers remember of their meters: it outlives the process, and a damaged file costs only itself."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import apsw
import pytest

from gatewayd.archive import memory, set_aside
from gatewayd.archive.records import Receipt
from gatewayd.archive.set_aside import state_path
from gatewayd.archive.store import Store
from gatewayd.errors import ArchiveDamaged, ArchiveError
from tests.gatewayd.archive.samples import PATIENCE, entry, opened, reading

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


def test_what_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    """And the number of things that were to be written tells nobody anything."""
    path = state_path(tmp_path)
    set_aside.open_state(tmp_path).close()
    state = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        with pytest.raises(ArchiveError, match=f"^what is remembered cannot be written into {path}: .*readonly"):
            memory.put_all(state, [("em-1", "counter", b"7")])
    finally:
        state.close()


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


def _held(store: Store, opened_up: threading.Event) -> "Future[Receipt]":
    """Keeps the writer's thread busy until the event, so that what follows is in its queue together."""
    busy = threading.Event()

    def wait(_head: int) -> None:
        busy.set()
        assert opened_up.wait(PATIENCE)

    store.on_commit(wait)
    written = store.submit(entry(reading()))
    assert busy.wait(PATIENCE)
    return written


def test_what_waits_together_is_written_in_one_transaction(tmp_path: Path) -> None:
    """Each costs the disk the same, whatever is in it: thousands of meters would wait for each other."""

    async def remember() -> int:
        transactions: list[None] = []
        with opened(tmp_path) as store:
            opened_up = threading.Event()
            _held(store, opened_up)

            def begins() -> bool:
                transactions.append(None)
                return False

            store._state.set_commit_hook(begins)
            kept = [store.memory_of(f"em-{n}") for n in range(50)]
            waiting = [asyncio.ensure_future(one.remember("counter", b"%d" % n)) for n, one in enumerate(kept)]
            await asyncio.sleep(0)  # all of them are in the queue
            opened_up.set()
            await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
            return len(transactions)

    assert asyncio.run(remember()) == 1
    assert memory.recalled_all(tmp_path, "") == {(f"em-{n}", "counter"): b"%d" % n for n in range(50)}


def test_one_that_cannot_be_written_takes_no_other_with_it(tmp_path: Path) -> None:
    async def remember() -> list[object]:
        with opened(tmp_path) as store:
            opened_up = threading.Event()
            _held(store, opened_up)
            keys = ["a", "\ud800", "b"]
            kept = store.memory_of("em-1")
            waiting = [asyncio.ensure_future(kept.remember(key, b"1")) for key in keys]
            counted = asyncio.ensure_future(kept.count("key", 1, 10))
            await asyncio.sleep(0)
            opened_up.set()
            results: list[object] = [*await asyncio.gather(*waiting, return_exceptions=True), await counted]
            await kept.remember("c", b"3")
            return results

    a, spoilt, b, counted = asyncio.run(remember())
    assert (a, b, counted) == (None, None, 1)
    assert isinstance(spoilt, ArchiveError)
    found = memory.recalled_all(tmp_path, "")
    assert {key: found[key] for key in (("em-1", "a"), ("em-1", "b"), ("em-1", "c"))} == {
        ("em-1", "a"): b"1",
        ("em-1", "b"): b"1",
        ("em-1", "c"): b"3",
    }


def test_a_change_does_not_wait_for_the_group(tmp_path: Path) -> None:
    """A driver waits for it before it goes on, while rows may wait for others to come."""

    async def remember() -> None:
        with opened(tmp_path, group_seconds=3600.0) as store:
            written = store.submit(entry(reading()))
            await asyncio.wait_for(store.memory_of("em-1").remember("counter", b"1"), PATIENCE)
            assert written.done(), "what was submitted before is written before"

    asyncio.run(remember())


def test_a_meter_is_looked_up_once_for_all_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    look = memory._looked_up

    def counting(folder: Path, sql: str, values: tuple[str | int, ...]) -> list[tuple[object, ...]]:
        looked.append(values)
        return look(folder, sql, values)

    async def recall() -> list[bytes | None]:
        with opened(tmp_path) as store:
            await store.remember_all([("em-1", "a", b"1"), ("em-1", "b", b"2"), ("em-2", "c", b"3")])
            kept = store.memory_of("em-1")
            await kept.remember("d", b"4")
            monkeypatch.setattr(memory, "_looked_up", counting)
            return [await kept.recall(key) for key in "abcdabcd"]

    assert asyncio.run(recall()) == [b"1", b"2", None, b"4"] * 2
    assert looked == [("em-1",)]


def test_all_meters_are_looked_up_together_and_what_was_written_since_counts(tmp_path: Path) -> None:
    """The first look-up brings all meters; a second memory of one, as after a reload, asks the file."""
    looked: list[object] = []
    look = memory._looked_up

    def counting(folder: Path, sql: str, values: tuple[str | int, ...]) -> list[tuple[object, ...]]:
        looked.append(values)
        return look(folder, sql, values)

    async def run() -> list[bytes | None]:
        with opened(tmp_path) as store:
            await store.remember_all([(f"em-{n}", "a", b"%d" % n) for n in range(4)])
            memory_of = store.memory_of
            found = [await memory_of("em-0").recall("a"), await memory_of("em-1").recall("a")]
            assert len(looked) == 1
            await memory_of("em-2").remember("a", b"new")
            found += [await memory_of(meter).recall("a") for meter in ("em-1", "em-2", "em-3")]
            assert len(looked) == 3, "em-1 was taken, em-2 was written"
            return found

    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patched:
        patched.setattr(memory, "_looked_up", counting)
        assert asyncio.run(run()) == [b"0", b"1", b"1", b"new", b"3"]


def test_what_may_or_may_not_be_on_the_disk_is_looked_up_there(tmp_path: Path) -> None:
    async def run() -> bytes | None:
        with opened(tmp_path) as store:

            async def half(change: memory.Change) -> None:
                await store._state_call(change)
                raise ArchiveError("nobody knows")

            kept = memory.MeterMemory("em-1", tmp_path, half)
            assert await kept.recall("counter") is None
            with pytest.raises(ArchiveError, match="nobody knows"):
                await kept.remember("counter", b"7")
            return await kept.recall("counter")

    assert asyncio.run(run()) == b"7"
