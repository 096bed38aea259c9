"""Load profiles that are kept complete: what of them is asked for, and what of an answer is new to the archive.

Rules: the archive is the memory; what is written down of it beside is a short cut and may be lost. An identical reading
is archived once; one that differs is archived and flagged. An interval that never came becomes `missing`, once, with
its reason; a late value takes its place. Nothing is closed while the gateway's own clock is not known to be right.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from gatewayd.archive.store import Store
from gatewayd.driver import Clock
from gatewayd.errors import GatewayError
from gatewayd.model import Archived, Increments, Kind, LoadProfile, Meter, Order, Profile, RawStatus, Reading
from gatewayd.overdue import Closer
from gatewayd.policy import POLICY, Policy
from gatewayd.progress import LISTED, Progress, late_days, progress_of, strange_channels
from gatewayd.recollection import Recollection
from gatewayd.sifting import compared, doubled, doubles, judged, plain_rows, told_of
from gatewayd.status import Fault
from gatewayd.watched import Key, State, Watched, is_clock, watched

__all__ = ["Progress", "Upkeep"]

_TOGETHER = 4
"""Profiles that are closed at the same time: each may have many days to tell."""
_FEW = 50
"""So many profiles are worked out anew whenever somebody wants to know."""
_QUARTER = 900
"""Seconds, after which what is expected of a profile may be more."""

_Standing = tuple[tuple[str, ...], tuple[str, ...]]
"""The alarms of a profile: days that are late, and channels that do not come."""


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
        self._closer = Closer(store, self._memory, self._steady)
        self._ticking = asyncio.Lock()
        self._alarmed: frozenset[str] = frozenset()
        self._alarms: dict[Key, tuple[object, _Standing]] = {}
        self.days_late: Mapping[str, int] = {}
        """By meter that has a deadline: its days that are over it, and neither complete nor explained, as `tick` saw
        them last."""
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
        self._alarms = {key: one for key, one in self._alarms.items() if key[0] != meter}
        self.days_late = {each: days for each, days in self.days_late.items() if each != meter}

    async def load(self, meter: Meter, order: LoadProfile, policy: Policy) -> None:
        """To be awaited before `pieces`. ArchiveError is logged, not raised: what the archive cannot tell is asked."""
        for key in self._memory.watch(meter, order, policy):
            one = await self._memory.ready(key)
            one.begin(self._clock(), self._steady())

    async def recollect(self, meter: Meter, order: Profile) -> None:
        """To be awaited before somebody asks for rows by hand: what a session before has left in doubt is found out."""
        if self._own(meter, order) is not None:
            await self._memory.ready((meter.id, str(order.obis)))

    def pieces(self, meter: Meter, order: LoadProfile) -> tuple[Profile, ...]:
        """What is to be asked for now, the newest first, LISTED at most: a new meter has a thousand."""
        found = islice(self._memory.known[meter.id, str(order.obis)].pieces(self._clock()), LISTED)
        return tuple(Profile(order.obis, start, end) for start, end in found)

    def answered(
        self, meter: Meter, order: LoadProfile, piece: Profile, fault: GatewayError | None, *, evidence: bool = True
    ) -> None:
        """The piece was asked for to its end; `fault` None: soundly, so that what did not come is not in the meter,
        unless the meter's clock is so wrong that this is no `evidence`."""
        one, now = self._memory.known[meter.id, str(order.obis)], self._clock()
        one.clock_wrong = fault is None and not evidence
        if fault is not None:
            one.attempts.failing(one.asked(piece.start, piece.end, now), fault, self._steady())
        elif evidence and self._sure():
            one.sound(piece.start, piece.end, now, self._steady())
            one.sound_at = self._steady()
        else:
            one.attempts.proved_nothing(one.asked(piece.start, piece.end, now), self._steady())
        one.attempts.latest = None

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
        own = self._own(meter, order)
        opened = list(self._of(meter, order)) if own is None else [own]
        for each in opened:
            each.sifted()  # also where nothing comes: `keep` closes what was opened here, and nothing else
        self._memory.hears(meter.id)
        if own is not None and self._all_new(own, readings):
            return tuple(readings)
        if made and any(each.closing for each in opened):
            await self._store.flush()  # what is being told of it has to be there to be found
        places = [place for place, one in enumerate(readings) if _is_sifted(one, order)]
        if not places:
            return tuple(readings)
        found: list[Reading | Archived] = list(readings)
        twice = doubles(readings, places)
        doubtful: list[int] = []
        touched = set(map(id, opened))
        seen: dict[tuple[int, datetime, int | None], State] = {}  # a row has many channels
        for place in places:
            reading = readings[place]
            one = own or self._memory.with_channel(reading.meter, reading.code, reading.interval_s)
            state = State.DOUBTFUL
            if one is not None and id(one) not in touched:
                touched.add(id(one))
                one.sifted()
            if one is not None and reading.kind is Kind.INTERVAL and not self._memory.disputed(one, reading):
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

    def keep(self, meter: Meter, archived: Sequence[Archived], order: Order | None = None, *, answers: int = 1) -> None:
        """The archive has all of this: what `sift` gave of so many answers of the meter."""
        own = self._own(meter, order)
        shares: dict[int, tuple[Watched, list[Archived]]] = {}
        for one in [own] if own is not None else self._of(meter, order):
            shares[id(one)] = one, list(archived) if own is not None else []
        for item in archived if own is None else ():
            reading = item.reading
            mine = self._memory.with_channel(reading.meter, reading.code, reading.interval_s)
            if mine is None and isinstance(order, Increments):
                mine = next((one for one, _ in shares.values() if one.code == reading.code), None)
            if mine is not None:
                shares.setdefault(id(mine), (mine, []))[1].append(item)
        last = max((item.seq for item in archived), default=0)
        for one, rows in shares.values():
            if one.loaded and not one.lost:
                one.keep(rows, last, answers)
                self._memory.index(one)

    # -- in the background --------------------------------------------------------------------------------------------

    async def tick(self, now: datetime) -> dict[str, tuple[str, ...]]:
        """To be called every minute or so: tells missing what is overdue, and gives the alarms that stand of each meter
        that has a load profile, or had one the last time, () for none; {} while the gateway's clock is not known to be
        right. What was put aside of the archive since is not said to be there any more."""
        self._closer.begin()
        self._memory.look_aside()
        if not self._sure():
            return {}
        alarms: dict[str, tuple[str, ...]] = dict.fromkeys(self._alarmed, ())
        late: dict[str, int] = {}
        async with self._ticking:
            keys = list(self._memory.known)
            for begin in range(0, len(keys), _TOGETHER):  # there may be thousands
                for one in await self._looked_after(keys[begin : begin + _TOGETHER], now):
                    if isinstance(one.order, LoadProfile):
                        days, channels = self._standing(one, now)
                        alarms[one.meter.id] = (*alarms.get(one.meter.id, ()), *days, *channels)
                        if one.policy.deadline is not None:
                            late[one.meter.id] = late.get(one.meter.id, 0) + len(days)
        self.days_late = late
        self._alarmed = frozenset(meter for meter, texts in alarms.items() if texts)
        return alarms

    def _standing(self, one: Watched, now: datetime) -> _Standing:
        """Worked out anew when the profile has changed, on another day and at the deadline."""
        local, deadline, key = now.astimezone(one.zone), one.policy.deadline, (one.meter.id, one.code)
        over = deadline is not None and local.time() >= deadline
        stamp = one.coverage, one.order, one.policy, local.date(), over
        before = self._alarms.get(key)
        if before is None or before[0] != stamp:
            before = self._alarms[key] = stamp, (tuple(late_days(one, now)), tuple(strange_channels(one)))
        return before[1]

    async def _looked_after(self, keys: Sequence[Key], now: datetime) -> list[Watched]:
        """Close some profiles: those of which everything is known."""
        found: list[Watched] = []
        for key in keys:
            one = self._memory.known.get(key)
            if one is not None and not one.fresh and (not one.open or one.stale):
                one = await self._memory.ready(key)
            if one is not None:
                one.stale = one.open > 0
                one.seen_at(now)
                found += [one] if one.fresh and one.rhythmic else []
        async with asyncio.TaskGroup() as closing:
            await asyncio.sleep(0)
            for one in found:
                closing.create_task(self._closer.close(one, now), name=f"closing {one.meter.id} {one.code}")
        return found

    async def save(self, *, everything: bool = False) -> None:
        """Write down what has changed, at the end `everything`: the short cut of the next start. ArchiveError."""
        async with self._ticking:
            await self._memory.save(everything=everything)

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
            stamp = one.coverage, one.attempts.skip, one.order, one.policy, int(now.timestamp()) // _QUARTER
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

    def _all_new(self, own: Watched, readings: Sequence[Reading]) -> bool:
        """Whether these are rows of a profile of which nothing is known yet: as nearly every answer is."""
        found = plain_rows(readings)
        if found is None or any(self._memory.disputed(own, one) for one in found[0]):
            return False
        return own.all_new(found[1])

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


def _is_sifted(reading: Reading, order: Order | None) -> bool:
    """Registers only where they are rows of a profile: else each is a reading of its own time."""
    if reading.kind is Kind.REGISTER:
        return isinstance(order, LoadProfile | Profile) and not is_clock(reading)
    return True
