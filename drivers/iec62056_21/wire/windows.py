"""Requests for a range of a profile or log: the range in windows, and a window as the meter wants it written.

Rules: a request may bring more than the window, never less: what the form of the times cannot say is rounded outwards.
Meters take the times of a range as ends of intervals, both included (VDEW and EMH: from ... to); the row at the very
start of a window then comes, and the reader drops it. For meters that leave the last one out there is `{after}`.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from drivers.iec62056_21.wire.clock import ClockKind, MeterClock
from gatewayd.legal_time import ambiguous

_FIELD = re.compile(r"YYYY|YY|MM|DD|hh|mm|ss|z")
_PLACE = re.compile(r"\{(?:start|end|after)\}")
_SECOND = timedelta(seconds=1)
_STEP = timedelta(minutes=1)
_FORMATS = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}


def windows(start: datetime, end: datetime, days: int) -> tuple[tuple[datetime, datetime], ...]:
    """(start, end] in pieces of at most `days` days, contiguous, oldest first; instants in UTC.

    Nothing for a range without length. ValueError where `days` is less than 1.
    """
    if days < 1:
        raise ValueError(f"windows of {days} days, expected at least 1")
    found: list[tuple[datetime, datetime]] = []
    while start < end:
        until = min(end, start + timedelta(days=days))
        found.append((start, until))
        start = until
    return tuple(found)


def range_request(
    code: str,
    template: str,
    time_form: str,
    start: datetime,
    end: datetime,
    clock: str,
    zone: ZoneInfo,
    *,
    season_digit: bool = True,
) -> bytes:
    """The data of a read command for (start, end]: `P.01(1260701000000;1260702000000)`.

    `template` holds `{start}` and `{end}`, or `{after}` for the next time behind the end that can be written; in
    `time_form` z is the season digit, YY or YYYY, MM, DD, hh, mm, ss are fields, everything else stands for itself;
    `clock` is `legal`, `standard` or `utc`. A meter that ignores the digit (`season_digit` false) gets none that
    counts: then the repeated hour is asked for whole.
    """
    fields = frozenset(_FIELD.findall(time_form)) - (set() if season_digit else {"z"})
    shown = MeterClock(ClockKind(clock), zone)
    first = start.astimezone(UTC).replace(microsecond=0)
    if "ss" not in fields:
        first = first.replace(second=0)
    while not _can_say(fields, shown, first):
        first = first.replace(second=0) if first.second else first - _STEP
    last = _not_before(fields, shown, end.astimezone(UTC))
    after = _not_before(fields, shown, last + (_SECOND if "ss" in fields else _STEP))
    times = {"{start}": first, "{end}": last, "{after}": after}
    body = _PLACE.sub(lambda match: _written(time_form, shown, times[match[0]]), template)
    return f"{code}({body})".encode("latin-1", "replace")


def _not_before(fields: frozenset[str], clock: MeterClock, at: datetime) -> datetime:
    """The first time from `at` on that can be written."""
    at = _up(at, _SECOND if "ss" in fields else _STEP)
    while not _can_say(fields, clock, at):
        at = _up(at, _STEP) if at.second else at + _STEP
    return at


def _up(at: datetime, unit: timedelta) -> datetime:
    beyond = timedelta(seconds=at.second if unit == _STEP else 0, microseconds=at.microsecond)
    return at + unit - beyond if beyond else at


def _can_say(fields: frozenset[str], clock: MeterClock, at: datetime) -> bool:
    """False where the written time would lose hours or minutes, or would be one of two in the repeated hour."""
    wall = clock.wall(at)
    if (wall.minute and "mm" not in fields) or (wall.hour and "hh" not in fields):
        return False
    return "z" in fields or clock.kind is not ClockKind.LEGAL or not ambiguous(wall.replace(tzinfo=clock.zone))


def _written(form: str, clock: MeterClock, at: datetime) -> str:
    wall = clock.wall(at)
    return _FIELD.sub(lambda m: clock.season(at) if m[0] == "z" else wall.strftime(_FORMATS[m[0]]), form)
