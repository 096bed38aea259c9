"""Units of energy and volume: which unit a series has, and how a reading becomes an amount in it.

Rules: pure and exact: a power of ten is moved, nothing is rounded. Mean power over an interval is energy (PPDS annex 5,
1.6): times the real length of the interval, which is the one division here: what does not come out even is kept to 40
digits.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=[])
"""More digits than a reading (32) and a ratio (28) have together."""
_DIVISION = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[])
_HOUR = 3600
_BASES = ("W", "var", "VA")
_PREFIXES = (("", -3), ("k", 0), ("M", 3), ("G", 6))


@dataclass(frozen=True, slots=True)
class EnergyUnit:
    """What a unit of readings becomes: the unit of the series, and by which power of ten. `power`: mean power, which is
    energy only with the length of its interval."""

    unit: str
    scale: int
    power: bool = False


_UNITS = {
    **{f"{prefix}{base}h": EnergyUnit(f"k{base}h", scale) for base in _BASES for prefix, scale in _PREFIXES},
    **{f"{prefix}{base}": EnergyUnit(f"k{base}h", scale, power=True) for base in _BASES for prefix, scale in _PREFIXES},
    "m3": EnergyUnit("m3", 0),
    "m³": EnergyUnit("m3", 0),
}


_COUNTED = re.compile(r"[kMGT]?(Wh|varh|VAh|J|cal)|m3|m³|l|kg")


def counted(unit: str) -> bool:
    """Whether a unit is one of what may be added up over time, or becomes one: a voltage may not."""
    return unit in _UNITS or _COUNTED.fullmatch(unit) is not None


def in_unit(value: Decimal, unit: str, wanted: str) -> Decimal | None:
    """A value in another unit of the same kind, exact: 250 Wh are 0.250 kWh. None where they are of different kinds."""
    if unit == wanted:
        return value
    there, here = energy_unit(unit), energy_unit(wanted)
    if (there.unit, there.power) != (here.unit, here.power):
        return None
    return EXACT.scaleb(value, there.scale - here.scale)


def energy_unit(unit: str) -> EnergyUnit:
    """What becomes of a unit; one that is not known stays as it is."""
    return _UNITS.get(unit) or EnergyUnit(unit, 0)


def amount(value: Decimal, unit: EnergyUnit, factor: Decimal, seconds: int) -> Decimal:
    """The value of an interval of so many seconds, times a factor, in the unit of the series."""
    found = EXACT.multiply(value, factor)
    if unit.scale:
        found = EXACT.scaleb(found, unit.scale)
    if unit.power:
        exact = EXACT.multiply(found, Decimal(seconds))
        found = _DIVISION.divide(exact, Decimal(_HOUR))
    return found
