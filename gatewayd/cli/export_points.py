"""`gatewayd export`: derived values of metering points as a file for people and other systems; a list of their meters.

Rules: reads the archive of derived values and asks nobody; it is verified before. A file gets its name only when it is
complete, and so does the one beside it that says what a foreign layout has no room for. What a layout has no words for
is refused before anything is written. Messages go to standard error: among them which end of an interval is labelled.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.archive.extract import extents
from gatewayd.archive.verify import verify
from gatewayd.cli.archive_export import complete
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.export_meters import meters
from gatewayd.cli.groups import Group
from gatewayd.cli.plural import counted
from gatewayd.cli.point_names import find_point
from gatewayd.cli.progress import progress
from gatewayd.cli.session import obis_code
from gatewayd.cli.times import instant_of
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, SeriesName, derived_folder
from gatewayd.export import MissingExtra
from gatewayd.export.points import LAYOUTS, PointSeries, beside, beside_name, writer
from gatewayd.legal_time import day_bounds, end_label, start_label
from gatewayd.metering.derivation import Standing
from gatewayd.metering.findings import same_energy
from gatewayd.metering.points import EVER, MeteringPoint, as_of
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.obis import Obis

_STDOUT = Path("-")
_PIECE = timedelta(days=31)
"""So much is read in one query."""


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


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked for: points, layer, codes (all without), what ends after `start` and not after `end`."""

    points: tuple[MeteringPoint, ...]
    layer: Layer
    codes: tuple[Obis, ...]
    start: datetime
    end: datetime

    def takes(self, code: Obis) -> bool:
        return not self.codes or any(same_energy(one, code) for one in self.codes)


@export.command()
@click.argument("names", metavar="POINT...", nargs=-1, required=True)
@click.option("--layout", "name", type=click.Choice(list(LAYOUTS)), required=True, help="Layout of the file.")
@click.option(
    "--layer",
    type=click.Choice([layer.value for layer in Layer]),
    default=Layer.INTERVAL.value,
    show_default=True,
    help="Which values.",
)
@click.option("--obis", "codes", type=obis_code, multiple=True, help="Only this code; may be given several times.")
@click.option("--from", "start", metavar="TIME", help="Intervals after this time, legal time.  [default: all]")
@click.option("--to", "end", metavar="TIME", default="now", show_default=True, help="Up to this time; a day: its end.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=_STDOUT,
    metavar="FILE",
    help="Write to this file; standard output without it, or with - (layouts of text only).",
)
@click.option("--even-damaged", is_flag=True, help="Also where the archive of derived values is damaged.")
@click.pass_obj
def points(
    config_path: Path,
    names: tuple[str, ...],
    name: str,
    layer: str,
    codes: tuple[Obis, ...],
    start: str | None,
    end: str,
    output: Path,
    even_damaged: bool,
) -> None:
    """Write the derived values of each POINT (id, EIC or EAN), as they are now, in a layout.

    \b
    gatewayd export points north south --layout csv --from 2026-10-01 --to 2026-10-31 -o october.csv
    gatewayd export points north --layout cez-pnd --obis 1.29.0 --from 2026-10-01 --to 2026-10-31 -o october.csv

    cez-pnd and pre cannot say which offset their times have: FILE.json beside them says it, and which values are not
    true.
    """
    config = daemon.load_config(config_path)
    if output == _STDOUT and not LAYOUTS[name].is_text:
        raise click.UsageError(f"{name} is no text; name a file with --output")
    found = tuple({one.id: one for one in (find_point(config, name) for name in names)}.values())
    zone = config.gateway.zone
    reader = DerivedReader(_sound(config, even_damaged=even_damaged))
    begun, ended = _span(reader, found, start, end, zone)
    series = _series(config, reader, _Wanted(found, Layer(layer), codes, begun, ended))
    if not series:
        which = f" of {', '.join(one.reduced() for one in codes)}" if codes else ""
        raise click.ClickException(
            f"nothing was derived{which} of {', '.join(one.id for one in found)} ({layer}) from "
            f"{start_label(begun, zone)} to {end_label(ended, zone)}; `gatewayd point` shows what there is"
        )
    for one in found:
        if all(each.point != one.id for each in series):
            click.echo(f"point {one.id}: nothing was derived in that time", err=True)
    _write(name, series, zone, output)


def _sound(config: Config, *, even_damaged: bool) -> Path:
    """The folder of the derived archive, which is verified. ArchiveError; exit code 1 when it is damaged."""
    folder = derived_folder(config.archive.path)
    if not folder.is_dir():
        raise click.ClickException(f"there are no derived values at {folder}; they are computed while the gateway runs")
    total = sum(extent.ends[1] - extent.ends[0] + 1 for extent in extents(folder) if extent.ends is not None)
    with progress("verifying", total) as show:
        verdict = verify(folder, on_progress=show)
    for finding in verdict.findings:
        click.echo(finding.text, err=True)
    if not verdict.ok and not even_damaged:
        click.echo(
            "the archive of derived values is damaged (see above), and nothing is exported; --even-damaged exports it "
            "as it is. `gatewayd archive verify` says more",
            err=True,
        )
        raise click.exceptions.Exit(ExitCode.FAULT)
    return folder


def _span(
    reader: DerivedReader, found: Sequence[MeteringPoint], start: str | None, end: str, zone: ZoneInfo
) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    ended = _instant(end, zone, now, "--to", end=True)
    if start is not None:
        begun = _instant(start, zone, now, "--from")
        if ended <= begun:
            raise click.UsageError(f"--to {end} is not after --from {start}")
        return begun, ended
    days = reader.days_of([one.id for one in found], EVER, ended, zone)
    return (day_bounds(min(days), zone)[0] if days else ended - _PIECE), ended


def _instant(text: str, zone: ZoneInfo, now: datetime, option: str, *, end: bool = False) -> datetime:
    try:
        return instant_of(text, zone, now, end=end)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _series(config: Config, reader: DerivedReader, wanted: _Wanted) -> list[PointSeries]:
    """In the order of the points, of each in that of its codes."""
    found: dict[SeriesName, dict[datetime, Standing]] = defaultdict(dict)
    total = -(-(wanted.end - wanted.start) // _PIECE)
    with progress("reading", total) as show:
        begin, done = wanted.start, 0
        while begin < wanted.end:
            until = min(begin + _PIECE, wanted.end)
            for name, standing in reader.current_of(
                [one.id for one in wanted.points], (wanted.layer,), begin, until
            ).items():
                if wanted.takes(name[2]):
                    found[name] |= standing
            begin, done = until, done + 1
            show(done)
    serials = {one.id: one.serial for one in config.metered}
    return [
        _of_point(point, name[2], wanted, found[name], serials, config.gateway.zone)
        for point in wanted.points
        for name in sorted((one for one in found if one[0] == point.id), key=lambda one: str(one[2]))
    ]


def _of_point(
    point: MeteringPoint,
    code: Obis,
    wanted: _Wanted,
    standing: dict[datetime, Standing],
    serials: dict[str, str],
    zone: ZoneInfo,
) -> PointSeries:
    """The serial number is that of the meter at the end of the time."""
    unit = max(standing.values(), key=lambda one: one.seq).unit
    values = tuple(standing[at].derived.value for at in sorted(standing))
    version = as_of(point, wanted.end, zone)
    serial = serials.get(version.meter, "") if version is not None else ""
    return PointSeries(Series(Channel(point.id, code, unit), wanted.layer, values), point.point, serial)


def _write(name: str, series: Sequence[PointSeries], zone: ZoneInfo, output: Path) -> None:
    layout = LAYOUTS[name]
    left_out = beside(name, series, zone)
    alone = output == _STDOUT or (output.exists() and not output.is_file())
    with ExitStack() as stack:
        stream = stack.enter_context(complete(output))
        try:
            writer(name)(series, zone, stream)
        except MissingExtra as error:
            raise click.UsageError(str(error)) from None
        if left_out is not None and not alone:
            with complete(beside_name(output)) as second:
                second.write(left_out)
    values = counted(sum(len(one.series.values) for one in series), "value")
    click.echo(
        f"{values} of {counted(len(series), 'series', 'series')}; {name} labels the {layout.label} of intervals; "
        f"offset: {layout.offset}",
        err=True,
    )
    if left_out is not None:
        where = f"is in {beside_name(output)}" if not alone else "is written beside a file only: -o FILE"
        click.echo(f"what {name} cannot say (offset, status) {where}", err=True)
