"""What the engine tells in words of the events that it has written: findings of rules, and that substitutes are used.

Rules: told when they are written, each in the audit log of the derived archive (category `metering`, the type is that
of the event). In the log of the gateway, where somebody has to look, the first of each type at each point.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import date, datetime

from gatewayd.archive.records import Audit
from gatewayd.archive.store import Store
from gatewayd.daemon.metering_steps import Note
from gatewayd.metering.events import SUBSTITUTION, PointEvent, State

CATEGORY = "metering"
"""Of entries in the audit log of the derived archive."""

log = logging.getLogger("gatewayd.metering")


def note_of(event: PointEvent) -> Note:
    """The words of an event."""
    code = f"{event.obis.reduced()}: " if event.obis is not None else ""
    warn = event.state is State.FOUND and event.type != SUBSTITUTION
    return Note(event.type, f"{code}{event.text}", warn=warn)


class Notes:
    """Tells notes; remembers what the log was told since the start."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._warned: set[tuple[str, str]] = set()
        """Points and types."""

    def tell(self, notes: Iterable[tuple[str, date, Note]]) -> None:
        """Notes of what is written now, each with its point and day."""
        for point, day, note in notes:
            detail = f"{day}: {note.text}"
            self._store.submit(Audit(self._clock(), "gateway", CATEGORY, note.type, point, "done", detail))
            if note.warn and (point, note.type) not in self._warned:
                self._warned.add((point, note.type))
                log.warning("point %s: %s: %s; further ones are in the audit log alone", point, note.type, detail)
