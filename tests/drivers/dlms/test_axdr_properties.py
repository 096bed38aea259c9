"""A-XDR for any value and any bytes: round trips, truncation, bit flips, noise; and what cannot be encoded."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dlms.wire.axdr import CutShort, Tag, Value, decode, decode_count
from drivers.dlms.wire.axdr_encode import encode, encode_count, value
from gatewayd.errors import ProtocolError

RUNS = settings(max_examples=6000 if os.environ.get("GATEWAYD_TEST_FULL") else 300, deadline=None)

_WHOLE = {
    Tag.INTEGER: (-(2**7), 2**7 - 1),
    Tag.LONG: (-(2**15), 2**15 - 1),
    Tag.DOUBLE_LONG: (-(2**31), 2**31 - 1),
    Tag.LONG64: (-(2**63), 2**63 - 1),
    Tag.UNSIGNED: (0, 2**8 - 1),
    Tag.LONG_UNSIGNED: (0, 2**16 - 1),
    Tag.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    Tag.LONG64_UNSIGNED: (0, 2**64 - 1),
    Tag.ENUM: (0, 2**8 - 1),
}
_TIMES = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}

whole = st.sampled_from(sorted(_WHOLE)).flatmap(
    lambda tag: st.integers(*_WHOLE[tag]).map(lambda number: value(tag, number))
)
times = st.sampled_from(sorted(_TIMES)).flatmap(
    lambda tag: st.binary(min_size=_TIMES[tag], max_size=_TIMES[tag]).map(lambda octets: value(tag, octets))
)
plain = st.one_of(
    whole,
    times,
    st.sampled_from((value(Tag.NULL), value(Tag.DONT_CARE), value(Tag.BOOLEAN, True), value(Tag.BOOLEAN, False))),
    st.binary(max_size=300).map(lambda octets: value(Tag.OCTET_STRING, octets)),
)
trees = st.recursive(
    plain,
    lambda inner: st.tuples(st.sampled_from((Tag.ARRAY, Tag.STRUCTURE)), st.lists(inner, max_size=5)).map(
        lambda made: value(made[0], children=tuple(made[1]))
    ),
    max_leaves=20,
)

_TYPES = "000304050609 0A0C0D0F101112141516 1718191A1BFF 0100020102 13"
noise = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from(list(bytes.fromhex(_TYPES))), max_size=200).map(bytes),
    st.lists(st.sampled_from(list(bytes.fromhex(_TYPES))), max_size=200).map(lambda octets: b"\x13" + bytes(octets)),
)


@given(trees, st.binary(max_size=3), st.binary(max_size=3))
@RUNS
def test_decode_undoes_encode(wanted: Value, before: bytes, behind: bytes) -> None:
    octets = encode(wanted)
    assert wanted.raw == octets
    assert decode(before + octets + behind, len(before)) == (wanted, len(before) + len(octets))


@given(trees, st.data())
@RUNS
def test_every_truncation_is_cut_short(wanted: Value, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, len(wanted.raw) - 1))
    with pytest.raises(CutShort) as caught:
        decode(wanted.raw[:size])
    assert caught.value.raw == wanted.raw[:size]


def total(decoded: Value) -> int:
    return 1 + sum(total(child) for child in decoded.children)


def judged(octets: bytes) -> Value | None:
    """A value whose slice is what was read, or a ProtocolError with the bytes; nothing else may come."""
    try:
        decoded, end = decode(octets)
    except ProtocolError as error:
        assert error.raw == octets
        return None
    assert decoded.raw == octets[:end]
    assert type(decoded.content) in (int, bool, str, bytes, Decimal, type(None))
    assert total(decoded) <= 2 * 65_536
    return decoded


@given(noise)
@RUNS
def test_any_bytes_are_a_value_or_a_fault(octets: bytes) -> None:
    judged(octets)


@given(trees, st.data())
@RUNS
def test_a_bit_flip_is_another_value_or_a_fault(wanted: Value, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(wanted.raw) * 8 - 1))
    flipped = bytearray(wanted.raw)
    flipped[at // 8] ^= 1 << at % 8
    assert judged(bytes(flipped)) != wanted


@given(noise)
@RUNS
def test_what_can_be_encoded_again_says_the_same(octets: bytes) -> None:
    """Lengths may come out shorter than they were sent, TRUE as FF; nothing else changes."""
    decoded = judged(octets)
    if decoded is None:
        return
    try:
        again = encode(decoded)
    except ValueError:
        return
    assert len(again) <= len(decoded.raw)
    assert encode(decode(again)[0]) == again


@given(st.integers(0, 2**32 - 1))
@RUNS
def test_lengths(number: int) -> None:
    octets = encode_count(number)
    assert decode_count(octets) == (number, len(octets))
    assert len(octets) == 1 if number < 0x80 else octets[0] - 0x80 == len(octets) - 1
    assert number < 0x80 or octets[1] != 0


@pytest.mark.parametrize(
    ("wanted", "octets"),
    [
        (Value(Tag.NULL, b""), "00"),
        (Value(Tag.BOOLEAN, b"", True), "03FF"),
        (Value(Tag.BOOLEAN, b"", False), "0300"),
        (Value(Tag.LONG, b"", -2), "10FFFE"),
        (Value(Tag.DOUBLE_LONG_UNSIGNED, b"", 258), "0600000102"),
        (Value(Tag.ENUM, b"", 3), "1603"),
        (Value(Tag.OCTET_STRING, b"", bytes(128)), "098180" + "00" * 128),
        (Value(Tag.OCTET_STRING, b"", bytes(300)), "0982012C" + "00" * 300),
        (Value(Tag.STRUCTURE, b"", None, (Value(Tag.UNSIGNED, b"", 1), Value(Tag.ARRAY, b""))), "020211010100"),
        (Value(Tag.DATE_TIME, b"", bytes(range(12))), "19000102030405060708090A0B"),
    ],
)
def test_bytes_that_requests_hold(wanted: Value, octets: str) -> None:
    assert encode(wanted) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    "wanted",
    [
        Value(Tag.UNSIGNED, b"", 256),
        Value(Tag.UNSIGNED, b"", -1),
        Value(Tag.INTEGER, b"", 128),
        Value(Tag.LONG, b"", True),
        Value(Tag.LONG, b"", Decimal(1)),
        Value(Tag.NULL, b"", 0),
        Value(Tag.BOOLEAN, b"", 1),
        Value(Tag.OCTET_STRING, b"", "text"),
        Value(Tag.DATE_TIME, b"", bytes(11)),
        Value(Tag.FLOAT32, b"", Decimal(1)),
        Value(Tag.COMPACT_ARRAY, b""),
        Value(Tag.STRUCTURE, b"", 1),
        Value(Tag.UNSIGNED, b"", 1, (Value(Tag.NULL, b""),)),
        Value(Tag.ARRAY, b"", None, (Value(Tag.NULL, b""),) * 10_001),
    ],
)
def test_what_does_not_fit_is_our_fault(wanted: Value) -> None:
    with pytest.raises(ValueError):
        encode(wanted)


def test_nesting_of_what_is_sent() -> None:
    nested = Value(Tag.NULL, b"")
    for _ in range(16):
        nested = Value(Tag.ARRAY, b"", None, (nested,))
    assert encode(nested) == b"\x01\x01" * 16 + b"\x00"
    assert len(encode(Value(Tag.ARRAY, b"", None, (Value(Tag.NULL, b""),) * 10_000))) == 10_004
    with pytest.raises(ValueError, match="nested too deep"):
        encode(Value(Tag.STRUCTURE, b"", None, (nested,)))
