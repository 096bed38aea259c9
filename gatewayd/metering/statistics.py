"""Statistics of a series in a stretch of time: sum, mean and extremes of power, load factor, statuses, completeness.

Rules: pure. What has an amount counts, whatever its status; intervals that have none count as missing, those that the
series does not have at all too. Mean power is that of the time which is there, so that a hole does not pull it down.
Quotients have 40 digits; completeness is rounded down to a tenth, so that 100.0 means that nothing is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from gatewayd.legal_time import QUARTER
from gatewayd.metering.aggregate import Cut, cut
from gatewayd.metering.algebra import ZERO, over, total
from gatewayd.metering.demand import mean_power, power_of, power_unit
from gatewayd.metering.values import Series, Value
from gatewayd.model import RawStatus

_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Extreme:
    """A mean power and the END of the first interval that had it."""

    power: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Statistics:
    """What can be said of a series from `start` to `end`. Energy in the `unit` of the series, power in `power_unit`;
    None where there is no amount."""

    start: datetime
    end: datetime
    unit: str
    have: int
    want: int
    total: Decimal | None
    mean: Decimal | None
    highest: Extreme | None
    lowest: Extreme | None
    load_factor: Decimal | None
    """Mean by highest power, 1 for a load that never changes; None where the highest is not above zero."""
    statuses: tuple[tuple[RawStatus, int], ...]
    """How many intervals have each status, all five in their order."""

    @property
    def power_unit(self) -> str:
        """kW for kWh."""
        return power_unit(self.unit)

    @property
    def completeness(self) -> Decimal:
        """Per cent of the intervals that are there."""
        return completeness(self.have, self.want)


def completeness(have: int, want: int) -> Decimal:
    """Per cent, one digit after the point, rounded down; 100.0 where nothing is expected."""
    return (Decimal(100 * have) / want).quantize(_TENTH, ROUND_DOWN) if want else Decimal("100.0")


def statistics(series: Series, start: datetime, end: datetime, *, period: timedelta = QUARTER) -> Statistics:
    """Of the values in the time from `start` to `end`; `period` as in `aggregate`. ValueError where values overlap or
    reach over its edges."""
    parts = cut(series, [one.at for one in series.values], start, end, period)
    amounts = [one.amount for one in parts.values if one.amount is not None]
    energy = total(amounts) if amounts else None
    seconds = sum(one.seconds for one in parts.values if one.amount is not None)
    mean = mean_power(energy, seconds) if energy is not None else None
    highest, lowest = _extremes(parts.values)
    return Statistics(
        start,
        end,
        series.channel.unit,
        parts.have,
        parts.want,
        energy,
        mean,
        highest,
        lowest,
        over(mean, highest.power) if mean is not None and highest and highest.power > ZERO else None,
        _statuses(parts),
    )


def _extremes(found: Iterable[Value]) -> tuple[Extreme | None, Extreme | None]:
    highest: Extreme | None = None
    lowest: Extreme | None = None
    for one in found:
        power = power_of(one)
        if power is None:
            continue
        if highest is None or power > highest.power:
            highest = Extreme(power, one.at)
        if lowest is None or power < lowest.power:
            lowest = Extreme(power, one.at)
    return highest, lowest


def _statuses(parts: Cut) -> tuple[tuple[RawStatus, int], ...]:
    counts = dict.fromkeys(RawStatus, 0)
    for one in parts.values:
        counts[one.status] += 1
    counts[RawStatus.MISSING] += parts.absent
    return tuple(counts.items())
