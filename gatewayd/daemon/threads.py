"""Threads for short waits on disk and network, which nobody has to wait for in the end.

Rules: no piece of work waits for another one's thread, so that a name service that does not answer keeps nobody from
the archive: where none is idle, one is started. Threads are daemons: the end of the process does not wait for them, as
that of a ThreadPoolExecutor would. One that has had nothing to do for a while ends.
"""

import gc
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

SWITCH_SECONDS = 0.0005
"""How long a thread that computes may keep the interpreter from others. Python's own 5 ms are what the event loop would
wait at each of its turns while a sink compresses or the archive is read."""

P = ParamSpec("P")
T = TypeVar("T")


IDLE_SECONDS = 10.0

_Work = Callable[[], None]


class DaemonThreads(ThreadPoolExecutor):
    """A default executor for the event loop, which takes nothing but a ThreadPoolExecutor."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        super().__init__()
        self._idle_seconds = idle_seconds
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._idle = 0
        """Threads that wait for work, less the work that waits for them."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever waits
                future.set_exception(error)

        with self._gate:
            somebody_is_idle = self._idle > 0
            self._idle -= somebody_is_idle
        self._work.put(work)
        if not somebody_is_idle:
            threading.Thread(target=self._serve, name="wait", daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            try:
                work = self._work.get(timeout=self._idle_seconds)
            except queue.Empty:
                with self._gate:
                    if self._idle > 0:  # otherwise work is on its way for everybody who waits
                        self._idle -= 1
                        return
                continue
            work()
            del work  # what it has brought is somebody else's
            with self._gate:
                self._idle += 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to do: what still waits is left behind."""


def collect_seldom() -> None:
    """Look for garbage in cycles less often than Python does by itself, and never again through what is there now: with
    thousands of meters that took an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def share_promptly() -> None:
    """Let threads take turns more often than Python does by itself; for the whole process."""
    sys.setswitchinterval(SWITCH_SECONDS)
