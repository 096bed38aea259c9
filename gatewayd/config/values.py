"""Texts of the configuration with a form of their own: ratios, OBIS codes, telephone numbers, periods, starts.

Rules: each has its form in the JSON Schema, its words for messages, and becomes a value that cannot be wrong.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gatewayd.dialling import PhoneNumber
from gatewayd.model import transformation
from gatewayd.obis import CURRENT, Obis

LONGEST_PERIOD = timedelta(days=31)
ALIGNED = tuple(timedelta(minutes=each) for each in (1, 5, 10, 15, 30, 60))
"""Periods of intervals: they divide the hour, and so every legal-time day."""
ALIGNED_FORM = f"^0*(1h|{'|'.join(f'{each.seconds // 60}m|{each.seconds}s' for each in ALIGNED)})$"
"""Their spellings, for the JSON Schema."""


def minutes(period: timedelta) -> str:
    """`15m`: how one of them is written."""
    return f"{period.seconds // 60}m"


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
