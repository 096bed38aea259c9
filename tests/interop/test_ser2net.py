"""Lines through serial servers that others wrote: ser2net from Debian and pyserial's PortManager, and a whole readout.

Their ports are pseudo-terminals, which know rates but neither seven bits nor the time that characters take: ser2net
confirms seven bits there although the kernel keeps eight, PortManager says no.
"""

import asyncio
import contextlib
import socket
import termios
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gatewayd.channel import Framing
from gatewayd.channel.rfc2217 import Rfc2217Channel, open_rfc2217
from gatewayd.errors import ChannelError, ChannelTimeout
from tests.gatewayd.channel.pseudo_terminal import PseudoTerminal, pseudo_terminal, soon
from tests.interop.ser2net import PortManagerServer, Ser2net, port_manager
from tests.system.rig import ROOT, Site, simulator

SIGN_ON = b"/?!\r\n"
SIGN_ON_7E1 = b"\xaf\x3f\x21\x8d\x0a"
READOUT = ROOT / "simulators" / "readouts" / "household.txt"
SERVERS = ("ser2net", "port manager", "port manager that pretends")

Bench = tuple[PseudoTerminal, Ser2net | PortManagerServer]


@pytest.fixture(params=SERVERS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A meter's end of a terminal, and the server in front of it."""
    with pseudo_terminal() as terminal:
        if request.param == "ser2net":
            with Ser2net(tmp_path, terminal.device) as server:
                yield terminal, server
        else:
            with port_manager(terminal.device, pretends=request.param != "port manager") as manager:
                yield terminal, manager


@contextlib.asynccontextmanager
async def opened(
    server: Ser2net | PortManagerServer, framing: Framing | None = None, baud: int = 300
) -> AsyncIterator[Rfc2217Channel]:
    channel = await open_rfc2217("server", server.host, server.port, baud, framing, deadline=soon())
    try:
        yield channel
    finally:
        await channel.close()


async def receive_exactly(channel: Rfc2217Channel, count: int) -> bytes:
    data = b""
    deadline = soon()
    while len(data) < count:
        data += await channel.receive(deadline=deadline)
    return data


def test_the_rate_is_that_which_was_asked_for(bench: Bench) -> None:
    terminal, server = bench

    async def run() -> None:
        async with opened(server) as channel:
            assert terminal.rate == termios.B300
            for baud in (9600, 300, 19200, 115200, 9600):
                await channel.set_line(baud, Framing.E71, deadline=soon())
                assert terminal.rate == getattr(termios, f"B{baud}")

    asyncio.run(run())


def test_every_byte_goes_both_ways(bench: Bench) -> None:
    terminal, server = bench
    everything = bytes(range(256)) + b"\r\n\r\0\xff\xff\xf0\xff" * 8

    async def run() -> None:
        async with opened(server, baud=115200) as channel:
            await channel.send(everything, deadline=soon())
            assert terminal.read(len(everything)) == everything
            terminal.write(everything)
            assert await receive_exactly(channel, len(everything)) == everything
            assert channel.parity_errors == 0

    asyncio.run(run())


@pytest.mark.parametrize("fixed", [None, Framing.E71, Framing.N81])
def test_seven_bits_have_parity_whatever_the_server_says_of_its_port(bench: Bench, fixed: Framing | None) -> None:
    terminal, server = bench

    async def run() -> None:
        async with opened(server, fixed) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            assert terminal.read(5) == SIGN_ON_7E1
            terminal.write(SIGN_ON_7E1 + b"\x80" + SIGN_ON)
            assert await receive_exactly(channel, 11) == SIGN_ON + b"\0" + SIGN_ON
            assert channel.parity_errors == 1
            await channel.set_line(9600, Framing.E71, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            assert terminal.read(5) == SIGN_ON_7E1
            assert channel.parity_errors == 1

    asyncio.run(run())


@pytest.mark.parametrize(("pretends", "bits", "parity"), [(False, 8, "N"), (True, 7, "E")])
def test_the_hardware_makes_7e1_where_it_can(pretends: bool, bits: int, parity: str) -> None:
    async def run(server: PortManagerServer) -> None:
        async with opened(server) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            assert (server.terminal.bytesize, server.terminal.parity) == (bits, parity)
            await channel.set_line(9600, Framing.N81, deadline=soon())
            assert (server.terminal.bytesize, server.terminal.parity) == (8, "N")

    with pseudo_terminal() as terminal, port_manager(terminal.device, pretends=pretends) as server:
        asyncio.run(run(server))


def test_a_line_fixed_to_8n1_never_asks_for_seven_bits() -> None:
    async def run(server: PortManagerServer) -> None:
        async with opened(server, Framing.N81) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            assert (server.terminal.bytesize, server.terminal.parity) == (8, "N")

    with pseudo_terminal() as terminal, port_manager(terminal.device, pretends=True) as server:
        asyncio.run(run(server))


def test_one_open_after_the_other(bench: Bench) -> None:
    """ser2net lets nobody in before it has given up the one before: close() waits for that."""
    terminal, server = bench

    async def run() -> None:
        for number in range(8):
            async with opened(server) as channel:
                await channel.send(b"%d" % number, deadline=soon())
            assert terminal.read(1) == b"%d" % number

    asyncio.run(run())


def test_a_cancelled_open_leaves_the_port_free(bench: Bench) -> None:
    terminal, server = bench

    async def run() -> None:
        for turns in range(0, 40, 3):
            opening = asyncio.create_task(open_rfc2217("server", server.host, server.port, 300, None, deadline=soon()))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await opening).close()
        async with opened(server) as channel:
            await channel.send(SIGN_ON, deadline=soon())
            assert terminal.read(5) == SIGN_ON

    asyncio.run(run())


@pytest.mark.parametrize("turns", range(0, 24, 4))
def test_a_cancelled_change_of_rate_leaves_the_line_usable(bench: Bench, turns: int) -> None:
    terminal, server = bench

    async def run() -> None:
        async with opened(server) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            changing = asyncio.create_task(channel.set_line(9600, Framing.N81, deadline=soon()))
            for _ in range(turns):
                await asyncio.sleep(0)
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)
            await channel.set_line(19200, Framing.E71, deadline=soon())
            assert terminal.rate == termios.B19200
            await channel.send(SIGN_ON, deadline=soon())
            assert terminal.read(5) == SIGN_ON_7E1
            terminal.write(SIGN_ON_7E1)
            assert await receive_exactly(channel, 5) == SIGN_ON

    asyncio.run(run())


# -- ser2net alone -----------------------------------------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    with pseudo_terminal() as terminal:
        yield terminal


def test_a_second_client_is_told_that_the_port_is_in_use(terminal: PseudoTerminal, tmp_path: Path) -> None:
    async def run(server: Ser2net) -> None:
        async with opened(server):
            with pytest.raises(ChannelError, match=r"line server: .*'Port already in use'; is another client"):
                await open_rfc2217("server", server.host, server.port, 300, None, deadline=soon())

    with Ser2net(tmp_path, terminal.device) as server:
        asyncio.run(run(server))


def test_a_port_without_rfc_2217_refuses(terminal: PseudoTerminal, tmp_path: Path) -> None:
    async def run(server: Ser2net) -> None:
        with pytest.raises(ChannelError, match=r"refuses COM-PORT-OPTION; .* type: tcp") as fault:
            await open_rfc2217("server", server.host, server.port, 300, None, deadline=soon())
        assert not isinstance(fault.value, ChannelTimeout)

    with Ser2net(tmp_path, terminal.device, "telnet,tcp") as server:
        asyncio.run(run(server))


def test_a_raw_port_does_not_answer(terminal: PseudoTerminal, tmp_path: Path) -> None:
    async def run(server: Ser2net) -> None:
        with pytest.raises(ChannelTimeout, match=r"does not agree to COM-PORT-OPTION and .* type: tcp"):
            await open_rfc2217("server", server.host, server.port, 300, None, deadline=soon(0.3))

    with Ser2net(tmp_path, terminal.device, "tcp") as server:
        asyncio.run(run(server))


def test_a_server_that_is_killed_is_a_line_that_failed(terminal: PseudoTerminal, tmp_path: Path) -> None:
    async def run(server: Ser2net) -> None:
        async with opened(server) as channel:
            server.kill()
            with pytest.raises(ChannelError, match=r"line server: .* closed the connection") as fault:
                await channel.receive(deadline=soon())
            assert not isinstance(fault.value, ChannelTimeout)
            with pytest.raises(ChannelError, match="line server"):
                await channel.set_line(9600, Framing.E71, deadline=soon())
            server.start()
        async with opened(server):
            pass

    with Ser2net(tmp_path, terminal.device) as server:
        asyncio.run(run(server))


def test_a_server_that_stands_still_is_a_timeout_and_then_goes_on(terminal: PseudoTerminal, tmp_path: Path) -> None:
    async def run(server: Ser2net) -> None:
        async with opened(server) as channel:
            server.stop()
            with pytest.raises(ChannelTimeout, match=r"does not confirm a rate of 9600 Bd"):
                await channel.set_line(9600, Framing.N81, deadline=soon(0.2))
            server.cont()
            await channel.set_line(19200, Framing.N81, deadline=soon())
            assert terminal.rate == termios.B19200

    with Ser2net(tmp_path, terminal.device) as server:
        asyncio.run(run(server))


def test_a_meter_is_read_through_ser2net_with_its_change_of_rate(tmp_path: Path) -> None:
    """The simulated meter garbles what it sends at another rate than the one that ser2net has set by then."""
    device = tmp_path / "meter"
    with (
        simulator(READOUT, "--identification", "ABC5Test", "--baud", "1200", pty=device),
        Ser2net(tmp_path / "server", device) as server,
    ):
        site = Site(tmp_path)
        site.configure(
            f"  server: {{type: rfc2217, host: {server.host}, port: {server.port}, baud: 1200}}\n",
            "  - {id: em-1, driver: iec62056_21, line: server, iec62056_21: {attempts: 1}}\n",
        )
        first = site.json("read", "em-1")["readings"]
        second = site.json("read", "em-1")["readings"]
        with socket.create_connection((server.host, server.port), timeout=5):
            busy = site.run("read", "em-1")
    assert first
    assert {reading["status"] for reading in first} == {"true"}
    assert [reading["raw"] for reading in first] == [reading["raw"] for reading in second]
    assert site.json("archive", "verify")["ok"]
    assert busy.returncode == 1
    assert "meter em-1: line server:" in busy.stderr
    assert "in use" in busy.stderr
