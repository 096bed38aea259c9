"""Ciphered associations: what is protected, what is verified, and what ends them. The meter's side is ciphered with
`cryptography` alone (association_meter)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.association import Association, State
from drivers.dlms.wire.association_dialogue import (
    Answered,
    Ask,
    AuthenticationRefused,
    CounterRejected,
    Established,
    Released,
    ServiceRefused,
    Undeciphered,
    WaitOn,
)
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.security import Form, Policy
from drivers.dlms.wire.security_errors import Kind, SecurityError
from drivers.dlms.wire.services import Data, DataAccess
from gatewayd.errors import GatewayError, ProtocolError
from tests.drivers.dlms.association_meter import (
    CLIENT,
    CLOCK,
    CTOS,
    DEDICATED_KEY,
    KEY,
    KEYS,
    METER,
    STOC,
    TIME,
    Counting,
    aare,
    apdu_of,
    ciphered,
    counting,
    gmac,
    initiate_response,
    opened,
    sealed,
    unsealed,
)
from tests.drivers.dlms.hdlc_bytes import examples

GET_CLOCK = bytes.fromhex("C0 01 C1 0008 0000010000FF 02 00")
GET_TIME = bytes.fromhex("C4 01 C1 00") + TIME


def at(association: Association) -> State:
    return association.state


def asked(first: int = 100) -> Association:
    association = opened(ciphered(), first=first)
    association.get([(CLOCK, None)])
    return association


def test_the_initiate_request_is_protected_with_the_global_key() -> None:
    for form, key in ((Form.GLOBAL, b"\x00"), (Form.DEDICATED, b"\x01\x10" + DEDICATED_KEY)):
        association = Association(ciphered(form), counting(5))
        apdu = association.open().apdu
        assert bytes.fromhex("60857405080103") in apdu
        assert b"\xa6\x0a\x04\x08" + CLIENT in apdu
        inside = apdu[apdu.index(b"\xbe") + 4 :]
        assert inside[0] == 0x21
        assert inside[3:7] == bytes((0, 0, 0, 5))
        assert unsealed(inside).startswith(b"\x01" + key + b"\x00\x00\x06\x5f\x1f\x04\x00")


@pytest.mark.parametrize(
    ("form", "request_tag", "answer_tag", "key"),
    [
        (Form.GLOBAL, 0xC8, 0xCC, KEY),
        (Form.DEDICATED, 0xD0, 0xD4, DEDICATED_KEY),
        (Form.GENERAL_GLOBAL, 0xDB, 0xDB, KEY),
        (Form.GENERAL_DEDICATED, 0xDC, 0xDC, DEDICATED_KEY),
        (Form.GENERAL_GLOBAL, 0xDB, 0xCC, KEY),
    ],
)
def test_a_request_and_its_answer(form: Form, request_tag: int, answer_tag: int, key: bytes) -> None:
    association = opened(ciphered(form), first=100)
    apdu = association.get([(CLOCK, None)]).apdu
    assert apdu[0] == request_tag
    assert (101).to_bytes(4) in apdu
    assert unsealed(apdu, key=key) == GET_CLOCK
    answer = sealed(answer_tag, GET_TIME, 2, key=key)
    assert association.feed(answer) == Answered((Data(decode(TIME)[0]),))


def test_general_ciphering_is_proposed_only_where_it_is_used() -> None:
    for form, proposed in ((Form.GLOBAL, 0x00), (Form.GENERAL_GLOBAL, 0x40), (Form.GENERAL_DEDICATED, 0x40)):
        apdu = Association(ciphered(form), counting()).open().apdu
        request = unsealed(apdu[apdu.index(b"\xbe") + 4 :])
        assert request[-5] & 0x40 == proposed
    assert Association(AssociationSettings()).open().apdu[-5] & 0x40 == 0


def test_every_apdu_has_its_own_counter() -> None:
    count = Counting(9)
    association = Association(ciphered(), count)
    association.open()
    association.feed(aare(ciphered=True, title=METER, information=sealed(0x28, initiate_response(), 1)))
    assert association.get([(CLOCK, None)]).apdu[3:7] == bytes((0, 0, 0, 10))
    block = bytes.fromhex("C4 02 C1 00 00000001 00 04") + TIME[:4]
    assert apdu_of(association.feed(sealed(0xCC, block, 2)))[3:7] == bytes((0, 0, 0, 11))
    last = bytes.fromhex("C4 02 C1 01 00000002 00 0A") + TIME[4:]
    assert isinstance(association.feed(sealed(0xCC, last, 3)), Answered)
    assert count.next == 12
    assert association.received == 3


def test_what_fits_counts_the_protection() -> None:
    """General ciphering: tag 1, title 9, length 1, security header 5, 13 octets of request, authentication tag 12."""
    request = opened(ciphered(Form.GENERAL_GLOBAL)).get([(CLOCK, None)]).apdu
    assert len(request) == 41
    for limit in range(35, 50):
        information = initiate_response("00501F", max_pdu=limit)  # without general block transfer
        association = opened(ciphered(Form.GENERAL_GLOBAL), information)
        if association.fits([(CLOCK, None)]):
            assert len(association.get([(CLOCK, None)]).apdu) <= limit
        else:
            assert limit < 44  # a length may take two octets more


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (GET_TIME, Kind.PLAINTEXT),
        (sealed(0xCC, GET_TIME, 1), Kind.REPLAY),
        (sealed(0xCC, GET_TIME, 2, key=DEDICATED_KEY), Kind.TAG),
        (sealed(0xCC, GET_TIME, 2)[:-1], Kind.LENGTH),
        (sealed(0xCC, GET_TIME, 2, control=0x10), Kind.DOWNGRADE),
        (sealed(0xCD, GET_TIME, 2), Kind.FORM),
        (sealed(0xD4, GET_TIME, 2, key=DEDICATED_KEY), Kind.FORM),
        (sealed(0xDB, GET_TIME, 2).replace(METER, CLIENT), Kind.TITLE),
    ],
)
def test_what_is_not_proved_ends_the_association(answer: bytes, kind: Kind) -> None:
    association = asked()
    with pytest.raises(SecurityError) as caught:
        association.feed(answer)
    assert caught.value.kind is kind
    assert at(association) is State.OVER
    with pytest.raises(ValueError, match="OVER"):
        association.get([(CLOCK, None)])


def test_every_flipped_bit_is_noticed() -> None:
    answer = sealed(0xCC, GET_TIME, 2)
    for bit in range(len(answer) * 8):
        damaged = bytearray(answer)
        damaged[bit // 8] ^= 1 << bit % 8
        association = asked()
        try:
            step = association.feed(bytes(damaged))
        except SecurityError:
            continue
        # An event-notification is no answer and never opened: CC and CA differ in two bits, CC and C8 in one.
        raise AssertionError(f"bit {bit}: {step}")


def test_an_answer_of_the_same_association_is_not_taken_twice() -> None:
    association = asked()
    answer = sealed(0xCC, GET_TIME, 2)
    association.feed(answer)
    association.get([(CLOCK, None)])
    with pytest.raises(SecurityError) as caught:
        association.feed(answer)
    assert caught.value.kind is Kind.REPLAY


def test_an_authentic_late_answer_is_passed_over() -> None:
    association = asked()
    association.feed(sealed(0xCC, GET_TIME, 2))
    association.get([(CLOCK, None)])
    assert association.feed(sealed(0xCC, GET_TIME, 3)) == WaitOn()
    refused = sealed(0xCC, bytes.fromhex("C4 01 C2 01 03"), 4)
    assert association.feed(refused) == Answered((DataAccess.READ_WRITE_DENIED,))


def test_an_authentic_answer_to_another_request_is_an_error() -> None:
    association = asked()
    with pytest.raises(ProtocolError, match="request 7"):
        association.feed(sealed(0xCC, bytes.fromhex("C4 01 C7 01 03"), 2))


def test_a_notification_in_between_is_passed_over_and_not_used() -> None:
    association = asked()
    notification = bytes.fromhex("0F 00000001 00 02 00")
    assert association.feed(notification) == WaitOn()
    assert association.feed(sealed(0xDB, notification, 2)) == WaitOn()
    assert isinstance(association.feed(sealed(0xCC, GET_TIME, 3)), Answered)


def test_plain_errors_are_heard() -> None:
    association = asked()
    with pytest.raises(ServiceRefused):
        association.feed(b"\xd8\x01\x02")
    assert at(association) is State.READY
    for answer, kind in ((b"\xd8\x01\x05", Undeciphered), (b"\xd8\x01\x06\x00\x00\x20\x00", CounterRejected)):
        association = asked()
        with pytest.raises(kind):
            association.feed(answer)
        assert at(association) is State.OVER


# -- the answer to the opening -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (aare(ciphered=True, title=METER, information=initiate_response()), Kind.PLAINTEXT),
        (aare(ciphered=True, title=METER, information=None), Kind.PLAINTEXT),
        (aare(title=METER, information=sealed(0x28, initiate_response(), 1)), Kind.DOWNGRADE),
        (
            aare(ciphered=True, title=METER, information=sealed(0x28, initiate_response(), 1, control=0x10)),
            Kind.DOWNGRADE,
        ),
        (aare(ciphered=True, title=METER, information=sealed(0x28, initiate_response(), 1, key=CTOS * 2)), Kind.TAG),
        (aare(ciphered=True, title=b"OTHER123", information=sealed(0x28, initiate_response(), 1)), Kind.TAG),
        (aare(ciphered=True, title=CLIENT, information=sealed(0x28, initiate_response(), 1)), Kind.TITLE),
        (aare(ciphered=True, information=sealed(0x28, initiate_response(), 1)), Kind.TITLE),
        (aare(ciphered=True, title=METER, information=sealed(0xCC, GET_TIME, 1)), None),
    ],
)
def test_an_aare_that_proves_nothing_opens_nothing(answer: bytes, kind: Kind | None) -> None:
    association = Association(ciphered(), counting())
    association.open()
    with pytest.raises(ProtocolError) as caught:
        association.feed(answer)
    assert kind is None or (isinstance(caught.value, SecurityError) and caught.value.kind is kind)
    assert at(association) is State.OVER


def test_an_aare_of_an_earlier_session_opens_nothing() -> None:
    answer = aare(ciphered=True, title=METER, information=sealed(0x28, initiate_response(), 50))
    association = Association(ciphered(received={METER: 49}), counting())
    association.open()
    assert isinstance(association.feed(answer), Established)
    association = Association(ciphered(received={METER: association.received}), counting())
    association.open()
    with pytest.raises(SecurityError) as caught:
        association.feed(answer)
    assert caught.value.kind is Kind.REPLAY


def test_a_meter_without_title_needs_a_configured_one() -> None:
    association = Association(ciphered(expected_title=METER), counting())
    association.open()
    event = association.feed(aare(ciphered=True, information=sealed(0x28, initiate_response(), 1)))
    assert isinstance(event, Established)
    assert event.meter_title == METER


def test_a_vague_refusal_may_be_about_the_keys() -> None:
    association = Association(ciphered(), counting())
    association.open()
    with pytest.raises(AuthenticationRefused):
        association.feed(aare(result=1, diagnostic=1, information=None))


def test_the_proof_goes_ciphered() -> None:
    settings = ciphered(mechanism=Mechanism.HLS_GMAC, challenge=CTOS)
    association = Association(settings, counting(20))
    association.open()
    information = sealed(0x28, initiate_response(), 1)
    answer = aare(ciphered=True, title=METER, diagnostic=14, mechanism=5, challenge=STOC, information=information)
    ask = association.feed(answer)
    assert isinstance(ask, Ask)
    assert ask.secret
    plain = unsealed(ask.apdu)
    assert ask.apdu[0] == 0xCB
    assert plain == bytes.fromhex("C3 01 C1 000F 0000280000FF 01 01 09 11") + gmac(CLIENT, 21, STOC)
    assert ask.apdu[3:7] == bytes((0, 0, 0, 22))
    good = bytes.fromhex("C7 01 C1 00 01 00 09 11") + gmac(METER, 2, CTOS)
    assert isinstance(association.feed(sealed(0xCF, good, 3)), Established)


def test_the_release_is_protected_where_that_is_wanted() -> None:
    plain = opened(ciphered())
    assert plain.release().apdu == bytes.fromhex("62 03 80 01 00")
    association = opened(ciphered(Form.DEDICATED, protected_release=True), first=30)
    apdu = association.release().apdu
    inside = apdu[9:]
    # RLRQ: reason 0, user-information with an octet-string in it.
    assert apdu[:9] == bytes((0x62, len(inside) + 7, 0x80, 1, 0, 0xBE, len(inside) + 2, 4, len(inside)))
    assert unsealed(inside).startswith(bytes.fromhex("01 00 00 00 06 5F1F0400"))
    assert DEDICATED_KEY not in unsealed(inside)
    assert association.feed(b"\x63\x03\x80\x01\x00") == Released()


def test_ciphering_needs_a_counter() -> None:
    with pytest.raises(ValueError, match="counter"):
        Association(ciphered())
    with pytest.raises(ValueError, match="dedicated"):
        AssociationSettings(title=CLIENT, keys=type(KEYS)(KEY, KEY), policy=Policy.AUTHENTICATED, form=Form.DEDICATED)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
@examples(100)
def test_any_bytes_never_become_a_value(apdus: list[bytes]) -> None:
    association = asked()
    for apdu in apdus:
        if at(association) is not State.ASKED:
            return
        try:
            step = association.feed(apdu)
        except GatewayError:
            continue
        assert not isinstance(step, Answered)
