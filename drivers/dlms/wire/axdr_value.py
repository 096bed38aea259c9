"""What A-XDR is made of: the type tags of COSEM data, a decoded value, how plain types are read, and the limits.

Rules: a value keeps the bytes as they were sent; what its content says is derived from them and never replaces them.
Numbers are int and Decimal, never float. Types that IEC 62056-6-2 does not use (7, 8, 11, 14) are no types here.
"""

import struct
from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum
from math import isfinite
from typing import Any

import msgspec

from gatewayd.errors import ProtocolError

MAX_BYTES = 65_536
"""Octets of one value with everything in it, in one APDU."""
MAX_TRANSFER = 1 << 20
"""Octets of one value that came in blocks."""
MAX_NESTING = 16
"""Arrays and structures inside each other, the outermost included."""
MAX_ELEMENTS = 10_000
"""Elements of one array or structure."""
MAX_COMPACT_VALUES = 65_536
"""Values that the compact arrays of one value may unfold to: null-data in them takes no octet at all."""


class CutShort(ProtocolError):
    """The bytes end inside a value. `raw` holds everything from the beginning of the outermost value."""


class Tag(IntEnum):
    """Type tags of COSEM data (IEC 62056-6-2, common data types; Data of IEC 62056-5-3)."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    COMPACT_ARRAY = 19
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DONT_CARE = 255


Content = int | bool | Decimal | str | bytes | None
"""What a value says: see `Value`."""


class Value(msgspec.Struct, frozen=True, gc=False):
    """One decoded value: `raw` is the slice as sent, with its tag (without in a compact array, where none is sent).

    `content`: int of whole numbers and of enum; bool; exact Decimal of the binary value of float32 and float64, None
    where they hold no finite number; str of "0" and "1", first bit first, of a bit-string; str of visible-string and
    utf8-string, octets that the character set does not have written as \\xNN; str of the two digits of a bcd, as sent;
    bytes of octet-string, date-time (12), date (5) and time (4); None of null-data, don't-care and everything that has
    `children`: the elements of array, structure and compact-array, in order.
    """

    tag: Tag
    raw: bytes
    content: Content = None
    children: tuple["Value", ...] = ()


class Source:
    """The bytes that one call decodes, how far they may be read, and what went wrong where.

    `limit` is where reading has to stop: the end of the data, or `most` octets behind the beginning of the value.
    """

    __slots__ = ("begin", "data", "limit", "most", "unfolded")

    def __init__(self, data: bytes, begin: int, most: int = MAX_BYTES) -> None:
        self.data = data
        self.begin = begin
        self.most = most
        self.limit = min(len(data), begin + most)
        self.unfolded = 0

    def beyond(self, end: int) -> ProtocolError:
        """The fault of something that would end at `end`, behind the limit: cut short, or too large."""
        if end - self.begin > self.most:
            return self.fault(f"A-XDR: a value of more than {self.most} octets")
        message = f"A-XDR: cut short, {end - len(self.data)} octets or more are missing"
        return CutShort(message, self.data[self.begin :])

    def fault(self, message: str) -> ProtocolError:
        return ProtocolError(message, self.data[self.begin :])

    def octet(self, at: int) -> int:
        if at >= self.limit:
            raise self.beyond(at + 1)
        return self.data[at]

    def octets(self, at: int, size: int) -> bytes:
        end = at + size
        if end > self.limit:
            raise self.beyond(end)
        return self.data[at:end]

    def count(self, at: int) -> tuple[int, int]:
        """A length or a number of elements at `at`, and the offset behind it (IEC 61334-6, length field: below 80 the
        octet itself, else 80 + number of octets of the number). More octets than needed are taken: meters send them."""
        first = self.octet(at)
        if first < 0x80:
            return first, at + 1
        size = first - 0x80
        if not 1 <= size <= 4:
            raise self.fault(f"A-XDR: {first:#04x} begins no length")
        return int.from_bytes(self.octets(at + 1, size)), at + 1 + size

    def elements(self, at: int) -> tuple[int, int]:
        """A number of elements that is not absurd."""
        number, at = self.count(at)
        self.check_elements(number)
        return number, at

    def check_elements(self, number: int) -> None:
        if number > MAX_ELEMENTS:
            raise self.fault(f"A-XDR: {number} elements, more than {MAX_ELEMENTS}")

    def check_nesting(self, depth: int) -> None:
        if depth > MAX_NESTING:
            raise self.fault(f"A-XDR: arrays and structures nested more than {MAX_NESTING} deep")


class Plain(msgspec.Struct, frozen=True, gc=False):
    """A type of fixed size: struct's character for it, its octets without the tag, how struct takes them apart at an
    offset, and what makes its content of what struct gives, where that is not the content already."""

    tag: Tag
    form: str
    size: int
    unpack: Callable[[bytes, int], tuple[Any, ...]]  # Any: so struct has it; int, bool, bytes or float by the format
    convert: Callable[[Any], Content] | None


def _plain(tag: Tag, form: str, convert: Callable[[Any], Content] | None = None) -> Plain:
    """`form`: struct's character for one big-endian item."""
    packing = struct.Struct(f">{form}")
    return Plain(tag, form, packing.size, packing.unpack_from, convert)


def _nothing(octets: bytes) -> None:
    return None


def _digits(octet: int) -> str:
    return f"{octet:02X}"


def _decimal(binary: float) -> Decimal | None:
    """The exact value of a binary number of IEEE 754: the float lives for one line, Decimal takes it without loss."""
    return Decimal.from_float(binary) if isfinite(binary) else None


PLAIN = (
    _plain(Tag.NULL, "0s", _nothing),
    _plain(Tag.BOOLEAN, "?"),  # FALSE is 0, TRUE anything else (IEC 61334-6, boolean)
    _plain(Tag.DOUBLE_LONG, "i"),
    _plain(Tag.DOUBLE_LONG_UNSIGNED, "I"),
    _plain(Tag.BCD, "B", _digits),
    _plain(Tag.INTEGER, "b"),
    _plain(Tag.LONG, "h"),
    _plain(Tag.UNSIGNED, "B"),
    _plain(Tag.LONG_UNSIGNED, "H"),
    _plain(Tag.LONG64, "q"),
    _plain(Tag.LONG64_UNSIGNED, "Q"),
    _plain(Tag.ENUM, "B"),
    _plain(Tag.FLOAT32, "f", _decimal),
    _plain(Tag.FLOAT64, "d", _decimal),
    _plain(Tag.DATE_TIME, "12s"),
    _plain(Tag.DATE, "5s"),
    _plain(Tag.TIME, "4s"),
    _plain(Tag.DONT_CARE, "0s", _nothing),
)
"""The types of fixed size (IEC 62056-6-2, common data types). bcd is one octet, as Data of IEC 62056-5-3 has it."""

STRINGS = frozenset({Tag.BIT_STRING, Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})
"""The types that carry their length."""


def read_string(source: Source, tag: Tag, at: int) -> tuple[Content, int]:
    """The content of one of STRINGS whose length is at `at`, and the offset behind it."""
    number, at = source.count(at)
    if tag is Tag.BIT_STRING:
        octets = source.octets(at, (number + 7) // 8)
        bits = "".join(f"{octet:08b}" for octet in octets)
        return bits[:number], at + len(octets)
    octets = source.octets(at, number)
    if tag is Tag.OCTET_STRING:
        return octets, at + number
    character_set = "ascii" if tag is Tag.VISIBLE_STRING else "utf-8"
    return octets.decode(character_set, errors="backslashreplace"), at + number
