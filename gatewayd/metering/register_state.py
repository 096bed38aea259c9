"""States of registers of a meter that keeps no load profile: which readings are such, when, and which one counts.

    state_of(archived, zone)              a reading as a state; None for what is none
    period_end(text, zone)                the instant in the text of 0.1.2*05, the end of a billing period
    chosen(states, boundary, reach)       the state that ends one month and begins the next

Rules: pure, and the same in whatever order readings come. A state is of the instant of its reading; a value of a past
billing period that has no time of its own is one of the end of that period, or of nothing. A reading without a number
is no state. At the boundary of two months counts, first, what is exactly of it; then what is within an hour, then what
was read by hand on the last day, then the nearest; true states go before others of the same rank, of two that are
equally near the earlier one counts, and of two readings of one instant the newer one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, instant, legal_day
from gatewayd.metering.energy_units import amount, energy_unit
from gatewayd.model import Archived, Flag, Kind, Ratio, RawStatus
from gatewayd.obis import CURRENT, Obis

BOUNDARY = timedelta(hours=36)
"""So far from the end of a month its state may be: noon of the last day, of the first and of the second are within."""
_HOUR = timedelta(hours=1)
_ELECTRICITY, _GAS = 1, 7
_TOTAL = 8
"""Group D of energy since ever (IEC 62056-6-1)."""
_QUANTITIES = 94
_VOLUMES = (1, 2, 3, 11, 12, 13)
"""Group C of volumes of gas that go forward."""
_REACTIVE, _APPARENT = range(3, 9), (9, 10)
_ONE = Decimal(1)
_DIGITS = re.compile(r"[^0-9]")


@dataclass(frozen=True, slots=True)
class State:
    """What a register showed at an instant. `value` is the meter's number in `unit`, without ratios; `text` as the
    meter wrote it; `billing`: it is of the end of a billing period, as the meter has kept it."""

    meter: str
    obis: Obis
    at: datetime
    value: Decimal
    unit: str
    status: RawStatus
    flags: Flag
    seq: int
    ratio: Ratio
    serial: str = ""
    text: str = ""
    billing: bool = False


def counts_up(code: Obis) -> bool:
    """Whether a code is that of a total whose advance may be settled: energy since ever, volume of gas. Values of past
    periods as well."""
    if code.a == _ELECTRICITY:
        return code.d == _TOTAL and 0 < code.c < _QUANTITIES
    return code.a == _GAS and code.c in _VOLUMES and code.d <= 2


def current(code: Obis) -> Obis:
    """The code of the register itself, of one of its values of past periods."""
    return replace(code, f=CURRENT, manual=False) if code.historical or code.manual else code


def ends_a_period(code: Obis) -> bool:
    """Whether its text says when a past billing period has ended: 0.1.2*05, with some meters 0.1.0*05."""
    return code.historical and (code.c, code.d) == (0, 1) and code.e in (0, 2)


def state_of(one: Archived, ended: datetime | None = None) -> State | None:
    """A reading as a state. `ended`: when the billing period of a past value ended, where the meter says so beside it;
    one that has a time of its own needs none."""
    reading = one.reading
    code = reading.obis
    if code is None or reading.kind is not Kind.REGISTER or not counts_up(code):
        return None
    value, unit = reading.value, energy_unit(reading.unit)
    if value is None or reading.status is RawStatus.MISSING or unit.power:
        return None
    at = reading.at
    if code.historical and not reading.meter_time:
        if ended is None:
            return None
        at = ended
    return State(
        reading.meter,
        current(code),
        at,
        amount(value, unit, _ONE, 0),
        unit.unit,
        reading.status,
        reading.flags,
        one.seq,
        one.ratio,
        one.serial,
        reading.raw_text,
        code.historical,
    )


def period_end(text: str, zone: ZoneInfo = PRAGUE) -> datetime | None:
    """`1703010000`, `26-11-01,00:00`, `1260701000000` with the digit of the season; None for what is no time.

    Legal time; with a digit of the season (0 winter, 1 summer) the time that it says."""
    digits = _DIGITS.sub("", text)
    season, digits = (digits[0], digits[1:]) if len(digits) in (11, 13) else ("", digits)
    if len(digits) not in (10, 12) or season not in ("", "0", "1"):
        return None
    try:
        day = date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
        clock = time(int(digits[6:8]), int(digits[8:10]), int(digits[10:] or "0"))
    except ValueError:
        return None
    at = instant(day, clock, zone)
    summer = bool(at.astimezone(zone).dst())
    if season and summer != (season == "1"):
        at += -_HOUR if season == "1" else _HOUR
    return at.astimezone(UTC)


def rank(state: State, boundary: datetime, zone: ZoneInfo = PRAGUE) -> int:
    """How well a state is one of the boundary: 0 exactly, 3 only near."""
    if state.at == boundary:
        return 0
    if abs(state.at - boundary) <= _HOUR:
        return 1
    by_hand = Flag.MANUAL in state.flags and legal_day(state.at, zone) == legal_day(boundary, zone)
    return 2 if by_hand else 3


def chosen(
    states: Iterable[State], boundary: datetime, reach: timedelta = BOUNDARY, zone: ZoneInfo = PRAGUE
) -> State | None:
    """The state of one register that counts at the boundary of two months; None where none is within `reach`."""

    def order(one: State) -> tuple[int, bool, timedelta, datetime, bool, int]:
        place = rank(one, boundary, zone)
        return place, one.status is not RawStatus.TRUE, abs(one.at - boundary), one.at, not one.billing, -one.seq

    near = [one for one in newest(states) if abs(one.at - boundary) <= reach]
    return min(near, key=order, default=None)


def newest(states: Iterable[State]) -> tuple[State, ...]:
    """Of several states of one register, meter and instant the newest; ascending by time."""
    found: dict[tuple[datetime, str, bool], State] = {}
    for one in sorted(states, key=lambda one: one.seq):
        found[one.at, one.meter, one.billing] = one
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.meter, one.seq)))


def usual_unit(code: Obis) -> str:
    """The unit of a register of which nothing was read yet."""
    if code.a == _GAS:
        return "m3"
    return "kVAh" if code.c in _APPARENT else "kvarh" if code.c in _REACTIVE else "kWh"
