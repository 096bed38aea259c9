"""Classes of days, and which quarter-hour of another day belongs to one: over holidays and changes of the clock."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import PRAGUE, QUARTER, end_label, interval_ends, legal_day
from gatewayd.metering.day_class import DayClass, comparable_days, day_class, later_days, twin

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 11, 24), DayClass.TUESDAY),
        (date(2026, 11, 17), DayClass.REST),  # a Tuesday, and a holiday
        (date(2026, 12, 26), DayClass.REST),  # a Saturday, and a holiday
        (date(2026, 11, 28), DayClass.SATURDAY),
        (date(2026, 4, 3), DayClass.REST),  # Good Friday
        (date(2026, 4, 6), DayClass.REST),  # Easter Monday
        (SPRING, DayClass.REST),
        (AUTUMN, DayClass.REST),
    ],
)
def test_class(day: date, expected: DayClass) -> None:
    assert day_class(day) is expected


def test_comparable_days_pass_over_holidays() -> None:
    assert comparable_days(date(2026, 11, 24), 4) == (date(2026, 11, 10), date(2026, 11, 3), date(2026, 10, 27))
    assert comparable_days(date(2026, 11, 24), 1) == (), "the Tuesday before was a holiday"
    assert comparable_days(date(2026, 11, 17), 2) == (date(2026, 11, 15), date(2026, 11, 8)), "a holiday is a Sunday"
    assert comparable_days(date(2026, 12, 27), 1) == tuple(date(2026, 12, n) for n in (26, 25, 24, 20))


def test_another_country_brings_its_own_holidays() -> None:
    assert comparable_days(date(2026, 11, 24), 1, lambda day: False) == (date(2026, 11, 17),)


@settings(max_examples=50, deadline=None)
@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)), st.integers(1, 5))
def test_later_days_are_those_to_which_a_day_is_comparable(day: date, weeks: int) -> None:
    assert all(day in comparable_days(later, weeks) for later in later_days(day, weeks))
    assert all(day in later_days(before, weeks) for before in comparable_days(day, weeks))


def quarter(day: date, label: str) -> datetime:
    (found,) = [end for end in interval_ends(day) if end_label(end).endswith(label)]
    return found


def test_the_hour_that_happens_twice_belongs_to_the_one_of_other_days() -> None:
    other = AUTUMN - WEEK
    for label in ("02:15+02:00", "02:15+01:00"):
        assert twin(quarter(AUTUMN, label), QUARTER, other) == quarter(other, "02:15+02:00")
    assert twin(quarter(other, "02:15+02:00"), QUARTER, AUTUMN) == quarter(AUTUMN, "02:15+02:00")
    later = AUTUMN + WEEK
    assert twin(quarter(later, "02:15+01:00"), QUARTER, AUTUMN) == quarter(AUTUMN, "02:15+02:00"), "the first of two"
    # The last quarter before the clock is set back starts at 02:45 and ends when the clock shows 02:00.
    assert twin(quarter(other, "03:00+02:00"), QUARTER, AUTUMN) == quarter(AUTUMN, "02:00+01:00")


def test_the_hour_that_is_left_out_belongs_to_none() -> None:
    before = SPRING - WEEK
    found = [twin(end, QUARTER, SPRING) for end in interval_ends(before)]
    assert found.count(None) == 4 and [end for end in found if end is not None] == list(interval_ends(SPRING))
    assert twin(quarter(before, "02:15+01:00"), QUARTER, SPRING) is None
    assert all(twin(end, QUARTER, before) for end in interval_ends(SPRING))


@settings(max_examples=50, deadline=None)
@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(-366, 366), st.integers(0, 91))
def test_twins_show_the_same_clock_and_are_of_that_day(day: date, apart: int, number: int) -> None:
    end, other = interval_ends(day)[number], day + timedelta(days=apart)
    found = twin(end, QUARTER, other)
    if found is not None:
        starts = [(at - QUARTER).astimezone(PRAGUE) for at in (end, found)]
        assert starts[0].time() == starts[1].time() and legal_day(found) == other
