"""Invocation counters: no number twice, over kills at every point and disks that fail; caps, alarm and the end."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.counters import (
    BLOCK,
    CounterExhausted,
    CounterJump,
    CounterUnreserved,
    InvocationCounter,
    ReceivedCounter,
    key_id,
)
from drivers.dlms.wire.keys import Keys
from gatewayd.driver import Forgetful, Memory
from gatewayd.errors import ArchiveDamaged, ArchiveError, GatewayError, MeterDiffers
from tests.drivers.dlms.hdlc_bytes import examples

MAX = 0xFFFF_FFFF
ENTRY = "counter/k"
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class Killed(BaseException):
    """The power is cut."""


class Disk:
    """A memory whose machine is killed at a chosen step: before a write reaches the disk, or just behind it."""

    def __init__(self) -> None:
        self.stored: dict[str, int] = {}
        self.kill_in = -1
        self.writes: list[int] = []

    async def recall(self, key: str) -> bytes | None:
        raise NotImplementedError

    async def remember(self, key: str, value: bytes) -> None:
        raise NotImplementedError

    async def counted(self, name: str) -> int | None:
        self._step()
        await asyncio.sleep(0)
        return self.stored.get(name)

    async def count(self, name: str, least: int, by: int) -> int:
        self._step()
        await asyncio.sleep(0)
        begin = max(self.stored.get(name, 0), least)
        self.stored[name] = begin + by
        self.writes.append(begin + by)
        self._step()
        return begin

    def _step(self) -> None:
        if self.kill_in == 0:
            raise Killed
        self.kill_in -= 1


class Broken:
    """A disk that takes nothing, or only says so: the write has reached it all the same."""

    def __init__(self, inner: Memory, *, written: bool = False) -> None:
        self.inner = inner
        self.written = written
        self.broken = False

    async def recall(self, key: str) -> bytes | None:
        return await self.inner.recall(key)

    async def remember(self, key: str, value: bytes) -> None:
        await self.inner.remember(key, value)

    async def counted(self, name: str) -> int | None:
        return await self.inner.counted(name)

    async def count(self, name: str, least: int, by: int) -> int:
        begin = await self.inner.count(name, least, by) if self.written or not self.broken else 0
        if self.broken:
            raise ArchiveError("the disk is full")
        return begin


async def filled(value: int) -> Forgetful:
    memory = Forgetful()
    await memory.count(ENTRY, value, 0)
    return memory


async def taken(counter: InvocationCounter, number: int) -> list[int]:
    numbers = []
    for _ in range(number):
        await counter.ready(1)
        numbers.append(counter.take())
    return numbers


def test_a_new_key_begins_at_one_and_what_is_reserved_is_on_the_disk_first() -> None:
    async def scene() -> None:
        disk = Disk()
        counter = InvocationCounter(disk, "k")
        assert not await counter.known()
        await counter.ready()
        assert disk.stored == {ENTRY: 1001}
        assert [counter.take() for _ in range(3)] == [1, 2, 3]
        assert await counter.known()

    run(scene())


def test_a_block_is_written_once_and_the_next_before_the_spare_ones_are_gone() -> None:
    async def scene() -> None:
        disk = Disk()
        counter = InvocationCounter(disk, "k", block=100)
        numbers = []
        for _ in range(250):
            await counter.ready(spare=64)
            numbers.append(counter.take())
        assert numbers == list(range(1, 251))
        assert disk.writes == [101, 138, 175, 212, 249, 286, 323]  # each 100 behind the number that had 63 left

    run(scene())


def test_every_start_begins_at_the_end_of_the_reserved_block() -> None:
    async def scene() -> None:
        memory = await filled(5000)
        counter = InvocationCounter(memory, "k")
        assert await counter.known()
        await counter.ready()
        assert counter.take() == 5000
        assert await memory.counted(ENTRY) == 6000
        again = InvocationCounter(memory, "k")
        await again.ready()
        assert again.take() == 6000

    run(scene())


def test_nothing_is_given_that_is_not_reserved() -> None:
    async def scene() -> None:
        counter = InvocationCounter(Forgetful(), "k", block=2)
        with pytest.raises(CounterUnreserved):
            counter.take()
        await counter.ready(2)
        assert (counter.take(), counter.take()) == (1, 2)
        with pytest.raises(CounterUnreserved):
            counter.take()
        await counter.ready(5)
        assert [counter.take() for _ in range(5)] == [3, 4, 5, 6, 7]
        with pytest.raises(CounterUnreserved):
            counter.take()

    run(scene())


@pytest.mark.parametrize("written", [False, True])
def test_a_disk_that_fails_gives_no_numbers_and_loses_none(written: bool) -> None:
    async def scene() -> None:
        memory = Broken(Forgetful(), written=written)
        counter = InvocationCounter(memory, "k", block=3)
        await counter.ready(3)
        memory.broken = True
        assert counter.take() == 1
        with pytest.raises(ArchiveError):
            await counter.ready(3)
        assert (counter.take(), counter.take()) == (2, 3)
        with pytest.raises(CounterUnreserved):
            counter.take()
        memory.broken = False
        await counter.ready(1)
        assert counter.take() == (5 if written else 4)  # 4 may be somebody else's then

    run(scene())


def test_a_disk_that_fails_while_the_counter_is_raised_gives_no_numbers() -> None:
    async def scene() -> None:
        memory = Broken(Forgetful())
        counter = InvocationCounter(memory, "k")
        await counter.ready()
        memory.broken = True
        with pytest.raises(ArchiveError):
            await counter.raise_to(50_000, cap=100_000)
        with pytest.raises(CounterUnreserved):
            counter.take()
        memory.broken = False
        await counter.ready()
        assert counter.take() > 50_000

    run(scene())


@pytest.mark.parametrize("seed", range(100))
def test_numbers_rise_over_kills_at_random_points(seed: int) -> None:
    chance = random.Random(seed)
    disk = Disk()
    numbers: list[int] = []

    async def life() -> None:
        counter = InvocationCounter(disk, "k", block=chance.randint(1, 20))
        while True:
            if chance.random() < 0.1:
                await counter.raise_to(max(numbers, default=0) + chance.randint(-5, 50), cap=1000)
            await counter.ready(chance.randint(1, 10))
            numbers.append(counter.take())  # what a meter has seen

    for _ in range(100):
        disk.kill_in = chance.randint(0, 30)
        with pytest.raises(Killed):
            run(life())
    assert len(numbers) > 100
    assert all(before < after for before, after in itertools.pairwise(numbers))


@examples(100)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.integers(1, 30)),
            st.tuples(st.just("raise"), st.integers(0, 3000)),
            st.tuples(st.just("restart"), st.just(0)),
            st.tuples(st.just("break"), st.integers(0, 1)),
            st.tuples(st.just("other"), st.integers(1, 30)),
        ),
        max_size=40,
    )
)
def test_no_order_of_events_gives_a_number_twice(events: list[tuple[str, int]]) -> None:
    """Restarts, raises, failing disks, and a second process (the command line) that uses the same key in between."""

    async def scene() -> None:
        memory = Forgetful()
        disk = Broken(memory)
        counter = InvocationCounter(disk, "k", block=16)
        seen: set[int] = set()
        for event, number in events:
            user = counter
            match event:
                case "raise":
                    try:
                        await counter.raise_to(number, cap=2000)
                    except (ArchiveError, CounterJump):
                        continue
                case "restart":
                    counter = InvocationCounter(disk, "k", block=16)
                case "break":
                    disk.broken = not disk.broken
                    disk.written = bool(number)
                case "other":
                    user = InvocationCounter(disk, "k", block=16)
            if event in ("take", "other"):
                try:
                    await user.ready(number)
                except ArchiveError:
                    continue
                for _ in range(number):
                    value = user.take()
                    assert value not in seen
                    seen.add(value)
        assert not seen or max(seen) < (await memory.counted(ENTRY) or 0)

    run(scene())


def test_raised_above_what_the_meter_says_by_a_whole_block() -> None:
    async def scene() -> None:
        memory = Forgetful()
        counter = InvocationCounter(memory, "k")
        assert await counter.raise_to(50_000, cap=1_000_000) == 50_999
        await counter.ready()
        assert counter.take() == 51_000
        assert await memory.counted(ENTRY) == 52000

    run(scene())


@pytest.mark.parametrize("value", [0, 1, 4999, -1])
def test_never_lowered(value: int) -> None:
    async def scene() -> None:
        counter = InvocationCounter(await filled(5000), "k")
        assert await counter.raise_to(value, cap=10) == 0
        await counter.ready()
        assert counter.take() == 5000

    run(scene())


def test_a_meter_that_is_just_at_our_next_number_is_passed() -> None:
    async def scene() -> None:
        counter = InvocationCounter(await filled(5000), "k")
        assert await counter.raise_to(5000, cap=10) == 1000
        await counter.ready()
        assert counter.take() == 6000

    run(scene())


def test_no_further_than_the_cap() -> None:
    async def scene() -> None:
        counter = InvocationCounter(await filled(5000), "k")
        with pytest.raises(CounterJump, match=r"6001, more than 1000 above 5000.*raise counter_cap") as error:
            await counter.raise_to(6001, cap=1000)
        assert isinstance(error.value, MeterDiffers)
        await counter.ready()
        assert counter.take() == 5000
        assert await counter.raise_to(6001, cap=1000) == 2000
        await counter.ready()
        assert counter.take() == 7001

    run(scene())


def test_the_last_number_and_none_behind_it() -> None:
    async def scene() -> None:
        memory = await filled(MAX - 2)
        counter = InvocationCounter(memory, "k")
        with pytest.raises(CounterExhausted, match="new keys"):
            await counter.ready(4)
        with pytest.raises(CounterUnreserved):
            counter.take()
        await counter.ready(3)
        assert await memory.counted(ENTRY) == 4294967296
        assert [counter.take() for _ in range(3)] == [MAX - 2, MAX - 1, MAX]
        with pytest.raises(CounterExhausted, match="new keys"):
            counter.take()
        with pytest.raises(CounterExhausted):
            await counter.ready(1)
        with pytest.raises(CounterExhausted):
            await InvocationCounter(memory, "k").ready(1)

    run(scene())


@pytest.mark.parametrize("value", [MAX, MAX - BLOCK + 1, 1 << 40])
def test_a_meter_at_its_end(value: int) -> None:
    async def scene() -> None:
        counter = InvocationCounter(await filled(MAX - 5000), "k")
        with pytest.raises(CounterExhausted, match="new keys"):
            await counter.raise_to(value, cap=1 << 60)
        await counter.ready()
        assert counter.take() == MAX - 5000

    run(scene())


def test_alarm_when_less_than_one_per_cent_remains() -> None:
    async def scene() -> None:
        first = MAX + 1 - (1 << 32) // 100
        counter = InvocationCounter(await filled(first), "k")
        await counter.ready()
        alarms = [counter.alarm]
        counter.take()
        alarms.append(counter.alarm)
        assert alarms == [False, True]
        assert counter.remaining == (1 << 32) // 100 - 1

    run(scene())


@pytest.mark.parametrize("stored", [b"", b"-1", b"abc", b"1.0", b"9" * 5000, b"\xff\xfe"])
def test_a_memory_that_is_no_number_is_not_guessed_at(stored: bytes) -> None:
    async def scene() -> None:
        memory = Forgetful()
        received = ReceivedCounter(memory, "k")
        await memory.remember("received/k", stored)
        with pytest.raises(ArchiveDamaged, match="received/k"):
            await received.recall()
        assert await memory.recall("received/k") == stored

    run(scene())


def test_many_meters_with_one_key_share_its_numbers() -> None:
    async def scene() -> None:
        disk = Disk()
        meters = [InvocationCounter(disk, "k", block=7) for _ in range(5)]
        each = await asyncio.gather(*(taken(meter, 40) for meter in meters))
        numbers = [number for one in each for number in one]
        assert len(set(numbers)) == 200
        assert all(one == sorted(one) for one in each)

    run(scene())


def test_a_second_process_that_reserved_in_between_is_stepped_over() -> None:
    async def scene() -> None:
        memory = Forgetful()
        daemon = InvocationCounter(memory, "k", block=10)
        assert await taken(daemon, 3) == [1, 2, 3]
        command = InvocationCounter(memory, "k", block=10)
        assert await taken(command, 2) == [11, 12]
        assert await taken(daemon, 8) == [4, 5, 6, 7, 8, 9, 10, 21]

    run(scene())


def test_two_at_once_get_different_numbers() -> None:
    async def scene() -> None:
        counter = InvocationCounter(Disk(), "k", block=3)
        both = await asyncio.gather(*(taken(counter, 20) for _ in range(2)))
        numbers = sorted(number for one in both for number in one)
        assert numbers == list(range(1, 41))

    run(scene())


def test_a_block_of_nothing() -> None:
    with pytest.raises(ValueError, match="block"):
        InvocationCounter(Forgetful(), "k", block=0)


def test_the_key_id_follows_what_the_vector_and_the_key_are_made_of() -> None:
    keys = Keys(b"block-cipher-key", b"authenticat.-key")
    title = bytes.fromhex("4D4D4D0000000001")
    name = key_id(keys, title)
    assert len(name) == 32
    assert int(name, 16)
    assert name == key_id(keys, title)
    # Another authentication key or dedicated key leaves key and vector of GCM as they are: the numbers must go on.
    assert name == key_id(Keys(keys.block_cipher, bytes(16)), title)
    assert name == key_id(Keys(keys.block_cipher, keys.authentication, bytes(16)), title)
    assert name != key_id(Keys(b"block-cipher-kex", keys.authentication), title)
    assert name != key_id(keys, bytes.fromhex("4D4D4D0000000002"))
    assert keys.block_cipher.hex() not in name


def test_the_received_counter_only_rises() -> None:
    async def scene() -> None:
        memory = Forgetful()
        received = ReceivedCounter(memory, "k")
        assert await received.recall() == -1
        await received.remember(-1)
        assert await memory.recall("received/k") is None
        await received.remember(0)
        assert await received.recall() == 0
        await received.remember(700)
        await ReceivedCounter(memory, "k").remember(600)
        assert await ReceivedCounter(memory, "k").recall() == 700

    run(scene())


def test_errors_can_be_named_and_are_known() -> None:
    for kind in (CounterExhausted, CounterUnreserved, CounterJump):
        assert issubclass(kind, GatewayError)
        assert str(kind("text")) == "text"
