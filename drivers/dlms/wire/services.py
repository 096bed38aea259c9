"""The services of an association as APDUs: GET, SET, ACTION and what comes instead (IEC 62056-5-3, COSEM APDUs).

This is the place to import from; services_get.py and services_set.py have the layouts.

Rules: plain APDUs, from the first octet to the last: octets behind one, choices that do not exist and lengths that are
wrong are faults. What a response has to do with what was asked (invoke-id, service, block number) judges who asked.
"""

from drivers.dlms.wire.apdu_reader import ApduReader
from drivers.dlms.wire.service_errors import (
    ActionResult,
    ConfirmedServiceError,
    DataAccess,
    ExceptionResponse,
    ServiceError,
    StateError,
    parse_confirmed_service_error,
    parse_exception,
)
from drivers.dlms.wire.service_parts import Data, InvokeId, Result
from drivers.dlms.wire.services_get import (
    Asked,
    GetBlockResponse,
    GetListRequest,
    GetListResponse,
    GetNextRequest,
    GetNormalRequest,
    GetNormalResponse,
    GetRequest,
    GetResponse,
    OtherCount,
    encode_list,
    get_list,
    get_next,
    get_normal,
    parse_data,
    parse_list,
    read_get_request,
    read_get_response,
)
from drivers.dlms.wire.services_set import (
    ActionBlockResponse,
    ActionNextRequest,
    ActionNormalRequest,
    ActionNormalResponse,
    ActionRequest,
    ActionResponse,
    SetNormalRequest,
    SetNormalResponse,
    action_next,
    action_normal,
    encode_action_content,
    parse_action_content,
    read_action_request,
    read_action_response,
    read_set_request,
    read_set_response,
    set_normal,
)
from gatewayd.errors import ProtocolError

__all__ = [
    "ActionBlockResponse",
    "ActionNextRequest",
    "ActionNormalRequest",
    "ActionNormalResponse",
    "ActionResult",
    "Asked",
    "ConfirmedServiceError",
    "Data",
    "DataAccess",
    "ExceptionResponse",
    "GetBlockResponse",
    "GetListRequest",
    "GetListResponse",
    "GetNextRequest",
    "GetNormalRequest",
    "GetNormalResponse",
    "InvokeId",
    "OtherCount",
    "Request",
    "Response",
    "Result",
    "ServiceError",
    "SetNormalRequest",
    "SetNormalResponse",
    "StateError",
    "action_next",
    "action_normal",
    "encode_action_content",
    "encode_list",
    "get_list",
    "get_next",
    "get_normal",
    "parse_action_content",
    "parse_data",
    "parse_list",
    "parse_request",
    "parse_response",
    "set_normal",
]

Request = GetRequest | SetNormalRequest | ActionRequest
Response = GetResponse | SetNormalResponse | ActionResponse | ExceptionResponse | ConfirmedServiceError


def parse_response(apdu: bytes) -> Response:
    """What a server answers. CutShort where it ends too early, ProtocolError for every other fault."""
    response: Response
    match _tag(apdu, "a response"):
        case 0xC4:
            response = read_get_response(reader := _behind_tag(apdu, "a GET response"))
        case 0xC5:
            response = read_set_response(reader := _behind_tag(apdu, "a SET response"))
        case 0xC7:
            response = read_action_response(reader := _behind_tag(apdu, "an ACTION response"))
        case 0xD8:
            return parse_exception(apdu)
        case 0x0E:
            return parse_confirmed_service_error(apdu)
        case tag:
            raise ProtocolError(f"sends an APDU with the tag {tag:#04x} where a plain response is due", apdu)
    reader.finish()
    return response


def parse_request(apdu: bytes) -> Request:
    """What a client asks. CutShort where it ends too early, ProtocolError for every other fault."""
    request: Request
    match _tag(apdu, "a request"):
        case 0xC0:
            request = read_get_request(reader := _behind_tag(apdu, "a GET request"))
        case 0xC1:
            request = read_set_request(reader := _behind_tag(apdu, "a SET request"))
        case 0xC3:
            request = read_action_request(reader := _behind_tag(apdu, "an ACTION request"))
        case tag:
            raise ProtocolError(f"sends an APDU with the tag {tag:#04x} where a plain request is due", apdu)
    reader.finish()
    return request


def _tag(apdu: bytes, due: str) -> int:
    if not apdu:
        raise ProtocolError(f"sends nothing where {due} is due")
    return apdu[0]


def _behind_tag(apdu: bytes, what: str) -> ApduReader:
    reader = ApduReader(apdu, what)
    reader.octet()
    return reader
