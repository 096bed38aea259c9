"""Sums over time: evaluation intervals, days, months and gas days of legal time, with what is missing in them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import QUARTER, day_bounds, end_label, legal_day
from gatewayd.metering.aggregate import aggregate, cut, month_bounds, months, spans, touched
from gatewayd.metering.algebra import total
from gatewayd.metering.values import Layer, Method, Series, Value, worst
from gatewayd.model import RawStatus
from tests.gatewayd.metering.series_made import (
    AUTUMN,
    SPRING,
    SUMMER,
    channel,
    day_of,
    joined,
    some_days,
    value,
    without,
)

HOUR = timedelta(hours=1)
SUMS = [Layer.EVALUATION, Layer.DAY, Layer.GAS_DAY, Layer.MONTH]


def one_day(series: Series, day: date = SUMMER, *, partial: bool = False) -> Value:
    (made,) = aggregate(series, Layer.DAY, spans(Layer.DAY, day, day), partial=partial).values
    return made


def coverage(one: Value) -> tuple[str | None, str, int, int]:
    return None if one.amount is None else str(one.amount), one.status.text, one.have, one.want


# -- the calendar ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "quarters", "hours"), [(SPRING, 92, 23), (SUMMER, 96, 24), (AUTUMN, 100, 25)])
def test_a_day_has_the_intervals_and_seconds_of_legal_time(day: date, quarters: int, hours: int) -> None:
    made = one_day(day_of(day, "0.25"), day)
    assert coverage(made) == (str(quarters * Decimal("0.25")), "true", quarters, quarters)
    assert made.seconds == hours * 3600
    assert made.at == day_bounds(day)[1]
    assert made.method is Method.AGGREGATE
    assert made.reason == f"the sum of {quarters} intervals"
    hourly = aggregate(day_of(day, "0.25"), Layer.EVALUATION, spans(Layer.EVALUATION, day, day, evaluation=HOUR))
    assert [coverage(one) for one in hourly.values] == [("1.00", "true", 4, 4)] * hours


def test_hours_end_on_the_hour_over_a_change_of_the_clock() -> None:
    series = day_of(AUTUMN, [str(n) for n in range(100)])
    hourly = aggregate(series, Layer.EVALUATION, spans(Layer.EVALUATION, AUTUMN, AUTUMN, evaluation=HOUR))
    assert [one.amount for one in hourly.values] == [Decimal(16 * n + 6) for n in range(25)]
    assert hourly.values[2].at == datetime(2026, 10, 25, 1, tzinfo=UTC)  # 03:00 summer time, which is 02:00 again


@pytest.mark.parametrize(
    ("month", "hours"), [(date(2026, 3, 1), 743), (date(2026, 10, 9), 745), (date(2026, 2, 28), 672), (SUMMER, 720)]
)
def test_a_month_has_its_hours(month: date, hours: int) -> None:
    start, end = month_bounds(month)
    ends = [start + HOUR * (n + 1) for n in range(hours)]
    assert ends[-1] == end
    series = Series(channel(), Layer.INTERVAL, tuple(value(at, "1", seconds=3600) for at in ends))
    (made,) = aggregate(series, Layer.MONTH, spans(Layer.MONTH, month, month)).values
    assert coverage(made) == (str(hours), "true", hours, hours)
    assert made.seconds == hours * 3600


@pytest.mark.parametrize(("day", "quarters"), [(SPRING - timedelta(days=1), 92), (SUMMER, 96), (AUTUMN, 96)])
def test_a_gas_day_begins_at_six(day: date, quarters: int) -> None:
    series = joined(day_of(day, "1"), day_of(day + timedelta(days=1), "1000"))
    (made,) = aggregate(series, Layer.GAS_DAY, spans(Layer.GAS_DAY, day, day)).values
    night = 20 if quarters == 92 else 24
    assert coverage(made) == (str(72 + 1000 * night), "true", quarters, quarters)
    assert end_label(made.at).startswith(f"{day + timedelta(days=1)} 06:00")


def test_spans_of_the_layers() -> None:
    first, last = date(2026, 1, 30), date(2026, 2, 2)
    assert len(spans(Layer.DAY, first, last)) == 4
    assert len(spans(Layer.EVALUATION, first, last)) == 4 * 96
    assert (
        spans(Layer.MONTH, first, last)
        == (month_bounds(first), month_bounds(last))
        == spans(Layer.MAXIMUM, first, last)
    )
    assert months(date(2025, 12, 31), date(2026, 2, 1)) == (date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1))
    with pytest.raises(ValueError, match="'interval' is no sum over time"):
        spans(Layer.INTERVAL, first, last)


def test_a_changed_day_touches_the_gas_day_that_began_before_it() -> None:
    before = SUMMER - timedelta(days=1)
    assert touched(Layer.GAS_DAY, SUMMER, SUMMER) == spans(Layer.GAS_DAY, before, SUMMER)
    assert touched(Layer.DAY, SUMMER, SUMMER) == spans(Layer.DAY, SUMMER, SUMMER)


# -- what is missing ---------------------------------------------------------------------------------------------------


def test_the_worst_status_wins() -> None:
    for status in RawStatus:
        if status is not RawStatus.MISSING:
            bad = msgspec.structs.replace(value(day_bounds(SUMMER)[0] + QUARTER, "1", status))
            series = joined(
                Series(channel(), Layer.INTERVAL, (bad,)),
                Series(channel(), Layer.INTERVAL, day_of(SUMMER, "1").values[1:]),
            )
            assert coverage(one_day(series)) == ("96", status.text, 96, 96)


@pytest.mark.parametrize("gone", ["-", None], ids=["not there", "missing"])
def test_a_missing_quarter_makes_the_day_missing(gone: str | None) -> None:
    series = day_of(SUMMER, ["1"] * 50 + [gone] + ["1"] * 45)
    made = one_day(series)
    assert coverage(made) == (None, "missing", 95, 96)
    assert made.reason == "only 95 of 96 intervals are there"
    part = one_day(series, partial=True)
    assert coverage(part) == ("95", "missing", 95, 96)
    assert part.reason == "the sum of 95 of 96 intervals"
    assert len(made.inputs) == len(part.inputs) == (95 if gone == "-" else 96)


def test_nothing_is_missing_and_counts_like_the_calendar() -> None:
    nothing = Series(channel(), Layer.INTERVAL, ())
    for partial in (False, True):
        assert coverage(one_day(nothing, SPRING, partial=partial)) == (None, "missing", 0, 92)
    (hourly,) = aggregate(nothing, Layer.DAY, spans(Layer.DAY, AUTUMN, AUTUMN), period=HOUR).values
    assert coverage(hourly) == (None, "missing", 0, 25)
    assert hourly.method is Method.NONE
    elsewhere = day_of(SUMMER, "1", period=HOUR)
    assert coverage(one_day(elsewhere, AUTUMN)) == (None, "missing", 0, 25)  # an hour long: the series tells


def test_holes_at_the_edges_are_seen() -> None:
    ends = [one.at for one in day_of(SUMMER, "1").values]
    for gone in (ends[0], ends[-1]):
        assert coverage(one_day(without(day_of(SUMMER, "1"), gone), partial=True)) == ("95", "missing", 95, 96)


def test_sums_of_partial_sums_count_on() -> None:
    series = joined(day_of(SUMMER, ["1"] * 50 + ["-"] * 6 + ["1"] * 40), day_of(SUMMER + timedelta(days=1), "1"))
    days = aggregate(series, Layer.DAY, spans(Layer.DAY, SUMMER, SUMMER + timedelta(days=1)), partial=True)
    month = spans(Layer.MONTH, SUMMER, SUMMER)
    (made,) = aggregate(days, Layer.MONTH, month, partial=True).values
    assert coverage(made) == ("186", "missing", 186, 2880)
    assert coverage(aggregate(days, Layer.MONTH, month).values[0]) == (None, "missing", 186, 2880)


def test_a_partial_sum_is_no_whole_one_in_the_next() -> None:
    series = day_of(SUMMER, ["1"] * 50 + ["-"] + ["1"] * 45)
    hours = aggregate(series, Layer.EVALUATION, spans(Layer.EVALUATION, SUMMER, SUMMER, evaluation=HOUR), partial=True)
    assert coverage(hours.values[12]) == ("3", "missing", 3, 4)
    assert coverage(one_day(hours)) == (None, "missing", 95, 96)
    assert coverage(one_day(hours, partial=True)) == ("95", "missing", 95, 96)


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_change_of_the_metering_period_is_no_hole() -> None:
    ends = [one.at for one in day_of(SUMMER, "1", period=HOUR).values]
    morning = tuple(one for one in day_of(SUMMER, "1", period=HOUR).values if one.at <= ends[9])
    rest = tuple(one for one in day_of(SUMMER, "1").values if one.at > ends[9])
    made = one_day(Series(channel(), Layer.INTERVAL, morning + rest))
    assert coverage(made) == (str(10 + 56), "true", 66, 66)


def test_what_overlaps_is_refused() -> None:
    series = day_of(SUMMER, "1")
    twice = Series(channel(), Layer.INTERVAL, (*series.values[:4], value(series.values[3].at, "1"), *series.values[4:]))
    with pytest.raises(
        ValueError, match=r"point north 1-0:1\.29\.0\*255: the value of 900 s that ends at 2026-06-15 01:00"
    ):
        one_day(twice)


def test_a_value_that_reaches_over_an_edge_is_refused() -> None:
    days = aggregate(day_of(SUMMER, "1"), Layer.DAY, spans(Layer.DAY, SUMMER, SUMMER))
    with pytest.raises(ValueError, match="reaches over 2026-06-15 00:15"):
        aggregate(days, Layer.EVALUATION, spans(Layer.EVALUATION, SUMMER, SUMMER))
    with pytest.raises(ValueError, match="cannot be added up"):
        aggregate(days, Layer.GAS_DAY, spans(Layer.GAS_DAY, SUMMER, SUMMER))


# -- properties --------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(some_days(whole=True), st.sampled_from(SUMS))
def test_the_sum_of_the_aggregates_is_the_sum_of_the_values(series: Series, layer: Layer) -> None:
    """Whatever the layer: nothing is counted twice, nothing is lost."""
    first, last = legal_day(series.values[0].at), legal_day(series.values[-1].at)
    made = aggregate(series, layer, touched(layer, first, last, evaluation=HOUR), partial=True)
    assert total(one.amount for one in made.values if one.amount is not None) == total(
        one.amount for one in series.values if one.amount is not None
    )
    assert sum(one.have for one in made.values) == len(series.values)
    if layer in (Layer.EVALUATION, Layer.DAY):
        assert worst(made.values) is worst(series.values)


@settings(max_examples=25, deadline=None)
@given(some_days())
def test_the_sum_of_the_days_is_the_month(series: Series) -> None:
    start, end = month_bounds(SUMMER if not series.values else legal_day(series.values[0].at))
    first, last = legal_day(start + QUARTER), legal_day(end)
    for partial in (False, True):
        days = aggregate(series, Layer.DAY, spans(Layer.DAY, first, last), partial=partial)
        of_days = aggregate(days, Layer.MONTH, [(start, end)], partial=partial).values[0]
        direct = aggregate(series, Layer.MONTH, [(start, end)], partial=partial).values[0]
        assert coverage(of_days)[1:] == coverage(direct)[1:]
        assert (of_days.flags, of_days.inputs, of_days.rules) == (direct.flags, direct.inputs, direct.rules)
        assert of_days.amount == direct.amount


@settings(max_examples=25, deadline=None)
@given(some_days(), st.data())
def test_a_cut_has_every_value_once_and_all_the_time(series: Series, data: st.DataObject) -> None:
    if not series.values:
        return
    ends = [one.at for one in series.values]
    start, end = series.values[0].start, ends[-1]
    middle = data.draw(st.sampled_from(ends))
    parts = [cut(series, ends, start, middle), cut(series, ends, middle, end)]
    assert parts[0].values + parts[1].values == series.values
    for part, (begin, close) in zip(parts, [(start, middle), (middle, end)], strict=True):
        assert sum(one.seconds for one in part.values) + part.hole == (close - begin).total_seconds()
