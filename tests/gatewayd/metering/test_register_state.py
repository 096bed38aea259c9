"""States of registers: times of billing periods as meters write them, and which state counts at a boundary."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.metering.month_advance import Register, advanced
from gatewayd.metering.points import Installed, MeteringPoint
from gatewayd.metering.register_state import State, chosen, counts_up, period_end, usual_unit
from gatewayd.model import DIRECT, NO_FLAGS, Flag, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.months_world import TOTAL, midnight, noon

POINT = MeteringPoint("shop", installed=(Installed("em-1"),))


def shown(at: datetime, value: int, seq: int = 1, *, by_hand: bool = False) -> State:
    flags = Flag.MANUAL if by_hand else NO_FLAGS
    return State("em-1", TOTAL, at, Decimal(value), "kWh", RawStatus.TRUE, flags, seq, DIRECT)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("1703010000", datetime(2017, 2, 28, 23, tzinfo=UTC)),  # captures of Landis+Gyr and EMH meters
        ("26-11-01,00:00", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("26-11-01 00:00", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("1260701000000", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("0260701000000", datetime(2026, 6, 30, 23, tzinfo=UTC)),
        ("0260112125955", datetime(2026, 1, 12, 11, 59, 55, tzinfo=UTC)),
        ("00-00-00 00:00", None),
        ("2260701000000", None),
        ("33", None),
        ("", None),
    ],
)
def test_ends_of_periods(text: str, utc: datetime | None) -> None:
    assert period_end(text) == utc


def test_codes_that_count_up() -> None:
    for text in ("1-0:1.8.0", "1-0:2.8.4", "1-0:3.8.0", "7-0:3.0.0", "1-0:1.8.0*12", "1-0:1.8.1&3"):
        assert counts_up(Obis.parse(text)), text
    for text in ("1-0:1.29.0", "1-0:1.6.0", "1-0:32.7.0", "1-0:0.1.2*5", "0-0:96.1.0", "6-0:1.8.0", "7-0:3.5.0"):
        assert not counts_up(Obis.parse(text)), text
    units = [usual_unit(Obis.parse(text)) for text in ("1.8.0", "3.8.0", "9.8.0", "7-0:3.0.0")]
    assert units == ["kWh", "kvarh", "kVAh", "m3"]


def test_what_counts_at_a_boundary() -> None:
    end = midnight(2026, 4)
    near, by_hand = shown(end + timedelta(hours=6), 1), shown(noon(2026, 3, 31), 2, by_hand=True)
    assert chosen([near, by_hand], end) is by_hand
    within = shown(end - timedelta(minutes=59), 3)
    assert chosen([near, by_hand, within], end) is within
    exact, newer = shown(end, 4), shown(end, 5, seq=9)
    assert chosen([near, exact, by_hand, within], end) is exact
    assert chosen([newer, near, exact], end) is newer
    doubtful = replace(exact, status=RawStatus.DISTORTED)
    assert chosen([within, doubtful], end) is doubtful, "what is exactly of the boundary counts, whatever its status"
    even = [shown(end + timedelta(hours=9), 1), shown(end - timedelta(hours=9), 2)]
    assert chosen(even, end) is even[1]
    assert chosen([shown(end + timedelta(hours=36, seconds=1), 1)], end) is None
    assert chosen([shown(end - timedelta(hours=36), 1)], end) is not None


HOURS = st.integers(-36, 36)
BOUNDARIES = [midnight(2026, month) for month in range(1, 13)]


@given(st.lists(st.tuples(HOURS, st.integers(0, 500)), min_size=12, max_size=12), st.data())
def test_months_add_up_to_last_less_first(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    value, states = 1000, list[State]()
    for at, (hours, more) in zip(BOUNDARIES, steps, strict=True):
        value += more
        states.append(shown(at + timedelta(hours=hours), value, len(states) + 1))
    mixed = data.draw(st.permutations(states))
    register = Register(POINT, lambda _at: mixed, lambda _first, _last: mixed)
    found = [advanced(register, *span)[0] for span in pairwise(BOUNDARIES)]
    assert all(one.status is RawStatus.TRUE for one in found)
    assert sum((one.amount or 0 for one in found), Decimal(0)) == value - states[0].value
