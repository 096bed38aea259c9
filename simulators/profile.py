"""Load profiles and logs as a meter keeps them: tables with headers, cut to the range that a reader asks for.

Rules: a table is text as the meter would send it; a header's time stamp is the END of its first interval and each row
after it lies one period later; a range includes both of its ends; a header that is made again says when its first sent
row ended and is otherwise the old one. Times are instants (UTC); the season digit is 0 for normal time, 1 for summer
time, 2 for UTC. Sources: VDEW specification of load profile meters 2.1.2, 10.3; data formats of EMH LZQJ-XC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from simulators.dataset import reduced

LEGAL = ZoneInfo("Europe/Prague")
NORMAL = timezone(timedelta(hours=1))
SUMMER = timezone(timedelta(hours=2))
SEASONS: dict[str, tzinfo] = {"0": NORMAL, "1": SUMMER, "2": UTC}

_HEADER = re.compile(rb"(?P<code>[^()\r\n]+)\((?P<stamp>\d{10,13})\)(?P<rest>\([^()\r\n]*\)\((?P<period>\d*)\).*)")
_RANGE = re.compile(r"\((?P<first>[^();]*);(?P<last>[^();]*)\)")
_PUNCTUATION = str.maketrans("", "", "-,: .")


@dataclass(frozen=True, slots=True)
class Clock:
    """How a header writes its stamps: in which zone, with a season digit or without, with seconds or without."""

    zone: tzinfo
    season: bool
    seconds: bool

    def stamp(self, at: datetime) -> bytes:
        """The instant as this header writes it."""
        local = at.astimezone(self.zone)
        text = f"{local:%y%m%d%H%M%S}" if self.seconds else f"{local:%y%m%d%H%M}"
        return (self._digit(local) + text if self.season else text).encode()

    def _digit(self, local: datetime) -> str:
        if self.zone is UTC:
            return "2"
        return "1" if local.utcoffset() == timedelta(hours=2) else "0"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A header and its rows. `rest` is the header after its stamp; the rows lie `period` apart, from `first` on."""

    code: bytes
    first: datetime
    clock: Clock
    rest: bytes
    period: timedelta
    rows: tuple[bytes, ...]

    def text(self) -> bytes:
        """Header and rows as they are sent, each with CR LF."""
        header = self.code + b"(" + self.clock.stamp(self.first) + b")" + self.rest
        return b"".join(line + b"\r\n" for line in (header, *self.rows))

    def within(self, first: datetime | None, last: datetime | None) -> Stretch | None:
        """The part whose rows end in [first, last]; None when there is none. A header alone, in a log, is an entry."""
        if not self.rows:
            return self if (first is None or self.first >= first) and (last is None or self.first <= last) else None
        ends = [self.first + number * self.period for number in range(len(self.rows))]
        kept = [n for n, end in enumerate(ends) if (first is None or end >= first) and (last is None or end <= last)]
        if not kept:
            return None
        return replace(self, first=ends[kept[0]], rows=tuple(self.rows[number] for number in kept))


def load(data: bytes) -> Iterator[Stretch]:
    """The tables of a file; ValueError names the line that is neither a header nor a row of one."""
    head: Stretch | None = None
    rows: list[bytes] = []
    for number, raw in enumerate(data.splitlines(), 1):
        line = raw.strip()
        if line.startswith(b"(") and line.endswith(b")") and head is not None:
            rows.append(line)
        elif (match := _HEADER.fullmatch(line)) is not None:
            if head is not None:
                yield replace(head, rows=tuple(rows))
            rows = []
            head = _header(match)
        elif line:
            raise ValueError(f"line {number} is neither a header nor a row: {line.decode('latin-1')!r}")
    if head is None:
        raise ValueError("no header in the file")
    yield replace(head, rows=tuple(rows))


def _header(match: re.Match[bytes]) -> Stretch:
    stamp = match["stamp"].decode()
    at, zone = instant(stamp)
    clock = Clock(zone, season=len(stamp) % 2 == 1, seconds=len(stamp) >= 12)
    return Stretch(match["code"], at, clock, match["rest"], timedelta(minutes=int(match["period"] or b"0")), ())


def instant(text: str, *, latest: bool = False) -> tuple[datetime, tzinfo]:
    """[z]YYMMDDhhmm[ss], also with `-`, `,` and `:`, as an instant and the zone in which it was written.

    Without z it is legal time, and `latest` decides which of the two hours is meant when summer time ends. A season
    digit that contradicts legal time is a clock that knows no summer time, or nothing else: its offset is fixed.
    """
    digits = text.translate(_PUNCTUATION)
    season, digits = (digits[0], digits[1:]) if len(digits) % 2 else ("", digits)
    if not digits.isdecimal() or len(digits) not in (10, 12) or (season and season not in SEASONS):
        raise ValueError(f"{text!r} is not zYYMMDDhhmm[ss]")
    naive = datetime.strptime(digits.ljust(12, "0") + "+0000", "%y%m%d%H%M%S%z")
    if not season:
        return naive.replace(tzinfo=LEGAL, fold=int(latest)).astimezone(UTC), LEGAL
    local = naive.replace(tzinfo=SEASONS[season])
    follows_law = season != "2" and local.utcoffset() == local.astimezone(LEGAL).utcoffset()
    return local.astimezone(UTC), LEGAL if follows_law else SEASONS[season]


def answer(tables: Iterable[Stretch], data: str) -> bytes | None:
    """What `CODE(from;to)` is answered with; None when there is no such table or the range makes no sense.

    Either end may be missing; `()` and nothing at all mean `(;)`. A range without rows is `CODE(ERROR)`.
    """
    code, _, argument = data.partition("(")
    asked = [table for table in tables if reduced(table.code.decode("latin-1")) == reduced(code)]
    if not asked:
        return None
    first = last = None
    if argument.strip(")"):
        match = _RANGE.fullmatch("(" + argument)
        if match is None:
            return None
        try:
            first = instant(match["first"])[0] if match["first"] else None
            last = instant(match["last"], latest=True)[0] if match["last"] else None
        except ValueError:
            return None
    parts = (table.within(first, last) for table in asked)
    return b"".join(part.text() for part in parts if part is not None) or asked[0].code + b"(ERROR)"
