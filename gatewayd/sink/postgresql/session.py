"""One connection to PostgreSQL through pg8000: statements, transactions, COPY. The boundary where its errors end.

Rules: everything here blocks, up to the time limit, and belongs into a thread; `abort` alone may be called from another
one and ends whatever waits. Every error leaves as SinkError or BatchRefused. A connection on which anything went wrong
but a statement is never used again. The socket comes from outside, and TLS is begun here and not by pg8000, which would
show the socket to nobody until the server has answered.
"""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pg8000.core import Context  # type: ignore[import-untyped] # pg8000 ships no types
from pg8000.exceptions import InterfaceError  # type: ignore[import-untyped]
from pg8000.native import Connection  # type: ignore[import-untyped]

from gatewayd.errors import SinkError
from gatewayd.sink.postgresql.faults import Target, database_report, hide, is_alive, refusal, sink_fault
from gatewayd.sink.postgresql.sql import quoted
from gatewayd.sink.secrets import Secrets

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL manual, 55.7 "SSLRequest"
_SERVER_FIRST = 0.9
"""Part of the time limit after which the server gives up, so that it can say so before the socket does."""

Rows = list[list[Any]]  # any type that PostgreSQL has


class Session:
    """`tcp` is a connected socket, which the session owns from now on; `context` is None for no encryption."""

    def __init__(self, target: Target, tcp: socket.socket, context: ssl.SSLContext | None) -> None:
        self.target = target
        self.tls: str | None = None
        """The version of TLS, None where nothing is encrypted."""
        self._socket = tcp
        self._context = context
        self._connection: Connection | None = None
        self._secrets = Secrets()
        self._broken = False
        tcp.settimeout(target.timeout_s)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        # pg8000 writes a statement in several pieces; without this each may wait 40 ms for an acknowledgement.
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def open(self, password: str | None) -> None:
        """Encrypt, log in, and set what a batch relies on. Raises SinkError."""
        self._secrets = Secrets(password)
        with self._boundary():
            if self._context is not None:
                self._encrypt(self._context)
            # An empty password for none: pg8000 would stumble over None, the server says what is wrong.
            self._connection = _Connection(
                self.target.username,
                database=self.target.database,
                password=password or "",
                application_name="gatewayd",
                sock=self._socket,
                ssl_context=False,
            )
        self.query(self._settings())

    @property
    def usable(self) -> bool:
        """False when it has to be thrown away."""
        return self._connection is not None and not self._broken

    @property
    def server_version(self) -> str:
        assert self._connection is not None
        return self._secrets.hidden(str(self._connection.parameter_statuses.get("server_version", "?")))

    def query(self, sql: str, *, remedy: str = "") -> Rows:
        """Run one or more statements; the rows that they return. `remedy` gives the right that they need.

        Raises SinkError."""
        with self._boundary(remedy):
            return self._living().run(sql) or []

    def store(self, sql: str) -> None:
        """As `query`, for statements that carry readings: BatchRefused for content that will never be taken."""
        with self._boundary(content=True):
            self._living().run(sql)

    def copy(self, sql: str, lines: bytes) -> None:
        """COPY ... FROM STDIN. Raises SinkError, BatchRefused."""
        with self._boundary(content=True):
            self._living().run(sql, stream=(lines,))

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[None]:
        """BEGIN before, COMMIT after; ROLLBACK after an error, or where nothing is to stay."""
        # Whatever the role has: with a snapshot from before a wait, one would not see what the other had done.
        self.query("BEGIN ISOLATION LEVEL READ COMMITTED")
        try:
            yield
            if commit:
                self.store("COMMIT")
        except BaseException:
            if self.usable:
                # The error that is on its way tells more than one that the rollback meets.
                with suppress(SinkError):
                    self.query("ROLLBACK")
            raise
        if not commit:
            self.query("ROLLBACK")

    @contextmanager
    def slow(self, limit_s: float) -> Iterator[None]:
        """Statements inside may take longer."""
        self.query("SET statement_timeout = 0")
        self._socket.settimeout(limit_s)
        try:
            yield
        finally:
            self._socket.settimeout(self.target.timeout_s)
            if self.usable:
                self.query(f"SET statement_timeout = {self._statement_ms}")

    def close(self, limit_s: float) -> None:
        """Say goodbye where the server may still listen, and close the socket. Raises nothing."""
        if self.usable:
            self._socket.settimeout(limit_s)
            self._living().close()
        self.abort()  # close() alone leaves it open as long as a traceback holds pg8000's buffers
        self._socket.close()

    def abort(self) -> None:
        """End every wait of the other thread at once. May be called at any time from any thread."""
        self._broken = True
        with suppress(OSError):  # it is not connected any more
            # Not SSLSocket.shutdown: that drops the encryption first, and the other thread would go on without.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _settings(self) -> str:
        statements = [
            "SET client_encoding = 'UTF8'",
            "SET standard_conforming_strings = on",
            "SET TimeZone = 'UTC'",
            "SET DateStyle = 'ISO'",
            f"SET search_path = {quoted(self.target.schema)}",
            f"SET statement_timeout = {self._statement_ms}",
            # A gateway may be silent for long. Only PostgreSQL 14 and later know this setting.
            "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'",
            # Never less than on: a batch is done when it is on the disk. remote_apply is even more.
            "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
            "WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)",
        ]
        return "; ".join(statements)

    @property
    def _statement_ms(self) -> int:
        return max(1, int(self.target.timeout_s * _SERVER_FIRST * 1000))

    def _living(self) -> Connection:
        if self._connection is None or self._broken:
            raise ConnectionError("the connection was given up")
        return self._connection

    def _encrypt(self, context: ssl.SSLContext) -> None:
        self._socket.sendall(_SSL_REQUEST)
        answer = self._socket.recv(1)
        if answer == b"N":
            raise _NoTls
        if answer != b"S":
            raise ConnectionResetError if not answer else ValueError("no answer to SSLRequest")
        # The handshake comes second: until then `abort` must find the socket.
        wrapped = context.wrap_socket(self._socket, server_hostname=self.target.host, do_handshake_on_connect=False)
        self._socket = wrapped
        if self._broken:  # by an `abort` that found neither
            raise ConnectionAbortedError
        wrapped.do_handshake()
        self.tls = wrapped.version()

    @contextmanager
    def _boundary(self, remedy: str = "", *, content: bool = False) -> Iterator[None]:
        try:
            yield
        except _NoTls as error:
            self._broken = True
            raise SinkError(f"{self.target.place} has no TLS; set ssl = on there, or leave tls out") from error
        # A peer may send anything, and pg8000 raises whatever its parser stumbles over (KeyError, struct.error, ...).
        except Exception as error:
            self._broken = self._broken or not is_alive(error)
            hide(error, self._secrets)
            refused = refusal(error) if content else None
            raise refused or sink_fault(error, self.target, remedy) from error


class _NoTls(Exception):
    """The server refuses to encrypt."""


class _Connection(Connection):  # type: ignore[misc] # pg8000 ships no types
    """pg8000's, but for what it does when the server has said its last word: it reads on, or says goodbye, and forgets
    the word over the hang-up."""

    def handle_ERROR_RESPONSE(self, data: bytes, context: Context) -> None:
        super().handle_ERROR_RESPONSE(data, context)
        report = database_report(context.error)
        if report is not None and report.get("V") in ("FATAL", "PANIC"):
            raise context.error

    def close(self) -> None:
        with suppress(InterfaceError, OSError):  # the connection is gone, which was wanted
            super().close()
