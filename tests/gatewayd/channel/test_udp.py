"""A UDP port on which meters push, with real sockets on loopback."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from gatewayd.channel import Channel, Framing
from gatewayd.channel.callers import ANYBODY
from gatewayd.channel.udp import DATAGRAMS, UdpPort
from gatewayd.errors import ChannelError, ChannelTimeout
from tests.gatewayd.channel.pseudo_terminal import PATIENCE, soon

HERE = "127.0.0.1"
FIRST, SECOND, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.9"


@contextlib.asynccontextmanager
async def listening(*, single: bool = False) -> AsyncIterator[UdpPort]:
    port = UdpPort("hes", HERE, 0, single=single)
    await port.open()
    try:
        yield port
    finally:
        await port.close()


@contextlib.contextmanager
def meter(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.bind((address, 0))
        stream.settimeout(PATIENCE)
        yield stream


async def waiting(port: UdpPort, peer: str) -> "asyncio.Task[Channel]":
    """Somebody who waits for this peer."""
    task = asyncio.create_task(port.next(peer))
    async with asyncio.timeout(PATIENCE):
        while peer not in port._callers._expected:
            await asyncio.sleep(0)
    return task


async def received(channel: Channel, count: int) -> list[bytes]:
    return [await channel.receive(deadline=soon()) for _ in range(count)]


def test_datagrams_of_two_peers_do_not_mix() -> None:
    async def run() -> None:
        async with listening() as port:
            with meter(FIRST) as first, meter(SECOND) as second:
                tasks = [await waiting(port, FIRST), await waiting(port, SECOND)]
                for number in range(5):
                    first.sendto(b"first %d" % number, (HERE, port.number))
                    second.sendto(b"second %d" % number, (HERE, port.number))
                one, two = [await task for task in tasks]
                assert await received(two, 5) == [b"second %d" % number for number in range(5)]
                assert await received(one, 5) == [b"first %d" % number for number in range(5)]
                await one.send(b"to the first", deadline=soon())
                assert first.recv(100) == b"to the first"
                await one.close()
                with pytest.raises(ChannelError):
                    await one.send(b"", deadline=soon())
                with pytest.raises(ChannelError):
                    await one.receive(deadline=soon())

    asyncio.run(run())


def test_the_port_of_a_peer_may_change() -> None:
    async def run() -> None:
        async with listening() as port:
            task = await waiting(port, FIRST)
            for text in (b"one", b"two"):
                with meter(FIRST) as stream:
                    stream.sendto(text, (HERE, port.number))
            assert await received(await task, 2) == [b"one", b"two"]

    asyncio.run(run())


def test_a_stranger_is_dropped_and_never_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with listening() as port:
            task = await waiting(port, FIRST)
            with meter(STRANGER) as stranger, meter(FIRST) as known:
                for _ in range(3):
                    stranger.sendto(b"stranger", (HERE, port.number))
                known.sendto(b"", (HERE, port.number))  # says nothing
                known.sendto(b"known", (HERE, port.number))
                channel = await task
                assert await received(channel, 1) == [b"known"]
                with pytest.raises(ChannelTimeout):
                    await channel.receive(deadline=soon(0.05))
                stranger.setblocking(False)
                with pytest.raises(BlockingIOError):
                    stranger.recv(1)

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.startswith(f"line hes: {HERE}:0/udp: {STRANGER} is the peer of no meter")


def test_where_one_meter_is_alone_anybody_is_that_meter() -> None:
    async def run() -> None:
        async with listening() as port:
            task = await waiting(port, ANYBODY)
            with meter(FIRST) as first, meter(SECOND) as second:
                first.sendto(b"one", (HERE, port.number))
                second.sendto(b"two", (HERE, port.number))
                assert await received(await task, 2) == [b"one", b"two"]

    asyncio.run(run())


def test_what_waits_is_not_lost_with_a_channel() -> None:
    async def run() -> None:
        async with listening() as port:
            task = await waiting(port, FIRST)
            with meter(FIRST) as stream:
                for text in (b"one", b"two", b"three"):
                    stream.sendto(text, (HERE, port.number))
                channel = await task
                assert await received(channel, 1) == [b"one"]
                await channel.close()
                assert await received(await port.next(FIRST), 2) == [b"two", b"three"]

    asyncio.run(run())


@pytest.mark.parametrize(("size", "kept"), [(1, DATAGRAMS), (8192, 32)])
def test_more_than_may_wait_is_an_error_behind_what_does(
    size: int, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with listening() as port:
            task = await waiting(port, FIRST)
            with meter(FIRST) as stream:
                for number in range(kept + 3):
                    stream.sendto(bytes((number,)) * size, (HERE, port.number))
                    await asyncio.sleep(0.001)  # the kernel's buffer is not what is tested
                channel = await task
                assert [data[0] for data in await received(channel, kept)] == list(range(kept))
                with pytest.raises(ChannelError, match="3 datagrams came faster than they were taken and are lost"):
                    await channel.receive(deadline=soon())
                stream.sendto(b"after", (HERE, port.number))
                assert await received(channel, 1) == [b"after"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert [FIRST in record.getMessage() for record in caplog.records] == [True]


def test_a_port_that_is_taken_and_a_meter_that_does_not_push_are_named() -> None:
    async def run() -> None:
        async with listening() as port:
            with pytest.raises(
                ChannelError, match=f"line two: {HERE}:{port.number}/udp cannot be listened at: another"
            ):
                await UdpPort("two", HERE, port.number).open()
        single = UdpPort("hes", HERE, 0, single=True)
        with pytest.raises(ChannelTimeout, match="nobody has called within 0 s"):
            await single.next(ANYBODY, 0.05)
        assert single._transport is None

    asyncio.run(run())


def test_a_single_port_closes_with_its_channel() -> None:
    async def run() -> None:
        async with listening(single=True) as port:
            task = await waiting(port, ANYBODY)
            with meter(FIRST) as stream:
                stream.sendto(b"one", (HERE, port.number))
                channel = await task
                await channel.set_line(9600, Framing.N81, deadline=soon())
                assert channel.parity_errors == 0
                assert await received(channel, 1) == [b"one"]
                await channel.close()
            assert port._transport is None

    asyncio.run(run())
