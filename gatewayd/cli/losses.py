"""`gatewayd losses`: what the supply transformer of a point has lost in a day, month or year, by which formula.

Rules: reads the derived archive and asks nobody. The figures are those of formulas (1) to (7) over the whole time (PPDS
annex 5), computed of the values as they are now; beside them stand the losses that were derived and published. Where
anything is missing there are no figures and no percentage.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.cli.language import lang_option
from gatewayd.cli.losses_view import Derived, Report, document, print_report
from gatewayd.cli.output import print_json
from gatewayd.cli.point_names import find_point, month_span
from gatewayd.cli.point_times import moment_of, span_of
from gatewayd.cli.progress import progress
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.legal_time import boundary, day_bounds, end_label, legal_day, start_label
from gatewayd.metering.aggregate import Span, month_bounds, months
from gatewayd.metering.loss_report import parts_of_months, parts_of_profile
from gatewayd.metering.periods import apart
from gatewayd.metering.points import MeteringPoint, MeteringSide, periods_of
from gatewayd.metering.register_losses import Energy
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.obis import Obis

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_A_DAY = timedelta(hours=25)
"""The longest one."""
_YEARS = range(1970, 2200)


@click.command()
@click.argument("point")
@click.option("--day", metavar="DAY", help="A legal-time day: 2026-11-01, yesterday, today.")
@click.option("--month", metavar="MONTH", help="A legal-time month, 2026-11.  [default: the month before this one]")
@click.option("--year", metavar="YEAR", help="A legal-time year, 2026.")
@click.option("--from", "start", metavar="TIME", help="What ends after this time, legal time.")
@click.option("--to", "end", metavar="TIME", help="Up to this time; a day: its end.  [default with --from: now]")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, with all digits.")
@click.pass_obj
def losses(
    config_path: Path,
    point: str,
    day: str | None,
    month: str | None,
    year: str | None,
    start: str | None,
    end: str | None,
    as_json: bool,
) -> None:
    """The losses of the supply transformer of POINT (id, EIC or EAN) in a day, a month, a year or any time."""
    asked = (("--day", day), ("--month", month), ("--year", year), ("--from or --to", start or end))
    given = [name for name, one in asked if one is not None]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} at the same time; give one of them")
    config = daemon.load_config(config_path)
    found = find_point(config, point)
    if found.metering_side is not MeteringSide.SECONDARY:
        raise click.UsageError(
            f"point {found.id} is metered on the primary side of its transformer, where no losses are added; see "
            "metering_side"
        )
    zone = config.gateway.zone
    if found.boundary is not None and (day or start or end):
        raise click.UsageError(
            f"{given[0]}: point {found.id} has no load profile, only months of its registers; give --month or --year"
        )
    span = _whole(found, span_of(start, end, zone), zone) if start or end else _span(day, month, year, zone)
    report = _report(config, found, span)
    if as_json:
        print_json(document(report))
    elif report.derived or any(one.have for one in report.parts):
        print_report(report)
    else:
        raise click.ClickException(
            f"nothing was derived of point {found.id} from {start_label(span[0], zone)} to {end_label(span[1], zone)}; "
            "does the gateway run, and is its meter read?"
        )


def _span(day: str | None, month: str | None, year: str | None, zone: ZoneInfo) -> Span:
    now = datetime.now(UTC)
    if day is not None:
        return day_bounds(moment_of(day, zone, "--day").astimezone(zone).date(), zone)
    if year is not None:
        if not (year.isdecimal() and year.isascii() and int(year) in _YEARS):
            raise click.BadParameter(f"'{year}' is no year; expected 2026", param_hint="--year")
        return month_bounds(date(int(year), 1, 1), zone)[0], month_bounds(date(int(year), 12, 1), zone)[1]
    if month is not None:
        return month_span(month, zone)
    return month_bounds(now.astimezone(zone).date().replace(day=1) - _DAY, zone)


def _whole(point: MeteringPoint, span: Span, zone: ZoneInfo) -> Span:
    """From the beginning of the first to the end of the last interval that ends after the beginning of a time, and not
    after its end. click.UsageError where there is none."""
    period = max(periods_of(point, *span), default=point.period)
    start, end = (boundary(at, period, zone) for at in span)
    if start < end:
        return start, end
    raise click.UsageError(
        f"no interval of {period // _MINUTE} min ends after {start_label(span[0], zone)} and not after "
        f"{end_label(span[1], zone)}; let --from and --to be farther apart"
    )


def _report(config: Config, point: MeteringPoint, span: Span) -> Report:
    zone, (start, end) = config.gateway.zone, span
    reader = DerivedReader(derived_folder(config.archive.path))
    try:
        if point.boundary is not None:
            firsts = months(legal_day(start + timedelta.resolution, zone), legal_day(end, zone))
            parts = parts_of_months(point, _energies(reader, point, firsts, zone), firsts, zone)
        else:
            intervals = _series(reader, point, Layer.INTERVAL, start, end)
            sums = _series(reader, point, Layer.DAY, start, end)
            parts = parts_of_profile(point, intervals, sums, span, zone)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    layer = Layer.LOSS_DAY if end - start <= _A_DAY else Layer.LOSS_MONTH
    return Report(point.id, start, end, parts, _derived(reader, point, layer, start, end), zone)


def _series(
    reader: DerivedReader, point: MeteringPoint, layer: Layer, start: datetime, end: datetime
) -> dict[Obis, Series]:
    """The values of a layer by code, read by the month."""
    found: defaultdict[Obis, list[Series]] = defaultdict(list)
    pieces = list(_pieces(start, end))
    with progress(f"reading {layer.value}", len(pieces)) as show:
        for done, (begin, until) in enumerate(pieces, 1):
            for (_, _, code), standing in reader.current_of((point.id,), (layer,), begin, until).items():
                unit = max(standing.values(), key=lambda one: one.seq).unit
                values = tuple(standing[at].derived.value for at in sorted(standing))
                found[code].append(Series(Channel(point.id, code, unit), layer, values))
            show(done)
    return {code: apart(_joined(parts)) for code, parts in found.items()}


def _pieces(start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    begin = start
    while begin < end:
        until = min(begin + 31 * _DAY, end)
        yield begin, until
        begin = until


def _joined(parts: Sequence[Series]) -> Series:
    last = parts[-1]
    return Series(last.channel, last.layer, tuple(value for one in parts for value in one.values))


def _energies(
    reader: DerivedReader, point: MeteringPoint, firsts: Sequence[date], zone: ZoneInfo
) -> dict[date, list[Energy]]:
    """What the registers of a point went up in each month."""
    start = month_bounds(firsts[0], zone)[0]
    ends = {month_bounds(first, zone)[1]: first for first in firsts}
    found: defaultdict[date, list[Energy]] = defaultdict(list)
    for (_, _, code), standing in reader.current_of((point.id,), (Layer.MONTH,), start, max(ends)).items():
        for at, one in standing.items():
            if at in ends:
                found[ends[at]].append(Energy(code, one.derived.value, one.unit))
    return found


def _derived(
    reader: DerivedReader, point: MeteringPoint, layer: Layer, start: datetime, end: datetime
) -> tuple[Derived, ...]:
    """The losses that were derived of the day, or of the months."""
    found = reader.current_of((point.id,), (layer,), start, end)
    rows = [
        Derived(layer, code, one.unit, one.derived, one.seq)
        for (_, _, code), standing in found.items()
        for one in standing.values()
        if one.derived.value.start >= start
    ]
    return tuple(sorted(rows, key=lambda one: (one.made.value.at, str(one.obis))))
