"""What substitute values of a profile are made of: the point's own true values, control metering, register advances.

Rules: pure. Only true values of the whole metering period are a basis, never a substitute: so the order in which values
come has no influence on what is made of them. The series must hold whatever there is of the time that `needed` names;
where it has what was computed before for an interval, that counts as missing.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.holidays import is_holiday
from gatewayd.legal_time import PRAGUE, QUARTER, day_bounds, days, legal_day
from gatewayd.metering.day_class import WEEK, later_days
from gatewayd.metering.exact import difference, sane
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Series, Value
from gatewayd.model import RawStatus

_COMPUTED = (Method.CONTROL, Method.INTERPOLATED, Method.COMPARABLE)


def replaceable(value: Value) -> bool:
    """Whether an interval gets a substitute: it is missing or distorted, or has one that was computed before."""
    return value.status in (RawStatus.DISTORTED, RawStatus.MISSING) or (
        value.method in _COMPUTED and value.status is not RawStatus.TRUE
    )


@dataclass(frozen=True, slots=True)
class Advance:
    """By how much a register of the same energy went up from `start` to `end`, which are ends of intervals. A primary
    value in the unit of the series; `inputs` are the two readings."""

    start: datetime
    end: datetime
    amount: Decimal
    inputs: tuple[int, ...] = ()


def advances(states: Iterable[Value]) -> tuple[Advance, ...]:
    """From each true state of a register to the next one, ascending. A register that went back advances nothing, nor
    does one on either side of a state that is not true."""
    found: list[Advance] = []
    before: Value | None = None
    for state in sorted(states, key=lambda one: one.at):
        if before is not None and before.at < state.at:
            first, last = _true(before), _true(state)
            if first is not None and last is not None and last >= first:
                inputs = tuple(sorted({*before.inputs, *state.inputs}))
                found.append(Advance(before.at, state.at, difference(last, first), inputs))
        before = state
    return tuple(found)


def _true(value: Value) -> Decimal | None:
    """The amount of a true value that may be computed with."""
    return value.amount if value.status is RawStatus.TRUE and sane(value.amount) else None


def disjoint(found: Iterable[Advance]) -> tuple[Advance, ...]:
    """Of advances that overlap, the shortest: it says most about where the energy was. Ascending."""
    taken: list[Advance] = []
    for one in sorted(found, key=lambda one: (one.end - one.start, one.start)):
        if one.start < one.end and all(one.end <= other.start or other.end <= one.start for other in taken):
            taken.append(one)
    return tuple(sorted(taken, key=lambda one: one.start))


@dataclass(frozen=True, slots=True)
class Basis:
    """The basis of one channel. ValueError where the control metering has another unit."""

    series: Series
    control: Series | None = None
    advances: tuple[Advance, ...] = ()
    period: timedelta = QUARTER
    zone: ZoneInfo = PRAGUE
    holiday: Callable[[date], bool] = is_holiday
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
        object.__setattr__(self, "other", {} if control is None else control.by_end())
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
        if value is None or replaceable(value) or value.seconds != self.period.total_seconds():
            return None
        return value.amount if sane(value.amount) else None

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


def needed(
    day: date, terms: SubstitutionTerms, known: Iterable[Advance] = (), zone: ZoneInfo = PRAGUE
) -> tuple[datetime, datetime]:
    """From when to when a series must hold whatever there is, so that a day can be substituted: with the comparable
    days and the neighbours of its gaps, and those of the days over which an advance reaches."""
    begin, end = day_bounds(day, zone)
    found = list(reaching(known, begin, end))
    begin, end = min([begin, *(one.start for one in found)]), max([end, *(one.end for one in found)])
    reach = (terms.longest_gap + 1) * QUARTER
    first, _ = day_bounds(legal_day(begin + QUARTER, zone) - timedelta(days=WEEK * terms.weeks), zone)
    return min(first, begin - reach), end + reach


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
    begin, end = day_bounds(day, zone)
    reach = terms.longest_gap * QUARTER
    found = set(days(legal_day(begin - reach, zone), legal_day(end + reach, zone)))
    found |= {day, *later_days(day, terms.weeks, holiday)}
    if terms.scale:
        taken = disjoint(known)
        for one in [one for near in found for one in reaching(taken, *day_bounds(near, zone))]:
            found |= set(days(legal_day(one.start + QUARTER, zone), legal_day(one.end, zone)))
    return day, *sorted(found - {day})
