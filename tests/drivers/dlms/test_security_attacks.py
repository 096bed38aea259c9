"""Ciphering against whoever sits on the line: changed bits, cut ends, replays, reflections, downgrades, wrong titles.

Every attack begins with a sound APDU, of which it is shown that it is accepted without the attack.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.security import (
    Form,
    Keys,
    Kind,
    Opened,
    Opener,
    Policy,
    Protection,
    SecurityError,
    Sender,
    Suite,
    protect,
)
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.ciphering_peers import (
    AUTHENTICATED,
    BOTH,
    CLIENT,
    ENCRYPTED,
    GET_REQUEST,
    GET_RESPONSE,
    KEYS,
    METER,
    POLICIES,
    gurux_protect,
    keys_for,
)
from tests.drivers.dlms.hdlc_bytes import examples

ALL = Keys(KEYS.block_cipher, KEYS.authentication, bytes(range(0x50, 0x60)))
EVERY_FORM = frozenset(Form)


def opener(
    policy: Policy = BOTH,
    *,
    received: int = -1,
    forms: frozenset[Form] = EVERY_FORM,
    keys: Keys = ALL,
    suite: Suite = Suite.SUITE_0,
    sender: Sender = Sender.METER,
) -> Opener:
    return Opener(keys, suite, policy, METER, received, forms, sender)


def sent(
    counter: int = 10,
    policy: Policy = BOTH,
    form: Form = Form.GLOBAL,
    apdu: bytes = GET_RESPONSE,
    title: bytes = METER,
    keys: Keys = ALL,
    suite: Suite = Suite.SUITE_0,
) -> bytes:
    return protect(apdu, keys=keys, suite=suite, policy=policy, title=title, counter=counter, form=form)


def refused(by: Opener, apdu: bytes) -> Kind:
    """Why it is refused; that the bytes are kept as evidence, and the opener is as it was."""
    before = by.received
    with pytest.raises(SecurityError) as error:
        by.open(apdu)
    assert error.value.raw == apdu
    assert by.received == before
    return error.value.kind


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("policy", [AUTHENTICATED, BOTH])
def test_no_bit_can_be_changed(form: Form, policy: Policy) -> None:
    """With every form allowed, which is worse than any real association."""
    whole = sent(policy=policy, form=form)
    receiver = opener(policy)
    for bit in range(len(whole) * 8):
        wrong = bytearray(whole)
        wrong[bit // 8] ^= 1 << bit % 8
        refused(receiver, bytes(wrong))
    assert receiver.open(whole) == Opened(GET_RESPONSE, True)  # and none of it has locked the meter out


def test_a_changed_bit_has_the_kind_of_what_it_hits() -> None:
    whole = sent()
    kinds = {at: refused(opener(), whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :]) for at in range(len(whole))}
    assert kinds[1] is Kind.LENGTH
    assert kinds[2] is Kind.SUITE
    assert {kinds[at] for at in range(3, len(whole))} == {Kind.TAG}  # counter, content, tag
    assert kinds[0] is Kind.FORM  # a set-response, says the outer tag: the tag of AES-GCM does not cover it


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_can_be_cut_off_or_put_behind(form: Form, policy: Policy) -> None:
    whole = sent(policy=policy, form=form)
    receiver = opener(policy)
    for end in range(len(whole)):
        assert refused(receiver, whole[:end]) in (Kind.LENGTH, Kind.TITLE)
    assert refused(receiver, whole + b"\x00") is Kind.LENGTH
    assert receiver.open(whole).apdu == GET_RESPONSE


@pytest.mark.parametrize("size", range(5 + 12))
def test_a_content_too_short_for_header_and_tag(size: int) -> None:
    assert refused(opener(), bytes((0xCC, size)) + (b"\x30" + bytes(20))[:size]) is Kind.LENGTH


def test_nothing_at_all_in_it() -> None:
    for policy, end in ((AUTHENTICATED, 12), (ENCRYPTED, 0), (BOTH, 12)):
        nothing = gurux_protect(b"", tag=0xDB, keys=ALL, suite=Suite.SUITE_0, policy=policy, title=METER, counter=1)
        assert len(nothing) == 2 + 8 + 1 + 5 + end
        assert refused(opener(policy), nothing) is Kind.LENGTH


@pytest.mark.parametrize("policy", POLICIES)
def test_replays(policy: Policy) -> None:
    receiver = opener(policy)
    first, second = sent(10, policy), sent(11, policy)
    receiver.open(first)
    assert refused(receiver, first) is Kind.REPLAY
    receiver.open(second)
    assert refused(receiver, first) is Kind.REPLAY
    assert refused(receiver, second) is Kind.REPLAY
    assert receiver.open(sent(12, policy)).apdu == GET_RESPONSE


def test_what_overtook_is_not_taken_twice_and_what_was_overtaken_not_at_all() -> None:
    receiver = opener()
    receiver.open(sent(12))
    assert refused(receiver, sent(11)) is Kind.REPLAY


def test_answers_of_an_earlier_session() -> None:
    receiver = opener(received=500)
    assert refused(receiver, sent(499)) is Kind.REPLAY
    assert refused(receiver, sent(500)) is Kind.REPLAY
    receiver.open(sent(501))
    assert receiver.received == 501


def test_the_last_counter_is_the_end() -> None:
    receiver = opener()
    receiver.open(sent(0xFFFF_FFFF))
    assert refused(receiver, sent(0)) is Kind.REPLAY
    assert refused(receiver, sent(0xFFFF_FFFF)) is Kind.REPLAY


def test_a_forged_high_counter_locks_nobody_out() -> None:
    receiver = opener()
    forged = bytearray(sent(1))
    forged[3:7] = b"\xff\xff\xff\xff"
    assert refused(receiver, bytes(forged)) is Kind.TAG
    assert receiver.open(sent(2)).apdu == GET_RESPONSE


def test_without_tag_a_counter_is_not_remembered_for_the_next_session() -> None:
    receiver = opener(ENCRYPTED, received=5)
    receiver.open(sent(0xFFFF_FFFF, ENCRYPTED))
    assert receiver.received == 5


@pytest.mark.parametrize("form", Form)
def test_our_own_requests_sent_back_to_us(form: Form) -> None:
    """Also with the meter's title, as if the client had been given the meter's by mistake."""
    reflected = sent(apdu=GET_REQUEST, form=form, title=METER)
    assert refused(opener(), reflected) is Kind.FORM
    assert opener(sender=Sender.CLIENT).open(reflected).apdu == GET_REQUEST
    with_our_title = sent(apdu=GET_REQUEST, form=form, title=CLIENT)
    assert refused(opener(), with_our_title) in (Kind.FORM, Kind.TITLE)


@pytest.mark.parametrize("form", [Form.GLOBAL, Form.DEDICATED])
def test_answers_to_somebody_else(form: Form) -> None:
    """Service-specific APDUs have no title in them; the title is in what the tag is made with."""
    assert refused(opener(), sent(title=CLIENT, form=form)) is Kind.TAG


@pytest.mark.parametrize("form", [Form.GENERAL_GLOBAL, Form.GENERAL_DEDICATED])
def test_titles_of_somebody_else(form: Form) -> None:
    whole = sent(title=CLIENT, form=form)
    assert refused(opener(), whole) is Kind.TITLE
    assert refused(opener(), whole[:2] + METER + whole[10:]) is Kind.TAG
    assert refused(opener(), whole[:1] + b"\x00" + whole[10:]) is Kind.TAG
    with pytest.raises(SecurityError, match="title of 7 octets") as error:
        opener().open(whole[:1] + b"\x07" + METER[:7] + whole[10:])
    assert error.value.kind is Kind.TITLE


@pytest.mark.parametrize("required, used", list(itertools.product(POLICIES, (Protection(0), *POLICIES))))
def test_downgrades_in_every_combination(required: Policy, used: Policy) -> None:
    if used:
        whole = sent(policy=used)
    else:
        inside = b"\x00" + (10).to_bytes(4) + GET_RESPONSE
        whole = b"\xcc" + bytes((len(inside),)) + inside
    if required in used:
        assert opener(required).open(whole) == Opened(GET_RESPONSE, AUTHENTICATED in used)
    else:
        assert refused(opener(required), whole) is Kind.DOWNGRADE


def test_plain_apdus_where_ciphering_is_agreed() -> None:
    for apdu in (GET_RESPONSE, GET_REQUEST, b"\x08\x00", b"\x0f" + bytes(9), b"\x61\x00", b"\x63\x00", bytes(3)):
        assert refused(opener(), apdu) is Kind.PLAINTEXT


def test_errors_of_another_length_do_not_come_through_plain() -> None:
    for apdu in ("D8", "D801", "D80102030405", "D8010601020304AA", "0E", "0E0106", "0E01060102"):
        assert refused(opener(), bytes.fromhex(apdu)) is Kind.LENGTH


def test_a_meter_takes_no_errors_from_a_client() -> None:
    assert refused(opener(sender=Sender.CLIENT), b"\xd8\x01\x02") is Kind.PLAINTEXT


def test_answers_passed_off_as_answers_to_another_service() -> None:
    whole = sent()
    for outer in (0x28, 0x2E, 0xCA, 0xCD, 0xCF):
        receiver = opener()
        assert refused(receiver, bytes((outer,)) + whole[1:]) is Kind.FORM
        assert receiver.open(whole).apdu == GET_RESPONSE


def test_ciphering_in_ciphering() -> None:
    inner = sent(9)
    general = gurux_protect(inner, tag=0xDB, keys=ALL, suite=Suite.SUITE_0, policy=BOTH, title=METER, counter=10)
    assert refused(opener(), general) is Kind.FORM


@pytest.mark.parametrize("agreed, used", list(itertools.permutations(Form, 2)))
def test_forms_that_were_not_agreed(agreed: Form, used: Form) -> None:
    assert refused(opener(forms=frozenset({agreed})), sent(form=used)) is Kind.FORM
    assert opener(forms=frozenset({used})).open(sent(form=used)).apdu == GET_RESPONSE


def test_dedicated_is_not_global() -> None:
    whole = sent(form=Form.DEDICATED)
    assert refused(opener(), b"\xcc" + whole[1:]) is Kind.TAG


@pytest.mark.parametrize("tag, words", [(0xDD, "general-ciphering"), (0xDF, "signing"), (0xE0, "block")])
def test_what_is_not_supported_says_so(tag: int, words: str) -> None:
    with pytest.raises(SecurityError, match=words) as error:
        opener().open(bytes((tag,)) + bytes(40))
    assert error.value.kind is Kind.FORM


@pytest.mark.parametrize("suite, other", list(itertools.permutations(Suite, 2)))
def test_another_suite(suite: Suite, other: Suite) -> None:
    whole = sent(suite=suite, keys=keys_for(suite))
    receiver = opener(suite=other, keys=keys_for(other), forms=frozenset({Form.GLOBAL}))
    assert refused(receiver, whole) is Kind.SUITE


def test_suites_that_do_not_exist() -> None:
    whole = sent()
    for suite in range(3, 16):
        assert refused(opener(), whole[:2] + bytes((0x30 | suite,)) + whole[3:]) is Kind.SUITE


def test_key_set_and_compression() -> None:
    whole = sent()
    assert refused(opener(), whole[:2] + b"\x70" + whole[3:]) is Kind.KEYSET
    assert refused(opener(), whole[:2] + b"\xb0" + whole[3:]) is Kind.COMPRESSED
    broadcast = Opener(KEYS, Suite.SUITE_0, BOTH, METER, broadcast=True)
    assert refused(broadcast, whole) is Kind.KEYSET


@pytest.mark.parametrize("policy", [AUTHENTICATED, BOTH])
def test_other_keys(policy: Policy) -> None:
    whole = sent(policy=policy)
    for keys in (Keys(bytes(16), KEYS.authentication), Keys(KEYS.block_cipher, bytes(16))):
        assert refused(opener(policy, keys=keys, forms=frozenset({Form.GLOBAL})), whole) is Kind.TAG


def test_encryption_alone_with_another_key_is_at_least_no_answer() -> None:
    """Nothing but the first octet tells: that is why encryption alone is marked as unauthenticated."""
    wrong = Keys(bytes(16), KEYS.authentication)
    receiver = opener(ENCRYPTED, keys=wrong, forms=frozenset({Form.GLOBAL}))
    assert refused(receiver, sent(policy=ENCRYPTED)) is Kind.FORM


def test_authenticated_without_a_key_to_verify() -> None:
    receiver = opener(ENCRYPTED, keys=Keys(KEYS.block_cipher), forms=frozenset({Form.GLOBAL}))
    with pytest.raises(SecurityError, match="no authentication key is configured") as error:
        receiver.open(sent(policy=BOTH))
    assert error.value.kind is Kind.TAG


def test_an_apdu_too_large() -> None:
    assert refused(opener(), b"\xcc\x83\x10\x00\x00" + bytes(0x10_0000)) is Kind.LENGTH


BEGINNINGS = [b"", b"\xcc", b"\xdb\x08" + METER, b"\x28", b"\xd8", b"\x0e", b"\xcc\x20\x30"]


@examples(300)
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"\xcc", b"\xdb\x08" + METER, b"\x28", b"\xd8", b"\x0e", b"\xcc\x20\x30"]),
)
def test_arbitrary_octets_give_an_error_of_the_protocol_or_an_unproved_error_of_the_meter(
    octets: bytes, begin: bytes
) -> None:
    apdu = begin + octets
    try:
        opened = opener().open(apdu)
    except ProtocolError as error:
        assert error.raw == apdu
    else:
        assert opened == Opened(apdu, False)
        assert apdu[0] in (0xD8, 0x0E)


@pytest.mark.parametrize(
    "keys, suite, policy, title, received, forms",
    [
        (KEYS, Suite.SUITE_2, BOTH, METER, -1, {Form.GLOBAL}),
        (keys_for(Suite.SUITE_2), Suite.SUITE_0, BOTH, METER, -1, {Form.GLOBAL}),
        (Keys(KEYS.block_cipher), Suite.SUITE_0, BOTH, METER, -1, {Form.GLOBAL}),
        (Keys(KEYS.block_cipher), Suite.SUITE_0, AUTHENTICATED, METER, -1, {Form.GLOBAL}),
        (KEYS, Suite.SUITE_0, BOTH, METER, -1, {Form.GENERAL_DEDICATED}),
        (KEYS, Suite.SUITE_0, Policy(0), METER, -1, {Form.GLOBAL}),
        (KEYS, Suite.SUITE_0, BOTH, METER[:7], -1, {Form.GLOBAL}),
        (KEYS, Suite.SUITE_0, BOTH, b"", -1, {Form.GLOBAL}),
        (KEYS, Suite.SUITE_0, BOTH, METER, -2, {Form.GLOBAL}),
        (KEYS, Suite.SUITE_0, BOTH, METER, 1 << 32, {Form.GLOBAL}),
    ],
)
def test_an_opener_that_could_not_work_is_not_made(
    keys: Keys, suite: Suite, policy: Policy, title: bytes, received: int, forms: set[Form]
) -> None:
    with pytest.raises(ValueError):
        Opener(keys, suite, policy, title, received, frozenset(forms))


@pytest.mark.parametrize(
    "block_cipher, authentication, dedicated",
    [
        (b"", b"", b""),
        (bytes(15), b"", b""),
        (bytes(24), b"", b""),
        (bytes(16), bytes(32), b""),
        (bytes(32), bytes(32), bytes(16)),
    ],
)
def test_keys_of_lengths_that_there_are_not(block_cipher: bytes, authentication: bytes, dedicated: bytes) -> None:
    with pytest.raises(ValueError, match="octets"):
        Keys(block_cipher, authentication, dedicated)


CANARIES = (b"block-cipher-key", b"authenticat.-key", b"dedicated.key.in")


def test_no_key_is_shown() -> None:
    keys = Keys(*CANARIES)
    shown = [repr(keys), str(keys)]
    receiver = Opener(keys, Suite.SUITE_0, BOTH, METER, forms=EVERY_FORM)
    shown += [repr(receiver), repr(receiver.open(sent(keys=keys)))]
    attacks = [
        sent(),
        sent(keys=keys),
        GET_RESPONSE,
        b"\xcc\x01\x30",
        sent(policy=AUTHENTICATED, keys=keys),
        b"\xdd\x00",
    ]
    attacks += [sent(form=Form.GENERAL_GLOBAL, title=CLIENT), b"\xcd" + sent(11, keys=keys)[1:]]
    for attack in attacks:
        with pytest.raises(SecurityError) as error:
            receiver.open(attack)
        shown += [repr(error.value), str(error.value), repr(error.value.raw), repr(error.value.__cause__)]
    initiate = b"\x01\x01\x10" + CANARIES[2] + bytes(9)
    for wrong in (
        lambda: sent(apdu=initiate, policy=AUTHENTICATED, keys=keys),
        lambda: Keys(CANARIES[0], CANARIES[1] * 2),
        lambda: Keys(CANARIES[0] + b"x"),
        lambda: keys.check(Suite.SUITE_2, authenticated=True, dedicated=False),
        lambda: sent(keys=keys, counter=-1),
    ):
        with pytest.raises(ValueError) as fault:
            wrong()
        shown += [repr(fault.value)]
    for canary in CANARIES:
        assert not any(canary.decode() in text or canary.hex() in text.lower() for text in shown)
