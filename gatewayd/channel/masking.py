"""What must not be shown of the traffic on a line: a secret that was sent, and its echo, whole or garbled.

Rules: pure; bytes are only ever held back from the display, never from the driver, and at most as many as a secret has
plus a few of noise; `flush` ends that. In doubt more is hidden: a piece of an echo that was cut short, and what mostly
looks like one (an echo on a bad line has a wrong character, and the rest of the password around it).
"""

import re
from dataclasses import dataclass
from datetime import datetime

Shown = tuple[int | None, ...]
"""Bytes for a display; None stands for one that is hidden."""

_NOISE = 4
"""Bytes of noise that may stand before an echo."""
_FEWEST = 3
"""So many characters have to come before a garbled echo can be told from an answer."""
# 3GPP 27.007 8.3 (PIN and new PIN) and ITU-T V.250 6.3.1: what follows on the same line is secret.
_SPOKEN = re.compile(rb'AT(?:\+CPIN\s*=\s*"?|D[TP]?)([0-9+*#,W"][0-9+*#,W";]*)', re.IGNORECASE)


def spoken_secret(command: bytes) -> bytes:
    """The PIN or telephone number in what is said to a modem; empty where there is none."""
    found = _SPOKEN.search(command)
    return found[1] if found is not None else b""


def hide(data: bytes, secret: bytes) -> Shown:
    """`data` without `secret`, wherever it stands."""
    return _blanked(data, _places(data, secret))


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that may be shown, and when they came."""

    at: datetime
    data: Shown


class EchoMask:
    """Hides what was sent in secret from what is received after it."""

    def __init__(self) -> None:
        self._secrets: list[bytes] = []
        self._awaited = b""
        self._held: list[tuple[datetime, bytes]] = []

    def sent(self, secret: bytes, *, whole: bool = True) -> None:
        """`secret` goes out now. `whole`: it is a message, and what comes next may be its garbled echo."""
        if secret not in self._secrets:
            self._secrets.append(secret)
        if whole:
            self._awaited = secret

    def feed(self, at: datetime, data: bytes) -> list[Piece]:
        """What may be shown now, in order; the rest follows with the next piece, or with `flush`."""
        if not self._secrets:
            return [Piece(at, tuple(data))]
        self._held.append((at, data))
        return self._release(final=False)

    def flush(self) -> list[Piece]:
        """Everything that was held back: nothing more belongs to it."""
        return self._release(final=True) if self._held else []

    def _release(self, *, final: bool) -> list[Piece]:
        text = b"".join(data for _, data in self._held)
        places = [place for secret in self._secrets for place in _places(text, secret)]
        if self._awaited:
            if not _places(text, self._awaited):
                if not final and len(text) < len(self._awaited) + _NOISE:
                    return []
                places += _likeness(text, self._awaited)
            self._awaited = b""
        behind = max((end for _, end in places), default=0)
        begun = max((_beginning(text[behind:], secret) for secret in self._secrets), default=0)
        if final and begun:
            places.append((len(text) - begun, len(text)))
        return self._take(_blanked(text, places), len(text) if final else len(text) - begun)

    def _take(self, shown: Shown, count: int) -> list[Piece]:
        """The first `count` bytes in the pieces in which they came; the others stay."""
        pieces, position = [], 0
        rest: list[tuple[datetime, bytes]] = []
        for at, data in self._held:
            cut = min(max(count - position, 0), len(data))
            if cut:
                pieces.append(Piece(at, shown[position : position + cut]))
            if cut < len(data):
                rest.append((at, data[cut:]))
            position += len(data)
        self._held = rest
        return pieces


def _places(text: bytes, secret: bytes) -> list[tuple[int, int]]:
    """Where `secret` stands, bit 7 aside: it may be parity."""
    text, secret = _seven_bits(text), _seven_bits(secret)
    found, start = [], text.find(secret) if secret else -1
    while start >= 0:
        found.append((start, start + len(secret)))
        start = text.find(secret, start + 1)
    return found


def _likeness(text: bytes, secret: bytes) -> list[tuple[int, int]]:
    """Where most characters are those of `secret`, near the beginning."""
    text, secret = _seven_bits(text), _seven_bits(secret)
    found = []
    for offset in range(_NOISE + 1):
        pairs = list(zip(text[offset:], secret, strict=False))
        if len(pairs) >= min(_FEWEST, len(secret)) and 2 * sum(a == b for a, b in pairs) > len(pairs):
            found.append((offset, offset + len(pairs)))
    return found


def _beginning(text: bytes, secret: bytes) -> int:
    """How many characters at the end of `text` are the first ones of `secret`, without being all of it."""
    text, secret = _seven_bits(text), _seven_bits(secret)
    return next((n for n in range(min(len(secret) - 1, len(text)), 0, -1) if secret.startswith(text[-n:])), 0)


def _blanked(data: bytes, places: list[tuple[int, int]]) -> Shown:
    hidden = {position for start, end in places for position in range(start, end)}
    return tuple(None if position in hidden else byte for position, byte in enumerate(data))


def _seven_bits(data: bytes) -> bytes:
    return bytes(byte & 0x7F for byte in data)
