"""General block transfer as a simulated meter sends by it: one block for each acknowledgement (IEC 62056-5-3, E0).

    E0 | last (1) streaming (1) window (6) | block number (2) | acknowledged (2) | length | block data

Rules: the window is 1, nothing is streamed; the block that is sent is the one behind the acknowledged one, so that a
client that lost a block asks for it by acknowledging the one before.
"""

from __future__ import annotations

from simulators import dlms_values as axdr

GENERAL_BLOCK_TRANSFER = 0xE0
LAST = 0x80
HEAD = 9  # with a length of three octets


class Blocks:
    """One long APDU on its way out."""

    def __init__(self, apdu: bytes, size: int) -> None:
        """`size`: octets of a whole block at most."""
        room = max(1, size - HEAD)
        self._pieces = [apdu[at : at + room] for at in range(0, len(apdu), room)]

    def first(self) -> bytes:
        return self._block(1, 0)

    def next(self, acknowledgement: bytes) -> bytes | None:
        """The block that is due; None when everything has arrived. axdr.Malformed for what acknowledges nothing."""
        head = axdr.take(acknowledgement, 0, 6)
        size, at = axdr.read_count(acknowledgement, 6)
        theirs, acknowledged = int.from_bytes(head[2:4]), int.from_bytes(head[4:6])
        if size or len(acknowledgement) != at or acknowledged > len(self._pieces):
            raise axdr.Malformed("no acknowledgement of a block that was sent")
        if acknowledged == len(self._pieces):
            return None
        return self._block(acknowledged + 1, theirs)

    def _block(self, number: int, acknowledged: int) -> bytes:
        piece = self._pieces[number - 1]
        control = (LAST if number == len(self._pieces) else 0) | 1
        numbers = number.to_bytes(2) + acknowledged.to_bytes(2)
        return bytes([GENERAL_BLOCK_TRANSFER, control]) + numbers + axdr.count(len(piece)) + piece
