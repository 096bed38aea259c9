"""When a substitute of a profile is settled: what was told, what may still come, and what stands in its reason."""

from datetime import date, datetime, timedelta

import pytest

from gatewayd.legal_time import QUARTER, day_bounds, instant, interval_ends
from gatewayd.metering.basis import Basis
from gatewayd.metering.findings import Finding, Rule, Severity
from gatewayd.metering.substitute import marked, substituted
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Layer, Method, Series, Value
from gatewayd.model import RawStatus
from tests.gatewayd.metering.profiles import DAY, end, holed, profile, without

ON = SubstitutionTerms(enabled=True)
NEXT = DAY + timedelta(days=1)
WHOLE = profile(DAY - timedelta(days=28), NEXT)
NIGHT = [end(DAY, label) for label in ("02:15", "02:30", "02:45")]
EVENING = [end(DAY, label) for label in ("23:30", "23:45", "24:00")]
DEADLINE = instant(NEXT, ON.deadline)
WAITS = day_bounds(DAY)[1] + timedelta(days=2)


def at(now: datetime, series: Series, which: datetime, terms: SubstitutionTerms = ON) -> Value:
    return substituted(Basis(series), DAY, terms, now, waits=WAITS).by_end()[which]


def test_a_day_of_which_all_was_told_is_settled_at_the_deadline() -> None:
    holes = holed(WHOLE, NIGHT)
    assert at(DEADLINE - timedelta(seconds=1), holes, NIGHT[0]).status is RawStatus.PROVISIONAL
    settled = at(DEADLINE, holes, NIGHT[0])
    assert settled.status is RawStatus.SUBSTITUTE and "provisional" not in settled.reason


@pytest.mark.parametrize("which", [NIGHT[0], end(DAY, "12:00")], ids=["itself", "another"])
def test_as_long_as_something_was_not_told_a_reading_may_still_come(which: datetime) -> None:
    series = without(holed(WHOLE, NIGHT), [which])
    found = at(DEADLINE, series, NIGHT[0])
    assert found.status is RawStatus.PROVISIONAL
    assert "; provisional, a reading may still come until 2026-11-27 00:00+01:00; instead of" in found.reason
    assert "11:00" not in found.reason, "that is over"
    assert at(WAITS - timedelta(seconds=1), series, NIGHT[0]).status is RawStatus.PROVISIONAL
    settled = at(WAITS, series, NIGHT[0])
    assert settled.status is RawStatus.SUBSTITUTE and settled.amount == found.amount


def test_a_gap_that_reaches_the_next_day_waits_for_it() -> None:
    """Else it would be settled as the median of other days, and be a straight line when the next day has come."""
    series = without(holed(WHOLE, EVENING), interval_ends(NEXT))
    found = at(DEADLINE, series, EVENING[0])
    assert (found.method, found.status) == (Method.COMPARABLE, RawStatus.PROVISIONAL)
    assert "a reading may still come until" in found.reason
    told = at(DEADLINE, holed(WHOLE, EVENING), EVENING[0])
    assert (told.method, told.status) == (Method.INTERPOLATED, RawStatus.SUBSTITUTE)
    missing = at(DEADLINE, holed(WHOLE, [*EVENING, *interval_ends(NEXT)]), EVENING[0])
    assert (missing.method, missing.status) == (Method.COMPARABLE, RawStatus.SUBSTITUTE), "it was told missing"
    longer = without(holed(WHOLE, [EVENING[0] - n * QUARTER for n in range(-2, 7)]), interval_ends(NEXT))
    assert at(DEADLINE, longer, EVENING[0] - 6 * QUARTER).status is RawStatus.SUBSTITUTE, "too long for a line anyway"


def test_a_later_deadline_is_waited_for_and_then_nothing_else_is() -> None:
    later = SubstitutionTerms(enabled=True, deadline_days=5)
    holes = holed(WHOLE, NIGHT)
    due = instant(date(2026, 11, 29), later.deadline)
    assert "provisional until 2026-11-29 11:00" in at(due - timedelta(seconds=1), holes, NIGHT[0], later).reason
    assert at(due, holes, NIGHT[0], later).status is RawStatus.SUBSTITUTE


def test_a_day_without_verification_marks_its_substitutes_too() -> None:
    start, stop = day_bounds(DAY)
    unverified = Finding(Rule.VERIFICATION, Severity.ERROR, "north", None, Layer.INTERVAL, start, stop, "has ended")
    other = Finding(Rule.ABOVE_MAXIMUM, Severity.ERROR, "north", None, Layer.INTERVAL, start, stop, "above")
    found = substituted(Basis(holed(WHOLE, NIGHT)), DAY, ON, DEADLINE)
    values = marked(found, [unverified, other]).by_end()
    assert {one.rules for one in values.values()} == {("verification",)}
    assert values[NIGHT[0]].status is RawStatus.SUBSTITUTE, "nothing better is made in its place"
    assert marked(found, [other]) is found
