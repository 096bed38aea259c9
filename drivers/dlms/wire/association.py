"""The client's side of an association (IEC 62056-5-3): open, prove, ask, release. APDUs in, APDUs out.

A state machine without I/O. `open`, `get`, `set_`, `action` and `release` say what to send (Ask); `feed` takes the
answer and says what to do next: send (Ask), hear on (WaitOn), or what has happened (an event). One request at a time.

    NEW -> OPENING -> [PROVING] -> READY <-> ASKED; READY -> RELEASING -> OVER

Rules: an answer has our invoke-id and the service that was asked (association_request); everything else is
ProtocolError, except the answer to the request just before and what a meter sends unasked: these are passed over, a few
times. In a ciphered association nothing is looked at that the opener has not opened. An error ends the request, and the
next one starts clean; what has to do with keys or passwords, and every error before READY, ends the association.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto

from drivers.dlms.wire import services
from drivers.dlms.wire.acse import Mechanism, Rlrq
from drivers.dlms.wire.association_dialogue import (
    Acted,
    Ask,
    AuthenticationRefused,
    Established,
    Item,
    Released,
    RequestTooLong,
    Step,
    WaitOn,
)
from drivers.dlms.wire.association_opening import aarq, agreement, initiate_request, proof_refused, refusal, unproved
from drivers.dlms.wire.association_request import Request, Service
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr_encode import value
from drivers.dlms.wire.axdr_value import Tag
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.general_block_exchange import BlockExchange, Hear, Say
from drivers.dlms.wire.hls import Proof
from drivers.dlms.wire.security import Form, Opener, Policy, protect
from drivers.dlms.wire.security_errors import Kind, SecurityError
from drivers.dlms.wire.service_errors import CONFIRMED_SERVICE_ERROR, EXCEPTION_RESPONSE
from drivers.dlms.wire.services import ActionResult, Data, DataAccess, InvokeId
from gatewayd.errors import GatewayError, MeterRefused, ProtocolError

_INVOKE_IDS = 16
_PASSED_OVER = 8
"""APDUs in a row that answer nothing."""
_UNASKED = (0x0F, 0xC2, 0xCA, 0xD2)
"""data-notification, event-notification and its ciphered forms: never an answer, so never opened here either."""
_ERRORS = (bytes((EXCEPTION_RESPONSE,)), bytes((CONFIRMED_SERVICE_ERROR,)))
_OVERHEAD = 30
"""Octets that ciphering adds at most: tag, length, system title, length, security header, authentication tag."""
_ASSOCIATION, _REPLY_TO_HLS = 15, 1
"""Class of the association object and its method reply_to_HLS_authentication (IEC 62056-6-2, association LN)."""


class State(Enum):
    """Where an association is."""

    NEW = auto()
    OPENING = auto()
    """The AARQ is sent."""
    PROVING = auto()
    """The answer to the meter's challenge is sent."""
    READY = auto()
    ASKED = auto()
    RELEASING = auto()
    OVER = auto()


class Association:
    """One association. `take` gives invocation counters, each of them once; it is not called without ciphering."""

    def __init__(self, settings: AssociationSettings, take: Callable[[], int] | None = None) -> None:
        if settings.keyed and take is None:
            raise ValueError("ciphering needs an invocation counter")
        self._settings = settings
        self._take = take
        self._state = State.NEW
        self._conformance = Conformance(0)
        self._max_pdu = 0
        self._meter_title = b""
        self._opener: Opener | None = None
        self._proof: Proof | None = None
        self._requests = 0
        self._request: Request | None = None
        self._secret = False
        self._blocks = BlockExchange(settings.block_window)
        self._passed_over = 0

    @property
    def state(self) -> State:
        """Where it is."""
        return self._state

    @property
    def secret_pending(self) -> bool:
        """True while a password or proof is sent, and what the meter makes of it is not known. A proof with keys that
        the meter has just shown to have cannot be a wrong one."""
        settings = self._settings
        opening = self._state is State.OPENING and settings.mechanism is Mechanism.LOW
        known = settings.mechanism is Mechanism.HLS_GMAC and Policy.AUTHENTICATED in settings.policy
        return opening or (self._state is State.PROVING and not known)

    @property
    def ciphered(self) -> bool:
        """Whether keys are used, and with them invocation counters."""
        return self._settings.keyed

    @property
    def meter_title(self) -> bytes:
        """The meter's system title, b"" where it names none or nothing is agreed yet."""
        return self._meter_title

    @property
    def received(self) -> int:
        """The newest invocation counter that the meter of this title has proved, -1 for none."""
        return -1 if self._opener is None else self._opener.received

    # -- requests ----------------------------------------------------------------------------------------------------

    def open(self) -> Ask:
        """Open it; ends in Established."""
        self._require(State.NEW)
        self._state = State.OPENING
        counter = self._counter() if self._settings.ciphered else None
        # A challenge is masked as well: who has both it and the meter's answer can try passwords at home. And whoever
        # counts refusals has to know when keys were tried, so that keys that are accepted end the counting.
        secret = self._settings.mechanism is not Mechanism.NONE or self._settings.ciphered
        return Ask(aarq(self._settings, counter), secret)

    def fits(self, items: Sequence[Item]) -> bool:
        """Whether the meter takes a request for these items in one APDU, and a list at all where they are several."""
        if len(items) > 1 and Conformance.MULTIPLE_REFERENCES not in self._conformance:
            return False
        return not self._max_pdu or len(self._encoded(InvokeId(0), items)) + self._overhead <= self._max_pdu

    def get(self, items: Sequence[Item]) -> Ask:
        """Read attributes, several of them in a list; ends in Answered. ValueError for a list that is not agreed,
        RequestTooLong for one that does not fit."""
        if len(items) != 1 and Conformance.MULTIPLE_REFERENCES not in self._conformance:
            raise ValueError(f"{len(items)} items in one request are not agreed")
        self._require(State.READY)
        invoke = self._next_invoke()
        return self._ask(Request(Service.GET, invoke, len(items)), self._encoded(invoke, items))

    def set_(self, attribute: Attribute, value_bytes: bytes) -> Ask:
        """Write an attribute, `value_bytes` in A-XDR; ends in Written."""
        self._require(State.READY)
        invoke = self._next_invoke()
        return self._ask(Request(Service.SET, invoke), services.set_normal(invoke, attribute, value_bytes))

    def action(self, class_id: int, logical_name: bytes, method: int, parameters: bytes | None = None) -> Ask:
        """Invoke a method, `parameters` in A-XDR; ends in Acted."""
        self._require(State.READY)
        invoke = self._next_invoke()
        apdu = services.action_normal(invoke, class_id, logical_name, method, parameters)
        return self._ask(Request(Service.ACTION, invoke), apdu)

    def release(self) -> Ask:
        """Release it; ends in Released, whatever the meter answers. If it answers nothing, that is the end as well."""
        self._require(State.READY)
        self._state = State.RELEASING
        inside = b""
        if self._settings.ciphered and self._settings.protected_release:
            inside = initiate_request(self._settings, self._counter(), dedicated=False)
        return Ask(Rlrq(0, inside).encoded)

    # -- answers -----------------------------------------------------------------------------------------------------

    def feed(self, apdu: bytes) -> Step:
        """An APDU came. ValueError when none is due; else any GatewayError, see the rules."""
        if self._state not in (State.OPENING, State.PROVING, State.ASKED, State.RELEASING):
            raise ValueError(f"the association is {self._state.name}: no answer is due")
        try:
            match self._state:
                case State.RELEASING:
                    self._state = State.OVER
                    return Released()
                case _ if apdu[:1] and apdu[0] in _UNASKED:
                    return self._pass_over(apdu)
                case State.OPENING:
                    return self._opened(apdu)
                case _:
                    return self._answer(apdu)
        except GatewayError as error:
            grave = isinstance(error, SecurityError | MeterRefused) or self._state is not State.ASKED
            self._state = State.OVER if grave else State.READY
            raise

    def _opened(self, apdu: bytes) -> Step:
        agreed = agreement(apdu, self._settings)
        self._conformance, self._max_pdu = agreed.conformance, agreed.max_pdu
        self._meter_title, self._opener, self._proof = agreed.meter_title, agreed.opener, agreed.proof
        if self._proof is None:
            return self._established()
        counter = self._counter() if self._settings.mechanism is Mechanism.HLS_GMAC else None
        answer = value(Tag.OCTET_STRING, self._proof.answer(counter)).raw
        self._state = State.PROVING
        name = self._settings.association_object
        invoke = self._next_invoke()
        apdu = services.action_normal(invoke, _ASSOCIATION, name, _REPLY_TO_HLS, answer)
        return self._ask(Request(Service.ACTION, invoke), apdu, State.PROVING, secret=True)

    def _established(self) -> Established:
        self._state = State.READY
        return Established(self._conformance, self._max_pdu, self._meter_title)

    def _answer(self, apdu: bytes) -> Step:
        joined = self._blocks.feed(apdu)
        protected = proved = False
        if self._opener is not None and isinstance(joined, bytes):
            opened = self._opener.open(joined)
            if opened.apdu[0] in _UNASKED:
                return self._pass_over(apdu)
            # Meters cipher what is then cut into blocks, or the blocks themselves.
            protected, proved = True, opened.authenticated
            joined = self._blocks.feed(opened.apdu)
        match joined:
            case Hear(fruitless):
                return self._pass_over(apdu) if fruitless else WaitOn()
            case Say(block, acknowledgement):
                word = self._ciphered(block, general=True) if protected and acknowledgement else block
                return Ask(word, self._secret and not acknowledgement)
        if self._blocks.pending and joined[:1] not in _ERRORS:
            raise ProtocolError("breaks off a general block transfer with another APDU", apdu)
        return self._judge(apdu, services.parse_response(joined), proved)

    def _judge(self, apdu: bytes, response: services.Response, proved: bool) -> Step:
        if isinstance(response, services.ExceptionResponse | services.ConfirmedServiceError):
            kind = AuthenticationRefused if proved else unproved(self._settings)
            raise refusal(response, kind if self._state is State.PROVING else None)
        request = self._request
        assert request is not None  # an answer is due
        if response.invoke.id != request.invoke.id:
            if self._requests > 1 and response.invoke.id == (self._requests - 1) % _INVOKE_IDS:
                return self._pass_over(apdu)
            raise ProtocolError(f"answers request {response.invoke.id}, asked was {request.invoke.id}", apdu)
        outcome = request.answer(response, apdu)
        if isinstance(outcome, bytes):
            self._passed_over = 0
            self._blocks = BlockExchange(self._settings.block_window)
            return Ask(self._ciphered(outcome))
        if self._state is State.PROVING:
            assert isinstance(outcome, Acted)  # the proof goes by ACTION
            return self._proved(outcome.result, outcome.returned, apdu)
        self._state = State.READY
        return outcome

    def _proved(self, result: ActionResult, returned: Data | DataAccess | None, apdu: bytes) -> Step:
        """Pass 4 of HLS: the meter has our proof, and this is its own."""
        if result is not ActionResult.SUCCESS:
            raise proof_refused(result, self._settings)
        proof = returned.value.content if isinstance(returned, Data) else None
        if not isinstance(proof, bytes):
            raise SecurityError(Kind.PROOF, "does not prove that it knows the secret: it gives no answer", apdu)
        assert self._proof is not None  # PROVING begins with one
        self._proof.verify(proof)
        return self._established()

    # -- the rest ----------------------------------------------------------------------------------------------------

    @property
    def _overhead(self) -> int:
        return _OVERHEAD if self._opener is not None else 0

    def _encoded(self, invoke: InvokeId, items: Sequence[Item]) -> bytes:
        return services.get_normal(invoke, *items[0]) if len(items) == 1 else services.get_list(invoke, items)

    def _next_invoke(self) -> InvokeId:
        self._requests += 1
        return InvokeId(self._requests % _INVOKE_IDS)

    def _ask(self, request: Request, apdu: bytes, state: State = State.ASKED, secret: bool = False) -> Ask:
        self._request = request
        self._secret = secret
        self._blocks = BlockExchange(self._settings.block_window)
        self._passed_over = 0
        whole = self._ciphered(apdu)
        if self._max_pdu and len(whole) > self._max_pdu:
            whole = self._first_block(whole)
        self._state = state
        return Ask(whole, secret)

    def _first_block(self, apdu: bytes) -> bytes:
        agreed = Conformance.GENERAL_BLOCK_TRANSFER in self._conformance
        block = self._blocks.cut(apdu, self._max_pdu) if agreed else None
        if block is None:
            message = f"takes APDUs of {self._max_pdu} octets, and this request has {len(apdu)}: ask for less at a time"
            raise RequestTooLong(message)
        return block

    def _ciphered(self, apdu: bytes, general: bool = False) -> bytes:
        """`general`: in the general form whatever is agreed, as a block has no other."""
        settings = self._settings
        form = settings.form
        if general:
            form = Form.GENERAL_DEDICATED if form.dedicated else Form.GENERAL_GLOBAL
        if self._opener is None:
            return apdu
        assert settings.keys is not None  # AssociationSettings has looked
        return protect(
            apdu,
            keys=settings.keys,
            suite=settings.suite,
            policy=settings.policy,
            title=settings.title,
            counter=self._counter(),
            form=form,
        )

    def _counter(self) -> int:
        assert self._take is not None  # looked at in the beginning
        return self._take()

    def _pass_over(self, apdu: bytes) -> WaitOn:
        self._passed_over += 1
        if self._passed_over > _PASSED_OVER:
            raise ProtocolError(f"sends {self._passed_over} APDUs that are no answer", apdu)
        return WaitOn()

    def _require(self, state: State) -> None:
        if self._state is not state:
            raise ValueError(f"the association is {self._state.name}, not {state.name}")
