"""A readout as a state machine: modes A, B, C and D of IEC 62056-21:2002, 6.4 (E is read as C).

    IDLE --start--> IDENTIFICATION --ident, digit--> BLOCK --STX--> DATA --ETX BCC--> done
                        |  ident, letter: change rate ^  |
                        |  ident, other: stay at 300 ---+  no block after ACK: back to 300, the meter goes to mode A
         mode D: IDLE --start--> PUSH --ident--> PUSHED --`!`--> done

Rules: no I/O and no clock; `start`, `feed` and `expired` take the present time in seconds and return what to do, in
order. The line rate changes right after the acknowledgement, without a pause. Echo and noise before an identification
or an STX are passed over up to a limit; they do not shorten the time that the answer may take, nor delay the fall-back.
Every state has a timer, and a meter that only drips is given up on.
"""

from dataclasses import dataclass
from enum import Enum, auto

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.framing import STX, Identification
from drivers.iec62056_21.wire.telegram import (
    PUSH_END_LIMIT,
    TELEGRAM_LIMIT,
    Telegram,
    end_of_block,
    end_of_push,
    read_block,
    read_push,
)
from gatewayd.errors import MeterSilent, ProtocolError

NOISE_LIMIT = 4096
BITS = 10
_UNACKNOWLEDGED = 3.0
"""A mode C meter that hears no acknowledgement starts to send at the first rate after up to 2.2 s."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes at the present rate."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SetRate:
    """After everything sent has left: change the line to this rate."""

    baud: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Receive until this time; then call `expired`."""

    until: float


@dataclass(frozen=True, slots=True)
class Done:
    """The session is over."""

    telegram: Telegram


Action = Send | SetRate | Wait | Done


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session needs to know of its meter. Times in seconds.

    `response_timeout` runs from the end of our message to the first character of the answer (the standard allows 1.5);
    `fallback_after` is how long an acknowledged meter may stay silent before the line goes back to the first rate,
    where the meter starts its mode A readout (1.5 to 2.2 s after its identification); `grace` is what a slow meter may
    take beyond ten times the time that its characters need on the line.
    """

    mode: str = "C"
    address: str = ""
    start_baud: int = framing.SIGN_ON_BAUD
    max_baud: int = 19200
    attempts: int = 3
    response_timeout: float = 2.0
    character_timeout: float = 2.0
    fallback_after: float = 1.5
    push_timeout: float = 15.0
    grace: float = 30.0


class _State(Enum):
    IDLE = auto()
    IDENTIFICATION = auto()
    BLOCK = auto()
    DATA = auto()
    PUSH = auto()
    PUSHED = auto()
    OVER = auto()


class ReadoutSession:
    """One readout. Raises MeterSilent or ProtocolError from `feed` and `expired`; then the session is over."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._state = _State.IDLE
        self._buffer = bytearray()
        self._scanned = 0
        self._baud = settings.start_baud
        self._attempt = 0
        self._due = 0.0  # before this the answer begins
        self._limit = 0.0  # after this noise before it, or its slowness, is no longer put up with
        self._sent = b""
        self._dropped = b""
        self._identification: Identification | None = None
        self._acknowledged = False
        self._silent_option = False
        self._received = 0

    @property
    def identification(self) -> Identification | None:
        """What the meter has said of itself so far."""
        return self._identification

    @property
    def in_telegram(self) -> bool:
        """True from the first character of the telegram on; what came before was identification, echo or noise."""
        return self._state in (_State.DATA, _State.PUSHED)

    def start(self, now: float) -> tuple[Action, ...]:
        """Begin: sign on, or listen in mode D."""
        if self._settings.mode == "D":
            self._state = _State.PUSH
            self._limit = now + self._settings.push_timeout
            return SetRate(self._baud), Wait(self._limit)
        return self._sign_on(now)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Bytes came. A session that is over ignores them."""
        match self._state:
            case _State.IDENTIFICATION:
                step = self._on_identification
            case _State.BLOCK:
                step = self._on_block
            case _State.DATA:
                step = self._on_data
            case _State.PUSH:
                step = self._on_push
            case _State.PUSHED:
                step = self._on_pushed
            case _State.IDLE | _State.OVER:
                return ()
        self._buffer += data
        self._received += len(data)
        return step(now)

    def expired(self, now: float) -> tuple[Action, ...]:
        """The time of the last Wait has passed without new bytes."""
        match self._state:
            case _State.IDENTIFICATION:
                if self._attempt < self._settings.attempts:
                    return self._sign_on(now)
                raise self._give_up("answered the sign-on with nothing that identifies a meter", "does not answer")
            case _State.BLOCK:
                return self._block_missing(now)
            case _State.DATA:
                return self._over(read_block(bytes(self._buffer), self._identification))
            case _State.PUSHED if self._identification is not None:
                return self._over(read_push(bytes(self._buffer), self._identification))
            case _State.PUSH:
                raise self._give_up("sends, but no telegram begins in what it sends", "pushes nothing")
            case _:
                return ()

    # -- sign-on ----------------------------------------------------------------------------------------------------

    def _sign_on(self, now: float) -> tuple[Action, ...]:
        settings = self._settings
        request = framing.sign_on(settings.address)
        self._attempt += 1
        self._state = _State.IDENTIFICATION
        self._baud = settings.start_baud
        self._buffer.clear()
        self._acknowledged = False
        self._sent = request
        self._due = now + self._on_the_wire(len(request)) + settings.response_timeout
        # The longest identification and a line full of noise must fit; a babbling line must not hold us for ever.
        self._limit = self._due + 10 * self._on_the_wire(80)
        return SetRate(self._baud), Send(request), Wait(self._due)

    def _on_identification(self, now: float) -> tuple[Action, ...]:
        found = framing.find_identification(self._buffer)
        if found is None:
            if len(self._buffer) > NOISE_LIMIT or now > self._limit:
                raise self._over_with("sends noise instead of an identification")
            return (Wait(min(max(now + self._settings.character_timeout, self._due), self._limit)),)
        self._identification, end = found
        del self._buffer[:end]
        actions: list[Action] = []
        wait = self._settings.response_timeout
        if self._identification.mode == "C":
            wait = max(wait, _UNACKNOWLEDGED)
            if self._settings.mode != "A" and not self._silent_option:
                rate = self._choose_rate(self._identification.rate)
                option = framing.option_select(rate)
                actions += [Send(option), SetRate(rate)]
                on_the_wire = self._on_the_wire(len(option))
                self._acknowledged = True
                self._sent = option
                self._baud = rate
                wait = on_the_wire + (self._settings.fallback_after if self._may_fall_back else wait)
        elif self._identification.mode == "B" and self._settings.mode != "A":
            self._baud = self._identification.rate  # the meter changes to it without asking (6.4.2)
            actions.append(SetRate(self._baud))
        self._state = _State.BLOCK
        self._due = now + wait
        self._limit = self._due + self._settings.grace
        return *actions, *self._on_block(now)

    def _choose_rate(self, offered: int) -> int:
        return max(rate for rate in framing.mode_c_rates() if rate <= max(min(offered, self._settings.max_baud), 300))

    # -- data block -------------------------------------------------------------------------------------------------

    def _on_block(self, now: float) -> tuple[Action, ...]:
        start = self._buffer.find(STX)
        if start < 0:
            if len(self._buffer) > NOISE_LIMIT or now > self._limit:
                raise self._over_with("sends noise instead of a data block")
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
        end = end_of_block(self._buffer, self._scanned)
        if end:
            return self._over(read_block(bytes(self._buffer[:end]), self._identification))
        self._scanned = max(len(self._buffer) - 1, 0)
        return self._more(now)

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
        if self._identification is not None and not self._silent_option and self._attempt < self._settings.attempts:
            # Too late for that: once more from the beginning, and no acknowledgement this time.
            self._silent_option = True
            return self._sign_on(now)
        raise self._give_up("identified itself and then sent no data block", "identified itself and then fell silent")

    # -- pushed telegrams -------------------------------------------------------------------------------------------

    def _on_push(self, now: float) -> tuple[Action, ...]:
        found = framing.find_identification(self._buffer)
        if found is None:
            if self._received > TELEGRAM_LIMIT:
                raise self._over_with("sends without end, and no telegram begins in it")
            # An identification is one line: the lines before the present one cannot hold its beginning.
            useless = self._buffer.rfind(b"\n") + 1
            if len(self._buffer) - useless > NOISE_LIMIT:
                useless = len(self._buffer)
            if useless:
                self._dropped = bytes(self._buffer[:useless])
                del self._buffer[:useless]
            return (Wait(self._limit),) if now < self._limit else self.expired(now)
        self._identification, end = found
        del self._buffer[: end - len(self._identification.raw)]
        self._state = _State.PUSHED
        self._limit = now + self._settings.grace
        self._scanned = len(self._identification.raw)
        return self._on_pushed(now)

    def _on_pushed(self, now: float) -> tuple[Action, ...]:
        end = end_of_push(self._buffer, self._scanned)
        if end and self._identification is not None:
            return self._over(read_push(bytes(self._buffer[:end]), self._identification))
        self._scanned = max(len(self._buffer) - PUSH_END_LIMIT, self._scanned)
        return self._more(now)

    # -- common -----------------------------------------------------------------------------------------------------

    def _more(self, now: float) -> tuple[Action, ...]:
        """Wait for the next characters of a block, unless it is too long or comes too slowly."""
        size = len(self._buffer)
        if size > TELEGRAM_LIMIT:
            raise self._over_with(f"sends a telegram of more than {TELEGRAM_LIMIT} bytes")
        if now > self._limit + 10 * self._on_the_wire(size):
            raise self._over_with(f"drips: {size} bytes in {now - self._limit + self._settings.grace:.0f} s")
        return (Wait(now + self._settings.character_timeout),)

    def _on_the_wire(self, characters: int) -> float:
        return characters * BITS / self._baud

    def _over(self, telegram: Telegram) -> tuple[Action, ...]:
        self._state = _State.OVER
        return (Done(telegram),)

    def _over_with(self, message: str) -> ProtocolError:
        self._state = _State.OVER
        return ProtocolError(message, self._dropped + self._buffer)

    def _give_up(self, noisy: str, silent: str) -> Exception:
        raw = self._dropped + self._buffer
        self._state = _State.OVER
        # Our own echo is no answer.
        heard = (raw.replace(self._sent, b"") if self._sent else raw).strip(b"\x00\x7f")
        return ProtocolError(noisy, raw) if heard else MeterSilent(silent)
