"""`gatewayd explain`: why a value of a metering point is what it is, down to the exchanges of its readings.

Rules: reads the archives and asks nobody. The newest version is explained, the others are listed. A time is the end of
an interval, as everywhere; a day means its sums, a month those of the month.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.cli.language import lang_option, said, said_all
from gatewayd.cli.output import console, local_time, print_json, print_lines, print_table, status_style
from gatewayd.cli.session import obis_code
from gatewayd.cli.times import instant_of
from gatewayd.daemon.derived import DerivedReader, Written, derived_folder
from gatewayd.daemon.metering_inputs import Input, inputs_of
from gatewayd.legal_time import end_label
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.record import ranges
from gatewayd.metering.values import Layer
from gatewayd.obis import Obis
from gatewayd.sink.payload import rfc3339

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|yesterday|today")
_LISTED = 12
"""So many readings are shown one by one; more are counted by the exchange that brought them."""


@click.command()
@click.argument("point")
@click.argument("obis", type=obis_code)
@click.argument("time")
@click.option("--layer", type=click.Choice([layer.value for layer in Layer]), help="Which of the values that end then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@lang_option
@click.pass_obj
def explain(config_path: Path, point: str, obis: Obis, time: str, layer: str | None, as_json: bool) -> None:
    """Why a value of POINT is what it is: reason, method, inputs, author, all versions.

    \b
    TIME is the end of an interval: "2026-11-01 13:15", "2026-11-01 24:00",
    or a day, 2026-11-01, for its sums, or a month, 2026-11, for those of the month.
    """
    config = daemon.load_config(config_path)
    zone = config.gateway.zone
    at, wanted = _when(time, zone, layer)
    reader = DerivedReader(derived_folder(config.archive.path))
    found = [one for one in reader.history(point, obis, at) if wanted is None or one.layer in wanted]
    if not found:
        raise click.ClickException(_nothing(reader, point, obis, at, zone, [one.id for one in config.points]))
    by_layer: defaultdict[Layer, list[Written]] = defaultdict(list)
    for one in found:
        by_layer[one.layer].append(one)
    values = [
        (versions, inputs_of(config.archive.path, versions[-1].derived.value.inputs)) for versions in by_layer.values()
    ]
    if as_json:
        documents = [_document(*one) for one in values]
        print_json({"point": point, "obis": str(obis), "at": rfc3339(at), "values": documents})
        return
    for place, (versions, inputs) in enumerate(values):
        if place:
            console().print()
        _print(versions, inputs, zone)


def _when(text: str, zone: ZoneInfo, layer: str | None) -> tuple[datetime, frozenset[Layer] | None]:
    """The end that a text means, and the layers that it can mean."""
    named = frozenset({Layer(layer)}) if layer is not None else None
    match = _MONTH.fullmatch(text.strip())
    try:
        if match is not None:
            month = date(int(match[1]), int(match[2]), 1)
            return month_bounds(month, zone)[1], named or frozenset({Layer.MONTH, Layer.MAXIMUM, Layer.LOSS})
        at = instant_of(text, zone, datetime.now(UTC), end=True)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="TIME") from None
    if _DAY.fullmatch(text.strip().lower()):
        return at, named or frozenset({Layer.DAY, Layer.GAS_DAY})
    return at, named


def _nothing(reader: DerivedReader, point: str, obis: Obis, at: datetime, zone: ZoneInfo, points: Sequence[str]) -> str:
    """Why there is nothing, as far as that can be told."""
    channels = reader.channels()
    if not any(one[0] == point for one in channels):
        known = ", ".join(points[:10]) or "none"
        if point in points:
            return f"nothing was derived of point {point} yet; does the gateway run, and is its meter read?"
        return f"there is no metering point {point}; the configuration has: {known}"
    codes = sorted({one[1] for one in channels if one[0] == point})
    if str(obis) not in codes:
        return f"point {point} has no {obis}; it has {', '.join(codes)}"
    until = end_label(at, zone)
    return f"nothing was derived of point {point} {obis} that ends {until}; a time is the end of an interval"


# -- for programs -----------------------------------------------------------------------------------------------------


def _document(versions: Sequence[Written], inputs: Sequence[Input]) -> dict[str, object]:
    newest = versions[-1]
    there = {one.seq for one in inputs}
    return {
        "layer": newest.layer.value,
        "unit": newest.channel.unit or None,
        **_version(newest),
        "versions": [_version(one) for one in versions],
        "readings": [_input(one) for one in inputs],
        "not_in_the_archive": ranges(tuple(seq for seq in newest.derived.value.inputs if seq not in there)),
    }


def _version(one: Written) -> dict[str, object]:
    value = one.derived.value
    return {
        "version": one.derived.version,
        "seq": one.seq,
        "supersedes": one.derived.supersedes,
        "value": value.amount,
        "status": value.status.text,
        "flags": value.flags.texts,
        "method": value.method.value,
        "reason": value.reason,
        "have": value.have,
        "want": value.want,
        "instant": None if value.instant is None else rfc3339(value.instant),
        "rules": list(value.rules),
        "validated": one.derived.validated,
        "inputs": ranges(value.inputs),
        "author": one.document.get("author"),
        "parameters": one.document.get("parameters"),
        "computed_at": rfc3339(one.at),
        "because": one.reason,
        "exchange": one.exchange,
    }


def _input(one: Input) -> dict[str, object]:
    return {
        "seq": one.seq,
        "meter": one.meter,
        "obis": one.obis,
        "at": rfc3339(one.at),
        "raw": one.raw_text,
        "scaler": one.scaler,
        "unit": one.unit or None,
        "status": one.status.text,
        "flags": one.flags.texts,
        "exchange": one.exchange,
        "line": one.line,
        "request": one.request,
        "started_at": rfc3339(one.started_at),
        "outcome": one.outcome,
    }


# -- for people -------------------------------------------------------------------------------------------------------


def _print(versions: Sequence[Written], inputs: Sequence[Input], zone: ZoneInfo) -> None:
    screen = console()
    newest = versions[-1]
    value = newest.derived.value
    channel, until = newest.channel, end_label(value.at, zone)
    title = f"{channel.point} {channel.obis} {said(newest.layer.value)}, {said('to')} {until}"
    print_lines(screen, Text(title, style="bold"))
    amount = said("no value") if value.amount is None else f"{value.amount:f} {newest.channel.unit}"
    facts = newest.document.get("parameters")
    parameters = "; ".join(f"{key}: {_words(fact)}" for key, fact in facts.items()) if isinstance(facts, dict) else ""
    validated = "yes" if newest.derived.validated else "no: no rules were applied, or the value is not sound"
    lines = [
        ("value", Text.assemble(amount, "  ", (said(value.status.text), status_style(value.status.text)))),
        ("flags", Text(said_all(value.flags.texts))),
        ("method", Text(said(value.method.value))),
        ("reason", Text(value.reason)),
        ("coverage", Text(f"{value.have} / {value.want}" if value.want != 1 else "")),
        ("instant", Text("" if value.instant is None else end_label(value.instant, zone))),
        ("rules", Text(", ".join(value.rules))),
        ("validated", Text(said(validated))),
        ("computed", Text(f"{local_time(newest.at, zone)}, {newest.document.get('author')}: {newest.reason}")),
        ("parameters", Text(parameters)),
    ]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        if text.plain:
            table.add_row(f"  {said(name)}", text)
    screen.print(table)
    _print_inputs(value.inputs, inputs, zone)
    if len(versions) > 1:
        _print_versions(versions, zone)


def _words(fact: object) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)


def _print_inputs(numbers: Sequence[int], inputs: Sequence[Input], zone: ZoneInfo) -> None:
    screen = console()
    print_lines(screen, "", Text(said("readings that it is made of"), style="bold"))
    if not numbers:
        print_lines(screen, f"  {said('none')}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    by_exchange: defaultdict[int, list[Input]] = defaultdict(list)
    for one in inputs:
        by_exchange[one.exchange].append(one)
    if len(inputs) <= _LISTED:
        for name in ("seq", "meter", "obis", "interval to", "raw", "unit", "status", "exchange", "request", "read"):
            table.add_column(said(name), overflow="fold", no_wrap=name in ("seq", "interval to"))
        for one in inputs:
            status = Text(said(one.status.text), style=status_style(one.status.text))
            cells = (one.raw_text, one.unit, status, str(one.exchange), one.request, local_time(one.started_at, zone))
            table.add_row(str(one.seq), one.meter, one.obis, end_label(one.at, zone), *cells)
    else:
        for name in ("exchange", "meter", "request", "read", "outcome", "readings", "seq"):
            table.add_column(said(name), overflow="fold", justify="right" if name == "readings" else "left")
        for number, found in list(by_exchange.items())[:_LISTED]:
            first, seqs = found[0], ranges(tuple(one.seq for one in found))
            when = local_time(first.started_at, zone)
            table.add_row(str(number), first.meter, first.request, when, first.outcome, str(len(found)), seqs)
    if inputs:
        print_table(screen, table)
    if len(inputs) > _LISTED and len(by_exchange) > _LISTED:
        print_lines(screen, f"  and {len(by_exchange) - _LISTED} more exchanges; --json lists all readings")
    if len(inputs) < len(numbers):
        gone = len(numbers) - len(inputs)
        print_lines(screen, f"  {gone} of {len(numbers)} readings are not in the raw archive any more (retention)")


def _print_versions(versions: Sequence[Written], zone: ZoneInfo) -> None:
    screen = console()
    print_lines(screen, "", Text(said("versions"), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("version", "value", "status", "method", "computed", "author", "because"):
        table.add_column(said(name), overflow="fold", justify="right" if name in ("version", "value") else "left")
    for one in versions:
        value = one.derived.value
        table.add_row(
            str(one.derived.version),
            "" if value.amount is None else f"{value.amount:f}",
            Text(said(value.status.text), style=status_style(value.status.text)),
            said(value.method.value),
            local_time(one.at, zone),
            str(one.document.get("author")),
            one.reason,
        )
    print_table(screen, table)
