"""Addresses, control fields and frames as values and as bytes (IEC 62056-46 6.4), against bytes of other programs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.hdlc_address import Address, address
from drivers.dlms.wire.hdlc_control import CONTROLS, Command, Control
from drivers.dlms.wire.hdlc_frame import FRAME_LIMIT, LENGTH_LIMIT, Frame
from drivers.dlms.wire.hdlc_reader import FrameReader
from tests.drivers.dlms.hdlc_bytes import VECTORS, examples, frame

FRAMES: list[dict[str, Any]] = yaml.safe_load((VECTORS / "hdlc_frames.yaml").read_text(encoding="utf-8"))["frames"]

ADDRESSES = st.one_of(
    st.builds(address, st.integers(0, 127)),
    st.builds(lambda a, b: address(a, b, 2), st.integers(0, 127), st.integers(0, 127)),
    st.builds(lambda a, b: address(a, b, 4), st.integers(0, 16383), st.integers(0, 16383)),
)
KNOWN = st.sampled_from([control for control in CONTROLS if control is not None])
SOUND_FRAMES = st.builds(Frame, ADDRESSES, ADDRESSES, KNOWN, st.binary(max_size=300), st.booleans())


# -- foreign frames --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector["name"])
def test_frames_of_other_programs(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    (found,) = FrameReader().feed(data)
    assert isinstance(found, Frame)
    assert str(found.destination) == vector["destination"]
    assert str(found.source) == vector["source_address"]
    assert str(found.control) == vector["control"]
    assert found.control.final
    assert found.information == bytes.fromhex(vector["information"])
    assert not found.segmented
    assert found.encoded == data


@examples(200)
@given(SOUND_FRAMES)
def test_round_trip(value: Frame) -> None:
    assert FrameReader().feed(value.encoded) == (value,)


def test_segmentation_bit_and_eleven_bits_of_length() -> None:
    value = Frame(address(1), address(16), Control(Command.I, ns=3, nr=5), bytes(600), segmented=True)
    # 2 + 1 + 1 + 1 + 2 + 600 + 2 = 609 = 261h
    assert value.encoded[:6] == bytes.fromhex("7E AA 61 03 21 B6")
    assert value.encoded == frame("03 21 B6", bytes(600), segmented=True)


def test_the_longest_frame() -> None:
    fits = Frame(address(1, 17, 4), address(16), Control(Command.I), bytes(LENGTH_LIMIT - 12))
    assert fits.encoded[1:3] == b"\xa7\xff"
    assert len(fits.encoded) == FRAME_LIMIT == 2049
    assert FrameReader().feed(fits.encoded) == (fits,)
    with pytest.raises(ValueError, match="2048 bytes"):
        _ = Frame(address(1, 17, 4), address(16), Control(Command.I), bytes(LENGTH_LIMIT - 11)).encoded


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (address(16), "21"),
        (address(127), "FF"),
        (address(1, 17), "02 23"),
        (address(1, 17, 4), "00 02 00 23"),
        (address(0x1234, 0x3FFF), "48 68 FE FF"),  # 24h 34h and 7Fh 7Fh, seven bits each
        (address(1, 200), "00 02 02 91"),  # C8h has eight bits: the lower part needs two bytes, and so both do
        (address(0, 0, 2), "00 01"),
    ],
)
def test_addresses_worked_out_by_hand(value: Address, encoded: str) -> None:
    assert value.encoded == bytes.fromhex(encoded)


@pytest.mark.parametrize(
    ("logical", "physical", "size"),
    [
        (128, None, None),
        (128, None, 1),
        (-1, None, 1),
        (1, None, 2),
        (1, None, 4),
        (1, 1, 1),
        (1, 1, 3),
        (1, 128, 2),
        (128, 1, 2),
        (16384, 1, 4),
        (1, 16384, None),
        (1, -1, 4),
    ],
)
def test_numbers_that_do_not_fit(logical: int, physical: int | None, size: int | None) -> None:
    with pytest.raises(ValueError, match="HDLC address"):
        address(logical, physical, size)


@examples(100)
@given(st.integers(0, 16383), st.integers(0, 16383))
def test_address_numbers_come_back(logical: int, physical: int) -> None:
    value = address(logical, physical)
    assert (value.logical, value.physical) == (logical, physical)
    assert len(value.encoded) == (2 if max(logical, physical) < 128 else 4)


def test_the_size_is_a_part_of_an_address() -> None:
    assert address(1, 17, 2) != address(1, 17, 4)
    assert (address(16).logical, address(16).physical) == (16, None)


# -- control fields --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("byte", "control"),
    [
        (0x93, Control(Command.SNRM)),
        (0x83, Control(Command.SNRM, final=False)),
        (0x53, Control(Command.DISC)),
        (0x73, Control(Command.UA)),
        (0x63, Control(Command.UA, final=False)),
        (0x1F, Control(Command.DM)),
        (0x97, Control(Command.FRMR)),
        (0x13, Control(Command.UI)),
        (0x03, Control(Command.UI, final=False)),
        (0x10, Control(Command.I)),
        (0x32, Control(Command.I, ns=1, nr=1)),
        (0x54, Control(Command.I, ns=2, nr=2)),
        (0xFE, Control(Command.I, ns=7, nr=7)),
        (0x0E, Control(Command.I, final=False, ns=7, nr=0)),
        (0x31, Control(Command.RR, nr=1)),
        (0xE1, Control(Command.RR, final=False, nr=7)),
        (0x55, Control(Command.RNR, nr=2)),
    ],
)
def test_control_fields_of_the_standard(byte: int, control: Control) -> None:
    assert CONTROLS[byte] == control
    assert control.encoded == byte


def test_what_the_standard_does_not_take_over_has_no_meaning() -> None:
    # REJ, SREJ, XID, SABM, SARM, RESET, TEST, RIM
    assert not any(CONTROLS[byte] for byte in (0x19, 0x1D, 0xBF, 0x3F, 0x1B, 0x9F, 0xF3, 0x17))
    # 128 of I, 16 each of RR and RNR, two each of the six others
    assert sum(control is not None for control in CONTROLS) == 128 + 32 + 12


@pytest.mark.parametrize(
    "control",
    [Control(Command.I, ns=8), Control(Command.RR, ns=1), Control(Command.RR, nr=8), Control(Command.UA, nr=1)],
)
def test_numbers_without_room(control: Control) -> None:
    with pytest.raises(ValueError, match=r"N\(S\)"):
        _ = control.encoded
