"""The registers of a simulated DLMS meter: totals, intervals, what is measured now, maxima, and a gas meter's.

Rules: a value is a function of the meter's clock and the seed (dlms_profile.py), so that a test can compute it; channel
numbers are those of REGISTERS and INTERVAL_CODES, in order from 1.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from simulators import dlms_profile as profiles
from simulators import dlms_values as axdr
from simulators.dlms_making import QUARTER, Making
from simulators.dlms_objects import Attribute, CosemObject, Method, constant, obis
from simulators.dlms_profile import amount, total
from simulators.generator import value

WATT, VAR, WATT_HOUR, VAR_HOUR, AMPERE, VOLT, CUBIC_METRE, HERTZ = 27, 29, 30, 32, 33, 35, 13, 44

REGISTERS = (
    ("1-0:1.8.0", WATT_HOUR),
    ("1-0:2.8.0", WATT_HOUR),
    ("1-0:5.8.0", VAR_HOUR),
    ("1-0:8.8.0", VAR_HOUR),
    ("1-0:1.8.1", WATT_HOUR),
    ("1-0:1.8.2", WATT_HOUR),
    ("1-0:3.8.0", VAR_HOUR),
    ("1-0:4.8.0", VAR_HOUR),
)
"""Registers that only rise, in channels from 1; scaler 0, double-long-unsigned."""
INTERVAL_CODES = ("1-0:1.29.0", "1-0:2.29.0", "1-0:5.29.0", "1-0:8.29.0")
"""Interval registers of the same quantities, in the same channels."""
INSTANTANEOUS = (
    ("1-0:32.7.0", VOLT, -1, 2300),
    ("1-0:52.7.0", VOLT, -1, 2310),
    ("1-0:72.7.0", VOLT, -1, 2290),
    ("1-0:31.7.0", AMPERE, -2, 1234),
    ("1-0:51.7.0", AMPERE, -2, 1250),
    ("1-0:71.7.0", AMPERE, -2, 1199),
    ("1-0:14.7.0", HERTZ, -2, 5000),
    ("1-0:1.7.0", WATT, 0, 4321),
)
"""Code, unit, scaler, value: they do not change."""


def registers(m: Making) -> list[CosemObject]:
    """All of them."""
    return [
        *(_register(m, code, unit, channel) for channel, (code, unit) in enumerate(REGISTERS, 1)),
        *(_interval_register(m, code, channel) for channel, code in enumerate(INTERVAL_CODES, 1)),
        *(_fixed(code, axdr.u32(number), scaler, unit) for code, unit, scaler, number in INSTANTANEOUS),
        *_maxima(m),
        *_gas(m),
    ]


def scaler_unit(scaler: int, unit: int) -> bytes:
    return axdr.structure(axdr.i8(scaler), axdr.enum(unit))


def _register(m: Making, code: str, unit: int, channel: int) -> CosemObject:
    attributes = {
        2: Attribute(lambda: axdr.u32(total(m.clock.now(), channel, m.store.seed))),
        3: Attribute(lambda: scaler_unit(0, unit)),
    }
    return CosemObject(3, 0, obis(code), attributes)


def _interval_register(m: Making, code: str, channel: int) -> CosemObject:
    def last() -> bytes:
        end = profiles.quarters(m.clock.now(), 1, (), QUARTER)[-1]
        return axdr.u32(amount(end, channel, m.store.seed, QUARTER))

    unit = REGISTERS[channel - 1][1]
    return CosemObject(3, 0, obis(code), {2: Attribute(last), 3: Attribute(lambda: scaler_unit(0, unit))})


def _fixed(code: str, encoded: bytes, scaler: int, unit: int) -> CosemObject:
    attributes = {2: Attribute(lambda: encoded), 3: Attribute(lambda: scaler_unit(scaler, unit))}
    return CosemObject(3, 0, obis(code), attributes)


def maximum_of(m: Making, month: datetime) -> tuple[int, datetime]:
    """The maximum demand since the beginning of a month, and when it was: as the seed has it."""
    drawn = value(month, 9, m.store.seed)
    return 1000 + drawn % 5000, month + QUARTER * (1 + drawn % 40)


def _maxima(m: Making) -> list[CosemObject]:
    def this_month() -> tuple[int, datetime]:
        return maximum_of(m, profiles.months(m.clock.now(), 1)[-1].at)

    def quarter() -> datetime:
        return profiles.quarters(m.clock.now(), 1, (), QUARTER)[-1].at

    demand = {
        2: Attribute(lambda: axdr.u32(value(quarter() + QUARTER, 10, m.store.seed))),
        3: Attribute(lambda: axdr.u32(value(quarter(), 10, m.store.seed))),
        4: Attribute(lambda: scaler_unit(0, WATT)),
        5: Attribute(lambda: axdr.u8(0)),
        6: Attribute(lambda: m.time(quarter())),
        7: Attribute(lambda: m.time(quarter())),
        8: Attribute(lambda: axdr.u32(900)),
        9: Attribute(lambda: axdr.u16(1)),
    }
    maximum = {
        2: Attribute(lambda: axdr.u32(this_month()[0])),
        3: Attribute(lambda: scaler_unit(0, WATT)),
        4: Attribute(lambda: axdr.u8(0)),
        5: Attribute(lambda: m.time(this_month()[1])),
    }
    return [CosemObject(4, 0, obis("1-0:1.6.0"), maximum), CosemObject(5, 0, obis("1-0:1.4.0"), demand)]


def _gas(m: Making) -> list[CosemObject]:
    """An M-Bus client and the register of its meter."""
    seed = m.store.seed

    def hour() -> datetime:
        return profiles.quarters(m.clock.now(), 1, (), timedelta(hours=1))[-1].at

    client = {
        2: axdr.octets(obis("0-0:24.6.0")),
        3: axdr.array([axdr.structure(axdr.octets(b"\x0c"), axdr.octets(b"\x13"))]),
        4: axdr.u32(3600),
        5: axdr.u8(1),
        6: axdr.u32(0x1234_5678),
        7: axdr.u16(0x2324),
        8: axdr.u8(1),
        9: axdr.u8(3),
        10: axdr.u8(42),
        11: axdr.u8(0),
        12: axdr.u8(0),
    }
    volume = {
        2: Attribute(lambda: axdr.u32(total(hour(), 12, seed))),
        3: Attribute(lambda: scaler_unit(-3, CUBIC_METRE)),
        4: Attribute(lambda: axdr.u8(0)),
        5: Attribute(lambda: m.time(hour())),
    }
    return [
        CosemObject(
            72,
            1,
            obis("0-1:24.1.0"),
            {number: constant(encoded) for number, encoded in client.items()},
            {number: Method() for number in range(1, 9)},
        ),
        CosemObject(4, 0, obis("0-1:24.2.1"), volume),
    ]
