"""What the kernel says of the clock, for a gateway that may not ask: its unit forbids adjtimex(2), reading included.

`gatewayd-clock.service` asks in its place and writes the answer into a small file (`gatewayd witness`).

Rules: only what the kernel said is passed on, with the time on the clock that nobody sets (the same for all processes);
an answer that is too old is none. The file is replaced as a whole; whoever reads it waits for nobody.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PATH = Path("/run/gatewayd-clock/state")
EVERY_SECONDS = 10.0
_OLD_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Said:
    """Status word and maximum error in microseconds, as adjtimex(2) gave them."""

    status: int
    maximum_error_us: int


def told(path: Path = PATH, steady_ns: Callable[[], int] = time.monotonic_ns) -> Said | None:
    """What the witness has said a moment ago; None when he has not."""
    try:
        status, error, at = (int(word) for word in path.read_text(encoding="ascii").split())
    except (OSError, ValueError):  # not text either
        return None
    return Said(status, error) if 0 <= steady_ns() - at <= _OLD_NS else None


def tell(said: Said, path: Path = PATH, steady_ns: Callable[[], int] = time.monotonic_ns) -> None:
    """Write it down. OSError when that does not work."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{said.status} {said.maximum_error_us} {steady_ns()}\n", encoding="ascii")
    draft.chmod(0o644)
    draft.replace(path)
