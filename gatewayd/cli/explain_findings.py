"""What `explain` says of findings: which rules found what, on which registers, why a value is not validated, events.

Rules: pure text of what the archives have. A finding stands in the derivation that wrote the values it touches; its
registers are readings of the raw archive, as far as retention has left them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from gatewayd.cli.language import said, said_count
from gatewayd.cli.output import NARROW, console, local_time, print_lines, print_table, short_time, status_style
from gatewayd.daemon.derived import DerivedReader, Written
from gatewayd.daemon.derived_events import once, standing
from gatewayd.daemon.metering_inputs import Input, inputs_of
from gatewayd.legal_time import end_label, start_label
from gatewayd.metering.events import SUBSTITUTION, PointEvent, State
from gatewayd.metering.record import numbers
from gatewayd.metering.values import Layer, Value
from gatewayd.model import RawStatus
from gatewayd.severity import Severity
from gatewayd.sink.payload import rfc3339

_LISTED = 10
"""Findings of one rule that are shown; JSON has them all."""
_SINCE_SETTLED = " (when it was told; this value is not any more)"


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as it was written down, with the registers that it stands on. `gone`: so many of these are not in the
    raw archive any more."""

    said: Mapping[str, str]
    registers: Sequence[Input]
    gone: int = 0

    @property
    def document(self) -> dict[str, object]:
        """For programs."""
        registers: list[dict[str, object]] = [
            {
                "seq": one.seq,
                "meter": one.meter,
                "obis": one.obis,
                "at": rfc3339(one.at),
                "raw": one.raw_text,
                "unit": one.unit or None,
                "exchange": one.exchange,
            }
            for one in self.registers
        ]
        return {**self.said, "registers": registers, "not_in_the_archive": self.gone}


def findings_of(one: Written) -> list[Mapping[str, str]]:
    """The findings that were written down with a value and touch it."""
    listed = one.document.get("findings")
    found = [_texts(each) for each in listed] if isinstance(listed, list) else []
    return [each for each in found if _touches(each, one.derived.value)]


def found_on(one: Written, raw: Path) -> list[Found]:
    """The same with their registers. ArchiveError."""
    listed = findings_of(one)
    wanted = {each: numbers(listed[each].get("inputs", "")) for each in range(len(listed))}
    there = {each.seq: each for each in inputs_of(raw, {seq for seqs in wanted.values() for seq in seqs})}
    return [
        Found(said, [there[seq] for seq in wanted[n] if seq in there], sum(seq not in there for seq in wanted[n]))
        for n, said in enumerate(listed)
    ]


def events_of(reader: DerivedReader, one: Written) -> list[PointEvent]:
    """What was told of the channel, or the whole point, in the time of a value, and what is told once for a point; what
    is over is left out. ArchiveError."""
    point, value = one.channel.point, one.derived.value
    found = once(reader, (point,)) | standing(reader, (point,), *_days_around(value))
    mine = [
        event
        for event in found.values()
        if event.state is State.FOUND
        and event.obis in (None, one.channel.obis)
        and (event.key.at is None or (event.start < value.at and value.start < event.end))
    ]
    return sorted(mine, key=lambda event: (event.day, event.type, event.subject))


def _days_around(value: Value) -> tuple[datetime, datetime]:
    """Up to the end of the month that an event may be of."""
    return value.start, value.at + timedelta(days=32)


def why_validated(one: Written) -> tuple[str, dict[str, str]]:
    """Whether a value is validated, and if it is not, which of the reasons it is: a template, and what stands in it."""
    value, parameters = one.derived.value, one.document.get("parameters")
    rules = parameters.get("rules") if isinstance(parameters, dict) else None
    if one.derived.validated:
        return "yes", {}
    if value.status is RawStatus.MISSING:
        return "no: the value is missing", {}
    if value.rules:
        return "no: found by {rules}", {"rules": ", ".join(value.rules)}
    if "checked" not in one.document:  # written before it was kept
        return "no: no rules were applied, or the value is not sound", {}
    if rules == []:
        return "no: no validation rules are configured for the point", {}
    if value.status is RawStatus.PROVISIONAL:
        return "no: the value is provisional", {}
    if value.status is RawStatus.DISTORTED:
        return "no: the value is distorted", {}
    if one.layer in (Layer.MONTH, Layer.MAXIMUM, Layer.LOSS_MONTH):
        return "no: not all of its days are validated", {}
    return "no: no rules have looked at it", {}


def event_document(event: PointEvent) -> dict[str, object]:
    """For programs."""
    return {
        "type": event.type,
        "severity": event.severity.value,
        "day": event.day.isoformat(),
        "obis": None if event.obis is None else str(event.obis),
        "count": event.count,
        "text": event.text,
    }


# -- for people -------------------------------------------------------------------------------------------------------


def print_findings(one: Written, found: Sequence[Found], zone: ZoneInfo) -> None:
    """The findings, the registers that they stand on, and how many more there are."""
    if not found:
        return
    screen = console()
    print_lines(screen, "", Text(said("findings"), style="bold"))
    shown: dict[str, int] = {}
    for each in found:
        rule = each.said.get("rule", "")
        shown[rule] = shown.get(rule, 0) + 1
        if shown[rule] <= _LISTED:
            _print_finding(each, zone)
    more = one.document.get("more_findings")
    left = {rule: count - _LISTED for rule, count in shown.items() if count > _LISTED}
    for rule, count in more.items() if isinstance(more, dict) else ():
        left[rule] = left.get(rule, 0) + int(count)
    for rule, count in left.items():
        print_lines(screen, f"  {said('and {findings} more of rule {rule}').format(findings=count, rule=rule)}")


def _print_finding(found: Found, zone: ZoneInfo) -> None:
    screen, facts = console(), found.said
    severity = facts.get("severity", "")
    style = "yellow" if severity == Severity.WARNING.value else "red"
    when = _when(facts, zone)
    print_lines(screen, Text.assemble("  ", (said(severity), style), f" {facts.get('rule', '')}, {when}"))
    print_lines(screen, f"    {facts.get('text', '')}")
    compared = _compared(facts)
    if compared:
        print_lines(screen, f"    {compared}")
    if found.registers:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("   seq", "meter", "obis", "at", "raw", "unit", "status", "exchange", "read"):
            table.add_column(said(name), overflow="fold", no_wrap=name.strip() in ("seq", "at", "read"))
        for one in found.registers:
            status = Text(said(one.status.text), style=status_style(one.status.text))
            cells = (one.raw_text, one.unit, status, str(one.exchange), table_time(one.started_at, zone))
            table.add_row(f"    {one.seq}", one.meter, one.obis, table_time(one.at, zone), *cells)
        print_table(screen, table)
    if found.gone:
        gone = said_count(found.gone, "register")
        print_lines(
            screen, f"    {said('{registers} not in the raw archive any more (retention)').format(registers=gone)}"
        )


def table_time(at: datetime, zone: ZoneInfo) -> str:
    """An instant in a column: without its offset where the terminal is narrow."""
    screen = console()
    return (short_time if screen.is_terminal and screen.width < NARROW else local_time)(at, zone)


def print_events(one: Written, events: Iterable[PointEvent]) -> None:
    """What is told of the point and the day of a value besides."""
    settled = one.derived.value.status is not RawStatus.PROVISIONAL
    told = [
        f"{event.day}  {event.type}: {event.text}{_SINCE_SETTLED if settled and _unsettled(event) else ''}"
        for event in events
    ]
    lines = [*told, *(each for each in remarks_of(one) if not any(each in text for text in told))]
    if lines:
        print_lines(console(), "", Text(said("events"), style="bold"), *(f"  {line}" for line in lines))


def _unsettled(event: PointEvent) -> bool:
    """Whether an event tells of provisional values: it is told once, and stays when they are settled."""
    return event.type == SUBSTITUTION and RawStatus.PROVISIONAL.text in event.text


def remarks_of(one: Written) -> list[str]:
    """What was remarkable when the value was written, in words."""
    listed = one.document.get("remarks")
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def _when(facts: Mapping[str, str], zone: ZoneInfo) -> str:
    start, end = _span(facts)
    if start == end:
        return end_label(end, zone)
    return f"{start_label(start, zone)} {said('to')} {end_label(end, zone)}"


def _compared(facts: Mapping[str, str]) -> str:
    unit = facts.get("unit", "")
    parts = [f"{said(name)} {facts[name]} {unit}".rstrip() for name in ("amount", "limit") if facts.get(name)]
    return ", ".join(parts)


def _touches(facts: Mapping[str, str], value: Value) -> bool:
    if facts.get("severity") == Severity.CRITICAL.value:
        return True
    start, end = _span(facts)
    if start == end:
        return value.start < end <= value.at
    return start < value.at and value.start < end


def _span(facts: Mapping[str, str]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(facts["start"]), datetime.fromisoformat(facts["end"])


def _texts(one: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in one.items() if value is not None} if isinstance(one, dict) else {}
