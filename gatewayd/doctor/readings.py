"""Readings by hand that wait for their release: for how long, and when retention drops them.

Rules: what waits is no reading, so nothing else misses it; one that is forgotten is a warning, and an error when the
segment in which it stands is about to go. What waits at all is a note.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import apsw

from gatewayd.doctor.archive import opened_in_passing
from gatewayd.doctor.findings import Finding, Unseen, error, note, warning
from gatewayd.errors import NotPermitted
from gatewayd.manual.held import Held
from gatewayd.manual.queue import Queue

AREA = "archive"
SUBJECT = "readings by hand"
FORGOTTEN = timedelta(days=7)
"""Half of the shortest deadline (K, N: 14 days)."""
_MONTH = timedelta(days=30)
_AHEAD = 3
"""Months."""
_REMEDY = "gatewayd reading waiting; then gatewayd reading release NUMBER, or reject NUMBER --note WHY"


def judged(archive: Path, now: datetime, months: int) -> list[Finding]:
    """Look, and say what it means. `months`: the retention of the archive. Unseen where this user may not look."""
    try:
        return judged_waiting(Queue(archive, opened_in_passing).waiting(), now, months)
    except (NotPermitted, apsw.CantOpenError):
        raise Unseen(f"this user may not read the segments in {archive}") from None


def judged_waiting(waiting: Sequence[Held], now: datetime, months: int) -> list[Finding]:
    """What is to be told of those that wait."""
    if not waiting:
        return []
    oldest = min(waiting, key=lambda one: one.handed_in)
    age = now - oldest.handed_in
    one = len(waiting) == 1
    which = f"number {oldest.number} of meter {oldest.seen.meter}, handed in by {oldest.author}"
    count = "1 waits" if one else f"{len(waiting)} wait"
    text = f"{count} for release{', ' if one else ', the oldest '}{which} {_days(age)} ago"
    if age >= (months - _AHEAD) * _MONTH:
        told = f"{text}; retention drops what is older than {months} months, also where it waits"
        return [error(AREA, SUBJECT, told, _REMEDY)]
    if age >= FORGOTTEN:
        return [warning(AREA, SUBJECT, text, _REMEDY)]
    return [note(AREA, SUBJECT, text, _REMEDY)]


def _days(age: timedelta) -> str:
    return "1 day" if age.days == 1 else f"{age.days} days"
