"""Rule `above_maximum`: an interval with more energy than its connection can carry.

Rules: pure. The limit is the apparent power of rated current and voltage (limits.py) times `times`, which is 1: what is
rated is the most there can be. Without rated values nothing is looked at. Intervals one behind the other are one
finding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gatewayd.metering.algebra import times
from gatewayd.metering.demand import mean_power, power_unit
from gatewayd.metering.evidence import Evidence
from gatewayd.metering.exact import sane
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, shown
from gatewayd.metering.limits import UNITS, energy_in
from gatewayd.metering.values import Layer, Value


@dataclass(frozen=True, slots=True)
class MaximumTerms(Terms):
    """What the configuration may say of it."""

    severity: Severity = Rule.ABOVE_MAXIMUM.severity
    times: Decimal = Decimal(1)
    """How many times the rated power is still possible: 1.2 where transformers carry 120 %."""

    def __post_init__(self) -> None:
        if not self.times > 0:
            raise ValueError(f"times is {self.times}, expected more than 0")


def check(evidence: Evidence, terms: MaximumTerms, start: datetime, end: datetime) -> Iterator[Finding]:
    """Of the intervals in a time."""
    if evidence.maximum_kva is None or evidence.series.channel.unit not in UNITS:
        return
    limit = times(evidence.maximum_kva, terms.times)
    run: list[Value] = []
    bounds: dict[int, Decimal] = {}
    for value in evidence.inside(start, end):
        bound = bounds.get(value.seconds)
        if bound is None:
            bound = bounds[value.seconds] = energy_in(limit, value.seconds)
        above = sane(value.amount) and value.amount is not None and value.there and value.amount.copy_abs() > bound
        if run and (not above or run[-1].at != value.start):
            yield _finding(evidence, terms, run, limit)
            run = []
        if above:
            run.append(value)
    if run:
        yield _finding(evidence, terms, run, limit)


def _finding(evidence: Evidence, terms: MaximumTerms, run: Sequence[Value], limit: Decimal) -> Finding:
    channel = evidence.series.channel
    highest, energy = run[0], Decimal(0)
    for value in run:
        assert value.amount is not None
        if value.amount.copy_abs() > energy:
            highest, energy = value, value.amount.copy_abs()
    power = mean_power(energy, highest.seconds)
    many = f" at the highest of {len(run)} intervals" if len(run) > 1 else ""
    text = (
        f"{shown(energy, channel.unit)} in {highest.seconds} s{many} are {shown(power, power_unit(channel.unit))}, the "
        f"connection carries {shown(limit, 'kVA')} at most: look at the ratios and at `rated` of the point"
    )
    return Finding(
        Rule.ABOVE_MAXIMUM,
        terms.severity,
        channel.point,
        channel.obis,
        Layer.INTERVAL,
        run[0].start,
        run[-1].at,
        text,
        highest.amount,
        energy_in(limit, highest.seconds),
        channel.unit,
    )
