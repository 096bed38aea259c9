"""Metrics as text: the exposition format 0.0.4 of Prometheus, written by ourselves.

Rules: pure. A value is the text of a number, made of integers or decimals; a family is told of once, with its help and
type, and all its samples stand together; one without samples is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from gatewayd.tallies import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Type(Enum):
    """Of a family."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics with one name. `labels`: those that each sample has, in this order."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of its samples."""
        if self.type is not Type.HISTOGRAM:
            return (self.name,)
        return f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count"


Number = int | str
Sample = tuple[tuple[str, ...], Number | Histogram]
"""The values of the labels, and the value."""
Collected = Sequence[tuple[Family, Sequence[Sample]]]


def text(collected: Collected) -> str:
    """The whole page."""
    lines: list[str] = []
    for family, samples in collected:
        if not samples:
            continue
        lines.append(f"# HELP {family.name} {_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.type.value}")
        lines.extend(_lines(family, samples))
    return "\n".join(lines) + "\n"


def _lines(family: Family, samples: Iterable[Sample]) -> Iterator[str]:
    name, labels = family.name, family.labels
    for values, value in samples:
        if isinstance(value, Histogram):
            yield from _histogram(name, _pairs(labels, values), value)
        elif labels:
            yield f"{name}{{{','.join(_pairs(labels, values))}}} {value}"
        else:
            yield f"{name} {value}"


def _histogram(name: str, pairs: list[str], histogram: Histogram) -> Iterator[str]:
    """`counts` is asked for once: the count is that of the last bucket, whatever is observed meanwhile."""
    sum_, counts, passed = histogram.total, histogram.counts, 0
    for bound, count in zip((*histogram.bounds, "+Inf"), counts, strict=True):
        passed += count
        yield f"{name}_bucket{{{','.join([*pairs, _pair('le', bound)])}}} {passed}"
    braced = f"{{{','.join(pairs)}}}" if pairs else ""
    yield f"{name}_sum{braced} {sum_}"
    yield f"{name}_count{braced} {passed}"


def _pairs(labels: Sequence[str], values: Sequence[str]) -> list[str]:
    return [_pair(label, value) for label, value in zip(labels, values, strict=True)]


def _pair(label: str, value: str) -> str:
    if not value.isalnum():
        value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}="{value}"'


def _help(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n")
