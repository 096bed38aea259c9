"""AES-GCM as DLMS/COSEM uses it: an initialization vector of 12 octets, a tag of 12, or no tag at all.

    initialization vector = system title (8) | invocation counter (4)        (Green Book 9.2.3.3.7.3)

Rules: bytes in, bytes out; what a tag covers is the caller's. Nothing is decrypted before its tag has been verified:
`opened` answers None for a wrong one. The same vector must never be used twice with the same key: with two messages
under one vector the authentication of all is broken (NIST SP 800-38D, 8 and appendix A).
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

TAG_OCTETS = 12
MAX_COUNTER = 0xFFFF_FFFF


def vector(title: bytes, counter: int) -> bytes:
    """The initialization vector. ValueError where title or counter have another size: two vectors could be one."""
    if len(title) != 8:
        raise ValueError(f"a system title of {len(title)} octets: expected 8")
    if not 0 <= counter <= MAX_COUNTER:
        raise ValueError(f"invocation counter {counter}: expected 0 to {MAX_COUNTER}")
    return title + counter.to_bytes(4)


def sealed(key: bytes, iv: bytes, plain: bytes, covered: bytes) -> tuple[bytes, bytes]:
    """The ciphertext, and the tag over `covered` and it."""
    encryptor = Cipher(AES(key), GCM(iv)).encryptor()
    encryptor.authenticate_additional_data(covered)
    ciphertext = encryptor.update(plain) + encryptor.finalize()
    return ciphertext, encryptor.tag[:TAG_OCTETS]


def opened(key: bytes, iv: bytes, ciphertext: bytes, covered: bytes, tag: bytes) -> bytes | None:
    """The plaintext, or None where the tag does not fit. `cryptography` compares it in constant time."""
    if len(tag) != TAG_OCTETS:
        raise ValueError(f"a tag of {len(tag)} octets: expected {TAG_OCTETS}")
    decryptor = Cipher(AES(key), GCM(iv, tag, min_tag_length=TAG_OCTETS)).decryptor()
    decryptor.authenticate_additional_data(covered)
    plain = decryptor.update(ciphertext)
    try:
        return plain + decryptor.finalize()
    except InvalidTag:
        return None


def tag_over(key: bytes, iv: bytes, covered: bytes) -> bytes:
    """GMAC: the tag alone, over what is not encrypted."""
    return sealed(key, iv, b"", covered)[1]


def unauthenticated(key: bytes, iv: bytes, octets: bytes) -> bytes:
    """Encrypts or decrypts without a tag: the counter mode inside of GCM, whose first block is 2 (SP 800-38D 7.1)."""
    transform = Cipher(AES(key), CTR(iv + b"\x00\x00\x00\x02")).encryptor()
    return transform.update(octets) + transform.finalize()
