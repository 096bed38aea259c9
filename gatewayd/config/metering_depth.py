"""How deep points may be made of each other: sums of sums of sums, each perhaps with its control metering.

    too_deep(needs)   the first chain that is longer than MOST_LEVELS, from the top; () where there is none

Rules: pure, and without recursion. Points that go round in a circle are told elsewhere, and end a chain here. Each
level is computed after the one below it, day by day: what depends on a meter over many levels comes late, and nobody
can follow it any more.
"""

from collections.abc import Mapping, Sequence

MOST_LEVELS = 20
"""Of sums upon each other; the point with the meter is none."""


def too_deep(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """`needs`: by point, those that it is made of or judged by."""
    below: dict[str, tuple[int, str]] = {}
    """By point: levels from it down, and the next one on the longest way."""
    for root in needs:
        open_ones: dict[str, None] = {}
        waiting = [(root, False)]
        while waiting:
            point, done = waiting.pop()
            if done:
                del open_ones[point]
                levels = [(below[one][0] + 1, one) for one in needs.get(point, ()) if one in below]
                below[point] = max(levels, default=(0, ""), key=lambda one: one[0])
            elif point not in below and point not in open_ones:
                open_ones[point] = None
                waiting.append((point, True))
                waiting += [(one, False) for one in needs.get(point, ())]
    first = next((point for point in needs if below[point][0] > MOST_LEVELS), "")
    way: list[str] = []
    while first:
        way.append(first)
        first = below[first][1]
    return tuple(way)
