"""Series for tests of the metering rules: quarter-hours of legal-time days, written down in a line."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from gatewayd.legal_time import QUARTER, interval_ends
from gatewayd.metering.values import Channel, Layer, Series, Value, missing
from gatewayd.model import Flag, RawStatus
from gatewayd.obis import Obis

IMPORT, EXPORT = Obis.parse("1-0:1.29.0"), Obis.parse("1-0:2.29.0")
SPRING, SUMMER, AUTUMN = date(2026, 3, 29), date(2026, 6, 15), date(2026, 10, 25)
"""Days of 92, 96 and 100 quarter-hours."""
WORST = list(RawStatus)


def channel(point: str = "north", obis: Obis = IMPORT, unit: str = "kWh") -> Channel:
    return Channel(point, obis, unit)


def value(at: datetime, amount: str | Decimal | None, status: RawStatus = RawStatus.TRUE, seconds: int = 900) -> Value:
    """A value whose input is its own time, so that it can be found again."""
    sequence = (int(at.timestamp()) // 60,)
    if amount is None:
        return Value(at, seconds, None, RawStatus.MISSING, Flag.NOT_SENT, sequence, have=0)
    return Value(at, seconds, Decimal(amount), status, inputs=sequence)


def day_of(
    day: date, amounts: Sequence[str | Decimal | None] | str, point: str = "north", period: timedelta = QUARTER
) -> Series:
    """The intervals of a legal-time day: the amounts one after the other, again from the first where they end; None for
    a missing value, "-" for none at all."""
    ends = interval_ends(day, period)
    texts = [amounts] if isinstance(amounts, str) else amounts
    seconds = round(period.total_seconds())
    found = [(at, texts[n % len(texts)]) for n, at in enumerate(ends)]
    values = tuple(value(at, text, seconds=seconds) for at, text in found if text != "-")
    return Series(channel(point), Layer.INTERVAL, values)


def joined(*series: Series) -> Series:
    """The values of all of these, one after the other."""
    return Series(series[0].channel, series[0].layer, tuple(one for each in series for one in each.values))


def without(series: Series, *ends: datetime) -> Series:
    """The series that never had these values."""
    return Series(series.channel, series.layer, tuple(one for one in series.values if one.at not in ends))


def changed(series: Series, at: datetime, other: Value) -> Series:
    """The series with another value there."""
    values = tuple(other if one.at == at else one for one in series.values)
    return Series(series.channel, series.layer, values)


amounts = st.decimals(Decimal(-10) ** 7, Decimal(10) ** 7, places=3)
statuses = st.sampled_from([status for status in RawStatus if status is not RawStatus.MISSING])


@st.composite
def values_at(draw: st.DrawFn, at: datetime, seconds: int = 900) -> Value:
    """Any value of an interval, a missing one now and then."""
    if draw(st.integers(0, 9)) == 0:
        return missing(at, seconds, flags=Flag.NOT_READ)
    return Value(
        at,
        seconds,
        draw(amounts),
        draw(statuses),
        draw(st.sampled_from([Flag(0), Flag.LATE, Flag.DST | Flag.RESET])),
        (draw(st.integers(1, 50)),),
        rules=draw(st.sampled_from([(), ("backward",), ("zero",)])),
    )


@st.composite
def some_days(draw: st.DrawFn, point: str = "north", whole: bool = False) -> Series:
    """One to three days of hours around a change of the clock: plain amounts, with any values at some places, and with
    holes unless `whole`."""
    first = draw(st.sampled_from([SPRING, SUMMER, AUTUMN])) - timedelta(days=1)
    days = [first + timedelta(days=n) for n in range(draw(st.integers(1, 3)))]
    ends = [at for day in days for at in interval_ends(day, timedelta(hours=1))]
    step = draw(amounts)
    values = {at: Value(at, 3600, step * n, RawStatus.TRUE, inputs=(n,)) for n, at in enumerate(ends)}
    for at in draw(st.lists(st.sampled_from(ends), max_size=6)):
        if whole:
            values[at] = Value(at, 3600, draw(amounts), draw(statuses), inputs=(7,))
        else:
            values[at] = draw(values_at(at, 3600))
    if not whole:
        for at in draw(st.lists(st.sampled_from(ends), max_size=4)):
            values.pop(at, None)
    return Series(channel(point), Layer.INTERVAL, tuple(values.values()))
