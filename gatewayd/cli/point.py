"""`gatewayd point`: the derived values of a metering point in a stretch of time, as a table, a chart, and in numbers.

Rules: reads the derived archive and asks nobody. Values are shown as they are now, with the status that they have; what
is missing is no zero. What belongs to a time says point_spans.py. Sums here are of what is shown, also where the day or
month is not over. The maximum demand is that of the intervals of the metering profile, whatever layer is shown, and so
is the load factor.
"""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.cli.hours import HOURLY, hours
from gatewayd.cli.language import lang_option
from gatewayd.cli.nothing_derived import nothing_derived
from gatewayd.cli.output import print_json
from gatewayd.cli.point_figures import LOSSES, Shown, document, whole_span
from gatewayd.cli.point_months import show_months
from gatewayd.cli.point_names import find_point, month_of
from gatewayd.cli.point_spans import Asked, between, grid, of_day, of_month
from gatewayd.cli.point_times import moment_of
from gatewayd.cli.point_view import print_chart, print_numbers, print_values
from gatewayd.cli.portal_limits import Cut, cut, portal_limits_option
from gatewayd.cli.progress import progress
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.legal_time import end_label, start_label
from gatewayd.metering.aggregate import Span
from gatewayd.metering.derivation import Standing
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.obis import Obis

_PIECE = timedelta(days=31)
"""So much is read in one query."""
_SUMS = (Layer.DAY.value, Layer.GAS_DAY.value, Layer.MONTH.value)
_LAYERS = (Layer.INTERVAL.value, Layer.EVALUATION.value, HOURLY, *_SUMS, *LOSSES)
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
    asked = _asked(day, month, start, end, zone)
    begun, ended = asked.legal
    if found.boundary is not None:
        if as_plot:
            raise click.UsageError(f"--plot: point {found.id} has no load profile, only months of its registers")
        show_months(config, found, (begun, ended) if given else None, as_json=as_json)
        return
    usual = Layer.DAY.value if ended - begun > _AT_ONCE else Layer.INTERVAL.value
    shown = _shown(config, found, layer or usual, asked)
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


def _asked(day: str | None, month: str | None, start: str | None, end: str | None, zone: ZoneInfo) -> Asked:
    if month is not None:
        return of_month(month_of(month), zone)
    if start is None and end is None:
        return of_day(moment_of(day or "yesterday", zone, "--day").astimezone(zone).date(), zone)
    return between(start, end, zone)


def _shown(config: Config, point: MeteringPoint, layer: str, asked: Asked) -> Shown:
    zone = config.gateway.zone
    reader = DerivedReader(derived_folder(config.archive.path))
    of_intervals = layer in (HOURLY, Layer.INTERVAL.value)
    read = _read(reader, point, Layer.INTERVAL if of_intervals else Layer(layer), asked.around(layer))
    spans = {one.channel.obis: asked.of(point, layer, one.channel.obis, zone) for one in read}
    inside = [_inside(one, spans[one.channel.obis]) for one in read]
    found = [hours(point, one, *spans[one.channel.obis], zone) for one in inside] if layer == HOURLY else inside
    if layer == HOURLY or not spans:
        start, end = asked.legal
    else:
        start, end = min(begun for begun, _ in spans.values()), max(ended for _, ended in spans.values())
    shown = Shown(
        point,
        layer,
        start,
        end,
        {code: grid(point, layer, code, span, zone) for code, span in spans.items()},
        tuple(one for one in found if one.values),
        {},
        zone,
    )
    if layer in LOSSES or not shown.series:
        return shown
    whole = {one.channel.obis: whole_span(shown, one) for one in shown.series}
    if not of_intervals:
        around = min(start for start, _ in whole.values()), max(end for _, end in whole.values())
        inside = _read(reader, point, Layer.INTERVAL, around)
    demand = {one.channel.obis: _inside(one, whole[one.channel.obis]) for one in inside if one.channel.obis in whole}
    return replace(shown, demand=demand)


def _inside(series: Series, span: Span) -> Series:
    """What ends after the beginning of a time and not after its end."""
    return replace(series, values=tuple(one for one in series.values if span[0] < one.at <= span[1]))


def _read(reader: DerivedReader, point: MeteringPoint, layer: Layer, span: Span) -> list[Series]:
    found: dict[Obis, dict[datetime, Standing]] = defaultdict(dict)
    begin, end = span
    with progress(f"reading {layer.value}", -(-(end - begin) // _PIECE)) as show:
        done = 0
        while begin < end:
            until = min(begin + _PIECE, end)
            for (_, _, obis), standing in reader.current_of((point.id,), (layer,), begin, until).items():
                found[obis] |= standing
            begin, done = until, done + 1
            show(done)
    return [
        Series(
            Channel(point.id, obis, max(found[obis].values(), key=lambda one: one.seq).unit),
            layer,
            tuple(found[obis][at].derived.value for at in sorted(found[obis])),
        )
        for obis in sorted(found, key=str)
    ]


def _until(shown: Shown, limit: Cut) -> Shown:
    """As much as the portal would show."""
    return replace(
        shown,
        end=limit.last,
        grids={code: one.until(limit.last) for code, one in shown.grids.items()},
        series=tuple(one for one in (_before(one, limit.last) for one in shown.series) if one.values),
        demand={code: _before(one, limit.last) for code, one in shown.demand.items()},
    )


def _before(series: Series, last: datetime) -> Series:
    return Series(series.channel, series.layer, tuple(one for one in series.values if one.at <= last))
