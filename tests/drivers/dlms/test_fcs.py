"""HCS and FCS against published checks and a computation bit by bit (ISO/IEC 13239 4.2.5, RFC 1662 C)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.fcs import check_sequence, is_sound
from tests.drivers.dlms.hdlc_bytes import VECTORS, check, examples

CHECKS: list[dict[str, Any]] = yaml.safe_load((VECTORS / "check_sequences.yaml").read_text(encoding="utf-8"))["checks"]


@pytest.mark.parametrize("vector", CHECKS, ids=lambda vector: vector["name"])
def test_published_checks(vector: dict[str, Any]) -> None:
    data, expected = bytes.fromhex(vector["data"]), bytes.fromhex(vector["check"])
    assert check_sequence(data) == expected
    assert check(data) == expected
    assert is_sound(data + expected) is (data != b"")


@examples(200)
@given(st.binary(max_size=300))
def test_the_check_is_the_one_computed_bit_by_bit(data: bytes) -> None:
    assert check_sequence(data) == check(data)


@examples(200)
@given(st.binary(min_size=1, max_size=60), st.integers(0))
def test_one_bit_wrong_is_not_sound(data: bytes, place: int) -> None:
    sound = bytearray(data + check(data))
    assert is_sound(bytes(sound))
    sound[place // 8 % len(sound)] ^= 1 << place % 8
    assert not is_sound(bytes(sound))


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00"])
def test_a_check_over_nothing_is_not_sound(data: bytes) -> None:
    assert not is_sound(data)
