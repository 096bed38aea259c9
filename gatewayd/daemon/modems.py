"""Modems of the configuration: the way to each, its options, and its PIN, which outlives the calls.

Rules: nothing is opened before it is used; the PIN file is read once, when the first call needs it, and no message
shows what is in it. One `Modem` for each line in the life of the process: it remembers that the PIN was sent. That a
PIN was refused is remembered for longer than that, by gatewayd.acquire.
"""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from gatewayd.channel import Channel, ControlLines, Framing
from gatewayd.channel.modem import ModemLine, check_modem, open_modem
from gatewayd.channel.modem_options import DEFAULT_STEPS, CallRecord, ModemOptions, ModemStatus, PinUse, SimPin
from gatewayd.channel.rfc2217 import open_rfc2217
from gatewayd.channel.serial import take_serial
from gatewayd.channel.tcp import open_tcp
from gatewayd.channel.tracing import Tap, TracingChannel
from gatewayd.config import ModemLine as Settings
from gatewayd.dialling import Dialling, Network, PhoneNumber, Step
from gatewayd.driver import Clock
from gatewayd.errors import ChannelError
from gatewayd.options import SecretUnavailable, is_credential, located
from gatewayd.refusals import BeforePin
from gatewayd.station import Line, OnCall, Station


class Modem:
    """A configured modem, not open between calls."""

    def __init__(self, settings: Settings, clock: Clock, tap: Tap | None = None) -> None:
        self.settings = settings
        self._tap = tap
        self.options = modem_options(settings)
        self._clock = clock
        self._sim: SimPin | None = None
        self._file = ""
        """What `credentials` were when the PIN was read."""
        self._before_pin: BeforePin | None = None

    @property
    def pin_use(self) -> PinUse:
        """What has become of the PIN in this process."""
        return PinUse.UNUSED if self._sim is None and self.settings.pin_file else self._card.use

    @property
    def credentials(self) -> str:
        """A text that changes with the PIN file; see gatewayd.refusals.Sim."""
        path = self.settings.pin_file
        if path is None or self._file:
            return self._file
        try:
            return str(path) if is_credential(path) else f"{path} {path.stat().st_mtime_ns}"
        except OSError:
            return ""

    @property
    def accepted(self) -> bool:
        return self._sim is not None and self._sim.use is PinUse.ACCEPTED

    @property
    def refused(self) -> bool:
        return self._sim is not None and self._sim.use in (PinUse.SENT, PinUse.REFUSED)

    def withhold(self) -> None:
        with contextlib.suppress(ChannelError):  # one that cannot be read is not sent in any case
            self._card.withhold()

    def announce(self, before_pin: BeforePin) -> None:
        self._before_pin = before_pin

    async def call(self, number: PhoneNumber, on_call: OnCall) -> Channel:
        """Set up, dial, and return the connected call; closing it hangs up. ChannelError."""
        line, deadline = self._line(on_call), self._deadline()
        inner, control = await self._reach(deadline)
        if self._tap is None:
            return await open_modem(line, inner, number, deadline=deadline, control=control)
        dialogue = TracingChannel(inner, self._tap)
        call = await open_modem(line, dialogue, number, deadline=deadline, control=control)
        return TracingChannel(call, self._tap, dialogue)

    async def check(self) -> ModemStatus:
        """Set up without a call: SIM, registration, signal. ChannelError."""
        line, deadline = self._line(_nothing), self._deadline()
        inner, control = await self._reach(deadline)
        inner = inner if self._tap is None else TracingChannel(inner, self._tap)
        return await check_modem(line, inner, deadline=deadline, control=control)

    async def free(self) -> None:
        """End the call that the modem may be in; nothing else is asked, and no PIN is needed. ChannelError."""
        options = replace(self.options, network=Network.PSTN, steps=(Step("ATH"),))
        deadline = self._deadline()
        inner, control = await self._reach(deadline)
        inner = inner if self._tap is None else TracingChannel(inner, self._tap)
        line = ModemLine(self.settings.id, self._where, options, SimPin(), self._clock)
        await check_modem(line, inner, deadline=deadline, control=control)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.options.setup

    def _line(self, on_call: OnCall) -> ModemLine:
        settings = self.settings
        framing = Framing(settings.framing) if settings.framing else None
        card, before = self._card, self._before_pin
        return ModemLine(settings.id, self._where, self.options, card, self._clock, on_call, framing, before)

    @property
    def _where(self) -> str:
        settings = self.settings
        return f"{settings.host}:{settings.port}" if settings.device is None else str(settings.device)

    @property
    def _card(self) -> SimPin:
        if self._sim is None:
            path, file = self.settings.pin_file, self.credentials
            self._sim = SimPin() if path is None else _pin(self.settings.id, path)
            self._file = file  # a file that is changed later is another PIN, for another process
        return self._sim

    async def _reach(self, deadline: float) -> tuple[Channel, ControlLines | None]:
        """The way to the modem, and DTR and DCD where it has them."""
        settings = self.settings
        if settings.device is not None:
            port = await take_serial(settings.id, settings.device, settings.baud, None, 0.0)
            return port, port.control_lines()
        assert settings.host is not None and settings.port is not None  # the configuration has one way or the other
        if settings.via == "tcp":
            return await open_tcp(settings.id, settings.host, settings.port, None, deadline=deadline), None
        remote = await open_rfc2217(settings.id, settings.host, settings.port, settings.baud, None, deadline=deadline)
        return remote, remote.control_lines()


def build_modem_line(modem: Modem) -> Line:
    """How to call a station through this modem."""

    async def call(station: Station, on_call: OnCall) -> Channel:
        assert station.phone is not None  # the configuration demands a number on lines that call
        return await modem.call(station.phone, on_call)

    longest = float(modem.settings.max_call_s)
    sim = modem if modem.settings.pin_file is not None else None
    return Line(modem.settings.id, call, calls=True, session_seconds=longest, sim=sim, free=modem.free)


def modem_options(settings: Settings) -> ModemOptions:
    """What the AT dialogue is told: our own steps, then those of the configuration."""
    return ModemOptions(
        network=Network(settings.network),
        steps=(*DEFAULT_STEPS, *(Step(step.command, step.required) for step in settings.init)),
        bearer=settings.bearer,
        bearer_required=settings.bearer_required,
        dialling=Dialling[settings.dialling.upper()],
        baud=settings.baud,
        setup=float(settings.setup_s),
        guard=settings.guard_ms / 1000,
        hang_up=float(settings.hang_up_s),
    )


def _pin(line: str, path: Path) -> SimPin:
    try:
        return SimPin(located(path).read_text(encoding="ascii").split("\n", 1)[0].strip())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not digits"
    except ValueError:
        reason = "its first line is not 4 to 8 digits"
    except SecretUnavailable as error:
        reason = str(error)
    raise ChannelError(f"line {line}: the PIN file {path} cannot be used: {reason}; nothing was sent to the SIM")


def _nothing(_: CallRecord) -> None:
    """A check makes no call."""
