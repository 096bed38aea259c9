"""Accuracy classes of meters: what error is permissible, and which of two classes is the worse one.

Rules: pure. A class is the greatest permissible error in per cent; MID calls 2, 1 and 0.5 % A, B and C. Classes with S
have the same error at rated load. A meter has a class for active energy (IEC 62053-21 and -22) and another, most often
a worse one, for reactive energy (IEC 62053-23: 2 and 3, -24: 0.5S to 1); apparent energy has none. What is no class is
refused with the list of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from gatewayd.metering.algebra import over, times
from gatewayd.metering.points import Accuracy
from gatewayd.obis import Obis

_TWICE = Decimal(2)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class AccuracyClass:
    """A class as it is written, and its permissible error in per cent."""

    name: str
    percent: Decimal

    def twice(self, energy: Decimal) -> Decimal:
        """Twice the permissible error of an energy (PPDS annex 5, 2.9): 100 kWh for 10,000 kWh of class 0.5."""
        return over(times(times(energy.copy_abs(), self.percent), _TWICE), _HUNDRED)


CLASSES = {
    name: AccuracyClass(name, Decimal(percent))
    for name, percent in (
        ("0.2S", "0.2"),
        ("0.2", "0.2"),
        ("0.5S", "0.5"),
        ("0.5", "0.5"),
        ("C", "0.5"),
        ("1", "1"),
        ("B", "1"),
        ("2", "2"),
        ("A", "2"),
    )
}


REACTIVE = {
    name: AccuracyClass(name.upper(), Decimal(name.rstrip("S"))) for name in ("0.5S", "0.5", "1S", "1", "2", "3")
}
_ELECTRICITY, _PHASES = 1, 20
_ACTIVE, _REACTIVE = frozenset({1, 2, 15, 16, 17, 18, 19, 20}), range(3, 9)
"""Group C of +A, -A, their sums and quadrants; of +R, -R and the quadrants. L1 to L3 have 20, 40 and 60 more
(IEC 62056-6-1). Others are apparent energy, or no energy at all."""


def accuracy_class(text: str) -> AccuracyClass:
    """The class for active energy that a text means: `0.5S`, `0,5 s`, `class B`; ValueError for anything else."""
    return _found(text, CLASSES)


def reactive_class(text: str) -> AccuracyClass:
    """The same for reactive energy, of which there is a class 3 as well."""
    return _found(text, REACTIVE)


def class_of(accuracy: Accuracy, code: Obis) -> AccuracyClass | None:
    """The class of a meter for the energy of a channel; None where it is not known, or there is none."""
    quantity = code.c % _PHASES or _PHASES
    if code.a == _ELECTRICITY and quantity in _REACTIVE:
        return reactive_class(accuracy.reactive) if accuracy.reactive else None
    if not accuracy.meter or (code.a == _ELECTRICITY and quantity not in _ACTIVE):
        return None
    return accuracy_class(accuracy.meter)


def _found(text: str, classes: Mapping[str, AccuracyClass]) -> AccuracyClass:
    plain = text.strip().upper().removeprefix("CLASS").removeprefix("CL.").replace(",", ".").replace(" ", "")
    found = classes.get(plain)
    if found is None:
        raise ValueError(f"'{text}' is no accuracy class of a meter; expected one of {', '.join(classes)}")
    return found


def worse(one: AccuracyClass, other: AccuracyClass) -> AccuracyClass:
    """The one with the greater permissible error (requirements DEC6); of equal ones the first."""
    return max(one, other, key=lambda each: each.percent)
