"""How a simulator process tells its parent that it is ready, and how it ends.

Rules: exactly one line on standard output, flushed; SIGTERM and SIGINT end it with exit code 0 after everything that
was made has been removed; a second signal cannot disturb that.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)


def announce(where: str) -> None:
    """Print the ready line."""
    sys.stdout.write(f"ready {where}\n")
    sys.stdout.flush()


def end_on_signals() -> None:
    """Turn SIGTERM and SIGINT into SystemExit(0), which runs every `finally` on its way."""

    def leave(_signal: int, _frame: FrameType | None) -> None:
        for ending in ENDING:
            signal.signal(ending, signal.SIG_IGN)
        raise SystemExit(0)

    for ending in ENDING:
        signal.signal(ending, leave)
