"""A set of whole numbers that mostly follow each other, kept as few (first, last) ranges: ends of intervals on a grid.

Rules: pure; a value never changes, each operation gives a new one. Ranges ascend and never touch.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

Range = tuple[int, int]
"""First and last number, both included."""
_FEW = 4
"""Ranges that are put in one by one."""


def _last(one: Range) -> int:
    return one[1]


def _first(one: Range) -> int:
    return one[0]


@dataclass(frozen=True, slots=True)
class Runs:
    """The numbers of all ranges."""

    ranges: tuple[Range, ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "Runs":
        """A set of these numbers, in whatever order they come."""
        found: list[Range] = []
        for number in sorted(set(numbers)):
            if found and found[-1][1] + 1 == number:
                found[-1] = found[-1][0], number
            else:
                found.append((number, number))
        return cls(tuple(found))

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __contains__(self, number: int) -> bool:
        place = bisect_left(self.ranges, number, key=_last)
        return place < len(self.ranges) and self.ranges[place][0] <= number

    @property
    def sound(self) -> bool:
        """Whether the ranges are as the rules say: what comes from a file may be anything."""
        return all(first <= last for first, last in self.ranges) and all(
            one[1] + 1 < other[0] for one, other in pairwise(self.ranges)
        )

    def add(self, first: int, last: int) -> "Runs":
        """With the numbers from `first` to `last`; the same set where last < first."""
        if last < first:
            return self
        begin = bisect_left(self.ranges, first - 1, key=_last)
        end = bisect_right(self.ranges, last + 1, key=_first)
        if begin < end:
            first, last = min(first, self.ranges[begin][0]), max(last, self.ranges[end - 1][1])
        return Runs((*self.ranges[:begin], (first, last), *self.ranges[end:]))

    def union(self, other: "Runs") -> "Runs":
        """With the numbers of the other set."""
        found, added = (other, self) if len(other.ranges) > len(self.ranges) else (self, other)
        if len(added.ranges) <= _FEW:
            for first, last in added.ranges:
                found = found.add(first, last)
            return found
        merged: list[Range] = []  # a profile with every other row missing has ten thousands of ranges
        for first, last in sorted((*self.ranges, *other.ranges)):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(merged[-1][1], last)
            else:
                merged.append((first, last))
        return Runs(tuple(merged))

    def minus(self, other: "Runs") -> "Runs":
        """Without the numbers of the other set."""
        if not self.ranges or not other.ranges:
            return self
        return Runs(tuple(hole for first, last in self.ranges for hole in other.holes(first, last)))

    def within(self, first: int, last: int) -> "Runs":
        """Those from `first` to `last`."""
        return Runs(tuple((max(a, first), min(b, last)) for a, b in self._touched(first, last)))

    def count(self, first: int, last: int) -> int:
        """How many there are from `first` to `last`."""
        return sum(min(b, last) - max(a, first) + 1 for a, b in self._touched(first, last))

    def holes(self, first: int, last: int) -> Iterator[Range]:
        """The ranges from `first` to `last` that are not in the set, ascending."""
        for a, b in self._touched(first, last):
            if first < a:
                yield first, a - 1
            first = b + 1
        if first <= last:
            yield first, last

    def lowest(self, first: int) -> int | None:
        """The least number that is not before `first`."""
        place = bisect_left(self.ranges, first, key=_last)
        return max(self.ranges[place][0], first) if place < len(self.ranges) else None

    def highest(self, last: int) -> int | None:
        """The greatest number that is not behind `last`."""
        place = bisect_right(self.ranges, last, key=_first)
        return min(self.ranges[place - 1][1], last) if place else None

    def _touched(self, first: int, last: int) -> tuple[Range, ...]:
        begin = bisect_left(self.ranges, first, key=_last)
        return self.ranges[begin : max(bisect_right(self.ranges, last, key=_first), begin)]


NONE = Runs()
