"""What the layouts of Czech portals have in common: semicolons, decimal commas, cp1250, legal time without an offset.

Rules: they know electricity only, in kW or kWh; everything else is refused. They have no room for the offset of legal
time nor for all statuses: left_out.py says in a file of its own what they leave out. Rows follow each other without a
hole: of an interval that nobody has a value of there is a row too, because only complete rows let the two hours of the
autumn change be told apart by their order. Numbers have at most six digits behind the comma: no portal writes more.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import NotInLayout, PointSeries
from gatewayd.export.rounding import at_most
from gatewayd.legal_time import day_bounds, legal_day
from gatewayd.metering.demand import power_of
from gatewayd.metering.values import Layer, Value
from gatewayd.obis import CURRENT, Obis

ENCODING = "cp1250"
ENCODINGS = (ENCODING, "utf-8")
"""What the portals write; the first one is the usual one."""
END_OF_LINE = "\r\n"
PROFILES = (Layer.INTERVAL, Layer.EVALUATION)
_INCREMENT = 29
_PLACES = 6


def check(layout: str, one: PointSeries, names: Mapping[int, str], units: tuple[str, ...]) -> str:
    """The name that a layout has for a channel of intervals, by group C of its code. NotInLayout in words."""
    channel = one.series.channel
    name = names.get(channel.obis.c) if channel.obis == Obis(1, channel.obis.b, channel.obis.c, _INCREMENT) else None
    if name is None or channel.obis.f != CURRENT:
        raise NotInLayout(f"{one.named}: {layout} has no column for this code; leave it out, or use csv")
    if channel.unit not in units:
        expected = " or ".join(units)
        raise NotInLayout(f"{one.named}: {layout} expects {expected}, and not {channel.unit or 'no unit'}; use csv")
    return name


def rows(series: Sequence[PointSeries], zone: ZoneInfo) -> Iterator[tuple[datetime, Mapping[int, Value]]]:
    """The end of each interval from the first to the last one, and the values that end then, by the place of their
    series; intervals between two of them that nobody has are there too. All series are of the same intervals."""
    marked = [[(value.at, n, value) for value in one.series.values] for n, one in enumerate(series)]
    before: datetime | None = None
    for at, group in groupby(heapq.merge(*marked, key=lambda mark: mark[:2]), key=lambda mark: mark[0]):
        found = {n: value for _, n, value in group}
        if before is not None:
            yield from ((end, {}) for end in _between(before, at, next(iter(found.values())), series[0], zone))
        yield at, found
        before = at


def _between(before: datetime, at: datetime, value: Value, like: PointSeries, zone: ZoneInfo) -> Iterator[datetime]:
    """The ends of the intervals that lie whole between two others."""
    daily = like.series.layer is Layer.DAY
    start = day_bounds(legal_day(at, zone), zone)[0] if daily else value.start
    while before < start:
        before = day_bounds(legal_day(before, zone) + timedelta(days=1), zone)[1] if daily else before + (at - start)
        if before <= start:
            yield before


def czech(amount: Decimal | None) -> str:
    """`1234,50`; nothing for nothing."""
    return "" if amount is None else format(at_most(amount, _PLACES), "f").replace(".", ",")


def amount_of(value: Value) -> Decimal | None:
    """The energy; of a missing value none, and no partial sum either: nothing here could say that it is one."""
    return value.amount if value.there else None


def kilowatts(value: Value) -> Decimal | None:
    """Its mean power."""
    return power_of(value) if value.there else None


def start_stamp(at: datetime, zone: ZoneInfo) -> str:
    """`25.10.2026 00:00`."""
    return at.astimezone(zone).strftime("%d.%m.%Y %H:%M")


def end_stamp(at: datetime, zone: ZoneInfo) -> str:
    """The same with 24:00 for the midnight that ends a day."""
    local = at.astimezone(zone)
    if (local.hour, local.minute) != (0, 0):
        return start_stamp(at, zone)
    return f"{local.date() - timedelta(days=1):%d.%m.%Y} 24:00"
