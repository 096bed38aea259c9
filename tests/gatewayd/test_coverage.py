"""What is known of a profile: what is expected, overdue, complete; and the short cut, which may be anything."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gatewayd.coverage import (
    Cause,
    Channel,
    Complete,
    Coverage,
    Overdue,
    Rows,
    by_day,
    completeness,
    covered,
    decode,
    encode,
    evaluated,
    horizon,
    overdue,
)
from gatewayd.legal_time import PRAGUE, QUARTER, Grid, day_bounds, days, instant, interval_ends
from gatewayd.runs import NONE, Runs

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GRID = Grid(QUARTER)
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
LAST = GRID.last(NOW)
WINDOW = 3 * DAY
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def known(there: Runs, **more: object) -> Coverage:
    return replace(Coverage(900, there=there, begun=NOW - 30 * DAY), **more)


def late(coverage: Coverage, *, given_up: bool = True, now: datetime = NOW) -> list[Overdue]:
    return list(overdue(coverage, GRID, now, WINDOW, 36, given_up=given_up))


def test_expected_is_from_the_oldest_that_is_there() -> None:
    coverage = known(Runs(((LAST - 500, LAST - 400),)))
    assert coverage.expected(GRID, NOW, 36) == (LAST - 500, LAST)


def test_expected_is_from_the_configuration_where_nothing_is() -> None:
    assert known(NONE).expected(GRID, NOW, 36) == (GRID.last(NOW - 30 * DAY) + 1, LAST)
    first, last = Coverage(900).expected(GRID, NOW, 36)
    assert first > last, "nothing"


def test_rows_of_a_meter_that_thought_it_was_1990_are_not_expected_to_go_on() -> None:
    strange = GRID.last(datetime(1990, 1, 1, tzinfo=UTC))
    coverage = known(Runs(((strange, strange), (LAST - 10, LAST))))
    assert coverage.expected(GRID, NOW, 36) == (LAST - 10, LAST)


def test_the_horizon_is_a_legal_midnight() -> None:
    assert horizon(NOW, 36, GRID) == instant(date(2023, 11, 26), time(0))
    assert horizon(datetime(2026, 3, 31, 12, tzinfo=UTC), 1, GRID) == instant(date(2026, 2, 28), time(0))
    assert horizon(datetime(1970, 1, 1, tzinfo=UTC), 36, GRID) == instant(date(1967, 1, 1), time(0))


def test_what_is_not_over_is_not_put_down_as_asked() -> None:
    for settled, young in ((timedelta(hours=1), 4), (2 * DAY, 192)):
        coverage = known(NONE).asked_for(GRID, NOW - settled - HOUR, NOW, NOW, settled)
        assert coverage.asked == Runs(((LAST - young - 3, LAST - young),)), "not what is younger"
        back = coverage.trimmed(GRID, NOW - HOUR, settled)
        assert back.asked == NONE, "the gateway's clock was set back by an hour"
        assert coverage.trimmed(GRID, NOW, settled) is coverage
    assert coverage == known(NONE).asked_for(GRID, NOW - 2 * DAY - HOUR, NOW, NOW), "two days are the rule"


def test_what_is_there_is_not_put_down_as_asked() -> None:
    coverage = known(Runs(((LAST - 250, LAST - 240),))).asked_for(GRID, GRID.end(LAST - 261), GRID.end(LAST - 230), NOW)
    assert coverage.asked == Runs(((LAST - 260, LAST - 251), (LAST - 239, LAST - 230)))


def test_what_the_meter_does_not_have_is_told_two_days_after_its_day() -> None:
    hole = LAST - 300, LAST - 290
    coverage = known(Runs(((LAST - 500, LAST),)).minus(Runs((hole,)))).asked_for(
        GRID, GRID.end(hole[0] - 1), GRID.end(hole[1]), NOW
    )
    assert late(coverage, given_up=False) == [Overdue(*hole, Cause.NOT_IN_METER)]
    midnight = day_bounds(date(2026, 11, 23))[1]
    assert midnight - DAY < GRID.end(hole[0]) < GRID.end(hole[1]) < midnight
    assert late(coverage, given_up=False, now=midnight + 2 * DAY) == [Overdue(*hole, Cause.NOT_IN_METER)]
    assert late(coverage, given_up=False, now=midnight + 2 * DAY - QUARTER) == [], "a day as a whole"
    assert late(coverage.seen(Rows(told=Runs((hole,))))) == [], "once"


def test_a_supply_failure_is_told_where_the_row_behind_says_so() -> None:
    hole = LAST - 300, LAST - 290
    there = Runs(((LAST - 500, LAST),)).minus(Runs((hole,)))
    coverage = known(NONE).seen(Rows(there, dark=Runs.of([hole[1] + 1, LAST - 400])))
    assert coverage.dark == Runs.of([hole[1] + 1]), "only behind a hole"
    coverage = coverage.asked_for(GRID, GRID.end(hole[0] - 1), GRID.end(hole[1]), NOW)
    assert late(coverage) == [Overdue(*hole, Cause.NOT_IN_METER, dark=True)]
    assert coverage.seen(Rows(Runs((hole,)))).dark == NONE


def test_what_was_not_asked_is_told_when_the_retry_window_is_over_and_the_meter_is_given_up() -> None:
    coverage = known(Runs(((LAST - 500, LAST - 400),)))
    closed = GRID.day((NOW - WINDOW).astimezone(PRAGUE).date())[0] - 1  # the day as a whole
    assert late(coverage, given_up=False) == []
    found = late(coverage)
    assert (found[0].first, found[-1].last) == (LAST - 399, closed)
    assert {one.cause for one in found} == {Cause.NOT_READ}
    assert [one.first for one in found[1:]] == [one.last + 1 for one in found[:-1]]


def test_what_is_older_than_the_configuration_is_never_told_unless_it_was_asked_for() -> None:
    begun = NOW - 5 * DAY
    coverage = replace(known(Runs(((LAST - 2000, LAST - 1900),))), begun=begun)
    assert late(coverage)[0].first == GRID.last(begun) + 1
    asked = coverage.asked_for(GRID, GRID.end(LAST - 1500), GRID.end(LAST - 1400), NOW)
    assert late(asked)[0].first == LAST - 1499


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (AUTUMN, 100), (date(2026, 11, 1), 96)])
def test_overdue_ranges_are_cut_at_legal_midnight(day: date, count: int) -> None:
    first, last = GRID.day(day)
    parts = list(by_day(GRID, first - 5, last + 5))
    assert parts == [(first - 5, first - 1), (first, last), (last + 1, last + 5)]
    assert last - first + 1 == count
    assert list(by_day(Grid(DAY), 100, 102)) == [(100, 100), (101, 101), (102, 102)]


@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 90), st.sampled_from("ttax")), max_size=10))
def test_told_once_is_told_for_good(spans: list[tuple[int, int, str]]) -> None:
    """Whatever is there, asked or told: each interval that is overdue is neither there nor told, and afterwards
    nothing is overdue any more."""
    coverage = known(NONE)
    for back, length, what in spans:
        runs = Runs(((LAST - back - length, LAST - back),))
        if what == "t":
            coverage = coverage.seen(Rows(runs))
        elif what == "a":
            coverage = coverage.asked_for(GRID, GRID.end(LAST - back - length - 1), GRID.end(LAST - back), NOW)
        else:
            coverage = coverage.seen(Rows(told=runs))
    found = [(one.first, one.last) for one in late(coverage)]
    assert found == sorted(found)
    for first, last in found:
        assert not coverage.there.count(first, last) and not coverage.told.count(first, last)
        coverage = coverage.seen(Rows(told=Runs(((first, last),))))
    assert late(coverage) == []


@pytest.mark.parametrize("day", [SPRING, AUTUMN, date(2026, 11, 1)])
def test_completeness_of_a_day_and_of_its_hours(day: date) -> None:
    first, last = GRID.day(day)
    quarters = last - first + 1
    assert quarters == len(interval_ends(day))
    coverage = known(Runs(((first - 10, last),)).minus(Runs.of([first + 5, first + 6]))).seen(
        Rows(told=Runs.of([first + 5]))
    )
    whole = coverage.expected(GRID, NOW, 36)
    assert completeness(coverage, whole, first, last) == Complete(quarters, quarters - 2, 1)
    assert evaluated(coverage, GRID, day, HOUR) == (quarters // 4, quarters // 4 - 1)
    assert evaluated(coverage, GRID, day, QUARTER) == (quarters, quarters - 2)
    full = coverage.seen(Rows(Runs.of([first + 5, first + 6])))
    assert completeness(full, whole, first, last) == Complete(quarters, quarters, 0), "the late value counts, not both"


def test_days_before_the_oldest_are_not_expected() -> None:
    first, last = GRID.day(date(2026, 11, 20))
    coverage = known(Runs(((first + 90, LAST),)))
    assert completeness(coverage, coverage.expected(GRID, NOW, 36), first, last) == Complete(6, 6, 0)
    before = GRID.day(date(2026, 11, 19))
    assert completeness(coverage, coverage.expected(GRID, NOW, 36), *before) == Complete(0, 0, 0)


def test_all_days_of_three_years_are_complete_when_everything_is_there() -> None:
    for period in (timedelta(minutes=5), QUARTER, HOUR, DAY):
        grid = Grid(period)
        begin, end = day_bounds(date(2025, 1, 1))[0], day_bounds(date(2027, 12, 31))[1]
        coverage = Coverage(int(period.total_seconds()), there=Runs(((grid.last(begin) + 1, grid.last(end)),)))
        whole = coverage.expected(grid, end, 48)
        total = 0
        for day in days(date(2025, 1, 1), date(2027, 12, 31)):
            one = completeness(coverage, whole, *grid.day(day))
            assert one.expected == one.present > 0
            total += one.expected
        assert total == coverage.there.count(*whole) == whole[1] - whole[0] + 1


def test_with_another_length_what_is_known_stays_known_and_the_rest_is_outstanding() -> None:
    hours = Grid(HOUR)
    first = LAST - LAST % 4 - 400  # a full hour
    coverage = known(
        Runs(((first + 1, first + 40), (first + 43, first + 100))), told=Runs.of([first - 4]), asked=Runs(((1, first),))
    )
    changed = coverage.on(GRID, hours)
    hour = first // 4
    assert (changed.period_s, changed.mixed) == (3600, GRID.end(first + 100))
    assert changed.there == Runs(((hour + 1, hour + 10), (hour + 12, hour + 25)))
    assert changed.told == NONE, "one quarter of an hour"
    assert changed.asked == Runs(((1, hour),))
    back = changed.on(hours, GRID)
    assert back.there == Runs(((first + 1, first + 40), (first + 45, first + 100)))
    assert back.mixed == changed.mixed, "there may be more than is known, up to here"


LENGTHS = st.sampled_from([Grid(timedelta(minutes=n)) for n in (5, 15, 30, 60)] + [Grid(DAY)])


@given(st.sets(st.integers(0, 60), max_size=40).map(Runs.of), LENGTHS, LENGTHS)
def test_what_is_covered_is_what_all_of_the_time_is_there_of(runs: Runs, old: Grid, new: Grid) -> None:
    base = old.last(datetime(2026, 10, 20, tzinfo=UTC))
    runs = Runs(tuple((first + base, last + base) for first, last in runs.ranges))
    found = covered(runs, old, new)
    assert found.sound
    spans = [(old.end(first - 1), old.end(last)) for first, last in runs.ranges]
    edges = [new.last(at) + beside for span in spans for at in span for beside in range(-2, 4)]
    for number in edges:
        begin, end = new.end(number - 1), new.end(number)
        assert (number in found) is any(a <= begin and end <= b for a, b in spans)


RUNS = st.sets(st.integers(-1000, 1_900_000), max_size=20).map(Runs.of)
INSTANTS = st.none() | st.datetimes(timezones=st.just(UTC))
COVERAGES = st.builds(
    Coverage,
    period_s=st.sampled_from([None, 0, 300, 900, 3600, 86_400]),
    there=RUNS,
    told=RUNS,
    asked=RUNS,
    dark=RUNS,
    channels=st.lists(st.builds(Channel, st.text(), st.text(), st.text(), st.integers(-9, 9), st.booleans())).map(
        tuple
    ),
    begun=INSTANTS,
    newest=INSTANTS,
    serial=st.text(),
    seq=st.integers(0, 1 << 60),
)


@given(COVERAGES)
def test_a_short_cut_comes_back_as_it_was(coverage: Coverage) -> None:
    stored = encode(coverage, "Europe/Prague", "")
    assert decode(stored, "Europe/Prague", "") == coverage
    assert decode(stored, "Europe/Berlin", "") is None
    assert decode(stored, "Europe/Prague", "segment-000001-20261126T120000Z") is None


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(msgspec.json.encode))
def test_what_is_no_short_cut_is_none(stored: bytes) -> None:
    assert decode(stored, "Europe/Prague", "") is None


def test_a_short_cut_with_ranges_that_are_none_is_none() -> None:
    good = encode(known(Runs(((1, 2), (5, 6)))), "UTC", "")
    assert decode(good, "UTC", "") is not None
    for old, new in ((b"[1,2]", b"[2,1]"), (b"[1,2]", b"[1,4]"), (b'"period_s":900', b'"period_s":7200')):
        assert old in good
        assert decode(good.replace(old, new), "UTC", "") is None
    assert decode(good.replace(b'"version":1', b'"version":2'), "UTC", "") is None


def test_other_zones_have_their_own_midnights() -> None:
    grid = Grid(DAY, ZoneInfo("America/New_York"))
    assert grid.end(grid.last(NOW)) == datetime(2026, 11, 26, 5, tzinfo=UTC)
    assert str(PRAGUE) == "Europe/Prague"
