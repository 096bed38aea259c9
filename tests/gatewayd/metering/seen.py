"""Evidence for tests of validation: true quarter-hours of a channel, states of registers, and what is told of them."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

from gatewayd.legal_time import PRAGUE, days, interval_ends
from gatewayd.metering.evidence import Register
from gatewayd.metering.values import Channel, Layer, Series, Value, missing
from gatewayd.model import NO_FLAGS, Flag, RawStatus
from gatewayd.obis import Obis

ENERGY = Channel("north", Obis.parse("1-0:1.29.0"), "kWh")
TOTAL = Channel("north", Obis.parse("1-0:1.8.0"), "kWh")
DAY = date(2026, 11, 24)
"""A Tuesday, in winter time: 10:00 is 09:00 UTC. The Tuesday before is a holiday."""


def at(label: str) -> datetime:
    """`2026-11-24 10:00` of legal time, as an instant."""
    return datetime.fromisoformat(label).replace(tzinfo=PRAGUE).astimezone(tz=_UTC)


_UTC = interval_ends(DAY)[0].tzinfo


def quarters(
    first: date, last: date, amount: Callable[[datetime], Decimal | None], channel: Channel = ENERGY
) -> Series:
    """The quarter-hours of whole days; the amount is asked for with the legal time of their start. None is missing."""
    values = []
    for seq, end in enumerate((end for day in days(first, last) for end in interval_ends(day)), 1):
        energy = amount((end - timedelta(minutes=15)).astimezone(PRAGUE))
        values.append(missing(end, 900) if energy is None else Value(end, 900, energy, RawStatus.TRUE, inputs=(seq,)))
    return Series(channel, Layer.INTERVAL, tuple(values))


def flat(amount: str, first: date = DAY, last: date = DAY, channel: Channel = ENERGY) -> Series:
    """The same in every quarter-hour."""
    return quarters(first, last, lambda _: Decimal(amount), channel)


def state(label: str, amount: str, flags: Flag = NO_FLAGS, status: RawStatus = RawStatus.TRUE) -> Value:
    """Of a register."""
    return Value(at(label), 0, Decimal(amount), status, flags, (int(at(label).timestamp()),))


def register(states: Iterable[Value], channel: Channel = TOTAL, digit: str = "0.001", meter: str = "em-1") -> Register:
    """Of one meter."""
    return Register(channel, tuple(states), Decimal(digit), meter)
