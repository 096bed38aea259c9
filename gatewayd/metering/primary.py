"""Primary values of a metering point: archived readings times the ratios in force, one value for each interval.

    primary(point, archived, zone)      -> Primary: a series for each channel, and what is remarkable about the ratios
    completed(series, spans)            -> the series with `missing` where there is nothing

Rules: pure, exact, and the same in whatever order the readings come. Raw x scaler x CT x VT x multiplier by value side,
in kWh or kvarh. Of several readings of an interval one counts (rows_chosen.py); readings of a meter outside its time at
the point are not the point's. Each meter has its own metering period (periods.py). What becomes of changes of ratios
and meters says channel_values.py. Nothing is made up for intervals of which there is no reading.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gatewayd.legal_time import PRAGUE, Grid, grid_of
from gatewayd.metering.channel_values import ChannelValues, Rows
from gatewayd.metering.periods import Intervals, Span
from gatewayd.metering.points import MeteringPoint, versions
from gatewayd.metering.ratio_remarks import RatioRemark, Remarks
from gatewayd.metering.sources import channels, sources
from gatewayd.metering.values import Series, missing
from gatewayd.model import Archived, Kind
from gatewayd.obis import Obis


@dataclass(frozen=True, slots=True)
class Primary:
    """The series of a point, one for each channel, and remarks about ratios."""

    series: tuple[Series, ...]
    remarks: tuple[RatioRemark, ...] = ()
    other_lengths: tuple[int, ...] = ()
    """Lengths in seconds of intervals that are not the metering period of their meter: they were passed over."""


def primary(point: MeteringPoint, archived: Iterable[Archived], zone: ZoneInfo = PRAGUE) -> Primary:
    """The primary values of a point, of whatever readings there are among these. For channels made of totals those at
    the start of the first interval have to be among them."""
    rows, other_lengths = _sorted(point, archived, zone)
    remarks, held = Remarks(point.id), versions(point, zone)
    intervals = Intervals(held, point.period, zone)
    series: list[Series] = []
    for code in point.channels or channels(dict.fromkeys(code for _, code in rows)):
        tables = {
            meter: tuple((rows[meter, each], source) for each, source in sources(code) if (meter, each) in rows)
            for meter in sorted(point.meters)
        }
        series.append(ChannelValues(point, code, held, intervals, tables, remarks).series())
    return Primary(tuple(series), remarks.told(), tuple(sorted(other_lengths)))


def completed(series: Series, spans: Iterable[Span], reason: str = "not read yet") -> Series:
    """The series with `missing` for each of these intervals that it has nothing of."""
    there = series.by_end()
    blank = [missing(end, int((end - start).total_seconds()), reason) for start, end in spans if end not in there]
    if not blank:
        return series
    return Series(series.channel, series.layer, tuple(sorted((*series.values, *blank), key=lambda one: one.at)))


def _sorted(
    point: MeteringPoint, archived: Iterable[Archived], zone: ZoneInfo
) -> tuple[dict[tuple[str, Obis], Rows], set[int]]:
    """By meter, code and interval; without what is no interval of the meter's length, or of none of its meters. And the
    other lengths that there are."""
    periods = {one.meter: one.period or point.period for one in point.installed}
    grids = {
        meter: (grid_of(period, zone), int(period.total_seconds()), dict[datetime, datetime]())
        for meter, period in periods.items()
    }
    rows: dict[tuple[str, Obis], defaultdict[datetime, list[Archived]]] = {}
    other_lengths: set[int] = set()
    for one in archived:
        reading = one.reading
        obis, at = reading.obis, reading.at
        if reading.kind is not Kind.INTERVAL or obis is None or reading.meter not in grids:
            continue
        grid, seconds, ends = grids[reading.meter]
        if reading.interval_s != seconds and reading.interval_s is not None:
            other_lengths.add(reading.interval_s)
            continue
        end = ends.get(at)
        if end is None:
            end = ends[at] = _end_on(grid, at)
        found = rows.get((reading.meter, obis))
        if found is None:
            found = rows[reading.meter, obis] = defaultdict(list)
        found[end].append(one)
    return {key: dict(found) for key, found in rows.items()}, other_lengths


def _end_on(grid: Grid, at: datetime) -> datetime:
    """The end of the interval in which something ends: its own where it ends on the grid, else it is a part of one."""
    number = grid.number(at)
    return grid.end(grid.last(at) + 1 if number is None else number)
