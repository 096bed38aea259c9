"""What all sessions are made of: what they ask to be done, what they know of their meter, and their patience.

A session is a state machine without I/O: `start`, `feed` (bytes came), `expired` (the time of the last Wait has passed)
and `close` (leave, from wherever it is) take the present time in seconds and return what to do, in order.

Rules: no I/O and no clock; the last action of an answer is a Wait or an event, and behind an event nothing is waited
for; GatewayError from any of them means that the session is over, and `close` says how to leave all the same. No action
shows a secret.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from drivers.iec62056_21.wire import framing
from drivers.iec62056_21.wire.framing import BREAK, CHARACTER_BITS, Identification
from drivers.iec62056_21.wire.telegram import TELEGRAM_LIMIT, Telegram
from gatewayd.channel import Framing
from gatewayd.errors import GatewayError, MeterSilent, ProtocolError

NOISE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes at the present rate. A `secret` is shown nowhere, its echo neither."""

    data: bytes
    secret: bool = False

    def __repr__(self) -> str:
        return f"Send({'secret' if self.secret else self.data!r})"


@dataclass(frozen=True, slots=True)
class SetRate:
    """After everything sent has left: change the line to this rate and framing."""

    baud: int
    framing: Framing = Framing.E71


@dataclass(frozen=True, slots=True)
class Wait:
    """Receive until this time; then call `expired`."""

    until: float


@dataclass(frozen=True, slots=True)
class Done:
    """Event: the readout has ended, and the session with it."""

    telegram: Telegram


@dataclass(frozen=True, slots=True)
class Ready:
    """Event: the meter is in programming mode and waits for a command. `operand` is what its P0 said."""

    operand: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Event: the answer to a command, all its `blocks` joined; the meter waits for the next one."""

    telegram: Telegram
    blocks: int


@dataclass(frozen=True, slots=True)
class CommandError:
    """Event: the meter does not do what the command asks, in its own `text`; `understood` is False after NAK only."""

    text: str
    understood: bool = True


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Event: the line now stands at `baud`, 8N1, and the meter speaks HDLC (mode E)."""

    baud: int
    identification: Identification


Event = Done | Ready | Answered | CommandError | HandedOver
Action = Send | SetRate | Wait | Event


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session needs to know of its meter. Times in seconds.

    `secret_address`: the address holds a password, so that the sign-on is shown nowhere.

    `response_timeout` runs from the end of our message to the first character of the answer (the standard allows 1.5);
    `fallback_after` is how long an acknowledged meter may stay silent before the line goes back to the first rate,
    where the meter starts its mode A readout (1.5 to 2.2 s after its identification); `grace` is what a slow meter may
    take beyond ten times the time that its characters need on the line. `max_baud_of` gives the highest rate where only
    the identification tells it; `baud_after_sign_on` is used whatever the meter offers. `wake_up` seconds of NUL and
    then `wake_up_pause` seconds of nothing go before each sign-on. `repeats` is how often a command is sent again when
    the meter says NAK; a password never is.
    """

    mode: str = "C"
    address: str = field(default="", repr=False)
    secret_address: bool = False
    start_baud: int = framing.SIGN_ON_BAUD
    max_baud: int = 19200
    max_baud_of: Callable[[Identification], int] | None = None
    baud_after_sign_on: int | None = None
    attempts: int = 3
    response_timeout: float = 2.0
    character_timeout: float = 2.0
    fallback_after: float = 1.5
    push_timeout: float = 15.0
    grace: float = 30.0
    wake_up: float = 0.0
    wake_up_pause: float = 0.0
    repeats: int = 3


class Session(Protocol):
    """What a loop needs of any session."""

    @property
    def in_telegram(self) -> bool:
        """True from the first character of data on; what came before was identification, echo or noise."""

    @property
    def blocks(self) -> int:
        """How many blocks of the present answer are complete; what was received of them counts."""

    @property
    def asked(self) -> bool:
        """True while the meter may be about to identify itself, and then waits for us."""

    def start(self, now: float) -> tuple[Action, ...]:
        """Begin."""

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Bytes came. A session that is over ignores them."""

    def expired(self, now: float) -> tuple[Action, ...]:
        """The time of the last Wait has passed without new bytes."""

    def close(self, now: float) -> tuple[Action, ...]:
        """How to leave: nothing where the meter does not wait for us. The session is over."""


def on_the_wire(characters: int, baud: int) -> float:
    """Seconds that so many characters need (clause 5: ten bits each)."""
    return characters * CHARACTER_BITS / baud


def leaving(settings: SessionSettings) -> tuple[Action, ...]:
    """The break message, and the first rate once it has left: a meter that hears none stays locked for 60 to 120 s."""
    return Send(BREAK), SetRate(settings.start_baud)


def wait_for_more(
    buffer: bytes | bytearray, before: int, limit: float, baud: int, settings: SessionSettings, now: float
) -> tuple[Action, ...]:
    """Wait for the next characters of a block, unless it is too long or comes too slowly.

    `before` counts the characters of the blocks before this one, `limit` is when the grace of this one ends.
    """
    size = len(buffer)
    if before + size > TELEGRAM_LIMIT:
        raise ProtocolError(f"sends a telegram of more than {TELEGRAM_LIMIT} bytes", bytes(buffer))
    if now > limit + 10 * on_the_wire(size, baud):
        raise ProtocolError(f"drips: {size} bytes in {now - limit + settings.grace:.0f} s", bytes(buffer))
    return (Wait(now + settings.character_timeout),)


def answer_missing(raw: bytes, sent: bytes, noisy: str, silent: str) -> GatewayError:
    """The error for an answer that did not come; our own echo and the noise of an idle line are no answer."""
    heard = (raw.replace(sent, b"") if sent else raw).strip(b"\x00\x7f")
    return ProtocolError(noisy, raw) if heard else MeterSilent(silent)
