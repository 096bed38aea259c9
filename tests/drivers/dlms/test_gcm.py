"""AES-GCM: the public vectors, with the tag of twelve octets that DLMS has, and refusals."""

from __future__ import annotations

import pytest

from drivers.dlms.wire import gcm

PLAIN = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
COVERED = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
IV = bytes.fromhex("cafebabefacedbaddecaf888")
KEY = bytes.fromhex("feffe9928665731c6d6a8f9467308308")
VECTORS = {
    "test case 4, AES-128": (
        KEY,
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    "test case 16, AES-256": (
        KEY + KEY,
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
}
"""McGrew and Viega, The Galois/Counter Mode of Operation (submission to NIST), appendix B."""


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_of_nist(name: str) -> None:
    key, ciphertext, tag = VECTORS[name]
    sealed = gcm.sealed(key, IV, PLAIN, COVERED)
    assert sealed == (bytes.fromhex(ciphertext), bytes.fromhex(tag)[:12])
    assert gcm.opened(key, IV, *sealed_with(sealed)) == PLAIN
    assert gcm.unauthenticated(key, IV, PLAIN) == sealed[0]
    assert gcm.unauthenticated(key, IV, sealed[0]) == PLAIN


def sealed_with(sealed: tuple[bytes, bytes], covered: bytes = COVERED) -> tuple[bytes, bytes, bytes]:
    return sealed[0], covered, sealed[1]


def test_a_wrong_tag_ciphertext_or_cover_gives_nothing() -> None:
    ciphertext, tag = gcm.sealed(KEY, IV, PLAIN, COVERED)
    for wrong in (bytes(12), bytes((tag[0] ^ 1,)) + tag[1:], tag[:11] + bytes((tag[11] ^ 0x80,))):
        assert gcm.opened(KEY, IV, ciphertext, COVERED, wrong) is None
    assert gcm.opened(KEY, IV, bytes((ciphertext[0] ^ 1,)) + ciphertext[1:], COVERED, tag) is None
    assert gcm.opened(KEY, IV, ciphertext, COVERED[:-1], tag) is None
    assert gcm.opened(KEY, IV[:-1] + b"\x00", ciphertext, COVERED, tag) is None


def test_a_tag_of_another_length_is_no_tag() -> None:
    ciphertext, tag = gcm.sealed(KEY, IV, PLAIN, COVERED)
    for wrong in (b"", tag[:11], tag + b"\x00"):
        with pytest.raises(ValueError, match="a tag of"):
            gcm.opened(KEY, IV, ciphertext, COVERED, wrong)


def test_gmac_is_the_tag_of_an_empty_text() -> None:
    assert gcm.opened(KEY, IV, b"", COVERED, gcm.tag_over(KEY, IV, COVERED)) == b""


def test_the_vector_is_title_and_counter_and_neither_may_be_of_another_size() -> None:
    title = bytes.fromhex("4D4D4D0000BC614E")
    assert gcm.vector(title, 0x01234567).hex() == "4d4d4d0000bc614e01234567"
    assert gcm.vector(title, 0xFFFF_FFFF)[8:] == b"\xff" * 4
    for wrong in (b"", title[:7], title + b"\x00"):
        with pytest.raises(ValueError, match="system title"):
            gcm.vector(wrong, 1)
    for counter in (-1, 0x1_0000_0000):
        with pytest.raises(ValueError, match="invocation counter"):
            gcm.vector(title, counter)
