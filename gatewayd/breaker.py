"""Whether a line that fails is tried: pure, no clock, no I/O.

Rules: after three sessions in a row that the line itself made fail nobody on it is asked for a pause, which doubles
from 1 s to 5 min, with full jitter; then one session is the probe. Where a line has several meters, one of them alone
does not condemn it: whoever makes a line hang up costs his own slot. Who has not failed since the line worked last is
the probe before those that have, and waits for 1 s at most; those that have take turns. Any answer of a meter closes
it. A wall clock that is set back makes no pause longer.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from enum import Enum

OPENS_AFTER = 3
"""Sessions in a row."""
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)


class Condition(Enum):
    """Of a line."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """How the last sessions on a line ended. `fraction` gives numbers from 0 to 1: the jitter."""

    def __init__(self, meters: int, fraction: Callable[[], float]) -> None:
        self.failures = 0
        """Sessions in a row that failed on the line itself."""
        self._several = meters > 1
        self._fraction = fraction
        self._failing: dict[str, int] = {}  # by meter: which of the failures was its last one
        self._failed_at: datetime | None = None
        self._until: datetime | None = None
        self._pause = FIRST_PAUSE

    @property
    def is_open(self) -> bool:
        """Whether nobody but a probe is asked."""
        return self._until is not None

    @property
    def failing(self) -> Collection[str]:
        """Meters whose sessions failed on the line since it worked last."""
        return self._failing.keys()

    def turn(self, meter: str) -> int:
        """In which order the meters of a line that has failed are tried: the least comes first; 0 while it works."""
        return self._failing.get(meter, 0) if self.is_open else 0

    def condition(self, now: datetime) -> Condition:
        """HALF_OPEN when the pause is over: what is asked then is the probe."""
        if self._until is None:
            return Condition.CLOSED
        return Condition.OPEN if self.ready(now) > now else Condition.HALF_OPEN

    def ready(self, now: datetime, meter: str | None = None) -> datetime:
        """From when on this meter may be asked, None: one that has failed; `now`, or earlier, while the line works."""
        if self._until is None:
            return now
        self._until = min(self._until, now + LONGEST_PAUSE)
        if meter is None or meter in self._failing or self._failed_at is None:
            return self._until
        self._failed_at = min(self._failed_at, now)
        return min(self._until, self._failed_at + FIRST_PAUSE)

    def failed(self, meter: str, now: datetime) -> bool:
        """A session with this meter failed on the line itself. True when that has opened the breaker."""
        self.failures += 1
        self._failing[meter] = self.failures
        self._failed_at = now
        opens = self._until is None
        if opens and (self.failures < OPENS_AFTER or (self._several and len(self._failing) < 2)):
            return False
        self._pause = FIRST_PAUSE if opens else min(self._pause * 2, LONGEST_PAUSE)
        self._until = now + self._pause * self._fraction()
        return opens

    def answered(self) -> int:
        """The line works. How many sessions had failed when that closes the breaker; else 0."""
        failures = self.failures if self._until is not None else 0
        self.failures, self._until = 0, None
        self._failing.clear()
        return failures
