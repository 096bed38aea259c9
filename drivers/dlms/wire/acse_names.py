"""What ACSE has names for: mechanisms, results and diagnostics of associations, in words (IEC 62056-5-3 7.2.3).

Rules: numbers that the standard does not have are kept where a meter explains something with them (diagnostics), and
are a fault where everything depends on them (results, mechanisms).
"""

from dataclasses import dataclass
from enum import IntEnum

from gatewayd.errors import ProtocolError


class UnsupportedContext(ProtocolError):
    """The other side associates with short names. Asking again would bring the same."""


class Mechanism(IntEnum):
    """Authentication mechanisms: the last number of 2 16 756 5 8 2 n."""

    NONE = 0
    LOW = 1
    HLS = 2
    HLS_MD5 = 3
    HLS_SHA1 = 4
    HLS_GMAC = 5
    HLS_SHA256 = 6
    HLS_ECDSA = 7


class AssociationResult(IntEnum):
    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class DiagnosticSource(IntEnum):
    """Who explains: the number of the choice in result-source-diagnostic."""

    USER = 1
    PROVIDER = 2


class UserDiagnostic(IntEnum):
    """acse-service-user; of acse-service-provider there are 0, 1 and 2."""

    NULL = 0
    NO_REASON_GIVEN = 1
    CONTEXT_NAME_NOT_SUPPORTED = 2
    CALLING_AP_TITLE_NOT_RECOGNIZED = 3
    CALLING_AP_INVOCATION_ID_NOT_RECOGNIZED = 4
    CALLING_AE_QUALIFIER_NOT_RECOGNIZED = 5
    CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED = 6
    CALLED_AP_TITLE_NOT_RECOGNIZED = 7
    CALLED_AP_INVOCATION_ID_NOT_RECOGNIZED = 8
    CALLED_AE_QUALIFIER_NOT_RECOGNIZED = 9
    CALLED_AE_INVOCATION_ID_NOT_RECOGNIZED = 10
    MECHANISM_NOT_RECOGNISED = 11
    MECHANISM_REQUIRED = 12
    AUTHENTICATION_FAILURE = 13
    AUTHENTICATION_REQUIRED = 14


_OF_USER: dict[int, str] = {
    UserDiagnostic.NULL: "no diagnostic",
    UserDiagnostic.NO_REASON_GIVEN: "no reason given",
    UserDiagnostic.CONTEXT_NAME_NOT_SUPPORTED: "the application context is not supported: with or without ciphering",
    UserDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED: "our system title is not known to it",
    UserDiagnostic.CALLING_AP_INVOCATION_ID_NOT_RECOGNIZED: "our AP invocation id is not known to it",
    UserDiagnostic.CALLING_AE_QUALIFIER_NOT_RECOGNIZED: "our AE qualifier (certificate) is not known to it",
    UserDiagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED: "our user id is not known to it",
    UserDiagnostic.CALLED_AP_TITLE_NOT_RECOGNIZED: "the system title that was called is not its own",
    UserDiagnostic.CALLED_AP_INVOCATION_ID_NOT_RECOGNIZED: "the AP invocation id that was called is not its own",
    UserDiagnostic.CALLED_AE_QUALIFIER_NOT_RECOGNIZED: "the AE qualifier that was called is not its own",
    UserDiagnostic.CALLED_AE_INVOCATION_ID_NOT_RECOGNIZED: "the user id that was called is not its own",
    UserDiagnostic.MECHANISM_NOT_RECOGNISED: "the authentication mechanism is not known to it",
    UserDiagnostic.MECHANISM_REQUIRED: "it wants an authentication mechanism",
    UserDiagnostic.AUTHENTICATION_FAILURE: "the authentication failed: wrong password or key",
    UserDiagnostic.AUTHENTICATION_REQUIRED: "it wants an authentication",
}
_OF_PROVIDER = {0: "no diagnostic", 1: "no reason given", 2: "no common version of ACSE"}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """result-source-diagnostic. `number` may be one that the standard does not have."""

    source: DiagnosticSource = DiagnosticSource.USER
    number: int = UserDiagnostic.NULL

    @property
    def text(self) -> str:
        """In words, with source and number for who looks it up."""
        names = _OF_USER if self.source is DiagnosticSource.USER else _OF_PROVIDER
        words = names.get(self.number, "a diagnostic that the standard does not have")
        return f"{words} (ACSE {self.source.name.lower()} {self.number})"
