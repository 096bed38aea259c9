"""Doing what the engine of the derived layer has to do: computing dirty days in slices, and writing what comes of it.

    Deriving.derive(dirty, reason)   dirty days and what depends on them, then the months of all of these
    Deriving.slice(work)             one piece of work, in a thread
    Deriving.write(entries, n)       what has come together, when it is n values at least

Rules: each point after what it is made of. Behind each slice is a rest that lets acquisition have most of the
processor. Where other points were taken no slice begins: what is not written then is computed once more.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import date, datetime

from gatewayd.archive.records import Entry
from gatewayd.daemon.derived import DerivedArchive
from gatewayd.daemon.metering_batch import Batch, Part
from gatewayd.daemon.metering_compute import Compute
from gatewayd.daemon.metering_notes import Notes
from gatewayd.daemon.metering_state import MeteringState
from gatewayd.daemon.metering_taken import OthersTakenError
from gatewayd.metering.plan import Dirty, Plan, slices

REST = 0.5
"""Behind a slice nothing is done for this part of the time that it took."""
_POINTS = 8
"""Points of one slice."""
_WRITE = 2000
"""Values that are written at once, about."""

Reached = Callable[[Part], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


class Deriving:
    """Of one set of points. `taken` says whether others were taken; `reached` remembers how far a batch is."""

    def __init__(
        self,
        plan: Plan,
        compute: Compute,
        derived: DerivedArchive,
        state: MeteringState,
        notes: Notes,
        clock: Callable[[], datetime],
        *,
        taken: Callable[[], bool],
        reached: Reached,
        sleep: Sleep,
    ) -> None:
        self.whole: dict[tuple[str, date], datetime] = {}
        """Days of which all channels were computed since somebody cleared it, and months; and when."""
        self._plan = plan
        self._compute = compute
        self._derived = derived
        self._state = state
        self._notes = notes
        self._clock = clock
        self._taken = taken
        self._reached = reached
        self._sleep = sleep
        self._loop = asyncio.get_running_loop()

    async def derive(self, dirty: Dirty, reason: str, batch: Batch | None = None) -> None:
        """Compute and write; of a batch what is not done yet. ArchiveError."""
        spread = await asyncio.to_thread(self._compute.reach.spread, self._plan, dirty)
        now = self._clock()
        left = spread if batch is None else batch.left(spread)
        self.whole |= {one: now for one in left if self._plan.whole(one[0], left.codes(*one))}
        await self._days(left, now, reason, batch)
        replaced = tuple(self._compute.reach.replaced)
        again = self._compute.reach.again(spread)
        if len(again):
            spread.update(again := self._plan.spread(again))
            await self._days(again if batch is None else batch.again(again, replaced), now, reason, batch)
        pending: list[Entry] = []
        alone: defaultdict[str, list[date]] = defaultdict(list)
        months = spread.months() | self._compute.gas_months() | (batch.months if batch is not None else set())
        for point, year, month in sorted(months, key=lambda one: (one[1:], self._plan.rank(one[0]), one[0])):
            first = date(year, month, 1)
            if self._plan.reach(point) is not None:
                alone[point].append(first)
                continue
            pending += await self.slice(
                lambda point=point, first=first: self._compute.month(point, first, now, reason)  # type: ignore[misc]
            )
            pending = await self.write(pending, _WRITE)
        for point, firsts in alone.items():  # all of them together: one may have a substitute of another
            pending += await self.slice(
                lambda point=point, firsts=firsts: self._compute.months(point, firsts, now, reason)  # type: ignore[misc]
            )
            pending = await self.write(pending, _WRITE)
        await self.write(pending, 0)

    async def _days(self, dirty: Dirty, now: datetime, reason: str, batch: Batch | None = None) -> None:
        """Each after what it is made of. ArchiveError."""
        tasks = self._plan.tasks(dirty)
        self._state.waiting = len(tasks)
        self._compute.coming(dirty)
        pending: list[Entry] = []
        for part in slices(tasks, _POINTS):
            pending += await self.slice(lambda part=part: self._compute.days(part, now, reason))  # type: ignore[misc]
            self._state.waiting -= len(part)
            pending = await self.write(pending, _WRITE)
            if batch is not None and not pending:
                done = batch.reached(part[0].day, self._compute.reach.replaced, self._loop.time())
                if done is not None:
                    await self._reached(done)
        await self.write(pending, 0)

    async def slice(self, work: Callable[[], list[Entry]]) -> list[Entry]:
        """ArchiveError; OthersTakenError."""
        if self._taken():
            raise OthersTakenError
        begun = self._loop.time()
        found = await asyncio.to_thread(work)
        self._state.unread(self._compute.unreadable)
        self._state.lost(self._compute.unread.text, self._compute.unread.remedy)
        await self._sleep((self._loop.time() - begun) * REST)
        return found

    async def write(self, entries: list[Entry], at_least: int) -> list[Entry]:
        """Write what has come together, if it is enough; what still waits."""
        count = sum(len(one.readings) for one in entries)
        if not entries or count < at_least:
            return entries
        self._compute.tally.written += await self._derived.append(entries)
        told, self._compute.notes = self._compute.notes, []
        self._notes.tell(told)
        self._compute.begin()
        return []
