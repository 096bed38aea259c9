"""The step that makes a virtual point: the sum of other points, each times its coefficient, out of their intervals.

Rules: a code is summed as soon as one of the points has it that day; of a point that has nothing of it the sum says
that it is missing, and never leaves it out. Points whose metering periods differ are added up in the longest of them:
quarter-hours become the hours that they fill first. Which that is says the configuration of the day, and not what has
come of it: the sum has the same intervals in whatever order its points are read.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from gatewayd.daemon.metering_steps import Day, Made, Step
from gatewayd.legal_time import ends_between
from gatewayd.metering.aggregate import Span, aggregate
from gatewayd.metering.derivation import Facts
from gatewayd.metering.periods import beneath, common
from gatewayd.metering.points import MeteringPoint, periods_of
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.metering.virtual import Term, Virtual, combined, unit_of
from gatewayd.obis import Obis

_NONE: Mapping[str, MeteringPoint] = MappingProxyType({})


def virtual_step(point: MeteringPoint, virtual: Virtual, known: Mapping[str, MeteringPoint] = _NONE) -> Step:
    """The sum of other points, each times its coefficient. `known`: all points, by id. One that is not among them has
    the period that its values show, and that of the sum as long as there are none."""
    said = tuple(f"{factor:f} {part}" for part, factor in virtual.terms.items())
    facts: Facts = (("sum", said), ("partial", virtual.partial))
    below = {one.id: one for part in virtual.terms if part in known for one in beneath(known[part], known)}
    unknown = [part for part in virtual.terms if part not in known]

    def step(day: Day, _made: tuple[Made, ...]) -> tuple[Made, ...]:
        parts = {part: day.look.series(part, Layer.INTERVAL, day.start, day.end) for part in virtual.terms}
        codes = point.channels or _shared(point, parts, day)
        periods = {period for one in below.values() for period in periods_of(one, day.start, day.end)}
        made: list[Made] = []
        for code in codes:
            untold = any(code not in parts[part] for part in unknown)
            usual = periods | {point.period} if untold else periods
            made.append(Made(_combined(point, virtual, code, parts, usual, day), facts=facts))
        return tuple(made)

    return step


def _shared(point: MeteringPoint, parts: Mapping[str, Mapping[Obis, Series]], day: Day) -> list[Obis]:
    """The codes that all the points have. One of which there is nothing on this day has those of the day before; of one
    that has nothing then either, nothing is known: then those count that the sum had the day before."""
    before = day.day - timedelta(days=1)
    each = [set(found or day.look.day(part, before)) for part, found in parts.items()]
    known = [codes for codes in each if codes]
    if len(known) < len(each) and (own := set(day.look.day(point.id, before))):
        return sorted(own)
    return sorted(set.intersection(*known)) if known else []


def _combined(
    point: MeteringPoint,
    virtual: Virtual,
    code: Obis,
    parts: Mapping[str, Mapping[Obis, Series]],
    periods: Collection[timedelta],
    day: Day,
) -> Series:
    """For a code that one of the points does not have the sum is missing; on a day that is settled each interval."""
    there = [found[code] for found in parts.values() if code in found]
    unit = unit_of(there) or _unit_before(point, code, day)
    told_in = {timedelta(seconds=value.seconds) for one in there for value in one.values}
    period = common(told_in.union(periods) or {point.period})
    found = {part: parts[part].get(code) or Series(Channel(part, code, unit), Layer.INTERVAL, ()) for part in parts}
    terms = [Term(factor, _in_step(found[part], period, day)) for part, factor in virtual.terms.items()]
    told = {one.at for term in terms for one in term.series.values}
    spans = _owed(period, day, told) if day.settled else None
    return combined(Channel(point.id, code, unit), terms, spans, partial=virtual.partial, period=period)


def _unit_before(point: MeteringPoint, code: Obis, day: Day) -> str:
    """That of the day before, where none of the points says what it is in."""
    before = day.look.day(point.id, day.day - timedelta(days=1)).get(code)
    return before.channel.unit if before is not None else ""


def _in_step(series: Series, period: timedelta, day: Day) -> Series:
    """The series in intervals of this length: those that something is there of."""
    seconds = int(period.total_seconds())
    if all(one.seconds == seconds for one in series.values):
        return series
    filled = [span for span in _spans(period, day) if any(span[0] < one.at <= span[1] for one in series.values)]
    return aggregate(series, Layer.INTERVAL, filled)


def _owed(period: timedelta, day: Day, there: Collection[datetime]) -> list[Span]:
    """The intervals of which there is something, and those that are missing where nobody has told them."""
    return [span for span in _spans(period, day) if day.since is None or span[1] > day.since or span[1] in there]


def _spans(period: timedelta, day: Day) -> list[Span]:
    return [(end - period, end) for end in ends_between(day.start, day.end, period, day.zone)]
