"""A small HTTP/1.1 server for a few pages that a monitoring system asks for.

Rules: GET and HEAD, one answer for each connection. Nobody has a password, so nobody is believed: a head has a longest
length and a latest time, what is slow to read is dropped, there are only so many connections, and where there are too
many, whoever has been there longest makes room for whoever comes. The gateway never waits for a reader, and a page is
in memory once, however many read it. On a loopback address only who asks for this machine gets a page: a browser that a
foreign name has led here (DNS rebinding) says that name.
"""

import asyncio
import ipaddress
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

HEAD_LONGEST = 8 * 1024
HEAD_SECONDS = 5.0
"""From the connection to the end of the head."""
ANSWER_SECONDS = 10.0
"""From there to the last octet taken."""
AT_ONCE = 64
_PIECE = 64 * 1024
"""So much of a page is handed to the kernel at a time."""
_ACCEPTED_AT_ONCE = 16
"""New connections in one turn of the loop: of those that come in a flood each gets a few turns to ask."""
_WAITING = 512
"""Connections that the kernel keeps until then: one that it drops is tried again only after a second."""
_REQUEST = re.compile(rb"([A-Za-z]+) (\S+) HTTP/1\.[01]")
_PORT = re.compile(r":[0-9]*$")
_PLAIN = "text/plain; charset=utf-8"


log = logging.getLogger("gatewayd.daemon")


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    body: bytes
    content_type: str = _PLAIN
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[str, ...] = ()
    """More than those that every answer has."""


Page = Callable[[], Awaitable[Reply]]


@dataclass(slots=True, eq=False)
class _Guest:
    """A connection. `asked`: its head has come."""

    writer: asyncio.StreamWriter
    asked: bool = False


class HttpServer:
    """`pages` by their paths."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None
        self._loopback = False
        self._guests: dict[_Guest, None] = {}
        """The oldest first."""

    async def open(self, host: str, port: int) -> None:
        """Listen. OSError when that cannot be."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._loopback = names_this_machine(host)
        listener = socket.create_server((host, port), family=family)
        try:
            self._server = await asyncio.start_server(
                self._serve, sock=listener, limit=HEAD_LONGEST, backlog=_ACCEPTED_AT_ONCE
            )
        except BaseException:
            listener.close()
            raise
        listener.listen(_WAITING)  # asyncio takes one number for both

    async def close(self) -> None:
        """Listen no more, and drop whoever is there."""
        if self._server is not None:
            self._server.close()
            for guest in list(self._guests):
                guest.writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._guests) >= AT_ONCE:
            self._make_room()
        guest = _Guest(writer)
        self._guests[guest] = None
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                line, reply = await self._asked(reader)
            guest.asked = True
            async with asyncio.timeout(ANSWER_SECONDS):
                reply = reply or await self._answer(line)
                await _send(writer, reply, with_body=not line.startswith(b"HEAD "))
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._guests.pop(guest, None)
            writer.close()

    def _make_room(self) -> None:
        """Who has not even asked goes first."""
        silent = (guest for guest in self._guests if not guest.asked)
        guest = next(silent, None) or next(iter(self._guests))
        del self._guests[guest]
        guest.writer.transport.abort()

    async def _asked(self, reader: asyncio.StreamReader) -> tuple[bytes, Reply | None]:
        """The request line; and the answer, where it is known without the page."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return b"", _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too long")
        line, *fields = head.split(b"\r\n")
        if self._loopback and not all(names_this_machine(host) for host in hosts_of(fields)):
            return line, _refusal(HTTPStatus.MISDIRECTED_REQUEST, "here is only 127.0.0.1, [::1] or localhost")
        return line, None

    async def _answer(self, line: bytes) -> Reply:
        found = _REQUEST.fullmatch(line)
        if found is None:
            return _refusal(HTTPStatus.BAD_REQUEST, "that is no HTTP request")
        if found[1] not in (b"GET", b"HEAD"):
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD are all there is", "Allow: GET, HEAD")
        page = self._pages.get(found[2].partition(b"?")[0].decode("latin-1"))
        if page is None:
            return _refusal(HTTPStatus.NOT_FOUND, f"there are {', '.join(self._pages)}")
        try:
            return await page()
        except TimeoutError:
            raise
        except Exception as error:  # told, and answered
            log.critical("the page %s met a defect in gatewayd: %r", found[2].decode("latin-1"), error, exc_info=error)
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"a defect in gatewayd, which its log tells: {error!r}")


def hosts_of(fields: Sequence[bytes]) -> list[str]:
    """The hosts of all fields `Host` (RFC 9110, 7.2), without their ports. One that is not sent is not there: programs
    may leave it out, browsers do not."""
    found = (field.partition(b":")[2] for field in fields if field[:5].lower() == b"host:")
    return [_PORT.sub("", host.decode("latin-1").strip()) for host in found]


def names_this_machine(host: str) -> bool:
    """Whether a host is this machine to whoever says it: a loopback address, or `localhost`."""
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _refusal(status: HTTPStatus, words: str, *headers: str) -> Reply:
    return Reply(f"{words}\n".encode(), status=status, headers=headers)


async def _send(writer: asyncio.StreamWriter, reply: Reply, *, with_body: bool) -> None:
    head = [
        f"HTTP/1.1 {reply.status.value} {reply.status.phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *reply.headers,
    ]
    writer.transport.set_write_buffer_limits(high=_PIECE)
    writer.write("\r\n".join((*head, "", "")).encode("ascii"))
    body = memoryview(reply.body if with_body else b"")
    for begin in range(0, len(body), _PIECE):
        writer.write(body[begin : begin + _PIECE])
        await writer.drain()
    await writer.drain()
