"""Accuracy classes of meters: what error is permissible, and which of two classes is the worse one.

Rules: pure. A class is the greatest permissible error in per cent; MID calls 2, 1 and 0.5 % A, B and C. Classes with S
have the same error at rated load. What is no class is refused with the list of them.
"""

from dataclasses import dataclass
from decimal import Decimal

from gatewayd.metering.algebra import over, times

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


def accuracy_class(text: str) -> AccuracyClass:
    """The class that a text means: `0.5S`, `0,5 s`, `class B`; ValueError for anything else."""
    plain = text.strip().upper().removeprefix("CLASS").removeprefix("CL.").replace(",", ".").replace(" ", "")
    found = CLASSES.get(plain)
    if found is None:
        raise ValueError(f"'{text}' is no accuracy class of a meter; expected one of {', '.join(CLASSES)}")
    return found


def worse(one: AccuracyClass, other: AccuracyClass) -> AccuracyClass:
    """The one with the greater permissible error (requirements DEC6); of equal ones the first."""
    return max(one, other, key=lambda each: each.percent)
