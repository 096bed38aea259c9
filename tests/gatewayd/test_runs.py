"""Sets of numbers as ranges, against plain sets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.runs import NONE, Runs

NUMBERS = st.integers(-40, 40)
SETS = st.sets(NUMBERS)
SPANS = st.tuples(NUMBERS, NUMBERS)


def plain(runs: Runs) -> set[int]:
    assert runs.sound
    assert all(first <= last for first, last in runs.ranges)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(runs.ranges)), "ranges that touch are one"
    return {number for first, last in runs.ranges for number in range(first, last + 1)}


@given(SETS, SETS, SPANS, NUMBERS)
def test_as_a_plain_set(one: set[int], other: set[int], span: tuple[int, int], number: int) -> None:
    runs, more = Runs.of(one), Runs.of(other)
    first, last = span
    inside = set(range(first, last + 1))
    assert plain(runs) == one and bool(runs) == bool(one)
    assert (number in runs) == (number in one)
    assert plain(runs.add(first, last)) == one | inside
    assert plain(runs.union(more)) == one | other
    assert plain(runs.minus(more)) == one - other
    assert plain(runs.within(first, last)) == one & inside
    assert runs.count(first, last) == len(one & inside)
    assert plain(Runs(tuple(runs.holes(first, last)))) == inside - one
    assert runs.lowest(number) == min((n for n in one if n >= number), default=None)
    assert runs.highest(number) == max((n for n in one if n <= number), default=None)


@given(st.lists(SPANS, max_size=8))
def test_the_order_in_which_ranges_come_does_not_matter(spans: list[tuple[int, int]]) -> None:
    there, back = NONE, NONE
    for span in spans:
        there = there.add(*span)
    for span in reversed(spans):
        back = back.add(*span)
    assert there == back


def test_what_is_no_set_of_ranges_is_told() -> None:
    assert Runs(((1, 2), (4, 4))).sound
    for ranges in (((2, 1),), ((1, 2), (3, 4)), ((5, 6), (1, 2)), ((1, 5), (2, 3))):
        assert not Runs(ranges).sound
