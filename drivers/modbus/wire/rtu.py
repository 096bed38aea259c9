"""Frames of Modbus RTU (MODBUS over Serial Line V1.02, 2.5.1): unit, PDU, CRC-16.

    unit | PDU | CRC, low octet first

Rules: where a frame ends is known by what it has to contain, as the silence of 2.5.1.1 does not survive USB, RFC 2217
and TCP. A frame is sought at every octet, since transceivers add some when they switch; taken is only what fits a
request in unit, function, byte count and CRC. Unit 0 cannot be addressed: that is the broadcast, and writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.modbus.wire.pdu import PDU_LIMIT, Read, Reply, Request, parse_reply, reply_size
from gatewayd.errors import ProtocolError

FRAME_LIMIT = PDU_LIMIT + 3
HEARD_LIMIT = 4 * FRAME_LIMIT
"""Octets that may come without the awaited frame among them."""
_SHORTEST = 5  # unit, function, exception, CRC


class Damaged(ProtocolError):
    """What came is no sound frame: noise, a wrong rate or parity, two units with one address."""


class Stranger(ProtocolError):
    """A sound frame came, and answers something else: another unit, another function, another byte count."""


def _table() -> tuple[int, ...]:
    rows = []
    for octet in range(256):
        register = octet
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
        rows.append(register)
    return tuple(rows)


_TABLE = _table()


def crc(data: bytes) -> bytes:
    """The two octets that follow `data` on the line (2.5.1.2): preset to ones, polynomial A001, the low octet first."""
    register = 0xFFFF
    for octet in data:
        register = (register >> 8) ^ _TABLE[(register ^ octet) & 0xFF]
    return register.to_bytes(2, "little")


def frame(unit: int, pdu: bytes) -> bytes:
    """A whole frame. ValueError for a unit that nobody has (0 is the broadcast), or a PDU that is too long."""
    if not 1 <= unit <= 247:
        raise ValueError(f"unit {unit}: expected 1 to 247")
    if not 0 < len(pdu) <= PDU_LIMIT:
        raise ValueError(f"PDU of {len(pdu)} octets: expected 1 to {PDU_LIMIT}")
    body = bytes((unit,)) + pdu
    return body + crc(body)


@dataclass(frozen=True, slots=True)
class Due:
    """An answer that may come: of which unit, to what."""

    unit: int
    request: Request

    def end(self, heard: bytes, at: int) -> int | None:
        """Where a frame that begins at `at` and fits ends; None where none begins there, or not the whole of one."""
        if heard[at] != self.unit or len(heard) - at < _SHORTEST:
            return None
        size = reply_size(self.request, heard[at + 1 : at + FRAME_LIMIT])
        end = at + 3 + size if size else 0
        if not end or end > len(heard) or crc(heard[at : end - 2]) != heard[end - 2 : end]:
            return None
        return end

    def reply(self, whole: bytes) -> Reply:
        """What a frame says for which `end` was found."""
        return parse_reply(self.request, whole[1:-2])


@dataclass(frozen=True, slots=True)
class Found:
    """A sound frame of `heard`, from `begin` to `end`, and the first of those that were due which it fits."""

    begin: int
    end: int
    due: int


def find(heard: bytes, due: Sequence[Due], mark: int = 0, fresh: int = 0) -> Found | None:
    """The first whole frame in `heard` that fits anything that is due, and the earliest of those that it fits.

    What begins before `mark` was there before the latest request: only the first `fresh` of `due` are older than it.
    """
    for begin in range(len(heard) - _SHORTEST + 1):
        for index, one in enumerate(due if begin >= mark else due[:fresh]):
            end = one.end(heard, begin)
            if end is not None:
                return Found(begin, end, index)
    return None


def fault(heard: bytes, unit: int, request: Request) -> ProtocolError | None:
    """What is wrong with what came in place of an answer; None where nothing came."""
    if not heard:
        return None
    stranger = _stranger(heard, unit, request)
    if stranger is not None:
        return Stranger(stranger, heard)
    begun = [begin for begin in range(len(heard)) if _begins(heard[begin:], unit, request)]
    for begin in begun:
        size = reply_size(request, heard[begin + 1 :])
        if size and begin + 3 + size <= len(heard):
            return Damaged(
                "answers with a wrong CRC: check wiring, rate, and whether another unit has its number", heard
            )
    if begun:
        return Damaged("breaks off in the middle of an answer", heard)
    return Damaged(f"sends {len(heard)} octets that are no frame: check rate, parity and wiring", heard)


class RtuReader:
    """The answer to one request in a stream, for lines that owe nothing else: see transaction.py for those that do.

    Two-wire lines return what was sent: that is dropped when it comes before the answer.
    """

    __slots__ = ("_due", "_echo", "_heard")

    def __init__(self, unit: int, request: Request) -> None:
        self._due = Due(unit, request)
        self._echo = frame(unit, request.encoded)
        self._heard = b""

    def feed(self, data: bytes) -> Reply | None:
        """The reply, or None until it is complete. ProtocolError where more than HEARD_LIMIT octets came instead."""
        self._heard = without_echo(self._heard + data, self._echo)
        found = find(self._heard, (self._due,))
        if found is not None:
            reply = self._due.reply(self._heard[found.begin : found.end])
            self._heard = self._heard[found.end :]
            return reply
        if len(self._heard) > HEARD_LIMIT:
            raise Damaged(f"sends more than {HEARD_LIMIT} octets and no answer among them", self._heard)
        return None

    def finish(self) -> ProtocolError | None:
        """The line is silent: what came instead of an answer, None where nothing did."""
        return fault(self._heard, self._due.unit, self._due.request)


def without_echo(heard: bytes, echo: bytes) -> bytes:
    """`heard` behind the first appearance of what we sent."""
    return heard.partition(echo)[2] if echo in heard else heard


def _begins(heard: bytes, unit: int, request: Request) -> bool:
    """Whether an answer to the request seems to begin here: by unit and function at least."""
    return len(heard) > 1 and heard[0] == unit and reply_size(request, heard[1:]) is not None


def _stranger(heard: bytes, unit: int, request: Request) -> str | None:
    """The first frame that is sound for itself, in words; None where there is none."""
    for begin in range(len(heard) - _SHORTEST + 1):
        end = len(heard) if begin == 0 and _sound(heard) else begin + _usual_size(heard[begin:])
        if end <= len(heard) and _sound(heard[begin:end]):
            return _described(heard[begin:end], unit, request)
    return None


def _usual_size(heard: bytes) -> int:
    """How long an answer is that begins so, where it is an exception or has a byte count."""
    return _SHORTEST if heard[1] & 0x80 else _SHORTEST + heard[2]


def _sound(whole: bytes) -> bool:
    return _SHORTEST <= len(whole) <= FRAME_LIMIT and crc(whole[:-2]) == whole[-2:]


def _described(whole: bytes, unit: int, request: Request) -> str:
    if whole[0] != unit:
        return f"is answered by unit {whole[0]}, where {unit} was asked"
    function = whole[1] & 0x7F
    if function != request.function:
        return f"answers function {function}, where {request.function} was asked"
    if isinstance(request, Read):
        return f"answers {whole[2]} octets, where {request.reply_octets - 2} were asked"
    return "answers something else than was asked"
