"""One request and its answer in general block transfer, each way whole or in blocks (Green Book 9.4.6.13).

Rules: the meter answers when it has the whole request, in blocks or not; its acknowledgements have no content. What
blocks make up is for the caller to judge.
"""

from dataclasses import dataclass

from drivers.dlms.wire.general_block_transfer import OVERHEAD, TAG, Block, Incoming, Outgoing, Turn, parse_block
from gatewayd.errors import ProtocolError

_BLOCK = bytes((TAG,))


@dataclass(frozen=True, slots=True)
class Say:
    """Send this: our next block, or the acknowledgement of the meter's."""

    block: bytes
    acknowledgement: bool


@dataclass(frozen=True, slots=True)
class Hear:
    """Send nothing. `fruitless`: what came brought nothing new."""

    fruitless: bool


class BlockExchange:
    """The blocks of one request and of its answer. `window`: how many blocks we take in a row."""

    __slots__ = ("_incoming", "_meter_blocks", "_outgoing", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._incoming: Incoming | None = None
        self._outgoing: Outgoing | None = None
        self._meter_blocks = 0  # the number of its last acknowledgement

    @property
    def pending(self) -> bool:
        """True while blocks are due, from either side."""
        return self._incoming is not None or self._sending

    def cut(self, apdu: bytes, size: int) -> bytes | None:
        """The first block of a request that is longer than `size`; None where a block has no room."""
        if size <= OVERHEAD:
            return None
        self._outgoing = Outgoing(apdu, size, self._window)
        return self._outgoing.block()

    def feed(self, apdu: bytes) -> bytes | Say | Hear:
        """The APDU itself where it is no block, the one that a block completes, or what to do."""
        if apdu[:1] != _BLOCK:
            return apdu
        block = parse_block(apdu)
        if self._incoming is None:
            if self._outgoing is not None and not block.content:
                return self._acknowledged(self._outgoing, block, apdu)
            if self._sending:
                raise ProtocolError("general block transfer: answers before it has the whole request", apdu)
            # Its acknowledgements have numbers as well, and some meters go on counting behind them.
            first = block.number if block.number == self._meter_blocks + 1 else 1
            self._incoming = Incoming(self._window, first, 0 if self._outgoing is None else self._outgoing.number)
        match self._incoming.feed(block, apdu):
            case Turn.THEIRS:
                return Hear(fruitless=False)
            case Turn.OURS:
                return Say(self._incoming.acknowledgement(), acknowledgement=True)
            case Turn.DONE:
                content, self._incoming = self._incoming.content, None
                return content

    def _acknowledged(self, outgoing: Outgoing, block: Block, apdu: bytes) -> Say | Hear:
        self._meter_blocks = block.number
        if outgoing.last and block.acknowledged == outgoing.number:
            return Hear(fruitless=True)  # it has everything; the answer is still to come
        outgoing.acknowledged(block, apdu)
        return Say(outgoing.block(block.number), acknowledgement=False)

    @property
    def _sending(self) -> bool:
        return self._outgoing is not None and not self._outgoing.last
