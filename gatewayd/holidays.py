"""Working days and public holidays of the Czech Republic (Act 245/2000).

Rules: pure; days are calendar days of legal time. Holidays are those of today's act for every year; Good Friday is one
since 2016. What the government decrees for a single year is not known here.
"""

from datetime import date, timedelta
from functools import lru_cache

_DAY = timedelta(days=1)
_SATURDAY = 5
_FIXED = ((1, 1), (5, 1), (5, 8), (7, 5), (7, 6), (9, 28), (10, 28), (11, 17), (12, 24), (12, 25), (12, 26))
_GOOD_FRIDAY_SINCE = 2016


def working_day(day: date, count: int) -> date:
    """The `count`-th working day after a day."""
    while count:
        day += _DAY
        count -= is_working(day)
    return day


def is_working(day: date) -> bool:
    """Whether it is a working day: Monday to Friday, and no holiday."""
    return day.weekday() < _SATURDAY and not is_holiday(day)


def is_holiday(day: date) -> bool:
    """Whether it is a public holiday, on whatever day of the week. A Sunday as such is none."""
    return (day.month, day.day) in _FIXED or day in _easter_holidays(day.year)


@lru_cache(maxsize=64)
def _easter_holidays(year: int) -> tuple[date, ...]:
    sunday = easter(year)
    friday, monday = sunday - 2 * _DAY, sunday + _DAY
    return (friday, monday) if year >= _GOOD_FRIDAY_SINCE else (monday,)


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, Meeus: Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
