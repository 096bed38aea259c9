"""`gatewayd point`: the derived values of a metering point in a stretch of time, as a table, a chart, and in numbers.

Rules: reads the derived archive and asks nobody. Values are shown as they are now, with the status that they have; what
is missing is no zero. Sums here are of what is shown, also where the day or month is not over. The maximum demand is
that of the intervals of the metering profile, whatever layer is shown, and so is the load factor.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.cli.hours import HOUR, HOURLY, hours
from gatewayd.cli.language import lang_option
from gatewayd.cli.nothing_derived import nothing_derived
from gatewayd.cli.output import print_json
from gatewayd.cli.point_figures import Shown, document
from gatewayd.cli.point_months import show_months
from gatewayd.cli.point_names import find_point, month_span
from gatewayd.cli.point_times import moment_of, span_of
from gatewayd.cli.point_view import print_chart, print_numbers, print_values
from gatewayd.cli.portal_limits import Cut, cut, portal_limits_option
from gatewayd.cli.progress import progress
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.legal_time import day_bounds, end_label, ends_between, legal_day, start_label
from gatewayd.metering.aggregate import month_bounds, months
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.obis import Obis

_PIECE = timedelta(days=31)
"""So much is read in one query."""
_DAY = timedelta(days=1)
_LOSSES = (Layer.LOSS.value, Layer.LOSS_DAY.value, Layer.LOSS_MONTH.value)
_LAYERS = (Layer.INTERVAL.value, Layer.EVALUATION.value, HOURLY, Layer.DAY.value, Layer.MONTH.value, *_LOSSES)
_AT_ONCE = timedelta(days=2)
"""What is longer is shown by its days, unless another layer is asked for."""


@click.command()
@click.argument("point")
@click.option("--day", metavar="DAY", help="A legal-time day: 2026-11-01, yesterday, today.  [default: yesterday]")
@click.option("--month", metavar="MONTH", help="A legal-time month, 2026-11, by its days.")
@click.option("--from", "start", metavar="TIME", help="What ends after this time, legal time.")
@click.option("--to", "end", metavar="TIME", help="Up to this time; a day: its end.  [default with --from: now]")
@click.option(
    "--layer",
    type=click.Choice(_LAYERS),
    help="Which values; hour: sums of the intervals.  [default: interval, of more than two days day]",
)
@portal_limits_option
@click.option("--plot", "as_plot", is_flag=True, help="A chart instead of the table.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@lang_option
@click.pass_obj
def point(
    config_path: Path,
    point: str,
    day: str | None,
    month: str | None,
    start: str | None,
    end: str | None,
    layer: str | None,
    portal_limits: bool,
    as_plot: bool,
    as_json: bool,
) -> None:
    """The values of POINT (id, EIC or EAN) in a day, a month or any time, with statistics and completeness."""
    given = [name for name, one in (("--day", day), ("--month", month), ("--from or --to", start or end)) if one]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} at the same time; give one of them")
    config = daemon.load_config(config_path)
    found = find_point(config, point)
    zone = config.gateway.zone
    begun, ended = _span(day, month, start, end, zone)
    if found.boundary is not None:
        if as_plot:
            raise click.UsageError(f"--plot: point {found.id} has no load profile, only months of its registers")
        show_months(config, found, (begun, ended) if given else None, as_json=as_json)
        return
    usual = Layer.DAY.value if ended - begun > _AT_ONCE else Layer.INTERVAL.value
    shown = _shown(config, found, layer or usual, begun, ended)
    limit = cut((value.at, value.seconds) for one in shown.series for value in one.values) if portal_limits else None
    if limit is not None:
        click.echo(limit.said(f"point {found.id}", zone), err=True)
        shown = _until(shown, limit)
    if as_json:
        print_json(document(shown, limit))
        return
    if not shown.series:
        span = f"from {start_label(begun, zone)} to {end_label(ended, zone)}"
        folder = derived_folder(config.archive.path)
        raise click.ClickException(nothing_derived(folder, f"point {found.id} ({shown.layer}) {span}"))
    (print_chart if as_plot else print_values)(shown)
    print_numbers(shown)


def _span(
    day: str | None, month: str | None, start: str | None, end: str | None, zone: ZoneInfo
) -> tuple[datetime, datetime]:
    if month is not None:
        return month_span(month, zone)
    if start is None and end is None:
        return day_bounds(moment_of(day or "yesterday", zone, "--day").astimezone(zone).date(), zone)
    return span_of(start, end, zone)


def _shown(config: Config, point: MeteringPoint, layer: str, start: datetime, end: datetime) -> Shown:
    zone = config.gateway.zone
    reader = DerivedReader(derived_folder(config.archive.path))
    demand = {one.channel.obis: one for one in _read(reader, point, Layer.INTERVAL, start, end)}
    if layer == HOURLY:
        made = (hours(point, one, start, end, zone) for one in demand.values())
        found = [one for one in made if one.values]
    elif layer == Layer.INTERVAL.value:
        found = list(demand.values())
    else:
        found = _read(reader, point, Layer(layer), start, end)
    period, ends = _grid(point, layer, start, end, zone)
    return Shown(point, layer, start, end, period, ends, tuple(found), demand, zone)


def _read(reader: DerivedReader, point: MeteringPoint, layer: Layer, start: datetime, end: datetime) -> list[Series]:
    found: dict[Obis, dict[datetime, tuple[int, str]]] = {}
    values = {}
    with progress(f"reading {layer.value}", -(-(end - start) // _PIECE)) as show:
        begin, done = start, 0
        while begin < end:
            until = min(begin + _PIECE, end)
            for (_, _, obis), standing in reader.current_of((point.id,), (layer,), begin, until).items():
                units = found.setdefault(obis, {})
                for at, one in standing.items():
                    units[at] = one.seq, one.unit
                    values[obis, at] = one.derived.value
            begin, done = until, done + 1
            show(done)
    return [
        Series(
            Channel(point.id, obis, max(found[obis].values())[1]),
            layer,
            tuple(values[obis, at] for at in sorted(found[obis]) if values[obis, at].start >= start),
        )
        for obis in sorted(found, key=str)
        if any(values[obis, at].start >= start for at in found[obis])
    ]


def _grid(
    point: MeteringPoint, layer: str, start: datetime, end: datetime, zone: ZoneInfo
) -> tuple[timedelta, tuple[datetime, ...]]:
    """The usual length of the values of a layer, and the ends of all that there should be."""
    if layer in (Layer.MONTH.value, Layer.LOSS_MONTH.value):
        named: list[date] = list(months(legal_day(start + timedelta.resolution, zone), legal_day(end, zone)))
        return _DAY, tuple(at for at in (month_bounds(month, zone)[1] for month in named) if start < at <= end)
    periods = {
        Layer.DAY.value: _DAY,
        Layer.LOSS_DAY.value: _DAY,
        HOURLY: HOUR,
        Layer.EVALUATION.value: point.evaluation,
    }
    period = periods.get(layer, point.period)
    return period, ends_between(start, end, period, zone)


def _until(shown: Shown, limit: Cut) -> Shown:
    """As much as the portal would show."""
    return replace(
        shown,
        end=limit.last,
        ends=tuple(at for at in shown.ends if at <= limit.last),
        series=tuple(_before(one, limit.last) for one in shown.series),
        demand={code: _before(one, limit.last) for code, one in shown.demand.items()},
    )


def _before(series: Series, last: datetime) -> Series:
    return Series(series.channel, series.layer, tuple(one for one in series.values if one.at <= last))
