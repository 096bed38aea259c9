"""A place among the conversations that a gateway has at the same time, over all lines.

Rules: who waits keeps his turn, and whatever else happens to him meanwhile is attended to; a place is given back
however its session ends.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Place:
    """One line's place. Without `slots` there is always one."""

    def __init__(self, slots: asyncio.Semaphore | None, name: str) -> None:
        self._slots = slots
        self._name = name
        self._taking: asyncio.Task[bool] | None = None

    async def taken(self, *interruptions: Coroutine[Any, Any, object]) -> bool:
        """Wait for a place, or until one of the interruptions is over: False, and the turn is kept until next time."""
        if self._slots is None or (self._taking is None and not self._slots.locked()):
            for one in interruptions:
                one.close()
            return self._slots is None or await self._slots.acquire()
        if self._taking is None:
            self._taking = asyncio.create_task(self._slots.acquire(), name=f"place of line {self._name}")
        await first_of(asyncio.wait({self._taking}), *interruptions)
        if not self._taking.done():
            return False
        self._taking = None
        return True

    def release(self) -> None:
        """Give back a place that was taken."""
        if self._slots is not None:
            self._slots.release()

    def close(self) -> None:
        """Wait no longer."""
        if self._taking is not None and not self._taking.cancel() and not self._taking.cancelled():
            self.release()
        self._taking = None


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Until one of them is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
