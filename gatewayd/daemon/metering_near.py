"""What was measured on the days beside one that is validated, where something reaches over midnight.

    near_of(day, spans, point, steps, rules)   -> series by code, and the readings that they were made of

Rules: made anew of the raw archive by the steps before validation, never of what was derived: both days of a midnight
see the same, whichever of them is computed first, and whatever their values were turned into. What was looked at is
noted on the day, so that whoever has something new of it knows (metering_reach.py).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain

from gatewayd.daemon.metering_steps import Day, Made, Step
from gatewayd.legal_time import day_bounds, days, legal_day
from gatewayd.metering.evidence import Span
from gatewayd.metering.points import MeteringPoint, on_day
from gatewayd.metering.rules import Rules
from gatewayd.metering.validation import believed
from gatewayd.metering.values import Layer, Series
from gatewayd.model import Archived
from gatewayd.obis import Obis

_HOUR = timedelta(hours=1)


def near_of(
    day: Day, spans: Collection[Span], point: MeteringPoint, steps: Sequence[Step], rules: Rules
) -> tuple[Mapping[Obis, Series], list[Archived]]:
    """Of the other days into which times reach. `steps`: what makes the values of the point, before rules look."""
    found: defaultdict[Obis, list[Series]] = defaultdict(list)
    readings: list[Archived] = []
    day.looked.update(spans)
    for other, span in sorted(_by_day(day, spans, point).items()):
        at = _of(day, other, span, point)
        readings += chain.from_iterable(at.raw.values())
        made: tuple[Made, ...] = ()
        for step in steps:
            made = step(at, made)
        as_of = on_day(point, other, day.zone)
        for one in made:
            found[one.series.channel.obis].append(believed(as_of, one.series, other, rules, day.zone))
    return {code: _one(parts) for code, parts in found.items()}, readings


def _by_day(day: Day, spans: Collection[Span], point: MeteringPoint) -> dict[date, Span]:
    """From when to when the other days have to be seen, with the intervals at the edges."""
    edge = max([_HOUR, point.period, *(one.period or _HOUR for one in point.installed)])
    found: dict[date, Span] = {}
    for begin, end in spans:
        for other in days(legal_day(begin + timedelta.resolution, day.zone), legal_day(end, day.zone)):
            if other != day.day:
                first, last = day_bounds(other, day.zone)
                wanted = max(first, begin - edge), min(last, end + edge)
                known = found.get(other, wanted)
                found[other] = min(known[0], wanted[0]), max(known[1], wanted[1])
    return found


def _of(day: Day, other: date, span: Span, point: MeteringPoint) -> Day:
    """Part of another day of the point, as nobody waits for anything of it."""
    start, end = span
    raw = day.read(sorted(point.meters), start, end) if point.meters else {}
    return replace(day, day=other, start=start, end=end, raw=raw, settled=False, since=None, remarks=[], looked=set())


def _one(parts: Sequence[Series]) -> Series:
    """The days one behind the other; of several units the last one's."""
    channel = parts[-1].channel
    values = chain.from_iterable(one.values for one in parts if one.channel.unit == channel.unit)
    return Series(channel, Layer.INTERVAL, tuple(values))
