"""Joins the blocks in which a meter sends a long answer to GET or ACTION (IEC 62056-5-3, service-specific transfer).

Rules: blocks come as 1, 2, 3 and in no other order; each is heard once. A block without content ends the transfer or is
an error, so a transfer of at most TRANSFER_LIMIT octets has an end. Nothing is decoded before the last block.
"""

from gatewayd.errors import ProtocolError

TRANSFER_LIMIT = 1 << 20
"""Octets of one transfer."""


class BlockTransfer:
    """One transfer. `number`: of the block that came last, which is what the request for the next one names."""

    __slots__ = ("_content", "complete", "number")

    def __init__(self) -> None:
        self.number = 0
        self.complete = False
        self._content = bytearray()

    @property
    def content(self) -> bytes:
        """The blocks joined, as far as they have come."""
        return bytes(self._content)

    def check(self, number: int, raw: bytes = b"") -> None:
        """ProtocolError when a block is not the one that is due; `raw` is the APDU that it came in."""
        if self.complete:
            raise ProtocolError("sends a block behind the last one", raw)
        if number != self.number + 1:
            raise ProtocolError(f"sends block {number} where {self.number + 1} is due", raw)

    def add(self, number: int, last: bool, content: bytes, raw: bytes = b"") -> None:
        """A block came. ProtocolError as `check`, for an empty one that is not the last, and beyond the limit."""
        self.check(number, raw)
        if not content and not last:
            raise ProtocolError(f"sends block {number} without content and says that more follow", raw)
        if len(self._content) + len(content) > TRANSFER_LIMIT:
            raise ProtocolError(f"sends more than {TRANSFER_LIMIT} octets in blocks", raw)
        self.number = number
        self.complete = last
        self._content += content
