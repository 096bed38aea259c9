"""What must not be shown or kept of the traffic on a line: a secret that was sent, and its echo, whole or garbled.

Rules: pure; bytes are only ever held back from the trace and the archive, never from the driver, and at most as many as
a secret has plus a few of noise; `flush` and `turn` end that. In doubt more is hidden: a piece of an echo that was cut
short, and what mostly looks like one (an echo on a bad line has a character that is wrong, lost or too many, and the
rest of the password around it). What comes after our next message is the meter's own, and hidden only when it is the
whole secret.
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

Shown = tuple[int | None, ...]
"""Bytes for a display; None stands for one that is hidden."""

_NOISE = 4
"""Bytes of noise that may stand before an echo."""
_FEWEST = 3
"""So many characters together tell an echo from an answer: every answer to a password has `(` or `)` with ETX, too."""
_FRAMES = (b"\x7e", b"\x00\x01")
"""How messages of HDLC and of the wrapper begin. An answer to one has much of its header and names in common with it:
there an echo is what is three quarters the same, elsewhere what is half the same."""
_SEVEN = bytes(byte & 0x7F for byte in range(256))
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

    @property
    def holds(self) -> bool:
        """True while bytes are held back."""
        return bool(self._held)

    @property
    def waiting(self) -> bool:
        """True while an echo is to come, or has begun: what is received has to be fed."""
        return bool(self._held or self._awaited)

    def flush(self) -> list[Piece]:
        """Everything that was held back: nothing has followed in time. An echo that has begun may still go on."""
        return self._release(final=True) if self._held else []

    def turn(self) -> list[Piece]:
        """We speak next: everything that was held back, and no garbled echo is looked for any more."""
        pieces = self.flush()
        self._awaited = b""
        return pieces

    def _release(self, *, final: bool) -> list[Piece]:
        text = b"".join(data for _, data in self._held)
        places = [place for secret in self._secrets for place in _places(text, secret)]
        if self._awaited:
            window = len(self._awaited) + _NOISE
            echo = _echo(text, self._awaited, final=final or len(text) >= window, cut=final)
            if echo is None and not final:
                return self._take(_blanked(text, places), len(text) - window + 1)
            over = len(text) if echo is None else echo[1]
            self._awaited = self._awaited[len(self._awaited) - (over - len(text)) :] if over > len(text) else b""
            if echo is not None:
                places.append((echo[0], min(over, len(text))))
        behind = max((end for _, end in places), default=0)
        begun = max((_beginning(text[behind:], secret) for secret in self._secrets), default=0)
        if final and begun >= _FEWEST:  # fewer give nothing away, and may be the meter's own SOH or BCC
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


def _echo(text: bytes, secret: bytes, *, final: bool, cut: bool) -> tuple[int, int] | None:
    """Where the echo of `secret` stands; its end may lie behind that of `text`. None: not there.

    `final`: a garbled one is taken as well; `cut`: the first characters at the end of `text`, too.
    """
    text, secret = _seven_bits(text), _seven_bits(secret)
    start = text.find(secret)
    if start >= 0 or not final:
        return (start, start + len(secret)) if start >= 0 else None
    framed = secret.startswith(_FRAMES)
    wanted = (3 * len(secret) + 3) // 4 if framed else (min(len(text), len(secret)) + 1) // 2
    if (Counter(text) & Counter(secret)).total() >= wanted:  # else no common blocks can be that much
        blocks = [
            block
            for block in SequenceMatcher(None, text, secret, autojunk=False).get_matching_blocks()
            if block.size >= _FEWEST
        ]
        if blocks and sum(block.size for block in blocks) >= wanted:
            first, last = blocks[0], blocks[-1]
            return max(first.a - first.b, 0), last.a + len(secret) - last.b
    for offset in range(0 if framed else _NOISE + 1):  # every second character is wrong
        pairs = list(zip(text[offset:], secret, strict=False))
        if len(pairs) >= min(_FEWEST, len(secret)) and 2 * sum(a == b for a, b in pairs) > len(pairs):
            return offset, offset + len(secret)
    begun = _beginning(text, secret) if cut else 0
    return (len(text) - begun, len(text) - begun + len(secret)) if begun >= (_FEWEST if framed else 1) else None


def _beginning(text: bytes, secret: bytes) -> int:
    """How many characters at the end of `text` are the first ones of `secret`, without being all of it."""
    text, secret = _seven_bits(text[-len(secret) :]), _seven_bits(secret)
    return next((n for n in range(min(len(secret) - 1, len(text)), 0, -1) if secret.startswith(text[-n:])), 0)


def _blanked(data: bytes, places: list[tuple[int, int]]) -> Shown:
    if not places:
        return tuple(data)
    hidden = {position for start, end in places for position in range(start, end)}
    return tuple(None if position in hidden else byte for position, byte in enumerate(data))


def _seven_bits(data: bytes) -> bytes:
    return data.translate(_SEVEN)
