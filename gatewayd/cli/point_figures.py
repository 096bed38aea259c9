"""What `gatewayd point` says of a series in numbers, and as one JSON document.

Rules: pure. Numbers have all their digits here. The maximum demand is the highest mean power of the intervals of the
metering profile (of equal ones the first, named by its END), whatever layer is shown; the load factor is the mean by
that maximum. A share is the part of the intervals that have a status, in %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.cli.portal_limits import Cut
from gatewayd.metering.algebra import over
from gatewayd.metering.demand import highest
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.statistics import Extreme, Statistics, completeness, statistics
from gatewayd.metering.values import Series, Value
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339


@dataclass(frozen=True, slots=True)
class Shown:
    """What was asked for: values of a layer from `start` to `end`, whose usual length is `period`; the ends of all that
    there should be; the intervals of the metering profile of the same time, by their code."""

    point: MeteringPoint
    layer: str
    start: datetime
    end: datetime
    period: timedelta
    ends: tuple[datetime, ...]
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
    found = statistics(series, shown.start, shown.end, period=shown.period)
    of_demand = shown.demand.get(series.channel.obis)
    best = highest(of_demand.values if of_demand is not None and of_demand.values else series.values)
    maximum = None if best is None else Extreme(best[0], best[1].at)
    factor = over(found.mean, maximum.power) if found.mean is not None and maximum and maximum.power > 0 else None
    return Figures(found, maximum, factor)


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
