"""What the command lines of all simulators have in common: where they serve, and how they begin and end.

Rules: nothing is opened before every option has been checked; what cannot be served is a usage error, exit code 2.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from simulators.process import announce, end_on_signals
from simulators.transport import PseudoTerminal, TcpServer, Transport

PTY = click.option(
    "--pty",
    "link",
    type=click.Path(path_type=Path),
    metavar="LINK",
    help="Serve a pseudo-terminal; LINK becomes a symbolic link to it.",
)
TCP = click.option(
    "--tcp",
    "port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve 127.0.0.1:PORT, one connection after the other; 0 takes a free port.",
)


def log_to_standard_error(verbose: bool) -> None:
    """Warnings, or every step."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(relativeCreated)d ms %(name)s: %(message)s",
    )


def check_place(link: Path | None, port: int | None) -> None:
    """Exactly one of --pty and --tcp."""
    if (link is None) == (port is None):
        raise click.UsageError("give either --pty LINK or --tcp PORT")


def transport(link: Path | None, port: int | None, baud: int) -> Transport:
    """Where to serve, not open yet; `baud` is what a pseudo-terminal is set to at first."""
    return TcpServer(port or 0) if link is None else PseudoTerminal(link, baud)


def serve(place: Transport, run: Callable[[], NoReturn]) -> NoReturn:
    """Open, say so, and run until a signal; everything that was made is removed."""
    end_on_signals()
    try:
        try:
            where = place.open()
        except OSError as error:
            raise click.UsageError(f"cannot serve: {error}") from error
        announce(where)
        run()
    finally:
        place.close()
