"""`gatewayd scan LINE`: the Modbus units on a line, what they are, and a block for the configuration that reads them.

Rules: asks and writes nothing to a device. How long it takes is said first, on standard error; the table and the block
go to standard output. What cannot be configured without somebody's decision stands in the block as a comment, so that
the block loads as it is. Units that are configured already are not in it. Exit code 1 when nobody answers. A line that
a running gateway reads is lent for it. Who interrupts it, or loses the line, has a table of what was found by then.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.table import Table

from gatewayd import daemon
from gatewayd.channel import Framing
from gatewayd.cli.borrow import Borrowed, borrowed
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.meter_block import Value, found_block
from gatewayd.cli.output import console, print_json, visible
from gatewayd.cli.output_file import complete
from gatewayd.cli.plural import counted
from gatewayd.cli.progress import progress
from gatewayd.config import Config, Line, ModemLine, TcpLine, TcpListenLine, UdpListenLine
from gatewayd.daemon import LineScan, Unit
from gatewayd.errors import GatewayError

DEFAULT_TIMEOUT_MS = 300
_DRIVER = "modbus"
_LONGEST_ID = _LONGEST_SERIAL = 64
_MINUTE = 60
_ANSWERS_SECONDS = 60.0
"""What answers may take beyond the time of silence, when the line is borrowed."""
_JOBS: tuple[Value, ...] = ({"registers": "all", "every": "15m"},)


@dataclass(frozen=True, slots=True)
class LineOptions:
    """What was said on the command line; None where nothing was."""

    units: range | None = None
    timeout_ms: int | None = None
    transport: str | None = None

    @property
    def given(self) -> bool:
        return self != LineOptions()


def scan_line(config: Config, line: str, options: LineOptions, block_path: Path | None, *, as_json: bool) -> None:
    """Scan a configured line and print what was found."""
    settings = config.lines[line]
    how = _how(settings, options)
    configured = _configured(config, line)
    so_far = _SoFar()
    try:
        found = asyncio.run(_scan(config, settings, how, so_far))
    except (KeyboardInterrupt, GatewayError):
        if so_far.found and not as_json:
            console().print(_table([*so_far.found.values()], configured))
            click.echo(f"found by then: {so_far.asked} of {len(how.units)} units were asked", err=True)
        raise
    block = block_of(line, how.transport, found, configured, {meter.id for meter in config.meters})
    if as_json:
        print_json(
            {
                "line": line,
                "transport": how.transport,
                "asked": len(how.units),
                "found": [_object(one, configured) for one in found],
                "block": block,
            }
        )
    elif found:
        console().print(_table(found, configured))
        if block_path is None:
            click.echo(f"\n{block}", nl=False)
    else:
        console().print(f"nobody answers on line {line}")
        for hint in _hints(how):
            console().print(f"* {hint}", markup=False)
    if block_path is not None and found:
        with complete(block_path) as stream:
            stream.write(block.encode())
    if not found:
        raise click.exceptions.Exit(ExitCode.FAULT)


def _how(settings: Line, options: LineOptions) -> LineScan:
    if isinstance(settings, ModemLine):
        raise click.UsageError(
            f"line '{settings.id}' is a modem: somebody has to be called first; call a configured meter with "
            "`gatewayd read METER`"
        )
    if isinstance(settings, TcpListenLine | UdpListenLine):
        raise click.UsageError(f"line '{settings.id}' is a port on which meters call us: nobody can be asked there")
    tcp = isinstance(settings, TcpLine)
    if options.transport == "tcp" and not tcp:
        raise click.UsageError(f"line '{settings.id}' is of type {settings.type}: Modbus TCP needs a line of type tcp")
    return LineScan(
        transport=options.transport or ("tcp" if tcp else "rtu"),
        units=options.units or daemon.SCAN_UNITS,
        timeout_s=(options.timeout_ms or DEFAULT_TIMEOUT_MS) / 1000,
        baud=None if isinstance(settings, TcpLine) else settings.baud,
        has_rate=not tcp,
        framing=Framing(settings.framing) if settings.framing else None,
    )


class _SoFar:
    """What a scan has found, and how many units it has asked."""

    def __init__(self) -> None:
        self.found: dict[int, Unit] = {}
        self.asked = 0

    def take(self, one: Unit) -> None:
        self.found[one.unit] = one


async def _scan(config: Config, settings: Line, how: LineScan, so_far: _SoFar) -> tuple[Unit, ...]:
    first, last = how.units[0], how.units[-1]
    which = f"unit {first}" if first == last else f"units {first} to {last}"
    click.echo(f"line {settings.id}: {which} by {how.transport}, {_time(how.seconds)} when nobody answers", err=True)

    async def work(line: Borrowed) -> tuple[Unit, ...]:
        channel = await daemon.open_alone(daemon.build_line(settings))
        try:
            with progress(f"units on {settings.id}", len(how.units)) as show:

                def done(asked: int) -> None:
                    so_far.asked = asked
                    show(asked)

                found = await daemon.scan_line(channel, how, done, so_far.take)
        finally:
            await channel.close()
        line.detail = f"{which} by {how.transport}; {counted(len(found), 'answers', 'answer')}"
        return found

    return await borrowed(config, settings.id, "scan", 2 * how.seconds + _ANSWERS_SECONDS, work)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * _MINUTE else f"{seconds / _MINUTE:.0f} minutes"


def _hints(how: LineScan) -> list[str]:
    hints = ["the devices may be slower: --timeout-ms 1000"]
    if how.transport == "tcp":
        hints.append("a serial server that only passes bytes through wants --transport rtu")
    elif not how.has_rate:
        hints.append("a gateway that speaks Modbus TCP wants --transport tcp")
    if how.has_rate:
        hints.append("rate and framing may be others: `gatewayd probe LINE --protocol modbus` tries them")
    return hints


# -- what was found --------------------------------------------------------------------------------------------------


def block_of(
    line: str, transport: str, found: Sequence[Unit], configured: Mapping[int, Sequence[str]], taken: set[str]
) -> str:
    """The entries that read what was found, ready to load; what is not known, or configured already, as comments.

    `configured`: unit -> meters that read it on this line; `taken`: ids that there are."""
    entries: list[tuple[dict[str, Value], list[str]]] = []
    remarks: list[str] = []
    for one in found:
        if one.unit in configured:
            remarks.append(f"unit {one.unit}: configured as {', '.join(configured[one.unit])}")
        elif not one.maps:
            said = f" ({one.said})" if one.said else ""
            remarks.append(_comment(f"unit {one.unit}: no map knows it{said}; {one.note or 'name its map by hand'}"))
        else:
            entries.append((_entry(line, transport, one, taken), _notes(one)))
    return found_block(entries, remarks)


def _entry(line: str, transport: str, one: Unit, taken: set[str]) -> dict[str, Value]:
    entry: dict[str, Value] = {"id": _id(line, one.unit, taken), "driver": _DRIVER, "line": line}
    if 0 < len(one.serial) <= _LONGEST_SERIAL:
        entry["serial"] = one.serial
    return entry | {
        _DRIVER: {"unit": one.unit, "map": one.maps[0], "transport": transport},
        "jobs": _JOBS,
    }


def _id(line: str, unit: int, taken: set[str]) -> str:
    """An id that nobody has: `bus-7`."""
    end, again = f"-{unit}", 2
    while (name := line[: _LONGEST_ID - len(end)] + end) in taken:
        end, again = f"-{unit}-{again}", again + 1
    taken.add(name)
    return name


def _notes(one: Unit) -> list[str]:
    notes = [f"map: it may be {' or '.join(one.maps[1:])} as well"] if len(one.maps) > 1 else []
    return [_comment(text) for text in (*notes, one.note, one.said) if text]


def _comment(text: str) -> str:
    """What a device says of itself, in one line without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _configured(config: Config, line: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for meter in config.meters:
        unit = getattr(meter.options, "unit", None) if meter.driver == _DRIVER and meter.line == line else None
        if isinstance(unit, int):
            found.setdefault(unit, []).append(meter.id)
    return found


def _table(found: Sequence[Unit], configured: Mapping[int, Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("unit", justify="right", no_wrap=True)
    table.add_column("map", overflow="fold")
    table.add_column("serial", overflow="fold")
    table.add_column("what it says, and notes", overflow="fold")
    for one in found:
        known = [f"configured as {', '.join(configured[one.unit])}"] if one.unit in configured else []
        remarks = "; ".join(filter(None, (one.said, one.note, *known)))
        table.add_row(str(one.unit), " or ".join(one.maps) or "not known", visible(one.serial), visible(remarks))
    return table


def _object(one: Unit, configured: Mapping[int, Sequence[str]]) -> dict[str, object]:
    return {
        "unit": one.unit,
        "map": one.maps[0] if one.maps else None,
        "maps": list(one.maps),
        "serial": one.serial or None,
        "firmware": one.firmware or None,
        "identification": one.said or None,
        "note": one.note or None,
        "meters": list(configured.get(one.unit, ())),
    }
