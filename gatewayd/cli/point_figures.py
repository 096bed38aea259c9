"""What `gatewayd point` says of a series in numbers, and as one JSON document.

Rules: pure. Numbers have all their digits here. The maximum demand is the highest mean power of the intervals of the
metering profile (of equal ones the first, named by its END), whatever layer is shown; the load factor is the mean by
that maximum. Losses have neither: demand is that of the connection, and not of its transformer. Figures are of whole
intervals: from the beginning of the first one to the end of the last. A share is the part of the intervals that have a
status, in %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.cli.point_spans import Grid
from gatewayd.cli.portal_limits import Cut
from gatewayd.metering.aggregate import Span
from gatewayd.metering.algebra import over
from gatewayd.metering.demand import highest
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.statistics import Extreme, Statistics, completeness, statistics
from gatewayd.metering.values import Layer, Series, Value
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

LOSSES = (Layer.LOSS.value, Layer.LOSS_DAY.value, Layer.LOSS_MONTH.value)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was asked for: values of a layer from `start` to `end`; by their code the intervals that there should be,
    and those of the metering profile of the same time."""

    point: MeteringPoint
    layer: str
    start: datetime
    end: datetime
    grids: Mapping[Obis, Grid]
    series: tuple[Series, ...]
    demand: Mapping[Obis, Series]
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Figures:
    """The statistics of a series, its maximum demand and load factor; None where there is no amount."""

    found: Statistics
    maximum: Extreme | None
    load_factor: Decimal | None

    @property
    def shares(self) -> dict[RawStatus, Decimal]:
        """Per cent of the intervals by status, rounded down to a tenth; nothing where there are none."""
        whole = sum(count for _, count in self.found.statuses)
        return {status: completeness(count, whole) for status, count in self.found.statuses if whole}


def figures(shown: Shown, series: Series) -> Figures:
    """Of a series that is shown. ValueError where its values overlap."""
    found = statistics(series, *whole_span(shown, series), period=shown.grids[series.channel.obis].period)
    if shown.layer in LOSSES:
        return Figures(found, None, None)
    of_demand = shown.demand.get(series.channel.obis)
    best = highest(of_demand.values if of_demand is not None and of_demand.values else series.values)
    maximum = None if best is None else Extreme(best[0], best[1].at)
    factor = over(found.mean, maximum.power) if found.mean is not None and maximum and maximum.power > 0 else None
    return Figures(found, maximum, factor)


def whole_span(shown: Shown, series: Series) -> Span:
    """From the beginning of the first to the end of the last interval that is shown of a series, or should be there."""
    expected, values = shown.grids[series.channel.obis], series.values
    return min(expected.start, values[0].start), max(values[-1].at, *expected.ends[-1:])


def document(shown: Shown, limit: Cut | None) -> dict[str, object]:
    """All of it. `truncated`: what the portal's limits left out; null for nothing."""
    return {
        "point": shown.point.id,
        "layer": shown.layer,
        "from": rfc3339(shown.start),
        "to": rfc3339(shown.end),
        "interval_label": "end",
        "truncated": None if limit is None else {"records": limit.kept, "of": limit.found},
        "channels": [
            {
                "obis": str(one.channel.obis),
                "unit": one.channel.unit or None,
                **_object(figures(shown, one)),
                "values": [_value(value) for value in one.values],
            }
            for one in shown.series
        ],
    }


def _value(value: Value) -> dict[str, object]:
    return {
        "at": rfc3339(value.at),
        "value": value.amount,
        "status": value.status.text,
        "flags": value.flags.texts,
        "method": value.method.value,
        "have": value.have,
        "want": value.want,
    }


def _object(made: Figures) -> dict[str, object]:
    found = made.found
    return {
        "total": found.total,
        "power_unit": found.power_unit,
        "mean": found.mean,
        "highest": _extreme(found.highest),
        "lowest": _extreme(found.lowest),
        "maximum_demand": _extreme(made.maximum),
        "load_factor": made.load_factor,
        "have": found.have,
        "want": found.want,
        "completeness": found.completeness,
        "statuses": {status.text: count for status, count in found.statuses},
        "shares": {status.text: share for status, share in made.shares.items()},
    }


def _extreme(extreme: Extreme | None) -> dict[str, object] | None:
    return None if extreme is None else {"power": extreme.power, "at": rfc3339(extreme.at)}
