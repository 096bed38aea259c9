"""How long answers of a simulated DLMS meter are cut into blocks, and which faults an answer has in it.

Rules: blocks of GET are numbered from 1 and only the last one that was sent can be acknowledged; where general block
transfer was agreed, GET has no blocks of its own. What is spoiled here is spoiled before it is ciphered.
"""

from __future__ import annotations

from simulators import dlms_services as services
from simulators import dlms_values as axdr
from simulators.dlms_acse import Conformance
from simulators.dlms_blocks import Blocks
from simulators.dlms_faults import Faults, Kind
from simulators.dlms_services import Result

BLOCK_HEAD = 13
NESTED = 200
NOTHING_AGREED = Conformance(0)
NO_TRANSFER, WRONG_BLOCK = 16, 19


class Answers:
    """The answers of one association. `limit`: octets of a whole message; `overhead`: what ciphering adds to it."""

    def __init__(
        self, faults: Faults, conformance: Conformance = NOTHING_AGREED, limit: int = 0, overhead: int = 0
    ) -> None:
        self._faults = faults
        self._conformance = conformance
        self._limit = limit
        self._room = limit - overhead
        self._rest: bytes | None = None
        self._block = 0
        self._general: Blocks | None = None

    def fit(self, whole: bytes, invoke: int, content: Result) -> bytes:
        """The GET response, or its first block where it is longer than a message may be."""
        self._rest = None
        general = Conformance.GENERAL_BLOCK_TRANSFER in self._conformance
        if len(whole) <= self._room or isinstance(content, int) or general:
            return whole
        if Conformance.BLOCK_TRANSFER_GET not in self._conformance:
            return services.exception(services.NOT_ALLOWED, services.PDU_TOO_LONG)
        self._rest, self._block = content, 0
        return self.next_block(invoke, 0)

    def next_block(self, invoke: int, acknowledged: int) -> bytes:
        """The block behind the one that is acknowledged."""
        if self._rest is None:
            return services.get_block_error(invoke, acknowledged, NO_TRANSFER)
        if acknowledged != self._block:
            self._rest = None
            return services.get_block_error(invoke, acknowledged, WRONG_BLOCK)
        self._block += 1
        size, number = max(1, self._room - BLOCK_HEAD), self._block
        if self._faults.shows(Kind.EMPTY_BLOCK):
            return services.get_block_response(invoke, last=False, number=number, content=b"")
        piece, rest = self._rest[:size], self._rest[size:]
        if self._faults.shows(Kind.ENDLESS_BLOCKS):
            return services.get_block_response(invoke, last=False, number=number, content=piece)
        self._rest = rest or None
        if self._faults.shows(Kind.WRONG_BLOCK_NUMBER):
            number += 1
        return services.get_block_response(invoke, last=not rest, number=number, content=piece)

    def in_general_blocks(self, whole: bytes) -> bytes:
        """The first block of a message that is too long, ciphered already, where both sides do it."""
        self._general = None
        if len(whole) <= self._limit or Conformance.GENERAL_BLOCK_TRANSFER not in self._conformance:
            return whole
        self._general = Blocks(whole, self._limit)
        return self._general.first()

    def next_general_block(self, acknowledgement: bytes) -> bytes | None:
        """The general block that is due; None when everything has arrived."""
        if self._general is None:
            raise axdr.Malformed("no transfer of blocks")
        return self._general.next(acknowledgement)

    def spoiled(self, plain: bytes, invoke: int) -> bytes:
        """The response with the faults that are asked for in it."""
        shows = self._faults.shows
        # The first value of a list too; what follows it is of no interest any more.
        value_at = {b"\x01": 3, b"\x03": 4}.get(plain[1:2] if plain[0] == services.GET_RESPONSE else b"")
        if value_at is not None and plain[value_at] == 0 and shows(Kind.DEEP_NESTING):
            plain = plain[: value_at + 1] + b"\x02\x01" * NESTED + b"\x00"
        if shows(Kind.WRONG_INVOKE_ID):
            plain = plain[:2] + bytes([plain[2] ^ 0x01]) + plain[3:]
        if shows(Kind.WRONG_SERVICE):
            plain = services.set_response(invoke, 0)
        if shows(Kind.TRAILING_BYTES):
            plain += b"\x00\x00\xff"
        if shows(Kind.TRUNCATED):
            plain = plain[:-3]
        return plain
