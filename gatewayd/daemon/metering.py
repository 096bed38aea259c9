"""The engine of the derived layer: it follows the raw archive, and writes what follows from it into the derived one.

    raw archive -> Plan.touched -> Plan.spread -> Compute (a thread, in slices) -> derived archive -> cursor

Rules: the cursor moves when everything up to it is computed and on the disk, so that a restart loses nothing; what is
computed twice is written once, since the same is no new version. Work is done in slices, with a rest behind each of
them that lets acquisition have most of the processor. Days are computed again when they are due, whether something came
or not: when substitute values are settled, and when nothing more is waited for. A fault of the disk is told once, and
tried again. Other points are taken at the end of a slice; what is not written then is computed once more.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.archive.store import Store
from gatewayd.daemon.derived import DerivedArchive
from gatewayd.daemon.metering_batch import Batch, Part
from gatewayd.daemon.metering_compute import Compute
from gatewayd.daemon.metering_deriving import Deriving
from gatewayd.daemon.metering_due import Dues
from gatewayd.daemon.metering_notes import Notes
from gatewayd.daemon.metering_progress import (
    Progress,
    Recalled,
    Redo,
    mended,
    recalled,
    remember,
    remember_definitions,
)
from gatewayd.daemon.metering_state import MeteringState
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.daemon.metering_taken import OthersTakenError, digests_of, key_of
from gatewayd.errors import ArchiveError
from gatewayd.metering.plan import Dirty, Plan

LINGER_SECONDS = 1.0
"""What arrives within this time is computed together: a profile comes in pieces."""
RETRY_SECONDS = 10.0
LOOK_SECONDS = 600.0
"""Between two looks whether a day has become due."""

log = logging.getLogger("gatewayd.metering")


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
        self.state = MeteringState(tally=derived.tally)
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
        self._recalled = Recalled(Progress(), {})
        """What is left of what was found out at the start."""
        self._notes = Notes(derived.store, clock)
        self._next: tuple[Plan, dict[str, PointWork]] | None = None
        """What was taken, and is not looked at yet."""
        self._works: dict[str, PointWork] = {}
        self.take(works)
        self._change_over()

    def take(self, works: Sequence[PointWork]) -> None:
        """These are the points from the next slice on; what has changed is computed again. CycleError: then nothing
        changes."""
        plan = Plan([work.plan for work in works], self._zone)
        theirs = {work.plan.id: work for work in works}
        known = self._works if self._next is None else self._next[1]
        if not known or digests_of(theirs) != digests_of(known) or not all(digests_of(theirs).values()):
            self._next = plan, theirs
        self._more.set()

    def _change_over(self) -> None:
        """To what was taken. Nothing is computed meanwhile."""
        if self._next is None:
            return
        (self._plan, self._works), self._next = self._next, None
        self.compute = Compute(self._raw.folder, self._derived.store.folder, self._works, self._zone)
        self._dues = Dues(self.compute.reach, self._works, self._zone)
        self._deriving = Deriving(
            self._plan,
            self.compute,
            self._derived,
            self.state,
            self._notes,
            self._clock,
            taken=lambda: self._next is not None,
            reached=self._reached,
            sleep=self._sleep,
        )
        self.state.points = len(self._works)

    async def run(self) -> None:
        """Until cancelled."""
        self._raw.on_commit(self._committed)
        try:
            while True:
                try:
                    await self.catch_up()
                except ArchiveError as error:
                    self.state.faulty(str(error))
                except Exception as error:  # noqa: BLE001 - the engine never ends
                    self.state.defective(error)
                else:
                    self.state.faulty("")
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_SECONDS):
                            await self._more.wait()
                    if self._more.is_set():
                        await self._sleep(self._linger_s)
                    continue
                self.compute.forget()
                await self._sleep(RETRY_SECONDS)
        finally:
            self._raw.forget(self._committed)

    async def catch_up(self) -> None:
        """Compute everything that follows from the raw archive as it is now. ArchiveError."""
        while True:
            self._change_over()
            try:
                await self._pass()
            except OthersTakenError:
                continue
            return

    async def _pass(self) -> None:
        """Once. ArchiveError; OthersTakenError: nothing is lost, and it is to be done again."""
        self._more.clear()
        self._deriving.whole.clear()
        self.compute.look_again()
        if self._progress is None:
            self._recalled = await recalled(self._derived.store, self._raw)
            self._progress, self._digests = self._recalled.progress, dict(self._recalled.digests)
            self.state.seq, self.state.known = self._progress.seq, True
        if self.compute.unread.mended(self._progress.unread) and not self._recalled.again:
            self._recalled, self._digests = mended(self._progress), {}
            self._progress = self._recalled.progress
        await self._redo(self._progress)
        await self._mend(self._progress)
        while True:
            before = self._progress
            head = self._raw.head if before.part is None else before.part.upto
            dirty, seq = await asyncio.to_thread(self.compute.reach.behind, self._plan, before.seq, head)
            if len(dirty):
                self.compute.reach.resume(before.part.replaced if before.part is not None else ())
                batch = Batch(seq, before.part)
                await self._deriving.derive(dirty, f"readings {before.seq + 1}-{seq} of the raw archive", batch)
            if seq == before.seq:
                break
            read, now = (before.seq, seq), self._clock()
            told = await self._deriving.slice(lambda: self.compute.ratios_read(*read, now, "the meter was read"))  # noqa: B023
            await self._deriving.write(told, 0)
            await self._remember(msgspec.structs.replace(before, seq=seq, part=None))
        await self._look(self._progress)
        await self._enter(self._progress)

    def wake(self) -> None:
        """Something was entered by hand."""
        self._more.set()

    # -- what is to be done -------------------------------------------------------------------------------------------

    async def _redo(self, progress: Progress) -> None:
        """Points that are new, or whose definition has changed: all of their days."""
        digests = digests_of(self._works)
        changed = {one: digests[one] for one in self._plan.order if self._digests.get(one) != digests[one]}
        again, replaced = self._recalled.again, self._recalled.replaced
        if changed and not replaced and not progress.seq and progress.part is not None:
            await self._remember(progress := msgspec.structs.replace(progress, part=None))  # what is done is of others
        if changed and (progress.seq or replaced):  # else everything is computed anyway
            self.compute.replaced = replaced
            reason = again or "the point is new, or its definition has changed"
            redo = None if again else await self._begin_redo(progress, changed)
            log.info(
                "metering: %d points are new or changed, their values are computed again%s", len(changed), _on(redo)
            )
            for first, dirty in await asyncio.to_thread(self._dues.all_days, changed, self._clock(), standing=replaced):
                if redo is not None and first <= redo.done:
                    continue
                await self._deriving.derive(dirty, reason)
                if redo is not None:
                    redo = msgspec.structs.replace(redo, done=first)
                    await self._remember(msgspec.structs.replace(progress, redo=redo))
            now = self._clock()
            told = await self._deriving.slice(lambda: self.compute.ratios(changed, now, "another definition"))
            await self._deriving.write(told, 0)
            self.compute.replaced = False
        if not again and self._progress is not None and self._progress.redo is not None:
            await self._remember(msgspec.structs.replace(progress, redo=None))
        if digests != self._digests:
            await remember_definitions(self._derived.store, digests)
            self._digests = digests
        if again:
            await self._remember(msgspec.structs.replace(progress, redo=None))
            self._recalled = Recalled(progress, {})

    async def _begin_redo(self, progress: Progress, changed: Mapping[str, str]) -> Redo:
        """How far it is. From now on these points are those of no definition: the former one, when it is taken back in
        the middle, is another one too."""
        redo = Redo(key_of(changed))
        if progress.redo is not None and progress.redo.key == redo.key:
            return progress.redo
        await self._remember(msgspec.structs.replace(progress, redo=redo))
        self._digests = {point: one for point, one in self._digests.items() if point not in changed}
        await remember_definitions(self._derived.store, self._digests)
        return redo

    async def _mend(self, progress: Progress) -> None:
        """What segments of the raw archive have that could not be read, and are other files now."""
        mended, left = await asyncio.to_thread(self.compute.raw_unread.mended, progress.raw_unread)
        for number in mended:
            seq, end = await asyncio.to_thread(self.compute.raw_unread.span, number)
            while seq < min(end, progress.seq):
                dirty, seq = await asyncio.to_thread(self.compute.reach.behind, self._plan, seq, end)
                if len(dirty):
                    await self._deriving.derive(dirty, f"segment {number} of the raw archive is another file")
        if mended:
            await self._remember(msgspec.structs.replace(progress, raw_unread=left))

    async def _look(self, progress: Progress) -> None:
        """Days that have become due since the last look; of points that have begun since, also before it."""
        now, unbegun = self._clock(), await asyncio.to_thread(self._dues.unbegun)
        if progress.looked is None:
            dirty = await asyncio.to_thread(self._dues.holes, now)
        else:
            dirty = await asyncio.to_thread(
                self._dues.of, progress.looked, now, self._deriving.whole, frozenset(unbegun)
            )
            begun = [one for one in progress.unbegun if one in self._works and one not in unbegun]
            dirty.update(await asyncio.to_thread(self._dues.holes, now, begun))
        if len(dirty):
            await self._deriving.derive(dirty, "the day is due")
        await self._remember(msgspec.structs.replace(progress, looked=now, unbegun=unbegun))

    async def _enter(self, progress: Progress) -> None:
        """Days for which a substitute value was entered by hand, or taken back, since the last look."""
        days_entered, upto = await asyncio.to_thread(self.compute.entered.after, progress.entered)
        if days_entered:
            dirty = Dirty()
            for point, day in days_entered:
                if point in self._works:
                    dirty.add(point, day)
            await self._deriving.derive(dirty, "a substitute value was entered by hand")
            await self._remember(msgspec.structs.replace(self._progress or progress, entered=upto))

    # -- where it is --------------------------------------------------------------------------------------------------

    async def _reached(self, part: Part) -> None:
        if self._progress is not None:
            await self._remember(msgspec.structs.replace(self._progress, part=part))

    async def _remember(self, progress: Progress) -> None:
        progress = msgspec.structs.replace(
            progress,
            unread=self.compute.unread.noted(progress.unread),
            raw_unread=self.compute.raw_unread.noted(progress.raw_unread),
        )
        self._progress = await remember(self._derived.store, self._raw, progress)
        self.state.seq = progress.seq

    def _committed(self, _head: int) -> None:
        """In the writer's thread; a loop that has ended needs no news."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._more.set)


def _on(redo: Redo | None) -> str:
    """Where it goes on that was begun before."""
    return "" if redo is None or redo.done == date.min else f", from behind {redo.done:%Y-%m} on"
