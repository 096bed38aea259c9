"""The engine of the derived layer: it follows the raw archive, and writes what follows from it into the derived one.

    raw archive -> Plan.touched -> Plan.spread -> Compute (a thread, in slices) -> derived archive -> cursor

Rules: the cursor moves when everything up to it is computed and on the disk, so that a restart loses nothing; what is
computed twice is written once, since the same is no new version. Work is done in slices, with a rest behind each of
them that lets acquisition have most of the processor. Days are computed again when they are due, whether something came
or not: when substitute values are settled, and when nothing more is waited for. A fault of the disk is told once, and
tried again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.archive.records import Entry
from gatewayd.archive.store import Store
from gatewayd.daemon.derived import DerivedArchive
from gatewayd.daemon.metering_compute import SETTLED, Compute
from gatewayd.daemon.metering_notes import Notes
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.errors import ArchiveError
from gatewayd.legal_time import day_bounds, days, legal_day
from gatewayd.metering.plan import Dirty, Plan, Task

MEMORY = "metering"
"""Under this name the derived archive remembers where the engine is (state.sqlite)..."""
DEFINITIONS = "definitions"
"""...and which points it has computed."""
BACK = timedelta(days=10)
"""So long after a day it may be due for the last time."""
LINGER_SECONDS = 1.0
"""What arrives within this time is computed together: a profile comes in pieces."""
REST = 0.5
"""Behind a slice nothing is done for this part of the time that it took."""
RETRY_SECONDS = 10.0
LOOK_SECONDS = 600.0
"""Between two looks whether a day has become due."""
_BATCH = 10_000
_READ_AHEAD = 50_000
"""Readings that are looked through before their days are computed, and then..."""
_DAYS = 400
"""...or so many days of points."""
_POINTS = 8
"""Points of one slice."""
_WRITE = 2000
"""Values that are written at once, about."""

log = logging.getLogger("gatewayd.metering")


class Progress(msgspec.Struct, frozen=True):
    """Where the engine is. `seq`: everything of the raw archive up to it is computed; `looked`: until when days that
    are due were looked for."""

    seq: int = 0
    looked: datetime | None = None
    entered: int = 0
    """The last exchange of the derived archive of which substitute values by hand were looked for."""


@dataclass(slots=True)
class MeteringState:
    """How the engine is doing, for those who ask."""

    points: int = 0
    seq: int = 0
    waiting: int = 0
    """Days of points that are to be computed, as far as it is known."""
    fault: str = ""


class Metering:
    """The engine of one gateway. `run` is the task."""

    def __init__(
        self,
        raw: Store,
        derived: DerivedArchive,
        works: Sequence[PointWork],
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        *,
        linger_s: float = LINGER_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.state = MeteringState()
        self._raw = raw
        self._derived = derived
        self._zone = zone
        self._clock = clock
        self._linger_s = linger_s
        self._sleep = sleep
        self._more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._progress: Progress | None = None
        self._digests: dict[str, str] = {}
        self._notes = Notes(derived.store, clock)
        self._lost: set[str] = set()
        """What cannot be read, as it was told."""
        self.take(works)

    def take(self, works: Sequence[PointWork]) -> None:
        """These are the points from now on; what has changed is computed again."""
        self._works = {work.plan.id: work for work in works}
        self._plan = Plan([work.plan for work in works], self._zone)
        self.compute = Compute(self._raw.folder, self._derived.store.folder, self._works, self._zone)
        self.state.points = len(self._works)
        self._more.set()

    async def run(self) -> None:
        """Until cancelled."""
        self._raw.on_commit(self._committed)
        try:
            while True:
                try:
                    await self.catch_up()
                except ArchiveError as error:
                    self._faulty(str(error))
                    await self._sleep(RETRY_SECONDS)
                    continue
                self._faulty("")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._more.wait()
                if self._more.is_set():
                    await self._sleep(self._linger_s)
        finally:
            self._raw.forget(self._committed)

    async def catch_up(self) -> None:
        """Compute everything that follows from the raw archive as it is now. ArchiveError."""
        self._more.clear()
        if self._progress is None:
            self._progress, self._digests = await self._recalled()
        await self._redo(self._progress)
        while True:
            before = self._progress
            dirty, seq = await asyncio.to_thread(self._touched, before.seq, self._raw.head)
            if len(dirty):
                await self._derive(dirty, f"readings {before.seq + 1}-{seq} of the raw archive")
            if seq == before.seq:
                break
            await self._remember(msgspec.structs.replace(before, seq=seq))
        await self._look(self._progress)
        await self._enter(self._progress)

    def wake(self) -> None:
        """Something was entered by hand."""
        self._more.set()

    # -- what is to be done -------------------------------------------------------------------------------------------

    async def _redo(self, progress: Progress) -> None:
        """Points that are new, or whose definition has changed: all of their days."""
        digests = {point: work.digest for point, work in self._works.items()}
        changed = [point for point in self._plan.order if self._digests.get(point) != digests[point]]
        if changed and progress.seq:  # else everything is computed anyway
            log.info("metering: %d points are new or changed, their values are computed again", len(changed))
            for point in changed:
                dirty = Dirty()
                for day in await asyncio.to_thread(self.compute.days_of, point):
                    dirty.add(point, day)
                await self._derive(dirty, "the point is new, or its definition has changed")
        if digests != self._digests:
            await self._derived.store.remember_all([(MEMORY, f"{MEMORY} {DEFINITIONS}", msgspec.json.encode(digests))])
            self._digests = digests

    def _touched(self, seq: int, head: int) -> tuple[Dirty, int]:
        """In a thread: what the readings behind a number touch, up to which number. ArchiveError."""
        dirty, start = Dirty(), seq
        while seq < head and seq - start < _READ_AHEAD and len(dirty) < _DAYS:
            last = min(seq + _BATCH, head)
            touches, faults = self.compute.touches(seq, last)
            for fault in faults:
                if fault not in self._lost:
                    self._lost.add(fault)
                    log.error("metering: nothing is derived of what cannot be read: %s", fault)
            dirty.update(self._plan.touched(touches))
            seq = last
        return dirty, seq

    async def _look(self, progress: Progress) -> None:
        """Days that have become due since the last look."""
        now = self._clock()
        if progress.looked is not None:
            dirty = await asyncio.to_thread(self._due, progress.looked, now)
            if len(dirty):
                await self._derive(dirty, "the day is due")
        await self._remember(msgspec.structs.replace(progress, looked=now))

    async def _enter(self, progress: Progress) -> None:
        """Days for which a substitute value was entered by hand, or taken back, since the last look."""
        days_entered, upto = await asyncio.to_thread(self.compute.entered.after, progress.entered)
        if days_entered:
            dirty = Dirty()
            for point, day in days_entered:
                if point in self._works:
                    dirty.add(point, day)
            await self._derive(dirty, "a substitute value was entered by hand")
            await self._remember(msgspec.structs.replace(self._progress or progress, entered=upto))

    def _due(self, looked: datetime, now: datetime) -> Dirty:
        """What has become due after `looked` and is by now."""
        dirty = Dirty()
        first, last = legal_day(looked - BACK, self._zone), legal_day(now, self._zone)
        settled = {day: day_bounds(day, self._zone)[1] + SETTLED for day in days(first, last)}
        for point, work in self._works.items():
            begun = self.compute.begun(point)
            for day, at in settled.items():
                if begun is None or day < begun:
                    continue  # nobody looked after it yet
                if any(looked < due <= now for due in (at, *(work.dues(day) if work.dues else ()))):
                    dirty.add(point, day)
        return dirty

    # -- doing it -----------------------------------------------------------------------------------------------------

    async def _derive(self, dirty: Dirty, reason: str) -> None:
        """Compute and write. ArchiveError."""
        spread = await asyncio.to_thread(self._plan.spread, dirty, self.compute.affected)
        now = self._clock()
        await self._days(spread, now, reason)
        again = self.compute.again(spread)
        if len(again):
            spread.update(again := self._plan.spread(again))
            await self._days(again, now, reason)
        pending: list[Entry] = []
        for point, year, month in sorted(spread.months(), key=lambda one: (one[1:], self._plan.rank(one[0]), one[0])):
            first = date(year, month, 1)
            pending += await self._slice(
                lambda point=point, first=first: self.compute.month(point, first, now, reason)  # type: ignore[misc]
            )
            pending = await self._write(pending, _WRITE)
        await self._write(pending, 0)

    async def _days(self, dirty: Dirty, now: datetime, reason: str) -> None:
        """Each after what it is made of. ArchiveError."""
        tasks = self._plan.tasks(dirty)
        self.state.waiting = len(tasks)
        pending: list[Entry] = []
        for part in _slices(tasks):
            pending += await self._slice(lambda part=part: self.compute.days(part, now, reason))  # type: ignore[misc]
            self.state.waiting -= len(part)
            pending = await self._write(pending, _WRITE)
        await self._write(pending, 0)

    async def _slice(self, work: Callable[[], list[Entry]]) -> list[Entry]:
        begun = self._loop.time()
        found = await asyncio.to_thread(work)
        await self._sleep((self._loop.time() - begun) * REST)
        return found

    async def _write(self, entries: list[Entry], at_least: int) -> list[Entry]:
        """Write what has come together, if it is enough; what still waits."""
        count = sum(len(one.readings) for one in entries)
        if not entries or count < at_least:
            return entries
        self.compute.tally.written += await self._derived.append(entries)
        told, self.compute.notes = self.compute.notes, []
        self._notes.tell(told)
        self.compute.begin()
        return []

    # -- where it is --------------------------------------------------------------------------------------------------

    async def _recalled(self) -> tuple[Progress, dict[str, str]]:
        found = await self._derived.store.recall_all(MEMORY)
        progress, digests = Progress(), dict[str, str]()
        try:
            if (text := found.get((MEMORY, MEMORY))) is not None:
                progress = msgspec.json.decode(text, type=Progress)
            if (text := found.get((MEMORY, f"{MEMORY} {DEFINITIONS}"))) is not None:
                digests = msgspec.json.decode(text, type=dict[str, str])
        except msgspec.MsgspecError as error:
            log.warning("metering: where it was cannot be read, so everything is computed once more: %s", error)
            return Progress(), {}
        if progress.seq > self._raw.head:
            log.warning(
                "metering: it was at %d, behind the end of the raw archive (%d): everything is computed once more",
                progress.seq,
                self._raw.head,
            )
            return Progress(), {}
        self.state.seq = progress.seq
        return progress, digests

    async def _remember(self, progress: Progress) -> None:
        await self._derived.store.remember_all([(MEMORY, MEMORY, msgspec.json.encode(progress))])
        self._progress = progress
        self.state.seq = progress.seq

    def _faulty(self, fault: str) -> None:
        """One line for each change."""
        if fault and fault != self.state.fault:
            log.error("metering: nothing is derived at present, it is tried again: %s", fault)
        elif self.state.fault and not fault:
            log.info("metering: it goes on")
        self.state.fault = fault

    def _committed(self, _head: int) -> None:
        """In the writer's thread; a loop that has ended needs no news."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._more.set)


def _slices(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Points of one day and rank together, not too many."""
    for _, group in groupby(tasks, key=lambda task: (task.day, task.rank)):
        part = list(group)
        for first in range(0, len(part), _POINTS):
            yield part[first : first + _POINTS]
