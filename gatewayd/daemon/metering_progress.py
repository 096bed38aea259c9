"""Where the engine of the derived layer is, and which points it has computed: in state.sqlite of the derived archive.

Rules: beside where it is stands what both archives were then. What cannot be read, a raw archive that is another one,
or a derived one that has lost something means that everything is computed once more: that costs time and writes nothing
twice. Until that is done the memory says what it said before.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from gatewayd.archive import segments
from gatewayd.archive.store import Store
from gatewayd.daemon.file_marks import FileMark
from gatewayd.daemon.metering_batch import Part
from gatewayd.daemon.metering_marks import Found, Mark, found, lost, mark_of

MEMORY = "metering"
"""Under this name the derived archive remembers where the engine is..."""
DEFINITIONS = "definitions"
"""...and which points it has computed."""

log = logging.getLogger("gatewayd.metering")


class Redo(msgspec.Struct, frozen=True):
    """Points that are new or have another definition: `key` says which, and with what digests; the months up to the one
    that begins with `done` are computed again."""

    key: str
    done: date = date.min


class Progress(msgspec.Struct, frozen=True):
    """Where the engine is. `seq`: everything of the raw archive up to it is computed; `looked`: until when days that
    are due were looked for."""

    seq: int = 0
    looked: datetime | None = None
    entered: int = 0
    """The last exchange of the derived archive of which values by hand were looked for."""
    raw: Mark | None = None
    derived: Mark | None = None
    """What the archives were then."""
    first: int = 0
    """The oldest segment of the derived archive."""
    lost: tuple[int, ...] = ()
    """Segments of it that are lost, and of which everything was computed once more."""
    part: Part | None = None
    """Of the next readings: how far their days are."""
    unread: tuple[FileMark, ...] = ()
    """Segments of it that could not be read: days that they have values of were passed over."""
    raw_unread: tuple[FileMark, ...] = ()
    """The same of the raw archive: what they have was passed over."""
    redo: Redo | None = None
    unbegun: tuple[str, ...] = ()
    """The points of which there was nothing when days that are due were looked for."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """Where it was, and the digests of the points that were computed. `again`: why everything is to be computed once
    more; `replaced`: the raw archive is another one, and what was made of readings that it does not have is no more."""

    progress: Progress
    digests: dict[str, str]
    again: str = ""
    replaced: bool = False


async def recalled(store: Store, raw: Store) -> Recalled:
    """Where it was, of the derived archive `store`. ArchiveError."""
    kept = await store.recall_all(MEMORY)
    progress, digests = Progress(), dict[str, str]()
    try:
        if (text := kept.get((MEMORY, MEMORY))) is not None:
            progress = msgspec.json.decode(text, type=Progress)
        if (text := kept.get((MEMORY, f"{MEMORY} {DEFINITIONS}"))) is not None:
            digests = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        log.warning("metering: where it was cannot be read, so everything is computed once more: %s", error)
        return Recalled(Progress(), {})
    head = raw.head
    if progress.seq > head or await asyncio.to_thread(found, raw.folder, progress.raw) is Found.OTHER:
        log.warning(
            "metering: the raw archive is not the one that it was when %d of its readings were computed, or an older "
            "copy: everything is computed once more",
            progress.seq,
        )
        return Recalled(
            msgspec.structs.replace(progress, seq=head, part=None), {}, "the raw archive was replaced", replaced=True
        )
    gone = await asyncio.to_thread(lost, store.folder, progress.first, progress.lost)
    if not gone and await asyncio.to_thread(found, store.folder, progress.derived) is Found.SAME:
        return Recalled(progress, digests)
    log.warning(
        "metering: the derived archive does not have all that was written into it%s: everything is computed once more",
        f" (segments that are not there: {', '.join(map(str, gone))})" if gone else "",
    )
    progress = msgspec.structs.replace(progress, lost=tuple(sorted({*progress.lost, *gone})), part=None)
    return Recalled(progress, {}, "a part of the derived archive was lost")


def mended(progress: Progress) -> Recalled:
    """What was passed over, since segments of the derived archive could not be read, is to be tried again."""
    log.info(
        "metering: what could not be read of the derived archive is another file: everything is computed once more"
    )
    return Recalled(
        msgspec.structs.replace(progress, unread=(), part=None), {}, "its segment of the derived archive was mended"
    )


async def remember(store: Store, raw: Store, progress: Progress) -> Progress:
    """Write it down with what the archives are now; what was written. Returns when it is on the disk. ArchiveError."""
    marked = await asyncio.to_thread(_marked, store, raw, progress)
    await store.remember_all([(MEMORY, MEMORY, msgspec.json.encode(marked))])
    return marked


def _marked(store: Store, raw: Store, progress: Progress) -> Progress:
    numbers = segments.segment_numbers(store.folder)
    return msgspec.structs.replace(
        progress, raw=mark_of(raw.folder), derived=mark_of(store.folder), first=numbers[0] if numbers else 0
    )


async def remember_definitions(store: Store, digests: Mapping[str, str]) -> None:
    """The points that are computed, with their digests. ArchiveError."""
    await store.remember_all([(MEMORY, f"{MEMORY} {DEFINITIONS}", msgspec.json.encode(digests))])
