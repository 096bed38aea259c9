"""A slave over a real connection whose answers come around the time-out, and who asks it over RTU.

Rules: every request has an address of its own and the registers contain their addresses, so that an answer to another
request is always seen; an exception has a code that follows from the address. The slave answers in the order in which
it was asked, mostly within `latest` of the request, a few times later. Everything runs in one event loop: nobody is
faster than the other by accident.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.drivers.modbus.rtu_bytes import check

KINDS = ((1, 3, 2), (1, 3, 2), (1, 3, 3), (1, 4, 2), (2, 3, 2))
"""Unit, function and number of registers of what is asked; answers of one kind look alike."""
_REQUEST = 8
_EXCEPTIONS = 251


@dataclass(frozen=True)
class Habits:
    """Seconds, and how often of a hundred. Answers that are neither soon, near the time-out nor too late come anywhere
    up to `latest`."""

    timeout: float = 0.010
    latest: float = 0.030
    soon: int = 75
    near: int = 12
    too_late: int = 2
    lost: int = 3
    damaged: int = 2
    refused: int = 8
    cancelled: int = 12


class Slave:
    """Requests in, answers out after a while. `mbap`: with the header of Modbus TCP instead of a CRC."""

    def __init__(self, habits: Habits, random: Random, write: Callable[[bytes], None], *, mbap: bool = False) -> None:
        self._habits = habits
        self._random = random
        self._write = write
        self._mbap = mbap
        self._heard = b""
        self._busy_until = 0.0
        self._going_out: deque[bytes] = deque()

    def hear(self, data: bytes) -> None:
        self._heard += data
        size = 12 if self._mbap else _REQUEST
        while len(self._heard) >= size:
            request, self._heard = self._heard[:size], self._heard[size:]
            if not self._mbap:
                assert request[-2:] == check(request[:-2]), request.hex()
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        loop, habits, random = asyncio.get_running_loop(), self._habits, self._random
        now = loop.time()
        at = max(self._busy_until, now + self._delay())
        self._busy_until = at
        if random.randrange(100) < habits.lost:
            return
        whole = self._whole(request)
        if random.randrange(100) < habits.damaged and not self._mbap:
            whole = whole[:-1] + bytes([whole[-1] ^ 1])
        cut = random.randrange(len(whole))
        # The loop keeps no order among callbacks of the same instant; the line does.
        self._going_out += [whole[:cut], whole[cut:]]
        for _ in range(2):
            loop.call_at(at, self._send_next)

    def _send_next(self) -> None:
        self._write(self._going_out.popleft())

    def _delay(self) -> float:
        habits, random = self._habits, self._random
        kind = random.randrange(100)
        if kind < habits.soon:
            return random.uniform(0.0, habits.timeout / 3)
        if kind < habits.soon + habits.near:
            return random.gauss(habits.timeout, habits.timeout / 20)
        if kind < habits.soon + habits.near + habits.too_late:
            return random.uniform(habits.latest, 2.5 * habits.latest)
        return random.uniform(0.0, habits.latest)

    def _whole(self, request: bytes) -> bytes:
        body = request[6:] if self._mbap else request[:-2]
        address = int.from_bytes(body[2:4])
        if self._random.randrange(100) < self._habits.refused:
            answer = bytes((body[0], body[1] | 0x80, code_of(address)))
        else:
            count = int.from_bytes(body[4:6])
            answer = bytes((body[0], body[1], 2 * count)) + octets_of(address, count)
        return request[:4] + len(answer).to_bytes(2) + answer if self._mbap else answer + check(answer)


def octets_of(address: int, count: int) -> bytes:
    """What the registers from there on contain."""
    return b"".join((address + number).to_bytes(2) for number in range(count))


def code_of(address: int) -> int:
    return address % _EXCEPTIONS + 1


@dataclass
class Outcome:
    """What came of all requests."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    none: int = 0
    cancelled: int = 0


@contextlib.asynccontextmanager
async def on_tcp(make: Callable[[Callable[[bytes], None]], Slave]) -> AsyncIterator[int]:
    """A slave on a TCP port, for one connection after the other."""
    writers: list[asyncio.StreamWriter] = []
    slaves: list[Slave] = []

    def write(data: bytes) -> None:
        if data and not writers[-1].is_closing():
            writers[-1].write(data)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if not slaves:
            slaves.append(make(write))
        # It ends with the connection, or with the loop.
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            while data := await reader.read(4096):
                slaves[0].hear(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


@contextlib.asynccontextmanager
async def on_terminal(make: Callable[[Callable[[bytes], None]], Slave]) -> AsyncIterator[Path]:
    """A slave on a pseudo-terminal."""
    loop = asyncio.get_running_loop()
    ours, theirs = os.openpty()
    tty.setraw(theirs)

    def write(data: bytes) -> None:
        if data:
            os.write(ours, data)

    slave = make(write)
    loop.add_reader(ours, lambda: slave.hear(os.read(ours, 4096)))
    try:
        yield Path(os.ttyname(theirs))
    finally:
        loop.remove_reader(ours)
        # Answers that are still under way find a closed end otherwise.
        await asyncio.sleep(0.1)
        os.close(ours)
        os.close(theirs)


async def cancelled_sometimes(asked: Awaitable[None], habits: Habits, random: Random) -> None:
    """Await it; of `cancelled`, each is cancelled at some moment, and some of those once more on their way out."""
    task = asyncio.ensure_future(asked)
    if random.randrange(100) < habits.cancelled:
        await asyncio.wait({task}, timeout=random.uniform(0.0, 1.5 * habits.timeout))
        task.cancel()
        if random.random() < 0.3:
            await asyncio.wait({task}, timeout=random.uniform(0.0, habits.timeout))
            task.cancel()
    await task
