"""Statistics and completeness of a day."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.legal_time import day_bounds
from gatewayd.metering.statistics import Extreme, Statistics, completeness, statistics
from gatewayd.metering.values import Layer, Series
from gatewayd.metering.virtual import Term, combined
from gatewayd.model import RawStatus
from tests.gatewayd.metering.series_made import SPRING, SUMMER, changed, channel, day_of, value, without


def of(series: Series) -> Statistics:
    return statistics(series, *day_bounds(SUMMER))


def counts(found: Statistics) -> list[int]:
    assert [status for status, _ in found.statuses] == list(RawStatus)
    return [count for _, count in found.statuses]


def test_of_a_whole_day() -> None:
    series = day_of(SUMMER, ["1", "4", "2", "1"])
    found = of(series)
    assert (found.total, found.mean) == (Decimal(192), Decimal(8))
    assert (found.unit, found.power_unit) == ("kWh", "kW")
    assert found.highest == Extreme(Decimal(16), series.values[1].at)
    assert found.lowest == Extreme(Decimal(4), series.values[0].at)
    assert found.load_factor == Decimal("0.5")
    assert (found.have, found.want, str(found.completeness)) == (96, 96, "100.0")
    assert counts(found) == [96, 0, 0, 0, 0]


def test_a_hole_does_not_pull_the_mean_down() -> None:
    series = day_of(SUMMER, ["2"] * 90 + [None] * 2 + ["-"] * 4)
    at = series.values[0].at
    found = of(changed(series, at, value(at, "2", RawStatus.PROVISIONAL)))
    assert (found.total, found.mean, found.load_factor) == (Decimal(180), Decimal(8), Decimal(1))
    assert counts(found) == [89, 0, 1, 0, 6]
    assert (found.have, found.want, str(found.completeness)) == (90, 96, "93.7")


def test_intervals_of_a_sum_of_points_count_once_among_the_statuses() -> None:
    both = combined(channel("all"), [Term(Decimal(1), day_of(SUMMER, "2", name)) for name in ("north", "south")])
    found = of(without(both, both.values[5].at))
    assert (found.have, found.want) == (190, 192)
    assert counts(found) == [95, 0, 0, 0, 1]


def test_of_nothing() -> None:
    found = statistics(Series(channel(), Layer.INTERVAL, ()), *day_bounds(SPRING))
    assert (found.total, found.mean, found.highest, found.lowest, found.load_factor) == (None,) * 5
    assert (found.have, found.want, str(found.completeness)) == (0, 92, "0.0")
    assert counts(found) == [0, 0, 0, 0, 92]


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_there_is_no_load_factor_without_load(amount: str) -> None:
    assert of(day_of(SUMMER, amount)).load_factor is None


@given(st.integers(1, 3000), st.data())
def test_completeness_is_100_only_when_nothing_is_missing(want: int, data: st.DataObject) -> None:
    have = data.draw(st.integers(0, want))
    assert (completeness(have, want) == 100) == (have == want)


def test_completeness_of_nothing_expected() -> None:
    assert str(completeness(0, 0)) == "100.0"
    assert str(completeness(2975, 2976)) == "99.9"
