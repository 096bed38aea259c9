"""Numbers and texts as Modbus registers, and which values a simulated meter has at an instant.

    energy   START + RATE x hours since 2020-01-01 UTC: key % 10^7 Wh, and 100 + key // 10^7 W
    others   NOMINAL x (980 + (key + seconds since then) % 41) / 1000; of a maximum the day counts and not the second
    pulses   START + RATE x hours, as said

`key` is the CRC-32 of "SEED/UNIT/OBIS", the code as the map writes it. Wh stands for varh and VAh as well.

Rules: a test can write the same down in three lines; values are exact fractions; an integer has the greatest number
that is not above the value, a float the nearest; a counter that is full begins at 0 again.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
NAN = {"f32": bytes.fromhex("7fc00000"), "f64": bytes.fromhex("7ff8000000000000")}
NOMINAL = {"V": 230, "A": 5, "Hz": 50, "W": 1150, "var": 345, "VA": 1200}
_START_BELOW = 10**7
_PREFIXES = {"k": 1_000, "M": 1_000_000}
_PREFIXED = ("Wh", "varh", "VAh", "W", "var", "VA", "V")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a value stands in its registers. `type` is a word of the maps; both orders are big unless said otherwise."""

    type: str
    words: int
    low_word_first: bool = False
    low_octet_first: bool = False

    def arranged(self, octets: bytes) -> bytes:
        """Octets with the most significant one first, as they go over the wire."""
        words = [octets[at : at + 2] for at in range(0, len(octets), 2)]
        if self.low_octet_first:
            words = [word[::-1] for word in words]
        if self.low_word_first:
            words.reverse()
        return b"".join(words)

    @property
    def modulus(self) -> int | None:
        """How many numbers an integer of this type has from 0 on; None where there is no end."""
        match self.type[0]:
            case "u":
                return int(2 ** (16 * self.words))
            case "i":
                return int(2 ** (16 * self.words - 1))
            case "b" | "m":
                return int(10 ** (4 * self.words))
            case _:
                return None


def words_of(type_: str, length: int | None) -> int:
    """Registers of a type; `length` is what the map says, of strings, bits and mod10k."""
    if type_ in ("string", "bits", "mod10k"):
        if length is None:
            raise ValueError(f"{type_} needs a length")
        return length
    digits = type_.lstrip("uifbcd")
    if not digits.isdecimal():
        raise ValueError(f"no type {type_!r}")
    return int(digits) // 16


def number(value: Fraction, shape: Shape) -> bytes:
    """The registers of a number: the greatest that is not above it, of a full counter the rest."""
    return shape.arranged(_number(value, shape))


def _number(value: Fraction, shape: Shape) -> bytes:
    size = 2 * shape.words
    match shape.type:
        case "f32":
            return struct.pack(">f", value)
        case "f64":
            return struct.pack(">d", value)
    whole = value.numerator // value.denominator
    modulus = shape.modulus
    if modulus is None:
        return text(str(whole), shape)
    match shape.type[0]:
        case "i" if whole < 0:
            return max(whole, -modulus).to_bytes(size, signed=True)
        case "b":
            return bytes.fromhex(f"{max(whole, 0) % modulus:0{2 * size}}")
        case "m":
            digits = f"{abs(whole) % modulus:0{2 * size}}"
            sign = -1 if whole < 0 else 1
            groups = (sign * int(digits[at : at + 4]) for at in range(0, len(digits), 4))
            return b"".join(group.to_bytes(2, signed=True) for group in groups)
        case _:
            return (max(whole, 0) % modulus).to_bytes(size)


def text(value: str, shape: Shape) -> bytes:
    """The registers of a text, filled up with NUL; what has no room is cut off."""
    size = 2 * shape.words
    return shape.arranged(value.encode("ascii", errors="replace")[:size].ljust(size, b"\x00"))


def key(seed: int, unit: int, obis: str) -> int:
    """What tells one register of one meter from all others."""
    return zlib.crc32(f"{seed}/{unit}/{obis}".encode())


def seconds(at: datetime) -> Fraction:
    """Since 2020 began, exactly."""
    passed = at - EPOCH
    return Fraction(passed.days * 86_400 + passed.seconds) + Fraction(passed.microseconds, 1_000_000)


def value(seed: int, unit: int, obis: str, unit_of_measure: str, at: datetime) -> Fraction:
    """What a register has at an instant, in its unit of measure."""
    own, passed = key(seed, unit, obis), seconds(at)
    prefix, base = _base(unit_of_measure)
    kind = obis.rpartition(":")[2].split(".")[1]
    if kind in ("8", "9", "29"):
        energy = own % _START_BELOW + (100 + own // _START_BELOW) * passed / 3600
        return energy / prefix
    nominal = Fraction(NOMINAL.get(base, 20)) if base else Fraction(9, 10)
    step = passed // 86_400 if kind in ("2", "6") else passed // 1
    return nominal * (980 + (own + step) % 41) / 1000 / prefix


def pulses(start: int, per_hour: int, at: datetime) -> Fraction:
    """What a counter of pulses has at an instant."""
    return start + per_hour * seconds(at) / 3600


def exponent(highest: Fraction, shape: Shape) -> int:
    """The exponent of ten that leaves a value of this size in half of what its type can hold; from -3 on."""
    room = (shape.modulus or 2**30) // 2
    found = -3
    while highest / Fraction(10) ** found > room:
        found += 1
    return found


def highest(unit_of_measure: str) -> Fraction:
    """What no value of this unit exceeds for a few decades, apart from pulses."""
    prefix, base = _base(unit_of_measure)
    return Fraction(10**8 if base.endswith("h") else 2 * NOMINAL.get(base, 20)) / prefix


def _base(unit_of_measure: str) -> tuple[int, str]:
    prefix, base = unit_of_measure[:1], unit_of_measure[1:]
    return (_PREFIXES[prefix], base) if prefix in _PREFIXES and base in _PREFIXED else (1, unit_of_measure)
