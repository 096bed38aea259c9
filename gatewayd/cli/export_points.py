"""`gatewayd export`: derived values of metering points as a file for people and other systems; a list of their meters.

Rules: reads the archive of derived values and asks nobody; it is verified before. A file gets its name only when it is
complete, and so does the one beside it that says what a foreign layout has no room for. What a layout has no words for
is refused before anything is written. Messages go to standard error: among them which end of an interval is labelled.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.archive.extract import extents
from gatewayd.archive.verify import verify
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.export_meters import meters
from gatewayd.cli.export_series import PIECE, Wanted, series_of
from gatewayd.cli.groups import Group
from gatewayd.cli.hours import HOURLY
from gatewayd.cli.output_file import STDOUT, complete, output_option
from gatewayd.cli.plural import counted
from gatewayd.cli.point_names import find_points
from gatewayd.cli.point_spans import Asked, between, until
from gatewayd.cli.point_times import moment_of
from gatewayd.cli.portal_limits import portal_limits_option
from gatewayd.cli.progress import patience, progress
from gatewayd.cli.session import obis_code
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.export import MissingExtra
from gatewayd.export.points import LAYOUTS, PointSeries, beside, beside_name, writer
from gatewayd.export.points.portal_csv import ENCODINGS
from gatewayd.legal_time import day_bounds, end_label, start_label
from gatewayd.metering.points import EVER, MeteringPoint
from gatewayd.metering.values import Layer
from gatewayd.obis import Obis

_RATES = click.IntRange(1, 8)


class _PointsAtOnce(Group):
    """`export north` is `export points north`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["points", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_PointsAtOnce)
def export() -> None:
    """Derived values of metering points, or the list of their meters, as a file.

    `gatewayd export POINT...` is `gatewayd export points POINT...`. What meters have sent: `gatewayd archive export`.
    """


export.add_command(meters)


@export.command()
@click.argument("names", metavar="POINT...", nargs=-1, required=True)
@click.option("--layout", "name", type=click.Choice(list(LAYOUTS)), required=True, help="Layout of the file.")
@click.option(
    "--layer",
    type=click.Choice([*(layer.value for layer in Layer), HOURLY]),
    default=Layer.INTERVAL.value,
    show_default=True,
    help="Which values; hour: sums of the intervals.",
)
@click.option("--obis", "codes", type=obis_code, multiple=True, help="Only this code; may be given several times.")
@click.option("--from", "start", metavar="TIME", help="Intervals after this time, legal time.  [default: all]")
@click.option("--to", "end", metavar="TIME", default="now", show_default=True, help="Up to this time; a day: its end.")
@click.option("--registers", is_flag=True, help="States of registers at the end of each day, instead (cez-pnd).")
@click.option("--vt", type=_RATES, metavar="RATE", help="With --registers: the rate of the high tariff, as numbered.")
@click.option("--nt", type=_RATES, metavar="RATE", help="With --registers: the rate of the low tariff.")
@portal_limits_option
@click.option("--encoding", type=click.Choice(ENCODINGS), help="Of cez-pnd and pre.  [default: cp1250]")
@output_option("standard output without it, or with - (layouts of text only)")
@click.option("--even-damaged", is_flag=True, help="Also where the archive is damaged.")
@click.pass_obj
def points(
    config_path: Path,
    names: tuple[str, ...],
    name: str,
    layer: str,
    codes: tuple[Obis, ...],
    start: str | None,
    end: str,
    registers: bool,
    vt: int | None,
    nt: int | None,
    portal_limits: bool,
    encoding: str | None,
    output: Path,
    even_damaged: bool,
) -> None:
    """Write the derived values of each POINT (id, EIC or EAN; several with ;), as they are now, in a layout.

    \b
    gatewayd export points north south --layout csv --from 2026-10-01 --to 2026-10-31 -o october.csv
    gatewayd export points north --layout cez-pnd --obis 1.29.0 --from 2026-10-01 --to 2026-10-31 -o october.csv

    cez-pnd and pre cannot say which offset their times have: FILE.json beside them says it, and which values are not
    true.
    """
    config = daemon.load_config(config_path)
    if output == STDOUT and not LAYOUTS[name].is_text:
        raise click.UsageError(f"{name} is no text; name a file with --output")
    if encoding is not None and encoding not in LAYOUTS[name].encodings:
        raise click.UsageError(f"{name} has one encoding only; --encoding is for cez-pnd and pre")
    tariffs = _tariffs(name, vt, nt, registers=registers, since=start is not None)
    found = find_points(config, names)
    zone = config.gateway.zone
    folder = derived_folder(config.archive.path)
    if not registers and not folder.is_dir():
        raise click.ClickException(f"there are no derived values at {folder}; they are computed while the gateway runs")
    _verified(config.archive.path if registers else folder, even_damaged=even_damaged)
    asked = _asked(DerivedReader(folder), found, start, end, zone)
    wanted = Wanted(found, layer, codes, asked, portal_limits, tariffs if registers else None)
    told: list[str] = []
    streams = LAYOUTS[name].streams
    series = series_of(config, wanted, told.append, written=streams)
    first = next(series, None)
    if first is None:
        _nothing(wanted, zone)
    there = chain((first,), series)
    counting = _Counting(there if streams else list(there))
    _write(name, encoding or "", counting, zone, output)
    for one in found:
        if one.id not in counting.points:
            click.echo(f"point {one.id}: nothing was derived in that time", err=True)
    for text in told:
        click.echo(text, err=True)


def _tariffs(name: str, vt: int | None, nt: int | None, *, registers: bool, since: bool) -> dict[int, str]:
    """Rates of tariffs by their number."""
    rates = {"VT": vt, "NT": nt}
    if not registers and any(rate is not None for rate in rates.values()):
        raise click.UsageError("--vt and --nt say which registers of tariffs --registers is to export")
    if registers and name != "cez-pnd":
        raise click.UsageError(f"--registers is for the layout cez-pnd, not {name}; use `gatewayd archive export`")
    if registers and not since:
        raise click.UsageError("--registers needs --from")
    if vt is not None and vt == nt:
        raise click.UsageError("--vt and --nt are the same rate")
    return {rate: tariff for tariff, rate in rates.items() if rate is not None}


def _nothing(wanted: Wanted, zone: ZoneInfo) -> NoReturn:
    which = f" of {', '.join(one.reduced() for one in wanted.codes)}" if wanted.codes else ""
    points = ", ".join(one.id for one in wanted.points)
    start, end = wanted.time.legal
    when = f"from {start_label(start, zone)} to {end_label(end, zone)}"
    if wanted.tariffs is not None:
        raise click.ClickException(f"no state of a register of {points} was read at the end of a day {when}")
    raise click.ClickException(
        f"nothing was derived{which} of {points} ({wanted.layer}) {when}; `gatewayd point` shows what there is"
    )


def _verified(folder: Path, *, even_damaged: bool) -> None:
    """Verify the archive in a folder. ArchiveError; exit code 1 when it is damaged."""
    total = sum(extent.ends[1] - extent.ends[0] + 1 for extent in extents(folder) if extent.ends is not None)
    with progress("verifying", total) as show:
        verdict = verify(folder, on_progress=show)
    for finding in verdict.findings:
        click.echo(finding.text, err=True)
    if not verdict.ok and not even_damaged:
        click.echo(
            "the archive is damaged (see above), and nothing is exported; --even-damaged exports it as it is. "
            "`gatewayd archive verify` says more",
            err=True,
        )
        raise click.exceptions.Exit(ExitCode.FAULT)


def _asked(reader: DerivedReader, found: Sequence[MeteringPoint], start: str | None, end: str, zone: ZoneInfo) -> Asked:
    if start is not None:
        return between(start, end, zone)
    ended = moment_of(end, zone, "--to", end=True)
    days = reader.days_of([one.id for one in found], EVER, ended, zone)
    begun = day_bounds(min(days), zone)[0] if days else ended - PIECE
    return Asked((begun, ended), (begun, until(end, ended, zone)))


class _Counting:
    """Series on their way into a file: how many there were, of which points."""

    def __init__(self, series: Iterator[PointSeries] | list[PointSeries]) -> None:
        self._series = series
        self.points: set[str] = set()
        self.series = self.values = 0

    def __iter__(self) -> Iterator[PointSeries]:
        for one in self._series:
            self.points.add(one.point)
            self.series += 1
            self.values += len(one.series.values)
            yield one

    @property
    def all(self) -> list[PointSeries]:
        """All of them, of a layout that does not stream."""
        return self._series if isinstance(self._series, list) else []


def _write(name: str, encoding: str, series: _Counting, zone: ZoneInfo, output: Path) -> None:
    layout = LAYOUTS[name]
    left_out = beside(name, series.all, zone)
    alone = output == STDOUT or (output.exists() and not output.is_file())
    with ExitStack() as stack:
        stack.enter_context(patience("writing"))
        stream = stack.enter_context(complete(output))
        try:
            writer(name, encoding)(series, zone, stream)
        except MissingExtra as error:
            raise click.UsageError(str(error)) from None
        if left_out is not None and not alone:
            with complete(beside_name(output)) as second:
                second.write(left_out)
    values, many = counted(series.values, "value"), counted(series.series, "series", "series")
    click.echo(f"{values} of {many}; {name} labels the {layout.label} of intervals; offset: {layout.offset}", err=True)
    if left_out is not None:
        where = f"is in {beside_name(output)}" if not alone else "is written beside a file only: -o FILE"
        click.echo(f"what {name} cannot say (offset, status) {where}", err=True)
