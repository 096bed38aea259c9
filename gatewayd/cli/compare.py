"""`gatewayd compare`: the main metering of a point against its control metering, by interval, day and month.

Rules: reads the archives and asks nobody. Compared is what both have that is true, by twice the permissible error of
the worse class of the two meters (PPDS annex 5, 2.9), as the validation rule `control` does it: reactive energy where
the classes of both meters for it are known. Of intervals some that are outside are shown, and all with `--all`. Exit
code 1 when something is outside.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.given import given_day
from gatewayd.cli.language import lang_option, said
from gatewayd.cli.output import console, print_json, print_lines, print_table
from gatewayd.cli.point_names import find_point, month_of
from gatewayd.cli.session import obis_code
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.metering_raw import RawReader
from gatewayd.legal_time import day_bounds, end_label
from gatewayd.metering.accuracy import class_of
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.control import Comparison, Metering, Report, Verdict, compare_layers, with_digit
from gatewayd.metering.findings import same_energy, shown
from gatewayd.metering.points import MeteringPoint, on_day
from gatewayd.metering.rules import rules_of
from gatewayd.metering.values import Channel, Layer, Series
from gatewayd.model import Archived
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

_STYLES = {Verdict.OK: "green", Verdict.ALARM: "red", Verdict.NOT_COMPARED: "magenta"}
_LAYERS = (Layer.INTERVAL, Layer.DAY, Layer.MONTH)
_LISTED = 20
"""Intervals that the table names; JSON has them all."""


@click.command()
@click.argument("point")
@click.option("--day", metavar="DAY", help="A legal-time day: 2026-11-01, yesterday, today.")
@click.option("--month", metavar="MONTH", help="A legal-time month, 2026-11.  [default: this month]")
@click.option("--obis", "wanted", type=obis_code, help="Only this code.")
@click.option("--all", "every", is_flag=True, help="Also the intervals that are within the limit.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def compare(
    config_path: Path,
    point: str,
    day: str | None,
    month: str | None,
    wanted: Obis | None,
    every: bool,
    as_json: bool,
) -> None:
    """Compare the main metering of POINT with its control metering, in a day or month.

    Exit code 1 when they differ by more than twice the permissible error of the worse class of the two.
    """
    if day is not None and month is not None:
        raise click.UsageError("--day and --month at the same time; give one of them")
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    main, control = _both(config, point)
    layers, first, last = _time(day, month, zone)
    reports = _reports(config, main, control, wanted, layers, first, last)
    if not reports:
        raise click.ClickException(
            f"{main.id} and {control.id} have no intervals of the same code from {first} to {last}; `gatewayd point` "
            "shows what there is of each"
        )
    if as_json:
        print_json({"point": main.id, "control": control.id, "reports": [_document(one) for one in reports]})
    else:
        _print(reports, zone, every=every)
    if any(one.counts[Verdict.ALARM] for one in reports):
        raise click.exceptions.Exit(ExitCode.FAULT)


def _both(config: Config, name: str) -> tuple[MeteringPoint, MeteringPoint]:
    """The main and the control metering, whichever of the two was named."""
    found = find_point(config, name)
    main = find_point(config, found.control_of) if found.control_of else found
    control = next((one for one in config.points if one.control_of == main.id), None)
    if control is None:
        raise click.UsageError(f"point {main.id} has no control metering: none of the points has control_of: {main.id}")
    for one in (main, control):
        if not one.accuracy.meter:
            raise click.UsageError(f"the accuracy class of point {one.id} is not known; write accuracy: {{meter: ...}}")
    return main, control


def _time(day: str | None, month: str | None, zone: ZoneInfo) -> tuple[tuple[Layer, ...], date, date]:
    """By what is compared, from which legal-time day to which."""
    now = datetime.now(UTC)
    if day is not None:
        found = given_day(day, zone, "--day")
        return _LAYERS[:2], found, found
    today = now.astimezone(zone).date()
    first = month_of(month) if month is not None else today.replace(day=1)
    last = month_bounds(first, zone)[1].astimezone(zone).date() - timedelta(days=1)
    return _LAYERS, first, max(first, min(last, today))  # of days to come nobody has anything


def _reports(
    config: Config,
    main: MeteringPoint,
    control: MeteringPoint,
    wanted: Obis | None,
    layers: Sequence[Layer],
    first: date,
    last: date,
) -> list[Report]:
    zone = config.gateway.zone
    start, end = day_bounds(first, zone)[0], day_bounds(last, zone)[1]
    main, control = on_day(main, last, zone), on_day(control, last, zone)
    for one in (main, control):
        if not one.accuracy.meter:
            raise click.ClickException(f"the accuracy class of point {one.id} on {last} is not known; see its since")
    reader, raw = DerivedReader(derived_folder(config.archive.path)), RawReader(config.archive.path)
    ours, theirs = (_series(reader, one, start, end) for one in (main, control))
    terms = rules_of(main.validation).control
    period = max(main.period, control.period)
    found: list[Report] = []
    unknown: list[Obis] = []
    for code, series in ours.items():
        beside = theirs.get(code)
        if beside is None or (wanted is not None and not same_energy(code, wanted)):
            continue
        own, other = (class_of(one.accuracy, code) for one in (main, control))
        if own is None or other is None:
            unknown.append(code)
            continue
        metering = Metering(series, own), Metering(beside, other)
        try:
            made = list(compare_layers(*metering, layers, first, last, terms, zone, period))
            if any(one.counts[Verdict.ALARM] for one in made):  # the amounts show no coarser digit than the readings
                first_metering, second = (
                    with_digit(one, each, _read(raw, one, start, end), start, end, zone)
                    for one, each in zip((main, control), metering, strict=True)
                )
                made = list(compare_layers(first_metering, second, layers, first, last, terms, zone, period))
            found += made
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    if unknown and not found:
        named = ", ".join(code.reduced() for code in unknown)
        raise click.ClickException(
            f"{named}: the accuracy class of {main.id} or {control.id} for this energy is not known; write accuracy: "
            "{reactive: ...} for reactive energy"
        )
    return found


def _read(raw: RawReader, point: MeteringPoint, start: datetime, end: datetime) -> list[Archived]:
    """The readings that the intervals of a point were made of."""
    return [one for found in raw.intervals(sorted(point.meters), start, end).values() for one in found]


def _series(reader: DerivedReader, point: MeteringPoint, start: datetime, end: datetime) -> dict[Obis, Series]:
    """The intervals of a point by code."""
    found = reader.current_of((point.id,), (Layer.INTERVAL,), start, end)
    made: dict[Obis, Series] = {}
    for (_, _, code), standing in sorted(found.items(), key=lambda one: str(one[0][2])):
        unit = max(standing.values(), key=lambda one: one.seq).unit
        values = tuple(standing[at].derived.value for at in sorted(standing))
        made[code] = Series(Channel(point.id, code, unit), Layer.INTERVAL, values)
    return made


# -- for programs ------------------------------------------------------------------------------------------------------


def _document(report: Report) -> dict[str, object]:
    return {
        "obis": str(report.main.series.channel.obis),
        "unit": report.main.series.channel.unit or None,
        "layer": report.layer.value,
        "class": report.accuracy.name,
        "counts": {verdict.value.replace(" ", "_"): count for verdict, count in report.counts.items()},
        "comparisons": [
            {
                "start": rfc3339(one.start),
                "end": rfc3339(one.end),
                "main": one.main if one.have else None,
                "control": one.control if one.have else None,
                "difference": one.difference if one.have else None,
                "limit": one.limit if one.have else None,
                "verdict": one.verdict.value.replace(" ", "_"),
                "have": one.have,
                "want": one.want,
            }
            for one in report.comparisons
        ],
    }


# -- for people --------------------------------------------------------------------------------------------------------


def _print(reports: Sequence[Report], zone: ZoneInfo, *, every: bool) -> None:
    screen = console()
    for place, report in enumerate(reports):
        rows = [
            one
            for one in report.comparisons
            if every or report.layer is not Layer.INTERVAL or one.verdict is Verdict.ALARM
        ]
        listed = rows if every or report.layer is not Layer.INTERVAL else rows[:_LISTED]
        if listed:
            if place:
                screen.print()
            print_table(screen, _table(report, listed, zone))
        if len(rows) > len(listed):
            print_lines(screen, said(_MORE).format(count=len(rows) - len(listed)))
        print_lines(screen, _summary(report))


def _table(report: Report, rows: Sequence[Comparison], zone: ZoneInfo) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    unit = report.main.series.channel.unit
    table.add_column(said("interval to" if report.layer is Layer.INTERVAL else report.layer.value), no_wrap=True)
    for name in ("main", "control", "difference", "limit"):
        table.add_column(f"{said(name)}\n{unit}", justify="right", no_wrap=True)
    table.add_column(said("verdict"), no_wrap=True)
    table.add_column(said("intervals"), justify="right", no_wrap=True)
    for one in rows:
        amounts = (
            [shown(amount) for amount in (one.main, one.control, one.difference, one.limit)] if one.have else [""] * 4
        )
        verdict = Text(said(one.verdict.value), style=_STYLES[one.verdict])
        table.add_row(
            _when(report.layer, one, zone), *amounts, verdict, f"{one.have} / {one.want}" if one.have else "0"
        )
    return table


def _when(layer: Layer, one: Comparison, zone: ZoneInfo) -> str:
    label = end_label(one.end, zone)
    return label if layer is Layer.INTERVAL else label[: len("2026-11" if layer is Layer.MONTH else "2026-11-01")]


def _summary(report: Report) -> Text:
    counts = report.counts
    parts = {
        "layer": said(report.layer.value),
        "main": report.main.series.channel.point,
        "control": report.control.series.channel.point,
        "obis": report.main.series.channel.obis.reduced(),
        "accuracy": report.accuracy.name,
        "compared": len(report.comparisons) - counts[Verdict.NOT_COMPARED],
        "outside": counts[Verdict.ALARM],
        "not_compared": counts[Verdict.NOT_COMPARED],
    }
    text = said(_SUMMARY).format(**parts)
    return Text(text, style="red" if counts[Verdict.ALARM] else "")


_MORE = "and {count} more intervals outside; --all shows all"
_SUMMARY = (
    "{layer}: {main} against {control}, {obis}, class {accuracy}: {compared} compared, {outside} outside, "
    "{not_compared} not compared"
)
