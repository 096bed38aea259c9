"""HLS: the Green Book's example of GMAC, the hashes of gurux and by hand, reflections, and what is not supported."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from gurux_dlms.enums import Authentication
from gurux_dlms.GXCiphering import GXCiphering
from gurux_dlms.GXSecure import GXSecure
from gurux_dlms.objects.enums import SecuritySuite
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.hls import Proof, answer_to_challenge, verify_meter
from drivers.dlms.wire.keys import Keys, Suite
from drivers.dlms.wire.security_errors import Kind, SecurityError, Unsupported
from tests.drivers.dlms.ciphering_peers import CLIENT, KEYS, METER, keys_for
from tests.drivers.dlms.hdlc_bytes import examples

CTOS, STOC = b"K56iVagY", b"P6wRJ21F"
SECRET = b"canary of a password"
HASHES = (Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_SHA256)
challenges = st.binary(min_size=8, max_size=64)
ALL = (*HASHES, Mechanism.HLS_GMAC)
GURUX_MECHANISMS = {
    Mechanism.HLS_MD5: Authentication.HIGH_MD5,
    Mechanism.HLS_SHA1: Authentication.HIGH_SHA1,
    Mechanism.HLS_SHA256: Authentication.HIGH_SHA256,
    Mechanism.HLS_GMAC: Authentication.HIGH_GMAC,
}


def client(mechanism: Mechanism, *, suite: Suite = Suite.SUITE_0, ctos: bytes = CTOS, stoc: bytes = STOC) -> Proof:
    return Proof(mechanism, ctos, stoc, CLIENT, METER, SECRET, keys_for(suite), suite)


def meter(mechanism: Mechanism, *, suite: Suite = Suite.SUITE_0, ctos: bytes = CTOS, stoc: bytes = STOC) -> Proof:
    return Proof(mechanism, stoc, ctos, METER, CLIENT, SECRET, keys_for(suite), suite)


def gurux_answer(
    mechanism: Mechanism, titles: tuple[bytes, bytes], answered: bytes, other: bytes, counter: int, suite: Suite
) -> bytes:
    """What gurux computes for the side with the first title: it is given the pieces as GXDLMSClient gives them."""

    class Settings:
        authentication = GURUX_MECHANISMS[mechanism]

    cipher: Any = GXCiphering(bytearray(titles[0]))
    keys = keys_for(suite)
    cipher.blockCipherKey, cipher.authenticationKey = bytearray(keys.block_cipher), bytearray(keys.authentication)
    cipher.securitySuite = SecuritySuite(int(suite))
    secret = SECRET
    if mechanism is Mechanism.HLS_GMAC:
        secret = titles[0]
    elif mechanism is Mechanism.HLS_SHA256:
        secret = SECRET + titles[0] + titles[1] + answered + other
    return bytes(GXSecure.secure(Settings, cipher, counter, bytearray(answered), bytearray(secret)))


def test_example_of_the_green_book() -> None:
    """Green Book 9.2.7.4, example of HLS with GMAC: keys, titles, challenges and counters as here."""
    ours = client(Mechanism.HLS_GMAC)
    assert ours.answer(1).hex().upper() == "10000000011A52FE7DD3E72748973C1E28"
    ours.verify(bytes.fromhex("1001234567FE1466AFB3DBCD4F9389E2B7"))
    assert meter(Mechanism.HLS_GMAC).answer(0x01234567).hex().upper() == "1001234567FE1466AFB3DBCD4F9389E2B7"


def test_the_hashes_by_hand() -> None:
    assert client(Mechanism.HLS_MD5).answer() == hashlib.md5(STOC + SECRET).digest()
    assert client(Mechanism.HLS_SHA1).answer() == hashlib.sha1(STOC + SECRET).digest()
    client(Mechanism.HLS_MD5).verify(hashlib.md5(CTOS + SECRET).digest())
    # Green Book 9.2.7.4, table of the mechanisms: secret, ST-C, ST-S, StoC, CtoS; the meter's with all pairs swapped.
    assert client(Mechanism.HLS_SHA256).answer() == hashlib.sha256(SECRET + CLIENT + METER + STOC + CTOS).digest()
    client(Mechanism.HLS_SHA256).verify(hashlib.sha256(SECRET + METER + CLIENT + CTOS + STOC).digest())


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("mechanism", ALL)
@examples(20)
@given(
    ctos=st.binary(min_size=8, max_size=64), stoc=st.binary(min_size=8, max_size=64), counter=st.integers(0, 2**32 - 1)
)
def test_answers_are_those_of_gurux_on_both_sides(
    mechanism: Mechanism, suite: Suite, ctos: bytes, stoc: bytes, counter: int
) -> None:
    if ctos == stoc:
        stoc = bytes((stoc[0] ^ 1,)) + stoc[1:]
    ours = client(mechanism, suite=suite, ctos=ctos, stoc=stoc)
    assert ours.answer(counter) == gurux_answer(mechanism, (CLIENT, METER), stoc, ctos, counter, suite)
    theirs = gurux_answer(mechanism, (METER, CLIENT), ctos, stoc, counter, suite)
    ours.verify(theirs)
    assert meter(mechanism, suite=suite, ctos=ctos, stoc=stoc).answer(counter) == theirs


@pytest.mark.parametrize("mechanism", ALL)
def test_every_changed_bit_and_every_cut_is_no_proof(mechanism: Mechanism) -> None:
    ours = client(mechanism)
    right = meter(mechanism).answer(7)
    ours.verify(right)
    wrong = [
        bytes(right[:at]) + bytes((right[at] ^ 1 << bit,)) + right[at + 1 :]
        for at in range(len(right))
        for bit in range(8)
    ]
    for answer in (*wrong, *(right[:end] for end in range(len(right))), right + b"\x00"):
        with pytest.raises(SecurityError, match="does not prove") as error:
            ours.verify(answer)
        assert error.value.kind is Kind.PROOF
        assert error.value.raw == answer


@pytest.mark.parametrize("mechanism", ALL)
def test_our_own_answer_sent_back_is_no_proof(mechanism: Mechanism) -> None:
    ours = client(mechanism)
    with pytest.raises(SecurityError) as error:
        ours.verify(ours.answer(7))
    assert error.value.kind is Kind.PROOF


@pytest.mark.parametrize("mechanism", ALL)
def test_our_own_challenge_sent_back_is_refused_before_it_is_answered(mechanism: Mechanism) -> None:
    with pytest.raises(SecurityError, match="our own challenge") as error:
        client(mechanism, stoc=CTOS)
    assert error.value.kind is Kind.REFLECTED


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_GMAC, Mechanism.HLS_SHA256])
def test_our_own_system_title_sent_back_is_refused(mechanism: Mechanism) -> None:
    with pytest.raises(SecurityError, match="system title") as error:
        Proof(mechanism, CTOS, STOC, CLIENT, CLIENT, SECRET, KEYS)
    assert error.value.kind is Kind.TITLE


@pytest.mark.parametrize("mechanism", [Mechanism.HLS_GMAC, Mechanism.HLS_SHA256])
def test_titles_are_needed_where_they_are_part_of_the_answer(mechanism: Mechanism) -> None:
    with pytest.raises(SecurityError) as error:
        Proof(mechanism, CTOS, STOC, CLIENT, b"", SECRET, KEYS)
    assert error.value.kind is Kind.TITLE
    with pytest.raises(ValueError, match="own system title"):
        Proof(mechanism, CTOS, STOC, b"", METER, SECRET, KEYS)
    assert Proof(Mechanism.HLS_SHA1, CTOS, STOC, secret=SECRET).answer()


@pytest.mark.parametrize("size", [0, 1, 7, 65, 200])
def test_challenges_of_lengths_that_are_not_allowed(size: int) -> None:
    with pytest.raises(SecurityError) as error:
        client(Mechanism.HLS_MD5, stoc=bytes(size))
    assert error.value.kind is Kind.LENGTH
    with pytest.raises(ValueError, match="own challenge"):
        client(Mechanism.HLS_MD5, ctos=bytes(size))


@pytest.mark.parametrize("size", [8, 64])
def test_the_shortest_and_the_longest_challenge(size: int) -> None:
    assert client(Mechanism.HLS_GMAC, stoc=bytes(size)).answer(1)


@pytest.mark.parametrize("mechanism", [Mechanism.HLS, Mechanism.HLS_ECDSA])
def test_what_is_not_supported_says_what_would_be(mechanism: Mechanism) -> None:
    with pytest.raises(Unsupported, match="not supported: an association with HLS"):
        client(mechanism)


@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LOW])
def test_what_is_no_hls(mechanism: Mechanism) -> None:
    with pytest.raises(ValueError, match="no challenges"):
        client(mechanism)


def test_what_is_missing_for_an_answer() -> None:
    with pytest.raises(ValueError, match="needs a secret"):
        Proof(Mechanism.HLS_MD5, CTOS, STOC)
    with pytest.raises(ValueError, match="needs keys"):
        Proof(Mechanism.HLS_GMAC, CTOS, STOC, CLIENT, METER)
    with pytest.raises(ValueError, match="authentication key"):
        Proof(Mechanism.HLS_GMAC, CTOS, STOC, CLIENT, METER, keys=Keys(bytes(16)))
    with pytest.raises(ValueError, match="suite 2"):
        Proof(Mechanism.HLS_GMAC, CTOS, STOC, CLIENT, METER, keys=KEYS, suite=Suite.SUITE_2)
    with pytest.raises(ValueError, match="invocation counter"):
        client(Mechanism.HLS_GMAC).answer()


def test_the_functions_are_the_proof() -> None:
    for mechanism in ALL:
        answer = answer_to_challenge(
            mechanism,
            challenge=CTOS,
            own_challenge=STOC,
            secret=SECRET,
            keys=KEYS,
            own_title=METER,
            peer_title=CLIENT,
            counter=3,
        )
        assert answer == meter(mechanism).answer(3)
        verify_meter(
            answer,
            mechanism,
            challenge=STOC,
            own_challenge=CTOS,
            secret=SECRET,
            keys=KEYS,
            own_title=CLIENT,
            peer_title=METER,
        )


@pytest.mark.parametrize("mechanism", ALL)
def test_no_secret_is_shown(mechanism: Mechanism) -> None:
    keys = Keys(b"block-cipher-key", b"authenticat.-key")
    proof = Proof(mechanism, CTOS, STOC, CLIENT, METER, SECRET, keys)
    with pytest.raises(SecurityError) as error:
        proof.verify(b"wrong")
    text = f"{proof!r} {proof} {error.value!r} {error.value} {error.value.raw!r}"
    for canary in (SECRET, b"block-cipher-key", b"authenticat.-key"):
        assert canary.decode() not in text
        assert canary.hex() not in text.lower()
