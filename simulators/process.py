"""How a simulator process tells its parent that it is ready, and how it ends.

Rules: exactly one line on standard output, flushed; SIGTERM and SIGINT end it with exit code 0 after everything that
was made has been removed; a second signal cannot disturb that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)
KNOCK_S = 0.05


def announce(where: str) -> None:
    """Print the ready line."""
    sys.stdout.write(f"ready {where}\n")
    sys.stdout.flush()


def end_on_signals() -> None:
    """Turn SIGTERM and SIGINT into SystemExit(0), which runs every `finally` on its way.

    The interpreter looks for signals between two instructions only: one that comes just before a wait without end would
    be found behind it. So a thread hears of it too, and knocks at the waiting one until it has gone.
    """
    leaving = threading.Event()
    heard, told = os.pipe()
    os.set_blocking(told, False)
    waiting = threading.get_ident()

    def leave(_signal: int, _frame: FrameType | None) -> None:
        leaving.set()
        for ending in ENDING:
            signal.signal(ending, signal.SIG_IGN)
        raise SystemExit(0)

    def knock() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # they are the other's
        (ending,) = os.read(heard, 1)
        while not leaving.wait(KNOCK_S):
            signal.pthread_kill(waiting, ending)

    for ending in ENDING:
        signal.signal(ending, leave)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=knock, name="signals", daemon=True).start()
