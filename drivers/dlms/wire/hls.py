"""High-level security: the answers to challenges in passes 3 and 4 (Green Book 9.2.7.4; IEC 62056-5-3, HLS).

    CtoS is our challenge, StoC the meter's; f(StoC) is what we send, f(CtoS) what the meter sends back
    MD5, SHA-1   hash of (challenge that is answered | secret)
    SHA-256      hash of (secret | own system title | other's title | challenge that is answered | other challenge)
    GMAC         10 + suite | invocation counter (4) | tag over (10 + suite | authentication key | challenge)

"Own" is who answers. MD5 and SHA-1 are here because meters have nothing better: whoever listens can try passwords
offline as fast as the hash is.

Rules: answers are compared in constant time. A challenge that is our own, or a meter with our own system title, is
refused: we would compute for somebody the very answer that he has to give us (reflection). Nothing of a secret is in an
error. Mechanisms that are not here (of manufacturers, ECDSA) are Unsupported.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from drivers.dlms.wire import gcm
from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.data_notification import Protection
from drivers.dlms.wire.keys import TITLE_OCTETS, Keys, Suite
from drivers.dlms.wire.security_errors import Kind, SecurityError, Unsupported

CHALLENGE_OCTETS = range(8, 65)
"""How long a challenge may be (Green Book 9.2.7.4)."""
_HASHES = {Mechanism.HLS_MD5: "md5", Mechanism.HLS_SHA1: "sha1", Mechanism.HLS_SHA256: "sha256"}
_WITH_TITLES = (Mechanism.HLS_GMAC, Mechanism.HLS_SHA256)
_UNSUPPORTED = {
    Mechanism.HLS: "HLS 2, which every manufacturer defines for himself",
    Mechanism.HLS_ECDSA: "HLS with ECDSA signatures",
}
_REMEDY = "an association with HLS of MD5, SHA-1, SHA-256 or GMAC has to be used"


@dataclass(frozen=True, slots=True)
class Proof:
    """What both sides know in the passes 3 and 4. `secret` for the hashes, `keys` for GMAC; both titles for SHA-256 and
    GMAC. Titles and challenges are those of this side and of the other."""

    mechanism: Mechanism
    own_challenge: bytes
    peer_challenge: bytes
    own_title: bytes = b""
    peer_title: bytes = b""
    secret: bytes = field(default=b"", repr=False)
    keys: Keys | None = None
    suite: Suite = Suite.SUITE_0

    def __post_init__(self) -> None:
        """ValueError for what this side has wrong, SecurityError for the other's, Unsupported for the mechanism."""
        if self.mechanism in _UNSUPPORTED:
            raise Unsupported(f"wants {_UNSUPPORTED[self.mechanism]}; that is not supported: {_REMEDY}")
        if self.mechanism not in _HASHES and self.mechanism is not Mechanism.HLS_GMAC:
            raise ValueError(f"{self.mechanism.name} has no challenges")
        if self.mechanism is Mechanism.HLS_GMAC:
            if self.keys is None:
                raise ValueError("HLS with GMAC needs keys")
            self.keys.check(self.suite, authenticated=True, dedicated=False)
        elif not self.secret:
            raise ValueError(f"{self.mechanism.name} needs a secret")
        if len(self.own_challenge) not in CHALLENGE_OCTETS:
            raise ValueError(f"an own challenge of {len(self.own_challenge)} octets: expected 8 to 64")
        if len(self.peer_challenge) not in CHALLENGE_OCTETS:
            message = f"sends a challenge of {len(self.peer_challenge)} octets, where 8 to 64 are allowed"
            raise SecurityError(Kind.LENGTH, message, self.peer_challenge)
        if hmac.compare_digest(self.own_challenge, self.peer_challenge):
            message = "sends our own challenge back, to be given the answer to it: that is no meter, or a faulty one"
            raise SecurityError(Kind.REFLECTED, message, self.peer_challenge)
        if self.mechanism in _WITH_TITLES:
            if len(self.own_title) != TITLE_OCTETS:
                raise ValueError(f"an own system title of {len(self.own_title)} octets: expected {TITLE_OCTETS}")
            if len(self.peer_title) != TITLE_OCTETS:
                message = f"names a system title of {len(self.peer_title)} octets, where {TITLE_OCTETS} are due"
                raise SecurityError(Kind.TITLE, message, self.peer_title)
            if self.peer_title == self.own_title:
                message = "names our own system title as its own: the configured system_title has to be another one"
                raise SecurityError(Kind.TITLE, message, self.peer_title)

    def answer(self, counter: int | None = None) -> bytes:
        """The answer to the other side's challenge. GMAC needs an invocation counter that was never used before."""
        if self.mechanism is Mechanism.HLS_GMAC:
            if counter is None:
                raise ValueError("HLS with GMAC needs an invocation counter")
            return self._gmac(self.own_title, self.peer_challenge, counter)
        return self._hash(self.own_title, self.peer_title, self.peer_challenge, self.own_challenge)

    def verify(self, answer: bytes) -> None:
        """SecurityError unless this is the other side's answer to our challenge."""
        if self.mechanism is Mechanism.HLS_GMAC:
            # A wrong length or security control makes another expected answer, and never an error of its own.
            expected = self._gmac(self.peer_title, self.own_challenge, int.from_bytes(answer[1:5]))
        else:
            expected = self._hash(self.peer_title, self.own_title, self.own_challenge, self.peer_challenge)
        if not hmac.compare_digest(answer, expected):
            gmac = self.mechanism is Mechanism.HLS_GMAC
            what = "its keys differ from" if gmac else "its password differs from"
            message = f"does not prove that it knows the secret: {what} what is configured"
            raise SecurityError(Kind.PROOF, message, answer)

    def _gmac(self, title: bytes, challenge: bytes, counter: int) -> bytes:
        assert self.keys is not None  # see __post_init__
        control = bytes((Protection.AUTHENTICATED | self.suite,))
        iv = gcm.vector(title, counter)
        tag = gcm.tag_over(self.keys.block_cipher, iv, control + self.keys.authentication + challenge)
        return control + counter.to_bytes(4) + tag

    def _hash(self, title: bytes, other_title: bytes, challenge: bytes, other_challenge: bytes) -> bytes:
        octets = challenge + self.secret
        if self.mechanism is Mechanism.HLS_SHA256:
            octets = self.secret + title + other_title + challenge + other_challenge
        # The mechanism is the meter's: MD5 and SHA-1 also where a policy of the host forbids them for anything new.
        return hashlib.new(_HASHES[self.mechanism], octets, usedforsecurity=False).digest()


def answer_to_challenge(
    mechanism: Mechanism,
    *,
    challenge: bytes,
    own_challenge: bytes,
    secret: bytes = b"",
    keys: Keys | None = None,
    suite: Suite = Suite.SUITE_0,
    own_title: bytes = b"",
    peer_title: bytes = b"",
    counter: int | None = None,
) -> bytes:
    """f(StoC) of a client, f(CtoS) of a meter: the answer to `challenge`. Errors as `Proof`."""
    proof = Proof(mechanism, own_challenge, challenge, own_title, peer_title, secret, keys, suite)
    return proof.answer(counter)


def verify_meter(
    answer: bytes,
    mechanism: Mechanism,
    *,
    challenge: bytes,
    own_challenge: bytes,
    secret: bytes = b"",
    keys: Keys | None = None,
    suite: Suite = Suite.SUITE_0,
    own_title: bytes = b"",
    peer_title: bytes = b"",
) -> None:
    """SecurityError (PROOF) unless `answer` is the peer's answer to `own_challenge`. Errors as `Proof`."""
    Proof(mechanism, own_challenge, challenge, own_title, peer_title, secret, keys, suite).verify(answer)
