"""What has to be computed again: no more than what depends on a reading, and nothing less."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewayd.metering.plan import EVERY, CycleError, Dirty, Plan, PointPlan, Touch
from gatewayd.obis import Obis

IMPORT, EXPORT = Obis.parse("1-0:1.29.0"), Obis.parse("1-0:2.29.0")
TOTAL = Obis.parse("1-0:1.8.0")
DAY = date(2026, 11, 20)
NOON, MIDNIGHT = datetime(2026, 11, 20, 11, 0, tzinfo=UTC), datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


def touch(meter: str, code: Obis = IMPORT, at: datetime = NOON) -> Touch:
    return meter, code, at


def days(dirty: Dirty) -> set[tuple[str, date]]:
    return set(dirty)


def test_a_reading_touches_its_point_and_day_alone() -> None:
    plan = Plan([PointPlan("north", ("em-1",)), PointPlan("south", ("em-2",))])
    found = plan.touched([touch("em-1")])
    assert days(found) == {("north", DAY)}
    assert found.codes("north", DAY) == frozenset({IMPORT})
    assert found.codes("south", DAY) is None


def test_midnight_belongs_to_the_day_that_it_ends() -> None:
    plan = Plan([PointPlan("north", ("em-1",))])
    assert days(plan.touched([touch("em-1", at=MIDNIGHT)])) == {("north", DAY)}


def test_the_total_of_midnight_begins_the_next_day_as_well() -> None:
    plan = Plan([PointPlan("north", ("em-1",))])
    found = plan.touched([touch("em-1", TOTAL, MIDNIGHT)])
    assert days(found) == {("north", DAY), ("north", date(2026, 11, 21))}
    assert found.codes("north", DAY) == frozenset({IMPORT}), "the channel that is made of totals"


@pytest.mark.parametrize("one", [touch("em-9"), touch("em-1", EXPORT)], ids=["meter", "code"])
def test_what_is_no_interval_of_a_channel_touches_nothing(one: Touch) -> None:
    assert not len(Plan([PointPlan("north", ("em-1",), (IMPORT,))]).touched([one]))


def test_a_meter_that_has_moved_touches_both_points() -> None:
    plan = Plan([PointPlan("north", ("em-1", "em-2")), PointPlan("south", ("em-2",))])
    assert days(plan.touched([touch("em-2")])) == {("north", DAY), ("south", DAY)}


def test_virtual_points_follow_through_all_levels() -> None:
    plan = Plan(
        [
            PointPlan("all", parts=("site", "own")),
            PointPlan("site", parts=("north", "south")),
            PointPlan("north", ("em-1",)),
            PointPlan("south", ("em-2",)),
            PointPlan("own", ("em-3",)),
        ]
    )
    spread = plan.spread(plan.touched([touch("em-1")]))
    assert days(spread) == {("north", DAY), ("site", DAY), ("all", DAY)}
    assert spread.codes("all", DAY) == frozenset({IMPORT})
    assert [task.point for task in plan.tasks(spread)] == ["north", "site", "all"]


def test_what_is_looked_at_beside_concerns_all_of_a_point() -> None:
    plan = Plan([PointPlan("main", ("em-1",), beside=("check",)), PointPlan("check", ("em-2",))])
    spread = plan.spread(plan.touched([touch("em-2")]))
    assert days(spread) == {("check", DAY), ("main", DAY)}
    assert spread.codes("main", DAY) == EVERY


def test_days_with_substitutes_follow_and_what_is_made_of_them() -> None:
    plan = Plan([PointPlan("north", ("em-1",)), PointPlan("all", parts=("north",))])
    later = date(2026, 11, 27)
    spread = plan.spread(plan.touched([touch("em-1")]), lambda point, day: [later] if point == "north" else [])
    assert days(spread) == {("north", DAY), ("all", DAY), ("north", later), ("all", later)}


def test_substitutes_are_no_basis_of_others() -> None:
    """They are made of true values alone: a day that is computed again for them changes no third one."""
    asked: list[date] = []

    def affected(_point: str, day: date) -> list[date]:
        asked.append(day)
        return [date(2026, 11, 27)]

    plan = Plan([PointPlan("north", ("em-1",))])
    plan.spread(plan.touched([touch("em-1")]), affected)
    assert asked == [DAY]


def test_days_come_in_their_order() -> None:
    plan = Plan([PointPlan("north", ("em-1",))])
    found = Dirty()
    for day in (3, 1, 2):
        found.add("north", date(2026, 11, day))
    assert [task.day.day for task in plan.tasks(found)] == [1, 2, 3]


def test_a_cycle_is_named() -> None:
    with pytest.raises(CycleError, match="a > b > a"):
        Plan([PointPlan("a", parts=("b",)), PointPlan("b", parts=("a",))])


def test_all_channels_are_more_than_one() -> None:
    found = Dirty()
    found.add("north", DAY, frozenset((IMPORT,)))
    found.add("north", DAY)
    found.add("north", DAY, frozenset((EXPORT,)))
    assert found.codes("north", DAY) == EVERY
    assert found.months() == {("north", 2026, 11)}


@settings(max_examples=50, deadline=None)
@given(st.permutations([touch("em-1"), touch("em-1", EXPORT), touch("em-2"), touch("em-1", at=MIDNIGHT)]))
def test_the_order_of_readings_says_nothing(readings: list[Touch]) -> None:
    plan = Plan(
        [PointPlan("north", ("em-1",)), PointPlan("south", ("em-2",)), PointPlan("all", parts=("north", "south"))]
    )
    tasks = plan.tasks(plan.spread(plan.touched(readings)))
    both = frozenset({IMPORT, EXPORT})
    assert [(task.day, task.point, task.codes) for task in tasks] == [
        (DAY, "north", both),
        (DAY, "south", frozenset({IMPORT})),
        (DAY, "all", both),
    ]
