"""`gatewayd scan`: the objects that a meter has, as a table, and a block for the configuration that reads them.

Rules: the block is a configuration of this version: what `gatewayd check` would refuse stands in it as a comment. It
names files of secrets as they are configured, and holds no secret.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
import yaml
from rich.table import Table

from gatewayd import daemon
from gatewayd.cli.archive_export import complete
from gatewayd.cli.output import console, print_json, visible, warn
from gatewayd.cli.session import find_meter, session
from gatewayd.config import MeterSettings
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
_REGISTER, _EXTENDED, _DEMAND, _PROFILE = 3, 4, 5, 7
_ENERGY, _MAXIMUM = 8, 6
"""Values of OBIS group D (IEC 62056-6-1): time integral 1, maximum 1."""


@click.command()
@click.argument("meter")
@click.option(
    "--block", "block_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the meter's block into FILE."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def scan(config_path: Path, meter: str, block_path: Path | None, as_json: bool) -> None:
    """List the objects of METER, and the block that reads its registers."""
    config = daemon.load_config(config_path)
    warn(config_path, config.warnings)
    settings = find_meter(config, meter)
    result = asyncio.run(session(config, settings, Scan()))
    serial = next((archived.serial for archived in result.readings if archived.serial), settings.serial)
    block = meter_block(settings, serial, result.objects)
    if as_json:
        print_json({"serial": serial, "objects": [_document(one) for one in result.objects], "block": block})
    elif result.objects:
        console().print(_table(result.objects))
        if block_path is None:
            click.echo(f"\n{block}", nl=False)
    if block_path is not None and result.objects:
        with complete(block_path) as stream:
            stream.write(block.encode())
    if result.fault is not None:
        raise result.fault


def meter_block(settings: MeterSettings, serial: str, objects: Sequence[MeterObject]) -> str:
    """The entry of the meter under `meters:`, as YAML: as it is configured, with jobs for what it has."""
    entry: dict[str, object] = {"id": settings.id, "driver": settings.driver, "line": settings.line}
    if settings.metering_type.value != "C":
        entry["metering_type"] = settings.metering_type.value
    if serial:
        entry["serial"] = serial
    if options := settings.options.model_dump(mode="json", exclude_defaults=True):
        entry[settings.driver] = options
    registers = [one.obis for one in objects if one.class_id in (_REGISTER, _EXTENDED, _DEMAND)]
    jobs = []
    if energy := [str(obis) for obis in registers if obis.d == _ENERGY]:
        jobs.append({"registers": energy, "every": "15m"})
    if maxima := [str(obis) for obis in registers if obis.d == _MAXIMUM]:
        jobs.append({"registers": maxima, "at": "00:05"})
    if jobs:
        entry["jobs"] = jobs
    text = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    profiles = [one for one in objects if one.class_id == _PROFILE]
    notes = [f"  # {_profile_line(settings.id, one)}\n" for one in profiles]
    return text + "".join(notes)


def _profile_line(meter: str, one: MeterObject) -> str:
    return f"gatewayd profile {meter} {one.obis}" + (f"    {one.meaning}" if one.meaning else "")


def _table(objects: Sequence[MeterObject]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", no_wrap=True)
    table.add_column("obis", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    table.add_column("unit", no_wrap=True)
    table.add_column("access", overflow="fold")
    for one in objects:
        name = _CLASSES.get(one.class_id, "")
        table.add_row(
            f"{one.class_id:>3} {name}".rstrip(), str(one.obis), visible(one.meaning), _unit(one), access(one)
        )
    return table


def _unit(one: MeterObject) -> str:
    return f"{one.unit} x 10^{one.scaler}" if one.scaler else one.unit


def access(one: MeterObject) -> str:
    """`read 1-3, read and write 4, call 1`: attributes with the same access together, then the methods."""
    parts = [f"{word} {_spans(numbers)}" for word, numbers in _by_word(one.attributes).items()]
    parts += [f"{word} {_spans(numbers)}" for word, numbers in _by_word(one.methods).items()]
    return ", ".join(parts)


def _by_word(rights: Sequence[tuple[int, str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, word in rights:
        if word:
            found.setdefault(word, []).append(number)
    return found


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
