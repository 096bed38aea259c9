"""Command line of the simulated Modbus devices: `python -m simulators modbus`.

Rules: options become one frozen plan, checked before anything is opened; a mistake ends with exit code 2 and says which
option is meant. What the options make is put together in build_modbus.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from simulators import build_modbus, options
from simulators import fleet as fleets
from simulators.modbus_faults import Kind
from simulators.transport import SPEEDS

NOT_IN_A_FLEET = {"baud": None, "reaction_ms": 0.0, "jitter_ms": 0.0, "local_echo": False, "journal": None}


@click.command("modbus")
@options.PTY
@options.TCP
@options.COUNT
@options.DELAY
@options.LOSS
@options.TALLY
@click.option(
    "--transport",
    type=click.Choice(["rtu", "tcp"]),
    default="rtu",
    show_default=True,
    help="The frames. rtu with --tcp is RTU over TCP.",
)
@click.option("--map", "map_name", metavar="NAME|FILE.yaml", help="What the devices are: a map of drivers/modbus/maps.")
@click.option(
    "--unit",
    "units",
    multiple=True,
    default=("1",),
    show_default=True,
    metavar="N[=MAP]",
    help="A unit that answers; repeatable, also with a map of its own.",
)
@click.option("--serial", metavar="TEXT", help="Serial number of all units. Default: 35031000 + N.")
@click.option("--firmware", default="1.0", show_default=True, metavar="TEXT", help="Firmware version.")
@click.option("--ct", metavar="PRIMARY/SECONDARY", help="Ratio that the device says of its current transformers.")
@click.option("--vt", metavar="PRIMARY/SECONDARY", help="Ratio that the device says of its voltage transformers.")
@click.option(
    "--pulses",
    multiple=True,
    metavar="ADDRESS[=START][@PER-HOUR]",
    help="A counter of a map with pulses: address from 0, what it had at the beginning of 2020; repeatable.",
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of values and random octets.")
@click.option(
    "--now",
    default="real",
    show_default=True,
    metavar="ISO|real",
    help="The instant of the values when the simulator begins; without an offset in legal time.",
)
@click.option("--frozen", is_flag=True, help="It stays that instant.")
@click.option("--absent", multiple=True, metavar="OBIS|serial|...", help="The map has it, the device not; repeatable.")
@click.option("--without-optional", is_flag=True, help="The device has none of the optional registers.")
@click.option("--not-available", multiple=True, metavar="OBIS|serial|...", help="Answered by the sentinel; repeatable.")
@click.option("--lenient", is_flag=True, help="Registers that are not there are 0. Default: exception 2.")
@click.option("--gaps", is_flag=True, help="Those are 0 that the max_gap of the map lets a reader read along.")
@click.option("--whole-values", is_flag=True, help="A request that begins or ends within a value is refused.")
@click.option(
    "--max-registers", type=click.IntRange(1, 125), metavar="N", help="In one answer. Default: that of the map."
)
@click.option("--no-identification", is_flag=True, help="Functions 17 and 43 are refused.")
@click.option("--identity-in-pieces", is_flag=True, help="One object of the identification in each answer.")
@click.option(
    "--gateway",
    type=click.Choice(["10", "11"]),
    help="Answer this exception for units that are not there. Default: silence.",
)
@click.option("--sunspec-base", type=click.IntRange(0, 0xFFFF), default=40000, show_default=True, metavar="ADDRESS")
@click.option("--sunspec-model", type=click.IntRange(1, 0xFFFE), metavar="N", help="Default: the first of the map.")
@click.option(
    "--sunspec-before", multiple=True, metavar="MODEL:LENGTH", help="A model in front of the meter's; repeatable."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[=X][@UNIT][:N[*]|:P%]",
    help="Misbehave in every answer, in the N-th, in every N-th (N*), or in so many percent; of all answers, or those "
    f"of UNIT; X is a code or seconds. Repeatable: {', '.join(Kind)}.",
)
@click.option(
    "--baud",
    type=click.Choice([str(baud) for baud in SPEEDS.values()]),
    metavar="N",
    help="Let every character take its line time at this rate (8N1), and every request 3.5 characters of silence "
    "behind it. Default: no time.",
)
@click.option("--reaction-ms", type=click.FloatRange(0), default=0.0, show_default=True, help="Before every answer.")
@click.option("--jitter-ms", type=click.FloatRange(0), default=0.0, show_default=True, help="Up to so much more.")
@click.option("--local-echo", is_flag=True, help="Return what the reader sends, as two wires do.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What was heard; a writing function is a line that begins with WRITE.",
)
@click.option("--verbose", is_flag=True, help="Write every step to standard error.")
# Any: click hands over each value with the type of its option; build_modbus.py knows them by name.
def modbus(link: Path | None, port: int | None, verbose: bool, **given: Any) -> None:
    """Modbus devices from any map: RTU, RTU over TCP, Modbus TCP; their values rise and drift."""
    options.log_to_standard_error(verbose)
    options.check_place(link, port)
    plan = build_modbus.plan({**given, "link": link})
    fleet = options.fleet(port, given, NOT_IN_A_FLEET)
    if fleet is not None:
        if not plan.tcp:
            raise click.UsageError("--count needs --transport tcp")
        fleets.serve(fleet, lambda number: build_modbus.Wired(build_modbus.numbered(plan, number)))
        return
    transport = options.transport(link, port, plan.baud)
    options.serve(transport, build_modbus.devices(plan, transport).run)
