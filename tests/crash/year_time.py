"""Time that leaps: an event loop whose clock goes to the next timer as soon as nothing else is left to be done.

Rules: time goes on only in `select`, and only when no socket is ready, no thread of the executor works and the writer
of the archive waits for work; what such a thread has left for the loop was posted before it counts as idle. The time
is in a file that survives SIGKILL: another process goes on where this one was.
"""

import asyncio
import mmap
import queue
import selectors
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from gatewayd.archive.store import Store
from gatewayd.daemon.threads import DaemonThreads

P = ParamSpec("P")
T = TypeVar("T")

_SECONDS = struct.Struct("=d")
_GLANCE = 0.05
"""Seconds of real time to wait for a thread that works, before looking again; whoever has finished wakes the loop."""
_LEAST = 1e-6
"""Seconds: what a timer may lie ahead by rounding alone."""


class Elapsed:
    """Seconds since the beginning of the campaign, in a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_SECONDS.pack(0.0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SECONDS.size)
        self._seconds = 0.0
        self.look()

    @property
    def seconds(self) -> float:
        """As this process knows it."""
        return self._seconds

    def look(self) -> float:
        """As the file has it: another process may move it on."""
        found: tuple[float] = _SECONDS.unpack(self._map[:])
        self._seconds = found[0]
        return self._seconds

    def pass_by(self, seconds: float) -> None:
        """So much time passes."""
        self._seconds += seconds
        self._map[:] = _SECONDS.pack(self._seconds)

    def close(self) -> None:
        self._map.close()


@dataclass(frozen=True, slots=True)
class Spell:
    """From `first` to `last` (seconds of the campaign) the gateway's clock was wrong: it showed `shown` at `first`, and
    went on from there; nothing had synchronised it."""

    kind: str
    first: float
    last: float
    shown: datetime

    def holds(self, seconds: float) -> bool:
        return self.first <= seconds < self.last

    def written(self) -> tuple[str, float, float, float]:
        """For a file."""
        return self.kind, self.first, self.last, self.shown.timestamp()

    @classmethod
    def read(cls, written: tuple[str, float, float, float]) -> "Spell":
        kind, first, last, shown = written
        return cls(kind, first, last, datetime.fromtimestamp(shown, UTC))


@dataclass(frozen=True, slots=True)
class Wall:
    """What the gateway's own clock shows."""

    begin: datetime
    spells: tuple[Spell, ...] = ()

    def true(self, seconds: float) -> datetime:
        """What a right clock shows."""
        return self.begin + timedelta(seconds=seconds)

    def shown(self, seconds: float) -> datetime:
        for spell in self.spells:
            if spell.holds(seconds):
                return spell.shown + timedelta(seconds=seconds - spell.first)
        return self.true(seconds)

    def synchronised(self, seconds: float) -> bool:
        return not any(spell.holds(seconds) for spell in self.spells)

    def changes(self, first: float, last: float) -> bool:
        """Whether somebody has set it between these seconds of the campaign."""
        return any(first <= at <= last for spell in self.spells for at in (spell.first, spell.last))


class Busy:
    """How many threads work for the loop at present."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self.wake: Callable[[], None] = lambda: None

    def begins(self) -> None:
        with self._lock:
            self._count += 1

    def ends(self) -> None:
        with self._lock:
            self._count -= 1
            idle = not self._count
        if idle:
            self.wake()

    @property
    def idle(self) -> bool:
        return self._count == 0


class CountedThreads(DaemonThreads):
    """The daemon's executor; work counts until its result is with the loop."""

    def __init__(self, busy: Busy) -> None:
        super().__init__()
        self._busy = busy

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        self._busy.begins()
        future: Future[T] = Future()

        def work() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        result = fn(*args, **kwargs)
                    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever waits
                        future.set_exception(error)
                    else:
                        future.set_result(result)
            finally:
                self._busy.ends()

        threading.Thread(target=work, name="wait", daemon=True).start()
        return future


class _WatchedQueue:
    """The writer's queue. Whoever comes back for more, and would wait, has done and told what he took before."""

    def __init__(self, busy: Busy) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()  # the writer's own kinds of work
        self._busy = busy
        self._taken = 0

    def put(self, work: object) -> None:
        self._busy.begins()
        self._queue.put(work)

    def get(self, timeout: float | None = None) -> object:
        if timeout is None:
            for _ in range(self._taken):
                self._busy.ends()
            self._taken = 0
        work = self._queue.get(timeout=timeout)
        self._taken += 1
        return work


def watched(store: Store, busy: Busy) -> Store:
    """A store that is not open yet, whose writer counts as busy until everybody has heard what became of his work."""
    store._queue = _WatchedQueue(busy)  # type: ignore[assignment]
    return store


class _LeapingSelector(selectors.DefaultSelector):
    def __init__(self, busy: Busy, leap: Callable[[float], None]) -> None:
        super().__init__()
        self._busy = busy
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        while not self._busy.idle:
            ready = super().select(_GLANCE)
            if ready:
                return ready
        ready = super().select(0)  # what the last one has left was posted before he counted as idle
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("nothing is left that could ever happen: every task waits for another one")
        self._leap(max(timeout, _LEAST))
        return []


class LeapingLoop(asyncio.SelectorEventLoop):
    """Its time is the campaign's. `on_leap` is told of each leap, behind it."""

    def __init__(self, elapsed: Elapsed, busy: Busy) -> None:
        self._elapsed = elapsed
        super().__init__(_LeapingSelector(busy, elapsed.pass_by))
        self._clock_resolution = _LEAST  # behind 194 days a nanosecond is less than what a float can tell apart
        busy.wake = self._wake

    def _wake(self) -> None:
        if not self.is_closed():
            self.call_soon_threadsafe(lambda: None)

    def time(self) -> float:
        return self._elapsed.seconds
