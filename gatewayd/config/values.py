"""Texts of the configuration with a form of their own: ratios, OBIS codes, telephone numbers, periods, days, starts.

Rules: each has its form in the JSON Schema, its words for messages, and becomes a value that cannot be wrong.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gatewayd.dialling import PhoneNumber
from gatewayd.legal_time import instant
from gatewayd.model import transformation
from gatewayd.obis import CURRENT, Obis

LONGEST_PERIOD = timedelta(days=31)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
ALIGNED = tuple(timedelta(minutes=each) for each in (1, 5, 10, 15, 30, 60))
"""Periods of intervals: they divide the hour, and so every legal-time day."""
ALIGNED_FORM = f"^0*(1h|{'|'.join(f'{each.seconds // 60}m|{each.seconds}s' for each in ALIGNED)})$"
"""Their spellings, for the JSON Schema."""


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAILY = "daily"
"""Instead of a weekday or a day of the month: every day."""
NONE = "none"
"""Instead of a time: none at all, where there would be one by default."""


@dataclass(frozen=True, slots=True, order=True)
class LegalTime:
    """Since when something holds: a legal-time day, from its midnight, or a time of day in it."""

    day: date
    clock: time = time(0)

    @property
    def whole(self) -> bool:
        """Whether it is a day from its midnight on."""
        return self.clock == time(0)

    @property
    def text(self) -> str:
        """As it is written."""
        if self.whole:
            return f"{self.day}"
        return f"{self.day} {self.clock:%H:%M:%S}" if self.clock.second else f"{self.day} {self.clock:%H:%M}"

    def at(self, zone: ZoneInfo) -> datetime:
        """The instant, in UTC; of an hour that comes twice the first one."""
        return instant(self.day, self.clock, zone)

    def begins(self, zone: ZoneInfo) -> date | datetime:
        """The day, or the instant with the offset of legal time (gatewayd.model.Ratio)."""
        if self.whole:
            return self.day
        local = self.at(zone).astimezone(zone)
        return local.replace(tzinfo=timezone(local.utcoffset() or timedelta()))


EVER = LegalTime(date(1970, 1, 1))
"""Since when something holds that does not say so."""
_SINCE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?", re.ASCII)
_SINCE_WORDS = "a date such as 2024-05-01, or one with a time of day such as 2026-03-03 10:15"


def legal_time(text: str) -> LegalTime:
    """`2024-05-01` and `2026-03-03 10:15`; ValueError for anything else."""
    match = _SINCE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return LegalTime(date.fromisoformat(match[1]), time.fromisoformat(match[2]) if match[2] else time(0))
    except ValueError:
        raise ValueError(f"is not {_SINCE_WORDS}") from None


def _since(text: object) -> object:
    return legal_time(text) if isinstance(text, str) else text


_ABSTRACT = 94
"""Group C of general and service objects begins here; below stand quantities."""
_CHANNEL = re.compile(r"([01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])-([01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])", re.ASCII)
_SHARES = "A-B of the point's codes such as 1-1, or whole codes such as 1-1:1.8.0"


def minutes(period: timedelta) -> str:
    """`15m`: how one of them is written."""
    return f"{period.seconds // 60}m"


def written(period: timedelta) -> str:
    """`3d`, `60m`, `9s`: any period of whole seconds as it is written in the file."""
    seconds = int(period.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0 and seconds and (unit != "h" or seconds > size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _pair(text: str) -> str:
    if text:
        try:
            transformation(text)
        except ValueError:
            raise ValueError("is not a ratio; expected primary/secondary such as 200/5") from None
    return text


def _code(text: object) -> object:
    if isinstance(text, str):
        try:
            return Obis.parse(text)
        except ValueError:
            raise ValueError("is not an OBIS code; expected one such as 1-0:1.8.0, 1.8.0 or C.1.0") from None
    return text


def _number(text: object) -> object:
    return PhoneNumber(text) if isinstance(text, str) else text


def _all(value: object) -> object:
    if value == "all":
        return ()
    if value == []:
        raise ValueError("is an empty list; write 'all' for everything that the meter offers")
    return value


def _period(every: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= every <= LONGEST_PERIOD:
        raise ValueError("is not a period from 1s to 31d")
    return every


def _fill(every: timedelta) -> timedelta:
    if not timedelta(hours=1) <= every <= timedelta(days=366):
        raise ValueError("is not a period from 1h to 366d")
    return every


def _spread(period: timedelta) -> timedelta:
    if not timedelta(0) <= period <= timedelta(hours=6):
        raise ValueError("is not a period from 0s to 6h")
    return period


def _metering(period: timedelta) -> timedelta:
    if not timedelta(minutes=1) <= period <= _HOUR or _HOUR % period or period % timedelta(minutes=1):
        raise ValueError("is not a metering period; expected one that divides the hour, such as 15m")
    return period


def _profile_period(period: timedelta) -> timedelta:
    if period == _DAY:
        return period
    try:
        return _metering(period)
    except ValueError:
        raise ValueError(
            "is not the period of a profile; expected one that divides the hour, such as 15m, or 1d"
        ) from None


def _evaluation(period: timedelta) -> timedelta:
    if period not in (timedelta(minutes=15), _HOUR):
        raise ValueError("is not an evaluation interval; expected 15m or 60m")
    return period


def _profile(code: Obis) -> Obis:
    if code.a and code.c < _ABSTRACT:
        raise ValueError("is the code of a quantity; expected that of a load profile or log such as 1-0:99.1.0 or P.01")
    return code


def _channels(value: object) -> object:
    if value == []:
        raise ValueError("is an empty list; expected OBIS codes such as 1-0:1.29.0, or leave the key out")
    return value


def _shares(value: object) -> object:
    if value == []:
        raise ValueError(f"is an empty list; expected {_SHARES}")
    return value


Own = tuple[int, int] | Obis
"""What is a metering point's own behind a registrar: all codes of A and B, or one code."""


def own_codes(text: str) -> Own:
    """`1-1` and `1-1:1.8.0`; ValueError for anything else."""
    if pair := _CHANNEL.fullmatch(text):
        return int(pair[1]), int(pair[2])
    try:
        return Obis.parse(text)
    except ValueError:
        raise ValueError("is neither A-B of OBIS codes such as 1-1 nor a code such as 1-1:1.8.0") from None


def _share(text: object) -> object:
    return own_codes(text) if isinstance(text, str) else text


def _some(value: object) -> object:
    if value == []:
        raise ValueError("is an empty list; expected OBIS codes of totals such as 1-0:1.8.0")
    return value


def _total(code: Obis) -> Obis:
    if (code.a, code.d, code.f) != (1, 8, CURRENT):
        raise ValueError("is not a total of electric energy; expected one such as 1-0:1.8.0 or 1-0:2.8.1")
    return code


def _span(value: Decimal) -> Decimal:
    if value != value.to_integral_value():
        raise ValueError("is not a whole number; expected the range of the register such as 1000000")
    return value


Start = Annotated[
    Literal["now", "beginning"] | date,
    WithJsonSchema(
        {
            "anyOf": [{"enum": ["now", "beginning"]}, {"type": "string", "format": "date"}],
            "x-expected": "now, beginning or a day such as 2026-11-01",
        }
    ),
]
Since = Annotated[
    LegalTime,
    BeforeValidator(_since),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?)?$",
            "x-expected": _SINCE_WORDS,
        }
    ),
]
"""A legal-time day, or an instant of legal time."""
DAWN = date(1970, 1, 1)
"""The first day of what holds always."""
FromDay = Annotated[
    date, WithJsonSchema({"type": "string", "format": "date", "x-expected": "a day such as 2024-05-01"})
]
"""A legal-time day."""
Pair = Annotated[
    str,
    AfterValidator(_pair),
    Field(json_schema_extra={"pattern": r"^( *[0-9]+(\.[0-9]+)? */ *[0-9]+(\.[0-9]+)? *)?$"}),
]
Code = Annotated[
    Obis,
    BeforeValidator(_code),
    WithJsonSchema({"type": ["string", "number"], "x-expected": "an OBIS code such as 1-0:1.8.0"}),
]
Phone = Annotated[
    PhoneNumber,
    BeforeValidator(_number),
    WithJsonSchema(
        {
            "type": ["string", "number"],
            "pattern": r"^\+?[0-9*#]+([,W]+[0-9*#]+)*$",
            "maxLength": 40,
            "x-expected": "a telephone number such as +420601234589",
        }
    ),
]
Registers = Annotated[
    tuple[Code, ...],
    BeforeValidator(_all),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "all"},
                {"type": "array", "minItems": 1, "items": {"type": ["string", "number"]}},
            ],
            "x-expected": "a list of OBIS codes such as [1-0:1.8.0, 1-0:2.8.0], or all",
        }
    ),
]
Period = Annotated[timedelta, AfterValidator(_period)]
Totals = Annotated[
    tuple[Annotated[Code, AfterValidator(_total)], ...],
    BeforeValidator(_some),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "items": {"type": ["string", "number"]},
            "x-expected": "a list of OBIS codes of totals such as [1-0:1.8.0, 1-0:2.8.0]",
        }
    ),
]
Span = Annotated[Decimal, Field(gt=0, le=10**18), AfterValidator(_span)]

MeteringPeriod = Annotated[timedelta, AfterValidator(_metering)]
"""The length of the intervals of a load profile: whole minutes that divide the hour."""
ProfilePeriod = Annotated[timedelta, AfterValidator(_profile_period)]
"""The same, or a day."""
Evaluation = Annotated[timedelta, AfterValidator(_evaluation)]
RetryWindow = Annotated[timedelta, AfterValidator(_fill)]
Spread = Annotated[timedelta, AfterValidator(_spread)]
ProfileCode = Annotated[Code, AfterValidator(_profile)]
Channels = Annotated[
    tuple[Code, ...],
    BeforeValidator(_channels),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "items": {"type": ["string", "number"]},
            "x-expected": "a list of OBIS codes such as [1-0:1.29.0, 1-0:2.29.0]",
        }
    ),
]
Share = Annotated[
    Own,
    BeforeValidator(_share),
    WithJsonSchema({"type": ["string", "number"], "x-expected": _SHARES}),
]
Shares = Annotated[
    tuple[Share, ...],
    BeforeValidator(_shares),
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "items": {"type": ["string", "number"], "x-expected": _SHARES},
            "x-expected": "a list such as [1-1] or [1-1:1.8.0, 1-1:2.8.0]",
        }
    ),
]
Day = Annotated[
    Literal["daily", "mon", "tue", "wed", "thu", "fri", "sat", "sun"] | Annotated[int, Field(ge=1, le=28)],
    WithJsonSchema(
        {
            "anyOf": [{"enum": [DAILY, *WEEKDAYS]}, {"type": "integer", "minimum": 1, "maximum": 28}],
            "x-expected": "a weekday such as mon, a day of the month from 1 to 28, or daily",
        }
    ),
]
Deadline = Annotated[
    Literal["none"] | time,
    WithJsonSchema(
        {
            "anyOf": [
                {"const": NONE},
                {
                    "type": "string",
                    "format": "clock",
                    "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$",
                },
            ],
            "x-expected": "a time of day such as 06:00, or none",
        }
    ),
]
