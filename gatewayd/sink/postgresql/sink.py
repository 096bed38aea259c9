"""The PostgreSQL sink: batches of archived readings, each one transaction, COPY into a stage and from there the table.

Rules: a reading is done after the COMMIT. Storing it again changes nothing. The connection lives in one thread of its
own; the loop never waits for the database. When the body of a connection is cancelled, the socket is shut down and the
thread ends at once: PostgreSQL rolls back what was not committed.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from gatewayd.errors import SinkError
from gatewayd.model import Archived
from gatewayd.options import SecretUnavailable
from gatewayd.sink import FAREWELL_S, Delivery, Ledger
from gatewayd.sink.check import Remark
from gatewayd.sink.division import Division
from gatewayd.sink.postgresql.options import PostgresqlOptions
from gatewayd.sink.tls import tls_context

if TYPE_CHECKING:
    from gatewayd.sink.postgresql.session import Session

T = TypeVar("T")


class Batches(Protocol):
    """Stores batches; blocking, used in the thread of its session."""

    def prepare(self) -> None:
        """Make what a batch needs. Raises SinkError."""

    def store(self, readings: Sequence[Archived], /) -> None:
        """One transaction; returns after its COMMIT. Raises SinkError, BatchRefused."""


class PostgresqlSink:
    """One database."""

    def __init__(self, id: str, options: PostgresqlOptions, gateway: str) -> None:
        self.id = id
        self.batch = options.batch
        self.linger_s = options.linger_s
        self._options = options
        self.gateway = gateway
        self._division = Division(f"database {options.host}:{options.port}")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Delivery]:
        """See Sink.connect. The schema is up to date inside."""
        async with self._thread() as thread:
            writer = self.writer(thread.session)
            await thread.run(writer.prepare)
            yield _Connection(thread, writer, self._division)

    def writer(self, session: "Session") -> "Batches":
        """What stores batches over this session."""
        from gatewayd.sink.postgresql.writer import Writer  # needs pg8000, as _thread() does

        return Writer(session, self.gateway)

    async def check(self, months: int) -> list[Remark]:
        """See Sink.check."""
        async with self._thread() as thread:
            from gatewayd.sink.postgresql.check import remarks  # needs pg8000, as _thread() does

            return await thread.run(lambda: remarks(thread.session, f"check:{self.id}", months))

    @asynccontextmanager
    async def _thread(self) -> AsyncIterator["_Thread"]:
        """A session that is open and logged in."""
        options = self._options
        try:
            from gatewayd.sink.postgresql.faults import Target, sink_fault
            from gatewayd.sink.postgresql.session import Session
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("gatewayd"):
                raise
            missing = error.name.partition(".")[0]
            raise SinkError(
                f"the PostgreSQL sink needs {missing}, which is not installed: pip install gatewayd[postgresql]"
            ) from error
        try:
            password = options.password()
        except SecretUnavailable as error:
            raise SinkError(str(error)) from error
        context = await asyncio.to_thread(tls_context, options.tls) if options.tls is not None else None
        target = Target(
            options.host,
            options.port,
            options.database,
            options.username,
            options.db_schema,
            options.timeout_s,
            password is not None,
        )
        try:
            tcp = await _connected(options.host, options.port, options.timeout_s)
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that is none
            raise sink_fault(error, target) from error
        thread = _Thread(Session(target, tcp, context), f"sink {self.id}")
        try:
            await thread.run(lambda: thread.session.open(password))
            yield thread
        finally:
            await thread.close()


class _Connection:
    """The Delivery of a PostgresqlSink."""

    def __init__(self, thread: "_Thread", writer: Batches, division: Division) -> None:
        self._thread = thread
        self._writer = writer
        self._division = division

    async def deliver(self, readings: Sequence[Archived], ledger: Ledger) -> None:
        async def send(part: Sequence[Archived]) -> None:
            await self._thread.run(lambda: self._writer.store(part))

        await self._division.deliver(readings, send, ledger)

    async def again(self, readings: Sequence[Archived], replay: str, ledger: Ledger) -> None:
        """What is there already stays as it is."""
        await self.deliver(readings, ledger)


class _Thread:
    """The one thread in which a session is used."""

    def __init__(self, session: "Session", name: str) -> None:
        self.session = session
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in the thread. When cancelled, the session is at its end, and so is the work."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            await asyncio.wait((future,))  # which leaves the future alone when it is cancelled
        except asyncio.CancelledError:
            self.session.abort()
            future.add_done_callback(_look_at)  # nobody else will
            raise
        return future.result()

    async def close(self) -> None:
        """Goodbye, in no more than FAREWELL_S; what is still at work by then has lost its socket and ends soon."""
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self.session.close, FAREWELL_S / 2)
        self._executor.shutdown(wait=False)
        closing.add_done_callback(_look_at)
        try:
            await asyncio.wait((closing,), timeout=FAREWELL_S)
        finally:
            if not closing.done():
                self.session.abort()


def _look_at(future: "asyncio.Future[T]") -> None:
    """An error that nobody waits for is one that was caused here; without a look at it, asyncio would log it."""
    if not future.cancelled():
        future.exception()


async def _connected(host: str, port: int, timeout_s: float) -> socket.socket:
    """A socket that is connected to the first address that answers. Raises OSError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        fault: OSError | None = None
        for family, kind, protocol, _, address in addresses:
            tcp = socket.socket(family, kind, protocol)
            connected = False
            try:
                tcp.setblocking(False)
                await loop.sock_connect(tcp, address)
                connected = True
                return tcp
            except OSError as error:
                fault = error
            finally:
                if not connected:
                    tcp.close()
    raise fault or OSError("no address")
