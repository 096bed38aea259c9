"""What the gateway itself finds on what a driver has read: flags, alarms and entries of the audit log.

Rules: nothing is changed but status and flags, and those only for the worse. What is known of a meter from before (its
serial number, where its totals stood) holds when the archive has taken it, not sooner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gatewayd.archive.records import Audit
from gatewayd.model import Answer, Meter, Reading
from gatewayd.policy import Policy
from gatewayd.verdicts import checked_serial


@dataclass(frozen=True, slots=True)
class Examined:
    """An answer's readings as they go into the archive; what is wrong with the meter; what was seen to happen to it."""

    readings: tuple[Reading, ...]
    alarms: tuple[str, ...] = ()
    audits: tuple[Audit, ...] = ()


class Sitting:
    """One session's examination."""

    def __init__(self, meter: Meter, policy: Policy) -> None:
        self.deviation: timedelta | None = None
        """The meter's clock minus the gateway's as this session has seen it; None: it did not show it."""
        self._meter = meter
        self._policy = policy

    def look(self, answer: Answer) -> Examined:
        """What is to be archived of an answer."""
        return Examined(checked_serial(self._meter, answer), answer.alarms)

    def kept(self, readings: Sequence[Reading]) -> None:
        """The archive has taken what `look` gave last."""


class Examiner:
    """What is known of all meters."""

    async def sitting(self, meter: Meter, policy: Policy) -> Sitting:
        """For a session that begins."""
        return Sitting(meter, policy)
