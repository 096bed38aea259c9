"""What `gatewayd doctor` says of the verification of meters and transformers."""

from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

import pytest

from gatewayd.doctor.findings import AREAS, Finding, Level
from gatewayd.doctor.verification import AREA, judged
from gatewayd.metering.points import Installed, MeteringPoint, Verified
from gatewayd.metering.verification import NOTES

TODAY = date(2026, 11, 27)
NORTH = MeteringPoint("north", installed=(Installed("em-1"),))


def found(*points: MeteringPoint) -> list[Finding]:
    """Without the legal notes."""
    return [one for one in judged(points, TODAY) if one.level is not Level.NOTE]


def until(days: int, **more: date) -> MeteringPoint:
    return replace(NORTH, verified=Verified(meter=TODAY + timedelta(days=days), **more))


@pytest.mark.parametrize(
    ("days", "level", "text"),
    [
        (-1, Level.ERROR, "has ended with 2026-11-26: what is metered since then is marked and not validated"),
        (0, Level.WARNING, "ends with 2026-11-27, in 30 days or less"),
        (30, Level.WARNING, "in 30 days or less"),
        (31, Level.WARNING, "in 90 days or less"),
        (180, Level.WARNING, "in 180 days or less"),
    ],
)
def test_ended_and_ending(days: int, level: Level, text: str) -> None:
    (one,) = found(until(days))
    assert (one.level, one.area, one.subject) == (level, AREA, "point north")
    assert one.text.startswith("the verification of the meter ") and one.text.endswith(text)
    assert one.remedy.startswith("have it verified or exchanged")
    assert ("verified_until" in one.remedy) is (level is Level.ERROR)


def test_what_is_valid_for_long_is_told_together() -> None:
    (one,) = found(until(181, vt=date(2030, 1, 1)), replace(until(400), id="south"))
    assert one.level is Level.FINE
    assert one.text == "3 verifications are valid; the next to end is that of the meter of point north, with 2027-05-27"


def test_a_point_may_be_warned_of_at_other_times_or_not_at_all() -> None:
    def said(**terms: object) -> list[Level]:
        return [one.level for one in found(replace(until(20), validation=MappingProxyType({"verification": terms})))]

    assert said(ahead=[10]) == [Level.FINE]
    assert said(enabled=False) == []


def test_the_notes_are_there_where_there_is_something_to_note() -> None:
    assert judged([NORTH], TODAY) == []
    notes = [one for one in judged([until(400)], TODAY) if one.level is Level.NOTE]
    assert [(one.subject, one.text) for one in notes] == [(one.source, one.text) for one in NOTES]
    assert AREA in AREAS
