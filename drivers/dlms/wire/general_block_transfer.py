"""General block transfer: any APDU, ciphered or not, in numbered blocks (IEC 62056-5-3, Green Book 9.4.6.13).

    E0 | last 80, streaming 40, window 3F | block number (2) | block number acknowledged (2) | length | content

Rules: what is ciphered was ciphered before it was cut, so nothing here is verified; the APDU that comes out is. Blocks
are joined in the order of their numbers only; one that is lost is asked for again by acknowledging the one before it,
`ATTEMPTS` times in a row at most. We send one block at a time and wait for its acknowledgement.
"""

from dataclasses import dataclass
from enum import Enum, auto

from drivers.dlms.wire.apdu_reader import ApduReader
from drivers.dlms.wire.axdr_encode import encode_count
from drivers.dlms.wire.block_transfer import TRANSFER_LIMIT
from gatewayd.errors import ProtocolError

TAG = 0xE0
WINDOW_MOST = 63
ATTEMPTS = 3
_LAST, _STREAMING = 0x80, 0x40
_HEADER_SIZE = 6
_LONGEST_COUNT = 5
OVERHEAD = _HEADER_SIZE + _LONGEST_COUNT
"""Octets of a block besides its content, at most."""
_NUMBER_MOST = 0xFFFF


@dataclass(frozen=True, slots=True)
class Block:
    """One block. `window`: how many blocks the sender takes in a row; `acknowledged`: the last one it has in order.

    `streaming`: more blocks follow without waiting for an acknowledgement.
    """

    last: bool
    streaming: bool
    window: int
    number: int
    acknowledged: int
    content: bytes = b""

    @property
    def encoded(self) -> bytes:
        """The APDU. ValueError where a number has no room."""
        if not 0 <= self.window <= WINDOW_MOST:
            raise ValueError(f"a window of {self.window}: expected 0 to {WINDOW_MOST}")
        control = self.window | _LAST * self.last | _STREAMING * self.streaming
        if not (0 <= self.number <= _NUMBER_MOST and 0 <= self.acknowledged <= _NUMBER_MOST):
            raise ValueError(f"block numbers {self.number} and {self.acknowledged}: expected 0 to {_NUMBER_MOST}")
        numbers = self.number.to_bytes(2) + self.acknowledged.to_bytes(2)
        return bytes((TAG, control)) + numbers + encode_count(len(self.content)) + self.content


def parse_block(apdu: bytes) -> Block:
    """What an APDU with the tag E0 says. CutShort where it ends too early, ProtocolError for octets behind it."""
    reader = ApduReader(apdu, "a block of a general block transfer")
    if reader.octet() != TAG:
        raise reader.fault("that is none")
    control, number, acknowledged, content = reader.octet(), reader.number(2), reader.number(2), reader.string()
    reader.finish()
    return Block(
        bool(control & _LAST), bool(control & _STREAMING), control & WINDOW_MOST, number, acknowledged, content
    )


class Turn(Enum):
    """Whose turn it is behind a block."""

    THEIRS = auto()
    """The meter sends on without a word of ours."""
    OURS = auto()
    """It waits for an acknowledgement."""
    DONE = auto()
    """The APDU is whole."""


class Incoming:
    """Joins the blocks of one APDU. `first`: the number of its first block, `sent`: blocks that we have sent before."""

    __slots__ = ("_content", "_due", "_fruitless", "_out_of_turn", "_progress", "_sent", "_window")

    def __init__(self, window: int = 1, first: int = 1, sent: int = 0) -> None:
        self._window = window
        self._due = first
        self._sent = sent
        self._content = bytearray()
        self._progress = False
        self._fruitless = self._out_of_turn = 0

    @property
    def content(self) -> bytes:
        """The APDU, as far as it has come."""
        return bytes(self._content)

    def feed(self, block: Block, raw: bytes = b"") -> Turn:
        """A block came. ProtocolError for an empty one that is not the last, one from far ahead, and beyond the
        limits; `raw` is the APDU that it came in."""
        # The meter may stream before it knows our window (it is named in our first block): its own field ends that.
        if block.number >= self._due + WINDOW_MOST:
            raise ProtocolError(f"general block transfer: block {block.number} where {self._due} is due", raw)
        if block.number == self._due:
            self._take(block, raw)
            if block.last:
                return Turn.DONE
        else:
            self._out_of_turn += 1
        if self._out_of_turn > ATTEMPTS * WINDOW_MOST:
            raise self._lost(raw)
        if block.streaming and not block.last:
            return Turn.THEIRS
        self._fruitless = 0 if self._progress else self._fruitless + 1
        self._progress = False
        if self._fruitless > ATTEMPTS:
            raise self._lost(raw)
        return Turn.OURS

    def acknowledgement(self) -> bytes:
        """Our word to the meter: up to where we have everything. We have nothing else to send: it is our last block."""
        self._sent += 1
        if self._sent > _NUMBER_MOST:
            raise ProtocolError("general block transfer: does not end")
        return Block(True, False, self._window, self._sent, self._due - 1).encoded

    def _lost(self, raw: bytes) -> ProtocolError:
        return ProtocolError(f"general block transfer: does not send block {self._due}, asked {ATTEMPTS} times", raw)

    def _take(self, block: Block, raw: bytes) -> None:
        if not block.content and not block.last:
            raise ProtocolError(f"general block transfer: block {block.number} is empty and not the last", raw)
        if len(self._content) + len(block.content) > TRANSFER_LIMIT:
            raise ProtocolError(f"general block transfer: more than {TRANSFER_LIMIT} octets", raw)
        if block.number == _NUMBER_MOST and not block.last:
            raise ProtocolError(f"general block transfer: more than {_NUMBER_MOST} blocks", raw)
        self._content += block.content
        self._due += 1
        self._progress = True
        self._out_of_turn = 0


class Outgoing:
    """Cuts one APDU into blocks of `size` octets, header included, and sends one at a time."""

    __slots__ = ("_attempts", "_number", "_pieces", "_window")

    def __init__(self, apdu: bytes, size: int, window: int = 1) -> None:
        room = size - OVERHEAD
        if room < 1 or not apdu:
            raise ValueError(f"{len(apdu)} octets in blocks of {size}: nothing fits")
        self._pieces = tuple(apdu[begin : begin + room] for begin in range(0, len(apdu), room))
        if len(self._pieces) > _NUMBER_MOST:
            raise ValueError(f"{len(apdu)} octets in blocks of {size}: more than {_NUMBER_MOST} blocks")
        self._window = window
        self._number = 1
        self._attempts = 0

    @property
    def number(self) -> int:
        """Of the present block."""
        return self._number

    @property
    def last(self) -> bool:
        """True when the present block is the last one: what follows it is the answer."""
        return self._number == len(self._pieces)

    def block(self, acknowledged: int = 0) -> bytes:
        """The present block; `acknowledged` is the last one that the meter has sent."""
        piece = self._pieces[self._number - 1]
        return Block(self.last, False, self._window, self._number, acknowledged, piece).encoded

    def acknowledged(self, block: Block, raw: bytes = b"") -> None:
        """The meter's word to the present block, which is not the last: the next one is due, or this one again.

        ProtocolError where it acknowledges something else, or asks for the same block for ever."""
        if block.acknowledged == self._number:
            self._number += 1
            self._attempts = 0
            return
        self._attempts += 1
        if block.acknowledged != self._number - 1 or self._attempts > ATTEMPTS:
            raise ProtocolError(
                f"general block transfer: acknowledges block {block.acknowledged} where {self._number} was sent", raw
            )
