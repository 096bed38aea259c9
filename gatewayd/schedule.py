"""When a job is due: pure, no clock, no waiting.

Rules: `every` runs on multiples of its period counted from the epoch in UTC, so that 15 minutes fall on quarter-hours
in any zone; intervals run on the boundaries of legal time; `at` runs once a legal-time day, also on the days of 23 and
25 hours. A job that was late runs once, not once for every run that it missed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.legal_time import boundary, instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again, aligned to multiples of the period."""

    period: timedelta


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Again and again, at the boundaries of intervals of legal time."""

    period: timedelta


@dataclass(frozen=True, slots=True)
class At:
    """Once a day at a legal-time wall clock reading."""

    time: time


Rhythm = Every | Boundaries | At


def next_due(rhythm: Rhythm, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant later than `after` at which the job is due, in UTC."""
    match rhythm:
        case Every(period):
            return after + (period - (after - _EPOCH) % period)
        case Boundaries(period):
            return boundary(after, period, zone) + period
        case At(at):
            day = after.astimezone(zone).date() - timedelta(days=1)
            while (due := instant(day, at, zone)) <= after:
                day += timedelta(days=1)
            return due


def first_due(rhythm: Rhythm, started: datetime, zone: ZoneInfo) -> datetime:
    """When a job runs for the first time after a start: `every` at once, so that a new meter is seen to work, and the
    boundary that a restart has just missed is read late rather than not at all."""
    return next_due(rhythm, started, zone) if isinstance(rhythm, At) else started
