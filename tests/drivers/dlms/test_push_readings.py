"""Pushed messages to readings: every form in which meters name their values; vectors by hand unless they say more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.push_options import Unit
from drivers.dlms.push_readings import Heard, Source, readings_of
from drivers.dlms.wire.axdr import CutShort
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.push_body import PortList
from drivers.dlms.wire.push_items import items_of
from drivers.dlms.wire.push_message import end_of_apdu, parse_message
from gatewayd.errors import ProtocolError
from gatewayd.model import Flag, Kind, RawStatus, Reading
from tests.drivers.dlms.hdlc_bytes import examples
from tests.drivers.dlms.push_bytes import CZECH_PORT, HEADER, NOW, PLAIN

SENT = NOW - timedelta(seconds=5)


def heard(
    apdu: str | bytes,
    *,
    at: datetime = NOW,
    layout: str = "auto",
    codes: tuple[str, ...] = (),
    units: dict[str, Unit] | None = None,
    title: bytes = b"",
) -> Heard:
    octets = bytes.fromhex(apdu) if isinstance(apdu, str) else apdu
    source = Source("em-1", at, ClockRules(ZoneInfo("Europe/Prague")), title, layout, codes, units or {})
    return readings_of(parse_message(octets), source)


def short(readings: tuple[Reading, ...]) -> list[tuple[str, str, int, str]]:
    return [(reading.code, reading.raw_text, reading.scaler, reading.unit) for reading in readings]


SUMMER = datetime(2026, 7, 1, 12, 0, 20, tzinfo=UTC)
PUSHED = "0202 0906 0100010800FF 0600001092"
"""1-0:1.8.0 = 4242."""


@pytest.mark.parametrize(
    ("clock", "at", "told"),
    [
        ("07EA0701030D000FFF8000FF", SUMMER, True),  # 13:00:15, standard time, and nothing that says so (Aidon)
        ("07EA0701030D000FFF800000", SUMMER, True),  # the bit says winter
        ("07EA0701030D000FFFFFC400", SUMMER - timedelta(seconds=5), False),  # UTC+1, as it says
        ("07EA0701030E000FFF8000FF", SUMMER - timedelta(seconds=5), False),  # 14:00:15, legal time
        ("07EA0701030E000FFF800080", SUMMER - timedelta(seconds=5), False),
        ("07EA0701030A000FFF8000FF", SUMMER - timedelta(hours=4, seconds=5), False),  # kept back for four hours
    ],
)
def test_a_clock_that_shows_standard_time_all_year(clock: str, at: datetime, told: bool) -> None:
    """What neither deviation nor bit said was an hour wrong all summer, with status true and without a word."""
    said = heard(f"0F 00000001 0C{clock} {PUSHED}", at=SUMMER)
    assert [reading.at for reading in said.readings] == [at]
    assert bool(said.complaints) is told


IN_FULL = {
    "attribute": ("0204 120003 0906 0100010800FF 0F02 0600001092", "4242", 0, ""),
    "with scaler_unit": ("0205 120003 0906 0100010800FF 0F02 0600001092 0202 0F01 161E", "4242", 1, "Wh"),
    "with scaler_unit, long-unsigned": ("0205 120003 0906 0100010800FF 0F02 121092 0202 0F01 161E", "4242", 1, "Wh"),
    "with data index": ("0205 120003 0906 0100010800FF 0F02 120000 0600001092", "4242", 0, ""),
    "long-unsigned with data index": ("0205 120003 0906 0100010800FF 0F02 120000 121092", "4242", 0, ""),
}


@pytest.mark.parametrize("form", IN_FULL)
@pytest.mark.parametrize("around", ["{}", "0101 {}", "0201 {}", "0202 0A0141 {}"])
def test_the_attribute_behind_a_code_is_not_its_value(form: str, around: str) -> None:
    """Class, code, attribute and value: the number of the attribute was taken for the value, with status true."""
    entry, text, scaler, unit = IN_FULL[form]
    readings = heard("0F 00000001 00" + around.format(entry)).readings
    assert short(readings)[-1] == ("1-0:1.8.0*255", text, scaler, unit)
    assert len(readings) == (2 if around.startswith("0202") else 1)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("0204 120003 0906 0100010800FF 0F03 0202 0F01 161E", "3/1-0:1.8.0*255/3"),
        ("0204 120003 0906 0100010800FF 0FFF 0600001092", "3/1-0:1.8.0*255/1 in part"),
        ("0205 120003 0906 0100010800FF 0F02 120001 0600001092", "3/1-0:1.8.0*255/2 in part"),
    ],
)
def test_another_attribute_in_full_is_not_the_value(entry: str, name: str) -> None:
    (reading,) = heard(f"0F 00000001 00 0101 {entry}").readings
    assert (reading.obis, reading.obis_raw) == (None, name)


def test_a_number_of_one_octet_with_its_scaler_unit_is_no_attribute() -> None:
    """Class, code, value and scaler_unit, where the value is an integer as an attribute would be."""
    found = short(heard("0F 00000001 00 0101 0204 120003 0906 0100200700FF 0F17 0202 0F00 1623").readings)
    assert found[-1] == ("1-0:32.7.0*255", "23", 0, "V")


IDIS = f"{HEADER} 0205 0910 49534B31303330303030303030303030 0906 0004190900FF 090C07EA0B1A04101E0FFF800000 1107 1108"
"""Device name and the name of the Push setup, then what is configured (IDIS, push object list): values by position."""


def test_the_name_of_a_push_setup_names_no_value() -> None:
    """It was taken for the name of the clock behind it, and no list of codes could be given."""
    codes = ("0-0:42.0.0", "", "0-0:1.0.0", "1-0:1.8.0", "1-0:2.8.0")
    said = heard(IDIS, codes=codes)
    assert said.complaints == ()
    assert said.serials == ("ISK1030000000000",)
    assert [(code, text) for code, text, *_ in short(said.readings)][2:] == [
        ("1-0:1.8.0*255", "7"),
        ("1-0:2.8.0*255", "8"),
    ]
    assert {reading.at for reading in said.readings if reading.value is not None} == {SENT}
    assert [reading.obis for reading in heard(IDIS).readings] == [None] * 5


def test_codes_and_values_in_turn() -> None:
    first, second = heard(PLAIN).readings
    assert first == Reading(
        meter="em-1",
        obis=first.obis,
        obis_raw="1-0:1.8.0*255",
        kind=Kind.REGISTER,
        at=SENT,
        raw=bytes.fromhex("0600001092"),
        raw_text="4242",
        meter_time="2026-11-26T16:30:15",
    )
    assert (second.code, second.value) == ("1-0:2.8.0*255", Decimal(7))


def test_codes_values_and_units_in_turn() -> None:
    """The list of Kaifa MA309 in Austria: code, value, scaler and unit, all in one structure."""
    found = heard(
        f"{HEADER} 0207 0906 0000600100FF 0905 3132333435"
        "0906 0100200700FF 12 0903 0202 0FFF 1623 0906 0100010800FF 0600001092"
    )
    assert short(found.readings) == [
        ("0-0:96.1.0*255", "12345", 0, ""),
        ("1-0:32.7.0*255", "2307", -1, "V"),
        ("1-0:1.8.0*255", "4242", 0, ""),
    ]
    assert found.readings[1].value == Decimal("230.7")
    assert found.serials == ("12345",)


def test_entries_of_the_nordic_list() -> None:
    """Aidon: an array of structures; the identifier of the list has a code of its own."""
    found = heard(
        f"{HEADER} 0103 0202 0906 0101000281FF 0A0B 4149444F4E5F5630303031"
        "0203 0906 0100010700FF 06 00000462 0202 0F00 161B"
        "0203 0906 0100010800FF 06 00995986 0202 0F01 161E"
    )
    assert short(found.readings) == [
        ("1-1:0.2.129*255", "AIDON_V0001", 0, ""),
        ("1-0:1.7.0*255", "1122", 0, "W"),
        ("1-0:1.8.0*255", "10049926", 1, "Wh"),
    ]


def test_a_list_without_codes() -> None:
    """Kaifa, list 2 of one phase; order and units as the Norwegian list information gives them."""
    apdu = (
        f"{HEADER} 0209 0907 4B464D5F303031 0910 {'31' * 16} 0908 4D41313035483245"
        "0600000421 0600000000 0600000000 0600000064 0600000FA0 0600000903"
    )
    found = heard(apdu)
    assert found.version == "KFM_001"
    assert short(found.readings)[3:] == [
        ("1-0:1.7.0*255", "1057", 0, "W"),
        ("1-0:2.7.0*255", "0", 0, "W"),
        ("1-0:3.7.0*255", "0", 0, "var"),
        ("1-0:4.7.0*255", "100", 0, "var"),
        ("1-0:31.7.0*255", "4000", -3, "A"),
        ("1-0:32.7.0*255", "2307", -1, "V"),
    ]
    assert [reading.raw_text for reading in found.readings[:3]] == ["KFM_001", "1" * 16, "MA105H2E"]
    assert found.readings[3].obis_raw == "#4"
    assert not found.complaints


def test_a_list_of_one_is_understood_by_name_only() -> None:
    apdu = f"{HEADER} 0201 0600000421"
    (unnamed,) = heard(apdu).readings
    assert (unnamed.obis, unnamed.code, unnamed.unit) == (None, "#1", "")
    assert "push: codes" in heard(apdu).complaints[0]
    assert short(heard(apdu, layout="kaifa-nordic").readings) == [("1-0:1.7.0*255", "1057", 0, "W")]
    (named,) = short(heard(apdu, codes=("1-0:1.7.0",), units={"1.7.0": ("W", 0)}).readings)
    assert named == ("1-0:1.7.0*255", "1057", 0, "W")


def test_a_list_of_another_length_names_nothing() -> None:
    apdu = f"{HEADER} 0203 0907 4B464D5F303031 0600000421 0600000421"
    found = heard(apdu)
    assert [reading.code for reading in found.readings] == ["#1", "#2", "#3"]
    assert found.complaints == (
        "sends 3 values without codes, and no layout names them: give their codes as push: codes",
    )
    assert "push: codes names 1 of them" in heard(apdu, codes=("1.8.0",)).complaints[0]


def test_an_element_that_is_passed_over() -> None:
    found = heard(f"{HEADER} 0203 1105 0600000421 1107", codes=("", "1-0:1.8.0", ""))
    assert [reading.code for reading in found.readings] == ["1-0:1.8.0*255"]


def test_what_the_message_says_goes_before_the_options_and_these_before_the_layout() -> None:
    kamstrup = (
        f"{HEADER} 0205 0A0E 4B616D73747275705F5630303031 0906 0101010800FF 0600000001 0906 01011F0700FF 06000000E4"
    )
    assert short(heard(kamstrup).readings)[1:] == [
        ("1-1:1.8.0*255", "1", 1, "Wh"),
        ("1-1:31.7.0*255", "228", -2, "A"),
    ]
    assert short(heard(kamstrup, units={"1-1:1.8.0": ("kWh", -2)}).readings)[1] == ("1-1:1.8.0*255", "1", -2, "kWh")
    itself = f"{HEADER} 0203 0906 0101010800FF 0600000001 0202 0F00 161E"
    assert short(heard(itself, units={"1-1:1.8.0": ("kWh", -2)}).readings) == [("1-1:1.8.0*255", "1", 0, "Wh")]


def test_texts_have_no_unit() -> None:
    found = heard(f"{HEADER} 0202 0906 0100010800FF 0A02 3132", units={"1-0:1.8.0": ("Wh", 3)})
    assert short(found.readings) == [("1-0:1.8.0*255", "12", 0, "")]


# -- described lists --------------------------------------------------------------------------------------------------

SETUP = "0204 12 0028 0906 0000190900FF 0F02 12 0000"


def definition(class_id: int, code: str, attribute: int = 2, index: int = 0) -> str:
    return f"0204 12 {class_id:04X} 0906 {code} 0F {attribute & 0xFF:02X} 12 {index:04X}"


def test_values_behind_their_description() -> None:
    """Push setup, class 40: its push object list is the first object and the others follow in its order."""
    objects = definition(3, "0100010800FF") + definition(3, "0100010800FF", 3) + definition(1, "0000600100FF")
    found = heard(f"{HEADER} 0204 0104 {SETUP} {objects} 0600001092 0202 0F02 161E 0903 414243")
    assert short(found.readings) == [("1-0:1.8.0*255", "4242", 2, "Wh"), ("0-0:96.1.0*255", "ABC", 0, "")]


@pytest.mark.parametrize("nested", [False, True])
def test_a_description_that_does_not_name_itself(nested: bool) -> None:
    objects = definition(3, "0100010800FF") + definition(3, "0100020800FF")
    values = "0600001092 0600000007"
    apdu = f"{HEADER} 0202 0102 {objects} 0202 {values}" if nested else f"{HEADER} 0203 0102 {objects} {values}"
    assert [reading.value for reading in heard(apdu).readings] == [4242, 7]


def test_other_attributes_are_never_taken_for_the_value() -> None:
    objects = definition(4, "0100010600FF", 5) + definition(4, "0100010600FF", 2, 1) + definition(5, "0100010400FF", 0)
    found = heard(f"{HEADER} 0204 0103 {objects} 090C07EA0B1A04101E00FF800000 1205DC 1107")
    assert [reading.obis for reading in found.readings] == [None, None, None]
    assert [reading.obis_raw for reading in found.readings] == [
        "4/1-0:1.6.0*255/5",
        "4/1-0:1.6.0*255/2 in part",
        "5/1-0:1.4.0*255/0",
    ]


def test_a_scaler_without_its_value_is_a_value() -> None:
    found = heard(f"{HEADER} 0202 0101 {definition(3, '0100010800FF', 3)} 0202 0F02 161E")
    assert [reading.code for reading in found.readings] == ["3/1-0:1.8.0*255/3"]


def test_a_description_that_does_not_fit() -> None:
    with pytest.raises(ProtocolError, match="2 objects are described and 1 values sent"):
        heard(f"{HEADER} 0202 0102 {definition(3, '0100010800FF') * 2} 0600001092")


# -- the Czech customer port ------------------------------------------------------------------------------------------


def test_the_customer_port() -> None:
    message = parse_message(CZECH_PORT)
    assert isinstance(message.body, PortList) and message.body.number == 1
    found = heard(CZECH_PORT)
    assert short(found.readings) == [
        ("1-0:1.8.0*255", "4242", 0, ""),
        ("1-0:1.7.0*255", "750", 0, ""),
        ("0-0:96.1.0*255", "12345678", 0, ""),
        ("0-0:96.3.0*255", "true", 0, ""),
    ]
    assert {reading.at for reading in found.readings} == {NOW}
    assert {reading.meter_time for reading in found.readings} == {""}
    assert found.serials == ("12345678",)
    assert found.readings[0].raw == bytes.fromhex("0600001092")
    with_units = heard(CZECH_PORT, units={"1-0:1.8.0": ("Wh", 0), "1.7.0": ("W", -1)})
    assert short(with_units.readings)[:2] == [("1-0:1.8.0*255", "4242", 0, "Wh"), ("1-0:1.7.0*255", "750", -1, "W")]


def test_the_customer_port_cut_short_or_too_long() -> None:
    for size in range(len(CZECH_PORT)):
        with pytest.raises(ProtocolError):
            parse_message(CZECH_PORT[:size])
        if size > 22:  # before that it may still become something else
            with pytest.raises(CutShort):
                parse_message(CZECH_PORT[:size])
    with pytest.raises(ProtocolError, match="1 octets behind"):
        parse_message(CZECH_PORT + b"\x00")
    with pytest.raises(ProtocolError, match="an element of a customer port's list is none"):
        parse_message(CZECH_PORT.replace(bytes.fromhex("0202 0001"), bytes.fromhex("0203 0001")))


def test_a_list_in_a_xdr_that_looks_alike_is_none() -> None:
    tagged = f"{HEADER} 0202 1601 0101 0202 0906 0100010800FF 0600000010"
    assert short(heard(tagged).readings) == [("#1", "1", 0, ""), ("1-0:1.8.0*255", "16", 0, "")]
    flags = f"{HEADER} 0202 1601 0102 0202 00 0301 0202 00 0300"
    assert short(heard(flags).readings) == [("#1", "1", 0, ""), ("#2", "[{null, true}, {null, false}]", 0, "")]


# -- events -----------------------------------------------------------------------------------------------------------


def test_an_event_notification() -> None:
    """EventNotificationRequest of Green Book 9.5; the time in it is that of the reading."""
    (reading,) = heard("C2 01 0C 07EA0B1A04101E0FFF800000 0003 0100010800FF 02 0600001388").readings
    assert (reading.code, reading.value, reading.at) == ("1-0:1.8.0*255", Decimal(5000), SENT)


# -- times ------------------------------------------------------------------------------------------------------------

VALUE = "0906 0100010800FF 0600001092"


def timed(header: str, clock: str = "") -> str:
    inside = f"0204 0906 0000010000FF 090C {clock} {VALUE}" if clock else f"0202 {VALUE}"
    return f"0F 00000001 {header} {inside}"


def test_the_time_of_the_header_goes_before_the_clock_in_the_body() -> None:
    clock, register = heard(timed("0C 07EA0B1A04101E0FFF800000", "07EA0B1A04101E10FF800000")).readings
    assert (register.at, register.meter_time) == (SENT, "2026-11-26T16:30:15")
    assert (clock.raw_text, clock.more) == ("2026-11-26T16:30:16", ("-4.0",))
    assert clock.raw == bytes.fromhex("07EA0B1A04101E10FF800000")


def test_the_clock_in_the_body() -> None:
    _, register = heard(timed("00", "07EA0B1A04101E10FFFFC400")).readings
    assert (register.at, register.meter_time) == (SENT + timedelta(seconds=1), "2026-11-26T16:30:16+01:00")


def test_no_time_at_all() -> None:
    for header in ("00", "0C FFFFFFFFFFFFFFFFFF8000FF"):
        found = heard(timed(header))
        assert (found.readings[0].at, found.complaints) == (NOW, ())


@pytest.mark.parametrize(
    "time",
    [
        "07EA0D1A04101E0FFF800000",  # month 13
        "07EAFF1A04101E0FFF800000",  # every month
        "07EA0B1A04101E0FFF800001",  # invalid value
        "07EA0B1A04101E0FFFFFC480",  # the bit of summer and the deviation of winter
    ],
)
def test_a_clock_that_is_not_to_be_trusted_places_nothing(time: str) -> None:
    found = heard(timed(f"0C {time}"))
    assert (found.readings[0].at, found.readings[0].status) == (NOW, RawStatus.TRUE)
    assert found.readings[0].meter_time
    assert "time of reception" in found.complaints[0]


def test_a_doubtful_clock_is_itself_distorted() -> None:
    clock, register = heard(timed("00", "07EA0B1A04101E0FFF800002")).readings
    assert (clock.status, clock.flags) == (RawStatus.DISTORTED, Flag.CLOCK_INVALID)
    assert (register.status, register.at) == (RawStatus.TRUE, NOW)


@pytest.mark.parametrize("hour", [0, 1])
def test_of_the_repeated_hour_the_instant_that_is_nearer(hour: int) -> None:
    received = datetime(2026, 10, 25, hour, 30, 20, tzinfo=UTC)
    (reading,) = heard(timed("0C 07EA0A1907021E0FFF8000FF"), at=received).readings
    assert reading.at == received - timedelta(seconds=5)


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "status"),
    [
        ("00", "", RawStatus.MISSING),
        ("FF", "", RawStatus.MISSING),
        ("0900", "", RawStatus.MISSING),
        ("17 43660000", "230", RawStatus.TRUE),
        ("17 7FC00000", "not a number", RawStatus.DISTORTED),
        ("14 FFFFFFFFFFFFFFFF", "-1", RawStatus.TRUE),
        ("0906 313233343536", "123456", RawStatus.TRUE),
        ("0202 1101 1102", "{1, 2}", RawStatus.TRUE),
    ],
)
def test_values(value: str, text: str, status: RawStatus) -> None:
    (reading,) = heard(f"{HEADER} 0202 0906 0100010800FF {value}").readings
    assert (reading.raw_text, reading.status, reading.raw) == (text, status, bytes.fromhex(value))


def test_alarm_registers_are_bits() -> None:
    (reading,) = heard(f"{HEADER} 0202 0906 0000616200FF 0600000410", units={"0-0:97.98.0": ("Wh", 1)}).readings
    assert (reading.raw_text, reading.value) == ("0x00000410", None)


def test_six_characters_of_text_are_no_code() -> None:
    found = heard(f"{HEADER} 0202 0906 414243444546 1105")
    assert [reading.code for reading in found.readings] == ["#1", "#2"]


def test_an_empty_message_has_no_readings() -> None:
    assert heard(f"{HEADER} 0200").readings == ()


@pytest.mark.parametrize("apdu", ["C4 01 81 00 1105", "DB 00 06 20 00000007 55", "", "0F 00"])
def test_what_is_no_plain_notification(apdu: str) -> None:
    with pytest.raises(ProtocolError):
        parse_message(bytes.fromhex(apdu))


# -- anything ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.sampled_from(["auto", "kaifa-nordic", "landis-gyr-e450"]))
@examples(300)
def test_any_body(body: bytes, layout: str) -> None:
    for apdu in (bytes.fromhex("0F 00000001 00") + body, b"\xc2" + body, body):
        try:
            found = heard(apdu, layout=layout)
        except ProtocolError:
            continue
        assert all(reading.obis_raw and reading.raw in apdu for reading in found.readings)


@given(st.sampled_from([PLAIN, CZECH_PORT]), st.data())
@examples(300)
def test_bit_flips(apdu: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(apdu) * 8 - 1))
    flipped = bytearray(apdu)
    flipped[at // 8] ^= 1 << at % 8
    try:
        message = parse_message(bytes(flipped))
        items_of(message.body)
    except ProtocolError:
        return
    assert message != parse_message(apdu) or at < 40  # the number of the message says nothing


@given(st.binary(max_size=60))
@examples(300)
def test_the_end_of_any_bytes(data: bytes) -> None:
    try:
        end = end_of_apdu(data)
    except ProtocolError:
        return
    assert 0 < end <= len(data)
