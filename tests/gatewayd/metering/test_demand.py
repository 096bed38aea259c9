"""Mean power and maximum demand."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings

from gatewayd.legal_time import QUARTER, day_bounds
from gatewayd.metering.aggregate import aggregate, month_bounds, spans
from gatewayd.metering.demand import highest, maxima, maximum_code, mean_power, power_of, power_unit
from gatewayd.metering.values import Layer, Method, Series, Value
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.series_made import AUTUMN, SPRING, SUMMER, changed, channel, day_of, some_days, value

HOUR = timedelta(hours=1)


def of_day(series: Series) -> Value:
    (made,) = maxima(series, [day_bounds(SUMMER)]).values
    return made


@pytest.mark.parametrize(
    ("amount", "seconds", "power"),
    [("25", 900, "100"), ("25", 3600, "25"), ("0.0005", 900, "0.002"), ("24", 86400, "1"), ("-3", 900, "-12")],
)
def test_mean_power_is_energy_by_the_real_length(amount: str, seconds: int, power: str) -> None:
    assert mean_power(Decimal(amount), seconds) == Decimal(power)


def test_days_of_a_change_of_the_clock_have_their_own_length() -> None:
    for day, hours in ((SPRING, 23), (AUTUMN, 25)):
        (made,) = aggregate(day_of(day, "0.25"), Layer.DAY, spans(Layer.DAY, day, day)).values
        assert power_of(made) == 1
        assert made.seconds == hours * 3600
    assert power_of(value(day_bounds(SUMMER)[1], None)) is None
    assert str(mean_power(Decimal(1), 23 * 3600)) == "0.04347826086956521739130434782608695652174"  # 40 digits


def test_units_of_power() -> None:
    assert [power_unit(unit) for unit in ("Wh", "kWh", "MWh", "kvarh", "kVAh")] == ["W", "kW", "MW", "kvar", "kVA"]
    assert power_unit("m3") == "m3/h"


def test_codes_of_maxima() -> None:
    codes = ["1-0:1.29.0", "1-0:1.8.2", "1-1:41.29.0", "7-0:3.0.0"]
    made = [str(maximum_code(Obis.parse(code))) for code in codes]
    assert made == ["1-0:1.6.0*255", "1-0:1.6.2*255", "1-1:41.6.0*255", "7-0:3.0.0*255"]


def test_the_maximum_names_the_end_of_the_first_of_equal_intervals() -> None:
    series = day_of(SUMMER, ["1", "3", "2", "3"] * 24)
    made = of_day(series)
    assert (str(made.amount), made.instant, made.status) == ("12", series.values[1].at, RawStatus.TRUE)
    assert (made.at, made.seconds) == (day_bounds(SUMMER)[1], 86400)
    assert made.reason == "the highest mean power of 96 intervals"
    found = maxima(series, [day_bounds(SUMMER)])
    assert (str(found.channel.obis), found.channel.unit, found.layer) == ("1-0:1.6.0*255", "kW", Layer.MAXIMUM)


def test_the_maximum_of_hours_is_another_one() -> None:
    series = day_of(SUMMER, ["1", "9", "1", "1"] + ["4"] * 4 + ["0"] * 88)
    hours = aggregate(series, Layer.EVALUATION, spans(Layer.EVALUATION, SUMMER, SUMMER, evaluation=HOUR))
    assert of_day(series).amount == 36
    assert (of_day(hours).amount, of_day(hours).instant) == (Decimal(16), series.values[7].at)


def test_power_and_not_energy_is_compared() -> None:
    hours, quarters = day_of(SUMMER, "8", period=HOUR).values, day_of(SUMMER, "3").values
    mixed = Series(channel(), Layer.INTERVAL, (*hours[:1], *quarters[4:]))
    assert (of_day(mixed).amount, of_day(mixed).instant) == (Decimal(12), quarters[4].at)
    best = highest([value(hours[0].at, "12", seconds=3600), value(quarters[4].at, "3")])
    assert best is not None
    assert best[1].at == hours[0].at  # equal: the first


def test_negative_power_has_a_maximum_too() -> None:
    assert of_day(day_of(SUMMER, ["-3", "-2"])).amount == -8
    assert of_day(day_of(SUMMER, "0")).amount == 0


def test_what_could_have_been_higher_shows_in_the_status() -> None:
    series = day_of(SUMMER, ["1", "3", "2", "2"] * 24)
    at = series.values[40].at
    substitute = changed(series, at, value(at, "1", RawStatus.SUBSTITUTE))
    assert (of_day(substitute).amount, of_day(substitute).status) == (Decimal(12), RawStatus.SUBSTITUTE)
    for gone in (changed(series, at, value(at, None)), Series(series.channel, series.layer, series.values[:-1])):
        made = of_day(gone)
        assert (made.amount, made.status, made.have, made.want) == (Decimal(12), RawStatus.MISSING, 95, 96)
        assert made.reason == "the highest mean power of 95 of 96 intervals"


def test_there_is_no_maximum_of_nothing() -> None:
    made = of_day(Series(channel(), Layer.INTERVAL, ()))
    assert (made.amount, made.status, made.instant, made.method) == (None, RawStatus.MISSING, None, Method.NONE)
    assert (made.have, made.want) == (0, 96)


@settings(max_examples=25, deadline=None)
@given(some_days())
def test_the_maximum_is_one_of_the_values_and_none_is_higher(series: Series) -> None:
    if not series.values:
        return
    start, end = month_bounds((series.values[0].at - QUARTER).date())
    inside = [one for one in series.values if start < one.at <= end]
    (made,) = maxima(series, [(start, end)]).values
    amounts = [one.amount for one in inside if one.amount is not None]
    assert made.amount == max(amounts, default=None)
    if made.instant is not None:
        assert next(one.at for one in inside if one.amount == made.amount) == made.instant
    assert made.inputs == tuple(sorted({seq for one in inside for seq in one.inputs}))


def test_the_context_of_a_value_is_kept() -> None:
    series = day_of(SUMMER, "1")
    flagged = msgspec.structs.replace(series.values[3], rules=("zero",))
    assert of_day(changed(series, flagged.at, flagged)).rules == ("zero",)
