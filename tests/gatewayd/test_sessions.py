"""Sessions with several requests: one opening of the line, an exchange for each request, and where a session ends."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from gatewayd.acquire import Acquisition, Line, OnCall, Session, Station
from gatewayd.call_log import log_line
from gatewayd.channel import Channel
from gatewayd.channel.modem_options import CallRecord, CallResult
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    ProtocolError,
    SessionDeadline,
)
from gatewayd.model import Answer, Exchange, Outcome, Profile, Registers, Request
from gatewayd.obis import Obis
from tests.crash.rig import audits
from tests.gatewayd.archive.samples import everything, opened, reading_from
from tests.gatewayd.doubles import (
    PATIENCE,
    CallChannel,
    ScriptedChannel,
    TestClock,
    call_record,
    dead_line,
    line_to,
    reading,
    station,
)

PRAGUE = ZoneInfo("Europe/Prague")
CODES = ("1.8.0", "2.8.0", "3.8.0")
REQUESTS = tuple(Registers((Obis.parse(code),)) for code in CODES)
PROFILE = Profile(
    Obis.parse("1-0:99.1.0"), datetime(2026, 11, 20, 23, tzinfo=UTC), datetime(2026, 11, 21, 23, tzinfo=UTC)
)


def meter(*behaviours: Exception | None) -> Station:
    """Answers one request after the other, or fails as it is told."""
    left = list(behaviours)

    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.receive(deadline=0)
        fault = left.pop(0)
        if fault is not None:
            raise fault
        assert isinstance(request, Registers)
        yield Answer((reading(code=str(request.registers[0])),))

    return station(conversation)


def run(
    folder: Path,
    line: Line,
    who: Station,
    requests: Sequence[Request] = REQUESTS,
    go_on: Callable[[], bool] = lambda: True,
) -> Session:
    async def inner() -> Session:
        with opened(folder) as store:
            return await Acquisition(store, TestClock(), PRAGUE).session(line, who, requests, None, go_on)

    return asyncio.run(asyncio.wait_for(inner(), PATIENCE))


def exchanges(folder: Path) -> list[Exchange]:
    with reading_from(folder) as reader:
        return reader.exchanges()


def told(folder: Path) -> list[tuple[str, bytes, Outcome]]:
    return [(one.request, one.received, one.outcome) for one in exchanges(folder)]


def test_each_request_is_an_exchange_of_its_own(tmp_path: Path) -> None:
    openings = 0
    channel = ScriptedChannel([b"first", b"second", b"third"])

    async def connect(who: Station, _on_call: OnCall) -> Channel:
        nonlocal openings
        openings += 1
        assert who.meter.id == "em-1001"
        return channel

    session = run(tmp_path, Line("optical", connect), meter(None, None, None))
    assert [result.fault for result in session.results] == [None, None, None]
    assert [item.reading.code for result in session.results for item in result.readings] == [
        f"1-0:{code}*255" for code in CODES
    ]
    assert session.call is None
    assert (openings, channel.closed) == (1, 1)
    assert told(tmp_path) == [
        (f"registers 1-0:{code}*255", data, Outcome.DONE)
        for code, data in zip(CODES, (b"first", b"second", b"third"), strict=True)
    ]
    instants = [instant for one in exchanges(tmp_path) for instant in (one.started_at, one.ended_at)]
    assert instants == sorted(set(instants))
    assert len(everything(tmp_path)) == 3


@pytest.mark.parametrize(
    ("fault", "tried"),
    [
        (MeterSilent("silent"), 2),
        (MeterRefused("no"), 2),
        (ChannelError("hung up"), 2),
        (ProtocolError("nonsense"), 3),
        (MeterDiffers("has no 2.8.0"), 3),
    ],
)
def test_where_a_session_ends(tmp_path: Path, fault: GatewayError, tried: int) -> None:
    channel = ScriptedChannel([b"first", b"second", b"third"])
    session = run(tmp_path, line_to(channel), meter(None, fault, None))
    assert [result.fault for result in session.results] == [None, fault, None][:tried]
    assert [request for request, _, _ in told(tmp_path)] == [request.text for request in REQUESTS[:tried]]
    assert channel.closed == 1


def test_a_line_that_does_not_open_is_the_result_of_the_first_request(tmp_path: Path) -> None:
    session = run(tmp_path, dead_line(ChannelError("line gsm: busy")), meter())
    assert [str(result.fault) for result in session.results] == ["meter em-1001: line gsm: busy"]
    assert told(tmp_path) == [(REQUESTS[0].text, b"", Outcome.LINE_FAILED)]


def test_nothing_begins_when_it_must_not_go_on(tmp_path: Path) -> None:
    """The first request always runs: whoever starts a session has asked before."""
    asked = iter([True, False])
    channel = ScriptedChannel([b"first", b"second", b"third"])
    session = run(tmp_path, line_to(channel), meter(None, None, None), go_on=lambda: next(asked))
    assert len(session.results) == 2
    assert channel.closed == 1


def test_a_cancelled_request_is_archived_beside_those_before_it(tmp_path: Path) -> None:
    async def inner() -> None:
        channel = ScriptedChannel([b"first"])
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            task = asyncio.create_task(acquisition.session(line_to(channel), meter(None, None), REQUESTS))
            await channel.waiting.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert channel.closed == 1

    asyncio.run(asyncio.wait_for(inner(), PATIENCE))
    assert told(tmp_path) == [
        (REQUESTS[0].text, b"first", Outcome.DONE),
        (REQUESTS[1].text, b"", Outcome.CANCELLED),
    ]


class SlowToClose(ScriptedChannel):
    """Hanging up takes its time, and waits for nobody's permission."""

    def __init__(self, script: Iterable[bytes | Exception] = ()) -> None:
        super().__init__(script)
        self.closing = asyncio.Event()

    async def close(self) -> None:
        self.closing.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("cancelled", [False, True], ids=["deadline", "cancelled"])
def test_the_end_of_a_session_while_it_is_hung_up_is_no_exchange(tmp_path: Path, cancelled: bool) -> None:
    async def inner() -> None:
        channel = SlowToClose([b"first"])
        line = replace(line_to(channel), session_seconds=None if cancelled else 0.2)
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            task = asyncio.create_task(acquisition.session(line, meter(None), REQUESTS[:1]))
            await channel.closing.wait()
            if not cancelled:
                session = await task
                assert [result.fault for result in session.results] == [None]
                return
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(asyncio.wait_for(inner(), PATIENCE))
    assert told(tmp_path) == [(REQUESTS[0].text, b"first", Outcome.DONE)]


def test_the_longest_session_is_that_of_the_line(tmp_path: Path) -> None:
    line = replace(line_to(ScriptedChannel([b"first"])), session_seconds=0.1)
    session = run(tmp_path, line, meter(None, None))
    first, second = (result.fault for result in session.results)
    assert first is None
    assert isinstance(second, SessionDeadline)
    assert [outcome for _, _, outcome in told(tmp_path)] == [Outcome.DONE, Outcome.DEADLINE]


def test_an_archive_that_takes_nothing_ends_the_session(tmp_path: Path) -> None:
    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.receive(deadline=0)
        yield Answer((structs.replace(reading(), raw_text="\ud800"),))

    channel = ScriptedChannel([b"first", b"second"])
    with pytest.raises(ArchiveError):
        run(tmp_path, line_to(channel), station(conversation))
    assert channel.closed == 1


def test_a_profile_without_rows_is_no_fault_and_says_why(tmp_path: Path) -> None:
    async def conversation(channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        await channel.receive(deadline=0)
        yield Answer((), Outcome.DONE, "no rows between these instants")

    requests: list[Request] = [PROFILE, REQUESTS[0]]
    for number, (request, sound) in enumerate(zip(requests, (True, False), strict=True), 1):
        session = run(tmp_path, line_to(ScriptedChannel([b"P.01(ERROR)"])), station(conversation), [request])
        assert (session.results[0].fault is None) == sound
        found = exchanges(tmp_path)
        assert len(found) == number
        assert (found[-1].request, found[-1].detail) == (request.text, "no rows between these instants")
    assert PROFILE.text == "profile 1-0:99.1.0*255 2026-11-20T23:00:00Z/2026-11-21T23:00:00Z"


# -- calls -------------------------------------------------------------------------------------------------------------


def calling(record: CallRecord, channel_script: Iterable[bytes | Exception]) -> Line:
    async def call(_who: Station, on_call: OnCall) -> Channel:
        return CallChannel(lambda: on_call(record), channel_script)

    return Line("gsm", call, calls=True)


def test_what_a_call_has_cost_is_archived_and_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    record = call_record(CallResult.DONE)
    session = run(tmp_path, calling(record, [b"1", b"2", b"3"]), meter(None, None, None))
    assert session.call == record
    (row,) = audits(tmp_path, "modem-call")
    assert row[2:7] == ("gateway", "call", "modem-call", "em-1001", "done")
    assert json.loads(str(row[7])) == {
        "line": "gsm",
        "number": "+42060****89",
        "started": "2026-11-21T20:00:00.000Z",
        "connected": "2026-11-21T20:00:20.000Z",
        "ended": "2026-11-21T20:00:54.000Z",
        "seconds": 34.0,
        "dialled": True,
        "hung_up": True,
        "bytes_sent": 12,
        "bytes_received": 345,
        "signal": -79,
        "registration": "roaming",
        "connect": "9600/RLP",
        "rejected": [],
    }
    assert [(item.levelname, item.getMessage()) for item in caplog.records] == [
        (
            "INFO",
            "line gsm: call to +42060****89 for meter em-1001: done, 34 s connected, "
            "12 bytes sent, 345 received, signal -79 dBm",
        )
    ]


def test_a_call_that_failed_is_archived_as_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    record = call_record(CallResult.BUSY)

    async def call(_who: Station, on_call: OnCall) -> Channel:
        on_call(record)
        raise ChannelError("line gsm: modem at /dev/modem0 dialled +42060****89: BUSY")

    session = run(tmp_path, Line("gsm", call, calls=True), meter())
    assert session.call == record
    (row,) = audits(tmp_path, "modem-call")
    assert (row[6], json.loads(str(row[7]))["connected"]) == ("busy", None)
    assert [item.getMessage() for item in caplog.records] == [
        "line gsm: call to +42060****89 for meter em-1001: busy, signal -79 dBm"
    ]


def test_a_call_that_may_still_cost_money_is_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, calling(replace(call_record(CallResult.DONE), hung_up=False), [b"1"]), meter(None), REQUESTS[:1])
    (item,) = caplog.records
    assert item.levelname == "ERROR"
    assert "may still cost money" in item.getMessage()


def test_a_call_that_was_only_dialled_and_not_ended_for_certain_is_an_error_as_well() -> None:
    dialled = replace(call_record(CallResult.TIMEOUT), hung_up=False)
    level, text = log_line(dialled, "em-1001")
    assert level == logging.ERROR and "may still cost money" in text
    assert log_line(replace(dialled, dialled=False), "em-1001")[0] == logging.INFO
