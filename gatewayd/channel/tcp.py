"""A TCP endpoint as a channel: a meter's own port or a transparent serial server.

Rules: the far end sees eight-bit characters, so 7E1 becomes parity in software unless the line is fixed to 8N1; end of
file is an error, never an empty read. What had come before the peer broke off is handed over before that is told.
"""

import asyncio
import socket

from gatewayd.channel import Framing
from gatewayd.channel.parity import SoftwareParity
from gatewayd.errors import ChannelError, ChannelTimeout

_CHUNK = 1 << 16


class LastWords(asyncio.StreamReader):
    """What had come before a reset is read before the reset: a reader of asyncio would throw it away."""

    def set_exception(self, exc: BaseException) -> None:
        self.feed_eof()


async def open_tcp(name: str, host: str, port: int, framing: Framing | None, *, deadline: float) -> "TcpChannel":
    """Connect. ChannelError names the line, the endpoint and the remedy."""
    where = f"line {name}: {host}:{port}"
    try:
        async with asyncio.timeout_at(deadline):
            reader, writer = await _connected(host, port)
    except TimeoutError:
        raise ChannelTimeout(f"{where} does not answer; check address, route and firewall") from None
    except socket.gaierror as error:
        raise ChannelError(f"{where}: the host name cannot be resolved: {error.strerror}") from error
    except ConnectionRefusedError as error:
        raise ChannelError(
            f"{where} refuses the connection; is the port right, is another client connected?"
        ) from error
    except (OSError, UnicodeError) as error:
        raise ChannelError(f"{where} cannot be reached: {error}") from error
    stream: socket.socket | None = writer.get_extra_info("socket")
    if stream is not None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return TcpChannel(where, reader, writer, framing)


async def _connected(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As asyncio.open_connection, with a reader of ours."""
    loop = asyncio.get_running_loop()
    reader = LastWords(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class TcpChannel:
    """An open connection. See the Channel protocol for the contract."""

    def __init__(
        self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fixed: Framing | None
    ) -> None:
        self._where = where
        self._reader = reader
        self._writer = writer
        self._fixed = fixed
        self._parity: SoftwareParity | None = None
        self._parity_errors = 0

    @property
    def parity_errors(self) -> int:
        return self._parity_errors + (self._parity.errors if self._parity else 0)

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                self._writer.write(self._parity.encode(data) if self._parity else data)
                await self._writer.drain()
        except TimeoutError:
            raise ChannelTimeout(f"{self._where} takes no more data") from None
        except (OSError, RuntimeError) as error:
            raise ChannelError(f"{self._where} closed the connection: {error}") from error

    def write(self, data: bytes) -> None:
        """Hand over a few bytes that need no parity, without waiting. ChannelError."""
        try:
            self._writer.write(data)
        except (OSError, RuntimeError) as error:
            raise ChannelError(f"{self._where} closed the connection: {error}") from error

    async def receive(self, *, deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                data = await self._reader.read(_CHUNK)
        except TimeoutError:
            raise ChannelTimeout(f"{self._where}: nothing received in time") from None
        except (OSError, RuntimeError) as error:
            raise ChannelError(f"{self._where} closed the connection: {error}") from error
        if not data:
            raise ChannelError(f"{self._where} closed the connection")
        return self._parity.decode(data) if self._parity else data

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        framing = self._fixed or framing
        if self._parity is not None:
            self._parity_errors += self._parity.errors
        self._parity = SoftwareParity(framing.parity) if framing.data_bits == 7 else None

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            self._writer.transport.abort()
