"""One thing that is wanted of a meter again and again, and when it is due: pure, no clock, no I/O.

Rules: a fault is tried again after longer and longer pauses until the regular time, and never where asking again would
bring the same; what is still missing of a profile is due at once, as back-fill. However a wall clock is set, nothing
waits for ever, and nothing is done twice for one time of a daily job.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

from gatewayd.errors import GatewayError, MeterDiffers, MeterRefused
from gatewayd.model import Increments, LoadProfile, Order
from gatewayd.schedule import At, Every, Rhythm, Served, first_due, next_due, offset_of, place_of

PAUSES = (10.0, 30.0, 90.0, 300.0, 900.0, 1800.0, 3600.0)
"""Seconds before a job is tried again after a fault; the last one stays."""
AGE = timedelta(minutes=15)
"""What has waited so long counts as scheduled; after twice that nothing goes before it but what has waited longer."""
_A_DAY = timedelta(days=1)


class Priority(IntEnum):
    """The least goes first. Before all of them comes what a technician asks."""

    BOUNDARY = 1
    SCHEDULED = 2
    RETRY = 3
    BACKFILL = 4


@dataclass(frozen=True, slots=True)
class Duty:
    """What is wanted of a meter, and how often. Duties of a meter share a session when they are of one `company`."""

    meter: str
    order: Order
    rhythm: Rhythm
    company: int = 0


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of a duty: its fault, the pieces of time that are left, whether it brought readings that the archive
    did not have, whether it brought any, and whether the meter was asked at all: else there was nothing to ask for."""

    fault: GatewayError | None
    left: int = 0
    gained: bool = False
    answered: bool = False
    asked: bool = True


def end_of(brought: Sequence[Brought]) -> GatewayError | None:
    """The fault with which a session ended, None where there was none: that of the last duty that was asked for."""
    return next((one.fault for one in reversed(brought) if one.asked), None)


@dataclass(frozen=True, slots=True)
class Terms:
    """What all duties of a worker have in common. `pauses` after faults are half as long at the least: `fraction` gives
    numbers from 0 to 1. After so many `retries` a duty waits for its regular time, None: never."""

    zone: ZoneInfo
    fraction: Callable[[], float] = lambda: 1.0
    spread: timedelta = timedelta(0)
    pauses: Sequence[float] = PAUSES
    retries: int | None = None

    def pause(self, retries: int) -> timedelta:
        seconds = self.pauses[min(retries, len(self.pauses) - 1)]
        return timedelta(seconds=seconds * (0.5 + 0.5 * self.fraction()))


class Pending:
    """A duty and when it is due. Instants are those of the caller's wall clock, in UTC."""

    def __init__(self, duty: Duty, terms: Terms, now: datetime, served: Served | None = None) -> None:
        """`served`: up to when it was done before this process."""
        self.duty = duty
        self.left = 0
        """Pieces of time of the profile that are still to be asked for."""
        self.retries = 0
        self._terms = terms
        self._offset = offset_of(duty.rhythm, place_of(duty.meter), terms.spread)
        self._served = served
        last = None if served is None else served.before(now)
        at_once = isinstance(duty.order, LoadProfile)
        self.regular = first_due(duty.rhythm, now, terms.zone, last, at_once=at_once, offset=self._offset)
        """When it is due by its rhythm."""
        self._again: datetime | None = None  # it is tried again, or goes on filling, before that
        self._filling = False
        self._slot: datetime | None = None  # where the clock was set back since: the regular time for which it is due

    @property
    def due(self) -> datetime:
        """When it is to be asked next."""
        return self.regular if self._again is None else min(self._again, self.regular)

    @property
    def needed(self) -> datetime:
        """The same, where back-fill does not count."""
        return self.regular if self._filling else self.due

    def priority(self, when: datetime, now: datetime) -> Priority:
        """Of what is due since `when`."""
        waited = now - when
        if waited >= 2 * AGE:
            return Priority.BOUNDARY
        if self.regular <= now:
            own = Priority.BOUNDARY if isinstance(self.duty.order, Increments) else Priority.SCHEDULED
        else:
            own = Priority.BACKFILL if self._filling else Priority.RETRY
        return min(own, Priority.SCHEDULED) if waited >= AGE else own

    # -- the clock was set ---------------------------------------------------------------------------------------------

    def set_back(self, seen: datetime, now: datetime) -> None:
        """The clock showed `seen` and shows `now`, which is earlier."""
        if self.regular <= seen:  # late, and not put off
            self._slot = self._slot or self.regular
            self.regular = min(self.regular, now)
        elif seen - now > _A_DAY or not isinstance(self.duty.rhythm, At):
            self.regular = min(self.regular, self._next(now))
        if self._again is not None:
            longest = timedelta(seconds=self._terms.pauses[-1])
            self._again = min(self._again, now if self._again <= seen else now + longest)

    def set_forward(self, now: datetime) -> None:
        """The clock may have been wrong until now: what was done for today before it went wrong is done."""
        last = None if self._served is None else self._served.before(now)
        if isinstance(self.duty.rhythm, At) and self.regular <= now and last is not None:
            self.regular = self._next(last)

    # -- what came of it -----------------------------------------------------------------------------------------------

    def sound(self, one: Brought, started: datetime, now: datetime) -> datetime:
        """It was done by a session from `started` to `now`. Gives the instant up to which nothing is due any more."""
        mark = self._pass(started, now)
        self._serve(mark)
        idle = one.left > 0 and not one.gained and one.left == self.left
        self.left, self._filling = one.left, one.left > 0
        if idle:
            self._pause(now)
        else:
            self._again, self.retries = now if self._filling else None, 0
        return mark

    def failed(self, fault: GatewayError, started: datetime, now: datetime) -> None:
        """A session from `started` to `now` was in vain."""
        if self.regular <= started:
            self.retries, self._filling = 0, False
        mark = self._pass(started, now)
        if isinstance(fault, MeterRefused | MeterDiffers) or self.retries == self._terms.retries:
            self._give_up(mark)
        else:
            self._pause(now)

    def goes_along(self, lead: "Pending", fault: GatewayError | None, started: datetime, now: datetime) -> None:
        """It was not tried because of another duty's fault: it waits for that one and does not ask before."""
        mark = self._pass(started, now)
        if isinstance(fault, MeterRefused):
            self._give_up(mark)
        else:
            self._again = lead.due if lead.due < self.regular else None

    def put_off(self, until: datetime) -> None:
        """Not before its first regular time behind that."""
        self.regular, self._slot = self._next(until), None
        self._give_up(until)

    def _pause(self, now: datetime) -> None:
        again = now + self._terms.pause(self.retries)
        if again < self.regular:
            self._again, self.retries = again, self.retries + 1
        else:
            self._again, self.retries, self._filling = None, 0, False

    def _give_up(self, mark: datetime) -> None:
        """Until the regular time."""
        self._again, self.retries, self._filling = None, 0, False
        self._serve(mark)

    def _pass(self, started: datetime, now: datetime) -> datetime:
        """It was run, for what was due up to the instant that is given: on to its next regular time."""
        slot, self._slot = self._slot, None
        mark = max(started, slot) if slot is not None and slot - started <= _A_DAY else started
        since = now if isinstance(self.duty.rhythm, Every) else mark
        if self.regular <= max(since, started):
            self.regular = self._next(since)
        return mark

    def _serve(self, mark: datetime) -> None:
        self._served = Served(mark, mark) if self._served is None else self._served.and_at(mark)

    def _next(self, after: datetime) -> datetime:
        return next_due(self.duty.rhythm, after, self._terms.zone, self._offset)
