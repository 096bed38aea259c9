"""What a profile captures: read in one list, kept for a day, and what each column is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from drivers.dlms.captures import Captures, SortMethod, Way, captures_of, forget, keep
from drivers.dlms.columns import Group, layout
from drivers.dlms.scales import Scale
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.errors import GatewayError, MeterDiffers, ProtocolError
from gatewayd.status import Fault
from tests.drivers.dlms.asked_meter import NOW, CountingMemory, array, i8, name, octets, structure, u8, u16, u32
from tests.drivers.dlms.profile_meter import (
    CLOCK,
    COLUMNS,
    EXPORT,
    IMPORT,
    LOAD,
    SCALES,
    STATUS,
    ProfileMeter,
    captures,
    column,
)

PROFILE = name(LOAD)


def known(meter: ProfileMeter, cache: CountingMemory, *, hours: int = 0, log: bool = False) -> Captures:
    return asyncio.run(captures_of(meter, PROFILE, cache, NOW + timedelta(hours=hours), log=log))


def test_all_is_read_in_one_list() -> None:
    meter = ProfileMeter(sort=SortMethod.LIFO)
    found = known(meter, CountingMemory())
    assert found == Captures(COLUMNS, 900, SortMethod.LIFO, CLOCK, 1000, int(NOW.timestamp()))
    assert meter.asked == [tuple((7, LOAD, index) for index in (3, 4, 5, 6, 8))]


def test_it_is_kept_for_a_day_and_read_again_then() -> None:
    meter, cache = ProfileMeter(), CountingMemory()
    first = known(meter, cache)
    assert known(meter, cache, hours=23) == first
    assert len(meter.asked) == 1
    known(meter, cache, hours=24)
    assert len(meter.asked) == 2


def test_a_gateway_whose_clock_went_back_reads_again() -> None:
    meter, cache = ProfileMeter(), CountingMemory()
    known(meter, cache)
    known(meter, cache, hours=-1)
    assert len(meter.asked) == 2


def of_yesterday(way: Way) -> Captures:
    return Captures(COLUMNS, 900, SortMethod.FIFO, CLOCK, 1000, 0, way)


def test_a_way_that_works_is_kept_as_long_as_the_columns_are_the_same() -> None:
    cache = CountingMemory()
    asyncio.run(keep(cache, PROFILE, of_yesterday("range")))
    assert known(ProfileMeter(), cache).way == "range"
    asyncio.run(keep(cache, PROFILE, of_yesterday("range")))
    assert (known(ProfileMeter(columns=(CLOCK, IMPORT)), cache)).way == ""


@pytest.mark.parametrize("way", ["entry", "none"])
def test_a_refusal_is_not_for_ever(way: Way) -> None:
    """Anybody on the line can make a plain exception, and the firmware may be mended."""
    cache = CountingMemory()
    asyncio.run(keep(cache, PROFILE, of_yesterday(way)))
    assert known(ProfileMeter(), cache).way == ""


@pytest.mark.parametrize("kept", [b"", b"\x00", b"\xff" * 9, b"\x81\xa1a\x01"])
def test_what_cannot_be_understood_any_more_is_read_again(kept: bytes) -> None:
    cache, meter = CountingMemory(), ProfileMeter()
    known(meter, cache)
    asyncio.run(cache.remember(next(iter(cache.entries)), kept))
    assert (known(meter, cache)).columns == COLUMNS
    assert len(meter.asked) == 2


def test_what_is_forgotten_is_read_again() -> None:
    cache, meter = CountingMemory(), ProfileMeter()
    known(meter, cache)
    asyncio.run(forget(cache, PROFILE))
    known(meter, cache)
    assert len(meter.asked) == 2


def test_how_a_profile_is_sorted_may_be_refused() -> None:
    meter = ProfileMeter()
    for index in (5, 6, 8):
        meter.objects[7, LOAD, index] = DataAccess.READ_WRITE_DENIED
    found = known(meter, CountingMemory())
    assert (found.sort_method, found.sort_object, found.entries) == (SortMethod.UNKNOWN, None, 0)


@pytest.mark.parametrize(
    ("why", "error"),
    [
        (DataAccess.OBJECT_UNDEFINED, MeterDiffers),
        (DataAccess.READ_WRITE_DENIED, MeterDiffers),
        (DataAccess.TEMPORARY_FAILURE, ProtocolError),
    ],
)
@pytest.mark.parametrize("index", [3, 4])
def test_what_a_profile_is_made_of_may_not(why: DataAccess, error: type[GatewayError], index: int) -> None:
    meter, cache = ProfileMeter(), CountingMemory()
    meter.objects[7, LOAD, index] = why
    with pytest.raises(error, match=r"1-0:99\.1\.0\*255"):
        known(meter, cache)
    assert not cache.entries


def test_a_log_needs_no_period() -> None:
    meter = ProfileMeter()
    meter.objects[7, LOAD, 4] = DataAccess.READ_WRITE_DENIED
    assert (known(meter, CountingMemory(), log=True)).period == 0


@pytest.mark.parametrize(
    ("index", "sent"),
    [
        (3, array()),
        (3, u8(1)),
        (3, array(u8(1))),
        (3, structure(u8(1))),
        (3, array(structure(u16(8), octets(bytes(5)), i8(2), u16(0)))),
        (3, array(*(structure(u16(1), octets(bytes(6)), i8(2), u16(0)) for _ in range(257)))),
        (4, i8(1)),
        (4, octets(b"\x00")),
        (8, structure()),
    ],
)
def test_what_is_no_description_of_a_profile_is_a_fault(index: int, sent: bytes) -> None:
    meter, cache = ProfileMeter(), CountingMemory()
    meter.objects[7, LOAD, index] = sent
    with pytest.raises(ProtocolError) as error:
        known(meter, cache)
    assert error.value.raw == sent
    assert not cache.entries


@pytest.mark.parametrize("sent", [b"\x16\x07", u32(1), octets(b"\x01")])
def test_an_unknown_sort_method_is_unknown(sent: bytes) -> None:
    meter = ProfileMeter()
    meter.objects[7, LOAD, 5] = sent
    expected = SortMethod.FIFO if sent == u32(1) else SortMethod.UNKNOWN
    assert (known(meter, CountingMemory())).sort_method is expected


@pytest.mark.parametrize(
    ("sort", "by", "newest_first", "in_order"),
    [
        (SortMethod.UNKNOWN, None, False, True),
        (SortMethod.FIFO, IMPORT, False, True),
        (SortMethod.LIFO, None, True, True),
        (SortMethod.LARGEST, CLOCK, True, True),
        (SortMethod.SMALLEST, CLOCK, False, True),
        (SortMethod.LARGEST, IMPORT, False, False),
        (SortMethod.NEAREST_TO_ZERO, CLOCK, False, False),
    ],
)
def test_the_order_of_time(sort: SortMethod, by: object, newest_first: bool, in_order: bool) -> None:
    found = Captures(COLUMNS, 900, sort, by, 0, 0)  # type: ignore[arg-type]  # a column or none
    assert (found.newest_first, found.in_order_of_time) == (newest_first, in_order)


# -- columns ---------------------------------------------------------------------------------------------------------


def groups(*columns: object) -> tuple[Group, ...]:
    return layout(captures(columns), SCALES).groups  # type: ignore[arg-type]  # capture objects


def test_time_status_and_values() -> None:
    plan = layout(captures((STATUS, IMPORT, CLOCK, EXPORT)), SCALES)
    assert (plan.width, plan.clock) == (4, 2)
    ((statuses, values),) = plan.groups
    assert statuses == (0,)
    assert [(one.place, one.code, one.unit, one.scaler) for one in values] == [
        (1, "1-0:1.8.0*255", "Wh", -1),
        (3, "1-0:2.8.0*255", "Wh", 0),
    ]


def test_a_second_clock_is_a_value_and_the_first_one_the_time() -> None:
    ((_, values),) = groups(CLOCK, column(8, "0-0:1.0.1*255"))
    assert [(one.place, one.code) for one in values] == [(1, "0-0:1.0.1*255")]


def test_status_words_of_a_channel_without_values_are_about_the_whole_row() -> None:
    ((statuses, _),) = groups(CLOCK, column(1, "0-1:96.10.3*255"), IMPORT)
    assert statuses == (1,)


@pytest.mark.parametrize("code", ["0-0:96.11.0*255", "1-0:96.10.1*255", "0-0:96.1.0*255"])
def test_what_is_no_profile_status_is_a_value(code: str) -> None:
    ((statuses, values),) = groups(CLOCK, column(1, code), IMPORT)
    assert statuses == ()
    assert [one.code for one in values] == [code, "1-0:1.8.0*255"]


def test_a_register_whose_scale_nobody_knows_is_at_fault_and_data_are_not() -> None:
    ((_, (register, data)),) = layout(
        captures((column(3, "1-0:5.8.0*255"), column(1, "0-0:96.1.0*255"))),
        {(3, name("1-0:5.8.0*255")): Scale(0, "", False)},
    ).groups
    assert (register.faults, register.plain) == ((Fault.NOT_DECODABLE,), False)
    assert (data.faults, data.plain) == ((), True)


def test_only_a_maximum_has_a_time_of_its_own() -> None:
    ((_, (value,)),) = groups(CLOCK, column(4, "1-0:1.6.0*255"), column(4, "1-0:1.6.0*255", 5))
    assert (value.extreme, value.further) == (2, ())
    ((_, (value,)),) = groups(CLOCK, column(4, "1-0:1.8.0*255"), column(4, "1-0:1.8.0*255", 5))
    assert (value.extreme, value.further) == (None, ((2, "5"),))


def test_a_part_of_an_attribute_has_no_code_of_its_own() -> None:
    ((_, (value,)),) = groups(CLOCK, column(1, "0-0:96.1.0*255", 2, 3))
    assert (value.obis, value.code) == (None, "0-0:96.1.0*255 attribute 2 part 3")


def test_error_registers_count_by_their_bits() -> None:
    ((_, (value,)),) = groups(CLOCK, column(1, "0-0:97.97.0*255"))
    assert (value.is_bits, value.plain) == (True, False)


def test_where_there_are_marks_no_number_is_taken_as_it_is() -> None:
    ((_, (value,)),) = layout(captures((CLOCK, IMPORT)), SCALES, marked=True).groups
    assert not value.plain
