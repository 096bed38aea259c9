"""Which points cannot be derived at present, and why: told once, until it is something else.

Rules: what does not fit together says so in a ValueError, and somebody has put it together; anything else is a defect
of ours, and comes with its traceback.
"""

import logging

log = logging.getLogger("gatewayd.metering")


class Failing:
    """Used from one thread after the other, never from two at a time."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def over(self, point: str) -> None:
        """The point can be derived."""
        self._told.pop(point, None)

    def tell(self, point: str, what: str, error: Exception) -> None:
        """`what`: the day or month of which nothing is derived."""
        text = str(error) if isinstance(error, ValueError) else f"a defect in gatewayd: {error!r}"
        if self._told.get(point) != text:
            level, shown = (logging.ERROR, None) if isinstance(error, ValueError) else (logging.CRITICAL, error)
            log.log(level, "point %s: nothing is derived of %s: %s", point, what, text, exc_info=shown)
        self._told[point] = text


def passed_over(text: str) -> None:
    """What somebody has entered and cannot be read; whoever calls tells it once."""
    log.error("metering: %s", text)
