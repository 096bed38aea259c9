"""`gatewayd clock`: what a meter's clock shows and how far it is off; --set puts it right, where that is allowed.

Rules: nothing is sent that changes the meter unless --set is given and the configuration of the meter allows it; the
driver decides whether this is the moment. What was done is archived with the exchange.
"""

import asyncio
from decimal import Decimal
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.output import local_time, print_readings, warn
from gatewayd.cli.session import find_meter, session
from gatewayd.model import Archived, Clock, number


@click.command()
@click.argument("meter")
@click.option("--set", "put_right", is_flag=True, help="Put it right, within the limits of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def clock(config_path: Path, meter: str, put_right: bool, as_json: bool) -> None:
    """Read the clock of METER and say how far it is off."""
    config = daemon.load_config(config_path)
    warn(config_path, config.warnings)
    result = asyncio.run(session(config, find_meter(config, meter), Clock(put_right)))
    if as_json:
        print_readings(result.readings, config.gateway.zone, as_json=True)
    else:
        for archived in result.readings:
            click.echo(
                f"{archived.reading.meter_time or archived.reading.raw_text}   {deviation(archived)}   "
                f"read {local_time(archived.received_at, config.gateway.zone)}, {archived.reading.status.text}"
            )
    if result.fault is not None:
        raise result.fault


def deviation(archived: Archived) -> str:
    """`3.2 s slow`, `0.1 s fast`, `right`, or `no time` where the clock shows none."""
    seconds = number(archived.reading.more[0]) if archived.reading.more else None
    if seconds is None:
        return "no time"
    if seconds == 0:
        return "right"
    return f"{_plain(abs(seconds))} s {'fast' if seconds > 0 else 'slow'}"


def _plain(seconds: Decimal) -> str:
    return format(seconds, "f")
