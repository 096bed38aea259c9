"""What a reader sends, recognised: the sign-on, the option select message and the break (IEC 62056-21 6.3, 6.5).

Rules: bit 7 is parity and is ignored for recognition, wake-up characters and noise before a message are skipped; bytes
in, requests out, no waiting and no clock. The buffer is bounded: what is older than 256 bytes is forgotten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BUFFERED = 256

_MESSAGE = re.compile(
    rb"/\?(?P<address>[^!\r\n/]{0,64})!\r\n"
    rb"|\x06(?P<protocol>[0-9A-Za-z])(?P<rate>[0-9A-Za-z])(?P<option>[0-9A-Za-z])\r\n"
    rb"|(?P<stop>\x01B0\x03q)"
)


@dataclass(frozen=True, slots=True)
class SignOn:
    """`/?` address `!` CR LF; `even_parity` when the reader computes parity itself and puts it into bit 7."""

    address: str
    even_parity: bool


@dataclass(frozen=True, slots=True)
class OptionSelect:
    """ACK V Z Y CR LF: protocol control character, baud rate character, mode control character."""

    protocol: str
    rate: str
    option: str


@dataclass(frozen=True, slots=True)
class Break:
    """SOH B0 ETX BCC: the reader ends the conversation."""


Request = SignOn | OptionSelect | Break


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
        return SignOn(match["address"].decode("ascii"), _has_even_parity(raw))

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
