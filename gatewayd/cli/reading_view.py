"""What is printed of readings by hand: one line for each, and JSON for programs."""

import json
from collections.abc import Mapping
from zoneinfo import ZoneInfo

import click

from gatewayd.cli.clock_text import printable
from gatewayd.cli.language import language, said
from gatewayd.cli.output import local_time
from gatewayd.manual.submission import LONGEST_TEXT, Found, Handled
from gatewayd.sink.payload import rfc3339


def check_texts(texts: Mapping[str, str], longest: int = LONGEST_TEXT) -> None:
    """By the option that they were given to: click.BadParameter for one that is too long or holds what nobody types."""
    for option, text in texts.items():
        if len(text) > longest:
            raise click.BadParameter(f"has more than {longest} characters", param_hint=option)
        if not text.isprintable():
            raise click.BadParameter("holds characters that cannot be shown", param_hint=option)


def seen_line(handled: Handled, zone: ZoneInfo) -> str:
    """`em-1001 1-0:1.8.0*255  8048 kWh  2026-11-26 10:00:00+0100`, as far as it was understood."""
    when = local_time(handled.at, zone) if handled.at is not None else ""
    parts = (f"{handled.meter} {handled.obis}".strip(), f"{printable(handled.value)} {handled.unit}".strip(), when)
    return "  ".join(part for part in parts if part)


def archived_line(handled: Handled, zone: ZoneInfo) -> str:
    """The same with its place, status and flags."""
    flags = ", ".join(handled.flags)
    return f"archived as seq {handled.seq}: {seen_line(handled, zone)}  {handled.status} ({flags})"


def held_line(handled: Handled, zone: ZoneInfo) -> str:
    """The same of one that waits."""
    words = said("held until another person releases it")
    return f"{words}, {said('number')} {handled.number}: {seen_line(handled, zone)}"


def handled_object(handled: Handled) -> dict[str, object]:
    """For programs; what is not known is null."""
    return {
        "outcome": handled.outcome.value,
        "row": handled.row or None,
        "seq": handled.seq or None,
        "number": handled.number or None,
        "meter": handled.meter or None,
        "obis": handled.obis or None,
        "value": handled.value,
        "unit": handled.unit or None,
        "at": rfc3339(handled.at) if handled.at is not None else None,
        "type": handled.type or None,
        "serial": handled.serial or None,
        "status": handled.status or None,
        "flags": list(handled.flags),
        "findings": [finding_object(one) for one in handled.findings],
    }


def facts_of(detail: str) -> dict[str, object]:
    """What stands beside an archived reading (gatewayd/manual/entries.py); {} for a detail that says nothing."""
    try:
        found = json.loads(detail)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def finding_object(found: Found) -> dict[str, object]:
    return {"severity": found.severity, "check": found.check, "text": found.text, "portal": found.portal or None}


def finding_line(found: Found) -> str:
    """`error: ...`; in Czech in the words of the gas operator's portal, where it has any, and ours, which say more."""
    text = f"{found.portal} ({found.text})" if language() == "cs" and found.portal else found.text
    return f"{said(found.severity)}: {text}"
