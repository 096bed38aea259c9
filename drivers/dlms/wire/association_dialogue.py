"""What an association asks to be done, what it tells, and how a meter refuses it.

Rules: nothing here shows a secret. Errors are sorted by who has to act: what has to do with passwords and keys is
MeterRefused and never repeated by itself, what the configuration says otherwise than the meter is MeterDiffers. A word
on keys that nothing proves to be the meter's is PasswordUnclear: one forged packet locks nobody out, and a meter that
really refuses is asked twice and no third time.
"""

from dataclasses import dataclass

from drivers.dlms.wire.acse import Diagnostic
from drivers.dlms.wire.attribute import Attribute, Selection
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.services import ActionResult, Data, DataAccess
from gatewayd.errors import GatewayError, MeterDiffers, MeterRefused, PasswordUnclear, ProtocolError

Item = tuple[Attribute, Selection | None]
"""What is asked for: an attribute, and which part of it."""
Result = Data | DataAccess
"""What comes for an item: its value, or why there is none."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this APDU and give the answer to `feed`. A `secret` holds a password or the answer to a challenge."""

    apdu: bytes
    secret: bool = False

    def __repr__(self) -> str:
        return f"Ask({'secret' if self.secret else self.apdu!r})"


@dataclass(frozen=True, slots=True)
class WaitOn:
    """Send nothing and give the next APDU to `feed`: what came was no answer, or is not all of it."""


@dataclass(frozen=True, slots=True)
class Established:
    """Event: the association stands. `max_pdu`: longest APDU that the meter takes, 0 without limit. `meter_title` is
    empty where the meter names none."""

    conformance: Conformance
    max_pdu: int
    meter_title: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """Event: the answer to `get`, a result for each item in the order of the items."""

    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Event: the answer to `set_`."""

    result: DataAccess


@dataclass(frozen=True, slots=True)
class Acted:
    """Event: the answer to `action`; `returned` is what the method gave back, None where it gave nothing."""

    result: ActionResult
    returned: Result | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """Event: the association is over."""


Event = Established | Answered | Written | Acted | Released
Step = Ask | WaitOn | Event


class AssociationRefused(GatewayError):
    """The meter does not open the association. What follows from that is said by the class that it comes with."""

    def __init__(self, message: str, diagnostic: Diagnostic | None = None) -> None:
        super().__init__(message)
        self.diagnostic = diagnostic


class AuthenticationRefused(AssociationRefused, MeterRefused):
    """Because of the password or the keys, as far as the meter says why."""


class AuthenticationUnclear(AuthenticationRefused, PasswordUnclear):
    """As AuthenticationRefused, where messages are ciphered and this one was not, so that anybody may have said it; or
    where the meter says that it cannot just now."""


class ContextRefused(AssociationRefused, MeterDiffers):
    """Because of what is proposed: context, mechanism, titles."""


class RefusedForNow(AssociationRefused, ProtocolError):
    """For the moment only (rejected-transient): another client may have it."""

    def __init__(self, message: str, diagnostic: Diagnostic | None = None, raw: bytes = b"") -> None:
        ProtocolError.__init__(self, message, raw)
        self.diagnostic = diagnostic


class ServiceRefused(MeterDiffers):
    """By exception-response or confirmed-service-error: the service is not carried out, and the association stands."""


class RequestTooLong(MeterDiffers):
    """The meter takes shorter APDUs than this request is, and nobody sent it."""


class CounterRejected(PasswordUnclear):
    """Our invocation counter is not above the one that the meter has. `expected`: what it says that it wants, unproved;
    None where it does not say."""

    def __init__(self, message: str, expected: int | None = None) -> None:
        super().__init__(message)
        self.expected = expected


class Undeciphered(PasswordUnclear):
    """The meter cannot decipher what we send: keys, system title or counter are not those that it has. It cannot prove
    that it said so."""
