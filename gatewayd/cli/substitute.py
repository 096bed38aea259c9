"""`gatewayd substitute`: substitute values by hand: of a day (type A), of a month (type C); what became of them.

Rules: each is looked at as the network operator's portal does it, and refused with all that is wrong; nobody can stand
by a refused one. The running gateway archives it, else this command does. Exit code 1 when nothing was archived.
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from gatewayd import daemon
from gatewayd.cli.aside import aside
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.given import given_day
from gatewayd.cli.groups import Group
from gatewayd.cli.language import lang_option, language, said
from gatewayd.cli.output import NARROW, console, local_time, print_json, print_table, short_time, visible
from gatewayd.cli.point_names import find_point, month_of
from gatewayd.cli.reading_view import check_texts
from gatewayd.cli.session import obis_code
from gatewayd.cli.signed import Signed
from gatewayd.config import Config
from gatewayd.daemon.derived import DerivedReader, derived_folder
from gatewayd.daemon.entered import Entered
from gatewayd.daemon.substitute_orders import channel_of, channels_of
from gatewayd.manual.submission import LONGEST_TEXT
from gatewayd.manual.table import LONGEST_CELL
from gatewayd.metering.era import day_of_era
from gatewayd.metering.manual_history import State, Submission
from gatewayd.metering.manual_substitute import Check
from gatewayd.metering.points import MeteringPoint
from gatewayd.metering.register_state import counts_up
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

_TOLD = {
    "sent": State.SENT,
    "accepted": State.ACCEPTED,
    "rejected": State.REJECTED,
    "withdrawn": State.SUPERSEDED,
}
"""What may become of a value, as people say it."""


@click.group(cls=Group)
def substitute() -> None:
    """Substitute values by hand: of a day (type A), of a month (type C); list them, tell what became of one."""


@substitute.command("set", cls=Signed)
@click.argument("point")
@click.argument("obis", type=obis_code)
@click.argument("value")
@click.option("--day", required=True, metavar="DAY", help="The day that it is for: 2026-11-26, yesterday.")
@click.option("--author", default="", help="Whose value it is.  [default: the user]")
@click.option("--note", default="", help=f"A remark that is archived with it, up to {LONGEST_TEXT} characters.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def set_(
    config_path: Path, point: str, obis: Obis, value: str, day: str, author: str, note: str, as_json: bool
) -> None:
    """Enter the VALUE of a whole day of POINT (id, EIC or EAN), a whole number in the unit of its channel OBIS.

    Until 11:00:00 of the day after; as long as there is no true value; the last one counts.
    """
    config = daemon.load_config(config_path)
    found = find_point(config, point)
    check_texts({"--note": note, "--author": author})
    check_texts({"VALUE": value}, LONGEST_CELL)
    code = _channel(config, found, obis)
    order = daemon.Order(found.id, str(code), _day(day, config.gateway.zone), value, author=author, note=note)
    _told(asyncio.run(daemon.place(config, order, aside)), as_json=as_json)


@substitute.command(cls=Signed)
@click.argument("point")
@click.argument("obis", type=obis_code)
@click.argument("value")
@click.option("--month", required=True, metavar="MONTH", help="The month that it is for: 2026-03.")
@click.option("--author", default="", help="Who has estimated it.  [required]")
@click.option("--note", default="", help=f"Of what it was estimated, up to {LONGEST_TEXT} characters.  [required]")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def estimate(
    config_path: Path, point: str, obis: Obis, value: str, month: str, author: str, note: str, as_json: bool
) -> None:
    """Estimate the VALUE of a month of POINT, type C without a load profile, in the unit of its register OBIS.

    It counts as long as there is no metering to compare with; the last one counts.
    """
    config = daemon.load_config(config_path)
    found = find_point(config, point)
    check_texts({"--note": note, "--author": author})
    check_texts({"VALUE": value}, LONGEST_CELL)
    code = _register(config, found, obis)
    order = daemon.Order(found.id, str(code), month_of(month), value, author=author, note=note, month=True)
    _told(asyncio.run(daemon.place(config, order, aside)), as_json=as_json)


@substitute.command()
@click.argument("number", type=click.IntRange(min=1))
@click.argument("state", type=click.Choice(list(_TOLD)))
@click.option("--author", default="", help="Who says so.  [default: the user]")
@click.option("--note", default="", help=f"A remark that is archived with it, up to {LONGEST_TEXT} characters.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def mark(config_path: Path, number: int, state: str, author: str, note: str, as_json: bool) -> None:
    """Tell what became of the value with this NUMBER: sent to the market operator, accepted or rejected there.

    A rejected value does not count any more. One that was not sent yet may be withdrawn, and so may an estimate.
    """
    config = daemon.load_config(config_path)
    check_texts({"--note": note, "--author": author})
    if not derived_folder(config.archive.path).is_dir():
        raise click.ClickException(f"there is no value with the number {number}: nothing was entered yet")
    order = daemon.Order(number=number, state=_TOLD[state].value, author=author, note=note)
    _told(asyncio.run(daemon.place(config, order, aside)), as_json=as_json)


@substitute.command("list")
@click.argument("point", required=False)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def list_(config_path: Path, point: str | None, as_json: bool) -> None:
    """List what was entered for POINT or for all: each step with its author and time."""
    config = daemon.load_config(config_path)
    wanted = find_point(config, point).id if point is not None else None
    entries = Entered(derived_folder(config.archive.path), lambda text: click.echo(f"warning: {text}", err=True))
    found = {number: one for number, one in entries.known().items() if wanted is None or one.subject.point == wanted}
    if as_json:
        print_json({"substitutes": [_document(one, entries.unit(number)) for number, one in found.items()]})
    elif found:
        _print(found, entries, config.gateway.zone)
    else:
        click.echo(said("no substitute values by hand"))


def _channel(config: Config, point: MeteringPoint, code: Obis) -> Obis:
    reader = DerivedReader(derived_folder(config.archive.path))
    found = channel_of(point, code, reader)
    if found is not None:
        return found
    known = ", ".join(one.reduced() for one in channels_of(point, reader)) or "no channel yet: name them in `channels`"
    raise click.BadParameter(f"point {point.id} has no {code.reduced()}; it has {known}", param_hint="OBIS")


def _register(config: Config, point: MeteringPoint, code: Obis) -> Obis:
    """The register that is estimated; of a point of which nothing was read yet any one of energy or volume."""
    named = point.channels or channels_of(point, DerivedReader(derived_folder(config.archive.path)))
    if code in named or (not named and counts_up(code) and not code.historical):
        return code
    known = ", ".join(one.reduced() for one in named) or "nothing yet; expected a register such as 1.8.0"
    raise click.BadParameter(f"point {point.id} has no {code.reduced()}; it has {known}", param_hint="OBIS")


def _day(text: str, zone: ZoneInfo) -> date:
    try:
        return day_of_era(given_day(text, zone, "--day"))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--day") from None


# -- what is said ------------------------------------------------------------------------------------------------------


def _told(result: "daemon.Result", *, as_json: bool) -> None:
    if as_json:
        print_json({"substitute": _result(result)})
    if not result.done:
        for one in result.refused:
            click.echo(f"{one.text}: {one.said(language())}", err=True)
        if result.problem:
            click.echo(result.problem, err=True)
        if any(one.check == Check.EIC_LENGTH.name and not one.eic for one in result.refused):
            click.echo(f"point {result.point} has no EIC; write it into the configuration", err=True)
        click.echo(said("not archived"), err=True)
        raise click.exceptions.Exit(ExitCode.FAULT)
    if not as_json:
        what = f"{result.point} {Obis.parse(result.obis).reduced()} {result.period}: {result.amount} {result.unit}"
        state = _state(State(result.state))
        click.echo(f"{said('number')} {result.number}: {what}, {state} ({result.author})")


def _result(result: "daemon.Result") -> dict[str, object]:
    return {
        "archived": result.done,
        "number": result.number or None,
        "point": result.point or None,
        "obis": result.obis or None,
        "day": result.period or None if not result.month else None,
        "month": result.period if result.month else None,
        "value": result.amount or None,
        "unit": result.unit or None,
        "state": result.state or None,
        "author": result.author or None,
        "refused": [{"check": one.text, "text": one.said(), "text_cs": one.said("cs")} for one in result.refused],
        "problem": result.problem or None,
    }


def _document(one: Submission, unit: str) -> dict[str, object]:
    return {
        "number": one.number,
        "point": one.subject.point,
        "obis": str(one.subject.obis),
        "day": None if one.subject.month else one.subject.period,
        "month": one.subject.period if one.subject.month else None,
        "value": one.amount,
        "unit": unit or None,
        "state": one.state.value,
        "history": [
            {"state": step.state.value, "author": step.author, "at": rfc3339(step.at), "note": step.note}
            for step in one.history
        ],
    }


def _state(state: State) -> str:
    return state.czech if language() == "cs" else state.value


def _print(found: Mapping[int, Submission], entries: Entered, zone: ZoneInfo) -> None:
    screen = console()
    time = short_time if screen.is_terminal and screen.width < NARROW else local_time
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("number", "point", "obis", "day or month", "value", "unit", "state", "entered by", "time", "note"):
        right = name in ("number", "value")
        folded = name == "note"
        table.add_column(said(name), justify="right" if right else "left", no_wrap=not folded, overflow="fold")
    for number, one in found.items():
        subject = one.subject
        head = [str(number), subject.point, subject.obis.reduced(), subject.period, f"{one.amount:f}"]
        for step in one.history:
            said_step = (_state(step.state), step.author, time(step.at, zone), step.note)
            table.add_row(*head, entries.unit(number) if head[0] else "", *map(visible, said_step))
            head = [""] * len(head)
    print_table(screen, table)
