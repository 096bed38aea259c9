"""How long a session on a shared line may take: pure, no clock, no I/O.

Rules: a meter that drips, babbles or loops costs its own slot. Whoever failed the last time gets the time that nobody
else needs, and waits where that is too short; whoever is read soundly gets a fair share at least, or until the others
are due. A meter alone on its line has all the time that a session may take.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from gatewayd.errors import GatewayError, MeterSilent, ProtocolError, SessionDeadline
from gatewayd.schedule import At, Rhythm

LEAST_SHARE = 60.0
"""Seconds that every meter gets which was read soundly the last time, and that nobody else exceeds."""
MARGIN = 2.0
"""Seconds between the end of a session that is limited and the next job of another meter."""
FLOOR, _SHORTEST = 5.0, 1.0
"""Seconds: a session that would have to be shorter waits instead. The second where others are due every few seconds."""
_ROOM = 1.5
"""So much longer than the longest sound session of a meter the next one may take."""
_DAY = timedelta(days=1)


class Turns:
    """The meters of one line, each as often as it has jobs, with the rhythm of each job."""

    def __init__(self, jobs: Sequence[tuple[str, Rhythm]]) -> None:
        periods: dict[str, float] = {}
        for meter, rhythm in jobs:
            period = (_DAY if isinstance(rhythm, At) else rhythm.period).total_seconds()
            periods[meter] = min(periods.get(meter, math.inf), period)
        self._periods = periods
        self._suspects: set[str] = set()
        self._longest: dict[str, float] = {}

    def note(self, meter: str, fault: GatewayError | None, seconds: float, *, answered: bool = False) -> None:
        """How a session has ended; `answered`: whether anything in it was sound. Who answers, and comes to no end all
        the same, is under suspicion as well, and gets longer from time to time."""
        answered = answered or fault is None
        if answered:
            self._longest[meter] = max(self._longest.get(meter, 0.0), seconds)
        if isinstance(fault, SessionDeadline) or (not answered and isinstance(fault, MeterSilent | ProtocolError)):
            self._suspects.add(meter)
        elif answered:
            self._suspects.discard(meter)

    def forgive(self, meter: str) -> None:
        """It has answered somebody else."""
        self._suspects.discard(meter)

    def suspect(self, meter: str) -> bool:
        """Whether its last session was in vain, or came to no end, by the meter's own doing."""
        return meter in self._suspects

    def too_short(self, meter: str, free: timedelta) -> bool:
        """Whether the time until others are due is not worth to begin."""
        shortest = self._shortest(meter)
        return shortest is not None and free.total_seconds() - _margin(shortest) < _floor(shortest)

    def seconds(self, meter: str, free: timedelta) -> float | None:
        """How long a session may take when others are due after `free`; None: there are no others."""
        shortest = self._shortest(meter)
        if shortest is None:
            return None
        until, share = free.total_seconds() - _margin(shortest), self._share()
        if meter not in self._suspects:
            return max(LEAST_SHARE, share, until)
        longest = self._longest.get(meter)
        own = max(LEAST_SHARE, share if longest is None else longest * _ROOM)
        return max(_floor(shortest), min(own, until))

    def _share(self) -> float:
        return min(self._periods.values()) / len(self._periods)

    def _shortest(self, meter: str) -> float | None:
        return min((period for other, period in self._periods.items() if other != meter), default=None)


def _margin(shortest: float) -> float:
    """Less where others are due so often that the margin alone would take a good part of their period."""
    return min(MARGIN, shortest / 10)


def _floor(shortest: float) -> float:
    return min(FLOOR, max(_SHORTEST, shortest / 4))


class Spell:
    """A session under way that may take so many seconds from `begun` on: whether another part of it still fits, going
    by how long its parts have taken so far. A clock that is set meanwhile cuts it short at worst."""

    def __init__(self, begun: datetime, seconds: float) -> None:
        self._begun = self._last = begun
        self._seconds = seconds
        self._longest = timedelta(0)

    def fits(self, now: datetime) -> bool:
        """To be asked between two parts."""
        self._longest = max(self._longest, now - self._last)
        self._last = now
        return (now - self._begun + self._longest * _ROOM).total_seconds() <= self._seconds
