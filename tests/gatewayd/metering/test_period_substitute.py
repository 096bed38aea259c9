"""Substitute values of billing periods: by days, from the year before, from later metering, or estimated."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.legal_time import instant
from gatewayd.metering.period_substitute import Estimate, period_substituted
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Method, Value, missing
from gatewayd.model import Flag, RawStatus

ON = SubstitutionTerms(enabled=True)
LATER = datetime(2028, 1, 1, tzinfo=UTC)


def month(year: int, number: int, amount: str | None, status: RawStatus = RawStatus.TRUE, seq: int = 1) -> Value:
    return period(date(year, number, 1), date(year + number // 12, number % 12 + 1, 1), amount, status, seq)


def period(first: date, after: date, amount: str | None, status: RawStatus = RawStatus.TRUE, seq: int = 1) -> Value:
    start, end = instant(first, time(0)), instant(after, time(0))
    seconds = int((end - start).total_seconds())
    if amount is None:
        return missing(end, seconds, "not read")
    return Value(end, seconds, Decimal(amount), status, inputs=(seq,))


MARCH = month(2027, 3, None)


def test_off_by_default() -> None:
    assert period_substituted(MARCH, [month(2027, 2, "280")], SubstitutionTerms(), LATER) is MARCH


def test_the_period_before_by_days() -> None:
    value = period_substituted(MARCH, [month(2027, 1, "999"), month(2027, 2, "280", seq=5)], ON, LATER)
    assert (value.amount, value.method, value.status) == (Decimal(310), Method.COMPARABLE, RawStatus.SUBSTITUTE)
    assert value.inputs == (5,) and value.seconds == MARCH.seconds == 743 * 3600, (
        "the change of the clock is no day less"
    )
    assert value.reason == (
        "the period before, 2027-02-01 00:00+01:00 to 2027-02-28 24:00+01:00, by days: 31 of 28; "
        "instead of missing (not read)"
    )
    assert str(period_substituted(MARCH, [month(2027, 2, "100")], ON, LATER).amount) == "110.714", "100 x 31 / 28"


def test_the_same_period_of_the_year_before_goes_first() -> None:
    known = [month(2026, 3, "500", seq=3), month(2027, 2, "280", seq=5)]
    value = period_substituted(MARCH, known, ON, LATER)
    assert (
        value.amount == 500 and value.inputs == (3,) and value.reason.startswith("the same period of the year before")
    )
    other = period_substituted(MARCH, known, SubstitutionTerms(enabled=True, former_year=False), LATER)
    assert other.amount == 310


def test_the_year_before_is_that_of_the_same_calendar_days() -> None:
    same = period(date(2026, 1, 30), date(2026, 3, 31), "61", seq=2)
    value = period_substituted(period(date(2027, 1, 30), date(2027, 3, 31), None), [same], ON, LATER)
    assert value.amount == 61 and value.reason.startswith("the same period of the year before")


def test_leap_years_count_their_day() -> None:
    february = month(2028, 2, None)
    later = datetime(2029, 1, 1, tzinfo=UTC)
    assert period_substituted(february, [month(2027, 2, "280")], ON, later).amount == 290
    to_leap_day = period(date(2028, 2, 1), date(2028, 2, 29), None)
    assert (
        period_substituted(to_leap_day, [period(date(2027, 2, 1), date(2027, 2, 28), "270")], ON, later).amount == 280
    )


def test_a_short_period_before_counts_with_those_next_to_it() -> None:
    short = period(date(2027, 2, 20), date(2027, 3, 1), "90", seq=9)
    assert period_substituted(MARCH, [short], ON, LATER) is MARCH, "nine days are not enough"
    rest = period(date(2027, 1, 20), date(2027, 2, 20), "310", seq=8)
    value = period_substituted(MARCH, [rest, short], ON, LATER)
    assert value.amount == 310 and value.inputs == (8, 9), "400 in 40 days"
    apart = period(date(2027, 1, 1), date(2027, 2, 19), "310")
    assert period_substituted(MARCH, [apart, short], ON, LATER) is MARCH


def test_an_estimate_stands_until_there_is_new_metering() -> None:
    entered = datetime(2027, 4, 5, 8, 0, tzinfo=UTC)
    old = Estimate(MARCH.at, Decimal(100), "anna", entered - timedelta(days=1), "a guess", (50,))
    new = Estimate(MARCH.at, Decimal(120), "anna", entered, "boiler 2 kW, 2 h a day", (51,))
    other = Estimate(MARCH.start, Decimal(7), "anna", entered, "of February")
    value = period_substituted(MARCH, [], ON, LATER, estimates=[new, other, old])
    assert (value.amount, value.method, value.status, value.inputs) == (
        Decimal(120), Method.ESTIMATE, RawStatus.PROVISIONAL, (51,)
    )  # fmt: skip
    assert Flag.MANUAL in value.flags and value.reason.startswith(
        "estimate of anna, 2027-04-05 10:00+02:00: boiler 2 kW, 2 h a day; provisional until there is new metering"
    )
    assert period_substituted(MARCH, [], ON, LATER, estimates=[other]) is MARCH
    short = period(date(2027, 4, 1), date(2027, 4, 28), "270")
    assert period_substituted(MARCH, [short], ON, LATER, estimates=[new]).method is Method.ESTIMATE, "27 days"
    value = period_substituted(MARCH, [month(2027, 4, "300", seq=70)], ON, LATER, estimates=[new])
    assert (value.amount, value.method, value.status) == (Decimal(310), Method.COMPARABLE, RawStatus.SUBSTITUTE)
    assert value.reason.startswith("metering that came later")
    assert period_substituted(MARCH, [month(2027, 2, "28"), month(2027, 4, "300")], ON, LATER).amount == 31


def test_provisional_until_the_deadline() -> None:
    deadline = instant(date(2027, 4, 1), time(11))
    known = [month(2027, 2, "280")]
    early = period_substituted(MARCH, known, ON, deadline - timedelta(seconds=1))
    assert early.status is RawStatus.PROVISIONAL and "provisional until 2027-04-01 11:00+02:00" in early.reason
    assert period_substituted(MARCH, known, ON, deadline).status is RawStatus.SUBSTITUTE
    assert period_substituted(MARCH, known, ON, deadline, closed=False).status is RawStatus.PROVISIONAL
    assert period_substituted(MARCH, known, ON, MARCH.start) is MARCH, "it is not over"


STATUSES = st.sampled_from(RawStatus)


@settings(max_examples=60, deadline=None)
@given(STATUSES, st.lists(st.tuples(st.integers(1, 12), st.integers(0, 999), STATUSES), max_size=10))
def test_nothing_but_missing_and_distorted_is_replaced_in_any_order(
    status: RawStatus, others: list[tuple[int, int, RawStatus]]
) -> None:
    value = month(2027, 3, "5", status)
    known = list({number: month(2026, number, str(amount), other) for number, amount, other in others}.values())
    found = period_substituted(value, known, ON, LATER)
    assert found == period_substituted(value, known[::-1], ON, LATER)
    if status not in (RawStatus.DISTORTED, RawStatus.MISSING):
        assert found is value
    elif found is not value:
        assert found.status is RawStatus.SUBSTITUTE and found.amount is not None
    else:
        assert all(one.status is not RawStatus.TRUE for one in known if one.at == value.start)


@pytest.mark.parametrize("status", [RawStatus.SUBSTITUTE, RawStatus.DISTORTED, RawStatus.PROVISIONAL])
def test_only_true_periods_are_a_basis(status: RawStatus) -> None:
    assert period_substituted(MARCH, [month(2027, 2, "280", status)], ON, LATER) is MARCH
