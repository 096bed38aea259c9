"""Working days and holidays, against printed calendars."""

from datetime import date, timedelta

import pytest

from gatewayd.holidays import easter, is_holiday, is_working, working_day
from gatewayd.legal_time import quarters


@pytest.mark.parametrize(
    ("year", "month", "day"),  # out of printed calendars; 1818 and 1943 are the earliest and the latest Easter there is
    [(1818, 3, 22), (1943, 4, 25), (2000, 4, 23), (2008, 3, 23), (2016, 3, 27), (2024, 3, 31), (2025, 4, 20),
     (2026, 4, 5), (2027, 3, 28), (2038, 4, 25), (2100, 3, 28)],
)  # fmt: skip
def test_easter(year: int, month: int, day: int) -> None:
    sunday = easter(year)
    assert sunday == date(year, month, day) and sunday.weekday() == 6
    assert not is_holiday(sunday), "a Sunday like another: no holiday of the act"
    assert is_holiday(sunday + timedelta(days=1)), "Easter Monday"
    assert is_holiday(sunday - timedelta(days=2)) == (year >= 2016), "Good Friday"


def test_the_holidays_of_a_year() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    assert [f"{day:%d.%m.}" for day in days if is_holiday(day)] == (
        "01.01. 03.04. 06.04. 01.05. 08.05. 05.07. 06.07. 28.09. 28.10. 17.11. 24.12. 25.12. 26.12.".split()
    )
    assert sum(map(is_working, days)) == 250


def test_working_days_leave_out_holidays() -> None:
    assert working_day(date(2026, 12, 23), 1) == date(2026, 12, 28)  # 24 to 26 are holidays, 27 is a Sunday
    assert working_day(date(2026, 11, 13), 2) == date(2026, 11, 18)  # 17 is a holiday
    assert not is_working(date(2026, 11, 28)) and is_working(date(2026, 11, 27))


def test_the_days_on_which_the_clocks_are_set_are_sundays_and_may_be_easter() -> None:
    spring, autumn = date(2024, 3, 31), date(2024, 10, 27)
    assert (quarters(spring), quarters(autumn)) == (92, 100)
    assert not is_working(spring) and not is_working(autumn)
    assert easter(2024) == spring and is_holiday(date(2024, 4, 1)) and is_working(date(2024, 4, 2))
    assert working_day(date(2024, 3, 28), 1) == date(2024, 4, 2)  # Good Friday, a weekend and Easter Monday between
