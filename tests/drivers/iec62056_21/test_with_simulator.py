"""The driver over real pseudo-terminals, with a simulated meter that shares no code with it, at the speed of the line.

The meter's journal says what it heard: above all that it was told to stop, whatever happened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from drivers.iec62056_21 import driver as driver_module
from drivers.iec62056_21.hand_over import enter_hdlc
from drivers.iec62056_21.vendors import Vendor
from drivers.iec62056_21.wire.session import SessionSettings
from gatewayd.channel import Channel, Framing
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.channel.serial import open_serial
from gatewayd.driver import Forgetful
from gatewayd.errors import MeterDiffers, MeterRefused, MeterSilent
from gatewayd.model import Answer, Profile, Registers, Request
from gatewayd.obis import Obis
from tests.drivers.iec62056_21.channels import answers_of, build, password_file
from tests.drivers.iec62056_21.conversation import ROOT
from tests.system.rig import simulator

HOUSEHOLD = ROOT / "simulators" / "readouts" / "household.txt"
VENDOR = Vendor.model_validate({"name": "tested", "sources": ["a test"], "window_days": 1})
DAY = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
"""Midnight in Prague, the beginning of the day with 100 quarters."""
LONG_DAY = Profile(Obis.parse("P.01"), DAY, DAY + timedelta(hours=25))
GENERATED = ("--generate-profile", "P.01:15:2:2026-10-24:2026-10-26")
T = TypeVar("T")


@pytest.fixture(autouse=True)
def vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "choose", lambda name, identification: VENDOR)


class Bench:
    """A simulated meter and the journal of what it heard."""

    def __init__(self, device: Path, journal: Path, folder: Path) -> None:
        self._device = device
        self._journal = journal
        self.folder = folder

    @property
    def heard(self) -> list[str]:
        return self._journal.read_text().splitlines() if self._journal.exists() else []

    def use(self, work: Callable[[Channel], Awaitable[T]]) -> T:
        """Open the line, do the work, close the line."""

        async def run() -> T:
            channel = RecordingChannel(open_serial("optical", self._device, 300, None, 0.0))
            try:
                return await work(channel)
            finally:
                await channel.close()

        return asyncio.run(run())

    def read(self, request: Request, serial: str = "", **options: Any) -> list[Answer]:
        return self.use(lambda channel: answers_of(build(serial, **options), channel, request))

    def stopped(self) -> None:
        """The meter was told to stop, and that was the last that it heard."""
        deadline = time.monotonic() + 60
        while self.heard[-1:] != ["break"]:
            assert time.monotonic() < deadline, self.heard[-3:]
            time.sleep(0.02)

    async def until(self, text: str) -> None:
        """Until the meter has heard this."""
        async with asyncio.timeout(60):
            while not any(text in line for line in self.heard):
                await asyncio.sleep(0.02)


@contextmanager
def meter(folder: Path, *options: str) -> Iterator[Bench]:
    journal = folder / "journal"
    with simulator(HOUSEHOLD, "--reaction-ms", "20", "--journal", str(journal), *options, pty=folder / "meter") as made:
        yield Bench(Path(made.device), journal, folder)


def values(answers: list[Answer]) -> list[str]:
    return [reading.raw_text for answer in answers for reading in answer.readings]


def expected(channels: int, start: datetime, quarters: int) -> list[str]:
    """The values of the generated profile, from its own definition (simulators/generator.py)."""
    found = []
    for quarter in range(1, quarters + 1):
        minute = int((start + quarter * timedelta(minutes=15)).timestamp()) // 60
        for channel in range(1, channels + 1):
            thousandths = (minute * 7919 + channel * 104729 + 7 * 1299709) % 100000
            found.append(f"{thousandths // 1000:02d}.{thousandths % 1000:03d}")
    return found


@pytest.mark.parametrize("command", ["R5", "R6"])
def test_a_day_of_a_profile(tmp_path: Path, command: str) -> None:
    with meter(tmp_path, *GENERATED, "--seed", "7", "--password", "1234") as bench:
        password = password_file(tmp_path, "1234")
        answers = bench.read(LONG_DAY, password_file=password, profile_command=command)
        assert values(answers) == expected(2, DAY, 100)
        assert all(answer.sound for answer in answers)
        assert [reading.at for reading in answers[0].readings[:1]] == [DAY + timedelta(minutes=15)]
        bench.stopped()
        assert bench.heard.count("password ok") == 1
        assert not any("WRITE" in line for line in bench.heard)


def test_the_edge_of_the_meters_memory(tmp_path: Path) -> None:
    """(ERROR) is a fault as long as nothing has come; then, for a time before that, an answer, also after a restart."""
    before = Profile(LONG_DAY.obis, DAY - timedelta(days=9), DAY - timedelta(days=8))
    memory = Forgetful()
    with meter(tmp_path, *GENERATED, "--seed", "7") as bench:
        password = password_file(tmp_path)
        with pytest.raises(MeterDiffers, match="ERROR to R5 and R6"):
            bench.read(before, memory=memory, password_file=password)
        assert len(values(bench.read(LONG_DAY, memory=memory, password_file=password))) == 200
        (answer,) = bench.read(before, memory=memory, password_file=password)
        assert (answer.readings, answer.sound, answer.detail) == ((), True, "(ERROR): nothing in this time")


@pytest.mark.parametrize("fault", ["echo", "block-bad-bcc:2", "block-noise"])
def test_a_day_of_a_profile_on_a_bad_line(tmp_path: Path, fault: str) -> None:
    with meter(tmp_path, *GENERATED, "--seed", "7", "--misbehave", fault) as bench:
        answers = bench.read(LONG_DAY, password_file=password_file(tmp_path), profile_command="R6")
        assert values(answers) == expected(2, DAY, 100)
        assert all(answer.sound for answer in answers)
        bench.stopped()


def test_registers_one_by_one(tmp_path: Path) -> None:
    for form in ("full", "value"):
        folder = tmp_path / form
        folder.mkdir()
        with meter(folder, "--answer-form", form) as bench:
            asked = Registers((Obis.parse("1.8.0"), Obis.parse("9.9.9")))
            answers = bench.read(asked, password_file=password_file(folder), access="R5")
            (whole,) = bench.read(Registers())
            there = {reading.obis: reading.raw_text for reading in whole.readings}
            assert values(answers) == [there[Obis.parse("1.8.0")], ""]
            assert [line for line in bench.heard if line.startswith("command")] == [
                "command R5 1.8.0()",
                "command R5 9.9.9()",
            ]


@pytest.mark.parametrize("refusal", ["b0", "error", "nak"])
def test_a_wrong_password_is_refused_and_not_tried_until_the_meter_locks(tmp_path: Path, refusal: str) -> None:
    with meter(tmp_path, *GENERATED, "--refusal", refusal) as bench:
        with pytest.raises(MeterRefused):
            bench.read(LONG_DAY, password_file=password_file(tmp_path, "99999999"))
        assert bench.heard.count("password wrong") == 1
        assert "locked" not in bench.heard
        assert bench.read(Registers())[0].sound  # the meter can be read at once


def test_a_meter_that_answers_in_other_ways(tmp_path: Path) -> None:
    for number, options in enumerate((["--p0", "bare"], ["--p0", "ack"], ["--commands", "R6"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        with meter(folder, *GENERATED, "--seed", "7", *options) as bench:
            assert len(values(bench.read(LONG_DAY, password_file=password_file(folder)))) == 200


def test_a_cancelled_session_tells_the_meter_to_stop(tmp_path: Path) -> None:
    with meter(tmp_path, *GENERATED, "--seed", "7") as bench:

        async def work(channel: Channel) -> None:
            driver = build(password_file=password_file(tmp_path), profile_command="R6")
            task = asyncio.create_task(answers_of(driver, channel, LONG_DAY), name="session")
            await bench.until("command R6")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await bench.until("break")

        bench.use(work)
        assert bench.read(Registers())[0].sound


def test_a_session_that_is_cancelled_before_the_meter_speaks_leaves_the_line_to_the_next_meter(tmp_path: Path) -> None:
    """Without a break the first meter would read itself out at 300 Bd, over the answers of the second one."""
    with meter(tmp_path, "--address", "1", "--meter", f"address=2,readout={HOUSEHOLD}") as bench:

        async def work(channel: Channel) -> list[Answer]:
            task = asyncio.create_task(answers_of(build(address="1"), channel, Registers()), name="session")
            await bench.until("sign-on 1")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await answers_of(build(address="2", attempts=1), channel, Registers())

        assert bench.use(work)[0].sound
        assert bench.heard == ["sign-on 1", "break", "sign-on 2", "option 050"]


def test_a_caller_that_goes_away_after_the_first_window(tmp_path: Path) -> None:
    with meter(tmp_path, *GENERATED, "--seed", "7") as bench:

        async def work(channel: Channel) -> list[Answer]:
            request = Profile(LONG_DAY.obis, DAY - timedelta(days=1), DAY + timedelta(hours=25))
            driver = build(password_file=password_file(tmp_path))
            async with aclosing(driver.execute(channel, request)) as answers:
                return [await anext(answers)]

        assert values(bench.use(work)) == expected(2, DAY - timedelta(days=1), 96)
        bench.stopped()


def test_two_meters_on_a_bus_of_which_one_is_dead(tmp_path: Path) -> None:
    with meter(tmp_path, "--address", "1", "--meter", f"address=2,readout={HOUSEHOLD},dead") as bench:
        for _ in range(2):
            assert bench.read(Registers(), address="1")[0].sound
            with pytest.raises(MeterSilent, match="does not answer"):
                bench.read(Registers(), address="2", attempts=1)


def test_a_meter_that_sleeps(tmp_path: Path) -> None:
    with meter(tmp_path, "--needs-wake-up") as bench:
        assert bench.read(Registers(), wake_up="yes")[0].sound
        with pytest.raises(MeterSilent):
            bench.read(Registers(), attempts=1)


def hands_over(channel: Channel) -> Coroutine[Any, Any, object]:
    return enter_hdlc(channel, SessionSettings(), meter="em-1001", line="optical")


def test_mode_e_and_back(tmp_path: Path) -> None:
    with meter(tmp_path, "--mode", "E", "--identification", r"SIM5\2HOME", "--hdlc-s", "0.5") as bench:
        frame = bytes.fromhex("7E A0 07 03 21 93 0F 01 7E")

        async def work(channel: Channel) -> list[Answer]:
            handed = await enter_hdlc(channel, SessionSettings(), meter="em-1001", line="optical")
            deadline = asyncio.get_running_loop().time() + 10
            await channel.set_line(handed.baud, Framing.N81, deadline=deadline)
            await channel.send(frame, deadline=deadline)
            await bench.until("hdlc timeout")
            return await answers_of(build(), channel, Registers())

        assert bench.use(work)[0].sound
        assert f"hdlc {frame.hex()}" in bench.heard


def test_a_meter_without_mode_e(tmp_path: Path) -> None:
    with meter(tmp_path) as bench:
        with pytest.raises(MeterDiffers, match="mode: C"):
            bench.use(hands_over)
        assert bench.read(Registers())[0].sound
