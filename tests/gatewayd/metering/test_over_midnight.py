"""Rules on what reaches over midnight: both days see the whole of it, and tell the same."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from gatewayd.legal_time import PRAGUE, day_bounds, legal_day
from gatewayd.metering.evidence import Evidence, days_between, over_midnight
from gatewayd.metering.findings import Finding, Rule, Severity
from gatewayd.metering.points import Installed, MeteringPoint, Rated
from gatewayd.metering.rule_maximum import MaximumTerms
from gatewayd.metering.rule_zero import ZeroTerms
from gatewayd.metering.rules import Rules, believed, check_day, reaching
from gatewayd.metering.validation import Seen, validated_day
from gatewayd.metering.validation import believed as believed_of
from gatewayd.metering.values import Layer, Series, Value
from gatewayd.model import Flag, RawStatus
from tests.gatewayd.metering.seen import DAY, ENERGY, at, flat, quarters, register, state

PREV, NEXT = DAY - timedelta(days=1), DAY + timedelta(days=1)
MINUTE = timedelta(seconds=60)


def told(states: list[Value], rule: Rule, *, series: Series | None = None) -> dict[date, list[Finding]]:
    """By day, what a rule tells of three days of 1 kWh a quarter, each looked at with the others beside it."""
    whole = series or flat("1.000", PREV, NEXT)
    found = {}
    for day in (PREV, DAY, NEXT):
        own = tuple(one for one in whole.values if legal_day(one.at) == day)
        evidence = Evidence(replace(whole, values=own), (register(states),), digit=Decimal("0.001"), near=whole)
        found[day] = [one for one in check_day(evidence, day) if one.rule is rule]
    return found


def test_a_stretch_over_midnight_is_told_on_both_days_alike() -> None:
    states = [state("2026-11-23 03:00", "100"), state("2026-11-24 03:00", "206"), state("2026-11-25 03:00", "302")]
    found = told(states, Rule.REGISTER_ADVANCE)
    (one,) = found[PREV]
    assert found == {PREV: [one], DAY: [one], NEXT: []}
    assert (one.start, one.end, one.layer) == (states[0].at, states[1].at, Layer.DAY)


def test_one_that_is_shorter_than_a_day_is_of_its_intervals() -> None:
    states = [state("2026-11-23 04:00", "100"), state("2026-11-24 03:00", "202")]
    found = told(states, Rule.REGISTER_ADVANCE)
    assert [one.layer for day in (PREV, DAY) for one in found[day]] == [Layer.INTERVAL, Layer.INTERVAL]


def test_a_second_more_or_less_makes_no_other_finding() -> None:
    """Read at 03:00:07 and at 03:00:03: that is a day, and nobody knows which hours of it."""
    states = [state("2026-11-23 03:00:07", "100"), state("2026-11-24 03:00:03", "206")]
    found = told(states, Rule.REGISTER_ADVANCE)
    assert [[one.layer for one in found[day]] for day in (PREV, DAY)] == [[Layer.DAY], [Layer.DAY]]


def test_too_much_in_the_intervals_is_in_those_that_lie_in_it() -> None:
    """Until 00:07 of the next day: its first quarter-hour lies in it in part, and has part in what is too little."""
    little = [state("2026-11-23 00:00", "100"), state("2026-11-24 00:07", "206")]
    assert [len(each) for each in told(little, Rule.REGISTER_ADVANCE).values()] == [1, 1, 0]
    much = [state("2026-11-23 00:00", "100"), state("2026-11-24 00:07", "186")]
    assert [len(each) for each in told(much, Rule.REGISTER_ADVANCE).values()] == [1, 0, 0]


def test_what_has_part_in_three_days_is_left_to_the_month() -> None:
    states = [state("2026-11-23 12:00", "100"), state("2026-11-25 12:00", "900")]
    assert not any(told(states, Rule.REGISTER_ADVANCE).values())
    back = [state("2026-11-23 12:00", "900"), state("2026-11-25 12:00", "100")]
    assert [len(each) for each in told(back, Rule.BACKWARD).values()] == [0, 0, 1]


def test_a_register_that_goes_back_between_two_days_is_told_on_both() -> None:
    states = [state("2026-11-23 03:00", "500"), state("2026-11-24 03:00", "400"), state("2026-11-25 03:00", "496")]
    found = told(states, Rule.BACKWARD)
    assert [len(found[day]) for day in (PREV, DAY, NEXT)] == [1, 1, 0]
    assert found[PREV] == found[DAY]


@pytest.mark.parametrize("second", [0, 7, 59])
def test_what_is_read_at_midnight_is_of_the_day_before(second: int) -> None:
    back = [state(f"2026-11-23 00:00:{second:02d}", "500"), state(f"2026-11-24 00:00:{second:02d}", "400")]
    assert [len(each) for each in told(back, Rule.BACKWARD).values()] == [1, 0, 0]


def test_from_when_to_when_something_lies_between_two_states() -> None:
    span = at("2026-11-23 00:00:07"), at("2026-11-23 23:59:50")
    assert over_midnight(*span, MINUTE, PRAGUE) == day_bounds(PREV)
    around = at("2026-11-23 23:59:50"), at("2026-11-24 00:00:20")
    assert over_midnight(*around, MINUTE, PRAGUE) == around, "both of the same midnight"
    assert over_midnight(at("2026-11-23 12:00"), at("2026-11-24 00:02"), MINUTE, PRAGUE)[1] == at("2026-11-24 00:02")
    assert [days_between(at("2026-11-23 00:00"), at(f"2026-11-{day} 00:00"), PRAGUE) for day in (24, 25, 26)] == [
        1,
        2,
        3,
    ]


def test_which_times_have_to_be_seen() -> None:
    def seen(*states: Value) -> frozenset[tuple[object, object]]:
        return frozenset(reaching(Evidence(flat("1"), (register(states),)), DAY))

    midnights = state("2026-11-24 00:00", "1"), state("2026-11-25 00:00", "2")
    assert seen(*midnights) == frozenset(), "what begins and ends with the day needs no other one"
    assert seen(state("2026-11-24 01:00", "1"), state("2026-11-24 02:00", "2")) == frozenset()
    first, last = state("2026-11-23 03:00", "1"), state("2026-11-24 03:00", "2")
    assert seen(first, last) == {(first.at - MINUTE, last.at + MINUTE)}
    late = state("2026-11-24 00:00:07", "1"), state("2026-11-25 00:00:07", "2")
    assert seen(*late) == {(late[0].at - MINUTE, late[1].at + MINUTE)}, "the intervals at the edges"
    typed = replaced(last, Flag.MANUAL)
    assert seen(first, typed) == frozenset()


def test_what_turns_whole_days_has_them_seen_whole() -> None:
    """Where one impossible value makes a day worth nothing, any hour of it matters to a stretch."""
    states = (state("2026-11-23 22:00", "1"), state("2026-11-24 03:00", "2"))
    evidence = Evidence(flat("1"), (register(states),))
    critical = Rules(above_maximum=MaximumTerms(severity=Severity.CRITICAL))
    assert reaching(evidence, DAY, critical) == {(day_bounds(PREV)[0], day_bounds(DAY)[1])}


def replaced(value: Value, flag: Flag) -> Value:
    return Value(value.at, 0, value.amount, value.status, flag, value.inputs)


def test_zeros_are_seen_as_far_back_as_the_hours_reach_where_they_are_not_usual() -> None:
    rules = Rules(zero=ZeroTerms(hours=72))
    month = DAY - timedelta(days=28)
    dark = quarters(month, DAY, lambda local: Decimal(0) if local.date() == DAY else Decimal(1))
    (span,) = reaching(Evidence(dark), DAY, rules)
    assert span == (day_bounds(DAY)[1] - timedelta(hours=72), day_bounds(DAY)[0])
    assert reaching(Evidence(dark), DAY) == frozenset(), "24 hours are six"
    assert reaching(Evidence(flat("0", month)), DAY, rules) == frozenset(), "of a point that never has anything"
    later = quarters(month, DAY, lambda local: Decimal(0) if local.date() == DAY and local.hour else Decimal(1))
    assert reaching(Evidence(later), DAY, rules) == frozenset(), "they did not begin before"


def test_what_cannot_be_is_not_believed_of_the_other_day_either() -> None:
    """Each day leaves out of a stretch what is impossible, whichever of the two it is on."""
    odd = quarters(
        PREV, DAY, lambda local: Decimal(50) if (local.day, local.hour, local.minute) == (23, 12, 0) else Decimal(1)
    )
    point = MeteringPoint("north", installed=(Installed("em-1"),), rated=Rated(Decimal(63), Decimal(230), 1))
    near = believed_of(point, odd, PREV, Rules())
    assert [one.status for one in near.values].count(RawStatus.DISTORTED) == 1
    assert all(
        one.status is RawStatus.TRUE for one in believed_of(replace(point, rated=None), odd, PREV, Rules()).values
    )
    critical = Rules(above_maximum=MaximumTerms(severity=Severity.CRITICAL))
    whole = believed(Evidence(odd, maximum_kva=Decimal("14.49")), PREV, critical)
    assert [one.status for one in whole.values].count(RawStatus.DISTORTED) == 96


def test_the_day_is_judged_with_what_is_near_and_not_with_what_was_made_of_it() -> None:
    """The series has the day before as it was turned into something else; `near` has what was measured."""
    own, before = flat("1.000"), flat("9.000", PREV, PREV)
    seen = Seen(MeteringPoint("north"), [Series(ENERGY, Layer.INTERVAL, (*before.values, *own.values))])
    for near, count in ((flat("1.000", PREV, PREV), 0), (flat("2.000", PREV, PREV), 1)):
        evidence = Evidence(
            seen.series[0],
            (register([state("2026-11-23 12:00", "100"), state("2026-11-24 12:00", "196")]),),
            digit=Decimal("0.001"),
            near=near,
        )
        assert len([one for one in check_day(evidence, DAY) if one.rule is Rule.REGISTER_ADVANCE]) == count
    assert validated_day(seen, DAY, Rules()).series[0].values == own.values
