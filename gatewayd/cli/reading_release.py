"""`gatewayd reading waiting`, `release` and `reject`: readings by hand that are doubtful and wait for another person.

Rules: each that is released is looked at again, and what is found then is told. One that is refused goes on waiting.
The running gateway archives what comes of them, else this command does. Exit code 1 when one of them was refused.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from gatewayd import daemon
from gatewayd.archive.neighbours import Neighbours
from gatewayd.cli.aside import aside
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.language import lang_option, said
from gatewayd.cli.output import console, local_time, print_json, print_table, visible
from gatewayd.cli.reading_view import (
    archived_line,
    check_texts,
    facts_of,
    finding_line,
    finding_object,
    handled_object,
    seen_line,
)
from gatewayd.config import Config
from gatewayd.manual.held import Held, State
from gatewayd.manual.queue import Queue
from gatewayd.manual.submission import LONGEST_TEXT, Handled, Outcome
from gatewayd.sink.payload import rfc3339

_numbers = click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True, type=click.IntRange(min=1))


@click.command()
@click.argument("meter", required=False)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def waiting(config_path: Path, meter: str | None, as_json: bool) -> None:
    """List the readings that wait for their release, of METER or of all: findings, who has read, since when."""
    config, now = daemon.load_config(config_path), daemon.now()
    found = Queue(config.archive.path).waiting(meter)
    if meter is not None and not found and meter not in [one.id for one in config.metered]:
        raise click.UsageError(f"meter '{meter}' is not configured, and nothing of it waits")
    if as_json:
        print_json({"waiting": [_object(one, now) for one in found]})
    elif found:
        _print(found, now, config.gateway.zone)
    else:
        click.echo(said("no reading waits for its release"))


@click.command()
@_numbers
@click.option("--author", default="", help="Who releases: another person than who has read.  [default: the user]")
@click.option("--note", default="", help=f"A remark that is archived with it, up to {LONGEST_TEXT} characters.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def release(config_path: Path, numbers: tuple[int, ...], author: str, note: str, as_json: bool) -> None:
    """Release the readings with these NUMBERs: each is looked at again and archived.

    What has become an error meanwhile is refused, and goes on waiting. Deadlines count as of when it was handed in.
    """
    _settle(config_path, daemon.Decision(numbers, State.RELEASED, author, note), as_json=as_json)


@click.command()
@_numbers
@click.option("--note", required=True, help=f"Why, up to {LONGEST_TEXT} characters.  [required]")
@click.option("--author", default="", help="Who rejects.  [default: the user]")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def reject(config_path: Path, numbers: tuple[int, ...], note: str, author: str, as_json: bool) -> None:
    """Reject the readings with these NUMBERs: they do not wait any more, and are not archived as readings."""
    if not note.strip():
        raise click.BadParameter("say why", param_hint="--note")
    _settle(config_path, daemon.Decision(numbers, State.REJECTED, author, note), as_json=as_json)


def history(config: Config, number: int, *, as_json: bool) -> None:
    """Print who did what and when with one that waits or has waited."""
    found = Queue(config.archive.path).known().get(number)
    if found is None:
        raise click.ClickException(f"no reading waits, or has waited, under the number {number}")
    seq = _seq(config, found)
    if as_json:
        print_json({"reading": {**_object(found), "state": found.state.value, "seq": seq, "history": _steps(found)}})
        return
    zone = config.gateway.zone
    click.echo(f"{said('number')} {number}: {seen_line(found.seen, zone)}")
    for finding in found.seen.findings:
        click.echo(f"  {finding_line(finding)}")
    table = _table("time", "state", "author", "user", "note")
    for step in found.history:
        words = (said(step.state.value), step.author, step.user, step.note)
        table.add_row(local_time(step.at, zone), *map(visible, words))
    print_table(console(), table)
    if seq is not None:
        click.echo(f"{said('archived')}: seq {seq}")


def _settle(config_path: Path, decision: "daemon.Decision", *, as_json: bool) -> None:
    config = daemon.load_config(config_path)
    check_texts({"--note": decision.note, "--author": decision.author})
    done = asyncio.run(daemon.settle(config, decision, aside)) if config.archive.path.is_dir() else _unknown(decision)
    for one in done:
        for finding in one.findings if one.outcome is not Outcome.REJECTED else ():
            click.echo(f"{said('number')} {one.number}: {finding_line(finding)}", err=True)
    if as_json:
        print_json({"readings": [*map(handled_object, done)]})
    else:
        for one in done:
            click.echo(_line(one, config.gateway.zone), err=one.outcome is Outcome.REFUSED)
    if any(one.outcome is Outcome.REFUSED for one in done):
        raise click.exceptions.Exit(ExitCode.FAULT)


def _unknown(decision: "daemon.Decision") -> list[Handled]:
    raise click.ClickException(f"no reading with the number {decision.numbers[0]} waits: nothing was entered yet")


def _line(one: Handled, zone: ZoneInfo) -> str:
    if one.outcome is Outcome.ARCHIVED:
        return f"{said('number')} {one.number}: {archived_line(one, zone)}"
    words = "rejected" if one.outcome is Outcome.REJECTED else "refused"
    return "  ".join(part for part in (f"{said('number')} {one.number}: {said(words)}", seen_line(one, zone)) if part)


def _seq(config: Config, one: Held) -> int | None:
    """Of the reading that one has become."""
    if one.state is not State.RELEASED:
        return None
    with Neighbours(config.archive.path) as neighbours:
        entered = neighbours.entered(one.seen.meter)
    return next((archived.seq for archived, detail in entered if facts_of(detail).get("held") == one.number), None)


def _object(one: Held, now: datetime | None = None) -> dict[str, object]:
    """For programs."""
    seen, first = one.seen, one.history[0]
    age = {} if now is None else {"days": (now - one.handed_in).days}
    return {
        "number": one.number,
        "meter": seen.meter,
        "obis": seen.obis,
        "value": seen.value,
        "unit": seen.unit or None,
        "at": rfc3339(seen.at) if seen.at is not None else None,
        "type": seen.type or None,
        "serial": seen.serial or None,
        "author": first.author,
        "user": first.user,
        "note": one.submission.note or None,
        "file": one.file or None,
        "row": seen.row or None,
        "since": rfc3339(one.handed_in),
        **age,
        "findings": [*map(finding_object, seen.findings)],
    }


def _steps(one: Held) -> list[dict[str, object]]:
    return [
        {"state": step.state.value, "author": step.author, "user": step.user, "at": rfc3339(step.at), "note": step.note}
        for step in one.history
    ]


def _print(found: Sequence[Held], now: datetime, zone: ZoneInfo) -> None:
    table = _table(
        "number", "meter", "obis", "value", "unit", "time", "type", "author", "handed in", "days", "findings"
    )
    for one in found:
        seen = one.seen
        findings = "; ".join(map(finding_line, seen.findings))
        where = f"{one.file}, {said('row')} {seen.row}: " if one.file else ""
        cells = (seen.meter, seen.obis, seen.value, seen.unit, local_time(seen.at, zone) if seen.at else "", seen.type)
        days = str((now - one.handed_in).days)
        told = (one.author, local_time(one.handed_in, zone), days, f"{where}{findings}")
        table.add_row(str(one.number), *map(visible, (*cells, *told)))
    print_table(console(), table)


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        right, folds = name in ("number", "value", "days"), name in ("findings", "note")
        table.add_column(said(name), justify="right" if right else "left", no_wrap=not folds, overflow="fold")
    return table
