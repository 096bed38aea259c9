"""What `gatewayd explain` shows of one layer of a value: an object of its JSON document, or a page for people.

Rules: pure text of what was found. Up to twelve readings are shown one by one; JSON has all of them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from gatewayd.cli.explain_findings import (
    Found,
    event_document,
    print_events,
    print_findings,
    remarks_of,
    table_time,
    why_validated,
)
from gatewayd.cli.language import said, said_all
from gatewayd.cli.output import console, local_time, print_lines, print_table, status_style
from gatewayd.daemon.derived import Written
from gatewayd.daemon.metering_inputs import Input
from gatewayd.legal_time import end_label
from gatewayd.metering.events import PointEvent, rule_of
from gatewayd.metering.record import ranges
from gatewayd.sink.payload import rfc3339

_LISTED = 12
"""So many readings are shown one by one; more are counted by the exchange that brought them."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Of one layer: all versions, oldest first; of the newest what it was made of, what was found on it, and what was
    told of it and its point."""

    versions: Sequence[Written]
    inputs: Sequence[Input]
    findings: Sequence[Found]
    events: Sequence[PointEvent]


# -- for programs -----------------------------------------------------------------------------------------------------


def document(explained: Explained) -> dict[str, object]:
    """One layer, for JSON."""
    versions, inputs = explained.versions, explained.inputs
    newest = versions[-1]
    there = {one.seq for one in inputs}
    template, names = why_validated(newest)
    return {
        "layer": newest.layer.value,
        "unit": newest.channel.unit or None,
        **_version(newest),
        "validated_because": template.format(**names).removeprefix("no: ") if template != "yes" else None,
        "findings": [one.document for one in explained.findings],
        "more_findings": newest.document.get("more_findings") or {},
        "events": [event_document(one) for one in explained.events],
        "remarks": remarks_of(newest),
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


def print_explained(explained: Explained, zone: ZoneInfo) -> None:
    """One layer on the screen."""
    screen, versions = console(), explained.versions
    newest = versions[-1]
    value = newest.derived.value
    channel, until = newest.channel, end_label(value.at, zone)
    title = f"{channel.point} {channel.obis} {said(newest.layer.value)}, {said('to')} {until}"
    print_lines(screen, Text(title, style="bold"))
    amount = said("no value") if value.amount is None else f"{value.amount:f} {newest.channel.unit}"
    facts = newest.document.get("parameters")
    parameters = "; ".join(f"{key}: {_words(fact)}" for key, fact in facts.items()) if isinstance(facts, dict) else ""
    validated, names = why_validated(newest)
    lines = [
        ("value", Text.assemble(amount, "  ", (said(value.status.text), status_style(value.status.text)))),
        ("flags", Text(said_all(value.flags.texts))),
        ("method", Text(said(value.method.value))),
        ("reason", Text(value.reason)),
        ("coverage", Text(f"{value.have} / {value.want}" if value.want != 1 else "")),
        ("instant", Text("" if value.instant is None else end_label(value.instant, zone))),
        ("rules", Text(", ".join(value.rules))),
        ("validated", Text(said(validated).format(**names))),
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
    print_findings(newest, explained.findings, zone)
    rules = {one.said.get("rule", "") for one in explained.findings}
    print_events(newest, [one for one in explained.events if rule_of(one.type) not in rules])
    _print_inputs(value.inputs, explained.inputs, zone)
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
            table.add_column(said(name), overflow="fold", no_wrap=name in ("seq", "interval to", "read"))
        for one in inputs:
            status = Text(said(one.status.text), style=status_style(one.status.text))
            cells = (one.raw_text, one.unit, status, str(one.exchange), one.request, table_time(one.started_at, zone))
            table.add_row(str(one.seq), one.meter, one.obis, end_label(one.at, zone), *cells)
    else:
        for name in ("exchange", "meter", "request", "read", "outcome", "readings", "seq"):
            table.add_column(
                said(name),
                overflow="fold",
                justify="right" if name == "readings" else "left",
                no_wrap=name == "read",
            )
        for number, found in list(by_exchange.items())[:_LISTED]:
            first, seqs = found[0], ranges(tuple(one.seq for one in found))
            when = table_time(first.started_at, zone)
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
        table.add_column(
            said(name),
            overflow="fold",
            justify="right" if name in ("version", "value") else "left",
            no_wrap=name == "computed",
        )
    for one in versions:
        value = one.derived.value
        table.add_row(
            str(one.derived.version),
            "" if value.amount is None else f"{value.amount:f}",
            Text(said(value.status.text), style=status_style(value.status.text)),
            said(value.method.value),
            table_time(one.at, zone),
            str(one.document.get("author")),
            one.reason,
        )
    print_table(screen, table)
