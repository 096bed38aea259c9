"""Errors with the names of meter and line in them, and of options that may be wrong: what is in wire/ knows neither.

Rules: the kind of error stays as it is, and with it everything that it carries.
"""

from typing import TypeVar

from drivers.dlms.wire.acse_names import DiagnosticSource, UserDiagnostic
from drivers.dlms.wire.association_dialogue import AssociationRefused
from gatewayd import naming
from gatewayd.errors import GatewayError

_E = TypeVar("_E", bound=GatewayError)
_REFUSED = "refuses the association"
_ANY = "look at client, authentication and security in its options"
_AUTHENTICATION = "look at authentication in its options"
_OPTIONS = {
    UserDiagnostic.NULL: _ANY,
    UserDiagnostic.NO_REASON_GIVEN: _ANY,
    UserDiagnostic.CONTEXT_NAME_NOT_SUPPORTED: "look at security in its options",
    UserDiagnostic.CALLING_AP_TITLE_NOT_RECOGNIZED: "look at system_title in its options",
    UserDiagnostic.CALLING_AE_INVOCATION_ID_NOT_RECOGNIZED: "look at user_id in its options",
    UserDiagnostic.MECHANISM_NOT_RECOGNISED: _AUTHENTICATION,
    UserDiagnostic.MECHANISM_REQUIRED: _AUTHENTICATION,
    UserDiagnostic.AUTHENTICATION_REQUIRED: _AUTHENTICATION,
}
"""What has to change when the meter refuses the association for a reason."""


def named(error: _E, meter: str, line: str) -> _E:
    """The same error, naming meter, line and the option that may be wrong."""
    return naming.named(error, meter, line, _remedy(error))


def _remedy(error: GatewayError) -> str:
    diagnostic = error.diagnostic if isinstance(error, AssociationRefused) else None
    if not str(error).startswith(_REFUSED):  # an AARE that accepts has a diagnostic as well
        return ""
    if diagnostic is None or diagnostic.source is not DiagnosticSource.USER:
        return ""
    return next((remedy for number, remedy in _OPTIONS.items() if number == diagnostic.number), "")
