"""What the rules of validation look at: the intervals of a channel, states of its registers, what it can carry.

Rules: pure. The series reaches back as far as comparable days are looked for, and holds whatever there is. A register
is one of one meter with one ratio: where either changes another Register begins, so that nothing is compared across.
What is compared are true values only; the rest is not known. What reaches over midnight is judged on both of its days,
each of which must see the same of it: its intervals are those that were measured, whatever rules have made of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import gcd
from zoneinfo import ZoneInfo

from gatewayd.holidays import is_holiday
from gatewayd.legal_time import PRAGUE, day_bounds, legal_day
from gatewayd.metering.algebra import times, total
from gatewayd.metering.exact import finest
from gatewayd.metering.values import Channel, Series, Value
from gatewayd.model import RawStatus

_HALF = Decimal("0.5")
_LARGEST = 40
"""Digits before and after the point of an amount of this world (exact.py), asked for in a quicker way."""
TWO_DAYS = 2
"""What reaches over more days than that is not judged by the day: none of them but the middle one would see all of it
(daemon/metering_validation.py reads the states of the days beside)."""
Span = tuple[datetime, datetime]
VARIED = 10
"""So many different amounts have no greatest common divisor by accident."""


@dataclass(frozen=True, slots=True)
class Register:
    """States of a register, primary values, ascending by `at`, in the unit of the intervals; `seconds` of each is 0.
    `digit`: what one unit of its last digit is worth, ratios included; `digits`: of each state, where they differ.
    `meter`: whose it is; the tariffs are added up by it."""

    channel: Channel
    states: tuple[Value, ...]
    digit: Decimal
    meter: str = ""
    digits: tuple[Decimal, ...] = ()

    def digit_at(self, at: datetime) -> Decimal:
        """What one unit of the last digit of the state of an instant is worth."""
        place = bisect_left(self.states, at, key=lambda one: one.at)
        return self.digits[place] if place < len(self.digits) else self.digit


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one channel. `registers`: its total, `rates`: its tariffs. `digit`: what one unit of the last digit of an
    interval is worth, ratios included; None: as the amounts show it, and where they show too little as `resolution`
    says of a time (resolution.py). `maximum_kva`: of limits.py; None: not known. `near`: what was measured on the days
    beside the one that is looked at, as far as something reaches over midnight; None: the series has that."""

    series: Series
    registers: tuple[Register, ...] = ()
    rates: tuple[Register, ...] = ()
    digit: Decimal | None = None
    maximum_kva: Decimal | None = None
    zone: ZoneInfo = PRAGUE
    holiday: Callable[[date], bool] = is_holiday
    near: Series | None = None
    resolution: Callable[[datetime, datetime], Decimal | None] | None = None
    ends: tuple[datetime, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", tuple([one.at for one in self.series.values]))

    def inside(self, start: datetime, end: datetime) -> tuple[Value, ...]:
        """The values whose intervals lie in a time."""
        values = self.series.values[bisect_right(self.ends, start) : bisect_right(self.ends, end)]
        return values[1:] if values and values[0].start < start else values

    def close(self, start: datetime, end: datetime) -> "Evidence":
        """The same with the intervals of a day and of what is beside it alone."""
        if self.near is None:
            return self
        own = self.series.values[bisect_right(self.ends, start) : bisect_right(self.ends, end)]
        beside = [one for one in self.near.values if not start < one.at <= end]
        values = tuple(sorted((*own, *beside), key=lambda one: one.at)) if beside else own
        return replace(self, series=replace(self.series, values=values), near=None)

    def touching(self, start: datetime, end: datetime) -> tuple[Value, ...]:
        """The values whose intervals have part in a time."""
        low, high = bisect_right(self.ends, start), bisect_left(self.ends, end) + 1
        values = self.series.values[low:high]
        return values[:-1] if values and values[-1].start >= end else values

    def energy(self, start: datetime, end: datetime) -> Decimal | None:
        """The energy of a time; None unless all of it is there and true."""
        values = self.inside(start, end)
        amounts = [amount for amount in map(true_amount, values) if amount is not None]
        if len(amounts) < len(values) or sum([one.seconds for one in values]) != (end - start).total_seconds():
            return None
        return total(amounts)


def over_midnight(first: datetime, last: datetime, clock: timedelta, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when to when something lies between two states of a register: those read at midnight, by a clock that may be
    off by so much, are of midnight itself."""
    begin, end = (_at_midnight(at, clock, zone) for at in (first, last))
    return (begin, end) if begin < end else (first, last)


def _at_midnight(at: datetime, clock: timedelta, zone: ZoneInfo) -> datetime:
    start, end = day_bounds(legal_day(at, zone), zone)
    if at - start <= clock:
        return start
    return end if end - at <= clock else at


def days_between(begin: datetime, end: datetime, zone: ZoneInfo) -> int:
    """In how many legal-time days a time has part."""
    return (legal_day(end, zone) - legal_day(begin + timedelta.resolution, zone)).days + 1


def true_amount(value: Value) -> Decimal | None:
    """The amount of a true value that may be computed with."""
    amount = value.amount
    if amount is None or value.status is not RawStatus.TRUE or not amount.is_finite():
        return None
    return amount if -_LARGEST <= amount.adjusted() <= _LARGEST or not amount else None


def digit_of(amounts: Iterable[Decimal]) -> Decimal:
    """What one unit of the last digit is worth, as far as amounts show it: that of which all of them are multiples,
    where they vary enough, else the last place of the finest of them."""
    found = list(amounts)
    places = max(finest(found), 0)
    units = {int(times(one, Decimal(10) ** places)) for one in found if one}
    return times(Decimal(gcd(*units) if len(units) >= VARIED else 1), Decimal(1).scaleb(-places))


def middle(amounts: Iterable[Decimal]) -> Decimal:
    """The median; of two in the middle their mean, exact."""
    ordered = sorted(amounts)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return times(total([ordered[half - 1], ordered[half]]), _HALF)
