"""The line is left alone in the middle of data, so that characters gather: only there, never for long, and no result
depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from drivers.iec62056_21 import driver as driver_module
from drivers.iec62056_21.vendors import Vendor
from gatewayd.channel import Channel
from gatewayd.channel.serial import SerialChannel
from gatewayd.model import Answer, Registers, Request
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.channels import PlayingChannel, Said, answers_of, build, session
from tests.drivers.iec62056_21.conversation import BLOCK, IDENTIFICATION, OPTION, PUSHED, SIGN_ON
from tests.drivers.iec62056_21.interview import ACK, BREAK, NAK, OPTION_P, P0, command, reply, spoilt
from tests.drivers.iec62056_21.test_with_simulator import GENERATED, LONG_DAY, expected, meter, values

OPEN = Vendor.model_validate(
    {"name": "open", "sources": ["a test"], "password": {"needed": False}, "access": "R5", "window_days": 1}
)
LONGEST = 0.04
R5 = command("R5", "1.8.0()")
FIRST, SECOND = reply(b"1.8.0(", last=False), reply(b"1*kWh)")


@pytest.fixture(autouse=True)
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "choose", lambda name, identification: OPEN)


class Dripping(PlayingChannel):
    """Hands on one character after the other."""

    async def receive(self, *, deadline: float) -> bytes:
        if self._coming and isinstance(first := self._coming[0], bytes) and len(first) > 1:
            self._coming[:1] = [first[:1], first[1:]]
        return await super().receive(deadline=deadline)

    @property
    def rested_behind(self) -> Iterator[bytes]:
        """What had come since our last message at each rest."""
        for at, _ in self.rests:
            yield b"".join(data for number, data in self.received if number < at)


@pytest.mark.parametrize(
    ("table", "request_", "data"),
    [
        ({SIGN_ON: [IDENTIFICATION], OPTION: [b"\x7f\x00" + BLOCK]}, Registers(), len(BLOCK) - 1),
        ({SIGN_ON: [IDENTIFICATION], OPTION: [BLOCK[:30]]}, Registers(), 30),
        (
            {SIGN_ON: [IDENTIFICATION], OPTION_P: [P0], R5: [reply(b"1.8.0(1*kWh)")]},
            Registers((Obis.parse("1.8.0"),)),
            len(reply(b"1.8.0(1*kWh)")) - 1,
        ),
        (
            {SIGN_ON: [IDENTIFICATION], OPTION_P: [P0], R5: [spoilt(FIRST)], NAK: [FIRST], ACK: [SECOND]},
            Registers((Obis.parse("1.8.0"),)),
            2 * (len(FIRST) - 1) + len(SECOND) - 1,
        ),
    ],
)
def test_the_line_rests_behind_each_piece_of_data_and_nowhere_else(
    table: dict[bytes, Sequence[Said]], request_: Request, data: int
) -> None:
    for echo in (False, True):
        channel = Dripping(table, echo=echo)
        session(channel, request_)
        assert len(channel.rests) == data
        assert all(0 < seconds <= LONGEST for _, seconds in channel.rests)
        for heard in channel.rested_behind:
            assert b"\x02" in heard
            assert not heard.endswith((b"\r\n/", IDENTIFICATION, P0))


@pytest.mark.parametrize(
    ("rate", "option", "seconds"),
    [("0", b"\x06000\r\n", 0.04), ("5", OPTION, 0.04), ("6", b"\x06060\r\n", 0.04)],
)
def test_a_rest_in_one_block_takes_40_ms(rate: str, option: bytes, seconds: float) -> None:
    channel = Dripping({SIGN_ON: [b"/ISK" + rate.encode() + b"MT174-0001\r\n"], option: [BLOCK]})
    session(channel, Registers())
    assert {round(length, 6) for _, length in channel.rests} == {round(seconds, 6)}


def test_where_many_blocks_follow_each_other_rests_are_shorter() -> None:
    channel = Dripping({SIGN_ON: [IDENTIFICATION], OPTION_P: [P0], R5: [FIRST], ACK: [SECOND]})
    session(channel, Registers((Obis.parse("1.8.0"),)))
    lengths = [length for _, length in channel.rests]
    assert lengths == [pytest.approx(0.04)] * (len(FIRST) - 1) + [pytest.approx(80 / 9600)] * (len(SECOND) - 1)


def test_a_pushed_telegram_is_rested_in_as_well() -> None:
    channel = Dripping({})
    channel._coming = [PUSHED]
    session(channel, Registers(), mode="D")
    assert len(channel.rests) == len(PUSHED) - PUSHED.index(b"\r\n") - 2
    assert {length for _, length in channel.rests} == {LONGEST}


def test_a_session_that_is_cancelled_in_a_rest_leaves_the_meter() -> None:
    class Resting(PlayingChannel):
        async def rest(self, seconds: float) -> None:
            self.resting.set()
            await asyncio.Event().wait()

        resting: asyncio.Event

    async def run() -> Resting:
        channel = Resting({SIGN_ON: [IDENTIFICATION], OPTION: [BLOCK[:30]]})
        channel.resting = asyncio.Event()
        task = asyncio.create_task(answers_of(build(), channel, Registers()), name="session")
        await channel.resting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return channel

    assert asyncio.run(run()).sent[-1] == BREAK


@pytest.mark.parametrize("command_", ["R5", "R6"])
def test_no_result_depends_on_it(command_: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 19200 Bd over a real pseudo-terminal, with and without; the bytes that were received are the same."""

    async def not_at_all(channel: SerialChannel, seconds: float) -> None:
        pass

    heard: list[bytes] = []
    for number, rests in enumerate((True, False)):
        folder = tmp_path / str(number)
        folder.mkdir()
        if not rests:
            monkeypatch.setattr(SerialChannel, "rest", not_at_all)
        options = ("--identification", "SIM6HOME", "--no-password", "--block", "128", *GENERATED, "--seed", "7")
        with meter(folder, *options) as bench:

            async def work(channel: Channel) -> list[Answer]:
                receive = channel.receive

                async def keeping(*, deadline: float) -> bytes:
                    data = await receive(deadline=deadline)
                    heard.append(data)
                    return data

                monkeypatch.setattr(channel, "receive", keeping)
                return await answers_of(build(profile_command=command_), channel, LONG_DAY)

            heard.clear()
            answers = bench.use(work)
            assert values(answers) == expected(2, LONG_DAY.start, 100)
            assert all(answer.sound for answer in answers)
            (folder / "heard").write_bytes(b"".join(heard))
            (folder / "chunks").write_text(str(len(heard)))
            bench.stopped()
    assert (tmp_path / "0" / "heard").read_bytes() == (tmp_path / "1" / "heard").read_bytes()
    assert int((tmp_path / "0" / "chunks").read_text()) < int((tmp_path / "1" / "chunks").read_text())
