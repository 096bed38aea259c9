"""Rule `quadrants`: a quantity is the sum of its parts, +R of QI and QII (PPDS annex 5, 1.7).

Rules: pure. Only where a point has the quantity and all of its parts, in one unit; only intervals are compared of which
all of them are true. Every register cuts off what is less than its last digit: so many digits of each are no fault.
Nobody knows which of them is wrong: the quantity is named, its parts are not. Intervals that follow each other are one
finding. What is not right is never corrected.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from gatewayd.metering.algebra import ZERO, times, total
from gatewayd.metering.evidence import VARIED, digit_of, true_amount
from gatewayd.metering.findings import Finding, Rule, Severity, Terms, shown
from gatewayd.metering.quadrants import Disagreement, disagreements, parts_of, quantity
from gatewayd.metering.values import Layer, Series
from gatewayd.obis import Obis


@dataclass(frozen=True, slots=True)
class QuadrantsTerms(Terms):
    """What the configuration may say of it."""

    severity: Severity = Rule.QUADRANTS.severity
    digits: Decimal = Decimal(1)


def judged(codes: Collection[Obis]) -> frozenset[Obis]:
    """Of the codes of a point those that are a sum all of whose parts are there, and these parts."""
    found: set[Obis] = set()
    for code in codes:
        parts = {part for part, _ in parts_of(code)}
        if parts and parts.issubset(codes):
            found |= {code, *parts}
    return frozenset(found)


def check(series: Mapping[Obis, Series], terms: QuadrantsTerms) -> Iterator[Finding]:
    """Of the intervals of a point, by code."""
    for code in sorted(series):
        parts = [part for part, _ in parts_of(code)]
        if not parts or any(part not in series for part in parts):
            continue
        own = {one: _true(series[one]) for one in (code, *parts)}
        if len({one.channel.unit for one in own.values()}) > 1:
            continue
        found = disagreements(own, times(total(_digits(own.values())), terms.digits))
        for run in _runs([one for one in found if one.obis == code], own[code]):
            start = own[code].by_end()[run[0].at].start
            yield _finding(own[code], run, start, terms)


def _digits(series: Iterable[Series]) -> list[Decimal]:
    """What one unit of the last digit of each is worth. One that hardly varies does not show it (QII is often zero): it
    has no coarser one than the others."""
    amounts = [[one.amount for one in each.values if one.amount] for each in series]
    shown_by = [digit_of(one) if one else None for one in amounts]
    varied = [
        digit for digit, one in zip(shown_by, amounts, strict=True) if digit is not None and len(set(one)) >= VARIED
    ]
    there = [digit for digit in shown_by if digit is not None]
    most = max(varied) if varied else min(there, default=ZERO)
    return [
        digit if digit is not None and len(set(one)) >= VARIED else min(most, most if digit is None else digit)
        for digit, one in zip(shown_by, amounts, strict=True)
    ]


def _true(series: Series) -> Series:
    return replace(series, values=tuple(one for one in series.values if true_amount(one) is not None))


def _runs(found: Sequence[Disagreement], series: Series) -> Iterator[list[Disagreement]]:
    """Those of intervals that follow each other together."""
    starts = {one.at: one.start for one in series.values}
    run: list[Disagreement] = []
    for one in found:
        if run and run[-1].at != starts[one.at]:
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _finding(series: Series, run: Sequence[Disagreement], start: datetime, terms: QuadrantsTerms) -> Finding:
    channel = series.channel
    amount, of_parts = total(one.amount for one in run), total(one.of_parts for one in run)
    worst = max(run, key=lambda one: one.difference.copy_abs())
    span = "" if len(run) == 1 else f" in {len(run)} intervals, one alone is off by {_off(worst, channel.unit)}"
    text = (
        f"{_name(channel.obis)} is {shown(amount, channel.unit)}, its parts {_names(channel.obis)} are "
        f"{shown(of_parts, channel.unit)} together{span}; have the registers of the meter and its connection looked at"
    )
    return Finding(
        Rule.QUADRANTS,
        terms.severity,
        channel.point,
        channel.obis,
        Layer.INTERVAL,
        start,
        run[-1].at,
        text,
        amount,
        of_parts,
        channel.unit,
    )


def _off(one: Disagreement, unit: str) -> str:
    return shown(one.difference.copy_abs(), unit)


def _names(code: Obis) -> str:
    return ", ".join(_name(part) for part, _ in parts_of(code))


def _name(code: Obis) -> str:
    found = quantity(code)
    if found is None:
        return code.reduced()
    return found[0].text if not found[1] else f"{found[0].text} of L{found[1]}"
