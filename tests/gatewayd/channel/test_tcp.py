"""The TCP channel on loopback: a peer that refuses, does not answer, hangs up, or takes nothing."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from gatewayd.channel import Framing
from gatewayd.channel.tcp import TcpChannel, open_tcp
from gatewayd.errors import ChannelError, ChannelTimeout
from tests.gatewayd.channel.pseudo_terminal import PATIENCE, soon

HOST = "127.0.0.1"
SIGN_ON = b"/?!\r\n"
SIGN_ON_7E1 = b"\xaf\x3f\x21\x8d\x0a"
IDENTIFICATION = b"/ISk5MT174-0001\r\n"

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def even(data: bytes) -> bytes:
    return bytes(c | 0x80 if bin(c).count("1") % 2 else c for c in data)


@contextlib.asynccontextmanager
async def connected(peer: Peer, framing: Framing | None = None) -> AsyncIterator[TcpChannel]:
    """A channel to a server that does what `peer` says, once."""
    failures: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        except (AssertionError, asyncio.IncompleteReadError) as error:
            failures.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        channel = await open_tcp("cabin", HOST, port, framing, deadline=soon())
        try:
            yield channel
        finally:
            await channel.close()
    finally:
        server.close()
    assert not failures


@contextlib.contextmanager
def listening(backlog: int = 1) -> Iterator[tuple[socket.socket, int]]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen(backlog)
        yield server, server.getsockname()[1]


async def receive_exactly(channel: TcpChannel, count: int) -> bytes:
    data = b""
    deadline = soon()
    while len(data) < count:
        data += await channel.receive(deadline=deadline)
    return data


async def until_hung_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def test_bytes_go_both_ways() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(256))
        await reader.read()

    async def run() -> None:
        async with connected(echo) as channel:
            await channel.send(bytes(range(256)), deadline=soon())
            assert await receive_exactly(channel, 256) == bytes(range(256))
            assert channel.parity_errors == 0

    asyncio.run(run())


# -- connecting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_a_refused_connection_is_named(host: str) -> None:
    async def run() -> None:
        with listening() as (_, port):
            pass
        with pytest.raises(ChannelError, match=f"line cabin: {host}:{port}") as fault:
            await open_tcp("cabin", host, port, None, deadline=soon())
        assert "refuse" in str(fault.value)
        assert not isinstance(fault.value, ChannelTimeout)

    asyncio.run(run())


def test_an_endpoint_that_does_not_answer_ends_at_the_deadline() -> None:
    """A full accept queue drops what comes, as a firewall does."""

    async def run() -> None:
        with listening(0) as (_, port), contextlib.ExitStack() as queue:
            for _ in range(3):
                stuffing = queue.enter_context(socket.socket())
                stuffing.setblocking(False)
                stuffing.connect_ex((HOST, port))
            deadline = soon(0.3)
            with pytest.raises(ChannelTimeout, match=f"line cabin: {HOST}:{port} does not answer"):
                await open_tcp("cabin", HOST, port, None, deadline=deadline)
            assert asyncio.get_running_loop().time() < deadline + 2

    asyncio.run(run())


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "no such host", "256.256.256.256."])
def test_a_host_that_cannot_be_a_host_is_named(host: str) -> None:
    async def run() -> None:
        with pytest.raises(ChannelError, match=f"line cabin: {host}:4059"):
            await open_tcp("cabin", host, 4059, None, deadline=soon())

    asyncio.run(run())


# -- hanging up --------------------------------------------------------------------------------------------------------


def test_end_of_file_is_an_error_after_everything_was_received() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(IDENTIFICATION)

    async def run() -> None:
        async with connected(hang_up) as channel:
            await channel.send(SIGN_ON, deadline=soon())
            assert await receive_exactly(channel, len(IDENTIFICATION)) == IDENTIFICATION
            for _ in range(2):
                with pytest.raises(ChannelError, match=f"line cabin: {HOST}:.* closed the connection") as fault:
                    await channel.receive(deadline=soon())
                assert not isinstance(fault.value, ChannelTimeout)

    asyncio.run(run())


def test_a_reset_is_an_error() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        stream = writer.get_extra_info("socket")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def run() -> None:
        async with connected(reset) as channel:
            await channel.send(SIGN_ON, deadline=soon())
            with pytest.raises(ChannelError, match="line cabin") as fault:
                await channel.receive(deadline=soon())
            assert not isinstance(fault.value, ChannelTimeout)
            with pytest.raises(ChannelError, match="line cabin"):
                for _ in range(1000):
                    await channel.send(SIGN_ON, deadline=soon())

    asyncio.run(run())


def test_silence_ends_at_the_deadline_and_loses_nothing() -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"abc")
        await reader.read()

    async def run() -> None:
        async with connected(late) as channel:
            deadline = soon(0.05)
            with pytest.raises(ChannelTimeout, match="line cabin"):
                await channel.receive(deadline=deadline)
            assert asyncio.get_running_loop().time() < deadline + 2
            await channel.send(b"?", deadline=soon())
            assert await receive_exactly(channel, 3) == b"abc"

    asyncio.run(run())


def test_a_cancelled_receive_loses_no_byte() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(200):
            writer.write(f"{number},".encode())
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async def run() -> None:
        async with connected(drip) as channel:
            expected = b"".join(f"{number},".encode() for number in range(200))
            received = b""
            for turn in range(300):
                waiting = asyncio.create_task(channel.receive(deadline=soon()))
                for _ in range(turn % 7):
                    await asyncio.sleep(0)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    received += await waiting
            received += await receive_exactly(channel, len(expected) - len(received))
            assert received == expected

    asyncio.run(run())


def test_a_peer_that_takes_nothing_ends_at_the_deadline() -> None:
    async def deaf(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can read
        await released.wait()

    released = asyncio.Event()

    async def run() -> None:
        async with connected(deaf) as channel:
            with pytest.raises(ChannelTimeout, match=r"line cabin: .* takes no more data"):
                await channel.send(bytes(32 << 20), deadline=soon(0.2))
            released.set()

    asyncio.run(run())


def test_a_megabyte_arrives_whole() -> None:
    data = bytes(range(256)) * 4096

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read()

    async def run() -> None:
        async with connected(pour) as channel:
            assert await receive_exactly(channel, len(data)) == data

    asyncio.run(run())


# -- parity ------------------------------------------------------------------------------------------------------------


def test_7e1_is_parity_in_software() -> None:
    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == SIGN_ON_7E1
        writer.write(even(IDENTIFICATION) + b"\x80")
        await reader.read()

    async def run() -> None:
        async with connected(meter) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            assert await receive_exactly(channel, len(IDENTIFICATION) + 1) == IDENTIFICATION + b"\x00"
            assert channel.parity_errors == 1
            await channel.set_line(9600, Framing.E71, deadline=soon())
            assert channel.parity_errors == 1

    asyncio.run(run())


def test_a_line_fixed_to_8n1_has_no_parity_whatever_the_driver_asks() -> None:
    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == SIGN_ON
        writer.write(bytes(range(256)))
        await reader.read()

    async def run() -> None:
        async with connected(meter, Framing.N81) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            assert await receive_exactly(channel, 256) == bytes(range(256))
            assert channel.parity_errors == 0

    asyncio.run(run())


def test_parity_ends_when_the_framing_does() -> None:
    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == SIGN_ON_7E1
        assert await reader.readexactly(5) == SIGN_ON
        writer.write(b"\x7e\xa0\xff")
        await reader.read()

    async def run() -> None:
        async with connected(meter) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            await channel.set_line(9600, Framing.N81, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            assert await receive_exactly(channel, 3) == b"\x7e\xa0\xff"

    asyncio.run(run())


# -- closing -----------------------------------------------------------------------------------------------------------


def test_closing_twice_is_allowed_and_the_peer_sees_it() -> None:
    async def run() -> None:
        hung_up = asyncio.Event()

        async def peer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()
            hung_up.set()

        async with connected(peer) as channel:
            await channel.close()
            await channel.close()
            await asyncio.wait_for(hung_up.wait(), PATIENCE)
            with pytest.raises(ChannelError, match="line cabin"):
                await channel.receive(deadline=soon())
            with pytest.raises(ChannelError, match="line cabin"):
                for _ in range(100):
                    await channel.send(SIGN_ON, deadline=soon())

    asyncio.run(run())


def test_closing_never_waits_long_for_a_peer_that_takes_nothing() -> None:
    async def run() -> None:
        with listening() as (_, port):
            channel = await open_tcp("cabin", HOST, port, None, deadline=soon())
            with pytest.raises(ChannelTimeout):
                await channel.send(bytes(32 << 20), deadline=soon(0.1))
            before = asyncio.get_running_loop().time()
            await channel.close()
            assert asyncio.get_running_loop().time() - before < 3

    asyncio.run(run())


def test_no_byte_before_a_reset_is_lost() -> None:
    """The peer sends and breaks off before anybody has looked: a reader of asyncio would throw the bytes away."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with listening() as (server, port):
            channel = await open_tcp("cabin", HOST, port, None, deadline=soon())
            peer, _ = server.accept()
            peer.sendall(IDENTIFICATION)
            reader = channel._reader
            async with asyncio.timeout(PATIENCE):
                while len(reader._buffer) < len(IDENTIFICATION):  # type: ignore[attr-defined]  # no public view of it
                    await asyncio.sleep(0.001)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
                while not reader._eof:  # type: ignore[attr-defined]
                    await asyncio.sleep(0.001)
            assert await channel.receive(deadline=soon()) == IDENTIFICATION
            with pytest.raises(ChannelError, match="closed the connection"):
                await channel.receive(deadline=soon())
            with pytest.raises(ChannelError, match="closed the connection"):
                for _ in range(10):
                    await channel.send(SIGN_ON, deadline=loop.time() + 1)
            await channel.close()

    asyncio.run(run())
