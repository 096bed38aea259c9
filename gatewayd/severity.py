"""How severe a finding is, by hand or by rule: the three of the requirements (1.17, B16).

Rules: pure. What becomes of a value or a file for it says whoever has found it (metering/findings.py,
manual/findings.py).
"""

from collections.abc import Iterable
from enum import Enum


class Severity(Enum):
    """By weight, ascending. The values stand in the configuration and in the archive."""

    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


_WEIGHT = list(Severity)


def weight(severity: Severity) -> int:
    """0 for the least severe."""
    return _WEIGHT.index(severity)


def most_severe(found: Iterable[Severity]) -> Severity | None:
    """The most severe of several; None for none."""
    return max(found, key=weight, default=None)
