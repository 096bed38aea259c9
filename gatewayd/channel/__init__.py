"""An open byte pipe to a meter: the contract that drivers see, and its test double's size.

Rules: one conversation at a time; every wait has a deadline given by the caller, in the time of the running loop
(`asyncio.get_running_loop().time()`); a peer that hangs up is an error, never an empty read; cancellation passes
through and loses no byte that was already received.
"""

from enum import Enum
from typing import Protocol


class Framing(Enum):
    """Data bits, parity, stop bits. E71 is the character of IEC 62056-21 4.4.1."""

    E71 = "7E1"
    N81 = "8N1"
    E81 = "8E1"
    O81 = "8O1"
    N82 = "8N2"

    @property
    def data_bits(self) -> int:
        return int(self.value[0])

    @property
    def parity(self) -> str:
        return self.value[1]

    @property
    def stop_bits(self) -> int:
        return int(self.value[2])

    @property
    def bits(self) -> int:
        """Bits on the wire for one character, start bit included."""
        return 1 + self.data_bits + (self.parity != "N") + self.stop_bits


class Channel(Protocol):
    """What a driver may do with a line. All errors are ChannelError; ChannelTimeout when the deadline passes."""

    @property
    def parity_errors(self) -> int:
        """Characters with wrong parity since the channel was opened, where this can be seen."""

    async def send(self, data: bytes, *, deadline: float, secret: bool = False) -> None:
        """Hand all of `data` to the line. What is `secret` is masked wherever it is written down, its echo too."""

    async def receive(self, *, deadline: float) -> bytes:
        """At least one byte, as many as are there."""

    async def rest(self, seconds: float) -> None:
        """Let bytes gather for so long: a stream that is looked at for each of its characters costs a processor much.

        No byte is lost; what has come meanwhile is received at once."""

    async def set_line(self, baud: int, framing: Framing, *, deadline: float) -> None:
        """Change rate and framing after everything sent has left the wire. No byte received so far is dropped.

        A line without a rate of its own (TCP) keeps only the software parity in step with the framing."""

    async def close(self) -> None:
        """Give the line back. Never raises, may be called twice."""


class ControlLines(Protocol):
    """DTR and DCD, where the way to a modem has them. Both raise ChannelError only, and neither waits."""

    def set_dtr(self, on: bool) -> None:
        """Switch DTR; off makes a modem with AT&D2 hang up."""

    def carrier(self) -> bool:
        """DCD; follows the carrier with AT&C1. A cable without this wire says off for ever."""
