"""The columns of our own layouts: one row for each value, with everything that the derived layer knows of it.

Rules: an interval has its start and its end, in UTC and in legal time with the offset, so that no label has to be
guessed. Amounts are Decimals with their own digits; where there is no amount the cell is empty.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from gatewayd.export.columns import Cell, Heading
from gatewayd.export.points.point_series import PointSeries
from gatewayd.legal_time import end_label, start_label
from gatewayd.metering.record import ranges
from gatewayd.metering.values import Value


@dataclass(frozen=True, slots=True)
class ValueColumn(Heading):
    """`of` takes the cell from a value of a series."""

    of: Callable[[PointSeries, Value, ZoneInfo], Cell]


COLUMNS: tuple[ValueColumn, ...] = (
    ValueColumn("point", str, "id of the metering point in the configuration", lambda s, v, z: s.point),
    ValueColumn("eic", str, "EIC of the metering point", lambda s, v, z: s.codes.eic or None),
    ValueColumn("ean", str, "EAN of the metering point", lambda s, v, z: s.codes.ean or None),
    ValueColumn("obis", str, "OBIS code, A-B:C.D.E*F", lambda s, v, z: str(s.series.channel.obis)),
    ValueColumn(
        "layer",
        str,
        "interval, evaluation, day, month, gas_day, maximum, loss, loss_day or loss_month",
        lambda s, v, z: s.series.layer.value,
    ),
    ValueColumn("interval_start", datetime, "start of the interval, UTC", lambda s, v, z: v.start),
    ValueColumn("interval_end", datetime, "end of the interval, UTC", lambda s, v, z: v.at),
    ValueColumn(
        "interval_start_legal",
        str,
        "the start in legal time, with its offset from UTC",
        lambda s, v, z: start_label(v.start, z),
    ),
    ValueColumn(
        "interval_end_legal",
        str,
        "the end in legal time, with its offset from UTC; midnight is 24:00 of the day that ends",
        lambda s, v, z: end_label(v.at, z),
    ),
    ValueColumn(
        "amount",
        Decimal,
        "primary value of the interval, not rounded; of a missing one empty, or what there is of a partial sum",
        lambda s, v, z: v.amount,
    ),
    ValueColumn("unit", str, "unit of the amount", lambda s, v, z: s.series.channel.unit or None),
    ValueColumn("status", str, "true, substitute, provisional, distorted or missing", lambda s, v, z: v.status.text),
    ValueColumn("flags", tuple, "why: names of the flags", lambda s, v, z: tuple(v.flags.texts)),
    ValueColumn("method", str, "how the value was made", lambda s, v, z: v.method.value),
    ValueColumn("have", int, "intervals of the metering profile that are in it", lambda s, v, z: v.have),
    ValueColumn("want", int, "intervals that belong to it", lambda s, v, z: v.want),
    ValueColumn("instant", datetime, "end of the interval of a maximum, UTC", lambda s, v, z: v.instant),
    ValueColumn("rules", tuple, "validation rules that found something", lambda s, v, z: v.rules),
    ValueColumn(
        "validated",
        bool,
        "true where rules were applied and none has found anything",
        lambda s, v, z: v.at in s.validated,
    ),
    ValueColumn(
        "inputs",
        str,
        "sequence numbers in the archive of what it was made of: 17-20,25 and 30-50/4 for every fourth",
        lambda s, v, z: ranges(v.inputs) or None,
    ),
    ValueColumn("reason", str, "why this method, in words", lambda s, v, z: v.reason or None),
)


def rows(found: Iterable[PointSeries], zone: ZoneInfo) -> Iterator[list[Cell]]:
    """A row for each value, series after series."""
    for one in found:
        for value in one.series.values:
            yield [column.of(one, value, zone) for column in COLUMNS]
