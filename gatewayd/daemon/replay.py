"""Giving a sink readings of the archive again, beside a gateway that may be running.

Rules: reads the archive only; the cursor of the sink stays where it is; what was set aside and is taken now is not
set aside any more, what is refused is told at the end, and the rest goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gatewayd.archive import set_aside
from gatewayd.archive.follow import Follower
from gatewayd.config import Config, SinkSettings
from gatewayd.daemon.build import build_sink
from gatewayd.model import Archived

REPLAY_ID = "operator"
"""What replayed MQTT messages carry as the id of the request."""


@dataclass(slots=True)
class Replayed:
    """What has become of the readings: how many were taken, and which were refused and why. A ledger."""

    count: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)

    def done(self, readings: Sequence[Archived]) -> None:
        self.count += len(readings)

    async def set_aside(self, reading: Archived, reason: str) -> None:
        self.refused.append((reading.seq, reason))


async def replay(
    config: Config, settings: SinkSettings, first: int, last: int, on_progress: Callable[[int], None]
) -> Replayed:
    """Deliver the readings from `first` to `last`. ArchiveError, SinkError."""
    folder = config.archive.path
    follower = await asyncio.to_thread(Follower, folder)
    sink = build_sink(config, settings, lambda: (last, None), quiet=True)
    replayed, seq = Replayed(), first - 1
    async with sink.connect() as delivery:
        while seq < last:
            batch = await asyncio.to_thread(follower.after, seq, sink.batch, last)
            if not batch:
                break
            await delivery.again(batch, REPLAY_ID, replayed)
            seq = batch[-1].seq
            on_progress(replayed.count + len(replayed.refused))
    refused = {number for number, _ in replayed.refused}
    for aside in await asyncio.to_thread(set_aside.listed, folder, settings.id):
        if first <= aside.first and aside.last <= seq and not refused & set(range(aside.first, aside.last + 1)):
            await asyncio.to_thread(set_aside.clear, folder, settings.id, aside.first, aside.last)
    return replayed
