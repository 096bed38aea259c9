"""What stays of derived values whose readings are not in the raw archive any more.

    Gone(spans)                     the numbers of readings that are not there: dropped, damaged, lost
    stays(new, standing, gone)      whether a value that stands is kept in place of what would be made now

Rules: pure. What the archive has no longer is no reason to say less than before: a value stays when readings that it
was made of are gone, and what would take its place is made without them. It does not stay where that is as good and
made of something newer: the interval was read once more.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from gatewayd.metering.values import Value


@dataclass(frozen=True, slots=True)
class Gone:
    """Numbers that are not there: `spans` of first and last ones, both included, ascending and apart."""

    spans: tuple[tuple[int, int], ...] = ()

    def of(self, inputs: Sequence[int]) -> frozenset[int]:
        """Which of these numbers, ascending, are not there."""
        found: list[int] = []
        for first, last in self.spans:
            place = bisect_left(inputs, first)
            while place < len(inputs) and inputs[place] <= last:
                found.append(inputs[place])
                place += 1
        return frozenset(found)


NOTHING_GONE = Gone()


def stays(new: Value | None, standing: Value, gone: Gone, *, own: bool) -> bool:
    """`new`: what would be written, None for nothing. `own`: of a point with meters, whose values can only be made of
    readings; a virtual one has those of its parts, and another definition of it makes others of the same numbers."""
    if not gone.spans or not (lost := gone.of(standing.inputs)):
        return False
    if new is None:
        return True
    if lost.issubset(new.inputs):
        return False
    as_good = new.there and new.status <= standing.status
    return not (as_good and (not own or new.inputs[-1:] > standing.inputs[-1:]))
