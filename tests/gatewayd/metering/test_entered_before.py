"""Values by hand whose entry is gone: what stays as it is, and what does not."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace as changed

from gatewayd.legal_time import PRAGUE, day_bounds
from gatewayd.metering.aggregate import month_bounds
from gatewayd.metering.derivation import Standing
from gatewayd.metering.entered import submissions, with_entered
from gatewayd.metering.entered_before import kept_by_hand, kept_estimate, number_said
from gatewayd.metering.manual_history import Entry, State, Subject
from gatewayd.metering.period_substitute import Estimate, period_substituted
from gatewayd.metering.record import Derived
from gatewayd.metering.substitution_terms import SubstitutionTerms
from gatewayd.metering.values import Channel, Layer, Method, Series, Value, missing
from gatewayd.model import RawStatus
from gatewayd.obis import Obis

CODE = Obis.parse("1-0:1.29.0")
DAY = date(2026, 11, 20)
END = day_bounds(DAY)[1]
AT = datetime(2026, 11, 21, 8, tzinfo=UTC)
MISSING = missing(END, 86400, "only 95 of 96 intervals are there", want=96)
TRUE = Value(END, 86400, Decimal(24), RawStatus.TRUE, method=Method.AGGREGATE, have=96, want=96)
ENTERED = Entry(7, Subject("north", CODE, DAY), State.ENTERED, "eva", AT, Decimal(30), "number 8, entered by nobody")


def series(value: Value) -> Series:
    return Series(Channel("north", CODE, "kWh"), Layer.DAY, (value,))


(MADE,) = with_entered(series(MISSING), submissions([ENTERED]), PRAGUE).values


def day(value: Value, *entries: Entry, before: Value = MADE) -> Value:
    """What becomes of the sum of the day, as entries are there."""
    known = submissions(entries)
    (found,) = kept_by_hand(
        with_entered(series(value), known, PRAGUE), {END: Standing(1, Derived(before, 2))}, known
    ).values
    return found


def test_it_stays_when_its_entry_is_gone_and_goes_for_a_true_value() -> None:
    assert MADE.amount == 30
    assert day(MISSING) == MADE
    assert day(TRUE) == TRUE
    assert day(MISSING, replace(ENTERED, number=8, amount=Decimal(31))).amount == 31, "the next one counts"


@pytest.mark.parametrize("state", [State.SUPERSEDED, State.REJECTED])
def test_what_was_taken_back_or_rejected_does_not_stay(state: State) -> None:
    steps = [ENTERED, *([replace(ENTERED, state=State.SENT, amount=None)] if state is State.REJECTED else [])]
    assert day(MISSING, *steps, replace(ENTERED, state=state, amount=None)) == MISSING


def test_what_nobody_has_entered_does_not_stay() -> None:
    assert day(MISSING, before=TRUE) == MISSING
    assert day(MISSING, before=changed(MADE, reason="somebody said so")) == MISSING, "no number, no entry"
    assert number_said(Method.MANUAL, MADE.reason) == 7, "not the one in the note"


def test_the_estimate_of_a_month_stays_until_there_is_something_to_compare_with() -> None:
    start, end = month_bounds(DAY)
    lost = missing(end, round((end - start).total_seconds()), "no state")
    reason = "number 3: boilers: number 4: off"
    made = period_substituted(
        lost,
        (),
        SubstitutionTerms(enabled=True),
        AT.replace(month=12),
        estimates=[Estimate(end, Decimal(9), "e", AT, reason)],
    )
    assert (made.method, number_said(made.method, made.reason)) == (Method.ESTIMATE, 3)
    standing = Standing(1, Derived(made))
    assert kept_estimate(lost, standing, {}) == made
    better = changed(made, method=Method.COMPARABLE, status=RawStatus.SUBSTITUTE)
    assert kept_estimate(better, standing, {}) == better
    known = submissions([replace(ENTERED, number=3, subject=Subject("north", CODE, DAY.replace(day=1), month=True))])
    assert kept_estimate(lost, standing, known) == lost, "its entry is there, and counts no more"
