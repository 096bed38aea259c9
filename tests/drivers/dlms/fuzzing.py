"""What fuzzing is made of: sound octets spoilt in ways that know what octets are like, and a hunt that ends in time.

Rules: everything comes from a seed, which a failure names together with the octets; the octets are to be kept in
fuzz_vectors.txt (STYLE 27: a bug becomes a vector before it becomes a fix).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from random import Random

from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.axdr_encode import encode_count

SECONDS = float(os.environ.get("GATEWAYD_FUZZ_SECONDS", "1.0"))
"""For each target; the whole of them takes less than a minute."""
SLOW_S = 10.0
"""What no single input takes, on the slowest machine."""
_INTERESTING = bytes.fromhex("00 01 02 03 04 05 06 09 0a 0c 0f 10 12 13 16 19 7e 7f 80 81 82 84 a0 c4 d8 db e0 fe ff")
_TIMES = (
    "07ea0b15060d041400ffc400",
    "07eaffffff00000000800000",
    "ffffffffffffffffff8000ff",
    "000001010100000000000000",
    "270f0c1f0517" + "3b3b63fd3000",
    "07ea03fd07020000000000ff",
    "07ea0afe070300000080000f",
    "00010101ff173b3bff02d0ff",
)
_NUMBERS = {
    Tag.INTEGER: 1,
    Tag.UNSIGNED: 1,
    Tag.ENUM: 1,
    Tag.BCD: 1,
    Tag.BOOLEAN: 1,
    Tag.LONG: 2,
    Tag.LONG_UNSIGNED: 2,
    Tag.DOUBLE_LONG: 4,
    Tag.DOUBLE_LONG_UNSIGNED: 4,
    Tag.FLOAT32: 4,
    Tag.LONG64: 8,
    Tag.LONG64_UNSIGNED: 8,
    Tag.FLOAT64: 8,
    Tag.NULL: 0,
    Tag.DONT_CARE: 0,
    Tag.DATE: 5,
    Tag.TIME: 4,
}


def spoilt(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed once or several times."""
    octets = random.choice(seeds)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 6))):
        octets = _changed(random, octets, seeds)
    return octets[:200_000]


def _changed(random: Random, octets: bytes, seeds: Sequence[bytes]) -> bytes:
    if not octets:
        return random.randbytes(random.randrange(20))
    at = random.randrange(len(octets))
    size = random.choice((1, 1, 1, 2, 4, 8, 30))
    match random.randrange(10):
        case 0:
            return octets[:at] + bytes((octets[at] ^ 1 << random.randrange(8),)) + octets[at + 1 :]
        case 1:
            return octets[:at] + bytes((random.choice(_INTERESTING),)) + octets[at + 1 :]
        case 2:
            return octets[:at] + bytes(((octets[at] + random.choice((-1, 1))) & 0xFF,)) + octets[at + 1 :]
        case 3:
            return octets[:at]
        case 4:
            return octets[:at] + octets[at + size :]
        case 5:
            return octets[:at] + random.randbytes(size) + octets[at:]
        case 6:
            return octets[:at] + octets[at : at + size] * random.choice((2, 2, 3, 40)) + octets[at + size :]
        case 7:
            other = random.choice(seeds)
            return octets[:at] + other[random.randrange(len(other) + 1) :]
        case 8:
            count = bytes.fromhex(random.choice(("80", "81ff", "82ffff", "83ffffff", "84ffffffff", "840000000a", "85")))
            return octets[:at] + count + octets[at + 1 :]
        case _:
            return octets + random.randbytes(size)


def any_value(random: Random, depth: int = 0) -> bytes:
    """Some value of A-XDR, sound; numbers at their ends, times that are none."""
    kind = random.randrange(10)
    if kind < 5 or depth > 3:
        tag = random.choice(tuple(_NUMBERS))
        size = _NUMBERS[tag]
        edge = random.choice((bytes(size), b"\xff" * size, b"\x7f" + b"\xff" * (size - 1), b"\x80" + bytes(size)))
        return bytes((tag,)) + (edge[:size] if random.random() < 0.5 else random.randbytes(size))
    if kind < 7:
        time = bytes.fromhex(random.choice(_TIMES)) if random.random() < 0.6 else random.randbytes(12)
        return (b"\x09\x0c" if random.random() < 0.7 else b"\x19") + time
    if kind == 7:
        tag = random.choice((Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.BIT_STRING))
        content = random.choice(
            (b"", b"\x00", b"12345678", bytes((1, 0, 1, 8, 0, 255)), random.randbytes(random.randrange(40)))
        )
        number = max(0, 8 * len(content) - random.randrange(8)) if tag is Tag.BIT_STRING else len(content)
        return bytes((tag,)) + encode_count(number) + content[: (number + 7) // 8 if tag is Tag.BIT_STRING else None]
    if kind == 8 and random.random() < 0.3:
        return bytes.fromhex(
            random.choice(("130006", "1311 03 010203", "1302 02 11 12 06 01 0002 03 0004", "1301 0002 11 04 01020304"))
        )
    elements = [any_value(random, depth + 1) for _ in range(random.choice((0, 1, 2, 2, 3, 4, 6)))]
    if elements and kind == 8:
        elements = elements[:1] * len(elements)
    return bytes((Tag.ARRAY if kind == 8 else Tag.STRUCTURE, len(elements))) + b"".join(elements)


def remade(random: Random, value: Value) -> bytes:
    """The octets of a value in which something is another value; sound all the same."""
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE) and value.children and random.random() < 0.85:
        children = [child.raw for child in value.children]
        at = random.randrange(len(children))
        match random.randrange(12):
            case 0:
                del children[at]
            case 1:
                children.insert(at, children[random.randrange(len(children))])
            case 2:
                children.append(any_value(random))
            case 3:
                children[at], children[0] = children[0], children[at]
            case _:
                children[at] = remade(random, value.children[at])
        return bytes((value.tag,)) + encode_count(len(children)) + b"".join(children)
    if value.children or random.random() < 0.4:
        return any_value(random)
    if len(value.raw) > 1 and value.tag in _NUMBERS:
        return value.raw[:1] + random.choice((b"\xff", b"\x00", random.randbytes(1))) * (len(value.raw) - 1)
    return any_value(random, 4)


def hunt(name: str, make: Callable[[Random], bytes], run: Callable[[bytes], None], seconds: float = SECONDS) -> int:
    """`run` for as long as the time lasts, on what `make` makes; how many it were. What it raises is a find."""
    seed = int(os.environ.get("GATEWAYD_FUZZ_SEED", "0")) or int.from_bytes(os.urandom(4))
    random = Random(seed)
    end = time.monotonic() + seconds
    number = 0
    while (begun := time.monotonic()) < end or not number:
        octets = make(random)
        number += 1
        try:
            run(octets)
            took = time.monotonic() - begun
            assert took < SLOW_S, f"took {took:.1f} s"
        except BaseException as error:
            error.add_note(
                f"GATEWAYD_FUZZ_SEED={seed}, input {number}; keep it in fuzz_vectors.txt:\n{name} {octets.hex()}"
            )
            raise
    return number
