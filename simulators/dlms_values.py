"""A-XDR as a simulated meter writes and reads it (types of IEC 62056-6-2, common data types).

Rules: written from the standard alone, so that a mistake in the gateway's codec is not repeated here; a writer gives
the bytes of one value with its tag; what cannot be read is Malformed, never half a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NULL, ARRAY, STRUCTURE, BIT_STRING, OCTET_STRING, VISIBLE_STRING, COMPACT_ARRAY = 0, 1, 2, 4, 9, 10, 19
_FIXED = {0: 0, 3: 1, 5: 4, 6: 4, 13: 1, 15: 1, 16: 2, 17: 1, 18: 2, 20: 8, 21: 8, 22: 1, 23: 4, 24: 8, 25: 12}
_FIXED |= {26: 5, 27: 4, 255: 0}
_SIGNED = (5, 15, 16, 20)
_NUMBERS = (3, 5, 6, 15, 16, 17, 18, 20, 21, 22)
DEEPEST = 16


class Malformed(ValueError):
    """Bytes of the client that are no A-XDR."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value that was read: `content` is a number, the octets, or the elements; None of null-data."""

    tag: int
    raw: bytes
    content: int | bytes | tuple[Item, ...] | None

    @property
    def number(self) -> int:
        """The number that this has to be."""
        if not isinstance(self.content, int):
            raise Malformed("a number is due")
        return self.content

    @property
    def octets(self) -> bytes:
        """The octets that this has to be."""
        if not isinstance(self.content, bytes):
            raise Malformed("octets are due")
        return self.content

    def elements(self, count: int | None = None) -> tuple[Item, ...]:
        """The elements that this has to have, `count` of them."""
        if not isinstance(self.content, tuple) or (count is not None and len(self.content) != count):
            raise Malformed(f"a structure of {count} is due")
        return self.content


def count(number: int) -> bytes:
    """A length or a number of elements (IEC 61334-6)."""
    if number < 0x80:
        return bytes([number])
    size = (number.bit_length() + 7) // 8
    return bytes([0x80 | size]) + number.to_bytes(size)


def null() -> bytes:
    return b"\x00"


def boolean(value: bool) -> bytes:
    return b"\x03\x01" if value else b"\x03\x00"


def u8(number: int) -> bytes:
    return b"\x11" + number.to_bytes(1)


def u16(number: int) -> bytes:
    return b"\x12" + number.to_bytes(2)


def u32(number: int) -> bytes:
    return b"\x06" + number.to_bytes(4)


def u64(number: int) -> bytes:
    return b"\x15" + number.to_bytes(8)


def i8(number: int) -> bytes:
    return b"\x0f" + number.to_bytes(1, signed=True)


def i16(number: int) -> bytes:
    return b"\x10" + number.to_bytes(2, signed=True)


def i32(number: int) -> bytes:
    return b"\x05" + number.to_bytes(4, signed=True)


def enum(number: int) -> bytes:
    return b"\x16" + number.to_bytes(1)


def octets(content: bytes) -> bytes:
    return b"\x09" + count(len(content)) + content


def visible(text: str) -> bytes:
    return b"\x0a" + count(len(text)) + text.encode("ascii")


def bits(content: bytes) -> bytes:
    """A bit-string of whole octets."""
    return b"\x04" + count(8 * len(content)) + content


def structure(*elements: bytes) -> bytes:
    return b"\x02" + count(len(elements)) + b"".join(elements)


def array(elements: Sequence[bytes]) -> bytes:
    return b"\x01" + count(len(elements)) + b"".join(elements)


def compact_array(elements: Sequence[bytes]) -> bytes:
    """The elements without their tags behind one description. ValueError when they are not all of one type."""
    if not elements:
        return array(())
    described = [_described(read(element)[0]) for element in elements]
    descriptions = {description for description, _ in described}
    if len(descriptions) != 1:
        raise ValueError("the elements of a compact array are of different types")
    contents = b"".join(content for _, content in described)
    return b"\x13" + described[0][0] + count(len(contents)) + contents


def _described(item: Item) -> tuple[bytes, bytes]:
    """Type description and contents."""
    if item.tag == STRUCTURE:
        inside = [_described(element) for element in item.elements()]
        return b"\x02" + count(len(inside)) + b"".join(kind for kind, _ in inside), b"".join(c for _, c in inside)
    if item.tag == ARRAY:
        raise ValueError("no arrays in a compact array of this meter")
    return item.raw[:1], item.raw[1:]


def read(data: bytes, at: int = 0, depth: int = 0) -> tuple[Item, int]:
    """The value at `at`, and the offset behind it."""
    begin = at
    tag, at = _octet(data, at)
    if tag in (ARRAY, STRUCTURE):
        if depth >= DEEPEST:
            raise Malformed("nested too deep")
        number, at = read_count(data, at)
        inside: list[Item] = []
        for _ in range(number):
            element, at = read(data, at, depth + 1)
            inside.append(element)
        return Item(tag, data[begin:at], tuple(inside)), at
    if tag in (OCTET_STRING, VISIBLE_STRING, 12, BIT_STRING):
        size, at = read_count(data, at)
        size = (size + 7) // 8 if tag == BIT_STRING else size
    elif tag in _FIXED:
        size = _FIXED[tag]
    else:
        raise Malformed(f"no type has the tag {tag}")
    content = take(data, at, size)
    at += size
    if tag == NULL:
        return Item(tag, data[begin:at], None), at
    if tag in _NUMBERS:
        return Item(tag, data[begin:at], int.from_bytes(content, signed=tag in _SIGNED)), at
    return Item(tag, data[begin:at], content), at


def whole(data: bytes) -> Item:
    """The one value that `data` is."""
    item, end = read(data)
    if end != len(data):
        raise Malformed("octets behind the value")
    return item


def read_count(data: bytes, at: int) -> tuple[int, int]:
    """A length or number of elements at `at`, and the offset behind it."""
    first, at = _octet(data, at)
    if first < 0x80:
        return first, at
    size = first & 0x7F
    return int.from_bytes(take(data, at, size)), at + size


def take(data: bytes, at: int, size: int) -> bytes:
    """`size` octets at `at`, all of them."""
    if at + size > len(data):
        raise Malformed("cut short")
    return data[at : at + size]


def _octet(data: bytes, at: int) -> tuple[int, int]:
    return take(data, at, 1)[0], at + 1
