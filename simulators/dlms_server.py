"""The application layer of a simulated DLMS meter: associations, and requests within them (IEC 62056-5-3).

Rules: one association at a time, one APDU in and at most one out; whoever has not proved that he knows the secret sees
nothing; what is not understood is answered by an exception-response. The public client has no authentication and a view
of its own. Secrets are never written down.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from simulators import dlms_acse as acse
from simulators import dlms_blocks
from simulators import dlms_services as services
from simulators import dlms_values as axdr
from simulators.dlms_acse import Conformance
from simulators.dlms_answers import Answers
from simulators.dlms_ciphering import Ciphering, Form
from simulators.dlms_counters import Counters, NotRising
from simulators.dlms_faults import Faults, Kind
from simulators.dlms_objects import Objects, View
from simulators.dlms_profile import Refused
from simulators.dlms_security import (
    Challenges,
    Keys,
    Mechanism,
    Security,
    Unsound,
    is_proof_of_client,
    proof_of_meter,
)
from simulators.dlms_services import Result

PUBLIC_CLIENT = 16
ASSOCIATION = (15, bytes([0, 0, 40, 0, 0, 255]), 1)
TITLE = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """Who may talk to the meter, and how. `title` is the meter's system title."""

    client: int
    mechanism: Mechanism
    secret: bytes = field(repr=False)
    security: Security
    keys: Keys | None
    title: bytes
    max_pdu: int
    conformance: Conformance
    refuse_lists: bool = False


class _State(Enum):
    NONE = auto()
    HALF = auto()  # the AARE has gone out, the proof is due
    OPEN = auto()


class Server:
    """The meter's side of everything above the link."""

    def __init__(
        self,
        settings: Settings,
        objects: Objects,
        counters: Counters,
        faults: Faults,
        randomness: random.Random,
        note: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._counters = counters
        self._faults = faults
        self._random = randomness
        self._note = note
        self.reset()

    def reset(self) -> None:
        """No association any more."""
        self._state = _State.NONE
        self._view = View.PUBLIC
        self._ciphering: Ciphering | None = None
        self._challenges: Challenges | None = None
        self._client = 0
        self._conformance = Conformance(0)
        self._answers = Answers(self._faults)

    def answer(self, client: int, apdu: bytes) -> bytes | None:
        """What the meter answers."""
        try:
            match axdr.take(apdu, 0, 1)[0]:
                case acse.AARQ:
                    return self._associate(client, acse.parse_aarq(apdu))
                case acse.RLRQ:
                    return self._release(apdu)
                case dlms_blocks.GENERAL_BLOCK_TRANSFER:
                    return self._answers.next_general_block(apdu)
                case _:
                    return self._answers.in_general_blocks(self._request(client, apdu))
        except NotRising as error:
            return services.exception(services.NOT_ALLOWED, services.COUNTER, error.due)
        except Unsound as error:
            self._note(f"unsound: {error}")
            return services.exception(services.NOT_ALLOWED, services.DECIPHERING)
        except services.Unknown as error:
            self._note(f"unknown: {error}")
            return services.exception(services.SERVICE_UNKNOWN, services.NOT_SUPPORTED)
        except axdr.Malformed as error:
            self._note(f"malformed: {error}")
            return services.exception(services.NOT_ALLOWED, services.OTHER)

    def view_of(self, client: int) -> View:
        """What this client sees once it is associated."""
        only_public = client == PUBLIC_CLIENT != self._settings.client
        return View.PUBLIC if only_public else View.ALL

    def view(self) -> View:
        """What the present association sees."""
        return self._view

    # ------------------------------------------------------------------------------------------- association

    def _associate(self, client: int, asked: acse.Asked) -> bytes:
        self.reset()
        settings, view = self._settings, self.view_of(client)
        public = view is View.PUBLIC
        mechanism = Mechanism.NONE if public else settings.mechanism
        ciphered = settings.security is not Security.NONE and not public
        self._note(f"aarq {client} context {asked.context} mechanism {asked.mechanism}")
        if client not in (settings.client, PUBLIC_CLIENT):
            return self._refuse(asked, acse.NO_REASON)
        if asked.context != (acse.LN_CIPHERED if ciphered else acse.LN_PLAIN):
            return self._refuse(asked, acse.CONTEXT_NOT_SUPPORTED)
        if asked.mechanism != mechanism:
            missing = asked.mechanism == Mechanism.NONE
            return self._refuse(asked, acse.MECHANISM_REQUIRED if missing else acse.MECHANISM_UNKNOWN)
        if mechanism is Mechanism.LOW and asked.authentication != settings.secret:
            return self._refuse(asked, acse.AUTHENTICATION_FAILURE)
        if len(asked.title) != TITLE and (ciphered or mechanism is Mechanism.HLS_GMAC):
            return self._refuse(asked, acse.TITLE_NOT_RECOGNISED)
        if ciphered:
            assert settings.keys is not None
            self._ciphering = Ciphering(
                settings.keys, settings.security.control, settings.title, self._counters, self._faults
            )
            self._ciphering.client_title = asked.title
            plain, form = self._ciphering.open(asked.user_information or b"\x00")
        else:
            plain, form = asked.user_information, None
        initiate = acse.parse_initiate(plain)
        if initiate.dedicated_key and self._ciphering is not None:
            self._ciphering.use_dedicated(initiate.dedicated_key)
        self._conformance = initiate.conformance & settings.conformance
        overhead = self._ciphering.overhead if self._ciphering is not None else 0
        limit = min(initiate.max_pdu or 0xFFFF, settings.max_pdu)
        self._answers = Answers(self._faults, self._conformance, limit, overhead)
        self._view, self._client = view, client
        self._state = _State.HALF if mechanism.is_hls else _State.OPEN
        response = acse.initiate_response(self._conformance, settings.max_pdu)
        if self._ciphering is not None and form is not None:
            response = self._ciphering.close(response, form)
        if self._faults.shows(Kind.AARE_WITHOUT_USER_INFORMATION):
            response = b""
        challenge = b""
        if mechanism.is_hls:
            challenge = self._random.randbytes(16)
            self._challenges = Challenges(asked.title, settings.title, asked.authentication, challenge)
        title = settings.title if ciphered or mechanism in (Mechanism.HLS_GMAC, Mechanism.HLS_SHA256) else b""
        if title and self._faults.shows(Kind.WRONG_TITLE):
            title = bytes([title[0] ^ 1]) + title[1:]
        return acse.aare(
            context=asked.context,
            diagnostic=acse.AUTHENTICATION_REQUIRED if mechanism.is_hls else acse.NULL,
            title=title,
            mechanism=mechanism,
            challenge=challenge,
            user_information=response,
        )

    def _refuse(self, asked: acse.Asked, diagnostic: int) -> bytes:
        self._note(f"association refused {diagnostic}")
        context = asked.context if asked.context is not None else acse.LN_PLAIN
        return acse.aare(
            context=context, diagnostic=diagnostic, title=b"", mechanism=0, challenge=b"", user_information=b""
        )

    def _release(self, apdu: bytes) -> bytes:
        information = acse.parse_release(apdu)
        response = b""
        if information and self._ciphering is not None and Ciphering.is_ciphered(information):
            _, form = self._ciphering.open(information)
            response = self._ciphering.close(acse.initiate_response(self._conformance, self._settings.max_pdu), form)
        self._note("release")
        self.reset()
        return acse.rlre(response)

    def _prove(self, item: axdr.Item, invoke: int) -> bytes:
        """reply_to_HLS_authentication: method 1 of the association object."""
        settings, challenges = self._settings, self._challenges
        assert challenges is not None
        given = item.octets
        if not is_proof_of_client(settings.mechanism, settings.secret, settings.keys, challenges, given):
            self._note("wrong proof")
            self.reset()
            return services.action_response(invoke, 3, None)
        own = 0
        if settings.mechanism is Mechanism.HLS_GMAC:
            counter = int.from_bytes(given[1:5])
            if self._ciphering is None:
                self._counters.accept(counter)
            else:
                self._counters.accept_inside(counter, dedicated=self._ciphering.dedicated)
            own = self._counters.next()
        proof = proof_of_meter(settings.mechanism, settings.secret, settings.keys, challenges, own)
        if self._faults.shows(Kind.WRONG_HLS_ANSWER):
            proof = proof[:-1] + bytes([proof[-1] ^ 1])
        self._state = _State.OPEN
        self._note("associated")
        return services.action_response(invoke, 0, axdr.octets(proof))

    # ----------------------------------------------------------------------------------------------- requests

    def _request(self, client: int, apdu: bytes) -> bytes:
        if self._state is _State.NONE or client != self._client:
            return services.exception(services.NOT_ALLOWED, services.NOT_POSSIBLE)
        form: Form | None = None
        ciphering = self._ciphering
        if ciphering is not None:
            if not Ciphering.is_ciphered(apdu):
                raise Unsound("not ciphered")
            apdu, form = ciphering.open(apdu)
        request = services.parse(apdu)
        plain = self._respond(request)
        if plain[0] == services.EXCEPTION:
            return plain  # has no ciphered form
        plain = self._answers.spoiled(plain, request.invoke)
        return plain if ciphering is None or form is None else ciphering.close(plain, form)

    def _respond(self, request: services.Request) -> bytes:
        invoke = request.invoke
        if self._state is _State.HALF:
            act = request if isinstance(request, services.Act) else None
            if act is None or (act.wanted.class_id, act.wanted.logical_name, act.wanted.number) != ASSOCIATION:
                return services.exception(services.NOT_ALLOWED, services.NOT_POSSIBLE)
            return self._prove(act.parameters, invoke)
        match request:
            case services.Get(wanted=wanted):
                result = self._read(wanted)
                return self._answers.fit(services.get_response(invoke, result), invoke, result)
            case services.GetList(wanted=wanted_ones):
                if self._settings.refuse_lists or Conformance.MULTIPLE_REFERENCES not in self._conformance:
                    raise services.Unknown("lists")
                results = [self._read(wanted) for wanted in wanted_ones]
                whole = services.get_list_response(invoke, results)
                return self._answers.fit(whole, invoke, services.list_content(results))
            case services.GetNext(block=block):
                return self._answers.next_block(invoke, block)
            case services.Set(wanted=wanted, value=value):
                return services.set_response(invoke, self._write(wanted, value))
            case services.Act(wanted=wanted, parameters=parameters):
                return self._act(invoke, wanted, parameters)

    def _read(self, wanted: services.Descriptor) -> Result:
        name = ".".join(map(str, wanted.logical_name))
        self._note(f"get {wanted.class_id} {name} {wanted.number}{' selected' if wanted.selection else ''}")
        try:
            return self._objects.get(self._view, wanted.class_id, wanted.logical_name, wanted.number, wanted.selection)
        except Refused as refusal:
            return refusal.code

    def _write(self, wanted: services.Descriptor, value: axdr.Item) -> int:
        self._note(f"set {wanted.class_id} {'.'.join(map(str, wanted.logical_name))} {wanted.number}")
        try:
            self._objects.set(self._view, wanted.class_id, wanted.logical_name, wanted.number, value)
        except Refused as refusal:
            return refusal.code
        return 0

    def _act(self, invoke: int, wanted: services.Descriptor, parameters: axdr.Item) -> bytes:
        self._note(f"action {wanted.class_id} {'.'.join(map(str, wanted.logical_name))} {wanted.number}")
        try:
            returned = self._objects.act(self._view, wanted.class_id, wanted.logical_name, wanted.number, parameters)
        except Refused as refusal:
            return services.action_response(invoke, refusal.code, None)
        return services.action_response(invoke, 0, returned)
