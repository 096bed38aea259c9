"""A simulated Modbus device without its line: a request PDU in, an answer PDU out (MODBUS Application Protocol V1.1b3).

Rules: it is read only: every writing function is refused, and noted, so that a test can prove that none came; a request
of a wrong length is one with an illegal value. What it does not have it refuses as the specification says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simulators.modbus_memory import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, Memory, Refusal

READS = (3, 4)
WRITES = frozenset({5, 6, 15, 16, 21, 22, 23})
REPORT_SERVER_ID, ENCAPSULATED, DEVICE_IDENTIFICATION = 17, 43, 14
_BASIC, _REGULAR, _EXTENDED, _INDIVIDUAL = 1, 2, 3, 4
_LAST_BASIC = 2
_CONFORMITY = 0x82  # regular, stream and individual access (6.21)
_RUNNING = 0xFF


@dataclass(frozen=True, slots=True)
class Identity:
    """The objects of the device identification (6.21). `in_pieces`: one object in each answer."""

    objects: dict[int, str]
    in_pieces: bool = False


class Device:
    """One unit. `server_id`: what function 17 tells; None of it or of `identity`: that function is refused."""

    def __init__(
        self, memory: Memory, identity: Identity | None, server_id: str | None, note: Callable[[str], None]
    ) -> None:
        self._memory = memory
        self._identity = identity
        self._server_id = server_id
        self._note = note

    def answer(self, pdu: bytes, at: datetime) -> bytes:
        """The answer to a request; it has an octet at least."""
        function = pdu[0]
        try:
            return bytes([function]) + self._body(function, pdu[1:], at)
        except Refusal as refusal:
            return exception(function, refusal.code)

    def _body(self, function: int, body: bytes, at: datetime) -> bytes:
        if function in WRITES:
            self._note(f"WRITE {function} {body.hex()}")
        if function in READS:
            if len(body) != 4:
                raise Refusal(ILLEGAL_VALUE)
            octets = self._memory.read(function, int.from_bytes(body[:2]), int.from_bytes(body[2:]), at)
            return bytes([len(octets)]) + octets
        if function == REPORT_SERVER_ID and self._server_id is not None:
            told = self._server_id.encode() + bytes([_RUNNING])
            return bytes([len(told)]) + told
        if function == ENCAPSULATED and self._identity is not None and body[:1] == bytes([DEVICE_IDENTIFICATION]):
            return _identification(self._identity, body)
        raise Refusal(ILLEGAL_FUNCTION)


def exception(function: int, code: int) -> bytes:
    """The answer that refuses."""
    return bytes([function | 0x80, code])


def _identification(identity: Identity, body: bytes) -> bytes:
    if len(body) != 3 or not _BASIC <= body[1] <= _INDIVIDUAL:
        raise Refusal(ILLEGAL_VALUE)
    code, first = body[1], body[2]
    if code == _INDIVIDUAL:
        if first not in identity.objects:
            raise Refusal(ILLEGAL_ADDRESS)
        given, rest = [first], []
    else:
        known = [number for number in sorted(identity.objects) if code != _BASIC or number <= _LAST_BASIC]
        # An object that is not there begins anew (6.21).
        asked = [number for number in known if number >= first] if first in known else known
        at_once = 1 if identity.in_pieces else len(asked)
        given, rest = asked[:at_once], asked[at_once:]
    more = bytes([0xFF, rest[0]]) if rest else b"\x00\x00"
    answer = bytes([DEVICE_IDENTIFICATION, code, _CONFORMITY]) + more + bytes([len(given)])
    for number in given:
        text = identity.objects[number].encode()
        answer += bytes([number, len(text)]) + text
    return answer
