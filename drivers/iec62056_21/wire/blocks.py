"""The blocks of one answer in programming mode: which copies count, and what the whole is worth.

Rules: each block counts once, in the copy that was sound, else in the last one; nothing that came is dropped because
its check character is wrong. An answer of which the end is missing says so.
"""

from dataclasses import dataclass, field

from drivers.iec62056_21.wire.framing import EOT, ETX, Identification
from drivers.iec62056_21.wire.message import Message
from drivers.iec62056_21.wire.session import Answered
from drivers.iec62056_21.wire.telegram import TELEGRAM_LIMIT, Check, Telegram
from gatewayd.errors import ProtocolError

BLOCK_LIMIT = 1 << 16
"""More partial blocks than this are an answer without end."""
_BLOCK_REPEATS = 3
_ANSWER_REPEATS = 2


@dataclass(slots=True)
class Blocks:
    """What has come of an answer so far."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    check: Check = Check.RIGHT
    detail: str = ""
    ended: bool = False
    _asked_again: int = 0
    _bad: Message | None = None  # the last copy of the present block, with a wrong check character

    def wants_again(self, message: Message) -> bool:
        """True when this copy of the block is to be asked for once more; it is kept for the case that none is better.

        A partial block is asked for three times more, an answer of one block twice.
        """
        limit = _ANSWER_REPEATS if message.last and not self.parts else _BLOCK_REPEATS
        if message.sound or self._asked_again >= limit:
            return False
        self._asked_again += 1
        self._bad = message
        return True

    def take(self, message: Message) -> None:
        """This copy of the block counts. ProtocolError when there are too many."""
        if not message.sound:
            self.check = Check.BCC_WRONG
            self.detail = f"block {len(self.parts) + 1}: {message.detail}"
        self._append(message.data)
        self.ended = message.last
        self._asked_again = 0
        self._bad = None

    def end(self, rest: bytes) -> bool:
        """No more comes; `rest` is the beginning of a block. False when there is nothing at all."""
        if self._bad is not None:
            self.take(self._bad)
        elif rest.rstrip(ETX + EOT):
            self._append(rest.rstrip(ETX + EOT))
        if self.parts and not self.ended:
            self.check = Check.CUT_SHORT
            self.detail = f"the answer stops after {self.size} bytes in block {len(self.parts)}"
        return bool(self.parts)

    def answered(self, identification: Identification | None) -> Answered:
        """The event that hands it on."""
        return Answered(Telegram(identification, b"".join(self.parts), self.check, self.detail), len(self.parts))

    def _append(self, data: bytes) -> None:
        self.parts.append(data)
        self.size += len(data)
        if self.size > TELEGRAM_LIMIT or len(self.parts) > BLOCK_LIMIT:
            raise ProtocolError(f"answers with more than {TELEGRAM_LIMIT} bytes or {BLOCK_LIMIT} blocks")
