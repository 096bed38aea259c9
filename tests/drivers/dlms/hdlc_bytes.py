"""HDLC frames for tests, made without the package: the check is computed bit by bit as RFC 1662 C.1 describes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors" / "dlms"
CAPTURES = ROOT.parent / "shared" / "captures" / "dlms-push"
FULL = bool(os.environ.get("GATEWAYD_TEST_FULL"))


def examples(short: int) -> settings:
    """Hypothesis settings: `short` examples, twenty times as many in the long run. The machine's speed is no test."""
    return settings(
        max_examples=short * 20 if FULL else short,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def check(data: bytes) -> bytes:
    """FCS-16, low byte first."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0x8408 if register & 1 else register >> 1
    return (register ^ 0xFFFF).to_bytes(2, "little")


def frame(middle: str, information: bytes = b"", segmented: bool = False) -> bytes:
    """A frame with its flags; `middle` is destination, source and control in hexadecimal."""
    rest = bytes.fromhex(middle)
    length = 4 + len(rest) + (len(information) + 2 if information else 0)
    body = bytes([0xA0 | segmented << 3 | length >> 8, length & 0xFF]) + rest
    if information:
        body += check(body) + information
    return b"\x7e" + body + check(body) + b"\x7e"


def in_pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """`data`, cut at these places."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in pairwise(edges):
        yield data[begin:end]
