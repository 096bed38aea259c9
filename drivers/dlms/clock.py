"""The meter's clock: what it shows against the gateway's time, and what its time octets are worth.

Rules: a clock is compared with the middle of the round trip that brought it. A deviation is meter minus gateway, in
tenths of a second; where the clock shows no instant there is none. Status and flags come from gatewayd.status.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from drivers.dlms.value_text import date_time_of, date_time_text, text_of
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.cosem_time import ClockRules, ClockStatus, DateTime, Instant, Reason
from gatewayd.model import Kind, Reading
from gatewayd.obis import Obis
from gatewayd.status import Fault, judge

CLASS_ID = 8
CLOCK = Obis(0, 0, 1, 0, 0)
TIME = Attribute(CLASS_ID, bytes(CLOCK.groups), 2)
_NO_INSTANT = (Reason.WILDCARD, Reason.RULE, Reason.IMPOSSIBLE)
_DOUBTS = {
    Reason.AMBIGUOUS: Fault.TIME_TWICE,
    Reason.IMAGINARY: Fault.SEASON_DOUBTFUL,
    Reason.SEASON: Fault.SEASON_DOUBTFUL,
    Reason.WEEKDAY: Fault.TIME_INVALID,
}
_NOT_TRUSTED = ClockStatus.INVALID_VALUE | ClockStatus.DOUBTFUL_VALUE | ClockStatus.INVALID_CLOCK_STATUS
_TENTH = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """When a request went out and when its answer was there, both in UTC."""

    sent: datetime
    received: datetime

    @property
    def middle(self) -> datetime:
        return self.sent + (self.received - self.sent) / 2

    @property
    def uncertainty(self) -> timedelta:
        """How far the middle may be from the instant at which the meter looked at its clock."""
        return (self.received - self.sent) / 2


@dataclass(frozen=True, slots=True)
class Shown:
    """What a clock showed: the reading, and the deviation from the gateway's time, None where it shows no instant."""

    reading: Reading
    deviation: timedelta | None
    trip: RoundTrip


def shown(meter: str, value: Value, trip: RoundTrip, rules: ClockRules) -> Shown:
    """The reading of attribute 2 of a clock. What is no date-time is a reading that says so."""
    time = date_time_of(value)
    if time is None:
        fault = Fault.EMPTY if value.tag is Tag.NULL else Fault.NOT_DECODABLE
        return Shown(_reading(meter, value, trip, text_of(value), (fault,), ()), None, trip)
    instant = time.instant(rules)
    at = _nearest(instant, trip.middle)
    deviation = None if at is None else at - trip.middle
    more = () if deviation is None else (seconds_text(deviation),)
    text = date_time_text(time, rules.deviation)
    return Shown(_reading(meter, value, trip, text, clock_faults(time, instant), more, text), deviation, trip)


def clock_faults(time: DateTime, instant: Instant) -> tuple[Fault, ...]:
    """What is wrong with a clock that shows this."""
    faults = [Fault.CLOCK_DOUBTFUL] if time.status is not None and time.status & _NOT_TRUSTED else []
    faults += [Fault.CLOCK_DOUBTFUL for reason in instant.reasons if reason in _NO_INSTANT]
    faults += [_DOUBTS[reason] for reason in instant.reasons if reason in _DOUBTS]
    return tuple(dict.fromkeys(faults))


def time_faults(time: DateTime, instant: Instant) -> tuple[Fault, ...]:
    """What is wrong with the time that belongs to a value: the value is not to blame when the time is no date."""
    if instant.at is None:
        return (Fault.TIME_INVALID,)
    return clock_faults(time, instant)


def seconds_text(deviation: timedelta) -> str:
    """`-3.2`, `0.0`, `12.0`: seconds with one digit behind the point, rounded half away from zero."""
    tenths, rest = divmod(abs(deviation), _TENTH)
    tenths += 2 * rest >= _TENTH
    sign = "-" if deviation < timedelta(0) and tenths else ""
    return f"{sign}{Decimal(tenths).scaleb(-1):.1f}"


def _nearest(instant: Instant, reference: datetime) -> datetime | None:
    """Of the two instants of a repeated hour, the one that the clock rather means."""
    if instant.at is None or instant.second is None:
        return instant.at
    return min(instant.at, instant.second, key=lambda at: abs(at - reference))


def _reading(
    meter: str,
    value: Value,
    trip: RoundTrip,
    text: str,
    faults: tuple[Fault, ...],
    more: tuple[str, ...],
    meter_time: str = "",
) -> Reading:
    status, flags = judge(faults)
    return Reading(
        meter=meter,
        obis=CLOCK,
        obis_raw=str(CLOCK),
        kind=Kind.REGISTER,
        at=trip.received,
        raw=value.content if meter_time and isinstance(value.content, bytes) else value.raw,
        raw_text=text,
        status=status,
        flags=flags,
        more=more,
        meter_time=meter_time,
    )
