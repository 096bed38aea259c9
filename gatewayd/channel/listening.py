"""A TCP port on which meters call us: each connection is a channel of the meter that it comes from.

Rules: whoever is not expected is closed at once and never answered. A peer has one channel in use and one that waits:
who connects again has lost its link, so the newer connection takes the place of the older one, which is given a moment
to hand over what had come before. A connection on which nothing comes is closed after `idle` seconds. The end of a
connection is how a push ends: ConnectionOver tells it from a line that has failed.
"""

import asyncio
import contextlib
import errno
import math
import socket
from collections.abc import Callable
from typing import Protocol

from gatewayd.channel import Channel, Framing
from gatewayd.channel.callers import Callers, plain
from gatewayd.channel.tcp import LastWords, TcpChannel
from gatewayd.errors import ChannelError, ChannelTimeout

CONNECTIONS = 200
"""Connections of all peers of one line."""
HAND_OVER_S = 1.0
_EVERY = "::"
"""Every address, those of IPv4 too, as at a UDP port: asyncio by itself would take IPv6 only."""
_WAITING = 1 << 16
"""Bytes that wait in a connection before its peer is held up."""
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 20), (socket.TCP_KEEPCNT, 3))


class ConnectionOver(ChannelError):
    """The peer has hung up, was replaced by a newer connection of its own, or said nothing for too long."""


class Port(Protocol):
    """Where meters call us."""

    async def open(self) -> None:
        """Begin to listen; nothing happens when it does already. ChannelError."""

    async def next(self, peer: str, seconds: float | None = None) -> Channel:
        """The next channel of `peer` (callers.ANYBODY for whoever calls); opens the port before. ChannelTimeout after
        `seconds`, None: waits for ever."""

    async def close(self) -> None:
        """Listen no more. Channels that were handed out stay, as far as they can."""


class TcpPort:
    """A listening socket; see Port. A `single` one closes with the first channel that was handed out."""

    def __init__(
        self,
        line: str,
        bind: str,
        port: int,
        *,
        framing: Framing | None = None,
        idle: float = 3600.0,
        single: bool = False,
    ) -> None:
        self._where = f"line {line}: {bind}:{port}"
        self._line = line
        self._bind = bind
        self._port = port
        self._framing = framing
        self._idle = idle
        self._single = single
        self._server: asyncio.Server | None = None
        self._opening = asyncio.Lock()
        self._callers = Callers(self._where)
        self._desks: dict[str, _Desk] = {}
        self._count = 0

    @property
    def number(self) -> int:
        """The port on which it listens, where 0 left the choice to the system."""
        assert self._server is not None, "the port is not open"
        return int(self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        loop = asyncio.get_running_loop()

        def connection() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(LastWords(limit=_WAITING // 2, loop=loop), self._called, loop=loop)

        async with self._opening:
            if self._server is not None:
                return
            try:
                if self._bind == _EVERY and socket.has_dualstack_ipv6():
                    stream = socket.create_server((_EVERY, self._port), family=socket.AF_INET6, dualstack_ipv6=True)
                    self._server = await loop.create_server(connection, sock=stream, backlog=CONNECTIONS)
                else:
                    self._server = await loop.create_server(connection, self._bind, self._port, backlog=CONNECTIONS)
            except (OSError, UnicodeError) as error:
                raise cannot_listen(self._where, error) from error

    async def next(self, peer: str, seconds: float | None = None) -> Channel:
        desk = self._desks.setdefault(peer, _Desk())
        await self._callers.expect(peer)
        await self.open()
        try:
            async with asyncio.timeout(seconds):
                return await desk.take()
        except TimeoutError:
            await self.close()
            raise nobody_called(self._where, peer, seconds) from None

    async def close(self) -> None:
        self._shut()

    def _shut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for desk in self._desks.values():
            desk.send_away()

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port = _peer_of(writer)
        self._count += 1
        try:
            if self._count > CONNECTIONS:
                self._callers.refuse(address, f"is one more than the {CONNECTIONS} connections that a line takes")
                peer = None
            else:
                peer = await self._callers.identify(address)
                if peer is None:
                    self._callers.refuse(address)
        except BaseException:
            self._left(writer)
            raise
        if peer is None or self._server is None:
            self._left(writer)
            return
        _keep_alive(writer)
        where = f"line {self._line}: {address}:{port}"
        channel = CallerChannel(where, reader, writer, self._framing, self._idle, lambda: self._over(channel))
        if not self._desks[peer].arrived(channel):
            self._callers.refuse(address, "connects again and again, and what it sends is not waited for")

    def _left(self, writer: asyncio.StreamWriter) -> None:
        self._count -= 1
        writer.transport.abort()

    def _over(self, channel: "CallerChannel") -> None:
        self._count -= 1
        used = [desk.left(channel) for desk in self._desks.values()]
        if self._single and any(used):
            self._shut()


class _Desk:
    """Where the connections of one peer arrive: one that is in use, one that waits."""

    def __init__(self) -> None:
        self._used: CallerChannel | None = None
        self._waiting: CallerChannel | None = None
        self._came = asyncio.Event()

    def arrived(self, channel: "CallerChannel") -> bool:
        """A newer connection takes the place of the older ones; False when one of them was never looked at."""
        unseen, self._waiting = self._waiting, channel
        self._came.set()
        if self._used is not None:
            self._used.replaced()
        if unseen is None:
            return True
        unseen.abort()
        return False

    async def take(self) -> "CallerChannel":
        """The connection that waits, as soon as there is one."""
        while self._waiting is None:
            self._came.clear()
            await self._came.wait()
        self._used, self._waiting = self._waiting, None
        return self._used

    def left(self, channel: "CallerChannel") -> bool:
        """A connection was closed; True when it was the one in use."""
        if self._used is not channel:
            return False
        self._used = None
        return True

    def send_away(self) -> None:
        """Nobody takes what waits any more."""
        unseen, self._waiting = self._waiting, None
        if unseen is not None:
            unseen.abort()


class CallerChannel(TcpChannel):
    """A connection that a meter has made. See the Channel protocol for the contract."""

    def __init__(
        self,
        where: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fixed: Framing | None,
        idle: float,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(where, reader, writer, fixed)
        self._idle = idle
        self._on_close: Callable[[], None] | None = on_close
        self._time = asyncio.get_running_loop().time
        self._heard = self._time()
        self._end: float | None = None
        self._wait: asyncio.Timeout | None = None

    def replaced(self) -> None:
        """A newer connection has come: this one ends when what had come before is handed over."""
        if self._end is None:
            self._end = self._time() + HAND_OVER_S
            when = None if self._wait is None else self._wait.when()
            if self._wait is not None and when is not None and when > self._end:
                self._wait.reschedule(self._end)

    def abort(self) -> None:
        """Close at once, without a word."""
        self._writer.transport.abort()
        self._closed()

    async def receive(self, *, deadline: float) -> bytes:
        limit = self._heard + self._idle if self._end is None else self._end
        try:
            async with asyncio.timeout_at(min(deadline, limit)) as self._wait:
                data = await super().receive(deadline=math.inf)
        except TimeoutError:
            now = self._time()
            if self._end is not None and now >= self._end:
                raise ConnectionOver(f"{self._where}: a newer connection of the same peer has come") from None
            if now >= self._heard + self._idle:
                raise ConnectionOver(f"{self._where} has said nothing for {self._idle:.0f} s") from None
            raise ChannelTimeout(f"{self._where}: nothing received in time") from None
        except ChannelError as error:
            raise ConnectionOver(str(error)) from error
        finally:
            self._wait = None
        self._heard = self._time()
        return data

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            self._closed()

    def _closed(self) -> None:
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()


def cannot_listen(where: str, error: Exception) -> ChannelError:
    """Why a port cannot be had, and what to do."""
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            why = "another process listens there; is a second gateway running?"
        case errno.EACCES:
            why = "this user may not; take a port above 1023, or give the service CAP_NET_BIND_SERVICE"
        case errno.EADDRNOTAVAIL:
            why = "this machine does not have that address; bind to one that it has, or to 0.0.0.0"
        case _:
            why = str(error)
    return ChannelError(f"{where} cannot be listened at: {why}")


def nobody_called(where: str, peer: str, seconds: float | None) -> ChannelTimeout:
    """Nobody came in time."""
    return ChannelTimeout(
        f"{where}: {peer or 'nobody'} has {'not ' if peer else ''}called within {seconds or 0:.0f} s; does the meter "
        "push to this address and port, and does a firewall let it through?"
    )


def _peer_of(writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Address and port; a connection that is gone already has none."""
    name: tuple[str, int] | None = writer.get_extra_info("peername")
    return ("an unknown address", 0) if not name else (plain(name[0]), name[1])


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """A peer that has vanished without a word is found by the kernel in two minutes."""
    stream: socket.socket | None = writer.get_extra_info("socket")
    if stream is None:
        return
    with contextlib.suppress(OSError):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            stream.setsockopt(socket.IPPROTO_TCP, option, value)
