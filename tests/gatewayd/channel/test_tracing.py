"""A trace: all that happens, in order; whoever is slow loses, and never the line."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gatewayd.channel import Framing
from gatewayd.channel.tracing import Subscription, Tap, Traced, TracingChannel, What
from gatewayd.errors import ChannelError, ChannelTimeout
from tests.gatewayd.doubles import ScriptedChannel, TestClock

PASSWORD = b"\x01P1\x02(12345678)\x03a"


def events(subscription: Subscription) -> list[tuple[What, str]]:
    """What has been told so far, bytes as text with asterisks for what is hidden."""
    told = []
    while (event := subscription.get_nowait()) is not None:
        told.append((event.what, event.text or "".join("*" if b is None else chr(b) for b in event.data)))
    return told


def trace(script: list[bytes | Exception], work: Callable[[TracingChannel], Awaitable[None]]) -> list[tuple[What, str]]:
    async def main() -> list[tuple[What, str]]:
        tap = Tap("optical", TestClock())
        with tap.subscribe() as subscription:
            await work(TracingChannel(ScriptedChannel(script), tap))
            return events(subscription)

    return asyncio.run(main())


def test_both_directions_and_the_line() -> None:
    async def work(channel: TracingChannel) -> None:
        await channel.set_line(300, Framing.E71, deadline=0)
        await channel.send(b"/?!\r\n", deadline=0)
        assert await channel.receive(deadline=0) == b"/SIM5\r\n"
        await channel.close()
        await channel.close()

    assert trace([b"/SIM5\r\n"], work) == [
        (What.SET, "300 7E1"),
        (What.SENT, "/?!\r\n"),
        (What.RECEIVED, "/SIM5\r\n"),
        (What.CLOSED, ""),
    ]


def test_a_secret_and_its_echo() -> None:
    async def work(channel: TracingChannel) -> None:
        await channel.send(PASSWORD, deadline=0, secret=True)
        got = b"".join([await channel.receive(deadline=0) for _ in range(3)])
        assert got == PASSWORD + b"\x06", "the driver sees every byte at once"
        await channel.send(b"\x01R5", deadline=0)

    told = trace([PASSWORD[:4], PASSWORD[4:], b"\x06"], work)
    assert told[0] == (What.SENT, "*" * len(PASSWORD))
    assert "".join(text for what, text in told if what is What.RECEIVED) == "*" * len(PASSWORD) + "\x06"
    assert told[-1] == (What.SENT, "\x01R5")


def test_what_is_held_back_keeps_its_time() -> None:
    async def main() -> list[Traced]:
        clock = TestClock()
        tap = Tap("optical", clock)
        channel = TracingChannel(ScriptedChannel([b"\x06"]), tap)
        with tap.subscribe() as subscription:
            await channel.send(PASSWORD, deadline=0, secret=True)
            await channel.receive(deadline=0)
            clock.advance(60)
            await channel.close()
            return [await subscription.get() for _ in range(3)]

    sent, received, closed = asyncio.run(main())
    assert (received.at - sent.at).total_seconds() < 60
    assert (closed.at - received.at).total_seconds() > 60


@pytest.mark.parametrize("end", ["timeout", "send", "set", "close", "fault"])
def test_what_is_held_back_comes_before_what_happens_next(end: str) -> None:
    async def work(channel: TracingChannel) -> None:
        await channel.send(PASSWORD, deadline=0, secret=True)
        await channel.receive(deadline=0)
        match end:
            case "timeout":
                with pytest.raises(ChannelTimeout):
                    await channel.receive(deadline=0)
            case "send":
                await channel.send(b"x", deadline=0)
            case "set":
                await channel.set_line(300, Framing.E71, deadline=0)
            case "close":
                await channel.close()
            case "fault":
                with pytest.raises(ChannelError):
                    await channel.receive(deadline=0)

    told = trace([b"\x06", ChannelTimeout("late") if end == "timeout" else ChannelError("unplugged")], work)
    assert told[1] == (What.RECEIVED, "\x06")
    last = {"timeout": [], "send": [(What.SENT, "x")], "set": [(What.SET, "300 7E1")], "close": [(What.CLOSED, "")]}
    assert told[2:] == last.get(end, [(What.FAULT, "unplugged")])


def test_a_secret_that_was_sent_before_anybody_looked() -> None:
    async def main() -> list[tuple[What, str]]:
        tap = Tap("optical", TestClock())
        channel = TracingChannel(ScriptedChannel([PASSWORD]), tap)
        await channel.send(PASSWORD, deadline=0, secret=True)
        with tap.subscribe() as subscription:
            await channel.receive(deadline=0)
            return events(subscription)

    assert asyncio.run(main()) == [(What.RECEIVED, "*" * len(PASSWORD))]


def test_the_pin_and_the_number_of_a_modem() -> None:
    async def work(channel: TracingChannel) -> None:
        for command in (b'AT+CPIN="1234"\r', b"ATD+420601123489\r"):
            await channel.send(command, deadline=0)
            await channel.receive(deadline=0)

    told = trace([b'AT+CPIN="1234"\r\r\nOK\r\n', b"ATD+420601123489\r\r\nCONNECT\r\n"], work)
    assert [text for _, text in told] == [
        'AT+CPIN="*****\r',
        'AT+CPIN="*****\r\r\nOK\r\n',
        "ATD*************\r",
        "ATD*************\r\r\nCONNECT\r\n",
    ]


def test_a_muted_channel_tells_nothing() -> None:
    async def work(channel: TracingChannel) -> None:
        channel.mute(True)
        await channel.send(b"a", deadline=0)
        await channel.receive(deadline=0)
        await channel.set_line(300, Framing.E71, deadline=0)
        channel.mute(False)
        await channel.send(b"c", deadline=0)

    assert trace([b"b"], work) == [(What.SENT, "c")]


def test_a_slow_subscriber_loses_and_is_told_how_many() -> None:
    tap = Tap("optical", TestClock())
    with tap.subscribe(limit=2) as slow, tap.subscribe() as quick:
        for number in range(5):
            tap.put(What.SENT, (0x30 + number,))
        assert events(quick) == [(What.SENT, str(number)) for number in range(5)]
        first = slow.get_nowait()
        tap.put(What.SENT, (0x39,))
        assert first is not None
        assert events(slow)[:3] == [
            (What.SENT, "1"),
            (What.LOST, "3 events lost: they came faster than they were read"),
            (What.SENT, "9"),
        ]


def test_losses_at_the_end_are_told_too() -> None:
    tap = Tap("optical", TestClock())
    with tap.subscribe(limit=1) as slow:
        tap.put(What.SENT, (1,))
        tap.put(What.SENT, (2,))
        assert [what for what, _ in events(slow)] == [What.SENT, What.LOST]
        assert slow.get_nowait() is None


def test_nobody_is_told_without_a_subscription() -> None:
    clock = TestClock()
    before = clock.now
    tap = Tap("optical", clock)
    tap.put(What.SENT, (1,))
    with tap.subscribe() as subscription:
        watched = tap.watched
        assert subscription.get_nowait() is None
    assert (watched, tap.watched) == (True, False)
    tap.put(What.SENT, (1,))
    assert clock.now == before, "not even the clock is read"


def test_get_waits_for_the_next_event() -> None:
    async def main() -> Traced:
        tap = Tap("optical", TestClock())
        with tap.subscribe() as subscription:
            waiting = asyncio.create_task(subscription.get())
            await asyncio.sleep(0)
            assert not waiting.done()
            tap.put(What.OPENED)
            return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(main()).what is What.OPENED


def test_a_call_over_a_modem_is_told_once() -> None:
    """The dialogue before and after the call from below, the call itself from above."""

    async def main() -> list[tuple[What, str]]:
        tap = Tap("gsm", TestClock())
        with tap.subscribe() as subscription:
            dialogue = TracingChannel(ScriptedChannel([b"CONNECT\r\n", b"/SIM5\r\n", b"OK\r\n"]), tap)
            await dialogue.send(b"AT\r", deadline=0)
            await dialogue.receive(deadline=0)
            call = TracingChannel(Call(dialogue), tap, dialogue)
            await call.send(PASSWORD, deadline=0, secret=True)
            await call.receive(deadline=0)
            await call.close()
            await call.close()
            return events(subscription)

    assert asyncio.run(main()) == [
        (What.SENT, "AT\r"),
        (What.RECEIVED, "CONNECT\r\n"),
        (What.SENT, "*" * len(PASSWORD)),
        (What.RECEIVED, "/SIM5\r\n"),
        (What.SENT, "ATH\r"),
        (What.RECEIVED, "OK\r\n"),
        (What.CLOSED, ""),
    ]


class Call(ScriptedChannel):
    """Hands everything to the channel to its modem, and hangs up when it is closed."""

    def __init__(self, modem: TracingChannel) -> None:
        super().__init__()
        self._modem = modem

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        await self._modem.send(data, deadline=deadline)

    async def receive(self, *, deadline: float) -> bytes:
        return await self._modem.receive(deadline=deadline)

    async def close(self) -> None:
        if not self.closed:
            await self._modem.send(b"ATH\r", deadline=0)
            await self._modem.receive(deadline=0)
            await self._modem.close()
        self.closed += 1


@pytest.mark.parametrize("seen", range(1, len(PASSWORD)))
def test_who_begins_to_look_on_amid_an_echo_does_not_see_the_rest_of_it(seen: int) -> None:
    async def main() -> list[tuple[What, str]]:
        tap = Tap("optical", TestClock())
        channel = TracingChannel(ScriptedChannel([PASSWORD[:seen], PASSWORD[seen:] + b"\x06"]), tap)
        await channel.send(PASSWORD, deadline=0, secret=True)
        await channel.receive(deadline=0)
        with tap.subscribe() as subscription:
            await channel.receive(deadline=0)
            await channel.close()
            return events(subscription)

    told = asyncio.run(main())
    shown = "".join(text for what, text in told if what is What.RECEIVED)
    assert not any(digit in shown for digit in "12345678")
    assert shown.endswith("*\x06")


def test_the_rest_of_an_echo_is_not_looked_for_after_our_next_message() -> None:
    async def work(channel: TracingChannel) -> None:
        await channel.send(PASSWORD, deadline=0, secret=True)
        await channel.receive(deadline=0)
        await channel.send(b"\x15", deadline=0)
        await channel.receive(deadline=0)
        await channel.close()

    told = trace([PASSWORD[:12], b"\x02C.1.0(99678)\x03a"], work)
    assert [text for what, text in told if what is What.RECEIVED] == ["*" * 12, "\x02C.1.0(99678)\x03a"]


def test_a_channel_that_is_muted_tells_nothing_of_an_echo_either() -> None:
    """The channel around it does; both would tell it twice."""

    async def work(channel: TracingChannel) -> None:
        await channel.send(b"ATD+420601123489\r", deadline=0, secret=True)
        channel.mute(True)
        await channel.receive(deadline=0)
        channel.mute(False)

    assert [what for what, _ in trace([b"CONNECT 9600 and the meter"], work)] == [What.SENT]
