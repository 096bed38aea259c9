"""`gatewayd run`: the daemon in the foreground, as systemd wants it.

Rules: until `daemon.run` heeds SIGTERM, it ends the process at once, with 0 (gatewayd/cli/__init__.py): nothing that
would have to be undone is begun here. A process that is aborted, by the watchdog of systemd above all, says where it
was.
"""

import asyncio
import contextlib
import faulthandler
import logging
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.output import warn
from gatewayd.errors import ArchiveError, NotPermitted

log = logging.getLogger("gatewayd.config")


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Log every session.")
@click.pass_obj
def run(config_path: Path, verbose: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C. SIGHUP, or gatewayd reload, takes the configuration as it is then."""
    faulthandler.enable(daemon.STANDARD_ERROR)
    journal = daemon.log_to_standard_error(logging.DEBUG if verbose else logging.INFO)
    daemon.forbid_dumps()
    config = daemon.load_config(config_path)
    if journal:
        for finding in config.warnings:
            log.warning("%s", finding.text(str(config_path)))
    else:
        with contextlib.suppress(OSError):  # where messages go the disk may be full: that is no reason not to read
            warn(config_path, config.warnings)
    try:
        asyncio.run(daemon.run(config, config_path.absolute()))
    except NotPermitted as error:  # 1, and not 3, after which systemd gives up: a disk may be mounted in a moment
        raise ArchiveError(str(error)) from error
