"""What the engine tells of what it has made: findings of rules, and where substitutes came into use.

Rules: told when the values are written, once for each point, day and kind, in the audit log of the derived archive. In
the log of the gateway, where somebody has to look, the first of each kind at each point.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime

from gatewayd.archive.records import Audit
from gatewayd.archive.store import Store
from gatewayd.daemon.metering_steps import Note

CATEGORY = "metering"
"""Of entries in the audit log of the derived archive."""

log = logging.getLogger("gatewayd.metering")


class Notes:
    """Tells notes; remembers what the log was told since the start."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._warned: set[tuple[str, str]] = set()
        """Points and rules."""

    def tell(self, notes: Iterable[tuple[str, date, Note]]) -> None:
        """Notes of what is written now, each with its point and day."""
        found: defaultdict[tuple[str, date, str], list[Note]] = defaultdict(list)
        for point, day, note in notes:
            found[point, day, note.type].append(note)
        for (point, day, what), together in found.items():
            more = f" (and {len(together) - 1} more)" if len(together) > 1 else ""
            detail = f"{day}: {together[0].text}{more}"
            self._store.submit(Audit(self._clock(), "gateway", CATEGORY, what, point, "done", detail))
            if together[0].warn and (point, what) not in self._warned:
                self._warned.add((point, what))
                log.warning("point %s: rule %s finds: %s; further ones are in the audit log alone", point, what, detail)
