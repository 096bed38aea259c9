"""The layout of the exports of PRE: start and end of the interval in legal time, energy in kWh, mean power in kW.

    Začátek;Konec;kWh;kW
    25.10.2026 00:00;25.10.2026 00:15;0,355;1,42

Rules: one channel of active energy in a file, for it has no name in it; no status either: where there is no whole value
both cells are empty. Midnight is 00:00 of the day that begins, in both columns. Of the portal's own headings we know
the order of the columns and not the words.
"""

from collections.abc import Iterable
from typing import BinaryIO
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import NotInLayout, PointSeries
from gatewayd.export.points.portal_csv import ENCODING, END_OF_LINE, amount_of, check, czech, kilowatts, start_stamp

HEADING = ("Začátek", "Konec", "kWh", "kW")
_NAMES = {1: "+A", 2: "-A"}


def write(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO) -> None:
    """Write all rows. OSError; NotInLayout for more than one series."""
    series = list(found)
    for one in series:
        check("pre", one, _NAMES, ("kWh",))
    if len(series) > 1:
        raise NotInLayout(
            f"{series[1].named}: pre has one channel in a file, and {series[0].named} is there already; write a "
            "file for each"
        )
    stream.write(_line(HEADING))
    for one in series:
        for value in one.series.values:
            stamps = start_stamp(value.start, zone), start_stamp(value.at, zone)
            stream.write(_line((*stamps, czech(amount_of(value)), czech(kilowatts(value)))))


def _line(cells: Iterable[str]) -> bytes:
    return (";".join(cells) + END_OF_LINE).encode(ENCODING)
