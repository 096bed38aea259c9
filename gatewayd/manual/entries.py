"""What is archived of readings by hand: the reading itself, or a note that it waits and what became of it.

Rules: a reading has the flag `manual` and says who has read, entered and released it; nothing is corrected. A note has
no reading: nobody is told of it before its release.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gatewayd.archive.by_hand import note_entry
from gatewayd.archive.neighbours import BY_HAND
from gatewayd.archive.records import Entry
from gatewayd.manual import held
from gatewayd.manual.desk import Judged
from gatewayd.manual.held import Held, Step
from gatewayd.manual.submission import LONGEST_TEXT
from gatewayd.manual.submission import Outcome as Handling
from gatewayd.model import Exchange, Kind, Meter, Outcome, Reading
from gatewayd.sink.payload import rfc3339
from gatewayd.status import judge


@dataclass(frozen=True, slots=True)
class Release:
    """That one has waited, and who has released it."""

    held: Held
    step: Step


def entry_of(found: Judged, author: str, user: str, file: str, now: datetime, release: Release | None = None) -> Entry:
    """What is archived of one that is not refused. `user`: who has handed it in as far as the system knows."""
    submission, meter, code = found.submission, found.meter, found.code
    assert meter is not None and code is not None and found.at is not None
    status, flags = judge(found.faults)
    text = submission.value.strip()
    reading = Reading(
        meter=meter.id,
        obis=code,
        obis_raw=str(code),
        kind=Kind.REGISTER,
        at=found.at,
        raw=text.encode(),
        raw_text=text,
        unit=found.unit,
        status=status,
        flags=flags,
    )
    facts: dict[str, object] = {
        "source": "manual",
        "author": author[:LONGEST_TEXT],
        "user": user,
        "method": submission.method.value,
        "type": found.kind.value if found.kind is not None else "",
        "number": submission.number.strip(),
        "request": submission.request.strip(),
        "note": submission.note[:LONGEST_TEXT],
        "file": file,
        "row": submission.row,
        "corrects": found.corrects,
        "maximum": 0 if found.maximum is None else int(found.maximum),
        "findings": [f"{one.severity.value} {one.check.text}: {one.text}" for one in found.findings],
    }
    if release is not None:
        facts |= {
            "held": release.held.number,
            "handed_in": rfc3339(release.held.handed_in),
            "released_by": release.step.author[:LONGEST_TEXT],
            "released_user": release.step.user,
            "release_note": release.step.note[:LONGEST_TEXT],
        }
    detail = json.dumps({key: value for key, value in facts.items() if value}, ensure_ascii=False)
    exchange = Exchange(meter.id, BY_HAND, "reading", now, now, reading.raw, Outcome.DONE, detail)
    return Entry(exchange, (reading,), (found.ratio,), found.serial or meter.serial, meter.point, meter.metering_type)


def held_entry(found: Judged, number: int, step: Step, file: str) -> Entry:
    """The note that one waits, under this number."""
    assert found.meter is not None
    seen = found.handled(Handling.HELD, number=number)
    entry = held.Entry(number, step, found.submission, seen, file)
    return _note(entry, seen.meter, seen.obis, found.meter)


def step_entry(one: Held, step: Step, meters: Iterable[Meter]) -> Entry:
    """The note that one does not wait any more. Its meter may not be configured any more."""
    meter = next((each for each in meters if each.id == one.seen.meter), None)
    return _note(held.Entry(one.number, step), one.seen.meter, one.seen.obis, meter)


def _note(entry: held.Entry, subject: str, obis: str, meter: Meter | None) -> Entry:
    step, request = entry.step, f"{held.REQUEST} {obis}"
    words = f"number {entry.number} {step.state.value} by {step.author}"
    detail = f"{words}: {step.note}" if step.note else words
    if meter is None:
        return note_entry(subject, request, held.document(entry), detail, step.at)
    return note_entry(subject, request, held.document(entry), detail, step.at, meter.point, meter.metering_type)
