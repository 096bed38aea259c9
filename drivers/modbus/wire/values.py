"""Registers to numbers and texts.

Rules: exact Decimal, never float; a sentinel of the map, and what is no number at all (NaN, infinity), is None and no
value; digits that cannot be are Undecodable. Within a register the high octet comes first (MODBUS Application Protocol
V1.1b3, 4.2), which some devices do not keep; in which order registers make a longer number no standard says.
"""

import struct
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from math import isfinite

from gatewayd.errors import GatewayError


class Undecodable(GatewayError):
    """The octets are no value of this type."""


class Order(Enum):
    """What comes first: the most significant part, or the least."""

    BIG = "big"
    LITTLE = "little"


class Type(Enum):
    """How registers are to be read."""

    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    BCD64 = "bcd64"
    UD16 = "ud16"
    """Two bits of exponent of ten, then fourteen of number (Iskra T4)."""
    UD32 = "ud32"
    """An octet of exponent of ten, signed, then 24 bits of number (Iskra T5)."""
    ID32 = "id32"
    """The same with a signed number (Iskra T6)."""
    MOD10K = "mod10k"
    """Four decimal digits in each register, 0 to 9999, or 0 to -9999 in a negative number (Schneider Electric FAQ
    FA212766)."""
    STRING = "string"
    BITS = "bits"

    @property
    def words(self) -> int | None:
        """Registers of one value; None where the map has to say."""
        digits = self.value.lstrip("uifbcd")
        return int(digits) // 16 if digits.isdigit() else None


_MOST_WORDS = {Type.MOD10K: (2, 4), Type.STRING: (1, 125), Type.BITS: (1, 125)}


@dataclass(frozen=True, slots=True)
class Form:
    """How one value stands in its registers.

    `length`: registers of a mod10k (2 to 4), of a string and of bits, and of those only. `byte_order` holds within each
    register, `word_order` among them. `not_available`: patterns that are no value, most significant octet first, as
    makers print them; as long as the value. ValueError where that does not fit together.
    """

    type: Type
    word_order: Order = Order.BIG
    byte_order: Order = Order.BIG
    length: int | None = None
    not_available: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.type in _MOST_WORDS:
            least, most = _MOST_WORDS[self.type]
            if self.length is None or not least <= self.length <= most:
                raise ValueError(f"{self.type.value} of {self.length} registers: expected {least} to {most}")
        elif self.length is not None:
            raise ValueError(f"{self.type.value} has a length of its own: leave length out")
        for pattern in self.not_available:
            if len(pattern) != 2 * self.words:
                raise ValueError(f"not_available {pattern.hex()}: expected {2 * self.words} octets")

    @property
    def words(self) -> int:
        """Registers of one value."""
        words = self.type.words if self.length is None else self.length
        assert words is not None  # __post_init__ has seen to that
        return words


@dataclass(frozen=True, slots=True)
class Number:
    """A number as the registers have it, without any scale."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Text:
    """A text; of bits "0" and "1", the highest bit of the most significant register first."""

    text: str


def decode(octets: bytes, form: Form) -> Number | Text | None:
    """What the registers say; None for "not available". Undecodable; ValueError for another number of octets."""
    if len(octets) != 2 * form.words:
        raise ValueError(f"{len(octets)} octets, where {form.type.value} has {2 * form.words}")
    ordered = in_order(octets, form)
    if ordered in form.not_available:
        return None
    match form.type:
        case Type.U16 | Type.U32 | Type.U64:
            return Number(Decimal(int.from_bytes(ordered)))
        case Type.I16 | Type.I32 | Type.I64:
            return Number(Decimal(int.from_bytes(ordered, signed=True)))
        case Type.F32 | Type.F64:
            return _binary(ordered)
        case Type.BCD16 | Type.BCD32 | Type.BCD64:
            return _bcd(ordered)
        case Type.UD16:
            return _decade(ordered[0] >> 6, int.from_bytes(ordered) & 0x3FFF)
        case Type.UD32 | Type.ID32:
            exponent = int.from_bytes(ordered[:1], signed=True)
            return _decade(exponent, int.from_bytes(ordered[1:], signed=form.type is Type.ID32))
        case Type.MOD10K:
            return _mod10k(ordered)
        case Type.STRING:
            return Text(ordered.partition(b"\x00")[0].decode("ascii", errors="backslashreplace").strip())
        case Type.BITS:
            return Text("".join(f"{octet:08b}" for octet in ordered))


def in_order(octets: bytes, form: Form) -> bytes:
    """The octets with the most significant one first."""
    words = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    if form.byte_order is Order.LITTLE:
        words = [word[::-1] for word in words]
    return b"".join(words if form.word_order is Order.BIG else reversed(words))


def _binary(ordered: bytes) -> Number | None:
    # The float lives for one line: Decimal takes its exact binary value.
    (binary,) = struct.unpack(">f" if len(ordered) == 4 else ">d", ordered)
    return Number(Decimal.from_float(binary)) if isfinite(binary) else None


def _bcd(ordered: bytes) -> Number:
    digits = ordered.hex()
    if not digits.isdecimal():
        raise Undecodable(f"{digits} are not all decimal digits")
    return Number(Decimal(digits))


def _decade(exponent: int, number: int) -> Number:
    if exponent >= 0:
        return Number(Decimal(number * 10**exponent))
    sign, digits, _ = Decimal(number).as_tuple()
    return Number(Decimal((sign, digits, exponent)))


def _mod10k(ordered: bytes) -> Number:
    parts = struct.unpack(f">{len(ordered) // 2}h", ordered)
    if any(abs(part) > 9999 for part in parts) or (min(parts) < 0 < max(parts)):
        raise Undecodable(f"{ordered.hex()} are not registers of four decimal digits with one sign")
    value = 0
    for part in parts:
        value = value * 10_000 + part
    return Number(Decimal(value))
