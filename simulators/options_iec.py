"""Command line of the simulated IEC 62056-21 meters: `python -m simulators iec62056_21`.

Rules: options become frozen descriptions, checked before anything is opened; a mistake ends with exit code 2 and says
which option is meant. What the options make is put together in build_iec.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulators import build_iec, faults, options
from simulators.iec62056_21 import Mode, Parity
from simulators.options_programming import programming_options
from simulators.transport import SPEEDS


@click.command("iec62056_21")
@click.option(
    "--readout",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What the meter sends: a raw capture with its own STX (sent as it stands, even when cut or wrong), "
    "a mode D or P1 telegram beginning with /, or plain data lines (framed here).",
)
@options.PTY
@options.TCP
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default="C",
    show_default=True,
    help="Protocol mode of IEC 62056-21. E is C with \\2 in the identification and a confirmation; HDLC itself is "
    "not played.",
)
@click.option(
    "--identification",
    metavar="TEXT",
    help="Text after the / of the identification; its 4th character is the baud rate character. Default: "
    "what the file says, else one that fits the mode.",
)
@click.option(
    "--address",
    metavar="TEXT",
    help="Answer only to /?TEXT! (leading zeros do not matter). Default: answer every sign-on.",
)
@click.option(
    "--baud",
    type=click.Choice([str(baud) for baud in SPEEDS.values()]),
    metavar="N",
    help="Start rate (A-C, E: 300), or the rate of mode D (9600).",
)
@click.option(
    "--reaction-ms",
    type=click.FloatRange(0),
    metavar="MS",
    help="Reaction time. Default: 200, or 20 when the 3rd letter of the identification is a small one.",
)
@click.option(
    "--ack-wait",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Mode C: how long to wait for the option select message before the fall-back to mode A.",
)
@click.option(
    "--push-every",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Mode D: time from the beginning of one telegram to the next.",
)
@click.option(
    "--pace/--no-pace",
    default=True,
    show_default=True,
    help="Let every character take its line time (10 bits), in both directions.",
)
@click.option(
    "--parity",
    type=click.Choice([parity.value for parity in Parity]),
    default="auto",
    show_default=True,
    help="Even parity in bit 7 of what is sent; auto does as the reader's sign-on did (mode D: none).",
)
@click.option(
    "--check-baud/--no-check-baud",
    default=True,
    show_default=True,
    help="On a pseudo-terminal, garble what is sent at another rate than the reader has set.",
)
@click.option(
    "--misbehave",
    multiple=True,
    metavar="KIND[:N[*]]",
    help=f"Misbehave on every readout, or on every N-th; repeatable: {', '.join(faults.IN_READOUT)}. What has no end "
    "stops at a break, a new sign-on or a closed connection. In programming mode on every data block or command of a "
    f"session, on the N-th once, or on the N-th always (N*): {', '.join(faults.IN_PROGRAMMING)}.",
)
@click.option(
    "--advance",
    multiple=True,
    metavar="OBIS=STEP",
    help="Add STEP to the number of this data set before every readout; repeatable.",
)
@programming_options
@click.option(
    "--inactivity",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long programming mode lasts without a message.",
)
@click.option(
    "--hdlc-s",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Mode E: how long the meter stays in HDLC without a byte.",
)
@click.option(
    "--table",
    "more_tables",
    multiple=True,
    metavar="N=FILE",
    help="What the meter sends after the sign-on /N! (a readout file); repeatable.",
)
@click.option(
    "--needs-wake-up",
    is_flag=True,
    help="Hear a sign-on only after 2.0 s of NUL characters and a pause of 1.4 s to 1.8 s.",
)
@click.option(
    "--meter",
    "others",
    multiple=True,
    metavar="KEY=VALUE,...",
    help="Another meter on the same line: address, readout, identification, password, profile, and the word dead for "
    "one that never answers; repeatable. Everything else is as for the first one, which may be left out.",
)
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="What the meters heard."
)
@click.option("--seed", type=int, metavar="N", help="Repeat the same random bytes.")
@click.option("--verbose", is_flag=True, help="Write every step of the conversation to standard error.")
# Any: click hands over each value with the type of its option; build_iec.py knows them by name.
def iec62056_21(link: Path | None, port: int | None, verbose: bool, **given: Any) -> None:
    """An IEC 62056-21 meter that plays a readout file, or several on one line."""
    options.log_to_standard_error(verbose)
    options.check_place(link, port)
    baud = build_iec.start_baud(given)
    transport = options.transport(link, port, baud)
    options.serve(transport, build_iec.bus(given, transport, baud).run)
