"""How the engine of the derived layer is doing, for those who ask: status, doctor, metrics.

Rules: written by the engine in the event loop alone; integers and words, no I/O. What changes is logged, in one line.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field

from gatewayd.daemon.metering_tally import DerivedTally

log = logging.getLogger("gatewayd.metering")


@dataclass(slots=True)
class MeteringState:
    """How the engine is doing, for those who ask."""

    points: int = 0
    seq: int = 0
    waiting: int = 0
    """Days of points that are to be computed, as far as it is known."""
    fault: str = ""
    unreadable: str = ""
    """What cannot be read of the raw archive: what was derived of it stays as it is."""
    damaged: str = ""
    """What of the derived archive cannot be read: days that it has values of are passed over..."""
    remedy: str = ""
    """...and what to do about it."""
    last_fault: str = ""
    """The latest one, also after it has gone."""
    known: bool = False
    """Whether `seq` is: not before it was looked up."""
    ended: bool = False
    """A defect keeps the engine from going on; it is tried again."""
    tally: DerivedTally = field(default_factory=DerivedTally)
    told: set[str] = field(default_factory=set)
    """What could not be read, as it was told since the start."""

    def faulty(self, fault: str) -> None:
        """Nothing can be derived, and why; "": it can."""
        if fault and fault != self.fault:
            log.error("metering: nothing is derived at present, it is tried again: %s", fault)
        elif self.fault and not fault:
            log.info("metering: it goes on")
        self.fault, self.ended = fault, False
        self.last_fault = fault or self.last_fault

    def defective(self, error: Exception) -> None:
        """It met a defect of ours that cost more than the readings or the point that brought it out."""
        fault = f"a defect in gatewayd, please report what the log says: {error!r}"
        if fault != self.fault:
            log.critical("metering met a defect in gatewayd, it is tried again: %r", error, exc_info=error)
        self.fault = self.last_fault = fault
        self.ended = True

    def lost(self, text: str, remedy: str) -> None:
        """This cannot be read of the derived archive; "": all of it can."""
        if text and text != self.damaged:
            log.error("metering: nothing is derived %s; %s", text, remedy)
        elif self.damaged and not text:
            log.info("metering: all of the derived archive can be read again")
        self.damaged, self.remedy = text, remedy if text else ""

    def unread(self, texts: Collection[str]) -> None:
        """This cannot be read of the raw archive, each segment in words."""
        for text in texts:
            if text not in self.told:
                self.told.add(text)
                self.last_fault = text
                log.error("metering: nothing is derived of what cannot be read, and what was stays as it is: %s", text)
        self.unreadable = "; ".join(texts)
