"""Batches of which the other side refuses a part: the bad reading is found by halving, set aside, and the rest goes on.

Rules: order is kept; nothing is set aside before something of the same batch was accepted, unless the batch is small: a
database that refuses everything has a fault of its own, and that is an error and no reason to throw readings out.
"""

from collections.abc import Awaitable, Callable, Sequence

from gatewayd.errors import GatewayError, SinkError
from gatewayd.model import Archived
from gatewayd.sink import Ledger

REFUSALS = 250
"""So many refused requests for one batch, and the connection is given up for now; what was accepted stays so."""
SMALL = 8
"""A batch that is no larger may be refused whole and be set aside."""


class BatchRefused(GatewayError):
    """The other side understood the request and will never take it as it is. The message is its reason."""


async def deliver_in_parts(
    readings: Sequence[Archived], send: Callable[[Sequence[Archived]], Awaitable[None]], ledger: Ledger
) -> None:
    """Send readings in one request, or in as many as it takes to find those that are refused.

    `send` returns when all of its readings are safe, and raises BatchRefused or SinkError. Raises SinkError, and what
    the ledger raises."""
    waiting = [readings]
    refused: list[tuple[Archived, str]] = []
    refusals = 0
    accepted = len(readings) <= SMALL
    while waiting:
        part = waiting.pop()
        try:
            await send(part)
        except BatchRefused as refusal:
            refusals += 1
            if refusals >= REFUSALS:
                raise SinkError(f"refuses too much of what it gets; the last time it said: {refusal}") from refusal
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
            else:
                refused.append((part[0], str(refusal)))
        else:
            accepted = True
            ledger.done(part)
        if accepted:
            for reading, reason in refused:
                await ledger.set_aside(reading, reason)
            refused.clear()
    if refused:
        raise SinkError(f"refuses everything it gets: {refused[-1][1]}")
