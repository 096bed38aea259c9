"""Associations without ciphering: opening, proof, requests, blocks, errors. Bytes are written by hand, see
association_meter; those of requests are the Green Book's where it has them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.acse import Mechanism, UnsupportedContext
from drivers.dlms.wire.association import Association, State
from drivers.dlms.wire.association_dialogue import (
    Acted,
    Answered,
    Ask,
    AssociationRefused,
    AuthenticationRefused,
    ContextRefused,
    CounterRejected,
    Established,
    RefusedForNow,
    Released,
    RequestTooLong,
    ServiceRefused,
    Step,
    Undeciphered,
    WaitOn,
    Written,
)
from drivers.dlms.wire.association_settings import PROPOSED, AssociationSettings
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.block_transfer import TRANSFER_LIMIT
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.keys import Keys
from drivers.dlms.wire.security_errors import Kind, SecurityError
from drivers.dlms.wire.services import ActionResult, Data, DataAccess
from gatewayd.errors import GatewayError, MeterDiffers, MeterRefused, ProtocolError
from tests.drivers.dlms.apdu_vectors import AARES
from tests.drivers.dlms.association_meter import (
    CLIENT,
    CLOCK,
    CTOS,
    ENERGY,
    INITIATE_RESPONSE,
    KEYS,
    METER,
    REGISTER,
    STOC,
    TIME,
    aare,
    apdu_of,
    counting,
    gmac,
    initiate_response,
    opened,
)
from tests.drivers.dlms.hdlc_bytes import examples

LOW = AssociationSettings(Mechanism.LOW, secret=b"12345678")
MD5 = AssociationSettings(Mechanism.HLS_MD5, secret=b"canary-canary", challenge=CTOS)
SHA256 = AssociationSettings(Mechanism.HLS_SHA256, secret=b"canary-canary", challenge=CTOS, title=CLIENT)
GMAC = AssociationSettings(Mechanism.HLS_GMAC, challenge=CTOS, title=CLIENT, keys=KEYS)


def data(raw: bytes) -> Data:
    return Data(decode(raw)[0])


def asked_for(*attributes: object, association: Association | None = None) -> Association:
    association = association or opened()
    association.get([(attribute, None) for attribute in attributes])  # type: ignore[misc]
    return association


def at(association: Association) -> State:
    return association.state


def fed(association: Association, text: str) -> Step:
    return association.feed(bytes.fromhex(text))


# -- opening -----------------------------------------------------------------------------------------------------------


def test_the_aarq_without_authentication_is_the_green_books() -> None:
    conformance = Conformance.BLOCK_TRANSFER_GET  # replaced below by the example's block
    settings = AssociationSettings(conformance=Conformance(0x007E1F) | conformance, max_pdu=1200)
    ask = Association(settings).open()
    assert ask == Ask(
        bytes.fromhex("60 1D A1 09 06 07 60857405080101 BE 10 04 0E 01 00 00 00 06 5F1F0400 007E1F 04B0"), secret=False
    )


def test_the_aarq_with_a_password_is_the_green_books_and_secret() -> None:
    settings = AssociationSettings(Mechanism.LOW, b"12345678", conformance=Conformance(0x007E1F), max_pdu=1200)
    ask = Association(settings).open()
    assert ask.secret
    assert ask.apdu == bytes.fromhex(
        "60 36 A1 09 06 07 60857405080101 8A 02 0780 8B 07 60857405080201 AC 0A 80 08 3132333435363738"
        "BE 10 04 0E 01 00 00 00 06 5F1F0400 007E1F 04B0"
    )
    assert "12345678" not in repr(ask) + repr(settings)


def test_what_both_sides_agreed_to_holds() -> None:
    association = Association(AssociationSettings())
    association.open()
    event = fed(association, AARES["green book, no or low level security"])
    assert event == Established(PROPOSED & Conformance(0x00501F), 500, b"")
    assert Conformance.GET in event.conformance
    assert at(association) is State.READY


def test_without_user_information_nothing_is_taken_for_agreed_that_meters_often_lack() -> None:
    association = Association(AssociationSettings())
    association.open()
    event = association.feed(aare(information=None))
    assert isinstance(event, Established)
    assert event.max_pdu == 0
    assert Conformance.MULTIPLE_REFERENCES not in event.conformance
    assert Conformance.GET in event.conformance


@pytest.mark.parametrize(
    ("settings", "answer", "kind"),
    [
        (LOW, aare(result=1, diagnostic=13), AuthenticationRefused),
        (LOW, aare(result=1, diagnostic=1), AuthenticationRefused),
        (LOW, aare(result=1, diagnostic=13, information=b"\x0e\x01"), AuthenticationRefused),
        (LOW, aare(result=1, source=2, diagnostic=1), AuthenticationRefused),
        (LOW, aare(result=2, diagnostic=13), AuthenticationRefused),
        (LOW, aare(result=1, diagnostic=2), ContextRefused),
        (LOW, aare(result=1, diagnostic=11), ContextRefused),
        (LOW, aare(result=2, diagnostic=1), RefusedForNow),
        (LOW, b"\xd8\x01\x03", AuthenticationRefused),
        (LOW, b"\x0e\x01\x06\x02", AuthenticationRefused),
        (AssociationSettings(), aare(result=1, diagnostic=1), ContextRefused),
        (AssociationSettings(), aare(result=1, diagnostic=14), ContextRefused),
        (AssociationSettings(), aare(result=1, information=b"\x0e\x01\x06\x01"), ContextRefused),
        (AssociationSettings(), aare(information=b"\x0e\x01\x06\x01"), ContextRefused),
        (AssociationSettings(), b"\xd8\x01\x01", ContextRefused),
        (AssociationSettings(), b"\xd8\x02\x05", Undeciphered),
        (AssociationSettings(), aare(result=1, information=b"\x0e\x01\x00\x06"), Undeciphered),
        (AssociationSettings(), aare(diagnostic=14, mechanism=5, challenge=STOC), ContextRefused),
        (AssociationSettings(), aare(diagnostic=14), ContextRefused),
        (AssociationSettings(), aare(ciphered=True), ProtocolError),
        (MD5, aare(mechanism=6, challenge=STOC), ContextRefused),
        (AssociationSettings(expected_title=METER), aare(title=CLIENT), ContextRefused),
    ],
)
def test_who_has_to_act_when_the_meter_refuses(
    settings: AssociationSettings, answer: bytes, kind: type[GatewayError]
) -> None:
    association = Association(settings)
    association.open()
    with pytest.raises(GatewayError) as caught:
        association.feed(answer)
    assert type(caught.value) is kind
    assert isinstance(caught.value, MeterRefused | MeterDiffers | ProtocolError)
    assert at(association) is State.OVER
    with pytest.raises(ValueError, match="OVER"):
        association.get([(CLOCK, None)])


def test_a_refusal_says_what_the_meter_says() -> None:
    association = Association(AssociationSettings())
    association.open()
    with pytest.raises(AssociationRefused, match=r"no reason given.*dlms-version-too-low") as caught:
        fed(association, AARES["green book, DLMS version too low"])
    assert caught.value.diagnostic is not None
    assert caught.value.diagnostic.number == 1


def test_short_names_are_refused() -> None:
    association = Association(AssociationSettings())
    association.open()
    with pytest.raises(UnsupportedContext):
        association.feed(aare().replace(bytes.fromhex("60857405080101"), bytes.fromhex("60857405080102")))


# -- proof -------------------------------------------------------------------------------------------------------------

PASS_3 = "C3 01 C1 000F 0000280000FF 01 01 09"


def proving(settings: AssociationSettings, challenge: bytes = STOC) -> tuple[Association, Ask]:
    association = Association(settings, counting(7))
    opening = association.open()
    assert opening.secret
    answer = aare(diagnostic=14, mechanism=settings.mechanism, challenge=challenge, title=METER)
    ask = association.feed(answer)
    assert isinstance(ask, Ask)
    return association, ask


def pass_4(answer: bytes, result: int = 0, invoke: int = 0xC1) -> bytes:
    return bytes((0xC7, 1, invoke, result, 1, 0, 9, len(answer))) + answer


Hash = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("settings", "ours", "its"),
    [
        (
            MD5,
            hashlib.md5(STOC + b"canary-canary", usedforsecurity=False).digest(),
            hashlib.md5(CTOS + b"canary-canary", usedforsecurity=False).digest(),
        ),
        (
            SHA256,
            hashlib.sha256(b"canary-canary" + CLIENT + METER + STOC + CTOS).digest(),
            hashlib.sha256(b"canary-canary" + METER + CLIENT + CTOS + STOC).digest(),
        ),
        (GMAC, gmac(CLIENT, 7, STOC), gmac(METER, 0x1234567, CTOS)),
    ],
)
def test_both_sides_prove_that_they_know_the_secret(settings: AssociationSettings, ours: bytes, its: bytes) -> None:
    association, ask = proving(settings)
    assert ask.secret
    assert ask.apdu == bytes.fromhex(PASS_3) + bytes((len(ours),)) + ours
    assert at(association) is State.PROVING
    assert isinstance(association.feed(pass_4(its)), Established)
    for wrong in (ours, its[:-1], its[:-1] + bytes((its[-1] ^ 1,)), b""):
        association, _ = proving(settings)
        with pytest.raises(SecurityError) as caught:
            association.feed(pass_4(wrong))
        assert caught.value.kind is Kind.PROOF
        assert at(association) is State.OVER


def test_the_gmac_vectors_are_the_green_books() -> None:
    """Green Book 9.2.7.4, table of the example: f(StoC) and f(CtoS)."""
    assert gmac(CLIENT, 1, STOC) == bytes.fromhex("1000000001 1A52FE7DD3E72748973C1E28")
    assert gmac(METER, 0x01234567, CTOS) == bytes.fromhex("1001234567 FE1466AFB3DBCD4F9389E2B7")


def test_a_proof_that_the_meter_refuses_is_a_refusal() -> None:
    association, _ = proving(MD5)
    with pytest.raises(AuthenticationRefused, match="read-write-denied"):
        fed(association, "C7 01 C1 03 00")
    association, _ = proving(MD5)
    with pytest.raises(AuthenticationRefused):
        fed(association, "D8 01 03")


@pytest.mark.parametrize("answer", ["C7 01 C1 00 00", "C7 01 C1 00 01 01 03", "C7 01 C1 00 01 00 06 00000000"])
def test_a_meter_that_gives_no_proof_is_not_believed(answer: str) -> None:
    association, _ = proving(MD5)
    with pytest.raises(SecurityError, match="does not prove"):
        fed(association, answer)


def test_a_meter_that_skips_the_proof_is_not_believed() -> None:
    association = Association(MD5)
    association.open()
    with pytest.raises(SecurityError, match="without a challenge"):
        association.feed(aare())


def test_our_own_challenge_is_not_answered() -> None:
    association = Association(MD5)
    association.open()
    with pytest.raises(SecurityError) as caught:
        association.feed(aare(diagnostic=14, mechanism=3, challenge=CTOS))
    assert caught.value.kind is Kind.REFLECTED


def test_a_meter_with_our_title_or_none_has_no_proof() -> None:
    for title in (CLIENT, b"", b"short"):
        association = Association(GMAC, counting())
        association.open()
        with pytest.raises(SecurityError) as caught:
            association.feed(aare(diagnostic=14, mechanism=5, challenge=STOC, title=title))
        assert caught.value.kind is Kind.TITLE


def test_a_password_is_pending_until_it_is_answered() -> None:
    association = Association(LOW)
    pending = [association.secret_pending]
    association.open()
    pending.append(association.secret_pending)
    association.feed(aare())
    pending.append(association.secret_pending)
    association, _ = proving(MD5)
    assert [*pending, association.secret_pending] == [False, True, False, True]


# -- reading -----------------------------------------------------------------------------------------------------------


def test_one_attribute() -> None:
    association = opened()
    ask = association.get([(CLOCK, None)])
    assert ask.apdu == bytes.fromhex("C0 01 C1 0008 0000010000FF 02 00")  # Green Book
    assert fed(association, "C4 01 C1 00" + TIME.hex()) == Answered((data(TIME),))
    assert at(association) is State.READY


def test_the_invoke_id_rises_and_comes_round() -> None:
    association = opened()
    for number in range(1, 40):
        ask = association.get([(CLOCK, None)])
        assert ask.apdu[2] == 0xC0 | number % 16
        association.feed(bytes((0xC4, 1, 0xC0 | number % 16, 1, 4)))


def test_a_reason_in_place_of_a_value() -> None:
    assert fed(asked_for(CLOCK), "C4 01 C1 01 03") == Answered((DataAccess.READ_WRITE_DENIED,))
    assert fed(asked_for(CLOCK), "C4 01 C1 01 63") == Answered((DataAccess(0x63),))


def test_several_attributes_in_a_list() -> None:
    association = opened()
    ask = association.get([(CLOCK, None), (REGISTER, None)])
    assert ask.apdu == bytes.fromhex("C0 03 C1 02 0008 0000010000FF 02 00 0003 0100010800FF 02 00")
    event = fed(association, "C4 03 C1 02 00" + TIME.hex() + "01 0B")
    assert event == Answered((data(TIME), DataAccess.OBJECT_UNAVAILABLE))


def test_one_reason_for_a_whole_list() -> None:
    assert fed(asked_for(CLOCK, REGISTER), "C4 01 C1 01 FA") == Answered((DataAccess.OTHER_REASON,) * 2)


@pytest.mark.parametrize(
    "answer",
    [
        "C4 03 C1 01 00" + ENERGY.hex(),
        "C4 03 C1 03 01 03 01 03 01 03",
        "C4 01 C1 00" + ENERGY.hex(),
        "C4 03 C1 02 01 03 01 03 00",
    ],
)
def test_a_list_has_exactly_as_many_results_as_were_asked_for(answer: str) -> None:
    with pytest.raises(ProtocolError):
        fed(asked_for(CLOCK, REGISTER), answer)


def test_a_list_that_was_not_asked_for() -> None:
    with pytest.raises(ProtocolError, match="list"):
        fed(asked_for(CLOCK), "C4 03 C1 01 01 03")


def test_lists_go_only_where_they_are_agreed_and_fit() -> None:
    without = opened(information=INITIATE_RESPONSE)
    items = [(CLOCK, None), (REGISTER, None)]
    assert not without.fits(items)
    assert without.fits(items[:1])
    with pytest.raises(ValueError, match="not agreed"):
        without.get(items)
    # Two attributes make 4 + 2 * 10 octets.
    assert opened(information=initiate_response(max_pdu=24)).fits(items)
    assert not opened(information=initiate_response(max_pdu=23)).fits(items)
    assert opened(information=initiate_response(max_pdu=0)).fits(items * 1000)


def test_a_request_that_the_meter_cannot_take_is_not_sent() -> None:
    association = opened(information=initiate_response("00501F", max_pdu=12))
    with pytest.raises(RequestTooLong, match="12 octets"):
        association.get([(CLOCK, None)])
    assert at(association) is State.READY
    assert len(opened(information=initiate_response("00501F", max_pdu=13)).get([(CLOCK, None)]).apdu) == 13


# -- what is no answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        "C5 01 C1 00",  # SET
        "C7 01 C1 00 00",  # ACTION
        "C4 01 C2 01 03",  # another invoke-id
        "C4 01 C1 01 03 00",  # octets behind it
        "C4 01 C1 00",  # cut short
        "C4 04 C1 00",
        "61 03 80 01 00",
        "63 03 80 01 00",
        "C0 01 C1 0008 0000010000FF 02 00",  # our own request
        "CC 00",
        "",
    ],
)
def test_everything_else_is_an_error_and_the_next_request_starts_clean(answer: str) -> None:
    association = asked_for(CLOCK)
    with pytest.raises(ProtocolError):
        fed(association, answer)
    assert at(association) is State.READY
    assert association.get([(REGISTER, None)]).apdu[2] == 0xC2
    assert fed(association, "C4 01 C2 00" + ENERGY.hex()) == Answered((data(ENERGY),))


def test_the_answer_to_the_request_before_is_passed_over() -> None:
    association = asked_for(CLOCK)
    fed(association, "C4 01 C1 00" + TIME.hex())
    association.get([(REGISTER, None)])
    assert fed(association, "C4 01 C1 00" + TIME.hex()) == WaitOn()
    assert fed(association, "C4 01 C2 00" + ENERGY.hex()) == Answered((data(ENERGY),))
    association.get([(REGISTER, None)])
    with pytest.raises(ProtocolError, match="answers request 1, asked was 3"):
        fed(association, "C4 01 C1 00" + TIME.hex())


def test_nothing_is_passed_over_before_the_first_request() -> None:
    with pytest.raises(ProtocolError, match="answers request 0"):
        fed(asked_for(CLOCK), "C4 01 C0 01 03")


def test_what_is_passed_over_has_an_end() -> None:
    association = asked_for(CLOCK)
    notification = "0F 00000001 00 02 00"
    for _ in range(8):
        assert fed(association, notification) == WaitOn()
    with pytest.raises(ProtocolError, match="no answer"):
        fed(association, notification)
    association = Association(AssociationSettings())
    association.open()
    assert fed(association, notification) == WaitOn()
    assert isinstance(association.feed(aare()), Established)


def test_errors_of_the_service() -> None:
    association = asked_for(CLOCK)
    with pytest.raises(ServiceRefused, match="service-not-supported"):
        fed(association, "D8 01 02")
    assert at(association) is State.READY
    association.get([(CLOCK, None)])
    with pytest.raises(ServiceRefused, match="pdu-size"):
        fed(association, "0E 05 03 01")
    association.get([(CLOCK, None)])
    with pytest.raises(CounterRejected) as caught:
        fed(association, "D8 01 06 00001000")
    assert caught.value.expected == 0x1000
    assert at(association) is State.OVER


def test_a_wrong_state_is_our_fault() -> None:
    association = Association(AssociationSettings())
    with pytest.raises(ValueError, match="NEW"):
        association.feed(aare())
    with pytest.raises(ValueError, match="NEW"):
        association.get([(CLOCK, None)])
    association = opened()
    with pytest.raises(ValueError, match="no answer is due"):
        fed(association, "C4 01 C1 01 03")
    association.get([(CLOCK, None)])
    others: list[Callable[[], Ask]] = [
        lambda: association.get([(CLOCK, None)]),
        association.release,
        association.open,
    ]
    for another in others:
        with pytest.raises(ValueError, match="ASKED"):
            another()


# -- blocks ------------------------------------------------------------------------------------------------------------


def block(number: int, content: bytes, last: bool = False, invoke: int = 0xC1) -> bytes:
    length = bytes((len(content),)) if len(content) < 0x80 else b"\x83" + len(content).to_bytes(3)
    return bytes((0xC4, 2, invoke, last)) + number.to_bytes(4) + b"\x00" + length + content


def test_blocks_are_joined_and_the_last_one_may_be_empty() -> None:
    for pieces in ([TIME[:1], TIME[1:8], TIME[8:]], [TIME[:5], TIME[5:], b""], [TIME]):
        association = asked_for(CLOCK)
        for number, piece in enumerate(pieces[:-1], 1):
            ask = association.feed(block(number, piece))
            assert apdu_of(ask) == bytes.fromhex("C0 02 C1") + number.to_bytes(4)
        assert association.feed(block(len(pieces), pieces[-1], last=True)) == Answered((data(TIME),))


def test_a_list_in_blocks() -> None:
    content = b"\x02\x00" + TIME + b"\x01\x03"
    association = asked_for(CLOCK, REGISTER)
    association.feed(block(1, content[:3]))
    event = association.feed(block(2, content[3:], last=True))
    assert event == Answered((data(TIME), DataAccess.READ_WRITE_DENIED))


@pytest.mark.parametrize(
    "answers",
    [
        [block(2, TIME)],
        [block(0, TIME)],
        [block(1, TIME[:4]), block(1, TIME[:4])],
        [block(1, TIME[:4]), block(3, TIME[4:])],
        [block(1, b"")],
        [block(1, TIME[:4], last=True)],
        [block(1, TIME + b"\x00", last=True)],
        [block(1, TIME[:4]), block(2, TIME[4:], invoke=0xC2)],
        [block(1, TIME[:4]), bytes.fromhex("C4 01 C1 00") + TIME],
        [block(1, TIME[:4]), bytes.fromhex("C4 03 C1 01 00") + TIME],
        [block(1, TIME[:4]), bytes.fromhex("C7 01 C1 00 00")],
    ],
)
def test_blocks_out_of_order_are_an_error_and_the_next_transfer_begins_with_1(answers: list[bytes]) -> None:
    association = asked_for(CLOCK)
    for answer in answers[:-1]:
        assert isinstance(association.feed(answer), Ask)
    with pytest.raises(ProtocolError):
        association.feed(answers[-1])
    association.get([(CLOCK, None)])
    assert isinstance(association.feed(block(1, TIME[:4], invoke=0xC2)), Ask)
    assert association.feed(block(2, TIME[4:], last=True, invoke=0xC2)) == Answered((data(TIME),))


@pytest.mark.parametrize("end", ["C4 02 C1 01 00000002 01 0F", "C4 01 C1 01 0F"])
def test_a_transfer_that_the_meter_breaks_off_has_its_reason(end: str) -> None:
    association = asked_for(CLOCK)
    association.feed(block(1, TIME[:4]))
    assert fed(association, end) == Answered((DataAccess.LONG_GET_ABORTED,))
    assert at(association) is State.READY


def test_endless_blocks_end() -> None:
    association = asked_for(CLOCK)
    size = 60_000
    for number in range(1, TRANSFER_LIMIT // size + 1):
        assert isinstance(association.feed(block(number, bytes(size))), Ask)
    with pytest.raises(ProtocolError, match="1048576"):
        association.feed(block(TRANSFER_LIMIT // size + 1, bytes(size)))


# -- the other services ------------------------------------------------------------------------------------------------


def test_writing() -> None:
    association = opened()
    ask = association.set_(CLOCK, TIME)
    assert ask.apdu == bytes.fromhex("C1 01 C1 0008 0000010000FF 02 00") + TIME
    assert fed(association, "C5 01 C1 00") == Written(DataAccess.SUCCESS)
    association.set_(CLOCK, TIME)
    with pytest.raises(ProtocolError, match="SET"):
        fed(association, "C4 01 C2 01 00")


def test_invoking_a_method() -> None:
    association = opened()
    ask = association.action(8, CLOCK.logical_name, 6, bytes.fromhex("10 FFFE"))
    assert ask.apdu == bytes.fromhex("C3 01 C1 0008 0000010000FF 06 01 10 FFFE")
    assert fed(association, "C7 01 C1 00 00") == Acted(ActionResult.SUCCESS)
    association.action(8, CLOCK.logical_name, 6)
    assert fed(association, "C7 01 C2 03 00") == Acted(ActionResult.READ_WRITE_DENIED)


def test_what_a_method_returns_in_blocks() -> None:
    association = opened()
    association.action(18, CLOCK.logical_name, 1)
    ask = fed(association, "C7 02 C1 00 00000001 03 00 01 00")
    assert apdu_of(ask) == bytes.fromhex("C3 02 C1 00000001")
    event = fed(association, "C7 02 C1 01 00000002 05" + ENERGY.hex())
    assert event == Acted(ActionResult.SUCCESS, data(ENERGY))
    association.action(18, CLOCK.logical_name, 1)
    fed(association, "C7 02 C2 00 00000001 03 00 01 00")
    with pytest.raises(ProtocolError, match="blocks are due"):
        fed(association, "C7 01 C2 00 00")
    association.action(18, CLOCK.logical_name, 1)
    with pytest.raises(ProtocolError, match="block 2 where 1 is due"):
        fed(association, "C7 02 C3 00 00000002 03 00 01 00")


def test_whatever_answers_a_release_ends_it() -> None:
    for answer in ("63 03 80 01 00", "63 00", "D8 01 01", "C4 01 C1 01 03", "", "FF"):
        association = opened()
        assert association.release() == Ask(bytes.fromhex("62 03 80 01 00"))
        assert fed(association, answer) == Released()
        assert at(association) is State.OVER


# -- anything ----------------------------------------------------------------------------------------------------------

BEGINNINGS = st.sampled_from(
    [b"", b"\xc4\x01\xc1", b"\xc4\x02\xc1\x00\x00\x00\x00\x01", b"\xc4\x03\xc1", b"\xe0", b"a"]
)


@given(st.lists(st.builds(bytes.__add__, BEGINNINGS, st.binary(max_size=40)), max_size=6), st.integers(0, 3))
@examples(150)
def test_any_bytes_give_steps_or_errors_that_are_known(apdus: list[bytes], which: int) -> None:
    starts: list[Callable[[], Association]] = [
        lambda: Association(MD5),
        opened,
        lambda: proving(MD5)[0],
        lambda: asked_for(CLOCK, REGISTER),
    ]
    association = starts[which]()
    if at(association) is State.NEW:
        association.open()
    for apdu in apdus:
        if at(association) is State.READY:
            association.get([(CLOCK, None)])
        if at(association) is State.OVER:
            return
        try:
            association.feed(apdu)
        except GatewayError as error:
            assert "canary" not in str(error) + repr(error)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mechanism": Mechanism.LOW}, "needs a password"),
        ({"mechanism": Mechanism.HLS_ECDSA, "secret": b"x"}, "not supported"),
        ({"mechanism": Mechanism.HLS_MD5, "secret": b"x", "challenge": b"short"}, "challenge"),
        ({"mechanism": Mechanism.HLS_GMAC, "challenge": CTOS, "title": CLIENT}, "keys"),
        ({"mechanism": Mechanism.HLS_GMAC, "challenge": CTOS, "keys": KEYS}, "system title"),
        ({"mechanism": Mechanism.HLS_SHA256, "secret": b"x", "challenge": CTOS}, "system title"),
        ({"title": b"1234567"}, "8 octets"),
        ({"block_window": 0}, "window"),
        ({"block_window": 64}, "window"),
    ],
)
def test_settings_that_contradict_themselves(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AssociationSettings(**fields)  # type: ignore[arg-type]


def test_settings_show_no_secret() -> None:
    keys = Keys(b"canary of cipher", b"canary of authen", b"canary dedicated")
    settings = AssociationSettings(Mechanism.HLS_MD5, b"canary-canary", b"canary-c", CLIENT, keys=keys)
    assert "canary" not in repr(settings)
