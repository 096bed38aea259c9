"""`gatewayd reload`: the running gateway takes its configuration file as it is now, or says why not.

Rules: the gateway loads and checks its own file; with a fault in it everything stays as it was, and the exit code is 2.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import click

from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.output import print_json
from gatewayd.cli.progress import patience
from gatewayd.cli.where import archive_folder
from gatewayd.control import NotRunning, follow
from gatewayd.errors import ConfigError, GatewayError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def reload(config_path: Path, as_json: bool) -> None:
    """Have the running gateway take its configuration file as it is now. What is unchanged goes on undisturbed."""
    folder = archive_folder(config_path)
    if folder is None:
        from gatewayd import daemon

        folder = daemon.load_config(config_path).archive.path
    try:
        with patience("the gateway loads its configuration"):
            file, found = asyncio.run(_reloaded(folder))
    except NotRunning:
        from gatewayd import daemon

        with contextlib.suppress(ConfigError):  # of a file that nobody runs with
            daemon.check_elsewhere(daemon.load_config(config_path))
        raise
    if as_json:
        print_json({"file": file, **found})
    if found["event"] == "refused":
        click.echo(found["fault"], err=True)
        click.echo("nothing was changed: the gateway goes on with the configuration that it has", err=True)
        raise click.exceptions.Exit(ExitCode.USAGE)
    for warning in found["warnings"] if not _in_the_log() else ():
        click.echo(f"warning: {warning}", err=True)
    if not as_json:
        click.echo(f"{file}: {found['summary']}")


def _in_the_log() -> bool:
    """Whether standard error is the journal, where the gateway has told its warnings, with their priority."""
    if "JOURNAL_STREAM" not in os.environ:
        return False
    from gatewayd.daemon.journal import STANDARD_ERROR, is_journal

    return is_journal(STANDARD_ERROR, os.environ)


async def _reloaded(folder: Path) -> tuple[str, Mapping[str, Any]]:  # whatever JSON has
    """The file that the gateway has loaded, and what came of it."""
    file = ""
    async with aclosing(follow(folder, "reload")) as events:
        async for event in events:
            if event["event"] != "loading":
                return file, event
            file = event["file"]
    raise GatewayError("the gateway has stopped before the configuration was loaded")
