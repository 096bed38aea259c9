"""Attribute descriptors and selections: octet by octet, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.attribute import (
    AccessSelection,
    Attribute,
    CaptureObject,
    EntrySelection,
    RangeSelection,
    TimeForm,
    capture_object,
)
from drivers.dlms.wire.axdr import Tag, decode
from drivers.dlms.wire.axdr_encode import value
from tests.drivers.dlms.apdu_vectors import octets

CLOCK = CaptureObject(8, octets("0000010000FF"), 2)
ENERGY = CaptureObject(3, octets("0100010800FF"), 2, 1)
START, END = octets("07EA0B1AFF000000FF800000"), octets("07EA0B1BFF000000FF800000")
RESTRICTING = "0204 120008 09060000010000FF 0F02 120000"
SELECTIONS = {
    "range": (
        RangeSelection(CLOCK, START, END),
        f"01 0204 {RESTRICTING} 090C {START.hex()} 090C {END.hex()} 0100",
    ),
    "range, date-times, columns": (
        RangeSelection(CLOCK, START, END, (CLOCK, ENERGY), TimeForm.DATE_TIME),
        f"01 0204 {RESTRICTING} 19 {START.hex()} 19 {END.hex()} 0102 {RESTRICTING} "
        "0204 120003 09060100010800FF 0F02 120001",
    ),
    "entry": (EntrySelection(1, 96), "02 0204 0600000001 0600000060 120001 120000"),
    "entry, columns": (EntrySelection(5, 0, 2, 3), "02 0204 0600000005 0600000000 120002 120003"),
}
every_selection = pytest.mark.parametrize(("selection", "text"), SELECTIONS.values(), ids=SELECTIONS)


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        (Attribute(8, octets("0000010000FF"), 2), "0008 0000010000FF 02"),
        (Attribute(0xFFFF, octets("FFFFFFFFFFFF"), -1), "FFFF FFFFFFFFFFFF FF"),
        (Attribute(1, octets("000060010AFF"), 0), "0001 000060010AFF 00"),
    ],
)
def test_descriptors(attribute: Attribute, text: str) -> None:
    assert attribute.encoded == octets(text)


@pytest.mark.parametrize(
    ("class_id", "size", "index"), [(-1, 6, 2), (65536, 6, 2), (3, 5, 2), (3, 6, 128), (3, 6, -129)]
)
def test_attributes_that_do_not_exist(class_id: int, size: int, index: int) -> None:
    with pytest.raises(ValueError, match="there is no Attribute"):
        Attribute(class_id, bytes(size), index)


@every_selection
def test_selections(selection: RangeSelection | EntrySelection, text: str) -> None:
    assert selection.encoded == octets(text)


@every_selection
def test_a_server_understands_them(selection: RangeSelection | EntrySelection, text: str) -> None:
    parameters, end = decode(octets(text), 1)
    assert end == len(octets(text))
    assert AccessSelection(octets(text)[0], parameters).selection == selection


@pytest.mark.parametrize(
    "text",
    [
        "03 0204 0600000001 0600000060 120001 120000",
        "02 0203 0600000001 0600000060 120001",
        "02 0104 0600000001 0600000060 120001 120000",
        "02 0204 0600000001 0600000060 120001 1100",
        f"01 0204 {RESTRICTING} 090C {START.hex()} 19 {END.hex()} 0100",
        f"01 0204 {RESTRICTING} 0905 07EA0B1AFF 0905 07EA0B1BFF 0100",
        f"01 0204 {RESTRICTING} 0600000001 0600000060 0100",
        f"01 0204 {RESTRICTING} 090C {START.hex()} 090C {END.hex()} 0101 00",
        f"01 0204 {RESTRICTING} 090C {START.hex()} 090C {END.hex()} 0200",
        f"01 0204 00 090C {START.hex()} 090C {END.hex()} 0100",
        "01 00",
    ],
)
def test_other_parameters_are_no_selection_of_a_buffer(text: str) -> None:
    parameters, end = decode(octets(text), 1)
    assert end == len(octets(text))
    assert AccessSelection(octets(text)[0], parameters).selection is None


@pytest.mark.parametrize(
    "text",
    [
        "00",
        "0203 120008 09060000010000FF 0F02",
        "0204 0600000008 09060000010000FF 0F02 120000",
        "0204 120008 09050000010000 0F02 120000",
        "0104 120008 09060000010000FF 0F02 120000",
    ],
)
def test_what_is_no_capture_object(text: str) -> None:
    assert capture_object(decode(octets(text))[0]) is None


@given(
    st.builds(
        CaptureObject,
        st.integers(0, 0xFFFF),
        st.binary(min_size=6, max_size=6),
        st.integers(-128, 127),
        st.integers(0, 0xFFFF),
    )
)
def test_capture_objects_come_back(wanted: CaptureObject) -> None:
    assert capture_object(decode(wanted.value.raw)[0]) == wanted


def test_ends_of_a_range_are_twelve_octets() -> None:
    for start, end in ((START[:5], END), (START, END + b"\x00")):
        with pytest.raises(ValueError, match="12 octets"):
            RangeSelection(CLOCK, start, end)


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        _ = EntrySelection(0, 2**32).encoded
    with pytest.raises(ValueError, match="does not fit"):
        _ = RangeSelection(CaptureObject(65536, bytes(6), 2), START, END).encoded


def test_times_are_what_they_are_said_to_be() -> None:
    assert value(TimeForm.DATE_TIME.value, START).tag is Tag.DATE_TIME
    assert value(TimeForm.OCTET_STRING.value, START).tag is Tag.OCTET_STRING
