"""Virtual points: sums, differences and nested definitions, what is missing of them, and circles."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import day_bounds, legal_day
from gatewayd.metering.aggregate import aggregate, spans, touched
from gatewayd.metering.algebra import times
from gatewayd.metering.values import Channel, Layer, Method, Series, Value
from gatewayd.metering.virtual import Term, Virtual, combined, computed, cycle, in_order
from gatewayd.model import RawStatus
from tests.gatewayd.metering.series_made import (
    EXPORT,
    IMPORT,
    SUMMER,
    changed,
    channel,
    day_of,
    some_days,
    value,
    without,
)

ONE, MINUS = Decimal(1), Decimal(-1)
TOTAL = channel("total")
HOUR = timedelta(hours=1)


def virtual(point: str, *plus: str, minus: tuple[str, ...] = (), partial: bool = False) -> Virtual:
    return Virtual(point, dict.fromkeys(plus, ONE) | dict.fromkeys(minus, MINUS), partial)


def summed(*terms: tuple[Decimal, Series], partial: bool = False) -> Series:
    return combined(TOTAL, [Term(factor, series) for factor, series in terms], partial=partial)


def brief(one: Value) -> tuple[str | None, str, int, int]:
    return None if one.amount is None else str(one.amount), one.status.text, one.have, one.want


# -- sums --------------------------------------------------------------------------------------------------------------


def test_sum_difference_and_coefficients() -> None:
    north, south, own = day_of(SUMMER, "10.5", "north"), day_of(SUMMER, "4", "south"), day_of(SUMMER, "20", "own")
    made = summed((ONE, north), (Decimal("0.5"), south), (MINUS, own))
    assert len(made.values) == 96
    assert {brief(one) for one in made.values} == {("-7.5", "true", 3, 3)}
    assert made.values[0].method is Method.SUM
    assert made.values[0].seconds == 900
    assert (made.channel, made.layer) == (TOTAL, Layer.INTERVAL)
    assert made.values[0].reason == "the sum of 3 intervals"


def test_the_worst_status_wins() -> None:
    north, south = day_of(SUMMER, "1", "north"), day_of(SUMMER, "1", "south")
    at = north.values[0].at
    made = summed((ONE, north), (ONE, changed(south, at, value(at, "5", RawStatus.SUBSTITUTE))))
    assert [brief(one) for one in made.values[:2]] == [("6", "substitute", 2, 2), ("2", "true", 2, 2)]


@pytest.mark.parametrize("gone", [True, False], ids=["not there", "missing"])
def test_a_missing_input(gone: bool) -> None:
    north, south = day_of(SUMMER, "10", "north"), day_of(SUMMER, "4", "south")
    at = south.values[3].at
    holed = without(south, at) if gone else changed(south, at, value(at, None))
    whole, part = (summed((ONE, north), (MINUS, holed), partial=partial).values[3] for partial in (False, True))
    assert brief(whole) == (None, "missing", 1, 2)
    assert whole.reason == "only 1 of 2 intervals are there: nothing, or not all, of south"
    assert brief(part) == ("10", "missing", 1, 2)
    assert part.reason == "the sum of 1 of 2 intervals: nothing, or not all, of south"


def test_long_sums_do_not_name_everybody() -> None:
    series = [Series(channel(f"p{n}"), Layer.INTERVAL, ()) for n in range(100)]
    (made, *_) = combined(TOTAL, [Term(ONE, one) for one in series], spans(Layer.EVALUATION, SUMMER, SUMMER)).values
    assert made.reason == ("nothing of 100 intervals: nothing, or not all, of p0, p1, p2, p3, p4 and 95 more")
    assert brief(made) == (None, "missing", 0, 100)


def test_of_a_calendar_every_interval_has_a_value() -> None:
    north = day_of(SUMMER, "1", "north")
    two = spans(Layer.EVALUATION, SUMMER, SUMMER + timedelta(days=1))
    made = combined(TOTAL, [Term(ONE, north)], two)
    assert [one.at for one in made.values] == [end for _, end in two]
    assert {brief(one) for one in made.values[96:]} == {(None, "missing", 0, 1)}


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_other_units_lengths_and_layers_are_refused() -> None:
    north, hourly = day_of(SUMMER, "1", "north"), day_of(SUMMER, "1", "south", period=HOUR)
    volts = Series(Channel("south", IMPORT, "kvarh"), Layer.INTERVAL, north.values)
    days = aggregate(north, Layer.DAY, spans(Layer.DAY, SUMMER, SUMMER))
    with pytest.raises(ValueError, match=r"total 1-0:1\.29\.0\*255 is in kWh, point south .* in kvarh: units are not"):
        summed((ONE, north), (ONE, volts))
    with pytest.raises(ValueError, match=r"point south .* 01:00.* has 3600 s where 900 s are expected: aggregate"):
        summed((ONE, north), (ONE, hourly))
    with pytest.raises(ValueError, match="has 900 s where 3600 s"):
        combined(TOTAL, [Term(ONE, north)], spans(Layer.EVALUATION, SUMMER, SUMMER, evaluation=HOUR))
    with pytest.raises(ValueError, match="layer 'day' and 'interval' cannot be added up"):
        summed((ONE, north), (ONE, days))
    with pytest.raises(ValueError, match="maxima are those of the sum"):
        summed((ONE, Series(channel(), Layer.MAXIMUM, ())))
    with pytest.raises(ValueError, match="nothing to make it of"):
        summed()


# -- definitions -------------------------------------------------------------------------------------------------------


def test_definitions_come_behind_what_they_need_in_any_order() -> None:
    chain = [virtual("a", "b", "c"), virtual("b", "c", "meter"), virtual("c", "meter"), virtual("d", "x")]
    for order in permutations(chain):
        found = [one.point for one in in_order(order)]
        assert sorted(found) == ["a", "b", "c", "d"]
        assert found.index("c") < found.index("b") < found.index("a")
    assert cycle(chain) == ()


def test_a_circle_is_named() -> None:
    round_about = [
        virtual("site", "north", "total"),
        virtual("total", "hall"),
        virtual("hall", "shop", minus=("total",)),
    ]
    assert cycle(round_about) == ("total", "hall", "total")
    with pytest.raises(ValueError, match="circle: total -> hall -> total; take total out of the sum of hall"):
        in_order(round_about)
    with pytest.raises(ValueError, match="circle: own -> own; take own out of the sum of own"):
        in_order([virtual("own", "own")])
    with pytest.raises(ValueError, match="the virtual point a is defined twice"):
        in_order([virtual("a", "b"), virtual("a", "c")])


def test_a_thousand_points_one_upon_the_other() -> None:
    chain = [virtual(f"p{n}", f"p{n + 1}", "meter") for n in range(1000)]
    assert [one.point for one in in_order(chain)] == [f"p{n}" for n in reversed(range(1000))]
    assert len(cycle([*chain, virtual("p1000", "p0")])) == 1002


def test_nested_points() -> None:
    meters = [day_of(SUMMER, text, point) for text, point in (("1", "north"), ("2", "south"), ("0.5", "own"))]
    defined = [virtual("net", "site", minus=("own",)), virtual("site", "north", "south")]
    site, left = computed(defined, meters)
    assert (site.channel.point, brief(site.values[0])) == ("site", ("3", "true", 2, 2))
    assert (left.channel.point, brief(left.values[0])) == ("net", ("2.5", "true", 3, 3))
    assert left.values[0].inputs == site.values[0].inputs  # these meters' inputs are the times


def test_a_part_that_is_missing_goes_through_all_steps() -> None:
    north, south = day_of(SUMMER, "1", "north"), day_of(SUMMER, "2", "south")
    at = south.values[0].at
    holed = without(south, at)
    for inner, outer, expected in (
        (True, True, ("2", "missing", 2, 3)),
        (True, False, (None, "missing", 2, 3)),
        (False, True, ("1", "missing", 2, 3)),
    ):
        defined = [virtual("site", "north", "south", partial=inner), virtual("all", "site", "north", partial=outer)]
        made = computed(defined, [north, holed])[1].values[0]
        if inner or not outer:
            assert brief(made) == expected
        else:
            assert (made.amount, made.status) == (Decimal(1), RawStatus.MISSING)


def test_only_codes_that_all_points_have() -> None:
    north, south = day_of(SUMMER, "1", "north"), day_of(SUMMER, "2", "south")
    given_back = Series(channel("north", EXPORT), Layer.INTERVAL, north.values)
    assert [
        str(one.channel.obis) for one in computed([virtual("site", "north", "south")], [north, south, given_back])
    ] == ["1-0:1.29.0*255"]
    nothing_yet = Series(channel("south", EXPORT), Layer.INTERVAL, ())
    made = computed([virtual("site", "north", "south")], [north, south, given_back, nothing_yet])
    assert [brief(one.values[0]) for one in made] == [("3", "true", 2, 2), (None, "missing", 1, 2)]


# -- properties --------------------------------------------------------------------------------------------------------

factors = st.decimals(-1000, 1000, places=2)


def scaled(series: Series, factor: Decimal) -> Series:
    values = tuple(
        value(one.at, None if one.amount is None else times(one.amount, factor), one.status, one.seconds)
        for one in series.values
    )
    return Series(series.channel, series.layer, values)


def amounts_of(series: Series) -> list[tuple[Decimal | None, RawStatus]]:
    return [(one.amount, one.status) for one in series.values]


@settings(max_examples=25, deadline=None)
@given(some_days("north"), some_days("south"), factors, factors, factors, st.booleans())
def test_virtual_points_are_linear(
    one: Series, other: Series, first: Decimal, second: Decimal, common: Decimal, partial: bool
) -> None:
    """k (a x + b y) = (ka) x + (kb) y = a (kx) + b (ky); and coefficients add up."""
    a, b, k = first, second, common
    whole = amounts_of(scaled(summed((a, one), (b, other), partial=partial), k))
    assert whole == amounts_of(summed((times(a, k), one), (times(b, k), other), partial=partial))
    assert whole == amounts_of(summed((a, scaled(one, k)), (b, scaled(other, k)), partial=partial))
    both = amounts_of(summed((a, one), (b, one), partial=partial))
    assert both == amounts_of(summed((a + b, one), partial=partial))


@settings(max_examples=25, deadline=None)
@given(some_days("north"), some_days("south"), factors, factors, st.booleans())
def test_the_sum_of_days_is_the_day_of_the_sum(
    one: Series, other: Series, first: Decimal, second: Decimal, partial: bool
) -> None:
    if not one.values or not other.values:
        return
    begin = min(legal_day(one.values[0].at), legal_day(other.values[0].at))
    end = begin + timedelta(days=3)
    calendar = touched(Layer.EVALUATION, begin, end, evaluation=HOUR)
    days = spans(Layer.DAY, begin, end)
    terms = [Term(first, one), Term(second, other)]
    of_sum = aggregate(combined(TOTAL, terms, calendar, partial=partial), Layer.DAY, days, partial=partial)
    each = [Term(term.factor, aggregate(term.series, Layer.DAY, days, partial=partial)) for term in terms]
    sum_of = combined(TOTAL, each, days, partial=partial)
    assert amounts_of(of_sum) == amounts_of(sum_of)
    assert [(value.flags, value.inputs, value.want) for value in of_sum.values] == [
        (value.flags, value.inputs, value.want) for value in sum_of.values
    ]
    assert day_bounds(begin) == days[0]
