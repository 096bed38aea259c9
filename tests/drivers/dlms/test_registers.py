"""Registers of a scripted meter: which attributes are asked for, in how many requests, and the readings they make."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from drivers.dlms.asking import Result, obis_of
from drivers.dlms.caches import DeviceCache
from drivers.dlms.readings import Source, missing, reading_of
from drivers.dlms.registers import Surroundings, registers
from drivers.dlms.scales import UNKNOWN, Scale, Scales
from drivers.dlms.wire.service_errors import DataAccess
from drivers.dlms.wire.services import Data
from gatewayd.errors import MeterDiffers
from gatewayd.model import Answer, Flag, Kind, RawStatus, Reading, Registers
from gatewayd.obis import Obis
from tests.drivers.dlms.asked_meter import (
    NOW,
    PRAGUE,
    CountingMemory,
    FakeMeter,
    Stored,
    Ticking,
    array,
    boolean,
    clock_octets,
    collected,
    entry,
    enum,
    name,
    octets,
    scaler_unit,
    structure,
    text,
    u16,
    u32,
    value,
)

ASSOCIATION = (15, "0-0:40.0.0*255", 2)
IMPORT, EXPORT, MAXIMUM, DEMAND = "1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:1.6.0*255", "1-0:1.4.0*255"
CAPTURED = datetime(2026, 11, 3, 17, 15, tzinfo=UTC)
VIEW = array(
    entry(15, "0-0:40.0.0", [(2, 1)], version=1),
    entry(8, "0-0:1.0.0", [(2, 3)]),
    entry(3, "1-0:1.8.0", [(2, 1), (3, 1)]),
    entry(3, "1-0:2.8.0", [(2, 1), (3, 1)]),
    entry(3, "1-0:3.8.0", [(2, 0), (3, 0)]),
    entry(4, "1-0:1.6.0", [(2, 1), (3, 1), (4, 1), (5, 1)]),
    entry(5, "1-0:1.4.0"),
    entry(1, "1-0:97.97.0", [(2, 1)]),
    entry(7, "1-0:99.1.0", [(2, 1)]),
    entry(22, "0-0:15.0.1", [(2, 1)]),
    entry(70, "0-0:96.3.10", [(2, 1), (3, 1), (4, 1)]),
)


def objects() -> dict[tuple[int, str, int], Stored]:
    return {
        ASSOCIATION: VIEW,
        (3, IMPORT, 2): u32(12345),
        (3, IMPORT, 3): scaler_unit(-2, 30),
        (3, EXPORT, 2): u32(0),
        (3, EXPORT, 3): scaler_unit(0, 30),
        (4, MAXIMUM, 2): u32(987),
        (4, MAXIMUM, 3): scaler_unit(1, 27),
        (4, MAXIMUM, 4): b"\x00",
        (4, MAXIMUM, 5): octets(clock_octets(CAPTURED)),
        (5, DEMAND, 2): u32(40),
        (5, DEMAND, 3): u32(55),
        (5, DEMAND, 4): scaler_unit(0, 27),
        (5, DEMAND, 5): u16(8),
        (5, DEMAND, 6): octets(clock_octets(CAPTURED)),
        (1, "1-0:97.97.0*255", 2): u32(0x400),
        (22, "0-0:15.0.1*255", 2): structure(octets(name("0-0:10.0.106")), u16(1)),
        (70, "0-0:96.3.10*255", 2): boolean(False),
        (70, "0-0:96.3.10*255", 3): enum(2),
        (70, "0-0:96.3.10*255", 4): enum(4),
    }


class Reader:
    """Reads registers of one meter, session after session."""

    def __init__(self, stored: dict[tuple[int, str, int], Stored] | None = None, *, marks: bool = False) -> None:
        self.meter = FakeMeter(objects() if stored is None else stored)
        self.memory = CountingMemory()
        self.owner = "A"
        self.now = NOW
        self.marks = frozenset({(6, 0xFFFF_FFFF)}) if marks else frozenset()

    def answers(self, *codes: str, known: tuple[Reading, ...] = ()) -> list[Answer]:
        request = Registers(tuple(map(Obis.parse, codes)))
        cache = DeviceCache(self.memory, self.owner)
        surroundings = Surroundings("m", PRAGUE, Ticking(self.now), cache, name("0-0:40.0.0"), self.marks)
        return asyncio.run(collected(registers(self.meter, surroundings, request, known)))

    def one(self, code: str) -> Reading:
        (answer,) = self.answers(code)
        (reading,) = answer.readings
        return reading

    def sources(self) -> list[list[tuple[int, str, int]]]:
        """What was asked since the last time."""
        asked, self.meter.asked = self.meter.asked, []
        return [list(keys) for keys in asked]


def test_a_register_has_its_number_as_sent_and_the_scaler_beside_it() -> None:
    reading = Reader().one("1.8.0")
    assert reading == Reading(
        meter="m",
        obis=Obis(1, 0, 1, 8),
        obis_raw=IMPORT,
        kind=Kind.REGISTER,
        at=NOW,
        raw=u32(12345),
        raw_text="12345",
        unit="Wh",
        scaler=-2,
    )
    assert str(reading.value) == "123.45"


def test_the_view_and_the_scalers_are_read_once_and_the_values_in_one_list() -> None:
    reader = Reader()
    reader.answers("1.8.0", "2.8.0")
    assert reader.sources() == [
        [ASSOCIATION],
        [(3, IMPORT, 3), (3, EXPORT, 3)],
        [(3, IMPORT, 2), (3, EXPORT, 2)],
    ]
    reader.answers("1.8.0", "2.8.0")
    assert reader.sources() == [[(3, IMPORT, 2), (3, EXPORT, 2)]]


def test_what_is_remembered_of_another_device_is_not_used() -> None:
    reader = Reader()
    reader.answers("1.8.0")
    reader.sources()
    entries = set(reader.memory.entries)
    reader.owner = "B"
    reader.answers("1.8.0")
    assert reader.sources()[0] == [ASSOCIATION]
    assert set(reader.memory.entries) == entries


def test_a_maximum_has_the_instant_at_which_it_was() -> None:
    reading = Reader().one("1.6.0")
    assert (reading.kind, reading.at, reading.meter_time) == (Kind.MAXIMUM, CAPTURED, "2026-11-03T18:15:00+01:00")
    assert (reading.value, reading.unit, reading.more) == (Decimal(9870), "W", ())
    assert reading.status is RawStatus.TRUE


@pytest.mark.parametrize(
    ("capture", "status", "flags"),
    [
        (octets(b"\xff" * 9 + b"\x80\x00\xff"), RawStatus.TRUE, Flag.CLOCK_INVALID),
        (octets(bytes.fromhex("07EA0D15FF0D2D0000800000")), RawStatus.TRUE, Flag.CLOCK_INVALID),
        (octets(clock_octets(CAPTURED, status=2)), RawStatus.DISTORTED, Flag.CLOCK_INVALID),
        (u32(7), RawStatus.TRUE, Flag.CLOCK_INVALID),
        (b"\x00", RawStatus.TRUE, Flag(0)),
        (DataAccess.READ_WRITE_DENIED, RawStatus.TRUE, Flag.CLOCK_INVALID),
    ],
)
def test_a_maximum_whose_time_is_none_says_so_and_keeps_its_value(
    capture: Stored, status: RawStatus, flags: Flag
) -> None:
    reading = Reader(objects() | {(4, MAXIMUM, 5): capture}).one("1.6.0")
    assert (reading.kind, reading.raw_text, reading.status, reading.flags) == (Kind.MAXIMUM, "987", status, flags)
    assert reading.at == (CAPTURED if status is RawStatus.DISTORTED else NOW)


def test_an_extended_register_that_is_no_maximum_is_a_register_with_a_time() -> None:
    code = "0-1:24.2.1*255"
    reader = Reader(
        {
            ASSOCIATION: array(entry(4, code)),
            (4, code, 2): u32(5),
            (4, code, 3): scaler_unit(-3, 13),
            (4, code, 4): u16(3),
            (4, code, 5): octets(clock_octets(CAPTURED)),
        }
    )
    reading = reader.one(code)
    assert (reading.kind, reading.at, reading.meter_time) == (Kind.REGISTER, NOW, "2026-11-03T18:15:00+01:00")
    assert (str(reading.value), reading.unit, reading.more) == ("0.005", "m³", ("status: 3",))


def test_a_demand_register_gives_its_last_average_and_the_running_one_beside_it() -> None:
    reading = Reader().one("1.4.0")
    assert (reading.raw, reading.raw_text, reading.unit) == (u32(55), "55", "W")
    assert reading.more == ("40", "status: 8")
    assert (reading.kind, reading.meter_time) == (Kind.REGISTER, "2026-11-03T18:15:00+01:00")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (octets(b"12345678"), "12345678"),  # four bytes of a number may look like its digits, and are not
        (text("12345678"), "12345678"),
        (b"\x0d\x12", "12"),
        (boolean(True), "true"),
        (b"\x04\x08\x81", "0b10000001"),
        (structure(u32(1), u32(2)), "{1, 2}"),
    ],
)
@pytest.mark.parametrize("class_id", [3, 4, 5])
def test_what_is_no_number_is_kept_and_not_believed_where_a_register_stands(
    class_id: int, sent: bytes, shown: str
) -> None:
    value_attribute = 3 if class_id == 5 else 2
    results: dict[int, Result] = {value_attribute: Data(value(sent))}
    found = reading_of(Source("m", NOW, PRAGUE), class_id, Obis(1, 0, 1, 8), results, Scale(-3, "Wh"))
    assert isinstance(found, Reading)
    assert (found.raw, found.raw_text) == (sent, shown)
    assert (found.status, found.flags) == (RawStatus.DISTORTED, Flag.UNDECODABLE)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"\x17\x3e\x00\x00\x00", "0.125"),
        (b"\x18\xbf\xc0" + bytes(6), "-0.125"),
        (b"\x14" + (-(2**63)).to_bytes(8, signed=True), "-9223372036854775808"),
        (b"\x15" + b"\xff" * 8, "18446744073709551615"),
        (b"\x16\x07", "7"),
        (b"\x05\xff\xff\xff\x85", "-123"),
    ],
)
@pytest.mark.parametrize("scaler", [-3, 0, 3])
def test_numbers_of_every_type_keep_all_of_their_digits(sent: bytes, shown: str, scaler: int) -> None:
    found = reading_of(Source("m", NOW, PRAGUE), 3, Obis(1, 0, 1, 8), {2: Data(value(sent))}, Scale(scaler, "Wh"))
    assert isinstance(found, Reading)
    assert (found.raw_text, found.status, found.scaler) == (shown, RawStatus.TRUE, scaler)
    assert found.value is not None
    assert found.value == Decimal(shown).scaleb(scaler)
    assert "E" not in format(found.value, "f")


def test_a_register_of_a_maximum_without_a_time_is_what_the_register_shows_now() -> None:
    """When the maximum was is not known, and reading it is no such time."""
    found = reading_of(Source("m", NOW, PRAGUE), 3, Obis(1, 0, 1, 6), {2: Data(value(u32(5)))}, Scale(0, "W"))
    assert isinstance(found, Reading)
    assert (found.kind, found.at, found.status, found.meter_time) == (Kind.REGISTER, NOW, RawStatus.TRUE, "")


def test_other_classes_are_kept_raw_with_a_text() -> None:
    reader = Reader()
    assert (reader.one("F.F").raw_text, reader.one("F.F").value) == ("0x00000400", None)
    action = reader.one("0-0:15.0.1")
    assert action.raw == structure(octets(name("0-0:10.0.106")), u16(1))
    assert action.raw_text == "{0x00000A006AFF, 1}"
    disconnector = reader.one("0-0:96.3.10")
    assert (disconnector.raw_text, disconnector.raw) == ("disconnected", boolean(False))
    assert disconnector.more == ("control state: ready for reconnection", "control mode: 4")


def test_a_calendar_and_an_mbus_meter_say_what_they_are() -> None:
    source = Source("m", NOW, PRAGUE)
    calendar: dict[int, Result] = {2: Data(value(octets(b"CAL1"))), 3: Data(value(array())), 5: DataAccess.OTHER_REASON}
    found = reading_of(source, 20, Obis(0, 0, 13, 0), calendar)
    assert isinstance(found, Reading)
    assert (found.raw_text, found.more) == ("CAL1", ("seasons: []",))
    mbus: dict[int, Result] = {
        6: Data(value(u32(0x12345678))),
        7: Data(value(u16(0x4A4D))),
        9: Data(value(b"\x11\x03")),
    }
    found = reading_of(source, 72, Obis(0, 1, 24, 1), mbus)
    assert isinstance(found, Reading)
    assert (found.raw_text, found.more) == ("12345678", ("manufacturer: RRM", "device type: 3"))


def test_a_register_of_an_abstract_object_is_found_under_another_medium() -> None:
    (answer,) = Reader().answers("F.F")
    assert [reading.obis for reading in answer.readings] == [Obis(1, 0, 97, 97)]


def test_what_the_meter_does_not_have_is_missing_and_named() -> None:
    (answer,) = Reader().answers("1.8.0", "4.8.0", "1-0:99.1.0")
    there, *absent = answer.readings
    assert there.obis_raw == IMPORT
    assert [(reading.obis, reading.obis_raw, reading.status, reading.flags) for reading in absent] == [
        (Obis(1, 0, 4, 8), "", RawStatus.MISSING, Flag.NOT_SENT),
        (Obis(1, 0, 99, 1), "", RawStatus.MISSING, Flag.NOT_SENT),
    ]
    assert "1-0:4.8.0*255: not in the list of objects" in answer.detail
    assert "1-0:99.1.0*255: is a profile" in answer.detail


@pytest.mark.parametrize(
    "refusal", [DataAccess.READ_WRITE_DENIED, DataAccess.TEMPORARY_FAILURE, DataAccess.OBJECT_UNDEFINED]
)
def test_a_register_that_is_refused_is_missing_and_the_answer_says_why(refusal: DataAccess) -> None:
    reader = Reader(objects() | {(3, IMPORT, 2): refusal})
    (answer,) = reader.answers("1.8.0", "2.8.0")
    assert [(reading.obis_raw, reading.raw_text) for reading in answer.readings] == [("", ""), (EXPORT, "0")]
    assert answer.detail == f"{IMPORT}: {refusal.text}"
    assert answer.readings[0] == missing(Source("m", NOW, PRAGUE), Obis(1, 0, 1, 8))


@pytest.mark.parametrize(
    ("sent", "flag"), [(b"\x00", Flag.NO_VALUE), (octets(b""), Flag.NO_VALUE), (u32(0xFFFF_FFFF), Flag.SENTINEL)]
)
def test_no_value_is_a_status_and_no_number(sent: bytes, flag: Flag) -> None:
    reading = Reader(objects() | {(3, IMPORT, 2): sent}, marks=True).one("1.8.0")
    assert (reading.status, reading.flags, reading.obis_raw) == (RawStatus.MISSING, flag, IMPORT)


def test_all_ones_are_a_number_where_the_vendor_profile_does_not_say_otherwise() -> None:
    reading = Reader(objects() | {(3, IMPORT, 2): u32(0xFFFF_FFFF)}).one("1.8.0")
    assert (reading.status, reading.raw_text) == (RawStatus.TRUE, "4294967295")


def test_a_number_without_its_scaler_is_not_believed() -> None:
    reader = Reader(objects() | {(3, IMPORT, 3): DataAccess.TEMPORARY_FAILURE})
    (answer,) = reader.answers("1.8.0")
    (reading,) = answer.readings
    assert (reading.status, reading.flags, reading.unit) == (RawStatus.DISTORTED, Flag.UNDECODABLE, "")
    assert answer.detail == f"{IMPORT}: its scaler cannot be read"
    reader.meter.objects[(3, IMPORT, 3)] = scaler_unit(0, 30)
    assert reader.one("1.8.0").status is RawStatus.TRUE


def test_of_several_scalers_only_the_one_that_did_not_come_is_asked_for_again() -> None:
    reader = Reader(objects() | {(3, IMPORT, 3): DataAccess.TEMPORARY_FAILURE})
    reader.answers("1.8.0", "2.8.0")
    reader.sources()
    reader.answers("1.8.0", "2.8.0")
    assert reader.sources()[0] == [(3, IMPORT, 3)]


def test_a_scaler_that_did_not_come_is_not_remembered_as_unknown_by_a_later_batch() -> None:
    codes = [f"1-0:{group}.8.0*255" for group in range(1, 60)]
    stored: dict[tuple[int, str, int], Stored] = {(3, code, 2): u32(1) for code in codes}
    stored |= {(3, code, 3): scaler_unit(0, 30) for code in codes}
    stored[ASSOCIATION] = array(*(entry(3, code) for code in codes))
    reader = Reader(stored | {(3, codes[0], 3): DataAccess.TEMPORARY_FAILURE})
    assert len(reader.answers(*codes)) == 2
    reader.meter.objects[(3, codes[0], 3)] = scaler_unit(0, 30)
    assert reader.one(codes[0]).status is RawStatus.TRUE


def test_a_scaler_is_read_again_after_a_day() -> None:
    reader = Reader()
    assert reader.one("1.8.0").scaler == -2
    reader.meter.objects[(3, IMPORT, 3)] = scaler_unit(0, 30)
    reader.now += timedelta(days=1, seconds=-1)
    assert reader.one("1.8.0").scaler == -2
    assert reader.one("2.8.0").scaler == 0  # read just now, and yet no younger than the oldest
    reader.now += timedelta(seconds=1)
    assert reader.one("1.8.0").scaler == 0
    assert [key for keys in reader.sources() for key in keys].count((3, EXPORT, 3)) == 1
    reader.now -= timedelta(days=2)  # the gateway's clock went back
    reader.one("1.8.0")
    assert reader.sources()[0] == [(3, IMPORT, 3)]


def test_a_scaler_that_is_refused_for_good_is_not_asked_for_again() -> None:
    reader = Reader(objects() | {(3, IMPORT, 3): DataAccess.READ_WRITE_DENIED})
    reader.answers("1.8.0")
    reader.sources()
    assert reader.one("1.8.0").status is RawStatus.DISTORTED
    assert reader.sources() == [[(3, IMPORT, 2)]]


def test_all_is_every_value_that_may_be_read_and_no_profile() -> None:
    reader = Reader()
    (answer,) = reader.answers()
    codes = [reading.obis_raw for reading in answer.readings]
    assert codes == [IMPORT, EXPORT, MAXIMUM, DEMAND, "1-0:97.97.0*255", "0-0:96.3.10*255"]
    assert "1 objects may not be read" in answer.detail
    assert "0-0:1.0.0*255: object-undefined" in answer.detail  # the clock is in the view, and is refused
    assert not [key for key in reader.meter.flat if key[0] == 7]


def test_what_is_known_already_is_in_the_first_answer_and_not_asked_for_again() -> None:
    reader = Reader()
    clock = Reading("m", Obis(0, 0, 1, 0), "0-0:1.0.0*255", Kind.REGISTER, NOW, b"", "x")
    (answer,) = reader.answers("0-0:1.0.0", "1.8.0", known=(clock,))
    assert [reading.obis_raw for reading in answer.readings] == ["0-0:1.0.0*255", IMPORT]
    assert not [key for key in reader.meter.flat if key[0] == 8]
    (answer,) = reader.answers("0-0:1.0.0", known=(clock,))
    assert answer.readings == (clock,)


def test_many_registers_come_in_answers_of_their_own() -> None:
    codes = [f"1-0:1.8.{n}*255" for n in range(100)]
    stored: dict[tuple[int, str, int], Stored] = {ASSOCIATION: array(*(entry(1, code) for code in codes))}
    stored |= {(1, code, 2): u32(n) for n, code in enumerate(codes)}
    answers = Reader(stored).answers()
    assert [len(answer.readings) for answer in answers] == [48, 48, 4]
    assert [reading.raw_text for answer in answers for reading in answer.readings] == [str(n) for n in range(100)]


def test_without_a_view_classes_are_tried_and_remembered() -> None:
    stored = objects() | {ASSOCIATION: DataAccess.READ_WRITE_DENIED, (1, "0-0:96.1.0*255", 2): text("4711")}
    reader = Reader(stored)
    (answer,) = reader.answers("1.8.0", "1.6.0", "1.4.0", "0-0:96.1.0", "9.9.9")
    assert [reading.obis_raw for reading in answer.readings] == [IMPORT, MAXIMUM, DEMAND, "0-0:96.1.0*255", ""]
    assert answer.detail == "1-0:9.9.9*255: object-undefined"
    assert reader.sources()[:4] == [
        [ASSOCIATION],
        [(3, IMPORT, 2), (3, MAXIMUM, 2), (3, DEMAND, 2), (1, "0-0:96.1.0*255", 2), (3, "1-0:9.9.9*255", 2)],
        [(4, MAXIMUM, 2), (4, DEMAND, 2), (4, "1-0:9.9.9*255", 2)],
        [(5, DEMAND, 2), (5, "1-0:9.9.9*255", 2)],
    ]
    reader.answers("1.8.0", "0-0:96.1.0")
    assert reader.sources() == [[(3, IMPORT, 2), (1, "0-0:96.1.0*255", 2)]]


def test_a_refusal_that_has_nothing_to_do_with_the_class_ends_the_search() -> None:
    stored = objects() | {ASSOCIATION: DataAccess.READ_WRITE_DENIED, (3, IMPORT, 2): DataAccess.READ_WRITE_DENIED}
    reader = Reader(stored)
    (answer,) = reader.answers("1.8.0")
    assert answer.detail == f"{IMPORT}: read-write-denied"
    assert reader.sources() == [[ASSOCIATION], [(3, IMPORT, 2)]]


def test_all_without_a_view_cannot_be_asked_for() -> None:
    with pytest.raises(MeterDiffers, match=r"read-write-denied.*association_object"):
        Reader(objects() | {ASSOCIATION: DataAccess.READ_WRITE_DENIED}).answers()


def test_a_view_that_is_refused_for_the_moment_is_asked_for_again() -> None:
    reader = Reader(objects() | {ASSOCIATION: DataAccess.TEMPORARY_FAILURE})
    reader.answers("1.8.0")
    reader.sources()
    reader.answers("1.8.0")
    assert reader.sources()[0] == [ASSOCIATION]


def test_a_cache_of_another_version_costs_a_question_and_nothing_else() -> None:
    reader = Reader()
    cache = DeviceCache(reader.memory, reader.owner)
    for key in ("objects", "scales", "classes"):
        asyncio.run(cache.remember(key, b"\xc1 of another version"))
    assert reader.one("1.8.0").raw_text == "12345"


@pytest.mark.parametrize(
    "sent", [u32(1), structure(u32(1)), structure(text("x"), enum(30)), structure(u16(1000), enum(30))]
)
def test_what_is_no_scaler_unit_is_an_unknown_scale(sent: bytes) -> None:
    meter = FakeMeter({(3, IMPORT, 3): sent})
    key = (3, name(IMPORT))
    found = asyncio.run(Scales(DeviceCache(CountingMemory(), "A"), Ticking()).of(meter, [key]))
    assert found == {key: UNKNOWN}


def test_a_scaler_unit_of_null_is_a_plain_number() -> None:
    key = (3, name(IMPORT))
    found = asyncio.run(
        Scales(DeviceCache(CountingMemory(), "A"), Ticking()).of(FakeMeter({(3, IMPORT, 3): b"\x00"}), [key])
    )
    assert found == {key: Scale(0, "")}
    assert obis_of(key[1]) == Obis.parse(IMPORT)
