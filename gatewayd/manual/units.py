"""Units of registers: which of them measure the same, and which one a meter shows on its face.

Rules: pure; Decimal and powers of ten, so that nothing is rounded. A unit that is not known here measures only itself.
"""

from decimal import Decimal

from gatewayd.model import Reading
from gatewayd.obis import Obis

_UNITS: dict[str, tuple[str, int]] = {
    **{f"{prefix}{base}": (base, power) for base in ("Wh", "varh", "VAh", "J") for prefix, power in
       (("", 0), ("k", 3), ("M", 6), ("G", 9))},
    "m3": ("m3", 0),
    "m³": ("m3", 0),
    "l": ("m3", -3),
}  # fmt: skip
_SHOWN = {"Wh": "kWh", "varh": "kvarh", "VAh": "kVAh", "m³": "m3", "l": "m3"}
"""Meters send small units and show large ones."""
_ELECTRICITY, _HEAT, _GAS, _WATER = 1, 6, 7, (8, 9)
_TOTAL = 8
_ACTIVE, _REACTIVE, _APPARENT = (1, 2, 15, 16), (3, 4, 5, 6, 7, 8), (9, 10)


def measured(value: Decimal, unit: str) -> tuple[str, Decimal]:
    """What is measured, and the number in its base unit: ("Wh", 8048375) of 8048.375 kWh."""
    base, power = _UNITS.get(unit, (unit, 0))
    return base, value.scaleb(power)


def quantity(unit: str) -> str:
    """What a unit measures, by its base unit."""
    return _UNITS.get(unit, (unit, 0))[0]


def shown_as(reading: Reading, unit: str) -> Decimal | None:
    """The value of an archived reading in another unit; None where it measures something else or has no number."""
    value = reading.value
    if value is None:
        return None
    base, found = measured(value, reading.unit)
    wanted, one = measured(Decimal(1), unit)
    return found.scaleb(-one.adjusted()) if base == wanted else None


def face_unit(unit: str) -> str:
    """The unit that a meter shows which sends this one."""
    return _SHOWN.get(unit, unit)


def usual_unit(code: Obis) -> str:
    """The unit in which meters show a register; "" where there is no usual one (heat: GJ, kWh or MWh)."""
    if code.a == _ELECTRICITY and code.d == _TOTAL:
        for group, unit in ((_ACTIVE, "kWh"), (_REACTIVE, "kvarh"), (_APPARENT, "kVAh")):
            if code.c % 20 in group and code.c < 80:
                return unit
    return "m3" if code.a in (_GAS, *_WATER) else ""


def places(value: Decimal) -> int:
    """Digits after the decimal point."""
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
