"""A session: whatever was received is in the archive, however the session ended."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from gatewayd.acquire import Acquisition, Line, OnCall, Result, Station
from gatewayd.archive.store import Store
from gatewayd.channel import Channel
from gatewayd.channel.recorder import RecordingChannel
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    ChannelTimeout,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    ProtocolError,
    SessionDeadline,
)
from gatewayd.model import (
    DIRECT,
    Answer,
    Deed,
    DeedResult,
    Exchange,
    Flag,
    Kind,
    Meter,
    Outcome,
    Ratio,
    RawStatus,
    Registers,
    Request,
)
from gatewayd.obis import Obis
from tests.gatewayd.archive.samples import everything, opened, reading_from
from tests.gatewayd.doubles import (
    PATIENCE,
    START,
    Conversation,
    ScriptedChannel,
    TestClock,
    answering,
    dead_line,
    failing,
    line_to,
    listening,
    reading,
    station,
)

PRAGUE = ZoneInfo("Europe/Prague")
WANTED = Registers((Obis.parse("1.8.0"),))
SOUND = Answer((reading(),))


def acquisition(store: Store, session_seconds: float = PATIENCE) -> Acquisition:
    return Acquisition(store, TestClock(), PRAGUE, session_seconds)


def exchanges(folder: Path) -> list[Exchange]:
    with reading_from(folder) as reader:
        return reader.exchanges()


def session(
    folder: Path, line: Line, who: Station, request: Request = WANTED, *, session_seconds: float = PATIENCE
) -> Result:
    """One session, with the archive closed afterwards."""

    async def run() -> Result:
        with opened(folder) as store:
            return await acquisition(store, session_seconds).run(line, who, request)

    return asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_sound_answer_is_archived_with_everything_that_was_received(tmp_path: Path) -> None:
    channel = ScriptedChannel([b"/ISk5\r\n", b"\x021.8.0(0008048.375*kWh)", b"!\r\n\x03\x5a"])

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        assert request == WANTED
        for _ in range(3):
            await channel.receive(deadline=0)
        yield SOUND

    result = session(tmp_path, line_to(channel), station(conversation))
    assert (result.meter, result.fault) == ("em-1001", None)
    assert list(result.readings) == everything(tmp_path)
    assert result.readings[0].reading == reading()
    (exchange,) = exchanges(tmp_path)
    assert exchange.received == b"/ISk5\r\n\x021.8.0(0008048.375*kWh)!\r\n\x03\x5a"
    assert (exchange.meter, exchange.line, exchange.request) == ("em-1001", "optical", "registers 1-0:1.8.0*255")
    assert (exchange.outcome, exchange.detail) == (Outcome.DONE, "")
    assert START < exchange.started_at < exchange.ended_at
    assert result.readings[0].received_at == exchange.ended_at
    assert channel.closed


def test_each_exchange_has_its_own_bytes_and_times(tmp_path: Path) -> None:
    channel = ScriptedChannel([b"first", b"second", b"third"])
    answers = [Answer((reading(str(n)),), detail=f"window {n}") for n in range(3)]
    result = session(tmp_path, line_to(channel), station(answering(*answers)))
    assert [item.reading.raw_text for item in result.readings] == ["0", "1", "2"]
    found = exchanges(tmp_path)
    assert [one.received for one in found] == [b"first", b"second", b"third"]
    assert [one.detail for one in found] == ["window 0", "window 1", "window 2"]
    assert result.remarks == ("window 0", "window 1", "window 2")
    instants = [instant for one in found for instant in (one.started_at, one.ended_at)]
    assert instants == sorted(instants)
    assert [item.exchange for item in result.readings] == [1, 2, 3]


def test_readings_are_archived_before_the_driver_goes_on(tmp_path: Path) -> None:
    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        for number in range(1, 4):
            await channel.receive(deadline=0)
            yield SOUND
            assert len(everything(tmp_path)) == number

    result = session(tmp_path, line_to(ScriptedChannel([b"a", b"b", b"c"])), station(conversation))
    assert result.fault is None


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (ProtocolError("the meter talks nonsense", b"junk"), Outcome.PROTOCOL_ERROR),
        (MeterSilent("no answer"), Outcome.SILENT),
        (MeterRefused("B0"), Outcome.REFUSED),
        (ChannelError("unplugged"), Outcome.LINE_FAILED),
        (ChannelTimeout("nothing received"), Outcome.LINE_FAILED),
    ],
)
@pytest.mark.parametrize("received", [b"", b"/ISk5MT174\r\n"])
def test_a_fault_is_a_result_and_what_came_before_it_is_kept(
    tmp_path: Path, fault: GatewayError, outcome: Outcome, received: bytes
) -> None:
    channel = ScriptedChannel([received] if received else [])
    result = session(tmp_path, line_to(channel), station(failing(fault, chunks=len(channel.script))))
    assert (result.readings, result.fault) == ((), fault)
    (exchange,) = exchanges(tmp_path)
    assert (exchange.received, exchange.outcome, exchange.detail) == (received, outcome, str(fault))
    assert channel.closed


def test_a_fault_of_the_line_in_mid_session_is_a_result(tmp_path: Path) -> None:
    fault = ChannelError("line optical: /dev/ttyUSB0 vanished (unplugged?)")
    channel = ScriptedChannel([b"first", b"half of the sec", fault])
    result = session(tmp_path, line_to(channel), station(listening(2)))
    assert result.fault is fault
    (exchange,) = exchanges(tmp_path)
    assert (exchange.received, exchange.outcome) == (b"firsthalf of the sec", Outcome.LINE_FAILED)


@pytest.mark.parametrize("left", [b"", b"half"])
def test_a_fault_after_an_answer_is_told_by_an_exchange_of_its_own(tmp_path: Path, left: bytes) -> None:
    fault = MeterSilent("no answer to the second window")
    script: list[bytes | Exception] = [b"first", *([left] if left else []), fault]
    channel = ScriptedChannel(script)

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.receive(deadline=0)
        yield SOUND
        while True:
            await channel.receive(deadline=0)

    result = session(tmp_path, line_to(channel), station(conversation))
    assert result.fault is fault
    assert len(result.readings) == 1
    first, second = exchanges(tmp_path)
    assert (first.received, first.outcome) == (b"first", Outcome.DONE)
    assert (second.received, second.outcome, second.detail) == (left, Outcome.SILENT, str(fault))


def test_what_comes_after_the_last_answer_is_kept_too(tmp_path: Path) -> None:
    """A meter that says good-bye, or goes on talking."""

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.receive(deadline=0)
        yield SOUND
        await channel.receive(deadline=0)

    result = session(tmp_path, line_to(ScriptedChannel([b"telegram", b"good-bye"])), station(conversation))
    assert result.fault is None
    assert b"".join(one.received for one in exchanges(tmp_path)) == b"telegramgood-bye"


def test_a_line_that_cannot_be_opened_is_a_result(tmp_path: Path) -> None:
    line = dead_line(ChannelError("line optical: /dev/ttyUSB0 does not exist; is the adapter plugged in?"))
    result = session(tmp_path, line, station(answering(SOUND)))
    assert isinstance(result.fault, ChannelError)
    assert "em-1001" in str(result.fault)
    assert "line optical: /dev/ttyUSB0 does not exist" in str(result.fault)
    (exchange,) = exchanges(tmp_path)
    assert (exchange.received, exchange.outcome) == (b"", Outcome.LINE_FAILED)


def test_a_session_has_a_deadline_and_what_came_is_kept(tmp_path: Path) -> None:
    channel = ScriptedChannel([b"dripping"])
    result = session(tmp_path, line_to(channel), station(listening()), session_seconds=0.1)
    assert isinstance(result.fault, SessionDeadline)
    assert "em-1001" in str(result.fault) and "optical" in str(result.fault)
    (exchange,) = exchanges(tmp_path)
    assert (exchange.received, exchange.outcome) == (b"dripping", Outcome.DEADLINE)
    assert channel.closed


def test_opening_the_line_is_part_of_the_session(tmp_path: Path) -> None:
    async def connect(_station: Station, _on_call: OnCall) -> Channel:
        await asyncio.Event().wait()
        raise AssertionError

    result = session(tmp_path, Line("gsm", connect), station(answering()), session_seconds=0.05)
    assert isinstance(result.fault, SessionDeadline)
    assert [one.outcome for one in exchanges(tmp_path)] == [Outcome.DEADLINE]


def test_a_cancelled_session_is_archived(tmp_path: Path) -> None:
    async def run() -> None:
        channel = ScriptedChannel([b"/ISk5\r\n", b"half a teleg"])
        with opened(tmp_path) as store:
            task = asyncio.create_task(acquisition(store).run(line_to(channel), station(listening(2)), WANTED))
            await channel.waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert channel.closed

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    (exchange,) = exchanges(tmp_path)
    assert (exchange.received, exchange.outcome) == (b"/ISk5\r\nhalf a teleg", Outcome.CANCELLED)


def test_the_driver_may_say_good_bye_when_it_is_cancelled(tmp_path: Path) -> None:
    """Otherwise the meter stays locked for a minute."""

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        try:
            await channel.receive(deadline=0)
            await channel.receive(deadline=0)
            yield SOUND
        finally:
            await channel.send(b"\x01B0\x03q", deadline=0)

    async def run() -> None:
        channel = ScriptedChannel([b"half"])
        with opened(tmp_path) as store:
            task = asyncio.create_task(acquisition(store).run(line_to(channel), station(conversation), WANTED))
            await channel.waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (channel.sent, channel.closed) == (b"\x01B0\x03q", 1)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_defect_in_a_driver_costs_no_byte(tmp_path: Path) -> None:
    channel = ScriptedChannel([b"what no driver understands"])
    with pytest.raises(IndexError):
        session(tmp_path, line_to(channel), station(failing(IndexError("list index out of range"), chunks=1)))
    (exchange,) = exchanges(tmp_path)
    assert exchange.received == b"what no driver understands"
    assert exchange.outcome is not Outcome.DONE
    assert "IndexError" in exchange.detail
    assert channel.closed


def test_a_reading_that_cannot_be_archived_costs_no_byte(tmp_path: Path) -> None:
    """A driver that forgets the time zone, for instance."""
    answer = Answer((reading(at=START.replace(tzinfo=None)),))
    with pytest.raises((TypeError, ArchiveError)):
        session(tmp_path, line_to(ScriptedChannel([b"telegram"])), station(answering(answer)))
    assert [(one.received, one.outcome) for one in exchanges(tmp_path)] == [(b"telegram", Outcome.PROTOCOL_ERROR)]


def test_an_archive_that_does_not_take_the_data_is_an_error(tmp_path: Path) -> None:
    channel = ScriptedChannel([b"telegram"])
    answer = Answer((reading(), replace(reading(), raw_text="\ud800")))
    with pytest.raises(ArchiveError):
        session(tmp_path, line_to(channel), station(answering(answer)))
    assert everything(tmp_path) == []
    assert channel.closed


# -- answers that are not as they should be ----------------------------------------------------------------------------


def test_an_unsound_answer_is_archived_and_is_a_fault(tmp_path: Path) -> None:
    distorted = replace(reading(), status=RawStatus.DISTORTED, flags=Flag.BCC_FAILED)
    answer = Answer((distorted,), Outcome.CHECK_FAILED, "block check character is 5A, expected 5B")
    result = session(tmp_path, line_to(ScriptedChannel([b"telegram"])), station(answering(answer)))
    assert isinstance(result.fault, ProtocolError)
    assert "em-1001" in str(result.fault) and "expected 5B" in str(result.fault)
    assert [item.reading for item in result.readings] == [distorted]
    (exchange,) = exchanges(tmp_path)
    assert (exchange.outcome, exchange.detail) == (Outcome.CHECK_FAILED, answer.detail)


def test_a_refusal_is_a_refusal_whatever_came_before(tmp_path: Path) -> None:
    """A worker does not retry a refusal; so it must not hide behind an earlier, smaller fault."""

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.receive(deadline=0)
        yield Answer((reading(),), Outcome.CHECK_FAILED, "block check character")
        await channel.receive(deadline=0)
        raise MeterRefused("the password was refused")

    result = session(tmp_path, line_to(ScriptedChannel([b"telegram", b"(ERROR)"])), station(conversation))
    assert isinstance(result.fault, MeterRefused)
    assert [one.outcome for one in exchanges(tmp_path)] == [Outcome.CHECK_FAILED, Outcome.REFUSED]


def test_an_answer_that_is_a_refusal_is_one(tmp_path: Path) -> None:
    answer = Answer((), Outcome.REFUSED, "the password was refused")
    result = session(tmp_path, line_to(ScriptedChannel([b"(ERROR)"])), station(answering(answer)))
    assert isinstance(result.fault, MeterRefused)
    assert "em-1001" in str(result.fault) and "the password was refused" in str(result.fault)


def test_a_register_that_did_not_come_is_named(tmp_path: Path) -> None:
    missing = replace(reading("", "2.8.0"), obis_raw="", status=RawStatus.MISSING, flags=Flag.NOT_SENT, unit="")
    result = session(
        tmp_path, line_to(ScriptedChannel([b"telegram"])), station(answering(Answer((reading(), missing))))
    )
    assert isinstance(result.fault, MeterDiffers)
    assert "1-0:2.8.0*255" in str(result.fault)
    assert [item.reading.status for item in everything(tmp_path)] == [RawStatus.TRUE, RawStatus.MISSING]


# -- serial numbers ----------------------------------------------------------------------------------------------------


def read_with_serial(folder: Path, configured: str, *answered: str) -> Result:
    meter = Meter("em-1001", "scripted", "optical", serial=configured)
    answer = Answer((reading(), reading("1", "2.8.0")), serials=answered)
    return session(folder, line_to(ScriptedChannel([b"telegram"])), station(answering(answer), meter))


@pytest.mark.parametrize(
    ("configured", "answered", "archived"),
    [
        ("35031234", ("35031234",), "35031234"),
        ("35031234", ("0035031234",), "35031234"),  # leading zeros do not count
        ("0035031234", (" 35031234 ",), "0035031234"),
        ("isk0035031234", ("ISK0035031234",), "isk0035031234"),
        ("35031234", ("7", "35031234"), "35031234"),  # it names itself in several ways
        ("35031234", (), "35031234"),
        ("", ("35031234",), "35031234"),
        ("", (), ""),
    ],
)
def test_the_right_meter(tmp_path: Path, configured: str, answered: tuple[str, ...], archived: str) -> None:
    result = read_with_serial(tmp_path, configured, *answered)
    assert result.fault is None
    assert {item.serial for item in everything(tmp_path)} == {archived}
    assert all(Flag.SERIAL_MISMATCH not in item.reading.flags for item in result.readings)


def test_another_meter_is_an_alarm_and_its_readings_are_flagged(tmp_path: Path) -> None:
    result = read_with_serial(tmp_path, "35031234", "35039999")
    assert isinstance(result.fault, GatewayError)
    assert "35031234" in str(result.fault) and "35039999" in str(result.fault)
    found = everything(tmp_path)
    assert len(found) == 2
    assert all(Flag.SERIAL_MISMATCH in item.reading.flags for item in found)
    assert [item.reading.raw_text for item in found] == ["0008048.375", "1"]


# -- ratios ------------------------------------------------------------------------------------------------------------

OLD, NEW = Ratio(ct="100/5", since=date(2024, 5, 1)), Ratio(ct="200/5", since=date(2025, 7, 15))
CHANGE = datetime(2025, 7, 14, 22, 0, tzinfo=UTC)
"""Midnight of legal time at which the new ratio comes into force."""


@pytest.mark.parametrize(
    ("kind", "at", "ratio"),
    [
        (Kind.REGISTER, CHANGE - timedelta(seconds=1), OLD),
        (Kind.REGISTER, CHANGE, NEW),
        (Kind.REGISTER, CHANGE + timedelta(hours=1), NEW),  # UTC is still in the day before
        (Kind.REGISTER, datetime(2024, 4, 30, 21, 59, tzinfo=UTC), DIRECT),
        (Kind.REGISTER, datetime(2024, 4, 30, 22, 0, tzinfo=UTC), OLD),
        # The instant of an interval is its end: the one that ends at midnight belongs to the day before.
        (Kind.INTERVAL, CHANGE - timedelta(minutes=15), OLD),
        (Kind.INTERVAL, CHANGE, OLD),
        (Kind.INTERVAL, CHANGE + timedelta(minutes=15), NEW),
    ],
)
def test_the_ratio_is_that_of_the_legal_day_of_the_reading(
    tmp_path: Path, kind: Kind, at: datetime, ratio: Ratio
) -> None:
    meter = Meter("em-1001", "scripted", "optical", ratios=(OLD, NEW))
    answer = Answer((reading("1", at=at, kind=kind),))
    session(tmp_path, line_to(ScriptedChannel([b"telegram"])), station(answering(answer), meter))
    (archived,) = everything(tmp_path)
    assert archived.ratio == ratio
    assert archived.primary == ratio.factor


def test_one_answer_may_span_a_change_of_ratio(tmp_path: Path) -> None:
    meter = Meter("em-1001", "scripted", "optical", ratios=(OLD, NEW))
    quarters = [CHANGE + timedelta(minutes=15 * n) for n in range(-2, 3)]
    answer = Answer(tuple(reading("1", at=at, kind=Kind.INTERVAL) for at in quarters))
    session(tmp_path, line_to(ScriptedChannel([b"telegram"])), station(answering(answer), meter))
    assert [item.ratio for item in everything(tmp_path)] == [OLD, OLD, OLD, NEW, NEW]


def test_progress_can_be_watched(tmp_path: Path) -> None:
    async def run() -> int:
        seen: list[RecordingChannel] = []
        with opened(tmp_path) as store:
            line = line_to(ScriptedChannel([b"12345"]))
            await acquisition(store).run(line, station(answering(SOUND)), WANTED, seen.append)
        return seen[0].total

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE)) == 5


def test_conversations_are_what_a_driver_is() -> None:
    conversation: Conversation = answering(SOUND)
    assert station(conversation).meter.id == "em-1001"


def test_a_deed_is_in_the_audit_log_before_the_driver_goes_on(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def results() -> list[str]:
        with reading_from(tmp_path) as reader:
            return [entry.result for entry in reader.audits("meter", "em-1001")]

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        yield Answer((), deeds=(Deed("clock-set", DeedResult.ANNOUNCED, (("shift_s", 7),)),))
        seen.append(results())
        yield Answer((), deeds=(Deed("clock-set", DeedResult.DONE, (("shift_s", 7), ("said", "shifted"))),))
        seen.append(results())

    session(tmp_path, line_to(ScriptedChannel()), station(conversation))
    assert seen == [["announced"], ["announced", "done"]]
    with reading_from(tmp_path) as reader:
        entry = reader.audits("meter")[-1]
    assert (entry.source, entry.category, entry.type, entry.subject) == ("gateway", "meter", "clock-set", "em-1001")
    assert entry.detail == '{"line": "optical", "shift_s": 7, "said": "shifted"}'


def test_a_driver_does_nothing_that_cannot_be_put_into_the_audit_log(tmp_path: Path) -> None:
    done: list[str] = []

    async def run() -> None:
        with opened(tmp_path) as store:

            async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
                store.close()
                yield Answer((), deeds=(Deed("clock-set", DeedResult.ANNOUNCED),))
                done.append("shifted")

            with pytest.raises(ArchiveError):
                await acquisition(store).run(line_to(ScriptedChannel()), station(conversation), WANTED)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert not done
