"""What a simulated DLMS meter keeps: load profile, days, billing, event logs (class 7).

Rules: those of dlms_profile.py. An event log has one event a day; its codes are 1 to 20.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from simulators import dlms_profile as profiles
from simulators import dlms_values as axdr
from simulators.dlms_making import QUARTER, Making
from simulators.dlms_objects import Attribute, CosemObject, Method, obis
from simulators.dlms_profile import Column, Profile, Stamp, amount, time_cell, total_cell
from simulators.dlms_registers import INTERVAL_CODES, REGISTERS, maximum_of

PROFILE_CHANNELS = 4


def kept(m: Making) -> list[CosemObject]:
    """All profiles and logs."""
    return [*_profiles(m), *_logs(m)]


def _clock_column(m: Making) -> Column:
    writing = m.writing
    return Column(*profiles.CLOCK, lambda stamp: time_cell(stamp.at, writing))


def _status_column() -> Column:
    return Column(1, obis("0-0:96.10.1"), 2, lambda stamp: axdr.u8(stamp.status))


def _total_column(m: Making, channel: int) -> Column:
    code, seed = REGISTERS[channel - 1][0], m.store.seed
    return Column(3, obis(code), 2, lambda stamp: total_cell(stamp.at, channel, seed))


def _interval_column(m: Making, channel: int) -> Column:
    code = INTERVAL_CODES[channel - 1]
    return Column(3, obis(code), 2, lambda stamp: axdr.u32(amount(stamp, channel, m.store.seed, QUARTER)))


def _profiles(m: Making) -> list[CosemObject]:
    store, now = m.store, m.clock.now
    quantity = _interval_column if store.interval_values else _total_column
    load = (_clock_column(m), _status_column(), *(quantity(m, n) for n in range(1, PROFILE_CHANNELS + 1)))
    daily = (_clock_column(m), _status_column(), *(_total_column(m, n) for n in (1, 5, 6, 2)))
    billing = (
        _clock_column(m),
        *(_total_column(m, n) for n in (1, 5, 6, 2)),
        Column(4, obis("1-0:1.6.0"), 2, lambda stamp: axdr.u32(maximum_of(m, _month_before(stamp.at))[0])),
        Column(4, obis("1-0:1.6.0"), 5, lambda stamp: m.time(maximum_of(m, _month_before(stamp.at))[1])),
    )
    return [
        _generic(
            m,
            "1-0:99.1.0",
            QUARTER,
            load,
            store.recorded or (lambda: profiles.quarters(now(), store.days, store.happenings, QUARTER)),
            96 * store.days,
        ),
        _generic(m, "1-0:99.2.0", timedelta(days=1), daily, lambda: profiles.days(now(), store.days), store.days),
        _generic(m, "0-0:98.1.0", None, billing, lambda: profiles.months(now(), 12), 12),
    ]


def _month_before(at: datetime) -> datetime:
    return profiles.months(at - timedelta(days=1), 1)[0].at


def _logs(m: Making) -> list[CosemObject]:
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
    m: Making,
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
