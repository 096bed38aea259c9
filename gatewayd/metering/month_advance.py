"""The energy of a month out of the states of a register at both its ends, through changes of meter and ratio.

    advanced(register, start, end)             -> Value: what the register has counted from one state to the other
    run_around(register, start, end, within)   -> Run: months without a state between them, and their advance

Rules: pure, exact. The state that ends a month begins the next one, so months add up to what the register went up, and
nothing is lost or counted twice. Ratios as primary.py takes them. Where the meter changes the parts of both are added:
the last state of the old one and the first of the new one are looked for around the change; what is not of the day of
the change makes the month distorted. The same of a change of ratio, at which one state parts the month. Where a state
is not there, or the register went back, the month is missing. One that began again at zero counts on (`overflow`).
Where states are missing or distorted, what the register went up is known of several months together, when it is true
from the state before them to the one after them, and no reading between says that it went back.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, end_label, legal_day, start_label
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.algebra import less, times, total
from gatewayd.metering.points import MeteringPoint, PointVersion, versions
from gatewayd.metering.register_state import BOUNDARY, State, chosen, newest
from gatewayd.metering.values import Method, Value, missing
from gatewayd.model import NO_FLAGS, Flag, RawStatus

_LEAST_DIGITS = 5
"""A register of fewer digits that goes back was exchanged or reset, and did not begin again."""
_CHANGED = Flag.CONFIG_CHANGED


class _NoAdvanceError(Exception):
    """Why there is none, in words."""

    def __init__(self, said: str, flags: Flag = NO_FLAGS) -> None:
        super().__init__(said)
        self.said = said
        self.flags = flags


@dataclass(slots=True)
class _Sum:
    """What was added up so far."""

    amounts: list[Decimal] = field(default_factory=list)
    used: list[State] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    flags: Flag = NO_FLAGS
    distorted: bool = False


@dataclass(frozen=True, slots=True)
class Register:
    """One register of a point: `near` gives the states within `reach` of a boundary of months; `between` all states of
    the time from one to another, both included, when it is asked for."""

    point: MeteringPoint
    near: Callable[[datetime], Sequence[State]]
    between: Callable[[datetime, datetime], Sequence[State]]
    reach: timedelta = BOUNDARY
    zone: ZoneInfo = PRAGUE


@dataclass(frozen=True, slots=True)
class Run:
    """Months one behind the other, between two states that part months, or between what is looked at. `bounds`: their
    beginnings and the end of the last one; `advance`: what the register went up over several of them together, None
    where that is not known."""

    bounds: tuple[datetime, ...]
    advance: Value | None = None


def at_boundary(register: Register, boundary: datetime) -> State | None:
    """The state that counts at the boundary of two months: of a meter that is at the point at the time."""
    held = versions(register.point, register.zone)
    there = [one for one in register.near(boundary) if _held(held, one) is not None]
    return chosen(there, boundary, register.reach, register.zone)


def advanced(register: Register, start: datetime, end: datetime) -> tuple[Value, str]:
    """The value of the month, and its unit ("" where there is no state)."""
    seconds = round((end - start).total_seconds())
    first, last = at_boundary(register, start), at_boundary(register, end)
    ends = tuple(one for one in (first, last) if one is not None)
    unit = ends[-1].unit if ends else ""
    if first is None or last is None:
        lost = [label for one, label in ((first, start_label(start)), (last, end_label(end))) if one is None]
        hours = round(register.reach.total_seconds() / 3600)
        reason = f"no state within {hours} h of {' and of '.join(lost)}"
        return missing(end, seconds, reason), unit
    try:
        found = _sum(register, first, last)
    except _NoAdvanceError as error:
        reason = f"{_shown(first, register.zone)} to {_shown(last, register.zone)}: {error.said}"
        inputs = tuple(sorted({one.seq for one in ends}))
        flags = first.flags | last.flags | error.flags
        none = Value(end, seconds, None, RawStatus.MISSING, flags, inputs, Method.NONE, 0, 1, reason=reason)
        return none, unit
    flags, status = found.flags, RawStatus.worst(one.status for one in found.used)
    for one in found.used:
        flags |= one.flags
    if found.distorted and status < RawStatus.DISTORTED:
        status = RawStatus.DISTORTED
    inputs = tuple(sorted({one.seq for one in found.used}))
    reason = "; ".join(found.said)
    return Value(end, seconds, total(found.amounts), status, flags, inputs, reason=reason), unit


def run_around(register: Register, start: datetime, end: datetime, within: tuple[datetime, datetime]) -> Run:
    """The run of the month from `start` to `end`. `within`: the first and the last state that there is."""
    bounds = deque((start, end))
    while (first := _parting(register, bounds[0])) is None and bounds[0] + register.reach > within[0]:
        bounds.appendleft(month_bounds(legal_day(bounds[0], register.zone), register.zone)[0])
    while (last := _parting(register, bounds[-1])) is None and bounds[-1] - register.reach < within[1]:
        bounds.append(month_bounds(legal_day(bounds[-1] + timedelta.resolution, register.zone), register.zone)[1])
    found = tuple(bounds)
    if first is None or last is None or len(found) == 2:
        return Run(found)
    value, _ = advanced(register, found[0], found[-1])
    true = value.status is RawStatus.TRUE and not _went_back(register, first, last, value)
    return Run(found, value if true else None)


def _parting(register: Register, boundary: datetime) -> State | None:
    """The state of a boundary where it is good enough for the months on both sides."""
    state = at_boundary(register, boundary)
    return state if state is not None and state.status < RawStatus.DISTORTED else None


def _went_back(register: Register, first: State, last: State, advance: Value) -> bool:
    """Whether a reading between two states says that the register went back, or began again at zero and the advance
    does not have that. What people mistype says nothing."""
    said = Flag.BACKWARD if Flag.OVERFLOW in advance.flags else Flag.BACKWARD | Flag.OVERFLOW
    held = versions(register.point, register.zone)
    measured = (one for one in newest(register.between(first.at, last.at)) if Flag.MANUAL not in one.flags)
    return any(one.flags & said and first.at < one.at and _held(held, one) is not None for one in measured)


def _sum(register: Register, first: State, last: State) -> _Sum:
    held = versions(register.point, register.zone)
    place, until = _held(held, first), _held(held, last)
    assert place is not None and until is not None, "what is at no time at the point was left out"
    if until < place:
        raise _NoAdvanceError("the states are not in the order of the meters at the point")
    found, here = _Sum(used=[first]), first
    for number in range(place, until):
        old, new = held[number], held[number + 1]
        if old.meter != new.meter:
            before, after = _exchange(register, old, new, here, last)
            _add(found, register, old, here, before)
            here = after
            found.used.append(after)
            _harmed(found, new.since, (before, after), register.zone)
        elif _factor(old, here) != _factor(new, last):
            parting = _nearest(_of(register, new.meter, here.at, last.at), new.since, register.reach)
            if parting is None:
                raise _NoAdvanceError(
                    f"no state around {_when(new.since, register.zone)}, when the ratio changed", _CHANGED
                )
            _add(found, register, old, here, parting)
            here = parting
            _harmed(found, new.since, (parting,), register.zone)
    _add(found, register, held[until], here, last)
    return found


def _exchange(
    register: Register, old: PointVersion, new: PointVersion, first: State, last: State
) -> tuple[State, State]:
    """The last state of the old meter and the first of the new one."""
    before = _nearest(_of(register, old.meter, first.at, new.since + register.reach), new.since, register.reach)
    after = _nearest(_of(register, new.meter, new.since - register.reach, last.at), new.since, register.reach)
    for meter, one in ((old.meter, before), (new.meter, after)):
        if one is None:
            said = f"no state of {meter} around {_when(new.since, register.zone)}, when the meter was exchanged"
            raise _NoAdvanceError(said, _CHANGED)
    assert before is not None and after is not None
    return before, after


def _of(register: Register, meter: str, first: datetime, last: datetime) -> list[State]:
    """The states of one meter in a time."""
    there = newest(register.between(first, last))
    return [one for one in there if one.meter == meter and first <= one.at <= last]


def _nearest(states: Sequence[State], at: datetime, reach: timedelta) -> State | None:
    near = [one for one in states if abs(one.at - at) <= reach]
    return min(near, key=lambda one: (abs(one.at - at), one.at, -one.seq), default=None)


def _harmed(found: _Sum, at: datetime, states: Sequence[State], zone: ZoneInfo) -> None:
    """A change within the month; it harms where its states are of another day."""
    found.flags |= _CHANGED
    day = legal_day(at + timedelta.resolution, zone)
    if any(one.at != at and legal_day(one.at, zone) != day for one in states):
        found.distorted = True
        found.said.append(f"the states around the change of {_when(at, zone)} are of another day")


def _add(found: _Sum, register: Register, version: PointVersion, first: State, last: State) -> None:
    """What one meter has counted from one state to another."""
    for start, end in _runs(register, first, last):
        if version.ratio is None and start.ratio.factor != end.ratio.factor:
            changed = f"the ratio changed from {start.ratio.factor:f} to {end.ratio.factor:f}"
            raise _NoAdvanceError(f"{changed}, and nobody says when: give it its `since`", _CHANGED)
        if start.unit != end.unit:
            raise _NoAdvanceError(f"the unit changes from {start.unit} to {end.unit}", _CHANGED)
        factor = _factor(version, end)
        risen = less(end.value, start.value)
        if risen < 0:
            risen = total((risen, _again(start, end)))
            found.flags |= Flag.OVERFLOW
        found.amounts.append(times(risen, factor))
        found.used += (start, end)
        shown = f"{_shown(start, register.zone)} to {_shown(end, register.zone)}"
        found.said.append(f"{version.meter} {shown}, times {factor:f}")


def _runs(register: Register, first: State, last: State) -> Iterator[tuple[State, State]]:
    """From the first to the last state of each of the meters that had the same name one after the other."""
    if not first.serial or not last.serial or first.serial == last.serial:
        yield first, last
        return
    states = [one for one in _of(register, first.meter, first.at, last.at) if one.serial]
    begin = before = first
    for one in (*states, last):
        if one.serial != before.serial:
            if one.at - before.at > register.reach:
                said = f"the serial number changes from {before.serial} to {one.serial}, without states around it"
                raise _NoAdvanceError(said, _CHANGED)
            yield begin, before
            begin = one
        before = one
    yield begin, last


def _again(start: State, end: State) -> Decimal:
    """What a register counts until it begins again at zero, in the unit of its states, where it did: from above nine
    tenths of its digits to below one tenth."""
    shown = start.text.strip().replace(",", ".")
    whole = shown.partition(".")[0]
    if len(whole) >= _LEAST_DIGITS and whole.isdecimal() and whole.startswith("9") and end.value >= 0:
        power = start.value.adjusted() - Decimal(shown).adjusted()
        full = Decimal(1).scaleb(len(whole) + power)
        if times(end.value, Decimal(10)) <= full:
            return full
    raise _NoAdvanceError(f"the register goes back from {start.value:f} to {end.value:f}", Flag.BACKWARD)


def _held(held: Sequence[PointVersion], state: State) -> int | None:
    """The version of the point that a state is of."""
    for place, one in enumerate(held):
        if one.meter == state.meter and one.since <= state.at and (one.until is None or state.at <= one.until):
            return place
    return None


def _factor(version: PointVersion, state: State) -> Decimal:
    return (version.ratio or state.ratio).factor


def _when(at: datetime, zone: ZoneInfo) -> str:
    return start_label(at, zone)


def _shown(state: State, zone: ZoneInfo) -> str:
    kept = ", billing value" if state.billing else ""
    return f"{state.value:f} {state.unit} ({_when(state.at, zone)}{kept})"
