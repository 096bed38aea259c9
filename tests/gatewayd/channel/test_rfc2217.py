"""The RFC 2217 channel against a scripted server that refuses, lies, drips, storms, stands still or hangs up.

Servers that others wrote are in tests/interop/test_ser2net.py. The one here shares no code with the channel.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from gatewayd.channel import Framing
from gatewayd.channel.rfc2217 import Rfc2217Channel, open_rfc2217
from gatewayd.channel.tcp import TcpChannel
from gatewayd.errors import ChannelError, ChannelTimeout
from tests.gatewayd.channel.pseudo_terminal import PATIENCE, soon

HOST = "127.0.0.1"
SIGN_ON = b"/?!\r\n"
SIGN_ON_7E1 = b"\xaf\x3f\x21\x8d\x0a"
GREETING = bytes.fromhex("fffd2c fffb00 fffd00")
BAUDRATE, DATASIZE, PARITY, STOPSIZE, CONTROL = range(1, 6)


def answer(code: int, value: bytes) -> bytes:
    return b"\xff\xfa\x2c" + bytes((100 + code,)) + value.replace(b"\xff", b"\xff\xff") + b"\xff\xf0"


@dataclass
class Server:
    """One client at a time, as a serial server has it; whoever comes meanwhile is sent away.

    `answers` replaces what it says to a setting: other bytes, or None for silence. `cut_after` bytes it hangs up.
    """

    greeting: bytes = GREETING
    answers: dict[int, bytes | None] = field(default_factory=dict)
    drip: bool = False
    cut_after: int | None = None
    asked: list[tuple[int, bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each setting was asked for, and when each byte for the port came, in the time of the loop."""
    arrivals: list[float] = field(default_factory=list)
    options: list[tuple[int, int]] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    refused_clients: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    before_answer: Callable[["Server", int], Awaitable[None]] | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self.refused_clients += 1
            writer.write(b"Port already in use\r\n")
            writer.close()
            return
        self._writer = writer
        self.hung_up.clear()
        try:
            await self.say(self.greeting)
            while byte := await reader.read(1):
                if byte != b"\xff":
                    await self._data(byte)
                else:
                    await self._command(reader, (await reader.readexactly(1))[0])
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writer = None
            self.hung_up.set()
            writer.close()

    async def say(self, data: bytes) -> None:
        """Raw bytes to the client."""
        assert self._writer is not None
        if self.cut_after is not None:
            data, self.cut_after = data[: self.cut_after], self.cut_after - len(data)
        for piece in [bytes((byte,)) for byte in data] if self.drip else [data]:
            self._writer.write(piece)
            await self._writer.drain()
            if self.drip:
                await asyncio.sleep(0)
        if self.cut_after is not None and self.cut_after <= 0:
            raise ConnectionAbortedError

    async def read(self, count: int) -> bytes:
        """What came for the port."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def _data(self, byte: bytes) -> None:
        self.received += byte
        self.arrivals.append(asyncio.get_running_loop().time())
        await self._notify()

    async def _command(self, reader: asyncio.StreamReader, code: int) -> None:
        if code == 255:
            await self._data(b"\xff")
        elif code == 250:
            body = (await reader.readuntil(b"\xff\xf0"))[:-2].replace(b"\xff\xff", b"\xff")
            assert body[0] == 44
            self.asked.append((body[1], body[2:]))
            self.times.append(asyncio.get_running_loop().time())
            if self.before_answer is not None:
                await self.before_answer(self, body[1])
            value = self.answers.get(body[1], body[2:])
            if value is not None:
                await self.say(answer(body[1], value))
        elif code > 250:
            self.options.append((code, (await reader.readexactly(1))[0]))
        else:
            self.signals.append(code)
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def listening(server: Server) -> AsyncIterator[int]:
    listener = await asyncio.start_server(server.serve, HOST, 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


@contextlib.asynccontextmanager
async def connected(
    server: Server, framing: Framing | None = None, baud: int = 115200
) -> AsyncIterator[Rfc2217Channel]:
    async with listening(server) as port:
        channel = await open_rfc2217("server", HOST, port, baud, framing, deadline=soon())
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


async def opening_fails(server: Server, message: str, seconds: float = PATIENCE) -> ChannelError:
    async with listening(server) as port:
        before = soon(0)
        with pytest.raises(ChannelError, match=message) as fault:
            await open_rfc2217("server", HOST, port, 300, None, deadline=soon(seconds))
        assert soon(0) - before < seconds + 2
        assert f"line server: {HOST}:{port}" in str(fault.value)
        return fault.value


# -- opening -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("framing", "values"),
    [
        (None, (b"\x08", b"\x01", b"\x01")),
        (Framing.E71, (b"\x07", b"\x03", b"\x01")),
        (Framing.O81, (b"\x08", b"\x02", b"\x01")),
        (Framing.N82, (b"\x08", b"\x01", b"\x02")),
    ],
)
def test_an_open_port_has_what_was_asked_for(framing: Framing | None, values: tuple[bytes, bytes, bytes]) -> None:
    async def run() -> None:
        server = Server()
        async with connected(server, framing, baud=300):
            assert dict(server.asked) == {
                CONTROL: b"\x01",
                BAUDRATE: b"\x00\x00\x01\x2c",
                **dict(zip((DATASIZE, PARITY, STOPSIZE), values, strict=True)),
            }
            assert len(server.asked) == 5
            assert {(251, 44), (251, 0), (253, 0), (251, 3), (253, 3)} <= set(server.options)

    asyncio.run(run())


@pytest.mark.parametrize("drip", [False, True])
def test_every_byte_goes_both_ways(drip: bool) -> None:
    everything = bytes(range(256)) + b"\xff\xff\xf0\r\n\r\0" * 3

    async def run() -> None:
        server = Server(drip=drip)
        async with connected(server) as channel:
            await channel.send(everything, deadline=soon())
            assert await server.read(len(everything)) == everything
            await server.say(everything.replace(b"\xff", b"\xff\xff"))
            assert await receive_exactly(channel, len(everything)) == everything
            assert channel.parity_errors == 0

    asyncio.run(run())


def test_what_the_server_says_before_its_port_is_set_is_not_the_meters() -> None:
    async def run() -> None:
        server = Server(greeting=b"Welcome to port 3\r\n" + GREETING)
        async with connected(server) as channel:
            await server.say(b"x")
            assert await channel.receive(deadline=soon()) == b"x"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("greeting", "message"),
    [
        ("fffe2c", r"refuses COM-PORT-OPTION; set .* use type: tcp"),
        ("fffd2c fffe00", r"refuses eight bits towards the meter \(BINARY\)"),
        ("fffd2c fffc00", r"refuses eight bits from the meter \(BINARY\)"),
        ("fffa2c65 01 fff0", r"sent an answer to SET-BAUDRATE of 1 bytes instead of 4; .*type: tcp"),
        ("fffa" + "41" * 600, r"sent a telnet subnegotiation longer than 512 bytes"),
    ],
)
def test_a_server_that_does_not_speak_rfc_2217_is_named(greeting: str, message: str) -> None:
    async def run() -> None:
        fault = await opening_fails(Server(greeting=bytes.fromhex(greeting)), message)
        assert not isinstance(fault, ChannelTimeout)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("greeting", "message"),
    [
        ("", r"does not agree to COM-PORT-OPTION and .*BINARY.*; is this an RFC 2217 port\?.* type: tcp"),
        ("fffd2c fffd00", r"does not agree to eight bits from the meter \(BINARY\);"),
        ("4d657465720d0a", r"does not agree to COM-PORT-OPTION .*; it said 'Meter'$"),
    ],
)
def test_a_server_that_does_not_answer_ends_at_the_deadline(greeting: str, message: str) -> None:
    async def run() -> None:
        fault = await opening_fails(Server(greeting=bytes.fromhex(greeting)), message, 0.2)
        assert isinstance(fault, ChannelTimeout)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "value", "message"),
    [
        (BAUDRATE, b"\x00\x00\x25\x80", "a rate of 9600 Bd instead of a rate of 300 Bd; can the server's hardware"),
        (DATASIZE, b"\x05", "5 data bits instead of 8 data bits"),
        (STOPSIZE, b"\x03", "1.5 stop bits instead of 1 stop bits"),
        (CONTROL, b"\x03", "flow control RTS/CTS instead of flow control off"),
    ],
)
def test_a_server_that_sets_something_else_is_an_error_with_both_values(code: int, value: bytes, message: str) -> None:
    async def run() -> None:
        fault = await opening_fails(Server(answers={code: value}), f"sets its port to {message}")
        assert not isinstance(fault, ChannelTimeout)

    asyncio.run(run())


def test_a_setting_that_is_not_confirmed_ends_at_the_deadline() -> None:
    async def run() -> None:
        silent = Server(answers={PARITY: None, BAUDRATE: None})
        message = r"does not confirm a rate of 300 Bd and parity none; .* framing or baud"
        assert isinstance(await opening_fails(silent, message, 0.2), ChannelTimeout)

    asyncio.run(run())


_DIALOGUE = len(GREETING) + 4 * len(answer(1, b"\x08")) + len(answer(1, bytes(4)))


@pytest.mark.parametrize("after", [*range(0, _DIALOGUE, 4), _DIALOGUE - 1])
def test_a_server_that_hangs_up_in_the_middle_is_an_error_at_once(after: int) -> None:
    async def run() -> None:
        fault = await opening_fails(Server(cut_after=after), "closed the connection.*is another client connected?")
        assert not isinstance(fault, ChannelTimeout)

    asyncio.run(run())


def test_an_open_that_is_cancelled_at_any_await_leaves_the_port_free() -> None:
    async def run() -> None:
        server = Server()
        finished = 0
        async with listening(server) as port:
            for turns in range(120):
                opening = asyncio.create_task(open_rfc2217("server", HOST, port, 300, None, deadline=soon()))
                for _ in range(turns):
                    await asyncio.sleep(0)
                opening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    channel = await opening
                    finished += 1
                    await channel.close()
            assert 0 < finished < 120  # every await was met
            channel = await open_rfc2217("server", HOST, port, 300, None, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            assert await server.read(5) == SIGN_ON
            await channel.close()
        assert server.refused_clients == 0

    asyncio.run(run())


# -- rate and framing --------------------------------------------------------------------------------------------------


def test_only_what_changes_is_asked_for() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            for baud, framing, asked in (
                (300, Framing.E71, [(BAUDRATE, bytes.fromhex("0000012c")), (DATASIZE, b"\x07"), (PARITY, b"\x03")]),
                (9600, Framing.E71, [(BAUDRATE, bytes.fromhex("00002580"))]),
                (9600, Framing.E71, []),
                (9600, Framing.N82, [(DATASIZE, b"\x08"), (PARITY, b"\x01"), (STOPSIZE, b"\x02")]),
            ):
                server.asked.clear()
                await channel.set_line(baud, framing, deadline=soon())
                assert server.asked == asked

    asyncio.run(run())


@pytest.mark.parametrize("refusal", [{}, {DATASIZE: b"\x08"}, {PARITY: b"\x01"}, {DATASIZE: b"\x08", PARITY: b"\x01"}])
def test_seven_bits_carry_parity_in_bit_7(refusal: dict[int, bytes | None]) -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            server.answers = dict(refusal)

            async def able_to_do_eight(server: Server, code: int) -> None:
                server.answers = dict(refusal) if server.asked[-1] in ((DATASIZE, b"\x07"), (PARITY, b"\x03")) else {}

            server.before_answer = able_to_do_eight
            await channel.set_line(115200, Framing.E71, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            assert await server.read(5) == SIGN_ON_7E1
            await server.say(SIGN_ON_7E1 + b"\x80" + SIGN_ON)
            assert await receive_exactly(channel, 11) == SIGN_ON + b"\0" + SIGN_ON
            assert channel.parity_errors == 1
            server.asked.clear()
            await channel.set_line(9600, Framing.E71, deadline=soon())
            assert server.asked == [(BAUDRATE, bytes.fromhex("00002580"))]  # what was refused is not asked for again
            assert channel.parity_errors == 1
            await server.say(b"\x80")
            assert await receive_exactly(channel, 1) == b"\0"
            assert channel.parity_errors == 2

    asyncio.run(run())


def test_a_port_without_seven_bits_gets_eight_without_parity() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            server.answers = {DATASIZE: b"\x08"}
            server.asked.clear()
            await channel.set_line(115200, Framing.E71, deadline=soon())
            assert server.asked == [(DATASIZE, b"\x07"), (PARITY, b"\x03"), (PARITY, b"\x01")]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fixed", "framing", "sent"),
    [
        (Framing.N81, Framing.E71, SIGN_ON_7E1),
        (Framing.N81, Framing.N81, SIGN_ON),
        (Framing.E71, Framing.N81, SIGN_ON_7E1),
        (Framing.N82, Framing.E71, SIGN_ON),
        (Framing.E81, Framing.E71, SIGN_ON),
    ],
)
def test_a_fixed_framing_is_that_of_the_servers_port(fixed: Framing, framing: Framing, sent: bytes) -> None:
    async def run() -> None:
        server = Server()
        async with connected(server, fixed) as channel:
            server.asked.clear()
            await channel.set_line(115200, framing, deadline=soon())
            assert server.asked == []
            await channel.send(SIGN_ON, deadline=soon())
            assert await server.read(5) == sent

    asyncio.run(run())


def test_parity_changes_where_the_server_confirms_it_in_the_stream() -> None:
    """Three things in one segment: a character with parity, the confirmation, and eight-bit characters after it."""

    async def run() -> None:
        server = Server(answers={})
        async with connected(server, baud=9600) as channel:
            await channel.set_line(9600, Framing.E71, deadline=soon())
            server.answers = {DATASIZE: None, PARITY: None}
            changing = asyncio.create_task(channel.set_line(9600, Framing.N81, deadline=soon()))
            await server.until(lambda: server.asked[-1][0] == PARITY)
            await server.say(
                b"\xaf" + answer(DATASIZE, b"\x08") + b"\xaf" + answer(PARITY, b"\x01") + b"\x7e\xa0\xff\xff"
            )
            await changing
            assert await receive_exactly(channel, 5) == b"//\x7e\xa0\xff"

    asyncio.run(run())


@pytest.mark.parametrize("turns", range(16))
def test_a_cancelled_change_is_followed_by_another(turns: int) -> None:
    """The answers to what was cancelled come all the same, and are not those to what followed."""

    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            await channel.set_line(115200, Framing.E71, deadline=soon())
            await channel.send(SIGN_ON, deadline=soon())
            await server.say(SIGN_ON_7E1)
            changing = asyncio.create_task(channel.set_line(9600, Framing.N81, deadline=soon()))
            for _ in range(turns):
                await asyncio.sleep(0)
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)
            await channel.set_line(19200, Framing.E71, deadline=soon())
            assert [value for code, value in server.asked if code == BAUDRATE][-1] == bytes.fromhex("00004b00")
            assert [value for code, value in server.asked if code == DATASIZE][-1] == b"\x07"
            assert await receive_exactly(channel, 5) == SIGN_ON
            await channel.send(SIGN_ON, deadline=soon())
            assert await server.read(10) == SIGN_ON_7E1 * 2

    asyncio.run(run())


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            server.answers = {BAUDRATE: None}
            with pytest.raises(ChannelTimeout, match="does not confirm a rate of 9600 Bd"):
                await channel.set_line(9600, Framing.N81, deadline=soon(0.1))
            changing = asyncio.create_task(channel.set_line(300, Framing.N81, deadline=soon()))
            await server.until(lambda: server.asked[-1] == (BAUDRATE, bytes.fromhex("0000012c")))
            await server.say(answer(BAUDRATE, bytes.fromhex("00002580")) + answer(BAUDRATE, bytes.fromhex("0000012c")))
            await changing

    asyncio.run(run())


def test_what_was_asked_for_and_not_confirmed_is_not_known() -> None:
    """The way back from a change that was cancelled is a change as well."""

    async def run() -> None:
        server = Server()
        async with connected(server, baud=9600) as channel:
            server.answers = {BAUDRATE: None}
            changing = asyncio.create_task(channel.set_line(300, Framing.N81, deadline=soon()))
            await server.until(lambda: server.asked[-1] == (BAUDRATE, bytes.fromhex("0000012c")))
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)
            await server.say(answer(BAUDRATE, bytes.fromhex("0000012c")))
            server.answers = {}
            await channel.set_line(9600, Framing.N81, deadline=soon())
            assert server.asked[-1] == (BAUDRATE, bytes.fromhex("00002580"))

    asyncio.run(run())


# -- leaving the wire --------------------------------------------------------------------------------------------------


def test_a_change_of_rate_waits_until_the_characters_have_left() -> None:
    """Six characters of ten bits at 300 Bd take 200 ms."""

    async def run() -> None:
        server = Server()
        async with connected(server, baud=300) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            await channel.send(b"\x06050", deadline=soon())
            await channel.send(b"\r\n", deadline=soon())
            await server.read(6)
            await server.say(SIGN_ON_7E1)
            await channel.set_line(9600, Framing.E71, deadline=soon())
            assert 0.198 < server.times[-1] - server.arrivals[-6] < 0.4  # a busy machine may be late
            assert await channel.receive(deadline=soon()) == SIGN_ON  # what came meanwhile is kept
            before = soon(0)
            await channel.set_line(300, Framing.E71, deadline=soon())
            assert soon(0) - before < 0.1  # nothing is on its way

    asyncio.run(run())


def test_a_change_that_cannot_come_in_time_says_so_at_once() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server, baud=300) as channel:
            await channel.send(bytes(300), deadline=soon())
            before = soon(0)
            with pytest.raises(ChannelTimeout, match=r"line server: .* has not left the wire in time"):
                await channel.set_line(9600, Framing.N81, deadline=soon(1))
            assert soon(0) - before < 0.5

    asyncio.run(run())


def test_a_hang_up_ends_the_wait_for_the_wire() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server, baud=300) as channel:
            await channel.send(bytes(90), deadline=soon())  # three seconds
            await server.read(90)
            server.cut_after = 3
            before = soon(0)
            changing = asyncio.create_task(channel.set_line(9600, Framing.N81, deadline=soon()))
            with pytest.raises(ConnectionAbortedError):
                await server.say(b"abc")
            assert server._writer is not None
            server._writer.close()
            with pytest.raises(ChannelError, match="closed the connection"):
                await changing
            assert soon(0) - before < 1
            assert await channel.receive(deadline=soon()) == b"abc"

    asyncio.run(run())


def test_nonsense_ends_the_wait_for_the_wire() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server, baud=300) as channel:
            await channel.send(bytes(90), deadline=soon())
            await server.read(90)
            before = soon(0)
            changing = asyncio.create_task(channel.set_line(9600, Framing.N81, deadline=soon()))
            await server.say(b"\xff\xfa\xff\xfb")
            with pytest.raises(ChannelError, match="IAC 251"):
                await changing
            assert soon(0) - before < 1

    asyncio.run(run())


# -- commands among the data -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drip", [False, True])
def test_commands_among_the_data_are_answered_and_never_seen(drip: bool) -> None:
    storm = bytes.fromhex("fff1 fff6 fffd06 fffb18 fffd18 fffa2c6b0ffff0 fff2 fffe01 fffc01 fffa1801fff0")

    async def run() -> None:
        server = Server(drip=drip)
        async with connected(server) as channel:
            server.options.clear()
            await server.say(b"".join(storm + bytes((byte,)) for byte in b"0123456789"))
            assert await receive_exactly(channel, 10) == b"0123456789"
            await channel.send(b"!", deadline=soon())
            assert await server.read(1) == b"!"
            assert server.signals == [241] * 10  # a visible answer to AYT that is no character for the meter
            assert server.options.count((251, 6)) == 10
            assert [entry for entry in server.options if entry[1] == 0x18] == [(254, 0x18), (252, 0x18)]
            assert len(server.options) == 12

    asyncio.run(run())


@pytest.mark.parametrize("command", [b"\xff\xf1", b"\xff\xfd\x06", b"\xff\xfa\x2c\x6b\x00\xff\xf0"])
def test_an_endless_storm_ends_at_the_deadline(command: bytes) -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:

            async def storm() -> None:
                with contextlib.suppress(ConnectionError, AssertionError):
                    while True:
                        await server.say(command * 100)

            storming = asyncio.create_task(storm())
            deadline = soon(0.2)
            with pytest.raises(ChannelTimeout, match="line server"):
                await channel.receive(deadline=deadline)
            assert soon(0) < deadline + 2
            storming.cancel()

    asyncio.run(run())


def test_a_flood_while_the_line_is_set_has_a_maximum() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            server.answers = {BAUDRATE: None}
            flood = asyncio.create_task(server.say(bytes(1 << 20)))
            with pytest.raises(ChannelError, match="floods the line"):
                await channel.set_line(9600, Framing.N81, deadline=soon())
            await channel.close()
            await asyncio.gather(flood, return_exceptions=True)

    asyncio.run(run())


def test_nonsense_is_an_error_after_everything_before_it_was_received() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            await server.say(b"abc\xff\xfa\x2c\xff\xfbdef")
            assert await receive_exactly(channel, 3) == b"abc"
            for _ in range(2):
                with pytest.raises(ChannelError, match=r"sent the command IAC 251 in the middle") as fault:
                    await channel.receive(deadline=soon())
                assert not isinstance(fault.value, ChannelTimeout)
            with pytest.raises(ChannelError, match="IAC 251"):
                await channel.send(b"x", deadline=soon())
            with pytest.raises(ChannelError, match="IAC 251"):
                await channel.set_line(300, Framing.N81, deadline=soon())

    asyncio.run(run())


def test_a_server_may_suspend_us() -> None:
    """RFC 2217 FLOWCONTROL-SUSPEND and -RESUME."""

    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            await server.say(answer(8, b"") + b"x")
            assert await receive_exactly(channel, 1) == b"x"
            with pytest.raises(ChannelTimeout, match="has suspended us"):
                await channel.send(SIGN_ON, deadline=soon(0.1))
            sending = asyncio.create_task(channel.send(SIGN_ON, deadline=soon()))
            await server.say(b"yz" + answer(9, b""))
            await sending
            assert await server.read(5) == SIGN_ON
            assert await receive_exactly(channel, 2) == b"yz"

    asyncio.run(run())


# -- receiving, hanging up, closing ------------------------------------------------------------------------------------


def test_silence_ends_at_the_deadline_and_loses_nothing() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            with pytest.raises(ChannelTimeout, match=r"line server: .* nothing received in time"):
                await channel.receive(deadline=soon(0.05))
            await server.say(b"abc")
            assert await receive_exactly(channel, 3) == b"abc"

    asyncio.run(run())


def test_a_cancelled_receive_loses_no_byte() -> None:
    expected = b"".join(b"%d," % number for number in range(200))

    async def run() -> None:
        server = Server(drip=True)
        async with connected(server) as channel:
            saying = asyncio.create_task(server.say(expected.replace(b"0", b"0\xff\xf6\xff\xfd\x06")))
            received = b""
            for turn in range(300):
                waiting = asyncio.create_task(channel.receive(deadline=soon()))
                for _ in range(turn % 7):
                    await asyncio.sleep(0)
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    received += await waiting
            received += await receive_exactly(channel, len(expected) - len(received))
            assert received == expected
            await saying

    asyncio.run(run())


def test_a_hang_up_is_an_error_after_everything_was_received() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            await server.say(b"abc\xff\xfd\x18")
            assert server._writer is not None
            server._writer.close()
            assert await receive_exactly(channel, 3) == b"abc"
            for _ in range(2):
                with pytest.raises(ChannelError, match=r"line server: .* closed the connection") as fault:
                    await channel.receive(deadline=soon())
                assert not isinstance(fault.value, ChannelTimeout)
            with pytest.raises(ChannelError, match="line server"):
                await channel.set_line(9600, Framing.E71, deadline=soon())

    asyncio.run(run())


def test_an_answer_that_can_no_longer_be_sent_does_not_hide_what_was_received() -> None:
    class Ended(TcpChannel):
        def __init__(self) -> None:
            """No connection at all."""

        async def receive(self, *, deadline: float) -> bytes:
            return b"abc\xff\xfd\x18"

        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            raise ChannelError("line server: broken pipe")

    async def run() -> None:
        channel = Rfc2217Channel("line server", Ended(), None)
        assert await channel.receive(deadline=soon()) == b"abc"
        with pytest.raises(ChannelError, match="broken pipe"):
            await channel.receive(deadline=soon())

    asyncio.run(run())


def test_closing_lets_the_last_message_out() -> None:
    """A break, SOH B 0 ETX and BCC, without which a meter stays locked: five characters of ten bits at 300 Bd."""

    async def run() -> None:
        server = Server()
        async with connected(server, baud=300) as channel:
            await channel.send(b"\x01B0\x03q", deadline=soon())
            assert await server.read(5) == b"\x01B0\x03q"
            await channel.close()
            assert 0.165 < soon(0) - server.arrivals[0] < 0.4

    asyncio.run(run())


def test_closing_gives_the_port_back_and_may_be_repeated() -> None:
    async def run() -> None:
        server = Server()
        async with listening(server) as port:
            for _ in range(20):
                channel = await open_rfc2217("server", HOST, port, 300, None, deadline=soon())
                await server.say(b"unread")
                await channel.close()
                assert server.hung_up.is_set()  # not only asked for
                await channel.close()
                for action in (
                    channel.send(b"x", deadline=soon()),
                    channel.receive(deadline=soon()),
                    channel.set_line(300, Framing.N81, deadline=soon()),
                ):
                    with pytest.raises(ChannelError, match=r"line server: .* is closed"):
                        await action
        assert server.refused_clients == 0

    asyncio.run(run())


def test_closing_never_waits_long_for_a_server_that_does_not() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            assert server._writer is not None
            server._writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can read
            with pytest.raises(ChannelTimeout, match="takes no more data"):
                await channel.send(bytes(32 << 20), deadline=soon(0.1))
            before = soon(0)
            await channel.close()
            assert soon(0) - before < 3

    asyncio.run(run())


# -- control lines -----------------------------------------------------------------------------------------------------

MODEM_STATE_MASK, MODEM_STATE = 11, 7


def test_dtr_is_switched_and_dcd_is_told() -> None:
    async def run() -> None:
        server = Server()
        async with connected(server) as channel:
            control = channel.control_lines()
            await server.until(lambda: server.asked[-1:] == [(MODEM_STATE_MASK, b"\xff")])
            assert control is not None
            assert not control.carrier(), "as long as nothing is told"
            for told, carrier in ((b"\x80", True), (b"\xb0", True), (b"\x38", False), (b"\x88", True)):
                await server.say(answer(MODEM_STATE, told) + b"x")
                assert await receive_exactly(channel, 1) == b"x"
                assert control.carrier() is carrier
            control.set_dtr(False)
            control.set_dtr(True)
            await channel.send(b"ATH", deadline=soon())
            assert await server.read(3) == b"ATH", "after what was said before"
            assert server.asked[-2:] == [(CONTROL, b"\x09"), (CONTROL, b"\x08")]
            await channel.set_line(9600, Framing.E71, deadline=soon())

    asyncio.run(run())


def test_control_lines_of_a_port_that_is_closed_are_an_error() -> None:
    async def run() -> None:
        async with connected(Server()) as channel:
            control = channel.control_lines()
            assert control is not None
        with pytest.raises(ChannelError, match="closed"):
            control.set_dtr(False)
        with pytest.raises(ChannelError, match="closed"):
            control.carrier()

    asyncio.run(run())
