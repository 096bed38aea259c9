"""Command line of the simulated DLMS meter: `python -m simulators dlms`.

Rules: options become frozen descriptions, checked before anything is opened; a mistake ends with exit code 2 and says
which option is meant. What the options make is put together in build_dlms.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulators import build_dlms, options
from simulators import fleet as fleets
from simulators.dlms_acse import Conformance
from simulators.dlms_clock import Deviation
from simulators.dlms_faults import Kind
from simulators.dlms_push import Layout
from simulators.dlms_security import Security
from simulators.transport import SPEEDS

NAMES = [flag.name.lower().replace("_", "-") for flag in Conformance if flag.name]
NOT_IN_A_FLEET = {
    "baud": None,
    "optical": False,
    "reaction_ms": 0.0,
    "local_echo": False,
    "push_to": None,
    "counter_file": None,
    "journal": None,
}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("dlms")
@options.PTY
@options.TCP
@options.COUNT
@options.DELAY
@options.LOSS
@options.TALLY
@click.option("--framing", type=click.Choice(["hdlc", "wrapper"]), default="hdlc", show_default=True, help="The link.")
@click.option(
    "--client",
    type=click.IntRange(1, 0xFFFF),
    default=16,
    show_default=True,
    metavar="N",
    help="The client that sees everything. Another one than 16 leaves 16 as the public client, which sees the clock, "
    "the names and the invocation counter without a password.",
)
@click.option("--server", type=click.IntRange(1, 0x3FFF), default=1, show_default=True, help="Logical device, wPort.")
@click.option("--physical", type=click.IntRange(0, 0x3FFF), default=17, show_default=True, help="HDLC: lower address.")
@click.option(
    "--authentication",
    type=click.Choice(list(build_dlms.MECHANISMS)),
    default="none",
    show_default=True,
    help="Of --client.",
)
@click.option("--password", metavar="TEXT|0xHEX", help="Password of low, secret of hls-md5, hls-sha1, hls-sha256.")
@click.option(
    "--security",
    type=click.Choice([each.value for each in Security]),
    default="none",
    show_default=True,
    help="What every message of --client needs, and how it is answered.",
)
@click.option("--key-file", type=_FILE, metavar="FILE", help="Block cipher key: 32 hexadecimal digits, 64 in suite 2.")
@click.option("--auth-key-file", type=_FILE, metavar="FILE", help="Authentication key, as long.")
@click.option("--suite", type=click.IntRange(0, 2), default=0, show_default=True, help="Security suite.")
@click.option(
    "--title", default="53494D0000000001", show_default=True, metavar="HEX", help="System title of the meter."
)
@click.option(
    "--counter-start",
    type=click.IntRange(0, 0xFFFF_FFFF),
    default=0,
    show_default=True,
    metavar="N",
    help="The last invocation counter of a client that the meter has seen; only higher ones are taken.",
)
@click.option(
    "--own-counter",
    type=click.IntRange(0, 0xFFFF_FFFF),
    default=0,
    show_default=True,
    metavar="N",
    help="The last invocation counter that the meter has used itself: a reader that remembers takes higher ones only.",
)
@click.option("--counter-file", type=_NEW_FILE, metavar="FILE", help="Keeps the counters between two runs.")
@click.option("--serial", default="35031234", show_default=True, metavar="TEXT", help="Serial number.")
@click.option("--firmware", default="SIM 1.0", show_default=True, metavar="TEXT", help="Firmware version.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of values and random bytes.")
@click.option("--profile-days", type=click.IntRange(1, 4000), default=40, show_default=True, help="What is kept.")
@click.option(
    "--profile-values",
    type=click.Choice(["totals", "intervals"]),
    default="totals",
    show_default=True,
    help="What the load profile holds: registers (1.8.0 ...), or what they rose by (1.29.0 ...).",
)
@click.option(
    "--now",
    default="real",
    show_default=True,
    metavar="ISO|real",
    help="Where the meter's clock begins when the simulator does; without an offset in legal time.",
)
@click.option("--clock-offset", type=float, default=0.0, show_default=True, metavar="SECONDS", help="Clock fast by.")
@click.option(
    "--drift-ppm", type=float, default=0.0, show_default=True, metavar="N", help="Clock goes wrong by N millionths."
)
@click.option(
    "--deviation",
    type=click.Choice([each.value for each in Deviation]),
    default=Deviation.UTC_MINUS_LOCAL.value,
    show_default=True,
    help="How the deviation is written.",
)
@click.option("--dst-bit/--no-dst-bit", default=True, show_default=True, help="Whether the clock status tells summer.")
@click.option(
    "--incident",
    "incidents",
    multiple=True,
    metavar="KIND=zYYMMDDhhmm[;zYYMMDDhhmm]",
    help="In the load profile: power-failure, clock-set (two rows), missing (no rows); repeatable.",
)
@click.option("--null-compression", is_flag=True, help="null-data in profiles for what did not change.")
@click.option("--compact-array", is_flag=True, help="Profiles as compact-array.")
@click.option(
    "--selective",
    type=click.Choice(["both", "range", "entry", "none"]),
    default="both",
    show_default=True,
    help="Selective access of profiles; none of it: it is not offered in the association either.",
)
@click.option(
    "--max-pdu", type=click.IntRange(64, 0xFFFF), default=0xFFFF, show_default=True, help="APDU that is taken."
)
@click.option("--max-info", type=click.IntRange(32, 2030), default=128, show_default=True, help="HDLC, both ways.")
@click.option("--window", type=click.IntRange(1, 7), default=1, show_default=True, help="HDLC, both ways.")
@click.option(
    "--conformance-without",
    "without",
    multiple=True,
    type=click.Choice(NAMES),
    metavar="NAME",
    help=f"Not offered; repeatable: {', '.join(NAMES)}.",
)
@click.option("--general-blocks", is_flag=True, help="Offer general block transfer, and send long messages by it.")
@click.option("--no-lists", is_flag=True, help="No GET with list: not offered, and refused.")
@click.option("--refuse-lists", is_flag=True, help="GET with list is offered, and refused.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[:N[*]]",
    help="Misbehave in every answer, in the N-th answer of a session once, or in that of every session (N*); "
    f"repeatable: {', '.join(Kind)}; late-last-segment:SECONDS[:N[*]]. The AARE is answer 1, the UA is 0.",
)
@click.option(
    "--baud",
    type=click.Choice([str(baud) for baud in SPEEDS.values()]),
    metavar="N",
    help="Let every character take its line time at this rate (8N1). Default: no time.",
)
@click.option(
    "--optical",
    is_flag=True,
    help="Begin with the sign-on of IEC 62056-21 at 300 Bd, mode E; --baud is the rate that is offered then.",
)
@click.option(
    "--hdlc-s",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="--optical: how long the meter stays in HDLC without hearing anything.",
)
@click.option("--reaction-ms", type=click.FloatRange(0), default=0.0, show_default=True, help="Before every answer.")
@click.option("--local-echo", is_flag=True, help="Return what the reader sends, as some heads do.")
@click.option("--push-every", type=click.FloatRange(0.01), metavar="SECONDS", help="Send a DataNotification so often.")
@click.option("--push-to", metavar="udp:HOST:PORT|tcp:HOST:PORT|line", help="Where to; line is the meter's own.")
@click.option(
    "--push-layout",
    type=click.Choice([each.value for each in Layout]),
    default=Layout.LIST.value,
    show_default=True,
    help="Body of the notification.",
)
@click.option(
    "--push-security",
    type=click.Choice([each.value for each in Security]),
    default="none",
    show_default=True,
    help="Plain, or general-glo with the keys above.",
)
@click.option("--journal", type=_NEW_FILE, metavar="FILE", help="What the meter heard and decided.")
@click.option("--verbose", is_flag=True, help="Write every step to standard error.")
# Any: click hands over each value with the type of its option; build_dlms.py knows them by name.
def dlms(link: Path | None, port: int | None, verbose: bool, **given: Any) -> None:
    """A DLMS/COSEM meter: HDLC or wrapper, every authentication and ciphering that meters have, profiles, pushes."""
    options.log_to_standard_error(verbose)
    options.check_place(link, port)
    plan, fleet = build_dlms.plan(given), options.fleet(port, given, NOT_IN_A_FLEET)
    if fleet is not None:
        fleets.serve(fleet, lambda number: build_dlms.Wired(build_dlms.numbered(plan, number)))
        return
    transport = options.transport(link, port, plan.start_baud)
    options.serve(transport, lambda: build_dlms.meter(plan, transport).run())
