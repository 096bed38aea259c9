"""A-XDR against bytes written by hand, and at its limits; the vectors are in tests/vectors/dlms."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from drivers.dlms.wire.axdr import CutShort, Tag, Value, decode, decode_count
from drivers.dlms.wire.axdr_value import MAX_BYTES, MAX_COMPACT_VALUES, MAX_ELEMENTS, MAX_NESTING
from gatewayd.errors import ProtocolError

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "dlms"
VALUES = yaml.safe_load((VECTORS / "axdr.yaml").read_text(encoding="utf-8"))
FAULTS = yaml.safe_load((VECTORS / "axdr_faults.yaml").read_text(encoding="utf-8"))
COMPACT_OF_NULLS = bytes.fromhex("13 0202 11 01271000 05 0102030405")
"""Five elements, each an unsigned and an array of 10,000 null-data: 10,002 values from one octet."""


def said(value: Value) -> list[Any]:
    """A value in the form of the vectors."""
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY):
        assert value.content is None
        return [value.tag.name, [said(child) for child in value.children]]
    assert value.children == ()
    match value.content:
        case bytes():
            return [value.tag.name, {"hex": value.content.hex().upper()}]
        case Decimal():
            return [value.tag.name, {"decimal": format(value.content, "f")}]
        case str() if value.tag is Tag.BIT_STRING:
            return [value.tag.name, {"bits": value.content}]
        case content:
            return [value.tag.name, content]


def in_order(value: Value) -> None:
    """The raw slices of the elements lie behind each other in that of the value, with nothing behind the last one."""
    if not value.children:
        return
    assert value.raw.endswith(b"".join(child.raw for child in value.children))
    for child in value.children:
        in_order(child)


@pytest.mark.parametrize("vector", VALUES, ids=lambda vector: vector["hex"].replace(" ", "")[:40])
def test_values(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    value, end = decode(data)
    wanted = vector["is"]
    assert said(value) == wanted
    if not isinstance(wanted[1], list):
        assert type(value.content) is not float
        assert isinstance(value.content, bool) is isinstance(wanted[1], bool)
    assert end == len(data)
    assert value.raw == data
    in_order(value)
    if "untagged" in vector:
        assert [child.raw.hex().upper() for child in value.children] == vector["untagged"]


@pytest.mark.parametrize("vector", VALUES, ids=lambda vector: vector["hex"].replace(" ", "")[:40])
def test_in_the_middle_of_other_bytes(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    alone, _ = decode(data)
    assert decode(b"\x02\xff" + data + b"\x12\x00", 2) == (alone, 2 + len(data))


@pytest.mark.parametrize("vector", VALUES, ids=lambda vector: vector["hex"].replace(" ", "")[:40])
def test_every_truncation_is_cut_short_and_keeps_the_bytes(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    for size in range(len(data)):
        with pytest.raises(CutShort) as caught:
            decode(b"\xaa" + data[:size], 1)
        assert caught.value.raw == data[:size]


@pytest.mark.parametrize("vector", FAULTS, ids=lambda vector: vector["hex"].replace(" ", "")[:40])
def test_faults(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    with pytest.raises(ProtocolError, match=vector["says"]) as caught:
        decode(data)
    assert isinstance(caught.value, CutShort) is vector["cut"]
    assert caught.value.raw == data


def test_every_type_that_the_standard_has_is_in_a_vector() -> None:
    def tags(value: Value) -> set[Tag]:
        return {value.tag}.union(*(tags(child) for child in value.children))

    seen: set[Tag] = set()
    for vector in VALUES:
        seen |= tags(decode(bytes.fromhex(vector["hex"]))[0])
    assert seen == set(Tag)
    assert sorted(Tag) == [*range(7), 9, 10, 12, 13, *range(15, 28), 255]


def test_a_float_is_exact_to_its_last_digit() -> None:
    smallest = decode(bytes.fromhex("1700000001"))[0].content  # 2^-149
    assert smallest == Decimal(f"{5**149}E-149")
    largest = decode(bytes.fromhex("187FEFFFFFFFFFFFFF"))[0].content
    assert largest == Decimal((2**53 - 1) * 2**971)
    assert isinstance(smallest, Decimal)
    assert isinstance(largest, Decimal)


@pytest.mark.parametrize("opening", [b"\x01\x01", b"\x02\x01"], ids=["array", "structure"])
def test_nesting(opening: bytes) -> None:
    assert MAX_NESTING == 16
    value, end = decode(opening * 16 + b"\x11\x05")
    assert end == 34
    for _ in range(16):
        (value,) = value.children
    assert value.content == 5
    with pytest.raises(ProtocolError, match="more than 16 deep") as caught:
        decode(opening * 17 + b"\x11\x05")
    assert not isinstance(caught.value, CutShort)
    with pytest.raises(ProtocolError, match="more than 16 deep"):
        decode(opening * 30_000)


@pytest.mark.parametrize("opening", [b"\x01\x00\x01", b"\x02\x01"], ids=["array", "structure"])
def test_nesting_of_a_description(opening: bytes) -> None:
    """The compact array is one level, and so is each array or structure that its description has."""
    assert decode(b"\x13" + opening * 15 + b"\x11\x01\x05")[0].children[0].raw == b"\x05"
    for data in (b"\x13" + opening * 16 + b"\x11\x01\x05", b"\x13" + opening * 30_000):
        with pytest.raises(ProtocolError, match="more than 16 deep"):
            decode(data)
    outside = b"\x02\x01" * 15
    assert decode(outside + b"\x13\x11\x01\x05")[1] == 34
    with pytest.raises(ProtocolError, match="more than 16 deep"):
        decode(outside + b"\x02\x01\x13\x11\x01\x05")
    with pytest.raises(ProtocolError, match="more than 16 deep"):
        decode(outside + b"\x13\x02\x01\x11\x01\x05")


def test_elements() -> None:
    assert MAX_ELEMENTS == 10_000
    for opening in (b"\x01\x82\x27\x10", b"\x02\x82\x27\x10"):
        value, end = decode(opening + b"\x00" * 10_000)
        assert (len(value.children), end) == (10_000, 10_004)
    compact = b"\x13\x11\x82\x27\x10" + b"\x05" * 10_000
    assert len(decode(compact)[0].children) == 10_000
    with pytest.raises(ProtocolError, match="10001 elements"):
        decode(b"\x13\x11\x82\x27\x11" + b"\x05" * 10_001)
    described = b"\x13\x02\x82\x27\x10" + b"\x11" * 10_000 + b"\x82\x27\x10" + b"\x05" * 10_000
    assert len(decode(described)[0].children[0].children) == 10_000
    with pytest.raises(ProtocolError, match="10001 elements"):
        decode(b"\x13\x02\x82\x27\x11" + b"\x11" * 10_001 + b"\x01\x05")


def test_size() -> None:
    assert MAX_BYTES == 65_536
    fitting = b"\x09\x82\xff\xfc" + bytes(65_532)
    assert decode(b"\xaa" + fitting + b"\xaa", 1)[1] == 65_537
    with pytest.raises(ProtocolError, match="more than 65536") as caught:
        decode(b"\x09\x82\xff\xfd" + bytes(65_533))
    assert not isinstance(caught.value, CutShort)
    two = b"\x02\x02" + b"\x09\x82\x80\x00" + bytes(32_768)
    assert decode(two + b"\x09\x82\x7f\xf6" + bytes(32_758))[1] == 65_536
    for size in (32_759, 40_000):
        with pytest.raises(ProtocolError, match="more than 65536") as caught:
            decode(two + b"\x09\x82" + size.to_bytes(2) + bytes(size))
        assert not isinstance(caught.value, CutShort)
    with pytest.raises(ProtocolError, match="more than 65536"):
        decode(b"\x13\x11\x84\x00\x01\x00\x00" + bytes(65_536))


def test_the_size_counts_from_the_beginning_of_the_value() -> None:
    for before, missing in ((70_000, 1), (0, 1), (0, 65_532)):
        whole = bytes(before) + b"\x09\x82\xff\xfc" + bytes(65_532)
        with pytest.raises(CutShort):
            decode(whole[:-missing], before)


def test_the_last_element_may_reach_the_limit_and_not_beyond() -> None:
    assert decode(b"\x02\x02\x09\x82\xff\xf5" + bytes(65_525) + b"\x06" + bytes(4))[1] == 65_536
    with pytest.raises(ProtocolError, match="more than 65536"):
        decode(b"\x02\x02\x09\x82\xff\xf6" + bytes(65_526) + b"\x06" + bytes(4))


def test_elements_that_cannot_fit_any_more_are_not_waited_for() -> None:
    with pytest.raises(ProtocolError, match="more than 65536") as caught:
        decode(b"\x02\x64\x09\x82\xff\xa0" + bytes(65_440))
    assert not isinstance(caught.value, CutShort)


def test_plain_values_up_to_the_last_octet() -> None:
    """Rows of ten octets, so that the limit falls inside one."""
    row = b"\x02\x02\x11\x05\x1a" + bytes(5)
    full = b"\x01\x82\x19\x98" + row * 6_552 + bytes(12)
    assert int.from_bytes(full[2:4]) == 6_552
    assert decode(full)[1] == 65_524
    with pytest.raises(ProtocolError, match="more than 65536"):
        decode(b"\x01\x82\x19\x9a" + row * 6_554)


def test_what_null_data_in_compact_arrays_unfolds_to() -> None:
    assert MAX_COMPACT_VALUES == 65_536
    value, _ = decode(COMPACT_OF_NULLS)
    assert [len(element.children[1].children) for element in value.children] == [10_000] * 5
    with pytest.raises(ProtocolError, match="unfold to more than 65536"):
        decode(bytes.fromhex("13 0202 11 01271000 07 01020304050607"))
    with pytest.raises(ProtocolError, match="unfold to more than 65536"):
        decode(b"\x02\x02" + COMPACT_OF_NULLS + COMPACT_OF_NULLS)
    with pytest.raises(ProtocolError, match="unfold to more than 65536"):
        decode(bytes.fromhex("13 0202 11 01271001271001271000 01 01"))


def test_a_bare_length() -> None:
    assert decode_count(bytes.fromhex("820171"), 0) == (369, 3)  # 369 elements of an object list, gurux.fi forum 4177
    assert decode_count(bytes.fromhex("AA7F"), 1) == (127, 2)
    assert decode_count(bytes.fromhex("8180")) == (128, 2)
    assert decode_count(bytes.fromhex("83010000")) == (65_536, 4)
    with pytest.raises(CutShort):
        decode_count(b"\x82\x01")


@pytest.mark.parametrize("offset", [-1, 3])
def test_an_offset_outside_is_the_callers_fault(offset: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        decode(b"\x11\x05", offset)


def test_an_offset_at_the_end_is_cut_short() -> None:
    with pytest.raises(CutShort):
        decode(b"\x11\x05", 2)
