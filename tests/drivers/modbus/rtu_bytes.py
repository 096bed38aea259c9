"""Modbus frames for tests, made without the package: the CRC bit by bit, as the flow chart of MODBUS over Serial Line
V1.02, 6.2.2 describes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise

from hypothesis import HealthCheck, settings

FULL = bool(os.environ.get("GATEWAYD_TEST_FULL"))


def examples(short: int) -> settings:
    """Hypothesis settings: `short` examples, twenty times as many in the long run. The machine's speed is no test."""
    return settings(
        max_examples=short * 20 if FULL else short,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def check(data: bytes) -> bytes:
    """CRC-16, low octet first."""
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")


def rtu(text: str) -> bytes:
    """A frame; `text` is unit and PDU in hexadecimal."""
    body = bytes.fromhex(text)
    return body + check(body)


def mbap(transaction: int, text: str, protocol: int = 0) -> bytes:
    """An ADU of Modbus TCP; `text` is unit and PDU in hexadecimal."""
    body = bytes.fromhex(text)
    return transaction.to_bytes(2, "big") + protocol.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def in_pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """`data`, cut at these places."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in pairwise(edges):
        yield data[begin:end]
