"""Months of points whose meters keep no load profile: the advance of each register, and substitutes of whole months.

    of(work, months, now, reason)     what is new of some months of a point, with its events
    affected(work, month)             the other months that may change with one

Rules: writes nothing. All months that are computed together have their sums first, so that a substitute is made of what
is true now, in whatever order months come. A month is written when a state ends it or comes after it, when it is
settled without one, or when somebody has estimated it; not before the first state of its register. What a month without
states gets says period_substitute.py; where several of them have a known advance together (month_advance.Run), each is
made with all of them, whichever is asked for. A part of an advance stays when the states behind it are gone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import DerivedReader
from gatewayd.daemon.derived_events import Told
from gatewayd.daemon.entered import Entered
from gatewayd.daemon.metering_events import Events, with_events
from gatewayd.daemon.metering_held import Held
from gatewayd.daemon.metering_losses import register_losses
from gatewayd.daemon.metering_states import EVER, NEVER, StateReader
from gatewayd.daemon.metering_steps import PointWork
from gatewayd.daemon.metering_sums import SETTLED, Tally
from gatewayd.legal_time import legal_day
from gatewayd.metering.aggregate import month_bounds, months
from gatewayd.metering.derivation import GATEWAY, Derivation, Facts, Standing, news
from gatewayd.metering.entered import estimates_of
from gatewayd.metering.entered_before import kept_estimate
from gatewayd.metering.events import PointEvent
from gatewayd.metering.month_advance import Register, Run, advanced, at_boundary, run_around
from gatewayd.metering.period_substitute import Estimate, Month, is_part, period_substituted, shared_out
from gatewayd.metering.points import MeteringPoint, versions
from gatewayd.metering.register_state import State, rank, usual_unit
from gatewayd.metering.values import Channel, Layer, Method, Series, Value
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

_BY_HAND = 2
"""Rank of a state that was read by hand on the last day of its month."""
_Spans = Mapping[Obis, tuple[datetime, datetime]]


class Months:
    """Used from one thread after the other, never from two at a time."""

    def __init__(
        self,
        states: StateReader,
        derived: DerivedReader,
        entered: Entered,
        events: Events,
        tally: Tally,
        zone: ZoneInfo,
        held: Held,
    ) -> None:
        self._states = states
        self._derived = derived
        self._entered = entered
        self._events = events
        self._tally = tally
        self._zone = zone
        self._held = held

    def begun(self, work: PointWork) -> date | None:
        """The first month of which there is a state at its beginning; None where there is no state. ArchiveError."""
        spans, (_, reach) = self._spans(work), _point(work)
        return min((self._first(span[0], reach) for span in spans.values()), default=None)

    def due(self, work: PointWork, looked: datetime, now: datetime) -> Iterator[date]:
        """Months that have become due after `looked` and are by now: nothing more is waited for, or their substitutes
        are settled. ArchiveError."""
        begun, (point, reach) = self.begun(work), _point(work)
        terms = point.substitution
        if begun is None:
            return
        back = looked - timedelta(days=terms.deadline_days + 31) - reach
        for first in months(max(begun, legal_day(back, self._zone)), legal_day(now, self._zone)):
            end = month_bounds(first, self._zone)[1]
            dues = [end + max(SETTLED, reach)]
            if terms.enabled:
                dues.append(terms.until(legal_day(end, self._zone), self._zone))
            if any(looked < one <= now for one in dues):
                yield first

    def all(self, work: PointWork, now: datetime) -> tuple[date, ...]:
        """Every month that there may be by now. ArchiveError."""
        begun = self.begun(work)
        return () if begun is None else months(begun, legal_day(now, self._zone))

    def affected(self, work: PointWork, month: date) -> list[date]:
        """The other months that may change with this one: gaps between states, and those that have, or may have,
        substitutes of it. ArchiveError."""
        point, reach = _point(work)
        there: dict[date, bool] = {}
        standing, found = self._standing(point.id), set[date]()
        for code, (first, last) in self._spans(work).items():
            known = {legal_day(at, self._zone).replace(day=1) for at in standing.get(code, {})}
            found |= set(months(self._first(first, reach), legal_day(last, self._zone))) - known
        for of_code in standing.values():
            for at, one in of_code.items():
                day = legal_day(at, self._zone).replace(day=1)
                there[day] = there.get(day, True) and one.derived.value.status is RawStatus.TRUE
        if point.substitution.enabled:
            found |= {day for day, true in there.items() if not true}
        return sorted(found - {month})

    def of(self, work: PointWork, firsts: Iterable[date], now: datetime, reason: str) -> list[Derivation | Told]:
        """What is new of months, named by their first days, with what is to be told of them. ArchiveError."""
        self._entered.known()
        point, reach = _point(work)
        spans, standing = self._spans(work), self._standing(point.id)
        bounds = {first: month_bounds(first, self._zone) for first in sorted(set(firsts))}
        over = {first: span for first, span in bounds.items() if span[1] <= now}
        for _, end in over.values() if self._derived.damaged else ():  # what stands of these has to be known
            self._derived.current_of((point.id,), (Layer.MONTH,), end - timedelta.resolution, end)
        sums: dict[Obis, dict[datetime, Value]] = defaultdict(dict)
        units: dict[Obis, str] = {}
        register = self._registers(point, reach)
        for start, end in over.values():
            for code, value, unit in self._month(work, register, start, end, now, spans, standing):
                sums[code][end] = value
                units[code] = unit or units.get(code, "")
        made: list[Derivation] = []
        series: dict[date, list[Series]] = defaultdict(list)
        facts = _facts(point, reach)
        for code in sorted(sums):
            known = standing.get(code, {})
            unit = units[code] or next((one.unit for one in known.values()), "") or usual_unit(code)
            channel = Channel(point.id, code, unit)
            values = self._substituted(register(code), channel, sums[code], known, spans.get(code), now)
            values = self._held.kept(Series(channel, Layer.MONTH, tuple(values)), known).values
            for value in values:
                first = legal_day(value.at, self._zone).replace(day=1)
                series[first].append(Series(channel, Layer.MONTH, (value,)))
            made += self._new(channel, values, known, reason, facts)
        made += register_losses(self._derived, point, series, self._zone, reason)
        self._tally.months += len(over)
        return with_events(made, self._told(point.id, series, over), point.id, reason)

    def _month(
        self,
        work: PointWork,
        register: Callable[[Obis], Register],
        start: datetime,
        end: datetime,
        now: datetime,
        spans: _Spans,
        standing: Mapping[Obis, Mapping[datetime, Standing]],
    ) -> Iterator[tuple[Obis, Value, str]]:
        """Each register's advance in a month, as far as it is to be written."""
        point, reach = _point(work)
        there = self._codes(work, start, end)
        wanted = point.channels or sorted(there)
        estimated = self._estimated(point.id, start)
        for code in dict.fromkeys((*wanted, *sorted(estimated))):
            span = spans.get(code)
            stands = end in standing.get(code, {})
            begun = span is not None and span[0] <= start + reach
            if not begun and not stands and code not in estimated:
                continue
            value, unit = advanced(register(code), start, end)
            if stands or code in estimated or self._over(register(code), end, span, now):
                yield code, value, unit

    def _over(self, register: Register, end: datetime, span: tuple[datetime, datetime] | None, now: datetime) -> bool:
        """Whether a state ends a month or comes after it, or it is settled without one."""
        last = at_boundary(register, end)
        ended = last is not None and rank(last, end, self._zone) <= _BY_HAND
        return ended or (span is not None and span[1] >= end) or now >= end + max(SETTLED, register.reach)

    def _registers(self, point: MeteringPoint, reach: timedelta) -> Callable[[Obis], Register]:
        """By their codes. They read the states of a time when they are asked for, once."""
        read: dict[tuple[datetime, datetime], dict[Obis, list[State]]] = {}

        def states(code: Obis, first: datetime, last: datetime) -> Sequence[State]:
            found = read.get((first, last))
            if found is None:
                found = read[first, last] = defaultdict(list)
                for one in self._states.states(point.meters, first, last):
                    found[one.obis].append(one)
            return found.get(code, ())

        def of(code: Obis) -> Register:
            def near(boundary: datetime) -> Sequence[State]:
                return states(code, boundary - reach, boundary + reach)

            return Register(point, near, partial(states, code), reach, self._zone)

        return of

    def _codes(self, work: PointWork, start: datetime, end: datetime) -> set[Obis]:
        """The registers of the meters that were at the point in a month."""
        point, _ = _point(work)
        meters = {one.meter for one in versions(point, self._zone) if one.touches(start, end)}
        return {code for meter, code in self._states.spans(point.meters) if meter in meters}

    def _spans(self, work: PointWork) -> dict[Obis, tuple[datetime, datetime]]:
        """From when to when there are states of each register, of whichever meter."""
        point, _ = _point(work)
        found: dict[Obis, tuple[datetime, datetime]] = {}
        since = point.installed[0].since if point.installed else EVER
        for (_, code), (first, last) in self._states.spans(point.meters).items():
            if (not point.channels or code in point.channels) and last >= since:
                known = found.get(code, (first, last))
                found[code] = min(known[0], max(first, since)), max(known[1], last)
        return found

    def _first(self, at: datetime, reach: timedelta) -> date:
        """The first month whose beginning a state can be."""
        first = legal_day(at, self._zone).replace(day=1)
        start, end = month_bounds(first, self._zone)
        return first if at <= start + reach else legal_day(end + timedelta.resolution, self._zone)

    def _standing(self, point: str) -> dict[Obis, dict[datetime, Standing]]:
        found = self._derived.current_of((point,), (Layer.MONTH,), EVER, NEVER, passing=True)
        return {code: standing for (_, _, code), standing in found.items()}

    # -- substitutes --------------------------------------------------------------------------------------------------

    def _substituted(
        self,
        register: Register,
        channel: Channel,
        sums: Mapping[datetime, Value],
        standing: Mapping[datetime, Standing],
        span: tuple[datetime, datetime] | None,
        now: datetime,
    ) -> Sequence[Value]:
        """The months of a register with substitutes in place of what is missing or distorted. `span`: of its states."""
        terms = register.point.substitution
        there = self._held.kept(Series(channel, Layer.MONTH, tuple(sums.values())), standing).values
        known = [*(one.derived.value for at, one in standing.items() if at not in sums), *there]

        def alone(old: Value) -> Month:
            closed, estimates = now >= old.at + max(SETTLED, register.reach), self._estimates(channel, old.at)
            made = period_substituted(old, known, terms, now, estimates=estimates, closed=closed, zone=self._zone)
            return Month(old, kept_estimate(made, standing.get(old.at), self._entered.latest), closed)

        months = {at: alone(sums[at]) for at in sorted(sums)}
        made = {at: one.made for at, one in months.items()}
        for run in self._runs(register, sums, span, now) if terms.enabled and span is not None else ():
            ends = pairwise(run.bounds)
            theirs = [months.get(end) or alone(advanced(register, start, end)[0]) for start, end in ends]
            for one in shared_out(theirs, run.advance, known, terms, now, zone=self._zone) if run.advance else ():
                if one.at in made and not _stands(made[one.at], standing):
                    made[one.at] = one
        return [self._still(one, standing.get(at)) for at, one in made.items()]

    def _runs(
        self, register: Register, sums: Mapping[datetime, Value], span: tuple[datetime, datetime], now: datetime
    ) -> Iterator[Run]:
        """Those that have any of these months, as far as they are over."""
        seen: set[datetime] = set()
        for at, value in sums.items():
            if at not in seen and value.status >= RawStatus.DISTORTED:
                run = run_around(register, value.start, at, (span[0], min(span[1], now)))
                seen.update(run.bounds[1:])
                if run.bounds[-1] <= now and self._over(register, run.bounds[-1], span, now):
                    yield run

    def _still(self, made: Value, before: Standing | None) -> Value:
        """What is made of a month; the part of an advance that it had, where the states of that are gone."""
        if before is None or is_part(made) or made.status is RawStatus.TRUE:
            return made
        stands = before.derived.value
        return stands if is_part(stands) and self._held.gone.of(stands.inputs) else made

    def _estimates(self, channel: Channel, end: datetime) -> Sequence[Estimate]:
        return estimates_of(self._entered.latest, channel.point, channel.obis, end, self._zone)

    def _estimated(self, point: str, start: datetime) -> set[Obis]:
        """The registers of which the month that begins then was ever estimated."""
        first = legal_day(start + timedelta.resolution, self._zone)
        subjects = {one.subject for one in self._entered.latest.values()}
        return {one.obis for one in subjects if one.month and (one.point, one.day) == (point, first)}

    def _new(
        self, channel: Channel, values: Sequence[Value], known: Mapping[datetime, Standing], reason: str, facts: Facts
    ) -> Iterator[Derivation]:
        """What is not written down yet, by author."""
        self._tally.values += len(values)
        by_author: dict[str, list[Value]] = defaultdict(list)
        for one in values:
            if _stands(one, known):
                continue
            estimates = self._estimates(channel, one.at) if one.method is Method.ESTIMATE else ()
            by_author[estimates[-1].author if estimates else GATEWAY].append(one)
        for author, theirs in by_author.items():
            fresh = news(theirs, known, validated=[False] * len(theirs))
            if fresh:
                yield Derivation(channel, Layer.MONTH, fresh, reason, author, facts)

    def _told(
        self, point: str, series: Mapping[date, Sequence[Series]], bounds: Mapping[date, tuple[datetime, datetime]]
    ) -> list[PointEvent]:
        """The events of all months."""
        found: list[PointEvent] = []
        for first, theirs in series.items():
            end = bounds[first][1]
            self._events.begin((point,), end - timedelta.resolution, end)
            found += self._events.of_month(point, (), theirs, first, end)
        return found


def _point(work: PointWork) -> tuple[MeteringPoint, timedelta]:
    """The point, and how far from the end of a month its state may be."""
    assert work.point is not None and work.plan.reach is not None, "only points that have months alone"
    return work.point, work.plan.reach


def _stands(value: Value, standing: Mapping[datetime, Standing]) -> bool:
    """Whether it is what is written down, and stays."""
    return value.at in standing and standing[value.at].derived.value is value


def _facts(point: MeteringPoint, reach: timedelta) -> Facts:
    """The parameters, by name."""
    terms = point.substitution
    facts: Facts = (("meters", tuple(sorted(point.meters))), ("boundary_s", round(reach.total_seconds())))
    if not terms.enabled:
        return facts
    return (
        *facts,
        ("substitution former_year", terms.former_year),
        ("substitution comparison_days", terms.comparison_days),
    )
