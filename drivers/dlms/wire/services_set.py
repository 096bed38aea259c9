"""SET of one attribute and ACTION of one method (IEC 62056-5-3, Set-Request, Action-Request and their responses).

    C1 01 | invoke | attribute | selection | value    C5 01 | invoke | data-access-result
    C3 01 | invoke | method | 00, or 01 parameters    C7 01 | invoke | action-result | 00, or 01 and a result as of GET
    C3 02 | invoke | block number (4)                 C7 02 | invoke | last | block number (4) | octets

Rules: what goes out fits one APDU (the clock and the proof of a key do), so there are no requests in blocks and no
lists. What comes back may come in blocks, which are given out undecoded.
"""

from dataclasses import dataclass

from drivers.dlms.wire.apdu_reader import ApduReader
from drivers.dlms.wire.attribute import AccessSelection, Attribute
from drivers.dlms.wire.axdr_encode import encode_count
from drivers.dlms.wire.axdr_value import MAX_TRANSFER
from drivers.dlms.wire.service_errors import ActionResult, DataAccess
from drivers.dlms.wire.service_parts import (
    Data,
    InvokeId,
    Result,
    begin,
    read_attribute,
    read_invoke,
    read_result,
    read_selection,
    write_optional,
    write_result,
    write_selection,
)

SET_REQUEST, SET_RESPONSE = 0xC1, 0xC5
ACTION_REQUEST, ACTION_RESPONSE = 0xC3, 0xC7
NORMAL, NEXT_PBLOCK, WITH_PBLOCK = 1, 2, 2
_OCTET_STRING = b"\x09"


@dataclass(frozen=True, slots=True)
class SetNormalRequest:
    invoke: InvokeId
    attribute: Attribute
    selection: AccessSelection | None
    value: Data


@dataclass(frozen=True, slots=True)
class SetNormalResponse:
    invoke: InvokeId
    result: DataAccess

    @property
    def encoded(self) -> bytes:
        return begin(SET_RESPONSE, NORMAL, self.invoke) + bytes((self.result,))


@dataclass(frozen=True, slots=True)
class ActionNormalRequest:
    """`method`: its index stands where that of an attribute would."""

    invoke: InvokeId
    method: Attribute
    parameters: Data | None


@dataclass(frozen=True, slots=True)
class ActionNextRequest:
    """The client has the block `number` and wants the next one."""

    invoke: InvokeId
    number: int


@dataclass(frozen=True, slots=True)
class ActionNormalResponse:
    """`returned`: the return parameters, None where there are none."""

    invoke: InvokeId
    result: ActionResult
    returned: Result | None = None

    @property
    def encoded(self) -> bytes:
        return begin(ACTION_RESPONSE, NORMAL, self.invoke) + encode_action_content(self.result, self.returned)


@dataclass(frozen=True, slots=True)
class ActionBlockResponse:
    """Block `number`, counted from 1, of what `parse_action_content` reads."""

    invoke: InvokeId
    last: bool
    number: int
    content: bytes

    @property
    def encoded(self) -> bytes:
        head = begin(ACTION_RESPONSE, WITH_PBLOCK, self.invoke) + bytes((self.last,)) + self.number.to_bytes(4)
        return head + encode_count(len(self.content)) + self.content


ActionRequest = ActionNormalRequest | ActionNextRequest
ActionResponse = ActionNormalResponse | ActionBlockResponse


def set_normal(invoke: InvokeId, attribute: Attribute, value: bytes, selection: AccessSelection | None = None) -> bytes:
    """The request to write `value`, the A-XDR bytes of one value, to an attribute."""
    return begin(SET_REQUEST, NORMAL, invoke) + attribute.encoded + write_selection(selection) + value


def action_normal(
    invoke: InvokeId, class_id: int, logical_name: bytes, method: int, parameters: bytes | None = None
) -> bytes:
    """The request to invoke a method. `parameters`: the A-XDR bytes of one value, None for none."""
    descriptor = Attribute(class_id, logical_name, method).encoded
    return begin(ACTION_REQUEST, NORMAL, invoke) + descriptor + write_optional(parameters)


def action_next(invoke: InvokeId, block: int) -> bytes:
    """The request for the block behind `block`, which has arrived."""
    return begin(ACTION_REQUEST, NEXT_PBLOCK, invoke) + block.to_bytes(4)


def read_set_request(reader: ApduReader) -> SetNormalRequest:
    """What stands behind the tag."""
    _normal_only(reader)
    return SetNormalRequest(read_invoke(reader), read_attribute(reader), read_selection(reader), Data(reader.data()))


def read_set_response(reader: ApduReader) -> SetNormalResponse:
    """What stands behind the tag."""
    _normal_only(reader)
    return SetNormalResponse(read_invoke(reader), DataAccess(reader.octet()))


def read_action_request(reader: ApduReader) -> ActionRequest:
    """What stands behind the tag."""
    choice, invoke = reader.octet(), read_invoke(reader)
    match choice:
        case 1:
            method = read_attribute(reader)
            return ActionNormalRequest(invoke, method, Data(reader.data()) if reader.present() else None)
        case 2:
            return ActionNextRequest(invoke, reader.number(4))
        case _:
            raise reader.fault(f"of the kind {choice}, which is not supported")


def read_action_response(reader: ApduReader) -> ActionResponse:
    """What stands behind the tag."""
    choice, invoke = reader.octet(), read_invoke(reader)
    match choice:
        case 1:
            return ActionNormalResponse(invoke, *_action_content(reader))
        case 2:
            return ActionBlockResponse(invoke, reader.boolean(), reader.number(4), reader.string())
        case _:
            raise reader.fault(f"of the kind {choice}, which is not supported")


def parse_action_content(content: bytes) -> tuple[ActionResult, Result | None]:
    """Result and return parameters, from joined blocks up to 1 MiB. CutShort where they end too early, ProtocolError
    for every other fault and for octets behind them."""
    reader = ApduReader(content, "blocks of an ACTION response", MAX_TRANSFER)
    result = _action_content(reader)
    reader.finish()
    return result


def encode_action_content(result: ActionResult, returned: Result | None) -> bytes:
    """What `parse_action_content` reads."""
    return bytes((result,)) + write_optional(None if returned is None else write_result(returned))


def _action_content(reader: ApduReader) -> tuple[ActionResult, Result | None]:
    result = ActionResult(reader.octet())
    if reader.finished:
        return result, None  # meters leave out the octet that says "no return parameters"
    if not reader.present():
        return result, None
    # Known of meters with a stack of Texas Instruments: their proof comes without the choice of Get-Data-Result, which
    # is 0 or 1 and thus never to be taken for the tag of an octet-string.
    if reader.apdu[reader.at : reader.at + 1] == _OCTET_STRING:
        return result, Data(reader.data())
    return result, read_result(reader)


def _normal_only(reader: ApduReader) -> None:
    choice = reader.octet()
    if choice != NORMAL:
        raise reader.fault(f"of the kind {choice}, which is not supported")
