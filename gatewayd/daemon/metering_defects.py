"""What a defect of ours costs: the readings or days that bring it out, and nothing else; it is told once.

    Defects().over(after, last, work)   what `work` makes of the readings behind a number, up to another one
    Defects().warn(text)                one line, the first time
    Defects().tell(what, error)         one critical line with its traceback, the first time

Rules: a fault of an archive is no defect and passes through. Where a stretch of readings brings a defect out it is cut
in halves, down to the one reading that does; where too many do the rest of the stretch is given up.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

from gatewayd.errors import ArchiveError

_MOST = 50
"""Readings of one stretch that may be passed over one by one."""

T = TypeVar("T")
log = logging.getLogger("gatewayd.metering")


class Defects:
    """Of one engine. Used from one thread after the other, never from two at a time."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, what: str, error: Exception) -> None:
        """`what`: what is not derived because of it."""
        if repr(error) not in self._told:
            self._told.add(repr(error))
            log.critical("metering: %s: a defect in gatewayd, please report it: %r", what, error, exc_info=error)

    def warn(self, text: str) -> None:
        """Of what is no defect of ours, once."""
        if text not in self._told:
            self._told.add(text)
            log.warning("metering: %s", text)

    def over(self, after: int, last: int, work: Callable[[int, int], T]) -> Iterator[T]:
        """What comes of it, in pieces where it has to be. ArchiveError."""
        waiting = [(after, last)]
        passed = 0
        while waiting:
            first, upto = waiting.pop()
            try:
                yield work(first, upto)
            except ArchiveError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it was, it must not stop the others
                if upto - first > 1 and passed < _MOST:
                    half = (first + upto) // 2
                    waiting += [(half, upto), (first, half)]
                    continue
                passed += 1
                self.tell(f"readings {first + 1}-{upto} of the raw archive are passed over", error)
