"""What is to be told of the days and months of points: events, written together with the values that they tell of.

    begin(points, start, end)     what stands of a day of these points
    of_day(at, made, sums, ...)   -> events of the day of a point
    with_events(made, events)     -> the derivations with their events, and those by themselves that no value comes with

Rules: reads the derived archive and writes nothing. Nothing is over that was not looked at: where only some channels
are computed the others keep what was told of them. What is told once for a point is not told again before it is in the
archive; `forget` what was not written.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from gatewayd.daemon.derived import DerivedReader
from gatewayd.daemon.derived_events import Told, once, standing
from gatewayd.daemon.metering_steps import Day, Made
from gatewayd.legal_time import GAS_DAY_START, legal_day
from gatewayd.metering.derivation import Derivation
from gatewayd.metering.events import STANDING, SUBSTITUTION, Key, PointEvent, changes, of_findings, of_values
from gatewayd.metering.findings import Finding
from gatewayd.metering.values import Layer, Series
from gatewayd.obis import Obis

_GAS = timedelta(hours=GAS_DAY_START.hour + 1)
"""So long after a legal-time day the gas day ends that begins on it, at most."""


@dataclass(slots=True)
class _Once:
    """What is told once, of one point: in the archive, and not yet."""

    archived: dict[Key, PointEvent]
    fresh: dict[Key, PointEvent] = field(default_factory=dict)


class Events:
    """Used from one thread after the other, never from two at a time."""

    def __init__(self, derived: DerivedReader) -> None:
        self._derived = derived
        self._standing: dict[Key, PointEvent] = {}
        self._once: dict[str, _Once] = {}

    def begin(self, points: Collection[str], start: datetime, end: datetime) -> None:
        """What was told of the days, or months, of these points that end in a time. ArchiveError."""
        self._standing = standing(self._derived, points, start, end + _GAS) if points else {}

    def written(self) -> None:
        """Everything that was computed before is in the archive."""
        for one in self._once.values():
            one.archived |= one.fresh
            one.fresh.clear()

    def forget(self) -> None:
        """What was computed before was not written."""
        self._once.clear()

    def of_day(self, at: Day, made: Sequence[Made], sums: Iterable[Series], *, whole: bool) -> tuple[PointEvent, ...]:
        """Of a legal-time day of a point: of the intervals that were made of it, with what was found on them, and of
        sums of days. `whole`: all of its channels were made."""
        codes = [one.series.channel.obis for one in made]
        findings = {finding: None for one in made for finding in one.findings}
        values = [*(one.series for one in made), *(one for one in sums if one.layer is Layer.DAY)]
        found = self._changes(at.point, codes, findings, values, Layer.DAY, at.day, at.end, whole=whole)
        return (*found, *self._of_gas_days(at, sums), *self.told_once(at.point, at.remarks))

    def _of_gas_days(self, at: Day, sums: Iterable[Series]) -> tuple[PointEvent, ...]:
        """Of gas days that were made with a legal-time day: what was entered in place of them."""
        found: list[PointEvent] = []
        for one in sums:
            for value in one.values if one.layer is Layer.GAS_DAY else ():
                day, alone = legal_day(value.at, at.zone, GAS_DAY_START), replace(one, values=(value,))
                codes = [one.channel.obis]
                found += self._changes(at.point, codes, (), [alone], Layer.GAS_DAY, day, value.at, whole=False)
        return tuple(found)

    def of_month(
        self, point: str, findings: Iterable[Finding], sums: Sequence[Series], first: date, end: datetime
    ) -> tuple[PointEvent, ...]:
        """Of a legal-time month of a point whose sums were made."""
        months = [one for one in sums if one.layer is Layer.MONTH]
        codes = [one.channel.obis for one in months]
        return self._changes(point, codes, findings, months, Layer.MONTH, first, end, whole=False)

    def told_once(self, point: str, so: Iterable[PointEvent]) -> tuple[PointEvent, ...]:
        """What of this is told once for a point, and was not yet. ArchiveError."""
        wanted = [one for one in so if one.point == point]
        return self._noted(point, changes(wanted, self.known(point), lambda _: False)) if wanted else ()

    def found_out(
        self, point: str, so: Iterable[PointEvent], looked_at: Callable[[Key], bool]
    ) -> tuple[PointEvent, ...]:
        """The same where it was found out whether it is so: what is over is told as well. ArchiveError."""
        return self._noted(point, changes(so, self.known(point), looked_at))

    def known(self, point: str) -> dict[Key, PointEvent]:
        """What was told once of a point, the newest of each. ArchiveError."""
        found = self._once.get(point)
        if found is None:
            found = self._once[point] = _Once(once(self._derived, (point,)))
        return found.archived | found.fresh

    def _noted(self, point: str, events: tuple[PointEvent, ...]) -> tuple[PointEvent, ...]:
        self._once[point].fresh |= {one.key: one for one in events}
        return events

    def _changes(
        self,
        point: str,
        codes: Collection[Obis],
        findings: Iterable[Finding],
        values: Sequence[Series],
        scope: Layer,
        day: date,
        end: datetime,
        *,
        whole: bool,
    ) -> tuple[PointEvent, ...]:
        so = [*of_findings(findings, codes, scope, day, end), *(e for one in values for e in of_values(one, day, end))]
        told = {
            key: event
            for key, event in self._standing.items()
            if key.point == point and key.at == end and key.type not in STANDING
        }
        if not so and not told:
            return ()
        series = {(one.channel.obis, one.layer) for one in values}

        def looked_at(key: Key) -> bool:
            if key.type == SUBSTITUTION:
                return (key.obis, key.scope) in series
            return key.scope is scope and (whole or (key.obis is not None and key.obis in codes))

        return changes(so, told, looked_at)


def with_events(
    made: Sequence[Derivation], events: Sequence[PointEvent], point: str, reason: str
) -> list[Derivation | Told]:
    """Each event with the values of its channel and layer, else of its channel, else of its point; those of a point of
    which no value is new by themselves."""
    if not events:
        return list(made)
    found: list[Derivation | Told] = list(made)
    alone: list[PointEvent] = []
    for event in events:
        place = max(range(len(made)), key=lambda n: _nearness(made[n], event), default=None)
        if place is None:
            alone.append(event)
        else:
            one = found[place]
            assert isinstance(one, Derivation)
            found[place] = replace(one, events=(*one.events, event))
    return [*found, Told(point, tuple(alone), reason)] if alone else found


def _nearness(one: Derivation, event: PointEvent) -> tuple[bool, bool]:
    return one.channel.obis == event.obis, one.layer is event.layer
