"""Threads for short waits on disk and network, which nobody has to wait for in the end.

Rules: one thread for each piece of work, so that a name service that does not answer keeps nobody from a thread; they
are daemons: the end of the process does not wait for them, as that of a ThreadPoolExecutor would.
"""

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


class DaemonThreads(ThreadPoolExecutor):
    """A default executor for the event loop, which takes nothing but a ThreadPoolExecutor."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever waits
                future.set_exception(error)

        threading.Thread(target=work, name="wait", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to do: what still waits is left behind."""


def share_promptly() -> None:
    """Let threads take turns more often than Python does by itself; for the whole process."""
    sys.setswitchinterval(SWITCH_SECONDS)
