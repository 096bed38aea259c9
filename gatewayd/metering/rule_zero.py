"""Rule `zero`: nothing is metered for hours, where something was metered on the comparable days.

Rules: pure. A run of zeros may have begun before the day; what is told of it is the part of this day. It is compared
with the same wall-clock time of the days of the same class in the weeks before, as far as all of it is there and true:
where most of them had something, and there are `least_days` of them, it is a finding.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from gatewayd.legal_time import day_bounds, instant, legal_day
from gatewayd.metering.algebra import over
from gatewayd.metering.day_class import comparable_days, day_class
from gatewayd.metering.evidence import Evidence, Span, middle, true_amount
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, bounded, shown
from gatewayd.metering.values import Layer


@dataclass(frozen=True, slots=True)
class ZeroTerms(Terms):
    """What the configuration may say of it."""

    severity: Severity = Rule.ZERO.severity
    hours: int = 6
    """So long at least."""
    weeks: int = 4
    least_days: int = 2

    def __post_init__(self) -> None:
        bounded("hours", self.hours, 1, 24 * 7)
        bounded("weeks", self.weeks, 1, 52)
        bounded("least_days", self.least_days, 1, 52)


def check(evidence: Evidence, terms: ZeroTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of a legal-time day from `start` to `end`."""
    least = timedelta(hours=terms.hours)
    close = evidence.close(start, end)
    for first, last in _runs(evidence, start, end):
        if last - _beginning(close, first, last - least) >= least:
            usual, count = _usual(evidence, terms, first, last)
            if usual > 0:
                yield _finding(evidence, terms, first, last, usual, count)


def reaching(evidence: Evidence, terms: ZeroTerms, day: date) -> frozenset[Span]:
    """The time before a day that has to be seen so that it can be judged: where it begins with nothing, though that is
    not usual, so long back as a run of zeros may begin."""
    start, end = day_bounds(day, evidence.zone)
    first, last = next(_runs(evidence, start, end), (end, end))
    earliest = last - timedelta(hours=terms.hours)
    if first > start or earliest >= start or not _usual(evidence, terms, first, last)[0] > 0:
        return frozenset()
    return frozenset({(earliest, start)})


def _usual(evidence: Evidence, terms: ZeroTerms, first: datetime, last: datetime) -> tuple[Decimal, int]:
    """What comparable days had in that time, and how many there are; 0 of too few."""
    compared = _compared(evidence, terms, first, last)
    return (middle(compared), len(compared)) if len(compared) >= terms.least_days else (Decimal(0), 0)


def _runs(evidence: Evidence, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Start and end of each run of zeros in a time."""
    first: datetime | None = None
    last = start
    for value in evidence.inside(start, end):
        zero = true_amount(value) == 0
        if first is not None and (not zero or value.start != last):
            yield first, last
            first = None
        if zero:
            first, last = first or value.start, value.at
    if first is not None:
        yield first, last


def _beginning(evidence: Evidence, first: datetime, enough: datetime) -> datetime:
    """Since when it is zero without a break, as far back as is enough."""
    values = evidence.series.values
    for value in reversed(values[: bisect_right(evidence.ends, first)]):
        if first <= enough or value.at != first or true_amount(value) != 0:
            break
        first = value.start
    return first


def _compared(evidence: Evidence, terms: ZeroTerms, first: datetime, last: datetime) -> list[Decimal]:
    """What there was at this time of the comparable days."""
    day = legal_day(last, evidence.zone)
    compared = comparable_days(day, terms.weeks, evidence.holiday)
    found = (evidence.energy(*_same_time(evidence, day, first, last, other)) for other in compared)
    return [energy for energy in found if energy is not None]


def _same_time(
    evidence: Evidence, day: date, first: datetime, last: datetime, other: date
) -> tuple[datetime, datetime]:
    """The same wall-clock time of another day; the end of the day is that of the other one."""
    zone = evidence.zone
    begin = instant(other, first.astimezone(zone).time(), zone)
    if last == day_bounds(day, zone)[1]:
        return begin, day_bounds(other, zone)[1]
    return begin, instant(other, last.astimezone(zone).time(), zone)


def _finding(
    evidence: Evidence, terms: ZeroTerms, first: datetime, last: datetime, usual: Decimal, count: int
) -> Finding:
    channel = evidence.series.channel
    kind = day_class(legal_day(last, evidence.zone), evidence.holiday).text
    hours = over(Decimal(round((last - first).total_seconds())), Decimal(3600))
    text = (
        f"nothing is metered for {shown(hours)} h; the median of {count} {kind} before is {shown(usual, channel.unit)} "
        f"in that time: is the supply off, or a voltage or a wire missing at the meter?"
    )
    return Finding(
        Rule.ZERO,
        terms.severity,
        channel.point,
        channel.obis,
        Layer.INTERVAL,
        first,
        last,
        text,
        Decimal(0),
        usual,
        channel.unit,
    )
