"""What a register went up over several months, shared out to them: exactly, in any proportion, beside estimates."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.legal_time import instant
from gatewayd.metering.period_substitute import Month, is_part, shared_out
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Value, missing
from gatewayd.model import Flag, RawStatus

ON = SubstitutionTerms(enabled=True)
LATER = datetime(2029, 1, 1, tzinfo=UTC)


def span(first: int, after: int, year: int = 2027) -> tuple[datetime, int]:
    """End and length of the time between the beginnings of two months."""
    start, end = (instant(date(year + (n - 1) // 12, (n - 1) % 12 + 1, 1), time(0)) for n in (first, after))
    return end, round((end - start).total_seconds())


def empty(number: int) -> Value:
    return missing(*span(number, number + 1), "not read")


def true(number: int, amount: str, year: int = 2027, seq: int = 1) -> Value:
    return Value(*span(number, number + 1, year), Decimal(amount), RawStatus.TRUE, inputs=(seq,))


def advance(first: int, after: int, amount: str) -> Value:
    return Value(*span(first, after), Decimal(amount), RawStatus.TRUE, Flag.OVERFLOW, inputs=(8, 9), reason="states")


def waiting(*numbers: int) -> list[Month]:
    return [Month(empty(number), empty(number)) for number in numbers]


def estimated(number: int, amount: str) -> Month:
    made = Value(*span(number, number + 1), Decimal(amount), RawStatus.PROVISIONAL, method=Method.ESTIMATE, reason="e")
    return Month(empty(number), made)


def amounts(found: Sequence[Value]) -> list[str]:
    return [str(one.amount) for one in found]


def test_by_days_to_the_digits_of_the_register() -> None:
    found = shared_out(waiting(2, 3, 4), advance(2, 5, "100"), [], ON, LATER)
    assert amounts(found) == ["31", "35", "34"], "as if it had been read: 31.46 and 66.29 so far"
    assert amounts(shared_out(waiting(2, 3, 4), advance(2, 5, "100.0"), [], ON, LATER)) == ["31.5", "34.8", "33.7"]
    one = found[0]
    assert (one.status, one.method, one.flags) == (RawStatus.SUBSTITUTE, Method.INTERPOLATED, Flag.OVERFLOW)
    assert one.inputs == (8, 9) and is_part(one) and not is_part(true(2, "1"))
    assert one.reason == (
        "part of what the register went up from 2027-02-01 00:00+01:00 to 2027-04-30 24:00+02:00, 100 (states), "
        "in proportion to its days, 28 of 89; instead of missing (not read)"
    )


def test_in_proportion_to_what_there_is_of_each() -> None:
    former = [true(2, "300", 2026, 3), true(3, "100", 2026, 4)]
    found = shared_out(waiting(2, 3), advance(2, 4, "1000"), former, ON, LATER)
    assert amounts(found) == ["750", "250"]
    assert [one.inputs for one in found] == [(3, 4, 8, 9)] * 2, "each depends on what the others have"
    assert found[0].method is Method.COMPARABLE and "in proportion to the same period of the year before" in (
        found[0].reason
    )
    mixed = [former[0], true(1, "310", seq=5)]
    assert amounts(shared_out(waiting(2, 3), advance(2, 4, "1220"), mixed, ON, LATER)) == ["600", "620"]
    off = SubstitutionTerms(enabled=True, former_year=False)
    assert amounts(shared_out(waiting(2, 3), advance(2, 4, "590"), mixed, off, LATER)) == ["280", "310"]
    later = shared_out(waiting(2, 3), advance(2, 4, "590"), [true(4, "3")], ON, LATER)
    assert (amounts(later), later[0].inputs) == (["280", "310"], (8, 9)), "the same for all of them, so it says nothing"
    none = shared_out(waiting(2, 3), advance(2, 4, "590"), [true(1, "0")], ON, LATER)
    assert (amounts(none), none[0].method) == (["280", "310"], Method.INTERPOLATED), (
        "of nothing nothing is in proportion"
    )


def test_what_estimates_leave() -> None:
    february, march, april = waiting(2)[0], estimated(3, "50.5"), waiting(4)[0]
    found = shared_out([february, march, april], advance(2, 5, "100"), [], ON, LATER)
    assert amounts(found) == ["24", "50.5", "25.5"] and found[1] is march.made
    assert "(states), less estimates of 50.5, in proportion to its days, 28 of 58" in found[0].reason
    assert amounts(shared_out([february, march], advance(2, 4, "50.5"), [], ON, LATER)) == ["0.0", "50.5"]
    told = shared_out([february, march], advance(2, 4, "50"), [], ON, LATER)
    assert [one.amount for one in told] == [None, Decimal("50.5")]
    assert all("2027-03-31 24:00+02:00, 50, is not met: estimates say 50.5" in one.reason for one in told)
    both = [estimated(2, "20"), estimated(3, "30")]
    assert shared_out(both, advance(2, 4, "50"), [], ON, LATER) == [one.made for one in both]
    assert shared_out(both, advance(2, 4, "51"), [], ON, LATER)[0].reason.endswith("is not met: estimates say 50")


def test_the_last_one_is_never_less_than_nothing() -> None:
    assert amounts(
        shared_out(waiting(2, 3), advance(2, 4, "1"), [true(2, "9", 2026), true(3, "0", 2026)], ON, LATER)
    ) == [
        "1",
        "0",
    ]
    months = [*waiting(2), estimated(3, "0.4"), *waiting(4)]
    known = [true(2, "9", 2026), true(4, "0", 2026)]
    assert amounts(shared_out(months, advance(2, 5, "10"), known, ON, LATER)) == ["9.6", "0.4", "0.0"]


@pytest.mark.parametrize("terms", [SubstitutionTerms(), ON])
def test_off_or_not_over(terms: SubstitutionTerms) -> None:
    months, whole = waiting(2, 3), advance(2, 4, "100")
    now = LATER if not terms.enabled else months[0].old.at
    assert shared_out(months, whole, [], terms, now) == [one.made for one in months]


DIGITS = st.integers(0, 3)
FORMER = st.lists(st.none() | st.integers(0, 5000), min_size=12, max_size=12)
ESTIMATES = st.dictionaries(st.integers(1, 12), st.decimals(0, 900, places=3), max_size=3)


@given(st.integers(1, 11), st.integers(2, 12), st.integers(0, 10**6), DIGITS, FORMER, ESTIMATES)
def test_all_together_are_the_advance(
    first: int, count: int, units: int, digits: int, former: list[int | None], estimates: dict[int, Decimal]
) -> None:
    last = min(first + count, 13)
    known = [true(n, str(one), 2026, n) for n, one in enumerate(former, 1) if one is not None]
    whole = Decimal(units).scaleb(-digits)
    months = [
        estimated(number, str(estimates[number])) if number in estimates else waiting(number)[0]
        for number in range(first, last)
    ]
    found = shared_out(months, advance(first, last, str(whole)), known, ON, LATER)
    assert [one.at for one in found] == [one.old.at for one in months]
    theirs = sum((one.made.amount or Decimal(0) for one in months), Decimal(0))
    if theirs > whole or all(one.made.method is Method.ESTIMATE for one in months):
        assert [one.amount for one in found] == [one.made.amount for one in months]
        return
    assert sum((one.amount for one in found if one.amount is not None), Decimal(0)) == whole
    parts = [one.amount for one in found if one.method is not Method.ESTIMATE]
    assert all(one is not None and one >= 0 for one in parts)
    quantum = Decimal(1).scaleb(-digits)
    assert all(one is not None and one % quantum == 0 for one in parts[:-1]) or theirs % quantum != 0
