"""`gatewayd reading`: readings that a person has taken: one from the command line, or a table of many; a list of them.

Rules: each is looked at before it is archived, and what is found is told; what is doubtful is asked about, needs
`--yes`, or waits (`--hold`). The running gateway archives it, else this command does. Exit code 1 when something was
not archived and does not wait.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.archive.neighbours import Neighbours
from gatewayd.cli.aside import aside
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.groups import Group
from gatewayd.cli.language import lang_option, said, said_all
from gatewayd.cli.output import console, local_time, print_json, status_style, visible
from gatewayd.cli.reading_import import import_, maximum_option, template
from gatewayd.cli.reading_release import history, reject, release, waiting
from gatewayd.cli.reading_view import (
    archived_line,
    check_texts,
    facts_of,
    finding_line,
    handled_object,
    held_line,
    seen_line,
)
from gatewayd.cli.session import register_code
from gatewayd.cli.signed import Signed
from gatewayd.cli.times import day_of, instant_of
from gatewayd.config import Config
from gatewayd.manual.dates import ReadingType
from gatewayd.manual.submission import LONGEST_TEXT, Handled, Method, Outcome, Submission
from gatewayd.manual.table import LONGEST_CELL
from gatewayd.model import Archived
from gatewayd.obis import Obis
from gatewayd.sink.payload import reading_object

_TYPES = ", ".join(f"{kind.value} {kind.meaning}" for kind in ReadingType)


@click.group(cls=Group)
def reading() -> None:
    """Readings that a person has taken: enter one, import a table, list them; release those that wait."""


@reading.command(cls=Signed)
@click.argument("meter")
@click.argument("obis", type=register_code)
@click.argument("value")
@click.option(
    "--at",
    required=True,
    metavar="TIME",
    help="When it was read, legal time: '2026-11-26 10:00', now; a day is its noon.",
)
@click.option(
    "--type",
    "kind",
    type=click.Choice([kind.value for kind in ReadingType]),
    help=f"What it is for: {_TYPES}. Each has its deadline; without a type there is none.",
)
@click.option("--number", default="", help="The number on the meter: refused when that was not the meter then.")
@click.option("--unit", default="", help="Unit of the value.  [default: what the meter shows]")
@click.option("--decimals", is_flag=True, help="The value has places behind the point.")
@click.option("--correct", is_flag=True, help="Takes the place of the reading by hand of the same day.")
@click.option(
    "--method",
    type=click.Choice([Method.VISUAL.value, Method.TERMINAL.value]),
    default=Method.VISUAL.value,
    show_default=True,
    help="How it was read.",
)
@click.option("--request", default="", metavar="NUMBER", help="The number of the request that it belongs to.")
@maximum_option
@click.option("--author", default="", help="Who has read.  [default: the user]")
@click.option("--note", default="", help=f"A remark that is archived with it, up to {LONGEST_TEXT} characters.")
@click.option("--yes", is_flag=True, help="Archive it also when it is doubtful.")
@click.option("--hold", is_flag=True, help="When it is doubtful, have it wait until another person releases it.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def add(
    config_path: Path,
    meter: str,
    obis: Obis,
    value: str,
    at: str,
    kind: str | None,
    number: str,
    unit: str,
    decimals: bool,
    correct: bool,
    method: str,
    request: str,
    maximum: int | None,
    author: str,
    note: str,
    yes: bool,
    hold: bool,
    as_json: bool,
) -> None:
    """Enter the VALUE that the register OBIS of METER shows, and archive it as a reading by hand."""
    config = daemon.load_config(config_path)
    if yes and hold:
        raise click.UsageError("--yes and --hold: either you stand by it, or it waits")
    _known(config, meter)
    check_texts({"--note": note, "--author": author})
    check_texts({"VALUE": value, "--unit": unit, "--number": number, "--request": request}, LONGEST_CELL)
    moment, day = _moment(at, config.gateway.zone)
    submission = Submission(
        value,
        meter=meter,
        obis=str(obis),
        unit=unit,
        at=moment,
        day=day,
        number=number,
        type=kind or "",
        request=request,
        note=note,
        method=Method(method),
        decimals=decimals,
        correct=correct,
        maximum=maximum or 0,
    )
    asked = not as_json and not hold and sys.stdin.isatty()
    handled = asyncio.run(_added(config, submission, daemon.Handing(author=author, hold=hold), yes=yes, asked=asked))
    if as_json:
        print_json({"reading": handled_object(handled)})
    if handled.outcome is Outcome.ARCHIVED:
        if not as_json:
            click.echo(archived_line(handled, config.gateway.zone))
        return
    if handled.outcome is Outcome.HELD:
        if not as_json:
            click.echo(held_line(handled, config.gateway.zone))
        return
    doubtful = handled.outcome is Outcome.DOUBTFUL
    click.echo(
        said("not archived; with --yes it is, as it stands" if doubtful and not asked else "not archived"), err=True
    )
    raise click.exceptions.Exit(ExitCode.FAULT)


@reading.command("list")
@click.argument("meter", required=False)
@click.option(
    "--history",
    "number",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Who did what and when with the one that waits, or has waited, under this number.",
)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def list_(config_path: Path, meter: str | None, number: int | None, as_json: bool) -> None:
    """List the readings by hand, of METER or of all: who took them, what for, and what was found on them."""
    config = daemon.load_config(config_path)
    if number is not None:
        if meter is not None:
            raise click.UsageError("--history names one reading; leave out METER")
        history(config, number, as_json=as_json)
        return
    if meter is not None:
        _known(config, meter)
    with Neighbours(config.archive.path) as neighbours:
        found = [(archived, facts_of(detail)) for archived, detail in neighbours.entered(meter)]
    if as_json:
        print_json({"readings": [{**reading_object(archived), "entered": facts} for archived, facts in found]})
    elif found:
        _print(found, config.gateway.zone)
    else:
        click.echo("no readings by hand" + (f" of meter {meter}" if meter is not None else ""))


for command in (import_, template, waiting, release, reject):
    reading.add_command(command)


async def _added(
    config: Config, submission: Submission, handing: "daemon.Handing", *, yes: bool, asked: bool
) -> Handled:
    (seen,) = await daemon.hand_in(config, [submission], handing, tell=aside)
    for finding in seen.findings:
        click.echo(finding_line(finding), err=True)
    if seen.outcome is Outcome.REFUSED:
        return seen
    if seen.outcome is Outcome.DOUBTFUL and not yes and not handing.hold:
        if not asked:
            return seen
        click.echo(seen_line(seen, config.gateway.zone), err=True)
        if not click.confirm("Archive it all the same?", err=True):
            return seen
    stand_by = not handing.hold and (yes or seen.outcome is Outcome.DOUBTFUL)  # never what was not seen
    entering = msgspec.structs.replace(handing, enter=True, stand_by=stand_by)
    (entered,) = await daemon.hand_in(config, [submission], entering, tell=aside)
    for finding in entered.findings:
        if finding not in seen.findings:
            click.echo(finding_line(finding), err=True)
    return entered


def _known(config: Config, meter: str) -> None:
    ids = [one.id for one in config.metered]
    if meter not in ids:
        raise click.UsageError(f"meter '{meter}' is not configured; known: {', '.join(ids[:20]) or 'none'}")


def _moment(text: str, zone: ZoneInfo) -> tuple[datetime | None, str]:
    """An instant, or a day as the desk takes it."""
    now = daemon.now()
    try:
        return None, f"{day_of(text, zone, now):%d.%m.%Y}"
    except ValueError:
        pass
    try:
        return instant_of(text, zone, now).replace(microsecond=0), ""
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


def _print(found: Sequence[tuple[Archived, dict[str, object]]], zone: ZoneInfo) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("seq", "meter", "obis", "value", "unit", "status", "time", "type", "author", "method", "remarks"):
        right = name in ("seq", "value")
        table.add_column(said(name), justify="right" if right else "left", no_wrap=name != "remarks", overflow="fold")
    for archived, facts in found:
        one = archived.reading
        findings = facts.get("findings", [])
        remarks = [str(facts.get("note", "")), *(map(str, findings) if isinstance(findings, list) else ())]
        if facts.get("corrects"):
            remarks.insert(0, f"takes the place of seq {facts['corrects']}")
        if facts.get("held"):
            remarks.insert(0, f"number {facts['held']}, released by {facts.get('released_by', '')}")
        flags = [flag for flag in one.flags.texts if flag != "manual"]
        remarks.append(said_all(flags))
        cells: list[str | Text] = [
            str(archived.seq),
            one.meter,
            one.code,
            one.raw_text,
            one.unit,
            Text(said(one.status.text), style=status_style(one.status.text)),
            local_time(one.at, zone),
            *(visible(str(facts.get(key, ""))) for key in ("type", "author", "method")),
            visible("; ".join(filter(None, remarks))),
        ]
        table.add_row(*cells)
    console().print(table)
