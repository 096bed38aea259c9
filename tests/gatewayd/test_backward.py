"""Totals that go back: which registers are totals, what is a roll-over, and what is not compared at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.backward import Total, fault_of, is_total, total_of
from gatewayd.model import WEIGHT, Flag, Kind, RawStatus, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault
from tests.gatewayd.doubles import reading


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1-0:1.8.0", True),
        ("1-0:2.8.4", True),
        ("1-3:1.8.0", True),
        ("1-0:15.8.0", True),
        ("1-0:21.8.0", True),
        ("7-0:3.0.0", True),
        ("7-1:3.1.0", True),
        ("7-0:3.2.0", True),
        ("1-0:16.8.0", False),  # import minus export, of all phases and of each
        ("1-0:36.8.0", False),
        ("1-0:56.8.1", False),
        ("1-0:76.8.0", False),
        ("1-0:1.8.0*5", False),
        ("1-0:1.9.0", False),
        ("1-0:1.29.0", False),
        ("1-0:1.7.0", False),
        ("1-0:96.8.0", False),
        ("0-0:96.8.0", False),
        ("7-0:3.0.1", False),
        ("7-0:43.0.0", False),
        ("6-0:1.8.0", False),
    ],
)
def test_what_is_a_total(code: str, expected: bool) -> None:
    assert is_total(Obis.parse(code)) is expected
    assert not is_total(None)


def total(text: str, **changes: object) -> Total | None:
    return total_of(replace(reading(text), **changes))


def judged(before: str, now: str) -> Fault | None:
    one, other = total(before), total(now)
    assert one is not None
    assert other is not None
    return fault_of(one, other)


@pytest.mark.parametrize(
    ("before", "now", "fault"),
    [
        ("0008048.375", "0008048.375", None),
        ("0008048.375", "0008048.376", None),
        ("0008048.375", "0008048.374", Fault.REGISTER_BACKWARD),
        ("0008048.375", "0000000.000", Fault.REGISTER_BACKWARD),
        ("9999999.900", "0000000.100", Fault.ROLLED_OVER),
        ("9000000.000", "1000000.000", Fault.ROLLED_OVER),
        ("8999999.999", "0000000.000", Fault.REGISTER_BACKWARD),
        ("9000000.000", "1000000.001", Fault.REGISTER_BACKWARD),
        ("0999999.900", "0000000.100", Fault.REGISTER_BACKWARD),  # it has seven digits
        ("99999,9", "00000,1", Fault.ROLLED_OVER),
        ("999999", "12", Fault.ROLLED_OVER),
        ("8048", "-1", Fault.REGISTER_BACKWARD),
        ("9999", "-1", Fault.REGISTER_BACKWARD),
    ],
)
def test_what_is_said_of_the_next_total(before: str, now: str, fault: Fault | None) -> None:
    assert judged(before, now) is fault


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_what_does_not_go_back_is_never_suspected(one: int, gain: int) -> None:
    assert judged(str(one), str(one + gain)) is None
    if gain:
        assert judged(str(one + gain), str(one)) is not None


@pytest.mark.parametrize(
    "changes", [{"unit": "Wh"}, {"scaler": 3}, {"more": (f"{WEIGHT}0.5 kWh",)}], ids=["unit", "scaler", "pulses"]
)
def test_totals_in_other_measures_are_not_compared(changes: dict[str, object]) -> None:
    one, other = total("0008048.375"), total("0000001.000", **changes)
    assert one is not None
    assert other is not None
    assert fault_of(one, other) is None


@pytest.mark.parametrize(
    "other",
    [
        reading("---.-"),
        reading(""),
        reading("1" * 65),
        reading("1", "1-0:16.8.0"),
        reading("1", kind=Kind.INTERVAL),
        replace(reading("1"), status=RawStatus.MISSING),
        replace(reading("1"), status=RawStatus.DISTORTED, flags=Flag.BCC_FAILED),
    ],
)
def test_what_is_no_total_to_be_believed(other: Reading) -> None:
    assert total_of(other) is None


def test_a_total_that_went_back_is_where_the_next_one_counts_from() -> None:
    back = total("0000001.000", status=RawStatus.DISTORTED, flags=Flag.BACKWARD)
    assert back == Total(Decimal("1.000"), 7, ("kWh", 0, ()))
