"""The worker of meters that push: real sockets and a real archive, and a driver for which each line is a message."""

import asyncio
import contextlib
import functools
import logging
import random
import re
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gatewayd import config, daemon
from gatewayd.acquire import Acquisition, Line, OnCall, Station
from gatewayd.archive.records import Receipt, Record
from gatewayd.breaker import Condition
from gatewayd.channel import Channel
from gatewayd.channel.callers import ANYBODY
from gatewayd.channel.listening import TcpPort
from gatewayd.channel.tracing import Tap, What
from gatewayd.channel.udp import UdpPort
from gatewayd.daemon.build import build_workers
from gatewayd.daemon.trace import traced
from gatewayd.driver import Forgetful
from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    ChannelTimeout,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    ProtocolError,
)
from gatewayd.listener import BACK_OFF_SECONDS, SETTLED_SECONDS, ListenWorker, Pushing
from gatewayd.loans import Ending, Loan
from gatewayd.model import Answer, Exchange, Listen, Meter, Outcome, Request
from gatewayd.tallies import Sessions
from tests.gatewayd.archive.samples import everything, opened, reading_from
from tests.gatewayd.doubles import PATIENCE, ScriptedChannel, TestClock, reading

PRAGUE = ZoneInfo("Europe/Prague")
HERE = "127.0.0.1"
LONG = timedelta(days=1)


class LineDriver:
    """Each line that comes is a message: a value, or a word that says what goes wrong."""

    credentials = ""

    def __init__(self, meter: str) -> None:
        self._meter = meter
        self.sessions = 0

    async def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        assert request == Listen()
        self.sessions += 1
        buffer = b""
        while True:
            line, found, buffer = buffer.partition(b"\n")
            if not found:
                buffer = line
                with contextlib.suppress(ChannelTimeout):
                    buffer += await channel.receive(deadline=asyncio.get_running_loop().time() + 60)
                continue
            match line:
                case b"unsound":
                    yield Answer((), Outcome.CHECK_FAILED, "the check is wrong")
                case b"nonsense":
                    raise ProtocolError(f"meter {self._meter} on line hes sends nonsense", line)
                case b"defect":
                    raise RuntimeError("a defect of the driver")
                case b"differs":
                    raise MeterDiffers(f"meter {self._meter} on line hes cannot be listened to")
                case b"refuses":
                    raise MeterRefused(f"meter {self._meter} on line hes refuses")
                case _:
                    yield Answer((reading(line.decode(), meter=self._meter),), behind=len(buffer))


class Pauses:
    """In place of sleeping: writes down how long it would have been, and is never longer than a moment."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        if seconds:
            self.seconds.append(seconds)
        await asyncio.sleep(0)


class Site:
    """A worker that runs, and its meters."""

    def __init__(self, folder: Path, worker: ListenWorker, pauses: Pauses, stations: Sequence[Station]) -> None:
        self.worker = worker
        self.pauses = pauses
        self._folder = folder
        self._stations = {station.meter.id: station for station in stations}

    def sessions(self, meter: str) -> int:
        driver = self._stations[meter].driver
        assert isinstance(driver, LineDriver)
        return driver.sessions

    def values(self, meter: str) -> list[str]:
        return [archived.reading.raw_text for archived in everything(self._folder) if archived.reading.meter == meter]

    def exchanges(self) -> list[Exchange]:
        with reading_from(self._folder) as reader:
            return reader.exchanges()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.005)

    async def until_values(self, meter: str, *values: str) -> None:
        await self.until(lambda: self.values(meter) == list(values))


def station(meter: str, peer: str = ANYBODY) -> Station:
    return Station(Meter(meter, "scripted", "hes"), LineDriver(meter), None, peer)


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    line: Line,
    stations: Sequence[Station],
    port: TcpPort | UdpPort | None = None,
    silence: timedelta = LONG,
) -> AsyncIterator[Site]:
    stop, pauses = asyncio.Event(), Pauses()
    with opened(folder) as store:
        acquisition = Acquisition(store, TestClock(), PRAGUE)
        pushing = [Pushing(one, silence) for one in stations]
        worker = ListenWorker(line, pushing, acquisition, TestClock(), random.Random(7), port, pauses)
        task = asyncio.create_task(worker.run(stop), name="worker")
        try:
            yield Site(folder, worker, pauses, stations)
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await task
            await store.flush()


@contextlib.asynccontextmanager
async def called(folder: Path, *stations: Station, silence: timedelta = LONG) -> AsyncIterator[tuple[Site, TcpPort]]:
    """A worker whose meters call it."""
    port = TcpPort("hes", HERE, 0)
    async with running(folder, line_at(port), stations, port, silence) as site:
        await site.until(lambda: port._server is not None and len(port._desks) == len(stations))
        yield site, port


def line_at(port: TcpPort | UdpPort) -> Line:
    async def wait(one: Station, _on_call: OnCall) -> Channel:
        return await port.next(one.peer)

    return Line("hes", wait)


async def calling(port: TcpPort, address: str = HERE) -> socket.socket:
    stream = socket.socket()
    stream.setblocking(False)
    stream.bind((address, 0))
    await asyncio.get_running_loop().sock_connect(stream, (HERE, port.number))
    return stream


async def say(stream: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(stream, data)


def reset(stream: socket.socket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


# -- meters that call us -----------------------------------------------------------------------------------------------


def test_each_message_is_an_exchange_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1", "127.0.0.2"), station("em-2", "127.0.0.3")) as (site, port):
            one, two = await calling(port, "127.0.0.2"), await calling(port, "127.0.0.3")
            await say(one, b"1\n")
            await site.until_values("em-1", "1")
            for byte in b"2\n3\n":  # slowly
                await say(two, bytes((byte,)))
            await site.until_values("em-2", "2", "3")
            assert [(ear.connected, ear.last is not None) for ear in site.worker.ears] == [(True, True)] * 2
            one.close()
            two.close()
            await site.until(lambda: not any(ear.connected for ear in site.worker.ears))
            assert site.worker.faults == {}
            received = [(exchange.meter, exchange.received, exchange.outcome) for exchange in site.exchanges()]
            assert ("em-1", b"1\n", Outcome.DONE) in received
            assert [data for meter, data, _ in received if meter == "em-2"] == [b"2\n", b"3\n"]
            assert {exchange.request for exchange in site.exchanges()} == {"listen"}
            assert all(exchange.outcome is Outcome.DONE for exchange in site.exchanges())

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    told = [record.getMessage() for record in caplog.records if record.name.startswith("gatewayd.listener")]
    assert told == ["meter em-1 on line hes is heard", "meter em-2 on line hes is heard"]


def test_messages_in_one_read_have_their_own_bytes(tmp_path: Path) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, port):
            meter = await calling(port)
            await say(meter, b"1\n22\n333\nha")
            await site.until_values("em-1", "1", "22", "333")
            reset(meter)
            await site.until(lambda: not site.worker.ears[0].connected)
            assert [exchange.received for exchange in site.exchanges()] == [b"1\n", b"22\n", b"333\n", b"ha"]

    asyncio.run(run())


def test_a_connection_for_each_message_is_no_fault_and_no_exchange_more(tmp_path: Path) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, port):
            for number in range(5):
                meter = await calling(port)
                await say(meter, b"%d\n" % number)
                meter.close()
                await site.until_values("em-1", *map(str, range(number + 1)))
                await site.until(lambda: not site.worker.ears[0].connected)
            (await calling(port)).close()  # says nothing at all
            await site.until(lambda: site.sessions("em-1") == 6 and not site.worker.ears[0].connected)
            assert len(site.exchanges()) == 5
            assert (site.worker.faults, site.pauses.seconds) == ({}, [])

    asyncio.run(run())


def test_what_a_reset_left_half_said_is_archived_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, port):
            meter = await calling(port)
            await say(meter, b"half a mess")
            await site.until(lambda: site.worker.ears[0].connected)
            assert [(one.meter, one.line) for one in site.worker.state().under_way] == [("em-1", site.worker.name)]
            reset(meter)
            await site.until(lambda: bool(site.worker.faults))
            (cut,) = site.exchanges()
            assert (cut.received, cut.outcome) == (b"half a mess", Outcome.LINE_FAILED)
            meter = await calling(port)
            await say(meter, b"1\n")
            await site.until_values("em-1", "1")
            await say(meter, b"half")
            reset(meter)
            await site.until(lambda: len(site.exchanges()) == 3)
            assert site.worker.faults == {}, "it was heard, and the rest is archived"
            assert (site.exchanges()[-1].received, site.exchanges()[-1].outcome) == (b"half", Outcome.LINE_FAILED)

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    told = [record.getMessage() for record in caplog.records if record.name == "gatewayd.listener"]
    assert len(told) == 2
    assert told[0].startswith(f"line hes: {HERE}:")
    assert told[1] == "meter em-1 on line hes is heard again"


def test_a_fault_of_one_peer_never_hurts_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1", "127.0.0.2"), station("em-2", "127.0.0.3")) as (site, port):
            good = await calling(port, "127.0.0.3")
            await say(good, b"0\n")
            for number, word in enumerate((b"unsound", b"nonsense", b"defect"), 1):
                bad = await calling(port, "127.0.0.2")
                await say(bad, word + b"\n")
                await site.until(lambda: "em-1" in site.worker.faults)
                await say(good, b"%d\n" % number)
                await site.until_values("em-2", *map(str, range(number + 1)))
                await say(bad, b"%d\n" % number) if word == b"unsound" else None
                bad.close()
                await site.until(lambda: not site.worker.ears[0].connected)
            assert site.sessions("em-2") == 1
            assert "defect in gatewayd: RuntimeError" in site.worker.faults["em-1"]
            again = await calling(port, "127.0.0.2")
            await say(again, b"9\n")
            await site.until(lambda: not site.worker.faults)
            again.close()
            good.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    told = [record for record in caplog.records if record.name == "gatewayd.listener"]
    assert [record.exc_info is not None for record in told if "defect" in record.getMessage()] == [True]


def ended(site: Site, sessions: int) -> bool:
    return site.sessions("em-1") >= sessions and not site.worker.ears[0].connected


def test_whoever_connects_and_brings_nothing_sound_has_to_wait(tmp_path: Path) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, port):
            for number in range(1, 8):
                meter = await calling(port)
                await say(meter, b"nonsense\n")
                await site.until(functools.partial(ended, site, number))
                meter.close()
            ranges = [BACK_OFF_SECONDS[min(step, 2)] for step in range(5)]
            await site.until(lambda: len(site.pauses.seconds) == 5)
            assert all(most / 2 <= was <= most for was, most in zip(site.pauses.seconds, ranges, strict=True))
            meter = await calling(port)
            await say(meter, b"1\n")
            await site.until_values("em-1", "1")
            meter.close()
            await site.until(lambda: not site.worker.ears[0].connected)
            assert len(site.pauses.seconds) == 5

    asyncio.run(run())


def test_connections_that_say_nothing_count_for_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, port):
            for number in range(1, 6):  # somebody looks whether the port is there
                (await calling(port)).close()
                await site.until(functools.partial(ended, site, number))
            assert (site.worker.faults, site.exchanges()) == ({}, [])
            meter = await calling(port)
            await say(meter, b"nonsense\n")
            await site.until(functools.partial(ended, site, 6))
            assert site.pauses.seconds == []
            meter.close()

    asyncio.run(run())


@pytest.mark.parametrize("word", [b"differs", b"refuses"])
def test_what_asking_again_would_not_change_is_left_alone(word: bytes, tmp_path: Path) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, port):
            meter = await calling(port)
            await say(meter, word + b"\n")
            await site.until(lambda: site.pauses.seconds == [SETTLED_SECONDS])
            assert "em-1" in site.worker.faults
            meter.close()
            again = await calling(port)
            await say(again, b"1\n" if word == b"refuses" else word + b"\n")
            await site.until(lambda: site.pauses.seconds == [SETTLED_SECONDS] * 2)
            assert await asyncio.get_running_loop().sock_recv(again, 1) == b"", "hung up on"
            assert site.sessions("em-1") == (1 if word == b"refuses" else 2)
            again.close()

    asyncio.run(run())


def test_a_meter_that_is_silent_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1"), silence=timedelta(seconds=0.2)) as (site, port):
            await site.until(
                lambda: "is not heard since the start at 2026-11-21T20:0" in site.worker.faults.get("em-1", "")
            )
            meter = await calling(port)
            await say(meter, b"1\n")
            await site.until(lambda: not site.worker.faults)
            await site.until(lambda: "em-1 on line hes is not heard since 2026-" in site.worker.faults.get("em-1", ""))
            meter.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    told = [
        record.getMessage().partition(" since")[0] for record in caplog.records if record.name == "gatewayd.listener"
    ]
    assert told == [
        "meter em-1 on line hes is not heard",
        "meter em-1 on line hes is heard again",
        "meter em-1 on line hes is not heard",
    ]


def test_a_stop_archives_what_came(tmp_path: Path) -> None:
    async def run() -> list[Exchange]:
        async with called(tmp_path, station("em-1"), station("em-2", "127.0.0.3")) as (site, port):
            meter = await calling(port)
            await say(meter, b"half a mess")
            await site.until(lambda: site.worker.ears[0].connected)
            await asyncio.sleep(0.05)  # no sign tells that the driver has taken it
        meter.close()
        return site.exchanges()

    (cut,) = asyncio.run(run())  # and none of the meter that was not connected
    assert (cut.meter, cut.received, cut.outcome) == ("em-1", b"half a mess", Outcome.CANCELLED)


def test_a_port_that_cannot_be_had_is_told_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        with socket.socket() as taken:
            taken.bind((HERE, 0))
            taken.listen()
            port = TcpPort("hes", HERE, taken.getsockname()[1])
            meters = [station("em-1", "127.0.0.2"), station("em-2", "127.0.0.3")]
            async with running(tmp_path, line_at(port), meters, port) as site:
                await site.until(lambda: len(site.pauses.seconds) > 3)
                assert set(site.worker.faults) == {"em-1", "em-2"}
                assert "another process listens there" in site.worker.faults["em-1"]
                state = site.worker.state()
                assert state.condition is Condition.OPEN and "another process listens there" in state.fault
                assert all(one.fault_since is not None and not one.silent for one in state.meters)
                taken.close()
                await site.until(lambda: not site.worker.faults)
                assert site.exchanges() == []
                state = site.worker.state()
                assert (state.condition, state.fault) == (Condition.CLOSED, "")
                assert [(one.fault, one.fault_since) for one in state.meters] == [("", None)] * 2

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "gatewayd.listener"]
    assert [level for level, _ in told] == ["ERROR", "INFO"]


def test_an_archive_that_takes_nothing_is_a_fault_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, port):
            store = site.worker._acquisition._store
            queued, full = store.queued, True

            def failing(record: Record) -> asyncio.Future[Receipt]:
                if not full:
                    return queued(record)
                failed: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
                failed.set_exception(ArchiveError("the disk is full"))
                return failed

            monkeypatch.setattr(store, "queued", failing)
            meter = await calling(port)
            await say(meter, b"1\n")
            await site.until(lambda: site.worker.faults == {"em-1": "the disk is full"})
            await site.until(lambda: len(site.pauses.seconds) == 1)
            full = False
            meter.close()
            meter = await calling(port)
            await say(meter, b"2\n")
            await site.until_values("em-1", "2")
            assert site.worker.faults == {}
            meter.close()

    asyncio.run(run())


def test_datagrams_of_two_meters(tmp_path: Path) -> None:
    async def run() -> None:
        port = UdpPort("hes", HERE, 0)
        meters = [station("em-1", "127.0.0.2"), station("em-2", "127.0.0.3")]
        async with running(tmp_path, line_at(port), meters, port) as site:
            await site.until(lambda: len(port._mailboxes) == 2 and port._transport is not None)
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
            ):
                one.bind(("127.0.0.2", 0))
                two.bind(("127.0.0.3", 0))
                for number in range(4):
                    one.sendto(b"1%d\n" % number, (HERE, port.number))
                    two.sendto(b"2%d\n" % number, (HERE, port.number))
                await site.until_values("em-1", "10", "11", "12", "13")
                await site.until_values("em-2", "20", "21", "22", "23")

    asyncio.run(run())


# -- lines that we open ------------------------------------------------------------------------------------------------


def test_a_line_that_fails_is_opened_again_after_a_pause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A customer port behind a serial server: hangs up, refuses, and is there again."""

    async def run() -> None:
        fault = ChannelError("line hes: closed the connection")
        scripts: list[ScriptedChannel | ChannelError] = [
            ScriptedChannel([b"1\n2\n", fault]),
            ChannelError("line hes refuses the connection"),
            ChannelError("line hes refuses the connection"),
            ScriptedChannel([b"3\n"]),
        ]
        opened_channels: list[ScriptedChannel] = []

        async def connect(_station: Station, _on_call: OnCall) -> Channel:
            found = scripts.pop(0)
            if isinstance(found, ChannelError):
                raise found
            opened_channels.append(found)
            return found

        async with running(tmp_path, Line("hes", connect), [station("em-1")]) as site:
            await site.until_values("em-1", "1", "2", "3")
            assert site.worker.faults == {}
            assert len(site.pauses.seconds) == 3  # the first fault behind sound messages, then two in a row
            for was, most in zip(site.pauses.seconds, (10.0, 10.0, 30.0), strict=True):
                assert most / 2 <= was <= most
            outcomes = [exchange.outcome for exchange in site.exchanges()]
            assert outcomes == [Outcome.DONE, Outcome.DONE, Outcome.LINE_FAILED, Outcome.DONE]
        assert [channel.closed > 0 for channel in opened_channels] == [True, True]

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    told = [record.getMessage() for record in caplog.records if record.name == "gatewayd.listener"]
    assert told == [
        "meter em-1 on line hes is heard",
        "line hes: closed the connection",
        "meter em-1 on line hes is heard again",
    ]


def test_a_line_that_we_open_is_lent_and_heard_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is told that a meter is silent whose line was lent."""
    channels = [ScriptedChannel([b"1\n"]), ScriptedChannel([b"2\n"])]

    async def run() -> None:
        opened_so_far: list[ScriptedChannel] = []

        async def connect(_station: Station, _on_call: OnCall) -> Channel:
            opened_so_far.append(channels[len(opened_so_far)])
            return opened_so_far[-1]

        silence = timedelta(seconds=0.3)
        async with running(tmp_path, Line("hes", connect), [station("em-1")], silence=silence) as site:
            await site.until_values("em-1", "1")
            mine = Loan("hes", "probe", "jan", 60.0)
            lending = asyncio.create_task(site.worker.lend(mine))
            await mine.lent.wait()
            assert channels[0].closed
            (talk,) = site.worker.state().under_way
            assert (talk.meter, talk.lent) == ("", "probe")
            await asyncio.sleep(2 * silence.total_seconds())  # the time that is tested
            assert site.worker.faults == {} and len(opened_so_far) == 1
            mine.give_back(Ending.DONE)
            await lending
            await site.until_values("em-1", "1", "2")
            await site.until(lambda: "is not heard since" in caplog.text)

    asyncio.run(run())
    assert all(channel.closed for channel in channels)


def test_a_port_on_which_meters_call_us_is_not_lent(tmp_path: Path) -> None:
    async def run() -> None:
        async with called(tmp_path, station("em-1")) as (site, _):
            with pytest.raises(GatewayError, match="a port on which meters call us"):
                await site.worker.lend(Loan("hes", "probe", "jan", 60.0))

    asyncio.run(run())


def test_readings_are_not_gathered_for_ever(tmp_path: Path) -> None:
    """A session that listens has no end: what it brought is in the archive, and nowhere else."""

    async def run() -> None:
        with opened(tmp_path) as store:
            acquisition = Acquisition(store, TestClock(), PRAGUE)
            channel = ScriptedChannel([b"1\n2\n3\n", ChannelError("line hes: gone")])

            async def connect(_station: Station, _on_call: OnCall) -> Channel:
                return channel

            result = await acquisition.run(Line("hes", connect), station("em-1"), Listen())
            assert result.readings == ()
            assert isinstance(result.fault, ChannelError)
        assert [archived.reading.raw_text for archived in everything(tmp_path)] == ["1", "2", "3"]

    asyncio.run(run())


# -- from the configuration --------------------------------------------------------------------------------------------


def documented() -> config.Config:
    """The configuration of the guide."""
    text = (Path(__file__).parents[2] / "docs" / "push.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    head = "gateway: {id: gw}\narchive: {path: /nowhere}\n"
    return config.parse(head + block, "push.md", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)


def test_the_configuration_of_the_guide_makes_a_worker_for_each_line() -> None:
    found = documented()
    assert found.warnings == ()
    nothing: Any = SimpleNamespace(tally=Sessions())  # else the acquisition is not used before the workers run
    workers = build_workers(found, nothing, {"head-end": Tap("head-end", TestClock())}, lambda _meter: Forgetful())
    assert all(isinstance(worker, ListenWorker) for worker in workers)
    ears = {worker.name: worker.ears for worker in workers if isinstance(worker, ListenWorker)}
    assert {line: [ear.meter for ear in found] for line, found in ears.items()} == {
        "head-end": ["em-1006", "em-1007"],
        "datagrams": ["em-1008"],
        "customer-port": ["em-1009"],
    }
    assert [ear.station.peer for ear in ears["head-end"]] == ["192.0.2.20", "em-7.example"]
    assert [ear.station.peer for ear in ears["datagrams"]] == [ANYBODY]
    assert [worker.faults for worker in workers] == [{}, {}, {}]


def test_what_is_heard_on_a_port_can_be_looked_on(tmp_path: Path) -> None:
    async def run() -> None:
        tap = Tap("hes", TestClock())
        port = TcpPort("hes", HERE, 0)
        with tap.subscribe() as events:
            async with running(tmp_path, traced(line_at(port), tap), [station("em-1")], port) as site:
                await site.until(lambda: port._server is not None and len(port._desks) == 1)
                meter = await calling(port)
                await say(meter, b"1\n")
                await site.until_values("em-1", "1")
                meter.close()
                await site.until(lambda: not site.worker.ears[0].connected)
            seen = []
            while (event := events.get_nowait()) is not None:
                seen.append(event.what)
        assert seen == [What.OPENED, What.RECEIVED, What.FAULT, What.CLOSED]

    asyncio.run(run())
