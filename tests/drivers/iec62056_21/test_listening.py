"""Mode D listened to: telegram after telegram, however the bytes come; and what cannot be listened to says so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.iec62056_21.driver import KIND
from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd.channel import Channel, Framing
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.driver import Driver, Setting
from gatewayd.errors import ChannelError, ChannelTimeout, GatewayError, MeterDiffers
from gatewayd.model import Answer, Clock, Listen, Meter, Outcome, Registers, Request, Scan

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def telegram(value: int) -> bytes:
    return b"/ESY5Q3DA1004 V3.03\r\n\r\n1-0:1.8.0*255(%010d*kWh)\r\n!\r\n" % value


class Pushed:
    """Hands over chunks; an empty one is a deadline that passes. Then the peer hangs up."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = list(chunks)
        self.lines: list[tuple[int, Framing]] = []
        self.parity_errors = 0

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        raise AssertionError("a meter that pushes is told nothing")

    async def receive(self, *, deadline: float) -> bytes:
        if not self._chunks:
            raise ChannelError("line hes: the peer closed the connection")
        chunk = self._chunks.pop(0)
        if not chunk:
            raise ChannelTimeout("line hes: nothing received in time")
        return chunk

    async def rest(self, seconds: float) -> None:
        pass

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        self.lines.append((baud, framing))

    async def close(self) -> None:
        pass


def driver(mode: str = "D") -> Driver:
    options = Iec62056_21Options.model_validate({"mode": mode})
    return KIND.build(Setting(Meter("m1", "iec62056_21", "hes"), options, None, lambda: NOW, ZoneInfo("Europe/Prague")))


def heard(*chunks: bytes) -> list[Answer]:
    """The answers until the peer hangs up."""
    answers: list[Answer] = []

    async def run() -> None:
        channel: Channel = Pushed(chunks)
        async with aclosing(driver().execute(channel, Listen())) as coming:
            async for answer in coming:
                answers.append(answer)

    with pytest.raises(ChannelError, match="meter m1: line hes: the peer closed the connection"):
        asyncio.run(run())
    return answers


def values(answers: Sequence[Answer]) -> list[str]:
    return [reading.raw_text for answer in answers for reading in answer.readings]


def texts(*numbers: int) -> list[str]:
    return [f"{number:010d}" for number in numbers]


def test_each_telegram_is_an_answer() -> None:
    answers = heard(telegram(1), telegram(2), telegram(3))
    assert values(answers) == texts(1, 2, 3)
    assert [answer.outcome for answer in answers] == [Outcome.DONE] * 3
    assert answers[0].identification == "/ESY5Q3DA1004 V3.03"


def test_silence_between_two_telegrams_is_no_fault() -> None:
    assert values(heard(b"", telegram(1), b"", b"", telegram(2))) == texts(1, 2)


def test_two_telegrams_in_one_read_and_the_beginning_of_a_third() -> None:
    third = telegram(3)
    assert values(heard(telegram(1) + telegram(2) + third[:20], third[20:])) == texts(1, 2, 3)


def test_each_telegram_has_its_own_bytes() -> None:
    third = telegram(3)
    kept: list[bytes] = []

    async def run() -> None:
        channel = RecordingChannel(Pushed([telegram(1) + telegram(2) + third[:20], third[20:] + b"\r\n\0"]))
        async with aclosing(driver().execute(channel, Listen())) as coming:
            async for answer in coming:
                kept.append(channel.take(answer.behind))

    with pytest.raises(ChannelError, match="hes: the peer closed the connection"):
        asyncio.run(run())
    assert kept == [telegram(1), telegram(2), third + b"\r\n\0"]  # blanks are no beginning of another one


def test_what_makes_no_sense_is_told_and_ends_nothing() -> None:
    first, *rest = heard(b"noise without end\r\n" * 3, b"", telegram(1))
    assert (first.outcome, first.readings) == (Outcome.PROTOCOL_ERROR, ())
    assert "no telegram begins in what it sends" in first.detail
    assert values(rest) == texts(1)


def test_blanks_between_two_telegrams_are_no_fault() -> None:
    answers = heard(telegram(1) + b"\r\n", b"", b"\0\0 ", b"", telegram(2))
    assert [answer.outcome for answer in answers] == [Outcome.DONE] * 2
    assert values(answers) == texts(1, 2)


def test_a_telegram_that_is_cut_short_is_unsound_and_the_next_one_is_not() -> None:
    cut, whole = heard(telegram(1)[:-8], b"", telegram(2))
    assert cut.outcome is Outcome.TRUNCATED
    assert values([whole]) == texts(2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 200), max_size=30), st.integers(1, 6))
def test_chunking_changes_nothing(cuts: list[int], count: int) -> None:
    data = b"".join(map(telegram, range(count)))
    chunks, place = [], 0
    for cut in cuts:
        chunks.append(data[place : place + cut])
        place += cut
    chunks += [data[place:]]
    assert values(heard(*filter(None, chunks))) == texts(*range(count))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_arbitrary_bytes_end_nothing_but_with_the_line(chunks: list[bytes]) -> None:
    answers = heard(*chunks, b"", b"", b"", telegram(7))
    assert values(answers)[-1:] == texts(7)


def asked(request: Request, mode: str = "C") -> GatewayError:
    """What the driver says to a request that it cannot fulfil; nothing is sent."""

    async def run() -> None:
        channel: Channel = Pushed([])
        async with aclosing(driver(mode).execute(channel, request)) as coming:
            async for _ in coming:
                pass

    with pytest.raises(GatewayError) as fault:
        asyncio.run(run())
    return fault.value


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Listen(), "is asked for its values (mode: C) and cannot be listened to; say mode: D"),
        (Scan(), "has no list of objects (IEC 62056-21); `gatewayd read` shows its readout"),
        (Clock(set=True), "puts no clock right; nothing was sent"),
    ],
)
def test_what_a_meter_of_this_protocol_cannot_do(request_: Request, words: str) -> None:
    fault = asked(request_)
    assert isinstance(fault, MeterDiffers)
    assert str(fault).startswith("meter m1 on line hes ")
    assert words in str(fault)


def test_the_clock_is_made_of_two_registers() -> None:
    async def run() -> list[Answer]:
        channel: Channel = Pushed([b"/ESY5Q3DA1004 V3.03\r\n\r\n0.9.1(211500)\r\n0.9.2(261121)\r\n1.8.0(1)\r\n!\r\n"])
        async with aclosing(driver().execute(channel, Clock())) as coming:
            return [answer async for answer in coming]

    assert values(asyncio.run(run())) == ["261121 211500"]


def test_registers_of_a_meter_that_pushes_are_still_one_telegram() -> None:
    async def run() -> list[Answer]:
        channel: Channel = Pushed([telegram(1), telegram(2)])
        async with aclosing(driver().execute(channel, Registers())) as coming:
            return [answer async for answer in coming]

    assert values(asyncio.run(run())) == texts(1)


@pytest.mark.capture
def test_a_real_meter_for_as_long_as_it_sends() -> None:
    from tests.system.rig import captures

    data = (captures() / "easymeter_q3da_modeD.bin").read_bytes()
    answers = heard(*([data] * 20), os.linesep.encode())
    assert [len(answer.readings) for answer in answers] == [5] * 20
