"""Leaving a meter: the break goes out on every path, and the line is back at its first rate.

Cancellation is tried at every await of every kind of session, before it has an effect and after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drivers.iec62056_21 import conversation as conversation_module
from drivers.iec62056_21 import driver as driver_module
from drivers.iec62056_21.conversation import Conversation
from drivers.iec62056_21.hand_over import enter_hdlc
from drivers.iec62056_21.vendors import Vendor
from drivers.iec62056_21.wire.readout import ReadoutSession
from drivers.iec62056_21.wire.session import HandedOver, SessionSettings
from gatewayd.channel import Framing
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError, MeterDiffers, MeterSilent, PasswordUnclear
from gatewayd.model import Answer, Profile, Registers, Request
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.channels import PlayingChannel, Said, answers_of, build, password_file
from tests.drivers.iec62056_21.conversation import BLOCK, IDENTIFICATION, MODE_C, OPTION, SIGN_ON
from tests.drivers.iec62056_21.interview import ACK, BREAK, ENTER, NAK, OPTION_P, P1, command, reply, spoilt

OPEN = Vendor.model_validate({"name": "open", "sources": ["a test"], "access": "R5", "serial_code": "0.0.0"})
START = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)
PROFILE = Profile(Obis.parse("P.01"), START, START + timedelta(days=1))
REGISTERS = Registers((Obis.parse("1.8.0"), Obis.parse("2.8.0")))
ROWS = b"P.01(0261121001500)(0000)(15)(1)(1.5)(kW)\r\n(0.125)\r\n"
READ_P01 = "P.01(02611210000;02611220001)"
OFFERS_E = b"/LGZ5\\2ZMD4104407.B32\r\n"
OPTION_E = b"\x06252\r\n"

PROGRAMMING: dict[bytes, Sequence[Said]] = {
    **ENTER,
    command("R5", "0.0.0()"): [reply(b"0.0.0(77)")],
    command("R5", "1.8.0()"): [reply(b"(1*kWh)")],
    command("R5", "2.8.0()"): [spoilt(reply(b"(2*kWh)"))],
    NAK: [reply(b"(2*kWh)")],
    command("R5", READ_P01): [reply(ROWS[:20], last=False)],
    ACK: [reply(ROWS[20:])],
}
READOUT: dict[bytes, Sequence[Said]] = {SIGN_ON: [IDENTIFICATION], OPTION: [BLOCK]}
LIST = b"/2!\r\n"
FIRST_RATE = (300, Framing.E71)

Kind = Callable[[PlayingChannel, Path], Coroutine[Any, Any, object]]


def reads(request: Request, vendor: str = "generic", **options: Any) -> Kind:
    def run(channel: PlayingChannel, folder: Path) -> Coroutine[Any, Any, object]:
        driver = build("77", vendor=vendor, password_file=password_file(folder), **options)
        return answers_of(driver, channel, request)

    return run


def hands_over(channel: PlayingChannel, folder: Path) -> Coroutine[Any, Any, object]:
    return enter_hdlc(channel, SessionSettings(), meter="em-1001", line="optical")


KINDS: dict[str, tuple[Kind, dict[bytes, Sequence[Said]]]] = {
    "readout": (reads(Registers()), READOUT),
    "readout that stops": (reads(Registers()), {SIGN_ON: [IDENTIFICATION], OPTION: [BLOCK[:20]]}),
    "readout with fall-back": (reads(Registers()), {SIGN_ON: [IDENTIFICATION]}),
    "two lists": (reads(Registers(), tables=["", "2"]), {**READOUT, LIST: [IDENTIFICATION]}),
    "registers": (reads(REGISTERS), PROGRAMMING),
    "registers, auto": (reads(REGISTERS, "auto"), PROGRAMMING),
    "profile": (reads(PROFILE), PROGRAMMING),
    "refused": (reads(PROFILE), {**PROGRAMMING, P1: [BREAK]}),
    "lost acknowledgement": (reads(PROFILE), {**PROGRAMMING, OPTION_P: [b"", b"", *ENTER[OPTION_P]]}),
    "woken": (reads(REGISTERS, wake_up="yes"), PROGRAMMING),
    "mode E": (hands_over, {SIGN_ON: [OFFERS_E], OPTION_E: [b"\x7f"]}),
    "mode E, handed over": (hands_over, {SIGN_ON: [OFFERS_E], OPTION_E: [OPTION_E]}),
}


@pytest.fixture(autouse=True)
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "choose", lambda name, identification: OPEN)


def identified(channel: PlayingChannel) -> bool:
    """The driver has an identification, and not all of the readout behind it."""
    said = [chunk for _, chunk in channel.received]
    return any(chunk.startswith(b"/") for chunk in said[len(said) - said[::-1].index(BLOCK) if BLOCK in said else 0 :])


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_cancellation_at_every_await_leaves_the_meter_and_the_line_as_they_were(
    name: str, late: bool, tmp_path: Path
) -> None:
    kind, table = KINDS[name]
    cancelled = 0
    for number in range(1, 200):
        channel = PlayingChannel(table, cancel=number, late=late)
        try:
            asyncio.run(kind(channel, tmp_path))
        except asyncio.CancelledError:
            cancelled += 1
        except GatewayError:
            pass
        if channel.awaits < number:
            break
        said = [chunk for _, chunk in channel.received if chunk.startswith(b"/")]
        assert len(said) == sum(entry in (SIGN_ON, LIST) for entry in channel.log)  # whoever was asked was heard out
        if not identified(channel):
            assert BREAK not in channel.log
        elif OPTION_E in [chunk for _, chunk in channel.received]:
            assert channel.log[-1] == FIRST_RATE or channel.awaits < number  # it speaks HDLC now: no break
        else:
            assert channel.log[-2:] == [BREAK, FIRST_RATE], f"await {number}"
    assert channel.awaits < number  # all of them were tried
    assert late or cancelled == channel.awaits  # a wait in vain has no late end


@pytest.mark.parametrize("name", KINDS)
def test_a_session_that_is_not_disturbed_leaves_as_well(name: str, tmp_path: Path) -> None:
    kind, table = KINDS[name]
    channel = PlayingChannel(table)
    with suppress(GatewayError):
        asyncio.run(kind(channel, tmp_path))
    if name == "mode E, handed over":
        assert channel.log[-2:] == [(9600, Framing.E71), (9600, Framing.N81)]
    else:
        assert not identified(channel) or channel.log[-2:] == [BREAK, FIRST_RATE]


@pytest.mark.parametrize("request_", [REGISTERS, PROFILE])
def test_a_caller_that_stops_listening_leaves_the_meter_too(request_: Request, tmp_path: Path) -> None:
    channel = PlayingChannel(PROGRAMMING)

    async def run() -> Answer:
        async with aclosing(build(password_file=password_file(tmp_path)).execute(channel, request_)) as answers:
            async for answer in answers:
                return answer
        raise AssertionError("no answer")

    assert asyncio.run(run()).readings
    assert channel.log[-2:] == [BREAK, FIRST_RATE]


def test_a_defect_leaves_the_meter_too(tmp_path: Path) -> None:
    class Broken(PlayingChannel):
        async def receive(self, *, deadline: float) -> bytes:
            if self.sent[-1] == P1:
                raise ZeroDivisionError
            return await super().receive(deadline=deadline)

    channel = Broken(PROGRAMMING)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(answers_of(build(password_file=password_file(tmp_path)), channel, PROFILE))
    assert channel.log[-2:] == [BREAK, FIRST_RATE]


@pytest.mark.parametrize("at", [SIGN_ON, OPTION_P, P1, command("R5", READ_P01)])
def test_nothing_is_sent_over_a_line_that_has_failed(at: bytes, tmp_path: Path) -> None:
    fault = ChannelError("line optical: /dev/ttyUSB0 is gone; is the adapter plugged in?")
    channel = PlayingChannel({**PROGRAMMING, at: [fault]})
    # To hang up on a password is an answer, too: the meter may have counted it.
    with pytest.raises(PasswordUnclear if at == P1 else ChannelError, match=r"em-1001.*is gone"):
        asyncio.run(answers_of(build(password_file=password_file(tmp_path)), channel, PROFILE))
    assert channel.sent[-1] == at


def test_a_line_that_takes_no_more_is_tried_once(tmp_path: Path) -> None:
    class Full(PlayingChannel):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            await super().send(data, deadline=deadline, secret=secret)
            if data in (P1, BREAK):
                raise ChannelTimeout("line optical takes no more data")

    channel = Full(PROGRAMMING)
    with pytest.raises(ChannelTimeout, match="em-1001"):
        asyncio.run(answers_of(build(password_file=password_file(tmp_path)), channel, PROFILE))
    assert channel.sent[-2:] == [P1, BREAK]


def test_leaving_ends_when_the_line_hangs_and_the_cancellation_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_module, "_LEAVE_TIMEOUT", 0.05)

    class Hanging(PlayingChannel):
        hanging = False

        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            await super().send(data, deadline=deadline, secret=secret)
            if data == BREAK:
                self.hanging = True
                await asyncio.Event().wait()

    channel = Hanging({SIGN_ON: [IDENTIFICATION]}, cancel=4)

    async def run() -> None:
        async with asyncio.timeout(60):
            await answers_of(build(), channel, Registers())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    assert channel.hanging


def test_a_second_cancellation_does_not_cut_the_break(tmp_path: Path) -> None:
    class Slow(PlayingChannel):
        def __init__(self) -> None:
            super().__init__(PROGRAMMING)
            self.breaking = asyncio.Event()
            self.go_on = asyncio.Event()
            self.finished = False

        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            if data == BREAK:
                self.breaking.set()
                await self.go_on.wait()
                self.finished = True
            await super().send(data, deadline=deadline, secret=secret)

        async def receive(self, *, deadline: float) -> bytes:
            if self.sent[-1] == P1:
                self.waiting.set()
                await asyncio.Event().wait()
            return await super().receive(deadline=deadline)

        waiting: asyncio.Event

    async def run() -> Slow:
        channel = Slow()
        channel.waiting = asyncio.Event()
        driver = build(password_file=password_file(tmp_path))
        task = asyncio.create_task(answers_of(driver, channel, PROFILE), name="session")
        await channel.waiting.wait()
        task.cancel()
        await channel.breaking.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        channel.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return channel

    channel = asyncio.run(run())
    assert channel.finished
    assert channel.log[-2:] == [BREAK, FIRST_RATE]


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ([IDENTIFICATION], [SIGN_ON, BREAK, FIRST_RATE]),
        ([OFFERS_E], [SIGN_ON, BREAK, FIRST_RATE]),
        ([b"/ISK\x7f"], [FIRST_RATE, SIGN_ON]),
        ([b"x" * 5000], [FIRST_RATE, SIGN_ON]),
        ([ChannelError("line optical: gone")], [FIRST_RATE, SIGN_ON]),
    ],
)
def test_a_meter_that_was_asked_is_heard_out_and_told_to_stop(said: list[Said], end: list[Any]) -> None:
    """Cancelled when the request has left and nothing has come."""
    for run in (hands_over, reads(Registers()), reads(Registers(), mode="A")):
        channel = PlayingChannel({SIGN_ON: said}, cancel=2, late=True)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(run(channel, Path()) if run is hands_over else answers_of(build(), channel, Registers()))
        assert channel.log[-len(end) :] == end
        assert channel.log[:2] == [FIRST_RATE, SIGN_ON]


def test_nobody_is_heard_out_who_was_not_asked() -> None:
    cases: list[tuple[int, dict[str, Any]]] = [
        (1, {}),
        (2, {"wake_up": "yes"}),
        (3, {"wake_up": "yes"}),
        (1, {"mode": "D"}),
    ]
    for number, options in cases:
        channel = PlayingChannel({SIGN_ON: [IDENTIFICATION]}, cancel=number)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(answers_of(build(**options), channel, Registers()))
        assert channel.awaits == number


def test_the_break_goes_out_at_the_rate_at_which_the_meter_listens() -> None:
    """Between the acknowledgement and the change of rate: the meter has changed already. When nobody knows: at both."""
    for number, late, end in (
        (5, False, [(300, Framing.E71), SIGN_ON, BREAK, (9600, Framing.E71), BREAK, FIRST_RATE]),
        (6, False, [OPTION, (9600, Framing.E71), BREAK, FIRST_RATE]),
        (7, False, [OPTION, (9600, Framing.E71), BREAK, FIRST_RATE]),
    ):
        channel = PlayingChannel(READOUT, cancel=number - 1, late=late)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(answers_of(build(), channel, Registers()))
        assert channel.log[-len(end) :] == end, number


def test_a_session_without_an_identification_is_left_without_a_word() -> None:
    channel = PlayingChannel({SIGN_ON: [b"\x7f"]})
    with pytest.raises(MeterSilent):
        asyncio.run(answers_of(build(), channel, Registers()))
    assert channel.log == [FIRST_RATE, SIGN_ON] * 3


# -- mode E ----------------------------------------------------------------------------------------------------------


def test_the_channel_stands_at_8n1_behind_the_hand_over_and_can_be_read_again() -> None:
    confirms: dict[bytes, Sequence[Said]] = {SIGN_ON: [OFFERS_E, IDENTIFICATION], OPTION_E: [OPTION_E], **_readout()}
    channel = PlayingChannel(confirms)

    async def run() -> tuple[HandedOver, list[Answer]]:
        handed = await enter_hdlc(channel, SessionSettings(), meter="em-1001", line="optical")
        assert channel.log[-1] == (9600, Framing.N81)
        return handed, await answers_of(build(), channel, Registers())

    handed, (answer,) = asyncio.run(run())
    assert handed.baud == 9600
    assert handed.identification.raw == OFFERS_E
    assert answer.sound
    assert channel.log[5:] == [FIRST_RATE, SIGN_ON, OPTION, (9600, Framing.E71)]


def _readout() -> dict[bytes, Sequence[Said]]:
    return {OPTION: [MODE_C[OPTION]]}


def test_a_hand_over_that_fails_names_meter_line_and_remedy() -> None:
    channel = PlayingChannel({SIGN_ON: [OFFERS_E]})
    with pytest.raises(MeterDiffers, match=r"^meter em-1001 on line optical .*mode: C"):
        asyncio.run(enter_hdlc(channel, SessionSettings(), meter="em-1001", line="optical"))
    assert channel.log[-2:] == [BREAK, FIRST_RATE]


def test_a_conversation_tells_the_time_of_its_loop() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        now = Conversation(PlayingChannel({}), ReadoutSession(SessionSettings())).now
        assert before <= now <= loop.time()

    asyncio.run(run())
