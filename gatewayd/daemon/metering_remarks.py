"""What is remarkable about the primary values of a day: other ratios than those archived, intervals of other lengths.

Rules: told once for a point (events.py: STANDING), in the log, as an event and in the derivations of the values: the
first day on which it shows says so. Nothing is refused for it.
"""

from collections import defaultdict
from datetime import timedelta

from gatewayd.daemon.metering_steps import Day
from gatewayd.metering.events import OTHER_LENGTH, RECOUNTED, PointEvent
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.primary import Primary
from gatewayd.metering.ratio_remarks import RatioRemark, ratio_text
from gatewayd.metering.values import Layer
from gatewayd.obis import Obis


def remarks_of(point: MeteringPoint, found: Primary, day: Day) -> dict[Obis, tuple[str, ...]]:
    """Adds to the remarks of the day; the words, by channel."""
    told: defaultdict[Obis, tuple[str, ...]] = defaultdict(tuple)
    for one in found.remarks:
        if day.start < one.last and one.first <= day.end:
            text = one.text(day.zone).removeprefix(f"point {point.id}: ")
            day.remarks.append(_recounted(point, one, text, day))
            told[one.obis] += (text,)
    seconds = int(point.period.total_seconds())
    for length in found.other_lengths:
        text = (
            f"intervals of {length} s are passed over: the metering period of the point is {seconds} s; expected a "
            f"profile with that, or policy: {{period: {length // 60}m}} of the meter"
        )
        day.remarks.append(
            PointEvent(
                point.id,
                OTHER_LENGTH,
                None,
                Layer.INTERVAL,
                day.day,
                day.end,
                Layer.INTERVAL,
                day.start,
                day.end,
                text,
                subject=str(length),
            )
        )
        for series in found.series:
            told[series.channel.obis] += (text,)
    return told


def _recounted(point: MeteringPoint, one: RatioRemark, text: str, day: Day) -> PointEvent:
    return PointEvent(
        point.id,
        RECOUNTED,
        one.obis,
        Layer.INTERVAL,
        day.day,
        day.end,
        Layer.INTERVAL,
        one.first - timedelta(seconds=int(point.period.total_seconds())),
        one.last,
        text,
        count=one.count,
        subject=f"{one.meter}: {ratio_text(one.archived)} > {ratio_text(one.applied)}",
    )
