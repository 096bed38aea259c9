"""Many simulated meters in one process: each is another one, none waits for another, and some connections fail."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from simulators import build_dlms, build_modbus, options
from simulators import dlms_profile as profiles
from simulators.__main__ import main
from simulators.dlms_clock import Clock, Writing
from simulators.dlms_hdlc import Out
from simulators.options_dlms import dlms
from simulators.served import Post, Road, Tally
from tests.simulators.dlms_meter import AARQ, GET_CLOCK, GET_SERIAL, NOW, wrapped
from tests.simulators.modbus_devices import plan as modbus_plan
from tests.simulators.reader import Line, Simulator, simulate, wait_for

PATIENCE = 20.0
GET_TOTAL = bytes.fromhex("c001c1 0003 0100010800ff 02 00")
READ_INPUT = bytes.fromhex("0001 0000 0006 01 04 0000 0002")  # the voltage of L1 of an SDM630


class Parrot:
    """A meter that says everything twice, the second time a little later, and hangs up on `bye`."""

    def __init__(self, after: float = 0.0) -> None:
        self.there = 0
        self._after = after

    def connected(self) -> None:
        self.there += 1

    def feed(self, data: bytes) -> Sequence[Out]:
        return [Out(data), Out(data.upper(), after=self._after, hang_up=data == b"bye")]

    def disconnected(self) -> None:
        self.there -= 1


Served = tuple[list[int], list[Parrot], Tally]


@asynccontextmanager
async def served(road: Road, count: int = 1, seed: int = 1, after: float = 0.0) -> AsyncIterator[Served]:
    """Ports, meters and the tally of a fleet."""
    loop, tally, meters = asyncio.get_running_loop(), Tally(), [Parrot(after) for _ in range(count)]
    posts = [Post(meter, road, seed + number, tally) for number, meter in enumerate(meters)]
    servers = [await loop.create_server(post, "127.0.0.1", 0) for post in posts]
    try:
        yield [server.sockets[0].getsockname()[1] for server in servers], meters, tally
    finally:
        for server in servers:
            server.close()


async def said(port: int, *words: bytes) -> bytes:
    """Everything that comes for these words, which are said one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        for word in words:
            writer.write(word)
            heard += await reader.readexactly(2 * len(word))
        return heard
    except (asyncio.IncompleteReadError, ConnectionError) as gone:
        return heard + (gone.partial if isinstance(gone, asyncio.IncompleteReadError) else b"") + b"|"
    finally:
        writer.close()


def test_an_answer_comes_later_and_in_order() -> None:
    async def ask() -> None:
        async with served(Road(delay_s=0.1), after=0.05) as ([port], [meter], tally):
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert await said(port, b"one", b"two") == b"oneONEtwoTWO"
            assert loop.time() - began >= 0.3
            assert (tally.connections, tally.answers) == (1, 4)
            async with asyncio.timeout(PATIENCE):
                while meter.there:
                    await asyncio.sleep(0)

    asyncio.run(ask())


def test_an_answer_that_waits_holds_up_nobody() -> None:
    async def ask() -> None:
        async with served(Road(delay_s=3600.0)) as (slow, _, _), served(Road()) as (quick, _, _):
            waiting = asyncio.create_task(said(slow[0], b"never"))
            async with asyncio.timeout(PATIENCE):
                assert await said(quick[0], b"now") == b"nowNOW"
            assert not waiting.done()
            waiting.cancel()

    asyncio.run(ask())


def test_a_meter_may_hang_up_and_who_comes_second_takes_the_place() -> None:
    async def ask() -> None:
        async with served(Road()) as ([port], [meter], tally):
            assert await said(port, b"bye", b"more") == b"byeBYE|"
            reader, first = await asyncio.open_connection("127.0.0.1", port)
            first.write(b"1")
            assert await reader.readexactly(2) == b"11"
            assert await said(port, b"two") == b"twoTWO"
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            first.close()
            assert tally.connections == 3
            assert meter.there <= 1

    asyncio.run(asyncio.wait_for(ask(), PATIENCE))


def fates(loss: float, seed: int, meters: int = 20, visits: int = 5) -> tuple[list[bytes], Tally]:
    """What each visit to each meter heard."""

    async def ask() -> tuple[list[bytes], Tally]:
        async with served(Road(loss=loss), meters, seed) as (ports, _, tally):
            words = [b"w%d" % number for number in range(8)]
            return [await said(port, *words) for port in ports for _ in range(visits)], tally

    return asyncio.run(asyncio.wait_for(ask(), PATIENCE))


def test_some_connections_are_lost_and_the_same_ones_again() -> None:
    heard, tally = fates(0.3, seed=1)
    lost = [one for one in heard if one.endswith(b"|")]
    assert 0.15 < len(lost) / len(heard) < 0.45
    assert tally.refused + tally.cut == len(lost)
    assert tally.refused == lost.count(b"|") > 0
    assert (heard, tally) == fates(0.3, seed=1)
    assert heard != fates(0.3, seed=1000)[0]


def test_without_loss_none_is_lost_and_with_all_of_it_every_one() -> None:
    assert not any(one.endswith(b"|") for one in fates(0.0, seed=1)[0])
    assert all(one.endswith(b"|") for one in fates(1.0, seed=1)[0])


# -- as a process ------------------------------------------------------------------------------------------------------


def ports(simulator: Simulator) -> list[int]:
    return [int(port) for port in simulator.ready.rsplit(":", 1)[1].split(",")]


def connected(port: int) -> Line:
    peer = socket.create_connection(("127.0.0.1", port), PATIENCE)
    return Line(peer.fileno(), peer.sendall, peer.close)


def asked(line: Line, apdu: bytes) -> bytes:
    line.send(wrapped(apdu))
    return line.read(int.from_bytes(line.read(8)[6:8]))


def test_dlms_meters_are_each_another_one(tmp_path: Path) -> None:
    file = tmp_path / "tally.json"
    arguments = ("--framing", "wrapper", "--count", "3", "--tcp", "0", "--serial", "0099", "--now", NOW)
    with simulate(*arguments, "--tally", file, kind="dlms") as simulator:
        found = ports(simulator)
        assert len(set(found)) == 3
        told = []
        for port in found:
            with connected(port) as line:
                asked(line, AARQ)
                told.append((asked(line, GET_SERIAL)[4:], asked(line, GET_TOTAL)[4:]))
        assert [serial for serial, _ in told] == [b"\x09\x04" + text for text in (b"0099", b"0100", b"0101")]
        assert told[0][1] != told[1][1], "another seed"
        simulator.process.send_signal(signal.SIGUSR1)
        wait_for(file.exists)
        assert json.loads(file.read_text()) == {"connections": 3, "refused": 0, "cut": 0, "answers": 9}
        with connected(found[0]) as line:
            asked(line, AARQ)
    assert json.loads(file.read_text())["answers"] == 10


def free_pair() -> int:
    """The first of two ports that are free, below those that the system gives to others meanwhile."""
    for first in range(20_000 + os.getpid() % 10_000, 32_000, 2):
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", first))
                other.bind(("127.0.0.1", first + 1))
            except OSError:
                continue
            return first
    pytest.fail("no two ports in a row are free below 32000")


def test_ports_follow_each_other() -> None:
    first = free_pair()
    arguments = ("--framing", "wrapper", "--count", "2", "--tcp", str(first))
    with simulate(*arguments, kind="dlms") as simulator:
        assert ports(simulator) == [first, first + 1]


def test_a_meter_remembers_from_one_connection_to_the_next() -> None:
    """The fault comes once in its life, and its clock goes on."""
    with simulate(
        "--framing", "wrapper", "--count", "2", "--tcp", "0", "--fault", "hang-up:2", kind="dlms"
    ) as simulator:
        for port in ports(simulator):
            with connected(port) as line:
                asked(line, AARQ)
                line.send(wrapped(GET_CLOCK))
                assert line.is_hung_up()
            with connected(port) as line:
                asked(line, AARQ)
                assert asked(line, GET_CLOCK)[:4] == bytes.fromhex("c401c100")


def test_modbus_devices_too() -> None:
    arguments = ("--transport", "tcp", "--map", "eastron-sdm630", "--now", "2026-06-15T10:07:00+00:00", "--frozen")
    made = modbus_plan("--transport", "tcp", "--map", "eastron-sdm630")
    with simulate(*arguments, "--count", "3", "--tcp", "0", kind="modbus") as simulator:
        answers = []
        for port in ports(simulator):
            with connected(port) as line:
                line.send(READ_INPUT)
                answers.append(line.read(13))
    expected = []
    for number in range(3):
        wired = build_modbus.Wired(build_modbus.numbered(made, number))
        wired.connected()
        expected.append(b"".join(out.data for out in wired.feed(READ_INPUT)))
    assert answers == expected
    assert answers[0] != answers[1], "another seed"
    serials = [build_modbus.numbered(made, number).units[0].nature.serial for number in range(3)]
    assert serials == ["35031001", "35031002", "35031003"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("dlms", "--tcp", "0", "--loss", "0.1"), "--loss needs --count"),
        (("dlms", "--tcp", "0", "--delay-ms", "5"), "--delay-ms needs --count"),
        (("dlms", "--pty", "x", "--count", "2"), "--count needs --tcp"),
        (("dlms", "--tcp", "65000", "--count", "1000"), "no 1000 ports from 65000 on"),
        (("dlms", "--tcp", "0", "--count", "2", "--optical"), "--optical does not go with --count"),
        (("dlms", "--tcp", "0", "--count", "2", "--baud", "9600"), "--baud does not go with --count"),
        (("dlms", "--tcp", "0", "--count", "2", "--loss", "1.5"), "--loss"),
        (("modbus", "--map", "eastron-sdm630", "--tcp", "0", "--count", "2"), "--count needs --transport tcp"),
    ],
)
def test_what_does_not_go_together_is_said(arguments: tuple[str, ...], complaint: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = ("dlms", "--framing", "wrapper", "--tcp", str(taken.getsockname()[1]), "--count", "1")
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "cannot serve" in result.output


# -- what is shared ----------------------------------------------------------------------------------------------------

INSTANTS = st.integers(26_300_000, 30_000_000).map(lambda minute: datetime.fromtimestamp(minute * 60, UTC))


@given(INSTANTS, st.integers(1, 12), st.integers(-(10**6), 10**6))
def test_cells_that_are_shared_are_those_of_each_meter(at: datetime, channel: int, seed: int) -> None:
    assert profiles.total_cell(at, channel, seed) == b"\x06" + profiles.total(at, channel, seed).to_bytes(4)
    assert profiles.time_cell(at, Writing()) == b"\x09\x0c" + Writing().octets(at)


@given(st.integers(0, 3_000_000), st.integers(-200, 200))
def test_a_clock_drifts_by_millionths(seconds: int, ppm: int) -> None:
    passed = [0.0]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(start, timedelta(seconds=3), lambda: passed[0], drift_ppm=ppm)
    passed[0] = seconds
    wrong = clock.now() - start - timedelta(seconds=seconds + 3)
    assert abs(wrong - timedelta(microseconds=seconds * ppm)) <= timedelta(milliseconds=1)
    clock.set(start)
    assert clock.now() == start


def test_serial_numbers_count_on() -> None:
    assert [options.numbered("0099", number) for number in (0, 1, 2)] == ["0099", "0100", "0101"]
    assert [options.numbered("AB", number) for number in (0, 1)] == ["AB", "AB-1"]


def test_system_titles_count_on_too() -> None:
    made = build_dlms.plan(dlms.make_context("dlms", ["--tcp", "0"]).params)
    titles = [build_dlms.numbered(made, number).settings.title.hex() for number in (0, 1, 255)]
    assert titles == ["53494d0000000001", "53494d0000000002", "53494d0000000100"]
