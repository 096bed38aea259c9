"""Meters that do not answer: who counts as dead, for how long it is left alone, and what brings it back."""

from datetime import timedelta

import pytest

from gatewayd.errors import (
    ArchiveError,
    ChannelError,
    ChannelTimeout,
    GatewayError,
    MeterDiffers,
    MeterRefused,
    MeterSilent,
    ProtocolError,
    SessionDeadline,
)
from gatewayd.silences import Silences
from tests.gatewayd.doubles import START

SILENT = MeterSilent("silent")


def silences(*faults: GatewayError | None) -> Silences:
    known = Silences()
    for fault in faults:
        known.note("em-1", fault, START)
    return known


def pause(known: Silences) -> float:
    return (known.not_before("em-1", START, START) - START).total_seconds()


@pytest.mark.parametrize(
    ("times", "seconds"), [(0, 0), (1, 0), (2, 0), (3, 30), (4, 60), (5, 120), (6, 240), (7, 300), (8, 300), (99, 300)]
)
def test_the_pauses_grow_to_five_minutes(times: int, seconds: int) -> None:
    known = silences(*[SILENT] * times)
    assert pause(known) == seconds
    assert known.silent("em-1") == (times > 0)
    assert known.dead("em-1") == (times >= 3)
    assert not known.silent("em-2") and not known.dead("em-2")


@pytest.mark.parametrize("answer", [None, ProtocolError("nonsense"), MeterDiffers("other"), MeterRefused("no")])
def test_any_answer_brings_a_meter_back(answer: GatewayError | None) -> None:
    known = silences(SILENT, SILENT, SILENT, SILENT, answer)
    assert not known.silent("em-1") and not known.dead("em-1") and pause(known) == 0
    known.note("em-1", SILENT, START)
    assert not known.dead("em-1"), "it is counted anew"


@pytest.mark.parametrize("fault", [ChannelError("gone"), ChannelTimeout("nothing"), ArchiveError("full")])
def test_a_line_that_fails_tells_nothing_of_the_meter(fault: GatewayError) -> None:
    assert not silences(fault, fault, fault, fault).silent("em-1")
    assert pause(silences(SILENT, SILENT, fault, SILENT)) == 30


def test_a_deadline_counts_as_silence() -> None:
    assert silences(*[SessionDeadline("900 s")] * 3).dead("em-1")


def test_the_longest_pause_is_not_exceeded_by_a_clock_that_is_set_back() -> None:
    known = silences(SILENT, SILENT, SILENT)
    before = START - timedelta(hours=1)
    least = known.not_before("em-1", before, before)
    assert least == before + timedelta(minutes=5)
    assert known.not_before("em-1", before, before + timedelta(minutes=1)) == least, "it comes nearer"


def test_what_is_due_later_is_not_moved() -> None:
    later = START + timedelta(hours=1)
    assert silences(SILENT, SILENT, SILENT).not_before("em-1", later, START) == later
