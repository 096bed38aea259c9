"""`gatewayd scan`: the objects that a meter has, as a table, and a block for the configuration that reads them. The
devices on a line are in scan_line.py.

Rules: the table is for people and leaves out what cannot be used; --json has everything that the meter said. A name
that a meter and a line have is the meter's, unless an option says that a line is meant.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import click
from rich.table import Table

from gatewayd import daemon
from gatewayd.cli.meter_block import meter_block, short
from gatewayd.cli.output import console, print_json, visible
from gatewayd.cli.output_file import complete
from gatewayd.cli.own_warnings import warn_of
from gatewayd.cli.scan_line import DEFAULT_TIMEOUT_MS, LineOptions, scan_line
from gatewayd.cli.session import find_asked_meter, modbus_units, session
from gatewayd.model import MeterObject, Scan

_CLASSES = {
    1: "data",
    3: "register",
    4: "extended register",
    5: "demand register",
    6: "register activation",
    7: "profile generic",
    8: "clock",
    9: "script table",
    10: "schedule",
    11: "special days",
    15: "association",
    17: "SAP assignment",
    18: "image transfer",
    19: "local port",
    20: "activity calendar",
    21: "register monitor",
    22: "single action schedule",
    23: "HDLC set-up",
    27: "modem configuration",
    28: "auto answer",
    29: "auto connect",
    40: "push set-up",
    41: "TCP-UDP set-up",
    42: "IPv4 set-up",
    44: "PPP set-up",
    45: "GPRS set-up",
    47: "GSM diagnostic",
    64: "security set-up",
    68: "arbitrator",
    70: "disconnect control",
    71: "limiter",
    72: "M-Bus client",
    111: "account",
}
"""Interface classes of IEC 62056-6-2; what is not here shows its number alone."""
_NO_ACCESS = "no access"
_METHOD = re.compile(r"access(?: (\(.*\)))?")
_RIGHTS, _REST = 16, 88
"""Columns that rights have to have, and that everything else takes."""
_LARGE = 6
"""From so many zeros on a power of ten is easier to read."""


@click.command()
@click.argument("name", metavar="METER|LINE")
@click.option("--units", type=modbus_units, metavar="A-B", help="Of a line: Modbus units to ask.  [default: 1-247]")
@click.option(
    "--timeout-ms",
    type=click.IntRange(20, 10_000),
    help=f"Of a line: how long each unit may take to answer.  [default: {DEFAULT_TIMEOUT_MS}]",
)
@click.option(
    "--transport",
    type=click.Choice(["rtu", "tcp"]),
    help="Of a line: how Modbus is framed.  [default: tcp on lines of type tcp, else rtu]",
)
@click.option(
    "--block", "block_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the block into FILE."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def scan(
    config_path: Path,
    name: str,
    units: range | None,
    timeout_ms: int | None,
    transport: str | None,
    block_path: Path | None,
    as_json: bool,
) -> None:
    """List the objects of METER and the block that reads its registers, or find the Modbus units on LINE."""
    config = daemon.load_config(config_path)
    options = LineOptions(units, timeout_ms, transport)
    is_meter = any(settings.id == name for settings in config.meters)
    if name in config.lines and (options.given or not is_meter):
        scan_line(config, name, options, block_path, as_json=as_json)
        return
    if options.given:
        raise click.UsageError(f"--units, --timeout-ms and --transport are of a line, and '{name}' is none")
    if not is_meter:
        known = ", ".join([*(one.id for one in config.meters[:10]), *list(config.lines)[:10]]) or "none"
        raise click.UsageError(f"neither a meter nor a line '{name}' is configured; known: {known}")
    settings = find_asked_meter(config, name)
    warn_of(config_path, config, settings)
    result = asyncio.run(session(config, settings, Scan()))
    serial = next((archived.serial for archived in result.readings if archived.serial), settings.serial)
    block = meter_block(settings, serial, result.objects)
    if as_json:
        print_json({"serial": serial, "objects": [_document(one) for one in result.objects], "block": block})
    elif result.objects:
        screen = console()
        screen.print(_table(result.objects, screen.width))
        if block_path is None:
            click.echo(f"\n{block}", nl=False)
    if block_path is not None and result.objects:
        with complete(block_path) as stream:
            stream.write(block.encode())
    for remark in result.remarks:
        click.echo(remark, err=True)
    if result.fault is not None:
        raise result.fault


def _table(objects: Sequence[MeterObject], width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", no_wrap=True)
    table.add_column("obis", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    table.add_column("unit", no_wrap=True)
    table.add_column("access", overflow="fold", max_width=max(_RIGHTS, width - _REST))  # rather than the meaning
    digits = max(len(str(one.class_id)) for one in objects)
    for one in objects:
        name = f"{one.class_id:>{digits}} {_CLASSES.get(one.class_id, '')}".rstrip()
        table.add_row(name, short(one.obis), visible(one.meaning), visible(unit(one)), access(one))
    return table


def unit(one: MeterObject) -> str:
    """What one digit of the register is: `Wh`, `0.1 V`, `1000 Wh`."""
    if not one.scaler:
        return one.unit
    factor = format(Decimal(1).scaleb(one.scaler), "f") if abs(one.scaler) < _LARGE else f"10^{one.scaler}"
    return f"{factor} {one.unit}".rstrip()


def access(one: MeterObject) -> str:
    """`read 1 3-9, read+write 2; methods 1 3 6`: attributes with the same access together, then the methods."""
    attributes = _by_word((number, word.replace("read, write", "read+write")) for number, word in one.attributes)
    methods = _by_word((number, _method(word)) for number, word in one.methods)
    return "; ".join(filter(None, (attributes, methods))) or ("none" if one.attributes or one.methods else "")


def _method(word: str) -> str:
    """`methods`, `methods (authenticated)`, `methods (mode 9)`."""
    if word in ("", _NO_ACCESS):
        return ""
    known = _METHOD.fullmatch(word)
    demand = known[1] if known is not None else f"({word})"
    return f"methods {demand}" if demand else "methods"


def _by_word(rights: Iterable[tuple[int, str]]) -> str:
    found: dict[str, list[int]] = {}
    for number, word in rights:
        if word not in ("", _NO_ACCESS):
            found.setdefault(word, []).append(number)
    return ", ".join(f"{word} {_spans(numbers)}" for word, numbers in found.items())


def _spans(numbers: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _document(one: MeterObject) -> dict[str, object]:
    return {
        "class_id": one.class_id,
        "version": one.version,
        "obis": str(one.obis),
        "meaning": one.meaning,
        "unit": one.unit,
        "scaler": one.scaler,
        "attributes": {str(number): word for number, word in one.attributes},
        "methods": {str(number): word for number, word in one.methods},
    }
