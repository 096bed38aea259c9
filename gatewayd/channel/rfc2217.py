"""The serial port of a serial server as a channel: RFC 2217 over TCP.

Rules: every setting of the port is confirmed by the server, or it is an error; what is changed between two messages is
asked for in one go and costs one round trip. Nothing is ever purged; what arrives while the line is being set is kept.
Before the port has its first settings, the server's greeting and characters at an unknown rate are dropped.

Seven data bits: parity is made in bit 7 in any case. A port with seven bits does not send that bit and receives none,
so that it does no harm; a port that keeps eight bits needs it. ser2net on a pseudo-terminal is of the second kind and
confirms seven bits all the same. Where the server says no, its port gets eight bits; `framing: 8N1` demands that.

Leaving the wire: RFC 2217 does not say that a server sends first what it got before a SET-BAUDRATE, and the line states
that would tell are optional (ser2net never reports an empty transmitter). So the time that the bytes need is computed
from rate and framing and waited for, plus a small margin.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

from gatewayd.channel import ControlLines, Framing, telnet
from gatewayd.channel.parity import SoftwareParity
from gatewayd.channel.tcp import TcpChannel, open_tcp
from gatewayd.channel.telnet import Setting
from gatewayd.errors import ChannelError, ChannelTimeout

_BUFFER_LIMIT = 1 << 17  # twice what one read can bring
_GREETING_SHOWN = 80
_GOODBYE_S = 1.0
_MARGIN = 0.005
"""Seconds for jitter of the network and buffers of adapters; the fastest meters answer after 20 ms (IEC 62056-21)."""
_SEVEN_BITS = (Setting.DATASIZE, Setting.PARITY)


async def open_rfc2217(
    name: str, host: str, port: int, baud: int, framing: Framing | None, *, deadline: float
) -> "Rfc2217Channel":
    """Connect, agree on the options, set the port. ChannelError names the line, the endpoint and the remedy.

    `framing` is what the configuration fixed for this line, None when the driver chooses (8N1 until then).
    """
    connection = await open_tcp(name, host, port, None, deadline=deadline)
    channel = Rfc2217Channel(f"line {name}: {host}:{port}", connection, framing)
    try:
        await channel.begin(baud, deadline=deadline)
    except BaseException:
        await channel.close()
        raise
    return channel


class Rfc2217Channel:
    """An open port of a serial server. See the Channel protocol for the contract."""

    def __init__(self, where: str, connection: TcpChannel, fixed: Framing | None) -> None:
        self._where = where
        self._connection = connection
        self._fixed = fixed
        self._decoder = telnet.Decoder()
        self._options = telnet.Options()
        self._replies = bytearray()
        self._buffer = bytearray()
        self._fault: ChannelError | None = None
        self._closed = False
        self._held = False
        self._port: dict[Setting, int] = {}
        self._wanted: dict[Setting, int] = {}
        self._unanswered: Counter[Setting] = Counter()
        self._carrier = False
        self._seven_bits = True
        self._character_s = 0.0
        self._wire_free_at = 0.0
        self._parity: SoftwareParity | None = None
        self._next_parity: SoftwareParity | None = None
        self._parity_errors = 0

    @property
    def parity_errors(self) -> int:
        return self._parity_errors + (self._parity.errors if self._parity else 0)

    def control_lines(self) -> ControlLines:
        """DTR and DCD of the server's port. Whether it has them, and tells of DCD, shows later."""
        self._connection.write(telnet.modem_state_wanted())
        return self

    def set_dtr(self, on: bool) -> None:
        self._check()
        self._connection.write(telnet.dtr(on))

    def carrier(self) -> bool:
        """What the server has told last; off as long as it has told nothing."""
        self._check()
        return self._carrier

    async def begin(self, baud: int, *, deadline: float) -> None:
        """Agree on the options and set the port for the first time."""
        try:
            await self._connection.send(self._options.begin(), deadline=deadline)
            await self._until(lambda: not self._options.missing, deadline, self._not_agreed)
            self._wanted = {Setting.CONTROL: telnet.NO_FLOW_CONTROL}
            await self._set(baud, self._fixed or Framing.N81, deadline)
        except ChannelError as error:
            greeting = bytes(self._buffer[:_GREETING_SHOWN]).decode("ascii", "replace").strip()
            said = f"; it said {greeting!r}" if greeting else ""
            remedy = "; is another client connected?" if "closed the connection" in str(error) else ""
            raise type(error)(f"{error}{said}{remedy}") from error
        self._buffer.clear()

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        self._check()
        await self._until(lambda: not self._held, deadline, lambda: "has suspended us and does not let us go on")
        encoded = telnet.escape(self._parity.encode(data) if self._parity else data)
        now = asyncio.get_running_loop().time()
        self._wire_free_at = max(now, self._wire_free_at) + len(data) * self._character_s
        await self._connection.send(encoded, deadline=deadline)

    async def receive(self, *, deadline: float) -> bytes:
        await self._until(lambda: bool(self._buffer), deadline, None)
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        self._check()
        await self._left_the_wire(deadline)
        await self._set(baud, framing, deadline)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._fault = self._fault or ChannelError(f"{self._where} is closed")
        try:
            await self._goodbye()
        finally:
            await self._connection.close()

    async def _goodbye(self) -> None:
        """Let the last message out (ser2net drops what it has not sent when we leave), end our side, and wait for the
        server to end its own: until it has, ser2net lets nobody else in."""
        until = asyncio.get_running_loop().time() + _GOODBYE_S
        try:
            await self._drop(min(self._wire_free_at + _MARGIN, until))
            self._connection._writer.write_eof()  # the only user of a half-open connection
            await self._drop(until)
        except (ChannelError, OSError, RuntimeError):  # the server has ended, or the connection is closed already
            return

    async def _drop(self, until: float) -> None:
        with contextlib.suppress(ChannelTimeout):
            while asyncio.get_running_loop().time() < until:
                await self._connection.receive(deadline=until)

    # -- settings ------------------------------------------------------------------------------------------------------

    async def _set(self, baud: int, framing: Framing, deadline: float) -> None:
        port = self._fixed or framing
        # Eight bits that the configuration demands still carry the seven bits and the parity that the driver asks for.
        spoken = framing if port is Framing.N81 else port
        self._next_parity = SoftwareParity(spoken.parity) if spoken.data_bits == 7 else None
        if port.data_bits == 7 and self._seven_bits:
            wrong = await self._confirmed(telnet.settings(baud, 7, port.parity, port.stop_bits), deadline)
            self._seven_bits = not any(setting in wrong for setting in _SEVEN_BITS)
        if port.data_bits == 8 or not self._seven_bits:
            parity = port.parity if port.data_bits == 8 else "N"
            wrong = await self._confirmed(telnet.settings(baud, 8, parity, port.stop_bits), deadline)
        if wrong:
            differences = " and ".join(
                f"{telnet.shown(setting, found)} instead of {telnet.shown(setting, self._wanted[setting])}"
                for setting, found in wrong.items()
            )
            raise ChannelError(f"{self._where} sets its port to {differences}; can the server's hardware do that?")
        self._character_s = port.bits / baud

    async def _confirmed(self, wanted: dict[Setting, int], deadline: float) -> dict[Setting, int]:
        """Ask for what the port is not known to have; what the server then says that it has instead."""
        self._wanted |= wanted
        asked = {setting: value for setting, value in self._wanted.items() if self._port.get(setting) != value}
        for setting in asked:
            self._port.pop(setting, None)
            self._unanswered[setting] += 1
        self._settle()
        requests = b"".join(telnet.request(setting, value) for setting, value in asked.items())
        await self._connection.send(requests, deadline=deadline)
        await self._until(lambda: not self._unanswered.total(), deadline, self._not_confirmed)
        return {setting: self._port[setting] for setting, value in asked.items() if self._port[setting] != value}

    def _answered(self, event: telnet.Confirmed) -> None:
        if not self._unanswered[event.setting]:
            return
        # A request that was cancelled is answered all the same, before the one that followed it.
        self._unanswered[event.setting] -= 1
        if not self._unanswered[event.setting]:
            self._port[event.setting] = event.value
        self._settle()

    def _settle(self) -> None:
        """Change the parity at the very place in the stream where the server has confirmed the last setting."""
        if any(self._port.get(setting) != value for setting, value in self._wanted.items()):
            return
        if self._parity is not None and self._parity is not self._next_parity:
            self._parity_errors += self._parity.errors
        self._parity = self._next_parity

    async def _left_the_wire(self, deadline: float) -> None:
        until = self._wire_free_at + _MARGIN
        loop = asyncio.get_running_loop()
        if until > max(deadline, loop.time()):
            raise ChannelTimeout(f"{self._where}: what was sent has not left the wire in time")
        while loop.time() < until:
            self._check()
            try:
                data = await self._connection.receive(deadline=until)
            except ChannelTimeout:
                return
            await self._take(data, deadline)

    # -- what the server says ------------------------------------------------------------------------------------------

    async def _until(self, met: Callable[[], bool], deadline: float, missing: Callable[[], str] | None) -> None:
        """Receive until something holds. `missing` says what did not come in time, None: what was received."""
        while not met():
            self._check()
            try:
                data = await self._connection.receive(deadline=deadline)
            except ChannelTimeout as error:
                raise error if missing is None else ChannelTimeout(f"{self._where} {missing()}") from None
            await self._take(data, deadline)

    async def _take(self, data: bytes, deadline: float) -> None:
        """Everything that was received is dealt with before anything is waited for: a cancellation loses nothing."""
        try:
            for event in self._decoder.feed(data):
                self._on(event)
        except ChannelError as error:
            self._fault = self._fault or ChannelError(
                f"{self._where} sent {error}; is this an RFC 2217 port? A raw one needs type: tcp"
            )
        if len(self._buffer) > _BUFFER_LIMIT:
            self._fault = self._fault or ChannelError(f"{self._where} floods the line while it is being set")
        replies = bytes(self._replies)
        self._replies.clear()
        if replies:
            try:
                await self._connection.send(replies, deadline=deadline)
            except ChannelError as error:  # only when there is nothing left to hand on
                self._fault = self._fault or ChannelError(str(error))

    def _on(self, event: telnet.Event) -> None:
        match event:
            case telnet.Data(data):
                self._buffer += self._parity.decode(data) if self._parity else data
            case telnet.Negotiation():
                self._replies += self._options.answer(event)
                if self._options.refused:
                    self._fault = self._fault or ChannelError(
                        f"{self._where} refuses {self._options.refused}; set the server's port up for RFC 2217, "
                        "or as a raw TCP port and use type: tcp"
                    )
            case telnet.Confirmed():
                self._answered(event)
            case telnet.Flow(held):
                self._held = held
            case telnet.ModemState() as state:
                self._carrier = state.carrier
            case telnet.Signal(telnet.Code.AYT):
                # RFC 854 wants a visible answer; text would go out to the meter.
                self._replies += telnet.signal(telnet.Code.NOP)
            case telnet.Signal() | telnet.Other():
                pass

    def _not_agreed(self) -> str:
        return f"does not agree to {self._options.missing}; is this an RFC 2217 port? A raw one needs type: tcp"

    def _not_confirmed(self) -> str:
        names = " and ".join(
            telnet.shown(setting, self._wanted[setting]) for setting in self._wanted if self._unanswered[setting]
        )
        return f"does not confirm {names}; if its port cannot do that, set the line's framing or baud"

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault
