"""From when to when values of points are asked for, and which intervals a layer has in that time.

Rules: what ends after the beginning and not after the end belongs to a time, and it is whole: also where it has begun
before. Days and months on the command line are those of legal time; where gas days are meant, and months and maxima of
gas, which are made of them (docs/metering/aggregation.md), they begin at 06:00. An instant is what it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gatewayd.cli.hours import HOUR, HOURLY
from gatewayd.cli.point_times import span_of
from gatewayd.cli.times import instant_of
from gatewayd.legal_time import GAS_DAY_START, boundary, day_bounds, days, ends_between, legal_day
from gatewayd.metering.aggregate import Span, month_bounds, months
from gatewayd.metering.entered import day_start
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.values import Layer
from gatewayd.obis import Obis

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)
_MONTHS = (Layer.MONTH.value, Layer.MAXIMUM.value, Layer.LOSS_MONTH.value)
_OF_GAS = (Layer.MONTH.value, Layer.MAXIMUM.value)
_OF_GAS_DAYS = (Layer.GAS_DAY.value, *_OF_GAS)
_DAYS = (Layer.DAY.value, Layer.LOSS_DAY.value)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: by days of legal time, and by gas days."""

    legal: Span
    gas: Span

    def of(self, point: MeteringPoint, layer: str, code: Obis, zone: ZoneInfo) -> Span:
        """What is meant for a channel of a point in a layer (by its name, or `hour`: from the beginning of an hour)."""
        if layer == HOURLY:
            return boundary(self.legal[0], HOUR, zone), self.legal[1]
        return self.gas if begins(point, layer, code) == GAS_DAY_START else self.legal

    def around(self, layer: str) -> Span:
        """The time in which everything of it is, whatever the channel."""
        if layer == HOURLY:
            return self.legal[0] - HOUR, self.legal[1]
        if layer not in _OF_GAS_DAYS:
            return self.legal
        return min(self.legal[0], self.gas[0]), max(self.legal[1], self.gas[1])


def begins(point: MeteringPoint, layer: str, code: Obis) -> time:
    """When the days begin that a layer is made of. A point without a load profile has months of legal time."""
    if layer == Layer.GAS_DAY.value:
        return GAS_DAY_START
    return day_start(code) if layer in _OF_GAS and point.boundary is None else _MIDNIGHT


def of_day(day: date, zone: ZoneInfo) -> Asked:
    """A day."""
    return _each(lambda start: day_bounds(day, zone, start))


def of_month(first: date, zone: ZoneInfo) -> Asked:
    """A month."""
    return _each(lambda start: month_bounds(first, zone, start))


def between(start: str | None, end: str | None, zone: ZoneInfo) -> Asked:
    """From `--from` to `--to`, as point_times.span_of. click.UsageError, click.BadParameter."""
    legal, now = span_of(start, end, zone), datetime.now(UTC)
    begin = instant_of(start or "", zone, now, begins=GAS_DAY_START)
    return Asked(legal, (begin, max(begin, until(end, legal[1], zone))))


def until(end: str | None, legal: datetime, zone: ZoneInfo) -> datetime:
    """When gas ends, of `--to` and what it means for everything else: later where it names a day."""
    return legal if end is None else instant_of(end, zone, legal, end=True, begins=GAS_DAY_START)


def _each(bounds: Callable[[time], Span]) -> Asked:
    return Asked(bounds(_MIDNIGHT), bounds(GAS_DAY_START))


@dataclass(frozen=True, slots=True)
class Grid:
    """The intervals that a channel should have: the ends, the beginning of the first one, and their usual length."""

    start: datetime
    ends: tuple[datetime, ...]
    period: timedelta

    def until(self, last: datetime) -> "Grid":
        """Without what ends later."""
        return replace(self, ends=tuple(at for at in self.ends if at <= last))


def grid(point: MeteringPoint, layer: str, code: Obis, span: Span, zone: ZoneInfo) -> Grid:
    """Those that end after the beginning of a time, and not after its end."""
    start, end = span
    daily = begins(point, layer, code)
    first, last = legal_day(start + timedelta.resolution, zone, daily), legal_day(end, zone, daily)
    if layer in _MONTHS:
        return _named([month_bounds(month, zone, daily) for month in months(first, last)], span)
    if layer == Layer.GAS_DAY.value:
        return _named([day_bounds(day, zone, daily) for day in days(first, last)], span)
    if layer in _DAYS:
        return _named([day_bounds(day, zone) for day in days(first, last)], span)
    periods = {HOURLY: HOUR, Layer.EVALUATION.value: point.evaluation}
    period = periods.get(layer, point.period)
    ends = ends_between(start, end, period, zone)
    return Grid(ends[0] - period if ends else start, ends, period)


def _named(intervals: list[Span], span: Span) -> Grid:
    """Of days, or months."""
    inside = [one for one in intervals if span[0] < one[1] <= span[1]]
    return Grid(inside[0][0] if inside else span[0], tuple(end for _, end in inside), _DAY)
