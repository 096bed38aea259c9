"""What commands print: tables for people, one JSON document for programs, messages on standard error."""

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatewayd.cli.clock_text import deviation, is_clock, printable
from gatewayd.cli.language import said, said_all
from gatewayd.errors import Finding
from gatewayd.legal_time import ambiguous
from gatewayd.model import Archived, RawStatus, Reading
from gatewayd.sink.payload import reading_object, to_json

_COLOURS = {
    RawStatus.TRUE: "green",
    RawStatus.SUBSTITUTE: "cyan",
    RawStatus.PROVISIONAL: "yellow",
    RawStatus.DISTORTED: "red",
    RawStatus.MISSING: "magenta",
}
_PIPE_WIDTH = 200
_FOLDED = 8
"""Columns that text which may be folded has to have."""
NARROW = 100
"""On a terminal that is narrower, a table of readings leaves out what people can do without."""


class Screen(Console):
    """Standard output or standard error, for people."""

    def on_broken_pipe(self) -> None:
        """Leave it to `gatewayd.cli.main`, instead of the exit code of a fault."""
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Screen:
    """A console that is as wide as the terminal, and wide enough for whole rows in a pipe."""
    made = Screen(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else Screen(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


def print_lines(screen: Screen, *lines: Text | str) -> None:
    """Lines of text: broken between words on a terminal, never in a pipe."""
    for line in lines:
        screen.print(line, soft_wrap=not screen.is_terminal, markup=False)


def print_table(screen: Screen, table: Table) -> None:
    """A table of which nothing is cut off: where it cannot be folded any more, the terminal breaks its rows."""
    need = 2 * len(table.columns)
    for column in table.columns:
        cells = (Text.from_markup(one) if isinstance(one, str) else one for one in (column.header, *column.cells))
        width = max((one.cell_len for one in cells if isinstance(one, Text)), default=0)
        need += width if column.no_wrap else min(width, _FOLDED)
    wide = Screen(stderr=screen.stderr, highlight=False, width=max(screen.width, need))
    wide.print(table)


def print_json(document: object) -> None:
    sys.stdout.buffer.write(to_json(document) + b"\n")
    sys.stdout.flush()


def warn(path: Path, findings: Iterable[Finding]) -> None:
    for finding in findings:
        click.echo(f"warning: {finding.text(str(path))}", err=True)


def print_readings(readings: Sequence[Archived], zone: ZoneInfo, *, as_json: bool, with_meter: bool = False) -> None:
    """The readings as a table, or as `{"readings": [...]}`."""
    if as_json:
        print_json({"readings": [reading_object(archived) for archived in readings]})
        return
    screen = console()
    narrow = screen.is_terminal and screen.width < NARROW
    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = ["seq", *(["meter"] if with_meter else []), "obis", "value", "unit", "status", "raw", "time", "flags"]
    for name in columns[narrow:]:
        folded = name in ("raw", "flags")  # never cut off: on a narrow terminal they go on in the next line
        right = name in ("seq", "value")
        table.add_column(said(name), justify="right" if right else "left", no_wrap=not folded, overflow="fold")
    for archived in readings:
        reading = archived.reading
        value = reading.value
        cells: list[str | Text] = [
            str(archived.seq),
            *([reading.meter] if with_meter else []),
            reading.code.removesuffix("*255") if narrow else reading.code,
            "" if value is None else format(value, "f"),
            reading.unit,
            Text(said(reading.status.text), style=_COLOURS[reading.status]),
            _raw(reading),
            short_time(reading.at, zone) if narrow else local_time(reading.at, zone),
            said_all(reading.flags.texts),
        ]
        table.add_row(*cells[narrow:])
    screen.print(table)


def _raw(reading: Reading) -> Text:
    """What the meter wrote; how far its clock is off, which is not the meter's word, in words of our own."""
    if is_clock(reading) and reading.more:
        return Text.assemble(visible(reading.raw_text), f" ({deviation(reading)})")
    return Text(" ").join(map(visible, (reading.raw_text, *reading.more)))


def short_time(instant: datetime, zone: ZoneInfo) -> str:
    """Without the offset, save in the hour that happens twice."""
    local = instant.astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M:%S%z" if ambiguous(local) else "%Y-%m-%d %H:%M:%S")


def status_style(text: str) -> str:
    """The colour of a published status; none for a status that is not known here."""
    return next((style for status, style in _COLOURS.items() if status.text == text), "")


def visible(text: str) -> Text:
    """What the meter wrote, with control characters made visible and no markup."""
    return Text(printable(text))


def local_time(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S%z")
