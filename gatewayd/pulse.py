"""Whether whoever works in turns still does: before each turn he says how long it may take at the longest.

Rules: pure; the clock is the caller's, in seconds, and one that nobody sets. A turn that takes as long as it may is no
defect, so there is a margin; who waits for somebody else for as long as that one takes, or has nothing to do, is
never late.
"""

import math

MARGIN_SECONDS = 300.0
"""What a turn may take beyond what it was meant to: closing a line, the archive under load."""


class Pulse:
    """The turns of one worker."""

    def __init__(self, name: str, margin: float = MARGIN_SECONDS) -> None:
        self.name = name
        self._margin = margin
        self._until = math.inf

    def turn(self, now: float, seconds: float) -> None:
        """A turn begins that is over within so many seconds."""
        self._until = now + seconds + self._margin

    def rest(self) -> None:
        """Nobody says how long it takes until the next turn."""
        self._until = math.inf

    def late(self, now: float) -> bool:
        """Whether the turn should long be over."""
        return now > self._until
