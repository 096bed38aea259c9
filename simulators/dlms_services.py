"""GET, SET and ACTION as a simulated meter reads and answers them (IEC 62056-5-3, xDLMS APDUs with logical names).

Rules: a request is read whole, with nothing behind it, or is Malformed; a service or choice that the meter does not
have is Unknown, which the association answers with an exception-response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulators import dlms_values as axdr
from simulators.dlms_values import Malformed

GET, SET, ACTION, EXCEPTION = 0xC0, 0xC1, 0xC3, 0xD8
GET_RESPONSE, SET_RESPONSE, ACTION_RESPONSE = 0xC4, 0xC5, 0xC7

# exception-response: state-error, service-error.
NOT_ALLOWED, SERVICE_UNKNOWN = 1, 2
NOT_POSSIBLE, NOT_SUPPORTED, OTHER, PDU_TOO_LONG, DECIPHERING, COUNTER = 1, 2, 3, 4, 5, 6


class Unknown(Exception):
    """A service or a choice of one that this meter does not have."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An attribute or a method of an object, and the selection: selector and parameters, None without."""

    class_id: int
    logical_name: bytes
    number: int
    selection: bytes | None = None


@dataclass(frozen=True, slots=True)
class Get:
    invoke: int
    wanted: Descriptor


@dataclass(frozen=True, slots=True)
class GetNext:
    invoke: int
    block: int


@dataclass(frozen=True, slots=True)
class GetList:
    invoke: int
    wanted: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Set:
    invoke: int
    wanted: Descriptor
    value: axdr.Item


@dataclass(frozen=True, slots=True)
class Act:
    invoke: int
    wanted: Descriptor
    parameters: axdr.Item


Request = Get | GetNext | GetList | Set | Act
Result = bytes | int
"""A-XDR of a value, or a data-access-result."""


def parse(apdu: bytes) -> Request:
    """The request that this APDU is."""
    service, choice, invoke = axdr.take(apdu, 0, 3)
    match service, choice:
        case 0xC0, 1:
            wanted, at = _descriptor(apdu, 3)
            selection, at = _selection(apdu, at)
            _end(apdu, at)
            return Get(invoke, Descriptor(*wanted, selection))
        case 0xC0, 2:
            block = axdr.take(apdu, 3, 4)
            _end(apdu, 7)
            return GetNext(invoke, int.from_bytes(block))
        case 0xC0, 3:
            number, at = axdr.read_count(apdu, 3)
            descriptors = []
            for _ in range(number):
                wanted, at = _descriptor(apdu, at)
                selection, at = _selection(apdu, at)
                descriptors.append(Descriptor(*wanted, selection))
            _end(apdu, at)
            return GetList(invoke, tuple(descriptors))
        case 0xC1, 1:
            wanted, at = _descriptor(apdu, 3)
            selection, at = _selection(apdu, at)
            return Set(invoke, Descriptor(*wanted, selection), axdr.whole(apdu[at:]))
        case 0xC3, 1:
            wanted, at = _descriptor(apdu, 3)
            given = axdr.take(apdu, at, 1) != b"\x00"
            parameters = axdr.whole(apdu[at + 1 :]) if given else axdr.whole(b"\x00")
            _end(apdu, at + 1 + (len(parameters.raw) if given else 0))
            return Act(invoke, Descriptor(*wanted), parameters)
        case _:
            raise Unknown(f"service {service:02x} with choice {choice}")


def get_response(invoke: int, result: Result) -> bytes:
    """GET-Response-Normal."""
    return bytes([GET_RESPONSE, 1, invoke]) + _result(result)


def get_list_response(invoke: int, results: Sequence[Result]) -> bytes:
    """GET-Response-With-List."""
    return bytes([GET_RESPONSE, 3, invoke]) + list_content(results)


def list_content(results: Sequence[Result]) -> bytes:
    """What is in the blocks where a list does not fit into one message."""
    return axdr.count(len(results)) + b"".join(map(_result, results))


def get_block_response(invoke: int, *, last: bool, number: int, content: bytes) -> bytes:
    """GET-Response-With-Datablock with raw data."""
    head = bytes([GET_RESPONSE, 2, invoke, last]) + number.to_bytes(4)
    return head + b"\x00" + axdr.count(len(content)) + content


def get_block_error(invoke: int, number: int, code: int) -> bytes:
    """GET-Response-With-Datablock that ends a transfer."""
    return bytes([GET_RESPONSE, 2, invoke, 1]) + number.to_bytes(4) + bytes([1, code])


def set_response(invoke: int, code: int) -> bytes:
    """SET-Response-Normal."""
    return bytes([SET_RESPONSE, 1, invoke, code])


def action_response(invoke: int, code: int, returned: bytes | None) -> bytes:
    """ACTION-Response-Normal, with what the method returns where it returns something."""
    return bytes([ACTION_RESPONSE, 1, invoke, code]) + (b"\x00" if returned is None else b"\x01\x00" + returned)


def exception(state: int, service: int, counter: int | None = None) -> bytes:
    """An exception-response; `counter` is the one that would be taken, with COUNTER."""
    return bytes([EXCEPTION, state, service]) + (b"" if counter is None else counter.to_bytes(4))


def _result(result: Result) -> bytes:
    return b"\x00" + result if isinstance(result, bytes) else bytes([1, result])


def _descriptor(apdu: bytes, at: int) -> tuple[tuple[int, bytes, int], int]:
    octets = axdr.take(apdu, at, 9)
    return (int.from_bytes(octets[:2]), octets[2:8], int.from_bytes(octets[8:], signed=True)), at + 9


def _selection(apdu: bytes, at: int) -> tuple[bytes | None, int]:
    if axdr.take(apdu, at, 1) == b"\x00":
        return None, at + 1
    axdr.take(apdu, at + 1, 1)
    _, end = axdr.read(apdu, at + 2)
    return apdu[at + 1 : end], end


def _end(apdu: bytes, at: int) -> None:
    if len(apdu) != at:
        raise Malformed("octets behind the request")
