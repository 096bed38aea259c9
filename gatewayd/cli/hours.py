"""Hours of a point, for hourly diagrams (requirements G2), out of its intervals.

Rules: nothing of it is stored. An hour is the exact sum of the intervals in it, with the worst status of theirs; one
that lacks an interval is missing, or partial where the configuration says so of the point.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import click

from gatewayd.legal_time import boundary, ends_between
from gatewayd.metering.aggregate import aggregate
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.values import Layer, Series

HOUR = timedelta(hours=1)
HOURLY = "hour"
"""The name of this layer on the command line."""


def hours(point: MeteringPoint, series: Series, start: datetime, end: datetime, zone: ZoneInfo) -> Series:
    """The whole hours in which a series has anything, of those after `start` and not after `end`.
    click.ClickException where its intervals do not add up to hours."""
    if not series.values:
        return Series(series.channel, Layer.EVALUATION, ())
    first = max(start, boundary(series.values[0].start, HOUR, zone))
    last = min(end, boundary(series.values[-1].at - timedelta.resolution, HOUR, zone) + HOUR)
    ends = [at for at in ends_between(first, last, HOUR, zone) if at - HOUR >= first]
    if not ends:
        return Series(series.channel, Layer.EVALUATION, ())
    inside = tuple(one for one in series.values if ends[0] - HOUR < one.at <= ends[-1])
    whole = Series(series.channel, series.layer, inside)
    partial = point.sum is not None and point.sum.partial
    try:
        made = aggregate(
            whole, Layer.EVALUATION, [(at - HOUR, at) for at in ends], partial=partial, period=point.period
        )
    except ValueError as error:
        raise click.ClickException(f"point {point.id}: {error}") from error
    return Series(series.channel, Layer.EVALUATION, made.values)
