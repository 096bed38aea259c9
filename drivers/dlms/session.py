"""One session with a meter: a conversation and the association that goes through it. What the driver asks, in words of
COSEM, and gets as values.

Rules: what goes out is decided in wire/association.py. Before each APDU the numbers that it may take are reserved.
Several attributes go in lists where the meter takes them; where it does not, one by one, and that is remembered for the
session (`lists_work`). Order is kept. A password that nobody answers may have been counted as a wrong one.
"""

from collections.abc import Sequence
from typing import Protocol, Self

from drivers.dlms.conversation import Conversation
from drivers.dlms.wire.association import Association, State
from drivers.dlms.wire.association_dialogue import (
    Acted,
    Answered,
    Ask,
    AssociationRefused,
    Established,
    Event,
    Item,
    Released,
    Result,
    ServiceRefused,
    Step,
    WaitOn,
    Written,
)
from drivers.dlms.wire.attribute import Attribute, Selection
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.security_errors import SecurityError
from drivers.dlms.wire.services import DataAccess, OtherCount
from gatewayd.errors import ChannelError, GatewayError, MeterSilent, PasswordUnclear, ProtocolError

__all__ = ["Acted", "Counter", "Item", "Result", "Session"]

SPARE_COUNTERS = 64
"""Numbers that are there before an APDU goes out: it takes two at most."""
LIST_LIMIT = 16
"""Attributes in one list: meters have limits of their own that they do not name."""


class Counter(Protocol):
    """counters.InvocationCounter, as far as a session needs it."""

    async def ready(self, spare: int = ...) -> None:
        """Afterwards `spare` numbers can be taken."""


class Session:
    """An open association. `async with Conversation(...) as conversation: session = await Session.connect(...)`.

    `conformance`: what both sides agreed to; `meter_title` is empty where the meter names none; `max_pdu`: its longest
    APDU, 0 without limit; `round_trips`: APDUs sent since the link stands; `received`: the newest invocation counter
    that the meter proved, -1 for none, to be remembered also when the session failed (association.received).
    """

    def __init__(
        self,
        conversation: Conversation,
        association: Association,
        counter: Counter | None = None,
        *,
        release: bool = False,
        lists: bool = True,
        list_limit: int = LIST_LIMIT,
    ) -> None:
        self.conformance = Conformance(0)
        self.meter_title = b""
        self.max_pdu = 0
        self.lists_work = lists
        self.round_trips = 0
        self._conversation = conversation
        self._association = association
        self._counter = counter
        self._release = release
        self._list_limit = list_limit
        self._secret_sent = False
        self._tried = False  # a secret or a key
        self._ended: GatewayError | None = None

    @classmethod
    async def connect(
        cls,
        conversation: Conversation,
        association: Association,
        counter: Counter | None = None,
        *,
        release: bool = False,
        lists: bool = True,
        list_limit: int = LIST_LIMIT,
    ) -> Self:
        """Set up the link and open the association. `release`: whether `close` releases it; `lists` False: attributes
        are asked for one by one.

        AuthenticationRefused and Undeciphered (MeterRefused), ContextRefused (MeterDiffers), CounterRejected,
        PasswordUnclear, SecurityError and the other ProtocolErrors, MeterSilent, ChannelError.
        """
        session = cls(conversation, association, counter, release=release, lists=lists, list_limit=list_limit)
        await session._open()
        return session

    @property
    def received(self) -> int:
        return self._association.received

    async def get(self, attribute: Attribute, selection: Selection | None = None) -> Result:
        """One attribute, or a part of it. ServiceRefused where the meter does not carry out the service."""
        (result,) = await self._get([(attribute, selection)])
        return result

    async def get_many(self, items: Sequence[Item]) -> tuple[Result, ...]:
        """Several attributes, a result for each in their order. Errors as `get`."""
        results: list[Result] = []
        while len(results) < len(items):
            rest = items[len(results) :]
            portion = rest[: self._portion(rest)]
            results += await (self._get_list(portion) if self.lists_work else self._one_by_one(rest))
        return tuple(results)

    async def set_(self, attribute: Attribute, value: bytes) -> DataAccess:
        """Write an attribute, `value` in A-XDR; what the meter says to it. Errors as `get`."""
        await self._ready()
        event = await self._follow(self._association.set_(attribute, value))
        assert isinstance(event, Written)  # the only event of `set_`
        return event.result

    async def action(self, class_id: int, logical_name: bytes, method: int, parameters: bytes | None = None) -> Acted:
        """Invoke a method, `parameters` in A-XDR; what the meter says to it. Errors as `get`."""
        await self._ready()
        event = await self._follow(self._association.action(class_id, logical_name, method, parameters))
        assert isinstance(event, Acted)  # the only event of `action`
        return event

    async def close(self) -> None:
        """Release the association where that is wanted, and take down the link. Silence ends both of them as well, and
        so does a meter that hangs up when it is released."""
        try:
            if self._release and self._association.state is State.READY and self._conversation.connected:
                await self._ready()
                event = await self._follow(self._association.release())
                assert isinstance(event, Released)  # the only event of `release`
            if self._conversation.connected:
                await self._conversation.disconnect()
        except (ChannelError, MeterSilent, ProtocolError):
            return  # everything that was asked for is here; a line that has failed shows it to whoever is next

    # -- the rest ----------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        if not self._conversation.connected:
            await self._conversation.connect()
        await self._ready()
        try:
            event = await self._follow(self._association.open())
        except (ChannelError, MeterSilent, ProtocolError) as error:
            if self._unclear(error):
                raise PasswordUnclear(
                    f"{error}; the password had been sent, and the meter may have counted it as a wrong one"
                ) from error
            raise
        assert isinstance(event, Established)  # the only event of `open`
        if self._tried:  # a client without security says nothing about the keys that were tried before it
            self._conversation.unsettled = False
        self.conformance, self.max_pdu, self.meter_title = event.conformance, event.max_pdu, event.meter_title
        self.lists_work = self.lists_work and Conformance.MULTIPLE_REFERENCES in event.conformance

    def _unclear(self, error: GatewayError) -> bool:
        """Whether nobody knows what became of a password. A refusal says so, and so does a proof that is wrong."""
        return self._secret_sent and not isinstance(error, AssociationRefused | SecurityError)

    def _portion(self, items: Sequence[Item]) -> int:
        """How many of these items go into one request."""
        number = min(len(items), self._list_limit)
        while number > 1 and not self._association.fits(items[:number]):
            number -= 1
        return number

    async def _get_list(self, items: Sequence[Item]) -> tuple[Result, ...]:
        if len(items) == 1:
            return await self._one_by_one(items)
        try:
            listed = await self._get(items)
        except (ServiceRefused, OtherCount):
            self.lists_work = False
            return await self._one_by_one(items)
        if not all(isinstance(result, DataAccess) for result in listed):
            return listed
        # It may have none of them, or not take lists: asked one by one it says which.
        single = await self._one_by_one(items)
        if single != listed:
            self.lists_work = False
        return single

    async def _one_by_one(self, items: Sequence[Item]) -> tuple[Result, ...]:
        """An item for which the meter refuses the service itself is OTHER_REASON, unless it refuses all of them."""
        results: list[Result] = []
        refused: list[ServiceRefused] = []
        for item in items:
            try:
                results += await self._get([item])
            except ServiceRefused as error:
                refused.append(error)
                results.append(DataAccess.OTHER_REASON)
        if len(refused) == len(items):
            raise refused[0]
        return tuple(results)

    async def _get(self, items: Sequence[Item]) -> tuple[Result, ...]:
        await self._ready()
        event = await self._follow(self._association.get(items))
        assert isinstance(event, Answered)  # the only event of `get`
        return event.results

    async def _follow(self, step: Step) -> Event:
        """Do what the association asks until something has happened."""
        try:
            while True:
                match step:
                    case Ask(apdu, secret):
                        self.round_trips += 1
                        self._secret_sent = self._association.secret_pending
                        self._tried = self._tried or secret
                        answer = await self._conversation.exchange(apdu, secret)
                    case WaitOn():
                        answer = await self._conversation.listen()
                    case event:
                        return event
                await self._ready()  # the answer may ask for the next block
                step = self._association.feed(answer)
        except GatewayError as error:
            if self._association.state is State.OVER or not self._conversation.connected:
                self._ended = error
            raise

    async def _ready(self) -> None:
        """Before a request and before an answer is looked at. What has ended the session is raised again."""
        if self._ended is not None:
            raise self._ended
        if self._counter is not None and self._association.ciphered:
            await self._counter.ready(SPARE_COUNTERS)
