"""GET: reading attributes, one, several, and in blocks (IEC 62056-5-3, Get-Request and Get-Response).

    C0 01 | invoke | attribute | selection               C4 01 | invoke | 00 data, or 01 data-access-result
    C0 02 | invoke | block number (4)                    C4 02 | invoke | last | block number (4) | 00 octets, 01 error
    C0 03 | invoke | count | (attribute | selection) ... C4 03 | invoke | count | results

Rules: a value is decoded whole or the response is a fault. Blocks and lists are given out undecoded: what they hold is
known when the last block is there, and how many results a list must have knows who asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.dlms.wire.apdu_reader import ApduReader
from drivers.dlms.wire.attribute import AccessSelection, Attribute, Selection
from drivers.dlms.wire.axdr_encode import encode_count
from drivers.dlms.wire.axdr_value import MAX_ELEMENTS, MAX_TRANSFER
from drivers.dlms.wire.service_errors import DataAccess
from drivers.dlms.wire.service_parts import (
    Data,
    InvokeId,
    Result,
    begin,
    read_attribute,
    read_invoke,
    read_result,
    read_selection,
    write_result,
    write_selection,
)
from gatewayd.errors import ProtocolError

GET_REQUEST, GET_RESPONSE = 0xC0, 0xC4
NORMAL, NEXT, WITH_LIST = 1, 2, 3
WITH_DATABLOCK = 2

Asked = tuple[Attribute, Selection | AccessSelection | None]


@dataclass(frozen=True, slots=True)
class GetNormalRequest:
    invoke: InvokeId
    attribute: Attribute
    selection: AccessSelection | None


@dataclass(frozen=True, slots=True)
class GetNextRequest:
    """The client has the block `number` and wants the next one."""

    invoke: InvokeId
    number: int


@dataclass(frozen=True, slots=True)
class GetListRequest:
    invoke: InvokeId
    asked: tuple[tuple[Attribute, AccessSelection | None], ...]


@dataclass(frozen=True, slots=True)
class GetNormalResponse:
    invoke: InvokeId
    result: Result

    @property
    def encoded(self) -> bytes:
        return begin(GET_RESPONSE, NORMAL, self.invoke) + write_result(self.result)


@dataclass(frozen=True, slots=True)
class GetBlockResponse:
    """Block `number`, counted from 1. `content`: a piece of the data or of the list, undecoded; or why the transfer
    ends here."""

    invoke: InvokeId
    last: bool
    number: int
    content: bytes | DataAccess

    @property
    def encoded(self) -> bytes:
        head = begin(GET_RESPONSE, WITH_DATABLOCK, self.invoke) + bytes((self.last,)) + self.number.to_bytes(4)
        if isinstance(self.content, DataAccess):
            return head + bytes((1, self.content))
        return head + b"\x00" + encode_count(len(self.content)) + self.content


@dataclass(frozen=True, slots=True)
class GetListResponse:
    """`content`: the count and the results, for `parse_list`."""

    invoke: InvokeId
    content: bytes

    @property
    def encoded(self) -> bytes:
        return begin(GET_RESPONSE, WITH_LIST, self.invoke) + self.content


class OtherCount(ProtocolError):
    """A sound list with more or fewer results than were asked for: which of them is which, nobody can tell."""


GetRequest = GetNormalRequest | GetNextRequest | GetListRequest
GetResponse = GetNormalResponse | GetBlockResponse | GetListResponse


def get_normal(invoke: InvokeId, attribute: Attribute, selection: Selection | AccessSelection | None = None) -> bytes:
    """The request for one attribute. ValueError where a selection has numbers that do not fit."""
    return begin(GET_REQUEST, NORMAL, invoke) + attribute.encoded + write_selection(selection)


def get_next(invoke: InvokeId, block: int) -> bytes:
    """The request for the block behind `block`, which has arrived."""
    return begin(GET_REQUEST, NEXT, invoke) + block.to_bytes(4)


def get_list(invoke: InvokeId, asked: Sequence[Asked]) -> bytes:
    """The request for several attributes. ValueError for none, for more than 10,000, and as `get_normal`."""
    if not 0 < len(asked) <= MAX_ELEMENTS:
        raise ValueError(f"a list of {len(asked)} attributes: expected 1 to {MAX_ELEMENTS}")
    one_by_one = (attribute.encoded + write_selection(selection) for attribute, selection in asked)
    return begin(GET_REQUEST, WITH_LIST, invoke) + encode_count(len(asked)) + b"".join(one_by_one)


def read_get_request(reader: ApduReader) -> GetRequest:
    """What stands behind the tag."""
    choice, invoke = reader.octet(), read_invoke(reader)
    match choice:
        case 1:
            return GetNormalRequest(invoke, read_attribute(reader), read_selection(reader))
        case 2:
            return GetNextRequest(invoke, reader.number(4))
        case 3:
            count = _count(reader)
            return GetListRequest(invoke, tuple((read_attribute(reader), read_selection(reader)) for _ in range(count)))
        case _:
            raise reader.fault(f"of the unknown kind {choice}")


def read_get_response(reader: ApduReader) -> GetResponse:
    """What stands behind the tag."""
    choice, invoke = reader.octet(), read_invoke(reader)
    match choice:
        case 1:
            return GetNormalResponse(invoke, read_result(reader))
        case 2:
            last, number = reader.boolean(), reader.number(4)
            match reader.octet():
                case 0:
                    return GetBlockResponse(invoke, last, number, reader.string())
                case 1:
                    return GetBlockResponse(invoke, last, number, DataAccess(reader.octet()))
                case unknown:
                    raise reader.fault(f"whose block begins with {unknown:#04x}, which is neither data nor an error")
        case 3:
            return GetListResponse(invoke, reader.rest())
        case _:
            raise reader.fault(f"of the unknown kind {choice}")


def parse_data(content: bytes) -> Data:
    """The value that the joined blocks of a transfer are, up to 1 MiB. CutShort where it ends too early, ProtocolError
    for every other fault and for octets behind it."""
    reader = ApduReader(content, "blocks of a GET response", MAX_TRANSFER)
    data = Data(reader.data())
    reader.finish()
    return data


def parse_list(content: bytes, count: int) -> tuple[Result, ...]:
    """The results of a list, of one response or of joined blocks, up to 1 MiB. Errors as `parse_data`, and OtherCount
    where they are not `count`."""
    reader = ApduReader(content, "a list of results", MAX_TRANSFER)
    sent = _count(reader)
    results = tuple(read_result(reader) for _ in range(sent))
    reader.finish()
    if sent != count:
        raise OtherCount(f"sends a list of results that has {sent} where {count} are due", content)
    return results


def encode_list(results: Sequence[Result]) -> bytes:
    """What `parse_list` reads: the content of a list response, whole or to be cut into blocks."""
    return encode_count(len(results)) + b"".join(write_result(result) for result in results)


def _count(reader: ApduReader) -> int:
    count = reader.count()
    if count > MAX_ELEMENTS:
        raise reader.fault(f"with {count} entries, more than {MAX_ELEMENTS}")
    return count
