"""What the meters on a line share: its characters with their parity, what has arrived, and who may interrupt.

Rules: half-duplex, so what arrives while a meter sends is lost, apart from a break (IEC 62056-21 6.3.4) and, where a
transmission has no end, a new sign-on; both are raised as Interrupted.
"""

from __future__ import annotations

from simulators.line import Line
from simulators.requests import Inbox

_EVEN = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in range(128)) + bytes(range(128, 256))


class Interrupted(Exception):
    """The reader ended a transmission: by a break, or by a new sign-on where there is no end."""


class Port:
    """A line with an inbox. `endless` and `deaf` say what may interrupt: a sign-on as well, or nothing at all."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.inbox = Inbox()
        self.even_parity = False
        self.endless = False
        self.deaf = False

    def send(self, data: bytes, after: float) -> None:
        """Send characters, with the parity that is in force, the first one at `after` or when the line is free."""
        self.send_raw(data.translate(_EVEN) if self.even_parity else data, after)

    def send_raw(self, data: bytes, after: float) -> None:
        """Send bytes as they are."""
        self.line.send(data, after=after, hear=self._hear)

    def _hear(self, data: bytes) -> None:
        if self.deaf:
            return
        self.inbox.add(data)
        if self.inbox.interrupts(sign_on_too=self.endless):
            raise Interrupted
