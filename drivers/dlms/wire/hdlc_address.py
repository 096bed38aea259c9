"""HDLC addresses of one, two and four bytes (IEC 62056-46 6.4.2, Green Book 8.4.2).

Seven bits a byte, high part first; the lowest bit says "this was the last byte". A client has one byte. A server has an
upper part, the logical device, and in two and four bytes a lower part, the physical device.

Rules: an address is its bytes. The same numbers in two and in four bytes are two addresses, as a meter answers from the
one that it was called by.
"""

from dataclasses import dataclass

ALL_STATIONS_1 = 0x7F
ALL_STATIONS_2 = 0x3FFF
"""The part that means "everybody", in one byte and in two (6.4.2.4). Nobody answers to it."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it is on the line. Made of numbers by `address`, of bytes by the reader of frames."""

    encoded: bytes

    @property
    def logical(self) -> int:
        """The upper part: client number, or logical device of a server."""
        half = self.encoded[: (len(self.encoded) + 1) // 2]
        return half[0] >> 1 if len(half) == 1 else (half[0] >> 1) << 7 | half[1] >> 1

    @property
    def physical(self) -> int | None:
        """The lower part; None where the address has one byte."""
        match len(self.encoded):
            case 1:
                return None
            case 2:
                return self.encoded[1] >> 1
            case _:
                return (self.encoded[2] >> 1) << 7 | self.encoded[3] >> 1

    def __str__(self) -> str:
        return str(self.logical) if self.physical is None else f"{self.logical}/{self.physical}"


def address(logical: int, physical: int | None = None, size: int | None = None) -> Address:
    """The address of these numbers in `size` bytes; without a size, in as few as they fit.

    ValueError when they do not fit: 0 to 127 for each part in one and two bytes, 0 to 16383 in four.
    """
    parts = (logical,) if physical is None else (logical, physical)
    if size is None:
        size = len(parts) if max(parts) <= ALL_STATIONS_1 else 4
    limit = ALL_STATIONS_2 if size == 4 else ALL_STATIONS_1
    if size not in (1, 2, 4) or len(parts) != min(size, 2):
        raise ValueError(f"HDLC address {parts} in {size} bytes: one number takes 1 byte, two take 2 or 4")
    if not all(0 <= part <= limit for part in parts):
        raise ValueError(f"HDLC address {parts} in {size} bytes: expected 0 to {limit}")
    sevens = [seven for part in parts for seven in ((part >> 7, part & 0x7F) if size == 4 else (part,))]
    return Address(bytes([*(seven << 1 for seven in sevens[:-1]), sevens[-1] << 1 | 1]))
