"""The way into HDLC at an optical port: mode E of IEC 62056-21 (annex E), as a simulated DLMS meter goes it.

    /?! at 300 Bd -> identification with \\2 -> ACK 2 Z 2 -> the same back at the new rate, with parity -> HDLC, 8N1

Rules: any other option is met with silence and the meter waits for a new sign-on; HDLC ends with its link, or when
nothing is heard for a while, and the line is back at 300 Bd.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from simulators.line import Line
from simulators.port import Interrupted, Port
from simulators.requests import OptionSelect, SignOn

START_BAUD = 300
RATES = {300: "0", 600: "1", 1200: "2", 2400: "3", 4800: "4", 9600: "5", 19200: "6"}
"""Baud rate characters of mode C and E (6.3.14.13)."""


class Entry:
    """`baud` is the rate that is offered; `hdlc_s` is how long the meter stays in HDLC without hearing anything."""

    def __init__(self, line: Line, baud: int, *, reaction_s: float, hdlc_s: float, note: Callable[[str], None]) -> None:
        self._port = Port(line)
        self._line = line
        self._baud = baud
        self._reaction_s = reaction_s
        self._note = note
        self.hdlc_s = hdlc_s

    def enter(self) -> None:
        """Returns when the reader has been let into HDLC."""
        line, inbox = self._line, self._port.inbox
        inbox.clear()
        line.baud = START_BAUD
        self._port.even_parity = True
        offered = False
        while True:
            inbox.add(line.receive(None))
            try:
                match inbox.take():
                    case SignOn(address=address):
                        self._note(f"sign-on {address}".rstrip())
                        self._reply(b"/SIM" + RATES[self._baud].encode() + b"\\2GATEWAYD\r\n")
                        offered = True
                    case OptionSelect("2", rate, "2") if offered and rate <= RATES[self._baud]:
                        self._note(f"option 2{rate}2")
                        line.baud = next(baud for baud, character in RATES.items() if character == rate)
                        self._reply(b"\x06" + f"2{rate}2".encode() + b"\r\n")
                        return
                    case None:
                        pass
                    case other:
                        self._note(f"not played: {other}")
                        offered = False
            except Interrupted:
                self._note("break")

    def deadline(self) -> float:
        """When HDLC ends unless something is heard (monotonic seconds)."""
        return max(self._line.heard_until, self._line.spoken_until, time.monotonic()) + self.hdlc_s

    def _reply(self, data: bytes) -> None:
        self._port.send(data, self._line.heard_until + self._reaction_s)
