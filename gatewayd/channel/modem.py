"""A call through a modem as a channel: the AT dialogue over an open inner channel, then a pipe to the meter.

Rules: what is to be said and what an answer means is decided in at.py; this is the thin loop. `open_modem` owns the
inner channel from the first moment. Whatever happens, cancellation included, the call is hung up within
`options.hang_up` seconds, the inner channel closed, and the call accounted for once: it costs money as long as nobody
hangs up. No PIN and no whole number is in any text, repr or log. The rate between gateway and modem stays the same
during a call.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from gatewayd.channel import Channel, ControlLines, Framing
from gatewayd.channel.at import (
    Actions,
    AtDialogue,
    Connected,
    Dialled,
    Failed,
    HungUp,
    Lost,
    Rang,
    Ready,
    Received,
    Send,
    SetDtr,
    SetTimer,
    State,
)
from gatewayd.channel.modem_options import (
    REMEDY,
    CallRecord,
    CallResult,
    ModemOptions,
    ModemStatus,
    SimPin,
)
from gatewayd.channel.parity import SoftwareParity
from gatewayd.dialling import PhoneNumber
from gatewayd.errors import ChannelError, ChannelTimeout

_CARRIER_POLL = 0.25

log = logging.getLogger("gatewayd.channel.modem")


@dataclass(frozen=True, slots=True)
class ModemLine:
    """What belongs to a modem line and outlives its calls. `where` is the device or endpoint, for messages.

    `sim` remembers that the PIN has been sent, `before_pin` is awaited just before that; `on_call` gets the record of
    every attempt to call, once, after the hang-up; `framing` is what the configuration fixed for this line, None when
    the driver chooses.
    """

    name: str
    where: str
    options: ModemOptions
    sim: SimPin
    clock: Callable[[], datetime]
    on_call: Callable[[CallRecord], None] = lambda _: None
    framing: Framing | None = None
    before_pin: Callable[[], Awaitable[None]] | None = None


async def open_modem(
    line: ModemLine, inner: Channel, number: PhoneNumber, *, deadline: float, control: ControlLines | None = None
) -> "ModemChannel":
    """Set up the modem, dial, and return the call. ChannelError names line, modem, masked number and the remedy.

    `deadline` is that of the set-up, usually `options.setup` seconds from now; the meter's times begin after it.
    """
    call = _Call(line, inner, number, control)
    await call.set_up(deadline)
    return ModemChannel(call)


async def check_modem(
    line: ModemLine, inner: Channel, *, deadline: float, control: ControlLines | None = None
) -> ModemStatus:
    """Set up the modem without a call: SIM, registration, signal. Closes the inner channel."""
    call = _Call(line, inner, None, control)
    await call.set_up(deadline)
    await call.end(CallResult.DONE)
    return call.status


class ModemChannel:
    """A connected call. See the Channel protocol for the contract; `close` hangs up."""

    def __init__(self, call: "_Call") -> None:
        self._call = call
        self._fixed = call.line.framing
        self._parity: SoftwareParity | None = None
        self._parity_errors = 0

    @property
    def status(self) -> ModemStatus:
        """What the modem said during the set-up."""
        return self._call.status

    @property
    def parity_errors(self) -> int:
        return self._parity_errors + (self._parity.errors if self._parity else 0)

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        await self._call.send(self._parity.encode(data) if self._parity else data, deadline)

    async def receive(self, *, deadline: float) -> bytes:
        data = await self._call.receive(deadline)
        return self._parity.decode(data) if self._parity else data

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        """Only the parity: the modem's own rate is fixed, and the far end's modem keeps that of its meter."""
        framing = self._fixed or framing
        if self._parity is not None:
            self._parity_errors += self._parity.errors
        self._parity = SoftwareParity(framing.parity) if framing.data_bits == 7 else None

    async def close(self) -> None:
        await self._call.end(CallResult.DONE)


class _Call:
    """One dialogue over one inner channel, from the first AT to the last."""

    def __init__(
        self, line: ModemLine, inner: Channel, number: PhoneNumber | None, control: ControlLines | None
    ) -> None:
        self.line = line
        self._inner = inner
        self._number = number
        self._control = control
        self._at = AtDialogue(line.options, number, line.sim, has_dtr=control is not None)
        self._loop = asyncio.get_running_loop()
        self._timer: float | None = None
        self._buffer = bytearray()
        self._fault: ChannelError | None = None
        self._result: CallResult | None = None
        self._ending: asyncio.Task[None] | None = None
        self._started_at = line.clock()
        self._connected_at: datetime | None = None
        self._connected = 0.0
        self._dialled = False
        self._carrier_seen = False
        self._sent = self._received = 0

    @property
    def status(self) -> ModemStatus:
        return self._at.status

    # -- set-up --------------------------------------------------------------------------------------------------------

    async def set_up(self, deadline: float) -> None:
        """To CONNECT, or to a modem that is ready; otherwise everything is ended and ChannelError raised."""
        try:
            if self._control is not None:
                self._control.set_dtr(True)
            await self._inner.set_line(self.line.options.baud, Framing.N81, deadline=deadline)
            end = await self._talk(self._at.start(self._loop.time(), deadline), deadline)
        except ChannelError as error:
            if not isinstance(error, ChannelTimeout):
                self._broken(error)
            await self.end(CallResult.LINE_FAILED)
            raise
        except BaseException:
            await self.end(CallResult.CANCELLED)
            raise
        if isinstance(end, Failed):
            await self.end(end.result)
            late = end.result is CallResult.TIMEOUT
            raise (ChannelTimeout if late else ChannelError)(self._text(end.detail, end.result))

    def _text(self, what: str, result: CallResult) -> str:
        return f"line {self.line.name}: modem at {self.line.where} {what}; {REMEDY[result]}"

    async def _talk(self, actions: Actions, limit: float) -> Ready | Connected | Failed | HungUp:
        """Do what the dialogue says until something is reached. Nothing is sent after `limit`."""
        while (end := await self._perform(actions, limit)) is None:
            until = limit if self._timer is None else min(self._timer, limit)
            try:
                data = await self._inner.receive(deadline=until)
            except ChannelTimeout:
                if self._timer is None or self._timer > until:
                    raise
                actions = self._at.expired(max(self._loop.time(), until))
            else:
                actions = self._at.feed(data, self._loop.time())
        return end

    async def _perform(self, actions: Actions, limit: float) -> Ready | Connected | Failed | HungUp | None:
        end: Ready | Connected | Failed | HungUp | None = None
        for action in actions:
            match action:
                case Send(data, shown):
                    if self._at.state is State.PIN and self.line.before_pin is not None:
                        await self.line.before_pin()
                    await self._inner.send(data, deadline=limit, secret="****" in shown)
                case SetDtr(on):
                    if self._control is not None:
                        self._control.set_dtr(on)
                case Ready() | Failed() | HungUp():
                    end = action
                case Connected():
                    self._connected_at, self._connected = self.line.clock(), self._loop.time()
                    self._carrier_fell()
                    end = action
                case Dialled():
                    self._dialled = True
                case Rang(dialling):
                    how = "while dialling" if dialling else "refused"
                    log.info("line %s: incoming call, %s", self.line.name, how)
                case SetTimer() | Received() | Lost():
                    self._note(action)
        return end

    def _note(self, action: SetTimer | Received | Lost) -> None:
        match action:
            case SetTimer(until):
                self._timer = until
            case Received(data):
                self._buffer += data
                self._received += len(data)
            case Lost():
                self._result = CallResult.LOST
                number = self._number.masked if self._number else ""
                seconds = self._loop.time() - self._connected
                what = f"lost the carrier of the call to {number} after {seconds:.0f} s"
                self._fault = ChannelError(self._text(what, CallResult.LOST))

    # -- the pipe ------------------------------------------------------------------------------------------------------

    async def send(self, data: bytes, deadline: float) -> None:
        self._check()
        try:
            await self._inner.send(data, deadline=deadline)
        except ChannelTimeout:
            raise
        except ChannelError as error:
            self._broken(error)
            raise
        self._sent += len(data)

    async def receive(self, deadline: float) -> bytes:
        while not self._buffer:
            self._check()
            await self._listen(deadline)
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def _listen(self, deadline: float) -> None:
        """One wait: for bytes, the guard time after NO CARRIER, a look at DCD, or the deadline."""
        look = math.inf if self._control is None else self._loop.time() + _CARRIER_POLL
        until = min(deadline, look, math.inf if self._timer is None else self._timer)
        try:
            data = await self._inner.receive(deadline=until)
        except ChannelTimeout:
            now = max(self._loop.time(), until)
            if self._timer is not None and now >= self._timer:
                self._hear(self._at.expired(now))
            elif self._carrier_fell():
                self._hear(self._at.carrier_gone(now))
            elif now >= deadline:
                raise ChannelTimeout(f"line {self.line.name}: nothing received in time") from None
        except ChannelError as error:
            self._broken(error)
            raise
        else:
            self._hear(self._at.feed(data, self._loop.time()))

    def _carrier_fell(self) -> bool:
        """DCD was on in this call and is off. A cable without DCD, or a modem with AT&C0, must not end a call."""
        if self._control is None:
            return False
        carrier = self._control.carrier()
        fell = self._carrier_seen and not carrier
        self._carrier_seen = self._carrier_seen or carrier
        return fell

    def _hear(self, actions: Actions) -> None:
        """What comes of bytes in a call. Never waits, so that cancellation cannot come between."""
        for action in actions:
            assert isinstance(action, SetTimer | Received | Lost), action
            self._note(action)

    def _check(self) -> None:
        if self._ending is not None:
            raise ChannelError(f"line {self.line.name} is closed")
        if self._fault is not None:
            raise self._fault

    def _broken(self, error: ChannelError) -> None:
        """The way to the modem failed: there is nobody left to talk to."""
        self._fault = error
        self._result = CallResult.LINE_FAILED

    # -- the end -------------------------------------------------------------------------------------------------------

    async def end(self, result: CallResult) -> None:
        """Hang up, close, account; once. A cancellation meanwhile is passed on when that is done."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(result), name=f"hang up line {self.line.name}")
        await _to_the_end(self._ending)

    async def _end(self, result: CallResult) -> None:
        confirmed = False
        if self._result is not CallResult.LINE_FAILED:
            limit = self._loop.time() + self.line.options.hang_up
            with contextlib.suppress(ChannelError):
                confirmed = await self._hang_up(limit)
        seconds = self._loop.time() - self._connected if self._connected_at else 0.0
        with contextlib.suppress(ChannelError):
            await self._inner.close()
        if self._number is None:
            return
        record = CallRecord(
            line=self.line.name,
            number=self._number.masked,
            started_at=self._started_at,
            connected_at=self._connected_at,
            ended_at=self.line.clock(),
            seconds=round(seconds, 3),
            result=self._result or result,
            dialled=self._dialled,
            hung_up=confirmed,
            bytes_sent=self._sent,
            bytes_received=self._received,
            status=self.status,
        )
        try:
            self.line.on_call(record)
        except Exception:  # the accountant's defect must not keep the line from being closed
            log.exception("line %s: defect where calls are accounted for", self.line.name)

    async def _hang_up(self, limit: float) -> bool:
        if self._connected_at is not None:
            # The guard time begins when the last character has left.
            with contextlib.suppress(ChannelTimeout):
                drained = min(limit, self._loop.time() + self.line.options.guard)
                await self._inner.set_line(self.line.options.baud, Framing.N81, deadline=drained)
        end = await self._talk(self._at.hang_up(self._loop.time()), limit)
        return isinstance(end, HungUp) and end.confirmed


async def _to_the_end(task: "asyncio.Task[None]") -> None:
    """Wait for the task even when cancelled, which is passed on afterwards; the task has a deadline of its own."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
