"""Profiles for tests of substitution: days of quarter-hours with amounts that follow the clock, and holes in them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from msgspec.structs import replace

from gatewayd.legal_time import PRAGUE, QUARTER, days, instant, interval_ends
from gatewayd.metering.values import Channel, Layer, Series, Value, missing
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

CODE = Obis.parse("1-0:1.29.0")
POINT = Channel("north", CODE, "kWh")
CONTROL = Channel("north-control", CODE, "kWh")
DAY = date(2026, 11, 24)
"""A Tuesday; the one before was a holiday."""
LATER = datetime(2027, 6, 1, tzinfo=UTC)


def end(day: date, label: str) -> datetime:
    """The end of the quarter-hour that people call so, the first of two."""
    hour, minute = map(int, label.split(":"))
    return instant(day + timedelta(days=hour // 24), time(hour % 24, minute))


def amount(at: datetime) -> Decimal:
    """Follows the clock at the start of the interval, and the day of the month a little: so the median is known."""
    local = (at - QUARTER).astimezone(PRAGUE)
    return Decimal(1000 + 4 * local.hour + local.minute // 15 + 100 * (local.day % 7)).scaleb(-2)


def profile(first: date, last: date, channel: Channel = POINT) -> Series:
    """True values of whole days. Sequence numbers count the quarter-hours from the first."""
    ends = [at for day in days(first, last) for at in interval_ends(day)]
    values = (Value(at, 900, amount(at), RawStatus.TRUE, inputs=(seq,)) for seq, at in enumerate(ends, 1))
    return Series(channel, Layer.INTERVAL, tuple(values))


def changed(series: Series, others: Iterable[Value]) -> Series:
    """With other values in place of those that end at the same time."""
    values = series.by_end() | {one.at: one for one in others}
    return Series(series.channel, series.layer, tuple(values[at] for at in sorted(values)))


def holed(series: Series, ends: Iterable[datetime]) -> Series:
    """With these intervals told missing."""
    return changed(series, [missing(at, 900, "the meter has no row") for at in ends])


def without(series: Series, ends: Iterable[datetime]) -> Series:
    """With nothing at all of these intervals."""
    gone = set(ends)
    return Series(series.channel, series.layer, tuple(one for one in series.values if one.at not in gone))


def distorted(series: Series, at: datetime, value: str = "9999") -> Series:
    """With one that a rule has found something on."""
    bad = replace(series.by_end()[at], amount=Decimal(value), status=RawStatus.DISTORTED, rules=("above_maximum",))
    return changed(series, [bad])
