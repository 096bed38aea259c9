"""Substitute values of profiles: what is taken, to the last digit, and when it is settled."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest

from gatewayd.legal_time import QUARTER, end_label, instant, interval_ends
from gatewayd.metering.basis import Advance, Basis, advances, disjoint
from gatewayd.metering.substitute import Substituted, substituted, used
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Channel, Layer, Method, Series, Value, missing
from gatewayd.model import Flag, RawStatus
from tests.gatewayd.metering.profiles import (
    CODE,
    CONTROL,
    DAY,
    LATER,
    POINT,
    amount,
    changed,
    distorted,
    end,
    holed,
    profile,
    without,
)

ON = SubstitutionTerms(enabled=True)
FIRST = DAY - timedelta(days=28)
WHOLE = profile(FIRST, DAY + timedelta(days=1))
NIGHT = [end(DAY, label) for label in ("02:15", "02:30", "02:45")]


def gap(first: str, count: int, day: date = DAY) -> list[datetime]:
    return [end(day, first) + n * QUARTER for n in range(count)]


def done(series: Series, terms: SubstitutionTerms = ON, day: date = DAY, **basis: object) -> dict[datetime, Value]:
    return substituted(Basis(series, **basis), day, terms, LATER).by_end()  # type: ignore[arg-type]  # by name


def amounts(values: dict[datetime, Value], ends: list[datetime]) -> list[str]:
    return [str(values[at].amount) for at in ends]


def total(ends: Iterable[datetime]) -> Decimal:
    return sum(map(amount, ends), Decimal(0))


def test_off_by_default() -> None:
    holes = holed(WHOLE, NIGHT)
    assert done(holes, SubstitutionTerms())[NIGHT[0]].status is RawStatus.MISSING
    assert substituted(Basis(holes), DAY, SubstitutionTerms(), LATER).values == tuple(
        one for one in holes.values if interval_ends(DAY)[0] <= one.at <= interval_ends(DAY)[-1]
    )


def test_a_short_gap_is_a_straight_line() -> None:
    holes = gap("02:15", 3)
    before, after = end(DAY, "02:00"), end(DAY, "03:00")
    series = changed(holed(WHOLE, holes), [
        Value(before, 900, Decimal("1.00"), RawStatus.TRUE, inputs=(7,)),
        Value(after, 900, Decimal("2.00"), RawStatus.TRUE, inputs=(11,)),
    ])  # fmt: skip
    values = done(series)
    assert amounts(values, holes) == ["1.25", "1.50", "1.75"]
    one = values[holes[0]]
    assert (one.status, one.method, one.inputs) == (RawStatus.SUBSTITUTE, Method.INTERPOLATED, (7, 11))
    assert (one.have, one.want, one.seconds) == (1, 1, 900)
    assert one.reason == (
        "straight line over 3 intervals between the true ones of 2026-11-24 02:00+01:00 and 2026-11-24 03:00+01:00; "
        "instead of missing (the meter has no row)"
    )


def test_eight_quarters_are_interpolated_and_nine_are_not() -> None:
    eight, nine = gap("09:00", 8), gap("09:00", 9)
    assert {done(holed(WHOLE, eight))[at].method for at in eight} == {Method.INTERPOLATED}
    assert {done(holed(WHOLE, nine))[at].method for at in nine} == {Method.COMPARABLE}
    terms = SubstitutionTerms(enabled=True, longest_gap=9)
    assert {done(holed(WHOLE, nine), terms)[at].method for at in nine} == {Method.INTERPOLATED}
    none = SubstitutionTerms(enabled=True, longest_gap=0)
    assert done(holed(WHOLE, nine[:1]), none)[nine[0]].method is Method.COMPARABLE


def test_hours_are_interpolated_over_as_long_a_time() -> None:
    hour = timedelta(hours=1)
    ends = [at for day in (DAY - timedelta(days=1), DAY) for at in interval_ends(day, hour)]
    whole = Series(POINT, Layer.INTERVAL, tuple(Value(at, 3600, Decimal(4), RawStatus.TRUE) for at in ends))
    for count, method in ((2, Method.INTERPOLATED), (3, Method.NONE)):
        holes = [missing(at, 3600) for at in ends[30 : 30 + count]]
        assert done(changed(whole, holes), period=hour)[ends[30]].method is method


def test_a_gap_over_midnight_is_one_gap() -> None:
    evening, morning = gap("23:30", 3), gap("00:15", 4, DAY + timedelta(days=1))
    series = holed(WHOLE, evening + morning)
    assert {done(series)[at].method for at in evening} == {Method.INTERPOLATED}
    assert {done(series, day=DAY + timedelta(days=1))[at].method for at in morning} == {Method.INTERPOLATED}
    longer = holed(series, gap("01:15", 2, DAY + timedelta(days=1)))
    assert {done(longer)[at].method for at in evening} == {Method.COMPARABLE}, "nine quarters together"


def test_the_comparable_period_is_the_median_of_the_same_weekday() -> None:
    holes = gap("09:00", 12)
    value = done(holed(WHOLE, holes))[holes[0]]
    days = [date(2026, 11, 10), date(2026, 11, 3), date(2026, 10, 27)]  # 17 November is a holiday
    there = sorted(amount(end(day, "09:00")) for day in days)
    assert value.amount == there[1] and value.method is Method.COMPARABLE
    assert value.inputs == tuple(sorted(WHOLE.by_end()[end(day, "09:00")].inputs[0] for day in days))
    assert value.reason == (
        "median of Tuesdays before at the same legal time: 2026-11-10, 2026-11-03, 2026-10-27; "
        "instead of missing (the meter has no row)"
    )


def test_an_even_median_is_the_mean_of_the_middle_two() -> None:
    holes = gap("09:00", 12)
    series = changed(holed(WHOLE, holes), [
        Value(end(date(2026, 11, 10), "09:00"), 900, Decimal("1.01"), RawStatus.TRUE),
        Value(end(date(2026, 11, 3), "09:00"), 900, Decimal("1.02"), RawStatus.TRUE),
        missing(end(date(2026, 10, 27), "09:00"), 900),
    ])  # fmt: skip
    assert str(done(series)[holes[0]].amount) == "1.015"


def test_control_metering_goes_first_where_it_is_true() -> None:
    holes = gap("02:15", 3)
    control = distorted(profile(DAY, DAY, CONTROL), holes[1])
    values = done(holed(WHOLE, holes), control=control)
    assert [values[at].method for at in holes] == [Method.CONTROL, Method.INTERPOLATED, Method.CONTROL]
    assert values[holes[0]].amount == amount(holes[0])
    assert values[holes[0]].inputs == control.by_end()[holes[0]].inputs
    assert values[holes[0]].reason == (
        "the value of the control metering north-control; instead of missing (the meter has no row)"
    )
    without_it = SubstitutionTerms(enabled=True, use_control=False)
    assert done(holed(WHOLE, holes), without_it, control=control)[holes[0]].method is Method.INTERPOLATED


def test_control_metering_in_another_unit_is_refused() -> None:
    control = Series(Channel("c", CODE, "kvarh"), Layer.INTERVAL, ())
    with pytest.raises(ValueError, match=r"north 1-0:1\.29\.0\S* is in kWh, its control metering c in kvarh"):
        Basis(WHOLE, control)


def test_a_distorted_value_is_replaced_and_its_rule_is_told() -> None:
    at = end(DAY, "09:00")
    value = done(distorted(WHOLE, at))[at]
    assert value.method is Method.INTERPOLATED and value.rules == ()
    assert value.reason.endswith("instead of distorted 9999 (above_maximum)")


@pytest.mark.parametrize("status", [RawStatus.TRUE, RawStatus.SUBSTITUTE, RawStatus.PROVISIONAL])
def test_what_is_neither_missing_nor_distorted_stays(status: RawStatus) -> None:
    at = end(DAY, "09:00")
    mine = Value(at, 900, Decimal("77.7"), status, Flag.POWER_DOWN, (3,))
    control = profile(DAY, DAY, CONTROL)
    assert done(changed(WHOLE, [mine]), control=control)[at] is mine


def test_only_true_values_are_a_basis() -> None:
    holes = gap("02:15", 3)
    beside = Value(end(DAY, "02:00"), 900, Decimal(5), RawStatus.SUBSTITUTE)
    assert "over 4 intervals" in done(changed(holed(WHOLE, holes), [beside]))[holes[0]].reason, "not true: of the gap"
    partial = Value(end(DAY, "02:00"), 600, Decimal(5), RawStatus.TRUE)
    assert "over 4 intervals" in done(changed(holed(WHOLE, holes), [partial]))[holes[0]].reason
    older = Value(end(date(2026, 11, 10), "02:15"), 900, Decimal(5), RawStatus.PROVISIONAL)
    value = done(changed(holed(WHOLE, gap("02:15", 12)), [older]))[NIGHT[0]]
    assert "2026-11-10" not in value.reason and "2026-11-03" in value.reason


def test_where_there_is_nothing_it_stays_missing() -> None:
    alone = holed(profile(DAY, DAY), gap("02:15", 12))
    assert done(alone)[NIGHT[0]] == missing(NIGHT[0], 900, "the meter has no row")
    nothing = done(without(alone, NIGHT))[NIGHT[0]]
    assert nothing.status is RawStatus.MISSING and "nothing to make a substitute of" in nothing.reason


# ------------------------------------------------------------------------------------------- known register advance


def test_a_gap_is_scaled_so_that_the_sum_is_the_advance() -> None:
    holes = gap("02:15", 3)
    truth = total(at for at in interval_ends(DAY) if at not in holes)
    advance = Advance(interval_ends(DAY)[0] - QUARTER, interval_ends(DAY)[-1], truth + 10, (5001, 5002))
    values = done(holed(WHOLE, holes), advances=(advance,))
    assert sum(one.amount or 0 for one in values.values()) == advance.amount
    assert sum(values[at].amount or 0 for at in holes) == 10
    one = values[holes[0]]
    others = {seq for at in interval_ends(DAY) if at not in holes for seq in WHOLE.by_end()[at].inputs}
    assert {5001, 5002, *others} == set(one.inputs), "the readings of the register, and all that is subtracted"
    assert f"scaled to the register advance of {advance.amount} kWh" in one.reason
    off = SubstitutionTerms(enabled=True, scale=False)
    assert sum(done(holed(WHOLE, holes), off, advances=(advance,))[at].amount or 0 for at in holes) != 10


def test_a_scaled_line_keeps_its_shape_and_rounds_where_it_harms_least() -> None:
    holes = gap("02:15", 2)
    start, stop = end(DAY, "02:00"), end(DAY, "02:45")
    neighbours = [
        Value(start, 900, Decimal(1), RawStatus.TRUE, inputs=(1,)),
        Value(stop, 900, Decimal(4), RawStatus.TRUE, inputs=(4,)),
    ]
    series = changed(holed(WHOLE, holes), neighbours)
    values = done(series, advances=(Advance(start, end(DAY, "02:30"), Decimal(10), (8, 9)),))
    assert amounts(values, holes) == ["4", "6"], "2 and 3, doubled"
    values = done(series, advances=(Advance(start, end(DAY, "02:30"), Decimal(1), (8, 9)),))
    assert amounts(values, holes) == ["0.4", "0.6"]
    values = done(changed(series, [Value(stop, 900, Decimal(1), RawStatus.TRUE)]),
                  advances=(Advance(start - QUARTER, end(DAY, "02:30"), Decimal("1.1"), (8,)),))  # fmt: skip
    assert sum(values[at].amount or 0 for at in holes) == Decimal("0.1")
    assert values[holes[0]].inputs == (1, 8), "the neighbour within the advance, and its readings"


def test_comparable_days_and_control_share_one_advance() -> None:
    holes, short = gap("09:00", 12), gap("02:15", 2)
    control = Series(CONTROL, Layer.INTERVAL, (Value(short[0], 900, Decimal("2.5"), RawStatus.TRUE, inputs=(9000,)),))
    others = total(at for at in interval_ends(DAY) if at not in {*holes, *short})
    advance = Advance(interval_ends(DAY)[0] - QUARTER, interval_ends(DAY)[-1], others + 100)
    values = done(holed(WHOLE, holes + short), control=control, advances=(advance,))
    assert values[short[0]].amount == Decimal("2.5")
    assert sum(one.amount or 0 for one in values.values()) == advance.amount
    alone = done(holed(WHOLE, holes + short))
    ratio = [Decimal(values[at].amount or 0) / Decimal(alone[at].amount or 1) for at in (*holes, short[1])]
    assert max(ratio) - min(ratio) < Decimal("0.00001"), "one factor for all that was estimated"
    assert 9000 in values[holes[0]].inputs


@pytest.mark.parametrize("less", [Decimal("0.01"), Decimal(5)])
def test_an_advance_that_others_exceed_is_not_believed(less: Decimal) -> None:
    holes = gap("02:15", 2)
    others = total(at for at in interval_ends(DAY) if at not in holes)
    advance = Advance(interval_ends(DAY)[0] - QUARTER, interval_ends(DAY)[-1], others - less)
    values = done(holed(WHOLE, holes), advances=(advance,))
    assert values[holes[0]].amount == done(holed(WHOLE, holes))[holes[0]].amount
    assert "not scaled to the register advance" in values[holes[0]].reason


def test_an_advance_with_something_unknown_in_it_says_nothing() -> None:
    series = holed(profile(DAY, DAY), gap("02:15", 2) + gap("09:00", 12))
    advance = Advance(interval_ends(DAY)[0] - QUARTER, interval_ends(DAY)[-1], Decimal(2000))
    value = done(series, advances=(advance,))[NIGHT[0]]
    alone = done(series)[NIGHT[0]]
    assert value.method is Method.INTERPOLATED and value.amount == alone.amount and value.inputs == alone.inputs
    assert "2026-11-24 24:00+01:00: not all of its intervals are known" in value.reason


def test_an_interval_of_another_length_within_an_advance_is_unknown() -> None:
    partial = Value(end(DAY, "12:00"), 600, Decimal(5), RawStatus.TRUE)
    advance = Advance(interval_ends(DAY)[0] - QUARTER, interval_ends(DAY)[-1], Decimal(2000))
    value = done(changed(holed(WHOLE, NIGHT), [partial]), advances=(advance,))[NIGHT[0]]
    assert value.amount == done(holed(WHOLE, NIGHT))[NIGHT[0]].amount
    assert "not all of its intervals are known" in value.reason


def test_of_advances_that_overlap_the_shortest_counts() -> None:
    start = NIGHT[0] - QUARTER
    long, short, beside = (Advance(start, start + n * QUARTER, Decimal(n)) for n in (9, 3, 2))
    other = Advance(start + 3 * QUARTER, start + 6 * QUARTER, Decimal(3))
    assert disjoint([long, short, other]) == (short, other) and disjoint([other, short, beside]) == (beside, other)
    assert disjoint([Advance(start, start, Decimal(0))]) == ()
    values = done(holed(WHOLE, NIGHT), advances=(long, replace(short, amount=Decimal(30))))
    assert sum(values[at].amount or 0 for at in NIGHT) == 30


def test_advances_come_of_the_states_of_a_register() -> None:
    at = [end(DAY, f"0{hour}:00") for hour in range(1, 7)]
    states = [
        Value(at[0], 0, Decimal("100.5"), RawStatus.TRUE, inputs=(1,)),
        Value(at[1], 0, Decimal("101.25"), RawStatus.TRUE, inputs=(2,)),
        Value(at[2], 0, Decimal(3), RawStatus.TRUE, inputs=(3,)),
        Value(at[3], 0, Decimal(4), RawStatus.DISTORTED, inputs=(4,)),
        Value(at[4], 0, Decimal(5), RawStatus.TRUE, inputs=(5,)),
    ]
    assert advances(reversed(states)) == (Advance(at[0], at[1], Decimal("0.75"), (1, 2)),)


# --------------------------------------------------------------------------------------------- deadline and events


def at_time(now: datetime, series: Series, waits: datetime | None = None) -> Value:
    return substituted(Basis(series), DAY, ON, now, waits=waits).by_end()[NIGHT[0]]


def test_provisional_until_the_deadline_and_settled_after_it() -> None:
    deadline = instant(DAY + timedelta(days=1), time(11))
    holes = holed(WHOLE, NIGHT)
    before, after = at_time(deadline - timedelta(seconds=1), holes), at_time(deadline, holes)
    assert (before.status, after.status) == (RawStatus.PROVISIONAL, RawStatus.SUBSTITUTE)
    assert before.amount == after.amount and before.inputs == after.inputs
    assert "provisional until 2026-11-25 11:00+01:00" in before.reason and "provisional" not in after.reason
    assert at_time(LATER, WHOLE).status is RawStatus.TRUE, "a late true value replaces both"


def test_control_metering_is_settled_at_once() -> None:
    basis = Basis(holed(WHOLE, NIGHT), profile(DAY, DAY, CONTROL))
    value = substituted(basis, DAY, ON, NIGHT[-1]).by_end()[NIGHT[0]]
    assert value.status is RawStatus.SUBSTITUTE


def test_what_nobody_has_told_missing_may_still_be_read_before_the_deadline() -> None:
    deadline = instant(DAY + timedelta(days=1), time(11))
    unread = without(WHOLE, NIGHT)
    values = substituted(Basis(unread), DAY, ON, deadline - timedelta(seconds=1)).by_end()
    assert NIGHT[0] not in values and len(values) == 93
    value = at_time(deadline, unread)
    assert value.status is RawStatus.SUBSTITUTE and value.reason.endswith("instead of nothing read")


def test_too_few_comparable_days_are_provisional_for_good() -> None:
    holes = holed(WHOLE, gap("02:15", 12))
    assert done(holes, SubstitutionTerms(enabled=True, least_days=3))[NIGHT[0]].status is RawStatus.SUBSTITUTE
    value = done(holes, SubstitutionTerms(enabled=True, least_days=4))[NIGHT[0]]
    assert value.status is RawStatus.PROVISIONAL and "fewer than 4 days" in value.reason


def test_an_event_tells_each_use_once() -> None:
    deadline = instant(DAY + timedelta(days=1), time(11))
    basis = Basis(holed(WHOLE, NIGHT[:1]))
    early = substituted(basis, DAY, ON, deadline - QUARTER)
    late = substituted(basis, DAY, ON, deadline)
    event = Substituted("north", CODE, NIGHT[0], Method.INTERPOLATED, RawStatus.PROVISIONAL)
    assert used({}, early) == (event,) and used(early.by_end(), early) == ()
    (settled,) = used(early.by_end(), late)
    assert settled.status is RawStatus.SUBSTITUTE
    assert used({}, Series(POINT, Layer.INTERVAL, WHOLE.values[:9])) == ()


@pytest.mark.parametrize(
    "wrong", [{"longest_gap": -1}, {"weeks": 53}, {"least_days": 0}, {"deadline_days": 0}, {"comparison_days": 0}]
)
def test_terms_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"substitution: {next(iter(wrong))} is .*, expected"):
        SubstitutionTerms(**wrong)  # type: ignore[arg-type]  # all of these are numbers


# ------------------------------------------------------------------------------------------ changes of the clock


@pytest.mark.parametrize(
    ("day", "count"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100)], ids=["spring", "autumn"]
)
def test_a_whole_day_on_which_the_clock_is_set(day: date, count: int) -> None:
    series = profile(day - timedelta(days=28), day + timedelta(days=1))
    values = done(holed(series, interval_ends(day)), day=day)
    assert len(values) == count and {one.method for one in values.values()} == {Method.COMPARABLE}
    labels: dict[str, set[Decimal | None]] = {}
    for at, one in values.items():
        labels.setdefault(end_label(at - QUARTER)[11:16], set()).add(one.amount)
    assert len(labels) == min(count, 96) and all(len(found) == 1 for found in labels.values()), "both hours are alike"


def test_the_hour_that_the_spring_leaves_out_has_no_comparable_day_there() -> None:
    day, spring = date(2026, 4, 5), date(2026, 3, 29)  # a week later, Easter Sunday
    series = holed(profile(day - timedelta(days=28), day + timedelta(days=1)), interval_ends(day))
    values = done(series, day=day)
    assert spring.isoformat() not in values[end(day, "02:15")].reason
    assert spring.isoformat() in values[end(day, "03:15")].reason
    assert "2026-04-03" in values[end(day, "02:15")].reason, "Good Friday is comparable to Easter Sunday"
    week = SubstitutionTerms(enabled=True, weeks=1)
    assert "legal time: 2026-04-03;" in done(series, week, day=day)[end(day, "02:15")].reason
    assert "legal time: 2026-04-03, 2026-03-29;" in done(series, week, day=day)[end(day, "03:15")].reason


def test_a_gap_over_the_change_is_as_long_as_it_was() -> None:
    day = date(2026, 10, 25)
    ends = list(interval_ends(day))
    holes = ends[8:16]  # 02:00 summer time to 03:00 winter time: eight quarters, though the clock says four
    series = profile(day - timedelta(days=1), day + timedelta(days=1))
    values = done(holed(series, holes), day=day)
    assert {values[at].method for at in holes} == {Method.INTERPOLATED}
    assert done(holed(series, ends[8:17]), day=day)[ends[8]].status is RawStatus.MISSING
