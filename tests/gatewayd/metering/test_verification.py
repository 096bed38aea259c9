"""Validity of verifications: warnings ahead, what has ended, which data are annotated, and the notes for doctor."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from gatewayd.metering.findings import RULES, Rule, Severity, apply, passed
from gatewayd.metering.points import Verified
from gatewayd.metering.verification import NOTES, Component, VerificationTerms, annotations, validities
from gatewayd.model import RawStatus
from tests.gatewayd.metering.seen import DAY, flat

UNTIL = date(2026, 11, 24)
METER = Verified(meter=UNTIL)


@pytest.mark.parametrize(
    ("left", "stage", "severity"),
    [
        (400, None, None),
        (181, None, None),
        (180, 180, Severity.WARNING),
        (91, 180, Severity.WARNING),
        (90, 90, Severity.WARNING),
        (30, 30, Severity.WARNING),
        (0, 30, Severity.WARNING),
        (-1, None, Severity.ERROR),
    ],
)
def test_it_is_warned_ahead_and_the_last_day_is_valid(left: int, stage: int | None, severity: Severity | None) -> None:
    (one,) = validities("north", METER, UNTIL - timedelta(days=left))
    assert (one.left, one.stage, one.severity, one.expired) == (left, stage, severity, left < 0)
    assert "point north: the verification of the meter" in one.text and str(UNTIL) in one.text


def test_the_text_changes_with_the_stage_only() -> None:
    """So that an alarm, which is its text, stays one alarm from day to day."""
    texts = [validities("north", METER, UNTIL - timedelta(days=left))[0].text for left in range(200, -30, -1)]
    assert sum(one != other for one, other in pairwise(texts)) == 4
    assert texts[-1].endswith("with the day since which it holds: without one it covers all days before it")


def test_each_component_has_a_day_of_its_own() -> None:
    verified = Verified(meter=UNTIL, ct=UNTIL + timedelta(days=1), vt=None)
    found = validities("north", verified, UNTIL + timedelta(days=1), VerificationTerms(ahead=(10,)))
    assert [(one.component, one.expired, one.stage) for one in found] == [
        (Component.METER, True, None),
        (Component.CT, False, 10),
    ]
    assert "current transformers ends with 2026-11-25, in 10 days or less" in found[1].text
    assert validities("north", Verified(), UNTIL) == ()


def test_data_behind_the_last_valid_day_are_annotated_and_not_distorted() -> None:
    series = flat("1", DAY, DAY + timedelta(days=2))
    found = list(annotations("north", METER, DAY, DAY + timedelta(days=2)))
    told = apply(series, found)
    assert [bool(one.rules) for one in told.values] == [False] * 96 + [True] * 192
    assert {one.status for one in told.values} == {RawStatus.TRUE}
    assert [passed(one) for one in told.values] == [True] * 96 + [False] * 192
    assert found[0].when() == "2026-11-25 to 2026-11-26"
    assert not list(annotations("north", METER, DAY - timedelta(days=1), DAY))


def test_the_notes_name_their_source() -> None:
    assert all(note.text.endswith(".") and note.source for note in NOTES)
    assert {note.source.split(",")[0] for note in NOTES} == {"PPDS annex 5", "ČEZ Distribuce"}
    assert RULES[Rule.VERIFICATION].severity is Severity.WARNING
