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
