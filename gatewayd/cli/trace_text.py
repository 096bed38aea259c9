"""A trace as text: `22:05:01.123456  ->  2F 3F 21 0D 0A    /?!..`, one row after the other.

Rules: pure; every byte is in it, once and in order. Bytes that follow each other closely share a row, which has the
time of its first one: on a slow line they come one by one. A pause of half a second has a row of its own.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gatewayd.channel.tracing import Traced, What
from gatewayd.daemon import hexadecimal, printed

PAUSE = timedelta(seconds=0.5)
TOGETHER = timedelta(seconds=0.1)
"""Three characters at 300 Bd: what comes within it of the byte before shares its row."""
_MARK = {What.SENT: "->", What.RECEIVED: "<-", What.FAULT: "!!", What.LOST: "!!"}
_TIME_WIDTH = len("22:05:01.123456")
_BEFORE = _TIME_WIDTH + 6
WIDE, NARROW = 16, 12
"""Bytes in a row."""


def row_bytes(columns: int) -> int:
    """How many bytes a terminal takes in one row."""
    return WIDE if columns >= _BEFORE + 4 * WIDE + 1 else NARROW


class TraceText:
    """Makes rows of events, in the order in which they happened."""

    def __init__(self, zone: ZoneInfo, row: int = WIDE) -> None:
        self._zone = zone
        self._row = row
        self._last: datetime | None = None
        self._begun: Traced | None = None
        """The row that may still grow."""

    def rows(self, event: Traced) -> Iterator[str]:
        """The rows that are complete with this event, without line ends."""
        last, self._last = self._last, event.at
        if self._begun is not None:
            if self._begun.what is event.what and last is not None and event.at - last < TOGETHER:
                yield from self._bytes(replace(self._begun, data=self._begun.data + event.data))
                return
            yield from self.rest()
        if last is not None and event.at - last >= PAUSE:
            yield f"{'':{_TIME_WIDTH}}  ..  {(event.at - last).total_seconds():.3f} s without anything"
        if event.data:
            yield from self._bytes(event)
        else:
            yield f"{self._head(event)}  {event.text or event.what.value}"

    def rest(self) -> Iterator[str]:
        """The row that was begun: nothing follows it closely."""
        if self._begun is not None:
            yield self._bytes_row(self._begun)
            self._begun = None

    def _bytes(self, event: Traced) -> Iterator[str]:
        """The full rows of an event; the last one waits for more."""
        while len(event.data) >= self._row:
            yield self._bytes_row(replace(event, data=event.data[: self._row]))
            event = replace(event, data=event.data[self._row :], at=self._last or event.at)
        self._begun = event if event.data else None

    def _bytes_row(self, event: Traced) -> str:
        return f"{self._head(event)}  {hexadecimal(event.data):{3 * self._row}} {printed(event.data)}"

    def _head(self, event: Traced) -> str:
        time = event.at.astimezone(self._zone).strftime("%H:%M:%S.%f")
        return f"{time}  {_MARK.get(event.what, '--')}"
