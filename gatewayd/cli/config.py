"""`gatewayd config`: what may stand in a configuration, how one begins, and whether a file is right.

Rules: nothing here needs a configuration that works. Examples are files in examples/, one for each driver, and load as
they are; `lint` judges the text of any file, `check` that of the one in use and this machine besides.
"""

import sys
from importlib import resources
from pathlib import Path

import click

from gatewayd import daemon
from gatewayd.cli.check import Verdict, judged
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.groups import Group
from gatewayd.cli.output import print_json
from gatewayd.config import json_schema, parse

_STDIN = Path("-")
DRIVERS = tuple(daemon.DRIVER_OPTIONS)


@click.group(cls=Group)
def config() -> None:
    """The definition of the configuration, examples, lint."""


@config.command()
@click.option("--json", "_as_json", is_flag=True, help="As always: the schema is a JSON document.")
def schema(_as_json: bool) -> None:
    """Print the JSON Schema of the configuration, for editors and validators."""
    print_json(json_schema(daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS))


@config.command()
@click.argument("driver", type=click.Choice(DRIVERS), default=DRIVERS[0])
def example(driver: str) -> None:
    """Print a configuration to begin with, with comments, for meters that are read by DRIVER.

    It loads as it is; addresses, devices and key files are to be replaced. Every option that there is stands in the
    example of the documentation, and in gatewayd.yaml(5)."""
    text = (resources.files("gatewayd.cli") / "examples" / f"{driver}.yaml").read_text(encoding="utf-8")
    click.echo(text, nl=False)


@config.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[FILE]...")
@click.option("--strict", is_flag=True, help="Exit code 1 when there are warnings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def lint(config_path: Path, files: tuple[Path, ...], strict: bool, as_json: bool) -> None:
    """Check FILEs, or the configuration file in use; - is standard input. Exit code 2 when one cannot be used.

    Only the text is judged, so that a file for another machine can be checked here; whether the files and libraries
    that it names are there, `gatewayd check` says."""
    verdicts = [_judged(path) for path in files or (config_path,)]
    if as_json:
        print_json({"ok": all(one.ok for one in verdicts), "files": [one.document for one in verdicts]})
    else:
        for one in verdicts:
            one.tell()
    if not all(one.ok for one in verdicts):
        raise click.exceptions.Exit(ExitCode.USAGE)
    if strict and any(one.warnings for one in verdicts):
        raise click.exceptions.Exit(ExitCode.FAULT)


def _judged(path: Path) -> Verdict:
    if path != _STDIN:
        return judged(str(path), lambda: daemon.load_config(path), here=False)
    text, name = sys.stdin.read(), "standard input"
    return judged(name, lambda: parse(text, name, daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS), here=False)
