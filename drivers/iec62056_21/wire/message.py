"""Messages of programming mode as they come in, and our own among them: IEC 62056-21:2002 6.3.4 to 6.3.6, annex A.

    ACK | NAK | SOH C D [STX data] ETX BCC | STX data ETX BCC | STX data EOT BCC

Rules: garbage before a message is counted and passed over; a message with a wrong check character comes out and says
so. What we sent comes back on optical heads and two-wire lines, whole or garbled, before any answer can: it is known by
content, at the place right behind our sending, and never handed on.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from drivers.iec62056_21.wire.framing import ACK, BREAK, EOT, ETX, NAK, SOH, STX, block_check

_MARK = re.compile(rb"[\x01\x02\x06\x15]")
_END_OF_DATA = re.compile(rb"[\x03\x04]")
_END_OF_COMMAND = re.compile(rb"[\x01-\x04]")
_BEFORE_STX = re.compile(rb"\x01[BEPRW][0-9]")
_STX_IN_COMMAND = len(SOH + b"P1")
_BREAK = BREAK[:-1]
_MARKS = frozenset(SOH + STX + ACK + NAK)
_IDLE = b"\x00\x7f\xff"


class Mark(Enum):
    """What a message begins with."""

    ACK = auto()
    NAK = auto()
    COMMAND = auto()
    DATA = auto()


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the other side. `command` is C and D of a command message, `data` what stands behind STX; `last`
    is False for a partial block, `sound` for a wrong check character, which `detail` then tells."""

    mark: Mark
    command: str = ""
    data: bytes = b""
    last: bool = True
    sound: bool = True
    detail: str = ""


class Inbox:
    """What came since our last message, and the messages in it."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        """Bytes that are no complete message yet."""
        self.noise = bytearray()
        """Bytes that were none."""
        self._scanned = 0

    @property
    def begun(self) -> Mark | None:
        """What the incomplete message is, None while there is none."""
        if self.buffer[:1] == STX:
            return Mark.DATA
        return Mark.COMMAND if self.buffer[:1] == SOH else None

    def clear(self) -> None:
        """A new message of ours: what came before cannot be its answer."""
        self.buffer.clear()
        self.noise.clear()
        self._scanned = 0

    def pass_idle(self) -> None:
        """Pass over what an idle line makes up before anything else."""
        self._pass_over(len(self.buffer) - len(self.buffer.lstrip(_IDLE)))

    def next(self) -> Message | None:
        """The next complete message, None when more has to come."""
        while True:
            begin = _MARK.search(self.buffer)
            if begin is None:
                self._pass_over(len(self.buffer))
                return None
            self._pass_over(begin.start())
            first = bytes(self.buffer[:1])
            if first in (ACK, NAK):
                self._take(1)
                return Message(Mark.ACK if first == ACK else Mark.NAK)
            end = self._end_of_data() if first == STX else self._end_of_command()
            if end < 0:
                return None
            if end:
                return _message(self._take(end + 2))

    def _end_of_data(self) -> int:
        """Where the end mark stands; -1 while it or the check character has not come."""
        end = _END_OF_DATA.search(self.buffer, self._scanned)
        if end is None:
            self._scanned = len(self.buffer)
            return -1
        self._scanned = end.start()
        return end.start() if len(self.buffer) > end.end() else -1

    def _end_of_command(self) -> int:
        """The same; 0 where another message begins inside, and what there was of this one is given up."""
        place = max(self._scanned, 1)
        while (mark := _END_OF_COMMAND.search(self.buffer, place)) is not None:
            place = mark.start()
            if mark[0] in (ETX, EOT):
                self._scanned = place
                return place if len(self.buffer) > mark.end() else -1
            if mark[0] == SOH or not _BEFORE_STX.fullmatch(self.buffer, 0, place):
                self._pass_over(place)
                return 0
            place += 1
        self._scanned = len(self.buffer)
        return -1

    def _pass_over(self, size: int) -> None:
        if size:
            self.noise += self._take(size)

    def _take(self, size: int) -> bytes:
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        self._scanned = 0
        return taken


def _message(raw: bytes) -> Message:
    computed, sent = block_check(raw[1:-1]), raw[-1] & 0x7F
    sound = computed == sent
    detail = "" if sound else f"block check character {sent:02X} received, {computed:02X} computed"
    last = raw[-2:-1] == ETX
    if raw[:1] == STX:
        return Message(Mark.DATA, "", raw[1:-2], last, sound, detail)
    command = raw[1:3].decode("latin-1")
    return Message(Mark.COMMAND, command, raw[_STX_IN_COMMAND + 1 : -2], last, sound, detail)


class Echo:
    """Our last message, as long as it may still come back."""

    def __init__(self) -> None:
        self._sent = b""
        self.seen = False
        """True when a message of ours has come back at least once: this line has an echo."""

    @property
    def awaited(self) -> bool:
        """True until it is clear whether the message came back."""
        return bool(self._sent)

    def sent(self, message: bytes) -> None:
        """This has just been sent."""
        self._sent = message

    def forget(self) -> None:
        """What has come is no echo."""
        self._sent = b""

    def strip(self, buffer: bytearray) -> bool:
        """Take the echo off the beginning of `buffer`; True while that may still be the beginning of one.

        Whole, or with up to half of its characters garbled. It ends where a mark stands that we did not send there: an
        answer is never taken for a part of it.
        """
        if not self._sent:
            return False
        came = buffer[: len(self._sent)]
        equal, end = 0, len(came)
        for place, (byte, ours) in enumerate(zip(came, self._sent, strict=False)):
            if byte & 0x7F == ours:
                equal += 1
            elif byte in _MARKS:
                end = place
                break
        complete = end < len(came) or end == len(self._sent)
        may_be = 2 * (equal + len(self._sent) - end) >= len(self._sent) and not buffer.startswith(_BREAK)
        if may_be and not complete:
            return True
        # An answer behind as much noise as a command has head repeats its address at the very same place; it neither
        # begins nor ends there.
        anchored = any(came[place] & 0x7F == self._sent[place] for place in (0, len(self._sent) - 2) if place < end)
        if 2 * equal >= end and anchored:
            del buffer[:end]
            self.seen = True
        self._sent = b""
        return False
