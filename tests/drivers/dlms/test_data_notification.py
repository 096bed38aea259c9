"""Pushed APDUs: captures of real meters value by value, vectors by hand, the header of ciphered ones.

The captures lie beside the repository, each with what a foreign decoder read in it (esphome-libs/dlms_parser).
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dlms.wire.axdr import CutShort, Tag, Value, decode
from drivers.dlms.wire.cosem_time import ClockRules
from drivers.dlms.wire.data_notification import (
    Ciphered,
    Ciphering,
    DataNotification,
    EventNotification,
    Protection,
    parse_header,
    parse_notification,
)
from gatewayd.errors import ProtocolError

RUNS = settings(max_examples=6000 if os.environ.get("GATEWAYD_TEST_FULL") else 300, deadline=None)
ROOT = Path(__file__).resolve().parents[3]
CAPTURES = ROOT.parent / "shared" / "captures" / "dlms-push"
NAMES = {
    "raw_energomera": 1 + 1 + 7 * (1 + 5 + 2 + 1) + 1 + 2 + 2 + 3,
    "raw_salzburg_netz": 1 + 2 + 2 * 3 + 12 * 6,
    "hdlc_norway_han_3phase": 1 + 3 + 26 * 6,
    "hdlc_kamstrup_omnipower": 1 + 65,
    "hdlc_landis_gyr_e450": 1 + 33,
}
"""Captures, and how many values there are with all structures and arrays: counted by hand in the decoded logs."""
with_captures = [
    pytest.mark.capture,
    pytest.mark.skipif(not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository"),
]
capture = pytest.mark.parametrize("name", [pytest.param(name, marks=with_captures) for name in NAMES])

TAGGED = bytes.fromhex("0F40000000 090C07EA0B1A04101E00FF800000 0201 0600001092")
"""By hand: a notification whose date-time has the tag of an octet-string, as some meters write it."""
EVENT = bytes.fromhex("C2 01 0C 07EA07110500000000FF8880 0003 0100010800FF 02 0600001388")
"""By hand: EventNotificationRequest of Green Book 9.5, attribute 2 of a register."""
GENERAL_GLO = bytes.fromhex("DB 08 4D4D4D0000BC614E 14 30 01234567" + "AB" * 3 + "C1" * 12)
GLO_EVENT = bytes.fromhex("CA 14 30 01234567" + "AB" * 3 + "C1" * 12)
CZECH_PORT = bytes.fromhex("0F 00000001 00 0202 1601 0101 0202 00030100010800FF02 0600000010")
"""By hand, from the description of the customer port: the attribute descriptor in the body has no tag."""


def decoded_log(name: str) -> str:
    return (CAPTURES / f"{name}_decoded.log").read_text(encoding="utf-8", errors="replace")


def apdu(name: str) -> bytes:
    """The plain APDU of a capture: of ciphered ones what the foreign decoder decrypted."""
    text = (CAPTURES / f"{name}.log").read_text(encoding="utf-8").removesuffix("',")
    if name.startswith("raw_"):
        return bytes.fromhex(text)
    if name == "hdlc_norway_han_3phase":
        return bytes.fromhex(text)[12:-3]  # flag, format, addresses of 1 and 2 octets, control, HCS, LLC; FCS, flag
    decrypted = re.search(r"^Decrypted: (\d+) bytes\n((?: .*\n)+)", decoded_log(name), re.MULTILINE)
    assert decrypted is not None
    plain = bytes.fromhex(decrypted[2])
    assert len(plain) == int(decrypted[1])
    return plain


_NUMBER = re.compile(r"(UINT32|UINT16|INT16|INT8|ENUM) = (-?\d+)")
_TAGS = {
    "UINT32": Tag.DOUBLE_LONG_UNSIGNED,
    "UINT16": Tag.LONG_UNSIGNED,
    "INT16": Tag.LONG,
    "INT8": Tag.INTEGER,
    "ENUM": Tag.ENUM,
    "ARRAY": Tag.ARRAY,
    "STRUCTURE": Tag.STRUCTURE,
    "OCTET_STRING": Tag.OCTET_STRING,
    "VISIBLE_STRING": Tag.VISIBLE_STRING,
}


def expected(name: str) -> list[tuple[Tag, object]]:
    """What the foreign decoder read, one line after the other: tag, and number, octets or number of elements."""
    found: list[tuple[Tag, object]] = []
    waiting: Tag | None = None
    for line in decoded_log(name).split("=== AXDR payload")[1].splitlines()[1:]:
        octets, arrow, says = (part.strip() for part in line.partition("<--"))
        number = _NUMBER.match(says)
        if number is not None:
            found.append((_TAGS[number[1]], int(number[2])))
        elif says.startswith("OBIS "):
            logical_name = bytes(int(part) for part in says.split()[1].rstrip(",").split("."))
            found.append((Tag.OCTET_STRING, logical_name))
        elif says == "NULL":
            found.append((Tag.NULL, None))
        elif says in _TAGS:
            waiting = _TAGS[says]
        elif says.endswith(" elements"):
            assert waiting is not None
            found.append((waiting, int(says.split()[0])))
        elif not arrow and re.fullmatch(r"[0-9A-F]{2}( [0-9A-F]{2})*", octets):
            assert waiting is not None
            found.append((waiting, bytes.fromhex(octets)))
    return found


def flat(value: Value) -> list[tuple[Tag, object]]:
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        inside = [each for child in value.children for each in flat(child)]
        return [(value.tag, len(value.children)), *inside]
    content = value.content
    return [(value.tag, content.encode("ascii") if isinstance(content, str) else content)]


@capture
def test_every_value_of_a_capture(name: str) -> None:
    notification = parse_notification(apdu(name))
    assert isinstance(notification, DataNotification)
    wanted = expected(name)
    assert flat(notification.body) == wanted
    assert len(wanted) == NAMES[name]
    assert notification.raw.endswith(notification.body.raw)


@capture
def test_the_header_of_a_capture(name: str) -> None:
    header, at = parse_header(apdu(name))
    head = decoded_log(name).split("=== APDU: DATA-NOTIFICATION ===")[1]
    invoke = re.search(r"^((?:[0-9A-F]{2} ){4}) +<-- Long-Invoke-ID", head, re.MULTILINE)
    assert invoke is not None
    assert header.long_invoke_id == int.from_bytes(bytes.fromhex(invoke[1]))
    shown = re.search(r"<-- DateTime: 12 raw bytes\n +([0-9A-F ]+)\n += (\S+ \d\d:\d\d:\d\d)", head)
    if shown is None:
        assert header.date_time is None
        assert at == 6
        return
    time = header.date_time
    assert time is not None
    assert at == 18
    assert time.raw == bytes.fromhex(shown[1])
    fields = (time.year, time.month, time.day, time.hour, time.minute, time.second)
    assert "{}-{:02}-{:02} {:02}:{:02}:{:02}".format(*fields) == shown[2]


@pytest.mark.capture
@pytest.mark.skipif(not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository")
def test_the_security_header_of_a_capture() -> None:
    """hdlc_kamstrup_omnipower: what the foreign decoder shows of the ciphered APDU."""
    frame = bytes.fromhex((CAPTURES / "hdlc_kamstrup_omnipower.log").read_text().replace(":", " "))
    ciphered = parse_notification(frame[11:-3])
    assert isinstance(ciphered, Ciphered)
    assert ciphered.ciphering is Ciphering.GENERAL_GLO
    assert ciphered.system_title == bytes.fromhex("4B414D4501349083")
    assert (ciphered.security_control, ciphered.suite) == (0x30, 0)
    assert ciphered.protection == Protection.AUTHENTICATED | Protection.ENCRYPTED
    assert ciphered.invocation_counter == 17_784_996
    assert len(ciphered.protected) == 447 + 12
    assert ciphered.authentication_tag == bytes.fromhex("DDB5E0F10E31948B665168C6")


def test_a_tagged_date_time() -> None:
    notification = parse_notification(TAGGED)
    assert isinstance(notification, DataNotification)
    assert notification.header.long_invoke_id == 0x4000_0000
    assert notification.header.invoke_id == 0
    time = notification.header.date_time
    assert time is not None
    assert time.instant(ClockRules(ZoneInfo("Europe/Oslo"))).at == datetime(2026, 11, 26, 15, 30, tzinfo=UTC)
    assert notification.body.children[0].content == 4242


def test_the_invoke_id_is_the_lower_24_bits() -> None:
    header, _ = parse_header(bytes.fromhex("0F F1234567 00 00"))
    assert (header.long_invoke_id, header.invoke_id) == (0xF123_4567, 0x23_4567)


def test_an_event() -> None:
    event = parse_notification(EVENT)
    assert isinstance(event, EventNotification)
    assert event.date_time is not None
    assert event.date_time.raw == bytes.fromhex("07EA07110500000000FF8880")
    assert (event.class_id, event.logical_name.hex(), event.attribute) == (3, "0100010800ff", 2)
    assert event.value.content == 5000
    without = parse_notification(bytes.fromhex("C2 00 0001 0000600100FF FE 1101"))
    assert isinstance(without, EventNotification)
    assert (without.date_time, without.attribute, without.value.content) == (None, -2, 1)
    empty = parse_notification(bytes.fromhex("C2 01 00 0001 0000600100FF 02 1101"))
    assert isinstance(empty, EventNotification)
    assert empty.date_time is None


def test_a_layout_of_its_own_reads_the_header_and_goes_on() -> None:
    """The Czech customer port (reference notes): a generic decoder fails on the body and says so."""
    with pytest.raises(ProtocolError):
        parse_notification(CZECH_PORT)
    header, at = parse_header(CZECH_PORT)
    assert (header.long_invoke_id, header.date_time, at) == (1, None, 6)
    assert CZECH_PORT[at + 2 : at + 4] == b"\x16\x01"
    last, end = decode(CZECH_PORT, at + 8 + 9)
    assert (last.content, end) == (16, len(CZECH_PORT))


def test_general_ciphering_with_an_agreed_key() -> None:
    """Green Book, table 41: ACCESS service with general-ciphering; the tail of the ciphered service left out here."""
    key = "01 02 0101 8180 C323C2BD45711DE4688637D919F92E9D B8FB2DFC213A88D21C9DC8DCBA917D81" + "00" * 96
    apdu = bytes.fromhex(
        "DD 080102030405060708 084D4D4D0000BC614E 084D4D4D0000000001 00 00" + key + "81EB 31 00000000" + "F4" * 230
    )
    ciphered = parse_notification(apdu)
    assert isinstance(ciphered, Ciphered)
    assert ciphered.ciphering is Ciphering.GENERAL
    assert ciphered.transaction_id == bytes.fromhex("0102030405060708")
    assert ciphered.system_title == bytes.fromhex("4D4D4D0000BC614E")
    assert ciphered.recipient == bytes.fromhex("4D4D4D0000000001")
    assert (ciphered.date_time, ciphered.other_information) == (b"", b"")
    assert ciphered.key_info == bytes.fromhex(key)
    assert (ciphered.security_control, ciphered.suite, ciphered.invocation_counter) == (0x31, 1, 0)
    assert ciphered.protected == b"\xf4" * 230


@pytest.mark.parametrize("key", ["00", "01 00 02", "01 01 03 02AABB", "01 02 01AA 02BBCC"])
def test_kinds_of_key_information(key: str) -> None:
    apdu = bytes.fromhex("DD 01AA 01BB 01CC 01DD 01EE" + key + "06 20 00000007 55")
    ciphered = parse_notification(apdu)
    assert isinstance(ciphered, Ciphered)
    fields = (ciphered.transaction_id, ciphered.system_title, ciphered.recipient)
    assert fields == (b"\xaa", b"\xbb", b"\xcc")
    assert (ciphered.date_time, ciphered.other_information) == (b"\xdd", b"\xee")
    assert ciphered.key_info == bytes.fromhex(key)
    assert (ciphered.protection, ciphered.invocation_counter) == (Protection.ENCRYPTED, 7)
    assert (ciphered.protected, ciphered.authentication_tag) == (b"\x55", b"")


@pytest.mark.parametrize("ciphering", [Ciphering.GENERAL_GLO, Ciphering.GENERAL_DED])
def test_general_ciphering_of_a_key(ciphering: Ciphering) -> None:
    ciphered = parse_notification(bytes((ciphering,)) + GENERAL_GLO[1:])
    assert isinstance(ciphered, Ciphered)
    assert ciphered.ciphering is ciphering
    assert ciphered.system_title.hex() == "4d4d4d0000bc614e"
    assert (ciphered.security_control, ciphered.invocation_counter) == (0x30, 0x0123_4567)
    assert ciphered.protected == b"\xab" * 3 + b"\xc1" * 12
    assert ciphered.authentication_tag == b"\xc1" * 12


@pytest.mark.parametrize("ciphering", [Ciphering.GLO_EVENT_NOTIFICATION, Ciphering.DED_EVENT_NOTIFICATION])
def test_service_specific_ciphering_has_no_system_title(ciphering: Ciphering) -> None:
    ciphered = parse_notification(bytes((ciphering,)) + GLO_EVENT[1:])
    assert isinstance(ciphered, Ciphered)
    assert ciphered.ciphering is ciphering
    assert (ciphered.system_title, ciphered.invocation_counter) == (b"", 0x0123_4567)


WHOLE = [
    TAGGED,
    EVENT,
    GENERAL_GLO,
    GLO_EVENT,
    bytes.fromhex("DD 01AA 01BB 01CC 01DD 01EE 010101 02AABB 06 20 00000007 55"),
]


@pytest.mark.parametrize("apdu", WHOLE, ids=lambda apdu: f"{apdu[0]:02x}")
def test_truncated_and_with_octets_behind(apdu: bytes) -> None:
    for size in range(len(apdu)):
        with pytest.raises(CutShort):
            parse_notification(apdu[:size])
    with pytest.raises(ProtocolError, match="1 octets behind") as caught:
        parse_notification(apdu + b"\x00")
    assert caught.value.raw == apdu + b"\x00"
    assert not isinstance(caught.value, CutShort)


@pytest.mark.parametrize(
    ("apdu", "says"),
    [
        ("E0 40 0001 0000 00", "general block transfer"),
        ("DF 00", "general-signing"),
        ("C4 01 81 00 1105", "0xc4 is no notification"),
        ("0F 00000000 01 AA 1105", "date-time of 1 octets"),
        ("0F 00000000 09 0B07E4020F06011922FF8000 1105", "date-time of 9 octets"),
        ("C2 02 0001 0000600100FF 02 1101", "neither"),
        ("C2 01 02 AABB 0001 0000600100FF 02 1101", "date-time of 2 octets"),
        ("DB 00 04 30 000000", "without security header"),
        ("DB 00 10 30 00000001" + "AA" * 11, "without its authentication tag"),
        ("DD 00 00 00 00 00 01 03 06 20 00000007 55", "3 is no kind"),
        ("DD 00 00 00 00 00 02 06 20 00000007 55", "neither"),
    ],
)
def test_faults(apdu: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says) as caught:
        parse_notification(bytes.fromhex(apdu))
    assert caught.value.raw == bytes.fromhex(apdu)
    assert not isinstance(caught.value, CutShort)


@pytest.mark.parametrize("apdu", [EVENT, GENERAL_GLO, b"\x10" + TAGGED[1:]], ids=["event", "ciphered", "other"])
def test_only_a_data_notification_has_such_a_header(apdu: bytes) -> None:
    with pytest.raises(ProtocolError, match="no data-notification") as caught:
        parse_header(apdu)
    assert caught.value.raw == apdu


@given(st.sampled_from([0x0F, 0xC2, *Ciphering]), st.binary(max_size=200))
@RUNS
def test_any_bytes_are_a_notification_or_a_fault(tag: int, octets: bytes) -> None:
    try:
        found = parse_notification(bytes((tag,)) + octets)
    except ProtocolError:
        return
    assert found.raw == bytes((tag,)) + octets


@given(st.sampled_from(WHOLE), st.data())
@RUNS
def test_bit_flips(apdu: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(apdu) * 8 - 1))
    flipped = bytearray(apdu)
    flipped[at // 8] ^= 1 << at % 8
    try:
        found = parse_notification(bytes(flipped))
    except ProtocolError:
        return
    assert found != parse_notification(apdu)
