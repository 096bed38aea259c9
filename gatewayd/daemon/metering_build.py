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
from gatewayd.daemon.metering_steps import Day, Made, PointWork, Step
from gatewayd.daemon.metering_validation import Substitution, Validation, affected_days, losses_step, netting_step
from gatewayd.legal_time import ends_between
from gatewayd.metering.derivation import Facts
from gatewayd.metering.netting import Netting
from gatewayd.metering.plan import PointPlan
from gatewayd.metering.points import MeteringPoint, MeteringSide
from gatewayd.metering.primary import primary
from gatewayd.metering.rules import rules_of
from gatewayd.metering.values import Channel, Layer, Series, Value
from gatewayd.metering.virtual import Term, Virtual, combined
from gatewayd.model import MeteringType
from gatewayd.obis import Obis


def works_of(points: Iterable[MeteringPoint], zone: ZoneInfo) -> tuple[PointWork, ...]:
    """The work for all points."""
    known = {point.id: point for point in points}
    return tuple(_work(point, known, zone) for point in known.values())


def _work(point: MeteringPoint, known: Mapping[str, MeteringPoint], zone: ZoneInfo) -> PointWork:
    parts = tuple(point.sum.terms) if point.sum is not None else ()
    control = next((one for one in known.values() if one.control_of == point.id), None)
    beside = (control.id,) if control is not None else ()
    rules, terms = rules_of(point.validation), point.substitution
    validation = Validation(point, rules, control)
    steps = [primary_step(point, zone) if point.sum is None else virtual_step(point, point.sum)]
    if point.netting is not None:
        steps.append(netting_step(Netting(point.netting.value)))
    if validation.names:
        steps.append(validation.step)
    if terms.enabled and point.metering_type is not MeteringType.C:
        steps.append(Substitution(point, terms, control).step)
    lossy = point.metering_side is MeteringSide.SECONDARY and point.transformer is not None
    return PointWork(
        PointPlan(point.id, tuple(sorted(point.meters)), _touching(point), parts, beside),
        tuple(steps),
        (losses_step(point, point.transformer),) if lossy and point.transformer is not None else (),
        period=point.period,
        evaluation=point.evaluation,
        partial=point.sum is not None and point.sum.partial,
        identity=Identity(point.point, point.metering_type),
        affected=affected_days(rules, terms, zone),
        dues=(lambda day: (terms.until(day, zone),)) if terms.enabled else None,
        digest=sha256(repr((point, control, zone.key)).encode()).hexdigest()[:16],
        by_channel=point.netting is None and validation.by_channel,
        month=validation.month if validation.names else None,
    )


def _touching(point: MeteringPoint) -> tuple[Obis, ...]:
    """The channels by which the plan knows what touches it; () for any: phases are netted into others."""
    return point.channels if point.netting is None else ()


def primary_step(point: MeteringPoint, zone: ZoneInfo) -> Step:
    """The values of the meters, times the ratios in force."""
    facts: Facts = (("meters", tuple(sorted(point.meters))),)

    def step(day: Day, _made: tuple[Made, ...]) -> tuple[Made, ...]:
        found = primary(point, chain.from_iterable(day.raw.values()), zone)
        return tuple(Made(within(series, day), facts=facts) for series in found.series)

    return step


def virtual_step(point: MeteringPoint, virtual: Virtual) -> Step:
    """The sum of other points, each times its coefficient."""
    said = tuple(f"{factor:f} {part}" for part, factor in virtual.terms.items())
    facts: Facts = (("sum", said), ("partial", virtual.partial))

    def step(day: Day, _made: tuple[Made, ...]) -> tuple[Made, ...]:
        parts = {part: day.look.series(part, Layer.INTERVAL, day.start, day.end) for part in virtual.terms}
        codes = point.channels or _shared(parts, day)
        return tuple(Made(_combined(point, virtual, code, parts, day), facts=facts) for code in codes)

    return step


def _shared(parts: Mapping[str, Mapping[Obis, Series]], day: Day) -> list[Obis]:
    """The codes that all the points have. One of which there is nothing on this day has those of the day before; of one
    that has nothing then either, nothing is known."""
    each = [set(found or day.look.day(part, day.day - timedelta(days=1))) for part, found in parts.items()]
    known = [codes for codes in each if codes]
    return sorted(set.intersection(*known)) if known else []


def _combined(
    point: MeteringPoint, virtual: Virtual, code: Obis, parts: Mapping[str, Mapping[Obis, Series]], day: Day
) -> Series:
    """For a code that one of the points does not have the sum is missing; on a day that is settled each interval."""
    there = [found[code] for found in parts.values() if code in found]
    unit = there[0].channel.unit if there else ""
    terms = [
        Term(factor, parts[part].get(code) or Series(Channel(part, code, unit), Layer.INTERVAL, ()))
        for part, factor in virtual.terms.items()
    ]
    spans = None
    if day.settled:
        spans = [(end - point.period, end) for end in ends_between(day.start, day.end, point.period, day.zone)]
    return combined(Channel(point.id, code, unit), terms, spans, partial=virtual.partial, period=point.period)


def within(series: Series, day: Day) -> Series:
    """What a series has of a day."""
    return replace(series, values=_within(series.values, day))


def _within(values: Sequence[Value], day: Day) -> tuple[Value, ...]:
    if values and day.start < values[0].at and values[-1].at <= day.end:
        return tuple(values)
    return tuple(one for one in values if day.start < one.at <= day.end)
