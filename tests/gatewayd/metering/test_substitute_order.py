"""Substitution under arbitrary data: no true value is touched, and no order of arrival changes what comes out."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import QUARTER, days, interval_ends, legal_day
from gatewayd.metering.basis import Advance, Basis, affected, needed
from gatewayd.metering.substitute import substituted
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method, Series, Value, missing
from gatewayd.model import RawStatus
from tests.gatewayd.metering.profiles import CONTROL, LATER, POINT, changed, profile

ON = SubstitutionTerms(enabled=True, weeks=2)
FIRST, LAST = date(2026, 10, 18), date(2026, 11, 5)
"""Two Sundays, the autumn change of the clock, a public holiday (28 October, a Wednesday)."""
WHOLE = profile(FIRST, LAST)
ENDS = [one.at for one in WHOLE.values]
QUIET = settings(max_examples=12, deadline=None)


@QUIET
@given(st.integers(0, 2**32), st.sampled_from([0.05, 0.3, 0.9]))
def test_only_missing_and_distorted_values_are_replaced(seed: int, share: float) -> None:
    dice = random.Random(seed)
    worse = [
        Value(at, 900, None if status is RawStatus.MISSING else Decimal(dice.randrange(1000)), status)
        for at in ENDS
        if dice.random() < share
        for status in [dice.choice([status for status in RawStatus if status is not RawStatus.TRUE])]
    ]
    series = changed(WHOLE, worse)
    day = date(2026, 10, 25)
    basis = Basis(series, profile(day, day, CONTROL) if dice.random() < 0.5 else None, (whole_day(day),))
    before, after = series.by_end(), substituted(basis, day, ON, LATER).by_end()
    assert list(after) == list(interval_ends(day))
    for at, one in after.items():
        if before[at].status in (RawStatus.TRUE, RawStatus.SUBSTITUTE, RawStatus.PROVISIONAL):
            assert one is before[at]
        else:
            made = one.method not in (Method.PRIMARY, Method.NONE)
            assert one is before[at] or (made and one.status is RawStatus.SUBSTITUTE and one.amount is not None)


def whole_day(day: date, amount: int = 1500) -> Advance:
    ends = interval_ends(day)
    return Advance(ends[0] - QUARTER, ends[-1], Decimal(amount), (70000 + day.toordinal(),))


class Engine:
    """As the daemon does it: keeps what has come, and after each arrival computes again only what may have changed."""

    def __init__(self, *, feed_back: bool) -> None:
        self.raw: dict[datetime, Value] = {}
        self.control: dict[datetime, Value] = {}
        self.advances: list[Advance] = []
        self.feed_back = feed_back
        self.made: dict[date, Series] = {}

    def come(self, one: Value | Advance, of_control: bool) -> None:
        if isinstance(one, Advance):
            self.advances.append(one)
        else:
            (self.control if of_control else self.raw)[one.at] = one
        day = legal_day(one.end if isinstance(one, Advance) else one.at)
        for other in affected(day, ON, self.advances):
            if FIRST <= other <= LAST:
                self.compute(other)

    def compute(self, day: date) -> None:
        there = set(needed(day, ON, self.advances))
        values = tuple(self.raw[at] for at in sorted(self.raw) if legal_day(at) in there)
        control = Series(CONTROL, Layer.INTERVAL, tuple(self.control[at] for at in sorted(self.control)))
        if self.feed_back:  # what the daemon has of other days is what it has made of them
            made = {one.at: one for other, series in self.made.items() if other != day for one in series.values}
            values = tuple(made.get(one.at, one) for one in values)
        basis = Basis(Series(POINT, Layer.INTERVAL, values), control, tuple(self.advances))
        self.made[day] = substituted(basis, day, ON, LATER)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_any_order_of_late_arrivals_ends_in_the_same_values(seed: int, feed_back: bool) -> None:
    dice = random.Random(seed)
    advances = [whole_day(day) for day in (FIRST, date(2026, 10, 25), LAST)]
    begin, end = interval_ends(date(2026, 10, 31))[40], interval_ends(date(2026, 11, 2))[50]
    advances.append(Advance(begin, end, Decimal(4000), (80000,)))
    gaps: set[datetime] = set()
    for _ in range(8):
        start = dice.randrange(len(ENDS) - 200)
        gaps |= set(ENDS[start : start + dice.choice([1, 3, 8, 9, 40])])
    engine = Engine(feed_back=feed_back)
    engine.raw = changed(WHOLE, [missing(at, 900, "outage") for at in gaps]).by_end()
    for day in days(FIRST, LAST):
        engine.compute(day)
    truth = WHOLE.by_end()
    late: list[tuple[Value | Advance, bool]] = [(one, False) for one in advances]
    late += [(truth[at], False) for at in dice.sample(sorted(gaps), min(len(gaps), 10))]
    late += [(truth[at], True) for at in dice.sample(sorted(gaps), min(len(gaps), 4))]
    dice.shuffle(late)
    for one, of_control in late:
        engine.come(one, of_control)
    found, engine.feed_back = dict(engine.made), False
    for day in days(FIRST, LAST):
        engine.compute(day)
    assert found == engine.made, "what was computed step by step is what is computed at once"
    for one, _ in late:
        if isinstance(one, Value) and engine.raw[one.at] is one:
            assert found[legal_day(one.at)].by_end()[one.at] is one, "a late true value replaces its substitute"


def test_what_a_late_value_may_change_and_what_is_needed() -> None:
    day = date(2026, 11, 4)
    assert affected(day, SubstitutionTerms()) == (day,)
    around = {day + timedelta(days=n) for n in (-1, 0, 1)}
    assert set(affected(day, ON)) == around | {date(2026, 11, 11), date(2026, 11, 18)}
    month = Advance(interval_ends(date(2026, 11, 10))[3], interval_ends(date(2026, 11, 13))[3], Decimal(1))
    assert set(affected(day, ON, [month])) == {*affected(day, ON), *days(date(2026, 11, 10), date(2026, 11, 13))}
    beside = {day + timedelta(days=n) for n in (-1, 0, 1)}
    assert set(needed(day, ON)) == beside | {date(2026, 10, 21)}, "28 October is a holiday"
    near = days(date(2026, 11, 9), date(2026, 11, 14))
    before = days(date(2026, 10, 27), date(2026, 10, 30))
    middle = [date(2026, 11, 3), *days(date(2026, 11, 4), date(2026, 11, 6))]
    shared = {*near, *before, *middle} - {date(2026, 10, 28)}
    assert set(needed(date(2026, 11, 12), ON, [month])) == shared, "those of all its days"
    assert set(needed(date(2026, 11, 12), SubstitutionTerms(enabled=True, weeks=0, scale=False), [month])) == {
        date(2026, 11, 11), date(2026, 11, 12), date(2026, 11, 13)
    }  # fmt: skip
