"""A total that has gone back: where it stood before, and whether it goes up only because it is there again.

    total(reading), measure(reading)   the number of a register; what two of them have to have in common
    after(high, interval)              -> Fallen | None, behind an interval
    is_back(high, before, last, end)   whether what was shown in between was no total

Rules: pure. A meter that shows zero while it starts is soon where it was: what it gains then nobody has consumed. That
is watched for LONGEST, as long as no interval is missing; a total that stays low was reset, and counts from there. All
of it is known from the intervals themselves, which have their registers beside them.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from gatewayd.model import WEIGHT, Flag, Reading, number

LONGEST = timedelta(days=1)


class Fallen(NamedTuple):
    """A total before it went back, and the end of the interval in which it did."""

    total: Decimal
    since: datetime


def total(reading: Reading) -> Decimal:
    """The number of a register that has one."""
    value = number(reading.raw_text)
    assert value is not None, "only what is usable is compared"
    return value


def measure(reading: Reading) -> tuple[str, int, tuple[str, ...]]:
    """What two totals have to have in common: unit, scaler, and of pulses what one is worth."""
    return reading.unit, reading.scaler, tuple(text for text in reading.more if text.startswith(WEIGHT))


def after(high: Fallen | None, interval: Reading) -> Fallen | None:
    """What is to be watched behind an interval. `high`: behind the one before it, None where there is none."""
    first, last = (number(text) for text in (*interval.more, "", "")[:2])
    if first is None or last is None or Flag.OVERFLOW in interval.flags:
        return None
    if not interval.raw_text:
        fell = Flag.BACKWARD in interval.flags and last < first
        return (high or Fallen(first, interval.at)) if fell else None
    return high if high is not None and last < high.total else None


def is_back(high: Fallen | None, before: Reading, last: Reading, end: datetime) -> bool:
    """Whether the total is where it was before it went back."""
    return high is not None and end - high.since <= LONGEST and total(before) < high.total <= total(last)
