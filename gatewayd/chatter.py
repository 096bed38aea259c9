"""How much is kept of what a meter sends and nobody understands: a babbling one must not fill the disk.

Rules: pure. Sound exchanges are kept whole, always. Of those that are not, each meter has so much a day; of what comes
beyond that the beginning is kept, and the archive says of how much it is the beginning.
"""

from datetime import date

A_DAY = 4 << 20
"""Bytes: four of the longest telegrams."""
BEGINNING = 4096


class Chatter:
    """What each meter has sent today that no sound exchange explains."""

    def __init__(self) -> None:
        self._day: date | None = None
        self._sent: dict[str, int] = {}

    def kept(self, meter: str, size: int, day: date) -> int:
        """How many of these bytes of an unsound exchange are kept."""
        if day != self._day:
            self._day, self._sent = day, {}
        sent = self._sent[meter] = self._sent.get(meter, 0) + size
        return size if sent <= A_DAY else min(size, BEGINNING)
