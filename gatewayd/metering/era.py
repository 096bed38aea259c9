"""The days of which there can be values: 1970 to 2199. What is beyond is the clock of a meter gone wrong, or a slip.

    in_era(day), instant_in_era(at)                           whether a legal-time day, or an instant, is one of them
    day_of_era(day), month_of_era(day), instant_of_era(at)    the same one; ValueError with the remedy for another

Rules: pure. Around each of these days there is room for days, months and comparable days in every time zone, so that
nothing that counts from one of them meets the end of the calendar (the years 1 and 9999 of the datetime module).
"""

from datetime import UTC, date, datetime

FIRST, LAST = date(1970, 1, 1), date(2199, 12, 31)
BEGIN, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""An interval that counts ends after the one and not after the other."""


def in_era(day: date) -> bool:
    """Whether there can be values of a day."""
    return FIRST <= day <= LAST


def instant_in_era(at: datetime) -> bool:
    """Whether an interval that ends then can be one that counts."""
    return BEGIN < at <= END


def day_of_era(day: date) -> date:
    """The day itself. ValueError."""
    if not in_era(day):
        raise ValueError(f"{day.isoformat()} is no day of metering; expected one from {FIRST} to {LAST}")
    return day


def month_of_era(first: date) -> date:
    """The first day of a month itself. ValueError."""
    if not in_era(first):
        raise ValueError(f"{first:%Y-%m} is no month of metering; expected one from {FIRST:%Y-%m} to {LAST:%Y-%m}")
    return first


def instant_of_era(at: datetime) -> datetime:
    """The end of an interval itself. ValueError."""
    if not instant_in_era(at):
        raise ValueError(f"{at.isoformat()} is no time of metering; expected one from {FIRST} to {LAST}")
    return at
