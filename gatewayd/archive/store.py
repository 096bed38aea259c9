"""The writer: one thread that owns every write to the archive, with group commit.

Rules: an append is acknowledged only after COMMIT with synchronous=FULL; what one append brings is one transaction
whole or not at all; after a failed COMMIT nothing is acknowledged, the connection is closed and the next append opens
it anew and derives the head from what is really there. The event loop never waits for the disk.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import apsw

from gatewayd.archive import rows, segments
from gatewayd.errors import ArchiveError
from gatewayd.model import Archived, Exchange, Ratio, Reading

GROUP_ROWS = 200
GROUP_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Entry:
    """What one exchange brought. `ratios` has one ratio in force for each reading; `serial` is the meter's."""

    exchange: Exchange
    readings: tuple[Reading, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    serial: str = ""

    def __post_init__(self) -> None:
        if len(self.readings) != len(self.ratios):
            raise ValueError("every reading needs the ratio in force")


@dataclass(frozen=True, slots=True)
class _Append:
    entry: Entry
    result: "Future[tuple[Archived, ...]]"


@dataclass(frozen=True, slots=True)
class _Cursor:
    sink: str
    seq: int


@dataclass(frozen=True, slots=True)
class _Flush:
    result: "Future[None]"


_Work = _Append | _Cursor | _Flush | None


class Store:
    """The archive, open for writing. `open()` before use, `close()` at the end; both block: not for the event loop."""

    def __init__(
        self, folder: Path, gateway: str, now_us: Callable[[], int], *, group_seconds: float = GROUP_SECONDS
    ) -> None:
        self.folder = folder
        self._gateway = gateway
        self._now_us = now_us
        self._group_seconds = group_seconds
        self._queue: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="archive-writer", daemon=True)
        self._segment: apsw.Connection | None = None
        self._listeners: list[Callable[[int], None]] = []
        self._gate = threading.Lock()
        self._closed = False
        self._head = 0
        self._exchange_id = 0
        self._series: dict[rows.SeriesKey, int] = {}
        self._ratios: dict[rows.RatioKey, int] = {}

    def open(self) -> None:
        """Take the writer's lock, open or create the files, start the thread. ArchiveError says why not."""
        self._lock = segments.WriterLock(self.folder)
        try:
            self._open_segment()
            self._state = segments.open_state(self.folder)
        except ArchiveError:
            self._lock.release()
            raise
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, then stop. What is submitted later is refused. May be called twice."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        if self._segment is not None:
            self._segment.close()
        self._state.close()
        self._lock.release()

    @property
    def head(self) -> int:
        """Sequence number of the last reading that is safely in the archive; 0 for none."""
        return self._head

    def on_commit(self, listener: Callable[[int], None]) -> None:
        """Call `listener(head)` after every COMMIT. It is called in the writer's thread and must not wait."""
        self._listeners.append(listener)

    def submit(self, entry: Entry) -> "Future[tuple[Archived, ...]]":
        """Queue one exchange and its readings without waiting; the future tells when they are on the disk.

        What is queued is written: the future cannot be cancelled.
        """
        result: Future[tuple[Archived, ...]] = Future()
        result.set_running_or_notify_cancel()
        if not self._put(_Append(entry, result)):
            result.set_exception(ArchiveError(f"archive {self.folder} is closed and takes nothing more"))
        return result

    async def append(self, entry: Entry) -> tuple[Archived, ...]:
        """Archive one exchange and its readings; returns when they are on the disk.

        ArchiveError when they are not. A cancelled caller takes nothing back.
        """
        return await asyncio.shield(asyncio.wrap_future(self.submit(entry)))

    async def flush(self) -> None:
        """Returns when everything submitted before is written, or has failed."""
        result: Future[None] = Future()
        result.set_running_or_notify_cancel()
        if self._put(_Flush(result)):
            await asyncio.shield(asyncio.wrap_future(result))

    def cursors(self) -> dict[str, int]:
        """The cursors of all sinks, as they stand on the disk. For start-up, before the first save."""
        found = self._state.execute("SELECT sink, seq FROM cursor").fetchall()
        return {str(sink): int(str(seq)) for sink, seq in found}

    def save_cursor(self, sink: str, seq: int) -> None:
        """Remember how far a sink has come; written with the next group."""
        self._put(_Cursor(sink, seq))

    def _put(self, work: _Work) -> bool:
        """False when the writer has been told to stop: nobody would ever take the work from the queue."""
        with self._gate:
            if not self._closed:
                self._queue.put(work)
            return not self._closed

    # -- the writer's thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        open_for_work = True
        while open_for_work:
            group, open_for_work = self._collect()
            appends = [work for work in group if isinstance(work, _Append)]
            if appends:
                self._commit(appends)
            cursors = {work.sink: work.seq for work in group if isinstance(work, _Cursor)}
            if cursors:
                self._save_cursors(cursors)
            for work in group:
                if isinstance(work, _Flush):
                    work.result.set_result(None)

    def _collect(self) -> tuple[list[_Work], bool]:
        """The next group: up to GROUP_ROWS rows, or what comes within the group time. False when it is the last one."""
        group: list[_Work] = []
        count = 0
        until: float | None = None
        while count < GROUP_ROWS:
            try:
                work = self._queue.get(timeout=None if until is None else max(until - time.monotonic(), 0))
            except queue.Empty:
                break
            if work is None:
                return group, False
            group.append(work)
            if isinstance(work, _Flush):
                break
            count += len(work.entry.readings) + 1 if isinstance(work, _Append) else 1
            until = until if until is not None else time.monotonic() + self._group_seconds
        return group, True

    def _commit(self, appends: Sequence[_Append]) -> None:
        try:
            written, head = self._write(appends)
        except Exception as error:  # noqa: BLE001 - whatever it was: nobody may wait for ever, and the thread must live on
            self._abandon_segment()
            if len(appends) > 1:  # one that cannot be written must not take the others with it
                for append in appends:
                    self._commit([append])
                return
            fault = ArchiveError(f"archive {self.folder} did not take the data: {error}")
            fault.__cause__ = error
            appends[0].result.set_exception(fault)
            return
        self._head = head
        for append, archived in zip(appends, written, strict=True):
            append.result.set_result(archived)
        for listener in self._listeners:
            listener(head)

    def _write(self, appends: Sequence[_Append]) -> tuple[list[tuple[Archived, ...]], int]:
        connection = self._segment if self._segment is not None else self._open_segment()
        connection.execute("BEGIN IMMEDIATE")
        written: list[tuple[Archived, ...]] = []
        head = self._head
        for append in appends:
            written.append(self._insert(connection, append.entry, head))
            head += len(append.entry.readings)
        connection.execute("COMMIT")
        return written, head

    def _insert(self, connection: apsw.Connection, entry: Entry, seq: int) -> tuple[Archived, ...]:
        self._exchange_id += 1
        exchange = self._exchange_id
        connection.execute(
            "INSERT INTO exchange VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (exchange, *rows.exchange_row(entry.exchange, entry.serial)),
        )
        archived: list[Archived] = []
        table: list[tuple[int | bytes | str | None, ...]] = []
        for reading, ratio in zip(entry.readings, entry.ratios, strict=True):
            seq += 1
            ratio_id = self._ratio_id(connection, reading.meter, ratio)
            table.append((seq, exchange, self._series_id(connection, reading), ratio_id, *rows.reading_row(reading)))
            archived.append(Archived(seq, reading, entry.exchange.ended_at, entry.serial, ratio_id, ratio, exchange))
        connection.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", table)
        return tuple(archived)

    def _series_id(self, connection: apsw.Connection, reading: Reading) -> int:
        key = rows.series_key(reading)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = len(self._series) + 1
            connection.execute("INSERT INTO series VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (found, *key))
        return found

    def _ratio_id(self, connection: apsw.Connection, meter: str, ratio: Ratio) -> int:
        key = rows.ratio_key(meter, ratio)
        found = self._ratios.get(key)
        if found is None:
            found = self._ratios[key] = len(self._ratios) + 1
            connection.execute("INSERT INTO ratio VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (found, *key, self._now_us()))
        return found

    def _save_cursors(self, cursors: dict[str, int]) -> None:
        try:
            self._state.execute("BEGIN IMMEDIATE")
            self._state.executemany(
                "INSERT INTO cursor VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET seq = excluded.seq", cursors.items()
            )
            self._state.execute("COMMIT")
        except apsw.Error:
            # At least once is the promise: a cursor that was not saved only repeats a delivery after a restart.
            if self._state.in_transaction:
                self._state.execute("ROLLBACK")

    def _open_segment(self) -> apsw.Connection:
        """Open the segment and derive head and dictionaries from what is in it. ArchiveError names the file."""
        path = segments.segment_path(self.folder)
        connection = segments.open_for_writing(path, self._gateway, self._now_us())
        try:
            self._derive(connection)
        except apsw.Error as error:
            connection.close(True)
            raise ArchiveError(f"{path} cannot be read: {error}") from error
        self._segment = connection
        return connection

    def _derive(self, connection: apsw.Connection) -> None:
        self._head = int(connection.execute("SELECT coalesce(max(seq), 0) FROM reading").get)
        self._exchange_id = int(connection.execute("SELECT coalesce(max(id), 0) FROM exchange").get)
        self._series = {
            (meter, obis, is_obis, obis_raw, kind, unit, interval_s): number
            for number, meter, obis, is_obis, obis_raw, kind, unit, interval_s in connection.execute(
                "SELECT * FROM series"
            )
        }
        self._ratios = {
            (meter, ct, vt, multiplier, side, since): number
            for number, meter, ct, vt, multiplier, side, since, _ in connection.execute("SELECT * FROM ratio")
        }

    def _abandon_segment(self) -> None:
        connection, self._segment = self._segment, None
        if connection is not None:
            connection.close(True)
