"""`gatewayd point`: the derived values of a metering point in a day or a month, as a table, a chart, and in numbers.

Rules: reads the derived archive and asks nobody. Values are shown as they are now, with the status that they have; what
is missing is no zero. Sums here are of what is shown, also where the day or month is not over.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.cli import plot
from gatewayd.cli.language import lang_option, said, said_all
from gatewayd.cli.output import console, print_json, print_lines, print_table, status_style
from gatewayd.cli.times import instant_of
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.legal_time import day_bounds, end_label, ends_between, start_label
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.statistics import Extreme, Statistics, statistics
from gatewayd.metering.values import Channel, Layer, Series, Value
from gatewayd.model import RawStatus
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_PIPE_WIDTH = 100
"""Columns of a chart that goes into a pipe or a file."""
_SHOWN = Decimal("0.001")
"""Mean powers are quotients; this is how they are shown. JSON has them with all their digits."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What was asked for: values of a layer from `start` to `end`, with their intervals."""

    point: MeteringPoint
    layer: Layer
    start: datetime
    end: datetime
    ends: tuple[datetime, ...]
    series: tuple[Series, ...]
    zone: ZoneInfo


@click.command()
@click.argument("point")
@click.option("--day", metavar="DAY", help="A legal-time day: 2026-11-01, yesterday, today.  [default: yesterday]")
@click.option("--month", metavar="MONTH", help="A legal-time month, 2026-11, by its days.")
@click.option(
    "--layer",
    type=click.Choice([Layer.INTERVAL.value, Layer.EVALUATION.value, Layer.DAY.value, Layer.LOSS.value]),
    help="Which values.  [default: interval of a day, day of a month]",
)
@click.option("--plot", "as_plot", is_flag=True, help="A chart instead of the table.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@lang_option
@click.pass_obj
def point(
    config_path: Path,
    point: str,
    day: str | None,
    month: str | None,
    layer: str | None,
    as_plot: bool,
    as_json: bool,
) -> None:
    """The values of POINT in a day or month, with statistics and completeness."""
    if day is not None and month is not None:
        raise click.UsageError("--day and --month at the same time; give one of them")
    config = daemon.load_config(config_path)
    found = _point(config, point)
    start, end = _span(day, month, config.gateway.zone)
    usual = Layer.DAY if month is not None else Layer.INTERVAL
    shown = _shown(config, found, Layer(layer) if layer is not None else usual, start, end)
    if as_json:
        print_json(_document(shown))
        return
    if not shown.series:
        span = f"from {start_label(start, shown.zone)} to {end_label(end, shown.zone)}"
        raise click.ClickException(f"nothing was derived of point {point} {span}")
    if as_plot:
        _plot(shown)
    else:
        _table(shown)
    _numbers(shown)


def _point(config: Config, name: str) -> MeteringPoint:
    for one in config.points:
        if one.id == name:
            return one
    known = ", ".join(one.id for one in config.points[:10]) or "none"
    raise click.BadParameter(f"there is no metering point {name}; the configuration has: {known}", param_hint="POINT")


def _span(day: str | None, month: str | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    if month is None:
        try:
            at = instant_of(day or "yesterday", zone, datetime.now(UTC))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--day") from None
        return day_bounds(at.astimezone(zone).date(), zone)
    match = _MONTH.fullmatch(month)
    try:
        if match is None:
            raise ValueError
        return month_bounds(date(int(match[1]), int(match[2]), 1), zone)
    except ValueError:
        raise click.BadParameter(f"'{month}' is no month; expected 2026-11", param_hint="--month") from None


def _shown(config: Config, point: MeteringPoint, layer: Layer, start: datetime, end: datetime) -> _Shown:
    zone = config.gateway.zone
    reader = DerivedReader(derived_folder(config.archive.path))
    found = reader.current_of((point.id,), (layer,), start, end)
    series = []
    for (_, _, obis), standing in sorted(found.items(), key=lambda one: str(one[0][2])):
        unit = max(standing.values(), key=lambda one: one.seq).unit
        values = tuple(standing[at].derived.value for at in sorted(standing))
        series.append(Series(Channel(point.id, obis, unit), layer, values))
    ends = ends_between(start, end, _period(point, layer), zone)
    return _Shown(point, layer, start, end, ends, tuple(series), zone)


def _period(point: MeteringPoint, layer: Layer) -> timedelta:
    if layer is Layer.DAY:
        return timedelta(days=1)
    return point.evaluation if layer is Layer.EVALUATION else point.period


# -- for programs -----------------------------------------------------------------------------------------------------


def _document(shown: _Shown) -> dict[str, object]:
    return {
        "point": shown.point.id,
        "layer": shown.layer.value,
        "from": rfc3339(shown.start),
        "to": rfc3339(shown.end),
        "channels": [
            {
                "obis": str(one.channel.obis),
                "unit": one.channel.unit or None,
                **_statistics_object(_statistics(shown, one)),
                "values": [_value_object(value) for value in one.values],
            }
            for one in shown.series
        ],
    }


def _value_object(value: Value) -> dict[str, object]:
    return {
        "at": rfc3339(value.at),
        "value": value.amount,
        "status": value.status.text,
        "flags": value.flags.texts,
        "method": value.method.value,
        "have": value.have,
        "want": value.want,
    }


def _statistics(shown: _Shown, series: Series) -> Statistics:
    return statistics(series, shown.start, shown.end, period=_period(shown.point, shown.layer))


def _statistics_object(found: Statistics) -> dict[str, object]:
    return {
        "total": found.total,
        "power_unit": found.power_unit,
        "mean": found.mean,
        "highest": _extreme_object(found.highest),
        "lowest": _extreme_object(found.lowest),
        "load_factor": found.load_factor,
        "have": found.have,
        "want": found.want,
        "completeness": found.completeness,
        "statuses": {status.text: count for status, count in found.statuses},
    }


def _extreme_object(extreme: Extreme | None) -> dict[str, object] | None:
    return None if extreme is None else {"power": extreme.power, "at": rfc3339(extreme.at)}


# -- for people -------------------------------------------------------------------------------------------------------


def _table(shown: _Shown) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(said("day" if shown.layer is Layer.DAY else "interval to"), no_wrap=True)
    for one in shown.series:
        table.add_column(f"{one.channel.obis.reduced()}\n{one.channel.unit}", justify="right", no_wrap=True)
    for name in ("status", "method", "flags"):
        table.add_column(said(name), overflow="fold", no_wrap=name == "status")
    columns = [one.by_end() for one in shown.series]
    for end in sorted({*shown.ends, *chain.from_iterable(columns)}):
        found = [column.get(end) for column in columns]
        if not any(found):
            continue
        table.add_row(_when(shown, end), *(_amount(one) for one in found), *_described(found))
    print_table(console(), table)


def _when(shown: _Shown, end: datetime) -> str:
    if shown.layer is Layer.DAY:
        return end_label(end, shown.zone)[:10]
    return end_label(end, shown.zone)


def _amount(value: Value | None) -> Text:
    if value is None:
        return Text("")
    text = said("no value") if value.amount is None else f"{value.amount:f}"
    return Text(text, style=status_style(value.status.text))


def _described(found: Sequence[Value | None]) -> tuple[Text, str, str]:
    there = [one for one in found if one is not None]
    status = RawStatus.worst(one.status for one in there)
    methods = list(dict.fromkeys(said(one.method.value) for one in there))
    flags = list(dict.fromkeys(chain.from_iterable(one.flags.texts for one in there)))
    return Text(said(status.text), style=status_style(status.text)), ", ".join(methods), said_all(flags)


def _plot(shown: _Shown) -> None:
    screen = console()
    width = screen.width if screen.is_terminal else _PIPE_WIDTH
    for one in shown.series:
        values: Mapping[datetime, plot.Value] = {
            value.at: plot.Value(value.amount if value.there else None, value.status) for value in one.values
        }
        print_lines(screen, Text(f"{one.channel.obis} {one.channel.unit}", style="bold"))
        for row in plot.chart(values, shown.ends, _period(shown.point, shown.layer), width, shown.zone):
            screen.print(row, no_wrap=True, overflow="crop")
    if any(value.status for one in shown.series for value in one.values):
        print_lines(screen, said(plot.LEGEND))


def _numbers(shown: _Shown) -> None:
    """One line for each channel, below the table or chart."""
    screen = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    highest = "highest day" if shown.layer is Layer.DAY else "highest"
    for name in ("obis", "total", "mean", highest, "at", "load factor", "complete", "not true"):
        table.add_column(said(name), justify="left" if name in ("obis", "at", "not true") else "right", no_wrap=True)
    for one in shown.series:
        table.add_row(*_numbers_row(one.channel.obis, one.channel.unit, _statistics(shown, one), shown.zone))
    screen.print()
    print_table(screen, table)


def _numbers_row(obis: Obis, unit: str, found: Statistics, zone: ZoneInfo) -> list[str]:
    power = found.power_unit
    marked = [f"{count} {said(status.text)}" for status, count in found.statuses if status and count]
    return [
        obis.reduced(),
        "" if found.total is None else f"{found.total:f} {unit}",
        "" if found.mean is None else f"{_rounded(found.mean)} {power}",
        "" if found.highest is None else f"{_rounded(found.highest.power)} {power}",
        "" if found.highest is None else end_label(found.highest.at, zone),
        "" if found.load_factor is None else _rounded(found.load_factor),
        f"{found.completeness} % ({found.have} / {found.want})",
        ", ".join(marked),
    ]


def _rounded(number: Decimal) -> str:
    """Three digits after the point, for people."""
    return f"{number.quantize(_SHOWN, ROUND_HALF_UP):f}"
