"""What a reader sends, recognised: sign-on, option select message, commands and break (IEC 62056-21 6.3, 6.5).

Rules: bit 7 is parity and is ignored for recognition, wake-up characters and noise before a message are skipped; bytes
in, requests out, no waiting and no clock. The buffer is bounded: what is older than 256 bytes is forgotten. A lone ACK
means something only in programming mode, where no option select message can come: hence two ways to take a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulators.telegram import bcc

BUFFERED = 256

_MESSAGE = re.compile(
    rb"/(?P<table>[?0-9])(?P<address>[^!\r\n/]{0,64})!\r\n"
    rb"|\x06(?P<protocol>[0-9A-Za-z])(?P<rate>[0-9A-Za-z])(?P<option>[0-9A-Za-z])\r\n"
    rb"|(?P<stop>\x01B0\x03q)"
)
_PROGRAMMING = re.compile(
    rb"\x01(?P<checked>(?P<command>[A-Z][0-9])(?:\x02(?P<data>[^\x01\x03]*))?\x03)(?P<bcc>.)"
    rb"|(?P<ack>\x06)|(?P<nak>\x15)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SignOn:
    """`/?` address `!` CR LF; `even_parity` when the reader computes parity itself and puts it into bit 7.

    `table` is the character after `/`: meters of several makers send another table for `/2!` and the like.
    """

    address: str
    even_parity: bool
    table: str = "?"


@dataclass(frozen=True, slots=True)
class OptionSelect:
    """ACK V Z Y CR LF: protocol control character, baud rate character, mode control character."""

    protocol: str
    rate: str
    option: str


@dataclass(frozen=True, slots=True)
class Break:
    """SOH B0 ETX BCC: the reader ends the conversation."""


@dataclass(frozen=True, slots=True)
class Command:
    """SOH C D [STX data] ETX BCC: command letter and type (`R5`), the data set, and whether the BCC was right."""

    name: str
    data: str
    intact: bool


@dataclass(frozen=True, slots=True)
class Next:
    """ACK: the reader has a partial block and wants the next one."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """NAK: the reader wants the last message again."""


Request = SignOn | OptionSelect | Break
ProgrammingRequest = Command | Break | Next | Repeat


class Inbox:
    """Received bytes that no request has used up yet."""

    def __init__(self) -> None:
        self._raw = bytearray()

    def add(self, data: bytes) -> None:
        self._raw += data
        del self._raw[:-BUFFERED]

    def clear(self) -> None:
        self._raw.clear()

    def has_begun_option(self) -> bool:
        """Whether an ACK has come whose message is not complete yet."""
        return 0x06 in self._plain()

    def take(self) -> Request | None:
        """The first complete request; it and what came before it leave the buffer."""
        match = _MESSAGE.search(self._plain())
        if match is None:
            return None
        raw = bytes(self._raw[match.start() : match.end()])
        del self._raw[: match.end()]
        if match["stop"] is not None:
            return Break()
        if match["address"] is None:
            return OptionSelect(match["protocol"].decode(), match["rate"].decode(), match["option"].decode())
        return SignOn(match["address"].decode("ascii"), _has_even_parity(raw), match["table"].decode("ascii"))

    def take_programming(self) -> ProgrammingRequest | None:
        """The first complete request of programming mode (6.4.3.2); what came before it leaves the buffer too."""
        match = _PROGRAMMING.search(self._plain())
        if match is None:
            return None
        del self._raw[: match.end()]
        if match["ack"] is not None:
            return Next()
        if match["nak"] is not None:
            return Repeat()
        name, intact = match["command"].decode(), match["bcc"] == bytes([bcc(match["checked"])])
        if name == "B0" and intact:
            return Break()
        return Command(name, (match["data"] or b"").decode("ascii"), intact)

    def interrupts(self, *, sign_on_too: bool) -> bool:
        """Whether a break has arrived, or a new sign-on where that ends an endless transmission."""
        for match in _MESSAGE.finditer(self._plain()):
            if match["stop"] is not None or (sign_on_too and match["address"] is not None):
                return True
        return False

    def _plain(self) -> bytes:
        return bytes(byte & 0x7F for byte in self._raw)


def _has_even_parity(raw: bytes) -> bool:
    return any(byte & 0x80 for byte in raw) and all(byte.bit_count() % 2 == 0 for byte in raw)
