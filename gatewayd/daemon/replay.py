"""Giving a sink readings of the archive again, beside a gateway that may be running.

Rules: reads the archive only; the cursor of the sink stays where it is; what the sink refuses is an error here, since
nobody else would hear of it.
"""

import asyncio
from collections.abc import Callable, Sequence

from gatewayd.archive.follow import Follower
from gatewayd.config import Config, SinkSettings
from gatewayd.daemon.build import build_sink
from gatewayd.errors import SinkError
from gatewayd.model import Archived

REPLAY_ID = "operator"
"""What replayed MQTT messages carry as the id of the request."""


class _Strict:
    """A ledger that remembers nothing and accepts no refusal."""

    def done(self, readings: Sequence[Archived]) -> None:
        return

    async def set_aside(self, reading: Archived, reason: str) -> None:
        raise SinkError(f"reading {reading.seq} is refused: {reason}")


async def replay(
    config: Config, settings: SinkSettings, first: int, last: int, on_progress: Callable[[int], None]
) -> int:
    """Deliver the readings from `first` to `last`; how many there were. ArchiveError, SinkError."""
    follower = await asyncio.to_thread(Follower, config.archive.path)
    sink = build_sink(config, settings, lambda: (last, None), quiet=True)
    count, seq = 0, first - 1
    async with sink.connect() as delivery:
        while seq < last:
            batch = await asyncio.to_thread(follower.after, seq, sink.batch, last)
            if not batch:
                break
            await delivery.again(batch, REPLAY_ID, _Strict())
            count += len(batch)
            seq = batch[-1].seq
            on_progress(count)
    return count
