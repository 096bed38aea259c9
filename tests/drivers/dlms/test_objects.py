"""The view of an association: the object list taken apart, what may be done in words, and what is remembered of it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.caches import DeviceCache
from drivers.dlms.meanings import meaning
from drivers.dlms.objects import Entry, View, parse_view, view_of
from drivers.dlms.registers import Surroundings
from drivers.dlms.scan import scan
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.driver import Forgetful
from gatewayd.errors import MeterDiffers, ProtocolError
from gatewayd.model import MeterObject
from gatewayd.obis import Obis
from tests.drivers.dlms.asked_meter import (
    PRAGUE,
    FakeMeter,
    Ticking,
    array,
    boolean,
    entry,
    enum,
    i8,
    name,
    octets,
    scaler_unit,
    structure,
    u8,
    u16,
    u32,
    value,
)

CURRENT = name("0-0:40.0.0")
LIST = (15, "0-0:40.0.0*255", 2)
# Put together by hand from the structure of object_list_element (IEC 62056-6-2, Association LN, attribute 2).
REGISTER = bytes.fromhex(
    "01 01"  # one element
    "02 04 12 0003 11 00 09 06 0100010800FF"  # class 3, version 0, 1-0:1.8.0*255
    "02 02"
    "01 03"  # three attributes
    "02 03 0F 01 16 01 00"
    "02 03 0F 02 16 04 00"
    "02 03 0F 03 16 01 01 01 0F 01"  # with a list of selectors
    "01 01"  # one method
    "02 02 0F 01 16 02"
)


def test_an_element_taken_apart() -> None:
    view = parse_view(value(REGISTER), CURRENT)
    assert view == View((Entry(3, 0, name("1-0:1.8.0"), ((1, 1), (2, 4), (3, 1)), ((1, 2),)),))
    (found,) = view.entries
    assert found.obis == Obis(1, 0, 1, 8)


@pytest.mark.parametrize(
    ("version", "mode", "words", "readable"),
    [
        (0, 0, "no access", False),
        (1, 1, "read", True),
        (2, 2, "write", False),
        (2, 3, "read, write", True),
        (1, 4, "read (authenticated)", True),
        (1, 5, "write (authenticated)", False),
        (1, 6, "read, write (authenticated)", True),
        (1, 9, "mode 9", False),
        (1, -1, "mode -1", False),
        (3, 0, "no access", False),
        (3, 0b11, "read, write", True),
        (3, 0b1101, "read (authenticated request, encrypted request)", True),
        (3, 0b10_0010, "write (authenticated response)", False),
        (3, 0b1001_0001, "read (signed request, signed response)", True),
    ],
)
def test_modes_of_attributes_in_words(version: int, mode: int, words: str, readable: bool) -> None:
    view = View(version=version)
    assert view.attribute_words(mode) == words
    assert view.readable(Entry(3, 0, name("1.8.0"), ((2, mode),)), 2) is readable


def test_an_attribute_of_which_the_list_says_nothing_is_worth_asking_for() -> None:
    assert View().readable(Entry(3, 0, name("1.8.0"), ((3, 0),)), 2)


@pytest.mark.parametrize(
    ("version", "mode", "words"),
    [(0, 1, "access"), (1, 2, "access (authenticated)"), (1, 7, "mode 7"), (3, 5, "access (authenticated request)")],
)
def test_modes_of_methods_in_words(version: int, mode: int, words: str) -> None:
    assert View(version=version).method_words(mode) == words


def test_a_method_of_version_0_has_a_boolean() -> None:
    methods = array(structure(i8(1), boolean(True)), structure(i8(2), boolean(False)))
    (found,) = parse_view(value(array(entry(3, "1.8.0", methods=methods))), CURRENT).entries
    assert found.methods == ((1, 1), (2, 0))


@pytest.mark.parametrize(
    ("entries", "version"),
    [
        ([entry(15, "0-0:40.0.2", version=2), entry(15, "0-0:40.0.0", version=1)], 1),
        ([entry(15, "0-0:40.0.3", version=3)], 3),
        ([entry(3, "1.8.0", version=3)], 0),
    ],
)
def test_the_version_is_that_of_the_association_object(entries: list[bytes], version: int) -> None:
    assert parse_view(value(array(*entries)), CURRENT).version == version


@pytest.mark.parametrize(
    "odd",
    [
        u32(7),
        structure(u16(3), u8(0)),
        structure(u16(3), u8(0), octets(b"short")),
        structure(octets(b"3"), u8(0), octets(name("1.8.0"))),
    ],
)
def test_what_is_no_element_is_passed_over_and_counted(odd: bytes) -> None:
    view = parse_view(value(array(odd, entry(3, "1.8.0"))), CURRENT)
    assert (len(view.entries), view.skipped, view.refused) == (1, 1, "")


def test_an_element_without_rights_is_one_all_the_same() -> None:
    (found,) = parse_view(value(array(structure(u16(3), u8(0), octets(name("1.8.0"))))), CURRENT).entries
    assert (found.attributes, found.methods) == ((), ())


def test_what_is_no_list_is_no_view() -> None:
    assert parse_view(value(u32(1)), CURRENT).refused


@given(st.binary(max_size=80))
def test_any_value_gives_a_view(sent: bytes) -> None:
    try:
        found, _ = decode(b"\x01\x02" + sent)
    except ProtocolError:
        return
    view = parse_view(found, CURRENT)
    assert len(view.entries) + view.skipped == 2
    assert all(isinstance(one.obis, Obis) for one in view.entries)


def test_a_view_is_asked_for_once_and_remembered_whole() -> None:
    meter, cache = FakeMeter({LIST: REGISTER}), DeviceCache(Forgetful(), "A")
    first = asyncio.run(view_of(meter, cache, CURRENT))
    assert asyncio.run(view_of(meter, cache, CURRENT)) == first
    assert meter.asked == [(LIST,)]
    asyncio.run(view_of(meter, cache, CURRENT, afresh=True))
    assert len(meter.asked) == 2


def test_another_association_object_is_asked_where_one_is_configured() -> None:
    meter = FakeMeter()
    view = asyncio.run(view_of(meter, DeviceCache(Forgetful(), "A"), name("0-0:40.0.3")))
    assert meter.flat == [(15, "0-0:40.0.3*255", 2)]
    assert view.refused == "object-undefined"


def surroundings(memory: Forgetful) -> Surroundings:
    return Surroundings("m", PRAGUE, Ticking(), DeviceCache(memory, "A"), CURRENT)


def test_a_scan_gives_objects_with_rights_units_and_scalers() -> None:
    methods = array(structure(i8(1), enum(1)))
    registers = [
        entry(3, "1-0:1.8.0", [(1, 1), (2, 1), (3, 1)], methods=methods),
        entry(3, "1-0:2.8.0", [(2, 1), (3, 0)]),
        entry(5, "1-0:1.4.0"),
        entry(7, "1-0:99.1.0", [(2, 1)], version=1),
    ]
    meter = FakeMeter(
        {
            LIST: array(u32(1), *registers),
            (3, "1-0:1.8.0*255", 3): scaler_unit(-1, 30),
            (5, "1-0:1.4.0*255", 4): scaler_unit(3, 27),
        }
    )
    objects, detail = asyncio.run(scan(meter, surroundings(Forgetful())))
    read = ((1, "read"), (2, "read"), (3, "read"))
    total, export = "active energy import, total", "active energy export, total"
    assert objects == (
        MeterObject(3, 0, Obis(1, 0, 1, 8), total, read, ((1, "access"),), unit="Wh", scaler=-1),
        MeterObject(3, 0, Obis(1, 0, 2, 8), export, ((2, "read"), (3, "no access"))),
        MeterObject(5, 0, Obis(1, 0, 1, 4), "active power import, present average", unit="W", scaler=3),
        MeterObject(7, 1, Obis(1, 0, 99, 1), "load profile 1", ((2, "read"),)),
    )
    assert detail == "1 entries of the list of objects are none"
    assert meter.asked == [(LIST,), ((3, "1-0:1.8.0*255", 3), (5, "1-0:1.4.0*255", 4))]


def test_a_scan_renews_what_is_remembered() -> None:
    memory = Forgetful()
    meter = FakeMeter({LIST: array(entry(1, "0-0:96.1.0"))})
    asyncio.run(scan(meter, surroundings(memory)))
    meter.objects[LIST] = array(entry(1, "0-0:96.1.1"))
    asyncio.run(scan(meter, surroundings(memory)))
    view = asyncio.run(view_of(FakeMeter(), DeviceCache(memory, "A"), CURRENT))
    assert [one.obis for one in view.entries] == [Obis(0, 0, 96, 1, 1)]


def test_a_scan_that_is_refused_says_what_decides_over_it() -> None:
    with pytest.raises(MeterDiffers, match=r"scope-of-access-violated.*client, authentication"):
        asyncio.run(scan(FakeMeter({LIST: DataAccess.SCOPE_OF_ACCESS_VIOLATED}), surroundings(Forgetful())))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1-0:1.8.0", "active energy import, total"),
        ("1-0:2.8.2", "active energy export, tariff 2"),
        ("1-0:5.8.0", "reactive energy QI, total"),
        ("1-0:1.6.0", "active power import, maximum"),
        ("1-0:1.6.1*101", "active power import, maximum, tariff 1, last billing period"),
        ("1-0:1.8.0*5", "active energy import, total, billing period 5"),
        ("1-0:32.7.0", "voltage L1, instantaneous"),
        ("1-0:51.7.0", "current L2, instantaneous"),
        ("1-0:61.7.0", "active power import L3, instantaneous"),
        ("1-0:32.7.5", ""),
        ("1-0:1.29.0", "active energy import, per interval"),
        ("1-0:14.7.0", "frequency, instantaneous"),
        ("1-0:99.1.0", "load profile 1"),
        ("1-0:99.2.0", "load profile of days"),
        ("0-0:1.0.0", "clock"),
        ("0-0:42.0.0", "logical device name"),
        ("0-0:96.1.0", "serial number"),
        ("0-0:96.1.1", "identification number"),
        ("0-0:99.98.7", "event log"),
        ("0-2:24.2.1", "M-Bus channel 2"),
        ("7-0:3.0.0", "gas"),
        ("1-0:200.8.0", ""),
        ("15-0:1.0.0", ""),
    ],
)
def test_meanings_of_codes(code: str, words: str) -> None:
    assert meaning(Obis.parse(code)) == words


@given(st.tuples(*[st.integers(0, 255)] * 6))
def test_every_code_has_a_meaning_or_none(groups: tuple[int, int, int, int, int, int]) -> None:
    assert "{}" not in meaning(Obis(*groups))
