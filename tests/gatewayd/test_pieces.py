"""What is asked for of a profile: newest first, nothing twice, nothing that is there, everything that is expected."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.coverage import YOUNG, Coverage, Rows, horizon
from gatewayd.legal_time import QUARTER, Grid, day_bounds, instant
from gatewayd.pieces import LONGEST, Terms, Window, pieces
from gatewayd.runs import NONE, Runs

DAY = timedelta(days=1)
GRID, DAYS = Grid(QUARTER), Grid(DAY)
NOW = datetime(2026, 11, 26, 23, 20, tzinfo=UTC)  # 00:20 in Brno
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def numbers(grid: Grid, window: Window) -> set[int]:
    return set(range(grid.last(window[0]) + 1, grid.last(window[1]) + 1))


def asked(coverage: Coverage, now: datetime = NOW, months: int = 36, grid: Grid = GRID) -> list[Window]:
    return list(pieces(coverage, grid, Terms(now, months)))


class Meter:
    """Has rows, and is asked soundly until nothing is left."""

    def __init__(self, rows: Runs, coverage: Coverage = Coverage(900), grid: Grid = GRID) -> None:  # noqa: B008
        self.rows, self.coverage, self.grid, self.skip = rows, coverage, grid, NONE

    def ask(self, now: datetime, months: int = 36, limit: int = 10_000) -> list[Window]:
        found: list[Window] = []
        while len(found) < limit:
            window = next(pieces(self.coverage, self.grid, Terms(now, months, self.skip)), None)
            if window is None:
                return found
            found.append(window)
            begin, end = self.grid.last(window[0]) + 1, self.grid.last(window[1])
            self.coverage = self.coverage.seen(Rows(self.rows.within(begin, end)))
            self.coverage = self.coverage.asked_for(self.grid, *window, now)
            self.skip = self.skip.add(begin, end)
        raise AssertionError(f"still asking after {limit} pieces")


def full(first: datetime, last: datetime, grid: Grid = GRID) -> Runs:
    """Rows after `first` and not after `last`."""
    return Runs(((grid.last(first) + 1, grid.last(last)),))


@pytest.mark.parametrize("day", [date(2026, 11, 27), SPRING + DAY, AUTUMN + DAY])
def test_the_daily_run_is_one_piece(day: date) -> None:
    """At 00:20 for everything since 00:15 of the day before, on days of 92, 96 and 100 quarters."""
    now = instant(day, time(0, 20))
    begin, end = day_bounds(day - DAY)
    there = full(begin - 40 * DAY, begin + QUARTER)
    coverage = Coverage(900, there=there, asked=full(begin - 2000 * DAY, begin - 40 * DAY))
    assert asked(coverage, now) == [(begin + QUARTER, end + QUARTER)]


def test_a_meter_that_was_never_read_is_read_back_day_by_day() -> None:
    oldest = instant(date(2026, 9, 1), time(0))
    meter = Meter(full(oldest, NOW))
    found = meter.ask(NOW, months=36)
    midnights = [instant(date(2026, 11, 27) - DAY * back, time(0)) for back in range(88)]
    assert found[0] == (midnights[0], GRID.end(GRID.last(NOW)))
    assert found[1:88] == list(zip(midnights[1:], midnights, strict=False))
    assert midnights[87] == oldest
    lengths = [round((end - start) / DAY) for start, end in found[88:]]
    assert lengths[:7] == [1, 2, 4, 8, 16, 32, 32] and max(lengths) == LONGEST
    assert found[-1][0] == horizon(NOW, 36, GRID) and len(found) - 88 <= 60
    assert [one[0] for one in found[:-1]] == [one[1] for one in found[1:]], "newest first, and nothing between them"


def test_an_empty_meter_of_36_months_costs_few_requests() -> None:
    assert len(Meter(NONE).ask(NOW)) <= 60
    assert len(Meter(NONE, Coverage(86_400), DAYS).ask(NOW)) <= 60


def test_an_outage_of_ten_days_is_asked_newest_first_and_in_order() -> None:
    back = instant(date(2026, 11, 17), time(13, 0))
    meter = Meter(full(NOW - 60 * DAY, NOW), Coverage(900, there=full(NOW - 60 * DAY, back)))
    meter.coverage = meter.coverage.asked_for(GRID, horizon(NOW, 36, GRID), NOW - 60 * DAY, NOW)
    found = meter.ask(NOW)
    midnights = [instant(date(2026, 11, 27) - DAY * n, time(0)) for n in range(10)]
    assert found == [
        (midnights[0], GRID.end(GRID.last(NOW))),
        *zip(midnights[1:], midnights, strict=False),
        (back, midnights[-1]),
    ]


def test_chunks_are_legal_time_days() -> None:
    now = instant(date(2026, 11, 1), time(0, 20))
    meter = Meter(full(instant(date(2026, 3, 1), time(0)), now))
    lengths = {GRID.last(end) - GRID.last(start) for start, end in meter.ask(now, months=9)[1:]}
    assert {92, 96, 100} <= lengths


def test_what_failed_is_left_out_and_the_rest_is_asked() -> None:
    there = full(NOW - 30 * DAY, NOW - 3 * DAY)
    coverage = Coverage(900, there=there, asked=full(NOW - 2000 * DAY, NOW - 30 * DAY))
    first, *rest = asked(coverage)
    skip = Runs.of(numbers(GRID, first))
    assert list(pieces(coverage, GRID, Terms(NOW, 36, skip))) == rest and rest


def test_the_newest_rows_are_asked_for_though_nothing_came_before() -> None:
    """A meter that had no row an hour ago may have one now."""
    now = NOW + timedelta(hours=12)
    there = full(now - 30 * DAY, now - 3 * DAY)
    everything = full(now - 2000 * DAY, now - timedelta(hours=1)).minus(there)
    (only,) = asked(Coverage(900, there=there, asked=everything), now)
    assert only == (instant(date(2026, 11, 27), time(0)), GRID.end(GRID.last(now)))


def test_rows_of_the_future_do_not_hide_those_of_today() -> None:
    """A meter whose clock was wrong for a while, and pushed."""
    there = full(NOW - 30 * DAY, NOW - DAY).union(full(NOW + 1000 * DAY, NOW + 1001 * DAY))
    first = asked(Coverage(900, there=there))[0]
    assert first == (GRID.end(GRID.last(NOW - DAY)), GRID.end(GRID.last(NOW)))


def test_nothing_is_asked_while_the_clock_shows_1970() -> None:
    there = full(NOW - 30 * DAY, NOW - DAY)
    now = datetime(1970, 1, 2, tzinfo=UTC)
    found = asked(Coverage(900, there=there), now, months=1)
    assert all(end <= now for _, end in found)


SPANS = st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 300)), max_size=6)


@given(SPANS, SPANS, SPANS, st.sampled_from([QUARTER, timedelta(hours=1), DAY]), st.sampled_from([1, 2]))
def test_pieces_do_not_overlap_and_are_all_that_is_wanted(
    there: list[tuple[int, int]], tried: list[tuple[int, int]], skipped: list[tuple[int, int]],
    period: timedelta, months: int,
) -> None:  # fmt: skip
    grid = Grid(period)
    last = grid.last(NOW)

    def runs(spans: list[tuple[int, int]]) -> Runs:
        found = NONE
        for back, length in spans:
            found = found.add(last - back - length, last - back)
        return found

    coverage = Coverage(int(period.total_seconds()), there=runs(there))
    coverage = Coverage(coverage.period_s, there=coverage.there, asked=runs(tried).minus(coverage.there))
    skip = runs(skipped)
    found = list(pieces(coverage, grid, Terms(NOW, months, skip)))
    parts = [numbers(grid, one) for one in found]
    union = set().union(*parts) if parts else set()
    assert sum(map(len, parts)) == len(union), "nothing twice"
    assert all(parts) and all(min(one) > max(other) for one, other in pairwise(parts))
    lowest = grid.last(horizon(NOW, months, grid)) + 1
    wanted = set(range(lowest, last + 1))
    known = {n for n in wanted if n in coverage.there}
    left = {n for n in wanted - known if n not in coverage.asked and n not in skip}
    assert not union & known
    if not known:
        assert union == left
        return
    assert union - left <= set(range(max(known) + 1, last + 1)), "only what is newer than the newest is asked again"
    assert left <= union
    for start, end in found:
        assert grid.number(start) is not None and grid.number(end) is not None
        assert end - start <= timedelta(days=LONGEST, hours=1)


def test_a_log_is_asked_from_its_newest_entry_on() -> None:
    coverage = Coverage(0)
    found = asked(coverage, months=3, grid=DAYS)
    assert found[0] == (instant(date(2026, 10, 27), time(0)), NOW)
    assert len(found) == 3
    assert [one[0] for one in found[:-1]] == [one[1] for one in found[1:]]
    assert found[-1][0] == horizon(NOW, 3, DAYS)
    for start, end in found:
        coverage = coverage.asked_for(DAYS, start, end, NOW, YOUNG)
    entry = NOW - timedelta(hours=5)
    coverage = Coverage(0, asked=coverage.asked, newest=entry)
    later = NOW + 40 * DAY
    assert asked(coverage, later, months=3, grid=DAYS) == [(entry, later)]
    assert list(pieces(coverage, DAYS, Terms(later, 3, entries=True))) == []


def test_a_log_without_entries_is_asked_only_for_what_is_new() -> None:
    coverage = Coverage(0).asked_for(DAYS, horizon(NOW, 3, DAYS), NOW, NOW, YOUNG)
    midnight = instant(date(2026, 11, 26), time(0))  # that of the 27th is only 20 minutes old
    assert asked(coverage, months=3, grid=DAYS) == [(midnight, NOW)]
