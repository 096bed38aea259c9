"""What an HDLC link asks to be done, what it tells, how it fails, and its patience.

Rules: the last action of an answer is a Wait or an event, and behind an event nothing is waited for. No action shows a
secret.
"""

from dataclasses import dataclass
from enum import Enum, auto

from drivers.dlms.wire.hdlc_frame import FRAME_LIMIT
from drivers.dlms.wire.hdlc_parameters import Parameters
from gatewayd.errors import ProtocolError

LSDU_LIMIT = 65536
"""Bytes of one message with its LLC header, in either direction."""

CHARACTER_BITS = 10
"""Start, eight data bits, stop (IEC 62056-42 5.3)."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes. A `secret` is shown nowhere, its echo neither."""

    data: bytes
    secret: bool = False

    def __repr__(self) -> str:
        return f"Send({'secret' if self.secret else self.data!r})"


@dataclass(frozen=True, slots=True)
class Wait:
    """Receive until this time; then call `expired`."""

    until: float


@dataclass(frozen=True, slots=True)
class Connected:
    """Event: the meter has taken the link; `parameters` hold for us."""

    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Received:
    """Event: the answer to what was sent, its segments joined and without LLC header. The link is ready again."""

    apdu: bytes


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Event: the link is gone; `confirmed` is False when the meter did not say so."""

    confirmed: bool


Event = Connected | Received | Disconnected
Action = Send | Wait | Event


class State(Enum):
    """Where a link is."""

    NEW = auto()
    CONNECTING = auto()
    """SNRM is sent."""
    READY = auto()
    SENDING = auto()
    """A segment is sent and more follow."""
    ANSWERING = auto()
    """The last segment is sent."""
    DISCONNECTING = auto()
    """DISC is sent."""
    OVER = auto()


class LinkRefused(ProtocolError):
    """The meter says that it is disconnected (DM): it does not take the link, or has dropped it."""


class FrameRejected(ProtocolError):
    """The meter rejects what we sent (FRMR). Only a new link helps (ISO/IEC 13239 5.6.4)."""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What a link needs to know of its line. Times in seconds.

    `response_timeout` runs from the end of our frame until the answer begins; a frame that has begun may take twice
    the time that the longest one needs at `baud`, and `grace`. Every frame is sent `attempts` times at most. A meter
    that is not ready is asked again after `busy_pause`, for `busy_limit` in all.
    """

    response_timeout: float = 3.0
    grace: float = 3.0
    attempts: int = 3
    busy_pause: float = 0.5
    busy_limit: float = 60.0
    baud: int = 9600

    def on_the_wire(self, characters: int) -> float:
        """Seconds that so many characters need."""
        return characters * CHARACTER_BITS / self.baud

    @property
    def frame_time(self) -> float:
        """Seconds that a frame which has begun may take to its end."""
        return self.grace + 2 * self.on_the_wire(FRAME_LIMIT)
