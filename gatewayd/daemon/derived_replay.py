"""Giving a sink derived values of the archive again, beside a gateway that may be running.

Rules: as in replay.py. Where a version that is written later takes the place of the one before (InfluxDB, QuestDB),
only the newest version of each value is given, and what became newer meanwhile is given once more: whatever is handed
out again, the newest is found in the end.
"""

import asyncio
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from gatewayd.archive import set_aside
from gatewayd.archive.selection import Chooser, Selection
from gatewayd.config import Config, SinkSettings
from gatewayd.daemon.build import now
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.derived_sinks import build_points_sink, chooser, derived_history
from gatewayd.daemon.replay import REPLAY_ID, Replayed
from gatewayd.model import Archived
from gatewayd.sink.line_protocol.options import LineProtocolOptions, overwrites

_PAGE = 200_000
"""Numbers that are looked for at once."""


async def derived_end(config: Config) -> int:
    """The last number in the derived archive. ArchiveError."""
    return await asyncio.to_thread(lambda: chooser(config.archive.path).end())


async def replay_derived(
    config: Config, settings: SinkSettings, wanted: Selection, on_progress: Callable[[int], None]
) -> Replayed:
    """Deliver the derived values that are wanted. ArchiveError, SinkError."""
    history = derived_history(config.archive.path)
    archive = await asyncio.to_thread(history.open)
    head = await asyncio.to_thread(history.head)
    sink = build_points_sink(config, settings, lambda: head, now, quiet=True)
    newest = Newest(archive)
    filtered = isinstance(settings.options, LineProtocolOptions) and overwrites(settings.options)
    replayed, looked_at = Replayed(), array("q")
    async with sink.connect() as delivery:
        while numbers := await asyncio.to_thread(archive.numbers, wanted, _PAGE):
            for place in range(0, len(numbers), sink.batch):
                batch = await asyncio.to_thread(archive.chosen, numbers[place : place + sink.batch])
                given = batch
                while given:
                    if filtered:
                        given = await asyncio.to_thread(newest.among, given)
                    await delivery.again(given, REPLAY_ID, replayed)
                    given = await asyncio.to_thread(newest.since, given) if filtered else []
                on_progress(replayed.count + len(replayed.refused))
            looked_at.extend(numbers)
            wanted = replace(wanted, first=numbers[-1] + 1)
    await asyncio.to_thread(_tidy, config, settings.id, looked_at, {number for number, _ in replayed.refused})
    return replayed


class Newest:
    """Which versions count, as the archive has it at the moment. Blocking."""

    def __init__(self, archive: Chooser) -> None:
        self._archive = archive

    def among(self, batch: Sequence[Archived]) -> list[Archived]:
        """Those of these that no newer version has taken the place of. ArchiveError."""
        newest = self._archive.newest(batch)
        return [one for one in batch if newest[one.seq] <= one.seq]

    def since(self, batch: Sequence[Archived]) -> list[Archived]:
        """The newest versions of those that were replaced meanwhile. ArchiveError."""
        newest = self._archive.newest(batch)
        return self._archive.chosen(sorted({newest[one.seq] for one in batch if newest[one.seq] > one.seq}))


def _tidy(config: Config, sink: str, looked_at: Sequence[int], refused: set[int]) -> None:
    """What was set aside and is taken now, or counts no more, is not set aside any more. ArchiveError."""
    folder = derived_folder(config.archive.path)
    for aside in set_aside.listed(folder, sink):
        there = bisect_right(looked_at, aside.last) - bisect_left(looked_at, aside.first)
        if there == aside.last - aside.first + 1 and not any(aside.first <= one <= aside.last for one in refused):
            set_aside.clear(folder, sink, aside.first, aside.last)
