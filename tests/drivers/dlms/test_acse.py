"""AARQ, AARE, RLRQ and RLRE against the examples of the Green Book, field by field, and against what is wrong."""

from __future__ import annotations

import pytest

from drivers.dlms.wire.acse import (
    Aare,
    Aarq,
    AssociationResult,
    Diagnostic,
    DiagnosticSource,
    Mechanism,
    Rlre,
    Rlrq,
    UnsupportedContext,
    UserDiagnostic,
    parse_aare,
    parse_aarq,
    parse_rlre,
    parse_rlrq,
)
from drivers.dlms.wire.ber import tlv
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.apdu_vectors import AARES, AARQS, CONTEXT, cut, flipped, is_cut_short, judged, octets

TITLE = octets("4D4D4D0000BC614E")
PASSWORD = b"canary-password"
RESULT = "A2 03 02 01 00 A3 05 A1 03 02 01 00"
every_aarq = pytest.mark.parametrize("apdu", [octets(text) for text in AARQS.values()], ids=AARQS)
every_aare = pytest.mark.parametrize("apdu", [octets(text) for text in AARES.values()], ids=AARES)


def aare(fields: str) -> bytes:
    return tlv(0x61, octets(fields))


def aarq(fields: str) -> bytes:
    return tlv(0x60, octets(fields))


def test_the_aarqs_of_the_green_book() -> None:
    none, low, high, ciphered = (parse_aarq(octets(text)) for text in AARQS.values())
    assert none == Aarq(False, user_information=octets(AARQS["green book, no authentication"])[-14:])
    assert (low.mechanism, low.authentication) == (Mechanism.LOW, b"12345678")
    assert (high.mechanism, high.authentication) == (Mechanism.HLS_GMAC, b"K56iVagY")
    assert (ciphered.ciphered, ciphered.system_title, ciphered.user_id) == (True, TITLE, None)
    assert ciphered.user_information[:7] == octets("21 30 30 01234567")


@every_aarq
def test_an_aarq_is_written_as_in_the_green_book(apdu: bytes) -> None:
    assert parse_aarq(apdu).encoded == apdu


def test_the_aares_of_the_green_book() -> None:
    low, high, context, version, least = (parse_aare(octets(text)) for text in AARES.values())
    assert low == Aare(False, AssociationResult.ACCEPTED, Diagnostic(), user_information=low.user_information)
    assert low.user_information == octets("08 00 06 5F1F0400 00501F 01F4 0007")
    assert (high.result, high.diagnostic.number) == (AssociationResult.ACCEPTED, UserDiagnostic.AUTHENTICATION_REQUIRED)
    assert (high.mechanism, high.authentication) == (Mechanism.HLS_GMAC, b"P6wRJ21F")
    assert context.diagnostic == Diagnostic(DiagnosticSource.USER, UserDiagnostic.CONTEXT_NAME_NOT_SUPPORTED)
    assert (version.result, version.user_information) == (AssociationResult.REJECTED_PERMANENT, octets("0E010601"))
    assert least == Aare(
        False, AssociationResult.REJECTED_TRANSIENT, Diagnostic(DiagnosticSource.PROVIDER, number=2), b""
    )


@every_aare
def test_an_aare_is_written_as_in_the_green_book(apdu: bytes) -> None:
    assert parse_aare(apdu).encoded == apdu


@every_aarq
def test_every_truncation_of_an_aarq(apdu: bytes) -> None:
    assert all(is_cut_short(parse_aarq, beginning) for beginning in cut(apdu) if beginning)


@every_aare
def test_every_truncation_of_an_aare(apdu: bytes) -> None:
    assert all(is_cut_short(parse_aare, beginning) for beginning in cut(apdu) if beginning)


@every_aarq
def test_no_flipped_bit_of_an_aarq_goes_unseen(apdu: bytes) -> None:
    """Besides the requirements of ACSE, which are passed over, each bit means something."""
    whole = parse_aarq(apdu)
    unseen = [changed for changed in flipped(apdu) if judged(parse_aarq, changed) == whole]
    requirements = apdu.find(octets("8A020780"))
    for changed in unseen:
        at = next(index for index, octet in enumerate(apdu) if octet != changed[index])
        assert requirements >= 0
        assert at in (requirements, requirements + 2, requirements + 3)


@every_aare
def test_no_flipped_bit_of_an_aare_goes_unseen(apdu: bytes) -> None:
    whole = parse_aare(apdu)
    unseen = [changed for changed in flipped(apdu) if judged(parse_aare, changed) == whole]
    requirements = apdu.find(octets("88020780"))
    for changed in unseen:
        at = next(index for index, octet in enumerate(apdu) if octet != changed[index])
        assert requirements >= 0
        assert at in (requirements, requirements + 2, requirements + 3)


def test_a_user_id_and_an_empty_password() -> None:
    assert aarq(f"{CONTEXT} A9 03 02 01 05") == Aarq(False, user_id=5).encoded
    assert aarq(f"{CONTEXT} A9 04 02 02 00FF") == Aarq(False, user_id=255).encoded
    assert parse_aarq(aarq(f"{CONTEXT} A9 03 02 01 FF")).user_id == 255
    low = aarq(f"{CONTEXT} 8A 02 0780 8B 07 60857405080201 AC 02 80 00")
    assert Aarq(False, Mechanism.LOW).encoded == low
    assert parse_aarq(low).mechanism is Mechanism.LOW


def test_a_long_password_takes_a_long_length() -> None:
    long = Aarq(False, Mechanism.LOW, authentication=b"p" * 200)
    assert octets("AC81CB 8081C8") + b"p" * 200 in long.encoded
    assert parse_aarq(long.encoded) == long


def test_an_aare_without_user_information_and_with_fields_that_are_not_known() -> None:
    known = parse_aare(aare(f"{CONTEXT} {RESULT}"))
    assert known == Aare(False, AssociationResult.ACCEPTED, Diagnostic())
    version, qualifier, invocation = "80 02 02 84", "A5 03 04 01 AA", "A7 03 02 01 05"
    implementation = "BD 03 19 01 41"
    assert parse_aare(aare(f"{version} {CONTEXT} {RESULT} {qualifier} {invocation} {implementation}")) == known


def test_an_aare_in_another_order_and_with_lengths_of_more_octets() -> None:
    fields = "A3 8107 A1 820003 02 01 0D A2 8104 02 8101 01 A1 810A 06 8107 60857405080103"
    assert parse_aare(octets(f"61 82002B {fields} A4 810A 04 08 4D4D4D0000BC614E")) == Aare(
        True,
        AssociationResult.REJECTED_PERMANENT,
        Diagnostic(number=UserDiagnostic.AUTHENTICATION_FAILURE),
        TITLE,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (f"{CONTEXT} A3 05 A1 03 02 01 00", "without result"),
        (f"{CONTEXT} A2 03 02 01 00", "without result or without diagnostic"),
        (RESULT, "names no application context"),
        (f"{CONTEXT} {RESULT} {RESULT}", "field 0xa2 twice"),
        (f"{CONTEXT} A2 03 02 01 03 A3 05 A1 03 02 01 00", "result 3, which does not exist"),
        (f"{CONTEXT} A2 02 02 00 A3 05 A1 03 02 01 00", "integer of 0 octets"),
        (f"{CONTEXT} A2 03 04 01 00 A3 05 A1 03 02 01 00", "something else than one 0x02"),
        (f"{CONTEXT} A2 03 02 01 00 A3 05 A3 03 02 01 00", "neither ACSE user nor ACSE provider"),
        (f"{CONTEXT} A2 03 02 01 00 A3 00", "neither ACSE user nor ACSE provider"),
        (f"A1 09 06 07 60857405080105 {RESULT}", "none of COSEM's"),
        (f"A1 09 06 07 60857405080201 {RESULT}", "none of COSEM's"),
        (f"A1 08 06 06 857405080101 {RESULT}", "none of COSEM's"),
        (f"A1 02 06 00 {RESULT}", "none of COSEM's"),
        (f"{CONTEXT} {RESULT} 89 07 60857405080208", "none of COSEM's"),
        (f"{CONTEXT} {RESULT} 89 07 60857405080101", "none of COSEM's"),
        (f"{CONTEXT} {RESULT} 89 00", "none of COSEM's"),
        (f"{CONTEXT} {RESULT} AA 04 81 02 0041", "something else than one 0x80"),
        (f"{CONTEXT} {RESULT} BE 04 04 01 08 00", "something else than one 0x04"),
        (f"{CONTEXT} {RESULT} BE 04 28 02 0800", "something else than one 0x04"),
    ],
)
def test_what_is_no_aare(fields: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        parse_aare(aare(fields))
    assert caught.value.raw == aare(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("A6 0A 04 08 4D4D4D0000BC614E", "names no application context"),
        (f"{CONTEXT} AC 06 80 04 31323334", "no mechanism for it"),
        (f"{CONTEXT} A9 04 02 02 0100", "user id 256"),
        (f"{CONTEXT} A9 03 04 01 05", "something else"),
    ],
)
def test_what_is_no_aarq(fields: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse_aarq(aarq(fields))


@pytest.mark.parametrize("number", [2, 4])
def test_short_names_are_refused_in_words(number: int) -> None:
    context = f"A1 09 06 07 608574050801{number:02X}"
    with pytest.raises(UnsupportedContext, match="short names, and only logical names are supported"):
        parse_aare(aare(f"{context} {RESULT}"))
    with pytest.raises(UnsupportedContext, match="short names"):
        parse_aarq(aarq(context))
    with pytest.raises(UnsupportedContext, match=r"refuses the association \(the authentication failed.*short names"):
        parse_aare(aare(f"{context} A2 03 02 01 01 A3 05 A1 03 02 01 0D"))


@pytest.mark.parametrize("parse", [parse_aare, parse_aarq, parse_rlrq, parse_rlre])
@pytest.mark.parametrize("apdu", [b"", b"\xc4\x01\xc1\x00\x00", b"\x61\x00", b"\x60\x00", b"\xff" * 20])
def test_other_apdus(parse: object, apdu: bytes) -> None:
    assert callable(parse)
    with pytest.raises(ProtocolError):
        parse(apdu)


def test_diagnostics_in_words() -> None:
    texts = [Diagnostic(DiagnosticSource.USER, number).text for number in range(15)]
    texts += [Diagnostic(DiagnosticSource.PROVIDER, number).text for number in range(3)]
    assert len({text for text in texts if "standard does not have" not in text}) == 18
    failure = Diagnostic(number=UserDiagnostic.AUTHENTICATION_FAILURE)
    assert failure.text == "the authentication failed: wrong password or key (ACSE user 13)"
    assert Diagnostic(DiagnosticSource.PROVIDER, 2).text == "no common version of ACSE (ACSE provider 2)"
    unknown = parse_aare(aare(f"{CONTEXT} A2 03 02 01 01 A3 06 A1 04 02 02 00C8")).diagnostic
    assert unknown.text == "a diagnostic that the standard does not have (ACSE user 200)"


@pytest.mark.parametrize(
    ("apdu", "reason", "information"),
    [("62 00", None, ""), ("62 03 80 01 00", 0, ""), ("62 0B 80 01 1E BE 06 04 04 01020304", 30, "01020304")],
)
def test_releases(apdu: str, reason: int | None, information: str) -> None:
    request, response = octets(apdu), b"\x63" + octets(apdu)[1:]
    assert parse_rlrq(request) == Rlrq(reason, octets(information))
    assert parse_rlre(response) == Rlre(reason, octets(information))
    assert Rlrq(reason, octets(information)).encoded == request
    assert Rlre(reason, octets(information)).encoded == response
    assert all(is_cut_short(parse_rlrq, beginning) for beginning in cut(request) if beginning)
    with pytest.raises(ProtocolError, match="octets behind"):
        parse_rlre(response + b"\x00")


@pytest.mark.parametrize("parse", [parse_aare, parse_rlre])
def test_an_echo_of_our_request_keeps_its_password_out_of_the_error(parse: object) -> None:
    echo = Aarq(False, Mechanism.LOW, authentication=PASSWORD).encoded
    assert callable(parse)
    with pytest.raises(ProtocolError, match="echo of ours") as caught:
        parse(echo)
    assert PASSWORD not in caught.value.raw
    assert caught.value.raw == b""


def test_secrets_are_in_no_repr() -> None:
    key = b"canary-dedicated"
    low = Aarq(True, Mechanism.LOW, TITLE, PASSWORD, key, 3)
    answer = Aare(True, AssociationResult.ACCEPTED, Diagnostic(), TITLE, Mechanism.HLS, PASSWORD, key)
    for shown in (repr(low), str(low), repr(answer), repr(Rlrq(0, key)), repr(Rlre(0, key))):
        assert "canary" not in shown
    with pytest.raises(ValueError, match="names its mechanism") as caught:
        Aarq(False, authentication=PASSWORD)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("user_id", [-1, 256])
def test_user_ids_that_do_not_exist(user_id: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 255"):
        Aarq(False, user_id=user_id)
