"""Event logs: an entry is an event, its code the text, everything else beside it."""

from __future__ import annotations

import pytest

from drivers.dlms.event_log import events_of, is_log
from drivers.dlms.intervals import Asked
from drivers.dlms.profile_plan import Window
from drivers.dlms.wire.attribute import CaptureObject
from gatewayd.model import Flag, Kind, RawStatus
from gatewayd.obis import Obis
from tests.drivers.dlms.asked_meter import array, octets, structure, text, u8, u16, u32
from tests.drivers.dlms.profile_meter import CLOCK, DAY, QUARTER, asked, captures, column, place, stamp

LOG = "0-0:99.98.0*255"
CODE = column(1, "0-0:96.11.0*255")
TEXT = column(1, "0-0:96.1.0*255")
ENTRIES = column(7, LOG, 7)


def log(window: Window | None = None, columns: tuple[CaptureObject, ...] = (CLOCK, TEXT, CODE, ENTRIES)) -> Asked:
    return asked(captures(columns, period=0), code=LOG, window=window)


def test_an_entry_is_one_event_at_its_time() -> None:
    sent = structure(stamp(DAY), text("abc"), u8(47), u32(12))
    placed, _, of = place(array(sent), log())
    (event,) = events_of(placed, of).readings
    assert (str(event.obis), event.obis_raw, event.kind, event.at) == (LOG, LOG, Kind.EVENT, DAY)
    assert (event.raw, event.raw_text, event.value) == (sent, "47", None)
    assert event.more == ("0-0:96.1.0*255=abc", f"{LOG} attribute 7=12")
    assert (event.status, event.flags, event.meter_time) == (RawStatus.TRUE, Flag(0), "2026-11-21T00:00:00+01:00")
    assert event.interval_s is None


def test_without_an_event_code_the_first_thing_that_is_said_is_the_text() -> None:
    known = (CLOCK, column(3, "0-0:96.7.19*255"))
    placed, _, of = place(array(structure(stamp(DAY), u32(360))), log(columns=known))
    assert events_of(placed, of).readings[0].raw_text == "360"


def test_several_events_at_one_time_stay_and_nothing_is_partial() -> None:
    odd = DAY + QUARTER / 2
    buffer = array(*(structure(stamp(odd), text(""), u8(n), u32(n)) for n in range(3)))
    placed, said, of = place(buffer, log())
    made = events_of(placed, of).readings
    assert [(one.raw_text, one.status) for one in made] == [(str(n), RawStatus.TRUE) for n in range(3)]
    assert said == ()


def test_entries_outside_of_the_window_are_left_out() -> None:
    buffer = array(*(structure(stamp(DAY + n * QUARTER), text(""), u8(n), u32(n)) for n in range(4)))
    placed, _, of = place(buffer, log(Window(DAY, DAY + 2 * QUARTER)))
    assert [one.raw_text for one in events_of(placed, of).readings] == ["1", "2"]


def test_an_entry_without_a_time_and_one_that_is_none() -> None:
    no_date, odd = structure(octets(b"\xff" * 12), text(""), u8(1), u32(1)), structure(u16(1))
    placed, _, of = place(array(no_date, odd), log())
    made = events_of(placed, of)
    assert [(one.raw, one.at, one.status) for one in made.readings] == [
        (no_date, of.at, RawStatus.DISTORTED),
        (odd, of.at, RawStatus.DISTORTED),
    ]
    assert made.odd == 1


@pytest.mark.parametrize(
    ("code", "logs"),
    [("0-0:99.98.0", True), ("1-0:99.97.0", True), ("1-0:99.99.0", True), ("1-0:99.1.0", False), ("0-0:98.1.0", False)],
)
def test_which_profiles_are_logs(code: str, logs: bool) -> None:
    assert is_log(Obis.parse(code)) is logs
