"""Registers that went back although nobody exchanged the meter.

Rules: pure. Only what can go up and nothing else is a total: energy since the meter began, volume of gas; a net
register, which counts both ways, is none. Less than before is `backward`, once, and it counts on from there; from near
the end of the meter's digits to near zero it is a roll-over. Totals in other units are not compared.
"""

from decimal import Decimal
from typing import NamedTuple

from gatewayd.fallen import measure
from gatewayd.model import Flag, Kind, RawStatus, Reading, number
from gatewayd.obis import CURRENT, Obis
from gatewayd.status import Fault

_ELECTRICITY, _GAS = 1, 7
_TOTAL = 8
"""Group D: time integral 1, from the first start of measurement on (IEC 62056-6-1)."""
_NET = frozenset({16, 36, 56, 76})
"""Group C: active power of import minus export, of all phases and of each (IEC 62056-6-1)."""
_ABSTRACT = 94
"""From here on group C names no physical quantity."""
_VOLUME, _INDEXES = 3, (0, 1, 2)
"""Groups C and D of gas: forward volume, at metering conditions, corrected, converted (IEC 62056-6-1)."""
_NEAR = Decimal("0.9")
_LONGEST = 64
"""Characters of a number: more are none."""


class Total(NamedTuple):
    """A total as it was last archived: its number without the scaler, digits before the point as the meter wrote them,
    and what another one has to have in common with it."""

    value: Decimal
    digits: int
    measure: tuple[str, int, tuple[str, ...]]


def is_total(code: Obis | None) -> bool:
    """Whether a register of this code never goes back."""
    if code is None or code.f != CURRENT:
        return False
    if code.a == _ELECTRICITY:
        return code.d == _TOTAL and 0 < code.c < _ABSTRACT and code.c not in _NET
    return code.a == _GAS and code.c == _VOLUME and code.d in _INDEXES and code.e == 0


def total_of(reading: Reading) -> Total | None:
    """What a reading says of a total; None for any other register, and where the value is not to be believed."""
    if reading.kind is not Kind.REGISTER or not is_total(reading.obis) or len(reading.raw_text) > _LONGEST:
        return None
    if reading.status >= RawStatus.DISTORTED and Flag.BACKWARD not in reading.flags:
        return None
    if Flag.MANUAL in reading.flags:  # people read whole units, and mistype: the meter is not measured by that
        return None
    value = number(reading.raw_text)
    if value is None:
        return None
    whole = reading.raw_text.strip().lstrip("+-").replace(",", ".").partition(".")[0]
    return Total(value, len(whole), measure(reading))


def fault_of(before: Total, now: Total) -> Fault | None:
    """What is to be said of a total behind the one before it."""
    if now.measure != before.measure or now.value >= before.value:
        return None
    span = Decimal(1).scaleb(before.digits)
    rolled = before.value >= _NEAR * span and 0 <= now.value <= span - _NEAR * span
    return Fault.ROLLED_OVER if rolled else Fault.REGISTER_BACKWARD
