"""The beginning of every session but a pushed one: wake-up, request, identification, and the rate that follows.

    start --> WAKING --pause over--> ASKED --identification--> done
        \\______ no wake-up ________/^  | nothing in time: again from the beginning, as often as allowed

Rules: echo and noise before the identification are passed over up to a limit, and do not shorten the time that the
answer may take; what comes while the meter wakes up is nothing.
"""

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.framing import Identification
from drivers.iec62056_21.wire.session import (
    NOISE_LIMIT,
    Action,
    Send,
    SessionSettings,
    SetRate,
    Wait,
    answer_missing,
    on_the_wire,
)
from gatewayd.errors import ProtocolError

_LINE = 80
"""The longest identification and a line full of noise must fit; a babbling line must not hold us for ever."""


class SignOn:
    """Brings the identification of the meter; may be run again. Raises MeterSilent or ProtocolError."""

    def __init__(self, settings: SessionSettings, table: str = "") -> None:
        self._settings = settings
        self.request = framing.sign_on(settings.address, table)
        self.identification: Identification | None = None
        """What the meter has said of itself so far; a repeated sign-on does not forget it."""
        self.done = False
        """True when the present sign-on has brought an identification."""
        self.rest = b""
        """What came behind it in the same chunk."""
        self.attempt = 0
        self.echoed = False
        """True when our request came back before the answer: the line has an echo."""
        self.unclear = False
        """True when anything else came before it, which may have been an echo."""
        self._buffer = bytearray()
        self._waking = False
        self._due = 0.0  # before this the answer begins, or the wake-up is over
        self._limit = 0.0  # after this noise is no longer put up with

    @property
    def exhausted(self) -> bool:
        """True when there is no attempt left."""
        return self.attempt >= self._settings.attempts

    @property
    def asked(self) -> bool:
        """True from the request on, until the identification is there."""
        return not self._waking and not self.done

    def start(self, now: float) -> tuple[Action, ...]:
        """Begin, or begin again."""
        settings = self._settings
        self.attempt += 1
        self.done = False
        if not settings.wake_up:
            return self._ask(now)
        # Annex B: NUL characters for 2.1 to 2.3 s, then nothing for 1.5 to 1.7 s.
        characters = round(settings.wake_up * settings.start_baud / framing.CHARACTER_BITS)
        self._waking = True
        self._due = now + on_the_wire(characters, settings.start_baud) + settings.wake_up_pause
        return SetRate(settings.start_baud), Send(bytes(characters)), Wait(self._due)

    def pause(self, until: float) -> tuple[Action, ...]:
        """Begin again, but not before `until`: the meter has just been told to stop."""
        self.attempt += 1
        self.done = False
        self._waking = True
        self._due = until
        return (Wait(until),)

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Nothing, and `done`, when the identification is complete."""
        if self._waking:
            return (Wait(self._due),) if now < self._due else self._ask(now)
        self._buffer += data
        found = framing.find_identification(self._buffer)
        if found is None:
            if len(self._buffer) > NOISE_LIMIT or now > self._limit:
                raise ProtocolError("sends noise instead of an identification", bytes(self._buffer))
            return (Wait(min(max(now + self._settings.character_timeout, self._due), self._limit)),)
        self.identification, end = found
        before = self._buffer[: end - len(self.identification.raw)]
        self.echoed = self.request in before
        self.unclear = bool(before.strip(b"\x00\x7f\xff"))
        self.rest = bytes(self._buffer[end:])
        self.done = True
        return ()

    def expired(self, now: float) -> tuple[Action, ...]:
        """The pause of the wake-up is over, or no answer came in time."""
        if self._waking:
            return self._ask(now)
        if not self.exhausted:
            return self.start(now)
        raise answer_missing(
            bytes(self._buffer),
            self.request,
            "answered the sign-on with nothing that identifies a meter",
            "does not answer",
        )

    def _ask(self, now: float) -> tuple[Action, ...]:
        settings = self._settings
        self._waking = False
        self._buffer.clear()
        self._due = now + on_the_wire(len(self.request), settings.start_baud) + settings.response_timeout
        self._limit = self._due + 10 * on_the_wire(_LINE, settings.start_baud)
        return SetRate(settings.start_baud), Send(self.request, secret=settings.secret_address), Wait(self._due)


def data_rate(identification: Identification, settings: SessionSettings) -> int:
    """The rate behind the sign-on: what is offered (6.3.14 item 13c), as far as it is allowed; in mode B what the meter
    changes to unasked, in mode A the first one. A configured rate goes before all of them."""
    if settings.baud_after_sign_on is not None:
        return settings.baud_after_sign_on
    if identification.mode == "B":
        return identification.rate
    if identification.mode == "A":
        return settings.start_baud
    highest = settings.max_baud if settings.max_baud_of is None else settings.max_baud_of(identification)
    allowed = max(min(identification.rate, highest), framing.SIGN_ON_BAUD)
    return max(rate for rate in framing.mode_c_rates() if rate <= allowed)
