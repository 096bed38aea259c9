"""What a sink is: something that takes archived readings and says of each one when it has it.

Rules: a sink sees readings only through the outbox; it changes none and keeps none. `done` is called for a reading
only after the other side has acknowledged it. Every fault is a SinkError in plain words; the publisher, not the sink,
decides when to try again and what to log.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gatewayd.model import Archived

FAREWELL_S = 2.0
"""The longest time that leaving a connection may take, a clean goodbye to the other side included."""

Head = Callable[[], tuple[int, str | None]]
"""The end of the archive: last sequence number, and hash of the last batch in hexadecimal."""


class Delivery(Protocol):
    """An open connection to a sink."""

    async def deliver(self, readings: Sequence[Archived], done: Callable[[int], None]) -> None:
        """Send the readings, keeping the order within each series, and return when all are acknowledged.

        `done(seq)` is called for each one as soon as it is, in any order. Raises SinkError; what was not done by then
        may or may not have arrived."""


class Sink(Protocol):
    """One configured destination of readings."""

    id: str

    def connect(self) -> AbstractAsyncContextManager[Delivery]:
        """Open a connection for the time of an `async with`.

        Raises SinkError on the way in. A connection that breaks later cancels the body of the `async with`, wherever it
        waits, and raises SinkError on the way out. Whatever else the body raises passes through. Leaving takes at most
        FAREWELL_S."""
