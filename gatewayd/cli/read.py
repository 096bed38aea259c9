"""`gatewayd read`: one session with one meter, now. What it brings is printed and archived, whatever happens."""

import asyncio
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.language import lang_option
from gatewayd.cli.output import print_readings
from gatewayd.cli.own_warnings import warn_of
from gatewayd.cli.session import find_meter, register_code, session
from gatewayd.model import Registers
from gatewayd.obis import Obis


@click.command()
@click.argument("meter")
@click.argument("obis", nargs=-1, type=register_code)
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def read(config_path: Path, meter: str, obis: tuple[Obis, ...], as_json: bool) -> None:
    """Read METER now: the given OBIS codes, or everything it sends."""
    config = daemon.load_config(config_path)
    settings = find_meter(config, meter)
    warn_of(config_path, config, settings)
    result = asyncio.run(session(config, settings, Registers(obis)))
    if as_json or result.readings or result.fault is None:
        print_readings(result.readings, config.gateway.zone, as_json=as_json)
    if result.fault is not None:
        raise result.fault
