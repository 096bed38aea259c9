"""`gatewayd status`: how the gateway and its sinks are doing, from the running one, else from what is on the disk."""

import asyncio
from collections.abc import Mapping
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
    """Show how the gateway, its archive and its sinks are doing. Exit code 1 when something is wrong."""
    config = daemon.load_config(config_path)
    document = asyncio.run(_document(config))
    if as_json:
        print_json(document)
    else:
        _print(document, config)
    broken = [sink for sink in document["sinks"] if sink["state"] == "broken"]
    if not document["running"] or document["archive"]["fault"] or broken:
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
    if not document["sinks"]:
        screen.print("no sinks are configured")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("sink", "state", "since", "waiting", "delivered", "set aside", "last delivered"):
        right = name in ("waiting", "delivered", "set aside")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for sink in document["sinks"]:
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
    for sink in document["sinks"]:
        if sink["fault"]:
            tries = f" ({sink['attempts']} attempts)" if sink["attempts"] else ""
            screen.print(Text(f"{sink['id']}: {sink['fault']}{tries}", style="red"), soft_wrap=True)
        if sink["set_aside"]:
            what = "reading is" if sink["set_aside"] == 1 else "readings are"
            screen.print(f"{sink['id']}: {sink['set_aside']} {what} set aside; see gatewayd sink set-aside")


def _when(instant: str | None, config: Config) -> str:
    if instant is None:
        return ""
    return local_time(datetime.fromisoformat(instant), config.gateway.zone)
