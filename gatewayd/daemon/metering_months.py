"""Months of points whose meters keep no load profile: the advance of each register, and substitutes of whole months.

    of(work, months, now, reason)     what is new of some months of a point, with its events
    affected(work, month)             the other months that may change with one

Rules: writes nothing. All months that are computed together have their sums first, so that a substitute is made of what
is true now, in whatever order months come. A month is written when a state ends it or comes after it, when it is
settled without one, or when somebody has estimated it; not before the first state of its register. What a month without
states gets says period_substitute.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
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
from gatewayd.metering.month_advance import Register, advanced, at_boundary
from gatewayd.metering.period_substitute import Estimate, period_substituted
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
        for start, end in over.values():
            for code, value, unit in self._month(work, start, end, now, spans, standing):
                sums[code][end] = value
                units[code] = unit or units.get(code, "")
        made: list[Derivation] = []
        series: dict[date, list[Series]] = defaultdict(list)
        facts = _facts(point, reach)
        for code in sorted(sums):
            known = standing.get(code, {})
            values = self._substituted(point, reach, code, sums[code], known, now)
            unit = units[code] or next((one.unit for one in known.values()), "") or usual_unit(code)
            channel = Channel(point.id, code, unit)
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
        start: datetime,
        end: datetime,
        now: datetime,
        spans: _Spans,
        standing: Mapping[Obis, Mapping[datetime, Standing]],
    ) -> Iterator[tuple[Obis, Value, str]]:
        """Each register's advance in a month, as far as it is to be written."""
        point, reach = _point(work)
        near = [state for at in (start, end) for state in self._states.states(point.meters, at - reach, at + reach)]
        between = self._between(point)
        there = self._codes(work, start, end)
        wanted = point.channels or sorted(there)
        estimated = self._estimated(point.id, start)
        for code in dict.fromkeys((*wanted, *sorted(estimated))):
            span = spans.get(code)
            stands = end in standing.get(code, {})
            begun = span is not None and span[0] <= start + reach
            if not begun and not stands and code not in estimated:
                continue
            register = Register(point, [one for one in near if one.obis == code], between(code), reach, self._zone)
            value, unit = advanced(register, start, end)
            last = at_boundary(register, end)
            ended = last is not None and rank(last, end, self._zone) <= _BY_HAND
            later = span is not None and span[1] >= end
            if ended or later or stands or code in estimated or now >= end + max(SETTLED, reach):
                yield code, value, unit

    def _between(self, point: MeteringPoint) -> Callable[[Obis], Callable[[datetime, datetime], Sequence[State]]]:
        """Reads the states of a time when they are asked for, once."""
        read: dict[tuple[datetime, datetime], list[State]] = {}

        def of(code: Obis) -> Callable[[datetime, datetime], Sequence[State]]:
            def states(first: datetime, last: datetime) -> Sequence[State]:
                if (first, last) not in read:
                    read[first, last] = self._states.states(point.meters, first, last)
                return [one for one in read[first, last] if one.obis == code]

            return states

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
        point: MeteringPoint,
        reach: timedelta,
        code: Obis,
        sums: Mapping[datetime, Value],
        standing: Mapping[datetime, Standing],
        now: datetime,
    ) -> Sequence[Value]:
        """The months of a register with substitutes in place of what is missing or distorted."""
        known = [*(one.derived.value for at, one in standing.items() if at not in sums), *sums.values()]
        found: list[Value] = []
        for at in sorted(sums):
            estimates = self._estimates(point.id, code, at)
            closed = now >= at + max(SETTLED, reach)
            made = period_substituted(
                sums[at], known, point.substitution, now, estimates=estimates, closed=closed, zone=self._zone
            )
            found.append(kept_estimate(made, standing.get(at), self._entered.latest))
        return found

    def _estimates(self, point: str, code: Obis, end: datetime) -> Sequence[Estimate]:
        return estimates_of(self._entered.latest, point, code, end, self._zone)

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
            if one.at in known and known[one.at].derived.value is one:
                continue  # it stays
            estimates = self._estimates(channel.point, channel.obis, one.at) if one.method is Method.ESTIMATE else ()
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
