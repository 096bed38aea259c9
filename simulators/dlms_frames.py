"""HDLC frames of format type 3 as a simulated meter reads and writes them (IEC 62056-46 6.4, ISO/IEC 13239).

Rules: written from the standard alone; a frame ends where its length says; what is not sound is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FLAG = 0x7E
SNRM, DISC, UA, DM, FRMR, UI = 0x83, 0x43, 0x63, 0x0F, 0x87, 0x03
FINAL = 0x10


@dataclass(frozen=True, slots=True)
class Frame:
    """What is between the flags of a sound frame."""

    destination: bytes
    source: bytes
    control: int
    information: bytes
    segmented: bool


def _division(remainder: int) -> int:
    for _ in range(8):
        remainder = remainder >> 1 ^ (0x8408 if remainder & 1 else 0)
    return remainder


_TABLE = tuple(map(_division, range(256)))


def fcs(data: bytes) -> bytes:
    """CRC-16/X-25, low byte first (ISO/IEC 13239 4.2.5)."""
    remainder = 0xFFFF
    for byte in data:
        remainder = remainder >> 8 ^ _TABLE[(remainder ^ byte) & 0xFF]
    return (remainder ^ 0xFFFF).to_bytes(2, "little")


def encode(frame: Frame, *, spoil_header: bool = False, spoil_frame: bool = False) -> bytes:
    """A frame with its flags, on request with a check sequence that is wrong."""
    middle = frame.destination + frame.source + bytes([frame.control])
    length = 2 + len(middle) + 2 + (len(frame.information) + 2 if frame.information else 0)
    body = (0xA000 | (0x0800 if frame.segmented else 0) | length).to_bytes(2) + middle
    if frame.information:
        header_check = fcs(body)
        body += (_wrong(header_check) if spoil_header else header_check) + frame.information
        spoil_header = False
    check = fcs(body)
    return bytes([FLAG]) + body + (_wrong(check) if spoil_frame or spoil_header else check) + bytes([FLAG])


def _wrong(check: bytes) -> bytes:
    return bytes([check[0] ^ 0x5A, check[1]])


class Frames:
    """Bytes in, sound frames out; what is not sound is dropped."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        while True:
            begin = self._buffer.find(FLAG)
            self._buffer = self._buffer[begin:] if begin >= 0 else b""
            if len(self._buffer) < 3:
                return
            if self._buffer[1] & 0xF0 != 0xA0:
                self._buffer = self._buffer[1:]
                continue
            length = (self._buffer[1] & 0x07) << 8 | self._buffer[2]
            if len(self._buffer) < length + 2:
                return
            body, closing = self._buffer[1 : 1 + length], self._buffer[1 + length]
            frame = _parse(body) if closing == FLAG else None
            # The closing flag may open the next frame.
            self._buffer = self._buffer[1 + length :] if frame else self._buffer[1:]
            if frame:
                yield frame


def _parse(body: bytes) -> Frame | None:
    if len(body) < 7 or fcs(body[:-2]) != body[-2:]:
        return None
    destination, at = _address(body, 2)
    source, at = _address(body, at)
    if not destination or not source or at >= len(body) - 2:
        return None
    control, at = body[at], at + 1
    information = body[at + 2 : -2]
    if at != len(body) - 2 and fcs(body[:at]) != body[at : at + 2]:
        return None
    return Frame(destination, source, control, information, bool(body[0] & 0x08))


def _address(body: bytes, at: int) -> tuple[bytes, int]:
    for size in (1, 2, 4):
        octets = body[at : at + size]
        if octets and octets[-1] & 1:
            return (octets, at + size) if not any(byte & 1 for byte in octets[:-1]) else (b"", at)
    return b"", at


def numbers(address: bytes) -> tuple[int, int | None]:
    """Upper and lower part of an address."""
    parts = [byte >> 1 for byte in address]
    match len(parts):
        case 1:
            return parts[0], None
        case 2:
            return parts[0], parts[1]
        case _:
            return parts[0] << 7 | parts[1], parts[2] << 7 | parts[3]
