"""What is counted while the gateway runs, for whoever scrapes it.

Rules: integers in memory and no I/O: counting costs a session or a commit next to nothing, and nothing is worked out
before somebody asks. Each tally has one writer, a task or the archive's thread; others read it at any time, and may see
an observation of which one part has been counted already. Seconds are differences of a clock that nobody sets.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gatewayd.model import Outcome, RawStatus

SESSION_BOUNDS = ("0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "900")
"""Seconds of a session: from a register over TCP to what the acquisition allows at most."""
COMMIT_BOUNDS = ("0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10")
"""Seconds of a commit: from a good disk to one that is about to fail."""
RESULTS = (
    *("done", "silent", "refused", "protocol_error", "line_failed", "deadline"),
    *("cancelled", "not_archived", "defect"),
)
"""How an order may end: as its exchanges do, or by what is none of the meter's doing."""
_NANO = 1_000_000_000


class Histogram:
    """How many observations were at most so many seconds, and the sum of all. `bounds` ascend."""

    def __init__(self, bounds: Sequence[str]) -> None:
        self.bounds = tuple(bounds)
        self._seconds = [float(bound) for bound in bounds]
        self._counts = [0] * (len(bounds) + 1)
        self._nanoseconds = 0

    def observe(self, seconds: float) -> None:
        """One more."""
        self._counts[bisect_left(self._seconds, seconds)] += 1
        self._nanoseconds += round(seconds * _NANO)

    @property
    def counts(self) -> tuple[int, ...]:
        """By bucket, the last one for what is above all bounds; not added up."""
        return tuple(self._counts)

    @property
    def total(self) -> str:
        """The sum in seconds, as a decimal number."""
        return decimal(self._nanoseconds)


def decimal(nanoseconds: int) -> str:
    """`-0.25`: nanoseconds as seconds, exactly, without digits that say nothing."""
    whole, rest = divmod(abs(nanoseconds), _NANO)
    digits = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
    return f"-{digits}" if nanoseconds < 0 else digits


@dataclass(slots=True)
class Sessions:
    """Conversations with meters since the start."""

    reads: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Driver and result -> orders that were asked."""
    seconds: dict[str, Histogram] = field(default_factory=dict)
    """By driver: how long sessions took in which meters were asked."""
    last_success: dict[str, datetime] = field(default_factory=dict)
    """By meter: the end of its last sound session, or its last message; also when it or its line was changed since."""

    def ended(self, driver: str, results: Iterable[str], seconds: float | None) -> None:
        """A session is over; `seconds` None where it was only listened."""
        for result in results:
            self.reads[driver, result] += 1
        if seconds is not None:
            self.seconds.setdefault(driver, Histogram(SESSION_BOUNDS)).observe(seconds)


class Commits:
    """What the archive has confirmed since the start, and how long that took."""

    def __init__(self) -> None:
        self.seconds = Histogram(COMMIT_BOUNDS)
        self.failed = 0
        """Commits after which nothing was acknowledged."""
        self._readings = [0] * len(RawStatus)
        self._exchanges: Counter[str] = Counter({outcome.value: 0 for outcome in Outcome})

    def confirmed(self, statuses: Iterable[int], outcomes: Iterable[str], seconds: float) -> None:
        """A batch is on the disk: the status of each of its readings, and how each of its exchanges ended."""
        for status, count in Counter(statuses).items():
            self._readings[status] += count
        self._exchanges.update(outcomes)
        self.seconds.observe(seconds)

    @property
    def readings(self) -> dict[RawStatus, int]:
        """By status, those included of which there is none."""
        return {status: self._readings[status] for status in RawStatus}

    @property
    def exchanges(self) -> dict[str, int]:
        """By outcome."""
        return dict(self._exchanges)
