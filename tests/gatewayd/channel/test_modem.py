"""A call as a channel: the pipe, the hang-up on every way out, the record of what it cost; and whole readouts.

The modem is a fake inner channel where a moment has to be hit, and the simulator, a process of its own, for the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drivers.iec62056_21.driver import KIND
from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd.channel import Channel, Framing
from gatewayd.channel.modem import ModemChannel, ModemLine, check_modem, open_modem
from gatewayd.channel.modem_options import (
    REMEDY,
    CallRecord,
    CallResult,
    ModemOptions,
    PinUse,
    Registration,
    SimPin,
)
from gatewayd.channel.serial import open_serial
from gatewayd.channel.tcp import open_tcp
from gatewayd.dialling import Network, PhoneNumber, Step
from gatewayd.driver import Setting
from gatewayd.errors import ChannelError, ChannelTimeout
from gatewayd.model import Answer, Meter, Outcome, Registers
from tests.gatewayd.channel.pseudo_terminal import soon
from tests.gatewayd.doubles import TestClock
from tests.simulators.reader import BODY, LINES, QUICK, Simulator, simulate

NUMBER = PhoneNumber("+420601234589")
MASKED = "+42060****89"
PIN = "4711"
WHERE = "/dev/gatewayd/modem0"
OK = b"\r\nOK\r\n"
STEPS = (Step("ATZ", required=True), Step("ATE0"))
QUICKLY = ModemOptions(steps=STEPS, command=1.0, poll=0.02, guard=0.03, carrier_guard=0.1, hang_up=2.0)

Table = dict[bytes, bytes | ChannelError]


class FakeModem:
    """An inner channel: answers what is sent by a table, says OK to the rest, nothing once it is a pipe."""

    def __init__(self, table: Table | None = None, *, deaf: bool = False) -> None:
        usual: Table = {
            b"AT+CPIN?\r": b"\r\n+CPIN: READY\r\n" + OK,
            b"AT+CREG?\r": b"\r\n+CREG: 0,5\r\n" + OK,
            b"AT+CSQ\r": b"\r\n+CSQ: 21,99\r\n" + OK,
            b"ATD" + NUMBER.digits.encode() + b"\r": b"\r\nCONNECT 9600/RLP\r\n",
        }
        self.table = usual | (table or {})
        self.deaf = deaf
        self.online = False
        self.sent: list[bytes] = []
        self.times: list[float] = []
        self.lines: list[tuple[int, Framing]] = []
        self.closed = 0
        self.arrived = asyncio.Event()
        self.said = asyncio.Event()
        """Set by every send."""
        self._buffer = b""
        self._fault: ChannelError | None = None

    @property
    def parity_errors(self) -> int:
        return 0

    def say(self, data: bytes) -> None:
        self._buffer += data
        self.arrived.set()

    def fail(self, error: ChannelError) -> None:
        self._fault = error
        self.arrived.set()

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        assert deadline > asyncio.get_running_loop().time()
        if self._fault is not None:
            raise self._fault
        self.sent.append(data)
        self.times.append(asyncio.get_running_loop().time())
        self.said.set()
        if self.deaf:
            return
        if data == b"+++":
            self.online = False
        if self.online:
            return
        answer = self.table.get(data, OK)
        if isinstance(answer, ChannelError):
            self.fail(answer)
            return
        self.online = b"CONNECT" in answer
        self.say(answer)

    async def receive(self, *, deadline: float) -> bytes:
        while not self._buffer:
            if self._fault is not None:
                raise self._fault
            self.arrived.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self.arrived.wait()
            except TimeoutError:
                raise ChannelTimeout("line gsm: nothing received in time") from None
        data, self._buffer = self._buffer, b""
        return data

    async def rest(self, seconds: float) -> None:
        pass

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        await asyncio.sleep(0)
        self.lines.append((baud, framing))

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1


class FakeControl:
    def __init__(self) -> None:
        self.dtr: list[bool] = []
        self.up = True

    def set_dtr(self, on: bool) -> None:
        self.dtr.append(on)

    def carrier(self) -> bool:
        return self.up


class Calls:
    """A modem line and the records of its calls."""

    def __init__(
        self, options: ModemOptions = QUICKLY, pin: str | None = None, framing: Framing | None = None, name: str = "gsm"
    ) -> None:
        self.records: list[CallRecord] = []
        self.line = ModemLine(name, WHERE, options, SimPin(pin), TestClock(), self.records.append, framing)

    @property
    def record(self) -> CallRecord:
        (record,) = self.records
        return record

    @contextlib.asynccontextmanager
    async def call(self, inner: Channel, control: FakeControl | None = None) -> AsyncIterator[ModemChannel]:
        channel = await open_modem(self.line, inner, NUMBER, deadline=soon(), control=control)
        try:
            yield channel
        finally:
            await channel.close()


async def receive_exactly(channel: Channel, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += await channel.receive(deadline=soon())
    return data


def even(data: bytes) -> bytes:
    return bytes(c | 0x80 if c.bit_count() % 2 else c for c in data)


# -- the pipe ----------------------------------------------------------------------------------------------------------


def test_a_connected_call_is_a_pipe_of_eight_bits_and_is_accounted_for() -> None:
    async def run() -> None:
        calls, inner = Calls(), FakeModem()
        inner.table[b"ATD+420601234589\r"] = b"\r\nCONNECT 9600/RLP\r\n" + bytes(range(256))
        async with calls.call(inner) as channel:
            assert await receive_exactly(channel, 256) == bytes(range(256))
            await channel.send(bytes(range(255, -1, -1)), deadline=soon())
            assert inner.sent[-1] == bytes(range(255, -1, -1))
            inner.say(b"+++\r\nOK\r\nRING\r\n")
            assert await receive_exactly(channel, 15) == b"+++\r\nOK\r\nRING\r\n"
            assert not calls.records
            assert channel.status.registration is Registration.ROAMING
            assert (channel.status.signal, channel.status.connect) == (21, "9600/RLP")
        record = calls.record
        assert (record.line, record.number, record.result) == ("gsm", MASKED, CallResult.DONE)
        assert (record.bytes_sent, record.bytes_received) == (256, 256 + 15)
        assert (record.dialled, record.hung_up) == (True, True)
        assert record.connected_at is not None
        assert record.started_at < record.connected_at < record.ended_at
        assert QUICKLY.guard <= record.seconds + 0.001 < 2
        assert record.status == channel.status
        assert inner.closed == 1

    asyncio.run(run())


def test_seven_bits_with_parity_are_made_in_software_and_the_modems_rate_stays() -> None:
    async def run() -> None:
        inner = FakeModem()
        async with Calls().call(inner) as channel:
            assert inner.lines == [(9600, Framing.N81)]
            await channel.set_line(300, Framing.E71, deadline=soon())
            await channel.send(b"/?!\r\n", deadline=soon())
            assert inner.sent[-1] == b"\xaf\x3f\x21\x8d\x0a"
            inner.say(even(b"/ISk5") + b"\x80")
            assert await receive_exactly(channel, 6) == b"/ISk5\x00"
            assert channel.parity_errors == 1
            await channel.set_line(9600, Framing.N81, deadline=soon())
            inner.say(b"\x80")
            assert await receive_exactly(channel, 1) == b"\x80"
            assert channel.parity_errors == 1
            assert inner.lines == [(9600, Framing.N81)]

    asyncio.run(run())


def test_a_framing_that_the_configuration_fixes_wins() -> None:
    async def run() -> None:
        inner = FakeModem()
        async with Calls(framing=Framing.N81).call(inner) as channel:
            await channel.set_line(300, Framing.E71, deadline=soon())
            await channel.send(b"/?!\r\n", deadline=soon())
            assert inner.sent[-1] == b"/?!\r\n"

    asyncio.run(run())


def test_a_wait_ends_at_its_deadline_and_loses_nothing() -> None:
    async def run() -> None:
        inner = FakeModem()
        async with Calls().call(inner) as channel:
            deadline = soon(0.05)
            with pytest.raises(ChannelTimeout, match="line gsm: nothing received in time"):
                await channel.receive(deadline=deadline)
            assert 0 <= asyncio.get_running_loop().time() - deadline < 1
            waiting = asyncio.create_task(channel.receive(deadline=soon()))
            await asyncio.sleep(0)
            inner.say(b"meter")
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await channel.receive(deadline=soon()) == b"meter"

    asyncio.run(run())


# -- calls that come to nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "result", "text"),
    [
        ({b"ATD+420601234589\r": b"\r\nBUSY\r\n"}, CallResult.BUSY, f"dialled {MASKED}: BUSY"),
        ({b"ATD+420601234589\r": b"\r\nNO CARRIER\r\n"}, CallResult.NO_CARRIER, f"dialled {MASKED}: NO CARRIER"),
        ({b"ATD+420601234589\r": b"\r\n+CME ERROR: 30\r\n"}, CallResult.REFUSED, "+CME ERROR: 30"),
        ({b"ATD+420601234589\r": b"\r\nNO DIALTONE\r\n"}, CallResult.NO_DIALTONE, "NO DIALTONE"),
        ({b"ATZ\r": b"\r\nERROR\r\n"}, CallResult.MODEM, "rejects ATZ"),
        ({b"AT+CPIN?\r": b"\r\n+CPIN: SIM PUK\r\n" + OK}, CallResult.SIM, "SIM PUK"),
        ({b"AT+CREG?\r": b"\r\n+CREG: 0,3\r\n" + OK}, CallResult.NOT_REGISTERED, "denied"),
    ],
)
def test_a_failed_call_names_line_modem_and_remedy(table: Table, result: CallResult, text: str) -> None:
    async def run() -> None:
        calls, inner = Calls(), FakeModem(table)
        with pytest.raises(ChannelError, match=f"^line gsm: modem at {WHERE} .*{re.escape(text)}") as fault:
            await open_modem(calls.line, inner, NUMBER, deadline=soon())
        assert str(fault.value).endswith(REMEDY[result])
        assert not isinstance(fault.value, ChannelTimeout)
        assert inner.closed == 1
        record = calls.record
        assert (record.result, record.seconds, record.connected_at) == (result, 0.0, None)
        assert record.dialled is (b"ATD+420601234589\r" in table)
        assert record.hung_up
        if record.dialled:
            assert inner.sent[-1] == b"ATH\r"

    asyncio.run(run())


@pytest.mark.parametrize("has_dtr", [False, True])
def test_a_call_that_is_not_answered_is_aborted_at_the_deadline(has_dtr: bool) -> None:
    async def run() -> None:
        calls, control = Calls(), FakeControl()
        inner = FakeModem({b"ATD+420601234589\r": b"", b"\r": b"\r\nNO CARRIER\r\n"})
        deadline = soon(0.2)
        with pytest.raises(ChannelTimeout, match="no connection in time"):
            await open_modem(calls.line, inner, NUMBER, deadline=deadline, control=control if has_dtr else None)
        assert 0 <= asyncio.get_running_loop().time() - deadline < 1
        assert inner.sent[-2:] == [b"\r", b"ATH\r"]
        assert control.dtr == ([True, False, True] if has_dtr else [])
        assert calls.record.result is CallResult.TIMEOUT
        assert inner.closed == 1

    asyncio.run(run())


def test_no_secret_is_in_any_text(caplog: pytest.LogCaptureFixture) -> None:
    """Echo on, a modem that repeats what it was sent, and a PIN that is refused."""
    caplog.set_level(logging.DEBUG)

    async def run() -> None:
        calls = Calls(pin=PIN)
        asks = b"\r\nRING\r\n\r\n+CPIN: SIM PIN\r\n" + OK
        told = b'\r\nAT+CPIN="4711"\r\n\r\nT+CPIN="4711"\r\n\r\n+CME ERROR: PIN 4711 of 420601234589 wrong\r\n'
        inner = FakeModem({b"AT+CPIN?\r": asks, b'AT+CPIN="4711"\r': told})
        with pytest.raises(ChannelError, match="refuses the PIN") as fault:
            await open_modem(calls.line, inner, NUMBER, deadline=soon())
        texts = [str(fault.value), repr(calls.line), repr(calls.records), caplog.text]
        assert "incoming call" in caplog.text
        for text in texts:
            assert PIN not in text
            assert "0601234589" not in text
        assert calls.line.sim.use is PinUse.REFUSED
        again = FakeModem({b"AT+CPIN?\r": asks})
        with pytest.raises(ChannelError, match="once at most"):
            await open_modem(calls.line, again, NUMBER, deadline=soon())
        assert not any(b"CPIN=" in sent for sent in again.sent)

    asyncio.run(run())


def test_a_line_that_fails_during_the_set_up() -> None:
    async def run() -> None:
        for command in (b"AT\r", b"AT+CSQ\r", b"ATD+420601234589\r"):
            calls, inner = Calls(), FakeModem({command: ChannelError("line gsm: unplugged")})
            with pytest.raises(ChannelError, match="unplugged"):
                await open_modem(calls.line, inner, NUMBER, deadline=soon())
            assert (calls.record.result, calls.record.hung_up) == (CallResult.LINE_FAILED, False)
            assert inner.sent[-1] == command, "nobody is left to talk to"
            assert inner.closed == 1

    asyncio.run(run())


def test_the_modem_is_looked_at_without_a_call() -> None:
    async def run() -> None:
        calls, inner = Calls(), FakeModem()
        status = await check_modem(calls.line, inner, deadline=soon())
        assert (status.sim, status.registration, status.signal_dbm) == ("READY", Registration.ROAMING, -71)
        assert not any(b"ATD" in sent for sent in inner.sent)
        assert (calls.records, inner.closed) == ([], 1)
        with pytest.raises(ChannelError, match="does not answer AT; check power"):
            await check_modem(calls.line, FakeModem(deaf=True), deadline=soon(0.1))

    asyncio.run(run())


# -- the carrier -------------------------------------------------------------------------------------------------------


def test_no_carrier_in_mid_block_is_an_error_after_the_guard_time() -> None:
    async def run() -> None:
        calls, inner = Calls(), FakeModem()
        async with calls.call(inner) as channel:
            inner.say(b"1.8.0(0001\r\nNO CARRIER\r\n")
            began = asyncio.get_running_loop().time()
            assert await channel.receive(deadline=soon()) == b"1.8.0(0001\r\nNO CARRIER\r\n"
            for _ in range(2):
                with pytest.raises(ChannelError, match=f"line gsm: modem at {WHERE} lost the carrier") as fault:
                    await channel.receive(deadline=soon())
                assert not isinstance(fault.value, ChannelTimeout)
                assert MASKED in str(fault.value)
            waited = asyncio.get_running_loop().time() - began
            assert QUICKLY.carrier_guard <= waited + 0.01 < 1
            with pytest.raises(ChannelError, match="lost the carrier"):
                await channel.send(b"x", deadline=soon())
            inner.online = False
        assert inner.sent[-1] == b"ATH\r"
        assert b"+++" not in inner.sent
        assert (calls.record.result, calls.record.hung_up) == (CallResult.LOST, True)

    asyncio.run(run())


def test_a_short_wait_does_not_hide_the_loss_of_the_carrier() -> None:
    async def run() -> None:
        inner = FakeModem()
        async with Calls().call(inner) as channel:
            inner.say(b"\r\nNO CARRIER\r\n")
            await channel.receive(deadline=soon())
            with pytest.raises(ChannelTimeout):
                await channel.receive(deadline=soon(QUICKLY.carrier_guard / 4))
            with pytest.raises(ChannelError, match="lost the carrier"):
                await channel.receive(deadline=soon())
            inner.online = False

    asyncio.run(run())


def test_a_meter_that_writes_no_carrier_goes_on() -> None:
    async def run() -> None:
        inner = FakeModem()
        async with Calls().call(inner) as channel:
            inner.say(b"\r\nNO CARRIER\r\n")
            assert await receive_exactly(channel, 14) == b"\r\nNO CARRIER\r\n"
            inner.say(b"!\r\n")
            assert await receive_exactly(channel, 3) == b"!\r\n"
            with pytest.raises(ChannelTimeout):
                await channel.receive(deadline=soon(2 * QUICKLY.carrier_guard))

    asyncio.run(run())


def test_dcd_tells_of_the_loss_after_everything_was_received() -> None:
    async def run() -> None:
        calls, inner, control = Calls(), FakeModem(), FakeControl()
        async with calls.call(inner, control) as channel:
            with pytest.raises(ChannelTimeout):
                await channel.receive(deadline=soon(0.3))
            control.up = False
            inner.say(b"last")
            assert await channel.receive(deadline=soon()) == b"last"
            with pytest.raises(ChannelError, match="lost the carrier"):
                await channel.receive(deadline=soon())
            inner.online = False
        assert calls.record.result is CallResult.LOST

    asyncio.run(run())


def test_a_cable_without_dcd_does_not_end_a_call() -> None:
    """It says off for ever; so does a modem with AT&C0."""

    async def run() -> None:
        calls, inner, control = Calls(), FakeModem(), FakeControl()
        control.up = False
        async with calls.call(inner, control) as channel:
            with pytest.raises(ChannelTimeout):
                await channel.receive(deadline=soon(0.6))
            inner.say(b"here")
            assert await channel.receive(deadline=soon()) == b"here"
            inner.online = False
        assert calls.record.result is CallResult.DONE

    asyncio.run(run())


def test_what_is_secret_is_said_to_be() -> None:
    """The PIN and the number, for whatever shows the traffic."""

    class Listener(FakeModem):
        async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
            secrets.extend([data] if secret else [])
            await super().send(data, deadline=deadline, secret=secret)

    async def run() -> None:
        inner = Listener({b"AT+CPIN?\r": b"\r\n+CPIN: SIM PIN\r\n" + OK})
        async with Calls(pin=PIN).call(inner):
            inner.online = False

    secrets: list[bytes] = []
    asyncio.run(run())
    assert secrets == [b'AT+CPIN="4711"\r', b"ATD+420601234589\r"]


def test_the_end_of_the_way_to_the_modem_is_an_error() -> None:
    async def run() -> None:
        calls, inner = Calls(), FakeModem()
        async with calls.call(inner) as channel:
            inner.say(b"1.8.0(")
            inner.fail(ChannelError("line gsm: /dev/ttyUSB0 vanished (unplugged?)"))
            assert await channel.receive(deadline=soon()) == b"1.8.0("
            for _ in range(2):
                with pytest.raises(ChannelError, match="vanished"):
                    await channel.receive(deadline=soon())
            with pytest.raises(ChannelError, match="vanished"):
                await channel.send(b"x", deadline=soon())
        assert (calls.record.result, calls.record.hung_up, inner.closed) == (CallResult.LINE_FAILED, False, 1)

    asyncio.run(run())


# -- hanging up --------------------------------------------------------------------------------------------------------


def test_closing_hangs_up_once_between_guard_times() -> None:
    async def run() -> None:
        calls, inner = Calls(), FakeModem()
        channel = await open_modem(calls.line, inner, NUMBER, deadline=soon())
        await channel.send(b"\x01B0\x03q", deadline=soon())
        await asyncio.gather(channel.close(), channel.close())
        await channel.close()
        assert inner.sent[-2:] == [b"+++", b"ATH\r"]
        assert inner.times[-2] - inner.times[-3] >= QUICKLY.guard
        assert inner.lines == [(9600, Framing.N81)] * 2, "what was sent has left before the guard time begins"
        assert (len(calls.records), inner.closed) == (1, 1)
        for use in (channel.receive(deadline=soon()), channel.send(b"x", deadline=soon())):
            with pytest.raises(ChannelError, match="line gsm is closed"):
                await use

    asyncio.run(run())


def test_dtr_is_dropped_where_there_is_dtr() -> None:
    async def run() -> None:
        inner, control = FakeModem(), FakeControl()
        async with Calls().call(inner, control):
            pass
        assert control.dtr == [True, False, True]
        assert inner.sent[-2:] == [b"+++", b"ATH\r"], "this modem ignores DTR"

    asyncio.run(run())


def test_a_modem_that_does_not_hang_up_costs_some_seconds_and_is_told_of() -> None:
    async def run() -> None:
        calls, inner = Calls(replace(QUICKLY, hang_up=0.3)), FakeModem()
        channel = await open_modem(calls.line, inner, NUMBER, deadline=soon())
        inner.deaf = True
        began = asyncio.get_running_loop().time()
        await channel.close()
        assert asyncio.get_running_loop().time() - began < 1
        assert (calls.record.hung_up, inner.closed) == (False, 1)

    asyncio.run(run())


def test_a_defect_of_the_accountant_does_not_keep_the_line_open(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: CallRecord) -> None:
        raise ZeroDivisionError

    async def run() -> None:
        inner = FakeModem()
        line = replace(Calls().line, on_call=broken)
        channel = await open_modem(line, inner, NUMBER, deadline=soon())
        await channel.close()
        assert inner.closed == 1

    asyncio.run(run())
    assert "line gsm: defect" in caplog.text


def test_cancellation_at_every_step_of_the_set_up_leaves_a_modem_that_is_on_hook() -> None:
    async def run(step: int) -> list[bytes]:
        calls, inner = Calls(), FakeModem({b"\r": b"\r\nNO CARRIER\r\n"})
        commands = [b"AT\r", b"ATZ\r", b"ATE0\r", b"AT+CPIN?\r", b"AT+CREG?\r", b"AT+CSQ\r", b"ATD+420601234589\r"]
        inner.table[commands[step]] = b""
        opening = asyncio.create_task(open_modem(calls.line, inner, NUMBER, deadline=soon()))
        while inner.sent[-1:] != [commands[step]]:
            inner.said.clear()
            await inner.said.wait()
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert inner.closed == 1
        assert (calls.record.result, calls.record.dialled) == (CallResult.CANCELLED, step == 6)
        return inner.sent[inner.sent.index(commands[step]) + 1 :]

    for step in range(6):
        assert asyncio.run(run(step)) == []
    assert asyncio.run(run(6)) == [b"\r", b"ATH\r"]


def test_cancellation_during_a_call_and_during_the_hang_up_still_hangs_up() -> None:
    async def run() -> None:
        calls, inner = Calls(), FakeModem()
        listening = asyncio.Event()

        async def session() -> None:
            async with calls.call(inner) as channel:
                listening.set()
                await channel.receive(deadline=soon())

        task = asyncio.create_task(session())
        await listening.wait()
        await asyncio.sleep(0)
        task.cancel()
        while b"+++" not in inner.sent:
            inner.said.clear()
            await inner.said.wait()
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert inner.sent[-2:] == [b"+++", b"ATH\r"]
        assert (calls.record.hung_up, inner.closed) == (True, 1)
        assert not [other for other in asyncio.all_tasks() if other is not asyncio.current_task()]

    asyncio.run(run())


# -- whole readouts through the simulators -----------------------------------------------------------------------------

IDENTIFIED = "/SIM5GATEWAYD"


async def readout(channel: Channel) -> Answer:
    setting = Setting(
        meter=Meter(id="em-1001", driver="iec62056_21", line="gsm"),
        options=Iec62056_21Options(),
        line_baud=None,
        clock=lambda: datetime(2026, 11, 26, tzinfo=UTC),
        zone=ZoneInfo("Europe/Prague"),
    )
    async with aclosing(KIND.build(setting).execute(channel, Registers())) as answers:
        (answer,) = [answer async for answer in answers]
    return answer


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_bytes(LINES)
    return path


async def opened(modem: Simulator) -> Channel:
    kind, _, where = modem.ready.partition(" ")
    if kind == "pty":
        return open_serial("gsm", Path(where), 9600, None, 0.0)
    return await open_tcp("gsm", "127.0.0.1", modem.port, None, deadline=soon())


# The simulator's guard time is shorter than ours, as a modem's is.
GUARD = ("--guard-ms", "60")
PATIENT = replace(QUICKLY, guard=0.15, carrier_guard=0.3, command=2.0)


@pytest.mark.parametrize(
    ("pty", "script"),
    [
        (True, ("--connect-text", "CONNECT 9600/RLP")),
        (False, ("--codes", "always-numbers", "--echo", "always", "--connect-text", "CONNECT 9600")),
        (
            True,
            ("--sim", "pin", "--pin", PIN, "--registration", "2,0,5", "--ring-at", "2", "--ring-at", "0", "--stuck"),
        ),
    ],
    ids=["pty words", "tcp numbers echo", "pty pin rings stuck"],
)
def test_a_meter_is_read_through_a_modem(tmp_path: Path, lines: Path, pty: bool, script: tuple[str, ...]) -> None:
    journal = tmp_path / "journal"
    where = ("--pty", tmp_path / "modem") if pty else ("--tcp", "0")

    async def run(modem: Simulator) -> None:
        calls = Calls(replace(PATIENT, command=0.6 if "--stuck" in script else 2.0), PIN)
        for _ in range(2):
            async with calls.call(await opened(modem)) as channel:
                answer = await readout(channel)
            assert (answer.outcome, answer.identification) == (Outcome.DONE, IDENTIFIED)
            assert [reading.raw_text for reading in answer.readings][1:] == ["000123.456", "000001.000"]
        for record in calls.records:
            assert (record.result, record.hung_up, record.status.signal) == (CallResult.DONE, True, 17)
            assert record.bytes_received > len(BODY)
        assert calls.records[0].status.rings == ("--ring-at" in script) * 2

    with simulate("--readout", lines, "--tcp", "0", *QUICK) as meter:
        target = f"tcp:127.0.0.1:{meter.port}"
        with simulate(*where, "--connect-to", target, *GUARD, "--journal", journal, *script, kind="modem") as modem:
            asyncio.run(run(modem))
    heard = journal.read_text().splitlines()
    assert heard.count("connected") == 2
    assert heard.count("ATH") >= 2
    assert heard.count("escaped") == 2 + ("--stuck" in script)
    assert heard.count(f'AT+CPIN="{PIN}"') == ("--sim" in script)


@pytest.mark.parametrize("how", ["words", "silence", "hang-up"])
def test_a_call_that_drops_in_mid_block_is_an_error_and_the_next_one_works(
    tmp_path: Path, lines: Path, how: str
) -> None:
    """After the identification and half of the block."""

    async def run(modem: Simulator) -> None:
        calls = Calls(PATIENT)
        options = Iec62056_21Options().character_timeout_s
        assert options > PATIENT.carrier_guard
        answer: Answer | None = None
        with contextlib.suppress(ChannelError):
            async with calls.call(await opened(modem)) as channel:
                answer = await readout(channel)
        if how == "silence":
            assert answer is not None
            assert answer.outcome is Outcome.TRUNCATED
        else:
            assert answer is None
        expected = {"words": CallResult.LOST, "silence": CallResult.DONE, "hang-up": CallResult.LINE_FAILED}
        assert calls.record.result is expected[how]
        assert calls.record.bytes_received >= 50
        status = await check_modem(calls.line, await opened(modem), deadline=soon())
        assert status.signal == 17

    drop = ("--drop-after", "50", "--drop-how", how)
    with simulate("--readout", lines, "--tcp", "0", *QUICK) as meter:
        target = f"tcp:127.0.0.1:{meter.port}"
        with simulate("--tcp", "0", "--connect-to", target, *GUARD, *drop, kind="modem") as modem:
            asyncio.run(run(modem))


def test_a_telephone_modem_is_read_after_a_busy_line(lines: Path) -> None:
    async def run(modem: Simulator) -> None:
        calls = Calls(replace(PATIENT, network=Network.PSTN))
        for text in ("BUSY", "NO DIALTONE"):
            with pytest.raises(ChannelError, match=text):
                await open_modem(calls.line, await opened(modem), NUMBER, deadline=soon())
        async with calls.call(await opened(modem)) as channel:
            assert (await readout(channel)).outcome is Outcome.DONE
        assert [record.result.value for record in calls.records] == ["busy", "no dialtone", "done"]

    results = ("--result", "busy", "--result", "no-dialtone", "--result", "connect", "--sim", "none")
    with simulate("--readout", lines, "--tcp", "0", *QUICK) as meter:
        target = f"tcp:127.0.0.1:{meter.port}"
        with simulate("--tcp", "0", "--connect-to", target, *GUARD, *results, kind="modem") as modem:
            asyncio.run(run(modem))
