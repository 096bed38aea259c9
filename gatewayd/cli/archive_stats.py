"""`gatewayd archive stats`: how much is in the archive, how large it is, and since when."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from gatewayd import daemon
from gatewayd.archive.stats import Amount, SegmentStats, Stats
from gatewayd.archive.stats import stats as count
from gatewayd.cli.exit_codes import ExitCode
from gatewayd.cli.output import console, local_time, print_json, print_lines, print_table
from gatewayd.cli.progress import patience
from gatewayd.model import RawStatus
from gatewayd.sink.payload import rfc3339

_WIDE, _DAY = 132, 10
"""Columns of the whole table; of a day."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def stats(config_path: Path, as_json: bool) -> None:
    """Count: readings, exchanges and bytes of each segment, readings and statuses of each meter."""
    config = daemon.load_config(config_path)
    with patience("counting the archive"):
        found = count(config.archive.path)
    if as_json:
        print_json(_document(found))
    else:
        _print(found, config.gateway.zone)
    faults = [segment for segment in found.segments if segment.fault]
    for segment in faults:
        click.echo(
            f"segment {segment.number} cannot be counted: {segment.fault}; see gatewayd archive verify", err=True
        )
    if faults:
        raise click.exceptions.Exit(ExitCode.FAULT)


def _document(found: Stats) -> dict[str, object]:
    head = found.head
    return {
        "segments": [
            {
                "number": segment.number,
                "opened_at": _instant(segment.opened_at),
                "sealed_at": _instant(segment.sealed_at),
                "exchanges": segment.exchanges,
                "bytes": segment.bytes,
                "bytes_per_reading": _each(segment.bytes, segment.amount.readings),
                **_amount_object(segment.amount),
                "fault": segment.fault or None,
            }
            for segment in found.segments
        ],
        "meters": [{"meter": meter, **_amount_object(amount)} for meter, amount in sorted(found.meters.items())],
        "total": {
            "segments": len(found.segments),
            "exchanges": found.exchanges,
            "bytes": found.bytes,
            "bytes_per_reading": _each(found.bytes, found.total.readings),
            **_amount_object(found.total),
        },
        "head": None
        if head is None
        else {
            "segment": head.segment,
            "batch": head.batch,
            "seq": head.seq,
            "exchange": head.exchange,
            "hash": head.hash.hex(),
        },
    }


def _amount_object(amount: Amount) -> dict[str, object]:
    return {
        "readings": amount.readings,
        "first_at": _instant(amount.first_at),
        "last_at": _instant(amount.last_at),
        "statuses": {status.text: amount.statuses[status] for status in RawStatus},
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)


def _each(size: int, readings: int) -> Decimal | None:
    """Bytes for each reading, one digit after the point."""
    return (Decimal(size) / readings).quantize(Decimal("0.1"), ROUND_HALF_UP) if readings else None


def _print(found: Stats, zone: ZoneInfo) -> None:
    """On a narrow terminal days instead of times, and without what stands in other columns, or is zero everywhere."""
    out = console()
    narrow = out.is_terminal and out.width < _WIDE

    def time(instant: datetime | None) -> str:
        return "" if instant is None else local_time(instant, zone)[: _DAY if narrow else None]

    def sizes(size: int, readings: int) -> tuple[str, str]:
        each = _each(size, readings)
        return f"{size:,}", "" if each is None else str(each)

    def state(segment: SegmentStats) -> str:
        return "UNREADABLE" if segment.fault else time(segment.sealed_at) or "being written"

    ends = () if narrow else ("first", "last")
    table = _table("segment", "opened", "sealed", "readings", "exchanges", "bytes", "each", *ends)
    for segment in found.segments:
        amount = segment.amount
        table.add_row(
            str(segment.number),
            time(segment.opened_at),
            state(segment),
            str(amount.readings),
            str(segment.exchanges),
            *sizes(segment.bytes, amount.readings),
            *([] if narrow else [time(amount.first_at), time(amount.last_at)]),
        )
    total = found.total
    table.add_row(
        "total",
        "",
        "",
        str(total.readings),
        str(found.exchanges),
        *sizes(found.bytes, total.readings),
        *([] if narrow else [time(total.first_at), time(total.last_at)]),
    )
    shown = [status for status in RawStatus if not narrow or total.statuses[status]]
    meters = _table("meter", "readings", *(status.text for status in shown), "first", "last")
    for meter, amount in sorted(found.meters.items()):
        statuses = (str(amount.statuses[status]) for status in shown)
        meters.add_row(meter, str(amount.readings), *statuses, time(amount.first_at), time(amount.last_at))
    print_table(out, table)
    out.print()
    print_table(out, meters)
    out.print()
    head = found.head
    print_lines(out, "no head" if head is None else f"head: seq {head.seq}, batch {head.batch}, hash {head.hash.hex()}")


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        textual = name in ("segment", "meter", "opened", "sealed", "first", "last")
        table.add_column(name, justify="left" if textual else "right", no_wrap=True)
    return table
