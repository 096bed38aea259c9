"""`gatewayd doctor`: what is wrong, and what to do about it. The first command when something is.

Rules: changes nothing, opens no serial line, shows no secret, and is through within 10 s whatever hangs. Exit code 0
when there is no error (warnings and notes there may be), 1 when there is one.
"""

import asyncio
import contextlib
import os
import pwd
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from gatewayd import __version__, daemon
from gatewayd.cli.check import summary_of
from gatewayd.cli.output import console, print_json
from gatewayd.config import Config
from gatewayd.control import NotRunning, ask
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.fitness import judge_secrets
from gatewayd.daemon.roles import group_number
from gatewayd.daemon.threads import DaemonThreads
from gatewayd.doctor import (
    Finding,
    Level,
    Look,
    Looks,
    Scene,
    Unseen,
    ratios,
    readings,
    secret_files,
    serial_ports,
    sinks,
    verification,
)
from gatewayd.doctor import archive as archives
from gatewayd.doctor import clock as clocks
from gatewayd.doctor import configuration as configurations
from gatewayd.doctor import disk as disks
from gatewayd.doctor import gateway as gateways
from gatewayd.doctor import metering as meterings
from gatewayd.doctor import network as networks
from gatewayd.doctor.account import Account, account_of, own_account
from gatewayd.doctor.findings import AREAS, unseen
from gatewayd.doctor.looking import within
from gatewayd.doctor.processes import user_of_process
from gatewayd.doctor.service import service, unit_of
from gatewayd.doctor.software import software
from gatewayd.errors import ConfigError, GatewayError, SinkError
from gatewayd.sink.check import Remark, error

_ALL_S = 7.5
"""With the start of the interpreter and the imports everything is said within 10 s."""
_LOADING_S = 4.5
_ASKING_S = 2.0
_PACKAGED = "gatewayd"
"""The user that the package makes."""
_COLOURS = {Level.FINE: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.ERROR: "red"}
_LEVELS = tuple(_COLOURS)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--network/--no-network", default=True, help="Connect to endpoints, brokers and databases, or do not.")
@click.option("-q", "--quiet", is_flag=True, help="Leave out what is all right.")
@click.pass_obj
def doctor(config_path: Path, as_json: bool, network: bool, quiet: bool) -> None:
    """Look for what is wrong with this machine, the configuration and the gateway, each with its remedy.

    Changes nothing and opens no serial line; through within 10 s. To TCP endpoints it connects and sends nothing; of
    brokers and databases it makes the same check as `gatewayd sink check`. As another user than root or the gateway's
    own it cannot see everything, and says so. Exit code 1 when there is an error."""
    with _patience():
        found = _looked(config_path, network=network)
    found.sort(key=lambda one: AREAS.index(one.area))
    if as_json:
        hidden = sum(one.unseen for one in found)
        print_json({"ok": not _failed(found), "unseen": hidden, "findings": [one.document for one in found]})
    else:
        _print(found, quiet=quiet)
    if _failed(found):
        raise click.exceptions.Exit(1)


def _looked(path: Path, *, network: bool) -> list[Finding]:
    looks = Looks(time.monotonic() + _ALL_S)
    looks.begin(Look("software", "software", software))
    unit = unit_of(path)
    try:
        config = within(lambda: daemon.load_config(path), _LOADING_S)
    except ConfigError as fault:
        looks.begin(Look("clock", "synchronisation", lambda: clocks.clock(trusted=False)))
        looks.begin(Look("service", unit, lambda: service(unit, running=None)))
        return [*configurations.judged_faults(path, fault.findings), *looks.collect()]
    except Unseen as fault:
        return [unseen(configurations.AREA, str(path), f"could not be loaded: {fault}", "df; uptime"), *looks.collect()]
    scene, why = _scene(config, path, unit)
    secret_files.borrow_credentials(unit)
    looks.begin(*_looks(scene, why, network=network))
    warnings = (*config.warnings, *(one for one in daemon.doubts(config) if not one.key.endswith("_file")))
    return [*configurations.judged_warnings(path, summary_of(config), warnings), *looks.collect()]


def _looks(scene: Scene, why: str, *, network: bool) -> list[Look]:
    config = scene.config
    now, months = daemon.now(), config.archive.retention_months
    today = now.astimezone(config.gateway.zone).date()
    found = [
        Look("gateway", "running", lambda: gateways.gateway(scene, why)),
        Look("service", scene.unit, lambda: service(scene.unit, scene.running)),
        Look("permissions", str(scene.archive), lambda: archives.folder(scene, group_number(config.control.group))),
        Look("secrets", "files", lambda: secret_files.secret_files(scene, partial(judge_secrets, config))),
        Look("serial", "ports", lambda: networks.gathered(serial_ports.serial_ports(scene))),
        Look("network", "listening", lambda: networks.gathered(networks.listening_ports(scene))),
        Look("metering", "derived archive", lambda: meterings.derived_archive(scene)),
        Look("metering", "points", lambda: meterings.points(scene)),
        Look("metering", "verification", lambda: verification.judged(config.points, today)),
        Look("metering", "ratios", lambda: ratios.judged(config.points, scene.archive, config.gateway.zone)),
        Look("archive", "files", lambda: archives.files(scene)),
        Look("archive", "readings by hand", lambda: readings.judged(scene.archive, now, months)),
        Look("archive", "beside it", lambda: archives.aside(scene)),
        Look("disk", "file system", lambda: disks.mounts(scene)),
        Look("disk", "room", lambda: disks.room(scene)),
        Look("clock", "synchronisation", lambda: clocks.clock(trusted=config.gateway.clock == "trusted")),
        Look("clock", "time", lambda: clocks.time_and_zone(scene)),
    ]
    if scene.status is not None:
        status = scene.status
        found.append(Look("sinks", "delivery", lambda: sinks.judged_state(status)))
    if network:
        found.append(Look("network", "endpoints", lambda: networks.gathered(networks.network(scene))))
        check = partial(_check, config)
        hidden = secret_files.out_of_reach(config)
        for one in config.sinks:
            reachable = f"sink {one.id}" not in hidden
            found.append(Look("sinks", one.id, partial(sinks.sink, one.id, check, reachable=reachable)))
    return found


def _scene(config: Config, path: Path, unit: str) -> tuple[Scene, str]:
    """And why it is not known whether the gateway runs, where it is not."""
    folder, why = config.archive.path, ""
    running: bool | None = True
    status: dict[str, Any] | None = None
    try:
        status = within(lambda: asyncio.run(ask(folder, "status")), _ASKING_S)
    except NotRunning:
        running = False
    except (GatewayError, PermissionError, Unseen) as fault:
        running, why = None, str(fault)
    pid = None if status is None else int(status["pid"])
    derived = derived_folder(folder) if config.points else None
    elsewhere = None
    if running is False:
        with contextlib.suppress(Unseen):
            elsewhere = within(lambda: daemon.gateway_elsewhere(config), _ASKING_S)
    seen = Scene(
        config, path, own_account(), _service(folder, pid), running, status, __version__, unit, elsewhere, derived
    )
    return seen, why


def _service(folder: Path, pid: int | None) -> Account:
    """Who the gateway runs as: the process where it runs, else who has the archive, else the user of the package."""
    uid = None if pid is None else user_of_process(pid)
    if uid is None:
        with contextlib.suppress(OSError, Unseen):
            uid = within(lambda: folder.stat().st_uid, 1.0)
    if uid is None:
        with contextlib.suppress(KeyError):
            uid = pwd.getpwnam(_PACKAGED).pw_uid
    return account_of(os.geteuid() if uid is None else uid)


def _check(config: Config, name: str) -> Sequence[Remark]:
    settings = next(one for one in config.sinks if one.id == name)

    async def checked() -> Sequence[Remark]:
        asyncio.get_running_loop().set_default_executor(DaemonThreads())  # the end waits for none of them
        made = daemon.build_sink(config, settings, lambda: (0, None), quiet=True)
        try:
            return await made.check(config.archive.retention_months + config.archive.undelivered_months)
        except SinkError as fault:
            return [error(str(fault), f"gatewayd sink check {name}")]

    return asyncio.run(checked())


def _failed(found: Sequence[Finding]) -> bool:
    return any(one.level is Level.ERROR for one in found)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """A word in a terminal: some looks take their time."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status("looking; at most 10 s"):
        yield


def _print(found: Sequence[Finding], *, quiet: bool) -> None:
    screen = console()
    for area in AREAS:
        ours = [one for one in found if one.area == area and not (quiet and one.level is Level.FINE)]
        if not ours:
            continue
        screen.print(Text(area, style="bold"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(width=9)
        table.add_column(overflow="fold", ratio=2, max_width=40)
        table.add_column(overflow="fold", ratio=5)
        for one in ours:
            told = Text(one.text)
            if one.remedy:
                told.append(f"\n-> {one.remedy}", style="bold" if one.level is Level.ERROR else "")
            table.add_row(Text(f"  {one.level.value}", style=_COLOURS[one.level]), Text(one.subject), told)
        screen.print(table)
    screen.print(Text(summary(found), style=_COLOURS[max((one.level for one in found), key=_LEVELS.index)]))
    hidden = sum(one.unseen for one in found)
    if hidden:
        things = "1 thing was" if hidden == 1 else f"{hidden} things were"
        text = f"{things} not seen, and may be wrong all the same"
        click.echo(text if os.geteuid() == 0 else f"{text}: sudo gatewayd doctor", file=sys.stdout)


def summary(found: Sequence[Finding]) -> str:
    """`2 errors, 1 warning`."""
    counts = [(sum(one.level is level for one in found), level.value) for level in (Level.ERROR, Level.WARNING)]
    told = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts if count]
    return ", ".join(told) or "no errors, no warnings"
