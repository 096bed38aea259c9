"""Which days are comparable: classes of days, and the interval of one day that belongs to an interval of another.

Rules: pure; days are those of legal time. Each weekday is a class of its own, Saturday too; Sundays and public holidays
are one class together (requirements U7, DEC3). Intervals of two days belong together when the wall clock shows the same
at their start: the hour that the spring leaves out belongs to none, both hours of the autumn to the one of other days.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from gatewayd.holidays import is_holiday
from gatewayd.legal_time import PRAGUE, imaginary

WEEK = 7
_DAY = timedelta(days=1)


class DayClass(IntEnum):
    """What kind of day it is; the numbers are those of `date.weekday()`."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    REST = 6
    """Sunday, or a public holiday on whatever day."""

    @property
    def text(self) -> str:
        """For people: what the comparable days are called."""
        return "Sundays and holidays" if self is DayClass.REST else f"{self.name.capitalize()}s"


def day_class(day: date, holiday: Callable[[date], bool] = is_holiday) -> DayClass:
    """The class of a day."""
    return DayClass.REST if holiday(day) else DayClass(day.weekday())


@lru_cache(maxsize=256)
def comparable_days(day: date, weeks: int, holiday: Callable[[date], bool] = is_holiday) -> tuple[date, ...]:
    """The days of the same class in the weeks before, the newest first."""
    wanted = day_class(day, holiday)
    before = (day - n * _DAY for n in range(1, weeks * WEEK + 1))
    return tuple(one for one in before if day_class(one, holiday) is wanted)


def later_days(day: date, weeks: int, holiday: Callable[[date], bool] = is_holiday) -> tuple[date, ...]:
    """The days to which this one is comparable, in the weeks after, the next first."""
    wanted = day_class(day, holiday)
    after = (day + n * _DAY for n in range(1, weeks * WEEK + 1))
    return tuple(one for one in after if day_class(one, holiday) is wanted)


def twin(end: datetime, length: timedelta, day: date, zone: ZoneInfo = PRAGUE) -> datetime | None:
    """The end of the interval of another day at whose start the wall clock shows what it showed at the start of this
    one; of two the first, unless this one is a second itself; None where that day leaves it out. In UTC."""
    start = (end - length).astimezone(zone)
    local = datetime.combine(day, start.timetz())
    return None if imaginary(local) else local.astimezone(UTC) + length
