"""Which findings are written down with values: those that touch them, so that `explain` can say what they stand on.

Rules: pure. With intervals stands everything that touches one of them; with sums of them what is of the sum, and of
single intervals the first few of each rule, with the number of the others.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from gatewayd.metering.findings import Finding, Rule, Severity
from gatewayd.metering.record import ranges
from gatewayd.metering.values import Channel, Layer, Value

FEW = 10
"""Findings of single intervals, of each rule, that stand with a sum."""

Document = dict[str, str | None]


def written(
    findings: Iterable[Finding], channel: Channel, layer: Layer, values: Iterable[Value]
) -> tuple[tuple[Document, ...], dict[str, int]]:
    """The findings on these values of a channel as they are written down, in order of time, and how many more there
    are, by rule."""
    spans = [(one.start, one.at) for one in values]
    mine = [one for one in findings if one.concerns(channel) and _touches(one, spans)]
    kept: list[Finding] = []
    left: Counter[str] = Counter()
    counts: Counter[Rule] = Counter()
    for one in sorted(mine, key=lambda each: (each.start, each.end, each.rule.value, each.text)):
        counts[one.rule] += one.layer is Layer.INTERVAL
        if layer is Layer.INTERVAL or one.layer is not Layer.INTERVAL or counts[one.rule] <= FEW:
            kept.append(one)
        else:
            left[one.rule.value] += 1
    return tuple(map(_document, kept)), dict(left)


def _touches(finding: Finding, spans: Iterable[tuple[datetime, datetime]]) -> bool:
    if finding.severity is Severity.CRITICAL:  # of the whole day
        return True
    start, end = finding.start, finding.end
    if start == end:
        return any(first < end <= last for first, last in spans)
    return any(start < last and first < end for first, last in spans)


def _document(finding: Finding) -> Document:
    return {**dict(finding.facts), "inputs": ranges(finding.inputs)}
