"""What registers, objects, profiles and the clock want of a session, and what its answers mean for asking again.

Rules: a refusal is an answer, also where the meter refuses the service in place of naming a result; only for a part of
an attribute it stays an error, since there is another way to ask. Which refusals would come again tomorrow is decided
here, once.
"""

from collections.abc import Sequence
from typing import Protocol

from drivers.dlms.session import Session
from drivers.dlms.wire.association_dialogue import ServiceRefused
from drivers.dlms.wire.attribute import Attribute, Selection
from drivers.dlms.wire.service_errors import ActionResult, DataAccess
from drivers.dlms.wire.services import Data
from gatewayd.obis import Obis

Result = Data | DataAccess
"""Of one attribute: its value, or why there is none."""

_NOT_THERE = frozenset(
    {
        DataAccess.OBJECT_UNDEFINED,
        DataAccess.OBJECT_CLASS_INCONSISTENT,
        DataAccess.OBJECT_UNAVAILABLE,
    }
)
_LASTING = _NOT_THERE | {
    DataAccess.READ_WRITE_DENIED,
    DataAccess.TYPE_UNMATCHED,
    DataAccess.SCOPE_OF_ACCESS_VIOLATED,
}


class Asking(Protocol):
    """An open association. GatewayError where the line or the meter fails, not where the meter says no."""

    @property
    def lists_work(self) -> bool:
        """Whether several attributes may be asked for in one request, as far as is known."""

    async def get(self, attribute: Attribute, selection: Selection | None = None) -> Result:
        """One attribute."""

    async def get_many(self, attributes: Sequence[Attribute]) -> tuple[Result, ...]:
        """Several, in their order, in as few requests as the meter allows."""

    async def set_(self, attribute: Attribute, value: bytes) -> DataAccess:
        """Write an attribute: SUCCESS, or why not."""

    async def action(self, class_id: int, logical_name: bytes, method: int, parameter: bytes) -> ActionResult:
        """Invoke a method: SUCCESS, or why not."""


class Questions:
    """An open session, as Asking."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def lists_work(self) -> bool:
        return self._session.lists_work

    async def get(self, attribute: Attribute, selection: Selection | None = None) -> Result:
        try:
            return await self._session.get(attribute, selection)
        except ServiceRefused:
            if selection is not None:
                raise
            return DataAccess.OTHER_REASON

    async def get_many(self, attributes: Sequence[Attribute]) -> tuple[Result, ...]:
        try:
            return await self._session.get_many([(attribute, None) for attribute in attributes])
        except ServiceRefused:
            # One of them is refused in a way that ends the others: which one it is, each has to say for itself.
            return tuple([await self.get(attribute) for attribute in attributes])

    async def set_(self, attribute: Attribute, value: bytes) -> DataAccess:
        return await self._session.set_(attribute, value)

    async def action(self, class_id: int, logical_name: bytes, method: int, parameter: bytes) -> ActionResult:
        return (await self._session.action(class_id, logical_name, method, parameter)).result


def not_there(result: Result) -> bool:
    """Whether the meter says that it has no such object."""
    return result in _NOT_THERE if isinstance(result, DataAccess) else False


def lasting(result: Result) -> bool:
    """Whether the refusal would be the same tomorrow, in the same association."""
    return result in _LASTING if isinstance(result, DataAccess) else False


def name_of(obis: Obis) -> bytes:
    """The six octets of a logical name."""
    return bytes(obis.groups)


def obis_of(name: bytes) -> Obis:
    """The code of six octets. ValueError for another number of them."""
    a, b, c, d, e, f = name
    return Obis(a, b, c, d, e, f)
