"""The layout of the exports of PRE: start and end of the interval in legal time, energy in kWh, mean power in kW.

    Začátek;Konec;kWh;kW
    25.10.2026 00:00;25.10.2026 00:15;0,355;1,42

Rules: one channel of active energy in a file, for it has no name in it; no status either: where there is no whole value
both cells are empty. There is a row for each interval from the first to the last. Midnight is 00:00 of the day that
begins, in both columns. Of the portal's own headings we know the order of the columns and not the words.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import BinaryIO
from zoneinfo import ZoneInfo

from gatewayd.export.points.point_series import NotInLayout, PointSeries
from gatewayd.export.points.portal_csv import (
    ENCODING,
    END_OF_LINE,
    PROFILES,
    amount_of,
    check,
    czech,
    kilowatts,
    rows,
    start_stamp,
)

HEADING = ("Začátek", "Konec", "kWh", "kW")
_NAMES = {1: "+A", 2: "-A"}


def write(found: Iterable[PointSeries], zone: ZoneInfo, stream: BinaryIO, encoding: str = ENCODING) -> None:
    """Write all rows. OSError; NotInLayout for more than one series."""
    series = list(found)
    for one in series:
        if one.series.layer not in PROFILES:
            raise NotInLayout(f"{one.named}: pre has load profiles only; use csv for this layer")
        check("pre", one, _NAMES, ("kWh",))
    if len(series) > 1:
        raise NotInLayout(
            f"{series[1].named}: pre has one channel in a file, and {series[0].named} is there already; write a "
            "file for each"
        )
    stream.write(_line(HEADING, encoding))
    before: datetime | None = None
    for at, values in rows(series, zone):
        value = values.get(0)
        start = value.start if value is not None else before or at
        numbers = ("", "") if value is None else (czech(amount_of(value)), czech(kilowatts(value)))
        stream.write(_line((start_stamp(start, zone), start_stamp(at, zone), *numbers), encoding))
        before = at


def _line(cells: Iterable[str], encoding: str) -> bytes:
    return (";".join(cells) + END_OF_LINE).encode(encoding)
