"""What a simulated DLMS meter has in it: clock, registers, profiles, logs, calendar and the rest (IEC 62056-6-2).

Rules: a value is a function of the meter's clock and the seed (dlms_profile.py), so that a test can compute it; channel
numbers are those of REGISTERS and INTERVAL_CODES, in order from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulators import dlms_profile as profiles
from simulators import dlms_values as axdr
from simulators.dlms_clock import SUMMER_BEGINS, SUMMER_ENDS, Clock, Writing
from simulators.dlms_counters import Counters
from simulators.dlms_objects import Access, Attribute, CosemObject, Method, obis
from simulators.dlms_profile import TYPE_UNMATCHED, Column, Manner, Profile, Refused, Stamp, amount, total
from simulators.dlms_security import Security
from simulators.generator import Happening, value
from simulators.profile import LEGAL

WATT, VAR, WATT_HOUR, VAR_HOUR, AMPERE, VOLT, CUBIC_METRE, HERTZ = 27, 29, 30, 32, 33, 35, 13, 44
QUARTER = timedelta(minutes=15)

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
PROFILE_CHANNELS = 4
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
UNKNOWN_CLASS = 9001


@dataclass(frozen=True, slots=True)
class Plate:
    """What is said of the meter itself."""

    serial: str
    firmware: str
    client: int
    server: int
    title: bytes
    client_title: bytes
    security: Security
    suite: int


@dataclass(frozen=True, slots=True)
class Store:
    """How much is kept, and what has happened. `interval_values`: the load profile holds intervals, not totals."""

    seed: int
    days: int
    manner: Manner
    happenings: tuple[Happening, ...] = ()
    interval_values: bool = False


@dataclass(frozen=True, slots=True)
class _Making:
    """What the functions below need."""

    clock: Clock
    plate: Plate
    store: Store

    @property
    def writing(self) -> Writing:
        return self.store.manner.writing

    def time(self, at: datetime) -> bytes:
        return axdr.octets(self.writing.octets(at))


def everything(
    clock: Clock, plate: Plate, store: Store, counters: Counters, objects_of_view: Callable[[], list[bytes]]
) -> list[CosemObject]:
    """All objects. `objects_of_view` gives the elements of object_list for the present association."""
    m = _Making(clock, plate, store)
    return [
        _association(m, objects_of_view),
        *_identity(m, counters),
        _clock(m),
        *(_register(m, code, unit, channel) for channel, (code, unit) in enumerate(REGISTERS, 1)),
        *(_interval_register(m, code, channel) for channel, code in enumerate(INTERVAL_CODES, 1)),
        *(_fixed(code, axdr.u32(number), scaler, unit) for code, unit, scaler, number in INSTANTANEOUS),
        *_maxima(m),
        *_profiles(m),
        *_logs(m),
        _calendar(),
        _disconnector(),
        *_gas(m),
        _data("0-0:97.98.0", lambda: axdr.u32(0x0000_0002)),
        _data("0-0:97.97.0", lambda: axdr.u32(0)),
        _data("0-0:96.10.1", lambda: axdr.u8(profiles.SUMMER if clock.now().astimezone(LEGAL).dst() else 0)),
        _data("0-0:96.11.0", lambda: axdr.u8(0)),
        _data("0-0:96.11.1", lambda: axdr.u8(0)),
        CosemObject(
            UNKNOWN_CLASS,
            0,
            obis("0-0:128.0.0"),
            {2: Attribute(lambda: axdr.structure(axdr.u16(7), axdr.octets(b"\xde\xad"), axdr.visible("maker's own")))},
        ),
    ]


def _data(code: str, read: Callable[[], bytes], *, public: bool = False) -> CosemObject:
    return CosemObject(1, 0, obis(code), {2: Attribute(read)}, public=public)


def _constant(encoded: bytes) -> Attribute:
    return Attribute(lambda: encoded)


def scaler_unit(scaler: int, unit: int) -> bytes:
    return axdr.structure(axdr.i8(scaler), axdr.enum(unit))


def _register(m: _Making, code: str, unit: int, channel: int) -> CosemObject:
    attributes = {
        2: Attribute(lambda: axdr.u32(total(m.clock.now(), channel, m.store.seed))),
        3: Attribute(lambda: scaler_unit(0, unit)),
    }
    return CosemObject(3, 0, obis(code), attributes)


def _interval_register(m: _Making, code: str, channel: int) -> CosemObject:
    def last() -> bytes:
        end = profiles.quarters(m.clock.now(), 1, (), QUARTER)[-1]
        return axdr.u32(amount(end, channel, m.store.seed, QUARTER))

    unit = REGISTERS[channel - 1][1]
    return CosemObject(3, 0, obis(code), {2: Attribute(last), 3: Attribute(lambda: scaler_unit(0, unit))})


def _fixed(code: str, encoded: bytes, scaler: int, unit: int) -> CosemObject:
    attributes = {2: Attribute(lambda: encoded), 3: Attribute(lambda: scaler_unit(scaler, unit))}
    return CosemObject(3, 0, obis(code), attributes)


def _identity(m: _Making, counters: Counters) -> list[CosemObject]:
    plate = m.plate
    name = axdr.octets(b"SIM" + plate.serial.encode())
    policy = {Security.NONE: 0, Security.AUTHENTICATED: 1, Security.ENCRYPTED: 2, Security.BOTH: 3}[plate.security]
    return [
        CosemObject(
            17,
            0,
            obis("0-0:41.0.0"),
            {2: Attribute(lambda: axdr.array([axdr.structure(axdr.u16(plate.server), name)]))},
            public=True,
        ),
        _data("0-0:42.0.0", lambda: name, public=True),
        _data("0-0:96.1.0", lambda: axdr.octets(plate.serial.encode())),
        _data("1-0:0.0.0", lambda: axdr.visible(plate.serial)),
        _data("1-0:0.2.0", lambda: axdr.octets(plate.firmware.encode())),
        _data("0-0:43.1.0", lambda: axdr.u32(counters.seen), public=True),
        CosemObject(
            64,
            0,
            obis("0-0:43.0.0"),
            {
                2: Attribute(lambda: axdr.enum(policy)),
                3: Attribute(lambda: axdr.enum(plate.suite)),
                4: Attribute(lambda: axdr.octets(plate.client_title)),
                5: Attribute(lambda: axdr.octets(plate.title)),
            },
            {1: Method(), 2: Method()},
        ),
    ]


def _association(m: _Making, objects_of_view: Callable[[], list[bytes]]) -> CosemObject:
    return CosemObject(
        15,
        1,
        obis("0-0:40.0.0"),
        {
            2: Attribute(lambda: axdr.array(objects_of_view())),
            3: Attribute(lambda: axdr.structure(axdr.i8(min(m.plate.client, 127)), axdr.u16(m.plate.server))),
            7: Attribute(axdr.null, Access.NONE),
            8: Attribute(lambda: axdr.enum(2)),
            9: Attribute(lambda: axdr.octets(obis("0-0:43.0.0"))),
        },
        # Who is associated already has no use for the first: the server answers it before.
        {1: Method(), 2: Method(), 3: Method(), 4: Method()},
        public=True,
    )


def _clock(m: _Making) -> CosemObject:
    clock = m.clock

    def set_time(item: axdr.Item) -> None:
        at = m.writing.instant(item.octets)
        if at is None or not 2020 <= at.year < 2100:
            raise Refused(TYPE_UNMATCHED)
        clock.set(at)

    def shift(item: axdr.Item) -> None:
        if not -900 <= item.number <= 900:
            raise Refused(TYPE_UNMATCHED)
        clock.shift(item.number)

    def to_quarter(_: axdr.Item) -> None:
        now = clock.now()
        seconds = now.timestamp() % 900
        clock.set(now + timedelta(seconds=-seconds if seconds < 450 else 900 - seconds))

    def to_minute(_: axdr.Item) -> None:
        now = clock.now()
        seconds = now.timestamp() % 60
        clock.set(now + timedelta(seconds=-seconds if seconds < 30 else 60 - seconds))

    return CosemObject(
        8,
        0,
        obis("0-0:1.0.0"),
        {
            2: Attribute(lambda: m.time(clock.now()), Access.READ_WRITE, write=set_time),
            3: Attribute(lambda: axdr.i16(-60)),
            4: Attribute(lambda: axdr.u8(m.writing.octets(clock.now())[11])),
            5: Attribute(lambda: axdr.octets(SUMMER_BEGINS)),
            6: Attribute(lambda: axdr.octets(SUMMER_ENDS)),
            7: Attribute(lambda: axdr.i8(60)),
            8: Attribute(lambda: axdr.boolean(True)),
            9: Attribute(lambda: axdr.enum(1)),
        },
        {
            1: Method(_nothing_returned(to_quarter)),
            2: Method(),
            3: Method(_nothing_returned(to_minute)),
            4: Method(),
            5: Method(),
            6: Method(_nothing_returned(shift)),
        },
        public=True,
    )


def _nothing_returned(act: Callable[[axdr.Item], None]) -> Callable[[axdr.Item], bytes | None]:
    def run(item: axdr.Item) -> bytes | None:
        act(item)
        return None

    return run


def _maximum(m: _Making, month: datetime) -> tuple[int, datetime]:
    """The maximum demand since the beginning of a month, and when it was: as the seed has it."""
    drawn = value(month, 9, m.store.seed)
    return 1000 + drawn % 5000, month + QUARTER * (1 + drawn % 40)


def _maxima(m: _Making) -> list[CosemObject]:
    def this_month() -> tuple[int, datetime]:
        return _maximum(m, profiles.months(m.clock.now(), 1)[-1].at)

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


def _clock_column(m: _Making) -> Column:
    return Column(*profiles.CLOCK, lambda stamp: m.time(stamp.at))


def _status_column() -> Column:
    return Column(1, obis("0-0:96.10.1"), 2, lambda stamp: axdr.u8(stamp.status))


def _total_column(m: _Making, channel: int) -> Column:
    code = REGISTERS[channel - 1][0]
    return Column(3, obis(code), 2, lambda stamp: axdr.u32(total(stamp.at, channel, m.store.seed)))


def _interval_column(m: _Making, channel: int) -> Column:
    code = INTERVAL_CODES[channel - 1]
    return Column(3, obis(code), 2, lambda stamp: axdr.u32(amount(stamp, channel, m.store.seed, QUARTER)))


def _profiles(m: _Making) -> list[CosemObject]:
    store, now = m.store, m.clock.now
    quantity = _interval_column if store.interval_values else _total_column
    load = (_clock_column(m), _status_column(), *(quantity(m, n) for n in range(1, PROFILE_CHANNELS + 1)))
    daily = (_clock_column(m), _status_column(), *(_total_column(m, n) for n in (1, 5, 6, 2)))
    billing = (
        _clock_column(m),
        *(_total_column(m, n) for n in (1, 5, 6, 2)),
        Column(4, obis("1-0:1.6.0"), 2, lambda stamp: axdr.u32(_maximum(m, _month_before(stamp.at))[0])),
        Column(4, obis("1-0:1.6.0"), 5, lambda stamp: m.time(_maximum(m, _month_before(stamp.at))[1])),
    )
    return [
        _generic(
            m,
            "1-0:99.1.0",
            QUARTER,
            load,
            lambda: profiles.quarters(now(), store.days, store.happenings, QUARTER),
            96 * store.days,
        ),
        _generic(m, "1-0:99.2.0", timedelta(days=1), daily, lambda: profiles.days(now(), store.days), store.days),
        _generic(m, "0-0:98.1.0", None, billing, lambda: profiles.months(now(), 12), 12),
    ]


def _month_before(at: datetime) -> datetime:
    return profiles.months(at - timedelta(days=1), 1)[0].at


def _logs(m: _Making) -> list[CosemObject]:
    seed, now = m.store.seed, m.clock.now
    code = Column(1, obis("0-0:96.11.0"), 2, lambda stamp: axdr.u8(stamp.status))
    other = Column(1, obis("0-0:96.11.1"), 2, lambda stamp: axdr.u8(stamp.status))
    count = min(30, m.store.days)
    return [
        _generic(m, "0-0:99.98.0", None, (_clock_column(m), code), lambda: profiles.events(now(), count, seed), 100),
        _generic(
            m,
            "0-0:99.98.1",
            None,
            (_clock_column(m), other, _total_column(m, 1)),
            lambda: profiles.events(now(), count, seed + 1),
            100,
        ),
    ]


def _generic(
    m: _Making,
    code: str,
    period: timedelta | None,
    columns: tuple[Column, ...],
    stamps: Callable[[], Sequence[Stamp]],
    entries: int,
) -> CosemObject:
    profile = Profile(obis(code), period, columns, stamps, entries, m.store.manner)
    seconds = 0 if period is None else int(period.total_seconds())
    clock = columns[0].encoded
    return CosemObject(
        7,
        1,
        obis(code),
        {
            2: Attribute(axdr.null, select=profile.buffer),
            3: Attribute(lambda: axdr.array([column.encoded for column in columns])),
            4: Attribute(lambda: axdr.u32(seconds)),
            5: Attribute(lambda: axdr.enum(1)),
            6: Attribute(lambda: clock),
            7: Attribute(lambda: axdr.u32(len(stamps()))),
            8: Attribute(lambda: axdr.u32(entries)),
        },
        {1: Method(), 2: Method()},
    )


def _calendar() -> CosemObject:
    begin = bytes.fromhex("ffff0101ff00000000800000")
    season = axdr.structure(axdr.octets(b"YEAR"), axdr.octets(begin), axdr.octets(b"WEEK"))
    week = axdr.structure(axdr.octets(b"WEEK"), *(axdr.u8(1 if day < 5 else 2) for day in range(7)))

    def switching(hour: int, script: int) -> bytes:
        time = bytes([hour, 0, 0, 0])
        return axdr.structure(axdr.octets(time), axdr.octets(obis("0-0:10.0.100")), axdr.u16(script))

    days = [
        axdr.structure(axdr.u8(1), axdr.array([switching(6, 1), switching(22, 2)])),
        axdr.structure(axdr.u8(2), axdr.array([switching(0, 2)])),
    ]
    tables = (axdr.octets(b"SIM-2026"), axdr.array([season]), axdr.array([week]), axdr.array(days))
    never = axdr.octets(bytes.fromhex("ffffffffffffffffff800000"))
    # Attributes 2 to 5 are the active calendar, 6 to 9 the passive one, which is the same.
    attributes = {number: _constant(tables[(number - 2) % 4]) for number in range(2, 10)}
    attributes[10] = Attribute(lambda: never)
    return CosemObject(20, 0, obis("0-0:13.0.0"), attributes, {1: Method()})


def _disconnector() -> CosemObject:
    attributes = {
        2: Attribute(lambda: axdr.boolean(True)),
        3: Attribute(lambda: axdr.enum(1)),
        4: Attribute(lambda: axdr.enum(4)),
    }
    return CosemObject(70, 0, obis("0-0:96.3.10"), attributes, {1: Method(), 2: Method()})


def _gas(m: _Making) -> list[CosemObject]:
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
            {number: _constant(encoded) for number, encoded in client.items()},
            {number: Method() for number in range(1, 9)},
        ),
        CosemObject(4, 0, obis("0-1:24.2.1"), volume),
    ]
