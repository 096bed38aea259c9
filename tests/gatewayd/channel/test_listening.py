"""A TCP port on which meters call, with real sockets: whose connection it is, who takes whose place, what gets lost."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gatewayd.channel import Channel, Framing
from gatewayd.channel.callers import ANYBODY, Callers, plain
from gatewayd.channel.listening import CONNECTIONS, CallerChannel, ConnectionOver, TcpPort
from gatewayd.errors import ChannelError, ChannelTimeout
from tests.gatewayd.channel.pseudo_terminal import PATIENCE, soon

HERE = "127.0.0.1"
FIRST, SECOND, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.9"
TELEGRAM = b"/ESY5Q3DA\r\n\r\n1-0:1.8.0*255(1)\r\n!\r\n"


@contextlib.asynccontextmanager
async def listening(
    *, idle: float = 3600.0, framing: Framing | None = Framing.N81, single: bool = False
) -> AsyncIterator[TcpPort]:
    port = TcpPort("hes", HERE, 0, idle=idle, framing=framing, single=single)
    await port.open()
    try:
        yield port
    finally:
        await port.close()


async def calling(port: TcpPort, address: str = FIRST) -> socket.socket:
    """A connection from one of the addresses of loopback."""
    stream = socket.socket()
    stream.setblocking(False)
    stream.bind((address, 0))
    await asyncio.get_running_loop().sock_connect(stream, (HERE, port.number))
    return stream


async def say(stream: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(stream, data)


async def hung_up(stream: socket.socket) -> bool:
    """True as soon as the other side has closed the connection, without a word."""
    async with asyncio.timeout(PATIENCE):
        try:
            return await asyncio.get_running_loop().sock_recv(stream, 1) == b""
        except ConnectionResetError:
            return True


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop its time until the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


def reset(stream: socket.socket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


async def exactly(channel: Channel, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await channel.receive(deadline=soon())
    return data


async def to_its_end(channel: Channel) -> tuple[bytes, ChannelError]:
    """Everything that comes, and how the channel ends."""
    data = b""
    while True:
        try:
            data += await channel.receive(deadline=soon())
        except ChannelError as error:
            return data, error


# -- whose connection it is --------------------------------------------------------------------------------------------


def test_two_meters_on_one_port_are_told_apart_by_their_addresses() -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = [asyncio.create_task(port.next(peer)) for peer in (FIRST, SECOND)]
            await asyncio.sleep(0)
            second, first = await calling(port, SECOND), await calling(port, FIRST)
            await say(second, b"other")
            await say(first, b"first")
            channels = [await task for task in waiting]
            assert [await exactly(channel, 5) for channel in channels] == [b"first", b"other"]
            await channels[0].send(b"to the first", deadline=soon())
            assert await asyncio.get_running_loop().sock_recv(first, 100) == b"to the first"
            for channel in channels:
                await channel.close()
            assert await hung_up(first)
            first.close()
            second.close()

    asyncio.run(run())


def test_a_stranger_is_closed_at_once_and_named_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            for _ in range(3):
                stranger = await calling(port, STRANGER)
                assert await hung_up(stranger)
                stranger.close()
            meter = await calling(port, FIRST)
            channel = await waiting
            await channel.close()
            meter.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == [
        f"line hes: {HERE}:0: {STRANGER} is the peer of no meter on this line, and nothing is taken from it; "
        "`peer` names a meter's address"
    ]


def test_where_one_meter_is_alone_anybody_is_that_meter() -> None:
    async def run() -> None:
        async with listening() as port:
            meter = await calling(port, STRANGER)  # before anybody waits: nobody is expected yet
            assert await hung_up(meter)
            meter.close()
            waiting = asyncio.create_task(port.next(ANYBODY))
            await asyncio.sleep(0)
            meter = await calling(port, STRANGER)
            await say(meter, TELEGRAM)
            channel = await waiting
            assert await exactly(channel, len(TELEGRAM)) == TELEGRAM
            await channel.close()
            meter.close()

    asyncio.run(run())


def test_a_peer_may_be_the_name_of_a_host() -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next("localhost"))
            await until(lambda: port._callers.known(HERE) is not None)
            meter = await calling(port, HERE)
            channel = await waiting
            await channel.close()
            meter.close()

    asyncio.run(run())


def test_a_host_that_has_moved_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        addresses, asked, now = [FIRST], 0, loop.time()

        async def look_up(host: str, port: None, type: int) -> list[object]:
            nonlocal asked
            asked += 1
            assert host == "meter.example"
            return [(socket.AF_INET, type, 6, "", (address, 0)) for address in addresses]

        monkeypatch.setattr(loop, "getaddrinfo", look_up)
        monkeypatch.setattr(Callers, "_now", staticmethod(lambda: now))
        callers = Callers("line hes: port")
        await callers.expect("meter.example")
        assert (callers.known(FIRST), callers.known(SECOND)) == ("meter.example", None)
        assert await callers.identify(STRANGER) is None
        addresses = [SECOND]
        assert await callers.identify(SECOND) is None  # looked up a moment ago
        now += 61
        assert await callers.identify(SECOND) == "meter.example"
        assert callers.known(FIRST) is None
        addresses = []
        now += 61
        assert await callers.identify(STRANGER) is None
        assert callers.known(SECOND) == "meter.example", "a name server that knows nothing takes nothing away"
        assert asked == 4

    asyncio.run(run())


def test_hosts_that_have_changed_places_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are handed out anew: what one meter sends must not be archived as another's."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        addresses, now = {"one.example": FIRST, "two.example": SECOND}, loop.time()

        async def look_up(host: str, port: None, type: int) -> list[object]:
            return [(socket.AF_INET, type, 6, "", (addresses[host], 0))]

        monkeypatch.setattr(loop, "getaddrinfo", look_up)
        monkeypatch.setattr(Callers, "_now", staticmethod(lambda: now))
        callers = Callers("line hes: port")
        for host in (*addresses, HERE):
            await callers.expect(host)
        assert await callers.identify(FIRST) == "one.example"
        addresses = {"one.example": SECOND, "two.example": FIRST}
        now += 61
        assert not callers.may_have_moved(HERE), "an address that is configured is nobody else's"
        assert await callers.identify(FIRST) == "two.example"
        assert await callers.identify(SECOND) == "one.example"

    asyncio.run(run())


def test_what_is_remembered_and_told_of_strangers_is_bounded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over UDP anybody can come from any address."""
    now = 0.0
    monkeypatch.setattr(Callers, "_now", staticmethod(lambda: now))
    callers = Callers("line hes: port")
    for number in range(3000):
        callers.refuse(f"2001:db8::{number:x}")
    assert len(callers._strangers) == 1000
    assert len(caplog.records) == 1001
    assert caplog.records[-1].getMessage() == (
        "line hes: port: more than 1000 strangers call in an hour; no more of them are named"
    )
    now += 3600
    callers.refuse("2001:db8::1")
    assert len(callers._strangers) == 1
    assert "2001:db8::1 is the peer of no meter" in caplog.records[-1].getMessage()


def test_a_peer_is_known_however_its_address_is_written() -> None:
    async def run() -> None:
        callers = Callers("line hes: port")
        for peer in ("2001:DB8:0::1", "::ffff:192.0.2.20"):
            await callers.expect(peer)
        assert callers.known(plain("2001:db8::1")) == "2001:DB8:0::1"
        assert callers.known(plain("192.0.2.20")) == "::ffff:192.0.2.20"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "same"),
    [("::ffff:192.0.2.20", "192.0.2.20"), ("2001:DB8:0::1", "2001:db8::1"), ("192.0.2.20", "192.0.2.20")],
)
def test_an_address_has_one_spelling(address: str, same: str) -> None:
    assert plain(address) == same


# -- who takes whose place ---------------------------------------------------------------------------------------------


def test_a_newer_connection_takes_the_place_of_one_that_lost_its_link() -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            half_open = await calling(port)
            channel = await waiting
            await say(half_open, b"half a tele")
            assert await exactly(channel, 11) == b"half a tele"
            receiving = asyncio.create_task(channel.receive(deadline=soon(100)))
            await asyncio.sleep(0)
            again = await calling(port)
            with pytest.raises(ConnectionOver, match="a newer connection of the same peer has come"):
                await asyncio.wait_for(receiving, PATIENCE)
            await channel.close()
            newer = await port.next(FIRST)
            await say(again, TELEGRAM)
            assert await exactly(newer, len(TELEGRAM)) == TELEGRAM
            assert await hung_up(half_open)
            await newer.close()
            half_open.close()
            again.close()

    asyncio.run(run())


def test_what_had_come_before_the_newer_connection_is_handed_over() -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            old = await calling(port)
            channel = await waiting
            await say(old, TELEGRAM)
            new = await calling(port)
            data, end = await to_its_end(channel)
            assert (data, type(end)) == (TELEGRAM, ConnectionOver)
            await channel.close()
            old.close()
            new.close()

    asyncio.run(run())


def test_whoever_connects_again_and_again_keeps_two_connections(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            streams = [await calling(port)]
            channel = await waiting
            for number in range(1, 5):
                streams.append(await calling(port))
                await say(streams[-1], b"%d" % number)
            for unseen in streams[1:4]:
                assert await hung_up(unseen)
            await channel.close()
            latest = await port.next(FIRST)
            assert await exactly(latest, 1) == b"4"
            await latest.close()
            for stream in streams:
                stream.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    (told,) = (record.getMessage() for record in caplog.records)
    assert f"{FIRST} connects again and again" in told


def test_no_more_connections_than_a_line_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewayd.channel.listening.CONNECTIONS", 3)

    async def run() -> None:
        async with listening() as port:
            peers = [f"127.0.0.{number}" for number in range(10, 14)]
            waiting = [asyncio.create_task(port.next(peer)) for peer in peers]
            await asyncio.sleep(0)
            streams = [await calling(port, peer) for peer in peers]
            assert await hung_up(streams[3])
            channels = [await task for task in waiting[:3]]
            await channels[0].close()  # and there is room again
            fifth = await calling(port, peers[3])
            channels.append(await waiting[3])
            for channel in channels:
                await channel.close()
            for stream in (*streams, fifth):
                stream.close()

    asyncio.run(run())


def test_a_hundred_connections_at_once() -> None:
    async def run() -> None:
        assert CONNECTIONS >= 100
        async with listening() as port:
            peers = [f"127.0.1.{number}" for number in range(1, 101)]
            waiting = [asyncio.create_task(port.next(peer)) for peer in peers]
            await asyncio.sleep(0)
            streams = await asyncio.gather(*(calling(port, peer) for peer in peers))
            channels = await asyncio.gather(*waiting)
            for stream, peer in zip(streams, peers, strict=True):
                await say(stream, peer.encode().ljust(16))
            heard = await asyncio.gather(*(exactly(channel, 16) for channel in channels))
            assert [text.decode().strip() for text in heard] == peers
            for channel in channels:
                await channel.close()
            for stream in streams:
                stream.close()

    asyncio.run(run())


# -- how a connection ends ---------------------------------------------------------------------------------------------


def test_a_peer_that_hangs_up_has_said_everything() -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            meter = await calling(port)
            await say(meter, TELEGRAM)
            meter.close()
            data, end = await to_its_end(await waiting)
            assert (data, type(end)) == (TELEGRAM, ConnectionOver)
            assert str(end).startswith(f"line hes: {FIRST}:")

    asyncio.run(run())


def test_no_byte_before_a_reset_is_lost() -> None:
    """The reset comes before anybody has looked at the bytes."""

    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            meter = await calling(port)
            channel = await waiting
            await say(meter, TELEGRAM[:20])
            assert isinstance(channel, CallerChannel)
            reader: Any = channel._reader  # asyncio's own, which has no public view of what it holds
            await until(lambda: len(reader._buffer) == 20)
            reset(meter)
            await until(lambda: bool(reader._eof))
            data, end = await to_its_end(channel)
            assert (data, type(end)) == (TELEGRAM[:20], ConnectionOver)
            await channel.close()

    asyncio.run(run())


def test_a_connection_on_which_nothing_comes_is_over() -> None:
    async def run() -> None:
        async with listening(idle=0.2) as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            meter = await calling(port)
            channel = await waiting
            with pytest.raises(ChannelTimeout):
                await channel.receive(deadline=soon(0.05))
            await say(meter, b"1")
            assert await channel.receive(deadline=soon()) == b"1"
            since = asyncio.get_running_loop().time()
            data, end = await to_its_end(channel)
            assert (data, type(end)) == (b"", ConnectionOver)
            assert asyncio.get_running_loop().time() - since > 0.19
            assert "has said nothing for" in str(end)
            await channel.close()
            assert await hung_up(meter)
            meter.close()

    asyncio.run(run())


def test_byte_by_byte_is_not_idle() -> None:
    async def run() -> None:
        async with listening(idle=0.5) as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            meter = await calling(port)
            channel = await waiting
            heard = b""
            for byte in TELEGRAM:
                await say(meter, bytes((byte,)))
                heard += await channel.receive(deadline=soon())
            assert heard == TELEGRAM
            await channel.close()
            meter.close()

    asyncio.run(run())


def test_software_parity_follows_the_driver() -> None:
    async def run() -> None:
        async with listening(framing=None) as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            meter = await calling(port)
            channel = await waiting
            await channel.set_line(9600, Framing.E71, deadline=soon())
            await say(meter, b"\xaf\x3f\x21\x8d\x0a")
            assert await exactly(channel, 5) == b"/?!\r\n"
            await channel.close()
            meter.close()

    asyncio.run(run())


# -- the port ----------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_named() -> None:
    async def run() -> None:
        async with listening() as port:
            second = TcpPort("two", HERE, port.number)
            with pytest.raises(ChannelError, match=f"line two: {HERE}:{port.number} cannot be listened at: another"):
                await second.open()

    asyncio.run(run())


@pytest.mark.parametrize(("address", "family"), [(HERE, socket.AF_INET), ("::1", socket.AF_INET6)])
def test_all_addresses_are_those_of_both_families(address: str, family: socket.AddressFamily) -> None:
    """As at a UDP port, and as the check of the configuration says of :: and 0.0.0.0."""

    async def run() -> None:
        port = TcpPort("hes", "::", 0)
        await port.open()
        waiting = asyncio.create_task(port.next(address))
        await asyncio.sleep(0)
        with socket.socket(family) as meter:
            meter.setblocking(False)
            await asyncio.get_running_loop().sock_connect(meter, (address, port.number))
            await say(meter, TELEGRAM)
            assert await exactly(await waiting, len(TELEGRAM)) == TELEGRAM
            with pytest.raises(ChannelError, match="cannot be listened at: another process"):
                await TcpPort("two", "::", port.number).open()
        await port.close()

    asyncio.run(run())


def test_an_address_that_this_machine_does_not_have_is_named() -> None:
    async def run() -> None:
        with pytest.raises(ChannelError, match=r"line hes: 192\.0\.2\.5:4059 .* does not have that address"):
            await TcpPort("hes", "192.0.2.5", 4059).open()

    asyncio.run(run())


def test_nobody_calls_in_time() -> None:
    async def run() -> None:
        port = TcpPort("hes", HERE, 0, single=True)
        with pytest.raises(ChannelTimeout, match=f"{FIRST} has not called within 0 s; does the meter push to this"):
            await port.next(FIRST, 0.05)
        assert port._server is None

    asyncio.run(run())


def test_a_single_port_closes_with_its_channel() -> None:
    async def run() -> None:
        async with listening(single=True) as port:
            number = port.number
            waiting = asyncio.create_task(port.next(FIRST, PATIENCE))
            await asyncio.sleep(0)
            meter = await calling(port)
            channel = await waiting
            await say(meter, TELEGRAM)
            assert await exactly(channel, len(TELEGRAM)) == TELEGRAM
            await channel.close()
            await channel.close()
            meter.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(HERE, number)

    asyncio.run(run())


def test_a_single_port_is_not_closed_by_a_connection_that_nobody_took() -> None:
    async def run() -> None:
        async with listening(single=True) as port:
            waiting = asyncio.create_task(port.next(FIRST, PATIENCE))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait({waiting})
            first = await calling(port)
            await until(lambda: port._desks[FIRST]._waiting is not None)
            second = await calling(port)
            assert await hung_up(first)
            await say(second, TELEGRAM)
            channel = await port.next(FIRST, PATIENCE)
            assert await exactly(channel, len(TELEGRAM)) == TELEGRAM
            await channel.close()
            first.close()
            second.close()

    asyncio.run(run())


def test_closing_leaves_what_was_handed_out() -> None:
    async def run() -> None:
        async with listening() as port:
            waiting = asyncio.create_task(port.next(FIRST))
            await asyncio.sleep(0)
            meter = await calling(port)
            channel = await waiting
            again = await calling(port)
            await until(lambda: port._desks[FIRST]._waiting is not None)
            await port.close()
            assert await hung_up(again)
            await say(meter, TELEGRAM)
            assert await exactly(channel, len(TELEGRAM)) == TELEGRAM
            await channel.close()
            meter.close()
            again.close()

    asyncio.run(run())
