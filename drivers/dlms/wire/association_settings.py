"""What an association is to be: who asks, how that is proved, how it is protected.

Rules: what contradicts itself is a ValueError here, before a byte is sent. Secrets are in no repr.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.general_block_transfer import WINDOW_MOST
from drivers.dlms.wire.keys import TITLE_OCTETS, Keys, Suite
from drivers.dlms.wire.security import Form, Policy, Protection

UNPROTECTED = Protection(0)
CURRENT_ASSOCIATION = bytes((0, 0, 40, 0, 0, 255))
PROPOSED = (
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.BLOCK_TRANSFER_GET
    | Conformance.BLOCK_TRANSFER_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
)
"""What we can do and may need."""
CHALLENGE_LEAST, CHALLENGE_MOST = 8, 64
"""Octets of a challenge (Green Book 9.2.2.2.2.4)."""

_HLS = frozenset(
    {Mechanism.HLS_MD5, Mechanism.HLS_SHA1, Mechanism.HLS_GMAC, Mechanism.HLS_SHA256},
)


@dataclass(frozen=True, slots=True)
class AssociationSettings:
    """`secret`: LLS password or HLS secret. `challenge`: fresh and unpredictable for each association with HLS.

    `title`: our system title, `expected_title` the meter's where it has to be that one. `policy` UNPROTECTED: messages
    are not ciphered; `form` and `keys` do not count then, except that HLS-GMAC needs keys all the same. `max_pdu`:
    longest APDU that we take. `block_window`: blocks that we take in a row in general block transfer. `received`: by
    system title, the last invocation counter in earlier sessions; a meter that was exchanged counts for itself.
    """

    mechanism: Mechanism = Mechanism.NONE
    secret: bytes = field(default=b"", repr=False)
    challenge: bytes = field(default=b"", repr=False)
    title: bytes = b""
    expected_title: bytes = b""
    keys: Keys | None = field(default=None, repr=False)
    suite: Suite = Suite.SUITE_0
    policy: Policy = UNPROTECTED
    form: Form = Form.GLOBAL
    conformance: Conformance = PROPOSED
    max_pdu: int = 0xFFFF
    user_id: int | None = None
    association_object: bytes = CURRENT_ASSOCIATION
    protected_release: bool = False
    block_window: int = 1
    received: Mapping[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mechanism not in _HLS and self.mechanism not in (Mechanism.NONE, Mechanism.LOW):
            raise ValueError(f"{self.mechanism.name}: a mechanism that is not supported")
        if self.mechanism not in (Mechanism.NONE, Mechanism.HLS_GMAC) and not self.secret:
            raise ValueError(f"{self.mechanism.name} needs a password")
        if self.hls and not CHALLENGE_LEAST <= len(self.challenge) <= CHALLENGE_MOST:
            raise ValueError(f"a challenge has {CHALLENGE_LEAST} to {CHALLENGE_MOST} octets, not {len(self.challenge)}")
        for title in (self.title, self.expected_title):
            if len(title) not in (0, TITLE_OCTETS):
                raise ValueError(f"a system title has {TITLE_OCTETS} octets, not {len(title)}")
        if not 1 <= self.block_window <= WINDOW_MOST:
            raise ValueError(f"a window of {self.block_window} blocks: expected 1 to {WINDOW_MOST}")
        if self.titled and not self.title:
            raise ValueError("ciphering, HLS-GMAC and HLS-SHA256 need a system title of our own")
        if self.keyed and self.keys is None:
            raise ValueError("ciphering and HLS-GMAC need keys")
        if self.keys is not None:
            self.keys.check(
                self.suite,
                authenticated=Protection.AUTHENTICATED in self.policy or self.mechanism is Mechanism.HLS_GMAC,
                dedicated=self.ciphered and self.form.dedicated,
            )

    @property
    def proposal(self) -> Conformance:
        """What is proposed: general ciphering only where it is used, as a meter may take to it when it is agreed."""
        general = self.ciphered and self.form.general
        return self.conformance if general else self.conformance & ~Conformance.GENERAL_PROTECTION

    @property
    def ciphered(self) -> bool:
        """Whether messages are protected."""
        return self.policy != UNPROTECTED

    @property
    def hls(self) -> bool:
        """Whether both sides have to prove who they are."""
        return self.mechanism in _HLS

    @property
    def keyed(self) -> bool:
        """Whether keys are used, and with them the invocation counter."""
        return self.ciphered or self.mechanism is Mechanism.HLS_GMAC

    @property
    def titled(self) -> bool:
        """Whether both sides need a system title."""
        return self.keyed or self.mechanism is Mechanism.HLS_SHA256
