"""Gaps: days of 92, 96 and 100 quarter-hours, runs of missing intervals, and a completeness that never flatters."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.gaps import Gap, Reason, evaluated, expected, gaps_of_day, why
from gatewayd.legal_time import QUARTER, day_bounds, interval_ends
from gatewayd.metering.statistics import completeness
from gatewayd.model import Flag, Kind, RawStatus, Reading

NORMAL, SPRING, AUTUMN = date(2026, 11, 21), date(2026, 3, 29), date(2026, 10, 25)


@pytest.mark.parametrize(("day", "count"), [(NORMAL, 96), (SPRING, 92), (AUTUMN, 100)])
def test_a_day_has_the_intervals_of_legal_time(day: date, count: int) -> None:
    ends = interval_ends(day)
    empty = gaps_of_day(day, {})
    assert (empty.expected, empty.present, empty.missing) == (count, 0, count)
    assert empty.gaps == (Gap(ends[0], ends[-1], count, Reason.ABSENT),)
    full = gaps_of_day(day, dict.fromkeys(ends, RawStatus.TRUE))
    assert (full.present, full.missing, full.gaps, full.completeness) == (count, 0, (), Decimal("100.0"))


def test_the_hour_that_happens_twice_is_two_hours() -> None:
    """02:15 to 03:00 of the second time, in winter time, has no values."""
    second = [datetime(2026, 10, 25, 1, 0, tzinfo=UTC) + QUARTER * n for n in (1, 2, 3, 4)]
    found = {end: RawStatus.TRUE for end in interval_ends(AUTUMN) if end not in second}
    assert gaps_of_day(AUTUMN, found).gaps == (Gap(second[0], second[-1], 4, Reason.ABSENT),)


def test_a_missing_value_is_a_gap_with_its_own_reason() -> None:
    ends = interval_ends(NORMAL)
    found = dict.fromkeys(ends, RawStatus.PROVISIONAL)
    found[ends[3]] = found[ends[4]] = RawStatus.MISSING
    del found[ends[5]]
    day = gaps_of_day(NORMAL, found)
    assert day.gaps == (Gap(ends[3], ends[4], 2, Reason.MISSING), Gap(ends[5], ends[5], 1, Reason.ABSENT))
    assert (day.present, day.missing, day.completeness) == (93, 3, Decimal("96.8"))


def test_gaps_with_other_words_are_other_gaps() -> None:
    ends = interval_ends(NORMAL)
    found = dict.fromkeys(ends, RawStatus.TRUE) | dict.fromkeys(ends[3:7], RawStatus.MISSING)
    reasons = {ends[3]: "the meter has no row", ends[4]: "the meter has no row", ends[5]: "the line failed"}
    day = gaps_of_day(NORMAL, found, reasons=reasons)
    assert [(gap.count, gap.text) for gap in day.gaps] == [
        (2, "missing: the meter has no row"),
        (1, "missing: the line failed"),
        (1, "missing"),
    ]


def test_why_an_interval_is_missing() -> None:
    told = Reading(
        "em", None, "1.29.0", Kind.INTERVAL, interval_ends(NORMAL)[0], b"", "", status=RawStatus.MISSING,
        flags=Flag.NOT_READ, more=("the meter did not answer",),
    )  # fmt: skip
    assert why(told) == "the meter did not answer"
    sent = Reading(
        "em", None, "1.29.0", Kind.INTERVAL, interval_ends(NORMAL)[0], b"\xff", "4294967295", status=RawStatus.MISSING,
        flags=Flag.SENTINEL | Flag.POWER_DOWN, more=("00",),
    )  # fmt: skip
    assert why(sent) == "power down, sentinel"


@pytest.mark.parametrize(("day", "hours"), [(NORMAL, 24), (SPRING, 23), (AUTUMN, 25)])
def test_an_hour_is_complete_when_its_four_quarters_are_there(day: date, hours: int) -> None:
    ends = interval_ends(day)
    found = dict.fromkeys(ends, RawStatus.DISTORTED)
    assert evaluated(day, found, QUARTER, timedelta(hours=1)) == (hours, hours)
    found[ends[7]] = RawStatus.MISSING
    del found[ends[8]]
    assert evaluated(day, found, QUARTER, timedelta(hours=1)) == (hours, hours - 2)
    assert evaluated(day, found, QUARTER, QUARTER) == (hours * 4, hours * 4 - 2)
    hourly = dict.fromkeys(interval_ends(day, timedelta(hours=1)), RawStatus.TRUE)
    assert evaluated(day, hourly, timedelta(hours=1), QUARTER) == (hours, hours)


@pytest.mark.parametrize("day", [NORMAL, SPRING, AUTUMN])
def test_a_day_of_one_interval_is_one_however_long_it_is(day: date) -> None:
    whole = timedelta(days=1)
    assert expected(day, whole) == 1 and gaps_of_day(day, {}, whole).missing == 1
    assert gaps_of_day(day, {day_bounds(day)[1]: RawStatus.TRUE}, whole).present == 1


def test_midnight_belongs_to_the_day_that_ends() -> None:
    ends = interval_ends(NORMAL)
    begin = {ends[0] - QUARTER: RawStatus.TRUE}
    assert gaps_of_day(NORMAL, begin).present == 0
    assert gaps_of_day(NORMAL, {ends[-1]: RawStatus.TRUE}).present == 1


def test_other_periods() -> None:
    assert gaps_of_day(AUTUMN, {}, timedelta(hours=1)).expected == 25
    assert gaps_of_day(SPRING, {}, timedelta(minutes=5)).expected == 276
    with pytest.raises(ValueError, match="does not divide"):
        gaps_of_day(NORMAL, {}, timedelta(minutes=7))


def test_a_hundred_per_cent_means_nothing_is_missing() -> None:
    assert completeness(9999, 10000) == Decimal("99.9")
    assert completeness(0, 96) == Decimal("0.0")
    assert completeness(0, 0) == Decimal("100.0")


@given(
    day=st.sampled_from([NORMAL, SPRING, AUTUMN]),
    statuses=st.lists(st.none() | st.sampled_from(RawStatus), min_size=100, max_size=100),
)
def test_present_and_gaps_are_the_whole_day(day: date, statuses: list[RawStatus | None]) -> None:
    ends = interval_ends(day)
    found = {end: status for end, status in zip(ends, statuses, strict=False) if status is not None}
    compared = gaps_of_day(day, found)
    gone: dict[datetime, Reason] = {}
    for gap in compared.gaps:
        for n in range(gap.count):
            gone[gap.first + QUARTER * n] = gap.reason
        assert gap.last == gap.first + QUARTER * (gap.count - 1)
    assert compared.present + len(gone) == compared.expected == len(ends)
    for end in ends:
        if end in gone:
            assert found.get(end) is (None if gone[end] is Reason.ABSENT else RawStatus.MISSING)
        else:
            assert found[end] is not RawStatus.MISSING
    assert (compared.completeness == 100) == (not gone)
