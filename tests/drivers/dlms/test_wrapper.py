"""The wrapper of IEC 62056-47: in streams and in datagrams."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.wrapper import Wrapped, WrapperReader, decode
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.hdlc_bytes import VECTORS, examples, in_pieces

WRAPPED: list[dict[str, Any]] = yaml.safe_load((VECTORS / "wrapper.yaml").read_text(encoding="utf-8"))["wrapped"]
AARQ = bytes.fromhex(WRAPPED[0]["bytes"])
ONE = bytes.fromhex(WRAPPED[1]["bytes"])

PORTS = st.integers(0, 0xFFFF)
ANY = st.builds(Wrapped, PORTS, PORTS, st.binary(min_size=1, max_size=400))
CUTS = st.lists(st.integers(0, 1 << 20), max_size=8)


@pytest.mark.parametrize("vector", WRAPPED, ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    expected = Wrapped(vector["source_wport"], vector["destination_wport"], bytes.fromhex(vector["apdu"]))
    assert WrapperReader().feed(data) == (expected,)
    assert decode(data) == expected
    assert expected.encoded == data


def test_byte_by_byte() -> None:
    reader = WrapperReader()
    for byte in AARQ[:-1]:
        assert reader.feed(bytes([byte])) == ()
        assert reader.pending
    assert [found.encoded for found in reader.feed(AARQ[-1:])] == [AARQ]
    assert not reader.pending


def test_several_at_once() -> None:
    reader = WrapperReader()
    assert [found.encoded for found in reader.feed(AARQ + ONE + AARQ[:9])] == [AARQ, ONE]
    assert [found.encoded for found in reader.feed(AARQ[9:] + ONE)] == [AARQ, ONE]


def test_the_longest_apdu() -> None:
    longest = Wrapped(1, 16, bytes(65535))
    assert WrapperReader().feed(longest.encoded) == (longest,)
    with pytest.raises(ValueError, match="65536 bytes"):
        _ = Wrapped(1, 16, bytes(65536)).encoded


@pytest.mark.parametrize("value", [Wrapped(-1, 1, b"1"), Wrapped(1, 65536, b"1"), Wrapped(65536, 1, b"1")])
def test_wports_without_room(value: Wrapped) -> None:
    with pytest.raises(ValueError, match="wPorts"):
        _ = value.encoded


def test_an_empty_apdu_is_none() -> None:
    with pytest.raises(ValueError, match="0 bytes"):
        _ = Wrapped(1, 16, b"").encoded


@pytest.mark.parametrize("header", ["01", "00 02", "00 00", "7E A0 07", "00 02 00 01 00 10 00 01"])
def test_another_version_is_known_at_once(header: str) -> None:
    with pytest.raises(ProtocolError, match="version 1") as caught:
        WrapperReader().feed(bytes.fromhex(header))
    assert caught.value.raw == bytes.fromhex(header)[:8]


def test_a_wrapper_without_apdu() -> None:
    empty = bytes.fromhex("00 01 00 01 00 10 00 00")
    reader = WrapperReader()
    assert reader.feed(empty[:7]) == ()
    with pytest.raises(ProtocolError, match="without APDU"):
        reader.feed(empty[7:])
    with pytest.raises(ProtocolError, match="without APDU"):
        decode(empty)


def test_behind_a_wrong_header_nothing_is_believed() -> None:
    reader = WrapperReader()
    assert [found.encoded for found in reader.feed(ONE + b"\x05\x01" + AARQ)] == [ONE]
    for data in (b"", AARQ):
        with pytest.raises(ProtocolError, match="version 1") as caught:
            reader.feed(data)
        assert caught.value.raw == (b"\x05\x01" + AARQ)[:8]


@pytest.mark.parametrize("datagram", [AARQ[:-1], AARQ + b"\x00", AARQ[:8], AARQ[:5], b"", b"\x00", ONE + ONE])
def test_a_datagram_is_exactly_one(datagram: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(datagram)
    assert caught.value.raw == datagram


@examples(100)
@given(st.lists(ANY, max_size=5), CUTS)
def test_round_trip(values: list[Wrapped], cuts: list[int]) -> None:
    reader = WrapperReader()
    data = b"".join(value.encoded for value in values)
    assert [found for piece in in_pieces(data, cuts) for found in reader.feed(piece)] == values
    assert not reader.pending


def outcome(pieces: list[bytes]) -> tuple[list[Wrapped], bool]:
    reader = WrapperReader()
    found: list[Wrapped] = []
    try:
        for piece in [*pieces, b""]:
            found += reader.feed(piece)
    except ProtocolError:
        return found, True
    return found, False


@examples(200)
@given(st.lists(st.one_of(ANY.map(lambda value: value.encoded), st.binary(max_size=12)), max_size=4), CUTS)
def test_any_bytes_cut_anywhere(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    assert outcome(list(in_pieces(data, cuts))) == outcome([data])
