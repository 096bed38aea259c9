"""The days of which there can be values, and that nothing around them meets the end of the calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from gatewayd.legal_time import GAS_DAY_START, day_bounds, legal_day
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.era import (
    BEGIN,
    END,
    FIRST,
    LAST,
    day_of_era,
    in_era,
    instant_in_era,
    instant_of_era,
    month_of_era,
)
from gatewayd.metering.plan import Dirty

YEAR = timedelta(days=366)


@pytest.mark.parametrize("zone", ["Europe/Prague", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("day", [FIRST, LAST])
def test_there_is_room_around_each_of_them(day: date, zone: str) -> None:
    for other in (day - YEAR, day, day + YEAR):
        for bounds in (day_bounds(other, ZoneInfo(zone), GAS_DAY_START), month_bounds(other, ZoneInfo(zone))):
            assert all(abs(legal_day(at, ZoneInfo(zone)) - other) < timedelta(days=40) for at in bounds)


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date(2200, 1, 1), date.max])
def test_other_days_are_none_and_are_refused_in_words(day: date) -> None:
    dirty = Dirty()
    dirty.add("north", day)
    assert not in_era(day) and not len(dirty)
    with pytest.raises(ValueError, match="expected one from 1970-01-01 to 2199-12-31"):
        day_of_era(day)
    with pytest.raises(ValueError, match="expected one from 1970-01 to 2199-12"):
        month_of_era(day.replace(day=1))


def test_instants_are_the_ends_of_intervals() -> None:
    assert [instant_in_era(at) for at in (BEGIN, BEGIN + timedelta(minutes=15), END, END + timedelta(minutes=15))] == [
        False,
        True,
        True,
        False,
    ]
    with pytest.raises(ValueError, match="no time of metering"):
        instant_of_era(datetime.max.replace(tzinfo=UTC))
