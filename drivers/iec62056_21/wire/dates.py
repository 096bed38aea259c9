"""Times as meters write them: YYMMDDhhmm, with seconds, with a season digit before or a season letter behind.

Rules: a text that is no time is None, never a guess; the season decides in the repeated autumn hour, and where there is
none the first of the two is taken and said to be ambiguous (EDIS: 0 normal time, 1 summer time, 2 UTC; P1: W and S).
Twelve digits are YYMMDDhhmmss, and YYYYMMDDhhmm only where the first is no date or the meter is known to write so.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from drivers.iec62056_21.wire.clock import ClockKind, MeterClock, is_summer
from gatewayd.legal_time import ambiguous, imaginary

_PLAIN = re.compile(r"(?P<season>[012])?(?P<digits>[0-9]{10}(?:[0-9]{2}){0,2})(?P<letter>[SW])?")
_SPELT = re.compile(
    r"(?P<year>\d{2}(?:\d{2})?)-(?P<month>\d{2})-(?P<day>\d{2})[ ,&T]"
    r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?",
    re.ASCII,
)
_SEASON_OF_LETTER = {"S": "1", "W": "0"}
_LONG_YEARS = range(1990, 2100)
"""Years that YYYY may be in plain digits: 12 digits are no date of the year 1703."""
_MOMENT = timedelta(seconds=1)


class MeterTime(NamedTuple):
    """A meter's time as an instant in UTC; `ambiguous` where the meter did not say which of the two hours it means, or
    where its season contradicts legal time."""

    at: datetime
    ambiguous: bool


class Stamp(NamedTuple):
    """The time of a header as an instant in UTC.

    `second` is the other instant that the text may mean, in the repeated hour without a season; `doubtful` is true
    where the season contradicts legal time, or where legal time has no such reading."""

    at: datetime
    second: datetime | None = None
    doubtful: bool = False


def parse_time(
    text: str, zone: ZoneInfo, clock: ClockKind = ClockKind.LEGAL, *, season_digit: bool = True, form: str = ""
) -> MeterTime | None:
    """The instant that `text` means on the meter's clock; None for anything else, null dates included."""
    stamp = parse_stamp(text, MeterClock(clock, zone), season_digit=season_digit, form=form)
    return None if stamp is None else MeterTime(stamp.at, stamp.doubtful or stamp.second is not None)


def parse_stamp(text: str, clock: MeterClock, *, season_digit: bool = True, form: str = "") -> Stamp | None:
    """The instant that `text` means on the meter's clock; None for anything that is no time.

    `season_digit` false: the digit means nothing. `form`: how this meter writes times, for what twelve digits are. With
    a legal clock the season decides in the repeated hour and else only is doubted; a clock on standard time all the
    year or on UTC needs none, and only 2 (UTC) is heeded.
    """
    found = _wall(text, "YYYY" in form)
    if found is None:
        return None
    wall, season = found
    if not season_digit:
        season = ""
    try:
        if season == "2":
            return Stamp(wall.replace(tzinfo=UTC))
        if clock.kind is not ClockKind.LEGAL:
            return Stamp(clock.instant(wall))
        return _legal(wall.replace(tzinfo=clock.zone), season)
    except OverflowError:
        return None


def _legal(local: datetime, season: str) -> Stamp:
    first = local.astimezone(UTC)
    if imaginary(local):
        # The end of the last interval of winter is 02:00 on a clock that has not jumped yet; nothing else is there.
        return Stamp(first, doubtful=season == "1" or imaginary(local - _MOMENT))
    if ambiguous(local):
        second = local.replace(fold=1).astimezone(UTC)
        if season == "":
            return Stamp(first, second)
        return Stamp(second if season == "0" else first)
    if season == "1" and ambiguous(local - _MOMENT):
        # The end of the last interval of summer is 03:00 on a clock that has not been put back yet.
        return Stamp((local - _MOMENT).astimezone(UTC) + _MOMENT)
    zone = local.tzinfo
    assert isinstance(zone, ZoneInfo)
    return Stamp(first, doubtful=season != "" and (season == "1") is not is_summer(first, zone))


def _wall(text: str, long_year: bool) -> tuple[datetime, str] | None:
    """The wall clock reading, naive, and its season: `0`, `1`, `2`, or empty."""
    text = text.strip()
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        wall = _from_digits(plain["digits"], long_year)
        season = plain["season"] or _SEASON_OF_LETTER.get(plain["letter"] or "", "")
        return None if wall is None else (wall, season)
    spelt = _SPELT.fullmatch(text)
    if spelt is None:
        return None
    year = int(spelt["year"])
    rest = [int(spelt[name] or 0) for name in ("month", "day", "hour", "minute", "second")]
    wall = _date(2000 + year if len(spelt["year"]) == 2 else year, *rest)
    return None if wall is None else (wall, "")


def _from_digits(digits: str, long_year: bool) -> datetime | None:
    match len(digits):
        case 10:
            return _short(digits)
        case 14:
            return _long(digits)
    if long_year:
        return _long(digits) or _short(digits)
    return _short(digits) or _long(digits)


def _short(digits: str) -> datetime | None:
    year, *rest = _pairs(digits)
    return _date(2000 + year, *rest)


def _long(digits: str) -> datetime | None:
    year = int(digits[:4])
    return _date(year, *_pairs(digits[4:])) if year in _LONG_YEARS else None


def _pairs(digits: str) -> list[int]:
    return [int(digits[i : i + 2]) for i in range(0, len(digits), 2)]


def _date(year: int, month: int, day: int, hour: int, minute: int, second: int = 0) -> datetime | None:
    next_day = (hour, minute, second) == (24, 0, 0)
    try:
        wall = datetime(  # noqa: DTZ001 - a wall clock reading; it gets its zone later
            year, month, day, 0 if next_day else hour, minute, second
        )
        return wall + timedelta(days=1) if next_day else wall
    except (ValueError, OverflowError):  # no such date, or the last hours of the year 9999
        return None
