"""`gatewayd run`: the daemon in the foreground, as systemd wants it.

Rules: until `daemon.run` heeds SIGTERM, it ends the process at once, with 0 (gatewayd/cli/__init__.py): nothing that
would have to be undone is begun here.
"""

import asyncio
import logging
import sys
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.output import warn


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Log every session.")
@click.pass_obj
def run(config_path: Path, verbose: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C. SIGHUP, or gatewayd reload, takes the configuration as it is then."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
    )
    config = daemon.load_config(config_path)
    warn(config_path, config.warnings)
    asyncio.run(daemon.run(config, config_path.absolute()))
