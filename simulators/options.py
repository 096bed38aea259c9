"""What the command lines of all simulators have in common: where they serve, and how they begin and end.

Rules: nothing is opened before every option has been checked; what cannot be served is a usage error, exit code 2.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from simulators.fleet import Fleet
from simulators.process import announce, end_on_signals
from simulators.served import Road
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


COUNT = click.option(
    "--count",
    type=click.IntRange(1, 5000),
    metavar="N",
    help="So many meters in this process, on ports from --tcp on (0: free ones; the ready line has all), with serial "
    "numbers and seeds that count on.",
)
DELAY = click.option(
    "--delay-ms", type=click.FloatRange(0), default=0.0, metavar="MS", help="--count: before every answer."
)
LOSS = click.option(
    "--loss",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="PART",
    help="--count: of all connections so many are refused or cut.",
)
TALLY = click.option(
    "--tally",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="--count: on SIGUSR1 and at the end, how many connections and answers there were (JSON).",
)
_OF_A_FLEET = {"delay_ms": 0.0, "loss": 0.0, "tally": None}


# Any: click hands over each value with the type of its option, which a mapping cannot say.
def fleet(port: int | None, given: dict[str, Any], without: Mapping[str, Any]) -> Fleet | None:
    """What --count and its companions ask for; None without --count. `without`: options that do not go with it, and
    what they are when they are not given."""
    if given["count"] is None:
        for name, default in _OF_A_FLEET.items():
            if given[name] != default:
                raise click.UsageError(f"{_spelled(name)} needs --count")
        return None
    if port is None:
        raise click.UsageError("--count needs --tcp PORT")
    if port and port + given["count"] > 0x10000:
        raise click.UsageError(f"there are no {given['count']} ports from {port} on")
    for name, default in without.items():
        if given[name] != default:
            raise click.UsageError(f"{_spelled(name)} does not go with --count")
    return Fleet(given["count"], port, Road(given["delay_ms"] / 1000, given["loss"]), given["seed"], given["tally"])


def numbered(serial: str, number: int) -> str:
    """The serial number that comes so many behind; one that is no number gets one."""
    if serial.isdecimal():
        return f"{int(serial) + number:0{len(serial)}d}"
    return f"{serial}-{number}" if number else serial


def _spelled(name: str) -> str:
    return f"--{name.replace('_', '-')}"


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
