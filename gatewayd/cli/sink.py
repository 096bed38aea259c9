"""`gatewayd sink`: is a broker or database fit for readings, what it did not get, and giving it something again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.archive import set_aside as asides
from gatewayd.archive.follow import Follower
from gatewayd.archive.selection import Selection
from gatewayd.cli.aside import aside
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.given import given_time
from gatewayd.cli.groups import Group
from gatewayd.cli.output import console, local_time, print_json, print_table
from gatewayd.cli.plural import counted
from gatewayd.cli.progress import patience, progress
from gatewayd.cli.session import obis_code
from gatewayd.config import Config, SinkSettings
from gatewayd.daemon.derived import derived_folder
from gatewayd.errors import GatewayError, SinkError
from gatewayd.metering.values import Layer
from gatewayd.obis import Obis
from gatewayd.sink.check import Level, Remark
from gatewayd.sink.payload import rfc3339

_LAST = (1 << 63) - 1
_COLOURS = {Level.FINE: "green", Level.WARNING: "yellow", Level.ERROR: "red"}


@click.group(cls=Group)
def sink() -> None:
    """Brokers and databases."""


@sink.command()
@click.argument("sinks", nargs=-1, metavar="[SINK]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def check(config_path: Path, sinks: tuple[str, ...], as_json: bool) -> None:
    """Connect, write a probe, read it back, and look for settings by which data silently vanish.

    It may be run beside the gateway. Exit code 1 when there is an error."""
    config = daemon.load_config(config_path)
    found = {}
    for settings in _chosen(config, sinks):
        with patience(f"sink {settings.id}"):
            found[settings.id] = asyncio.run(_checked(config, settings))
    if as_json:
        print_json({"ok": not _failed(found.values()), "sinks": [_object(name, found[name]) for name in found]})
    else:
        for name, remarks in found.items():
            _print_remarks(name, remarks)
    if _failed(found.values()):
        raise click.exceptions.Exit(ExitCode.FAULT)


@sink.command("set-aside")
@click.argument("sinks", nargs=-1, metavar="[SINK]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--clear", is_flag=True, help="Forget them, after they have been looked at. A SINK must be named.")
@click.option("--derived", is_flag=True, help="Derived values of metering points instead of readings.")
@click.pass_obj
def set_aside(config_path: Path, sinks: tuple[str, ...], as_json: bool, clear: bool, derived: bool) -> None:
    """List the readings that sinks did not get, and why. They are in the archive all the same.

    A sink that has been taken out of the configuration may be named as well."""
    config = daemon.load_config(config_path)
    folder = derived_folder(config.archive.path) if derived else config.archive.path
    if clear:
        if not sinks:
            raise click.UsageError("--clear needs the name of a sink")
        cleared = {name: _forgotten(config, folder, name) for name in dict.fromkeys(sinks)}
        if as_json:
            print_json({"cleared": [{"sink": name, "rows": count} for name, count in cleared.items()]})
            return
        for name, count in cleared.items():
            gone = counted(count, "row")
            what, option = ("derived values", " --derived") if derived else ("readings", "")
            click.echo(f"{name}: {gone} forgotten; the {what} are in the archive: gatewayd sink replay {name}{option}")
        return
    found = [aside for aside in asides.listed(folder) if not sinks or aside.sink in sinks]
    if as_json:
        rows = [
            {
                "sink": aside.sink,
                "from": aside.first,
                "to": aside.last,
                "at": None if aside.at is None else rfc3339(aside.at),
                "reason": aside.reason,
            }
            for aside in found
        ]
        print_json({"set_aside": rows})
        return
    if not found:
        click.echo("nothing was set aside")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("sink", "from", "to", "time", "reason"):
        table.add_column(name, justify="right" if name in ("from", "to") else "left", overflow="fold")
    for one in found:
        when = "" if one.at is None else local_time(one.at, config.gateway.zone)
        table.add_row(one.sink, str(one.first), str(one.last), when, Text(one.reason))
    print_table(console(), table)


@sink.command()
@click.argument("name", metavar="SINK")
@click.option("--from", "first", type=click.IntRange(min=1), help="First sequence number.")
@click.option("--to", "last", type=click.IntRange(min=1), help="Last sequence number; the newest when absent.")
@click.option("--derived", is_flag=True, help="Derived values of metering points, by the numbers of their own archive.")
@click.option("--point", metavar="POINT", help="Derived values of this point only.")
@click.option("--layer", type=click.Choice([layer.value for layer in Layer]), help="Derived values of this layer only.")
@click.option("--obis", type=obis_code, help="Derived values of this code only.")
@click.option("--since", metavar="TIME", help="Derived values that end after this time; a day is its beginning.")
@click.option("--until", metavar="TIME", help="Derived values that do not end after this time; a day is its end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def replay(
    config_path: Path,
    name: str,
    first: int | None,
    last: int | None,
    derived: bool,
    point: str | None,
    layer: str | None,
    obis: Obis | None,
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Give a sink readings of the archive again, for instance after it has lost them.

    With --derived, or an option of those for derived values, it is given those. It may be run beside the gateway,
    whose own deliveries go on; it is in the audit log. Over MQTT nothing is retained: the latest value of a register
    stays what it is. A database in which a later version takes the place of the one before gets the newest ones."""
    config = daemon.load_config(config_path)
    (settings,) = _chosen(config, (name,))
    if last is not None and first is not None and last < first:
        raise click.UsageError(f"--to {last} is before --from {first}")
    named = (point, layer, obis, since, until)
    if derived or any(one is not None for one in named):
        if first is None and point is None and since is None:
            raise click.UsageError("derived values need a limit: --from, --point or --since")
        zone = config.gateway.zone
        begin = None if since is None else given_time(since, zone, "--since")
        end = None if until is None else given_time(until, zone, "--until", end=True)
        code = None if obis is None else str(obis)
        wanted = Selection(point, layer, code, first or 1, last or _LAST, begin, end)
        _derived_replay(config, settings, wanted, as_json)
        return
    if first is None:
        raise click.UsageError("Missing option '--from'.")
    head = Follower(config.archive.path).end()
    if first > head:
        raise click.UsageError(f"--from {first} is behind the end of the archive ({head})")
    last = min(head if last is None else last, head)
    work, words = partial(daemon.replay, config, settings, first, last), f"readings {first} to {last}"
    with progress("readings", max(last - first + 1, 0)) as show:
        replayed = asyncio.run(_audited(config, settings, words, partial(work, show)))
    _tell(name, replayed, "reading", {"from": first, "to": last}, "readings", as_json)


def _derived_replay(config: Config, settings: SinkSettings, wanted: Selection, as_json: bool) -> None:
    end = asyncio.run(daemon.derived_end(config))
    if wanted.first > end:
        raise click.UsageError(f"--from {wanted.first} is behind the end of the archive of derived values ({end})")
    wanted = replace(wanted, last=min(wanted.last, end))
    work = partial(daemon.replay_derived, config, settings, wanted)
    with progress("values", wanted.last - wanted.first + 1) as show:
        replayed = asyncio.run(_audited(config, settings, _words(wanted), partial(work, show)))
    facts: dict[str, object] = {
        "from": wanted.first,
        "to": wanted.last,
        "derived": True,
        "point": wanted.meter,
        "layer": wanted.obis_raw,
        "obis": wanted.obis,
        "since": None if wanted.begin is None else rfc3339(wanted.begin),
        "until": None if wanted.end is None else rfc3339(wanted.end),
    }
    _tell(settings.id, replayed, "derived value", facts, "values", as_json)


def _words(wanted: Selection) -> str:
    """What is wanted, for the audit log."""
    parts = [f"derived values {wanted.first} to {wanted.last}"]
    parts += [
        f"{what} {text}"
        for what, text in (("point", wanted.meter), ("layer", wanted.obis_raw), ("code", wanted.obis))
        if text is not None
    ]
    parts += [
        f"{what} {rfc3339(at)}" for what, at in (("after", wanted.begin), ("until", wanted.end)) if at is not None
    ]
    return ", ".join(parts)


def _tell(
    name: str, replayed: daemon.Replayed, thing: str, facts: dict[str, object], things: str, as_json: bool
) -> None:
    """Print what has become of it; exit code 1 where something is refused."""
    if as_json:
        refused = [{"seq": number, "reason": reason} for number, reason in replayed.refused]
        print_json({"sink": name, **facts, things: replayed.count, "refused": refused})
    else:
        click.echo(f"{name}: {counted(replayed.count, thing)} delivered again")
    for number, reason in replayed.refused:
        click.echo(f"{name}: {thing} {number} is refused: {reason}", err=True)
    if replayed.refused:
        raise click.exceptions.Exit(ExitCode.FAULT)


def _forgotten(config: Config, folder: Path, name: str) -> int:
    """Of how many rows the list of a sink was; `folder` is the archive, the raw one or the derived one."""
    count = asides.clear(folder, name)
    if count:
        of = "" if folder == config.archive.path else " of derived values"
        asyncio.run(_note(config, daemon.FORGOTTEN, name, "done", f"{counted(count, 'row')}{of}"))
    return count


async def _audited(
    config: Config, settings: SinkSettings, words: str, work: Callable[[], Awaitable[daemon.Replayed]]
) -> daemon.Replayed:
    """What `work` gives, which is in the audit log then, whatever came of it."""
    result, detail = "cancelled", ""
    try:
        found = await work()
        refused = f", {len(found.refused)} refused" if found.refused else ""
        result, detail = "done", f": {found.count} delivered again{refused}"
        return found
    except GatewayError as fault:
        result, detail = "fault", f": {fault}"
        raise
    finally:
        await _note(config, daemon.REPLAYED, settings.id, result, f"{words}{detail}")


async def _note(config: Config, kind: str, name: str, result: str, detail: str) -> None:
    """What is done is done: that it is not in the audit log is told, and no reason to say that it has failed."""
    try:
        await daemon.note(config, kind, name, result, detail, aside)
    except (GatewayError, OSError) as fault:
        click.echo(f"this is not in the audit log: {fault}", err=True)


def _chosen(config: Config, names: Iterable[str]) -> list[SinkSettings]:
    known = {settings.id: settings for settings in config.sinks}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"there is no sink {', '.join(unknown)}; there are: {', '.join(known) or 'none'}")
    if not known:
        raise click.UsageError("no sinks are configured")
    return [known[name] for name in names] or list(config.sinks)


async def _checked(config: Config, settings: SinkSettings) -> list[Remark]:
    sink = daemon.build_sink(config, settings, lambda: (0, None), quiet=True)
    try:
        return await sink.check(config.archive.retention_months + config.archive.undelivered_months)
    except SinkError as fault:
        return [Remark(Level.ERROR, str(fault))]


def _failed(found: Iterable[list[Remark]]) -> bool:
    return any(remark.level is Level.ERROR for remarks in found for remark in remarks)


def _object(name: str, remarks: list[Remark]) -> dict[str, object]:
    return {
        "id": name,
        "ok": not _failed([remarks]),
        "remarks": [
            {"level": remark.level.value, "text": remark.text, "remedy": remark.remedy or None} for remark in remarks
        ],
    }


def _print_remarks(name: str, remarks: list[Remark]) -> None:
    screen = console()
    screen.print(Text(name, style="bold"))
    for remark in remarks:
        screen.print(Text.assemble("  ", (f"{remark.level.value:<8}", _COLOURS[remark.level]), remark.text))
        if remark.remedy:
            screen.print(Text(f"          -> {remark.remedy}"))
