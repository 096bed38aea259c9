"""Series to export, with everything in them that may be in one: all statuses, flags, days of 92 and 100 quarters."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_

from hypothesis import strategies as st

from gatewayd.export.points import PointSeries, writer
from gatewayd.legal_time import PRAGUE
from gatewayd.metering.values import Channel, Layer, Method, Series, Value
from gatewayd.model import NO_FLAGS, Flag, Point, RawStatus
from gatewayd.obis import Obis
from tests.gatewayd.metering.series_made import AUTUMN, SPRING, day_of

CODES = Point(eic="27ZG600Z0424987D", ean="859182400123456789")
IMPORT, EXPORT, REACTIVE = (Obis.parse(f"1-0:{c}.29.0") for c in (1, 2, 3))
BEFORE_WINTER = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)


def series_of(values: Sequence[Value], obis: Obis = IMPORT, unit: str = "kWh", layer: Layer = Layer.INTERVAL) -> Series:
    return Series(Channel("north", obis, unit), layer, tuple(values))


def of_point(series: Series, serial: str = "35031234") -> PointSeries:
    return PointSeries(series, CODES, serial)


def days(obis: Obis = IMPORT, unit: str = "kWh") -> PointSeries:
    """The two days on which the clocks are changed."""
    values = [one for day in (SPRING, AUTUMN) for one in day_of(day, ["0.355", "12.50", "0"]).values]
    return of_point(series_of(values, obis, unit))


def exported(name: str, *found: PointSeries) -> bytes:
    stream = io.BytesIO()
    writer(name)(found, PRAGUE, stream)
    return stream.getvalue()


ODD = ["0.10", "-0", "123456789012345678901234567890.123456789"]
amounts = st.decimals(-(10**9), 10**9, places=4) | st.sampled_from(list(map(Decimal, ODD)))
flags = st.lists(st.sampled_from(list(Flag)), max_size=3).map(lambda found: reduce(or_, found, NO_FLAGS))


@st.composite
def value_lists(draw: st.DrawFn, periods: Sequence[int] = (900,)) -> list[Value]:
    """Values one after the other, around the end of summer time."""
    found: list[Value] = []
    at = BEFORE_WINTER
    for _ in range(draw(st.integers(0, 9))):
        seconds = draw(st.sampled_from(periods))
        at += timedelta(seconds=seconds * draw(st.integers(1, 2)))
        status = draw(st.sampled_from(list(RawStatus)))
        whole = status is not RawStatus.MISSING
        amount = draw(amounts) if whole or draw(st.booleans()) else None
        inputs = tuple(sorted(draw(st.sets(st.integers(1, 99), max_size=5))))
        method = draw(st.sampled_from(list(Method)))
        instant = at - timedelta(seconds=60) if draw(st.booleans()) else None
        rules = tuple(draw(st.sets(st.sampled_from(["zero", "backward", "above-maximum"]))))
        reason = draw(st.sampled_from(["", "the sum of 96 intervals", 'in "words"; with, signs\nand lines']))
        found.append(
            Value(at, seconds, amount, status, draw(flags), inputs, method, int(whole), 4, instant, rules, reason)
        )
    return found
