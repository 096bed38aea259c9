"""How far the rows of each profile reach, and by which command they came: it tells an (ERROR) that means "nothing in
this time" from one that means no.

Rules: a window that ends before the newest row that the same command has brought lies in the past of the profile, and a
meter that answers (ERROR) there has nothing of that time. Any other refusal is a fault, and behind it no window counts
as empty until the profile brings rows again: it may have been locked. What is written down may be a day behind, so that
it need not be written with every row; losing it costs faults until the next rows. A row whose time the meter does not
know, and one from the future, say nothing.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from gatewayd.driver import Clock, Memory
from gatewayd.model import Flag, Reading
from gatewayd.obis import Obis

_WRITTEN_EVERY = timedelta(days=1)


class Reach:
    """Of all profiles of one meter."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._newest: dict[str, datetime] = {}
        self._written: dict[str, datetime | None] = {}
        self._doubted: set[Obis] = set()

    async def brought(self, profile: Obis, command: str, rows: Iterable[Reading]) -> None:
        """A sound answer had these rows. ArchiveError."""
        newest = max((row.at for row in rows if not row.flags & Flag.CLOCK_INVALID), default=None)
        if newest is None:
            return
        self._doubted.discard(profile)
        key = _key(profile, command)
        known = await self._known(key)
        if known is not None and newest <= known:
            return
        self._newest[key] = newest
        written = self._written[key]
        if written is None or newest - written >= _WRITTEN_EVERY:
            await self._memory.remember(key, newest.isoformat().encode("ascii"))
            self._written[key] = newest

    async def past(self, profile: Obis, commands: Iterable[str], end: datetime) -> bool:
        """Whether a window that ends there lies before the newest row that one of these commands has brought.
        ArchiveError."""
        if profile in self._doubted:
            return False
        known = [await self._known(_key(profile, command)) for command in commands]
        return any(newest is not None and end < newest for newest in known)

    def refused(self, profile: Obis) -> None:
        """The meter did not answer a window that may have rows."""
        self._doubted.add(profile)

    async def _known(self, key: str) -> datetime | None:
        """The newest row, None where there is none that could be."""
        if key not in self._written:
            self._written[key] = written = _instant(await self._memory.recall(key), self._clock())
            if written is not None:
                self._newest[key] = written
        newest = self._newest.get(key)
        return None if newest is None or newest > self._clock() else newest


def _key(profile: Obis, command: str) -> str:
    return f"iec62056_21/rows {profile} {command}"


def _instant(stored: bytes | None, now: datetime) -> datetime | None:
    """What was written down; None for what is no instant, or one that has not been yet."""
    try:
        found = datetime.fromisoformat((stored or b"").decode("ascii"))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None and found <= now else None
