"""Rows in time: ends, days of the change, partial and double intervals; and the readings that they make."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSClient
from gurux_dlms.internal._GXCommon import _GXCommon
from gurux_dlms.internal._GXDataInfo import _GXDataInfo
from gurux_dlms.objects import (
    GXDLMSCaptureObject,
    GXDLMSClock,
    GXDLMSData,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.dlms.captures import SortMethod
from drivers.dlms.intervals import Placed
from drivers.dlms.profile_plan import ProfileContext, Window
from drivers.dlms.scales import Scale
from drivers.dlms.vendors import StatusWord, Vendor, vendors
from drivers.dlms.wire.cosem_time import ClockRules, Deviation
from gatewayd.errors import ProtocolError
from gatewayd.model import Flag, Kind, RawStatus, Reading
from gatewayd.status import Fault
from tests.drivers.dlms.asked_meter import array, octets, structure, u8, u16, u32
from tests.drivers.dlms.profile_meter import (
    CLOCK,
    COLUMNS,
    DAY,
    EXPORT,
    IMPORT,
    LOAD,
    QUARTER,
    STATUS,
    asked,
    captures,
    column,
    context,
    place,
    quarters,
    read,
    row,
    stamp,
    wall,
)

PRAGUE = ZoneInfo("Europe/Prague")
NO_BIT = ClockRules(PRAGUE, daylight_bit=False)
START = vendors()["generic"].model_copy(update={"time": "start"})
NULL = b"\x00"
WATTS = Scale(0, "W")
SPRING = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
"""Beginning of 2026-03-29 in Prague, 92 quarter-hours."""
AUTUMN = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)
"""Beginning of 2026-10-25 in Prague, 100 quarter-hours."""


def ends(buffer: bytes, within: ProfileContext) -> list[datetime | None]:
    return [one.end for one in place(buffer, asked(within=within))[0]]


def flags(readings: tuple[Reading, ...]) -> list[Flag]:
    return [one.flags for one in readings]


# -- one reading ------------------------------------------------------------------------------------------------------


def test_a_row_makes_one_reading_for_each_value_with_everything_that_belongs_to_it() -> None:
    (reading,) = read(array(row(DAY + QUARTER, 1234))).readings
    assert reading.meter == "em-1"
    assert (str(reading.obis), reading.obis_raw, reading.kind) == ("1-0:1.8.0*255",) * 2 + (Kind.INTERVAL,)
    assert reading.at == datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
    assert (reading.raw, reading.raw_text) == (bytes.fromhex("06 000004D2"), "1234")
    assert (reading.unit, reading.scaler, str(reading.value)) == ("Wh", -1, "123.4")
    assert (reading.status, reading.flags, reading.more) == (RawStatus.TRUE, Flag(0), ("00",))
    assert (reading.interval_s, reading.meter_time) == (900, "2026-11-21T00:15:00+01:00")


def test_the_status_word_decides_about_all_values_of_its_row() -> None:
    columns = (CLOCK, STATUS, IMPORT, EXPORT)
    first = structure(stamp(DAY), u8(0x84), u32(1), u32(2))
    buffer = array(first, structure(stamp(DAY + QUARTER), u8(0), u32(3), u32(4)))
    made = read(buffer, asked(captures(columns))).readings
    assert [(one.status, one.flags, one.more) for one in made[:2]] == [
        (RawStatus.DISTORTED, Flag.POWER_DOWN | Flag.DISTURBED, ("84",))
    ] * 2
    assert [one.status for one in made[2:]] == [RawStatus.TRUE] * 2


def test_the_status_of_a_channel_is_about_that_channel() -> None:
    gas = column(4, "0-1:24.2.1*255")
    columns = (CLOCK, STATUS, IMPORT, column(1, "0-1:96.10.3*255"), gas)
    scales = {(3, IMPORT.logical_name): WATTS, (4, gas.logical_name): WATTS}
    buffer = array(structure(stamp(DAY), u8(0x80), u32(1), u8(0x04), u32(2)))
    energy, volume = read(buffer, asked(captures(columns), scales=scales)).readings
    assert (energy.flags, energy.more) == (Flag.POWER_DOWN, ("80",))
    assert (volume.flags, volume.more) == (Flag.POWER_DOWN | Flag.DISTURBED, ("80", "04"))
    assert volume.status is RawStatus.DISTORTED


def test_numbers_of_any_type_keep_their_digits() -> None:
    long64 = b"\x14" + (-5).to_bytes(8, signed=True)
    sent = [b"\x05\xff\xff\xff\xfe", u16(7), long64, b"\x17\x3f\x00\x00\x00", b"\x0f\xff"]
    buffer = array(*(structure(stamp(DAY + n * QUARTER), u8(0), number) for n, number in enumerate(sent)))
    assert [(one.raw, one.raw_text) for one in read(buffer).readings] == list(
        zip(sent, ["-2", "7", "-5", "0.5", "-1"], strict=True)
    )


@pytest.mark.parametrize("sent", [octets(b"12"), b"\x0a\x0212", b"\x04\x08\x10", b"\x17\x7f\xc0\x00\x00", array(u8(1))])
def test_what_is_no_number_is_kept_and_not_believed_where_a_register_stands(sent: bytes) -> None:
    (reading,) = read(array(structure(stamp(DAY), u8(0), sent))).readings
    assert reading.raw == sent
    assert (reading.status, reading.flags) == (RawStatus.DISTORTED, Flag.UNDECODABLE)


def test_a_register_without_a_known_scaler_is_not_believed() -> None:
    (reading,) = read(array(row(DAY, 5)), asked(scales={})).readings
    assert (reading.status, reading.unit, reading.raw_text) == (RawStatus.DISTORTED, "", "5")


def test_marks_of_the_vendor_are_no_values_and_only_in_their_type() -> None:
    vendor = Vendor(name="x", missing={"double-long-unsigned": (0xFFFFFFFF,)}, sources=("made up for this test",))
    buffer = array(
        structure(stamp(DAY), u8(0), u32(0xFFFFFFFF)),
        structure(stamp(DAY + QUARTER), u8(0), b"\x15" + (0xFFFFFFFF).to_bytes(8)),
    )
    mark, number = read(buffer, asked(within=context(vendor=vendor))).readings
    assert (mark.status, mark.flags) == (RawStatus.MISSING, Flag.SENTINEL)
    assert number.status is RawStatus.TRUE
    assert read(buffer).readings[0].status is RawStatus.TRUE  # could be a count, where no vendor says otherwise


# -- nulls ------------------------------------------------------------------------------------------------------------


def test_compressed_rows_get_times_and_values_of_the_rows_before() -> None:
    buffer = array(row(DAY, 5), structure(NULL, NULL, u32(6)), structure(NULL, NULL, NULL))
    made = read(buffer).readings
    assert [one.at for one in made] == [DAY, DAY + QUARTER, DAY + 2 * QUARTER]
    assert [one.raw_text for one in made] == ["5", "6", "6"]
    assert [one.raw for one in made] == [u32(5), u32(6), NULL]
    assert [one.meter_time for one in made] == ["2026-11-21T00:00:00+01:00", "", ""]
    assert all(one.status is RawStatus.TRUE for one in made)


def test_times_are_counted_backward_where_the_newest_row_comes_first() -> None:
    buffer = array(row(DAY, 5), structure(NULL, NULL, u32(4)))
    made = read(buffer, asked(captures(sort=SortMethod.LIFO))).readings
    assert [(one.at, one.raw_text) for one in made] == [(DAY - QUARTER, "4"), (DAY, "5")]


@pytest.mark.parametrize("stated", [SortMethod.FIFO, SortMethod.LIFO])
def test_where_all_times_contradict_the_stated_order_the_times_are_right(stated: SortMethod) -> None:
    """Times that are counted in the wrong direction would be wrong and look sound."""
    step = -QUARTER if stated is SortMethod.FIFO else QUARTER
    buffer = array(
        row(DAY, 1),
        row(DAY + step, 2),
        row(DAY + 2 * step, 3),
        structure(NULL, NULL, u32(4)),
        row(DAY + 4 * step, 5),
    )
    made = read(buffer, asked(captures(sort=stated))).readings
    assert [(one.at, one.raw_text) for one in made] == sorted((DAY + n * step, str(n + 1)) for n in range(5))


def test_two_times_alone_contradict_no_order() -> None:
    buffer = array(row(DAY, 1), row(DAY - QUARTER, 2, 0x20), structure(NULL, u8(0), u32(3)))
    assert [one.at for one in read(buffer).readings] == [DAY, DAY - QUARTER, DAY]


def test_a_null_time_at_the_beginning_is_no_time() -> None:
    first, second = read(array(structure(NULL, u8(0), u32(5)), row(DAY, 6))).readings
    assert (first.status, first.flags) == (RawStatus.DISTORTED, Flag.CLOCK_INVALID)
    assert second.status is RawStatus.TRUE


def test_a_null_value_with_nothing_before_it_is_missing() -> None:
    first, second = read(array(structure(stamp(DAY), u8(0), NULL), row(DAY + QUARTER, 6))).readings
    assert (first.status, first.flags, first.raw_text) == (RawStatus.MISSING, Flag.NO_VALUE, "")
    assert second.status is RawStatus.TRUE


def test_a_row_whose_status_nobody_sent_is_not_believed() -> None:
    (first,) = read(array(structure(stamp(DAY), NULL, u32(1)))).readings
    assert (first.status, first.more) == (RawStatus.DISTORTED, ("",))


def test_where_the_vendor_says_so_a_null_is_a_missing_value() -> None:
    vendor = vendors()["generic"].model_copy(update={"nulls": "missing"})
    buffer = array(row(DAY, 5), structure(NULL, u8(0), NULL))
    first, second = read(buffer, asked(within=context(vendor=vendor))).readings
    assert (first.status, second.status, second.at) == (RawStatus.TRUE, RawStatus.MISSING, DAY + QUARTER)


def test_a_null_time_behind_a_time_that_is_none_is_none() -> None:
    no_date = octets(bytes.fromhex("07EA 0D 01 FF 00 00 00 00 8000 00"))  # month 13
    made = read(array(row(no_date, 1), structure(NULL, u8(0), u32(2)))).readings
    assert flags(made) == [Flag.CLOCK_INVALID] * 2


# -- what is no row ---------------------------------------------------------------------------------------------------


def test_a_row_of_another_width_is_one_reading_under_the_code_of_the_profile() -> None:
    odd = structure(stamp(DAY + QUARTER), u8(0))
    made = read(array(row(DAY, 1), odd, row(DAY + 2 * QUARTER, 3)))
    assert made.odd == 1
    assert [one.raw_text for one in made.readings] == ["1", "", "3"]
    reading = made.readings[1]
    assert (str(reading.obis), reading.obis_raw, reading.raw) == (LOAD, LOAD, odd)
    assert (reading.status, reading.flags) == (RawStatus.DISTORTED, Flag.UNDECODABLE | Flag.CLOCK_INVALID)


# -- the days of the change -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("begin", "count"), [(SPRING, 92), (DAY, 96), (AUTUMN, 100)])
def test_a_legal_day_with_deviations(begin: datetime, count: int) -> None:
    wanted = [begin + n * QUARTER for n in range(1, count + 1)]
    changes = begin.replace(hour=1) + timedelta(days=1)  # 01:00 UTC of the day itself
    summer = [{SPRING: at >= changes, AUTUMN: at < changes}.get(begin, False) for at in wanted]
    buffer = array(
        *(
            row(stamp(at, deviation=-120 if is_summer else -60, status=0x80 if is_summer else 0), n)
            for n, (at, is_summer) in enumerate(zip(wanted, summer, strict=True))
        )
    )
    made = read(buffer).readings
    assert [one.at for one in made] == wanted
    assert made[-1].at.astimezone(PRAGUE).hour == 0
    assert all(one.status is RawStatus.TRUE and not one.flags for one in made)
    assert [one.raw_text for one in made] == [str(n) for n in range(count)]


def _walls(begin: datetime, count: int, change: datetime, before: int, behind: int) -> list[tuple[datetime, str, bool]]:
    """Instants, what the clock shows, and whether it is on summer time; hours of offset before and after."""
    found = []
    for n in range(1, count + 1):
        at = begin + n * QUARTER
        hours = before if at < change else behind
        found.append((at, f"{at + timedelta(hours=hours):%Y-%m-%d %H:%M}", hours == 2))
    return found


@pytest.mark.parametrize("bit", [True, False])
def test_the_autumn_day_without_deviations(bit: bool) -> None:
    """The repeated hour by the daylight saving bit, or by what goes on from the row before."""
    rows = _walls(AUTUMN, 100, datetime(2026, 10, 25, 1, tzinfo=UTC), 2, 1)
    buffer = array(*(row(wall(text, status=0x80 if summer and bit else 0), 1) for _, text, summer in rows))
    placed, said, _ = place(buffer, asked(within=context(rules=ClockRules(PRAGUE, daylight_bit=bit))))
    assert [one.end for one in placed] == [at for at, _, _ in rows]
    assert [one.faults for one in placed] == [()] * 100
    assert said == ()


def test_the_spring_day_without_deviations() -> None:
    rows = _walls(SPRING, 92, datetime(2026, 3, 29, 1, tzinfo=UTC), 1, 2)
    buffer = array(*(row(wall(text, status=0x80 if summer else 0), 1) for _, text, summer in rows))
    placed, said, _ = place(buffer)
    assert [one.end for one in placed] == [at for at, _, _ in rows]
    assert [one.faults for one in placed] == [()] * 92
    assert said == ()


def test_a_time_that_may_be_either_of_two_says_so_and_so_do_the_rows_that_go_on_from_it() -> None:
    buffer = array(row(wall("2026-10-25 02:15"), 1), row(wall("2026-10-25 02:30"), 2), row(wall("2026-10-25 04:00"), 3))
    placed, _, _ = place(buffer, asked(within=context(rules=NO_BIT)))
    assert [one.end for one in placed][:2] == [AUTUMN + timedelta(hours=2, minutes=m) for m in (15, 30)]
    assert [one.faults for one in placed] == [(Fault.TIME_TWICE,), (Fault.TIME_TWICE,), ()]


def test_of_two_instants_only_the_second_of_which_was_asked_for_the_second_is_meant() -> None:
    window = Window(datetime(2026, 10, 25, 1, 0, tzinfo=UTC), datetime(2026, 10, 25, 2, 0, tzinfo=UTC))
    of = asked(within=context(rules=NO_BIT), window=window)
    assert place(array(row(wall("2026-10-25 02:15"), 1)), of)[0][0].end == datetime(2026, 10, 25, 1, 15, tzinfo=UTC)


def test_a_row_at_the_beginning_of_what_was_asked_for_is_the_second_of_two_too() -> None:
    """It goes before the rows that were wanted, and they go on from it."""
    start = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    of = asked(within=context(rules=NO_BIT), window=Window(start, start + QUARTER))
    placed, _, _ = place(array(row(wall("2026-10-25 02:15"), 1), row(wall("2026-10-25 02:30"), 2)), of)
    assert [one.end for one in placed] == [start, start + QUARTER]


def test_a_time_that_may_be_either_of_two_is_not_before_the_row_before_it() -> None:
    """02:45 of the first hour, then 03:00 and 02:15 are missing: 02:30 is that of the second hour."""
    texts = ("2026-10-25 01:45", "2026-10-25 02:00", "2026-10-25 02:15", "2026-10-25 02:45", "2026-10-25 02:30")
    placed, _, _ = place(array(*(row(wall(one), 1) for one in texts)), asked(within=context(rules=NO_BIT)))
    assert placed[-2].end == datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    assert (placed[-1].end, placed[-1].faults) == (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), (Fault.TIME_TWICE,))


def test_the_row_of_the_answer_before_says_which_of_two_instants_it_is() -> None:
    before = Placed(datetime(2026, 10, 25, 1, 0, tzinfo=UTC), (), "", place(array(row(DAY, 1)))[0][0].row)
    placed, _, _ = place(array(row(wall("2026-10-25 02:15"), 1)), asked(within=context(rules=NO_BIT)), before)
    assert (placed[0].end, placed[0].faults) == (datetime(2026, 10, 25, 1, 15, tzinfo=UTC), ())


@pytest.mark.parametrize(
    ("text", "status", "flag"),
    [
        ("2026-03-29 02:30", 0x00, Flag.TIME_AMBIGUOUS),  # does not exist
        ("2026-07-01 12:00", 0x00, Flag.TIME_AMBIGUOUS),  # summer, and the bit says winter
    ],
)
def test_times_that_contradict_legal_time_are_not_believed(text: str, status: int, flag: Flag) -> None:
    (reading,) = read(array(row(wall(text, status=status), 1))).readings
    assert (reading.status, reading.flags) == (RawStatus.DISTORTED, flag)


@pytest.mark.parametrize("status", [0x01, 0x02, 0x08])
def test_a_clock_that_does_not_trust_itself(status: int) -> None:
    (reading,) = read(array(row(stamp(DAY, status=status), 1))).readings
    assert (reading.at, reading.status, reading.flags) == (DAY, RawStatus.DISTORTED, Flag.CLOCK_INVALID)


def test_a_time_that_is_none_leaves_the_time_of_reading_and_is_not_believed() -> None:
    of = asked()
    made = read(array(row(octets(bytes(11)), 1), row(octets(b"\xff" * 12), 2), row(u32(5), 3)), of).readings
    assert [(one.at, one.flags) for one in made] == [(of.at, Flag.CLOCK_INVALID)] * 3


def test_deviations_the_other_way_round() -> None:
    rules = ClockRules(PRAGUE, Deviation.LOCAL_MINUS_UTC)
    buffer = array(row(wall("2026-11-21 00:15", deviation=60), 1))
    assert ends(buffer, context(rules=rules)) == [DAY + QUARTER]


# -- partial and double intervals -------------------------------------------------------------------------------------


def test_a_row_beside_the_grid_and_the_rest_of_its_interval_are_partial() -> None:
    odd = DAY + timedelta(minutes=7, seconds=33)
    buffer = array(row(DAY, 1), row(odd, 2), row(DAY + QUARTER, 3), row(DAY + 2 * QUARTER, 4))
    made = read(buffer).readings
    assert [one.at for one in made] == [DAY, odd, DAY + QUARTER, DAY + 2 * QUARTER]
    assert flags(made) == [Flag(0), Flag.PARTIAL_INTERVAL, Flag.PARTIAL_INTERVAL, Flag(0)]
    assert made[1].status is RawStatus.DISTORTED


def test_half_a_second_beside_the_grid_is_beside_it() -> None:
    assert place(array(row(DAY + timedelta(milliseconds=500), 1)))[0][0].faults == (Fault.INTERVAL_PARTIAL,)


def test_the_rest_of_an_interval_is_partial_across_answers_too() -> None:
    placed, _, _ = place(array(row(DAY + timedelta(minutes=5), 1)))
    behind, _, _ = place(array(row(DAY + QUARTER, 2)), before=placed[-1])
    assert behind[0].faults == (Fault.INTERVAL_PARTIAL,)


def test_two_different_rows_of_one_interval_after_the_clock_was_set_back_are_both_partial() -> None:
    buffer = array(row(DAY, 1), row(DAY + QUARTER, 2), row(DAY + QUARTER, 3, 0x20), row(DAY + 2 * QUARTER, 4))
    placed, said, _ = place(buffer)
    assert [Fault.INTERVAL_PARTIAL in one.faults for one in placed] == [False, True, True, False]
    assert said == ()
    assert len(read(buffer).readings) == 4


def test_two_different_rows_of_one_interval_that_nothing_explains_are_told() -> None:
    placed, said, _ = place(array(row(DAY, 1), row(DAY, 2)))
    assert [one.faults for one in placed] == [(Fault.INTERVAL_PARTIAL,)] * 2
    assert said == (f"{LOAD}: two rows for one interval end, 1 times, the first 2026-11-20T23:00:00Z",)


def test_the_same_row_twice_is_told_and_not_doubted() -> None:
    placed, said, _ = place(array(row(DAY, 1), row(DAY, 1)))
    assert [one.faults for one in placed] == [(), ()]
    assert len(said) == 1


def test_a_clock_that_was_set_makes_an_interval_of_another_length_partial() -> None:
    buffer = array(row(DAY, 1), row(DAY + QUARTER, 2, 0x20), row(DAY + 3 * QUARTER, 3, 0x20))
    made = read(buffer).readings
    assert flags(made) == [Flag(0), Flag.CLOCK_ADJUSTED, Flag.CLOCK_ADJUSTED | Flag.PARTIAL_INTERVAL]
    assert [one.status for one in made] == [RawStatus.TRUE, RawStatus.TRUE, RawStatus.DISTORTED]


def test_a_clock_that_was_put_right_behind_an_outage_doubts_nothing() -> None:
    """The outage says why there are no rows before; a clock that was lost in it the meter calls invalid itself."""
    made = read(array(row(DAY, 1), row(DAY + 5 * QUARTER, 2, 0xA0), row(DAY + 6 * QUARTER, 3))).readings
    assert flags(made) == [Flag(0), Flag.POWER_DOWN | Flag.CLOCK_ADJUSTED, Flag(0)]
    assert [one.status for one in made] == [RawStatus.TRUE] * 3
    lost = read(array(row(DAY, 1), row(DAY + 5 * QUARTER, 2, 0xA2))).readings
    assert lost[1].status is RawStatus.DISTORTED


def test_a_clock_that_was_set_back_behind_an_outage_makes_an_interval_partial() -> None:
    made = read(array(row(DAY + QUARTER, 1), row(DAY, 2, 0xA0))).readings
    assert [Flag.PARTIAL_INTERVAL in one.flags for one in made] == [False, True]


def test_a_gap_alone_doubts_nothing() -> None:
    made = read(array(row(DAY, 1), row(DAY + 5 * QUARTER, 2, 0x80))).readings
    assert flags(made) == [Flag(0), Flag.POWER_DOWN]
    assert made[1].status is RawStatus.TRUE


def test_a_row_that_ends_ahead_of_the_meters_clock_is_not_over_yet() -> None:
    running = asked(within=context(at=DAY + timedelta(minutes=10)))
    assert place(array(row(DAY, 1), row(DAY + QUARTER, 2)), running)[0][1].faults == (Fault.INTERVAL_PARTIAL,)
    ahead = asked(within=context(at=DAY + timedelta(minutes=10), ahead=timedelta(minutes=5)))
    assert place(array(row(DAY + QUARTER, 2)), ahead)[0][0].faults == ()


# -- beginnings, days, other periods ----------------------------------------------------------------------------------


def test_where_times_name_the_beginning_the_end_is_a_period_later() -> None:
    of = asked(within=context(vendor=START))
    (reading,) = read(array(row(DAY, 1)), of).readings
    assert (reading.at, reading.meter_time) == (DAY + QUARTER, "2026-11-21T00:00:00+01:00")


def test_a_day_that_begins_ends_at_the_next_midnight_also_when_it_has_25_hours() -> None:
    of = asked(captures(period=86_400), within=context(vendor=START))
    assert place(array(row(wall("2026-10-25 00:00", status=0x80), 1)), of)[0][0].end == AUTUMN + timedelta(hours=25)


def test_compressed_days_are_counted_on_the_calendar() -> None:
    of = asked(captures(period=86_400))
    buffer = array(row(wall("2026-10-25 00:00", status=0x80), 1), structure(NULL, NULL, u32(2)))
    placed, _, _ = place(buffer, of)
    assert [one.end for one in placed] == [AUTUMN, AUTUMN + timedelta(hours=25)]
    assert [one.faults for one in placed] == [(), ()]


def test_a_day_that_does_not_end_at_midnight_is_partial() -> None:
    of = asked(captures(period=86_400))
    assert place(array(row(DAY, 1), row(DAY + timedelta(hours=3), 2)), of)[0][1].faults == (Fault.INTERVAL_PARTIAL,)


def test_a_period_that_moves_from_day_to_day_has_no_grid_but_a_length() -> None:
    minutes = [0, 7, 10, 17]
    buffer = array(*(row(DAY + timedelta(minutes=n), n) for n in minutes))
    placed, _, _ = place(buffer, asked(captures(period=420)))
    assert [one.faults for one in placed] == [(), (), (Fault.INTERVAL_PARTIAL,), ()]


def test_rows_outside_of_the_window_are_left_out_and_its_end_belongs_to_it() -> None:
    of = asked(window=Window(DAY, DAY + 2 * QUARTER))
    made = read(array(*(octets for _, octets in quarters(DAY - QUARTER, 4))), of)
    assert [one.at for one in made.readings] == [DAY + QUARTER, DAY + 2 * QUARTER]


# -- billing ----------------------------------------------------------------------------------------------------------

MAXIMUM = column(4, "1-0:1.6.0*255")
REACHED = column(4, "1-0:1.6.0*255", 5)


def billing(buffer: bytes) -> tuple[Reading, ...]:
    known = captures((CLOCK, IMPORT, MAXIMUM, REACHED), period=0)
    scales = {(3, IMPORT.logical_name): WATTS, (4, MAXIMUM.logical_name): WATTS}
    return read(buffer, asked(known, code="0-0:98.1.0*255", scales=scales)).readings


def test_a_billing_row_gives_registers_at_its_time_and_maxima_at_theirs() -> None:
    reached = DAY - timedelta(days=5)
    energy, maximum = billing(array(structure(stamp(DAY), u32(5), u32(77), stamp(reached))))
    assert (energy.kind, energy.at, energy.interval_s) == (Kind.REGISTER, DAY, None)
    assert (maximum.kind, maximum.at, maximum.raw_text) == (Kind.MAXIMUM, reached, "77")
    assert maximum.meter_time == "2026-11-16T00:00:00+01:00"
    assert maximum.more == ("2026-11-21T00:00:00+01:00",)
    assert (maximum.status, maximum.flags) == (RawStatus.TRUE, Flag(0))


def test_a_maximum_whose_time_is_none_stands_at_the_time_of_its_row() -> None:
    _, maximum = billing(array(structure(stamp(DAY), u32(5), u32(77), octets(b"\xff" * 12))))
    assert (maximum.kind, maximum.at, maximum.flags) == (Kind.MAXIMUM, DAY, Flag.CLOCK_INVALID)


def test_billing_rows_need_no_grid() -> None:
    made = billing(array(structure(stamp(DAY + timedelta(minutes=7)), u32(5), u32(77), stamp(DAY))))
    assert all(one.status is RawStatus.TRUE for one in made)


def test_an_attribute_without_its_value_does_not_pass_for_the_value() -> None:
    known = captures((CLOCK, REACHED), period=0)
    (reading,) = read(array(structure(stamp(DAY), stamp(DAY))), asked(known)).readings
    assert (reading.obis, reading.obis_raw) == (None, "1-0:1.6.0*255 attribute 5")
    assert reading.raw_text == "2026-11-21T00:00:00+01:00"


@pytest.mark.parametrize("index", [0, 1, 2, 0xFFFF])
def test_the_value_of_a_register_has_no_parts_whatever_index_it_is_captured_with(index: int) -> None:
    """Else it would be a number without its scaler and unit, and without a code."""
    known = captures((CLOCK, column(3, "1-0:1.8.0*255", 2, index)))
    (reading,) = read(array(structure(stamp(DAY), u32(12345))), asked(known)).readings
    assert (str(reading.obis), str(reading.value), reading.unit) == ("1-0:1.8.0*255", "1234.5", "Wh")


def test_of_a_demand_register_the_last_average_is_the_value_and_the_rest_goes_along() -> None:
    demand = "1-0:1.4.0*255"
    known = captures((CLOCK, column(5, demand, 2), column(5, demand, 3)))
    scales = {(5, column(5, demand).logical_name): WATTS}
    of = asked(known, scales=scales)
    (reading,) = read(array(structure(stamp(DAY), u32(1), u32(2))), of).readings
    assert (str(reading.obis), reading.raw_text, reading.more) == (demand, "2", ("2=1",))


# -- a foreign decoder -------------------------------------------------------------------------------------------------


def test_gurux_finds_the_same_times_and_numbers() -> None:
    buffer = array(*(octets for _, octets in quarters(DAY, 96, 1_000_000)))
    client, foreign = GXDLMSClient(True), GXDLMSProfileGeneric("1.0.99.1.0.255")
    objects = (GXDLMSClock("0.0.1.0.0.255"), GXDLMSData("0.0.96.10.1.255"), GXDLMSRegister("1.0.1.8.0.255"))
    foreign.captureObjects = [(one, GXDLMSCaptureObject(2, 0)) for one in objects]
    client.updateValue(foreign, 2, _GXCommon.getData(client.settings, GXByteBuffer(buffer), _GXDataInfo()))
    theirs = [(str(int(at.value.timestamp())), f"{word:02X}", str(number)) for at, word, number in foreign.buffer]
    ours = [(str(int(one.at.timestamp())), one.more[0], one.raw_text) for one in read(buffer).readings]
    assert len(ours) == 96
    assert ours == theirs


# -- any bytes --------------------------------------------------------------------------------------------------------

PLAIN_DAY = array(*(octets for _, octets in quarters(DAY, 8)))


@given(st.integers(0, len(PLAIN_DAY) - 1))
def test_a_day_that_is_cut_short_gives_nothing(size: int) -> None:
    with pytest.raises(ProtocolError):
        place(PLAIN_DAY[:size])


@given(st.data())
def test_whatever_octet_is_changed_no_value_moves_to_another_time_unseen(data: st.DataObject) -> None:
    """Only the octets of a value and of a time themselves can change them; a changed structure is a fault or a flag."""
    place_of = data.draw(st.integers(0, len(PLAIN_DAY) - 1))
    changed = bytearray(PLAIN_DAY)
    changed[place_of] ^= data.draw(st.integers(1, 255))
    inside = (place_of - 2) % 23  # a row has 23 octets: 02 03 | 09 0C time | 11 word | 06 number
    try:
        made = read(bytes(changed)).readings
    except (ProtocolError, AssertionError):
        return
    sound = {(one.at, one.raw) for one in read(PLAIN_DAY).readings}
    for one in made:
        if one.status is RawStatus.TRUE and place_of >= 2 and inside not in range(4, 16) and inside < 18:
            assert (one.at, one.raw) in sound


@given(st.lists(st.binary(min_size=12, max_size=12), min_size=1, max_size=6), st.sampled_from(["end", "start"]))
@example([bytes.fromhex("270F 0C 1F FF 17 3B 00 00 0000 00")], "start")
@example([bytes.fromhex("0001 01 01 FF 00 00 00 00 0000 00")], "end")
def test_any_times_give_readings(times: list[bytes], role: str) -> None:
    vendor = vendors()["generic"].model_copy(update={"time": role})
    buffer = array(*(structure(octets(time), u8(0), u32(n)) for n, time in enumerate(times)))
    everything = Window(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    of = asked(within=context(vendor=vendor), window=everything)
    assert len(read(buffer, of).readings) == len(times)


def test_the_meaning_of_a_wider_status_word_is_the_vendors() -> None:
    vendor = Vendor(name="x", status=StatusWord(bits=16, meaning={0x100: Fault.METER_RESET}), sources=("made up here",))
    buffer = array(structure(stamp(DAY), u16(0x100), u32(1)))
    assert read(buffer, asked(within=context(vendor=vendor))).readings[0].flags == Flag.RESET
    assert read(buffer, asked(captures(COLUMNS))).readings[0].flags == Flag.STATUS_UNKNOWN
