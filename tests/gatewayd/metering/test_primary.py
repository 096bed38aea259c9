"""Primary values: raw readings in, one value for each interval out, whatever the order."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import PRAGUE, interval_ends
from gatewayd.metering.points import Installed
from gatewayd.metering.primary import completed, primary
from gatewayd.metering.values import Layer, Method, Series, Value
from gatewayd.model import Archived, Flag, Kind, Ratio, RawStatus, ValueSide
from gatewayd.obis import Obis
from tests.gatewayd.metering.archived_rows import (
    DAY,
    ENDS,
    ENERGY,
    POWER,
    QUARTER,
    TOTAL,
    ct,
    legal,
    point,
    row,
    rows,
    told,
)

D = Decimal
TRUE, DISTORTED, MISSING = RawStatus.TRUE, RawStatus.DISTORTED, RawStatus.MISSING


def only(archived: list[Archived], *installed: Installed, **more: object) -> Series:
    (series,) = primary(point(*installed, **more), archived).series
    return series


def one(archived: list[Archived], *installed: Installed, **more: object) -> Value:
    (value,) = only(archived, *installed, **more).values
    return value


# -- what a raw value becomes ------------------------------------------------------------------------------------------
def test_raw_times_scaler_times_both_transformers_times_multiplier() -> None:
    """The example of the requirements (X4): 200/5 and 22000/100 are 8800."""
    ratio = Ratio("200/5", "22000/100")
    value = one([row(7, ENDS[0], "000.125", ratio=ratio)])
    assert value == Value(ENDS[0], 900, Decimal("1100.000"), TRUE, inputs=(7,), reason="em-1 times 8800")
    assert str(value.amount) == "1100.000"
    twice = one([row(7, ENDS[0], "125", scaler=-3, ratio=Ratio("200/5", "22000/100", Decimal(2)))])
    assert twice.amount == 2200


def test_a_meter_that_shows_primary_values_is_multiplied_by_its_multiplier_alone() -> None:
    ratio = Ratio("200/5", "22000/100", Decimal(10), ValueSide.PRIMARY)
    assert one([row(1, ENDS[0], "1.5", ratio=ratio)]).amount == 15


@pytest.mark.parametrize(
    ("text", "unit", "amount", "becomes"),
    [
        ("1250", "Wh", "1.250", "kWh"),
        ("1.25", "kWh", "1.25", "kWh"),
        ("0.00125", "MWh", "1.25", "kWh"),
        ("1250", "varh", "1.25", "kvarh"),
        ("5.0", "kW", "1.25", "kWh"),
        ("5000", "W", "1.25", "kWh"),
        ("3", "kvar", "0.75", "kvarh"),
        ("12", "m3", "12", "m3"),
        ("12", "", "12", ""),
        ("12", "GJ", "12", "GJ"),
    ],
)
def test_units(text: str, unit: str, amount: str, becomes: str) -> None:
    series = only([row(1, ENDS[0], text, unit=unit)], channels=(ENERGY,))
    assert series.values[0].amount == Decimal(amount)
    assert series.channel.unit == (becomes or "kWh")
    assert (series.layer, series.channel.point, series.channel.obis) == (Layer.INTERVAL, "north", ENERGY)


def test_no_digit_of_the_largest_counter_is_lost() -> None:
    text = "18446744073709551615"
    value = one([row(1, ENDS[0], text, unit="Wh", ratio=Ratio("200/5", "22000/100"))])
    assert value.amount == Decimal(int(text) * 8800).scaleb(-3)


def test_status_and_flags_stay() -> None:
    flags = Flag.POWER_DOWN | Flag.DST | Flag.LATE
    value = one([row(1, ENDS[0], "1.5", status=RawStatus.PROVISIONAL, flags=flags)])
    assert (value.status, value.flags, value.amount) == (RawStatus.PROVISIONAL, flags, Decimal("1.5"))


def test_what_has_no_number_is_missing_whatever_its_status() -> None:
    value = one([row(1, ENDS[0], "", status=DISTORTED, flags=Flag.BACKWARD)])
    assert (value.amount, value.status, value.flags, value.method) == (None, MISSING, Flag.BACKWARD, Method.NONE)
    gone = one([told(4, ENDS[0])])
    assert (gone.amount, gone.reason, gone.inputs) == (None, "the line failed", (4,))


# -- several readings of one interval ----------------------------------------------------------------------------------
def test_a_late_value_takes_the_place_of_the_missing_one() -> None:
    late = row(9, ENDS[0], "1.5", flags=Flag.LATE)
    value = one([told(4, ENDS[0]), late])
    assert (value.amount, value.status, value.flags, value.inputs) == (Decimal("1.5"), TRUE, Flag.LATE, (9,))
    assert one([row(4, ENDS[0], "1.5"), told(9, ENDS[0])]).amount == Decimal("1.5")


def test_of_two_values_that_differ_the_newer_one_counts_and_is_distorted() -> None:
    value = one([row(9, ENDS[0], "1.7"), row(4, ENDS[0], "1.5")])
    assert (value.amount, value.status, value.inputs) == (Decimal("1.7"), DISTORTED, (4, 9))
    assert value.flags == Flag.CONFLICT
    assert "the archive has 1.7, the newest, and 1.5 of this interval" in value.reason


def test_the_same_number_twice_is_no_conflict() -> None:
    value = one([row(4, ENDS[0], "1.5", status=DISTORTED), row(9, ENDS[0], "1.50")])
    assert (value.amount, value.status, value.inputs) == (Decimal("1.50"), TRUE, (9,))
    assert one([row(4, ENDS[0], "1.5"), row(9, ENDS[0], "1.5", flags=Flag.DST)]).inputs == (9,)


def test_two_rows_that_the_meter_calls_parts_are_added() -> None:
    """A power cut in an interval: the meter closes it, and begins it again. Both rows may have the same number."""
    parts = [row(n, ENDS[0], "0.1", flags=Flag.PARTIAL_INTERVAL, status=DISTORTED, exchange=3) for n in (4, 5)]
    value = one(parts)
    assert (value.amount, value.status, value.inputs) == (Decimal("0.2"), DISTORTED, (4, 5))
    doubled = [row(n, ENDS[0], text, flags=Flag.DUPLICATE, exchange=3) for n, text in ((4, "0.1"), (5, "0.3"))]
    assert one(doubled).amount == Decimal("0.3")


def test_rows_beside_the_grid_are_parts_of_the_interval_that_they_end_in() -> None:
    cut = ENDS[0] - timedelta(minutes=8)
    value = one([row(4, cut, "0.4"), row(5, ENDS[0], "0.5")])
    assert (value.at, value.amount, value.status) == (ENDS[0], Decimal("0.9"), DISTORTED)
    assert value.flags == Flag.PARTIAL_INTERVAL
    ratios = row(4, cut, "1", ratio=ct("100/5")), row(5, ENDS[0], "1", ratio=ct("50/5"))
    assert one(list(ratios)) == one(list(reversed(ratios)))
    lone = one([row(4, cut, "0.4")])
    assert (lone.at, lone.amount, lone.status, lone.flags) == (
        ENDS[0],
        Decimal("0.4"),
        DISTORTED,
        Flag.PARTIAL_INTERVAL,
    )


def test_a_row_that_is_off_by_seconds_is_that_of_its_interval() -> None:
    value = one([row(4, ENDS[0] + timedelta(seconds=3), "0.4")])
    assert (value.at, value.status, value.amount) == (ENDS[0], TRUE, Decimal("0.4"))


# -- which readings ----------------------------------------------------------------------------------------------------
def test_only_intervals_of_the_points_meters_and_of_its_period_are_taken() -> None:
    found = primary(
        point(),
        [
            row(1, ENDS[0], "1"),
            row(2, ENDS[1], "2", meter="em-2", obis=Obis.parse("1-0:2.29.0")),
            row(7, ENDS[1], "2", meter="em-2", seconds=3600),
            row(3, ENDS[2], "3", kind=Kind.REGISTER),
            row(4, ENDS[-1], "4", seconds=86400),
            row(5, ENDS[3], "5", obis=Obis.parse("0-0:96.10.1"), unit=""),
            row(6, ENDS[4], "6", seconds=None),
        ],
    )
    (series,) = found.series
    assert [(value.at, value.amount) for value in series.values] == [(ENDS[0], D(1)), (ENDS[4], D(6))]
    assert found.other_lengths == (86400,)


def test_channels_are_those_of_the_profile_or_the_configured_ones() -> None:
    archived = [row(1, ENDS[0], "1"), row(2, ENDS[0], "2", obis=Obis.parse("1-0:5.29.0"), unit="kvarh")]
    assert [str(one.channel.obis) for one in primary(point(), archived).series] == [
        "1-0:1.29.0*255",
        "1-0:5.29.0*255",
    ]
    wanted = (Obis.parse("1-0:5.29.0"), Obis.parse("1-0:2.29.0"))
    reactive, export = primary(point(channels=wanted), archived).series
    assert (reactive.channel.unit, len(reactive.values)) == ("kvarh", 1)
    assert (export.channel.unit, export.values) == ("kWh", ())


def test_mean_power_of_a_profile_becomes_the_energy_of_its_channel() -> None:
    series = only([row(1, ENDS[0], "6.0", obis=POWER, unit="kW")])
    assert (series.channel.obis, series.channel.unit, series.values[0].amount) == (ENERGY, "kWh", Decimal("1.50"))


def test_totals_in_the_rows_of_a_profile_become_energy_by_their_difference() -> None:
    texts = ("100.0", "100.5", "100.5", "102.0")
    archived = [row(n, ENDS[n], text, obis=TOTAL, ratio=ct("50/5")) for n, text in enumerate(texts)]
    series = only(archived)
    assert series.channel.obis == ENERGY
    assert [(value.at, value.amount, value.inputs) for value in series.values] == [
        (ENDS[1], D(5), (0, 1)),
        (ENDS[2], D(0), (1, 2)),
        (ENDS[3], D(15), (2, 3)),
    ]


def test_a_total_that_is_missing_or_goes_back_makes_no_energy() -> None:
    archived = [
        row(1, ENDS[0], "100", obis=TOTAL),
        told(2, ENDS[1], obis=TOTAL),
        row(3, ENDS[2], "101", obis=TOTAL, status=DISTORTED, flags=Flag.CLOCK_INVALID),
        row(4, ENDS[3], "99", obis=TOTAL),
        row(5, ENDS[4], "99", obis=TOTAL),
    ]
    values = only(archived).values
    assert [(value.amount, value.status) for value in values] == [
        (None, MISSING),
        (None, MISSING),
        (None, MISSING),
        (Decimal(0), TRUE),
    ]
    assert values[2].flags == Flag.CLOCK_INVALID | Flag.BACKWARD
    assert "the total goes back in it, from 101 to 99" in values[2].reason


def test_totals_of_a_cut_interval_are_not_added() -> None:
    archived = [
        row(1, ENDS[0], "100", obis=TOTAL, status=DISTORTED),
        row(2, ENDS[1] - timedelta(minutes=8), "101", obis=TOTAL),
        row(3, ENDS[1], "102", obis=TOTAL, flags=Flag.PARTIAL_INTERVAL, exchange=7),
        row(4, ENDS[1], "103", obis=TOTAL, flags=Flag.PARTIAL_INTERVAL, exchange=7),
    ]
    value = one(archived)
    assert (value.amount, value.status, value.inputs) == (D(3), DISTORTED, (1, 3, 4))
    sound = one([archived[0], row(3, ENDS[1], "102", obis=TOTAL)])
    assert (sound.amount, sound.status) == (D(2), DISTORTED)


def test_of_energy_and_totals_in_one_profile_the_energy_counts() -> None:
    archived = [
        *rows(ENDS[:2], "1.0"),
        row(10, ENDS[0], "500", obis=TOTAL),
        row(11, ENDS[1], "507", obis=TOTAL),
        row(12, ENDS[2], "509", obis=TOTAL),
    ]
    assert [value.amount for value in only(archived).values] == [1, 1, 2]


# -- ratios ------------------------------------------------------------------------------------------------------------
def test_the_ratio_that_was_archived_counts_where_the_configuration_dates_none() -> None:
    archived = [row(1, ENDS[0], "1", ratio=ct("100/5"))]
    found = primary(point(Installed("em-1", ratios=(ct("400/5"),))), archived)
    assert (found.series[0].values[0].amount, found.remarks) == (D(20), ())


def test_a_dated_ratio_of_the_configuration_counts_from_its_day_on_whatever_was_archived() -> None:
    archived = rows(ENDS[:3], "1", ratio=ct("100/5"))
    new = ct("400/5", DAY)
    found = primary(point(Installed("em-1", ratios=(ct("100/5"), new))), archived)
    assert [value.amount for value in found.series[0].values] == [80, 80, 80]
    (remark,) = found.remarks
    assert (remark.archived, remark.applied, remark.first, remark.last, remark.count) == (
        ct("100/5"),
        new,
        ENDS[0],
        ENDS[2],
        3,
    )
    assert remark.text() == (
        "point north: meter em-1 1.29.0, 3 intervals from 2026-03-03 00:15 to 2026-03-03 00:45: archived with the "
        "ratio 100/5, counted with 400/5, as the configuration says now"
    )


def test_a_ratio_that_changes_in_mid_day_splits_the_day() -> None:
    at = legal("10:15")
    installed = Installed("em-1", ratios=(ct("100/5", date(2020, 1, 1)), ct("200/5", at)))
    values = only(rows(ENDS, "1"), installed).values
    assert [value.amount for value in values] == [20] * 41 + [40] * 55
    assert {value.status for value in values} == {TRUE}
    assert [end for end in ENDS if end <= at] == list(ENDS[:41])


def test_an_interval_in_which_the_ratio_changes_is_distorted() -> None:
    at = legal("10:20")
    installed = Installed("em-1", ratios=(ct("100/5", date(2020, 1, 1)), ct("200/5", at)))
    values = only(rows(ENDS, "1"), installed).values
    (odd,) = [value for value in values if value.status is not TRUE]
    assert (odd.at, odd.status, odd.flags, odd.amount) == (legal("10:30"), DISTORTED, Flag.CONFIG_CHANGED, D(40))
    assert "the ratio changes in it, from 100/5 to 200/5" in odd.reason


@pytest.mark.parametrize("archived", [ct("100/5"), ct("200/5", legal("10:20"))])
def test_the_first_ratio_needs_no_day(archived: Ratio) -> None:
    installed = Installed("em-1", ratios=(ct("100/5"), ct("200/5", legal("10:20"))))
    value = one([row(1, legal("10:30"), "1", ratio=archived)], installed)
    assert (value.status, value.flags, value.amount) == (DISTORTED, Flag.CONFIG_CHANGED, D(40))
    assert one([row(1, legal("10:30"), "1")], Installed("em-1", ratios=(ct("200/5", legal("10:20")),))).amount == 40


def test_the_same_ratio_written_anew_changes_nothing() -> None:
    installed = Installed("em-1", ratios=(ct("100/5", date(2020, 1, 1)), ct("200/10", legal("10:20"))))
    assert {value.status for value in only(rows(ENDS, "1"), installed).values} == {TRUE}


def test_a_ratio_archived_with_an_instant_that_the_configuration_has_no_more() -> None:
    value = one([row(1, legal("10:30"), "1", ratio=ct("200/5", legal("10:20")))])
    assert (value.status, value.flags, value.amount) == (DISTORTED, Flag.CONFIG_CHANGED, D(40))
    assert one([row(1, legal("10:30"), "1", ratio=ct("200/5", legal("10:15")))]).status is TRUE


# -- meters ------------------------------------------------------------------------------------------------------------
def exchanged(at: datetime) -> tuple[Installed, Installed]:
    return Installed("em-1", ratios=(ct("100/5", date(2020, 1, 1)),)), Installed("em-7", at)


def test_after_an_exchange_values_of_the_old_meter_are_not_the_points() -> None:
    at = legal("10:15")
    old, new = rows(ENDS, "1"), rows(ENDS, "3", first=1000, meter="em-7")
    values = only([*old, *new], *exchanged(at)).values
    assert [value.amount for value in values] == [20] * 41 + [3] * 55
    assert {value.status for value in values} == {TRUE}


def test_the_interval_of_an_exchange_is_what_both_meters_have_of_it_and_distorted() -> None:
    at = legal("10:20")
    old, new = rows(ENDS[:42], "1"), rows(ENDS[41:], "3", first=1000, meter="em-7")
    values = only([*old, *new], *exchanged(at)).values
    (odd,) = [value for value in values if value.status is not TRUE]
    assert (odd.at, odd.status, odd.amount, odd.inputs) == (legal("10:30"), DISTORTED, D(23), (42, 1000))
    assert odd.flags == Flag.CONFIG_CHANGED | Flag.PARTIAL_INTERVAL
    assert odd.reason == "the meter changes in it, em-1 to em-7"
    alone = only(new, *exchanged(at)).values[0]
    assert (alone.at, alone.amount, alone.status) == (legal("10:30"), D(3), DISTORTED)
    neither = only([told(1, legal("10:30")), *new[1:]], *exchanged(at)).values[0]
    assert (neither.at, neither.amount, neither.status) == (legal("10:30"), None, MISSING)


def test_totals_of_two_meters_are_not_compared() -> None:
    at = legal("10:20")
    old = [row(n, end, str(100 + n), obis=TOTAL) for n, end in enumerate(ENDS[:41])]
    new = [row(1000 + n, end, str(n), obis=TOTAL, meter="em-7") for n, end in enumerate(ENDS[41:])]
    values = only([*old, *new], *exchanged(at)).values
    assert [value.at for value in values] == list(ENDS[1:])
    assert [value.at for value in values if value.amount is None] == [legal("10:30")]
    assert {value.amount for value in values if value.amount is not None} == {Decimal(20), Decimal(1)}


def test_before_the_first_meter_there_is_nothing() -> None:
    series = only(rows(ENDS, "1"), Installed("em-1", legal("10:20")))
    assert (series.values[0].at, series.values[0].status) == (legal("10:30"), DISTORTED)
    assert series.values[0].reason == "meter em-1 begins in it"
    assert len(series.values) == 55


# -- days --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("day", "count"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100), (DAY, 96)])
def test_days_of_changing_clocks(day: date, count: int) -> None:
    ends = interval_ends(day)
    spans = [(end - QUARTER, end) for end in ends]
    series = completed(only(rows(ends[::2], "1")), spans)
    assert len(series.values) == count
    assert [value.there for value in series.values] == [True, False] * (count // 2)
    assert series.values[1].reason == "not read yet"
    assert completed(series, spans) is series


# -- order -------------------------------------------------------------------------------------------------------------
STATUSES = st.sampled_from([TRUE, RawStatus.PROVISIONAL, DISTORTED, MISSING])
FLAGS = st.sampled_from([Flag(0), Flag.PARTIAL_INTERVAL, Flag.LATE, Flag.CLOCK_ADJUSTED | Flag.CONFLICT, Flag.NOT_READ])


@st.composite
def archives(draw: st.DrawFn) -> list[Archived]:
    made = []
    for seq in range(draw(st.integers(0, 25))):
        code, unit = draw(st.sampled_from([(ENERGY, "kWh"), (TOTAL, "Wh"), (POWER, "kW"), (ENERGY, "kvarh")]))
        made.append(
            row(
                seq,
                draw(st.sampled_from(ENDS[39:44])) + timedelta(seconds=draw(st.sampled_from([0, 0, 2, 400]))),
                draw(st.sampled_from(["1", "1.0", "2.5", "", "7"])),
                meter=draw(st.sampled_from(["em-1", "em-7", "em-9"])),
                obis=code,
                unit=unit,
                ratio=draw(st.sampled_from([ct("100/5"), ct("200/5", DAY), ct("300/5", legal("10:20"))])),
                status=draw(STATUSES),
                flags=draw(FLAGS),
                exchange=draw(st.integers(1, 3)),
            )
        )
    return made


@settings(max_examples=60, deadline=None)
@given(archives(), st.randoms(use_true_random=False), st.sampled_from(["10:15", "10:20", "10:30"]))
def test_any_order_of_the_same_readings_gives_the_same_values(
    archived: list[Archived], random: Random, at: str
) -> None:
    other = list(archived)
    random.shuffle(other)
    ratios = (ct("100/5", date(2020, 1, 1)), ct("150/5", legal("09:50")))
    there = point(Installed("em-1", ratios=ratios), Installed("em-7", legal(at)))
    found = primary(there, archived)
    assert found == primary(there, other)
    for series in found.series:
        ends = [value.at for value in series.values]
        assert ends == sorted(set(ends))
        for value in series.values:
            assert (value.amount is None) == (value.status is MISSING)
            assert value.inputs == tuple(sorted(set(value.inputs)))
            assert value.at.tzinfo is UTC and (value.at - datetime(2026, 1, 1, tzinfo=UTC)) % QUARTER == timedelta(0)


def test_the_zone_decides_when_a_dated_ratio_begins() -> None:
    installed = Installed("em-1", ratios=(ct("100/5", date(2020, 1, 1)), ct("200/5", DAY)))
    archived = [row(1, ENDS[0], "1")]
    assert primary(point(installed), archived, PRAGUE).series[0].values[0].amount == 40
    assert primary(point(installed), archived, ZoneInfo("UTC")).series[0].values[0].amount == 20
