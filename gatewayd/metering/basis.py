"""What substitute values of a profile are made of: the point's own true values, control metering, register advances.

Rules: pure. Only true values of the whole metering period are a basis, never a substitute: so the order in which values
come has no influence on what is made of them. The series must hold whatever there is of the days that `needed` names;
where it has what was computed before for an interval, that counts as missing. What was read by hand measures nothing.
Of a control metering with shorter intervals those of an interval count together, where all of them are there and true.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.holidays import is_holiday
from gatewayd.legal_time import PRAGUE, QUARTER, Grid, day_bounds, days, ends_between, grid_of, legal_day
from gatewayd.metering.algebra import total
from gatewayd.metering.day_class import comparable_days, later_days
from gatewayd.metering.exact import difference, sane
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Series, Value, merged_flags, merged_inputs
from gatewayd.model import Flag, RawStatus

_COMPUTED = (Method.CONTROL, Method.INTERPOLATED, Method.COMPARABLE)
NEAR = 100
"""A state that is no more than this part of an interval beside its end is meant to be of that end, as stamps are
(legal_time.Grid): 9 s of a quarter-hour. What flows meanwhile matters less than that to a gap of one interval."""
_DAY = timedelta(days=1)


def replaceable(value: Value) -> bool:
    """Whether an interval gets a substitute: it is missing or distorted, or has one that was computed before."""
    return value.status in (RawStatus.DISTORTED, RawStatus.MISSING) or (
        value.method in _COMPUTED and value.status is not RawStatus.TRUE
    )


@dataclass(frozen=True, slots=True)
class Advance:
    """By how much a register of the same energy went up from `start` to `end`: ends of intervals, or nothing is scaled
    to it. A primary value in the unit of the series; `inputs` are the two readings. `digit`: what one unit of the last
    digit of the register is worth, ratios included; 0: it is known exactly."""

    start: datetime
    end: datetime
    amount: Decimal
    inputs: tuple[int, ...] = ()
    digit: Decimal = Decimal(0)

    def on_grid(self, period: timedelta, zone: ZoneInfo = PRAGUE) -> bool:
        """Whether it begins and ends with intervals of this length."""
        ends = ends_between(self.start, self.end, period, zone)
        return bool(ends) and ends[0] - period == self.start and ends[-1] == self.end


def advances(
    states: Iterable[Value], period: timedelta = QUARTER, zone: ZoneInfo = PRAGUE, digit: Decimal = Decimal(0)
) -> tuple[Advance, ...]:
    """Between true states of a register, ascending: from each that was read at the end of an interval of this length to
    the next such one, and from one to the next where there is none. A register that went back advances nothing, nor
    does one on either side of a state that is not true. What was read by hand is as if it were not there."""
    known = sorted((one for one in states if Flag.MANUAL not in one.flags), key=lambda one: one.at)
    ends = _ends_of(known, period, zone)
    found: list[Advance] = []
    beside: list[Advance] = []
    before: Value | None = None
    begun: Value | None = None
    for state in known:
        last, first = _true(state), None if before is None else _true(before)
        if last is None or first is None or last < first:
            begun = None
        end = ends.get(state.at)
        if last is not None and end is not None:
            if begun is not None:
                found.append(_advance(begun, state, ends[begun.at], end, digit))
            begun = state
        if before is not None and first is not None and last is not None and before.at < state.at and first <= last:
            beside.append(_advance(before, state, before.at, state.at, digit))
        before = state
    rest = [one for one in beside if not any(reaching(found, one.start, one.end))]
    return tuple(sorted([*found, *rest], key=lambda one: one.start))


def _advance(first: Value, last: Value, start: datetime, end: datetime, digit: Decimal) -> Advance:
    assert first.amount is not None and last.amount is not None
    inputs = tuple(sorted({*first.inputs, *last.inputs}))
    return Advance(start, end, difference(last.amount, first.amount), inputs, digit)


def _ends_of(states: Iterable[Value], period: timedelta, zone: ZoneInfo) -> dict[datetime, datetime]:
    """The ends of intervals that states are of, by the instants of these: of several at one end the nearest."""
    if not Grid.fits(period):
        return {}
    grid, nearest = grid_of(period, zone), dict[datetime, datetime]()
    for state in states:
        number = grid.number(state.at)
        end = None if number is None else grid.end(number)
        if end is None or abs(end - state.at) > period / NEAR or _true(state) is None:
            continue
        other = nearest.get(end)
        if other is None or abs(end - state.at) < abs(end - other):
            nearest[end] = state.at
    return {at: end for end, at in nearest.items()}


def _true(value: Value) -> Decimal | None:
    """The amount of a true value that may be computed with."""
    return value.amount if value.status is RawStatus.TRUE and sane(value.amount) else None


def _absurd(value: Value | None) -> bool:
    return value is not None and value.status is RawStatus.TRUE and value.there and not sane(value.amount)


def disjoint(found: Iterable[Advance]) -> tuple[Advance, ...]:
    """Of advances that overlap, the shortest: it says most about where the energy was. Ascending."""
    taken: list[Advance] = []
    for one in sorted(found, key=lambda one: (one.end - one.start, one.start)):
        if one.start < one.end and all(one.end <= other.start or other.end <= one.start for other in taken):
            taken.append(one)
    return tuple(sorted(taken, key=lambda one: one.start))


@dataclass(frozen=True, slots=True)
class Basis:
    """The basis of one channel. `most`: the energy that an interval can have at most; None: not known. `measured`: the
    ends of distorted intervals whose energy was metered: no line is drawn over them. ValueError where the control
    metering has another unit."""

    series: Series
    control: Series | None = None
    advances: tuple[Advance, ...] = ()
    period: timedelta = QUARTER
    zone: ZoneInfo = PRAGUE
    holiday: Callable[[date], bool] = is_holiday
    most: Decimal | None = None
    measured: frozenset[datetime] = frozenset()
    own: dict[datetime, Value] = field(init=False, repr=False, compare=False)
    other: dict[datetime, Value] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mine, control = self.series.channel, self.control
        if control is not None and control.channel.unit != mine.unit:
            raise ValueError(
                f"{mine.point} {mine.obis} is in {mine.unit}, its control metering {control.channel.point} in "
                f"{control.channel.unit}: name channels of the same unit"
            )
        object.__setattr__(self, "own", self.series.by_end())
        object.__setattr__(self, "other", {} if control is None else _together(control, self.period, self.zone))
        object.__setattr__(self, "advances", disjoint(self.advances))

    def true(self, at: datetime) -> Decimal | None:
        """The point's own true amount of the interval that ends then."""
        return self._whole(self.own.get(at))

    def of_control(self, at: datetime) -> Decimal | None:
        """The true amount of the control metering."""
        return self._whole(self.other.get(at))

    def whole(self, at: datetime) -> Decimal | None:
        """The point's own amount of the interval that ends then, if it is none to be replaced."""
        value = self.own.get(at)
        if value is None or self.replaceable(value) or value.seconds != self.period.total_seconds():
            return None
        return value.amount if sane(value.amount) else None

    def replaceable(self, value: Value) -> bool:
        """Whether an own interval gets a substitute. One that was measured gets that of the control metering alone."""
        if not replaceable(value):
            return False
        if value.at not in self.measured:
            return True
        control = self.of_control(value.at)
        return control is not None and not self.too_much(control)

    def absurd(self, at: datetime) -> bool:
        """Whether the own value of the interval that ends then is true, and has too many digits to be a basis."""
        return _absurd(self.own.get(at))

    def absurd_control(self, at: datetime) -> bool:
        """The same of anything that the control metering has in that interval."""
        there = () if self.control is None else self.control.values
        return any(_absurd(one) for one in there if at - self.period < one.at <= at)

    def told(self, at: datetime) -> bool:
        """Whether anything is known of the interval that ends then, be it that it is missing."""
        return at in self.own

    def too_much(self, amount: Decimal) -> bool:
        """Whether it is more than an interval can have, in whichever direction."""
        return self.most is not None and amount.copy_abs() > self.most

    def inputs(self, ends: Iterable[datetime]) -> set[int]:
        """The sequence numbers behind the point's own values of these intervals."""
        return {seq for at in ends if at in self.own for seq in self.own[at].inputs}

    def _whole(self, value: Value | None) -> Decimal | None:
        if value is None or value.seconds != self.period.total_seconds():
            return None
        return _true(value)

    def advances_of(self, day: date) -> tuple[Advance, ...]:
        """Those that reach into a day, and not out of the series."""
        if not self.series.values:
            return ()
        first, last = self.series.values[0].start, self.series.values[-1].at
        begin, end = day_bounds(day, self.zone)
        return tuple(one for one in reaching(self.advances, begin, end) if first <= one.start and one.end <= last)


def _together(control: Series, period: timedelta, zone: ZoneInfo) -> dict[datetime, Value]:
    """The values of a control metering by their ends; where its intervals are shorter, with the sum of those that
    together are one of this length, all of them true."""
    found, values = control.by_end(), control.values
    seconds, ends = round(period.total_seconds()), [one.at for one in values]
    if all(one.seconds >= seconds for one in values):
        return found
    for at in ends_between(values[0].start, values[-1].at, period, zone):
        parts = values[bisect_right(ends, at - period) : bisect_right(ends, at)]
        amounts = [amount for amount in map(_true, parts) if amount is not None]
        whole = sum([one.seconds for one in parts]) == seconds and parts[0].start == at - period
        if whole and len(amounts) == len(parts) > 1:
            flags, inputs = merged_flags(parts), merged_inputs(parts)
            found[at] = Value(at, seconds, total(amounts), RawStatus.TRUE, flags, inputs, Method.AGGREGATE)
    return found


def needed(
    day: date,
    terms: SubstitutionTerms,
    known: Iterable[Advance] = (),
    zone: ZoneInfo = PRAGUE,
    holiday: Callable[[date], bool] = is_holiday,
) -> tuple[date, ...]:
    """The days of which a series must hold whatever there is, so that a day can be substituted, itself among them,
    ascending: its comparable days and the neighbours of its gaps. And the same for each day into which an advance
    reaches that has part in it: all days of an advance must come to the same shares."""
    shared = {day}
    for one in reaching(known, *day_bounds(day, zone)) if terms.scale else ():
        shared |= set(days(legal_day(one.start + timedelta.resolution, zone), legal_day(one.end, zone)))
    found: set[date] = set()
    for other in shared:
        found |= {*_beside(other, terms, zone), *comparable_days(other, terms.weeks, holiday)}
    return tuple(sorted(found))


def _beside(day: date, terms: SubstitutionTerms, zone: ZoneInfo) -> set[date]:
    """The day, and those into which its gaps may reach: one on both sides at least."""
    begin, end = day_bounds(day, zone)
    reach = terms.longest_gap * QUARTER
    first, last = legal_day(begin - reach, zone), legal_day(end + reach, zone)
    return set(days(min(first, day - _DAY), max(last, day + _DAY)))


def reaching(known: Iterable[Advance], begin: datetime, end: datetime) -> Iterator[Advance]:
    """The advances that have part in a time."""
    return (one for one in known if one.start < end and begin < one.end)


def affected(
    day: date,
    terms: SubstitutionTerms,
    known: Iterable[Advance] = (),
    zone: ZoneInfo = PRAGUE,
    holiday: Callable[[date], bool] = is_holiday,
) -> tuple[date, ...]:
    """The days whose substitutes may be others when a value of this day has come: itself first, the others ascending.
    Whoever keeps substitutes of other days in the series must compute in this order."""
    if not terms.enabled:
        return (day,)
    found = _beside(day, terms, zone) | set(later_days(day, terms.weeks, holiday))
    if terms.scale:
        taken = disjoint(known)
        for one in [one for near in found for one in reaching(taken, *day_bounds(near, zone))]:
            found |= set(days(legal_day(one.start + QUARTER, zone), legal_day(one.end, zone)))
    return day, *sorted(found - {day})
