"""The daemon's log lines: for people at a terminal, or with priorities for the journal of systemd (sd-daemon(3)).

Rules: standard error is the only place. Where it is the journal, each line begins with its priority, <3> for an error,
each line of a traceback too, and has no time: the journal knows it. JOURNAL_STREAM alone is no proof: whoever sends
standard error elsewhere leaves it set.
"""

import contextlib
import logging
import os
from collections.abc import Mapping

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7
STANDARD_ERROR = 2


class JournalFormatter(logging.Formatter):
    """`<4>gatewayd.worker: text`; journald makes an entry of each line."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), _DEBUG)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Whether what is written there goes to the journal: JOURNAL_STREAM names device and inode of its socket."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    with contextlib.suppress(OSError, ValueError):
        found = os.fstat(descriptor)
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    return False


def log_to_standard_error(level: int) -> bool:
    """Begin to log from this level on; whether that goes to the journal."""
    journal = is_journal(STANDARD_ERROR, os.environ)
    handler = logging.StreamHandler()
    handler.setFormatter(JournalFormatter() if journal else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    return journal
