"""`gatewayd archive export`: archived readings as a file for other programs, verified before.

Rules: damaged readings are left out, or marked with `--even-damaged`, never passed off as sound; a file gets its name
only when it is complete; messages go to standard error.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from gatewayd import daemon
from gatewayd.archive.extract import Extract, extents
from gatewayd.cli.archive_selection import selection, selection_options
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.output_file import STDOUT, complete, output_option
from gatewayd.cli.plural import counted
from gatewayd.cli.progress import progress
from gatewayd.export import FORMATS, MissingExtra, writer
from gatewayd.export.columns import COLUMNS, Cell, cells, damaged_column


@click.command()
@selection_options
@click.option("--format", "name", type=click.Choice(list(FORMATS)), required=True, help="Kind of file.")
@output_option("standard output without it, or with - (csv and jsonl only)")
@click.option(
    "--even-damaged", is_flag=True, help="Also readings that are damaged, marked in one more column, `damaged`."
)
@click.pass_obj
def export(
    config_path: Path, /, name: str, output: Path, even_damaged: bool, **options: Any
) -> None:  # Any: see `show`
    """Write archived readings, of METER or of all, as csv, jsonl, parquet or xlsx.

    The archive is verified first. Readings that damage casts doubt on are left out, and the exit code is 1.
    """
    config = daemon.load_config(config_path)
    zone, folder = config.gateway.zone, config.archive.path
    if output == STDOUT and not FORMATS[name].is_text:
        raise click.UsageError(f"{name} is no text; name a file with --output")
    try:
        write = writer(name)
    except MissingExtra as error:
        raise click.UsageError(str(error)) from None
    wanted = selection(zone, **options)
    total = sum(extent.ends[1] - extent.ends[0] + 1 for extent in extents(folder) if extent.ends is not None)
    with progress("verifying", total) as show_progress:
        extract = Extract(folder, wanted, even_damaged=even_damaged, on_progress=show_progress)
    for finding in extract.verdict.findings:
        click.echo(finding.text, err=True)
    columns = (*COLUMNS, damaged_column()) if even_damaged else COLUMNS
    with complete(output) as stream:
        write(_rows(extract, zone, even_damaged=even_damaged), columns, stream)
    for fault in extract.faults:
        click.echo(fault, err=True)
    if not extract.verdict.ok and not even_damaged:
        out = counted(extract.refused, "reading that this casts doubt on was", "readings that this casts doubt on were")
        click.echo(
            f"the archive is damaged (see above): {out} left out; --even-damaged exports them too, marked",
            err=True,
        )
    if extract.faults or not (extract.verdict.ok or even_damaged):
        raise click.exceptions.Exit(ExitCode.FAULT)


def _rows(extract: Extract, zone: ZoneInfo, *, even_damaged: bool) -> Iterator[list[Cell]]:
    for item in extract:
        row = cells(item.archived, zone)
        if even_damaged:
            row.append(item.damaged)
        yield row
