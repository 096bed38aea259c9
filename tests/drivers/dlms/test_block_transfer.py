"""Blocks of service-specific transfer: their order, their end, their limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.block_transfer import TRANSFER_LIMIT, BlockTransfer
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.hdlc_bytes import examples


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=10), st.binary(max_size=5))
@examples(50)
def test_blocks_are_joined(pieces: list[bytes], last: bytes) -> None:
    transfer = BlockTransfer()
    for number, piece in enumerate(pieces, 1):
        transfer.add(number, False, piece)
        assert not transfer.complete
        assert transfer.number == number
    transfer.add(len(pieces) + 1, True, last)
    assert transfer.complete
    assert transfer.content == b"".join(pieces) + last


@pytest.mark.parametrize("number", [0, 1, 2, 4, 1 << 31])
def test_a_block_out_of_turn(number: int) -> None:
    transfer = BlockTransfer()
    transfer.add(1, False, b"a")
    transfer.add(2, False, b"b")
    with pytest.raises(ProtocolError, match=f"sends block {number} where 3 is due") as caught:
        transfer.add(number, False, b"c", b"raw")
    assert caught.value.raw == b"raw"
    assert transfer.content == b"ab"


def test_nothing_comes_behind_the_last_block() -> None:
    transfer = BlockTransfer()
    transfer.add(1, True, b"a")
    with pytest.raises(ProtocolError, match="behind the last"):
        transfer.add(2, True, b"b")


def test_an_empty_block_is_the_last_one_or_an_error() -> None:
    with pytest.raises(ProtocolError, match="without content"):
        BlockTransfer().add(1, False, b"")
    BlockTransfer().add(1, True, b"")


def test_the_limit_is_1_mib() -> None:
    transfer = BlockTransfer()
    transfer.add(1, False, bytes(TRANSFER_LIMIT - 1))
    transfer.add(2, False, b"x")
    with pytest.raises(ProtocolError, match="1048576"):
        transfer.add(3, True, b"x")
