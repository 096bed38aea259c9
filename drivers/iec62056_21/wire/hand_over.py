"""Handing the line over to HDLC: mode E of IEC 62056-21:2002, annex E.

    IDLE --start--> SIGN_ON --ident with \\2: ACK 2 Z 2, change rate--> CONFIRM --the same back: 8N1--> handed over

Rules: those of session.py. The meter confirms with our own six bytes, at the new rate and still with parity; on a line
with an echo they come twice, and only the second is the meter's. A meter that does not confirm is told to stop.
"""

from enum import Enum, auto

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.framing import Identification
from drivers.iec62056_21.wire.message import Echo
from drivers.iec62056_21.wire.session import (
    NOISE_LIMIT,
    Action,
    HandedOver,
    Send,
    SessionSettings,
    SetRate,
    Wait,
    leaving,
    on_the_wire,
)
from drivers.iec62056_21.wire.sign_on import SignOn, data_rate
from gatewayd.channel import Framing
from gatewayd.errors import GatewayError, MeterDiffers, ProtocolError

_ADVICE = "read it with mode: C"
_HDLC = "\\2"


class _State(Enum):
    IDLE = auto()
    SIGN_ON = auto()
    CONFIRM = auto()
    OVER = auto()


class HandOverSession:
    """Sign-on in mode E. Raises MeterSilent, MeterDiffers or ProtocolError."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._sign_on = SignOn(settings)
        self._state = _State.IDLE
        self._buffer = bytearray()
        self._echo = Echo()
        self._option = b""
        self._baud = settings.start_baud
        self._due = 0.0  # before this the confirmation comes
        self._left = False  # the meter waits for nothing more in this protocol

    @property
    def identification(self) -> Identification | None:
        """What the meter has said of itself so far."""
        return self._sign_on.identification

    @property
    def in_telegram(self) -> bool:
        return False

    @property
    def blocks(self) -> int:
        return 0

    @property
    def asked(self) -> bool:
        return self._state is _State.SIGN_ON and self._sign_on.asked

    def start(self, now: float) -> tuple[Action, ...]:
        self._state = _State.SIGN_ON
        return self._sign_on.start(now)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        try:
            match self._state:
                case _State.SIGN_ON:
                    actions = self._sign_on.feed(data, now)
                    return self._identified(now) if self._sign_on.done else actions
                case _State.CONFIRM:
                    self._buffer += data
                    return self._on_confirmation(now)
                case _State.IDLE | _State.OVER:
                    return ()
        except GatewayError:
            self._state = _State.OVER
            raise

    def expired(self, now: float) -> tuple[Action, ...]:
        try:
            match self._state:
                case _State.SIGN_ON:
                    return self._sign_on.expired(now)
                case _State.CONFIRM:
                    raise self._unconfirmed()
                case _State.IDLE | _State.OVER:
                    return ()
        except GatewayError:
            self._state = _State.OVER
            raise

    def close(self, now: float) -> tuple[Action, ...]:
        """A break once the meter has identified itself; nothing behind the hand-over, which is HDLC's to end."""
        left, self._left = self._left or self.identification is None, True
        self._state = _State.OVER
        return () if left else leaving(self._settings)

    def _identified(self, now: float) -> tuple[Action, ...]:
        identification = self._sign_on.identification
        assert identification is not None  # that is what `done` means
        if identification.mode != "C" or _HDLC not in identification.sequences:
            raise MeterDiffers(f"identifies itself as {identification} and does not offer mode E; {_ADVICE}")
        rate = data_rate(identification, self._settings)
        self._option = framing.option_select(rate, protocol="2", mode="2")
        self._state = _State.CONFIRM
        self._buffer.clear()
        # Only where our request came back as well: the confirmation looks like an echo.
        self._echo.sent(self._option if self._sign_on.echoed else b"")
        self._due = now + on_the_wire(len(self._option), self._baud) + self._settings.response_timeout
        self._baud = rate
        return Send(self._option), SetRate(rate), Wait(self._due)

    def _on_confirmation(self, now: float) -> tuple[Action, ...]:
        if self._echo.awaited:
            self._buffer = self._buffer.lstrip(b"\x00\x7f\xff")  # what an idle line makes up
        if not self._echo.strip(self._buffer) and self._option in self._buffer:
            self._state = _State.OVER
            self._left = True
            assert self.identification is not None  # CONFIRM comes behind it
            return SetRate(self._baud, Framing.N81), HandedOver(self._baud, self.identification)
        if len(self._buffer) > NOISE_LIMIT or now >= self._due:
            raise self._unconfirmed()
        return (Wait(self._due),)

    def _unconfirmed(self) -> GatewayError:
        if self._buffer.strip(b"\x00\x7f"):
            return ProtocolError(f"does not confirm mode E, but answers something else; {_ADVICE}", bytes(self._buffer))
        return MeterDiffers(f"offers mode E and does not confirm it; {_ADVICE}")
