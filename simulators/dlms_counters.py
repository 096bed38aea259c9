"""The invocation counters of a simulated DLMS meter: what it has seen of its client, and its own.

Rules: a client's counter is taken only when it is higher than every one before, and written down before it is answered;
with a file both outlive the process; each counter that is taken is a line of the journal.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path


class NotRising(Exception):
    """The client's counter is not higher than the last one; `due` is the lowest that would be taken."""

    def __init__(self, due: int) -> None:
        super().__init__(f"the invocation counter has to be {due} or more")
        self.due = due


class Counters:
    """Both counters of the global key. `seen` is the last counter of a client that was taken; `start` and `own` say
    where they begin, unless the file has higher ones."""

    def __init__(self, file: Path | None, start: int, own: int, note: Callable[[str], None]) -> None:
        self._file = file
        self._note = note
        self._lock = threading.Lock()
        kept = json.loads(file.read_text()) if file is not None and file.exists() else {}
        self.seen = max(start, int(kept.get("seen", start)))
        self._used: set[int] = set()
        self._own = max(own, int(kept.get("own", own)))

    def accept(self, counter: int) -> None:
        """A counter of the client whose message was verified."""
        with self._lock:
            if counter <= self.seen:
                self._note(f"counter refused {counter}")
                raise NotRising(self.seen + 1)
            self.seen = counter
            self._used.add(counter)
            self._keep()
        self._note(f"counter {counter}")

    def accept_inside(self, counter: int, *, dedicated: bool) -> None:
        """The counter of a GMAC proof in a ciphered message; it may be older than that of the message, but not used."""
        with self._lock:
            # One above the message's own could be used once more, in a message to come.
            if counter in self._used or (counter > self.seen and not dedicated):
                raise NotRising(self.seen + 1)
            self._used.add(counter)
            if counter > self.seen:  # a dedicated key has a counter of its own
                self.seen = counter
                self._keep()
        self._note(f"hls counter {counter}")

    def next(self) -> int:
        """The meter's own next one."""
        with self._lock:
            self._own += 1
            self._keep()
            return self._own

    def _keep(self) -> None:
        if self._file is not None:
            fresh = self._file.with_name(f"{self._file.name}.new")
            fresh.write_text(json.dumps({"seen": self.seen, "own": self._own}))
            fresh.replace(self._file)
