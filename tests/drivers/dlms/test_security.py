"""Ciphering: the Green Book's example, captures of real meters, and gurux as the foreign peer, both ways."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.data_notification import DataNotification, parse_notification
from drivers.dlms.wire.hdlc_frame import Frame
from drivers.dlms.wire.hdlc_reader import FrameReader
from drivers.dlms.wire.security import Form, Keys, Opened, Opener, Policy, Sender, Suite, protect
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
    gurux_open,
    gurux_protect,
    keys_for,
)
from tests.drivers.dlms.hdlc_bytes import CAPTURES, examples

DEDICATED = bytes(range(0x50, 0x60))
WITH_DEDICATED = Keys(KEYS.block_cipher, KEYS.authentication, DEDICATED)
LONG_DEDICATED = Keys(keys_for(Suite.SUITE_2).block_cipher, keys_for(Suite.SUITE_2).authentication, bytes(range(32)))

GREEN_BOOK = {
    AUTHENTICATED: "C8 1E 10 01234567 C0010000080000010000FF0200 06725D910F9221D263877516",
    ENCRYPTED: "C8 12 20 01234567 411312FF935A47566827C467BC",
    BOTH: "C8 1E 30 01234567 411312FF935A47566827C467BC 7D825C3BE4A77C3FCC056B6B",
}
"""Green Book 9.2.7.2.4.6 (example for encrypted and authenticated APDUs, suite 0): keys, title and counter as here."""

SPECIFIC = {
    # plain: glo, ded (IEC 62056-5-3, the ASN.1 of the APDUs: tags 200 to 215, 33, 40, 46 and 78)
    "C0": (0xC8, 0xD0),
    "C1": (0xC9, 0xD1),
    "C3": (0xCB, 0xD3),
    "C4": (0xCC, 0xD4),
    "C5": (0xCD, 0xD5),
    "C7": (0xCF, 0xD7),
    "C2": (0xCA, 0xD2),
    "0E": (0x2E, 0x4E),
}
FROM_CLIENT = ("C0", "C1", "C3")


def sender_of(service: str) -> Sender:
    return Sender.CLIENT if service in FROM_CLIENT else Sender.METER


@pytest.mark.parametrize("policy", POLICIES)
def test_example_of_the_green_book(policy: Policy) -> None:
    ciphered = bytes.fromhex(GREEN_BOOK[policy])
    made = protect(
        GET_REQUEST, keys=KEYS, suite=Suite.SUITE_0, policy=policy, title=METER, counter=0x01234567, form=Form.GLOBAL
    )
    assert made == ciphered
    opener = Opener(KEYS, Suite.SUITE_0, policy, METER, sender=Sender.CLIENT)
    assert opener.open(ciphered) == Opened(GET_REQUEST, policy is not ENCRYPTED)
    assert opener.received == (0x01234567 if policy is not ENCRYPTED else -1)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("service", SPECIFIC)
def test_service_specific_ciphering_is_that_of_gurux_both_ways(service: str, suite: Suite, policy: Policy) -> None:
    keys = LONG_DEDICATED if suite is Suite.SUITE_2 else WITH_DEDICATED
    apdu = bytes.fromhex(service) + bytes(range(1, 60))
    for form, tag in zip((Form.GLOBAL, Form.DEDICATED), SPECIFIC[service], strict=True):
        key = keys.dedicated if form is Form.DEDICATED else b""
        foreign = gurux_protect(apdu, tag=tag, keys=keys, suite=suite, policy=policy, title=METER, counter=77, key=key)
        ours = protect(apdu, keys=keys, suite=suite, policy=policy, title=METER, counter=77, form=form)
        assert ours == foreign
        assert ours[0] == tag
        opener = Opener(keys, suite, policy, METER, forms=frozenset({form}), sender=sender_of(service))
        assert opener.open(foreign) == Opened(apdu, policy is not ENCRYPTED)
        assert gurux_open(ours, keys=keys, title=METER, key=key) == apdu


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("form, tag", [(Form.GENERAL_GLOBAL, 0xDB), (Form.GENERAL_DEDICATED, 0xDC)])
def test_general_ciphering_is_that_of_gurux_both_ways(form: Form, tag: int, suite: Suite, policy: Policy) -> None:
    keys = LONG_DEDICATED if suite is Suite.SUITE_2 else WITH_DEDICATED
    key = keys.dedicated if form is Form.GENERAL_DEDICATED else b""
    for apdu in (GET_RESPONSE, b"\x0f" + bytes(300), b"\xd8\x01\x02", b"\xe0\xc0\x00\x01\x00\x00\x00"):
        foreign = gurux_protect(apdu, tag=tag, keys=keys, suite=suite, policy=policy, title=METER, counter=5, key=key)
        ours = protect(apdu, keys=keys, suite=suite, policy=policy, title=METER, counter=5, form=form)
        assert ours == foreign
        assert ours[:10] == bytes((tag, 8)) + METER
        opened = Opener(keys, suite, policy, METER, forms=frozenset({form})).open(foreign)
        assert opened == Opened(apdu, policy is not ENCRYPTED)
        assert gurux_open(ours, keys=keys, title=METER, key=key) == apdu


@examples(100)
@given(st.binary(min_size=1, max_size=700), st.integers(0, 0xFFFF_FFFF), st.sampled_from(POLICIES))
def test_any_content_and_counter_come_through_and_are_those_of_gurux(
    content: bytes, counter: int, policy: Policy
) -> None:
    apdu = b"\xc4" + content
    ours = protect(apdu, keys=KEYS, suite=Suite.SUITE_0, policy=policy, title=METER, counter=counter)
    foreign = gurux_protect(apdu, tag=0xCC, keys=KEYS, suite=Suite.SUITE_0, policy=policy, title=METER, counter=counter)
    assert ours == foreign
    assert Opener(KEYS, Suite.SUITE_0, policy, METER).open(ours).apdu == apdu


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    "apdu, tag, sender", [(b"\x01\x00\x00\x00", 0x21, Sender.CLIENT), (b"\x08\x00\x06", 0x28, Sender.METER)]
)
def test_initiate_apdus_come_with_the_global_key_in_every_form(
    form: Form, apdu: bytes, tag: int, sender: Sender
) -> None:
    ours = protect(apdu, keys=WITH_DEDICATED, suite=Suite.SUITE_0, policy=BOTH, title=METER, counter=9, form=form)
    assert ours == gurux_protect(apdu, tag=tag, keys=KEYS, suite=Suite.SUITE_0, policy=BOTH, title=METER, counter=9)
    opener = Opener(WITH_DEDICATED, Suite.SUITE_0, BOTH, METER, forms=frozenset({form}), sender=sender)
    assert opener.open(ours) == Opened(apdu, True)


def test_an_empty_system_title_is_that_of_the_association() -> None:
    whole = protect(
        GET_RESPONSE, keys=KEYS, suite=Suite.SUITE_0, policy=BOTH, title=METER, counter=1, form=Form.GENERAL_GLOBAL
    )
    without = b"\xdb\x00" + whole[10:]
    opener = Opener(KEYS, Suite.SUITE_0, BOTH, METER, forms=frozenset({Form.GENERAL_GLOBAL}))
    assert opener.open(without).apdu == GET_RESPONSE


def test_a_length_in_more_octets_than_needed_is_the_same_length() -> None:
    whole = protect(GET_RESPONSE, keys=KEYS, suite=Suite.SUITE_0, policy=BOTH, title=METER, counter=1)
    longer = whole[:1] + b"\x82\x00" + whole[1:]
    assert Opener(KEYS, Suite.SUITE_0, BOTH, METER).open(longer).apdu == GET_RESPONSE


def test_more_protection_than_required_is_taken() -> None:
    whole = protect(GET_RESPONSE, keys=KEYS, suite=Suite.SUITE_0, policy=BOTH, title=METER, counter=1)
    for policy in POLICIES:
        assert Opener(KEYS, Suite.SUITE_0, policy, METER).open(whole) == Opened(GET_RESPONSE, True)


def test_without_authentication_key_encryption_alone_works() -> None:
    keys = Keys(KEYS.block_cipher)
    whole = protect(GET_RESPONSE, keys=keys, suite=Suite.SUITE_0, policy=ENCRYPTED, title=METER, counter=1)
    assert Opener(keys, Suite.SUITE_0, ENCRYPTED, METER).open(whole) == Opened(GET_RESPONSE, False)


def test_the_dedicated_key_has_a_counter_of_its_own() -> None:
    forms = frozenset({Form.DEDICATED})
    opener = Opener(WITH_DEDICATED, Suite.SUITE_0, BOTH, METER, received=4000, forms=forms)

    def sent(apdu: bytes, counter: int) -> bytes:
        return protect(
            apdu,
            keys=WITH_DEDICATED,
            suite=Suite.SUITE_0,
            policy=BOTH,
            title=METER,
            counter=counter,
            form=Form.DEDICATED,
        )

    opener.open(sent(b"\x08\x00", 4001))
    assert opener.received == 4001
    assert opener.open(sent(GET_RESPONSE, 0)).apdu == GET_RESPONSE
    assert opener.open(sent(GET_RESPONSE, 1)).apdu == GET_RESPONSE
    assert opener.received == 4001


@pytest.mark.parametrize("apdu", ["D8 01 02", "D8 01 06 00000100", "0E 01 06 01"])
def test_errors_come_through_plain_and_unauthenticated(apdu: str) -> None:
    opener = Opener(KEYS, Suite.SUITE_0, BOTH, METER, received=3)
    assert opener.open(bytes.fromhex(apdu)) == Opened(bytes.fromhex(apdu), False)
    assert opener.received == 3


def test_broadcast_keys_open_what_says_that_it_is_broadcast() -> None:
    apdu = b"\x0f" + bytes(9)
    sent = gurux_protect(
        apdu, tag=0xDB, keys=KEYS, suite=Suite.SUITE_0, policy=BOTH, title=METER, counter=1, broadcast=True
    )
    assert sent[11] == 0x70
    opener = Opener(KEYS, Suite.SUITE_0, BOTH, METER, forms=frozenset({Form.GENERAL_GLOBAL}), broadcast=True)
    assert opener.open(sent) == Opened(apdu, True)


@pytest.mark.parametrize(
    "apdu, policy, form, words",
    [
        (b"", BOTH, Form.GLOBAL, "0 octets"),
        (b"\xc4" + bytes(1_048_576), BOTH, Form.GLOBAL, "1048577 octets"),
        (b"\x61\x00", BOTH, Form.GLOBAL, "not one that is ciphered"),
        (b"\xcc\x00", BOTH, Form.GENERAL_GLOBAL, "not one that is ciphered"),
        (b"\x0f\x00", BOTH, Form.GLOBAL, "general ciphering is needed"),
        (b"\xd8\x01\x02", BOTH, Form.GLOBAL, "general ciphering is needed"),
        (GET_REQUEST, Policy(0), Form.GLOBAL, "no policy"),
        (GET_REQUEST, BOTH | Policy.COMPRESSED, Form.GLOBAL, "no policy"),
        (GET_REQUEST, BOTH | Policy.BROADCAST_KEY, Form.GLOBAL, "no policy"),
        (GET_REQUEST, BOTH, Form.DEDICATED, "dedicated key"),
    ],
)
def test_what_cannot_be_protected(apdu: bytes, policy: Policy, form: Form, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        protect(apdu, keys=KEYS, suite=Suite.SUITE_0, policy=policy, title=CLIENT, counter=1, form=form)


def test_a_dedicated_key_never_goes_out_unencrypted() -> None:
    initiate = b"\x01\x01\x10" + DEDICATED + bytes.fromhex("00 00 06 5F1F0400 00001E1D FFFF")
    with pytest.raises(ValueError, match="encrypted"):
        protect(initiate, keys=KEYS, suite=Suite.SUITE_0, policy=AUTHENTICATED, title=CLIENT, counter=1)
    for policy in (ENCRYPTED, BOTH):
        sent = protect(initiate, keys=KEYS, suite=Suite.SUITE_0, policy=policy, title=CLIENT, counter=1)
        assert DEDICATED not in sent
    plain = b"\x01\x00\x00\x00\x06" + bytes(9)
    assert plain in protect(plain, keys=KEYS, suite=Suite.SUITE_0, policy=AUTHENTICATED, title=CLIENT, counter=1)


@pytest.mark.parametrize("counter", [-1, 0x1_0000_0000])
def test_a_counter_out_of_range_is_never_sent(counter: int) -> None:
    with pytest.raises(ValueError, match="invocation counter"):
        protect(GET_REQUEST, keys=KEYS, suite=Suite.SUITE_0, policy=BOTH, title=CLIENT, counter=counter)


@pytest.mark.capture
@pytest.mark.skipif(not CAPTURES.exists() and "CI" not in os.environ, reason="no captures beside the repository")
@pytest.mark.parametrize("name", ["hdlc_kamstrup_omnipower", "hdlc_landis_gyr_e450"])
def test_pushes_of_real_meters_are_opened_with_the_keys_published_beside_them(name: str) -> None:
    ciphered = captured(name)
    title = ciphered[2:10]
    encryption, authentication = (bytes.fromhex((CAPTURES / f"{name}.{end}").read_text()) for end in ("key", "gak"))
    general = frozenset({Form.GENERAL_GLOBAL})
    opened = Opener(Keys(encryption, authentication), Suite.SUITE_0, BOTH, title, forms=general).open(ciphered)
    assert opened.authenticated
    assert isinstance(parse_notification(opened.apdu), DataNotification)


def captured(name: str) -> bytes:
    """The ciphered APDU of a capture. That of Landis+Gyr comes in three blocks of a general block transfer."""
    octets = bytes.fromhex((CAPTURES / f"{name}.log").read_text(encoding="ascii").replace(":", " "))
    parts = [event.information for event in FrameReader().feed(octets) if isinstance(event, Frame)]
    whole = [part.removeprefix(b"\xe6\xe7\x00") for part in parts]
    return whole[0] if len(whole) == 1 else b"".join(part[7:] for part in whole)
