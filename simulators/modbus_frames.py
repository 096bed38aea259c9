"""Requests out of a stream of octets, and answers into it: RTU frames, or the header of Modbus TCP.

    RTU   unit | PDU | CRC, low octet first        MODBUS over Serial Line V1.02, 2.5.1
    TCP   transaction | 0000 | length | unit | PDU  MODBUS Messaging on TCP/IP V1.0b, 3.1.3

Rules: written from the specifications alone. An RTU request is found by its length where its function tells it, and
otherwise by the silence behind it; what has a wrong CRC is dropped with everything up to the next silence. After a
wrong header of Modbus TCP nothing more is heard on the connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from simulators.modbus_faults import Kind

FRAME_LIMIT = 256
_HEADER = 7
_TRANSACTIONS = 0x10000
_LENGTHS = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6, 43: 7}
_WITH_COUNT = {15: 6, 16: 6, 23: 10}  # where the octet stands that counts those behind it


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: to whom, what, how it came, and its transaction (0 in RTU)."""

    unit: int
    pdu: bytes
    raw: bytes
    transaction: int = 0


class Framing(Protocol):
    """RTU, or Modbus TCP."""

    @property
    def pending(self) -> bool:
        """Whether a request is not complete yet."""

    def feed(self, data: bytes) -> list[Asked]:
        """The requests that `data` completes."""

    def silence(self) -> list[Asked]:
        """Nothing came for a while: what that completes."""

    def reset(self) -> None:
        """A new connection."""

    def frame(self, asked: Asked, unit: int, pdu: bytes, faults: frozenset[Kind] = frozenset()) -> bytes:
        """The answer to a request, with the faults that a frame can have."""


def crc(data: bytes) -> bytes:
    """CRC-16 of MODBUS over Serial Line V1.02, 6.2.2, bit by bit, as it is sent."""
    remainder = 0xFFFF
    for octet in data:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xA001 if remainder & 1 else 0)
    return remainder.to_bytes(2, "little")


class Rtu:
    """Frames with a CRC."""

    def __init__(self) -> None:
        self._heard = b""
        self._deaf = False

    @property
    def pending(self) -> bool:
        return bool(self._heard) or self._deaf

    def feed(self, data: bytes) -> list[Asked]:
        found: list[Asked] = []
        if self._deaf:
            return found
        self._heard += data
        while (length := self._length()) is not None and length <= len(self._heard):
            whole, self._heard = self._heard[:length], self._heard[length:]
            if crc(whole[:-2]) != whole[-2:]:
                self._deaf, self._heard = True, b""
                break
            found.append(Asked(whole[0], whole[1:-2], whole))
        if len(self._heard) > FRAME_LIMIT:
            self._deaf, self._heard = True, b""
        return found

    def _length(self) -> int | None:
        """How long the first request is, as far as that can be known."""
        heard = self._heard
        if len(heard) < 2:
            return None
        at = _WITH_COUNT.get(heard[1])
        if at is not None:
            return at + 1 + heard[at] + 2 if len(heard) > at else None
        return _LENGTHS.get(heard[1])

    def silence(self) -> list[Asked]:
        whole, self._heard, self._deaf = self._heard, b"", False
        if len(whole) < 4 or crc(whole[:-2]) != whole[-2:]:
            return []
        return [Asked(whole[0], whole[1:-2], whole)]

    def reset(self) -> None:
        self._heard, self._deaf = b"", False

    def frame(self, asked: Asked, unit: int, pdu: bytes, faults: frozenset[Kind] = frozenset()) -> bytes:
        body = bytes([unit]) + pdu
        check = crc(body)
        if Kind.BAD_CRC in faults:
            check = bytes([check[0] ^ 0x10, check[1]])
        return body + check


class Mbap:
    """Frames with the header of Modbus TCP."""

    def __init__(self) -> None:
        self._heard = b""
        self._spoilt = False

    @property
    def pending(self) -> bool:
        return False  # silence changes nothing here

    def feed(self, data: bytes) -> list[Asked]:
        found: list[Asked] = []
        self._heard += data
        while not self._spoilt and len(self._heard) >= _HEADER + 1:
            length = int.from_bytes(self._heard[4:6])
            if self._heard[2:4] != b"\x00\x00" or not 2 <= length <= FRAME_LIMIT - 2:
                self._spoilt = True
            elif len(self._heard) < 6 + length:
                break
            else:
                whole, self._heard = self._heard[: 6 + length], self._heard[6 + length :]
                found.append(Asked(whole[6], whole[_HEADER:], whole, int.from_bytes(whole[:2])))
        if self._spoilt:
            self._heard = b""
        return found

    def silence(self) -> list[Asked]:
        return []

    def reset(self) -> None:
        self._heard, self._spoilt = b"", False

    def frame(self, asked: Asked, unit: int, pdu: bytes, faults: frozenset[Kind] = frozenset()) -> bytes:
        if Kind.OTHER_TRANSACTION in faults:
            return _with_header(asked.transaction + 1, unit, pdu)
        old = _with_header(asked.transaction - 1, unit, _otherwise(pdu)) if Kind.OLD_TRANSACTION in faults else b""
        protocol = 1 if Kind.WRONG_PROTOCOL in faults else 0
        beyond = 1 if Kind.WRONG_LENGTH in faults else 0
        return old + _with_header(asked.transaction, unit, pdu, protocol, beyond)


def _otherwise(pdu: bytes) -> bytes:
    """An answer like this one with other values."""
    return pdu[:2] + bytes(octet ^ 0xFF for octet in pdu[2:])


def _with_header(transaction: int, unit: int, pdu: bytes, protocol: int = 0, beyond: int = 0) -> bytes:
    numbers = (transaction % _TRANSACTIONS, protocol, len(pdu) + 1 + beyond)
    return b"".join(number.to_bytes(2) for number in numbers) + bytes([unit]) + pdu
