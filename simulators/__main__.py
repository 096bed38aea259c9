"""Command line of the simulators: `python -m simulators KIND ...`.

Rules: options become one frozen description, checked before anything is opened; a mistake ends with exit code 2 and
says which option is meant.
"""

from __future__ import annotations

import logging
import random
import re
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from simulators import broker as mqtt_broker
from simulators import faults
from simulators import modem as modems
from simulators.iec62056_21 import Meter, Mode, Parity, Settings
from simulators.line import Line
from simulators.process import announce, end_on_signals
from simulators.telegram import Advance, Telegram, check_advances, load
from simulators.transport import SPEEDS, PseudoTerminal, TcpServer, Transport

DEFAULT_IDENTIFICATION = {
    Mode.A: "SIMZGATEWAYD",
    Mode.B: "SIMEGATEWAYD",
    Mode.C: "SIM5GATEWAYD",
    Mode.D: "SIM5GATEWAYD",
    Mode.E: "SIM5\\2GATEWAYD",
}
START_BAUD = 300
PUSH_BAUD = 9600
MODEM_BAUD = 9600


_PTY = click.option(
    "--pty",
    "link",
    type=click.Path(path_type=Path),
    metavar="LINK",
    help="Serve a pseudo-terminal; LINK becomes a symbolic link to it.",
)
_TCP = click.option(
    "--tcp",
    "port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve 127.0.0.1:PORT, one connection after the other; 0 takes a free port.",
)


@click.group()
def main() -> None:
    """Simulated meters, and an MQTT broker for the demonstration.

    Every simulator prints one line when it is ready, `ready pty LINK`, `ready tcp 127.0.0.1:PORT` or `ready mqtt
    127.0.0.1:PORT`, and ends with exit code 0 on SIGTERM or SIGINT.
    """


@main.command("iec62056_21")
@click.option(
    "--readout",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="What the meter sends: a raw capture with its own STX (sent as it stands, even when cut or wrong), "
    "a mode D or P1 telegram beginning with /, or plain data lines (framed here).",
)
@_PTY
@_TCP
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default="C",
    show_default=True,
    help="Protocol mode of IEC 62056-21. E is C with \\2 in the identification; HDLC itself is not played.",
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
    metavar="KIND[:N]",
    help=f"Misbehave, on every N-th readout only if :N is given; repeatable: {', '.join(faults.Misbehaviour)}."
    " What has no end stops at a break, a new sign-on or a closed connection.",
)
@click.option(
    "--advance",
    multiple=True,
    metavar="OBIS=STEP",
    help="Add STEP to the number of this data set before every readout; repeatable.",
)
@click.option("--seed", type=int, metavar="N", help="Repeat the same random bytes.")
@click.option("--verbose", is_flag=True, help="Write every step of the conversation to standard error.")
def iec62056_21(
    readout: Path,
    link: Path | None,
    port: int | None,
    mode: str,
    identification: str | None,
    address: str | None,
    baud: str | None,
    reaction_ms: float | None,
    ack_wait: float,
    push_every: float,
    pace: bool,
    parity: str,
    check_baud: bool,
    misbehave: tuple[str, ...],
    advance: tuple[str, ...],
    seed: int | None,
    verbose: bool,
) -> None:
    """An IEC 62056-21 meter that plays a readout file."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(relativeCreated)d ms %(name)s: %(message)s",
    )
    if (link is None) == (port is None):
        raise click.UsageError("give either --pty LINK or --tcp PORT")
    telegram, advances = _read(readout, advance)
    text = _identification(identification, telegram, Mode(mode))
    if reaction_ms is None:
        # 6.3.14.3: a small third letter announces a meter that may answer after 20 ms.
        reaction_ms = 20.0 if text[2:3].islower() else 200.0
    settings = Settings(
        mode=Mode(mode),
        identification=text,
        address=address,
        start_baud=int(baud) if baud else (PUSH_BAUD if mode == Mode.D else START_BAUD),
        reaction_s=reaction_ms / 1000,
        ack_wait_s=ack_wait,
        push_every_s=push_every,
        parity=Parity(parity),
    )
    try:
        misbehaviours = tuple(faults.parse(text) for text in misbehave)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--misbehave") from error
    randomness = random.Random(seed)
    end_on_signals()
    transport: Transport = TcpServer(port or 0) if link is None else PseudoTerminal(link, settings.start_baud)
    line = Line(transport, baud=settings.start_baud, pace=pace, check_baud=check_baud, randomness=randomness)
    meter = Meter(settings, telegram, line, misbehaviours=misbehaviours, advances=advances, randomness=randomness)
    try:
        try:
            where = transport.open()
        except OSError as error:
            raise click.UsageError(f"cannot serve: {error}") from error
        announce(where)
        meter.run()
    finally:
        transport.close()


def _read(readout: Path, advance: tuple[str, ...]) -> tuple[Telegram, tuple[Advance, ...]]:
    try:
        telegram = load(readout.read_bytes())
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--readout") from error
    try:
        advances = tuple(_advance(text) for text in advance)
        check_advances(telegram, advances)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--advance") from error
    return telegram, advances


def _advance(text: str) -> Advance:
    code, _, step = text.partition("=")
    try:
        number = Decimal(step)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not OBIS=STEP with a decimal STEP") from None
    if not code or not code.isascii() or not number.is_finite():
        raise ValueError(f"{text!r} is not OBIS=STEP with a decimal STEP")
    return Advance(code, number)


def _identification(given: str | None, telegram: Telegram, mode: Mode) -> bytes:
    if given is None:
        return telegram.identification or DEFAULT_IDENTIFICATION[mode].encode()
    if not given.isascii() or not given.isprintable() or not given:
        raise click.BadParameter("printable ASCII characters only", param_hint="--identification")
    return given.removeprefix("/").encode()


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
@_PTY
@_TCP
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
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(relativeCreated)d ms %(name)s: %(message)s",
    )
    if (link is None) == (port is None):
        raise click.UsageError("give either --pty LINK or --tcp PORT")
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
    end_on_signals()
    transport: Transport = TcpServer(port or 0) if link is None else PseudoTerminal(link, MODEM_BAUD)
    simulated = modems.Modem(script, transport, journal)
    try:
        try:
            where = transport.open()
        except OSError as error:
            raise click.UsageError(f"cannot serve: {error}") from error
        announce(where)
        simulated.run()
    finally:
        simulated.close()
        transport.close()


def _failing(text: str) -> tuple[int, str]:
    number, _, result = text.partition(":")
    if not number.isdecimal() or int(number) < 1:
        raise click.BadParameter(f"{text!r} is not N[:RESULT]", param_hint="--fail-step")
    return int(number), result or "ERROR"


if __name__ == "__main__":
    main(prog_name="python -m simulators")
