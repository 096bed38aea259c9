"""`gatewayd archive audit`: what the gateway did, to what, and with which result: calls, clocks set,
seals, what was lost.

Rules: entries are printed as they stand in the archive; a detail that is a JSON object is one in `--json`, and
`key=value` for people.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.archive.query import Reader
from gatewayd.archive.records import Audit
from gatewayd.cli.given import given_time
from gatewayd.cli.output import NARROW, Screen, console, local_time, print_json, print_table, short_time, visible
from gatewayd.cli.progress import patience
from gatewayd.sink.payload import rfc3339

_INDENT = 4


@click.command()
@click.option("--category", help="Only this category, such as call or archive.")
@click.option("--subject", metavar="ID", help="Only what was done to this meter or segment.")
@click.option("--since", metavar="DAY", help="From this day or time on, legal time: 2026-11-21, yesterday, today.")
@click.option("--last", type=click.IntRange(min=1), help="Only this many of the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def audit(
    config_path: Path, category: str | None, subject: str | None, since: str | None, last: int | None, as_json: bool
) -> None:
    """Print the audit log: what people have had the gateway do, calls and what they cost, alarms, clocks that were
    set, configurations that were taken or refused, sealed and damaged segments, what was dropped."""
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    reader = Reader(config.archive.path)
    try:
        with patience("reading the archive"):
            found = reader.audits(
                category, subject, None if since is None else given_time(since, zone, "--since"), last
            )
    finally:
        reader.close()
    if as_json:
        print_json({"audit": [_object(entry) for entry in found]})
    else:
        _print(found, zone)


def _object(entry: Audit) -> dict[str, object]:
    return {
        "at": rfc3339(entry.at),
        "source": entry.source,
        "category": entry.category,
        "type": entry.type,
        "subject": entry.subject,
        "result": entry.result,
        "detail": _decoded(entry.detail) or entry.detail,
    }


def _decoded(detail: str) -> dict[str, object] | None:
    """The object that a detail is; None for a text."""
    try:
        found = json.loads(detail)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _print(found: Sequence[Audit], zone: ZoneInfo) -> None:
    screen = console()
    if screen.is_terminal and screen.width < NARROW:
        for entry in found:
            _print_narrow(screen, entry, zone)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("time", "source", "category", "type", "subject", "result", "detail"):
        table.add_column(name, no_wrap=name == "time", overflow="fold")
    for entry in found:
        cells: list[str | Text] = [local_time(entry.at, zone), *_names(entry), visible(_detail(entry.detail))]
        table.add_row(*cells)
    print_table(screen, table)


def _print_narrow(screen: Screen, entry: Audit, zone: ZoneInfo) -> None:
    """The detail below the rest: in a column of its own it would be a word wide."""
    screen.print(Text("  ").join([Text(short_time(entry.at, zone)), *_names(entry)]))
    if entry.detail:
        screen.print(Padding(visible(_detail(entry.detail)), (0, 0, 0, _INDENT)))


def _names(entry: Audit) -> list[Text]:
    return [visible(name) for name in (entry.source, entry.category, entry.type, entry.subject, entry.result)]


def _detail(detail: str) -> str:
    known = _decoded(detail)
    if known is None:
        return detail
    return " ".join(f"{key}={_word(value)}" for key, value in known.items() if value not in (None, "", []))


def _word(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ",".join(map(str, value))
        case _:
            return str(value)
