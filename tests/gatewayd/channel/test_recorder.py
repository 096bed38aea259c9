"""The recorder: everything received, nothing sent."""

import asyncio

import pytest

from gatewayd.channel import Channel, Framing
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.errors import ChannelTimeout


class Line:
    """A channel that delivers what it was given, then nothing."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.calls: list[object] = []
        self.parity_errors = 7

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        self.calls.append(("send", data, deadline))

    async def receive(self, *, deadline: float) -> bytes:
        if not self.chunks:
            raise ChannelTimeout("nothing")
        return self.chunks.pop(0)

    async def rest(self, seconds: float) -> None:
        pass

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        self.calls.append(("set_line", baud, framing, deadline))

    async def close(self) -> None:
        self.calls.append("close")


def test_what_was_received_is_kept_once() -> None:
    async def run() -> None:
        channel = RecordingChannel(Line(b"/ABC5\r\n", b"\x02", b"1.8.0"))
        assert await channel.receive(deadline=0) == b"/ABC5\r\n"
        assert await channel.receive(deadline=0) == b"\x02"
        assert (channel.waiting, channel.take(), channel.waiting) == (True, b"/ABC5\r\n\x02", False)
        assert channel.take() == b""
        assert await channel.receive(deadline=0) == b"1.8.0"
        with pytest.raises(ChannelTimeout):
            await channel.receive(deadline=0)
        assert channel.take() == b"1.8.0"
        assert channel.total == 13

    asyncio.run(run())


def test_what_came_behind_an_exchange_stays_for_the_next() -> None:
    async def run() -> None:
        channel = RecordingChannel(Line(b"first second ", b"third"))
        await channel.receive(deadline=0)
        assert (channel.take(behind=7), channel.waiting) == (b"first ", True)
        await channel.receive(deadline=0)
        assert channel.take(behind=99) == b""
        assert (channel.take(behind=5), channel.take(), channel.waiting) == (b"second ", b"third", False)

    asyncio.run(run())


def test_what_is_sent_passes_through_and_is_not_kept() -> None:
    async def run() -> None:
        line = Line()
        channel: Channel = RecordingChannel(line)
        await channel.send(b"P1 (secret)", deadline=1.5)
        await channel.set_line(9600, Framing.E71, deadline=2.5)
        await channel.close()
        assert line.calls == [("send", b"P1 (secret)", 1.5), ("set_line", 9600, Framing.E71, 2.5), "close"]
        assert channel.parity_errors == 7
        assert isinstance(channel, RecordingChannel)
        assert not channel.waiting

    asyncio.run(run())


def test_of_the_echo_of_a_secret_only_asterisks_are_kept() -> None:
    async def run() -> None:
        password = b"\x01P1\x02(12345678)\x03\x61"
        channel = RecordingChannel(Line(b"\x01P1\x02(1234", b"5678)\x03\x61\x06", b"\x021.8.0(12345678)"))
        await channel.send(password, deadline=1, secret=True)
        for _ in range(3):
            await channel.receive(deadline=0)
        # The meter's own digits are not the password, though they look like it.
        assert channel.take() == b"*" * len(password) + b"\x06\x021.8.0(12345678)"

    asyncio.run(run())


PASSWORD = b"\x01P1\x02(73914628)\x03a"


def kept(*chunks: bytes, taken: int = 0) -> bytes:
    """What the archive gets of an echo that comes in these pieces; also taken after `taken` of them."""

    async def run() -> bytes:
        channel, data = RecordingChannel(Line(*chunks)), b""
        await channel.send(PASSWORD, deadline=1, secret=True)
        for number in range(1, len(chunks) + 1):
            await channel.receive(deadline=0)
            assert channel.waiting
            if number == taken:
                data += channel.take()
        return data + channel.take()

    return asyncio.run(run())


def test_a_garbled_echo_of_a_secret_is_not_kept() -> None:
    for place in range(len(PASSWORD)):
        for echo in (PASSWORD[:place] + b"?" + PASSWORD[place + 1 :], PASSWORD[:place] + PASSWORD[place + 1 :]):
            data = kept(echo + b"\x06")
            assert len(data) == len(echo) + 1
            assert not any(PASSWORD[n : n + 2] in data for n in range(5, 12)), echo


def test_an_echo_with_parity_is_not_kept() -> None:
    even = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in PASSWORD)
    assert kept(even + b"\x06") == b"*" * len(PASSWORD) + b"\x06"


def test_an_echo_that_is_cut_off_by_the_end_of_an_exchange_is_not_kept() -> None:
    assert kept(PASSWORD[:10]) == b"*" * 10
    assert kept(PASSWORD[:10], PASSWORD[10:], b"\x06", taken=1) == b"*" * len(PASSWORD) + b"\x06"


def test_what_the_meter_sends_after_the_next_message_is_kept_as_it_is() -> None:
    async def run() -> None:
        data = b"\x020.0.0(73914628)\r\nP1\x02(7391\x03\x01"
        channel = RecordingChannel(Line(b"\x06", data))
        await channel.send(PASSWORD, deadline=1, secret=True)
        await channel.receive(deadline=0)
        await channel.send(b"\x01R5\x020.0.0()\x03\x10", deadline=1)
        await channel.receive(deadline=0)
        assert channel.take() == b"\x06" + data

    asyncio.run(run())


def test_the_rest_of_an_echo_is_not_looked_for_after_the_next_message() -> None:
    async def run() -> None:
        data = b"\x02C.1.0(99628)\x03a"
        channel = RecordingChannel(Line(PASSWORD[:12], data))
        await channel.send(PASSWORD, deadline=1, secret=True)
        await channel.receive(deadline=0)
        await channel.send(b"\x15", deadline=1)
        await channel.receive(deadline=0)
        assert channel.take() == b"*" * 12 + data

    asyncio.run(run())
