"""The line protocol sink: archived readings to a time-series database over HTTP.

Rules: a reading is done when the database has acknowledged the request that holds it; one request at a time, so the
order of a series holds. What the database refuses for good is found by halving and set aside. VictoriaMetrics
acknowledges what it throws away: its counters are watched, and what they say is logged. A database is never the
archive.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

from gatewayd.model import Archived
from gatewayd.sink import Delivery, Ledger
from gatewayd.sink.check import Remark
from gatewayd.sink.division import Division
from gatewayd.sink.line_protocol.check import check
from gatewayd.sink.line_protocol.lines import Lines
from gatewayd.sink.line_protocol.losses import METRICS_LIMIT, counts, described, risen
from gatewayd.sink.line_protocol.options import LineProtocolOptions
from gatewayd.sink.line_protocol.session import Session, opened
from gatewayd.sink.line_protocol.transport import Answer, place

WATCH_S = 60.0
"""How often the counters of VictoriaMetrics are looked at while readings are delivered."""
LARGEST, SMALLEST = 2500, 250
"""Lines that are made, compressed and sent at once, while the database works on those before."""

_log = logging.getLogger("gatewayd.sink.line_protocol")


class Writer(Protocol):
    """Makes lines of readings; used by one thread at a time."""

    def text(self, readings: Iterable[Archived], /) -> bytes:
        """One line for each, in their order. BatchRefused for what cannot be one."""


class LineProtocolSink:
    """One database. `clock` gives the current instant in UTC; `points`: a check looks at derived values as well."""

    watches = True
    """Whether what VictoriaMetrics throws away is looked at: by one connection of a gateway."""

    def __init__(
        self,
        id: str,
        options: LineProtocolOptions,
        gateway: str,
        clock: Callable[[], datetime],
        *,
        points: bool = False,
    ) -> None:
        self.id = id
        self.batch = options.batch
        self.linger_s = options.linger_s
        self.options = options
        self.gateway = gateway
        self._clock = clock
        self._points = points
        self.division = Division(place(options.url))
        self._lost: dict[str, int] | None = None  # outlives connections: a loss may show only after the next one

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Delivery]:
        """See Sink.connect. Between deliveries nothing is exchanged: a database that dies then is found by the next."""
        async with opened(self.id, self.options, self._clock) as session:
            connection = _Connection(self, session, self.lines())
            await connection.watch()
            yield connection

    def lines(self) -> Writer:
        """What makes text of readings, for one connection."""
        return Lines(self.options.measurement, self.gateway)

    def parted(self, readings: Sequence[Archived]) -> tuple[Sequence[Archived], Sequence[Archived]]:
        """Those that are sent, and those that are done without."""
        return readings, ()

    async def check(self, months: int) -> list[Remark]:
        """See Sink.check."""
        async with opened(self.id, self.options, self._clock) as session:
            return await check(session, months, points=self._points)

    def note_losses(self, metrics: str, database: str) -> None:
        """Say what has been thrown away since the last look; at the first look nothing is known."""
        now = counts(metrics)
        rises = risen(self._lost, now) if self._lost is not None else {}
        self._lost = now
        if rises:
            _log.warning(
                "sink %s: %s has thrown away values of its clients that it had acknowledged: %s",
                self.id,
                database,
                described(rises),
            )


class _Connection:
    """The Delivery of a LineProtocolSink."""

    def __init__(self, sink: LineProtocolSink, session: Session, lines: Writer) -> None:
        self._sink = sink
        self._session = session
        self._lines = lines
        self._watching = sink.watches and session.options.dialect == "victoriametrics"
        self._watched_at = 0.0

    async def deliver(self, readings: Sequence[Archived], ledger: Ledger) -> None:
        sent, others = self._sink.parted(readings)
        if sent:
            await self._sink.division.deliver(sent, self._send, ledger)
        if others:
            ledger.done(others)
        if not sent:
            return
        if asyncio.get_running_loop().time() - self._watched_at >= WATCH_S:
            await self.watch()

    async def again(self, readings: Sequence[Archived], replay: str, ledger: Ledger) -> None:
        """See Delivery.again: a point that is written again takes the place of the first."""
        await self.deliver(readings, ledger)

    async def watch(self) -> None:
        """Look at what VictoriaMetrics has thrown away."""
        if not self._watching:
            return
        answer = await self._session.ask("GET", "/metrics", limit=METRICS_LIMIT)
        self._watched_at = asyncio.get_running_loop().time()
        if answer.status == 200:
            self._sink.note_losses(answer.text, self._session.http.name)
        else:
            self._watching = False
            _log.info(
                "sink %s: %s does not show what it throws away (/metrics)", self._sink.id, self._session.http.name
            )

    async def _send(self, readings: Sequence[Archived]) -> None:
        def work() -> Answer:
            return self._session.write(self._pieces(readings))

        self._session.judge(await self._session.http.run(work))

    def _pieces(self, readings: Sequence[Archived]) -> Iterator[bytes]:
        start, count = 0, len(readings)
        while start < count:
            # Ever smaller ones in the end: when the last one is sent, little is left to wait for.
            size = max(min(LARGEST, (count - start) // 2), SMALLEST)
            yield self._lines.text(readings[start : start + size])
            start += size
