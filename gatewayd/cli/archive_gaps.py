"""`gatewayd archive gaps`: which intervals of which days the archive does not have, of one meter or of all."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.archive.query import Reader, Selection
from gatewayd.cli.archive_channels import wanted
from gatewayd.cli.archive_completeness import all_meters, policies
from gatewayd.cli.archive_watching import NOT_WATCHED, Watching
from gatewayd.cli.given import given_day
from gatewayd.cli.language import lang_option, said
from gatewayd.cli.output import console, print_json, print_table
from gatewayd.cli.progress import patience
from gatewayd.cli.session import obis_code
from gatewayd.gaps import Day, Gap, evaluated, gaps_of_day, why
from gatewayd.legal_time import day_bounds, days, end_label
from gatewayd.metering.statistics import completeness
from gatewayd.model import Kind, RawStatus
from gatewayd.obis import Obis
from gatewayd.policy import POLICY
from gatewayd.sink.payload import rfc3339

SHOWN = 4
"""Gaps of a day that the table names; JSON has them all."""
_PERIOD = re.compile(r"([1-9]\d{0,5})([smh])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}

Hours = tuple[int, int]
"""Evaluation intervals that a day has, and that are complete."""
Compared = Sequence[tuple[Day, Hours]]
"""Of a day that was not yet watched nothing is expected."""


def _period(text: str) -> timedelta:
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"'{text}' is no length of an interval; expected 15m, 60m, 1h or 900s")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


@click.command()
@click.argument("meter", required=False)
@click.argument("obis", required=False, type=obis_code)
@click.option(
    "--from", "start", metavar="DAY", help="First legal-time day: 2026-11-21, yesterday, today; yesterday without it."
)
@click.option("--to", "end", metavar="DAY", help="Last legal-time day; yesterday without it.")
@click.option(
    "--interval",
    "period",
    type=_period,
    metavar="LENGTH",
    help="Length of an interval. Without it that of the archived series, 15m when there is none.",
)
@click.option("--days", "by_day", is_flag=True, help="Of all meters: a line for each day.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def gaps(
    config_path: Path,
    meter: str | None,
    obis: Obis | None,
    start: str | None,
    end: str | None,
    period: timedelta | None,
    by_day: bool,
    as_json: bool,
) -> None:
    """Compare what the archive has with the intervals of each legal-time day.

    Without METER how complete each meter is. With METER what it does not have, and why; without OBIS of all its series
    of intervals. Days before a meter was first asked are not yet watched ("-"), unless the archive has something of
    them or a back-fill goes to them. The exit code is 0 with gaps, too; 2 for a meter or a channel that there is not.
    """
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    now = daemon.now()
    yesterday = now.astimezone(zone).date() - timedelta(days=1)
    first = None if start is None else given_day(start, zone, "--from")
    last = None if end is None else given_day(end, zone, "--to")
    last = last or max(yesterday, first or yesterday)
    first = first or min(yesterday, last)
    if last < first:
        raise click.UsageError(f"--to {last} is before --from {first}")
    watching = Watching(config, now)
    if meter is None:
        all_meters(config, watching, list(days(first, last)), period, by_day=by_day, as_json=as_json)
        return
    reader = Reader(config.archive.path)
    chosen = wanted(config, reader, meter, obis, period)
    evaluation = policies(config).get(meter, POLICY).evaluation
    try:
        with patience("counting intervals"):
            found = [
                (code, step, list(_compare(reader, watching, meter, code, step, evaluation, days(first, last), zone)))
                for code, step in chosen
            ]
    except ValueError as error:  # a period that does not divide the day
        raise click.UsageError(str(error)) from None
    if as_json:
        series = [_series_object(code, step, evaluation, compared, zone) for code, step, compared in found]
        print_json({"meter": meter, "from": first.isoformat(), "to": last.isoformat(), "series": series})
        return
    for code, step, compared in found:
        longer = evaluation if step < evaluation else None
        _print(f"{meter}  {code}  {int(step.total_seconds()) // 60} min", compared, longer, zone)


def _compare(
    reader: Reader,
    watching: Watching,
    meter: str,
    code: str,
    step: timedelta,
    evaluation: timedelta,
    span: Iterator[date],
    zone: ZoneInfo,
) -> Iterator[tuple[Day, Hours]]:
    for day in span:  # one day at a time, so that a long range needs no more memory than a short one
        begin, end = day_bounds(day, zone)
        found: dict[datetime, RawStatus] = {}
        reasons: dict[datetime, str] = {}
        selected = Selection(
            meter=meter, obis=code, kind=Kind.INTERVAL, since=begin, until=end + timedelta(microseconds=1)
        )
        for archived in reader.stream(selected):
            reading = archived.reading
            if reading.interval_s in (None, int(step.total_seconds())):
                # A late value takes the place of a missing one, never the other way round.
                found[reading.at] = min(reading.status, found.get(reading.at, reading.status))
                if reading.status is RawStatus.MISSING:
                    reasons[reading.at] = why(reading)
        compared = gaps_of_day(day, found, step, zone, reasons), evaluated(day, found, step, evaluation, zone)
        yield compared if found or watching.expects(meter, end) else (Day(day, 0, 0, ()), (0, 0))


def _sums(compared: Compared) -> tuple[int, int, Hours]:
    expected, present = sum(day.expected for day, _ in compared), sum(day.present for day, _ in compared)
    return expected, present, (sum(hours[0] for _, hours in compared), sum(hours[1] for _, hours in compared))


def _series_object(
    code: str, step: timedelta, evaluation: timedelta, compared: Compared, zone: ZoneInfo
) -> dict[str, object]:
    expected, present, hours = _sums(compared)
    return {
        "obis": code,
        "interval_s": int(step.total_seconds()),
        "expected": expected,
        "present": present,
        "missing": expected - present,
        "completeness": completeness(present, expected) if expected else None,
        "evaluation": _hours_object(evaluation, hours),
        "days": [
            {
                "day": day.day.isoformat(),
                "expected": day.expected,
                "present": day.present,
                "missing": day.missing,
                "completeness": day.completeness if day.expected else None,
                "evaluation": _hours_object(evaluation, hours),
                "gaps": [_gap_object(gap, zone) for gap in day.gaps],
            }
            for day, hours in compared
        ],
    }


def _hours_object(evaluation: timedelta, hours: Hours) -> Mapping[str, object]:
    return {"interval_s": int(evaluation.total_seconds()), "expected": hours[0], "complete": hours[1]}


def _gap_object(gap: Gap, zone: ZoneInfo) -> dict[str, object]:
    return {
        "first": rfc3339(gap.first),
        "last": rfc3339(gap.last),
        "first_legal": end_label(gap.first, zone),
        "last_legal": end_label(gap.last, zone),
        "count": gap.count,
        "reason": gap.reason.value,
        "why": gap.why,
    }


def _print(title: str, compared: Compared, evaluation: timedelta | None, zone: ZoneInfo) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    names = [said(name) for name in ("day", "expected", "present", "missing", "complete")]
    if evaluation is not None:
        names.append(said("complete {minutes} min").format(minutes=int(evaluation.total_seconds()) // 60))
    for name in names:
        table.add_column(name, justify="left" if name == names[0] else "right", no_wrap=True)
    table.add_column(said("intervals without a value, by their ends"))
    for day, hours in compared:
        named = "; ".join(_gap_text(gap, day, zone) for gap in day.gaps[:SHOWN])
        if not day.expected:
            table.add_row(day.day.isoformat(), *("-",) * (len(names) - 1), said(NOT_WATCHED))
            continue
        more = len(day.gaps) - SHOWN
        table.add_row(
            day.day.isoformat(),
            str(day.expected),
            str(day.present),
            Text(str(day.missing), style="red" if day.missing else "green"),
            f"{day.completeness} %",
            *_hours_cell(evaluation, hours),
            named + (f"; {said('and {count} more').format(count=more)}" if more > 0 else ""),
        )
    expected, present, whole = _sums(compared)
    if not expected:
        table.add_row(said("total"), *("-",) * (len(names) - 1), "")
        print_table(console(), table)
        return
    table.add_row(
        said("total"),
        str(expected),
        str(present),
        str(expected - present),
        f"{completeness(present, expected)} %",
        *_hours_cell(evaluation, whole),
        "",
    )
    print_table(console(), table)


def _hours_cell(evaluation: timedelta | None, hours: Hours) -> tuple[str, ...]:
    return () if evaluation is None else (said("{part} of {whole}").format(part=hours[1], whole=hours[0]),)


def _gap_text(gap: Gap, day: Day, zone: ZoneInfo) -> str:
    """`00:15 to 02:00 (8 absent)`; with the offset on a day that has two."""
    begin, end = day_bounds(day.day, zone)
    changes = begin.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset()
    first, last = (
        label[11:] if changes else label[11:-6] for label in (end_label(gap.first, zone), end_label(gap.last, zone))
    )
    span = first if gap.count == 1 else said("{first} to {last}").format(first=first, last=last)
    return f"{span} ({gap.count} {': '.join(map(said, filter(None, (gap.reason.value, gap.why))))})"
