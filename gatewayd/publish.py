"""Outbox to sink: one task per sink that connects, delivers and comes back after faults.

Rules: a fault of a sink costs nobody else anything, and an archive that cannot be read now is tried again like a sink
that does not answer. Between attempts there is a pause with full jitter, from 1 s up to 5 minutes; there is no busy
loop. One log line per change of state, with the number of attempts that were not logged. The outbox hands out again
whatever was not acknowledged when a connection ends, however it ends.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from gatewayd.errors import ArchiveError, SinkError
from gatewayd.model import Archived
from gatewayd.sink import FAREWELL_S, Sink

_log = logging.getLogger(__name__)

SHORTEST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0


class Outbox(Protocol):
    """A sink's durable cursor over the archive, as the publisher uses it."""

    sink: str

    @property
    def set_aside_count(self) -> int:
        """How many readings the sink does not get."""

    async def open(self) -> None:
        """Find out where to go on; may be called again. Raises ArchiveError."""

    async def get(self, limit: int, linger_s: float = 0.0) -> list[Archived]:
        """Wait for readings after those handed out already; at least one, ascending. Raises ArchiveError."""

    def done(self, readings: Sequence[Archived]) -> None:
        """The sink has acknowledged these; any order."""

    async def set_aside(self, reading: Archived, reason: str) -> None:
        """The sink will never take this one. Raises ArchiveError, SinkError."""

    def rewind(self) -> None:
        """Hand out again everything that is not done."""

    def depth(self) -> int:
        """How many readings are not done."""


@dataclass(frozen=True, slots=True)
class SinkState:
    """How a sink is doing. `delivered` counts since the start of the gateway."""

    sink: str
    connected_since: datetime | None = None
    fault: str = ""
    faulty_since: datetime | None = None
    attempts: int = 0
    """Failed attempts in a row; a connection that served ends the row."""
    delivered: int = 0
    """Readings that were acknowledged."""
    waiting: int = 0
    """Readings that the sink has not taken yet."""
    set_aside: int = 0
    """Readings that the sink does not get: it refused them for good, or the archive cannot give them."""
    last_reason: str = ""
    """Why the latest one was set aside."""
    last_seq: int | None = None
    """The highest sequence number that was acknowledged."""
    last_delivered_at: datetime | None = None
    last_fault: str = ""
    """The latest fault, also after it has gone."""
    stopped: bool = False

    @property
    def connected(self) -> bool:
        return self.connected_since is not None

    @property
    def word(self) -> str:
        """`connected`, `connecting`, `stopped` or `broken`. No connection mends a fault: the next reading does."""
        if self.stopped:
            return "stopped"
        if self.fault:
            return "broken"
        return "connected" if self.connected else "connecting"

    @property
    def text(self) -> str:
        """The word, and why where it is broken."""
        return f"{self.word}: {self.fault}" if self.word == "broken" else self.word


def pause(attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): anything up to a bound that doubles each time."""
    bound = min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2.0 ** min(attempt, 16))
    return uniform(SHORTEST_PAUSE_S, bound)


class Publisher:
    """Delivers one outbox to one sink. `run` is the task; `state` may be read at any time.

    While a batch is on its way the next one is taken from the outbox, so that no sink waits for the archive.
    """

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        clock: Callable[[], datetime],
        *,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = SinkState(sink.id)
        self._delivered = 0
        self._last_seq: int | None = None
        self._last_delivered_at: datetime | None = None
        self._sink = sink
        self._outbox = outbox
        self._clock = clock
        self._uniform = uniform
        self._sleep = sleep
        self._draining = asyncio.Event()
        self._ended = asyncio.Event()
        self._scope: asyncio.Timeout | None = None
        self._taking: asyncio.Task[list[Archived]] | None = None
        self._unlogged = 0

    @property
    def state(self) -> SinkState:
        """How the sink is doing now."""
        return replace(
            self._state,
            delivered=self._delivered,
            last_seq=self._last_seq,
            last_delivered_at=self._last_delivered_at,
            waiting=self._outbox.depth(),
            set_aside=self._outbox.set_aside_count,
        )

    async def run(self) -> None:
        """Deliver until cancelled, or until `drain` ends it; a second call is an error."""
        if self._scope is not None:
            raise RuntimeError(f"sink {self._sink.id}: the publisher runs already")
        self._scope = asyncio.timeout(None)
        try:
            async with self._scope:
                await self._sessions()
        except TimeoutError:
            if not self._scope.expired():
                raise
        finally:
            self._state = replace(self._state, connected_since=None, stopped=True)
            self._ended.set()

    async def drain(self, deadline: float) -> None:
        """Deliver what is left while the connection holds, say goodbye, and end `run`; all of it before `deadline`, in
        the time of the running loop. What could not be delivered stays in the outbox."""
        if self._scope is None:
            raise RuntimeError(f"sink {self._sink.id}: the publisher does not run")
        if not self._draining.is_set() and not self._ended.is_set():
            self._draining.set()
            now = asyncio.get_running_loop().time()
            self._scope.reschedule(max(now, deadline - FAREWELL_S) if self._state.connected else now)
        await self._ended.wait()

    async def _sessions(self) -> None:
        while True:
            try:
                await self._session()
                asked = 0.0
            except (SinkError, ArchiveError) as error:
                self._broken(str(error))
                asked = (error.retry_after_s or 0.0) if isinstance(error, SinkError) else 0.0
            except Exception as error:  # noqa: BLE001 - a defect that one message or reading brings out: tell, and go on
                _log.critical("sink %s: a defect in gatewayd", self._sink.id, exc_info=error)
                self._broken(f"a defect in gatewayd, please report what the log says: {error!r}")
                asked = LONGEST_PAUSE_S
            if self._draining.is_set():
                return
            shortest = min(asked, LONGEST_PAUSE_S)
            await self._sleep(max(pause(self._state.attempts, self._uniform), shortest))

    async def _session(self) -> None:
        """One connection, from opening it until it breaks or nothing is left to drain."""
        await self._outbox.open()
        try:
            async with self._sink.connect() as delivery:
                self._connected()
                while batch := await self._next_batch():
                    self._take()
                    await delivery.deliver(batch, self)
        finally:
            await self._stop_taking()
            self._outbox.rewind()

    def _take(self) -> "asyncio.Task[list[Archived]]":
        """Begin to take the next batch, unless that is being done."""
        if self._taking is None:
            linger = 0.0 if self._draining.is_set() else self._sink.linger_s
            getting = self._outbox.get(self._sink.batch, linger)
            self._taking = asyncio.create_task(getting, name=f"sink {self._sink.id} outbox")
        return self._taking

    async def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.gather(self._taking, return_exceptions=True)
            self._taking = None

    async def _next_batch(self) -> list[Archived]:
        """The next readings; an empty list when the outbox is empty and draining."""
        if not self._draining.is_set():
            draining = asyncio.create_task(self._draining.wait(), name=f"sink {self._sink.id} drain")
            try:
                await asyncio.wait((self._take(), draining), return_when=asyncio.FIRST_COMPLETED)
            finally:
                draining.cancel()
                await asyncio.gather(draining, return_exceptions=True)
        if self._draining.is_set() and not self._take().done():
            await self._stop_taking()  # it may be waiting for more than there is
            if not self._outbox.depth():
                return []
        batch = await self._take()
        self._taking = None
        return batch

    # -- the ledger ---------------------------------------------------------------------------------------------------

    def done(self, readings: Sequence[Archived]) -> None:
        """The sink has acknowledged these readings."""
        if not readings:
            return
        self._outbox.done(readings)
        if self._state.fault:
            self._mended()
        self._delivered += len(readings)
        self._last_seq = max(readings[-1].seq, self._last_seq or 0)
        self._last_delivered_at = self._clock()

    async def set_aside(self, reading: Archived, reason: str) -> None:
        """The sink will never take this one."""
        await self._outbox.set_aside(reading, reason)
        if self._state.fault:
            self._mended()
        self._last_delivered_at = self._clock()  # it serves, in its way
        if reason != self._state.last_reason:
            _log.error("sink %s: reading %d set aside: %s", self._sink.id, reading.seq, reason)
            self._state = replace(self._state, last_reason=reason)

    def _connected(self) -> None:
        """A connection stands. What it is worth shows with the first reading that the other side takes."""
        self._state = replace(self._state, connected_since=self._clock())
        if not self._state.fault or not self._outbox.depth():
            self._mended()

    def _mended(self) -> None:
        self._state = replace(self._state, fault="", faulty_since=None)
        _log.info("sink %s: connected%s", self._sink.id, self._not_logged())

    def _broken(self, fault: str) -> None:
        before, now = self.state, self._clock()
        # A connection that served, or at least held, was a good one: the next pause is a short one again.
        served = before.connected_since is not None and (
            (before.last_delivered_at is not None and before.last_delivered_at >= before.connected_since)
            or now - before.connected_since >= timedelta(seconds=LONGEST_PAUSE_S)
        )
        attempts = 1 if served else before.attempts + 1
        self._state = replace(
            before,
            connected_since=None,
            fault=fault,
            last_fault=fault,
            faulty_since=before.faulty_since or now,
            attempts=attempts,
        )
        if fault == before.fault:
            self._unlogged += 1
        else:
            _log.warning("sink %s: broken: %s%s", self._sink.id, fault, self._not_logged())

    def _not_logged(self) -> str:
        """What the next line of the log has to say about attempts that had none."""
        count, self._unlogged = self._unlogged, 0
        return f" ({count} more failed attempts were not logged)" if count else ""
