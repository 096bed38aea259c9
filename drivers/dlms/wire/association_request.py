"""One request of GET, SET or ACTION, and what answers it: in one APDU, in blocks, in a list (IEC 62056-5-3, 9.3).

Rules: the table at the end says which response each service has; any other is ProtocolError. A list has as many results
as were asked for. What comes in blocks is decoded once, when the last one is there; while blocks come, a response of
another kind may only say no.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from drivers.dlms.wire import services
from drivers.dlms.wire.association_dialogue import Acted, Answered, Written
from drivers.dlms.wire.block_transfer import BlockTransfer
from drivers.dlms.wire.services import ActionResult, Data, DataAccess, InvokeId
from gatewayd.errors import ProtocolError

Outcome = Answered | Written | Acted


class Service(Enum):
    GET = auto()
    SET = auto()
    ACTION = auto()


class Request:
    """The request with this invoke-id, for so many items."""

    __slots__ = ("_items", "_transfer", "invoke", "service")

    def __init__(self, service: Service, invoke: InvokeId, items: int = 1) -> None:
        self.service = service
        self.invoke = invoke
        self._items = items
        self._transfer = BlockTransfer()

    def answer(self, response: services.Response, apdu: bytes) -> Outcome | bytes:
        """What a response with our invoke-id brings; bytes are the request for the next block. `apdu` is the response,
        for errors."""
        walk = _TABLE.get((self.service, type(response)))
        if walk is None:
            raise ProtocolError(f"answers {self.service.name} with {type(response).__name__}", apdu)
        return walk(self, response, apdu)

    def _got(self, response: services.GetNormalResponse, apdu: bytes) -> Outcome | bytes:
        # An error in this form says no to a whole list, or ends the blocks; a value has no place there.
        if (self._transfer.number or self._items > 1) and isinstance(response.result, Data):
            raise ProtocolError("answers with one value where blocks or a list are due", apdu)
        return Answered((response.result,) * self._items)

    def _got_list(self, response: services.GetListResponse, apdu: bytes) -> Outcome | bytes:
        if self._transfer.number or self._items == 1:
            raise ProtocolError("answers with a list where none is due", apdu)
        return Answered(services.parse_list(response.content, self._items))

    def _got_block(self, response: services.GetBlockResponse, apdu: bytes) -> Outcome | bytes:
        if isinstance(response.content, DataAccess):
            return Answered((response.content,) * self._items)
        self._transfer.add(response.number, response.last, response.content, apdu)
        if not self._transfer.complete:
            return services.get_next(self.invoke, response.number)
        content = self._transfer.content
        if self._items == 1:
            return Answered((services.parse_data(content),))
        return Answered(services.parse_list(content, self._items))

    def _written(self, response: services.SetNormalResponse, apdu: bytes) -> Outcome | bytes:
        return Written(response.result)

    def _acted(self, response: services.ActionNormalResponse, apdu: bytes) -> Outcome | bytes:
        if self._transfer.number and response.result is ActionResult.SUCCESS:
            raise ProtocolError("answers with one value where blocks are due", apdu)
        return Acted(response.result, response.returned)

    def _acted_block(self, response: services.ActionBlockResponse, apdu: bytes) -> Outcome | bytes:
        self._transfer.add(response.number, response.last, response.content, apdu)
        if not self._transfer.complete:
            return services.action_next(self.invoke, response.number)
        return Acted(*services.parse_action_content(self._transfer.content))


# Any: each walk takes the response that its key names, which the type of a table cannot say.
_Walk = Callable[[Request, Any, bytes], Outcome | bytes]

_TABLE: Mapping[tuple[Service, type[services.Response]], _Walk] = MappingProxyType(
    {
        (Service.GET, services.GetNormalResponse): Request._got,
        (Service.GET, services.GetListResponse): Request._got_list,
        (Service.GET, services.GetBlockResponse): Request._got_block,
        (Service.SET, services.SetNormalResponse): Request._written,
        (Service.ACTION, services.ActionNormalResponse): Request._acted,
        (Service.ACTION, services.ActionBlockResponse): Request._acted_block,
    }
)
