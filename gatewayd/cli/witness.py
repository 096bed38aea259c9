"""`gatewayd witness`: asks the kernel whether the clock is right, for gateways whose unit forbids them to.

Rules: gatewayd-clock.service runs it; nothing is imported for it that it does not need, as it stays in memory.
"""

import time
from pathlib import Path

import click

from gatewayd.clock_witness import EVERY_SECONDS, PATH, Said, tell
from gatewayd.errors import GatewayError
from gatewayd.kernel_clock import adjtimex


@click.command()
@click.option("--once", is_flag=True, help="Write the answer down once, and end.")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PATH,
    show_default=True,
    help="Where the answer is written down.",
)
def witness(once: bool, path: Path) -> None:
    """Ask the kernel every 10 s whether this machine's clock is synchronised, and write the answer down for gateways
    whose unit forbids them to ask. gatewayd-clock.service runs this."""
    if path.exists() and not path.is_file():  # the answer takes its place
        raise click.BadParameter("is no file", param_hint="--file")
    while True:
        found = adjtimex()
        if isinstance(found, str):
            raise GatewayError(f"the kernel cannot be asked about the clock: {found}")
        try:
            tell(Said(*found), path)
        except OSError as error:
            raise GatewayError(f"{path} cannot be written: {error.strerror}; does its folder exist?") from error
        if once:
            return
        time.sleep(EVERY_SECONDS)
