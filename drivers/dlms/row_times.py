"""The times of rows: twelve octets to an instant and to what is wrong with it, a whole day at the price of one.

Rules: what a time means is decided in wire/cosem_time.py, here it is only remembered: for all times of one day with the
same deviation and status, where the first and the last second of that day mean the same thing without a leap between
them. On the days when daylight saving begins or ends, and wherever octets are out of the ordinary, each time is asked
for by itself.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import msgspec

from drivers.dlms.clock import clock_faults
from drivers.dlms.value_text import date_time_text
from drivers.dlms.wire.axdr_value import Tag, Value
from drivers.dlms.wire.cosem_time import NOT_SPECIFIED, OCTETS, ClockRules, Instant, Reason, parse_date_time
from gatewayd.status import Fault

_MINUTES = {
    bytes((hour, minute, 0)): (
        timedelta(hours=hour, minutes=minute),
        f"{hour:02}:{minute:02}:00",
        (hour * 60 + minute) * 60,
    )
    for hour in range(24)
    for minute in range(60)
}
"""Hour, minute and second as sent -> time since midnight, as text, in seconds."""
_DATE_TIMES = (Tag.OCTET_STRING, Tag.DATE_TIME)
_KEPT = 4096
"""Days."""
_YEARS = 1900, 9000
"""Years of rows: periods are added to their times."""
_LAST = timedelta(hours=23, minutes=59, seconds=59)


class RowTime(msgspec.Struct, frozen=True, gc=False):
    """The time of a row. `at` is None where it is no instant; `second` is the other instant that it may mean; `text` is
    ISO, as the meter's clock shows it; `seconds` since its midnight, None where that is not known."""

    at: datetime | None
    faults: tuple[Fault, ...]
    text: str
    seconds: int | None
    second: datetime | None = None


class _Day(NamedTuple):
    """What all times of one day have in common."""

    midnight: datetime
    faults: tuple[Fault, ...]
    before: str
    behind: str


NO_TIME = RowTime(None, (Fault.CLOCK_DOUBTFUL,), "", None)


def octets_of(value: Value) -> bytes | None:
    """The twelve octets of a value that is a date-time, or an octet-string of that length; None for any other."""
    content = value.content
    if not isinstance(content, bytes) or len(content) != OCTETS:
        return None
    return content if value.tag in _DATE_TIMES else None


class RowClock:
    """The times of rows by the rules of a meter's clock."""

    __slots__ = ("_days", "_rules")

    def __init__(self, rules: ClockRules) -> None:
        self._rules = rules
        self._days: dict[tuple[bytes, bytes], _Day | None] = {}

    def read(self, octets: bytes) -> RowTime:
        """ProtocolError unless there are twelve octets."""
        (found,) = self.read_all((octets,))
        return found

    def read_all(self, stamps: Iterable[bytes | None]) -> list[RowTime]:
        """The times of these rows; None is one without a time. ProtocolError unless there are twelve octets in each."""
        minutes = _MINUTES
        times: list[RowTime] = []
        head = tail = b""
        day: _Day | None = None
        for octets in stamps:
            if octets is None:
                times.append(NO_TIME)
                continue
            if octets[:5] != head or octets[8:] != tail:  # rows of one day stand together
                head, tail = octets[:5], octets[8:]
                day = self._day(head, tail, octets)
            minute = minutes.get(octets[5:8])
            if day is None or minute is None:
                times.append(row_time(octets, self._rules))
                continue
            midnight, faults, before, behind = day
            passed, text, seconds = minute
            times.append(RowTime(midnight + passed, faults, before + text + behind, seconds))
        return times

    def _day(self, head: bytes, tail: bytes, octets: bytes) -> _Day | None:
        key = (head, tail)
        return self._days[key] if key in self._days else self._learn(key, octets)

    def _learn(self, key: tuple[bytes, bytes], octets: bytes) -> _Day | None:
        if len(self._days) >= _KEPT:
            self._days.clear()
        self._days[key] = found = self._uniform(octets)
        return found

    def _uniform(self, octets: bytes) -> _Day | None:
        """The day of these octets, None unless all of its times are alike."""
        if len(octets) != OCTETS:
            return None
        first = row_time(octets[:5] + bytes((0, 0, 0)) + octets[8:], self._rules)
        last = row_time(octets[:5] + bytes((23, 59, 59)) + octets[8:], self._rules)
        if first.at is None or last.at is None or first.second or last.second or first.faults != last.faults:
            return None
        if last.at - first.at != _LAST:
            return None
        before, behind = first.text.split("00:00:00", 1)
        return _Day(first.at, first.faults, before, behind)


@lru_cache(maxsize=16)
def clock_by(rules: ClockRules) -> RowClock:
    """One for all meters with the same rules."""
    return RowClock(rules)


def row_time(octets: bytes, rules: ClockRules) -> RowTime:
    """One time by itself; a year at the end of the calendar is none. ProtocolError unless there are twelve octets."""
    time = parse_date_time(octets)
    found = time.instant(rules)
    if found.at is not None and not _YEARS[0] <= found.at.year <= _YEARS[1]:
        found = Instant(None, (Reason.IMPOSSIBLE,))
    seconds = None
    if found.at is not None:
        seconds = (time.hour * 60 + time.minute) * 60 + (0 if time.second == NOT_SPECIFIED else time.second)
    return RowTime(found.at, clock_faults(time, found), date_time_text(time, rules.deviation), seconds, found.second)


def later(at: datetime, seconds: int, rules: ClockRules) -> datetime:
    """The instant a period behind `at`: whole days are counted on the calendar, so that they have 23 and 25 hours."""
    days, rest = divmod(seconds, 86_400)
    if rest or not days:
        return at + timedelta(seconds=seconds)
    local = at.astimezone(rules.zone)
    return datetime.combine(local.date() + timedelta(days=days), local.time(), rules.zone).astimezone(UTC)
