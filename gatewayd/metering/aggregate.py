"""Sums over time: of the metering intervals the evaluation interval, the day, the month and the gas day of legal time.

Rules: pure. What belongs to an interval says the calendar (PPDS annex 5, 1.5): a day has 92, 96 or 100 quarter-hours,
March has 743 hours and October 745, and the seconds of a value are its real ones. The worst status wins (2.12). A
missing input makes the sum missing, without an amount; with `partial` there is the sum of what is there, still missing,
with its coverage. Values must lie within the interval one after the other: what overlaps, or reaches over its edge, is
refused.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.legal_time import GAS_DAY_START, PRAGUE, QUARTER, day_bounds, days, end_label, ends_between
from gatewayd.metering.algebra import alone, gathered, held, named, total, wanted
from gatewayd.metering.values import Layer, Series, Value
from gatewayd.model import RawStatus

Span = tuple[datetime, datetime]
"""Beginning and end of an interval, UTC."""
_DAY = timedelta(days=1)


def spans(
    layer: Layer, first: date, last: date, *, evaluation: timedelta = QUARTER, zone: ZoneInfo = PRAGUE
) -> tuple[Span, ...]:
    """The intervals of a layer in the legal-time days from `first` to `last`, both included; months whole. A gas day is
    named by the day on which it begins. ValueError for a layer that is no sum over time."""
    match layer:
        case Layer.EVALUATION:
            begin, end = day_bounds(first, zone)[0], day_bounds(last, zone)[1]
            return tuple((at - evaluation, at) for at in ends_between(begin, end, evaluation, zone))
        case Layer.DAY | Layer.LOSS_DAY:
            return tuple(day_bounds(day, zone) for day in days(first, last))
        case Layer.GAS_DAY:
            return tuple(day_bounds(day, zone, GAS_DAY_START) for day in days(first, last))
        case Layer.MONTH | Layer.MAXIMUM | Layer.LOSS_MONTH:
            return tuple(month_bounds(month, zone) for month in months(first, last))
        case Layer.INTERVAL | Layer.LOSS:
            raise ValueError(f"the layer '{layer.value}' is no sum over time: expected evaluation, day, month, gas_day")


def touched(
    layer: Layer, first: date, last: date, *, evaluation: timedelta = QUARTER, zone: ZoneInfo = PRAGUE
) -> tuple[Span, ...]:
    """The intervals of a layer that have to be computed again when something in these legal-time days has changed: a
    gas day that began the day before is one of them."""
    return spans(layer, first - _DAY if layer is Layer.GAS_DAY else first, last, evaluation=evaluation, zone=zone)


def months(first: date, last: date) -> tuple[date, ...]:
    """The first day of each month from that of `first` to that of `last`."""
    found: list[date] = []
    month = first.replace(day=1)
    while month <= last:
        found.append(month)
        month = _next(month)
    return tuple(found)


def month_bounds(day: date, zone: ZoneInfo = PRAGUE, start: time = time(0)) -> Span:
    """Beginning and end of the legal-time month in which the day is; `start`: when its days begin, of gas at 06:00."""
    begin = day.replace(day=1)
    return day_bounds(begin, zone, start)[0], day_bounds(_next(begin), zone, start)[0]


def _next(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def aggregate(
    series: Series, layer: Layer, intervals: Iterable[Span], *, partial: bool = False, period: timedelta = QUARTER
) -> Series:
    """One value for each of the intervals (of `spans`), named by its end.

    `have` of `want` counts the intervals of the metering profile: sums of sums count on. `period`: their length, where
    the series has no value that tells. ValueError in words where values overlap or reach over an edge.
    """
    ends = [one.at for one in series.values]
    made = [_summed(start, end, cut(series, ends, start, end, period), partial) for start, end in intervals]
    return Series(series.channel, layer, tuple(made))


@dataclass(frozen=True, slots=True)
class Cut:
    """What a series has of a stretch of time. `hole`: seconds without a value, not even a missing one; `absent`: how
    many values of the series that would be. `have` of `want` intervals of the metering profile are there."""

    values: tuple[Value, ...]
    hole: int
    absent: int
    have: int
    want: int


def cut(series: Series, ends: Sequence[datetime], start: datetime, end: datetime, period: timedelta = QUARTER) -> Cut:
    """The values of the time from `start` to `end`; `ends`: those of the values of the series. ValueError as for
    `aggregate`."""
    low, high = bisect_right(ends, start), bisect_right(ends, end)
    parts = series.values[low:high]
    if high < len(ends) and series.values[high].start < end:
        raise ValueError(_overlap(series, series.values[high], end))
    cursor, gaps = start, timedelta(0)
    seconds, step = 0, gaps
    for one in parts:
        if one.seconds != seconds:
            seconds, step = one.seconds, timedelta(seconds=one.seconds)
        gap = one.at - cursor - step
        if gap:
            if gap < timedelta(0):
                raise ValueError(_overlap(series, one, cursor))
            gaps += gap
        cursor = one.at
    hole = round((gaps + (end - cursor)).total_seconds())
    have = held(parts)
    want = sum([one.want for one in parts])
    if not hole:
        return Cut(parts, 0, 0, have, want)
    like = parts[0] if parts else series.values[0] if series.values else None
    lost = wanted(hole, like, period)
    return Cut(parts, hole, -(-hole // like.seconds) if like else lost, have, want + lost)


def _summed(start: datetime, end: datetime, parts: Cut, partial: bool) -> Value:
    seconds = round((end - start).total_seconds())
    if len(parts.values) == 1 and not parts.hole and parts.values[0].there:
        return alone(parts.values[0])
    amounts = [one.amount for one in parts.values if one.amount is not None]
    whole = not parts.hole and all(
        one.amount is not None and one.status is not RawStatus.MISSING for one in parts.values
    )
    amount = total(amounts) if whole or (partial and amounts) else None
    return gathered(end, seconds, parts.values, amount, want=parts.want, absent=bool(parts.hole))


def _overlap(series: Series, one: Value, edge: datetime) -> str:
    return (
        f"{named(series)}: the value of {one.seconds} s that ends at {end_label(one.at)} reaches over "
        f"{end_label(edge)}, where another interval begins: intervals of these lengths cannot be added up"
    )
