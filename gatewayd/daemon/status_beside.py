"""What the status document needs of files: what sinks were not given, and since when the first reading waits for each.

Rules: looked up in one thread, at small files and at one index for each place where somebody waits: it costs the same
for one meter and for thousands. What cannot be read is left out; the rest is worth telling all the same.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gatewayd.archive import segments, set_aside
from gatewayd.archive.ages import Ages
from gatewayd.archive.set_aside import Count
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.sinks import Serving
from gatewayd.errors import ArchiveError


@dataclass(frozen=True, slots=True)
class Outboxes:
    """Of one archive, by sink: what was set aside, and when the first reading that waits was archived."""

    aside: Mapping[str, Count] = field(default_factory=dict)
    oldest: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """`underived_since`: when the first reading was archived of which nothing is derived yet; `put_aside`: damaged
    segments of the raw archive."""

    raw: Outboxes = Outboxes()
    derived: Outboxes = Outboxes()
    underived_since: datetime | None = None
    derived_bytes: int = 0
    put_aside: int = 0


async def beside(gateway: Gateway) -> Beside:
    """Of a gateway that runs."""
    site = gateway.metering
    state = None if site is None else site.state
    place = state.seq if state is not None and state.known and state.seq < gateway.store.head else None
    raw = _waiting(gateway.sinks.serving)
    store = None if site is None else site.store
    derived = _waiting(() if site is None else site.serving)
    folder = None if store is None else store.folder
    return await asyncio.to_thread(_looked, gateway.store.folder, raw, folder, derived, place)


def size_of(folder: Path) -> int:
    """Octets of all segments of an archive with their journals; 0 where there is none."""
    size = 0
    with contextlib.suppress(OSError):
        for number in segments.segment_numbers(folder):
            path = segments.segment_path(folder, number)
            for part in (path, Path(f"{path}-wal")):
                with contextlib.suppress(OSError):
                    size += part.stat().st_size
    return size


def put_aside(folder: Path) -> int:
    """How many damaged segments of an archive were put aside, as far as they are still there. Blocks for a moment."""
    with contextlib.suppress(OSError):
        return sum(1 for entry in (folder / segments.QUARANTINE).iterdir() if entry.is_dir())
    return 0


def _waiting(serving: Iterable[Serving]) -> dict[str, int]:
    """The cursors of the sinks for which something waits."""
    return {one.wanted.settings.id: one.outbox.cursor for one in serving if one.publisher.state.waiting}


def _looked(
    raw: Path, waiting: Mapping[str, int], derived: Path | None, waiting_derived: Mapping[str, int], place: int | None
) -> Beside:
    places = [*waiting.values(), *(() if place is None else (place,))]
    since = dict(zip(places, Ages(raw).archived_at(places), strict=True))
    return Beside(
        _outboxes(raw, waiting, since),
        Outboxes() if derived is None else _outboxes(derived, waiting_derived),
        None if place is None else since[place],
        0 if derived is None else size_of(derived),
        put_aside(raw),
    )


def _outboxes(folder: Path, waiting: Mapping[str, int], since: Mapping[int, datetime | None] | None = None) -> Outboxes:
    counts: dict[str, Count] = {}
    with contextlib.suppress(ArchiveError):
        counts = set_aside.counts(folder)
    if since is None:
        places = list(waiting.values())
        since = dict(zip(places, Ages(folder).archived_at(places), strict=True))
    oldest = {sink: at for sink, cursor in waiting.items() if (at := since[cursor]) is not None}
    return Outboxes(counts, oldest)
