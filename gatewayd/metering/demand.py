"""Mean power of energy, and the maximum demand of a month with its instant.

Rules: pure. Mean power is the energy of an interval divided by its real length (PPDS annex 5, 1.6), to 40 digits; it is
rounded only where it is shown. The maximum is the highest of the values that are there, of equal ones the first; its
instant is the END of that interval. Any other interval could have been higher than it seems: the maximum has the worst
status of all of them, so that one which lacks a quarter-hour is `missing` with an amount, like a partial sum. Demand
is that of quarter-hours, the basic metering interval (PPDS annex 5, 1.5): shorter intervals are added up to them, and
where they do not fill one, to hours; longer ones are as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from msgspec.structs import replace as replaced

from gatewayd.legal_time import PRAGUE, QUARTER, grid_of
from gatewayd.metering.aggregate import Cut, Span, cut
from gatewayd.metering.algebra import gathered, over, times, total
from gatewayd.metering.values import Channel, Layer, Series, Value
from gatewayd.obis import Obis

_HOUR = Decimal(3600)
_QUARTER, _LONGER = 900, 3600
"""Seconds of the intervals of demand, and of those of it where metering intervals do not fill a quarter-hour."""
_ELECTRICITY = 1
_MAXIMUM = 6
"""Group D: maximum of the mean power of intervals (IEC 62056-6-1)."""
_TOTALS = (8, 29)
"""Group D: energy since ever, and that of one interval."""
POWER_UNITS = {
    f"{prefix}{energy}": f"{prefix}{power}"
    for prefix in ("", "k", "M", "G")
    for energy, power in (("Wh", "W"), ("varh", "var"), ("VAh", "VA"))
}


def power_unit(unit: str) -> str:
    """kW for kWh; for what is no electric energy the unit per hour: m³/h."""
    return POWER_UNITS.get(unit, f"{unit}/h")


def mean_power(amount: Decimal, seconds: int) -> Decimal:
    """The mean power of an energy in an interval of that length: 25 kWh in 900 s are 100 kW."""
    return over(times(amount, _HOUR), Decimal(seconds))


def power_of(value: Value) -> Decimal | None:
    """The mean power in the interval of a value; None where there is no amount."""
    return None if value.amount is None else mean_power(value.amount, value.seconds)


def maximum_code(obis: Obis) -> Obis:
    """The code of the maximum: 1-0:1.6.0 of 1-0:1.29.0. That of other media stays as it is."""
    energy = obis.a == _ELECTRICITY and obis.d in _TOTALS
    return replace(obis, d=_MAXIMUM) if energy else obis


def highest(values: Iterable[Value]) -> tuple[Decimal, Value] | None:
    """The highest mean power and the value whose it is, of equal ones the first; None where there is no amount."""
    best: tuple[Decimal, Value] | None = None
    bar, seconds = Decimal(0), 0
    for one in values:
        if one.amount is None or (one.seconds == seconds and one.amount <= bar):
            continue  # of the same length: no need to divide
        power = mean_power(one.amount, one.seconds)
        if best is None or power > best[0]:
            best, bar, seconds = (power, one), one.amount, one.seconds
    return best


def maxima(
    series: Series, intervals: Iterable[Span], *, period: timedelta = QUARTER, zone: ZoneInfo = PRAGUE
) -> Series:
    """The maximum demand of each of the intervals (months, of `aggregate.spans`) in the unit of power; `period` as in
    `aggregate`."""
    channel = series.channel
    ends = [one.at for one in series.values]
    made = [_maximum(start, end, cut(series, ends, start, end, period), zone) for start, end in intervals]
    named = Channel(channel.point, maximum_code(channel.obis), power_unit(channel.unit))
    return Series(named, Layer.MAXIMUM, tuple(made))


def demanded(values: Sequence[Value], zone: ZoneInfo = PRAGUE) -> Sequence[Value]:
    """The intervals that count as demand, ascending, of those of a time: of shorter ones the quarter-hours that are
    whole, each with the amount of all of it. Only their ends, lengths and amounts are made."""
    told = {one.seconds for one in values if one.seconds < _QUARTER and one.amount is not None}
    if not told:  # nearly always
        return values
    length = _LONGER if any(_QUARTER % seconds for seconds in told) else _QUARTER
    grid = grid_of(timedelta(seconds=length), zone)
    found: list[Value] = []
    for _, group in groupby(values, key=lambda one: grid.last(one.at - timedelta.resolution)):
        inside = list(group)
        short = [one for one in inside if one.seconds < _QUARTER]
        amounts = [one.amount for one in short if one.amount is not None]
        if len(amounts) == len(short) and sum(one.seconds for one in short) == length:
            found.append(replaced(short[-1], seconds=length, amount=total(amounts)))
        found += [one for one in inside if one.seconds >= _QUARTER]
    return found


def _maximum(start: datetime, end: datetime, parts: Cut, zone: ZoneInfo) -> Value:
    best = highest(demanded(parts.values, zone))
    return gathered(
        end,
        round((end - start).total_seconds()),
        parts.values,
        best[0] if best else None,
        want=parts.want,
        absent=bool(parts.hole),
        instant=best[1].at if best else None,
        what="the highest mean power of",
    )
