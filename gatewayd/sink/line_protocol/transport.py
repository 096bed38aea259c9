"""HTTP for one connection to a database: one request at a time, in a thread, with a deadline over all of it.

Rules: nothing is retried, redirects are not followed, proxies of the environment are not used. What is read of an
answer is bounded, and our secrets are hidden in what may be quoted of it. Whoever waits for a request can leave at any
moment: the socket is shut down, and so the thread ends; one that hangs in the name service is left behind, and nobody
waits for it at the end of the process.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import TypeVar

from urllib3 import HTTPHeaderDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from gatewayd.errors import SinkError
from gatewayd.sink.line_protocol.faults import too_slow, words
from gatewayd.sink.line_protocol.options import parts
from gatewayd.sink.secrets import Secrets

T = TypeVar("T")

ANSWER_LIMIT = 64 * 1024
"""Bytes that are read of an answer to a write."""
_FAULT = 300
_QUOTED = ("X-Influxdb-Error", "X-Influxdb-Version")
"""Headers that messages have."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of the body no more than was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def address(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    found = parts(url)
    return (found.host or "").strip("[]"), found.port or (443 if found.scheme == "https" else 80)


def place(url: str) -> str:
    """How messages call the database at a URL."""
    host, port = address(url)
    return f"database {f'[{host}]' if ':' in host else host}:{port}"


class Http:
    """One keep-alive connection, opened when needed. After `close`, or a request that took too long, it is of no use.

    `headers` go with every request; `context` is for a URL with https; `secrets` are hidden in faults that are
    answered."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        context: ssl.SSLContext | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        found = parts(url)
        host, port = address(url)
        self.name = place(url)
        self._base = (found.path or "").rstrip("/")
        self._headers = {"User-Agent": "gatewayd", **headers}
        self.secrets = secrets or Secrets()
        self._timeout_s = timeout_s
        self._closed = False
        self._busy = False
        # The timeout of the socket is for threads that were left behind; the deadline of run() comes first.
        if found.scheme == "https":
            self._connection: HTTPConnection = HTTPSConnection(host, port, timeout=timeout_s, ssl_context=context)
        else:
            self._connection = HTTPConnection(host, port, timeout=timeout_s)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, which runs in a thread and may call `request`. SinkError when it takes too long."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await in_thread(work, self.name)
        except TimeoutError:
            self.close()
            raise SinkError(f"{self.name} {too_slow(self._timeout_s)}") from None
        except asyncio.CancelledError:
            self.close()
            raise

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        limit: int = ANSWER_LIMIT,
    ) -> Answer:
        """Ask and wait, in the calling thread. A body in pieces is sent while the next piece is made. SinkError."""
        self._busy = True
        try:
            return self._exchange(method, target, body, {**self._headers, **(headers or {})}, limit)
        except (HTTPError, HTTPException, OSError) as error:
            self._connection.close()
            raise SinkError(f"{self.name} {words(error, self._timeout_s)}") from error
        except BaseException:
            self._connection.close()  # half a request was sent
            raise
        finally:
            self._busy = False

    def _exchange(
        self, method: str, target: str, body: bytes | Iterable[bytes], headers: Mapping[str, str], limit: int
    ) -> Answer:
        connection = self._connection
        if connection.sock is not None and not connection.is_connected:
            connection.close()  # the other side ended it while it was idle
        if connection.sock is None:
            connection.connect()
        if self._closed:  # nobody waits any more, and what is sent now would come too late
            raise ConnectionAbortedError
        # A body that is refused before it has ended leaves a broken pipe and an answer that tells why.
        with contextlib.suppress(BrokenPipeError):
            connection.request(
                method,
                self._base + target,
                body=body,
                headers=headers,
                chunked=not isinstance(body, bytes),
                preload_content=False,
            )
        response = connection.getresponse()
        content = b""
        # Until nothing comes: one read of a body that breaks off says nothing of it.
        while len(content) <= limit and (piece := response.read(limit + 1 - len(content), decode_content=False)):
            content += piece
        if len(content) > limit:
            connection.close()
        kept = self._hidden(response.headers)
        if response.status >= _FAULT:  # others are read, not quoted: nothing in them may change
            content = self.secrets.hidden_octets(content[:limit])
        return Answer(response.status, kept, content[:limit])

    def _hidden(self, headers: HTTPHeaderDict) -> HTTPHeaderDict:
        kept = headers.copy()
        for name in _QUOTED:
            if name in kept:
                kept[name] = self.secrets.hidden(kept[name])
        return kept

    def close(self) -> None:
        """Never waits; a request on its way fails at once."""
        self._closed = True
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                # Not the method of a TLS socket: that one takes the keys away from the thread that still reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        if not self._busy:
            self._connection.close()


async def in_thread(work: Callable[[], T], name: str) -> T:
    """As asyncio.to_thread, in a thread of its own that the end of the loop and of the process do not wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(deed: Callable[[], None]) -> None:
        if not future.done():
            deed()

    def report(deed: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, deed)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  it belongs to the one who waits
            fault = error
            report(lambda: future.set_exception(fault))
        else:
            report(lambda: future.set_result(result))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
