"""A sink's cursor over the archive: `get()` hands out, `done()` acknowledges, in any order; `done(get())` always works.

Rules: nothing is copied, the archive is the queue; readings are handed out in the order of their sequence numbers; the
durable cursor moves over the part without holes, and what is acknowledged behind it is remembered as well; after a
restart or `rewind()` everything that is not acknowledged is handed out again (at least once). Numbers that are not in
the archive any more, or cannot be read in it, are written down as set aside and passed over: they stop nobody.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from gatewayd.archive import set_aside
from gatewayd.archive.cursors import CursorFile, Position
from gatewayd.archive.follow import Follower
from gatewayd.archive.rows import to_us
from gatewayd.archive.set_aside import Count, SetAside
from gatewayd.archive.store import Store
from gatewayd.errors import ArchiveDamaged, ArchiveError, SinkError
from gatewayd.model import Archived

SYNC_SECONDS = 2.0
"""How often the cursor is forced to the disk; a power cut repeats what was delivered since."""
SET_ASIDE_ROWS = 100_000
"""What is refused one after the other for one reason is one row; with more rows than this somebody has to look."""

NOW = "now"
BEGINNING = "beginning"
Start = str | datetime
"""Where a new sink begins: NOW, BEGINNING, or with what was archived since an instant."""

log = logging.getLogger(__name__)


class Outbox:
    """The outbox of one sink. Used from one event loop."""

    def __init__(
        self,
        sink: str,
        store: Store,
        start: Start = BEGINNING,
        open_follower: Callable[[Path], Follower] = Follower,
    ) -> None:
        self.sink = sink
        self.set_aside_count = 0
        """How many readings this sink does not get."""
        self._aside_rows = 0
        self._aside = SetAside(sink, 0, 0, "")  # the latest
        self._store = store
        self._start = start
        self._open_follower = open_follower
        self._follower: Follower | None = None
        self._reading = threading.Lock()
        self._file: CursorFile | None = None
        self._cursor = 0
        self._beyond = 0  # bit k: the reading cursor + 1 + k is acknowledged
        self._handed_out = 0
        self._more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._synced_at = 0.0
        store.on_commit(self._committed)

    @property
    def cursor(self) -> int:
        """Everything up to this sequence number has been acknowledged. 0 before the first `open`."""
        return self._cursor

    def depth(self) -> int:
        """How many readings wait for this sink."""
        if self._file is None:
            return 0
        return max(self._store.head - self._cursor - self._beyond.bit_count(), 0)

    async def open(self) -> None:
        """Find out where to go on. May be called again. ArchiveError when the cursor cannot be read or written."""
        if self._file is not None:
            return
        file, position, count = await asyncio.to_thread(self._open)
        self._file = file
        self._cursor, self._beyond = position.cursor, position.beyond
        self._handed_out = self._cursor
        self.set_aside_count, self._aside_rows = count.readings, count.rows

    async def get(self, limit: int, linger_s: float = 0.0) -> list[Archived]:
        """The next readings, at least one; waits until there is one, and up to `linger_s` longer for `limit` of them.

        ArchiveError when the archive cannot be read at present."""
        await self.open()
        while True:
            self._more.clear()
            if self._store.head > self._handed_out:
                await self._linger(limit, linger_s)
                await self._sync(SYNC_SECONDS)
                fresh = await self._take(limit)
                if fresh:
                    return fresh
                continue
            await self._wait()

    def done(self, readings: Sequence[Archived]) -> None:
        """The sink has acknowledged these readings."""
        if not readings:
            return
        first, last = readings[0].seq, readings[-1].seq
        if last - first == len(readings) - 1:  # nearly always: one piece
            self._acknowledge(first, last)
            return
        beyond = self._beyond
        for reading in readings:
            if reading.seq > self._cursor:
                beyond |= 1 << (reading.seq - self._cursor - 1)
        self._move(beyond)

    async def set_aside(self, reading: Archived, reason: str) -> None:
        """The sink will never take this one: remember that, and go on without it. ArchiveError, SinkError."""
        if self._aside_rows >= SET_ASIDE_ROWS:
            count = await asyncio.to_thread(self._count)
            self.set_aside_count, self._aside_rows = count.readings, count.rows  # somebody may have looked
        if self._aside_rows >= SET_ASIDE_ROWS:
            raise SinkError(
                f"{self.set_aside_count} readings were set aside, and there is one more: {reason}; look at them with "
                f"gatewayd sink set-aside {self.sink}, then begin anew with --clear"
            )
        await self._put_aside(reading.seq, reading.seq, reason)

    def rewind(self) -> None:
        """The connection broke: hand out again everything that is not acknowledged."""
        self._handed_out = self._cursor

    def close(self) -> None:
        """Force the cursor to the disk, and end."""
        self._store.forget(self._committed)
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.sync()
            self._file.close()
            self._file = None
        self._follower = None

    # -- where to begin -----------------------------------------------------------------------------------------------

    def _open(self) -> tuple[CursorFile, Position, Count]:
        """In a thread."""
        file = CursorFile(self._store.folder, self.sink)
        try:
            count = self._count()
            position = file.position
            if position is not None and position.cursor <= self._store.head:
                return file, position, count
            if position is not None:
                log.warning(
                    "sink %s: its cursor %d is behind the end of the archive (%d), so of another one: starting anew",
                    self.sink,
                    position.cursor,
                    self._store.head,
                )
            elif file.damaged:
                log.warning("sink %s: its cursor is damaged: it gets everything once more", self.sink)
            start = self._start if position is None and not file.damaged else BEGINNING
            position = Position(self._first(start))
            file.begin(position)
        except BaseException:
            file.close()
            raise
        return file, position, count

    def _count(self) -> Count:
        """What is known to be set aside; that it cannot be read now is no reason to deliver nothing."""
        try:
            return set_aside.counts(self._store.folder).get(self.sink, Count())
        except ArchiveError as error:
            log.warning("sink %s: what was set aside cannot be counted: %s", self.sink, error)
            return Count()

    def _first(self, start: Start) -> int:
        """The number behind which a new sink begins."""
        if start == NOW:
            return self._store.head
        follower = self._open_follower(self._store.folder)
        first = max(follower.first() - 1, 0)
        if isinstance(start, datetime):
            before = follower.before(to_us(start))
            return self._store.head if before is None else max(before, first)
        return first

    # -- handing out --------------------------------------------------------------------------------------------------

    async def _linger(self, limit: int, linger_s: float) -> None:
        until = self._loop.time() + linger_s
        while linger_s > 0 and self._store.head - self._handed_out < limit:
            self._more.clear()
            try:
                async with asyncio.timeout_at(until):
                    await self._more.wait()
            except TimeoutError:
                return

    async def _take(self, limit: int) -> list[Archived]:
        """The next batch without what is acknowledged already; empty when it has to be asked for again."""
        start, head = self._handed_out, self._store.head
        batch, unreadable = await asyncio.to_thread(self._read, start, head, limit)
        if self._handed_out != start:  # rewound meanwhile
            return []
        end = batch[-1].seq if batch else unreadable or head
        if unreadable > start:
            await self._pass_over(start + 1, unreadable, "cannot be read in the archive")
        if end - max(start, unreadable) != len(batch):
            await self._pass_over_holes(max(start, unreadable), end, batch)
        if self._handed_out != start:
            return []
        self._handed_out = end
        if not self._beyond and (not batch or batch[0].seq > self._cursor):
            return batch
        return [item for item in batch if not self._is_acknowledged(item.seq)]

    def _read(self, seq: int, head: int, limit: int) -> tuple[list[Archived], int]:
        """In a thread: readings behind `seq`, and up to which number nothing can be read (0: everything can)."""
        with self._reading:  # a get that was cancelled leaves its query behind
            return self._query(seq, head, limit)

    def _query(self, seq: int, head: int, limit: int) -> tuple[list[Archived], int]:
        if self._follower is None:
            self._follower = self._open_follower(self._store.folder)
        follower = self._follower
        try:
            return follower.after(seq, limit), 0
        except ArchiveDamaged:
            pass
        lost = follower.lost_until(seq, head)
        if lost > seq:
            return [], lost
        count = limit
        while count > 1:  # what comes before the damage
            count = count // 4 or 1
            with contextlib.suppress(ArchiveDamaged):
                return follower.after(seq, count), 0
        for number in range(seq + 1, min(seq + limit, head) + 1):
            with contextlib.suppress(ArchiveDamaged):
                found = follower.after(number - 1, 1, number)
                if found:
                    return found, number - 1
        return [], min(seq + limit, head)

    async def _pass_over_holes(self, start: int, end: int, batch: Sequence[Archived]) -> None:
        expected = start + 1
        for item in batch:
            if item.seq != expected:
                await self._pass_over(expected, item.seq - 1, "is not in the archive")
            expected = item.seq + 1
        if expected <= end:
            await self._pass_over(expected, end, "is not in the archive")

    async def _pass_over(self, first: int, last: int, reason: str) -> None:
        while first <= last and self._is_acknowledged(first):
            first += 1
        if first <= last and await self._put_aside(first, last, reason):
            log.error("sink %s: does not get the readings from %d on: %s", self.sink, first, reason)

    async def _put_aside(self, first: int, last: int, reason: str) -> bool:
        """Write down; True when that is something new, and not what goes on from the latest. ArchiveError."""
        goes_on = first == self._aside.last + 1 and reason == self._aside.reason
        aside = SetAside(self.sink, self._aside.first if goes_on else first, last, reason)
        await self._store.set_aside(aside)
        self._aside = aside
        self.set_aside_count += last - first + 1
        self._aside_rows += not goes_on
        self._acknowledge(first, last)
        return not goes_on

    # -- the cursor ---------------------------------------------------------------------------------------------------

    def _is_acknowledged(self, seq: int) -> bool:
        return seq <= self._cursor or bool(self._beyond >> (seq - self._cursor - 1) & 1)

    def _acknowledge(self, first: int, last: int) -> None:
        first = max(first, self._cursor + 1)
        if first <= last:
            self._move(self._beyond | ((1 << (last - first + 1)) - 1) << (first - self._cursor - 1))

    def _move(self, beyond: int) -> None:
        """What is acknowledged behind the cursor is now `beyond`: move over the part without holes."""
        moved = (~beyond & (beyond + 1)).bit_length() - 1  # the ones at the low end
        self._cursor += moved
        self._beyond = beyond >> moved
        self._handed_out = max(self._handed_out, self._cursor)  # an acknowledgement may come after a rewind
        if self._file is not None:
            # A cursor that cannot be written only repeats deliveries, and get() tells of it.
            with contextlib.suppress(OSError):
                self._file.write(Position(self._cursor, self._beyond))

    async def _wait(self) -> None:
        """For something new; what was acknowledged is forced to the disk when nothing comes for a while."""
        if self._more.is_set():
            return
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                await self._more.wait()
        except TimeoutError:
            await self._sync(0.0)
            await self._more.wait()

    async def _sync(self, pause_s: float) -> None:
        now = self._loop.time()
        if self._file is not None and now - self._synced_at >= pause_s:
            self._synced_at = now
            try:
                await asyncio.to_thread(self._file.sync)
            except OSError as error:
                raise ArchiveError(f"the cursor of sink {self.sink} cannot be written: {error.strerror}") from error

    def _committed(self, _head: int) -> None:
        """In the writer's thread; a loop that has ended needs no news."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._more.set)
