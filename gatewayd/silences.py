"""Which meters of a line do not answer, and how long each is left alone.

Rules: pure. Whoever is asked and says nothing costs all the others of the line a time-out; so after three times in a
row a meter is asked less and less often, and behind those that answer. It is never given up: one answer, of whatever
kind, and all is as before.
"""

from datetime import datetime, timedelta

from gatewayd.errors import ArchiveError, ChannelError, GatewayError, MeterSilent, SessionDeadline

DEAD_AFTER = 3
"""Sessions in a row without an answer."""
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 240, 300))
"""Between the beginnings of two sessions with a meter that is dead; the last one stays."""


class Silences:
    """How the last sessions with each meter went. Instants are those of the caller."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._until: dict[str, datetime] = {}

    def note(self, meter: str, fault: GatewayError | None, started: datetime) -> None:
        """How a session that began then has ended. Where the line or the archive has failed, that tells nothing."""
        if isinstance(fault, ChannelError | ArchiveError):
            return
        if not isinstance(fault, MeterSilent | SessionDeadline):
            self._counts.pop(meter, None)
            self._until.pop(meter, None)
            return
        count = self._counts[meter] = self._counts.get(meter, 0) + 1
        if count >= DEAD_AFTER:
            self._until[meter] = started + PAUSES[min(count - DEAD_AFTER, len(PAUSES) - 1)]

    def silent(self, meter: str) -> bool:
        """Whether it did not answer the last time."""
        return meter in self._counts

    def dead(self, meter: str) -> bool:
        """Whether it has not answered for several times in a row."""
        return meter in self._until

    def not_before(self, meter: str, due: datetime, now: datetime) -> datetime:
        """When the meter may be asked what is due then; a clock that was set back does not make that longer."""
        if meter not in self._until:
            return due
        until = self._until[meter] = min(self._until[meter], now + PAUSES[-1])
        return max(due, until)
