"""Command line of the simulators: `python -m simulators KIND ...`.

Rules: options become one frozen description, checked before anything is opened; a mistake ends with exit code 2 and
says which option is meant.
"""

from __future__ import annotations

import re
from pathlib import Path

import click

from simulators import broker as mqtt_broker
from simulators import modem as modems
from simulators import options
from simulators.options_dlms import dlms
from simulators.options_iec import iec62056_21
from simulators.options_modbus import modbus

MODEM_BAUD = 9600


@click.group()
def main() -> None:
    """Simulated meters, and an MQTT broker for the demonstration.

    Every simulator prints one line when it is ready, `ready pty LINK`, `ready tcp 127.0.0.1:PORT` or `ready mqtt
    127.0.0.1:PORT`, and ends with exit code 0 on SIGTERM or SIGINT.
    """


main.add_command(iec62056_21)
main.add_command(dlms)
main.add_command(modbus)


@main.command("broker")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    required=True,
    metavar="PORT",
    help="Port on 127.0.0.1; 0 takes a free one.",
)
def broker(port: int) -> None:
    """An MQTT 3.1.1 broker for the demonstration (needs the package iotcore)."""
    mqtt_broker.serve(port)


@main.command("modem")
@options.PTY
@options.TCP
@click.option(
    "--connect-to",
    "target",
    metavar="tcp:HOST:PORT|pty:DEVICE",
    help="Who answers a call: another simulator. Default: a subscriber who says nothing.",
)
@click.option(
    "--result",
    "results",
    multiple=True,
    metavar="KIND",
    help="What comes of a call; repeatable, one for each call, the last one holds: "
    f"{', '.join(modems.RESULTS)}, cme:N.",
)
@click.option(
    "--connect-text", default="CONNECT 9600", show_default=True, metavar="TEXT", help="The result of connect."
)
@click.option(
    "--delay-ms",
    type=click.FloatRange(0),
    default=0.0,
    metavar="MS",
    help="How long a call is dialled. Any character meanwhile aborts it.",
)
@click.option(
    "--echo",
    type=click.Choice(["on", "off", "always"]),
    default="on",
    show_default=True,
    help="Echo after a reset; always: ATE0 changes nothing.",
)
@click.option(
    "--codes",
    type=click.Choice(["words", "numbers", "always-numbers"]),
    default="words",
    show_default=True,
    help="Result codes after a reset; always-numbers: ATV1 changes nothing.",
)
@click.option(
    "--fail-step",
    "fail",
    multiple=True,
    metavar="N[:RESULT]",
    help="Answer the N-th command line with ERROR or with RESULT; repeatable.",
)
@click.option("--mute-step", "mute", multiple=True, type=click.IntRange(1), metavar="N", help="Do not answer the N-th.")
@click.option("--sim", type=click.Choice(modems.SIM_STATES), default="ready", show_default=True, help="The SIM card.")
@click.option("--pin", default="1234", show_default=True, metavar="DIGITS", help="The PIN that the card takes.")
@click.option(
    "--registration",
    default="1",
    show_default=True,
    metavar="N,...",
    help="Answers to AT+CREG?, one after the other; the last one holds.",
)
@click.option("--signal", type=click.IntRange(0, 99), default=17, show_default=True, help="Answer to AT+CSQ.")
@click.option(
    "--drop-after", type=click.IntRange(0), metavar="BYTES", help="Lose the carrier after so many bytes of the far end."
)
@click.option(
    "--drop-how",
    type=click.Choice(modems.LOSSES),
    default="words",
    show_default=True,
    help="What the reader sees of it: NO CARRIER, nothing at all, or the end of the connection.",
)
@click.option(
    "--ring-at",
    "rings",
    multiple=True,
    type=click.IntRange(0),
    metavar="N",
    help="RING before the answer to the N-th command line; 0 is while dialling. Repeatable.",
)
@click.option("--unsolicited", multiple=True, metavar="TEXT", help="A line that comes before every answer; repeatable.")
@click.option(
    "--guard-ms",
    type=click.FloatRange(0),
    default=1000.0,
    show_default=True,
    metavar="MS",
    help="Guard time before and after +++.",
)
@click.option("--stuck", is_flag=True, help="Begin in a call that somebody left.")
@click.option("--journal", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="What was heard.")
@click.option("--verbose", is_flag=True, help="Write every step to standard error.")
def modem(
    link: Path | None,
    port: int | None,
    target: str | None,
    results: tuple[str, ...],
    connect_text: str,
    delay_ms: float,
    echo: str,
    codes: str,
    fail: tuple[str, ...],
    mute: tuple[int, ...],
    sim: str,
    pin: str,
    registration: str,
    signal: int,
    drop_after: int | None,
    drop_how: str,
    rings: tuple[int, ...],
    unsolicited: tuple[str, ...],
    guard_ms: float,
    stuck: bool,
    journal: Path | None,
    verbose: bool,
) -> None:
    """A scripted modem that joins its calls to another simulator."""
    options.log_to_standard_error(verbose)
    options.check_place(link, port)
    for result in results:
        if result not in modems.RESULTS and not re.fullmatch(r"cme:\d{1,3}", result):
            raise click.BadParameter(f"{result!r} is none of {', '.join(modems.RESULTS)}, cme:N", param_hint="--result")
    if target is not None and not re.fullmatch(r"tcp:[^:]+:\d{1,5}|pty:.+", target):
        raise click.BadParameter(f"{target!r} is not tcp:HOST:PORT or pty:DEVICE", param_hint="--connect-to")
    if not re.fullmatch(r"\d{1,2}(?:,\d{1,2})*", registration):
        raise click.BadParameter(f"{registration!r} is not N,...", param_hint="--registration")
    script = modems.Script(
        target=target,
        results=results or ("connect",),
        connect_text=connect_text,
        delay_s=delay_ms / 1000,
        echo=echo,
        codes=codes,
        fail=tuple(_failing(text) for text in fail),
        mute=mute,
        sim=sim,
        pin=pin,
        registration=tuple(map(int, registration.split(","))),
        signal=signal,
        drop_after=drop_after,
        drop_how=drop_how,
        rings=rings,
        unsolicited=unsolicited,
        guard_s=guard_ms / 1000,
        stuck=stuck,
    )
    transport = options.transport(link, port, MODEM_BAUD)
    simulated = modems.Modem(script, transport, journal)
    try:
        options.serve(transport, simulated.run)
    finally:
        simulated.close()


def _failing(text: str) -> tuple[int, str]:
    number, _, result = text.partition(":")
    if not number.isdecimal() or int(number) < 1:
        raise click.BadParameter(f"{text!r} is not N[:RESULT]", param_hint="--fail-step")
    return int(number), result or "ERROR"


if __name__ == "__main__":
    main(prog_name="python -m simulators")
