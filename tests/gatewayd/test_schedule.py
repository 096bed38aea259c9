"""Schedules: always later, aligned, and once a day whatever the clocks do."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.legal_time import days
from gatewayd.schedule import WEEKDAYS, At, Boundaries, Every, Served, first_due, next_due, offset_of, place_of

PRAGUE = ZoneInfo("Europe/Prague")
ZONES = [
    PRAGUE,
    ZoneInfo("UTC"),
    ZoneInfo("Europe/London"),
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("America/Sao_Paulo"),
]

instants = st.timedeltas(timedelta(0), timedelta(days=38 * 365)).map(
    lambda since: datetime(2000, 1, 1, tzinfo=UTC) + since
)
zones = st.sampled_from(ZONES)
periods = st.sampled_from([1, 10, 30, 60, 300, 900, 3600, 86400]).map(lambda seconds: timedelta(seconds=seconds))
days_of_runs = st.none() | st.sampled_from(WEEKDAYS) | st.integers(1, 28)
rhythms = st.builds(Every, periods) | st.builds(At, st.times().map(lambda at: at.replace(microsecond=0)), days_of_runs)
offsets = st.sampled_from([timedelta(0), timedelta(milliseconds=1), timedelta(seconds=37), timedelta(minutes=10)])


@given(rhythms, instants, zones, offsets)
def test_the_next_time_is_strictly_later_and_in_utc(
    rhythm: Every | At, after: datetime, zone: ZoneInfo, offset: timedelta
) -> None:
    due = next_due(rhythm, after, zone, offset)
    assert due > after
    assert due.utcoffset() == timedelta(0)
    assert next_due(rhythm, due, zone, offset) > due
    assert next_due(rhythm, due - timedelta(microseconds=1), zone, offset) == due
    assert next_due(rhythm, due - offset - timedelta(microseconds=1), zone) == due - offset


@given(periods, instants, zones)
def test_every_falls_on_multiples_of_its_period(period: timedelta, after: datetime, zone: ZoneInfo) -> None:
    due = next_due(Every(period), after, zone)
    assert due - after <= period
    assert (due - datetime(1970, 1, 1, tzinfo=UTC)) % period == timedelta(0)
    assert next_due(Every(period), due, zone) == due + period


def test_quarter_hours_are_the_quarters_of_the_clock_in_any_zone() -> None:
    due = next_due(Every(timedelta(minutes=15)), datetime(2026, 11, 21, 20, 44, 59, 999999, tzinfo=UTC), PRAGUE)
    assert due == datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
    assert next_due(Every(timedelta(minutes=15)), due, PRAGUE) == datetime(2026, 11, 21, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["Europe/Prague", "Asia/Kathmandu", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize("minutes", [1, 5, 10, 15, 30, 60])
@given(after=instants)
def test_boundaries_are_those_of_the_legal_wall_clock(minutes: int, zone: str, after: datetime) -> None:
    """Kathmandu is 5:45 ahead: its hours and tens of minutes are not those of UTC."""
    rhythm, place = Boundaries(timedelta(minutes=minutes)), ZoneInfo(zone)
    due = next_due(rhythm, after, place)
    assert timedelta(0) < due - after <= rhythm.period
    local = due.astimezone(place)
    assert (local.minute % minutes, local.second, local.microsecond) == (0, 0, 0)
    if place.utcoffset(after.astimezone(place).replace(tzinfo=None)) == local.utcoffset():
        assert next_due(rhythm, due - timedelta(microseconds=1), place) == due


def test_boundaries_run_at_once_after_a_start() -> None:
    started = datetime(2026, 11, 21, 20, 45, 20, tzinfo=UTC)
    assert first_due(Boundaries(timedelta(minutes=15)), started, PRAGUE) == started


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize(
    "at", [time(0, 0), time(0, 5), time(1, 30), time(2, 0), time(2, 30), time(3, 0), time(23, 59, 59)]
)
def test_at_runs_exactly_once_on_every_day_of_years(zone: ZoneInfo, at: time) -> None:
    first, last = date(2016, 1, 1), date(2019, 12, 31)
    after = datetime(2015, 12, 31, 23, 59, 59, 999999, tzinfo=zone).astimezone(UTC)
    runs = []
    while True:
        after = next_due(At(at), after, zone)
        local = after.astimezone(zone)
        if local.date() > last:
            break
        runs.append(local)
    assert [run.date() for run in runs] == list(days(first, last))
    for run in runs:
        wall = run.time().replace(fold=0)
        # A reading that does not happen is moved on by the gap, never dropped.
        assert wall == at or wall in (_later(at, 60), _later(at, 30))
    moved = [run for run in runs if run.time().replace(fold=0) != at]
    assert len(moved) <= 4


def _later(at: time, minutes: int) -> time:
    return (datetime.combine(date(2000, 1, 1), at) + timedelta(minutes=minutes)).time()


def test_at_on_the_odd_days() -> None:
    job = At(time(2, 30))
    spring = next_due(job, datetime(2025, 3, 29, 12, 0, tzinfo=UTC), PRAGUE)
    assert spring == datetime(2025, 3, 30, 1, 30, tzinfo=UTC)  # 03:30 summer time
    assert next_due(job, spring, PRAGUE) == datetime(2025, 3, 31, 0, 30, tzinfo=UTC)
    autumn = next_due(job, datetime(2025, 10, 25, 12, 0, tzinfo=UTC), PRAGUE)
    assert autumn == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)  # the first 02:30
    assert next_due(job, autumn, PRAGUE) == datetime(2025, 10, 27, 1, 30, tzinfo=UTC)


def test_at_is_23_24_or_25_hours_apart() -> None:
    after = datetime(2025, 1, 1, tzinfo=UTC)
    runs = []
    while after < datetime(2025, 12, 31, tzinfo=UTC):
        after = next_due(At(time(0, 5)), after, PRAGUE)
        runs.append(after)
    distances = [later - earlier for earlier, later in pairwise(runs)]
    assert distances.count(timedelta(hours=23)) == distances.count(timedelta(hours=25)) == 1
    assert set(distances) == {timedelta(hours=hours) for hours in (23, 24, 25)}


def test_a_job_that_was_late_runs_once() -> None:
    week_later = datetime(2025, 6, 8, 12, 0, 1, tzinfo=UTC)
    assert next_due(Every(timedelta(minutes=15)), week_later, PRAGUE) == datetime(2025, 6, 8, 12, 15, tzinfo=UTC)
    assert next_due(At(time(0, 5)), week_later, PRAGUE) == datetime(2025, 6, 8, 22, 5, tzinfo=UTC)


@given(instants, zones)
def test_after_a_start_every_runs_at_once_and_at_waits_for_its_time(started: datetime, zone: ZoneInfo) -> None:
    assert first_due(Every(timedelta(minutes=15)), started, zone) == started
    at = At(time(0, 20))
    assert first_due(at, started, zone) == next_due(at, started, zone) > started


# -- years, days and places ------------------------------------------------------------------------------------------


def runs_of(rhythm: At | Every, year: int, offset: timedelta = timedelta(0)) -> list[datetime]:
    """All runs of a legal-time year in Prague, in legal time."""
    after = datetime(year - 1, 12, 31, 23, 59, 59, 999999, tzinfo=PRAGUE).astimezone(UTC)
    runs = []
    while (after := next_due(rhythm, after, PRAGUE, offset)).astimezone(PRAGUE).year == year:
        runs.append(after.astimezone(PRAGUE))
    return runs


@pytest.mark.parametrize("year", [2024, 2025, 2026])
@pytest.mark.parametrize("day", [1, 2, 28])
def test_a_monthly_job_runs_twelve_times_a_year(year: int, day: int) -> None:
    assert [(run.month, run.day) for run in runs_of(At(time(2, 30), day), year)] == [
        (month, day) for month in range(1, 13)
    ]


@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_a_weekly_job_runs_on_its_weekday(year: int) -> None:
    counts = {}
    for number, name in enumerate(WEEKDAYS):
        runs = runs_of(At(time(0, 5), name), year)
        assert {run.weekday() for run in runs} == {number}
        counts[name] = len(runs)
    assert set(counts.values()) == {52, 53}
    assert sum(counts.values()) == (366 if year == 2024 else 365)


def test_a_job_of_the_day_of_the_change_runs_on_it() -> None:
    """02:30 on the last Sundays of March and October."""
    runs = runs_of(At(time(2, 30), "sun"), 2026)
    assert [run.isoformat() for run in runs if (run.month, run.day) in ((3, 29), (10, 25))] == [
        "2026-03-29T03:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
    ]


@pytest.mark.parametrize(("year", "count"), [(2024, 35_136), (2025, 35_040)])
def test_every_quarter_of_an_hour_of_a_year(year: int, count: int) -> None:
    assert len(runs_of(Every(timedelta(minutes=15)), year)) == count


@pytest.mark.parametrize("on", ["Mon", "", 0, 29, -1])
def test_other_days_are_none(on: str | int) -> None:
    with pytest.raises(ValueError, match="mon to sun or 1 to 28"):
        At(time(0), on)


@given(st.times(), days_of_runs, instants, st.timedeltas(timedelta(0), timedelta(days=400)), offsets)
def test_a_run_that_was_missed_is_due_at_once_and_one_that_was_not_is_not(
    at: time, on: str | int | None, last: datetime, down: timedelta, offset: timedelta
) -> None:
    rhythm, started = At(at, on), last + down
    due = first_due(rhythm, started, PRAGUE, last, offset=offset)
    following = next_due(rhythm, last, PRAGUE, offset)
    assert due == (started if following <= started else following)


def test_without_a_run_that_is_known_a_profile_is_due_at_once() -> None:
    started = datetime(2026, 11, 21, 20, 45, tzinfo=UTC)
    at = At(time(0, 20))
    assert first_due(at, started, PRAGUE, at_once=True) == started
    assert first_due(at, started, PRAGUE, started + timedelta(days=400)) == next_due(at, started, PRAGUE)


def test_a_clock_that_was_wrong_at_a_run_does_not_hide_the_run_before() -> None:
    right, wrong = datetime(2026, 11, 21, tzinfo=UTC), datetime(1970, 1, 2, tzinfo=UTC)
    served = Served(right, right).and_at(wrong)
    assert served.before(right + timedelta(hours=1)) == right
    assert served.before(wrong + timedelta(hours=1)) == wrong
    assert served.before(wrong - timedelta(hours=1)) == wrong, "set back a little since"
    assert served.before(wrong - timedelta(days=2)) is None
    ahead = Served(right, right).and_at(right + timedelta(days=3650)).and_at(right + timedelta(days=1))
    assert ahead.before(right + timedelta(days=2)) == right + timedelta(days=1)


def test_places_are_stable_and_spread() -> None:
    assert place_of("em-1001") == place_of("em-1001")
    places = sorted(place_of(f"em-{n}") for n in range(1000))
    assert 0 <= places[0] < places[-1] < 1
    assert max(later - earlier for earlier, later in pairwise(places)) < 0.02


@given(rhythms, st.floats(0, 1, exclude_max=True), st.sampled_from([timedelta(0), timedelta(minutes=1)]))
def test_jobs_are_moved_by_less_than_the_spread_and_boundaries_never(
    rhythm: Every | At, place: float, spread: timedelta
) -> None:
    assert timedelta(0) <= offset_of(rhythm, place, spread) <= max(spread - timedelta(milliseconds=1), timedelta(0))
    assert offset_of(Boundaries(timedelta(minutes=15)), place, spread) == timedelta(0)
    if isinstance(rhythm, Every) and rhythm.period < timedelta(minutes=1):
        assert offset_of(rhythm, place, spread) == timedelta(0)


def test_a_spread_keeps_one_run_a_day() -> None:
    late = timedelta(seconds=59)
    runs = runs_of(At(time(23, 59, 30)), 2025, late)
    assert len(runs) == 365
    assert {(run.hour, run.minute, run.second) for run in runs} == {(0, 0, 29)}
