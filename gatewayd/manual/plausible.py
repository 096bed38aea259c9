"""Whether a reading by hand can be right, beside what is known of the register.

Rules: pure; Decimal in the unit of the reading. Another meter is never compared with the one before it, and a register
that began again at zero is counted on from there. A difference of a few units is no difference: whole units are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from gatewayd.manual import portal
from gatewayd.manual.findings import Check, Finding
from gatewayd.manual.units import places
from gatewayd.status import Fault
from gatewayd.verdicts import plain_serial

_NEAR = Decimal("0.9")
_FEWEST_DIGITS = 5
"""No register has fewer, though a meter that writes no zeros in front may show fewer."""
_SETTLED = timedelta(days=1)
"""A reading that is nearer to the one before says nothing about consumption."""
_UNITS = 10
"""Of the last place that was read: less is not judged."""
_DAY = Decimal(86_400)


@dataclass(frozen=True, slots=True)
class Bounds:
    """So many times the comparable consumption, or as small a part of it, is a warning (`tolerance`); more than so many
    times an error (`maximum`)."""

    tolerance: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a register stood, and `when` for people. `digits`: before the point, as the meter writes them; 0 where
    that is not known."""

    at: datetime
    value: Decimal
    serial: str = ""
    digits: int = 0
    when: str = ""


@dataclass(frozen=True, slots=True)
class Comparable:
    """The consumption of a span that a new one is compared with."""

    first: Spot
    last: Spot
    what: str

    @property
    def daily(self) -> Decimal | None:
        """None where it says nothing."""
        seconds = Decimal((self.last.at - self.first.at) // timedelta(seconds=1))
        used = self.last.value - self.first.value
        return used / seconds * _DAY if seconds >= _DAY and used > 0 else None


@dataclass(frozen=True, slots=True)
class Past:
    """What is known around a reading."""

    previous: Spot | None = None
    following: Spot | None = None
    comparable: tuple[Comparable, ...] = ()
    """The best one first."""


def same_meter(one: str, other: str) -> bool:
    """Whether two serial numbers are of one meter; an unknown one is no other."""
    return not plain_serial(one) or not plain_serial(other) or plain_serial(one) == plain_serial(other)


def rolled_over(before: Spot, value: Decimal) -> Decimal | None:
    """What the register had counted when it began again at zero in between; None where it did not."""
    span = Decimal(1).scaleb(max(before.digits or before.value.adjusted() + 1, _FEWEST_DIGITS))
    if value < before.value and before.value >= _NEAR * span and value <= span - _NEAR * span:
        return span
    return None


def examine(now: Spot, unit: str, past: Past, bounds: Bounds) -> tuple[list[Finding], tuple[Fault, ...]]:
    """What is found on a reading, and what that means for its status where somebody stands by it."""
    findings: list[Finding] = []
    faults: list[Fault] = []
    before = past.previous
    if before is not None and same_meter(before.serial, now.serial):
        span = rolled_over(before, now.value)
        seen = _as_read(before.value, now.value)
        if span is not None:
            faults.append(Fault.ROLLED_OVER)
        elif now.value < seen:
            findings.append(
                Finding(
                    Check.LOWER,
                    f"{_plain(now.value)} {unit} is lower than {_plain(before.value)} {unit} of {_when(before)}",
                    portal.LOWER.format(previous=_plain(before.value)),
                )
            )
            faults.append(Fault.REGISTER_BACKWARD)
        findings += _consumed(now, unit, before, span or Decimal(0), past.comparable, bounds)
    later = past.following
    if later is not None and same_meter(later.serial, now.serial) and now.value > later.value:
        back = rolled_over(Spot(now.at, now.value, digits=later.digits), later.value)
        if back is None:
            findings.append(
                Finding(
                    Check.HIGHER_THAN_NEXT,
                    f"{_plain(now.value)} {unit} is higher than {_plain(later.value)} {unit} of {_when(later)}",
                )
            )
    return findings, tuple(faults)


def _consumed(
    now: Spot, unit: str, before: Spot, span: Decimal, comparable: tuple[Comparable, ...], bounds: Bounds
) -> Iterator[Finding]:
    seen = _as_read(before.value, now.value)
    used = now.value + span - seen
    if used < 0 or now.at - before.at < _SETTLED:
        return
    if not used:
        yield Finding(
            Check.ZERO,
            f"nothing was consumed since {_when(before)}: {_plain(now.value)} {unit} then and now",
            portal.ZERO,
        )
        return
    best = next((one for one in comparable if one.daily is not None), None)
    daily = best.daily if best is not None else None
    if best is None or daily is None:
        return
    expected = daily * Decimal((now.at - before.at) // timedelta(seconds=1)) / _DAY
    if abs(used - expected) < _UNITS * Decimal(1).scaleb(-places(now.value)):
        return
    usual = f"{_plain(_rounded(expected))} {unit} would be as {best.what}"
    text = f"{_plain(used)} {unit} since {_when(before)}, where {usual}"
    if used > bounds.maximum * expected:
        yield Finding(
            Check.MAXIMUM,
            f"{text}: more than {_plain(bounds.maximum)} times as much; is a digit too many? (--maximum lets more "
            "pass)",
            portal.MAXIMUM.format(
                number=now.serial, day=now.when[:10] or f"{now.at:%d.%m.%Y}", previous=_plain(before.value)
            ),
        )
    elif used > bounds.tolerance * expected:
        yield Finding(Check.TOLERANCE, f"{text}: more than {_plain(bounds.tolerance)} times as much", portal.TOLERANCE)
    elif used * bounds.tolerance < expected:
        told = f"{text}: less than one part in {_plain(bounds.tolerance)}"
        yield Finding(Check.TOLERANCE, told, portal.TOLERANCE)


def _as_read(value: Decimal, like: Decimal) -> Decimal:
    """A value with only the places that the other one has: who reads whole units reads 8048 of 8048.9."""
    return value.quantize(Decimal(1).scaleb(-places(like)), ROUND_FLOOR)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1)) if value >= _UNITS else value.quantize(Decimal("0.1"))


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _when(spot: Spot) -> str:
    return spot.when or f"{spot.at:%d.%m.%Y %H:%M%z}"
