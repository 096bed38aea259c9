"""The xDLMS context of an association: initiate-request and -response (IEC 62056-5-3, xDLMS-Initiate).

    01 | dedicated-key | response-allowed | quality of service | version | 5F 1F 04 00 conformance (3) | max PDU (2)
    08 | quality of service | version | 5F 1F 04 00 conformance (3) | max PDU (2) | vaa-name (2)

Rules: plain APDUs; whoever associates protects them. A meter that cannot agree answers with a confirmed-service-error.
The tag of the conformance block may be 5F alone, as older meters have it. No repr shows a dedicated key, and a request
that comes back as an echo is kept out of the error.
"""

from dataclasses import dataclass, field

from drivers.dlms.wire.apdu_reader import ApduReader
from drivers.dlms.wire.axdr_encode import encode_count
from drivers.dlms.wire.conformance import OCTETS, Conformance
from drivers.dlms.wire.conformance import parse as parse_conformance
from drivers.dlms.wire.service_errors import (
    ConfirmedServiceError,
    parse_confirmed_service_error,
)
from gatewayd.errors import ProtocolError

__all__ = [
    "ConfirmedServiceError",
    "InitiateRequest",
    "InitiateResponse",
    "parse_initiate_request",
    "parse_initiate_response",
]

INITIATE_REQUEST, INITIATE_RESPONSE = 0x01, 0x08
LOGICAL_NAMES = 0x0007
"""vaa-name of a server with logical names."""
VERSION = 6
_CONFORMANCE_TAG = bytes.fromhex("5F1F 0400")
"""[APPLICATION 31], the only thing here that is encoded in BER: four octets, none of the last one's bits unused."""
_CONFORMANCE_TAG_SHORT = bytes.fromhex("5F 0400")


@dataclass(frozen=True, slots=True)
class InitiateRequest:
    """What a client proposes. `max_pdu`: octets of the longest APDU that it takes; 0 is no limit. `quality`: -128 to
    127, None where it is left out."""

    conformance: Conformance
    max_pdu: int = 0xFFFF
    dedicated_key: bytes = field(default=b"", repr=False)
    response_allowed: bool = True
    quality: int | None = None
    version: int = VERSION

    def __post_init__(self) -> None:
        _check(self.max_pdu, self.version, self.quality)

    @property
    def encoded(self) -> bytes:
        key = self.dedicated_key
        parts = (
            bytes((INITIATE_REQUEST,)),
            b"\x01" + encode_count(len(key)) + key if key else b"\x00",
            b"\x00" if self.response_allowed else b"\x01\x00",
            _quality(self.quality),
            self.version.to_bytes(1),
            _CONFORMANCE_TAG + self.conformance.encoded,
            self.max_pdu.to_bytes(2),
        )
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class InitiateResponse:
    """What a server agrees to. `max_pdu`: octets of the longest APDU that it takes; 0 is no limit."""

    conformance: Conformance
    max_pdu: int
    version: int = VERSION
    vaa_name: int = LOGICAL_NAMES
    quality: int | None = None

    def __post_init__(self) -> None:
        _check(self.max_pdu, self.version, self.quality)
        if not 0 <= self.vaa_name <= 0xFFFF:
            raise ValueError(f"vaa-name {self.vaa_name}: expected 0 to 65535")

    @property
    def encoded(self) -> bytes:
        parts = (
            bytes((INITIATE_RESPONSE,)),
            _quality(self.quality),
            self.version.to_bytes(1),
            _CONFORMANCE_TAG + self.conformance.encoded,
            self.max_pdu.to_bytes(2),
            self.vaa_name.to_bytes(2),
        )
        return b"".join(parts)


def parse_initiate_request(apdu: bytes) -> InitiateRequest:
    """CutShort where it ends too early, ProtocolError for every other fault."""
    reader = ApduReader(apdu, "an initiate-request")
    if reader.octet() != INITIATE_REQUEST:
        raise reader.fault("that is none")
    key = reader.string() if reader.present() else b""
    response_allowed = reader.boolean() if reader.present() else True
    quality = reader.integer8() if reader.present() else None
    version = reader.octet()
    conformance = _conformance(reader)
    request = InitiateRequest(conformance, reader.number(2), key, response_allowed, quality, version)
    reader.finish()
    return request


def parse_initiate_response(apdu: bytes) -> InitiateResponse | ConfirmedServiceError:
    """CutShort where it ends too early, ProtocolError for every other fault."""
    match apdu[:1]:
        case b"\x0e":  # CONFIRMED_SERVICE_ERROR
            return parse_confirmed_service_error(apdu)
        case b"\x01":
            # our own one: it may hold the dedicated key, so it does not go along as evidence
            raise ProtocolError("sends an initiate-request where the response is due: is it an echo of ours?")
    reader = ApduReader(apdu, "an initiate-response")
    if reader.octet() != INITIATE_RESPONSE:
        raise reader.fault("that is none")
    quality = reader.integer8() if reader.present() else None
    version = reader.octet()
    conformance = _conformance(reader)
    response = InitiateResponse(conformance, reader.number(2), version, reader.number(2), quality)
    reader.finish()
    return response


def _conformance(reader: ApduReader) -> Conformance:
    tag = _CONFORMANCE_TAG if reader.apdu[reader.at + 1 : reader.at + 2] == b"\x1f" else _CONFORMANCE_TAG_SHORT
    if reader.take(len(tag)) != tag:
        raise reader.fault("without conformance block where it is due")
    return parse_conformance(reader.take(OCTETS))


def _quality(quality: int | None) -> bytes:
    return b"\x00" if quality is None else b"\x01" + quality.to_bytes(1, signed=True)


def _check(max_pdu: int, version: int, quality: int | None) -> None:
    if not 0 <= max_pdu <= 0xFFFF or not 0 <= version <= 0xFF:
        raise ValueError(f"max PDU {max_pdu}, version {version}: expected 0 to 65535 and 0 to 255")
    if quality is not None and not -0x80 <= quality <= 0x7F:
        raise ValueError(f"quality of service {quality}: expected -128 to 127")
