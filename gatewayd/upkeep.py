"""Load profiles that are kept complete: what of them is asked for, and what of an answer is new to the archive.

Rules: the archive is the memory; what is written down of it beside is a short cut and may be lost. An identical reading
is archived once; one that differs is archived and flagged. An interval that never came becomes `missing`, once, with
its reason; a late value takes its place. Nothing is closed while the gateway's own clock is not known to be right.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from gatewayd import closing
from gatewayd.archive.store import Store
from gatewayd.coverage import Overdue, overdue
from gatewayd.driver import Clock
from gatewayd.errors import ArchiveError, GatewayError
from gatewayd.model import Archived, Increments, Kind, LoadProfile, Meter, Order, Profile, RawStatus, Reading
from gatewayd.policy import POLICY, Policy
from gatewayd.progress import LISTED, Progress, late_days, progress_of
from gatewayd.recollection import Recollection
from gatewayd.runs import NONE
from gatewayd.sifting import compared, doubled, doubles, judged, told_of
from gatewayd.status import Fault
from gatewayd.watched import Key, State, Watched, is_clock, watched

__all__ = ["Progress", "Upkeep"]

PATIENCE = 6 * 3600.0
"""Seconds without a sound answer after which a meter counts as one that cannot be read at present."""
_CLOSED_AT_ONCE = 40
"""Days of one profile that are told missing in one tick."""
_FEW = 50
"""So many profiles are worked out anew whenever somebody wants to know."""
_QUARTER = 900
"""Seconds, after which what is expected of a profile may be more."""

log = logging.getLogger("gatewayd.upkeep")


def _always() -> bool:
    return True


class Upkeep:
    """All profiles of the gateway. `sure`: whether its clock is right; `steady`: seconds on a clock that nobody sets,
    None for that of the event loop."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        zone: ZoneInfo,
        *,
        sure: Callable[[], bool] = _always,
        steady: Callable[[], float] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._zone = zone
        self._sure = sure
        self._steady = steady or (lambda: asyncio.get_running_loop().time())
        self._memory = Recollection(store, clock, zone, sure)
        self._ticking = asyncio.Lock()
        self._begun: float | None = None
        self._reviewed: dict[Key, tuple[object, Progress]] = {}
        """How complete each load profile was, and what of it that was made of."""

    # -- one session --------------------------------------------------------------------------------------------------

    def watch(self, meter: Meter, order: Order, policy: Policy) -> None:
        """`tick` looks after what this order keeps complete, whether or not the meter is ever reached. Orders of other
        kinds are none of its business."""
        if isinstance(order, LoadProfile | Increments):
            self._memory.watch(meter, order, policy)

    def forget(self, meter: str) -> None:
        """The meter is not configured any more."""
        self._memory.forget(meter)

    async def load(self, meter: Meter, order: LoadProfile, policy: Policy) -> None:
        """To be awaited before `pieces`. ArchiveError is logged, not raised: what the archive cannot tell is asked."""
        for key in self._memory.watch(meter, order, policy):
            one = await self._memory.ready(key)
            one.begin(self._clock(), self._steady())

    def pieces(self, meter: Meter, order: LoadProfile) -> tuple[Profile, ...]:
        """What is to be asked for now, the newest first, LISTED at most: a new meter has a thousand."""
        found = islice(self._memory.known[meter.id, str(order.obis)].pieces(self._clock()), LISTED)
        return tuple(Profile(order.obis, start, end) for start, end in found)

    def answered(
        self, meter: Meter, order: LoadProfile, piece: Profile, fault: GatewayError | None, *, evidence: bool = True
    ) -> None:
        """The piece was asked for to its end; `fault` None: soundly, so that what did not come is not in the meter,
        unless the meter's clock is so wrong that this is no `evidence`."""
        one = self._memory.known[meter.id, str(order.obis)]
        sound = fault is None and evidence and self._sure()
        one.answered(piece.start, piece.end, self._clock(), sound=sound)
        if fault is None and not sound:
            one.asked_in_vain(piece.start, piece.end, self._steady())
        one.clock_wrong = fault is None and not evidence
        if sound:
            one.sound_at = self._steady()

    def ended(self, meter: Meter, order: Order, fault: GatewayError | None) -> None:
        """A session with the order is over: `fault` is why it cannot be read at present, None where it can."""
        for one in self._of(meter, order):
            one.fault = fault

    async def sift(
        self, meter: Meter, readings: Sequence[Reading], order: Order | None = None
    ) -> tuple[Reading | Archived, ...]:
        """In their order: an Archived where the archive has it already, else the reading to archive, with its flags.

        `order` is what they have come of: registers are compared only where they are rows of a profile. ArchiveError.
        """
        made = isinstance(order, Increments)
        if isinstance(order, Increments):
            for key in self._memory.watch(meter, order, self._policy_of(meter, order)):
                await self._memory.ready(key)
        places = [place for place, one in enumerate(readings) if _is_sifted(one, order)]
        if not places:
            return tuple(readings)
        found: list[Reading | Archived] = list(readings)
        twice = doubles(readings, places)
        own = self._own(meter, order)
        doubtful: list[int] = []
        touched: set[int] = set()
        seen: dict[tuple[int, datetime, int | None], State] = {}  # a row has many channels
        for place in places:
            reading = readings[place]
            one = own or self._memory.with_channel(reading.meter, reading.code, reading.interval_s)
            state = State.DOUBTFUL
            if one is not None and id(one) not in touched:
                touched.add(id(one))
                one.sifted()
            if one is not None and reading.kind is Kind.INTERVAL:
                row = id(one), reading.at, reading.interval_s
                if row not in seen:
                    seen[row] = one.state(reading)
                state = seen[row]
            if state is State.TOLD and not (made and reading.status is RawStatus.MISSING):
                found[place] = judged(doubled(reading) if place in twice else reading, Fault.CAME_LATE)
            elif state is not State.NEW:
                doubtful.append(place)
            elif place in twice:
                found[place] = doubled(reading)
        if doubtful:
            await self._compare(readings, doubtful, twice, found, made=made)
        return tuple(found)

    def keep(self, meter: Meter, archived: Sequence[Archived], order: Order | None = None) -> None:
        """The archive has taken what `sift` gave last of this meter."""
        own = self._own(meter, order)
        shares: dict[int, tuple[Watched, list[Archived]]] = {}
        for one in [own] if own is not None else self._of(meter, order):
            shares[id(one)] = one, []
        for item in archived:
            reading = item.reading
            mine = own or self._memory.with_channel(reading.meter, reading.code, reading.interval_s)
            if mine is None and isinstance(order, Increments):
                mine = next((one for one, _ in shares.values() if one.code == reading.code), None)
            if mine is not None:
                shares.setdefault(id(mine), (mine, []))[1].append(item)
        last = max((item.seq for item in archived), default=0)
        for one, rows in shares.values():
            if one.loaded and not one.lost:
                one.keep(rows, last)
                one.open = one.stale = False
                self._memory.index(one)

    # -- in the background --------------------------------------------------------------------------------------------

    async def tick(self, now: datetime) -> dict[str, tuple[str, ...]]:
        """To be called every minute or so: tells missing what is overdue, and gives the alarms that stand of each meter
        that has a deadline, () for none; {} while the gateway's clock is not known to be right."""
        if self._begun is None:
            self._begun = self._steady()
        if not self._sure():
            return {}
        alarms: dict[str, tuple[str, ...]] = {}
        async with self._ticking:
            for key, one in list(self._memory.known.items()):
                if not one.fresh and (not one.open or one.stale):
                    await self._memory.ready(key)
                if one.fresh and one.rhythmic:
                    await self._close(one, now)
                    if isinstance(one.order, LoadProfile) and one.policy.deadline is not None:
                        alarms[key[0]] = (*alarms.get(key[0], ()), *late_days(one, now))
                one.stale = one.open
                await asyncio.sleep(0)  # there may be thousands
        return alarms

    async def save(self) -> None:
        """Write down what has changed: the short cut of the next start. ArchiveError."""
        async with self._ticking:
            await self._memory.save()

    def progress(self) -> tuple[Progress, ...]:
        """How complete each load profile is, as far as that is known: of many as it was when `review` looked last."""
        known = [one for one in self._memory.known.values() if one.loaded and isinstance(one.order, LoadProfile)]
        if len(known) <= _FEW:
            now = self._clock()
            return tuple(progress_of(one, now) for one in known)
        found = (self._reviewed.get((one.meter.id, one.code)) for one in known)
        return tuple(one[1] for one in found if one is not None)

    async def review(self) -> None:
        """Work out anew how complete those profiles are of which that may have changed, without holding anybody up."""
        for key, one in list(self._memory.known.items()):
            if not one.loaded or not isinstance(one.order, LoadProfile):
                self._reviewed.pop(key, None)
                continue
            now = self._clock()
            stamp = one.coverage, one.skip, one.order, one.policy, int(now.timestamp()) // _QUARTER
            before = self._reviewed.get(key)
            if before is None or before[0] != stamp:
                self._reviewed[key] = stamp, progress_of(one, now)
                await asyncio.sleep(0)
        self._reviewed = {key: one for key, one in self._reviewed.items() if key in self._memory.known}

    # -----------------------------------------------------------------------------------------------------------------

    def _of(self, meter: Meter, order: Order | None) -> Iterator[Watched]:
        """What an order keeps complete."""
        if isinstance(order, LoadProfile | Increments):
            found = (self._memory.known.get(key) for key in watched(meter, order, POLICY, self._zone))
            yield from (one for one in found if one is not None)

    def _own(self, meter: Meter, order: Order | None) -> Watched | None:
        """The profile that is asked for, where it is one that is kept complete."""
        if isinstance(order, LoadProfile | Profile):
            return self._memory.known.get((meter.id, str(order.obis)))
        return None

    def _policy_of(self, meter: Meter, order: Increments) -> Policy:
        return next((one.policy for one in self._of(meter, order)), POLICY)

    async def _compare(
        self,
        readings: Sequence[Reading],
        places: Sequence[int],
        twice: frozenset[int],
        found: list[Reading | Archived],
        *,
        made: bool,
    ) -> None:
        """Put into `found` what the archive says of the readings at these places: one query."""
        wanted = [readings[place] for place in places]
        ats = [one.at for one in wanted]
        archived = await asyncio.to_thread(
            self._memory.archive.same_time,
            {one.meter for one in wanted},
            {one.code for one in wanted},
            {one.kind for one in wanted},
            min(ats),
            max(ats),
        )
        for place, result in compared(readings, places, archived, twice).items():
            gone = made and readings[place].status is RawStatus.MISSING
            found[place] = (told_of(readings[place], archived) if gone else None) or result

    async def _close(self, one: Watched, now: datetime) -> None:
        """Tell missing what is overdue."""
        channels = one.channels()
        if not channels:
            return
        given_up = isinstance(one.order, Increments) or self._given_up(one)
        due = overdue(one.coverage, one.grid, now, one.retry_window, one.months, given_up=given_up)
        subject = closing.Subject(one.meter, one.code, one.grid, channels, one.coverage.serial)
        for item in list(islice(due, _CLOSED_AT_ONCE)):
            if one.open or one.coverage.there.count(item.first, item.last):
                return  # a session is archiving some of it
            one.closing = one.closing.add(item.first, item.last)
            try:
                await self._store.append(closing.record(subject, item, self._reason(one, item), now))
            except ArchiveError as error:
                one.astray = True
                log.warning("meter %s: intervals of %s cannot be told missing: %s", one.meter.id, one.code, error)
                return
            except asyncio.CancelledError:
                one.astray = True
                raise
            else:
                one.told(item.first, item.last)
            finally:
                one.closing = NONE

    def _given_up(self, one: Watched) -> bool:
        begun = self._begun if self._begun is not None else self._steady()
        return self._steady() - max(one.sound_at or begun, begun) >= PATIENCE

    def _reason(self, one: Watched, item: Overdue) -> str:
        if one.clock_wrong:
            return closing.CLOCK_WRONG
        stopped, began = self._memory.stopped_at, self._memory.began_at
        first, last = one.grid.end(item.first), one.grid.end(item.last)
        if stopped is not None and began is not None and stopped < first and last <= began + timedelta(hours=1):
            return closing.NOT_RUNNING
        return closing.words(one.fault)


def _is_sifted(reading: Reading, order: Order | None) -> bool:
    """Registers only where they are rows of a profile: else each is a reading of its own time."""
    if reading.kind is Kind.REGISTER:
        return isinstance(order, LoadProfile | Profile) and not is_clock(reading)
    return True
