"""AARQ and RLRQ as a simulated meter reads them, AARE and RLRE as it writes them (IEC 62056-5-3, ACSE; X.227).

Rules: BER with definite lengths; fields that this meter does not use are passed over; what cannot be read is Malformed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag

from simulators import dlms_values as axdr
from simulators.dlms_values import Malformed

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
INITIATE_REQUEST, INITIATE_RESPONSE = 0x01, 0x08
_DLMS = bytes.fromhex("60857405 08")  # 2 16 756 5 8
LN_PLAIN, LN_CIPHERED = 1, 3

# Result-source-diagnostic, ACSE service user.
NULL, NO_REASON, CONTEXT_NOT_SUPPORTED, TITLE_NOT_RECOGNISED, MECHANISM_UNKNOWN = 0, 1, 2, 3, 11
MECHANISM_REQUIRED, AUTHENTICATION_FAILURE, AUTHENTICATION_REQUIRED = 12, 13, 14


class Conformance(IntFlag):
    """The conformance block (IEC 62056-5-3, bit 0 is the highest of 24)."""

    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    ATTRIBUTE0_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE0_GET = 1 << 13
    BLOCK_TRANSFER_GET = 1 << 12
    BLOCK_TRANSFER_SET = 1 << 11
    BLOCK_TRANSFER_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1


OFFERED = (
    Conformance.GENERAL_PROTECTION
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_GET
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.DATA_NOTIFICATION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)


@dataclass(frozen=True, slots=True)
class Asked:
    """An AARQ. `context` and `mechanism` are the last arcs of their names; None where there is none that we know."""

    context: int | None
    mechanism: int | None
    title: bytes
    authentication: bytes = field(repr=False)
    user_information: bytes


@dataclass(frozen=True, slots=True)
class Initiate:
    """An InitiateRequest."""

    conformance: Conformance
    max_pdu: int
    dedicated_key: bytes = field(default=b"", repr=False)


def parse_aarq(apdu: bytes) -> Asked:
    """Its fields."""
    found = _fields(apdu, AARQ)
    return Asked(
        context=_arc(_inside(found.get(0xA1, b""), 0x06), 1),
        mechanism=_arc(found[0x8B], 2) if 0x8B in found else 0,
        title=_inside(found.get(0xA6, b""), 0x04),
        authentication=_inside(found.get(0xAC, b""), 0x80),
        user_information=_inside(found.get(0xBE, b""), 0x04),
    )


def parse_release(apdu: bytes) -> bytes:
    """The user information of an RLRQ; empty where there is none."""
    return _inside(_fields(apdu, RLRQ).get(0xBE, b""), 0x04)


def parse_initiate(apdu: bytes) -> Initiate:
    """An InitiateRequest, not ciphered (any more)."""
    if axdr.take(apdu, 0, 1)[0] != INITIATE_REQUEST:
        raise Malformed("an InitiateRequest is due")
    at, key = 2, b""
    if axdr.take(apdu, 1, 1) != b"\x00":
        size, at = axdr.read_count(apdu, 2)
        key = axdr.take(apdu, at, size)
        at += size
    for _ in range(2):  # response-allowed, proposed-quality-of-service
        at += 1 if axdr.take(apdu, at, 1) == b"\x00" else 2
    rest = axdr.take(apdu, at, 10)
    if rest[0] != 6 or rest[1:5] != bytes.fromhex("5f1f0400"):
        raise Malformed("another version or no conformance block")
    if len(apdu) != at + 10:
        raise Malformed("octets behind the InitiateRequest")
    return Initiate(Conformance(int.from_bytes(rest[5:8])), int.from_bytes(rest[8:10]), key)


def initiate_response(conformance: Conformance, max_pdu: int) -> bytes:
    """Version 6, and the name of the VAA that logical names have."""
    return bytes.fromhex("0800065f1f0400") + conformance.to_bytes(3) + max_pdu.to_bytes(2) + b"\x00\x07"


def aare(
    *, context: int, diagnostic: int, title: bytes, mechanism: int, challenge: bytes, user_information: bytes
) -> bytes:
    """An AARE: accepted with no diagnostic and with AUTHENTICATION_REQUIRED, else rejected for ever."""
    result = 0 if diagnostic in (NULL, AUTHENTICATION_REQUIRED) else 1
    content = _tlv(0xA1, _tlv(0x06, _DLMS + bytes([1, context])))
    content += _tlv(0xA2, _tlv(0x02, bytes([result])))
    content += _tlv(0xA3, _tlv(0xA1, _tlv(0x02, bytes([diagnostic]))))
    if title:
        content += _tlv(0xA4, _tlv(0x04, title))
    if challenge:
        content += _tlv(0x88, b"\x07\x80") + _tlv(0x89, _DLMS + bytes([2, mechanism]))
        content += _tlv(0xAA, _tlv(0x80, challenge))
    if user_information:
        content += _tlv(0xBE, _tlv(0x04, user_information))
    return _tlv(AARE, content)


def rlre(user_information: bytes) -> bytes:
    """Release accepted, reason normal."""
    return _tlv(RLRE, _tlv(0x80, b"\x00") + (_tlv(0xBE, _tlv(0x04, user_information)) if user_information else b""))


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + axdr.count(len(content)) + content


def _fields(apdu: bytes, tag: int) -> dict[int, bytes]:
    """The fields of an APDU by their tags."""
    content = _inside(apdu, tag)
    found: dict[int, bytes] = {}
    at = 0
    while at < len(content):
        size, begin = axdr.read_count(content, at + 1)
        found[content[at]] = axdr.take(content, begin, size)
        at = begin + size
    return found


def _inside(data: bytes, tag: int) -> bytes:
    """The content of the one field that `data` is; empty of nothing."""
    if not data:
        return b""
    size, at = axdr.read_count(data, 1)
    if data[0] != tag or len(data) != at + size:
        raise Malformed(f"the field {tag:02x} is due, and nothing behind it")
    return data[at:]


def _arc(name: bytes, kind: int) -> int | None:
    prefix = _DLMS + bytes([kind])
    return name[-1] if len(name) == len(prefix) + 1 and name.startswith(prefix) else None
