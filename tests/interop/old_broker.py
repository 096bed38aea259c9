"""In front of a real broker: a door that does not let MQTT 5 in, as brokers that are older than it do.

Rules: loopback only; three ways of refusing are known from the field: the answer of MQTT 3.1.1 (CONNACK 1), that of
MQTT 5 (CONNACK 0x84), and hanging up. What speaks 3.1.1 is passed through unchanged.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

REFUSALS = {"3.1.1": bytes.fromhex("20020001"), "5": bytes.fromhex("2003008400"), "hang up": b""}


class Door:
    """`versions` are the protocol levels that clients asked for."""

    def __init__(self, port: int, refusal: str) -> None:
        self.port = 0
        self.versions: list[int] = []
        self._behind = port
        self._refusal = REFUSALS[refusal]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            kind, length = await reader.readexactly(1), await _length(reader)
            body = await reader.readexactly(length[0])
            packet = kind + length[1] + body
            self.versions.append(body[6])  # behind the name `MQTT` and its length
            if body[6] == 5:
                writer.write(self._refusal)
                await writer.drain()
                writer.close()
                return
            there, to = await asyncio.open_connection("127.0.0.1", self._behind)
            to.write(packet)
            await asyncio.gather(_pass(reader, to), _pass(there, writer))

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator["Door"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


async def _length(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The remaining length of a packet (MQTT 2.2.3), and its bytes."""
    raw, value = b"", 0
    while not raw or raw[-1] & 0x80:
        raw += await reader.readexactly(1)
        value |= (raw[-1] & 0x7F) << (7 * (len(raw) - 1))
    return value, raw


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
