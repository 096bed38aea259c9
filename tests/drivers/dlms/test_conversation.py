"""The loop between a transport and a channel, and the way out of it, by whatever way: cancellation is tried at every
await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from drivers.dlms.conversation import Conversation
from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import LinkSettings, State
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.transport import Transport
from drivers.dlms.wire.wrapper_link import WrapperLink
from gatewayd.errors import ChannelError, MeterSilent, ProtocolError
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.hdlc_conversation import DISC, SNRM
from tests.drivers.dlms.talking import Apdus, HdlcMeter, Meter, TalkingChannel, WrapperMeter


def hdlc() -> Link:
    return Link(address(16), address(1), LinkSettings(response_timeout=2.0))


def wrapper() -> WrapperLink:
    return WrapperLink(16, 1, LinkSettings(response_timeout=2.0))


def doubled(apdu: bytes) -> list[bytes]:
    return [apdu * 2]


def twice(apdu: bytes) -> list[bytes]:
    return [apdu, b"\x0f" + apdu]


async def talk(channel: TalkingChannel, transport: Transport, rest: float = 0.0) -> list[bytes]:
    async with Conversation(channel, transport, rest) as conversation:
        await conversation.connect()
        answers = [await conversation.exchange(apdu, secret) for apdu, secret in ((b"\xc0", False), (b"\x60pw", True))]
        await conversation.disconnect()
        return answers


WAYS: dict[str, tuple[Callable[[], Transport], Callable[[Apdus], Meter]]] = {
    "hdlc": (hdlc, HdlcMeter),
    "wrapper": (wrapper, WrapperMeter),
}
both_ways = pytest.mark.parametrize("way", list(WAYS))


@both_ways
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_apdus_go_out_and_come_in(way: str, chunk: int) -> None:
    transport, meter = WAYS[way]
    channel = TalkingChannel(meter(doubled), chunk=chunk)
    assert asyncio.run(talk(channel, transport())) == [b"\xc0\xc0", b"\x60pw\x60pw"]
    assert [b"pw" in data for data in channel.log].count(True) == 1
    # What goes out behind it goes with it: nobody has said yet that the password was accepted.
    (secret,) = [data for data in channel.log if b"pw" in data]
    assert channel.secrets == channel.log[channel.log.index(secret) :]


@both_ways
def test_more_than_one_answer_is_listened_to(way: str) -> None:
    transport, meter = WAYS[way]

    async def run() -> tuple[bytes, bytes]:
        async with Conversation(TalkingChannel(meter(twice)), transport()) as conversation:
            await conversation.connect()
            return await conversation.exchange(b"\xc0"), await conversation.listen()

    assert asyncio.run(run()) == (b"\xc0", b"\x0f\xc0")


def test_long_answers_come_in_segments() -> None:
    answer = bytes(range(256)) * 4

    async def run() -> bytes:
        channel = TalkingChannel(HdlcMeter(lambda apdu: [answer]), chunk=50)
        async with Conversation(channel, hdlc(), rest=0.02) as conversation:
            await conversation.connect()
            assert conversation.connected
            received = await conversation.exchange(b"\xc0")
        assert set(channel.rests) == {0.02}
        return received

    assert asyncio.run(run()) == answer


def test_a_line_is_left_alone_only_in_the_middle_of_an_answer() -> None:
    channel = TalkingChannel(WrapperMeter(doubled))
    asyncio.run(talk(channel, wrapper(), rest=0.02))
    assert channel.rests == []


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_a_taken_down_link_is_left_without_a_word() -> None:
    channel = TalkingChannel(HdlcMeter(doubled))
    asyncio.run(talk(channel, hdlc()))
    assert channel.log.count(DISC) == 1
    assert channel.log[0] == SNRM


def test_who_just_leaves_says_so() -> None:
    async def run(channel: TalkingChannel) -> None:
        async with Conversation(channel, hdlc()) as conversation:
            await conversation.connect()
            await conversation.exchange(b"\xc0")

    channel = TalkingChannel(HdlcMeter(doubled))
    asyncio.run(run(channel))
    assert channel.log[-1] == DISC
    assert not channel._coming  # its word to DISC is heard, and not by whoever is asked next


@pytest.mark.parametrize("error", [ValueError("a defect"), ProtocolError("wrong"), MeterSilent("silent")], ids=repr)
def test_whatever_went_wrong_the_meter_is_told(error: Exception) -> None:
    async def run(channel: TalkingChannel) -> None:
        async with Conversation(channel, hdlc()) as conversation:
            await conversation.connect()
            raise error

    channel = TalkingChannel(HdlcMeter(doubled))
    with pytest.raises(type(error)) as caught:
        asyncio.run(run(channel))
    assert caught.value is error
    assert channel.log[-1] == DISC


def test_a_silent_meter_is_told_as_well_and_its_silence_is_the_error() -> None:
    channel = TalkingChannel(HdlcMeter(lambda apdu: []))
    with pytest.raises(MeterSilent):
        asyncio.run(talk(channel, hdlc()))
    assert len(channel.log) == 1 + 3 + 1
    assert channel.log[-1] == DISC


def test_on_a_line_that_has_failed_nothing_is_said() -> None:
    async def run(channel: TalkingChannel) -> None:
        async with Conversation(channel, hdlc()) as conversation:
            await conversation.connect()
            channel.broken = ChannelError("line bus: the port vanished")
            channel.awaits = 0
            await conversation.exchange(b"\xc0")

    channel = TalkingChannel(HdlcMeter(doubled))
    with pytest.raises(ChannelError, match="vanished"):
        asyncio.run(run(channel))
    assert channel.log == [SNRM]
    assert channel.awaits == 1  # and nothing is tried


def test_a_line_that_fails_while_leaving_hides_no_error() -> None:
    async def run(channel: TalkingChannel) -> None:
        async with Conversation(channel, hdlc()) as conversation:
            await conversation.connect()
            channel.broken = ChannelError("line bus: the port vanished")
            raise ProtocolError("the first error")

    with pytest.raises(ProtocolError, match="the first error"):
        asyncio.run(run(TalkingChannel(HdlcMeter(doubled))))


def test_cancellation_leaves_an_hdlc_line_usable_from_every_await() -> None:
    """The last word on the line is DISC, and a meter that was asked has been heard out before."""
    answer = bytes(300)
    for cancel in range(1, 100):
        channel = TalkingChannel(HdlcMeter(lambda apdu: [answer]), cancel=cancel, chunk=40)
        try:
            asyncio.run(talk(channel, hdlc()))
        except asyncio.CancelledError:
            assert not channel.log or channel.log[-1] == DISC, cancel
            if len(channel.log) > 1:
                whole = b"".join(data for data in channel._coming if isinstance(data, bytes))
                assert whole == b"" or whole == frame("21 03 73"), cancel
            continue
        assert channel.awaits < cancel
        break
    else:
        raise AssertionError("the session never ends")


def test_cancellation_over_the_wrapper_waits_for_nothing() -> None:
    for cancel in range(1, 6):
        channel = TalkingChannel(WrapperMeter(doubled), cancel=cancel)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(talk(channel, wrapper()) if cancel < 5 else stay(channel))
        assert channel.awaits == min(cancel, 5)


async def stay(channel: TalkingChannel) -> None:
    async with Conversation(channel, wrapper()) as conversation:
        await conversation.connect()
        while True:
            await conversation.exchange(b"\xc0")


def test_a_second_cancellation_does_not_cut_the_way_out_short() -> None:
    told: list[bytes] = []

    class Slow(TalkingChannel):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            if data == DISC:
                tasks[0].cancel()
                await asyncio.sleep(0)
            await super().send(data, deadline=deadline, secret=secret)
            told.append(data)

    async def run() -> None:
        tasks.append(asyncio.create_task(talk(Slow(HdlcMeter(doubled), cancel=3), hdlc())))
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]

    tasks: list[asyncio.Task[Any]] = []
    asyncio.run(run())
    assert told[-1] == DISC


def test_a_cancellation_on_the_way_out_is_passed_on() -> None:
    class Slow(TalkingChannel):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            if data == DISC:
                tasks[0].cancel()
                await asyncio.sleep(0)
            await super().send(data, deadline=deadline, secret=secret)

    async def leave() -> None:
        async with Conversation(channel, hdlc()) as conversation:
            await conversation.connect()

    async def run() -> None:
        tasks.append(asyncio.create_task(leave()))
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]

    channel = Slow(HdlcMeter(doubled))
    tasks: list[asyncio.Task[Any]] = []
    asyncio.run(run())
    assert channel.log[-1] == DISC


def test_the_way_out_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.dlms.conversation.LEAVE_TIMEOUT", 0.01)

    class Stuck(TalkingChannel):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            if data == DISC:
                await asyncio.Event().wait()
            await super().send(data, deadline=deadline, secret=secret)

    async def run() -> None:
        async with Conversation(Stuck(HdlcMeter(doubled)), hdlc()) as conversation:
            await conversation.connect()
            raise ProtocolError("the first error")

    with pytest.raises(ProtocolError, match="the first error"):
        asyncio.run(run())


# -- listening on an HDLC link -----------------------------------------------------------------------------------------


def test_listening_polls_until_there_is_something() -> None:
    """The next APDU of the meter comes when it is polled with RR (IEC 62056-46 6.4.4.4.5)."""
    link = hdlc()
    link.start(0.0)
    link.feed(frame("21 03 73"), 0.1)
    link.send(b"\xc0", 1.0)
    link.feed(frame("21 03 30", b"\xe6\xe7\x00\x0f"), 1.1)
    actions = link.listen(2.0)
    assert link.state is State.ANSWERING
    assert getattr(actions[0], "data", b"") == frame("03 21 31")
    link.feed(frame("21 03 31"), 2.1)  # nothing yet: polled again after the pause
    assert getattr(link.expired(3.0)[0], "data", b"") == frame("03 21 31")
    (event,) = link.feed(frame("21 03 32", b"\xe6\xe7\x00\xc4"), 3.1)
    assert getattr(event, "apdu", b"") == b"\xc4"
    with pytest.raises(ValueError, match="NEW"):
        hdlc().listen(0.0)
