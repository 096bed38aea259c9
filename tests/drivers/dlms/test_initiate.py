"""Initiate-request and -response against the Green Book, and against what meters and lines make of them."""

from __future__ import annotations

import pytest

from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.initiate import (
    ConfirmedServiceError,
    InitiateRequest,
    InitiateResponse,
    parse_initiate_request,
    parse_initiate_response,
)
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.apdu_vectors import (
    INITIATE_REQUEST,
    INITIATE_REQUEST_DEDICATED,
    INITIATE_RESPONSE,
    cut,
    flipped,
    is_cut_short,
    judged,
    octets,
)

PROPOSED = Conformance(0x007E1F)
KEY = octets("00112233445566778899AABBCCDDEEFF")
REQUESTS = {
    INITIATE_REQUEST: InitiateRequest(PROPOSED, 1200),
    INITIATE_REQUEST_DEDICATED: InitiateRequest(PROPOSED, 1200, KEY),
    "01 00 01 00 01 FE 05 5F1F0400 400000 FFFF": InitiateRequest(
        Conformance.GENERAL_PROTECTION, 0xFFFF, response_allowed=False, quality=-2, version=5
    ),
}
RESPONSES = {
    INITIATE_RESPONSE: InitiateResponse(Conformance(0x00501F), 500),
    "08 01 05 06 5F1F0400 000010 0000 FA00": InitiateResponse(Conformance.GET, 0, 6, 0xFA00, 5),
}
every_request = pytest.mark.parametrize(("text", "request_"), REQUESTS.items(), ids=["plain", "dedicated", "all"])
every_response = pytest.mark.parametrize(("text", "response"), RESPONSES.items(), ids=["green book", "all"])


@every_request
def test_requests(text: str, request_: InitiateRequest) -> None:
    assert parse_initiate_request(octets(text)) == request_
    assert request_.encoded == octets(text)


@every_response
def test_responses(text: str, response: InitiateResponse) -> None:
    assert parse_initiate_response(octets(text)) == response
    assert response.encoded == octets(text)


@every_request
def test_every_truncation_and_flipped_bit_of_a_request(text: str, request_: InitiateRequest) -> None:
    apdu = octets(text)
    assert all(is_cut_short(parse_initiate_request, beginning) for beginning in cut(apdu))
    for changed in flipped(apdu):
        assert judged(parse_initiate_request, changed) != request_


@every_response
def test_every_truncation_and_flipped_bit_of_a_response(text: str, response: InitiateResponse) -> None:
    apdu = octets(text)
    assert all(is_cut_short(parse_initiate_response, beginning) for beginning in cut(apdu))
    for changed in flipped(apdu):
        assert judged(parse_initiate_response, changed) != response


def test_response_allowed_may_be_said() -> None:
    """DEFAULT TRUE is left out, or sent."""
    said = octets("01 00 01 FF 00 06 5F1F0400 007E1F 04B0")
    assert parse_initiate_request(said) == InitiateRequest(PROPOSED, 1200)


def test_the_tag_of_the_conformance_in_one_octet() -> None:
    """Green Book, note on the encoding of [APPLICATION 31]: 5F alone is accepted for existing implementations."""
    short = octets("08 00 06 5F0400 00501F 01F4 0007")
    assert parse_initiate_response(short) == InitiateResponse(Conformance(0x00501F), 500)
    assert all(is_cut_short(parse_initiate_response, beginning) for beginning in cut(short))


def test_a_server_that_cannot_agree() -> None:
    error = parse_initiate_response(octets("0E 01 06 03"))
    assert error == ConfirmedServiceError(1, 6, 3)
    assert error.text == "confirmed service error: initiate: initiate, pdu-size-too-short"
    with pytest.raises(ProtocolError, match="1 octets behind"):
        parse_initiate_response(octets("0E 01 06 03 00"))


@pytest.mark.parametrize(
    ("apdu", "message"),
    [
        (f"{INITIATE_RESPONSE} 00", "1 octets behind its end"),
        ("08 02 06 5F1F0400 00501F 01F4 0007", "0x02 says neither"),
        ("08 00 06 5F1F0300 00501F 01F4 0007", "without conformance block"),
        ("08 00 06 5F1F0401 00501F 01F4 0007", "without conformance block"),
        ("08 00 06 1F1F0400 00501F 01F4 0007", "without conformance block"),
        ("28 00", "that is none"),
    ],
)
def test_what_is_no_response(apdu: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        parse_initiate_response(octets(apdu))
    assert caught.value.raw == octets(apdu)


def test_what_is_no_request() -> None:
    with pytest.raises(ProtocolError, match="that is none"):
        parse_initiate_request(octets(INITIATE_RESPONSE))
    with pytest.raises(ProtocolError, match="octets behind its end"):
        parse_initiate_request(octets(INITIATE_REQUEST) + b"\x00")


def test_an_echo_of_our_request_keeps_its_key_out_of_the_error() -> None:
    with pytest.raises(ProtocolError, match="echo of ours") as caught:
        parse_initiate_response(octets(INITIATE_REQUEST_DEDICATED))
    assert caught.value.raw == b""


def test_a_dedicated_key_is_in_no_repr() -> None:
    assert "canary" not in repr(InitiateRequest(PROPOSED, dedicated_key=b"canary-dedicated"))


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="max PDU 65536"):
        InitiateRequest(PROPOSED, 65536)
    with pytest.raises(ValueError, match="version 256"):
        InitiateResponse(PROPOSED, 0, 256)
    with pytest.raises(ValueError, match="vaa-name 65536"):
        InitiateResponse(PROPOSED, 0, vaa_name=65536)
    with pytest.raises(ValueError, match="quality of service 128"):
        InitiateRequest(PROPOSED, quality=128)
