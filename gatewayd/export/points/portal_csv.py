"""What the layouts of Czech portals have in common: semicolons, decimal commas, cp1250, legal time without an offset.

Rules: they know load profiles of electricity only, in kW or kWh; everything else is refused. They have no room for the
offset of legal time nor for all statuses: beside.py says in a file of its own what they leave out.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import NotInLayout, PointSeries
from gatewayd.metering.demand import power_of
from gatewayd.metering.values import Layer, Value
from gatewayd.obis import CURRENT, Obis

ENCODING = "cp1250"
END_OF_LINE = "\r\n"
_INCREMENT = 29
_PROFILES = (Layer.INTERVAL, Layer.EVALUATION)


def check(layout: str, one: PointSeries, names: dict[int, str], units: tuple[str, ...]) -> str:
    """The name that a layout has for a channel, by group C of its code. NotInLayout in words."""
    channel = one.series.channel
    if one.series.layer not in _PROFILES:
        raise NotInLayout(f"{one.named}: {layout} has load profiles only; use csv for this layer")
    name = names.get(channel.obis.c) if channel.obis == Obis(1, channel.obis.b, channel.obis.c, _INCREMENT) else None
    if name is None or channel.obis.f != CURRENT:
        raise NotInLayout(f"{one.named}: {layout} has no column for this code; leave it out, or use csv")
    if channel.unit not in units:
        expected = " or ".join(units)
        raise NotInLayout(f"{one.named}: {layout} expects {expected}, and not {channel.unit or 'no unit'}; use csv")
    return name


def czech(amount: Decimal | None) -> str:
    """`1234,50`; nothing for nothing."""
    return "" if amount is None else format(amount, "f").replace(".", ",")


def amount_of(value: Value) -> Decimal | None:
    """The energy; of a missing value none, and no partial sum either: nothing here could say that it is one."""
    return value.amount if value.there else None


def kilowatts(value: Value) -> Decimal | None:
    """Its mean power; exact for intervals of which an hour has a whole number."""
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
