"""What of a profile is to be asked for, in which pieces, the newest first.

Rules: pure. First what is newer than the newest row; then every hole that the meter was not asked for; then what lies
before the oldest row, back to the horizon: as long as nothing comes of it, each piece is longer than all the empty time
in front of it, a month at most, so that an empty meter is soon known to be empty. Pieces do not overlap, hold nothing
that is there, and are cut at legal midnights; the piece with the newest row may be longer, rather than two. What fails
again and again comes last, so that it does not stand before the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from gatewayd.coverage import DAY, Coverage, horizon
from gatewayd.legal_time import Grid, instant, legal_day
from gatewayd.runs import NONE, Range, Runs

LONGEST = 32
"""Days of a piece in which nothing is expected any more."""
_CHUNK, _LONG_CHUNK = 1, 31
"""Days of a piece: of a profile with many rows a day, and of one with few."""
_TAIL = timedelta(hours=25)
"""The longest piece with the newest rows of a profile with many rows a day: the longest legal-time day."""
_MIDNIGHT = time(0, 0)

Window = tuple[datetime, datetime]
"""After the first instant and not after the second, as in model.Profile."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for at an instant. `skip`: intervals that are left out in this run, because they were asked for in
    it; `entries`: of a log, that what is newer than its newest entry was."""

    now: datetime
    months: int
    skip: Runs = NONE
    entries: bool = False


def pieces(coverage: Coverage, grid: Grid, terms: Terms) -> Iterator[Window]:
    """The windows. The grid of a profile without a rhythm is that of days."""
    if coverage.period_s == 0:
        yield from _of_log(coverage, grid, terms)
        return
    lowest, last = grid.last(horizon(terms.now, terms.months, grid)) + 1, grid.last(terms.now)
    newest, oldest = coverage.there.highest(last), coverage.there.lowest(lowest)
    done = coverage.asked.union(terms.skip)
    if newest is None or oldest is None or newest < lowest:
        yield from _back(grid, done, lowest, last)
        return
    tail = _tail(grid, newest, last)
    if any(True for _ in terms.skip.holes(*tail)):
        yield _window(grid, tail)
    known = done.union(coverage.there)
    for hole in reversed(list(known.holes(oldest, tail[0] - 1))):
        yield from (_window(grid, one) for one in _cut(grid, hole, _days(grid)))
    yield from _back(grid, done, lowest, oldest - 1)


def again(coverage: Coverage, grid: Grid, terms: Terms, stubborn: Runs) -> Iterator[Window]:
    """What has failed before and is still wanted: it comes behind everything else."""
    lowest, last = grid.last(horizon(terms.now, terms.months, grid)) + 1, grid.last(terms.now)
    done = coverage.asked.union(terms.skip).union(coverage.there)
    for hole in reversed(stubborn.minus(done).within(lowest, last).ranges):
        yield from (_window(grid, one) for one in _cut(grid, hole, _days(grid)))


def _days(grid: Grid) -> int:
    return _LONG_CHUNK if grid.daily else _CHUNK


def _tail(grid: Grid, newest: int, last: int) -> Range:
    """The intervals of the first piece."""
    longest = timedelta(days=_LONG_CHUNK) if grid.daily else _TAIL
    if (last - newest) * grid.period <= longest:
        return newest + 1, last
    return next(_cut(grid, (newest + 1, last), _days(grid)))


def _back(grid: Grid, done: Runs, lowest: int, last: int) -> Iterator[Window]:
    """From `last` back to `lowest`."""
    for hole in reversed(list(done.holes(lowest, last))):
        above = done.highest(hole[1] + 1)
        empty = 0
        if above == hole[1] + 1 <= last:
            end = next(done.holes(above, last), (last + 1, last))[0] - 1
            empty = (end - hole[1]) * grid.period // DAY
        days = min(max(_days(grid), empty + 1), LONGEST)
        yield from (_window(grid, one) for one in _cut(grid, hole, days))


def _cut(grid: Grid, hole: Range, days: int) -> Iterator[Range]:
    """A hole in parts of so many legal-time days, the newest first."""
    first, last = hole
    while first <= last:
        begin = legal_day(grid.end(last), grid.zone) - timedelta(days=days - 1)
        start = max(first, grid.last(instant(begin, _MIDNIGHT, grid.zone)) + 1)
        yield start, last
        last = start - 1


def _window(grid: Grid, part: Range) -> Window:
    return grid.end(part[0] - 1), grid.end(part[1])


def _of_log(coverage: Coverage, grid: Grid, terms: Terms) -> Iterator[Window]:
    """From its newest entry to now, then the days before that were not asked for."""
    now, lowest = terms.now, horizon(terms.now, terms.months, grid)
    asked = coverage.asked.union(terms.skip)
    last = grid.last(now)
    start = coverage.newest
    if start is None or start < lowest:
        known = asked.highest(last)
        start = None if known is None else grid.end(known)
    if start is None:
        start = max(grid.end(last) - timedelta(days=_LONG_CHUNK), lowest)
    if not terms.entries and start < now:
        yield start, now
    holes = asked.holes(grid.last(lowest) + 1, grid.last(start) if start < now else last)
    for hole in reversed(list(holes)):
        yield from (_window(grid, one) for one in _cut(grid, hole, _LONG_CHUNK))
