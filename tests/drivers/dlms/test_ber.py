"""BER elements: lengths in all forms, and what is no element (ITU-T X.690 8.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.axdr import CutShort
from drivers.dlms.wire.ber import tlv, whole
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.apdu_vectors import cut, is_cut_short


@pytest.mark.parametrize("length", ["03", "8103", "820003", "83000003", "8400000003"])
def test_a_length_in_any_number_of_octets(length: str) -> None:
    element = whole(bytes.fromhex(f"61 {length} 800101"))
    assert (element.tag, element.content) == (0x61, b"\x80\x01\x01")
    (inside,) = element.inside()
    assert (inside.tag, inside.content) == (0x80, b"\x01")


@pytest.mark.parametrize(("size", "head"), [(0, "A200"), (127, "A27F"), (128, "A28180"), (300, "A282012C")])
def test_written_lengths_are_short(size: int, head: str) -> None:
    assert tlv(0xA2, bytes(size)) == bytes.fromhex(head) + bytes(size)


@given(st.integers(0, 255).filter(lambda tag: tag & 0x1F != 0x1F), st.lists(st.binary(max_size=200), max_size=5))
def test_what_is_written_is_read(tag: int, parts: list[bytes]) -> None:
    element = whole(tlv(tag, *(tlv(0x04, part) for part in parts)))
    assert element.tag == tag
    assert [inside.content for inside in element.inside()] == parts


@pytest.mark.parametrize("apdu", ["6105A103020100", "6181058003414243", "61820003800101"])
def test_every_truncation_is_cut_short(apdu: str) -> None:
    for beginning in cut(bytes.fromhex(apdu)):
        assert is_cut_short(whole, beginning)


@pytest.mark.parametrize(
    ("apdu", "message"),
    [
        ("61 03 800101 00", "1 octets behind the APDU"),
        ("61 80 800101 0000", "definite length"),
        ("61 85 0000000003 800101", "definite length"),
        ("61 FF 800101", "definite length"),
        ("7F 03 800101", "tag 0x7f"),
        ("61 83 010001", "more than 65536 octets"),
        ("61 84 FFFFFFFF", "more than 65536 octets"),
    ],
)
def test_what_is_no_apdu(apdu: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        whole(bytes.fromhex(apdu))
    assert not isinstance(caught.value, CutShort)
    assert caught.value.raw == bytes.fromhex(apdu)


@pytest.mark.parametrize("inside", ["80", "8002 01", "80 01 01 81", "8082 00", "80 84FFFFFFFF", "1F 00"])
def test_what_is_inside_ends_inside(inside: str) -> None:
    apdu = tlv(0x61, bytes.fromhex(inside))
    with pytest.raises(ProtocolError) as caught:
        list(whole(apdu).inside())
    assert not isinstance(caught.value, CutShort)
    assert caught.value.raw == apdu


def test_an_apdu_beyond_the_limit() -> None:
    assert len(tlv(0x61, bytes(65_532))) == 65_536
    assert whole(tlv(0x61, bytes(65_532))).end == 65_536
    with pytest.raises(ProtocolError, match="more than 65536 octets"):
        whole(tlv(0x61, bytes(65_533)))


@pytest.mark.parametrize("content", ["", "0600", "040100", "04010005", "04000400"])
def test_only_one_element_of_the_right_kind(content: str) -> None:
    apdu = tlv(0xBE, bytes.fromhex(content))
    if content == "040100":
        assert whole(apdu).only(0x04).content == b"\x00"
        return
    with pytest.raises(ProtocolError) as caught:
        whole(apdu).only(0x04)
    assert caught.value.raw == apdu
