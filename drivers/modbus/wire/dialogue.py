"""What an exchange asks to be done, what it tells, and how patient it is.

Rules: `now` is handed in and never goes back. The last action is a Wait or Drain (receive until then, hand what comes
to `feed`, and call `expired` when the time is over) or an event, behind which nothing is waited for; () says that there
is nothing to do.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from drivers.modbus.wire.pdu import Reply, Request


class Transport(Enum):
    """How requests and answers are framed. RTU over a TCP connection is RTU."""

    RTU = "rtu"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an exchange needs to know of its line, in seconds.

    `timeout_s`: from the end of a request until its answer begins. `gap_s`: so long may an answer pause that has begun.
    `late_s`: an answer that is not complete so long after its request never comes. `pause_s`: silence before a request.
    `character_s`: what a character takes on the line, 0 where nobody knows. `repeats`: requests or answers are doubled
    on their way (transaction.py, 3).
    """

    timeout_s: float = 1.0
    late_s: float = 3.0
    gap_s: float = 0.25
    pause_s: float = 0.0
    character_s: float = 0.0
    repeats: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= self.late_s:
            raise ValueError(f"timeout_s {self.timeout_s}, late_s {self.late_s}: expected 0 < timeout_s <= late_s")
        if min(self.gap_s, self.pause_s, self.character_s) < 0:
            raise ValueError("gap_s, pause_s and character_s: expected 0 or more")


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Receive until then: an answer is due."""

    until: float


@dataclass(frozen=True, slots=True)
class Drain:
    """Receive until then: the line owes an answer or has to be quiet first, and nothing may be sent."""

    until: float


@dataclass(frozen=True, slots=True)
class Answered:
    """Event: the reply to the request, an exception as well."""

    reply: Reply


Action = Send | Wait | Drain | Answered


class Exchange(Protocol):
    """Requests over one line or connection, one at a time."""

    def start(self, unit: int, request: Request, now: float) -> tuple[Action, ...]:
        """Ask; ends in Answered. ValueError for a unit that cannot be asked, and while a request is under way."""

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Octets came. ProtocolError: what came cannot be the answer; the request is over."""

    def expired(self, now: float) -> tuple[Action, ...]:
        """The time of the latest Wait or Drain is over. MeterSilent, ProtocolError: the request is over."""

    def leave(self, now: float) -> tuple[Action, ...]:
        """Ask no more, in the middle of a request as well: () or Drain, until the line may be used by others."""

    def settled(self, now: float) -> bool:
        """Whether the line owes nothing."""
