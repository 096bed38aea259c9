"""What can be wrong with a ciphered APDU or with a proof of identity.

Rules: each fault has a kind, so that the caller decides by it and not by words; no key, password or decrypted octet is
in a message. `raw` is what was received.
"""

from enum import Enum

from gatewayd.errors import MeterDiffers, ProtocolError


class Kind(Enum):
    """Why a received APDU or answer to a challenge is not accepted."""

    PLAINTEXT = "plaintext"
    """Not ciphered, where ciphering is agreed."""
    REPLAY = "replay"
    """Its invocation counter is not above the last one that was accepted."""
    TAG = "tag"
    """The authentication tag is wrong: changed on its way, or made with other keys."""
    TITLE = "title"
    """The system title of somebody else, or of nobody."""
    DOWNGRADE = "downgrade"
    """Less protection than is required."""
    SUITE = "suite"
    KEYSET = "key set"
    """The broadcast key instead of the unicast key, or the other way round."""
    FORM = "form"
    """A ciphered APDU of a kind that was not agreed, or with another service in it than it says."""
    LENGTH = "length"
    COMPRESSED = "compressed"
    PROOF = "proof"
    """The answer to our challenge is not that of somebody who has the secret."""
    REFLECTED = "reflected"
    """Our own challenge, sent back to us."""


class SecurityError(ProtocolError):
    """What was received is not taken for the meter's: nothing of it is used."""

    def __init__(self, kind: Kind, message: str, raw: bytes = b"") -> None:
        super().__init__(message, raw)
        self.kind = kind


class Unsupported(MeterDiffers):
    """A mechanism of the standard that gatewayd does not have. Asking again brings the same."""
