"""Batches of which the other side refuses a part: the bad reading is found by halving, set aside, and the rest goes on.

Rules: nothing is set aside by a database that takes nothing at all: it has a fault of its own. Which of the two it is
tells a reading that it is known to take, sent once more, or else some other one of the batch; storing it twice changes
nothing. Everything else goes in its order.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence

from gatewayd.errors import GatewayError, SinkError
from gatewayd.model import Archived
from gatewayd.sink import Ledger

Send = Callable[[Sequence[Archived]], Awaitable[None]]
"""Returns when all of its readings are safe. Raises BatchRefused and SinkError."""


class BatchRefused(GatewayError):
    """The other side understood the request and will never take it as it is. The message is its reason."""


class Division:
    """Of one sink, for as long as it lives. `name` says in errors who refuses."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._good: Archived | None = None
        """A reading that was accepted."""

    async def deliver(self, readings: Sequence[Archived], send: Send, ledger: Ledger) -> None:
        """Send readings in one request, or in as many as it takes to find those that are refused.

        Raises SinkError, and what the ledger raises."""
        waiting = [readings]
        takes_something = False
        while waiting:
            part = waiting.pop()
            try:
                await send(part)
            except BatchRefused as refusal:
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                    continue
                takes_something = takes_something or await self._takes_something(readings, part[0], send)
                if not takes_something:
                    raise SinkError(f"{self._name} refuses everything it gets: {refusal}") from refusal
                await ledger.set_aside(part[0], str(refusal))
            else:
                takes_something = True
                self._good = part[-1] if part else self._good
                ledger.done(part)

    async def _takes_something(self, readings: Sequence[Archived], refused: Archived, send: Send) -> bool:
        for sample in self._samples(readings):
            if sample.seq == refused.seq:
                continue
            try:
                await send([sample])
            except BatchRefused:
                continue
            self._good = sample
            return True
        return False

    def _samples(self, readings: Sequence[Archived]) -> Iterator[Archived]:
        """The one that was taken before, and then what is newest: what is old may be refused for its age."""
        if self._good is not None:
            yield self._good
        place = len(readings) - 1
        while place > 0:
            yield readings[place]
            place //= 2
