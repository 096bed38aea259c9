"""`gatewayd archive gaps`: which intervals of which days the archive does not have."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.archive.query import Reader, Selection
from gatewayd.archive.stats import profiles
from gatewayd.cli.output import console, print_json
from gatewayd.cli.session import obis_code
from gatewayd.gaps import Day, Gap, completeness, gaps_of_day
from gatewayd.legal_time import QUARTER, day_bounds, days, end_label
from gatewayd.model import Kind, RawStatus
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

SHOWN = 4
"""Gaps of a day that the table names; JSON has them all."""
_PERIOD = re.compile(r"([1-9]\d{0,5})([smh])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"'{text}' is no day; expected 2026-11-21") from None


def _period(text: str) -> timedelta:
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"'{text}' is no length of an interval; expected 15m, 60m, 1h or 900s")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


@click.command()
@click.argument("meter")
@click.argument("obis", required=False, type=obis_code)
@click.option("--from", "first", type=_day, required=True, metavar="DAY", help="First legal-time day.")
@click.option("--to", "last", type=_day, required=True, metavar="DAY", help="Last legal-time day.")
@click.option(
    "--interval",
    "period",
    type=_period,
    metavar="LENGTH",
    help="Length of an interval. Without it that of the archived series, 15m when there is none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def gaps(
    config_path: Path,
    meter: str,
    obis: Obis | None,
    first: date,
    last: date,
    period: timedelta | None,
    as_json: bool,
) -> None:
    """Compare what the archive has of METER with the intervals of each legal-time day.

    Without OBIS all its series of intervals. The exit code is 0 with gaps, too.
    """
    if last < first:
        raise click.UsageError(f"--to {last} is before --from {first}")
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    reader = Reader(config.archive.path)
    wanted = _wanted(config.archive.path, meter, obis, period)
    try:
        found = [(code, step, list(_compare(reader, meter, code, step, first, last, zone))) for code, step in wanted]
    except ValueError as error:  # a period that does not divide the day
        raise click.UsageError(str(error)) from None
    if as_json:
        series = [_series_object(code, step, compared, zone) for code, step, compared in found]
        print_json({"meter": meter, "from": first.isoformat(), "to": last.isoformat(), "series": series})
        return
    for code, step, compared in found:
        _print(f"{meter}  {code}  {int(step.total_seconds()) // 60} min", compared, zone)


def _wanted(folder: Path, meter: str, obis: Obis | None, period: timedelta | None) -> list[tuple[str, timedelta]]:
    """The series to look at. click.ClickException when none is named and the archive knows none."""
    known = [(code, timedelta(seconds=seconds)) for code, seconds in profiles(folder, meter)]
    found = [
        (code, step)
        for code, step in known
        if (obis is None or code == str(obis)) and (period is None or step == period)
    ]
    if found:
        return found
    if obis is None:
        length = "" if period is None else f" of {period}"
        raise click.ClickException(f"the archive has no intervals{length} of meter '{meter}'; name an OBIS code")
    return [(str(obis), period or QUARTER)]


def _compare(
    reader: Reader, meter: str, code: str, step: timedelta, first: date, last: date, zone: ZoneInfo
) -> Iterator[Day]:
    for day in days(first, last):  # one day at a time, so that a long range needs no more memory than a short one
        begin, end = day_bounds(day, zone)
        found: dict[datetime, RawStatus] = {}
        wanted = Selection(
            meter=meter, obis=code, kind=Kind.INTERVAL, since=begin, until=end + timedelta(microseconds=1)
        )
        for archived in reader.stream(wanted):
            reading = archived.reading
            if reading.interval_s in (None, int(step.total_seconds())):
                # A late value takes the place of a missing one, never the other way round.
                found[reading.at] = min(reading.status, found.get(reading.at, reading.status))
        yield gaps_of_day(day, found, step, zone)


def _series_object(code: str, step: timedelta, compared: Sequence[Day], zone: ZoneInfo) -> dict[str, object]:
    expected, present = sum(day.expected for day in compared), sum(day.present for day in compared)
    return {
        "obis": code,
        "interval_s": int(step.total_seconds()),
        "expected": expected,
        "present": present,
        "missing": expected - present,
        "completeness": completeness(present, expected),
        "days": [
            {
                "day": day.day.isoformat(),
                "expected": day.expected,
                "present": day.present,
                "missing": day.missing,
                "completeness": day.completeness,
                "gaps": [_gap_object(gap, zone) for gap in day.gaps],
            }
            for day in compared
        ],
    }


def _gap_object(gap: Gap, zone: ZoneInfo) -> dict[str, object]:
    return {
        "first": rfc3339(gap.first),
        "last": rfc3339(gap.last),
        "first_legal": end_label(gap.first, zone),
        "last_legal": end_label(gap.last, zone),
        "count": gap.count,
        "reason": gap.reason.value,
    }


def _print(title: str, compared: Sequence[Day], zone: ZoneInfo) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    for name in ("day", "expected", "present", "missing", "complete"):
        table.add_column(name, justify="left" if name == "day" else "right", no_wrap=True)
    table.add_column("intervals without a value, by their ends")
    for day in compared:
        named = "; ".join(_gap_text(gap, day, zone) for gap in day.gaps[:SHOWN])
        more = len(day.gaps) - SHOWN
        table.add_row(
            day.day.isoformat(),
            str(day.expected),
            str(day.present),
            Text(str(day.missing), style="red" if day.missing else "green"),
            f"{day.completeness} %",
            named + (f"; and {more} more" if more > 0 else ""),
        )
    expected, present = sum(day.expected for day in compared), sum(day.present for day in compared)
    table.add_row(
        "total", str(expected), str(present), str(expected - present), f"{completeness(present, expected)} %", ""
    )
    console().print(table)


def _gap_text(gap: Gap, day: Day, zone: ZoneInfo) -> str:
    """`00:15 to 02:00 (8 absent)`; with the offset on a day that has two."""
    begin, end = day_bounds(day.day, zone)
    changes = begin.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset()
    first, last = (
        label[11:] if changes else label[11:-6] for label in (end_label(gap.first, zone), end_label(gap.last, zone))
    )
    return f"{first if gap.count == 1 else f'{first} to {last}'} ({gap.count} {gap.reason.value})"
