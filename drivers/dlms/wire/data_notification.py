"""What a meter sends unasked: data-notification and event-notification, plain, and the header of ciphered ones.

    0F | long-invoke-id-and-priority (4) | length 00 or 0C, date-time | body
    C2 | 00, or 01 with length and date-time | class (2) | logical name (6) | attribute | value
    DB | system title | length | security control | invocation counter (4) | what is protected

Rules: the APDUs of these names in IEC 62056-5-3. What is ciphered is shown and not decrypted; bytes behind an APDU are
a fault. The header of a data-notification can be read alone, for layouts whose body is not all A-XDR.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from drivers.dlms.wire.axdr import CutShort, Value, decode, decode_count
from drivers.dlms.wire.cosem_time import OCTETS, DateTime, parse_date_time
from gatewayd.errors import ProtocolError

_OCTET_STRING = 0x09
_TAG_OCTETS = 12
"""Authentication tag of AES-GCM in the suites 0, 1 and 2."""


class Plain(IntEnum):
    """Tags of the APDUs that come plain, and of two that are none of ours."""

    DATA_NOTIFICATION = 0x0F
    EVENT_NOTIFICATION = 0xC2
    GENERAL_SIGNING = 0xDF
    GENERAL_BLOCK_TRANSFER = 0xE0


class Ciphering(IntEnum):
    """Tags of the ciphered APDUs in which a meter pushes."""

    GLO_EVENT_NOTIFICATION = 0xCA
    DED_EVENT_NOTIFICATION = 0xD2
    GENERAL_GLO = 0xDB
    GENERAL_DED = 0xDC
    GENERAL = 0xDD


class Protection(IntFlag):
    """The upper half of the security control octet (IEC 62056-5-3, security header)."""

    AUTHENTICATED = 0x10
    ENCRYPTED = 0x20
    BROADCAST_KEY = 0x40
    COMPRESSED = 0x80


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the body. `long_invoke_id` is the whole of its 32 bits; `date_time` None where it is empty."""

    long_invoke_id: int
    date_time: DateTime | None

    @property
    def invoke_id(self) -> int:
        """Without the bits of priority, service class, processing option and self-description."""
        return self.long_invoke_id & 0xFF_FFFF


@dataclass(frozen=True, slots=True)
class DataNotification:
    raw: bytes
    header: Header
    body: Value


@dataclass(frozen=True, slots=True)
class EventNotification:
    """One attribute of one object (class, six octets of logical name, attribute) and its value."""

    raw: bytes
    date_time: DateTime | None
    class_id: int
    logical_name: bytes
    attribute: int
    value: Value


@dataclass(frozen=True, slots=True)
class Ciphered:
    """A ciphered APDU, nothing of it verified.

    `system_title`: of the sender, empty where the APDU has none (service-specific ciphering). `suite` 0 to 2.
    `protected`: what follows the invocation counter, with the authentication tag at its end if there is one. The other
    fields are those of general-ciphering, else empty; `key_info` is undecoded.
    """

    raw: bytes
    ciphering: Ciphering
    system_title: bytes
    security_control: int
    invocation_counter: int
    protected: bytes
    transaction_id: bytes = b""
    recipient: bytes = b""
    date_time: bytes = b""
    other_information: bytes = b""
    key_info: bytes = b""

    @property
    def suite(self) -> int:
        return self.security_control & 0x0F

    @property
    def protection(self) -> Protection:
        return Protection(self.security_control & 0xF0)

    @property
    def authentication_tag(self) -> bytes:
        """The last twelve octets, empty where the APDU is not authenticated."""
        return self.protected[-_TAG_OCTETS:] if Protection.AUTHENTICATED in self.protection else b""


def parse_notification(apdu: bytes) -> DataNotification | EventNotification | Ciphered:
    """What one whole APDU says. CutShort where it ends too early; ProtocolError for any other APDU, for faults in it
    and for octets behind it."""
    cursor = _Cursor(apdu)
    tag = cursor.take(1)[0]
    match tag:
        case Plain.DATA_NOTIFICATION:
            header, at = parse_header(apdu)
            body, end = decode(apdu, at)
            _finished(apdu, end)
            return DataNotification(apdu, header, body)
        case Plain.EVENT_NOTIFICATION:
            return _event(cursor)
        case Ciphering.GENERAL:
            return _general_ciphering(cursor)
        case Ciphering.GENERAL_GLO | Ciphering.GENERAL_DED:
            return _protected(cursor, Ciphering(tag), cursor.string())
        case Ciphering.GLO_EVENT_NOTIFICATION | Ciphering.DED_EVENT_NOTIFICATION:
            return _protected(cursor, Ciphering(tag), b"")
        case Plain.GENERAL_BLOCK_TRANSFER:
            raise ProtocolError("push: a block of a general block transfer, which has to be put together first", apdu)
        case Plain.GENERAL_SIGNING:
            raise ProtocolError("push: general-signing, which is not supported", apdu)
        case _:
            raise ProtocolError(f"push: {tag:#04x} is no notification", apdu)


def parse_header(apdu: bytes) -> tuple[Header, int]:
    """The header of a plain data-notification, and the offset of its body. Errors as `parse_notification`."""
    cursor = _Cursor(apdu)
    if cursor.take(1)[0] != Plain.DATA_NOTIFICATION:
        raise ProtocolError("push: no data-notification", apdu)
    long_invoke_id = int.from_bytes(cursor.take(4))
    if apdu[cursor.at : cursor.at + 2] == bytes((_OCTET_STRING, OCTETS)):
        cursor.take(1)  # Kaifa tags the octet-string; nine octets would be no date-time
    return Header(long_invoke_id, cursor.date_time()), cursor.at


def _event(cursor: "_Cursor") -> EventNotification:
    date_time = cursor.date_time() if cursor.present() else None
    class_id = int.from_bytes(cursor.take(2))
    logical_name = cursor.take(6)
    attribute = int.from_bytes(cursor.take(1), signed=True)
    value, end = decode(cursor.apdu, cursor.at)
    _finished(cursor.apdu, end)
    return EventNotification(cursor.apdu, date_time, class_id, logical_name, attribute, value)


def _general_ciphering(cursor: "_Cursor") -> Ciphered:
    transaction_id, originator, recipient, date_time, other = (cursor.string() for _ in range(5))
    begin = cursor.at
    if cursor.present():
        match cursor.take(1)[0]:
            case 0:  # identified key: its id
                cursor.take(1)
            case 1:  # wrapped key: id of the wrapping key, wrapped key
                cursor.take(1)
                cursor.string()
            case 2:  # agreed key: parameters, ciphered data
                cursor.string()
                cursor.string()
            case choice:
                raise ProtocolError(f"push: {choice} is no kind of key information", cursor.apdu)
    key_info = cursor.apdu[begin : cursor.at]
    return _protected(
        cursor,
        Ciphering.GENERAL,
        originator,
        transaction_id=transaction_id,
        recipient=recipient,
        date_time=date_time,
        other_information=other,
        key_info=key_info,
    )


def _protected(cursor: "_Cursor", ciphering: Ciphering, system_title: bytes, **general: bytes) -> Ciphered:
    """The ciphered service with its security header, which ends the APDU."""
    content = cursor.string()
    _finished(cursor.apdu, cursor.at)
    if len(content) < 5:
        raise ProtocolError("push: a ciphered APDU without security header", cursor.apdu)
    ciphered = Ciphered(
        cursor.apdu, ciphering, system_title, content[0], int.from_bytes(content[1:5]), content[5:], **general
    )
    if Protection.AUTHENTICATED in ciphered.protection and len(ciphered.protected) < _TAG_OCTETS:
        raise ProtocolError("push: a ciphered APDU without its authentication tag", cursor.apdu)
    return ciphered


def _finished(apdu: bytes, end: int) -> None:
    if end != len(apdu):
        raise ProtocolError(f"push: {len(apdu) - end} octets behind the APDU", apdu)


class _Cursor:
    """Reads an APDU from its beginning; `at` is the offset of what comes next."""

    __slots__ = ("apdu", "at")

    def __init__(self, apdu: bytes) -> None:
        self.apdu = apdu
        self.at = 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.apdu):
            raise CutShort(f"push: cut short, {end - len(self.apdu)} octets or more are missing", self.apdu)
        taken = self.apdu[self.at : end]
        self.at = end
        return taken

    def string(self) -> bytes:
        """An octet-string with its length and without a tag."""
        size, self.at = decode_count(self.apdu, self.at)
        return self.take(size)

    def present(self) -> bool:
        """The octet before an OPTIONAL part."""
        octet = self.take(1)[0]
        if octet > 1:
            raise ProtocolError(f"push: {octet:#04x} says neither that a part is there nor that it is not", self.apdu)
        return octet == 1

    def date_time(self) -> DateTime | None:
        octets = self.string()
        if len(octets) not in (0, OCTETS):
            raise ProtocolError(f"push: a date-time of {len(octets)} octets", self.apdu)
        return parse_date_time(octets) if octets else None
