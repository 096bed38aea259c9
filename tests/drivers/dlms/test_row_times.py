"""Times of rows: remembered days give what each time gives by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.row_times import RowClock, later, octets_of, row_time
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.cosem_time import ClockRules, Deviation
from gatewayd.errors import ProtocolError
from gatewayd.status import Fault
from tests.drivers.dlms.asked_meter import PRAGUE, octets, u32, value

ZONES = ("Europe/Prague", "Europe/Dublin", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "UTC")


def test_a_time_with_all_that_is_said_of_it() -> None:
    time = row_time(bytes.fromhex("07EA 0B 15 06 0D 2D 00 00 FFC4 00"), PRAGUE)
    assert time.at == datetime(2026, 11, 21, 12, 45, tzinfo=UTC)
    assert (time.faults, time.text, time.seconds, time.second) == ((), "2026-11-21T13:45:00+01:00", 49_500, None)


def test_what_is_no_time_has_no_instant_and_a_text() -> None:
    time = row_time(bytes.fromhex("FFFF FF FF FF 0D 2D FF FF 8000 FF"), PRAGUE)
    assert (time.at, time.seconds, time.faults) == (None, None, (Fault.CLOCK_DOUBTFUL,))
    assert time.text == "????-??-??T13:45:??"


def test_a_wrong_day_of_the_week_is_flagged() -> None:
    assert row_time(bytes.fromhex("07EA 0B 15 03 0D 2D 00 00 FFC4 00"), PRAGUE).faults == (Fault.TIME_INVALID,)


@pytest.mark.parametrize("year", ["0001", "270F"])
def test_the_ends_of_the_calendar_are_no_times(year: str) -> None:
    assert row_time(bytes.fromhex(f"{year} 0C 1F FF 0D 2D 00 00 FFC4 00"), PRAGUE).at is None


@given(
    st.sampled_from(ZONES),
    st.sampled_from(list(Deviation)),
    st.booleans(),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - what a clock shows
    st.sampled_from([0, 60, -60, -120, -0x8000, 0x1234]),
    st.sampled_from([0, 0xFF, 50]),
    st.sampled_from([0, 0x80, 0x01, 0x81, 0xFF]),
    st.sampled_from([0, 1, 3, 0xFF]),
)
def test_a_remembered_day_says_what_each_time_says_by_itself(
    zone: str, sign: Deviation, bit: bool, at: datetime, deviation: int, hundredths: int, status: int, weekday: int
) -> None:
    rules = ClockRules(ZoneInfo(zone), sign, bit)
    clock = RowClock(rules)
    head = at.year.to_bytes(2) + bytes((at.month, at.day, weekday))
    tail = bytes((hundredths,)) + deviation.to_bytes(2, signed=True) + bytes((status,))
    for minute in (0, 15, 90, 119, 120, 121, 150, 180, 181, at.hour * 60 + at.minute, 1439):
        for second in (0, at.second, 60, 0xFF):
            sent = head + bytes((*divmod(minute, 60), second)) + tail
            assert clock.read(sent) == row_time(sent, rules)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("status", [0, 0x80])
def test_every_quarter_hour_of_two_years_without_deviation(zone: str, status: int) -> None:
    """Through all changes of daylight saving, of half an hour (Lord Howe) and at midnight (Havana, Cairo) too."""
    rules = ClockRules(ZoneInfo(zone))
    clock = RowClock(rules)
    day = datetime(2026, 1, 1)  # noqa: DTZ001 - what a clock shows
    while day.year < 2028:
        head, tail = day.year.to_bytes(2) + bytes((day.month, day.day, 0xFF)), b"\x00\x80\x00" + bytes((status,))
        for minute in range(0, 300, 30):
            sent = head + bytes((*divmod(minute, 60), 0)) + tail
            assert clock.read(sent) == row_time(sent, rules)
        day += timedelta(days=1)


def test_many_times_do_not_pile_up() -> None:
    clock = RowClock(PRAGUE)
    for n in range(5000):
        sent = (
            (1970 + n // 336).to_bytes(2) + bytes((1 + n // 28 % 12, 1 + n % 28)) + b"\xff\x0c\x00\x00\x00\xff\xc4\x00"
        )
        assert clock.read(sent).at is not None
    assert 0 < len(clock._days) <= 4096


@pytest.mark.parametrize("size", [0, 11, 13])
def test_other_lengths_are_faults(size: int) -> None:
    with pytest.raises(ProtocolError):
        RowClock(PRAGUE).read(bytes(size))


def test_twelve_octets_as_octet_string_or_date_time() -> None:
    assert octets_of(value(octets(bytes(12)))) == bytes(12)
    assert octets_of(Value(Tag.DATE_TIME, b"", bytes(12))) == bytes(12)
    assert octets_of(value(octets(bytes(11)))) is None
    assert octets_of(value(u32(1))) is None


def test_whole_days_are_counted_on_the_calendar() -> None:
    midnight = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
    assert later(midnight, 86_400, PRAGUE) == midnight + timedelta(hours=25)
    assert later(midnight + timedelta(hours=25), -86_400, PRAGUE) == midnight
    assert later(midnight, 900, PRAGUE) == midnight + timedelta(minutes=15)
    assert later(midnight, -900, PRAGUE) == midnight - timedelta(minutes=15)
    assert later(midnight, 90_000, PRAGUE) == midnight + timedelta(hours=25)
