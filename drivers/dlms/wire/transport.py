"""What carries APDUs between the client and one meter: the interface that an HDLC link and the wrapper have in common.

Rules: no I/O and no clock, the present time in seconds is given; the answer of every method is what to do, in order
(hdlc_dialogue). An APDU that goes out is whole, and so is one that comes in.
"""

from typing import Protocol

from drivers.dlms.wire.hdlc_dialogue import Action, State

__all__ = ["Transport"]


class Transport(Protocol):
    """hdlc_link.Link or wrapper_link.WrapperLink. GatewayError from `feed` and `expired` means that it is over."""

    @property
    def state(self) -> State:
        """NEW before `start`, READY when an APDU may be sent, OVER at the end."""

    @property
    def shared(self) -> bool:
        """Whether other stations are on the same way, so that nobody may talk while the meter does."""

    def start(self, now: float) -> tuple[Action, ...]:
        """Set up the way; ends in Connected."""

    def send(self, apdu: bytes, now: float, secret: bool = False) -> tuple[Action, ...]:
        """Send an APDU; ends in Received. ValueError for an empty or too long one. `secret`: it is shown nowhere."""

    def listen(self, now: float) -> tuple[Action, ...]:
        """Nothing is sent: the meter has more to say, or what it said was no answer; ends in Received."""

    def feed(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Bytes came."""

    def expired(self, now: float) -> tuple[Action, ...]:
        """The time of the last Wait has passed."""

    def disconnect(self, now: float) -> tuple[Action, ...]:
        """Take down the way and wait for the meter's word; ends in Disconnected."""

    def close(self, now: float) -> tuple[Action, ...]:
        """How to leave at once, from wherever it is."""
