"""The conformance block against the bit numbers of IEC 62056-5-3 and against gurux."""

from __future__ import annotations

import pytest
from gurux_dlms.enums import Conformance as GuruxConformance
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.conformance import Conformance, parse
from gatewayd.errors import ProtocolError

BITS = {
    Conformance.GENERAL_PROTECTION: 1,
    Conformance.GENERAL_BLOCK_TRANSFER: 2,
    Conformance.READ: 3,
    Conformance.WRITE: 4,
    Conformance.UNCONFIRMED_WRITE: 5,
    Conformance.DELTA_VALUE_ENCODING: 6,
    Conformance.ATTRIBUTE0_SET: 8,
    Conformance.PRIORITY_MANAGEMENT: 9,
    Conformance.ATTRIBUTE0_GET: 10,
    Conformance.BLOCK_TRANSFER_GET: 11,
    Conformance.BLOCK_TRANSFER_SET: 12,
    Conformance.BLOCK_TRANSFER_ACTION: 13,
    Conformance.MULTIPLE_REFERENCES: 14,
    Conformance.INFORMATION_REPORT: 15,
    Conformance.DATA_NOTIFICATION: 16,
    Conformance.ACCESS: 17,
    Conformance.PARAMETERIZED_ACCESS: 18,
    Conformance.GET: 19,
    Conformance.SET: 20,
    Conformance.SELECTIVE_ACCESS: 21,
    Conformance.EVENT_NOTIFICATION: 22,
    Conformance.ACTION: 23,
}
"""IEC 62056-5-3, Conformance: the number of each bit, the first one sent is 0."""


def test_each_bit_is_where_the_standard_has_it() -> None:
    assert set(BITS) == set(Conformance)
    for bit, number in BITS.items():
        bits = "".join(f"{octet:08b}" for octet in bit.encoded)
        assert [at for at, one in enumerate(bits) if one == "1"] == [number]


def test_the_foreign_stack_has_the_same_services_at_the_same_bits() -> None:
    """gurux numbers the bits from the other end."""
    theirs = {int(bit).bit_length() - 1 for bit in GuruxConformance if int(bit)}
    assert theirs - {0, 7} == set(BITS.values())
    assert int(GuruxConformance.GET).bit_length() - 1 == BITS[Conformance.GET]
    assert int(GuruxConformance.MULTIPLE_REFERENCES).bit_length() - 1 == BITS[Conformance.MULTIPLE_REFERENCES]


def test_green_book() -> None:
    agreed = parse(bytes.fromhex("00501F"))
    assert agreed == (
        Conformance.PRIORITY_MANAGEMENT
        | Conformance.BLOCK_TRANSFER_GET
        | Conformance.GET
        | Conformance.SET
        | Conformance.SELECTIVE_ACCESS
        | Conformance.EVENT_NOTIFICATION
        | Conformance.ACTION
    )
    assert Conformance.MULTIPLE_REFERENCES not in agreed


@given(st.binary(min_size=3, max_size=3))
def test_reserved_bits_are_kept(octets: bytes) -> None:
    assert parse(octets).encoded == octets


@pytest.mark.parametrize("size", [0, 2, 4])
def test_other_lengths(size: int) -> None:
    with pytest.raises(ProtocolError, match=f"{size} octets") as caught:
        parse(bytes(size))
    assert caught.value.raw == bytes(size)


def test_more_bits_than_there_are() -> None:
    with pytest.raises(ValueError, match="24 bits"):
        _ = Conformance(1 << 24).encoded
