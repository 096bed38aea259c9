"""A simulated meter on a TCP connection of an event loop: what it sends comes later, and some connections fail.

Rules: one connection at a time for each meter, as it has one line: who comes second takes the place of the first. An
answer that waits holds up nobody else. Whether a connection is refused or cut is drawn from the meter's own seed, so
that it is the same in every run; what goes wrong is counted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast


class Sent(Protocol):
    """What a meter sends, `after` seconds later than otherwise; `hang_up`: and then the connection is broken."""

    @property
    def data(self) -> bytes: ...

    @property
    def after(self) -> float: ...

    @property
    def hang_up(self) -> bool: ...


class Meter(Protocol):
    """A meter without its line."""

    def connected(self) -> None:
        """Somebody is there."""

    def feed(self, data: bytes) -> Sequence[Sent]:
        """What to send for these bytes."""

    def disconnected(self) -> None:
        """Nobody is there any more."""


@dataclass(slots=True)
class Tally:
    """What happened to all meters together; `answers` are round trips."""

    connections: int = 0
    refused: int = 0
    cut: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Road:
    """What lies between meter and reader: `delay_s` before every answer; of all connections the part `loss` is refused
    or cut in one of the first answers."""

    delay_s: float = 0.0
    loss: float = 0.0


_CUT_WITHIN = 8


class Post:
    """Where one meter is reached: makes the protocol of each connection."""

    def __init__(self, meter: Meter, road: Road, seed: int, tally: Tally) -> None:
        self.meter = meter
        self.road = road
        self.tally = tally
        self._random = random.Random(seed)
        self._present: Connection | None = None
        self._reachable = True

    def __call__(self) -> Connection:
        """For create_server."""
        return Connection(self, self._fate())

    def _fate(self) -> int | None:
        """In which answer the connection is cut, 0 before it begins; None: it holds."""
        if not self._reachable:
            return 0
        drawn, number = self._random.random(), self._random.randint(0, _CUT_WITHIN)
        return number if drawn < self.road.loss else None

    def reachable(self, *, on: bool) -> None:
        """Whether anybody gets through; who is there is lost."""
        self._reachable = on
        if not on and self._present is not None:
            self._present.drop()

    def begin(self, connection: Connection) -> None:
        before = self._present
        if before is not None:
            before.drop()
            self.end(before)
        self._present = connection
        self.tally.connections += 1
        self.meter.connected()

    def end(self, connection: Connection) -> None:
        if self._present is connection:
            self._present = None
            self.meter.disconnected()


class Connection(asyncio.Protocol):
    """One reader and the meter."""

    def __init__(self, post: Post, fate: int | None) -> None:
        self._post = post
        self._left = fate
        self._loop = asyncio.get_running_loop()
        self._spoken_until = 0.0
        self._timers: set[asyncio.TimerHandle] = set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # a stream's, as asyncio promises
        if self._left == 0:
            self._post.tally.refused += 1
            self.drop()
        else:
            self._post.begin(self)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        due = max(self._loop.time() + self._post.road.delay_s, self._spoken_until)
        for out in self._post.meter.feed(data):
            due += out.after
            self._post.tally.answers += 1
            sent, hang_up = out.data, out.hang_up
            if self._left is not None:
                self._left -= 1
                if not self._left:
                    self._post.tally.cut += 1
                    sent, hang_up = sent[: len(sent) // 2], True
            self._later(due, sent, hang_up=hang_up)
        self._spoken_until = due

    def _later(self, due: float, data: bytes, *, hang_up: bool) -> None:
        if due <= self._loop.time():
            self._send(data, hang_up=hang_up)
            return

        def fire() -> None:
            self._timers.discard(timer)
            self._send(data, hang_up=hang_up)

        timer = self._loop.call_at(due, fire)
        self._timers.add(timer)

    def _send(self, data: bytes, *, hang_up: bool) -> None:
        if self._transport is None:
            return
        self._transport.write(data)
        if hang_up:
            transport, self._transport = self._transport, None
            transport.close()  # what was written still goes out

    def drop(self) -> None:
        """Break it off."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._post.end(self)
