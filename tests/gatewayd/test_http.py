"""The small HTTP server on real sockets: what it answers, and that hostile clients cost the others nothing."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from http import HTTPStatus
from pathlib import Path

import pytest

from gatewayd.daemon import http
from gatewayd.daemon.http import HttpServer, Reply
from tests.interop.server import free_port

PATIENCE = 20.0
PAGE = b"line\n" * 5_000_000
"""More than the kernel takes from us for somebody who does not read."""


class Site:
    """A server with a small page, a large one, and one with a defect."""

    def __init__(self) -> None:
        self.port = free_port()
        self.asked = 0
        self._server = HttpServer({"/metrics": self._small, "/large": self._large, "/defect": self._defect})

    @property
    def guests(self) -> list[http._Guest]:
        """The connections that the server has."""
        return list(self._server._guests)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        await self._server.open("127.0.0.1", self.port)
        try:
            yield
        finally:
            async with asyncio.timeout(PATIENCE):
                await self._server.close()

    async def _small(self) -> Reply:
        self.asked += 1
        return Reply(b"a 1\n", "text/plain; version=0.0.4; charset=utf-8")

    async def _large(self) -> Reply:
        return Reply(PAGE)

    async def _defect(self) -> Reply:
        raise ZeroDivisionError("of ours")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, data: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer."""
        reader, writer = await self.connect()
        try:
            writer.write(data)
            async with asyncio.timeout(PATIENCE):
                answer = await reader.read(-1)
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return head, body

    async def get(self, path: str) -> tuple[bytes, bytes]:
        return await self.say(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def played(main: Callable[[Site], Coroutine[None, None, None]]) -> None:
    async def whole() -> None:
        site = Site()
        async with site.serving():
            await main(site)

    asyncio.run(whole())


def test_a_page_with_its_head() -> None:
    async def main(site: Site) -> None:
        head, body = await site.get("/metrics?x=1")
        assert body == b"a 1\n"
        assert head.split(b"\r\n")[:3] == [
            b"HTTP/1.1 200 OK",
            b"Content-Type: text/plain; version=0.0.4; charset=utf-8",
            b"Content-Length: 4",
        ]
        assert b"Connection: close" in head
        alone, nothing = await site.say(b"HEAD /metrics HTTP/1.0\r\n\r\n")
        assert (alone, nothing) == (head, b"")
        assert (await site.get("/large"))[1] == PAGE

    played(main)


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (b"GET /x HTTP/1.1\r\n\r\n", HTTPStatus.NOT_FOUND, b"there are /metrics, /large, /defect"),
        (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", HTTPStatus.NOT_FOUND, b"there are"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", HTTPStatus.METHOD_NOT_ALLOWED, b"GET and HEAD"),
        (b"nonsense\r\n\r\n", HTTPStatus.BAD_REQUEST, b"no HTTP request"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", HTTPStatus.BAD_REQUEST, b"no HTTP request"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", HTTPStatus.BAD_REQUEST, b"no HTTP request"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, b"too long"),
    ],
)
def test_what_is_refused(said: bytes, status: HTTPStatus, words: bytes) -> None:
    async def main(site: Site) -> None:
        head, body = await site.say(said)
        assert head.startswith(f"HTTP/1.1 {status.value} ".encode())
        assert words in body and body.endswith(b"\n")
        assert site.asked == 0

    played(main)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:9750",
        "LOCALHOST.:9750",
        "127.0.0.1",
        "127.0.0.1:9750",
        "127.9.9.9",
        "[::1]:9750",
        "[::1]",
    ],
)
def test_whoever_asks_for_this_machine_gets_the_page(host: str) -> None:
    async def main(site: Site) -> None:
        head, body = await site.say(f"GET /metrics HTTP/1.1\r\nAccept: x\r\nhOsT: {host}\r\n\r\n".encode())
        assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 200 OK", b"a 1\n")

    played(main)


@pytest.mark.parametrize(
    "hosts",
    [
        *(["evil.example"], ["evil.example:9750"], ["10.0.0.1:9750"], ["localhost.evil.example"]),
        *(["127.0.0.1.evil.example"], ["localhost", "evil.example"], ["evil.example", "localhost"]),
        *([""], ["\xff"], ["[::2]"]),
    ],
)
def test_a_page_that_a_foreign_name_has_led_here_gets_nothing(hosts: list[str]) -> None:
    """DNS rebinding: a browser shows the page of evil.example, whose address has become 127.0.0.1."""

    async def main(site: Site) -> None:
        fields = "".join(f"Host: {host}\r\n" for host in hosts)
        head, body = await site.say(f"GET /metrics HTTP/1.1\r\n{fields}\r\n".encode("latin-1"))
        assert head.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
        assert body == b"here is only 127.0.0.1, [::1] or localhost\n"
        assert site.asked == 0

    played(main)


def test_where_others_may_come_they_may_use_any_name() -> None:
    async def main() -> None:
        site = Site()
        await site._server.open("0.0.0.0", site.port)
        try:
            assert (await site.say(b"GET /metrics HTTP/1.1\r\nHost: gateway.example\r\n\r\n"))[1] == b"a 1\n"
        finally:
            await site._server.close()

    asyncio.run(main())


def test_a_defect_is_told_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def main(site: Site) -> None:
        head, body = await site.get("/defect")
        assert head.startswith(b"HTTP/1.1 500 ") and b"ZeroDivisionError" in body
        assert (await site.get("/metrics"))[1] == b"a 1\n"

    with caplog.at_level(logging.CRITICAL):
        played(main)
    assert caplog.text.count("a defect in gatewayd") == 1


def test_two_hundred_that_say_nothing_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """They drip, say half a head, or nothing; nobody is told to go before the time is up but by whoever comes."""
    monkeypatch.setattr(http, "HEAD_SECONDS", PATIENCE)

    async def main(site: Site) -> None:
        before = open_files()
        hostile = [await site.connect() for _ in range(200)]
        for number, (_, writer) in enumerate(hostile):
            writer.write((b"", b"GET /metrics HT", b"GET /metrics HTTP/1.1\r\nHost: x\r\n")[number % 3])
        for _ in range(20):
            assert (await site.get("/metrics"))[1] == b"a 1\n"
        ours = len(hostile) + http.AT_ONCE + 8
        assert open_files() - before <= ours, "of 200 the server holds no more than it wants"
        gone = [reader for reader, _ in hostile if reader.at_eof() or await _ended(reader)]
        assert 200 - http.AT_ONCE <= len(gone) < 200
        for _, writer in hostile:
            writer.close()

    played(main)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def _ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.001):
            return not await reader.read(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_who_has_asked_stays_before_who_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "AT_ONCE", 4)
    monkeypatch.setattr(http, "HEAD_SECONDS", PATIENCE)

    async def main(site: Site) -> None:
        reader, writer = await site.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a socket has it
        writer.write(b"GET /large HTTP/1.1\r\n\r\n")
        silent = [await site.connect() for _ in range(20)]
        assert (await site.get("/metrics"))[1] == b"a 1\n"
        writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read(-1)
        assert answer.endswith(PAGE), "he was there before all of them"
        for _, one in (*silent, (reader, writer)):
            one.close()

    played(main)


def test_who_says_nothing_is_dropped_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.2)

    async def main(site: Site) -> None:
        reader, writer = await site.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                assert await reader.read(-1) == b""
        writer.close()

    played(main)


def test_who_does_not_read_is_dropped_and_no_memory_is_kept_for_him(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 1.0)
    kept: list[int] = []

    async def main(site: Site) -> None:
        slow = [await site.connect() for _ in range(10)]
        for _, writer in slow:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a socket has it
            writer.write(b"GET /large HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            while len(answering := [task for task in asyncio.all_tasks() if "_serve" in repr(task.get_coro())]) < 10:
                await asyncio.sleep(0.01)
        assert (await site.get("/metrics"))[1] == b"a 1\n"
        kept.extend(guest.writer.transport.get_write_buffer_size() for guest in site.guests)
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait(answering)
        assert not site.guests
        for _, writer in slow:
            writer.transport.abort()

    played(main)
    assert len(kept) == 10 and max(kept) <= 4 * 64 * 1024


def test_closing_drops_whoever_is_there() -> None:
    async def whole() -> None:
        site = Site()
        async with site.serving():
            reader, writer = await site.connect()
            writer.write(b"GET ")
            await asyncio.sleep(0)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                assert await reader.read(-1) == b""
        writer.close()
        with pytest.raises(OSError, match="Connect"):
            await site.connect()

    asyncio.run(whole())
