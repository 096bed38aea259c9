"""Keys and security suites of symmetric ciphering (IEC 62056-5-3, security suites; Green Book 9.2.3).

Rules: a key is never shown, compared in messages or derived here. Suites 1 and 2 are supported as far as they are
symmetric: AES-GCM with keys that both sides have. Their key agreement, signatures and general-ciphering are not.
"""

from dataclasses import dataclass, field
from enum import IntEnum

TITLE_OCTETS = 8
"""A system title: three letters of the manufacturer and five octets of its own."""


class Suite(IntEnum):
    """Security suites: AES-GCM-128, AES-GCM-128 with P-256, AES-GCM-256 with P-384."""

    SUITE_0 = 0
    SUITE_1 = 1
    SUITE_2 = 2

    @property
    def key_octets(self) -> int:
        """Octets of every symmetric key of the suite."""
        return 32 if self is Suite.SUITE_2 else 16


@dataclass(frozen=True, slots=True)
class Keys:
    """Block cipher key (global unicast encryption key), authentication key, dedicated key; what is empty is not there.

    The authentication key may be missing where nothing is authenticated.
    """

    block_cipher: bytes = field(repr=False)
    authentication: bytes = field(default=b"", repr=False)
    dedicated: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if len(self.block_cipher) not in (16, 32):
            raise ValueError(f"a block cipher key of {len(self.block_cipher)} octets: expected 16, or 32 in suite 2")
        for name, key in (("authentication", self.authentication), ("dedicated", self.dedicated)):
            if len(key) not in (0, len(self.block_cipher)):
                raise ValueError(
                    f"a {name} key of {len(key)} octets: expected {len(self.block_cipher)} as of the block cipher key"
                )

    def check(self, suite: Suite, *, authenticated: bool, dedicated: bool) -> None:
        """ValueError unless the keys that are needed are there and of the suite's length."""
        if len(self.block_cipher) != suite.key_octets:
            raise ValueError(f"suite {suite:d} has keys of {suite.key_octets} octets, not of {len(self.block_cipher)}")
        if authenticated and not self.authentication:
            raise ValueError("authentication needs an authentication key")
        if dedicated and not self.dedicated:
            raise ValueError("dedicated ciphering needs a dedicated key")
