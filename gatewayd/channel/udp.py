"""A UDP port on which meters push: the datagrams of a peer are a channel of the meter that it is.

Rules: one receive() gives one datagram, in the order of their coming; datagrams of strangers are dropped and never
answered. What waits belongs to the peer and not to the channel, so that a channel that is closed loses nothing. There
is no connection that could end: a channel ends only by an error, where datagrams had to be thrown away because nobody
took them. What is sent goes to where the last datagram came from.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from gatewayd.channel import Channel, Framing
from gatewayd.channel.callers import Callers, plain
from gatewayd.channel.listening import cannot_listen, nobody_called
from gatewayd.errors import ChannelError, ChannelTimeout

DATAGRAMS = 64
"""That wait for one peer's channel, of together so many bytes:"""
WAITING_BYTES = 1 << 18

Address = tuple[Any, ...]
"""As a socket of either family has it: host, port and more."""


class UdpPort:
    """A bound socket; see gatewayd.channel.listening.Port. A `single` one closes with its first channel."""

    def __init__(self, line: str, bind: str, port: int, *, single: bool = False) -> None:
        self._where = f"line {line}: {bind}:{port}/udp"
        self._bind = bind
        self._port = port
        self._single = single
        self._opening = asyncio.Lock()
        self._callers = Callers(self._where)
        self._mailboxes: dict[str, _Mailbox] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._looking_up: asyncio.Task[str | None] | None = None

    @property
    def number(self) -> int:
        """The port on which it listens, where 0 left the choice to the system."""
        assert self._transport is not None, "the port is not open"
        return int(self._transport.get_extra_info("sockname")[1])

    async def open(self) -> None:
        async with self._opening:
            if self._transport is not None:
                return
            try:
                self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self._came), local_addr=(self._bind, self._port)
                )
            except (OSError, UnicodeError) as error:
                raise cannot_listen(self._where, error) from error

    async def next(self, peer: str, seconds: float | None = None) -> Channel:
        mailbox = self._mailboxes.setdefault(peer, _Mailbox())
        await self._callers.expect(peer)
        await self.open()
        try:
            async with asyncio.timeout(seconds):
                await mailbox.until_something()
        except TimeoutError:
            self._shut()
            raise nobody_called(self._where, peer, seconds) from None
        where = f"{self._where} {peer}".rstrip()
        return DatagramChannel(where, mailbox, self._send, self._over)

    async def close(self) -> None:
        self._shut()

    def _shut(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        if self._looking_up is not None:
            self._looking_up.cancel()

    def _came(self, data: bytes, source: Address) -> None:
        address = plain(source[0])
        peer = self._callers.known(address)
        if peer is None or self._callers.may_have_moved(address):
            self._look_up(address, stranger=peer is None)
        if peer is None:
            return
        if not self._mailboxes[peer].put(data, source):
            self._callers.refuse(address, "sends faster than it is heard")

    def _look_up(self, address: str, *, stranger: bool) -> None:
        """Of somebody who turns out to be a peer that has moved, the first datagram is lost; where it has the address
        that another one had, it is taken for that one's."""
        if self._looking_up is not None and not self._looking_up.done():
            return
        if self._callers.may_have_moved(address):
            looking_up = self._callers.identify(address)
            self._looking_up = asyncio.get_running_loop().create_task(looking_up, name=f"{self._where}: whose address")
        elif stranger:
            self._callers.refuse(address)

    def _send(self, data: bytes, target: Address) -> None:
        if self._transport is None:
            raise ChannelError(f"{self._where} is closed")
        self._transport.sendto(data, target)

    def _over(self) -> None:
        if self._single:
            self._shut()


class _Datagrams(asyncio.DatagramProtocol):
    """Hands on what comes; an ICMP error about something that we sent ends nothing."""

    def __init__(self, came: Callable[[bytes, Address], None]) -> None:
        self._came = came

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if data:  # an empty one says nothing, and would be an empty read
            self._came(data, addr)


class _Mailbox:
    """What a peer has sent and nobody has taken yet."""

    def __init__(self) -> None:
        self.source: Address | None = None
        """Where the last datagram came from."""
        self.lost = 0
        """Datagrams thrown away since somebody was told."""
        self._datagrams: deque[bytes] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    def put(self, data: bytes, source: Address) -> bool:
        """False when there is no room for it."""
        if len(self._datagrams) >= DATAGRAMS or self._bytes + len(data) > WAITING_BYTES:
            self.lost += 1
            return False
        self.source = source
        self._datagrams.append(data)
        self._bytes += len(data)
        self._arrived.set()
        return True

    def take(self) -> bytes | None:
        """The oldest one; None when none waits."""
        if not self._datagrams:
            return None
        data = self._datagrams.popleft()
        self._bytes -= len(data)
        return data

    async def until_something(self) -> None:
        """Until a datagram waits."""
        while not self._datagrams:
            self._arrived.clear()
            await self._arrived.wait()


class DatagramChannel:
    """The datagrams of one peer. See the Channel protocol for the contract."""

    def __init__(
        self,
        where: str,
        mailbox: _Mailbox,
        send: Callable[[bytes, Address], None],
        on_close: Callable[[], None],
    ) -> None:
        self._where = where
        self._mailbox = mailbox
        self._send = send
        self._on_close = on_close
        self._closed = False

    @property
    def parity_errors(self) -> int:
        return 0

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        source = self._mailbox.source
        if source is None or self._closed:
            raise ChannelError(f"{self._where}: there is nobody to send to")
        try:
            self._send(data, source)
        except OSError as error:
            raise ChannelError(f"{self._where} cannot be sent to: {error}") from error

    async def receive(self, *, deadline: float) -> bytes:
        if self._closed:
            raise ChannelError(f"{self._where} is closed")
        while (data := self._mailbox.take()) is None:
            lost, self._mailbox.lost = self._mailbox.lost, 0
            if lost:
                raise ChannelError(f"{self._where}: {lost} datagrams came faster than they were taken and are lost")
            try:
                async with asyncio.timeout_at(deadline):
                    await self._mailbox.until_something()
            except TimeoutError:
                raise ChannelTimeout(f"{self._where}: nothing received in time") from None
        return data

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        """Datagrams have neither rate nor parity."""

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._on_close()
