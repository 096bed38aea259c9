"""From the options of a meter to an open session: link, association, keys, and the invocation counter.

Rules: secrets are read at the beginning of each session and are gone with it; where one is missing, nothing is sent.
Challenges and dedicated keys are new each time. A counter that is not remembered is taken from the meter first; one
that the meter rejects is put right once, upward only, and by no more than the cap: nothing proves what the meter says
of it. A refusal that the counter does not explain stands. A meter that hangs up or is silent when keys are tried may
mean the counter as well: it is looked at before they are tried the next time.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from drivers.dlms.conversation import Conversation
from drivers.dlms.counters import InvocationCounter, ReceivedCounters, key_id
from drivers.dlms.options import NONE, DlmsOptions
from drivers.dlms.session import Session
from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.association import Association, State
from drivers.dlms.wire.association_dialogue import AuthenticationRefused, CounterRejected, Undeciphered
from drivers.dlms.wire.association_settings import PROPOSED, UNPROTECTED, AssociationSettings
from drivers.dlms.wire.attribute import Attribute
from drivers.dlms.wire.axdr_value import Tag
from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import LinkSettings
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.hdlc_parameters import Parameters
from drivers.dlms.wire.keys import Keys, Suite
from drivers.dlms.wire.security import Form, Protection
from drivers.dlms.wire.service_errors import DataAccess
from drivers.dlms.wire.transport import Transport
from drivers.dlms.wire.wrapper_link import WrapperLink
from gatewayd.channel import Channel
from gatewayd.driver import Memory
from gatewayd.errors import MeterDiffers, MeterRefused, MeterSilent, ProtocolError
from gatewayd.obis import Obis

DEFAULT_BAUD = 9600
"""For how long a frame may take where the line has no rate of its own (TCP)."""
_REST = 0.03
"""Seconds of data that may come on a serial line before they are looked at."""
_HDLC_TIMEOUT, _WRAPPER_TIMEOUT = 5, 20
"""Seconds: late segments come after 4 s; a mobile network behind TCP takes its time."""
_BUSY_LIMIT = 60.0
"""Seconds for which a meter may say that it is not ready; not less than it may be silent."""
_CHALLENGE_OCTETS = 16
_DATA = 1
_UNSIGNED = frozenset({Tag.UNSIGNED, Tag.LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG64_UNSIGNED})
_MECHANISMS = {
    NONE: Mechanism.NONE,
    "low": Mechanism.LOW,
    "hls-md5": Mechanism.HLS_MD5,
    "hls-sha1": Mechanism.HLS_SHA1,
    "hls-gmac": Mechanism.HLS_GMAC,
    "hls-sha256": Mechanism.HLS_SHA256,
}
_POLICIES = {
    NONE: UNPROTECTED,
    "authenticated": Protection.AUTHENTICATED,
    "encrypted": Protection.ENCRYPTED,
    "authenticated-encrypted": Protection.AUTHENTICATED | Protection.ENCRYPTED,
}
_FORMS = {
    ("global", False): Form.GLOBAL,
    ("global", True): Form.GENERAL_GLOBAL,
    ("dedicated", False): Form.DEDICATED,
    ("dedicated", True): Form.GENERAL_DEDICATED,
}


class Connection:
    """How one meter is reached, over a channel that is open and at the right rate. One for each session.

    `baud` is None where the line has no rate. `counters` by key id outlive the session: each new one skips a block of
    numbers. `sign_on`: at an optical head, where a meter leaves HDLC with its link, the way back in; it gives the rate.
    SecretUnavailable where a key or password cannot be read.
    """

    def __init__(
        self,
        options: DlmsOptions,
        memory: Memory,
        counters: dict[str, InvocationCounter],
        channel: Channel,
        baud: int | None,
        sign_on: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self._options = options
        self._channel = channel
        self._baud = baud
        self._sign_on = sign_on
        self._taken_down = False  # a link of this session
        self._secret = options.secret()
        self._keys = _keys(options)
        self.counter: InvocationCounter | None = None
        """Of what we send; None where no key is used."""
        self.remark = ""
        """What an operator has to know of the counter, "" for nothing."""
        self._unsettled = False  # keys were tried, and the meter did not take them yet
        self._received: ReceivedCounters | None = None
        if self._keys is not None:
            identity = key_id(self._keys, bytes.fromhex(options.system_title))
            self.counter = counters.setdefault(identity, InvocationCounter(memory, identity))
            self._received = ReceivedCounters(memory, identity)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """An open session, closed at the end. What refuses the association is raised; see the rules for the counter."""
        counter = self.counter
        if counter is not None and (counter.doubted or not await counter.known()):
            counter.doubted = False
            await self._put_right(counter, None)
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(self._opened(counter))
            except (CounterRejected, Undeciphered, AuthenticationRefused) as refusal:
                self._unsettled = True
                if counter is None or not await self._explained(counter, refusal):
                    raise
                session = await stack.enter_async_context(self._opened(counter))
            yield session

    async def _explained(self, counter: InvocationCounter, refusal: MeterRefused) -> bool:
        """Whether our counter was the reason, and is right now."""
        if isinstance(refusal, AuthenticationRefused) and self._secret:
            return False  # it may have been the password, which is not tried twice
        expected = refusal.expected if isinstance(refusal, CounterRejected) else None
        return await self._put_right(counter, expected)

    async def _put_right(self, counter: InvocationCounter, expected: int | None) -> bool:
        """Raise our counter above the meter's; False where it was above it. CounterJump beyond the cap."""
        if expected is None:
            expected = await self._counter_of_meter()
        skipped = 0 if expected is None else await counter.raise_to(expected, self._options.counter_cap)
        if skipped:
            self.remark = (
                f"the invocation counter was raised by {skipped}: the meter says that it is at {expected}, which "
                "nothing proves"
            )
        return skipped > 0

    async def _counter_of_meter(self) -> int | None:
        """What the meter's counter object says to a client without security, None where it does not tell."""
        options = self._options
        if options.counter_object == NONE:
            return None
        settings = AssociationSettings(conformance=PROPOSED & ~options.withheld, max_pdu=options.max_pdu)
        attribute = Attribute(_DATA, bytes(Obis.parse(options.counter_object).groups), 2)
        try:
            async with self._talk(Association(settings), options.counter_client, None) as session:
                result = await session.get(attribute)
        except (MeterDiffers, MeterRefused, MeterSilent, ProtocolError):
            return None  # a meter that has no such client: what it makes of our own counter remains to be seen
        if isinstance(result, DataAccess) or result.value.tag not in _UNSIGNED:
            return None
        assert isinstance(result.value.content, int)  # that is what these types hold
        return result.value.content

    @asynccontextmanager
    async def _opened(self, counter: InvocationCounter | None) -> AsyncIterator[Session]:
        received = {} if self._received is None else await self._received.recall()
        association = Association(self._settings(received), None if counter is None else counter.take)
        try:
            async with self._talk(association, self._options.client, counter) as session:
                yield session
        finally:
            if counter is not None:
                counter.doubted = association.state is State.OPENING
            # Also of a session that failed: what the meter has proved is not accepted a second time.
            if self._received is not None and association.received > received.get(association.meter_title, -1):
                await self._received.remember(association.meter_title, association.received)

    @asynccontextmanager
    async def _talk(
        self, association: Association, client: int, counter: InvocationCounter | None
    ) -> AsyncIterator[Session]:
        options = self._options
        if self._sign_on is not None and self._taken_down:
            self._baud = await self._sign_on()
        self._taken_down = True
        release = options.release == "yes" or (options.release == "auto" and options.transport == "wrapper")
        rest = 0.0 if self._baud is None else _REST
        async with Conversation(self._channel, self._transport(client), rest) as conversation:
            conversation.unsettled = self._unsettled
            try:
                session = await Session.connect(
                    conversation, association, counter, release=release, lists=options.lists != "no"
                )
            except MeterSilent as error:
                address = "client and server" if options.transport == "wrapper" else "client, server and physical"
                raise MeterSilent(f"{error}: has it power, and are {address} right?") from error
            yield session
            await session.close()

    def _transport(self, client: int) -> Transport:
        options = self._options
        wrapper = options.transport == "wrapper"
        patience = float(options.response_timeout_s or (_WRAPPER_TIMEOUT if wrapper else _HDLC_TIMEOUT))
        settings = LinkSettings(
            response_timeout=patience,
            attempts=options.attempts,
            busy_limit=max(_BUSY_LIMIT, patience),
            baud=self._baud or DEFAULT_BAUD,
        )
        if wrapper:
            return WrapperLink(client, options.server, settings)
        proposal = Parameters(max_info_transmit=options.max_info, max_info_receive=options.max_info)
        return Link(address(client), options.server_address, settings, proposal)

    def _settings(self, received: Mapping[bytes, int]) -> AssociationSettings:
        options, keys = self._options, self._keys
        mechanism = _MECHANISMS[options.authentication]
        if keys is not None and options.ciphering == "dedicated":
            keys = replace(keys, dedicated=secrets.token_bytes(len(keys.block_cipher)))
        hls = mechanism not in (Mechanism.NONE, Mechanism.LOW)
        return AssociationSettings(
            mechanism=mechanism,
            secret=self._secret,
            challenge=secrets.token_bytes(_CHALLENGE_OCTETS) if hls else b"",
            title=bytes.fromhex(options.system_title),
            expected_title=bytes.fromhex(options.meter_title),
            keys=keys,
            suite=Suite(options.suite),
            policy=_POLICIES[options.security],
            form=_FORMS[options.ciphering, options.general],
            conformance=PROPOSED & ~options.withheld,
            max_pdu=options.max_pdu,
            user_id=options.user_id,
            association_object=bytes(Obis.parse(options.association_object).groups),
            protected_release=options.protected_release,
            received=received,
        )


def _keys(options: DlmsOptions) -> Keys | None:
    """None where the session uses none; they may be there for what the meter pushes."""
    if not options.counted:
        return None
    block_cipher, authentication = options.keys()
    return Keys(block_cipher, authentication)
