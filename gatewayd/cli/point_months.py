"""`gatewayd point` of a point of type C without a load profile: its months, and the readings that they are made of.

Rules: reads the archives and asks nobody (requirements G1). Values are shown as they are now; what is missing is no
zero. Of readings those are shown that a month was made of, as the meter has shown them or somebody has read them.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import click
from rich.table import Table
from rich.text import Text

from gatewayd.cli.language import said, said_all
from gatewayd.cli.output import console, local_time, print_json, print_lines, print_table, status_style
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.metering_inputs import Input, inputs_of
from gatewayd.legal_time import legal_day
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.sink.payload import rfc3339

_SHOWN = 13
"""Months without a time: a year, and the same one a year before."""


def show_months(config: Config, point: MeteringPoint, span: tuple[datetime, datetime] | None, *, as_json: bool) -> None:
    """The months that end in a time, or that are around it; the last ones without."""
    zone = config.gateway.zone
    start, end = _months_of(span, zone)
    series = _series(config, point, start, end)
    numbers = tuple(sorted({seq for one in series for value in one.values for seq in value.inputs}))
    readings = sorted(inputs_of(config.archive.path, numbers), key=lambda one: (one.at, one.obis, one.seq))
    if as_json:
        print_json(_document(point, series, readings, start, end))
    elif not series:
        raise click.ClickException(
            f"point {point.id} has no load profile, and no month of its registers from {legal_day(start, zone)} to "
            f"{legal_day(end, zone)}; does the gateway run, and was its meter read?"
        )
    else:
        _table(series, zone)
        console().print()
        _readings(readings, zone)


def _months_of(span: tuple[datetime, datetime] | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if span is None:
        today = legal_day(datetime.now(UTC), zone)
        first = date(today.year - 1, today.month, 1)
        return month_bounds(first, zone)[0], month_bounds(today, zone)[1]
    first, last = (legal_day(one, zone) for one in (span[0] + timedelta.resolution, span[1]))
    return month_bounds(first, zone)[0], month_bounds(last, zone)[1]


def _series(config: Config, point: MeteringPoint, start: datetime, end: datetime) -> list[Series]:
    reader = DerivedReader(derived_folder(config.archive.path))
    found = reader.current_of((point.id,), (Layer.MONTH,), start, end)
    series: list[Series] = []
    for (_, layer, obis), standing in sorted(found.items(), key=lambda one: str(one[0][2])):
        unit = max(standing.values(), key=lambda one: one.seq).unit
        values = tuple(standing[at].derived.value for at in sorted(standing))
        series.append(Series(Channel(point.id, obis, unit), layer, values))
    return series


def _document(
    point: MeteringPoint, series: Sequence[Series], readings: Sequence[Input], start: datetime, end: datetime
) -> dict[str, object]:
    return {
        "point": point.id,
        "layer": Layer.MONTH.value,
        "from": rfc3339(start),
        "to": rfc3339(end),
        "channels": [
            {
                "obis": str(one.channel.obis),
                "unit": one.channel.unit or None,
                "values": [
                    {
                        "at": rfc3339(value.at),
                        "value": value.amount,
                        "status": value.status.text,
                        "flags": value.flags.texts,
                        "method": value.method.value,
                        "reason": value.reason,
                    }
                    for value in one.values
                ],
            }
            for one in series
        ],
        "readings": [
            {
                "seq": one.seq,
                "meter": one.meter,
                "obis": one.obis,
                "at": rfc3339(one.at),
                "raw": one.raw_text,
                "unit": one.unit or None,
                "status": one.status.text,
                "flags": one.flags.texts,
            }
            for one in readings
        ],
    }


def _table(series: Sequence[Series], zone: ZoneInfo) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("month", "obis", "value", "unit", "status", "method", "flags"):
        table.add_column(said(name), justify="right" if name == "value" else "left", no_wrap=name != "flags")
    rows = [(one.channel, value) for one in series for value in one.values]
    for channel, value in sorted(rows, key=lambda row: (row[1].at, str(row[0].obis))):
        style = status_style(value.status.text)
        table.add_row(
            f"{legal_day(value.at, zone):%Y-%m}",
            channel.obis.reduced(),
            Text(said("no value") if value.amount is None else f"{value.amount:f}", style=style),
            channel.unit,
            Text(said(value.status.text), style=style),
            said(value.method.value),
            said_all(value.flags.texts),
        )
    print_table(console(), table)


def _readings(readings: Sequence[Input], zone: ZoneInfo) -> None:
    screen = console()
    print_lines(screen, Text(said("readings that it is made of"), style="bold"))
    if not readings:
        print_lines(screen, f"  {said('none')}")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("time", "meter", "obis", "value", "unit", "status", "flags"):
        table.add_column(said(name), justify="right" if name == "value" else "left", no_wrap=name != "flags")
    for one in readings:
        status = Text(said(one.status.text), style=status_style(one.status.text))
        time = local_time(one.at, zone)
        table.add_row(time, one.meter, one.obis, one.raw_text, one.unit, status, said_all(one.flags.texts))
    print_table(screen, table)
