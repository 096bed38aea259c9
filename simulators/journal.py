"""What a simulated meter heard and decided, one line for each event, for tests that look at it.

Rules: a line is written before the meter answers, so that whoever has the answer finds it; a password is never written;
without a file nothing is kept.
"""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger("simulators.iec62056_21")


class Journal:
    """Lines appended to a file, and to the log."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def note(self, text: str) -> None:
        """Append one line; what could break a line is written as an escape."""
        line = text.encode("unicode_escape").decode("ascii")
        log.info("%s", line)
        if self._file is not None:
            with self._file.open("a", encoding="ascii") as journal:
                journal.write(f"{line}\n")
