"""`gatewayd export meters`: which meter is at which metering point since when, with its ratio, as a table for others.

Rules: out of the configuration alone. A row for each version of a point: another meter, ratio, class or verification
begins the next one. What is said of devices from the day of an exchange on, holds from the exchange on. A virtual point
has one row, with its sum and without a meter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.cli.output_file import complete, output_option
from gatewayd.cli.plural import counted
from gatewayd.cli.point_names import month_span
from gatewayd.export import writer
from gatewayd.export.columns import Cell, Heading
from gatewayd.legal_time import day_bounds, legal_day, start_label
from gatewayd.metering.points import EVER, MeteringPoint, PointVersion, on_day, versions

_DAY = timedelta(days=1)
COLUMNS = (
    Heading("point", str, "id of the metering point"),
    Heading("eic", str, "its EIC"),
    Heading("ean", str, "its EAN"),
    Heading("metering_type", str, "A, B, C or AMM"),
    Heading("sum", str, "of a virtual point: which points it is the sum of"),
    Heading("meter", str, "id of the meter"),
    Heading("serial", str, "serial number of the meter, as configured"),
    Heading("since", str, "from when on this row holds, legal time; empty: ever since"),
    Heading("until", str, "until when; empty: still"),
    Heading("ct", str, "current transformers"),
    Heading("vt", str, "voltage transformers"),
    Heading("multiplier", Decimal, "what values are multiplied by besides"),
    Heading("value_side", str, "which side of the transformers the meter shows"),
    Heading("meter_class", str, "accuracy class of the meter"),
    Heading("meter_verified_until", str, "last day of the validity of its verification"),
    Heading("ct_verified_until", str, "the same of the current transformers"),
    Heading("vt_verified_until", str, "the same of the voltage transformers"),
)


@click.command()
@click.option("--month", metavar="MONTH", help="Only what holds at some time in this legal-time month, 2026-11.")
@click.option("--format", "name", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@output_option()
@click.pass_obj
def meters(config_path: Path, month: str | None, name: str, output: Path) -> None:
    """Write the list of meters of all metering points, with their validity, as csv or jsonl."""
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    span = month_span(month, zone) if month is not None else None
    serials = {one.id: one.serial for one in config.metered}
    rows = [row for point in config.points for row in rows_of(point, serials, zone, span)]
    with complete(output) as stream:
        writer(name)(rows, COLUMNS, stream)
    click.echo(f"{counted(len(rows), 'row')} of {counted(len(config.points), 'metering point')}", err=True)


def rows_of(
    point: MeteringPoint, serials: Mapping[str, str], zone: ZoneInfo, span: tuple[datetime, datetime] | None = None
) -> Iterator[list[Cell]]:
    """The rows of a point, as far as they hold in a time."""
    head: list[Cell] = [point.id, point.point.eic or None, point.point.ean or None, point.metering_type.value]
    if point.sum is not None:
        terms = " ".join(f"{factor:+f} {part}" for part, factor in point.sum.terms.items())
        yield [*head, terms, *[None] * (len(COLUMNS) - len(head) - 1)]
        return
    for version in versions(point, zone):
        for part, checks in _parts(point, version, zone):
            if span is None or part.touches(*span):
                yield [*head, None, *_version(part, serials, zone), *checks]


def _parts(point: MeteringPoint, version: PointVersion, zone: ZoneInfo) -> Iterator[tuple[PointVersion, list[Cell]]]:
    """The parts of a version in which class and verifications are the same, with them."""
    first = max(version.since.astimezone(zone).date(), EVER.date())
    last = date.max if version.until is None else legal_day(version.until, zone)
    if version.until is not None and version.until < day_bounds(last, zone)[1]:
        last -= _DAY  # what is said from the day of the exchange on, is said of the next version
    days = {*(one.since for one in point.accuracies), *(one.since for one in point.verifications)}
    begin, checks = version.since, _checks(on_day(point, first, zone))
    for day in sorted(one for one in days if first < one <= last):
        other = _checks(on_day(point, day, zone))
        if other != checks:
            until = day_bounds(day, zone)[0]
            yield replace(version, since=begin, until=until), checks
            begin, checks = until, other
    yield replace(version, since=begin), checks


def _version(version: PointVersion, serials: Mapping[str, str], zone: ZoneInfo) -> list[Cell]:
    ratio = version.ratio or version.configured
    return [
        version.meter,
        serials.get(version.meter) or None,
        None if version.since <= EVER else start_label(version.since, zone),
        None if version.until is None else start_label(version.until, zone),
        ratio.ct or None,
        ratio.vt or None,
        ratio.multiplier,
        ratio.value_side.value,
    ]


def _checks(point: MeteringPoint) -> list[Cell]:
    verified = point.verified
    return [point.accuracy.meter or None, *map(_day, (verified.meter, verified.ct, verified.vt))]


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
