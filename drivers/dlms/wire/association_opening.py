"""How an association is opened: what we propose (AARQ), and whether what the meter answers (AARE) is that.

Rules: an answer is judged from outside to inside: accepted at all, context, mechanism, system title, then the
user-information, which in a ciphered association counts only with its tag. Less than was asked for is never taken. What
the meter says when it refuses is not authenticated by anything: it ends the association, since it opens nothing, and
in a ciphered one it is no proof that the keys are wrong.
"""

from dataclasses import dataclass

from drivers.dlms.wire.acse import (
    Aare,
    Aarq,
    AssociationResult,
    DiagnosticSource,
    Mechanism,
    UserDiagnostic,
    parse_aare,
)
from drivers.dlms.wire.association_dialogue import (
    AssociationRefused,
    AuthenticationRefused,
    AuthenticationUnclear,
    ContextRefused,
    CounterRejected,
    RefusedForNow,
    ServiceRefused,
    Undeciphered,
)
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.hls import Proof
from drivers.dlms.wire.initiate import InitiateRequest, parse_initiate_response
from drivers.dlms.wire.keys import TITLE_OCTETS
from drivers.dlms.wire.security import Form, Opener, protect
from drivers.dlms.wire.security_errors import Kind, SecurityError
from drivers.dlms.wire.service_errors import (
    CONFIRMED_SERVICE_ERROR,
    EXCEPTION_RESPONSE,
    ActionResult,
    ConfirmedServiceError,
    ExceptionResponse,
    ServiceError,
    parse_confirmed_service_error,
    parse_exception,
)
from gatewayd.errors import GatewayError, ProtocolError

_ONLY_WHEN_AGREED = Conformance.MULTIPLE_REFERENCES | Conformance.GENERAL_BLOCK_TRANSFER
_DECIPHERING_ERROR = (0, 6)
"""ConfirmedServiceError: application-reference, deciphering-error."""
_NO_OBJECT = (ActionResult.OBJECT_UNDEFINED, ActionResult.OBJECT_CLASS_INCONSISTENT, ActionResult.OBJECT_UNAVAILABLE)
"""What a meter says that was asked at the wrong place: that is no word on the secret."""
_ABOUT_SECRETS = (UserDiagnostic.AUTHENTICATION_FAILURE, UserDiagnostic.AUTHENTICATION_REQUIRED)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides have agreed to. `proof` is what is left to do with HLS."""

    conformance: Conformance
    max_pdu: int
    meter_title: bytes
    opener: Opener | None
    proof: Proof | None


def initiate_request(settings: AssociationSettings, counter: int | None, dedicated: bool = True) -> bytes:
    """The InitiateRequest, protected where the association is; then it needs a `counter`."""
    key = settings.keys.dedicated if settings.keys and settings.form.dedicated and dedicated else b""
    request = InitiateRequest(settings.proposal, settings.max_pdu, key if settings.ciphered else b"").encoded
    if not settings.ciphered:
        return request
    assert settings.keys is not None and counter is not None  # AssociationSettings has looked at the keys
    return protect(
        request,
        keys=settings.keys,
        suite=settings.suite,
        policy=settings.policy,
        title=settings.title,
        counter=counter,
        form=Form.GLOBAL,
    )


def aarq(settings: AssociationSettings, counter: int | None) -> bytes:
    """What we propose; with ciphering it needs a `counter`."""
    return Aarq(
        ciphered=settings.ciphered,
        mechanism=settings.mechanism,
        system_title=settings.title,
        authentication=settings.challenge if settings.hls else settings.secret,
        user_information=initiate_request(settings, counter),
        user_id=settings.user_id,
    ).encoded


def agreement(apdu: bytes, settings: AssociationSettings) -> Agreement:
    """What the answer to `aarq` agrees to. AssociationRefused, CounterRejected or Undeciphered where the meter does not
    want to, SecurityError where nothing proves that it is the meter, ProtocolError where it answers something else."""
    if apdu[:1] == bytes((EXCEPTION_RESPONSE,)):
        raise refusal(parse_exception(apdu), _kind_of(settings))
    if apdu[:1] == bytes((CONFIRMED_SERVICE_ERROR,)):
        raise refusal(parse_confirmed_service_error(apdu), _kind_of(settings))
    aare = parse_aare(apdu)
    if aare.result is not AssociationResult.ACCEPTED:
        raise _rejection(aare, settings, apdu)
    if aare.ciphered is not settings.ciphered:
        if settings.ciphered:
            raise SecurityError(Kind.DOWNGRADE, "answers with a context without ciphering, asked for one with it", apdu)
        raise ProtocolError("answers with a context with ciphering, asked for one without", apdu)
    _check_mechanism(aare, settings)
    title = _checked_title(aare, settings, apdu)
    opener = _opener(settings, title)
    conformance, max_pdu = _context(aare, settings, opener, apdu)
    return Agreement(conformance, max_pdu, title, opener, _proof(aare, settings, title, apdu))


def refusal(
    error: ExceptionResponse | ConfirmedServiceError, kind: type[AssociationRefused] | None = None
) -> GatewayError:
    """The error that a meter's error is; `kind` where it refuses the association and does not say why."""
    match error:
        case ExceptionResponse(counter=int() as expected):
            return CounterRejected(f"rejects our invocation counter: it wants {expected} or more", expected)
        case ExceptionResponse(service=ServiceError.INVOCATION_COUNTER_ERROR):
            return CounterRejected("rejects our invocation counter and does not say which one it wants")
        case ExceptionResponse(service=ServiceError.DECIPHERING_ERROR):
            return _undeciphered(error)
        case ConfirmedServiceError() if (error.error_class, error.value) == _DECIPHERING_ERROR:
            return _undeciphered(error)
    if kind is None:
        return ServiceRefused(f"refuses the request: {error.text}")
    busy = isinstance(error, ExceptionResponse) and error.service is ServiceError.OPERATION_NOT_POSSIBLE
    if busy and kind is AuthenticationRefused:
        kind = AuthenticationUnclear  # seen of meters for a while: no word on the password
    return kind(f"refuses the association: {error.text}")


def _undeciphered(error: ExceptionResponse | ConfirmedServiceError) -> Undeciphered:
    remedy = "check the keys and the system title; its invocation counter may also be ahead of ours"
    return Undeciphered(f"cannot decipher what it is sent ({error.text}): {remedy}")


def _rejection(aare: Aare, settings: AssociationSettings, apdu: bytes) -> GatewayError:
    said = aare.diagnostic.text
    if len(aare.user_information) == 4 and aare.user_information[0] == CONFIRMED_SERVICE_ERROR:
        error = parse_confirmed_service_error(aare.user_information)
        if (error.error_class, error.value) == _DECIPHERING_ERROR:
            return _undeciphered(error)
        said = f"{said}; {error.text}"
    message = f"refuses the association: {said}"
    number = aare.diagnostic.number if aare.diagnostic.source is DiagnosticSource.USER else None
    if number == UserDiagnostic.AUTHENTICATION_FAILURE:
        return unproved(settings)(message, aare.diagnostic)
    if aare.result is AssociationResult.REJECTED_TRANSIENT:
        return RefusedForNow(message, aare.diagnostic, apdu)
    vague = number in (UserDiagnostic.NULL, UserDiagnostic.NO_REASON_GIVEN, None) or number in _ABOUT_SECRETS
    # Meters that count wrong passwords often do not say more than no: what may have been one is not sent again.
    return (_kind_of(settings) if vague else ContextRefused)(message, aare.diagnostic)


def proof_refused(result: ActionResult, settings: AssociationSettings) -> AssociationRefused:
    """The error that the answer to our proof is, where it is not success."""
    if result not in _NO_OBJECT:
        return AuthenticationRefused(f"refuses our proof of the secret: {result.text}")
    name = ".".join(map(str, settings.association_object))
    return ContextRefused(
        f"takes no proof at the association object {name} ({result.text}): it may have another one, look at "
        "association_object in its options"
    )


def unproved(settings: AssociationSettings) -> type[AuthenticationRefused]:
    """What a refusal is that came as it is: where everything else is ciphered, anybody may have sent it."""
    return AuthenticationUnclear if settings.ciphered else AuthenticationRefused


def _kind_of(settings: AssociationSettings) -> type[AssociationRefused]:
    """What a refusal of the AARQ is that does not say why."""
    secret = settings.mechanism is Mechanism.LOW or settings.ciphered
    return unproved(settings) if secret else ContextRefused


def _check_mechanism(aare: Aare, settings: AssociationSettings) -> None:
    asked = settings.mechanism
    if aare.mechanism not in (asked, Mechanism.NONE):
        raise ContextRefused(f"wants the mechanism {aare.mechanism.name}, asked for {asked.name}", aare.diagnostic)
    wanted = aare.diagnostic.source is DiagnosticSource.USER and aare.diagnostic.number in _ABOUT_SECRETS
    if wanted and not settings.hls:
        raise ContextRefused(f"wants a proof (HLS) where {asked.name} is configured", aare.diagnostic)


def _checked_title(aare: Aare, settings: AssociationSettings, apdu: bytes) -> bytes:
    title, expected = aare.system_title, settings.expected_title
    if title and expected and title != expected:
        message = (
            f"names the system title {title.hex()}, configured is {expected.hex()}: another meter, or a typing error"
        )
        raise ContextRefused(message, aare.diagnostic)
    title = title or expected
    if settings.titled and len(title) != TITLE_OCTETS:
        message = f"names no system title of {TITLE_OCTETS} octets: it has to be configured as meter_title"
        raise SecurityError(Kind.TITLE, message, apdu)
    if settings.titled and title == settings.title:
        message = "names our own system title as its own: the configured system_title has to be another one"
        raise SecurityError(Kind.TITLE, message, apdu)
    return title


def _opener(settings: AssociationSettings, title: bytes) -> Opener | None:
    if not settings.ciphered:
        return None
    assert settings.keys is not None  # AssociationSettings has looked
    key, received = settings.form.dedicated, settings.received.get(title, -1)
    forms = frozenset(form for form in Form if form.dedicated is key)  # the same key protects both of them
    return Opener(settings.keys, settings.suite, settings.policy, title, received, forms)


def _context(aare: Aare, settings: AssociationSettings, opener: Opener | None, apdu: bytes) -> tuple[Conformance, int]:
    """Conformance and the meter's longest APDU."""
    inside = aare.user_information
    if not inside:
        if settings.ciphered:
            raise SecurityError(Kind.PLAINTEXT, "accepts without user-information, so nothing proves who it is", apdu)
        return settings.proposal & ~_ONLY_WHEN_AGREED, 0
    if opener is not None:
        inside = opener.open(inside).apdu
    response = parse_initiate_response(inside)
    if isinstance(response, ConfirmedServiceError):
        raise refusal(response, _kind_of(settings))
    return settings.proposal & response.conformance, response.max_pdu


def _proof(aare: Aare, settings: AssociationSettings, title: bytes, apdu: bytes) -> Proof | None:
    if not settings.hls:
        return None
    if not aare.authentication:
        raise SecurityError(Kind.PROOF, f"accepts without a challenge, asked for {settings.mechanism.name}", apdu)
    return Proof(
        settings.mechanism,
        own_challenge=settings.challenge,
        peer_challenge=aare.authentication,
        own_title=settings.title,
        peer_title=title,
        secret=settings.secret,
        keys=settings.keys,
        suite=settings.suite,
    )
