"""COSEM date-time: twelve octets to an instant in UTC, and an instant to twelve octets (IEC 62056-6-2, date-time).

    year (2) | month | day | weekday | hour | minute | second | hundredths | deviation (2) | clock status

Rules: the octets are kept as they came. What is no time - month 13, second 60, a wildcard - is no instant, never
another one; what is a time with a doubt is an instant that says so. The deviation decides where the meter sends one;
else the zone, and in the repeated autumn hour the daylight saving bit.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, IntFlag, auto
from functools import lru_cache
from struct import Struct
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gatewayd.errors import ProtocolError
from gatewayd.legal_time import ambiguous, imaginary

OCTETS = 12
NOT_SPECIFIED = 0xFF
"""Of every octet, of the clock status too; the year has two of them."""
NO_YEAR = 0xFFFF
NO_DEVIATION = -0x8000
DAYLIGHT_SAVING_END, DAYLIGHT_SAVING_BEGIN = 0xFD, 0xFE
"""Months that are rules."""
SECOND_LAST_DAY, LAST_DAY = 0xFD, 0xFE
"""Days of the month that are rules."""
_LARGEST_DEVIATION = 840
"""Minutes. IEC 62056-6-2 says 720; legal times reach UTC+14."""
_MOMENT = timedelta(seconds=1)
_ANY_YEAR = 2026
_FIELDS = Struct(">H7BhB")


class ClockStatus(IntFlag):
    """The last octet; bits 4 to 6 are reserved and kept."""

    INVALID_VALUE = 0x01
    DOUBTFUL_VALUE = 0x02
    DIFFERENT_CLOCK_BASE = 0x04
    INVALID_CLOCK_STATUS = 0x08
    DAYLIGHT_SAVING = 0x80


class Deviation(Enum):
    """What a meter means by its deviation. UTC_MINUS_LOCAL is the standard's: -60 in Prague in winter."""

    UTC_MINUS_LOCAL = "utc-minus-local"
    LOCAL_MINUS_UTC = "local-minus-utc"
    IGNORED = "ignored"


class Reason(Enum):
    """Why there is no instant, or what is to be doubted about it."""

    WILDCARD = auto()
    """No instant: a part of the date, the hour or the minute is not specified."""
    RULE = auto()
    """No instant: last day of the month, month in which daylight saving begins or ends."""
    IMPOSSIBLE = auto()
    """No instant: no calendar and no clock has this reading, or no zone this deviation."""
    AMBIGUOUS = auto()
    """The reading happens twice and nothing says which is meant; the first is taken."""
    IMAGINARY = auto()
    """The reading is in the spring gap; taken as winter time, as on a clock that has not jumped yet."""
    SEASON = auto()
    """The daylight saving bit contradicts the deviation, or legal time where there is none; the bit is not heeded."""
    WEEKDAY = auto()
    """The day of the week is not that of the date; the date is taken."""
    NO_SECOND = auto()
    """The second is not specified; 0 is taken."""


@dataclass(frozen=True, slots=True)
class ClockRules:
    """How one meter writes times. `zone` is its legal time; `daylight_bit` false: its bit means nothing."""

    zone: ZoneInfo
    deviation: Deviation = Deviation.UTC_MINUS_LOCAL
    daylight_bit: bool = True


def base_zone(zone: ZoneInfo, clock: str) -> ZoneInfo:
    """The zone of a clock that shows `legal` time, `standard` time all the year, or `utc`. ValueError for a standard
    time that is off by a part of an hour."""
    if clock == "legal":
        return zone
    winter, _ = _offsets(zone, _ANY_YEAR)
    hours, rest = divmod(winter if clock == "standard" else timedelta(0), timedelta(hours=1))
    if rest:
        raise ValueError(f"standard time of {zone} is {winter} ahead of UTC: no whole hours")
    return ZoneInfo(f"Etc/GMT{-hours:+d}")  # POSIX counts the other way round


class Instant(NamedTuple):
    """`at` in UTC, None where there is none; `second` is the other instant that an ambiguous reading may mean."""

    at: datetime | None
    reasons: tuple[Reason, ...] = ()
    second: datetime | None = None


@dataclass(frozen=True, slots=True)
class DateTime:
    """The twelve octets and what each field says, wildcards and impossible values included. `deviation` is in minutes,
    NO_DEVIATION where not specified; `status` is None where not specified (FF)."""

    raw: bytes
    year: int
    month: int
    day: int
    weekday: int
    hour: int
    minute: int
    second: int
    hundredths: int
    deviation: int
    status: ClockStatus | None

    def instant(self, rules: ClockRules) -> Instant:
        """The instant that the meter means, or the reasons why there is none."""
        wildcard = _wildcard(self)
        if wildcard is not None:
            return Instant(None, (wildcard,))
        try:
            wall = wall_of(self)
            found = self._placed(wall, rules)
        except (ValueError, OverflowError):
            return Instant(None, (Reason.IMPOSSIBLE,))
        doubts = found.reasons
        if self.weekday not in (NOT_SPECIFIED, wall.isoweekday()):
            doubts = (*doubts, Reason.WEEKDAY)
        if self.second == NOT_SPECIFIED:
            doubts = (*doubts, Reason.NO_SECOND)
        return found._replace(reasons=doubts)

    def daylight(self, rules: ClockRules) -> bool | None:
        """Whether the meter says that daylight saving is active; None where it does not say."""
        if self.status is None or not rules.daylight_bit:
            return None
        return ClockStatus.DAYLIGHT_SAVING in self.status

    def _placed(self, wall: datetime, rules: ClockRules) -> Instant:
        """ValueError for a deviation that no zone has, OverflowError beyond the calendar."""
        if self.deviation == NO_DEVIATION or rules.deviation is Deviation.IGNORED:
            return _legal(wall, rules.zone, self.daylight(rules))
        if abs(self.deviation) > _LARGEST_DEVIATION:
            raise ValueError(f"deviation of {self.deviation} minutes")
        to_utc = timedelta(minutes=self.deviation)
        if rules.deviation is Deviation.LOCAL_MINUS_UTC:
            to_utc = -to_utc
        at = (wall + to_utc).replace(tzinfo=UTC)
        return Instant(at, _season(-to_utc, self.daylight(rules), at, rules.zone))


def wall_of(time: DateTime) -> datetime:
    """What a clock shows, without saying of which zone; 0 for seconds and hundredths that are not specified. ValueError
    for what no clock shows."""
    second = 0 if time.second == NOT_SPECIFIED else time.second
    microsecond = 0 if time.hundredths == NOT_SPECIFIED else time.hundredths * 10_000
    # A wall clock reading: deviation or zone make it an instant.
    return datetime(time.year, time.month, time.day, time.hour, time.minute, second, microsecond)  # noqa: DTZ001


def parse_date_time(octets: bytes) -> DateTime:
    """The fields of a date-time. ProtocolError unless there are twelve octets; any twelve are taken apart."""
    if len(octets) != OCTETS:
        raise ProtocolError(f"COSEM: a date-time has {OCTETS} octets, not {len(octets)}", octets)
    year, month, day, weekday, hour, minute, second, hundredths, deviation, status = _FIELDS.unpack(octets)
    stated = None if status == NOT_SPECIFIED else ClockStatus(status)
    return DateTime(octets, year, month, day, weekday, hour, minute, second, hundredths, deviation, stated)


def encode_date_time(at: datetime, rules: ClockRules, *, with_deviation: bool) -> bytes:
    """The twelve octets of an instant on the meter's clock, for the beginning and the end of a range.

    The daylight saving bit is always right, so that the repeated hour is told apart without a deviation too.
    ValueError for a naive time, a part of a hundredth, or a zone that is off by a part of a minute.
    """
    if at.tzinfo is None or at.microsecond % 10_000:
        raise ValueError(f"{at} is naive, or not a whole hundredth of a second")
    local = at.astimezone(rules.zone)
    offset = local.utcoffset()
    assert offset is not None
    minutes, rest = divmod(offset, timedelta(minutes=1))
    if rest:
        raise ValueError(f"{rules.zone} is off by {offset} at {at}")
    deviation = NO_DEVIATION
    if with_deviation:
        deviation = minutes if rules.deviation is Deviation.LOCAL_MINUS_UTC else -minutes
    status = ClockStatus.DAYLIGHT_SAVING if _is_summer(local, rules.zone) else ClockStatus(0)
    return (
        local.year.to_bytes(2)
        + bytes((local.month, local.day, local.isoweekday(), local.hour, local.minute, local.second))
        + bytes((local.microsecond // 10_000,))
        + deviation.to_bytes(2, signed=True)
        + status.to_bytes(1)
    )


def _wildcard(time: DateTime) -> Reason | None:
    """Why the fields name no single minute."""
    if time.year == NO_YEAR or NOT_SPECIFIED in (time.month, time.day, time.hour, time.minute):
        return Reason.WILDCARD
    if time.month in (DAYLIGHT_SAVING_END, DAYLIGHT_SAVING_BEGIN) or time.day in (SECOND_LAST_DAY, LAST_DAY):
        return Reason.RULE
    return None


def _legal(wall: datetime, zone: ZoneInfo, daylight: bool | None) -> Instant:
    """A reading of legal time, with what the meter says about daylight saving."""
    local = wall.replace(tzinfo=zone)
    first = local.astimezone(UTC)
    if imaginary(local):
        # 02:00 is the end of the last interval of winter on a clock that has not jumped yet; nothing else is there.
        doubtful = daylight is True or imaginary(local - _MOMENT)
        return Instant(first, (Reason.IMAGINARY,) if doubtful else ())
    if ambiguous(local):
        second = local.replace(fold=1).astimezone(UTC)
        if daylight is None:
            return Instant(first, (Reason.AMBIGUOUS,), second)
        return Instant(first if daylight else second)
    if daylight is True and ambiguous(local - _MOMENT):
        # 03:00 is the end of the last interval of summer on a clock that has not been put back yet.
        return Instant((local - _MOMENT).astimezone(UTC) + _MOMENT)
    contradicts = daylight is not None and daylight is not _is_summer(local, zone)
    return Instant(first, (Reason.SEASON,) if contradicts else ())


def _season(offset: timedelta, daylight: bool | None, at: datetime, zone: ZoneInfo) -> tuple[Reason, ...]:
    """Whether a deviation is that of the other season than the bit says: some meters leave daylight saving out of it.

    Offsets that the zone does not have in that year are a clock on another time, and no contradiction."""
    winter, summer = _offsets(zone, at.astimezone(zone).year)
    if winter == summer or daylight is None:
        return ()
    return (Reason.SEASON,) if offset == (winter if daylight else summer) else ()


def _is_summer(local: datetime, zone: ZoneInfo) -> bool:
    """By the offsets of the year, not by tzinfo.dst(): in Dublin that is negative in winter."""
    winter, summer = _offsets(zone, local.year)
    return winter != summer and local.utcoffset() == summer


@lru_cache(maxsize=256)
def _offsets(zone: ZoneInfo, year: int) -> tuple[timedelta, timedelta]:
    """The smaller and the larger offset of a year, of its first days of January and July."""
    january, july = (datetime(year, month, 1, tzinfo=zone).utcoffset() for month in (1, 7))
    assert january is not None and july is not None
    return min(january, july), max(january, july)
