"""Opening and ending an association: AARQ, AARE, RLRQ and RLRE (ACSE; IEC 62056-5-3 7.2, Green Book 9.4.2).

    60 | context A1 | calling-AP-title A6 | user id A9 | 8A 8B mechanism | AC authentication | BE user-information
    61 | context A1 | result A2 | diagnostic A3 | responding-AP-title A4 | 88 89 mechanism | AA authentication | BE

Rules: logical names only. User-information is bytes: an xDLMS APDU, plain or ciphered. Of an AARE, result, diagnostic
and context must be there; a field that is not known is passed over, a field that comes twice is a fault, and what else
is spoilt in a refusal does not hide why it refuses. The value of
an authentication may be a password: no repr shows it, and an AARQ that comes back as an echo is kept out of the error.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from drivers.dlms.wire.acse_names import (
    AssociationResult,
    Diagnostic,
    DiagnosticSource,
    Mechanism,
    UnsupportedContext,
    UserDiagnostic,
)
from drivers.dlms.wire.ber import Element, tlv, whole
from gatewayd.errors import ProtocolError

__all__ = [
    "Aare",
    "Aarq",
    "AssociationResult",
    "Diagnostic",
    "DiagnosticSource",
    "Mechanism",
    "Rlre",
    "Rlrq",
    "UnsupportedContext",
    "UserDiagnostic",
    "parse_aare",
    "parse_aarq",
    "parse_rlre",
    "parse_rlrq",
]

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63

_COSEM = bytes.fromhex("60857405 08")
"""joint-iso-ccitt (2) country (16) country-name (756) identified-organisation (5) DLMS-UA (8)."""
_CONTEXT, _MECHANISM = 1, 2
_LOGICAL, _SHORT, _LOGICAL_CIPHERED, _SHORT_CIPHERED = 1, 2, 3, 4
_INTEGER, _OCTET_STRING, _OBJECT_IDENTIFIER, _CHARSTRING = 0x02, 0x04, 0x06, 0x80
_AUTHENTICATION_UNIT = bytes.fromhex("0780")
"""ACSE requirements: a bit string of one bit that is set, the functional unit of authentication."""
_USER_INFORMATION = 0xBE


@dataclass(frozen=True, slots=True)
class Aarq:
    """What a client asks for. `authentication`: the password of LOW, the challenge of HLS; empty with NONE."""

    ciphered: bool
    mechanism: Mechanism = Mechanism.NONE
    system_title: bytes = b""
    authentication: bytes = field(default=b"", repr=False)
    user_information: bytes = field(default=b"", repr=False)
    user_id: int | None = None

    def __post_init__(self) -> None:
        if self.mechanism is Mechanism.NONE and self.authentication:
            raise ValueError("an AARQ with an authentication value names its mechanism")
        if self.user_id is not None and not 0 <= self.user_id <= 0xFF:
            raise ValueError(f"user id {self.user_id}: expected 0 to 255")

    @property
    def encoded(self) -> bytes:
        fields = [_context(self.ciphered)]
        if self.system_title:
            fields.append(tlv(0xA6, tlv(_OCTET_STRING, self.system_title)))
        if self.user_id is not None:
            # an INTEGER has a sign (X.690 8.3): 128 and above take a second octet
            octets = self.user_id.to_bytes(1 + (self.user_id > 0x7F))
            fields.append(tlv(0xA9, tlv(_INTEGER, octets)))
        if self.mechanism is not Mechanism.NONE:
            fields.append(tlv(0x8A, _AUTHENTICATION_UNIT))
            fields.append(tlv(0x8B, _COSEM, bytes((_MECHANISM, self.mechanism))))
            fields.append(tlv(0xAC, tlv(_CHARSTRING, self.authentication)))
        return tlv(AARQ, *fields, _user_information(self.user_information))


@dataclass(frozen=True, slots=True)
class Aare:
    """What a server answers. `mechanism` NONE where it names none; `authentication` is its challenge."""

    ciphered: bool
    result: AssociationResult
    diagnostic: Diagnostic
    system_title: bytes = b""
    mechanism: Mechanism = Mechanism.NONE
    authentication: bytes = field(default=b"", repr=False)
    user_information: bytes = field(default=b"", repr=False)

    @property
    def encoded(self) -> bytes:
        number = self.diagnostic.number
        fields = [
            _context(self.ciphered),
            tlv(0xA2, tlv(_INTEGER, bytes((self.result,)))),
            tlv(0xA3, tlv(0xA0 + self.diagnostic.source, tlv(_INTEGER, number.to_bytes(1 + (number > 0x7F))))),
        ]
        if self.system_title:
            fields.append(tlv(0xA4, tlv(_OCTET_STRING, self.system_title)))
        if self.mechanism is not Mechanism.NONE:
            fields.append(tlv(0x88, _AUTHENTICATION_UNIT))
            fields.append(tlv(0x89, _COSEM, bytes((_MECHANISM, self.mechanism))))
        if self.authentication:
            fields.append(tlv(0xAA, tlv(_CHARSTRING, self.authentication)))
        return tlv(AARE, *fields, _user_information(self.user_information))


@dataclass(frozen=True, slots=True)
class _Release:
    """`reason`: 0 normal, 1 urgent (request) or not finished (response), 30 user defined; None where it is left out."""

    reason: int | None = 0
    user_information: bytes = field(default=b"", repr=False)

    def _encoded(self, tag: int) -> bytes:
        reason = b"" if self.reason is None else tlv(0x80, self.reason.to_bytes(1 + (self.reason > 0x7F)))
        return tlv(tag, reason, _user_information(self.user_information))


@dataclass(frozen=True, slots=True)
class Rlrq(_Release):
    @property
    def encoded(self) -> bytes:
        return self._encoded(RLRQ)


@dataclass(frozen=True, slots=True)
class Rlre(_Release):
    @property
    def encoded(self) -> bytes:
        return self._encoded(RLRE)


def parse_aarq(apdu: bytes) -> Aarq:
    """CutShort where it ends too early, UnsupportedContext for short names, ProtocolError for every other fault."""
    fields = _fields(apdu, AARQ, "AARQ")
    ciphered = _ciphered(fields, apdu)
    mechanism = _mechanism(fields.get(0x8B))
    authentication = _authentication(fields.get(0xAC))
    if authentication and mechanism is Mechanism.NONE:
        raise ProtocolError("sends an authentication value and no mechanism for it", apdu)
    user_id = None
    if 0xA9 in fields:
        user_id = _integer(fields[0xA9].only(_INTEGER))
        if user_id > 0xFF:
            raise ProtocolError(f"sends the user id {user_id}, which is above 255", apdu)
    title = _octets(fields.get(0xA6))
    return Aarq(ciphered, mechanism, title, authentication, _octets(fields.get(_USER_INFORMATION)), user_id)


def parse_aare(apdu: bytes) -> Aare:
    """CutShort where it ends too early, UnsupportedContext for short names, ProtocolError for every other fault."""
    fields = _fields(apdu, AARE, "AARE")
    if 0xA2 not in fields or 0xA3 not in fields:
        raise ProtocolError("sends an AARE without result or without diagnostic", apdu)
    number = _integer(fields[0xA2].only(_INTEGER))
    try:
        result = AssociationResult(number)
    except ValueError as error:
        raise ProtocolError(f"sends an AARE with the result {number}, which does not exist", apdu) from error
    diagnostic = _diagnostic(fields[0xA3])
    try:
        ciphered = _ciphered(fields, apdu)
    except UnsupportedContext as error:
        if result is AssociationResult.ACCEPTED:
            raise
        raise UnsupportedContext(f"refuses the association ({diagnostic.text}) and {error}", apdu) from error
    refused = Aare(ciphered, result, diagnostic)
    try:
        return replace(
            refused,
            system_title=_octets(fields.get(0xA4)),
            mechanism=_mechanism(fields.get(0x89)),
            authentication=_authentication(fields.get(0xAA)),
            user_information=_octets(fields.get(_USER_INFORMATION)),
        )
    except ProtocolError:
        if result is AssociationResult.ACCEPTED:
            raise
        return refused  # meters that refuse send a user-information that is none; why they do counts


def parse_rlrq(apdu: bytes) -> Rlrq:
    """CutShort where it ends too early, ProtocolError for every other fault."""
    return Rlrq(*_release(_fields(apdu, RLRQ, "RLRQ")))


def parse_rlre(apdu: bytes) -> Rlre:
    """CutShort where it ends too early, ProtocolError for every other fault."""
    return Rlre(*_release(_fields(apdu, RLRE, "RLRE")))


def _fields(apdu: bytes, tag: int, name: str) -> dict[int, Element]:
    """The fields of an APDU by their tags."""
    if not apdu:
        raise ProtocolError(f"sends nothing where an {name} is due")
    if apdu[0] == AARQ and tag != AARQ:
        # our own one, on a line that echoes: it may hold the password, so it does not go along as evidence
        raise ProtocolError(f"sends an AARQ where an {name} is due: is it an echo of ours?")
    if apdu[0] != tag:
        raise ProtocolError(f"sends an APDU with the tag {apdu[0]:#04x} where an {name} is due", apdu)
    return _once(whole(apdu).inside(), apdu)


def _once(elements: Iterable[Element], apdu: bytes) -> dict[int, Element]:
    fields: dict[int, Element] = {}
    for element in elements:
        if element.tag in fields:
            raise ProtocolError(f"sends the field {element.tag:#04x} twice", apdu)
        fields[element.tag] = element
    return fields


def _context(ciphered: bool) -> bytes:
    number = _LOGICAL_CIPHERED if ciphered else _LOGICAL
    return tlv(0xA1, tlv(_OBJECT_IDENTIFIER, _COSEM, bytes((_CONTEXT, number))))


def _ciphered(fields: dict[int, Element], apdu: bytes) -> bool:
    """Whether the application context is the one with ciphering."""
    if 0xA1 not in fields:
        raise ProtocolError("names no application context", apdu)
    name = fields[0xA1].only(_OBJECT_IDENTIFIER).content
    match name[-1:], name[:-1] == _COSEM + bytes((_CONTEXT,)):
        case b"\x01", True:
            return False
        case b"\x03", True:
            return True
        case b"\x02" | b"\x04", True:
            raise UnsupportedContext("associates with short names, and only logical names are supported", apdu)
        case _:
            raise ProtocolError(f"names the application context {name.hex(' ')}, which is none of COSEM's", apdu)


def _mechanism(element: Element | None) -> Mechanism:
    if element is None:
        return Mechanism.NONE
    name = element.content
    if len(name) == len(_COSEM) + 2 and name.startswith(_COSEM + bytes((_MECHANISM,))) and name[-1] in _MECHANISMS:
        return Mechanism(name[-1])
    raise ProtocolError(f"names the mechanism {name.hex(' ')}, which is none of COSEM's", element.apdu)


_MECHANISMS = frozenset(Mechanism)


def _authentication(element: Element | None) -> bytes:
    return b"" if element is None else element.only(_CHARSTRING).content


def _octets(element: Element | None) -> bytes:
    return b"" if element is None else element.only(_OCTET_STRING).content


def _user_information(apdu: bytes) -> bytes:
    return tlv(_USER_INFORMATION, tlv(_OCTET_STRING, apdu)) if apdu else b""


def _diagnostic(element: Element) -> Diagnostic:
    for source in DiagnosticSource:
        if element.content[:1] == bytes((0xA0 + source,)):
            return Diagnostic(source, _integer(element.only(0xA0 + source).only(_INTEGER)))
    raise ProtocolError("sends a diagnostic of neither ACSE user nor ACSE provider", element.apdu)


def _integer(element: Element) -> int:
    """A number that has no sign. One octet above 7F is taken so too: that is how it is sent and how it is meant."""
    if not 1 <= len(element.content) <= 4:
        raise ProtocolError(f"sends an integer of {len(element.content)} octets", element.apdu)
    return int.from_bytes(element.content)


def _release(fields: dict[int, Element]) -> tuple[int | None, bytes]:
    reason = _integer(fields[0x80]) if 0x80 in fields else None
    return reason, _octets(fields.get(_USER_INFORMATION))
