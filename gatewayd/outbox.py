"""A sink's cursor over the archive: `get()` hands out, `done()` acknowledges.

Rules: nothing is copied, the archive is the queue; readings are handed out in the order of their sequence numbers;
acknowledgements may come in any order, the durable cursor moves over the part without holes; after a restart or
`rewind()` everything that is not acknowledged is handed out again (at least once).
"""

import asyncio
import contextlib
from collections.abc import Callable

from gatewayd.archive.query import Reader
from gatewayd.archive.store import Store
from gatewayd.model import Archived


class Outbox:
    """The outbox of one sink. Used from one event loop."""

    def __init__(self, sink: str, cursor: int, open_reader: Callable[[], Reader], store: Store) -> None:
        self.sink = sink
        self._store = store
        self._open_reader = open_reader
        self._reader: Reader | None = None
        self._cursor = cursor
        self._handed_out = cursor
        self._acknowledged: set[int] = set()
        self._more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        store.on_commit(self._committed)

    @property
    def cursor(self) -> int:
        """Everything up to this sequence number has been acknowledged."""
        return self._cursor

    def depth(self) -> int:
        """How many readings wait for this sink."""
        return max(self._store.head - self._cursor - len(self._acknowledged), 0)

    async def get(self, limit: int) -> list[Archived]:
        """The next readings, at least one; waits until there is one."""
        while True:
            self._more.clear()
            if self._store.head > self._handed_out:
                if self._reader is None:
                    self._reader = await asyncio.to_thread(self._open_reader)
                start = self._handed_out
                batch = await asyncio.to_thread(self._reader.after, start, limit)
                if self._handed_out != start:  # rewound meanwhile
                    continue
                if batch:
                    self._handed_out = batch[-1].seq
                    fresh = [item for item in batch if item.seq not in self._acknowledged]
                    if fresh:
                        return fresh
                    continue
            await self._more.wait()

    def done(self, seq: int) -> None:
        """The sink has acknowledged this reading."""
        if seq <= self._cursor:
            return
        self._acknowledged.add(seq)
        before = self._cursor
        while self._cursor + 1 in self._acknowledged:
            self._cursor += 1
            self._acknowledged.discard(self._cursor)
        if self._cursor != before:
            self._handed_out = max(self._handed_out, self._cursor)  # an acknowledgement may come after a rewind
            self._store.save_cursor(self.sink, self._cursor)

    def rewind(self) -> None:
        """The connection broke: hand out again everything that is not acknowledged."""
        self._handed_out = self._cursor

    def _committed(self, _head: int) -> None:
        """In the writer's thread; a loop that has ended needs no news."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._more.set)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
