"""A data readout as a state machine: modes A, B and C of IEC 62056-21:2002, 6.4 (E is read as C).

    IDLE --start--> SIGN_ON --ident, digit: ACK 0 Z 0, change rate--> BLOCK --STX--> DATA --ETX BCC--> done
                       ^  | --ident, letter: change rate --------------^ |
                       |  | --ident, other: stay at the first rate ----^ | no block after the ACK: back to the first
                       |                                                 | rate, the meter goes to mode A
                       +-- still no block: once more, without ACK -------+

Rules: those of session.py. The line rate changes right after the acknowledgement, without a pause. Echo and noise
before an STX are passed over up to a limit; they do not shorten the time that the answer may take, nor delay the
fall-back. Every state has a timer, and a meter that only drips is given up on.
"""

from collections.abc import Callable
from enum import Enum, auto

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.framing import STX, Identification
from drivers.iec62056_21.wire.push import PushSession
from drivers.iec62056_21.wire.session import (
    NOISE_LIMIT,
    Action,
    Done,
    Send,
    SessionSettings,
    SetRate,
    Wait,
    answer_missing,
    leaving,
    on_the_wire,
    wait_for_more,
)
from drivers.iec62056_21.wire.sign_on import SignOn, data_rate
from drivers.iec62056_21.wire.telegram import Check, end_of_block, read_block
from gatewayd.errors import GatewayError, ProtocolError

_UNACKNOWLEDGED = 3.0
"""A mode C meter that hears no acknowledgement starts to send at the first rate after up to 2.2 s."""


class _State(Enum):
    IDLE = auto()
    SIGN_ON = auto()
    BLOCK = auto()
    DATA = auto()
    OVER = auto()


class ReadoutSession:
    """One readout; `table` "2" to "4" asks some meters for another list. Raises MeterSilent or ProtocolError."""

    def __init__(self, settings: SessionSettings, table: str = "") -> None:
        self._settings = settings
        self._sign_on = SignOn(settings, table)
        self._state = _State.IDLE
        self._buffer = bytearray()
        self._scanned = 0
        self._baud = settings.start_baud
        self._due = 0.0  # before this the answer begins
        self._limit = 0.0  # after this noise before it, or its slowness, is no longer put up with
        self._sent = b""
        self._acknowledged = False
        self._silent_option = False
        self._left = False  # the meter waits for nothing more

    @property
    def identification(self) -> Identification | None:
        """What the meter has said of itself so far."""
        return self._sign_on.identification

    @property
    def in_telegram(self) -> bool:
        return self._state is _State.DATA

    @property
    def blocks(self) -> int:
        return 0

    @property
    def asked(self) -> bool:
        return self._state is _State.SIGN_ON and self._sign_on.asked

    def start(self, now: float) -> tuple[Action, ...]:
        self._state = _State.SIGN_ON
        self._baud = self._settings.start_baud
        self._acknowledged = False
        self._buffer.clear()
        self._sent = self._sign_on.request
        return self._sign_on.start(now)

    def resume(self, sign_on: SignOn, now: float) -> tuple[Action, ...]:
        """Go on from a sign-on that somebody else has brought to its end."""
        self._sign_on = sign_on
        return self._guarded(self._identified, now)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        match self._state:
            case _State.SIGN_ON:
                return self._guarded(lambda at: self._signing_on(self._sign_on.feed(data, at), at), now)
            case _State.BLOCK:
                step = self._on_block
            case _State.DATA:
                step = self._on_data
            case _State.IDLE | _State.OVER:
                return ()
        self._buffer += data
        return self._guarded(step, now)

    def expired(self, now: float) -> tuple[Action, ...]:
        match self._state:
            case _State.SIGN_ON:
                return self._guarded(self._sign_on.expired, now)
            case _State.BLOCK:
                return self._guarded(self._block_missing, now)
            case _State.DATA:
                return self._done()
            case _State.IDLE | _State.OVER:
                return ()

    def close(self, now: float) -> tuple[Action, ...]:
        """A break once the meter has identified itself, unless its block came to its end."""
        left, self._left = self._left or self.identification is None, True
        self._state = _State.OVER
        return () if left else leaving(self._settings)

    def _guarded(self, step: Callable[[float], tuple[Action, ...]], now: float) -> tuple[Action, ...]:
        try:
            return step(now)
        except GatewayError:
            self._state = _State.OVER
            raise

    # -- identification ---------------------------------------------------------------------------------------------

    def _signing_on(self, actions: tuple[Action, ...], now: float) -> tuple[Action, ...]:
        return self._identified(now) if self._sign_on.done else actions

    def _identified(self, now: float) -> tuple[Action, ...]:
        identification = self._sign_on.identification
        assert identification is not None  # that is what `done` means
        settings = self._settings
        self._buffer = bytearray(self._sign_on.rest)
        self._sent = self._sign_on.request
        rate = data_rate(identification, settings)
        actions: list[Action] = []
        wait = settings.response_timeout
        if identification.mode == "C":
            wait = max(wait, _UNACKNOWLEDGED)
            if settings.mode != "A" and not self._silent_option:
                option = framing.option_select(rate)
                actions += [Send(option), SetRate(rate)]
                left = on_the_wire(len(option), self._baud)
                self._acknowledged = True
                self._sent = option
                self._baud = rate
                wait = left + (settings.fallback_after if self._may_fall_back else wait)
        elif (settings.mode != "A" and rate != self._baud) or settings.baud_after_sign_on is not None:
            self._baud = rate  # the meter changes to it without asking (6.4.2)
            actions.append(SetRate(rate))
        self._state = _State.BLOCK
        self._due = now + wait
        self._limit = self._due + settings.grace
        return *actions, *self._on_block(now)

    # -- data block -------------------------------------------------------------------------------------------------

    def _on_block(self, now: float) -> tuple[Action, ...]:
        start = self._buffer.find(STX)
        if start < 0:
            if len(self._buffer) > NOISE_LIMIT or now > self._limit:
                raise ProtocolError("sends noise instead of a data block", bytes(self._buffer))
            if self._may_fall_back:
                # The noise may be the readout at the first rate, heard at the wrong one.
                return (Wait(self._due),) if now < self._due else self._block_missing(now)
            return (Wait(max(now + self._settings.character_timeout, self._due)),)
        del self._buffer[:start]
        self._state = _State.DATA
        self._limit = now + self._settings.grace
        self._scanned = 0
        return self._on_data(now)

    def _on_data(self, now: float) -> tuple[Action, ...]:
        if end_of_block(self._buffer, self._scanned):
            return self._done()
        self._scanned = max(len(self._buffer) - 1, 0)
        return wait_for_more(self._buffer, 0, self._limit, self._baud, self._settings, now)

    def _done(self) -> tuple[Action, ...]:
        end = end_of_block(self._buffer, 0) or len(self._buffer)
        telegram = read_block(bytes(self._buffer[:end]), self.identification)
        self._state = _State.OVER
        self._left = telegram.check is not Check.CUT_SHORT  # that one may be a pause, and the meter goes on
        return (Done(telegram),)

    @property
    def _may_fall_back(self) -> bool:
        return self._acknowledged and self._baud != self._settings.start_baud

    def _block_missing(self, now: float) -> tuple[Action, ...]:
        if self._may_fall_back:
            # The meter did not understand the acknowledgement: it now reads itself out in mode A at the first rate.
            self._acknowledged = False
            self._baud = self._settings.start_baud
            self._buffer.clear()
            self._due = now + self._settings.response_timeout
            return SetRate(self._baud), Wait(self._due)
        if self.identification is not None and not self._silent_option and not self._sign_on.exhausted:
            # Too late for that: once more from the beginning, and no acknowledgement this time.
            self._silent_option = True
            return self.start(now)
        raise answer_missing(
            bytes(self._buffer),
            self._sent,
            "identified itself and then sent no data block",
            "identified itself and then fell silent",
        )


def readout_session(settings: SessionSettings, table: str = "") -> ReadoutSession | PushSession:
    """The session that reads a meter of this mode."""
    return PushSession(settings) if settings.mode == "D" else ReadoutSession(settings, table)
