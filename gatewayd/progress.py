"""How far a profile is: for `gatewayd status`, and what is late.

Rules: pure arithmetic on what is known; nobody is asked. The text of an alarm has no number that changes while it
stands (alarms.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from gatewayd.coverage import Complete
from gatewayd.legal_time import instant
from gatewayd.model import LoadProfile
from gatewayd.watched import Watched

RECENT = 7
"""Days of which the gaps are listed."""
LISTED = 10
"""Pieces that are counted at most."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How complete a profile is. `expected`, `present` and `missing` (told, and not there) count intervals since
    `since`; `waiting` are pieces of time that are still to be asked for, LISTED at most. Of a profile without a rhythm
    there are no intervals: only `newest`, its newest entry, and what is waiting.

    Back-fill: everything back to `reached` was asked for, of what goes back to `goal`; `reached` None: all of it.
    `last_day` is yesterday, `gaps` are the last days, today included, that are not complete, the newest first."""

    meter: str
    obis: str
    since: datetime | None
    newest: datetime | None
    expected: int
    present: int
    missing: int
    waiting: int
    reached: datetime | None = None
    goal: datetime | None = None
    last_day: Complete | None = None
    gaps: tuple[tuple[date, Complete], ...] = ()


def progress_of(one: Watched, now: datetime) -> Progress:
    """As it stands."""
    waiting = sum(1 for _ in islice(one.pieces(now), LISTED))
    reached, goal = one.reached(now)
    coverage, grid = one.coverage, one.grid
    if not one.rhythmic:
        return Progress(one.meter.id, one.code, None, coverage.newest, 0, 0, 0, waiting, reached, goal)
    first, last = one.expected(now)
    expected = max(last - first + 1, 0)
    present = coverage.there.count(first, last)
    told = sum(b - a + 1 - coverage.there.count(a, b) for a, b in coverage.told.within(first, last).ranges)
    newest = coverage.there.highest(last)
    today = now.astimezone(one.zone).date()
    days = [(day, one.day(day, now)) for day in (today - _DAY * back for back in range(RECENT))]
    return Progress(
        one.meter.id,
        one.code,
        grid.end(first - 1) if expected else None,
        None if newest is None else grid.end(newest),
        expected,
        present,
        told,
        waiting,
        reached,
        goal,
        days[1][1],
        tuple((day, complete) for day, complete in days if complete.present < complete.expected),
    )


def strange_channels(one: Watched) -> Iterator[str]:
    """An alarm for each channel that is configured and does not come, as soon as rows have come."""
    if not isinstance(one.order, LoadProfile) or not one.coverage.channels:
        return
    seen = {channel.code for channel in one.coverage.channels}
    for code in map(str, one.order.channels):
        if code not in seen:
            yield f"{_short(one.code)} has no channel {_short(code)}"


def late_days(one: Watched, now: datetime) -> Iterator[str]:
    """An alarm for each legal-time day that should be complete by now and is neither that nor explained."""
    deadline = one.policy.deadline
    if deadline is None or one.coverage.begun is None:
        return
    today = now.astimezone(one.zone).date()
    last = today - (_DAY if now >= instant(today, deadline, one.zone) else 2 * _DAY)
    back = one.retry_window // _DAY + 1
    for day in (last - _DAY * n for n in range(back, -1, -1)):
        if not one.day(day, now).settled:
            yield f"{_short(one.code)} of {day.isoformat()} is not complete at {deadline:%H:%M}"


def _short(code: str) -> str:
    """As people write it, without group F."""
    return code.partition("*")[0]
