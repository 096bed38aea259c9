"""Ciphering and authentication as a simulated DLMS meter does them (IEC 62056-5-3, security suites 0 to 2; Green Book
9.2.7.4, HLS).

    SC | invocation counter (4) | ciphertext or plaintext | authentication tag (12)

Rules: written from the standard alone, on AES-GCM and hashlib; what does not verify is Unsound and is never looked at;
keys are in no representation of anything.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

AUTHENTICATED, ENCRYPTED = 0x10, 0x20
TAG = 12
GENERAL_GLO, GENERAL_DED = 0xDB, 0xDC
# The APDU's own tag to that of its ciphered form (IEC 62056-5-3, xDLMS-APDU).
GLOBAL = {0x01: 0x21, 0x08: 0x28, 0xC0: 0xC8, 0xC1: 0xC9, 0xC2: 0xCA, 0xC3: 0xCB, 0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF}
DEDICATED = {0xC0: 0xD0, 0xC1: 0xD1, 0xC2: 0xD2, 0xC3: 0xD3, 0xC4: 0xD4, 0xC5: 0xD5, 0xC7: 0xD7}


class Unsound(Exception):
    """What was ciphered does not verify."""


class Security(StrEnum):
    """What the meter demands of every message, spelled as on the command line."""

    NONE = "none"
    AUTHENTICATED = "authenticated"
    ENCRYPTED = "encrypted"
    BOTH = "authenticated-encrypted"

    @property
    def control(self) -> int:
        """Its bits of the security control octet."""
        return {
            Security.NONE: 0,
            Security.AUTHENTICATED: AUTHENTICATED,
            Security.ENCRYPTED: ENCRYPTED,
            Security.BOTH: AUTHENTICATED | ENCRYPTED,
        }[self]


class Mechanism(IntEnum):
    """Authentication mechanisms (2 16 756 5 8 2 n)."""

    NONE = 0
    LOW = 1
    HLS_MD5 = 3
    HLS_SHA1 = 4
    HLS_GMAC = 5
    HLS_SHA256 = 6

    @property
    def is_hls(self) -> bool:
        return self not in (Mechanism.NONE, Mechanism.LOW)


@dataclass(frozen=True, slots=True)
class Keys:
    """Block cipher key and authentication key, 16 octets each, or 32 in suite 2."""

    block_cipher: bytes = field(repr=False)
    authentication: bytes = field(repr=False)
    suite: int = 0


def seal(plain: bytes, keys: Keys, *, control: int, title: bytes, counter: int) -> bytes:
    """What stands behind the length of a ciphered APDU. `control` without the suite."""
    head = bytes([control | keys.suite])
    nonce = title + counter.to_bytes(4)
    ciphered = control & ENCRYPTED != 0
    encryptor = Cipher(algorithms.AES(keys.block_cipher), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(head + keys.authentication + (b"" if ciphered else plain))
    content = encryptor.update(plain) if ciphered else plain
    encryptor.finalize()
    tag = encryptor.tag[:TAG] if control & AUTHENTICATED else b""
    return head + counter.to_bytes(4) + content + tag


def unseal(sealed: bytes, keys: Keys, *, required: int, title: bytes) -> tuple[bytes, int]:
    """Plaintext and counter. Unsound: protected by less than `required`, by another suite, or tampered with."""
    if len(sealed) < 5 or sealed[0] & ~(AUTHENTICATED | ENCRYPTED) != keys.suite:
        raise Unsound("another suite, key set, or too short")
    control, counter, content = sealed[0] & 0x30, sealed[1:5], sealed[5:]
    if control & required != required or not control:
        raise Unsound("less protected than demanded")
    ciphered, authenticated = control & ENCRYPTED != 0, control & AUTHENTICATED != 0
    tag = content[len(content) - TAG :] if authenticated else b""
    content = content[: len(content) - TAG] if authenticated else content
    head = sealed[:1] + keys.authentication
    if authenticated:
        if len(tag) < TAG:
            raise Unsound("no room for a tag")
        mode = modes.GCM(title + counter, tag, min_tag_length=TAG)
    else:
        mode = modes.GCM(title + counter)
    # Without a tag there is nothing to verify, and encrypting in counter mode is decrypting.
    if not authenticated:
        return Cipher(algorithms.AES(keys.block_cipher), mode).encryptor().update(content), int.from_bytes(counter)
    decryptor = Cipher(algorithms.AES(keys.block_cipher), mode).decryptor()
    decryptor.authenticate_additional_data(head if ciphered else head + content)
    plain = decryptor.update(content) if ciphered else content
    try:
        decryptor.finalize()
    except InvalidTag as error:
        raise Unsound("wrong tag") from error
    return plain, int.from_bytes(counter)


@dataclass(frozen=True, slots=True)
class Challenges:
    """Both system titles and both challenges of one association."""

    client_title: bytes
    meter_title: bytes
    to_meter: bytes
    to_client: bytes


def proof_of_meter(
    mechanism: Mechanism, secret: bytes, keys: Keys | None, challenges: Challenges, counter: int
) -> bytes:
    """f(CtoS): what the meter answers to the client's challenge."""
    c = challenges
    if mechanism is Mechanism.HLS_GMAC:
        assert keys is not None
        sealed = seal(c.to_meter, keys, control=AUTHENTICATED, title=c.meter_title, counter=counter)
        return sealed[:5] + sealed[-TAG:]
    return _digest(mechanism, secret, c.to_meter, c.meter_title + c.client_title + c.to_meter + c.to_client)


def is_proof_of_client(
    mechanism: Mechanism, secret: bytes, keys: Keys | None, challenges: Challenges, given: bytes
) -> bool:
    """Whether `given` is f(StoC)."""
    c = challenges
    if mechanism is Mechanism.HLS_GMAC:
        assert keys is not None
        if len(given) != 5 + TAG or given[0] != AUTHENTICATED | keys.suite:
            return False
        counter = int.from_bytes(given[1:5])
        due = seal(c.to_client, keys, control=AUTHENTICATED, title=c.client_title, counter=counter)[-TAG:]
        return hmac.compare_digest(due, given[5:])
    due = _digest(mechanism, secret, c.to_client, c.client_title + c.meter_title + c.to_client + c.to_meter)
    return hmac.compare_digest(due, given)


def _digest(mechanism: Mechanism, secret: bytes, challenge: bytes, everything: bytes) -> bytes:
    match mechanism:
        case Mechanism.HLS_MD5:
            return hashlib.md5(challenge + secret, usedforsecurity=False).digest()
        case Mechanism.HLS_SHA1:
            return hashlib.sha1(challenge + secret, usedforsecurity=False).digest()
        case _:
            return hashlib.sha256(secret + everything).digest()
