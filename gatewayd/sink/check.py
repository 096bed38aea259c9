"""What `gatewayd sink check` finds out about a broker or database, and says to people.

Rules: a remark says what was seen; one that is not fine says what to do about it as well. What data would vanish
without is an error; what makes them less than they could be is a warning.
"""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is."""

    FINE = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was looked at: what was seen, and the remedy where it is not fine."""

    level: Level
    text: str
    remedy: str = ""


def fine(text: str) -> Remark:
    return Remark(Level.FINE, text)


def warning(text: str, remedy: str) -> Remark:
    return Remark(Level.WARNING, text, remedy)


def error(text: str, remedy: str) -> Remark:
    return Remark(Level.ERROR, text, remedy)
