"""Rule `comparable`: a day that has much more or much less than the days of its class in the weeks before.

Rules: pure. The mean power of the day against the median of theirs, so that the 23 and 25 hours of DST days do not
count; more than `factor` times as much, or less than a `factor`-th, is a finding. Whole days of true values only. Where
both are below `least` nothing is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gatewayd.legal_time import day_bounds, legal_day
from gatewayd.metering.algebra import over, times
from gatewayd.metering.day_class import comparable_days, day_class
from gatewayd.metering.evidence import Evidence, middle
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, bounded, shown
from gatewayd.metering.values import Layer


@dataclass(frozen=True, slots=True)
class ComparableTerms(Terms):
    """What the configuration may say of it. `least`: in the unit of the series."""

    severity: Severity = Rule.COMPARABLE.severity
    factor: Decimal = Decimal(3)
    weeks: int = 4
    least_days: int = 2
    least: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        bounded("weeks", self.weeks, 1, 52)
        bounded("least_days", self.least_days, 1, 52)
        if not self.factor > 1:
            raise ValueError(f"factor is {self.factor}, expected more than 1")


def check(evidence: Evidence, terms: ComparableTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of a legal-time day from `start` to `end`."""
    found = evidence.energy(start, end)
    if found is None:
        return
    day = legal_day(end, evidence.zone)
    seconds = _seconds(start, end)
    compared = []
    for other in comparable_days(day, terms.weeks, evidence.holiday):
        begin, finish = day_bounds(other, evidence.zone)
        energy = evidence.energy(begin, finish)
        if energy is not None:
            own = _seconds(begin, finish)
            compared.append(energy if own == seconds else over(times(energy, seconds), own))
    if len(compared) < terms.least_days:
        return
    usual = middle(compared)
    if max(found, usual) < terms.least or min(found, usual) < 0:
        return
    if found > times(usual, terms.factor):
        much = f"more than {shown(terms.factor)} times as much as"
    elif times(found, terms.factor) < usual:
        much = f"less than 1/{shown(terms.factor)} of"
    else:
        return
    channel = evidence.series.channel
    text = (
        f"{shown(found, channel.unit)} are {much} the median of {len(compared)} "
        f"{day_class(day, evidence.holiday).text} before, {shown(usual, channel.unit)}"
    )
    yield Finding(
        Rule.COMPARABLE,
        terms.severity,
        channel.point,
        channel.obis,
        Layer.INTERVAL,
        start,
        end,
        text,
        found,
        usual,
        channel.unit,
    )


def _seconds(start: datetime, end: datetime) -> Decimal:
    return Decimal(round((end - start).total_seconds()))
