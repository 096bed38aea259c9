"""`gatewayd clock`: what a meter's clock shows and how far it is off; --set puts it right, where that is allowed.

Rules: nothing is sent that changes the meter unless --set is given and the configuration of the meter allows it; the
driver decides whether this is the moment. What was done is archived with the exchange.
"""

import asyncio
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.clock_text import clock_line, is_clock, printable
from gatewayd.cli.language import lang_option, said
from gatewayd.cli.output import local_time, print_readings
from gatewayd.cli.own_warnings import warn_of
from gatewayd.cli.session import find_asked_meter, session
from gatewayd.model import Clock


@click.command()
@click.argument("meter")
@click.option("--set", "put_right", is_flag=True, help="Put it right, within the limits of the configuration.")
@lang_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def clock(config_path: Path, meter: str, put_right: bool, as_json: bool) -> None:
    """Read the clock of METER and say how far it is off."""
    config = daemon.load_config(config_path)
    settings, zone = find_asked_meter(config, meter), config.gateway.zone
    warn_of(config_path, config, settings)
    result = asyncio.run(session(config, settings, Clock(put_right)))
    if as_json:
        print_readings(result.readings, zone, as_json=True)
    else:
        for archived in result.readings:
            reading = archived.reading
            # IEC 62056-21 has time and date by themselves, without saying of which zone.
            text = clock_line(reading) if is_clock(reading) else f"{reading.code}  {printable(reading.raw_text)}"
            click.echo(f"{text}   ({said('read {time}').format(time=local_time(reading.at, zone))})")
    if put_right and result.fault is None:
        for remark in result.remarks[-1:]:  # before it comes what was going to be done
            click.echo(remark, err=as_json)
    if result.fault is not None:
        raise result.fault
