"""Readings whose days are computed together, and how far that is: a restart goes on in the middle of them.

    Batch(upto, part).left(spread)           of what the readings touch, the days that are not done yet
    Batch(upto, part).again(spread, days)    the same of what is computed once more
    Batch(upto, part).reached(...)           what is to be remembered now; None for nothing

Rules: pure; days are computed in their order, each is done when all before it are written. What the same readings
touch is found out anew after a restart, and may be more by then, but nothing of the days that are done: those were
computed from all readings. Days whose substitutes may need a later day are remembered by name.
"""

from collections.abc import Collection
from datetime import date, timedelta

import msgspec

from gatewayd.metering.plan import EVERY, Dirty

OFTEN_S = 1.0
"""It is remembered so often at most: each time costs the disk a write."""


class Part(msgspec.Struct, frozen=True):
    """Of what the readings up to `upto` touch everything of the days before `day` is written. `replaced`: those of them
    that have intervals that are not true, of points with substitution. `again`: the days before it are written that
    were computed once more, because a day behind them was not there yet."""

    upto: int
    day: date
    replaced: tuple[tuple[str, date], ...] = ()
    again: date = date.min


class Batch:
    """`upto`: the last of the readings; `part`: where it was when it was given up."""

    def __init__(self, upto: int, part: Part | None = None) -> None:
        self.months: set[tuple[str, int, int]] = set()
        """Months of gas, of which a day was made among the days of the next one that are done."""
        self._upto = upto
        self._part = part if part is not None else Part(upto, date.min)
        self._replaced: tuple[tuple[str, date], ...] | None = None
        """Where days are computed once more: because of these."""
        self._next_s = float("-inf")

    def left(self, spread: Dirty) -> Dirty:
        """Without the days that are done."""
        found = Dirty()
        for point, day in spread:
            codes = spread.codes(point, day)
            if day >= self._part.day and codes is not None:
                found.add(point, day, codes)
            elif day.day == 1:
                before = day - timedelta(days=1)
                self.months.add((point, before.year, before.month))
        return found

    def again(self, spread: Dirty, replaced: Collection[tuple[str, date]]) -> Dirty:
        """Everything is done once; of what is computed once more because of `replaced`, the days that are not done."""
        self._replaced = tuple(sorted(replaced))
        found = Dirty()
        for point, day in spread:
            if day >= self._part.again:
                found.add(point, day, spread.codes(point, day) or EVERY)
        return found

    def reached(self, day: date, replaced: Collection[tuple[str, date]], now_s: float) -> Part | None:
        """`day`: everything before it is written; `now_s`: of a clock that only goes on."""
        done = self._part.day if self._replaced is None else self._part.again
        if day <= done or now_s < self._next_s:
            return None
        self._next_s = now_s + OFTEN_S
        if self._replaced is None:
            self._part = Part(self._upto, day, tuple(sorted(one for one in replaced if one[1] < day)))
        else:
            self._part = Part(self._upto, date.max, self._replaced, day)
        return self._part
