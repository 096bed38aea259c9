"""How far a meter's clock is off and what that means for its values.

Rules: pure. A deviation is the meter's clock minus the gateway's, as the driver found it in this session; it changes no
status and no instant, it is flagged. A clock that is off by more than half an interval names other intervals than it
means: then its word that it has no row of one is worth nothing.
"""

from datetime import timedelta
from decimal import Decimal

from gatewayd.model import Kind, Reading, number
from gatewayd.obis import Obis
from gatewayd.policy import Policy

CLOCK = Obis(0, 0, 1, 0, 0)
"""The clock object (IEC 62056-6-1)."""
_LONGEST = 16
"""Characters of a deviation: more are none."""


def deviation_of(reading: Reading) -> timedelta | None:
    """What a reading says of the meter's clock: drivers put the seconds first behind what the clock shows. None for any
    other reading, and for a clock that shows no time."""
    if reading.kind is not Kind.REGISTER or reading.obis != CLOCK or not reading.meter_time or not reading.more:
        return None
    seconds = number(reading.more[0]) if len(reading.more[0]) <= _LONGEST else None
    try:
        return None if seconds is None else timedelta(microseconds=int(seconds.scaleb(6)))
    except OverflowError:
        return None


def is_off(deviation: timedelta, policy: Policy) -> bool:
    """Whether the clock is further off than the policy allows."""
    return abs(deviation) > policy.clock_limit


def is_evidence(deviation: timedelta | None, policy: Policy) -> bool:
    """Whether the meter's word that it has no row of an interval counts; where it shows no clock it does."""
    return deviation is None or 2 * abs(deviation) <= policy.period


def by_meter(reading: Reading) -> bool:
    """Whether the meter's clock says when the value was: of intervals, maxima, and registers that it has stamped."""
    return reading.kind in (Kind.INTERVAL, Kind.MAXIMUM) or (reading.kind is Kind.REGISTER and reading.meter_time != "")


def by_gateway(reading: Reading) -> bool:
    """Whether the gateway's clock says so."""
    return reading.kind in (Kind.REGISTER, Kind.MAXIMUM) and not reading.meter_time


def alarm_text(policy: Policy) -> str:
    """The alarm, without numbers that change: `the clock is more than 9 s off`."""
    return f"the clock is more than {_seconds(policy.clock_limit).normalize():f} s off"


def text_of(deviation: timedelta) -> str:
    """`+12.3 s`, for entries of the audit log."""
    return f"{_seconds(deviation):+.1f} s"


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1)).scaleb(-6)
