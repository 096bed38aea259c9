"""Finds HDLC frames in a stream of bytes: by length, not by flag.

A frame begins where a flag is followed by format type 3, and ends where its length says. Its header is believed when
the HCS is right, and thus after at most 13 bytes; noise that looks like a beginning cannot hold up the stream for
longer. Two frames may share one flag.

Rules: what is not sound is a Damaged event, never an exception; what does not even begin like a frame is passed over.
However the bytes are cut, the events are the same. The buffer never holds more than one frame and the latest bytes.
"""

import re
from typing import Final

from drivers.dlms.wire.fcs import is_sound
from drivers.dlms.wire.hdlc_address import Address
from drivers.dlms.wire.hdlc_control import CONTROLS
from drivers.dlms.wire.hdlc_frame import FLAG, SEGMENTED, SHORTEST, Damaged, Fault, Frame

_EVEN = b"[" + b"".join(re.escape(bytes([byte])) for byte in range(0, 256, 2)) + b"]"
_ODD = b"[" + b"".join(re.escape(bytes([byte])) for byte in range(1, 256, 2)) + b"]"
_ADDRESS = b"((?:" + _EVEN + b"{3}|" + _EVEN + b")?" + _ODD + b")"

# A flag at the very end may be the first of the next frame. Of several flags in a row only the last begins one.
_BEGINNING = re.compile(rb"\x7e(?:[\xa0-\xaf]|\Z)")
_HEADER = re.compile(rb"([\xa0-\xaf].)" + _ADDRESS + _ADDRESS + b"(.)", re.DOTALL)
_HEADER_LIMIT = 11

_find = _BEGINNING.search
_header = _HEADER.match


class FrameReader:
    """Bytes in, frames out. One for each line and direction."""

    __slots__ = ("_needed", "_rest")

    def __init__(self) -> None:
        self._rest: bytes = b""
        self._needed: int = 0

    @property
    def pending(self) -> bool:
        """True while the beginning of a frame waits for its rest."""
        return len(self._rest) > len(FLAG)

    def feed(self, data: bytes) -> tuple[Frame | Damaged, ...]:
        """What `data` completes, in order."""
        buffer = self._rest + data
        if len(buffer) < self._needed:
            self._rest = buffer
            return ()
        return self._scan(buffer, last=False)

    def finish(self) -> tuple[Frame | Damaged, ...]:
        """No more bytes come: what waits for its rest is cut, and what is inside it is looked at again."""
        return self._scan(self._rest, last=True)

    def _scan(self, buffer: bytes, last: bool) -> tuple[Frame | Damaged, ...]:
        events: list[Frame | Damaged] = []
        position = 0
        self._rest, self._needed = b"", 0
        while found := _find(buffer, position):
            begin = found.start()
            if begin + 1 == len(buffer):  # the closing flag of a frame, and perhaps the first one of the next
                self._rest, self._needed = FLAG, 2
                break
            result = _look(buffer, begin)
            if isinstance(result, int):
                if not last:
                    self._rest, self._needed = buffer[begin:], result
                    break
                result = Damaged(Fault.CUT, buffer[begin:]), begin + 1
            event, position = result
            if event is not None:
                events.append(event)
        return tuple(events)


_FALSE_START: Final = None


def _look(buffer: bytes, begin: int) -> int | tuple[Frame | Damaged | None, int]:
    """The frame behind the flag at `begin` and where to look on, or how many bytes from there are needed to tell."""
    first = begin + 1
    there = len(buffer) - begin
    if there < 3:
        return there + 1
    form = buffer[first] << 8 | buffer[first + 1]
    length = form & 0x07FF
    if length < SHORTEST:
        return _FALSE_START, first
    header = _header(buffer, first)
    if header is None:
        # An address of three bytes, or of more than four, is none; as long as it may become one, wait.
        return there + 1 if there <= _HEADER_LIMIT else (_FALSE_START, first)
    checked = header.end() + 2
    end = first + length
    if checked != end and checked + 3 > end:
        return _FALSE_START, first
    if len(buffer) < checked:
        return checked - begin
    if not is_sound(buffer[first:checked]):
        return Damaged(Fault.HCS, buffer[begin:checked]), first
    if len(buffer) <= end:
        return end + 1 - begin
    return _judge(buffer, begin, end, header)


def _judge(buffer: bytes, begin: int, end: int, header: re.Match[bytes]) -> tuple[Frame | Damaged, int]:
    """A whole frame whose header is sound; its closing flag, if there is one, is at `end`."""
    raw_destination, raw_source = header.group(2, 3)
    destination, source = Address(raw_destination), Address(raw_source)
    checked = header.end() + 2
    whole = checked == end or is_sound(buffer[begin + 1 : end])
    closed = buffer[end] == FLAG[0]
    if whole and closed:
        control = CONTROLS[buffer[header.end() - 1]]
        if control is not None:
            segmented = buffer[begin + 1] & (SEGMENTED >> 8) != 0
            return Frame(destination, source, control, buffer[checked : end - 2], segmented), end
    fault = Fault.FLAG if not closed else Fault.CONTROL if whole else Fault.FCS
    # Neither check nor flag: bytes were lost or came in addition, and the next frame may have begun inside.
    return Damaged(fault, buffer[begin : end + 1], destination, source), end if whole or closed else begin + 1
