"""`gatewayd probe`: what is on a line, and how does it talk.

Rules: asks and listens; sends no password and writes nothing. Each step is told on standard error as it goes; the
result, with a proposal for the configuration, goes to standard output. Exit code 1 when nothing was found. A line that
a running gateway reads is lent for it.
"""

import asyncio
import re
import sys
from pathlib import Path

import click
from rich.table import Table

from gatewayd import daemon
from gatewayd.channel import Framing
from gatewayd.channel.tracing import Tap
from gatewayd.cli.borrow import Borrowed, borrowed
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.output import console, print_json
from gatewayd.cli.plural import counted
from gatewayd.cli.session import find_line, modbus_units
from gatewayd.cli.trace import Screen
from gatewayd.config import Config, ModemLine, Rfc2217Line, SerialLine, TcpLine, TcpListenLine, UdpListenLine
from gatewayd.probe.advice import Tried, advice, snippet
from gatewayd.probe.attempts import Attempt, Finding, Protocol, Scope, plan
from gatewayd.probe.frames import Server

_ANSWERS_SECONDS = 60.0
"""What answers may take beyond the time of silence, when the line is borrowed."""
_SERVER = re.compile(r"([0-9]{1,9})(?:/([0-9]{1,9}))?", re.ASCII)


@click.command()
@click.argument("line")
@click.option(
    "--protocol",
    "protocols",
    type=click.Choice([protocol.value for protocol in Protocol]),
    multiple=True,
    help="Try only this one; repeatable.",
)
@click.option("--baud", "bauds", type=click.IntRange(50, 4_000_000), multiple=True, help="Only this rate; repeatable.")
@click.option(
    "--address",
    default="",
    help="Device address of the IEC sign-on; server of DLMS: 1, or 1/17 with a physical device.",
)
@click.option(
    "--units", type=modbus_units, default="1-8", show_default=True, metavar="A-B", help="Modbus units to ask."
)
@click.option(
    "--listen",
    type=click.FloatRange(0, 3600),
    default=4.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to listen for pushes at each rate; 0: not at all.",
)
@click.option("--trace", "with_trace", is_flag=True, help="Show every byte, on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def probe(
    config_path: Path,
    line: str,
    protocols: tuple[str, ...],
    bauds: tuple[int, ...],
    address: str,
    units: range,
    listen: float,
    with_trace: bool,
    as_json: bool,
) -> None:
    """Find out what is on LINE: protocol, rate, mode, identification, and what to write into the configuration."""
    config = daemon.load_config(config_path)
    settings = find_line(config, line)
    if isinstance(settings, ModemLine):
        raise click.UsageError(
            f"line '{line}' is a modem: somebody has to be called first. Ask the modem with `gatewayd modem {line}`, "
            "and call a configured meter with `gatewayd read METER`"
        )
    if isinstance(settings, TcpListenLine | UdpListenLine):
        raise click.UsageError(
            f"line '{line}' is a port on which meters call us: nobody can be asked there. Look on with "
            f"`gatewayd trace {line}`, or wait for a configured meter with `gatewayd read METER`"
        )
    wanted = frozenset(Protocol(protocol) for protocol in protocols) or frozenset(Protocol)
    scope = _scope(settings, wanted, bauds, address, units, listen)
    try:
        attempts = plan(scope, daemon.iec_words(address if Protocol.IEC in wanted and "/" not in address else ""))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--address") from None
    if not attempts:
        raise click.UsageError(f"nothing is left to try: line '{line}' is fixed to {settings.framing}")
    tried = asyncio.run(_probe(config, settings, attempts, with_trace=with_trace))
    findings = [one.finding for one in tried if one.finding is not None]
    hints = () if findings else advice(tried, line if isinstance(settings, TcpLine) else "")
    if as_json:
        print_json(
            {
                "line": line,
                "found": [_object(finding, line) for finding in findings],
                "tried": [_tried_object(one) for one in tried],
                "advice": list(hints),
            }
        )
    else:
        _print(findings, hints, line)
    if not findings:
        raise click.exceptions.Exit(ExitCode.FAULT)


def _server(address: str) -> Server:
    """The HDLC address that is meant; server 1 where the address is one of IEC 62056-21 only."""
    match = _SERVER.fullmatch(address)
    try:
        return Server(int(match[1]), int(match[2]) if match[2] else None) if match is not None else Server()
    except ValueError:
        return Server()


def _scope(
    settings: SerialLine | TcpLine | Rfc2217Line,
    protocols: frozenset[Protocol],
    bauds: tuple[int, ...],
    address: str,
    units: range,
    listen: float,
) -> Scope:
    return Scope(
        protocols=protocols,
        bauds=bauds,
        usual_baud=None if isinstance(settings, TcpLine) else settings.baud,
        fixed=Framing(settings.framing) if settings.framing else None,
        has_rate=not isinstance(settings, TcpLine),
        listen=listen,
        units=units,
        server=_server(address),
    )


async def _probe(
    config: Config, settings: SerialLine | TcpLine | Rfc2217Line, attempts: tuple[Attempt, ...], *, with_trace: bool
) -> tuple[Tried, ...]:
    total = sum(attempt.seconds for attempt in attempts)
    click.echo(f"line {settings.id}: {counted(len(attempts), 'attempt')}, {total:.0f} s when nobody answers", err=True)
    tap = Tap(settings.id, daemon.now)
    steps = _Steps(len(attempts), live=sys.stderr.isatty() and not with_trace)

    async def asking() -> tuple[Tried, ...]:
        channel = await daemon.open_alone(daemon.build_line(settings, tap))
        try:
            return await daemon.probe(channel, attempts, steps.begin, steps.end)
        finally:
            await channel.close()

    async def work(line: Borrowed) -> tuple[Tried, ...]:
        if with_trace:
            shown = await Screen(config, settings.id, as_json=False, err=True).showing(tap, asking())
            assert shown is not None  # nothing else ends it
            tried = shown
        else:
            tried = await asking()
        found = [one.finding.protocol for one in tried if one.finding is not None]
        line.detail = f"{counted(len(tried), 'attempt')}; found: {', '.join(found) or 'nothing'}"
        return tried

    return await borrowed(config, settings.id, "probe", 2 * total + _ANSWERS_SECONDS, work)


class _Steps:
    """What is done at the moment, on standard error: each attempt one line, rewritten in a terminal when it is over."""

    def __init__(self, count: int, *, live: bool) -> None:
        self._count = count
        self._live = live
        self._text = ""

    def begin(self, number: int, attempt: Attempt) -> None:
        self._text = (
            f"{number + 1:>3}/{self._count}  {attempt.protocol.value:6}  {attempt.baud:>6} {attempt.framing.value}  "
            f"{attempt.what}"
        )
        if self._live:
            click.echo(f"{self._text} ...", nl=False, err=True)

    def end(self, tried: Tried) -> None:
        if tried.finding is not None:
            said = f"found: {tried.finding.identification or tried.finding.protocol}"
        elif tried.refused:
            said = "the port refuses this rate"
        elif tried.foreign:
            said = f"{counted(len(tried.foreign), 'byte that says', 'bytes that say')} nothing"
        else:
            said = "only the echo" if tried.echoed else "nothing"
        click.echo(f"{chr(13) if self._live else ''}{self._text}: {said}", err=True)


def _print(findings: list[Finding], hints: tuple[str, ...], line: str) -> None:
    screen = console()
    if not findings:
        screen.print(f"nothing was found on line {line}")
        for hint in hints:
            screen.print(f"* {hint}", markup=False)
        return
    for number, finding in enumerate(findings, 1):
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        rows = {
            "protocol": finding.protocol,
            "rate": f"{finding.baud} Bd {finding.framing.value}" if finding.rated else "",
            "data rate": "" if finding.offered_baud is None else f"{finding.offered_baud} Bd offered",
            "identification": finding.identification,
            "maker": finding.maker,
            "vendor profile": finding.profile,
            "address": finding.address,
            "notes": "; ".join(finding.notes),
        }
        for name, text in rows.items():
            if text:
                table.add_row(name, text)
        screen.print(table)
        screen.print()
        click.echo(snippet(finding, line, meter=f"meter-{number}"))


def _object(finding: Finding, line: str) -> dict[str, object]:
    return {
        "protocol": finding.protocol,
        "baud": finding.baud,
        "framing": finding.framing.value,
        "driver": finding.driver or None,
        "mode": finding.mode or None,
        "identification": finding.identification or None,
        "maker": finding.maker or None,
        "offered_baud": finding.offered_baud,
        "profile": finding.profile or None,
        "address": finding.address or None,
        "options": dict(finding.options),
        "notes": list(finding.notes),
        "snippet": snippet(finding, line),
    }


def _tried_object(one: Tried) -> dict[str, object]:
    return {
        "protocol": one.attempt.protocol.value,
        "baud": one.attempt.baud,
        "framing": one.attempt.framing.value,
        "what": one.attempt.what,
        "found": one.finding is not None,
        "echo": one.echoed,
        "received": one.received.hex(),
    }
