"""Legal time against an independent computation: the rule of directive 2000/84/EC instead of the zone database.

Summer time in the European Union runs from the last Sunday of March to the last Sunday of October, 01:00 UTC.
"""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.legal_time import (
    GAS_DAY_START,
    PRAGUE,
    QUARTER,
    Grid,
    ambiguous,
    day_bounds,
    days,
    end_label,
    ends_between,
    imaginary,
    instant,
    interval_ends,
    legal_day,
    quarters,
)

SPRING = date(2025, 3, 30)
AUTUMN = date(2025, 10, 26)
YEARS = range(1996, 2038)


def last_sunday(year: int, month: int) -> date:
    day = date(year, month, 31)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def offset(at: datetime) -> timedelta:
    """The offset of Prague's legal time from UTC at an instant, by the rule."""
    one = time(1, 0, tzinfo=UTC)
    begins = datetime.combine(last_sunday(at.year, 3), one)
    ends = datetime.combine(last_sunday(at.year, 10), one)
    return timedelta(hours=2 if begins <= at < ends else 1)


def midnight(day: date) -> datetime:
    """The instant at which a day of legal time begins, by the rule."""
    summer = last_sunday(day.year, 3) < day <= last_sunday(day.year, 10)
    return datetime.combine(day, time(0), tzinfo=UTC) - timedelta(hours=2 if summer else 1)


def test_the_rule_itself() -> None:
    assert (last_sunday(2025, 3), last_sunday(2025, 10)) == (SPRING, AUTUMN)
    assert (last_sunday(2026, 3), last_sunday(2026, 10)) == (date(2026, 3, 29), date(2026, 10, 25))


@pytest.mark.parametrize(
    ("day", "count"),
    [(SPRING, 92), (AUTUMN, 100), (date(2025, 3, 29), 96), (date(2025, 3, 31), 96), (date(2025, 10, 27), 96)],
)
def test_the_quarters_of_a_day(day: date, count: int) -> None:
    assert quarters(day) == len(interval_ends(day)) == count


def test_every_day_of_forty_years_begins_when_the_rule_says() -> None:
    for day in days(date(YEARS[0], 1, 1), date(YEARS[-1], 12, 30)):
        assert day_bounds(day) == (midnight(day), midnight(day + timedelta(days=1))), day


@pytest.mark.parametrize("year", YEARS)
def test_the_two_odd_days_of_every_year(year: int) -> None:
    assert quarters(last_sunday(year, 3)) == 92
    assert quarters(last_sunday(year, 10)) == 100


def test_the_months_of_the_change_have_743_and_745_hours() -> None:
    for month, hours in ((3, 743), (10, 745)):
        ends = [end for day in days(date(2025, month, 1), date(2025, month, 31)) for end in interval_ends(day)]
        assert len(ends) == hours * 4
        assert all(after - before == QUARTER for before, after in pairwise(ends))


@given(st.dates(date(1996, 1, 1), date(2037, 12, 30)))
def test_the_ends_of_a_day_follow_each_other_every_15_minutes(day: date) -> None:
    ends = interval_ends(day)
    assert ends[0] == midnight(day) + QUARTER
    assert ends[-1] == midnight(day + timedelta(days=1))
    assert all(after - before == QUARTER for before, after in pairwise(ends))
    assert {end.tzinfo for end in ends} == {UTC}
    assert {legal_day(end) for end in ends} == {day}
    assert interval_ends(day + timedelta(days=1))[0] - ends[-1] == QUARTER


@given(st.dates(date(1996, 1, 1), date(2037, 12, 30)))
def test_labels_name_every_end_once_and_end_at_24_00(day: date) -> None:
    ends = interval_ends(day)
    labels = [end_label(end) for end in ends]
    assert len(set(labels)) == len(labels)
    assert {label[:10] for label in labels} == {day.isoformat()}
    assert labels[0].startswith(f"{day.isoformat()} 00:15")
    assert labels[-1][:16] == f"{day.isoformat()} 24:00"
    for end, label in zip(ends[:-1], labels, strict=False):
        assert datetime.fromisoformat(label) == end
        assert datetime.fromisoformat(label).utcoffset() == offset(end)


def test_the_hour_that_happens_twice_is_told_apart() -> None:
    labels = [end_label(end) for end in interval_ends(AUTUMN)]
    assert labels[7:17] == [
        "2025-10-26 02:00+02:00",
        "2025-10-26 02:15+02:00",
        "2025-10-26 02:30+02:00",
        "2025-10-26 02:45+02:00",
        "2025-10-26 02:00+01:00",
        "2025-10-26 02:15+01:00",
        "2025-10-26 02:30+01:00",
        "2025-10-26 02:45+01:00",
        "2025-10-26 03:00+01:00",
        "2025-10-26 03:15+01:00",
    ]
    assert labels[-1] == "2025-10-26 24:00+01:00"


def test_the_hour_that_never_happens_has_no_label() -> None:
    labels = [end_label(end) for end in interval_ends(SPRING)]
    assert labels[6:9] == ["2025-03-30 01:45+01:00", "2025-03-30 03:00+02:00", "2025-03-30 03:15+02:00"]
    assert labels[-1] == "2025-03-30 24:00+02:00"


def test_seconds_are_written_where_there_are_any() -> None:
    assert end_label(datetime(2025, 1, 1, 11, 0, 5, tzinfo=UTC)) == "2025-01-01 12:00:05+01:00"
    assert end_label(datetime(2025, 6, 30, 22, 0, tzinfo=UTC)) == "2025-06-30 24:00+02:00"


def test_an_interval_that_ends_at_midnight_belongs_to_the_day_before() -> None:
    end = datetime(2025, 7, 14, 22, 0, tzinfo=UTC)
    assert legal_day(end) == date(2025, 7, 14)
    assert legal_day(end + timedelta(microseconds=1)) == date(2025, 7, 15)
    assert legal_day(end + QUARTER) == date(2025, 7, 15)
    assert legal_day(datetime(2024, 12, 31, 23, 0, tzinfo=UTC)) == date(2024, 12, 31)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 3, 28), 24), (date(2025, 3, 29), 23), (SPRING, 24), (date(2025, 10, 25), 25)]
)
def test_the_gas_day_begins_at_six(day: date, hours: int) -> None:
    begin, end = day_bounds(day, start=GAS_DAY_START)
    assert begin.astimezone(PRAGUE).timetz().replace(tzinfo=None) == time(6)
    assert end.astimezone(PRAGUE).date() == day + timedelta(days=1)
    assert end - begin == timedelta(hours=hours)
    ends = interval_ends(day, timedelta(hours=1), start=GAS_DAY_START)
    assert len(ends) == hours
    assert {legal_day(at, start=GAS_DAY_START) for at in ends} == {day}


def test_the_end_of_the_gas_day_belongs_to_it() -> None:
    six = datetime(2025, 7, 15, 4, 0, tzinfo=UTC)
    assert legal_day(six, start=GAS_DAY_START) == date(2025, 7, 14)
    assert legal_day(six + QUARTER, start=GAS_DAY_START) == date(2025, 7, 15)


@pytest.mark.parametrize(
    ("period", "counts"),
    [
        (timedelta(hours=1), (23, 25, 24)),
        (timedelta(minutes=30), (46, 50, 48)),
        (timedelta(minutes=5), (276, 300, 288)),
        (timedelta(minutes=1), (1380, 1500, 1440)),
    ],
)
def test_other_periods(period: timedelta, counts: tuple[int, int, int]) -> None:
    assert tuple(len(interval_ends(day, period)) for day in (SPRING, AUTUMN, date(2025, 6, 1))) == counts


def test_a_period_that_does_not_divide_the_day_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not divide"):
        interval_ends(date(2025, 6, 1), timedelta(minutes=7))
    assert len(interval_ends(date(2025, 6, 1), timedelta(hours=12))) == 2
    with pytest.raises(ValueError, match="2025-03-30"):
        interval_ends(SPRING, timedelta(hours=12))


@pytest.mark.parametrize(
    ("day", "at", "utc"),
    [
        # inside the spring gap: moved on by the gap
        (SPRING, time(1, 59), datetime(2025, 3, 30, 0, 59, tzinfo=UTC)),
        (SPRING, time(2, 0), datetime(2025, 3, 30, 1, 0, tzinfo=UTC)),
        (SPRING, time(2, 30), datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),
        (SPRING, time(3, 0), datetime(2025, 3, 30, 1, 0, tzinfo=UTC)),
        (SPRING, time(3, 30), datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),
        # inside the double hour: the first one
        (AUTUMN, time(1, 59), datetime(2025, 10, 25, 23, 59, tzinfo=UTC)),
        (AUTUMN, time(2, 0), datetime(2025, 10, 26, 0, 0, tzinfo=UTC)),
        (AUTUMN, time(2, 30), datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        (AUTUMN, time(3, 0), datetime(2025, 10, 26, 2, 0, tzinfo=UTC)),
        (date(2025, 1, 1), time(0, 5), datetime(2024, 12, 31, 23, 5, tzinfo=UTC)),
    ],
)
def test_the_instant_of_a_wall_clock_reading(day: date, at: time, utc: datetime) -> None:
    assert instant(day, at) == utc
    assert instant(day, at).tzinfo is UTC


def test_other_zones() -> None:
    assert quarters(SPRING, ZoneInfo("Europe/London")) == 92
    assert quarters(SPRING, ZoneInfo("UTC")) == 96
    assert quarters(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo")) == 92  # its midnight did not happen
    assert end_label(datetime(2025, 1, 1, tzinfo=UTC), ZoneInfo("Asia/Kolkata")) == "2025-01-01 05:30+05:30"


@pytest.mark.parametrize(("zone", "hour"), [(PRAGUE, 2), (ZoneInfo("Europe/London"), 1)])
def test_twice_and_never_are_one_hour_a_year_each(zone: ZoneInfo, hour: int) -> None:
    twice, never = [], []
    for day in days(date(2025, 1, 1), date(2025, 12, 31)):
        for quarter in range(0, 96, 1 if day in (SPRING, AUTUMN) else 8):
            local = datetime.combine(day, time(quarter // 4, quarter % 4 * 15), zone)
            assert ambiguous(local.replace(fold=1)) == ambiguous(local)
            assert imaginary(local.replace(fold=1)) == imaginary(local)
            if ambiguous(local):
                twice.append((day, local.time()))
            if imaginary(local):
                never.append((day, local.time()))
    quarters_of_the_hour = [time(hour, minute) for minute in (0, 15, 30, 45)]
    assert twice == [(AUTUMN, at) for at in quarters_of_the_hour]
    assert never == [(SPRING, at) for at in quarters_of_the_hour]


def test_days_are_both_ends_included() -> None:
    assert list(days(SPRING, SPRING)) == [SPRING]
    assert list(days(date(2024, 2, 28), date(2024, 3, 1))) == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert list(days(SPRING, SPRING - timedelta(days=1))) == []


LENGTHS = [timedelta(minutes=minutes) for minutes in (5, 15, 60, 1440)]


@pytest.mark.parametrize("period", LENGTHS)
def test_the_grid_counts_every_interval_of_three_years(period: timedelta) -> None:
    grid, daily = Grid(period), period == timedelta(days=1)
    last = grid.last(midnight(date(2025, 1, 1)))
    for day in days(date(2025, 1, 1), date(2027, 12, 31)):
        ends = (midnight(day + timedelta(days=1)),) if daily else interval_ends(day, period)
        numbers = [grid.number(end) for end in ends]
        assert numbers == list(range(last + 1, last + 1 + len(ends))), day
        assert [grid.end(number) for number in numbers if number is not None] == list(ends)
        assert grid.day(day) == (last + 1, last + len(ends))
        assert [grid.last(end) for end in ends] == numbers
        assert [grid.last(end - timedelta(microseconds=1)) for end in ends] == [
            number - 1 for number in numbers if number
        ]
        last += len(ends)


def test_ends_a_little_beside_the_grid_are_meant() -> None:
    grid, end = Grid(QUARTER), datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    number = grid.number(end)
    for seconds in (-9, -1, 1, 9):
        assert grid.number(end + timedelta(seconds=seconds)) == number
    for seconds in (-10, 10, 450):
        assert grid.number(end + timedelta(seconds=seconds)) is None
    assert grid.last(end - timedelta(seconds=1)) == (number or 0) - 1, "it has not ended yet"


def test_a_day_that_ends_by_winter_time_is_the_same_day() -> None:
    grid = Grid(timedelta(days=1))
    end = instant(date(2026, 7, 2), time(0, 0))
    number = grid.number(end)
    assert number is not None and grid.number(end + timedelta(hours=1)) == number and grid.end(number) == end
    assert grid.number(end + timedelta(hours=6)) == number, "a gas day"


def test_periods_that_have_no_grid() -> None:
    for period in (timedelta(minutes=7), timedelta(hours=2), timedelta(days=2), timedelta(0), -QUARTER):
        assert not Grid.fits(period)
        with pytest.raises(ValueError, match="no grid"):
            Grid(period)


def test_hours_of_zones_of_half_hours_end_where_people_say() -> None:
    grid = Grid(timedelta(hours=1), ZoneInfo("Asia/Kolkata"))
    end = datetime(2026, 7, 1, 2, 30, tzinfo=UTC)  # 08:00
    assert grid.number(end) is not None and grid.number(end + timedelta(minutes=30)) is None


@given(
    minutes=st.integers(0, 1_500_000),
    hours=st.integers(0, 100),
    period=st.sampled_from([*LENGTHS, timedelta(hours=6), timedelta(minutes=7)]),
)
def test_ends_between_two_instants(minutes: int, hours: int, period: timedelta) -> None:
    begin = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    end = begin + timedelta(hours=hours)
    found = ends_between(begin, end, period)
    assert list(found) == sorted(set(found)) and all(begin < at <= end for at in found)
    if period == timedelta(minutes=7):
        assert found == tuple(begin + period * n for n in range(1, (end - begin) // period + 1))
        return
    whole: list[datetime] = []
    for day in days(begin.date() - timedelta(days=1), end.date() + timedelta(days=1)):
        try:
            whole += (day_bounds(day)[1],) if period == timedelta(days=1) else interval_ends(day, period)
        except ValueError:  # six hours on a day of 23 or 25: counted from the start
            return
    assert list(found) == [at for at in whole if begin < at <= end]
