"""What a sink is: something that takes archived readings and says of each one when it has it.

Rules: a sink sees readings only through the outbox; it changes none and keeps none. A reading is done only after the
other side has acknowledged it, and set aside only when the other side will never take it. Every fault is a SinkError
in plain words; the publisher, not the sink, decides when to try again and what to log.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gatewayd.model import Archived
from gatewayd.sink.check import Remark

FAREWELL_S = 2.0
"""The longest time that leaving a connection may take, a clean goodbye to the other side included."""

Head = Callable[[], tuple[int, str | None]]
"""The end of the archive: last sequence number, and hash of the last batch in hexadecimal."""


class Ledger(Protocol):
    """Where a sink says what has become of readings."""

    def done(self, readings: Sequence[Archived]) -> None:
        """The other side has acknowledged these. In any order, as often as one likes."""

    async def set_aside(self, reading: Archived, reason: str) -> None:
        """The other side will never take this one. Returns when that is written down; the reading is then done.

        Raises ArchiveError when it cannot be written down, SinkError when so many were set aside that the fault must
        lie elsewhere."""


class Delivery(Protocol):
    """An open connection to a sink."""

    async def deliver(self, readings: Sequence[Archived], ledger: Ledger) -> None:
        """Send the readings, keeping the order within each series, and return when all are done or set aside.

        Raises SinkError; what was not done by then may or may not have arrived. Raises what the ledger raises."""

    async def again(self, readings: Sequence[Archived], replay: str, ledger: Ledger) -> None:
        """As `deliver`, for readings that were delivered before; `replay` names the request for them."""


class Sink(Protocol):
    """One configured destination of readings."""

    id: str
    batch: int
    """How many readings it likes to get at once."""
    linger_s: float
    """How long it likes to wait until there are that many."""

    def connect(self) -> AbstractAsyncContextManager[Delivery]:
        """Open a connection for the time of an `async with`.

        Raises SinkError on the way in. A connection that breaks later cancels the body of the `async with`, wherever it
        waits, and raises SinkError on the way out. Whatever else the body raises passes through. Leaving takes at most
        FAREWELL_S."""

    async def check(self, months: int) -> list[Remark]:
        """Connect, write a probe, read it back, and look at the settings by which data silently vanish.

        `months` is how long data should be kept. Raises SinkError when not even a connection can be had."""
