"""`gatewayd read`: one session with one meter, now. What it brings is printed and archived, whatever happens."""

import asyncio
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.output import print_readings, warn
from gatewayd.cli.session import find_meter, register_code, session
from gatewayd.model import Registers
from gatewayd.obis import Obis


@click.command()
@click.argument("meter")
@click.argument("obis", nargs=-1, type=register_code)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def read(config_path: Path, meter: str, obis: tuple[Obis, ...], as_json: bool) -> None:
    """Read METER now: the given OBIS codes, or everything it sends."""
    config = daemon.load_config(config_path)
    warn(config_path, config.warnings)
    result = asyncio.run(session(config, find_meter(config, meter), Registers(obis)))
    if as_json or result.readings or result.fault is None:
        print_readings(result.readings, config.gateway.zone, as_json=as_json)
    if result.fault is not None:
        raise result.fault
