"""Places among all conversations: who waits keeps his turn, and none is lost."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from gatewayd.places import Place, first_of
from tests.gatewayd.doubles import PATIENCE


def check(body: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(), PATIENCE))


def test_without_slots_there_is_always_a_place() -> None:
    async def body() -> None:
        place = Place(None, "bus")
        assert await place.taken(asyncio.Event().wait())
        place.release()
        place.close()

    check(body)


def test_who_is_interrupted_keeps_his_turn() -> None:
    async def body() -> None:
        slots, stirred = asyncio.Semaphore(1), asyncio.Event()
        await slots.acquire()
        first, second = Place(slots, "a"), Place(slots, "b")
        stirred.set()
        assert not await first.taken(stirred.wait())
        other = asyncio.create_task(second.taken())
        await asyncio.sleep(0)
        slots.release()
        assert await first.taken(asyncio.Event().wait())
        assert not other.done()
        first.release()
        assert await other
        second.release()
        assert not slots.locked()

    check(body)


@pytest.mark.parametrize("granted", [False, True])
def test_who_leaves_gives_back_what_he_may_have_got(granted: bool) -> None:
    async def body() -> None:
        slots, stirred = asyncio.Semaphore(1), asyncio.Event()
        await slots.acquire()
        place = Place(slots, "bus")
        stirred.set()
        assert not await place.taken(stirred.wait())
        if granted:
            slots.release()
            while not slots.locked() or place._taking is None or not place._taking.done():
                await asyncio.sleep(0)
        place.close()
        await asyncio.sleep(0)
        if not granted:
            slots.release()
        assert await slots.acquire()

    check(body)


def test_of_several_waits_the_first_ends_all_and_its_fault_is_passed_on() -> None:
    async def body() -> None:
        async def broken() -> None:
            raise IndexError("list index")

        ended = asyncio.Event()

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        with pytest.raises(IndexError):
            await first_of(endless(), broken())
        assert ended.is_set()

    check(body)
