"""The layout of the exports of ČEZ's portal of measured data (PND): mean power by the END of the interval.

    "Datum";"+A/12345678 [kW]";"Status";"-A/12345678 [kW]";"Status";
    25.10.2026 00:15;1,42;naměřená data OK;0;naměřená data OK;

Rules: a column for each channel, named by the serial number of the meter, else by the id of the point, and its status
behind it; the unit is kW for reactive power too, as the portal writes it. A row for each interval that a channel has;
where another has none its cell is empty. The texts of the statuses are those of the portal, but for that of
provisional values (`předběžná hodnota`), for which none is known.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import BinaryIO
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import NotInLayout, PointSeries
from gatewayd.export.points.portal_csv import ENCODING, END_OF_LINE, check, czech, end_stamp, kilowatts
from gatewayd.metering.values import Value
from gatewayd.model import Flag, RawStatus

NAMES = {1: "+A", 2: "-A", 3: "Rv", 5: "+Ri", 6: "+Rc", 7: "-Ri", 8: "-Rc"}
"""By group C. Of the quadrants the names are those of the portal's profiles of reactive power, the pairing is ours."""
UNITS = ("kWh", "kvarh")
STATUSES = {
    RawStatus.TRUE: "naměřená data OK",
    RawStatus.SUBSTITUTE: "platný odhad",
    RawStatus.PROVISIONAL: "předběžná hodnota",
    RawStatus.DISTORTED: "neplatná data",
    RawStatus.MISSING: "neznámá hodnota",
}
POWER_DOWN = "naměřená data, výpadek napětí"


def headings(found: Iterable[PointSeries]) -> list[str]:
    """The names of the columns of power, in the order of the series. NotInLayout."""
    names: list[str] = []
    for one in found:
        name = f"{check('cez-pnd', one, NAMES, UNITS)}/{one.serial or one.point} [kW]"
        if name in names:
            raise NotInLayout(f"{one.named}: there is a column '{name}' already; export one series of each channel")
        names.append(name)
    return names


def write(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO) -> None:
    """Write all rows, in the order of time. OSError; NotInLayout, also for intervals of different length."""
    series = list(found)
    names = headings(series)
    lengths = sorted({value.seconds for one in series for value in one.series.values})
    if len(lengths) > 1:
        said = ", ".join(f"{length} s" for length in lengths)
        raise NotInLayout(
            f"{series[0].named}: intervals of {said}: cez-pnd says nothing of lengths; export one of them"
        )
    stream.write(_line(['"Datum"', *(cell for name in names for cell in (_quoted(name), '"Status"'))]))
    for row in _rows(series, zone):
        stream.write(_line(row))


def _rows(series: list[PointSeries], zone: ZoneInfo) -> Iterator[list[str]]:
    marked = [[(value.at, n, value) for value in one.series.values] for n, one in enumerate(series)]
    for at, group in groupby(heapq.merge(*marked, key=lambda mark: mark[:2]), key=lambda mark: mark[0]):
        found = {n: value for _, n, value in group}
        yield [end_stamp(at, zone), *(cell for n in range(len(series)) for cell in _cells(found.get(n)))]


def _cells(value: Value | None) -> tuple[str, str]:
    if value is None:
        return "", STATUSES[RawStatus.MISSING]
    if value.status is RawStatus.TRUE and Flag.POWER_DOWN in value.flags:
        return czech(kilowatts(value)), POWER_DOWN
    return czech(kilowatts(value)), STATUSES[value.status]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _line(cells: list[str]) -> bytes:
    """The portal ends each line with a semicolon."""
    return (";".join(cells) + ";" + END_OF_LINE).encode(ENCODING, "replace")
