"""Meters of different metering periods at one point: which intervals it has, and what their primary values are."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import PRAGUE, day_bounds, interval_ends
from gatewayd.metering.aggregate import aggregate, spans
from gatewayd.metering.periods import intervals_of
from gatewayd.metering.points import Installed, MeteringPoint, on_day, periods_of
from gatewayd.metering.primary import completed, primary
from gatewayd.metering.values import Layer, Series
from gatewayd.model import Flag, RawStatus
from tests.gatewayd.metering.archived_rows import DAY, ENDS, QUARTER, TOTAL, legal, point, row, rows

D = Decimal
HOUR = timedelta(hours=1)
BEFORE = DAY - timedelta(days=1)
HOURS = interval_ends(DAY, HOUR)
LOST = Flag.CONFIG_CHANGED | Flag.PARTIAL_INTERVAL


def changing(at: datetime, old: timedelta = HOUR, new: timedelta = QUARTER) -> MeteringPoint:
    """em-1 until then, em-7 from then on."""
    return point(Installed("em-1", period=old), Installed("em-7", at, period=new), period=new)


def of(there: MeteringPoint, archived: list) -> Series:  # type: ignore[type-arg]  # as rows() gives them
    (series,) = primary(there, archived).series
    return series


def lengths(series: Series) -> list[tuple[datetime, int]]:
    return [(one.at, one.seconds) for one in series.values]


def test_a_meter_of_quarter_hours_at_midnight_leaves_the_hours_before_it() -> None:
    hours = rows(interval_ends(BEFORE, HOUR), "1.000", seconds=3600)
    series = of(changing(day_bounds(DAY)[0]), [*hours, *rows(ENDS, "0.250", 100, meter="em-7")])
    assert lengths(series) == [(at, 3600) for at in interval_ends(BEFORE, HOUR)] + [(at, 900) for at in ENDS]
    assert {one.status for one in series.values} == {RawStatus.TRUE}
    days = aggregate(series, Layer.DAY, spans(Layer.DAY, BEFORE, DAY))
    assert [(one.amount, one.have, one.want) for one in days.values] == [(D(24), 24, 24), (D(24), 96, 96)]


def test_within_a_day_hours_and_quarter_hours_are_one_day() -> None:
    """Of what one meter sends in the time of the other one nothing counts, and mean power is that of its own length."""
    archived = [
        *rows(HOURS, "1.000", seconds=3600),
        *rows(ENDS, "1.000", 100, meter="em-7", unit="kW"),
        *rows(HOURS, "9.000", 300, meter="em-7", seconds=3600),
    ]
    found = primary(changing(legal("12:00")), archived)
    (series,) = found.series
    assert lengths(series) == [(at, 3600) for at in HOURS[:12]] + [(at, 900) for at in ENDS[48:]]
    (day,) = aggregate(series, Layer.DAY, spans(Layer.DAY, DAY, DAY)).values
    assert (day.amount, day.status, day.have, day.want) == (D(24), RawStatus.TRUE, 60, 60)
    assert found.other_lengths == (3600,)


def test_totals_of_each_meter_are_those_of_its_own_grid() -> None:
    old = [row(n, at, f"{100 + n}", obis=TOTAL, seconds=3600) for n, at in enumerate((legal("00:00"), *HOURS))]
    new = [row(100 + n, at, f"{n * 0.25}", meter="em-7", obis=TOTAL) for n, at in enumerate((legal("00:00"), *ENDS))]
    series = of(changing(legal("12:00")), [*old, *new])
    assert [one.amount for one in series.values] == [1] * 12 + [D("0.25")] * 48


@pytest.mark.parametrize(
    ("clock", "old", "new", "start", "end"),
    [
        ("10:20", HOUR, QUARTER, "10:00", "10:30"),
        ("10:15", HOUR, QUARTER, "10:00", "10:15"),
        ("10:15", QUARTER, HOUR, "10:15", "11:00"),
        ("10:20", QUARTER, HOUR, "10:15", "11:00"),
    ],
)
def test_in_the_middle_of_an_interval_nothing_is_added_up(
    clock: str, old: timedelta, new: timedelta, start: str, end: str
) -> None:
    there = changing(legal(clock), old, new)
    archived = [
        *rows(interval_ends(DAY, old), "1", seconds=int(old.total_seconds())),
        *rows(interval_ends(DAY, new), "1", 200, meter="em-7", seconds=int(new.total_seconds())),
    ]
    series = of(there, archived)
    (lost,) = (one for one in series.values if not one.there)
    assert (lost.start, lost.at, lost.status, lost.flags) == (legal(start), legal(end), RawStatus.MISSING, LOST)
    assert "em-1 to em-7, and with it the metering period" in lost.reason
    assert all(before.at == one.start for before, one in pairwise(series.values))
    assert (series.values[0].start, series.values[-1].at) == day_bounds(DAY)
    assert [(one.start, one.at) for one in series.values] == list(intervals_of(there).between(*day_bounds(DAY)))


def test_what_nobody_has_told_has_the_length_of_its_time() -> None:
    there = changing(legal("22:00"))
    series = completed(of(there, rows(HOURS[:3], "1", seconds=3600)), intervals_of(there).between(*day_bounds(DAY)))
    assert [one.seconds for one in series.values] == [3600] * 22 + [900] * 8
    assert sum(one.seconds for one in series.values if one.there) == 3 * 3600


def test_a_day_has_the_period_of_its_meters_and_the_shortest_where_it_changes() -> None:
    there = changing(legal("12:00"))
    days = (BEFORE, DAY, DAY + timedelta(days=1))
    assert [on_day(there, day).period for day in days] == [HOUR, QUARTER, QUARTER]
    assert [len(periods_of(there, *day_bounds(day))) for day in days] == [1, 2, 1]
    assert on_day(point(), DAY) == point()


def test_meters_that_follow_each_other_within_an_interval_are_one_change() -> None:
    there = point(
        Installed("em-1", period=QUARTER),
        Installed("em-7", legal("10:15"), period=HOUR),
        Installed("em-8", legal("10:40"), period=QUARTER),
    )
    found = intervals_of(there)
    spans = [(one[0], one[1]) for one in found.between(legal("09:45"), legal("11:15"))]
    clocks = ["09:45", "10:00", "10:15", "10:45", "11:00", "11:15"]
    assert spans == list(pairwise(map(legal, clocks)))
    assert dict(found.changing) == {(legal("10:15"), legal("10:45")): ("em-1", "em-7", "em-8")}


CHANGES = st.lists(st.tuples(st.integers(1, 2879), st.sampled_from([5, 15, 30, 60])), max_size=4)


@settings(max_examples=200)
@example([(601, 5), (603, 60)], DAY)
@given(CHANGES, st.sampled_from([date(2026, 3, 28), date(2026, 10, 24), DAY]))
def test_whatever_changes_when_the_intervals_follow_each_other(changes: list[tuple[int, int]], day: date) -> None:
    """Over two days, changes to the minute: no gap, nothing twice, and each end is found again."""
    begin = day_bounds(day)[0]
    end = day_bounds(day + timedelta(days=1))[1]
    later = {begin + timedelta(minutes=at): timedelta(minutes=length) for at, length in changes}
    meters = [Installed(f"em-{n}", at, period=later[at]) for n, at in enumerate(sorted(later))]
    intervals = intervals_of(point(Installed("em-x", period=HOUR), *meters), PRAGUE)
    found = intervals.between(begin, end)
    assert all(before[1] == one[0] for before, one in pairwise(found))
    assert found[0][0] <= begin and found[-1][1] <= end
    assert all(intervals.of(one[1]) == one for one in found)
