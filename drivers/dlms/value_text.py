"""What a decoded value says, as text: for what is no number, and for people.

Rules: pure and total: every value has a text, the bytes are kept beside it. A number is written with the digits that it
has; octets that are no text are `0x...` and bits `0b...`, so that nobody takes them for a number. No float.
"""

import json
from decimal import Decimal

from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.cosem_time import (
    NO_DEVIATION,
    NO_YEAR,
    NOT_SPECIFIED,
    OCTETS,
    DateTime,
    Deviation,
    parse_date_time,
)

LIMIT = 4000
"""Characters of a text. What is longer says so; the bytes have it all."""
_WIDTH = {
    Tag.INTEGER: 1,
    Tag.UNSIGNED: 1,
    Tag.ENUM: 1,
    Tag.LONG: 2,
    Tag.LONG_UNSIGNED: 2,
    Tag.DOUBLE_LONG: 4,
    Tag.DOUBLE_LONG_UNSIGNED: 4,
    Tag.LONG64: 8,
    Tag.LONG64_UNSIGNED: 8,
}
"""Octets of whole numbers without their tag: in a compact array they have none."""
_FLOATS = frozenset({Tag.FLOAT32, Tag.FLOAT64})
_PADDING = "\x00"


def text_of(value: Value, deviation: Deviation = Deviation.UTC_MINUS_LOCAL) -> str:
    """The whole value; "" of null-data. Structures are written as in JSON, `{a, b}`, arrays `[a, b]`."""
    text = "" if value.tag in (Tag.NULL, Tag.DONT_CARE) else _text(value, deviation, nested=False)
    if len(text) <= LIMIT:
        return text
    return f"{text[: LIMIT - 40]} ... ({len(value.raw)} octets)"


def number_of(value: Value) -> str | None:
    """The text of a number, None where the value is none."""
    if value.tag in _WIDTH:
        return str(value.content)
    if value.tag in _FLOATS and isinstance(value.content, Decimal):
        return format(value.content, "f")
    return None


def bits_of(value: Value) -> str:
    """The value of an error or alarm register, whose bits count: `0x00000400` of a whole number; else its text."""
    if value.tag in _WIDTH:
        return f"0x{value.raw[-_WIDTH[value.tag] :].hex().upper()}"
    return text_of(value)


def octets_text(octets: bytes) -> str:
    """Octets that are text, as such, without the NULs that fill it up; else `0x...`."""
    plain = octets.rstrip(b"\x00")
    if plain and plain.isascii() and plain.decode("ascii").isprintable():
        return plain.decode("ascii")
    return f"0x{octets.hex().upper()}" if octets else ""


def date_time_of(value: Value) -> DateTime | None:
    """The date-time that a value holds, as octet-string or as date-time; None where it holds none."""
    if value.tag in (Tag.OCTET_STRING, Tag.DATE_TIME) and isinstance(value.content, bytes):
        return parse_date_time(value.content) if len(value.content) == OCTETS else None
    return None


def date_time_text(time: DateTime, deviation: Deviation = Deviation.UTC_MINUS_LOCAL) -> str:
    """ISO 8601 as the meter's clock shows it: `2026-11-21T13:45:00+01:00`, `?` for what is not specified. The offset is
    there where the meter sends a deviation that means something."""
    year = "????" if time.year == NO_YEAR else f"{time.year:04d}"
    day = f"{year}-{_two(time.month)}-{_two(time.day)}"
    clock = f"{_two(time.hour)}:{_two(time.minute)}:{_two(time.second)}"
    if time.hundredths not in (0, NOT_SPECIFIED):
        clock += f".{time.hundredths:02d}"
    return f"{day}T{clock}{_offset(time.deviation, deviation)}"


def _text(value: Value, deviation: Deviation, *, nested: bool) -> str:
    content = value.content
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY):
        inside = ", ".join(_text(child, deviation, nested=True) for child in value.children)
        return f"{{{inside}}}" if value.tag is Tag.STRUCTURE else f"[{inside}]"
    text = _plain(value, deviation)
    quoted = nested and ((isinstance(content, str) and value.tag is not Tag.BIT_STRING) or _is_text(content, text))
    return json.dumps(text, ensure_ascii=False) if quoted else text


def _plain(value: Value, deviation: Deviation) -> str:
    content = value.content
    match value.tag:
        case Tag.NULL | Tag.DONT_CARE:
            return "null"
        case Tag.BOOLEAN:
            return "true" if content else "false"
        case Tag.BIT_STRING:
            assert isinstance(content, str)
            return f"0b{content}"
        case Tag.OCTET_STRING:
            assert isinstance(content, bytes)
            time = _plausible_time(content)
            return octets_text(content) if time is None else date_time_text(time, deviation)
        case Tag.DATE_TIME:
            assert isinstance(content, bytes)
            return date_time_text(parse_date_time(content), deviation)
        case Tag.DATE:
            assert isinstance(content, bytes)
            year = int.from_bytes(content[:2])
            return f"{'????' if year == NO_YEAR else f'{year:04d}'}-{_two(content[2])}-{_two(content[3])}"
        case Tag.TIME:
            assert isinstance(content, bytes)
            return ":".join(map(_two, content[:3]))
        case _:
            number = number_of(value)
            if number is not None:
                return number
            return "not a number" if content is None else str(content).rstrip(_PADDING)


def _is_text(content: object, text: str) -> bool:
    """Octets that are written as text, and not as digits or as a time."""
    return isinstance(content, bytes) and octets_text(content) == text and not text.startswith("0x")


def _plausible_time(octets: bytes) -> DateTime | None:
    """Twelve octets that are a date-time: a serial number of twelve characters is none, as a month has no letters."""
    if len(octets) != OCTETS:
        return None
    time = parse_date_time(octets)
    fits = (
        (1990 <= time.year <= 2150 or time.year == NO_YEAR)
        and (1 <= time.month <= 12 or time.month >= 0xFD)
        and (1 <= time.day <= 31 or time.day >= 0xFD)
        and (1 <= time.weekday <= 7 or time.weekday == NOT_SPECIFIED)
        and (time.hour <= 23 or time.hour == NOT_SPECIFIED)
        and (time.minute <= 59 or time.minute == NOT_SPECIFIED)
        and (time.second <= 59 or time.second == NOT_SPECIFIED)
    )
    return time if fits else None


def _two(number: int) -> str:
    """Two digits, `??` where it is not specified, and the two rules FD and FE as such."""
    if number == NOT_SPECIFIED:
        return "??"
    return f"{number:02X}" if number in (0xFD, 0xFE) else f"{number:02d}"


def _offset(minutes: int, deviation: Deviation) -> str:
    if minutes == NO_DEVIATION or deviation is Deviation.IGNORED:
        return ""
    ahead = minutes if deviation is Deviation.LOCAL_MINUS_UTC else -minutes
    hours, rest = divmod(abs(ahead), 60)
    return f"{'-' if ahead < 0 else '+'}{hours:02d}:{rest:02d}"
