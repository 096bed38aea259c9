"""A scripted HTTP server on the loopback interface, for answers that real databases give seldom.

Rules: the script is a function of the request; whatever it does, leaving ends every thread of the server.
"""

import ssl
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import pytest

DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent. `body` is unpacked, `packed` as it came."""

    method: str
    path: str
    query: str
    headers: Message
    packed: bytes
    connection: int
    """Counts connections from 1."""

    @property
    def body(self) -> bytes:
        if self.headers.get("Content-Encoding") == "gzip":
            return zlib.decompress(self.packed, wbits=31)
        return self.packed

    @property
    def lines(self) -> list[str]:
        return self.body.decode().splitlines()


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. `hang` waits before the last byte of the body (without a body: before the status line) until the
    server is left; `break_off` closes the connection there; `raw` is sent in place of an answer."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    break_off: bool = False
    raw: bytes | None = None


Script = Callable[[Request], Reply]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Silent where a client broke off."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typed for sockets and datagrams


class HttpServer:
    """`requests` are all that came, in order."""

    host = "127.0.0.1"

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._script = script
        self._tls = tls
        self._changed = threading.Condition()
        self._left = threading.Event()
        self._connections = 0

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._server = _Server((self.host, 0), self._handler())
        self._server.daemon_threads = True
        if self._tls is not None:
            # The handshake belongs into the thread of the connection.
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="scripted HTTP server")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(DEADLINE_S)

    @property
    def writes(self) -> list[Request]:
        """The requests that hold lines."""
        return [request for request in self.requests if request.path.endswith("/write")]

    def wait_for_write(self) -> Request:
        """The first request that holds lines; a test failure when none comes."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self.writes), DEADLINE_S):
                pytest.fail("nothing was written")
            return self.writes[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = DEADLINE_S

            def setup(self) -> None:
                super().setup()
                with server._changed:
                    server._connections += 1
                    self._number = server._connections

            def do_GET(self) -> None:
                server._serve(self, self._number)

            def do_POST(self) -> None:
                server._serve(self, self._number)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler, connection: int) -> None:
        path, _, query = handler.path.partition("?")
        request = Request(handler.command, path, query, handler.headers, _body(handler), connection)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        try:
            self._answer(handler, self._script(request))
        except OSError:  # the client has left
            handler.close_connection = True

    def _answer(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.raw is not None:
            handler.wfile.write(reply.raw)
            handler.close_connection = True
            return
        early = reply.hang or reply.break_off
        if not early or reply.body:
            handler.send_response(reply.status)
            for name, value in reply.headers.items():
                handler.send_header(name, value)
            if reply.status != 204:
                handler.send_header("Content-Length", str(len(reply.body)))
            handler.end_headers()
        if early:
            handler.wfile.write(reply.body[:-1])
            handler.close_connection = True
            if reply.hang:
                self._left.wait(DEADLINE_S)
        else:
            handler.wfile.write(reply.body)


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body
