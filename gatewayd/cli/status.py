"""`gatewayd status`: how the gateway, its lines, meters, modems and sinks do: from the running one, else from the disk.

Rules: the running gateway is asked without its whole configuration being loaded, so that thousands of meters cost half
a second; what is printed is in status_view.py.
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gatewayd.cli import streams
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.language import lang_option
from gatewayd.cli.output import console, print_json, print_lines, print_table
from gatewayd.cli.status_meters import MANY, meter_parts
from gatewayd.cli.status_view import parts
from gatewayd.cli.where import archive_folder
from gatewayd.control import NAME, NotRunning, ask

Document = Mapping[str, Any]  # whatever JSON has
_EVERY_S = 2.0
_ROOMS = (MANY, 20, 12, 8, 5, 3, 1)
"""Rows of each kind, until all of it fits on the screen."""


@click.command()
@click.option("--meters", "all_meters", is_flag=True, help="All meters, also those of which there is nothing to tell.")
@click.option("--meter", metavar="ID", help="One meter in full.")
@click.option(
    "--watch",
    type=click.FloatRange(min=0.2),
    is_flag=False,
    flag_value=_EVERY_S,
    metavar="[SECONDS]",
    help=f"Again and again, until Ctrl-C.  [default: every {_EVERY_S:g} s]",
)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def status(config_path: Path, all_meters: bool, meter: str | None, watch: float | None, as_json: bool) -> None:
    """Show how the gateway, its archive, lines, meters, modems and sinks are doing. Exit code 1 when something is
    wrong."""
    source = _Source(config_path)
    document = source.document()
    if meter is not None:
        _known(document, meter)
    if watch is not None and not as_json and sys.stdout.isatty():
        _live(source, document, watch, all_meters, meter)
    while True:
        try:
            if as_json:
                print_json(document)
            else:
                _print(document, all_meters, meter)
        except BrokenPipeError:  # `| head -1`: what was found is the exit code all the same
            streams.discard()
            break
        if watch is None:
            break
        time.sleep(watch)
        document = source.document()
    if wrong(document):
        raise click.exceptions.Exit(ExitCode.FAULT)


def wrong(document: Document) -> bool:
    """Whether somebody has to look: what one meter's fault is not."""
    outboxes = [box for sink in document["sinks"] for box in (sink, sink["derived"]) if box is not None]
    broken = any(box["state"] == "broken" for box in outboxes)
    stuck = any(modem["fault"] or modem["in_doubt"] for modem in document["modems"])
    file = document["configuration"]
    stale = file is not None and file["fault"]
    metering = document["metering"]
    underived = metering is not None and (metering["fault"] or metering["unreadable"] or metering["archive"]["fault"])
    return not document["running"] or bool(document["archive"]["fault"] or stale or underived) or broken or stuck


class _Source:
    """Where the document comes from; the configuration is loaded when nobody runs who could be asked."""

    def __init__(self, config_path: Path) -> None:
        self._path = config_path
        self._folder = archive_folder(config_path)

    def document(self) -> Document:
        if self._folder is not None:
            try:
                return asyncio.run(ask(self._folder, "status"))
            except NotRunning:
                pass
        from gatewayd import daemon

        config = daemon.load_config(self._path)
        if self._folder is None:
            try:
                return asyncio.run(ask(config.archive.path, "status"))
            except NotRunning:
                pass
        held_by = _holder(config.archive.path) or _elsewhere(daemon.gateway_elsewhere(config))
        return {**daemon.status_on_disk(config), "held_by": held_by}


def _elsewhere(pid: int | None) -> dict[str, object] | None:
    """The gateway that runs with this configuration file, and has another archive."""
    return None if pid is None else {"pid": pid, "process": "gatewayd", "run": True, "socket": False, "elsewhere": True}


def _holder(folder: Path) -> dict[str, object] | None:
    """Who writes to the archive where nobody answers; `run`: that is a gateway; `socket`: there is one all the same."""
    from gatewayd.doctor.processes import writer_of

    found = writer_of(folder / "writer.lock")
    if found is None:
        return None
    holder, runs = found
    there = (folder / NAME).exists()
    return {"pid": holder.pid, "process": holder.name, "run": runs, "socket": there, "elsewhere": False}


def _known(document: Document, meter: str) -> None:
    ids = [one["id"] for one in document["meters"]]
    if not document["running"]:
        raise click.ClickException("the gateway does not run, so nothing is known of a single meter")
    if meter not in ids:
        raise click.UsageError(f"the running gateway has no meter '{meter}'; known: {', '.join(ids[:20]) or 'none'}")


def _rendered(document: Document, all_meters: bool, meter: str | None, room: int = MANY) -> Group:
    if meter is not None:
        return Group(*meter_parts(document, meter))
    return Group(*parts(document, None if all_meters else room))


def _print(document: Document, all_meters: bool, meter: str | None) -> None:
    screen = console()
    for part in _rendered(document, all_meters, meter).renderables:
        if isinstance(part, Text):
            print_lines(screen, part)
        elif isinstance(part, Table):
            print_table(screen, part)
        else:
            screen.print(part)


def _live(source: _Source, document: Document, seconds: float, all_meters: bool, meter: str | None) -> None:
    """In place, until somebody interrupts."""
    screen = console()
    with Live(console=screen, auto_refresh=False, screen=True) as live:
        while True:
            for room in _ROOMS:
                shown = _rendered(document, all_meters, meter, room)
                if len(screen.render_lines(shown)) <= screen.height:
                    break
            live.update(shown, refresh=True)
            time.sleep(seconds)
            document = source.document()
