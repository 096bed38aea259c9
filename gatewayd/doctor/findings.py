"""What a look has brought: how bad it is, what was looked at, what was seen, and the remedy.

Rules: what keeps data from being read, archived or handed on is an error; what may do so later, or costs evidence, is a
warning; a note is worth knowing. A remedy is a command where there is one. Nothing here contains a secret.
"""

from dataclasses import dataclass
from enum import Enum

AREAS = (
    "configuration",
    "gateway",
    "service",
    "permissions",
    "secrets",
    "serial",
    "network",
    "meters",
    "metering",
    "archive",
    "disk",
    "clock",
    "sinks",
    "software",
)
"""In the order in which they are shown."""


class Level(Enum):
    """How bad it is, from the best to the worst."""

    FINE = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `unseen`: it was not found out, because this user may not, or in time."""

    level: Level
    area: str
    subject: str
    text: str
    remedy: str = ""
    unseen: bool = False

    @property
    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "level": self.level.value,
            "area": self.area,
            "subject": self.subject,
            "text": self.text,
            "remedy": self.remedy or None,
            "seen": not self.unseen,
        }


class Unseen(Exception):
    """What could not be found out, and why."""


def fine(area: str, subject: str, text: str) -> Finding:
    return Finding(Level.FINE, area, subject, text)


def note(area: str, subject: str, text: str, remedy: str = "") -> Finding:
    return Finding(Level.NOTE, area, subject, text, remedy)


def warning(area: str, subject: str, text: str, remedy: str) -> Finding:
    return Finding(Level.WARNING, area, subject, text, remedy)


def error(area: str, subject: str, text: str, remedy: str) -> Finding:
    return Finding(Level.ERROR, area, subject, text, remedy)


def unseen(area: str, subject: str, text: str, remedy: str = "sudo gatewayd doctor") -> Finding:
    """Not found out: no word on whether it is all right."""
    return Finding(Level.NOTE, area, subject, text, remedy, unseen=True)
