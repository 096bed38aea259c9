"""Times as meters write them: YYMMDDhhmm, with seconds, with a season digit before or a season letter behind.

Rules: a text that is no time is None, never a guess; the season decides in the repeated autumn hour, and where there is
none the first of the two is taken and said to be ambiguous (EDIS: 0 normal time, 1 summer time, 2 UTC; P1: W and S).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gatewayd.legal_time import ambiguous, imaginary

_PLAIN = re.compile(r"(?P<season>[012])?(?P<digits>\d{10}(?:\d{2})?)(?P<letter>[SW])?")
_SPELT = re.compile(
    r"(?P<year>\d{2}(?:\d{2})?)-(?P<month>\d{2})-(?P<day>\d{2})[ ,&T]"
    r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?"
)


class MeterTime(NamedTuple):
    """A meter's time as an instant in UTC; `ambiguous` where the meter did not say which of the two hours it means."""

    at: datetime
    ambiguous: bool


def parse_time(text: str, zone: ZoneInfo) -> MeterTime | None:
    """The instant that `text` means in the meter's legal time; None for anything else, null dates included."""
    text = text.strip()
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        digits = plain["digits"]
        parts = [int(digits[i : i + 2]) for i in range(0, len(digits), 2)]
        return _resolve(parts, plain["season"] or plain["letter"] or "", zone)
    spelt = _SPELT.fullmatch(text)
    if spelt is not None:
        parts = [int(spelt[name]) for name in ("year", "month", "day", "hour", "minute")] + [int(spelt["second"] or 0)]
        return _resolve(parts, "", zone)
    return None


def _resolve(parts: list[int], season: str, zone: ZoneInfo) -> MeterTime | None:
    try:
        return _instant(parts, season, zone)
    except (ValueError, OverflowError):  # no such date, or the last hours of the year 9999
        return None


def _instant(parts: list[int], season: str, zone: ZoneInfo) -> MeterTime:
    year, month, day, hour, minute = parts[:5]
    second = parts[5] if len(parts) > 5 else 0
    next_day = (hour, minute, second) == (24, 0, 0)
    naive = datetime(  # noqa: DTZ001 - a wall clock reading; it gets its zone below
        year if year > 99 else 2000 + year, month, day, 0 if next_day else hour, minute, second
    )
    if next_day:
        naive += timedelta(days=1)
    if season == "2":
        return MeterTime(naive.replace(tzinfo=UTC), False)
    local = naive.replace(tzinfo=zone)
    if not ambiguous(local):
        return MeterTime(local.astimezone(UTC), imaginary(local))
    winter = season in ("0", "W")
    return MeterTime(local.replace(fold=1 if winter else 0).astimezone(UTC), season == "")
