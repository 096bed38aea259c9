"""The loop between exchange and channel: what a session leaves behind on its line, however it ends."""

from __future__ import annotations

import asyncio

import pytest

from drivers.modbus.conversation import LEAVE_TIMEOUT, Conversation
from drivers.modbus.wire.dialogue import Settings, Transport
from drivers.modbus.wire.pdu import Function, Identify, Read, Refused, ReportServerId, Words
from drivers.modbus.wire.transaction import exchange
from gatewayd.errors import ChannelError, ChannelTimeout, MeterSilent, ProtocolError
from tests.drivers.modbus.devices import Device, Line, LineChannel, run, words
from tests.drivers.modbus.rtu_bytes import check

SETTINGS = Settings(timeout_s=1.0, late_s=3.0, pause_s=0.004)
OLD = Read(Function.READ_HOLDING_REGISTERS, 100, 2)
NEW = Read(Function.READ_HOLDING_REGISTERS, 500, 2)
"""Their answers cannot be told apart on an RTU line."""


def device(**habits: object) -> Device:
    return Device({3: {100: 1, 101: 2, 500: 3, 501: 4}}, **habits)  # type: ignore[arg-type] # as the dataclass has it


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("transport", list(Transport))
def test_a_reply_and_an_exception(transport: Transport) -> None:
    async def main() -> None:
        line = Line([device()], tcp=transport is Transport.TCP)
        async with Conversation(line.channel(), exchange(transport, SETTINGS)) as conversation:
            assert await conversation.ask(1, OLD) == Words(words(1, 2))
            assert await conversation.ask(1, Read(Function.READ_HOLDING_REGISTERS, 7, 1)) == Refused(2)
            assert await conversation.ask(1, Read(Function.READ_INPUT_REGISTERS, 7, 1)) == Refused(1)
        assert len(line.sent) == 3

    run(main())


def test_the_silence_before_each_frame_is_kept() -> None:
    async def main() -> None:
        line = Line([device()])
        begun = now()
        async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
            await conversation.ask(1, OLD)
            await conversation.ask(1, NEW)
        first, second = (at for at, _ in line.sent)
        assert first - begun == pytest.approx(0.004)
        assert second - first == pytest.approx(0.01 + 0.004)

    run(main())


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (OLD, "does not answer (unit 9, function 3, 2 registers from 100 (0x0064))"),
        (Read(Function.READ_COILS, 16, 1), "does not answer (unit 9, function 1, bit 16 (0x0010))"),
        (Identify(1), "does not answer (unit 9, function 43, device identification of level 1 from object 0)"),
        (ReportServerId(), "does not answer (unit 9, function 17, server id)"),
    ],
)
def test_silence_names_unit_and_request(request_: Read | Identify | ReportServerId, said: str) -> None:
    async def main() -> str:
        async with Conversation(Line([]).channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
            with pytest.raises(MeterSilent) as caught:
                await conversation.ask(9, request_)
            return str(caught.value)

    assert run(main()) == said


def test_an_error_of_the_protocol_keeps_its_octets() -> None:
    async def main() -> ProtocolError:
        line = Line([device(spoil=lambda number, pdu: pdu[:1] + b"\x02" + pdu[2:4])])
        async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
            with pytest.raises(ProtocolError) as caught:
                await conversation.ask(1, OLD)
            return caught.value

    error = run(main())
    assert "2 octets, where 4 were asked (unit 1, function 3, 2 registers from 100" in str(error)
    assert error.raw.startswith(bytes.fromhex("01 03 02 0001"))


class LateLoop(LineChannel):
    """The loop was late: octets have come in the very turn in which the time is over."""

    def __init__(self, line: Line, late: bytes) -> None:
        super().__init__(line)
        self._late = late

    async def receive(self, *, deadline: float) -> bytes:
        if self._late:
            await asyncio.sleep(deadline - now())
            self._line.come(self._late)
            self._late = b""
            raise ChannelTimeout("line bus: nothing received in time")
        return await super().receive(deadline=deadline)


def test_what_came_in_the_turn_in_which_the_pause_was_over_answers_nothing() -> None:
    async def main() -> None:
        line = Line([device()])
        stale = bytes((1, 3, 4)) + words(0x7777, 0x7777)
        channel = LateLoop(line, stale + check(stale))
        async with Conversation(channel, exchange(Transport.RTU, SETTINGS)) as conversation:
            assert await conversation.ask(1, NEW) == Words(words(3, 4))

    run(main())


def test_who_has_paused_does_not_pause_again() -> None:
    async def main() -> None:
        line = Line([device()])
        begun = now()
        async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
            await conversation.pause(0.004)
            await conversation.ask(1, OLD)
        assert line.sent[0][0] - begun == pytest.approx(0.004)

    run(main())


def test_who_is_not_answered_waits_until_nothing_is_owed() -> None:
    """A dead unit costs the debt of its line, and nobody else's answer."""

    async def main() -> None:
        line = Line([device(delay=lambda number: 2.5 if number == 0 else 0.01)])
        begun = now()
        with pytest.raises(MeterSilent):
            async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
                await conversation.ask(1, OLD)
        assert 2.5 < now() - begun < 3.0  # the answer came, and nothing more is owed
        begun = now()
        with pytest.raises(MeterSilent):
            async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
                await conversation.ask(2, OLD)
        assert now() - begun == pytest.approx(3.0, abs=0.1)

    run(main())


async def cancelled(line: Line, channel: LineChannel, settings: Settings) -> bool:
    """A session that may be cancelled: whether it was."""
    try:
        async with Conversation(channel, exchange(Transport.RTU, settings)) as conversation:
            assert await conversation.ask(1, OLD) == Words(words(1, 2))
    except asyncio.CancelledError:
        current = asyncio.current_task()
        assert current is not None
        current.uncancel()
        return True
    return False


@pytest.mark.parametrize("delay", [0.01, 0.9, 2.9])
def test_cancelled_at_every_await_the_next_session_gets_its_own_answer(delay: float) -> None:
    """Of another meter's driver: it knows nothing of what was asked before."""

    async def attempt(cancel: int) -> bool:
        old = device()
        old.delay = lambda number: delay if old.requests[number][1] == OLD.address else 0.02
        line = Line([old])
        channel = line.channel(cancel)
        try:
            was_cancelled = await cancelled(line, channel, SETTINGS)
        except MeterSilent:
            was_cancelled = channel.awaits >= cancel
        async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
            assert await conversation.ask(1, NEW) == Words(words(3, 4))
        return was_cancelled

    ended = [run(attempt(cancel)) for cancel in range(1, 10)]
    assert ended[:3] == [True, True, True]
    assert ended[-1] is False  # there are no more awaits than that


@pytest.mark.parametrize("moment", [0.0, 0.003, 0.005, 0.5, 1.0, 1.5, 2.7])
def test_cancelled_at_any_moment_while_it_drains_as_well(moment: float) -> None:
    async def main() -> None:
        old = device()
        old.delay = lambda number: 2.8 if old.requests[number][1] == OLD.address else 0.02
        line = Line([old])
        session = asyncio.create_task(cancelled(line, line.channel(), SETTINGS))
        await asyncio.sleep(moment)
        session.cancel()
        await asyncio.wait({session})
        assert session.result()  # it knows that it was cancelled, and not only that nobody answered
        async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
            assert await conversation.ask(1, NEW) == Words(words(3, 4))

    run(main())


def test_a_cancelled_session_is_over_in_time_and_the_line_still_owes() -> None:
    """A gateway that stops cannot wait for a line that is very late; who goes on with its exchange can."""
    settings = Settings(timeout_s=20.0, late_s=60.0)

    async def main() -> None:
        line = Line([device(delay=lambda number: 50.0 if number == 0 else 0.02)])
        same = exchange(Transport.RTU, settings)

        async def session() -> None:
            async with Conversation(line.channel(), same) as conversation:
                await conversation.ask(1, OLD)

        task = asyncio.create_task(session())
        await asyncio.sleep(1.0)
        begun = now()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert now() - begun == pytest.approx(LEAVE_TIMEOUT, abs=0.01)
        async with Conversation(line.channel(), same) as conversation:
            assert await conversation.ask(1, NEW) == Words(words(3, 4))
        assert now() - begun > 40.0

    run(main())


def test_a_second_cancellation_does_not_make_it_shorter_nor_longer() -> None:
    settings = Settings(timeout_s=20.0, late_s=60.0)

    async def main() -> float:
        line = Line([device(delay=lambda number: None)])

        async def session() -> None:
            async with Conversation(line.channel(), exchange(Transport.RTU, settings)) as conversation:
                await conversation.ask(1, OLD)

        task = asyncio.create_task(session())
        await asyncio.sleep(1.0)
        begun = now()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(1.0)
            assert not task.done()
        await asyncio.wait({task})
        assert task.cancelled()
        return now() - begun

    assert run(main()) == pytest.approx(LEAVE_TIMEOUT, abs=0.01)


def test_a_line_that_fails_is_left_at_once() -> None:
    async def main() -> float:
        line = Line([device(delay=lambda number: None)])
        line.broken = True
        begun = now()
        with pytest.raises(ChannelError, match="closed"):
            async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
                await conversation.ask(1, OLD)
        return now() - begun

    assert run(main()) == pytest.approx(0.0)


def test_a_connection_of_modbus_tcp_owes_nothing() -> None:
    async def main() -> None:
        line = Line([device(delay=lambda number: 1.5 if number == 0 else 0.6)], tcp=True)
        begun = now()
        async with Conversation(line.channel(), exchange(Transport.TCP, SETTINGS)) as conversation:
            with pytest.raises(MeterSilent):
                await conversation.ask(1, OLD)
            assert await conversation.ask(1, NEW) == Words(words(3, 4))  # the late one comes in between
        assert now() - begun == pytest.approx(1.6)

    run(main())


def test_a_pause_hears_what_comes() -> None:
    async def main() -> None:
        line = Line([device()])
        async with Conversation(line.channel(), exchange(Transport.RTU, SETTINGS)) as conversation:
            line.coming += b"\x55" * 5
            begun = now()
            await conversation.pause(0.5)
            assert now() - begun == pytest.approx(0.5)
            assert line.coming == b""
            assert await conversation.ask(1, OLD) == Words(words(1, 2))

    run(main())
