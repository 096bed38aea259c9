"""Software parity, and what a framing costs on the wire."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.channel import Framing
from gatewayd.channel.parity import SoftwareParity

seven_bits = st.binary().map(lambda data: bytes(c & 0x7F for c in data))
parities = st.sampled_from(["E", "O"])


def ones(c: int) -> int:
    return bin(c).count("1")


@pytest.mark.parametrize(("parity", "odd"), [("E", 0), ("O", 1)])
def test_every_character_gets_the_right_parity_bit(parity: str, odd: int) -> None:
    for c in range(128):
        (sent,) = SoftwareParity(parity).encode(bytes([c]))
        assert sent & 0x7F == c
        assert ones(sent) % 2 == odd


def test_what_a_sign_on_looks_like() -> None:
    """/?! CR LF at 7E1, bit by bit."""
    assert SoftwareParity("E").encode(b"/?!\r\n") == bytes([0xAF, 0x3F, 0x21, 0x8D, 0x0A])


@given(parities, seven_bits)
def test_what_was_sent_is_what_is_received(parity: str, data: bytes) -> None:
    line = SoftwareParity(parity)
    assert line.decode(line.encode(data)) == data
    assert line.errors == 0


@given(parities, seven_bits)
def test_a_peer_without_parity_is_understood_and_makes_no_errors(parity: str, data: bytes) -> None:
    line = SoftwareParity(parity)
    assert line.decode(data) == data
    assert line.errors == 0


@given(parities, st.binary(), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_lose_bit_7_however_they_are_cut(parity: str, data: bytes, cuts: list[int]) -> None:
    whole, pieces = SoftwareParity(parity), SoftwareParity(parity)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    received = b"".join(pieces.decode(data[a:b]) for a, b in pairwise(bounds))
    assert received == whole.decode(data) == bytes(c & 0x7F for c in data)
    assert pieces.errors == whole.errors


@pytest.mark.parametrize(("parity", "odd"), [("E", 0), ("O", 1)])
def test_only_a_wrong_bit_7_is_counted(parity: str, odd: int) -> None:
    for c in range(256):
        line = SoftwareParity(parity)
        line.decode(bytes([c]))
        assert line.errors == (c > 0x7F and ones(c) % 2 != odd)


def test_errors_add_up() -> None:
    line = SoftwareParity("E")
    line.decode(b"\x80\x81")  # 1 bit set: wrong; 2 bits: right
    line.decode(b"\x80abc\x80")
    assert line.errors == 3


@pytest.mark.parametrize(
    ("framing", "data_bits", "parity", "stop_bits", "bits"),
    [
        (Framing.E71, 7, "E", 1, 10),
        (Framing.N81, 8, "N", 1, 10),
        (Framing.E81, 8, "E", 1, 11),
        (Framing.O81, 8, "O", 1, 11),
        (Framing.N82, 8, "N", 2, 11),
    ],
)
def test_framings(framing: Framing, data_bits: int, parity: str, stop_bits: int, bits: int) -> None:
    assert (framing.data_bits, framing.parity, framing.stop_bits, framing.bits) == (data_bits, parity, stop_bits, bits)


def test_framings_are_called_as_people_call_them() -> None:
    assert Framing("7E1") is Framing.E71
    assert {framing.value for framing in Framing} == {"7E1", "8N1", "8E1", "8O1", "8N2"}
