"""What the archive has of all profiles that are kept complete, known in memory: from the short cut, or found out anew.

Rules: the short cut in state.sqlite says up to which sequence number it knows the archive; what stands behind that is
read from the archive. It does not count where the archive is shorter than it says, or where a part of the archive was
put aside since. Nobody who asks gets an ArchiveError: what is not known counts as doubtful until the archive answers.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from gatewayd.archive.intervals import Intervals
from gatewayd.archive.profile_rows import ProfileRows
from gatewayd.archive.segments import QUARANTINE
from gatewayd.archive.store import Store
from gatewayd.coverage import decode, encode
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError
from gatewayd.increments import increment_code
from gatewayd.model import LoadProfile, Meter, Reading
from gatewayd.policy import Policy
from gatewayd.watched import Key, Watch, Watched, watched

_SHORT_CUT, _ALIVE = "coverage ", "upkeep alive"

log = logging.getLogger("gatewayd.upkeep")


class Recollection:
    """`known`: by meter and code. `stopped_at`: when the process before this one was alive for the last time, None
    where that is not known; `began_at`: when this one looked first."""

    def __init__(self, store: Store, clock: Clock, zone: ZoneInfo, sure: Callable[[], bool]) -> None:
        self.known: dict[Key, Watched] = {}
        self.archive = Intervals(store.folder)
        self.stopped_at: datetime | None = None
        self.began_at: datetime | None = None
        self._store = store
        self._clock = clock
        self._zone = zone
        self._sure = sure
        self._by_code: dict[tuple[str, str, int | None], Watched] = {}
        self._shared: set[tuple[str, str, int | None]] = set()
        self._locks: dict[Key, asyncio.Lock] = {}
        self._short_cuts: dict[tuple[str, str], bytes] | None = None
        self._first = asyncio.Lock()
        self._aside = self._put_aside()
        self._head_then: int | None = None
        """Where the archive ended when it was looked into first; None: not yet, or it is not the same any more."""
        self._heard: set[str] = set()
        """Meters of which something was archived in this process, or nearly."""

    def watch(self, meter: Meter, order: Watch, policy: Policy) -> tuple[Key, ...]:
        """The keys of what the order keeps complete. What is known of it stays known when the order changes."""
        found = watched(meter, order, policy, self._zone)
        for key, one in found.items():
            known = self.known.get(key)
            if known is None or _lengths(known) != _lengths(one):
                self._unindex([] if known is None else [known])
                one.astray = key in self._locks  # known before in this process: something may be on its way to the disk
                self.known[key] = one
            else:
                known.meter, known.policy, known.order = meter, policy, _both(meter, known.order, order)
        return tuple(found)

    def forget(self, meter: str) -> None:
        """The meter is not configured any more."""
        self.known = {key: one for key, one in self.known.items() if key[0] != meter}
        self._unindex([one for one in self._by_code.values() if one.meter.id == meter])

    def hears(self, meter: str) -> None:
        """Something that this meter has sent goes into the archive."""
        self._heard.add(meter)

    def with_channel(self, meter: str, code: str, interval_s: int | None) -> Watched | None:
        """The profile that has such a channel; `meter` may be a metering point of a registrar."""
        return self._by_code.get((meter, code, interval_s))

    def disputed(self, one: Watched | None, reading: Reading) -> bool:
        """Whether another profile has such a channel, too: then nobody but the archive knows what there is of it."""
        key = reading.meter, reading.code, reading.interval_s
        other = self._by_code.get(key)
        return key in self._shared or (other is not None and other is not one)

    def index(self, one: Watched) -> None:
        """Its channels may be others than before."""
        seconds = int(one.period.total_seconds())
        for channel in one.coverage.channels:
            key = one.meter.owner(channel.key).id, channel.code, seconds
            if self._by_code.setdefault(key, one) is not one:
                self._shared.add(key)

    def _unindex(self, gone: Collection[Watched]) -> None:
        places = set(map(id, gone))
        self._by_code = {key: one for key, one in self._by_code.items() if id(one) not in places}
        self._shared &= self._by_code.keys()

    async def ready(self, key: Key, *, again: bool = False) -> Watched:
        """Know what the archive knows of it. What the archive cannot tell is logged."""
        self.look_aside()
        one = self.known[key]
        if one.fresh and not again:
            return one
        async with self._locks.setdefault(key, asyncio.Lock()):
            one = self.known[key]
            if one.fresh and not again:
                return one
            try:
                await self._recall(key, one)
            except ArchiveError as error:
                one.lost = one.loaded = True
                log.warning("meter %s: what the archive has of %s is not known: %s", key[0], one.code, error)
                return one
            one.lost = False
            if one.coverage.begun is None and self._sure():
                one.coverage, one.changed = replace(one.coverage, begun=self._clock()), True
            self.index(one)
        return one

    async def save(self, *, everything: bool = False) -> None:
        """Write down what has changed, or `everything`, as at the end: then the next start has nothing to read of the
        archive. ArchiveError, and then it is still to be written down."""
        head = self._store.head
        changed = {key: one for key, one in self.known.items() if (everything or one.changed) and one.fresh}
        rows = [(meter, f"{_SHORT_CUT}{code}", self._short_cut(one, head)) for (meter, code), one in changed.items()]
        if self._sure():
            rows.append(("", _ALIVE, self._clock().isoformat().encode()))
        for one in changed.values():
            one.changed = False
        try:
            await self._store.remember_all(rows)
        except BaseException:
            for one in changed.values():
                one.changed = True
            raise

    def look_aside(self) -> None:
        """Where a part of the archive was put aside since, nothing is known any more, until `ready` has looked."""
        aside = self._put_aside()
        if aside == self._aside:
            return
        log.warning("a part of the archive was put aside: what is there of the profiles is found out anew")
        self._aside, self._short_cuts, self._head_then = aside, {}, None
        for one in self.known.values():
            one.loaded = False

    def _put_aside(self) -> str:
        folder = self._store.folder / QUARANTINE
        return " ".join(sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else ""

    async def _recall(self, key: Key, one: Watched) -> None:
        async with self._first:  # hundreds of sessions begin at once, and each would read the short cuts of all meters
            if self._short_cuts is None:
                short_cuts = await self._store.recall_all(_SHORT_CUT)
                alive = (await self._store.recall_all(_ALIVE)).get(("", _ALIVE))
                self._short_cuts, self.stopped_at, self.began_at = short_cuts, _instant(alive), self._clock()
                self._head_then = self._store.head
        if one.open or one.astray:
            await self._store.flush()  # what was sifted and never kept is in the archive now, or never will be
        if not one.loaded or one.lost:
            self._begin_anew(key, one)
        head, seq = self._store.head, one.coverage.seq
        if self._nothing_new(key[0], one):
            found = ProfileRows()
        elif isinstance(one.order, LoadProfile):
            codes = [channel.code for channel in one.coverage.channels]
            meters = (one.meter.id, *(part.meter.id for part in one.meter.parts))
            found = await asyncio.to_thread(self.archive.of_profile, meters, one.code, codes, seq)
        else:
            code = next(code for code in one.order.registers if str(increment_code(code)) == one.code)
            owner, seconds = one.meter.owner(code).id, int(one.order.period.total_seconds())
            found = await asyncio.to_thread(self.archive.of_increments, owner, one.code, seconds, seq)
        one.restore(found, head)
        one.changed = True

    def _short_cut(self, one: Watched, head: int) -> bytes:
        """Nothing of it is on its way: up to the end of the archive there is nothing that is not known here."""
        known = one.coverage if one.coverage.seq >= head else replace(one.coverage, seq=head)
        return encode(known, str(self._zone), self._context(one))

    def _nothing_new(self, meter: str, one: Watched) -> bool:
        """Whether the archive holds nothing that is not known here: the short cut goes as far as the archive did when
        this process began, and nothing came of the meter since."""
        then = self._head_then
        return then is not None and one.coverage.seq >= then and meter not in self._heard and not one.astray

    def _context(self, one: Watched) -> str:
        return context(one, self._aside)

    def _begin_anew(self, key: Key, one: Watched) -> None:
        """From the short cut, where it is one of this archive."""
        assert self._short_cuts is not None
        stored = self._short_cuts.pop((key[0], _SHORT_CUT + key[1]), None)
        known = None if stored is None else decode(stored, str(self._zone), self._context(one))
        if known is None or known.seq > self._store.head:
            known = watched(one.meter, one.order, one.policy, self._zone)[key].coverage
        one.coverage = known


def _both(meter: Meter, known: Watch, order: Watch) -> Watch:
    """The points of a registrar may have one profile with channels of their own."""
    if not meter.parts or not isinstance(known, LoadProfile) or not isinstance(order, LoadProfile):
        return order
    if not known.channels or not order.channels:
        return dataclasses.replace(order, channels=())
    return dataclasses.replace(order, channels=tuple(dict.fromkeys((*known.channels, *order.channels))))


def context(one: Watched, aside: str) -> str:
    """What a short cut depends on: what was put aside of the archive, and the configured lengths: intervals are
    numbers, and mean nothing where their length may be another."""
    return f"{' '.join(map(str, _lengths(one)))} {aside}"


def _lengths(one: Watched) -> tuple[timedelta | None, timedelta]:
    """What the configuration says of the length of its intervals."""
    return one.order.period, one.policy.period


def _instant(text: bytes | None) -> datetime | None:
    try:
        found = None if text is None else datetime.fromisoformat(text.decode("ascii"))
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
