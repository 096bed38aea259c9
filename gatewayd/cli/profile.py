"""`gatewayd profile`: a load profile or event log of a meter, now. What it brings is printed and archived."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.cli.clock_text import clock_line
from gatewayd.cli.given import given_time
from gatewayd.cli.language import lang_option, said, said_all
from gatewayd.cli.output import console, local_time, print_lines, print_readings, status_style, visible
from gatewayd.cli.output_file import complete
from gatewayd.cli.own_warnings import warn_of
from gatewayd.cli.plot import LEGEND, chart
from gatewayd.cli.profile_view import Pivot, fitting, highest, increments, is_total, pivot, summary
from gatewayd.cli.session import find_asked_meter, obis_code, session
from gatewayd.cli.times import rounded_down
from gatewayd.export import writer
from gatewayd.export.columns import COLUMNS, cells
from gatewayd.legal_time import QUARTER, end_label, ends_between
from gatewayd.model import Archived, Profile, Reading
from gatewayd.obis import Obis

_CODE_WIDTHS, _FLAGS_WIDTH = (20, 8, 6), 9
"""A code or the flags may be folded to so many columns; a number must not be."""
_PIPE_WIDTH = 100
"""Columns of a chart that goes into a pipe or a file."""


@click.command()
@click.argument("meter")
@click.argument("obis", type=obis_code)
@click.option(
    "--from", "start", metavar="TIME", default="yesterday", show_default=True, help="Intervals after this time."
)
@click.option("--to", "end", metavar="TIME", default="now", show_default=True, help="Up to this time; a day: its end.")
@click.option("--plot", is_flag=True, help="A chart for each channel instead of the table; of totals their increments.")
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the readings into FILE, too."
)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def profile(
    config_path: Path,
    meter: str,
    obis: Obis,
    start: str,
    end: str,
    plot: bool,
    csv_path: Path | None,
    as_json: bool,
) -> None:
    """Read the load profile or event log OBIS of METER, e.g. 1-0:99.1.0 or P.01.

    Times are legal time: 2026-11-01, "2026-11-01 13:15", 2026-11-01T13:15+01:00, yesterday, today, now.
    """
    if plot and as_json:
        raise click.UsageError("--plot is for people, --json for programs; choose one")
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    settings = find_asked_meter(config, meter)
    warn_of(config_path, config, settings)
    begun, ended = _span(start, end, zone)
    result = asyncio.run(session(config, settings, Profile(obis, begun, ended)))
    if as_json:
        print_readings(result.readings, zone, as_json=True)
    else:
        shown = pivot(result.readings)
        if shown.rows or shown.others or result.fault is None:  # after a fault nobody knows what the meter has
            _print(shown, begun, ended, zone, plot=plot)
    if csv_path is not None:
        _write(csv_path, result.readings, zone)
    if result.fault is not None:
        raise result.fault


def _span(start: str, end: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when to when it is asked for."""
    now = rounded_down(daemon.now(), QUARTER)
    begun, ended = given_time(start, zone, "--from", now=now), given_time(end, zone, "--to", now=now, end=True)
    if end == "now" and ended <= begun < daemon.now():  # today, in its first quarter-hour
        ended = begun + QUARTER
    if ended <= begun:
        raise click.UsageError(
            f"--to {end} ({local_time(ended, zone)}) is not after --from {start} ({local_time(begun, zone)})"
        )
    return begun, ended


def _print(shown: Pivot, start: datetime, end: datetime, zone: ZoneInfo, *, plot: bool) -> None:
    screen = console()
    end = min(end, daemon.now())  # what has not ended yet is not expected, and no gap
    if shown.rows and not plot:
        _tables(shown, zone, screen)
    elif shown.rows:
        _plot(shown, start, end, zone)
    if shown.others:
        screen.print(_list(shown.others, zone))
    print_lines(screen, summary(shown, start, end, zone))
    if shown.clock is not None:
        print_lines(screen, said("clock: {clock}").format(clock=clock_line(shown.clock)))


def _tables(shown: Pivot, zone: ZoneInfo, screen: Console) -> None:
    """One table, or several where a terminal is too narrow for all channels: no number is folded or left out."""
    values = [[_value(row.cells[n]) for row in shown.rows] for n in range(len(shown.channels))]
    statuses = max(len(said("status")), *(len(said(row.status.text)) for row in shown.rows))
    flags = max((len(said(text)) for row in shown.rows for text in row.flags.texts), default=0)
    whole = screen.width if screen.is_terminal else sys.maxsize
    for flags_width, code_width in product((max(flags, _FLAGS_WIDTH), _FLAGS_WIDTH), _CODE_WIDTHS):
        # fold the codes, then the flags, rather than make two tables
        beside = len(end_label(shown.rows[0].end, zone)) + statuses + flags_width + 4
        widths = [
            max(len(channel.unit), min(len(channel.code), code_width), *map(len, column))
            for channel, column in zip(shown.channels, values, strict=True)
        ]
        groups = fitting(widths, whole - beside)
        if len(groups) == 1:
            break
    for places in groups:
        wide = console()
        wide.width = max(wide.width, beside + sum(widths[n] + 2 for n in places))  # the terminal wraps the rest
        wide.print(_table(shown, places, widths, zone))


def _table(shown: Pivot, places: Sequence[int], widths: Sequence[int], zone: ZoneInfo) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(said("interval to"), no_wrap=True)
    for n in places:
        channel = shown.channels[n]
        table.add_column(f"{channel.code}\n{channel.unit}", justify="right", overflow="fold", width=widths[n])
    table.add_column(said("status"), no_wrap=True)
    table.add_column(said("flags"), overflow="fold")
    for row in shown.rows:
        numbers = [_value(row.cells[n]) for n in places]
        status = Text(said(row.status.text), style=status_style(row.status.text))
        table.add_row(end_label(row.end, zone), *numbers, status, said_all(row.flags.texts))
    return table


def _value(reading: Reading | None) -> Text:
    if reading is None:
        return Text("")
    value = reading.value
    text = visible(reading.raw_text) if value is None else Text(format(value, "f"))
    text.stylize(status_style(reading.status.text))
    return text


def _list(entries: tuple[Reading, ...], zone: ZoneInfo) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("time", "obis", "status"):
        table.add_column(said(name), no_wrap=True)
    table.add_column(said("entry"), overflow="fold")
    table.add_column(said("flags"), overflow="fold")
    for one in entries:
        entry = Text(" ").join(map(visible, (one.raw_text, *one.more)))
        status = Text(said(one.status.text), style=status_style(one.status.text))
        table.add_row(local_time(one.at, zone), one.code, status, entry, said_all(one.flags.texts))
    return table


def _plot(shown: Pivot, start: datetime, end: datetime, zone: ZoneInfo) -> None:
    screen = console()
    if shown.period is None:
        screen.print("no chart: the meter does not say how long its intervals are")
        _tables(shown, zone, screen)
        return
    whole = ends_between(start, end, shown.period, zone)
    marked = False
    for channel in shown.channels:
        ends, values, remark = whole, shown.values(channel), ""
        if is_total(channel.code) and len(whole) > 1:  # a chart of what only rises is a wall
            ends, values, remark = whole[1:], increments(values, whole), f" {said('in each interval')}"
        print_lines(screen, Text.assemble((channel.title, "bold"), f"{remark}  {highest(values, zone)}"))
        rows = chart(values, ends, shown.period, screen.width if screen.is_terminal else _PIPE_WIDTH, zone)
        marked = marked or any(values[at].status for at in ends if at in values) or any(at not in values for at in ends)
        for row in rows:
            screen.print(row, no_wrap=True, overflow="crop")
    if marked:
        print_lines(screen, said(LEGEND))


def _write(path: Path, readings: tuple[Archived, ...], zone: ZoneInfo) -> None:
    with complete(path) as stream:
        writer("csv")((cells(archived, zone) for archived in readings), COLUMNS, stream)
