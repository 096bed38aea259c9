"""`gatewayd status`: how the gateway, its meters, modems and sinks do: from the running one, else from the disk."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.cli.output import console, local_time, print_json
from gatewayd.config import Config
from gatewayd.control import NotRunning, ask


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def status(config_path: Path, as_json: bool) -> None:
    """Show how the gateway, its archive, meters, modems and sinks are doing. Exit code 1 when something is wrong."""
    config = daemon.load_config(config_path)
    document = asyncio.run(_document(config))
    if as_json:
        print_json(document)
    else:
        _print(document, config)
    broken = [sink for sink in document["sinks"] if sink["state"] == "broken"]
    stuck = [modem for modem in document.get("modems", ()) if modem["fault"] or modem["in_doubt"]]
    if not document["running"] or document["archive"]["fault"] or broken or stuck:
        raise click.exceptions.Exit(1)


async def _document(config: Config) -> dict[str, Any]:
    try:
        return {"running": True, **await ask(config.archive.path, "status")}
    except NotRunning:
        return await asyncio.to_thread(daemon.status_on_disk, config)


def _print(document: Mapping[str, Any], config: Config) -> None:
    archive, screen = document["archive"], console()
    if document["running"]:
        since = _when(document["since"], config)
        screen.print(f"gateway {document['gateway']}: running since {since}, version {document['version']}")
    else:
        screen.print(Text(f"gateway {document['gateway']}: not running", style="red"))
    screen.print(f"archive {config.archive.path}: {archive['head']['seq']} readings")
    if archive["fault"]:
        screen.print(Text(f"archive takes nothing: {archive['fault']}", style="red"))
    for fault in document.get("faults", ()):
        screen.print(Text(f"meter {fault['meter']} cannot be read: {fault['fault']}", style="red"), soft_wrap=True)
    for alarm in document.get("alarms", ()):
        screen.print(Text(f"meter {alarm['meter']}: {alarm['alarm']}", style="yellow"), soft_wrap=True)
    _print_modems(document.get("modems", ()), config)
    _print_listening(document.get("listening", ()), config)
    _print_sinks(document["sinks"], config)


def _print_listening(meters: Sequence[Mapping[str, Any]], config: Config) -> None:
    """Meters that push, and when each was heard last."""
    if not meters:
        return
    table = _table("pushing", "line", "connected", "last heard")
    for meter in meters:
        heard = _when(meter["last_heard_at"], config) or Text("not since the start", style="yellow")
        table.add_row(meter["meter"], meter["line"], "yes" if meter["connected"] else "no", heard)
    console().print(table)


def _print_modems(modems: Sequence[Mapping[str, Any]], config: Config) -> None:
    """What each modem did last; one that waits for somebody to act, or that may still be in a call, is red."""
    if not modems:
        return
    screen = console()
    table = _table("modem", "pool", "last call", "number", "result", "seconds", "signal", "network", "next window")
    for modem in modems:
        call = modem["last_call"]
        table.add_row(
            modem["id"],
            "" if modem["pool"] == modem["id"] else modem["pool"],
            _when(call["at"], config) if call else "",
            call["number"] if call else "",
            Text(call["result"], style="green" if call["result"] == "done" else "yellow") if call else "",
            str(call["seconds"]) if call else "",
            "" if modem["signal_dbm"] is None else f"{modem['signal_dbm']} dBm",
            modem["registration"] or "",
            _when(modem["next_window"], config),
        )
    screen.print(table)
    for modem in modems:
        if modem["fault"]:
            text = f"{modem['id']} is not used until gatewayd is restarted: {modem['fault']}"
            screen.print(Text(text, style="red"), soft_wrap=True)
        if modem["in_doubt"]:
            text = f"{modem['id']} may be in a call that costs money: it has not confirmed that it hung up"
            screen.print(Text(text, style="red"), soft_wrap=True)


def _print_sinks(sinks: Sequence[Mapping[str, Any]], config: Config) -> None:
    screen = console()
    if not sinks:
        screen.print("no sinks are configured")
        return
    table = _table("sink", "state", "since", "waiting", "delivered", "set aside", "last delivered")
    for sink in sinks:
        table.add_row(
            sink["id"],
            Text(sink["state"], style={"connected": "green", "broken": "red"}.get(sink["state"], "")),
            _when(sink["since"], config),
            str(sink["waiting"]),
            "" if sink["delivered"] is None else str(sink["delivered"]),
            str(sink["set_aside"]),
            _when(sink["last_delivered_at"], config),
        )
    screen.print(table)
    for sink in sinks:
        if sink["fault"]:
            tries = f" ({sink['attempts']} attempts)" if sink["attempts"] else ""
            screen.print(Text(f"{sink['id']}: {sink['fault']}{tries}", style="red"), soft_wrap=True)
        if sink["set_aside"]:
            what = "reading is" if sink["set_aside"] == 1 else "readings are"
            screen.print(f"{sink['id']}: {sink['set_aside']} {what} set aside; see gatewayd sink set-aside")


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        right = name in ("waiting", "delivered", "set aside", "seconds", "signal")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    return table


def _when(instant: str | None, config: Config) -> str:
    if instant is None:
        return ""
    return local_time(datetime.fromisoformat(instant), config.gateway.zone)
