"""How a meter says no: data-access-result, action-result, exception-response, confirmed-service-error (IEC 62056-5-3).

    D8 | state-error | service-error | with service-error 6: the invocation counter that is expected (4), or nothing
    0E | service | class of the error | value

Rules: a number that the standard does not have is kept and says so: a meter that refuses has answered. `text` says it
in words; who asked adds what was asked.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from drivers.dlms.wire.apdu_reader import ApduReader

EXCEPTION_RESPONSE = 0xD8
CONFIRMED_SERVICE_ERROR = 0x0E


class _Coded(IntEnum):
    """Numbers of one octet, of which the standard names some."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFF:
            return None
        unknown = int.__new__(cls, value)
        unknown._name_ = f"UNKNOWN_{value}"
        unknown._value_ = value
        return unknown

    @property
    def text(self) -> str:
        """The name that the standard has for it, or that it has none."""
        if self._name_.startswith("UNKNOWN_"):
            return f"{self.value}, which the standard does not have"
        return self._name_.lower().replace("_", "-")


class DataAccess(_Coded):
    """data-access-result: of one attribute that is read or written."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_GET_ABORTED = 15
    NO_LONG_GET_IN_PROGRESS = 16
    LONG_SET_ABORTED = 17
    NO_LONG_SET_IN_PROGRESS = 18
    DATA_BLOCK_NUMBER_INVALID = 19
    OTHER_REASON = 250


class ActionResult(_Coded):
    """action-result: of one method that is invoked."""

    SUCCESS = 0
    HARDWARE_FAULT = 1
    TEMPORARY_FAILURE = 2
    READ_WRITE_DENIED = 3
    OBJECT_UNDEFINED = 4
    OBJECT_CLASS_INCONSISTENT = 9
    OBJECT_UNAVAILABLE = 11
    TYPE_UNMATCHED = 12
    SCOPE_OF_ACCESS_VIOLATED = 13
    DATA_BLOCK_UNAVAILABLE = 14
    LONG_ACTION_ABORTED = 15
    NO_LONG_ACTION_IN_PROGRESS = 16
    OTHER_REASON = 250


class StateError(_Coded):
    """state-error of an exception-response."""

    SERVICE_NOT_ALLOWED = 1
    SERVICE_UNKNOWN = 2


class ServiceError(_Coded):
    """service-error of an exception-response."""

    OPERATION_NOT_POSSIBLE = 1
    SERVICE_NOT_SUPPORTED = 2
    OTHER_REASON = 3
    PDU_TOO_LONG = 4
    DECIPHERING_ERROR = 5
    INVOCATION_COUNTER_ERROR = 6


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """`counter`: the invocation counter that the meter expects, with INVOCATION_COUNTER_ERROR and only then; None where
    it does not say."""

    state: StateError
    service: ServiceError
    counter: int | None = None

    def __post_init__(self) -> None:
        if self.counter is not None and self.service != ServiceError.INVOCATION_COUNTER_ERROR:
            raise ValueError("an exception-response has a counter with invocation-counter-error, and only then")

    @property
    def text(self) -> str:
        expected = "" if self.counter is None else f", {self.counter} is expected"
        return f"exception: {self.state.text}, {self.service.text}{expected}"

    @property
    def encoded(self) -> bytes:
        counter = b"" if self.counter is None else self.counter.to_bytes(4)
        return bytes((EXCEPTION_RESPONSE, self.state, self.service)) + counter


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """`service`: which service went wrong, 1 is initiate. `error_class` and `value`: the choice of ServiceError and
    the number in it."""

    service: int
    error_class: int
    value: int

    @property
    def text(self) -> str:
        service = _SERVICES.get(self.service, f"service {self.service}")
        name, values = _CLASSES.get(self.error_class, (f"error class {self.error_class}", ""))
        words = dict(enumerate(values.split())).get(self.value, f"error {self.value}")
        return f"confirmed service error: {service}: {name}, {words}"

    @property
    def encoded(self) -> bytes:
        return bytes((CONFIRMED_SERVICE_ERROR, self.service, self.error_class, self.value))


_SERVICES = {1: "initiate", 2: "get-status", 3: "get-name-list", 5: "read", 6: "write"}
"""Choices of ConfirmedServiceError; the others are services that COSEM does not have (GET, SET and ACTION answer
with their own results)."""
_CLASSES = {
    0: (
        "application-reference",
        "other time-elapsed application-unreachable application-reference-invalid application-context-unsupported "
        "provider-communication-error deciphering-error",
    ),
    1: (
        "hardware-resource",
        "other memory-unavailable processor-resource-unavailable mass-storage-unavailable other-resource-unavailable",
    ),
    2: ("vde-state-error", "other no-dlms-context loading-data-set status-nochange status-inoperable"),
    3: ("service", "other pdu-size service-unsupported"),
    4: ("definition", "other object-undefined object-class-inconsistent object-attribute-inconsistent"),
    5: ("access", "other scope-of-access-violated object-access-violated hardware-fault object-unavailable"),
    6: (
        "initiate",
        "other dlms-version-too-low incompatible-conformance pdu-size-too-short refused-by-the-vde-handler",
    ),
    7: (
        "load-data-set",
        "other primitive-out-of-sequence not-loadable dataset-size-too-large not-awaited-segment "
        "interpretation-failure storage-failure dataset-not-ready",
    ),
    9: ("task", "other no-remote-control ti-stopped ti-running ti-unusable"),
}
"""Choices of ServiceError and the numbers in each, from 0."""


def parse_exception(apdu: bytes) -> ExceptionResponse:
    """CutShort where it ends too early, ProtocolError for another APDU and for octets behind it."""
    reader = ApduReader(apdu, "an exception-response")
    if reader.octet() != EXCEPTION_RESPONSE:
        raise reader.fault("that is none")
    state, service = StateError(reader.octet()), ServiceError(reader.octet())
    # The standard's choice has a number; meters that leave it out say the same without it.
    counted = service == ServiceError.INVOCATION_COUNTER_ERROR and not reader.finished
    counter = reader.number(4) if counted else None
    reader.finish()
    return ExceptionResponse(state, service, counter)


def parse_confirmed_service_error(apdu: bytes) -> ConfirmedServiceError:
    """CutShort where it ends too early, ProtocolError for another APDU and for octets behind it."""
    reader = ApduReader(apdu, "a confirmed-service-error")
    if reader.octet() != CONFIRMED_SERVICE_ERROR:
        raise reader.fault("that is none")
    error = ConfirmedServiceError(reader.octet(), reader.octet(), reader.octet())
    reader.finish()
    return error
