"""What is done for each metering point: its steps, out of what the configuration says of it.

Rules: nothing is opened or computed here. A point has a digest of its whole definition: when that is another one, its
values are computed again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from itertools import chain
from zoneinfo import ZoneInfo

from gatewayd.daemon.derived import Identity
from gatewayd.daemon.metering_remarks import remarks_of
from gatewayd.daemon.metering_steps import Day, Made, PointWork, Step
from gatewayd.daemon.metering_validation import Substitution, Validation, affected_days, netting_step
from gatewayd.daemon.metering_virtual import virtual_step
from gatewayd.metering.derivation import Facts
from gatewayd.metering.netting import Netting, is_phase, is_sum
from gatewayd.metering.periods import Span, intervals_of
from gatewayd.metering.plan import PointPlan
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.primary import completed, primary
from gatewayd.metering.quadrant_channels import completed_sums, with_parts
from gatewayd.metering.rules import rules_of
from gatewayd.metering.values import Layer, Series, Value
from gatewayd.model import MeteringType
from gatewayd.obis import Obis


def works_of(points: Iterable[MeteringPoint], zone: ZoneInfo) -> tuple[PointWork, ...]:
    """The work for all points."""
    known = {point.id: point for point in points}
    return tuple(_work(point, known, zone) for point in known.values())


def _work(point: MeteringPoint, known: Mapping[str, MeteringPoint], zone: ZoneInfo) -> PointWork:
    if point.boundary is not None:
        return _monthly(point, zone)
    parts = tuple(point.sum.terms) if point.sum is not None else ()
    control = next((one for one in known.values() if one.control_of == point.id), None)
    beside = (control.id,) if control is not None else ()
    rules, terms = rules_of(point.validation), point.substitution
    steps = [primary_step(point, zone) if point.sum is None else virtual_step(point, point.sum, known)]
    if point.netting is not None:
        steps.append(netting_step(Netting(point.netting.value)))
    validation = Validation(point, rules, control, tuple(steps))
    if validation.names:
        steps.append(validation.step)
    if terms.enabled and point.metering_type is not MeteringType.C:
        steps.append(Substitution(point, terms, control, rules).step)
    return PointWork(
        PointPlan(point.id, tuple(sorted(point.meters)), _touching(point), parts, beside),
        tuple(steps),
        point=point,
        rules=validation.names,
        period=point.period,
        evaluation=point.evaluation,
        partial=point.sum is not None and point.sum.partial,
        identity=Identity(point.point, point.metering_type),
        affected=affected_days(rules, terms, zone),
        near=(rules.behind, rules.ahead if point.meters else 0),
        dues=(lambda day: (terms.until(day, zone),)) if terms.enabled else None,
        digest=sha256(repr((point, control, zone.key)).encode()).hexdigest()[:16],
        by_channel=point.netting is None and validation.by_channel,
        month=validation.month if validation.names else None,
    )


def _monthly(point: MeteringPoint, zone: ZoneInfo) -> PointWork:
    """A point that has months alone, which metering_months.py makes."""
    return PointWork(
        PointPlan(point.id, tuple(sorted(point.meters)), point.channels, reach=point.boundary),
        (),
        point=point,
        identity=Identity(point.point, point.metering_type),
        digest=sha256(repr((point, zone.key)).encode()).hexdigest()[:16],
    )


def _touching(point: MeteringPoint) -> tuple[Obis, ...]:
    """The channels by which the plan knows what touches it; () for any: phases are netted into others."""
    return with_parts(point.channels) if point.netting is None else ()


def primary_step(point: MeteringPoint, zone: ZoneInfo) -> Step:
    """The values of the meters, times the ratios in force."""
    facts: Facts = (("meters", tuple(sorted(point.meters))),)
    named = _named(point)
    asked = replace(point, channels=with_parts(named))

    def step(day: Day, _made: tuple[Made, ...]) -> tuple[Made, ...]:
        found = primary(asked, chain.from_iterable(day.raw.values()), zone)
        told = remarks_of(point, found, day)
        owed = _owed(point, day)
        there = [one for one in completed_sums(named, found.series) if _wanted(point, one.channel.obis)]
        return tuple(
            Made(_told(within(series, day), owed), facts=facts, remarks=told.get(series.channel.obis, ()))
            for series in (there if named else _with_untold(there, point, day))
        )

    return step


def _named(point: MeteringPoint) -> tuple[Obis, ...]:
    """The channels that are made of what the meter tells; () for whatever there is. What is netted is made of the
    phases that are named, else of those that there are."""
    if point.netting is None or not any(map(is_sum, point.channels)):
        return point.channels
    phases = any(map(is_phase, point.channels))
    return tuple(code for code in point.channels if not is_sum(code)) if phases else ()


def _wanted(point: MeteringPoint, code: Obis) -> bool:
    return not point.channels or code in point.channels or (point.netting is not None and is_phase(code))


def _with_untold(series: Sequence[Series], point: MeteringPoint, day: Day) -> Sequence[Series]:
    """On a day that is settled with the channels of the day before, of a point that has whatever there is. What was
    netted of phases is netted again, and nothing that the meter has not told."""
    if day.since is None:
        return series
    there = {one.channel.obis for one in series}
    before = day.look.day(point.id, day.day - timedelta(days=1))
    codes = sorted(before.keys() - there)
    if point.netting is not None and any(map(is_phase, (*there, *before))):
        codes = [code for code in codes if not is_sum(code)]
    return (*series, *(Series(before[code].channel, Layer.INTERVAL, ()) for code in codes))


def _owed(point: MeteringPoint, day: Day) -> Sequence[Span]:
    """The intervals of a day of which something has to be there: on a day that is settled all since the meter began."""
    if day.since is None:
        return ()
    return [span for span in intervals_of(point, day.zone).between(day.start, day.end) if span[1] > day.since]


def _told(series: Series, owed: Sequence[Span]) -> Series:
    """With `missing` for each interval that nobody has told anything of."""
    return completed(series, owed, "nobody has told it") if owed else series


def within(series: Series, day: Day) -> Series:
    """What a series has of a day."""
    return replace(series, values=_within(series.values, day))


def _within(values: Sequence[Value], day: Day) -> tuple[Value, ...]:
    if values and day.start < values[0].at and values[-1].at <= day.end:
        return tuple(values)
    return tuple(one for one in values if day.start < one.at <= day.end)
