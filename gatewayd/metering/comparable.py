"""Comparable periods: what the same interval of legal time had on days of the same class in the weeks before.

Rules: pure, exact. Of each day only a true value counts; the median of an even number is the mean of the two in the
middle (requirements U7, DEC3).
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from gatewayd.legal_time import legal_day
from gatewayd.metering.basis import Basis
from gatewayd.metering.day_class import comparable_days, twin


@dataclass(frozen=True, slots=True)
class Comparable:
    """What there is to compare with: the days, the ends of their intervals, their amounts, the newest first."""

    days: tuple[date, ...]
    ends: tuple[datetime, ...]
    amounts: tuple[Decimal, ...]

    @property
    def median(self) -> Fraction:
        """Of the amounts."""
        ordered = sorted(map(Fraction, self.amounts))
        middle = len(ordered) // 2
        return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def comparable_to(at: datetime, basis: Basis, weeks: int) -> Comparable | None:
    """What there is for the interval that ends then; None where there is nothing."""
    found: list[tuple[date, datetime, Decimal]] = []
    for day in comparable_days(legal_day(at, basis.zone), weeks, basis.holiday):
        end = twin(at, basis.period, day, basis.zone)
        amount = None if end is None else basis.true(end)
        if end is not None and amount is not None:
            found.append((day, end, amount))
    if not found:
        return None
    days, ends, amounts = zip(*found, strict=True)
    return Comparable(days, ends, amounts)
