"""A meter that has refused its password is left alone: in this process, after a restart, from the command line."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from gatewayd.acquire import Acquisition, Line, OnCall, Station
from gatewayd.archive import refused
from gatewayd.archive.records import Receipt
from gatewayd.archive.refused import Refused
from gatewayd.channel import Channel
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    GatewayError,
    MeterRefused,
    MeterSilent,
    PasswordUnclear,
    ProtocolError,
    SessionDeadline,
)
from gatewayd.model import Answer, Meter, Outcome, Registers, Request
from gatewayd.refusals import LeftAlone
from tests.gatewayd.archive.samples import opened, reading_from
from tests.gatewayd.doubles import PATIENCE, START, ScriptedChannel, ScriptedDriver, TestClock, reading

PRAGUE = ZoneInfo("Europe/Prague")
FIRST, SECOND = "/etc/gatewayd/em-1001.pw 1700000000", "/etc/gatewayd/em-1001.pw 1700000099"


class Refusing:
    """A meter that counts how often it is asked, with a driver whose credentials a test changes."""

    def __init__(self, credentials: str = FIRST, name: str = "em-1001") -> None:
        self.asked = 0
        self.opened = 0
        self.killed = False
        self.fault: GatewayError | None = MeterRefused("meter em-1001 on line bus: the password was refused")
        self.answer = Answer((reading(),))

        async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
            if isinstance(self.fault, MeterSilent):
                raise self.fault
            self.asked += 1
            await channel.send(b"P1 (secret)", deadline=0, secret=True)
            if self.killed:
                raise asyncio.CancelledError
            if self.fault is not None:
                raise self.fault
            await channel.send(b"R5", deadline=0)
            await channel.receive(deadline=0)
            yield self.answer

        self.driver = ScriptedDriver(conversation)
        self.driver.credentials = credentials
        self.station = Station(Meter(name, "scripted", "bus"), self.driver)

        async def connect(_who: Station, _on_call: OnCall) -> Channel:
            self.opened += 1
            return ScriptedChannel([b"1.8.0(1*kWh)"])

        self.line = Line("bus", connect)

    def ask(self, folder: Path, times: int = 1) -> list[GatewayError | None]:
        """A process that asks so often."""

        async def run() -> list[GatewayError | None]:
            with opened(folder) as store:
                acquisition = Acquisition(store, TestClock(), PRAGUE)
                return [(await acquisition.run(self.line, self.station, Registers())).fault for _ in range(times)]

        return asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_refusal_is_not_repeated_not_even_by_another_process(tmp_path: Path) -> None:
    meter = Refusing()
    first, *others = meter.ask(tmp_path, 5)
    assert first is meter.fault
    for _ in range(5):
        others += meter.ask(tmp_path, 2)
    assert (meter.asked, meter.opened) == (1, 1)
    assert len(others) == 14
    for fault in others:
        assert isinstance(fault, LeftAlone)
        text = str(fault)
        assert "meter em-1001 on line bus" in text
        assert "2026-11-21T20:00:" in text
        assert "password_file" in text
        assert "the password was refused" in text
    with reading_from(tmp_path) as reader:
        assert [one.outcome for one in reader.exchanges()] == [Outcome.REFUSED], "nothing was asked, nothing archived"


def test_an_answer_that_is_a_refusal_counts_as_well(tmp_path: Path) -> None:
    meter = Refusing()
    meter.fault, meter.answer = None, Answer((), Outcome.REFUSED, "(ERROR) to P1")
    assert [type(fault) for fault in meter.ask(tmp_path, 3)] == [MeterRefused, LeftAlone, LeftAlone]
    assert meter.asked == 1


def test_what_is_read_without_a_password_does_not_lift_a_refusal_of_the_same_session(tmp_path: Path) -> None:
    meter = Refusing()
    answers = iter([None, meter.fault])

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        fault = next(answers)
        if fault is not None:
            raise fault
        yield meter.answer

    meter.driver.execute = conversation  # type: ignore[method-assign]  # a test's own meter

    async def run() -> list[GatewayError | None]:
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            requests = [Registers(), Registers()]
            sessions = [await acquisition.session(meter.line, meter.station, requests) for _ in range(2)]
            return [result.fault for session in sessions for result in session.results]

    first, second, third = asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert (first, second) == (None, meter.fault)
    assert isinstance(third, LeftAlone)
    assert [entry.meter for entry in refused.listed(tmp_path)] == ["em-1001"]


def test_other_credentials_are_tried_and_what_was_refused_is_forgotten_then(tmp_path: Path) -> None:
    meter = Refusing()
    meter.ask(tmp_path)
    meter.driver.credentials = SECOND
    assert meter.ask(tmp_path, 2)[0] is meter.fault, "wrong again"
    assert meter.asked == 2
    meter.driver.credentials = "/etc/gatewayd/em-1001.pw 1700000200"
    meter.fault = MeterSilent("silent")
    assert meter.ask(tmp_path, 2) == [meter.fault] * 2
    assert [entry.credentials for entry in refused.listed(tmp_path)] == [SECOND], "silence admits nobody"
    meter.fault = None
    assert meter.ask(tmp_path, 2) == [None, None]
    assert refused.listed(tmp_path) == []
    meter.driver.credentials = SECOND
    assert meter.ask(tmp_path) == [None], "it is not remembered for ever"


def test_credentials_that_changed_during_the_session_are_tried(tmp_path: Path) -> None:
    """The driver has read the old file: it is the old one that was refused."""
    meter = Refusing()

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        meter.asked += 1
        if meter.asked == 1:
            meter.driver.credentials = SECOND
            raise MeterRefused("refused")
        yield Answer((reading(),))

    meter.driver.execute = conversation  # type: ignore[method-assign]  # a test's own meter
    assert [fault is None for fault in meter.ask(tmp_path, 2)] == [False, True]


def test_without_credentials_it_is_left_alone_until_the_end_of_the_process(tmp_path: Path) -> None:
    meter = Refusing("")
    _, second = meter.ask(tmp_path, 2)
    assert isinstance(second, LeftAlone)
    assert "restarted" in str(second)
    assert meter.asked == 1
    assert refused.listed(tmp_path) == []
    meter.ask(tmp_path, 2)
    assert meter.asked == 2


def test_other_meters_are_asked(tmp_path: Path) -> None:
    Refusing().ask(tmp_path)
    other = Refusing(name="em-1002")
    other.ask(tmp_path, 2)
    assert other.asked == 1


def test_what_is_written_down_is_no_secret_and_may_be_lost(tmp_path: Path) -> None:
    meter = Refusing()
    meter.ask(tmp_path)
    (entry,) = refused.listed(tmp_path)
    assert (entry.meter, entry.credentials, entry.text) == ("em-1001", FIRST, str(meter.fault))
    (tmp_path / "state.sqlite").write_bytes(b"no database at all")
    meter.ask(tmp_path, 2)
    assert meter.asked == 2, "asked once more, and no more"


def test_an_archive_of_an_earlier_version_has_no_refusals(tmp_path: Path) -> None:
    assert refused.listed(tmp_path) == []
    sqlite3.connect(tmp_path / "state.sqlite").execute("CREATE TABLE set_aside (sink TEXT)").connection.close()
    assert refused.listed(tmp_path) == []


def test_a_damaged_state_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ArchiveError, match="cannot be read"):
        refused.listed(tmp_path)


def test_the_store_writes_them_down(tmp_path: Path) -> None:
    one, two = (Refused(name, "x", START, "no") for name in ("a", "b"))

    async def run() -> None:
        with opened(tmp_path) as store:
            await store.refused(one)
            await store.refused(Refused("b", "y", START, "no"))
            await store.refused(two)
            assert refused.listed(tmp_path) == [one, two]
            await store.admitted("a")
            await store.admitted("nobody")
            assert refused.listed(tmp_path) == [two]
        with pytest.raises(ArchiveError):
            await store.refused(one)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_refusal_that_cannot_be_written_down_holds_in_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def put(*_: object) -> None:
        raise ArchiveError("the disk is full")

    monkeypatch.setattr(refused, "put", put)
    meter = Refusing()
    meter.ask(tmp_path, 3)
    assert meter.asked == 1
    assert "the disk is full" in caplog.text


def test_a_refusal_does_not_hide_behind_a_smaller_fault(tmp_path: Path) -> None:
    meter = Refusing()

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        meter.asked += 1
        yield Answer((structs.replace(reading(), obis_raw=""),))
        yield Answer((), Outcome.REFUSED, "(ERROR) to P1")

    meter.driver.execute = conversation  # type: ignore[method-assign]  # a test's own meter
    assert [type(fault) for fault in meter.ask(tmp_path, 2)] == [MeterRefused, LeftAlone]
    assert meter.asked == 1


def test_a_refusal_holds_although_the_archive_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk and a wrong password: the retries of the worker would lock the meter."""
    meter = Refusing()

    async def run() -> None:
        with opened(tmp_path) as store:

            def queued(_record: object) -> asyncio.Future[Receipt]:
                failed: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
                failed.set_exception(ArchiveError("the disk is full"))
                return failed

            async def append(_entry: object) -> None:
                raise ArchiveError("the disk is full")

            monkeypatch.setattr(store, "queued", queued)
            monkeypatch.setattr(store, "append", append)
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            with pytest.raises(ArchiveError):
                await acquisition.run(meter.line, meter.station, Registers())
            meter.fault, meter.answer = None, Answer((), Outcome.REFUSED, "(ERROR) to P1")
            meter.driver.credentials = SECOND
            with pytest.raises(ArchiveError):
                await acquisition.run(meter.line, meter.station, Registers())
            for _ in range(3):
                assert isinstance((await acquisition.run(meter.line, meter.station, Registers())).fault, LeftAlone)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert meter.asked == 2
    assert [entry.credentials for entry in refused.listed(tmp_path)] == [SECOND]


def test_a_refusal_holds_although_the_session_is_cancelled_while_the_line_is_closed(tmp_path: Path) -> None:
    """Hanging up a call takes seconds; a daemon that is stopped meanwhile must not ask again at its next start."""
    meter = Refusing()
    closing = asyncio.Event()

    class Slow(ScriptedChannel):
        async def close(self) -> None:
            closing.set()
            await asyncio.Event().wait()

    async def connect(_who: Station, _on_call: OnCall) -> Channel:
        return Slow()

    async def run() -> None:
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            session = asyncio.create_task(acquisition.run(Line("bus", connect), meter.station, Registers()))
            await closing.wait()
            session.cancel()
            with pytest.raises(asyncio.CancelledError):
                await session

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert [entry.meter for entry in refused.listed(tmp_path)] == ["em-1001"]


UNCLEAR = PasswordUnclear("meter em-1001 on line bus did not answer the password")


def test_a_password_that_was_not_answered_is_tried_once_more_and_no_third_time(tmp_path: Path) -> None:
    """Not by another process either: a crash loop would lock the meter as well."""
    meter = Refusing()
    meter.fault = UNCLEAR
    assert meter.ask(tmp_path) == [UNCLEAR]
    assert meter.ask(tmp_path) == [UNCLEAR]
    (fault,) = meter.ask(tmp_path)
    assert isinstance(fault, LeftAlone)
    assert "did not answer the password" in str(fault)
    assert meter.asked == 2
    meter.driver.credentials = SECOND
    assert meter.ask(tmp_path, 3)[:2] == [UNCLEAR, UNCLEAR]
    assert meter.asked == 4


def test_what_a_session_sends_in_several_parts_counts_once(tmp_path: Path) -> None:
    """A frame that is repeated, or a challenge and the answer to it: that was one attempt."""
    meter = Refusing()

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        meter.asked += 1
        for _ in range(3):
            await channel.send(b"P1 (secret)", deadline=0, secret=True)
        if meter.fault is not None:
            raise UNCLEAR
        yield meter.answer

    meter.driver.execute = conversation  # type: ignore[method-assign]  # a test's own meter
    assert [type(fault) for fault in meter.ask(tmp_path, 3)] == [PasswordUnclear, PasswordUnclear, LeftAlone]
    assert meter.asked == 2


def test_a_meter_that_lets_us_in_between_has_counted_nothing(tmp_path: Path) -> None:
    meter = Refusing()
    for _ in range(3):
        meter.fault = UNCLEAR
        assert meter.ask(tmp_path) == [UNCLEAR]
        meter.fault = None
        assert meter.ask(tmp_path) == [None]
    assert meter.asked == 6


def test_silence_behind_an_unclear_password_is_no_second_time(tmp_path: Path) -> None:
    """A meter that is off is not sent a password at all."""
    meter = Refusing()
    meter.fault = UNCLEAR
    meter.ask(tmp_path)
    meter.fault = MeterSilent("meter em-1001 on line bus does not answer")
    assert meter.ask(tmp_path, 3) == [meter.fault] * 3
    meter.fault = UNCLEAR
    meter.ask(tmp_path)
    assert isinstance(meter.ask(tmp_path)[0], LeftAlone)


def test_a_clear_refusal_behind_an_unclear_one_counts_at_once(tmp_path: Path) -> None:
    meter = Refusing()
    refusal, meter.fault = meter.fault, UNCLEAR
    meter.ask(tmp_path)
    meter.fault = refusal
    meter.ask(tmp_path)
    assert isinstance(meter.ask(tmp_path)[0], LeftAlone)
    assert meter.asked == 2


def test_a_session_that_is_killed_behind_the_password_counts(tmp_path: Path) -> None:
    """Ctrl-C or a kill, before the meter had answered: word of it was left before the password was sent."""
    meter = Refusing()
    meter.killed = True
    for _ in range(2):
        with pytest.raises(asyncio.CancelledError):
            meter.ask(tmp_path)
    (fault,) = meter.ask(tmp_path)
    assert isinstance(fault, LeftAlone)
    assert "the session ended before the meter had answered" in str(fault)
    assert meter.asked == 2


def test_a_session_that_is_killed_says_nothing_against_credentials_that_were_taken_before(tmp_path: Path) -> None:
    """Power cuts of the gateway, whenever they come; a meter that hangs up behind them counts as ever."""
    meter = Refusing()
    meter.fault = None
    assert meter.ask(tmp_path) == [None]
    meter.killed = True
    for _ in range(3):
        with pytest.raises(asyncio.CancelledError):
            meter.ask(tmp_path)
    (left,) = refused.listed(tmp_path)
    assert not left.final
    meter.killed, meter.fault = False, UNCLEAR
    assert [type(fault) for fault in meter.ask(tmp_path, 3)] == [PasswordUnclear, PasswordUnclear, LeftAlone]


def test_what_was_taken_before_the_password_was_changed_says_nothing_for_the_new_one(tmp_path: Path) -> None:
    meter = Refusing()
    meter.fault = None
    assert meter.ask(tmp_path) == [None]
    meter.driver.credentials, meter.killed = "another file", True
    for _ in range(2):
        with pytest.raises(asyncio.CancelledError):
            meter.ask(tmp_path)
    assert isinstance(meter.ask(tmp_path)[0], LeftAlone)


def test_word_is_left_before_the_password_is_sent(tmp_path: Path) -> None:
    meter = Refusing()
    noted: list[tuple[str, bool]] = []

    class Wire(ScriptedChannel):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            noted.extend((entry.meter, entry.final) for entry in refused.listed(tmp_path) if secret)

    async def connect(_who: Station, _on_call: OnCall) -> Channel:
        return Wire([b"1.8.0(1*kWh)"])

    meter.line = Line("bus", connect)
    meter.fault = None
    assert meter.ask(tmp_path) == [None]
    assert noted == [("em-1001", False)]
    assert refused.listed(tmp_path) == []


def test_a_readout_without_a_password_forgets_nothing(tmp_path: Path) -> None:
    """It proves nothing of the password: readings between wrong ones must not let the third one out."""
    meter = Refusing()
    meter.fault = UNCLEAR
    meter.ask(tmp_path)

    async def readout(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.send(b"/?!", deadline=0)
        await channel.receive(deadline=0)
        yield meter.answer

    open_to_all = ScriptedDriver(readout)
    open_to_all.credentials = FIRST
    closed, meter.station = meter.station, Station(meter.station.meter, open_to_all)
    assert meter.ask(tmp_path) == [None]
    meter.station = closed
    assert meter.ask(tmp_path) == [UNCLEAR]
    assert isinstance(meter.ask(tmp_path)[0], LeftAlone)


@pytest.mark.parametrize("fault", [ChannelError("line bus failed"), ProtocolError("meter em-1001 sends noise")])
def test_what_the_driver_does_not_call_unclear_does_not_count(tmp_path: Path, fault: GatewayError) -> None:
    """A line that fails behind a sign-on with a password must not leave the meter alone for good."""
    meter = Refusing()
    meter.fault = fault
    assert meter.ask(tmp_path, 5) == [fault] * 5
    assert refused.listed(tmp_path) == []
    meter.fault = UNCLEAR
    meter.ask(tmp_path)
    meter.fault = fault
    meter.ask(tmp_path, 2)
    assert [entry.final for entry in refused.listed(tmp_path)] == [False], "what was unclear before stays so"
    meter.fault = UNCLEAR
    meter.ask(tmp_path)
    assert isinstance(meter.ask(tmp_path)[0], LeftAlone)


def test_a_deadline_behind_the_password_counts(tmp_path: Path) -> None:
    """It cuts in anywhere, and the driver cannot say what it has left."""
    meter = Refusing()

    async def slow(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        meter.asked += 1
        await channel.send(b"P1 (secret)", deadline=0, secret=True)
        await asyncio.Event().wait()
        yield meter.answer

    driver = ScriptedDriver(slow)
    driver.credentials = FIRST
    meter.station = Station(meter.station.meter, driver)

    async def connect(_who: Station, _on_call: OnCall) -> Channel:
        return ScriptedChannel()

    meter.line = Line("bus", connect, session_seconds=0.05)
    assert all(isinstance(fault, SessionDeadline) for fault in meter.ask(tmp_path, 2))
    assert isinstance(meter.ask(tmp_path)[0], LeftAlone)
    assert meter.asked == 2
