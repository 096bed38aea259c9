"""When a job is due: pure, no clock, no waiting.

Rules: `every` runs on multiples of its period counted from the epoch in UTC, so that 15 minutes fall on quarter-hours
in any zone; intervals run on the boundaries of legal time; `at` runs once a legal-time day, also on the days of 23 and
25 hours, or once on each of the days that it names. A job that was late runs once, not once for every run that it
missed. A meter keeps its place in the time over which jobs are spread; boundaries are never moved.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.legal_time import boundary, instant

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_FAR = timedelta(days=30)
_SPREAD_FROM = timedelta(minutes=1)
"""What runs more often than that is not spread."""


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
    """Once a day at a legal-time wall clock reading; with `on` only on that weekday (mon to sun) or on that day of the
    month (1 to 28)."""

    time: time
    on: str | int | None = None

    def __post_init__(self) -> None:
        known = self.on is None or self.on in WEEKDAYS or (isinstance(self.on, int) and 1 <= self.on <= 28)
        if not known:
            raise ValueError(f"on is mon to sun or 1 to 28, not {self.on!r}")

    def falls_on(self, day: date) -> bool:
        """Whether it runs on this legal-time day."""
        if isinstance(self.on, str):
            return WEEKDAYS[day.weekday()] == self.on
        return self.on is None or day.day == self.on


Rhythm = Every | Boundaries | At


@dataclass(frozen=True, slots=True)
class Served:
    """Up to when a job is done: the instant of its last run, and the latest one that the clock has ever shown at a
    run. The two differ after the clock was set back."""

    last: datetime
    latest: datetime

    def and_at(self, at: datetime) -> "Served":
        """The job was run again."""
        return Served(at, max(self.latest, at))

    def before(self, now: datetime) -> datetime | None:
        """The last run as far as a clock that shows `now` can know of it: one that is still to come by no more than a
        day is one before the clock was set back. None where there is no such run."""
        # A clock without a battery begins years ago; of smaller differences it is not known which side was wrong.
        likely = (self.latest, self.last) if self.latest - self.last > _FAR else (self.last,)
        return next((one for one in likely if one <= now + _DAY), None)


def next_due(rhythm: Rhythm, after: datetime, zone: ZoneInfo, offset: timedelta = timedelta(0)) -> datetime:
    """The first instant later than `after` at which the job is due, in UTC; `offset`: how much later than others."""
    base = after - offset
    match rhythm:
        case Every(period):
            due = base + (period - (base - _EPOCH) % period)
        case Boundaries(period):
            return boundary(after, period, zone) + period
        case At(at):
            day = base.astimezone(zone).date() - _DAY
            while not rhythm.falls_on(day) or (due := instant(day, at, zone)) <= base:
                day += _DAY
    return due + offset


def first_due(
    rhythm: Rhythm,
    started: datetime,
    zone: ZoneInfo,
    last: datetime | None = None,
    *,
    at_once: bool = False,
    offset: timedelta = timedelta(0),
) -> datetime:
    """When a job runs for the first time after a start. `every` at once, so that a new meter is seen to work, and the
    boundary that a restart has just missed is read late rather than not at all.

    `at`: at once when a run was missed since the `last` one; where none is known at its time, or `at_once`.
    """
    if not isinstance(rhythm, At):
        return started
    if last is None or last > started + _DAY:
        return started if at_once else next_due(rhythm, started, zone, offset)
    return max(started, next_due(rhythm, last, zone, offset))


def offset_of(rhythm: Rhythm, place: float, spread: timedelta) -> timedelta:
    """How much later a job runs than its rhythm says, for a meter with this place (from 0 to 1) in the spread."""
    match rhythm:
        case Boundaries():
            return timedelta(0)
        case Every(period):
            length = min(spread, period) if period >= _SPREAD_FROM else timedelta(0)
        case At():
            length = spread
    return timedelta(milliseconds=length // timedelta(milliseconds=1) * place // 1)


def place_of(meter: str) -> float:
    """The place of a meter in a spread, from 0 to less than 1: always the same, and evenly over many meters. All jobs
    of a meter share it, so that what is due together is asked together."""
    return int.from_bytes(hashlib.blake2b(meter.encode(), digest_size=4).digest()) / 2**32
