"""Since when the meters of points tell their intervals, on which days, and from when on nothing told is a hole.

Rules: reads the raw archive. A total of a profile is the beginning of what follows: nothing before it is missing. An
interval is owed from when the gateway first asked on, and before that from the first one that belongs to what is told
without a break of `LONGEST`; so one stray reading of years ago, by a clock that was wrong, makes nothing missing. Of
before the oldest segment that retention has left nothing is owed any more. Where something older comes in later, the
answer is another one.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from gatewayd.archive import rows, segments
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.errors import ArchiveDamaged
from gatewayd.legal_time import day_bounds, days, legal_day

LONGEST = timedelta(days=31)
"""A longer break within what a meter has told of before the gateway first asked ends what is owed."""
_OPENED = "SELECT CASE last_seq WHEN 0 THEN 'None' ELSE opened_at END FROM segment"
_ASKED = """
SELECT e.started_at FROM exchange AS e WHERE e.device IN (
    SELECT id FROM device WHERE meter IN (SELECT value FROM json_each(?))) ORDER BY e.id LIMIT 1
"""
_KNOWN = "SELECT count(*) FROM device WHERE meter IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Begun:
    """`day`: the first legal-time day of which there is anything; `since`: intervals that end after it are told, or are
    missing; `owed`: the day of the first one of these."""

    day: date
    since: datetime
    owed: date


class Beginnings:
    """Of all points. Used from one thread after the other, never from two at a time."""

    def __init__(self, raw: RawReader, works: Mapping[str, PointWork], zone: ZoneInfo) -> None:
        self._raw = raw
        self._works = works
        self._zone = zone
        self._known: dict[str, Begun] = {}

    def of(self, point: str) -> Begun | None:
        """As it was when that was asked first; None where there is nothing. ArchiveError."""
        known = self._known.get(point)
        if known is None:
            known = self._read(point)
            if known is not None:
                self._known[point] = known
        return known

    def before(self, point: str, day: date) -> bool:
        """Whether a day is one of before there was anything, as it is now. ArchiveError."""
        known = self.of(point)
        if known is not None and day < known.owed:
            self._known.pop(point)
            known = self.of(point)
        return known is not None and day < known.day

    def days(self, point: str, settled: date) -> list[date]:
        """The days on which the meters of a point have anything, and those up to `settled` on which they owe it; of a
        virtual point those of its parts. ArchiveError."""
        meters, begun = self._meters(point), self._read(point)
        if begun is None:
            return []
        return sorted({*self._raw.days(meters, self._zone), *days(begun.owed, settled)})

    def _read(self, point: str) -> Begun | None:
        meters = self._meters(point)
        end, total = self._raw.first(meters) if meters else (None, None)
        found: list[tuple[datetime, date]] = []
        if end is not None:
            found.append((end, legal_day(end, self._zone)))
        if total is not None:
            found.append((total, legal_day(total + timedelta.resolution, self._zone)))
        if not found:
            return None
        first, day = min(found)
        since = self._unbroken(meters, first, day)
        opened = self._opened()
        if opened is not None and since < opened:
            since = opened
        return Begun(day, since, legal_day(since + timedelta.resolution, self._zone) if since != first else day)

    def _unbroken(self, meters: Collection[str], first: datetime, day: date) -> datetime:
        """The first interval of those that are told without a long break; when the gateway first asked where there is
        none then."""
        asked = self._asked(meters)
        if asked is None or first >= asked - LONGEST:
            return first
        there = self._raw.days(meters, self._zone)
        near = legal_day(asked - LONGEST, self._zone)
        last = begun = min((one for one in there if one >= near), default=None)
        if last is None or begun is None:
            return asked
        for later, earlier in pairwise(sorted((one for one in there if one <= last), reverse=True)):
            if later - earlier > LONGEST:
                break
            begun = earlier
        if begun <= day:
            return first
        start, end = day_bounds(begun, self._zone)
        told = self._raw.intervals(meters, start, end).values()
        return min((one.reading.at for of_meter in told for one in of_meter), default=start)

    def _opened(self) -> datetime | None:
        """When the oldest segment was begun, where there were others before it."""
        numbers = segments.segment_numbers(self._raw.folder)
        with suppress(ArchiveDamaged):
            text = self._raw.text(numbers[0], _OPENED, ()) if numbers else "None"
            return None if text == "None" else rows.from_us(int(text))
        return None

    def _asked(self, meters: Collection[str]) -> datetime | None:
        """When the first exchange with any of these meters began that is still there."""
        wanted = (msgspec.json.encode(sorted(meters)).decode(),)
        for number in segments.segment_numbers(self._raw.folder):
            with suppress(ArchiveDamaged):
                if self._raw.text(number, _KNOWN, wanted) != "0":
                    at = self._raw.text(number, _ASKED, wanted)
                    if at != "None":
                        return rows.from_us(int(at))
        return None

    def _meters(self, point: str) -> set[str]:
        """Those of a point and of all that it is a sum of."""
        meters: set[str] = set()
        waiting, seen = [point], {point}
        while waiting:
            work = self._works.get(waiting.pop())
            if work is not None:
                meters |= set(work.plan.meters)
                waiting += [part for part in work.plan.parts if part not in seen]
                seen |= set(work.plan.parts)
        return meters
