"""Alarms: what is wrong with a meter although it was read: keys that run out, transformers other than configured.

Rules: pure. An alarm is its text, so that a text without numbers that change stays one alarm. It is raised once, and
over when a request to the same meter ended soundly without it. A process that starts knows of none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gatewayd.archive.records import Audit

CATEGORY, TYPE = "meter", "alarm"


class Alarms:
    """The alarms that stand, by meter."""

    def __init__(self) -> None:
        self._standing: dict[str, tuple[str, ...]] = {}

    @property
    def standing(self) -> Mapping[str, tuple[str, ...]]:
        """Meter -> its alarms, oldest first."""
        return self._standing

    def raised(self, meter: str, texts: Sequence[str]) -> tuple[str, ...]:
        """The alarms among `texts` that are new."""
        known = self._standing.get(meter, ())
        new = tuple(text for text in dict.fromkeys(texts) if text not in known)
        if new:
            self._standing[meter] = (*known, *new)
        return new

    def over(self, meter: str, texts: Sequence[str]) -> tuple[str, ...]:
        """A request ended soundly with these alarms: those that are over."""
        known = self._standing.get(meter, ())
        ended = tuple(text for text in known if text not in texts)
        if ended:
            rest = tuple(text for text in known if text in texts)
            if rest:
                self._standing[meter] = rest
            else:
                del self._standing[meter]
        return ended


def audit_of(meter: str, text: str, result: str, at: datetime) -> Audit:
    """The entry of the audit log: `result` is raised or over."""
    return Audit(at, "gateway", CATEGORY, TYPE, meter, result, text)
