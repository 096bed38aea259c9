"""Even and odd parity in software, where the line carries eight bits: pseudo-terminals, raw TCP, modems after CONNECT.

Rules: what arrives loses bit 7 in any case, so that a peer with and a peer without parity are both understood; only a
character that carries bit 7 wrongly counts as a parity error (a plain 7-bit peer makes none).
"""


def _table(odd: bool) -> bytes:
    return bytes(c | 0x80 if (c.bit_count() & 1) != odd else c for c in range(128)) * 2


_WITH_PARITY = {"E": _table(odd=False), "O": _table(odd=True)}
_SEVEN_BITS = bytes(range(128)) * 2


class SoftwareParity:
    """Bit 7 as parity bit over an 8-bit pipe; `errors` counts characters that carried it wrongly."""

    def __init__(self, parity: str) -> None:
        """`parity` is "E" or "O"."""
        self._table = _WITH_PARITY[parity]
        self.errors = 0

    def encode(self, data: bytes) -> bytes:
        return data.translate(self._table)

    def decode(self, data: bytes) -> bytes:
        if not data.isascii():
            self.errors += sum(c > 0x7F and self._table[c] != c for c in data)
        return data.translate(_SEVEN_BITS)
