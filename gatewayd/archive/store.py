"""The writer: one thread that owns every write to the archive, with group commit, sealing, quarantine and retention.

Rules: a record is acknowledged only after COMMIT with synchronous=FULL; what one record brings is one transaction whole
or not at all; after a failed COMMIT nothing is acknowledged, the segment is closed and the next group opens it anew
and derives the head from what is really there; a segment that does not fit the head or cannot be read is put aside,
and a new one goes on. The event loop never waits for the disk.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain as chained
from operator import itemgetter
from pathlib import Path
from typing import Any

import apsw

from gatewayd.archive import chain, memory, refused, rows, segments, set_aside
from gatewayd.archive.head import Head, HeadDamagedError, HeadFile, read_head
from gatewayd.archive.records import Audit, Bundle, CarriedRatios, Entry, RatioVersion, Receipt, Record
from gatewayd.archive.refused import Refused
from gatewayd.archive.retention import Kept, Limits, droppable, kept
from gatewayd.archive.sealing import finish_sealing, has_seal
from gatewayd.archive.segment import OpenSegment
from gatewayd.archive.set_aside import SetAside
from gatewayd.archive.signing import Signer
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, Meter
from gatewayd.tallies import Commits

GROUP_ROWS = 200
GROUP_SECONDS = 0.25
_MOST_ROWS = 4000
"""What waits already goes along up to so many: days of profiles come together, and each COMMIT costs an fsync."""
_QUICK_SECONDS, _QUICK_COMMITS = 0.02, 16
"""As long as there were fewer commits in the last second, nobody has to wait for a whole group time: who reads a bus of
meters one after the other waits for each."""
SEGMENT_BYTES = 1 << 30

_STATUS = itemgetter(4)
"""Of a rows.ReadingRow, as an integer: counted without a step of Python for each reading."""
_DAMAGED = (apsw.CorruptError, apsw.NotADBError)

log = logging.getLogger("gatewayd.archive")


@dataclass(frozen=True, slots=True)
class _Append:
    record: Record
    result: "Future[Receipt] | asyncio.Future[Receipt]"


@dataclass(frozen=True, slots=True)
class _Call:
    """Something to do between two groups, in the writer's thread."""

    action: Callable[[], None]
    result: "asyncio.Future[None]"


@dataclass(frozen=True, slots=True)
class _Change:
    """Something to write into state.sqlite. It may be tried again by itself where it failed together with others."""

    apply: Callable[[apsw.Connection], None]
    result: "asyncio.Future[None]"


_Work = _Append | _Call | _Change | None


class Store:
    """The archive, open for writing. `open()` before use, `close()` at the end; both block: not for the event loop."""

    def __init__(
        self,
        folder: Path,
        gateway: str,
        now_us: Callable[[], int],
        *,
        group_seconds: float = GROUP_SECONDS,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.folder = folder
        self.fault = ""
        """Why the archive takes nothing at present; empty when all is well."""
        self.tally = Commits()
        self._gateway = gateway
        self._now_us = now_us
        self._group_seconds = group_seconds
        self._commits: deque[float] = deque()
        self._segment_bytes = segment_bytes
        self._queue: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="archive-writer", daemon=True)
        self._segment: OpenSegment | None = None
        self._listeners: list[Callable[[int], None]] = []
        self._head = Head(0, 0, 0, 0, chain.GENESIS)
        self._gate = threading.Lock()
        self._closed = False
        self._memories = memory.Memories(folder)

    def open(self) -> None:
        """Take the writer's lock, open or create the files, start the thread. ArchiveError says why not."""
        self._lock = segments.WriterLock(self.folder)
        try:
            self._signer = Signer(self.folder)
            self._head_file = HeadFile(self.folder)
            self._finish_sealed()
            self._open_segment()
            self._state = set_aside.open_state(self.folder)
        except (ArchiveError, apsw.Error, OSError) as error:
            self._abandon_segment()
            self._lock.release()
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError(f"archive {self.folder} cannot be opened: {error}") from error
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, sign the end, then stop. What is submitted later is refused. May be called twice."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._abandon_segment()
        self._head_file.close()
        with contextlib.suppress(apsw.Error):
            self._state.close()
        self._lock.release()

    @property
    def head(self) -> int:
        """Sequence number of the last reading that is safely in the archive; 0 for none."""
        return self._head.seq

    def published_head(self) -> tuple[int, str]:
        """Sequence number and hash, in hexadecimal, of the end of the archive: what every published batch carries."""
        known = self._head
        return known.seq, known.hash.hex()

    def on_commit(self, listener: Callable[[int], None]) -> None:
        """Call `listener(head)` after every COMMIT. It is called in the writer's thread and must not wait."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[int], None]) -> None:
        """Do not call it any more."""
        self._listeners = [one for one in self._listeners if one != listener]

    def submit(self, record: Record) -> "Future[Receipt]":
        """Queue one record without waiting; the future tells when it is on the disk, or raises ArchiveError.

        What is queued is written: the future cannot be cancelled.
        """
        result: Future[Receipt] = Future()
        result.set_running_or_notify_cancel()
        if not self._put(_Append(record, result)):
            result.set_exception(self._refusal())
        return result

    async def append(self, entry: Entry | Bundle) -> tuple[Archived, ...]:
        """Archive one exchange and its readings, of a bundle in the order handed in; returns when they are on the disk.

        ArchiveError when they are not. A cancelled caller takes nothing back.
        """
        return entry.archived(await asyncio.shield(self.queued(entry)))

    def queued(self, record: Record) -> "asyncio.Future[Receipt]":
        """As `submit`, for the event loop: many futures cost it one call. It must not be cancelled."""
        result: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if not self._put(_Append(record, result)):
            result.set_exception(self._refusal())
        return result

    def declare(self, meters: Sequence[Meter]) -> None:
        """Record the ratio versions of the configuration, as far as the archive does not have them yet."""
        for meter in meters:
            for ratio in meter.ratios:
                self.submit(RatioVersion(meter.id, ratio))

    async def flush(self) -> None:
        """Returns when everything submitted before is written, or has failed."""
        await self._call(lambda: None)

    async def seal(self) -> None:
        """Seal the present segment and begin the next. ArchiveError when that fails."""
        await self._call(self._rotate)

    async def prune(self, limits: Limits) -> Kept:
        """Drop the sealed segments that may go; what is kept only because a sink has not taken it. ArchiveError."""
        found: list[Kept] = []
        await self._call(lambda: found.append(self._prune(limits)))
        return found[0]

    async def set_aside(self, aside: SetAside) -> None:
        """Remember readings that a sink does not get; returns when that is on the disk. ArchiveError."""
        now_us = self._now_us()
        await self._state_call(lambda state: set_aside.put(state, aside, now_us))

    async def refused(self, refusal: Refused) -> None:
        """Remember that a meter refused; returns when that is on the disk. ArchiveError."""
        await self._state_call(lambda state: refused.put(state, refusal))

    async def admitted(self, meter: str) -> None:
        """Forget that a meter refused. ArchiveError."""
        await self._state_call(lambda state: refused.clear(state, meter))

    async def remember_all(self, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """Write down (meter, key, value) of many in one transaction; returns when it is on the disk. ArchiveError."""
        await self._state_call(lambda state: memory.put_all(state, rows))

    async def recall_all(self, prefix: str) -> dict[tuple[str, str], bytes]:
        """What is written down under keys that begin so, by meter and key. ArchiveError."""
        return await asyncio.to_thread(memory.recalled_all, self.folder, prefix)

    def memory_of(self, meter: str) -> memory.MeterMemory:
        """What a driver keeps of its meter; the store has to be open when it is used."""
        return memory.MeterMemory(meter, self.folder, self._state_call, self._memories)

    def _put(self, work: _Work) -> bool:
        """False when the writer has been told to stop: nobody would ever take the work from the queue."""
        with self._gate:
            if not self._closed:
                self._queue.put(work)
            return not self._closed

    def _refusal(self) -> ArchiveError:
        return ArchiveError(f"archive {self.folder} is closed and takes nothing more")

    # -- the writer's thread ------------------------------------------------------------------------------------------

    async def _call(self, action: Callable[[], None]) -> None:
        result: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._done(_Call(action, result), result)

    async def _state_call(self, change: Callable[[apsw.Connection], None]) -> None:
        result: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._done(_Change(change, result), result)

    async def _done(self, work: _Call | _Change, result: "asyncio.Future[None]") -> None:
        if not self._put(work):
            raise self._refusal()
        await asyncio.shield(result)

    def _run(self) -> None:
        go_on = True
        while go_on:
            group, go_on = self._collect()
            appends = [work for work in group if isinstance(work, _Append)]
            if appends:
                self._commit(appends)
            changes = [work for work in group if isinstance(work, _Change)]
            if changes:
                self._change_all(changes)
            for work in group:
                if isinstance(work, _Call):
                    self._do(work)
        self._sign_the_end()

    def _collect(self) -> tuple[list[_Work], bool]:
        """The next group: GROUP_ROWS rows, or what comes within the group time, and what is there by then. False when
        it is the last one.

        Somebody waits for a change of state.sqlite before he goes on: nothing more is waited for, but what is there
        goes along, since each transaction costs the disk the same."""
        group: list[_Work] = []
        count = 0
        until: float | None = None
        while count < _MOST_ROWS:
            if count >= GROUP_ROWS:
                until = 0.0
            try:
                work = self._queue.get(timeout=None if until is None else max(until - time.monotonic(), 0))
            except queue.Empty:
                break
            if work is None:
                return group, False
            group.append(work)
            if isinstance(work, _Call):
                break
            if isinstance(work, _Change):
                count, until = count + 1, 0.0
                continue
            record = work.record
            count += len(record.readings) if isinstance(record, Entry | Bundle) else 1
            until = until if until is not None else time.monotonic() + self._patience()
        return group, True

    def _patience(self) -> float:
        """How long a group may still grow."""
        now = time.monotonic()
        while self._commits and self._commits[0] < now - 1:
            self._commits.popleft()
        quick = self._group_seconds <= GROUP_SECONDS and len(self._commits) < _QUICK_COMMITS
        self._commits.append(now)
        return min(self._group_seconds, _QUICK_SECONDS) if quick else self._group_seconds

    def _commit(self, appends: Sequence[_Append], *, damage_known: bool = False) -> None:
        begun = time.monotonic()
        try:
            receipts = self._write([append.record for append in appends])
        except Exception as error:  # noqa: BLE001 - whatever it was: nobody may wait for ever, and the thread must live on
            self._abandon_segment()
            if isinstance(error, _DAMAGED) and not damage_known:  # a new segment takes the same records
                self._put_aside(f"cannot be written: {error}")
                self._commit(appends, damage_known=True)
                return
            # One that cannot be written must not take the others with it. A disk that fails takes them all, and may
            # have kept what it reported as failed: writing them one by one would put them down twice.
            if len(appends) > 1 and not isinstance(error, apsw.IOError | OSError):
                for append in appends:
                    self._commit([append], damage_known=damage_known)
                return
            self._note(str(error))
            self.tally.failed += 1
            fault = ArchiveError(f"archive {self.folder} did not take the data: {error}")
            fault.__cause__ = error
            _settle([(append.result, fault) for append in appends])
            return
        self._note("")
        entries = list(_entries(append.record for append in appends))
        statuses = map(_STATUS, chained.from_iterable(entry.reading_rows for entry in entries))
        self.tally.confirmed(statuses, (entry.exchange.outcome.value for entry in entries), time.monotonic() - begun)
        _settle([(append.result, receipt) for append, receipt in zip(appends, receipts, strict=True)])
        for listener in self._listeners:
            listener(self._head.seq)

    def _write(self, records: Sequence[Record], *, seal: bool = False) -> list[Receipt]:
        """One batch. The head is put down after the COMMIT, and only then does anybody hear of it."""
        segment = self._segment if self._segment is not None else self._open_segment()
        now_us, now = self._now_us(), time.monotonic()
        if not seal and self._full(segment, now_us):
            self._rotate()
            assert self._segment is not None
            segment = self._segment
        receipts = segment.commit(records, now_us, seal=seal)
        self._head_file.write(segment.head, now, sync=seal)
        self._head = segment.head
        return receipts

    def _full(self, segment: OpenSegment, now_us: int) -> bool:
        if not segment.holds_readings:
            return False
        month, opened = rows.from_us(now_us), rows.from_us(segment.opened_at)
        return (month.year, month.month) > (opened.year, opened.month) or segment.size() >= self._segment_bytes

    def _rotate(self) -> None:
        """Seal the segment that is written and begin the next one."""
        segment = self._segment if self._segment is not None else self._open_segment()
        self._write([self._audit("segment-sealed", segment.path.name)], seal=True)
        carried = CarriedRatios(tuple(segment.ratios))
        self._finish(segment)
        self._begin(segment.number + 1, segment.head, [carried])

    def _finish(self, segment: OpenSegment) -> None:
        segment.close()
        self._segment = None
        try:
            finish_sealing(segment.path)
        except apsw.BusyError:  # somebody reads for long; data does not wait for that
            log.info("archive segment %s is being read: its journal is folded in at the next start", segment.path.name)

    def _finish_sealed(self) -> None:
        """Segments whose sealing a reader, or the end of the process, has kept from being finished. One without a seal
        is no such segment, and stays as it is."""
        for number in segments.segment_numbers(self.folder)[:-1]:
            path = segments.segment_path(self.folder, number)
            if path.stat().st_mode & 0o222:
                try:
                    if has_seal(path):
                        finish_sealing(path)
                    else:
                        log.error(
                            "archive segment %s ends before it was sealed, and there is a newer one: an older copy was "
                            "put in its place, and the readings behind it are lost; put back the newest copy, or the "
                            "whole archive (gatewayd archive verify)",
                            path.name,
                        )
                except (apsw.Error, OSError) as error:  # what is wrong with it is for verify to say
                    log.warning("archive segment %s: its journal cannot be folded in: %s", path.name, error)

    def _begin(self, number: int, after: Head, records: Sequence[Record]) -> OpenSegment:
        """Make and open the segment that follows `after`, with `records` as its first batch: both or neither."""

        def first_batch(draft: Path) -> None:
            if not records:
                return
            segment = OpenSegment(draft, self._signer)
            try:
                segment.accept()
                segment.commit(records, self._now_us(), sign=True)
            finally:
                segment.close()

        path = segments.segment_path(self.folder, number)
        start = (after.hash, after.batch, after.exchange, after.seq)
        segments.create(path, (number, segments.FORMAT, self._gateway, self._now_us(), *start), first_batch)
        segment = self._segment = OpenSegment(path, self._signer)
        segment.accept()
        # Also when it is empty: from its first batch on an archive without a head is one whose head was lost.
        self._head_file.write(segment.head, time.monotonic(), sync=True)
        self._head = segment.head
        return segment

    def _open_segment(self) -> OpenSegment:
        """Open the newest segment, or what has to come after it; check it against the head."""
        known, lost = self._known_head()
        numbers = segments.segment_numbers(self.folder)
        if not numbers:
            return self._begin_without_segments(known, lost)
        path = segments.segment_path(self.folder, numbers[-1])
        try:
            segments.renew_journal(path)
            segment = OpenSegment(path, self._signer)
        except (*_DAMAGED, apsw.SQLError, ValueError) as error:
            return self._replace(numbers, known, lost, f"cannot be read: {error}")
        try:
            reason = self._disagreement(segment, known)
        except (*_DAMAGED, ValueError) as error:
            reason = f"cannot be read: {error}"
        if reason:
            segment.close()
            return self._replace(numbers, known, lost, reason)
        segment.accept()
        if known is None and not lost and segment.head.batch > 0:
            lost = "the head is not there"
        records = self._headless(lost)
        if not segment.sealed:
            self._segment, self._head = segment, segment.head
            if records:
                self._write(records)
            elif known is None:
                self._head_file.write(segment.head, time.monotonic(), sync=True)
            return segment
        self._finish(segment)
        records.insert(0, CarriedRatios(tuple(segment.ratios)))
        if known is None or known.segment <= segment.number:
            return self._begin(segment.number + 1, segment.head, records)
        return self._begin(known.segment + 1, known, [*records, self._missing(known)])

    def _known_head(self) -> tuple[Head | None, str]:
        """The head: of the file, or what this process knows itself if that is more; and why the file says nothing."""
        known, lost = None, ""
        try:
            known = read_head(self.folder)
        except HeadDamagedError as error:
            lost = str(error)
        if self._head.batch > (known.batch if known is not None else 0):
            known = self._head
        return known, lost

    def _headless(self, lost: str) -> list[Record]:
        """Without its head an archive may have been cut: the audit log says so, and `verify` with it."""
        if not lost:
            return []
        log.critical("archive %s: %s; what was cut off at the end cannot be told", self.folder, lost)
        return [self._audit("head-lost", "head", lost)]

    def _begin_without_segments(self, known: Head | None, lost: str) -> OpenSegment:
        if known is None:
            return self._begin(1, self._head, self._headless(lost))
        return self._begin(known.segment + 1, known, [*self._headless(lost), self._missing(known)])

    def _missing(self, known: Head) -> Audit:
        """The head knows a segment that is not there; perhaps it was just being put aside when the gateway ended."""
        path = segments.segment_path(self.folder, known.segment)
        reason = f"the head knows it up to batch {known.batch} (seq {known.seq}), and it is not there"
        aside = segments.in_quarantine(path)
        if aside:
            reason += f", but in {aside[-1].relative_to(self.folder)}"
        log.critical("archive segment %s: %s; a new segment goes on", path.name, reason)
        return self._audit("segment-quarantined" if aside else "segments-missing", path.name, reason)

    def _disagreement(self, segment: OpenSegment, known: Head | None) -> str:
        """Why the newest segment cannot be what was written last; empty when it can."""
        if known is None or known.segment < segment.number:
            return ""
        if known.segment > segment.number:
            # A sealed one is whole, and what came after it is missing, not this one.
            return "" if segment.sealed else f"segment {known.segment} was written after it and is not there"
        if known.batch > segment.head.batch:
            return f"it ends with batch {segment.head.batch}, the head knows batch {known.batch}"
        found = segment.hash_of(known.batch) if known.batch > 0 else None
        if found is not None and found != known.hash:
            return f"batch {known.batch} is not the one that the head knows"
        return ""

    def _put_aside(self, reason: str) -> None:
        """The segment that is written turned out to be damaged. What cannot be done here fails again in the commit."""
        try:
            self._replace(segments.segment_numbers(self.folder), *self._known_head(), reason)
        except (ArchiveError, apsw.Error, OSError) as error:
            self._abandon_segment()
            log.error("archive %s: a damaged segment could not be put aside: %s", self.folder, error)

    def _replace(self, numbers: Sequence[int], known: Head | None, lost: str, reason: str) -> OpenSegment:
        """Put the newest segment aside, because it is damaged, and go on with a new one."""
        path = segments.segment_path(self.folder, numbers[-1])
        records = [*self._headless(lost), self._audit("segment-quarantined", path.name, reason)]
        records.insert(0, self._ratios_after(numbers))
        after = self._behind(numbers, known)
        # First of all: from here on the head alone knows what was given out, also when the power is cut now.
        self._head_file.write(after, time.monotonic(), sync=True)
        aside = segments.quarantine(path, rows.from_us(self._now_us()).strftime("%Y%m%dT%H%M%SZ"))
        log.critical("archive segment %s: %s; put aside in %s, a new segment goes on", path.name, reason, aside)
        return self._begin(after.segment + 1, after, records)

    def _behind(self, numbers: Sequence[int], known: Head | None) -> Head:
        """Where a new segment goes on: behind everything that the head knows or any segment has given out."""
        given = [segments.last_numbers(segments.segment_path(self.folder, number)) for number in numbers[-2:]]
        head = known or self._head
        if known is not None:
            given.append((known.batch, known.seq, known.exchange))
        batch, seq, exchange = (max(column) for column in zip(*given, strict=True))
        return Head(max(numbers[-1], head.segment), batch, seq, exchange, head.hash)

    def _ratios_after(self, numbers: Sequence[int]) -> CarriedRatios:
        """The ratio versions to carry over a damaged segment: its own ones where they go on from those before it."""
        found, *earlier = (
            segments.ratio_rows(segments.segment_path(self.folder, number)) for number in reversed(numbers[-2:])
        )
        before = earlier[0] if earlier else []
        sound = [row.id for row in found] == list(range(1, len(found) + 1)) and found[: len(before)] == before
        return CarriedRatios(tuple(found if sound else before))

    def _prune(self, limits: Limits) -> Kept:
        for dropped in droppable(self.folder, limits):
            self._write([self._audit("segment-dropped", dropped.path.name, dropped.text)])
            segments.drop(dropped.path)
            level = logging.CRITICAL if dropped.undelivered else logging.INFO
            log.log(level, "archive segment %s dropped: %s", dropped.path.name, dropped.text)
        return kept(self.folder, limits)

    def _change_all(self, changes: Sequence[_Change]) -> None:
        """In one transaction, and each by itself where that fails: one that cannot be written takes no other with
        it."""
        if len(changes) > 1 and self._changed_together(changes):
            _settle([(change.result, None) for change in changes])
            return
        for change in changes:
            try:
                self._change_state(change.apply)
            except Exception as error:  # noqa: BLE001 - the caller gets it, the thread lives on
                _settle([(change.result, self._fault_of(error))])
            else:
                _settle([(change.result, None)])

    def _changed_together(self, changes: Sequence[_Change]) -> bool:
        try:
            with self._state:
                for change in changes:
                    change.apply(self._state)
        except Exception as error:  # noqa: BLE001 - each of them is tried by itself, and tells its own
            log.debug(
                "archive %s: %d changes of its state could not be written together: %s",
                self.folder,
                len(changes),
                error,
            )
            return False
        return True

    def _fault_of(self, error: Exception) -> ArchiveError:
        return error if isinstance(error, ArchiveError) else ArchiveError(f"archive {self.folder}: {error}")

    def _change_state(self, change: Callable[[apsw.Connection], None]) -> None:
        try:
            change(self._state)
        except ArchiveError:  # a file that is damaged is put aside when it is opened anew
            with contextlib.suppress(apsw.Error):
                self._state.close(True)
            self._state = set_aside.open_state(self.folder)
            change(self._state)

    def _audit(self, type_: str, subject: str, detail: str = "") -> Audit:
        return Audit(rows.from_us(self._now_us()), "gateway", "archive", type_, subject, "done", detail)

    def _do(self, call: _Call) -> None:
        try:
            call.action()
        except Exception as error:  # noqa: BLE001 - the caller gets it, the thread lives on
            self._abandon_segment()
            _settle([(call.result, self._fault_of(error))])
            return
        _settle([(call.result, None)])

    def _sign_the_end(self) -> None:
        """A last checkpoint, so that an orderly stop leaves nothing unsigned."""
        segment = self._segment
        if segment is None or segment.signed:
            return
        try:
            segment.commit([self._audit("archive-closed", segment.path.name)], self._now_us(), sign=True)
            self._head_file.write(segment.head, time.monotonic(), sync=True)
            self._head = segment.head
        except (apsw.Error, OSError) as error:
            log.error("archive %s: the end could not be signed: %s", self.folder, error)

    def _note(self, fault: str) -> None:
        """One line for each change between taking data and not."""
        if fault and not self.fault:
            log.critical("archive %s is DEGRADED, nothing is archived: %s", self.folder, fault)
        elif self.fault and not fault:
            log.warning("archive %s takes data again", self.folder)
        self.fault = fault

    def _abandon_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            with contextlib.suppress(apsw.Error):  # a disk that fails may fail at this too, and the thread lives on
                segment.close()


def _entries(records: Iterable[Record]) -> Iterator[Entry]:
    """The exchanges among them; of a bundle each part."""
    for record in records:
        if isinstance(record, Entry):
            yield record
        elif isinstance(record, Bundle):
            yield from record.entries


_Outcome = Receipt | ArchiveError | None


def _settle(results: Sequence[tuple["Future[Any] | asyncio.Future[Any]", _Outcome]]) -> None:
    """Tell everybody who waits. An event loop is woken once for all of its waiters."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], _Outcome]]] = {}
    for future, outcome in results:
        if isinstance(future, asyncio.Future):
            loops.setdefault(future.get_loop(), []).append((future, outcome))
        elif isinstance(outcome, ArchiveError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    for loop, waiting in loops.items():
        with contextlib.suppress(RuntimeError):  # a loop that has ended needs no news
            loop.call_soon_threadsafe(_wake, waiting)


def _wake(waiting: Sequence[tuple["asyncio.Future[Any]", _Outcome]]) -> None:
    for future, outcome in waiting:
        if future.done():
            continue
        if isinstance(outcome, ArchiveError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
