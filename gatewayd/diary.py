"""When the daily jobs were done last, or known first, over restarts.

Rules: kept in memory, and written down by whoever owns the archive from time to time and at the end; losing it costs a
run too many. What was written in a way that is not understood counts as lost.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from gatewayd.schedule import Served

PREFIX = "job "
"""Of the keys in the memory of a meter (Store.recall_all); the text of the order follows."""
Row = tuple[str, str, bytes]
"""Meter, key, value: what Store.remember_all takes."""


class Diary:
    """The last run of each job, by meter and text of what it wants and when. `known`: what Store.recall_all(PREFIX) has
    found."""

    def __init__(self, known: Mapping[tuple[str, str], bytes] | None = None) -> None:
        self._served: dict[tuple[str, str], Served] = {}
        self._changed: set[tuple[str, str]] = set()
        for (meter, key), value in (known or {}).items():
            served = _decoded(value)
            if served is not None and key.startswith(PREFIX):
                self._served[meter, key.removeprefix(PREFIX)] = served

    def last(self, meter: str, order: str) -> Served | None:
        """Up to when the job is done; None where nothing is known."""
        return self._served.get((meter, order))

    def done(self, meter: str, order: str, at: datetime) -> None:
        """The job was done, for everything that was due up to `at` (UTC)."""
        before = self._served.get((meter, order))
        self._served[meter, order] = Served(at, at) if before is None else before.and_at(at)
        self._changed.add((meter, order))

    def begin(self, meter: str, order: str, at: datetime) -> None:
        """The job is known from this instant (UTC) on: what it has missed before that is not made up for."""
        if (meter, order) not in self._served:
            self.done(meter, order, at)

    def changed(self) -> list[Row]:
        """What is not written down yet."""
        return [(meter, PREFIX + order, _encoded(self._served[meter, order])) for meter, order in sorted(self._changed)]

    def saved(self, rows: Iterable[Row]) -> None:
        """These rows are on the disk; what was done since they were taken is still to be written."""
        for meter, key, value in rows:
            place = meter, key.removeprefix(PREFIX)
            if place in self._changed and _encoded(self._served[place]) == value:
                self._changed.discard(place)


def _encoded(served: Served) -> bytes:
    return f"{served.last.isoformat()} {served.latest.isoformat()}".encode()


def _decoded(value: bytes) -> Served | None:
    try:
        last, latest = (datetime.fromisoformat(part) for part in value.decode().split(" "))
    except ValueError:
        return None
    if last.tzinfo is None or latest.tzinfo is None or last > latest:
        return None
    return Served(last.astimezone(UTC), latest.astimezone(UTC))
