"""Derived values, and an event of a point, as sinks get them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from gatewayd.metering.events import PointEvent
from gatewayd.metering.events import reading_of as event_reading
from gatewayd.metering.record import Derived, reading_of
from gatewayd.metering.values import Channel, Layer, Method, Value
from gatewayd.model import DIRECT, NO_FLAGS, Archived, Flag, Point, RawStatus
from gatewayd.obis import Obis

AT = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
CODE = Obis.parse("1-0:1.29.0")
POINT = Point("27ZG600Z0424987D", "")


def derived(
    seq: int,
    amount: str | None = "1100.000",
    version: int = 1,
    *,
    at: datetime = AT,
    point: str = "north",
    layer: Layer = Layer.INTERVAL,
    status: RawStatus = RawStatus.TRUE,
    flags: Flag = NO_FLAGS,
    validated: bool = False,
    have: int = 1,
    want: int = 1,
    instant: datetime | None = None,
    rules: tuple[str, ...] = (),
    reason: str = "em-1001 times 8800",
    unit: str = "kWh",
    inputs: tuple[int, ...] = (17, 18, 19, 25),
) -> Archived:
    """A version of a value; `amount` None is none."""
    number = None if amount is None else Decimal(amount)
    value = Value(at, 900, number, status, flags, inputs, Method.PRIMARY, have, want, instant, rules, reason)
    one = Derived(value, version, None if version == 1 else seq - 1, validated)
    reading = reading_of(Channel(point, CODE, unit), layer, one)
    return Archived(seq, reading, at + timedelta(minutes=5), "", 1, DIRECT, 1, POINT)


def event(seq: int, point: str = "north") -> Archived:
    """That a substitute was used."""
    day = date(2026, 11, 21)
    told = PointEvent(
        point,
        "substitution.used",
        CODE,
        Layer.DAY,
        day,
        AT,
        Layer.INTERVAL,
        AT,
        AT,
        "2 of \t 96\0",
        method="comparable",
    )
    return Archived(seq, event_reading(told), AT, "", 1, DIRECT, 1, POINT)
