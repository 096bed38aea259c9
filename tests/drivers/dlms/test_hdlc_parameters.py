"""What SNRM and UA negotiate (IEC 62056-46 6.4.4.4.3.2), against fields of other programs."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.hdlc_parameters import Parameters, agreed, parse
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.hdlc_bytes import examples

INFOS = st.integers(32, 2030)
WINDOWS = st.integers(1, 7)
PARAMETERS = st.builds(Parameters, INFOS, INFOS, WINDOWS, WINDOWS)

# DLMS UA, Examples for DLMS/COSEM information exchange (G. Kmethy), 1: the UA
EXAMPLE = bytes.fromhex("81 80 14 05 02 00 80 06 02 00 80 07 04 00 00 00 01 08 04 00 00 00 01")
# by hand: the same limits in one byte each, and F8h = 248
SHORT = bytes.fromhex("81 80 12 05 01 80 06 01 80 07 04 00 00 00 01 08 04 00 00 00 01")
SHORT_248 = bytes.fromhex("81 80 12 05 01 F8 06 01 F8 07 04 00 00 00 01 08 04 00 00 00 01")


def test_fields_of_the_examples_and_short_ones() -> None:
    assert parse(EXAMPLE) == parse(SHORT) == Parameters(128, 128, 1, 1)
    assert parse(SHORT_248) == Parameters(248, 248, 1, 1)


def test_every_parameter_has_its_place() -> None:
    # laid out by hand: 0200h, 0100h, 7, 3
    field = bytes.fromhex("81 80 14 05 02 02 00 06 02 01 00 07 04 00 00 00 07 08 04 00 00 00 03")
    assert parse(field) == Parameters(512, 256, 7, 3)
    assert Parameters(512, 256, 7, 3).encoded == field


def test_what_is_not_named_is_the_default() -> None:
    assert parse(b"") == Parameters(128, 128, 1, 1)
    assert parse(bytes.fromhex("81 80 00")) == Parameters()
    assert parse(bytes.fromhex("81 80 04 06 02 04 00")) == Parameters(max_info_receive=1024)
    assert parse(bytes.fromhex("81 80 06 09 01 05 05 01 40")) == Parameters(max_info_transmit=64)
    assert Parameters().encoded == b""


def test_more_than_the_standard_allows_is_the_most_that_it_allows() -> None:
    assert parse(bytes.fromhex("81 80 0A 05 02 FF FF 06 04 00 01 00 00")) == Parameters(2030, 2030)
    assert parse(bytes.fromhex("81 80 06 07 01 08 08 01 FF")) == Parameters(128, 128, 7, 7)
    assert parse(bytes.fromhex("81 80 04 05 02 07 EE")) == Parameters(2030)
    assert parse(bytes.fromhex("81 80 03 05 01 20")) == Parameters(32)


@pytest.mark.parametrize(
    "field",
    [
        "81",
        "81 80",
        "80 80 03 05 01 80",
        "81 81 03 05 01 80",
        "81 80 02 05 01 80",
        "81 80 04 05 01 80",
        "81 80 01 05",
        "81 80 02 05 01",
        "81 80 02 05 00",
        "81 80 03 05 02 80",
        "81 80 07 05 05 00 00 00 00 80",
        "81 80 06 05 01 80 05 01 80",
        "81 80 03 05 01 1F",
        "81 80 03 06 01 00",
        "81 80 03 07 01 00",
        "81 80 06 08 04 00 00 00 00",
    ],
)
def test_fields_that_make_no_sense(field: str) -> None:
    with pytest.raises(ProtocolError, match="negotiates") as caught:
        parse(bytes.fromhex(field))
    assert caught.value.raw == bytes.fromhex(field)


@pytest.mark.parametrize("numbers", [(31, 128, 1, 1), (128, 2031, 1, 1), (128, 128, 0, 1), (128, 128, 1, 8)])
def test_limits_that_nobody_may_propose(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Parameters(*numbers)


def test_each_side_names_its_own_directions() -> None:
    proposed, answered = Parameters(1000, 2000, 1, 7), Parameters(500, 300, 3, 4)
    assert agreed(proposed, answered) == Parameters(300, 500, 1, 3)
    assert agreed(Parameters(), answered) == Parameters(128, 128, 1, 1)
    assert agreed(proposed, Parameters(2030, 2030, 7, 7)) == proposed


@examples(100)
@given(PARAMETERS)
def test_round_trip(value: Parameters) -> None:
    assert parse(value.encoded) == value


@examples(300)
@given(
    st.one_of(st.binary(max_size=40), st.binary(max_size=30).map(lambda data: b"\x81\x80" + bytes([len(data)]) + data))
)
def test_any_bytes(data: bytes) -> None:
    with suppress(ProtocolError):
        parse(data)
