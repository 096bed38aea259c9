"""How many messages wait for their PUBACK: one window for each connection, whoever sends.

Rules: the number holds for all senders together, as a broker counts (Receive Maximum, MQTT 5 3.3.4); a task is woken
when there is room, not for each message; it waits no longer than `timeout_s` without any acknowledgement at all.
"""

import asyncio

from gatewayd.sink.mqtt.client import AckClient


class Window:
    """Of one connection."""

    def __init__(self, client: AckClient, size: int) -> None:
        self._client = client
        self._size = size
        self._count = 0
        self._acknowledged = 0
        self._woken: set[asyncio.Future[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def full(self) -> bool:
        return self._count >= self._size

    def enter(self) -> None:
        self._count += 1

    def leave(self) -> None:
        self._count -= 1
        self._acknowledged += 1
        for woken in self._woken:
            if not woken.done():
                woken.set_result(None)
        if self._woken:
            self._client.hurry()

    async def change(self, timeout_s: float) -> None:
        """Wait for an acknowledgement. TimeoutError when none comes."""
        woken: asyncio.Future[None] = self._loop.create_future()
        handle = self._loop.call_later(timeout_s, _too_long, woken)
        self._woken.add(woken)
        try:
            await woken
        finally:
            handle.cancel()
            self._woken.discard(woken)


class Flight:
    """The messages of one sender that are on their way."""

    def __init__(self, window: Window, timeout_s: float) -> None:
        self._window = window
        self._timeout_s = timeout_s
        self._count = 0

    def enter(self) -> None:
        self._count += 1
        self._window.enter()

    def leave(self) -> None:
        self._count -= 1
        self._window.leave()

    async def room(self) -> None:
        """Wait until one more may be sent. TimeoutError."""
        while self._window.full:
            await self._window.change(self._timeout_s)

    async def rest(self) -> None:
        """Wait until none of them is on its way. TimeoutError."""
        while self._count:
            await self._window.change(self._timeout_s)


def _too_long(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_exception(TimeoutError())
