"""What comes out of a stream of pushed bytes: whole APDUs, and what was spoilt on its way; shared by all framings.

Rules: values only. What is spoilt is an event and never an exception: the next message must be heard all the same.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from drivers.dlms.wire.data_notification import Ciphering, Plain

NOTIFICATIONS = frozenset(
    {
        Plain.DATA_NOTIFICATION.value,
        Plain.EVENT_NOTIFICATION.value,
        Plain.GENERAL_BLOCK_TRANSFER.value,
        *(ciphering.value for ciphering in Ciphering),
    }
)
"""First octets of the APDUs in which a meter pushes (IEC 62056-5-3): what marks a beginning where there is no frame."""
APDU_LIMIT = 65_536


class Damage(Enum):
    """What kind of fault it is: it decides the outcome of the exchange."""

    CHECK = auto()
    """A check sequence or check sum is wrong."""
    CUT = auto()
    """The rest did not come."""
    FORM = auto()
    """Whole, and not what the framing allows."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """One whole APDU, undecoded and unverified."""

    apdu: bytes


@dataclass(frozen=True, slots=True)
class Spoilt:
    """Bytes that make no message. `reason` goes on after the name of a meter: "sends ..."."""

    damage: Damage
    reason: str
    raw: bytes


Event = Pushed | Spoilt


class Waiting(Enum):
    """What a reader waits for: silence means something else in the middle of a frame than between two of them."""

    NOTHING = auto()
    FRAME = auto()
    """The rest of a frame, whose octets follow each other at once."""
    MESSAGE = auto()
    """The next frame of a message that takes several."""


class Framed(Protocol):
    """Bytes in, messages out: what hdlc, mbus, wrapper and raw have in common."""

    @property
    def waiting(self) -> Waiting:
        """What is due next."""

    def feed(self, data: bytes) -> tuple[Event, ...]:
        """What `data` completes, in order."""

    def finish(self) -> tuple[Event, ...]:
        """The line has been silent for too long: what waits for its rest is spoilt, and the next octet begins anew."""
