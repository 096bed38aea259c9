"""Any APDU and any bytes: round trips of every pair, noise, and bits that flip under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.acse import (
    Aare,
    Aarq,
    AssociationResult,
    Diagnostic,
    DiagnosticSource,
    Mechanism,
    Rlre,
    Rlrq,
    parse_aare,
    parse_aarq,
    parse_rlre,
    parse_rlrq,
)
from drivers.dlms.wire.attribute import AccessSelection, Attribute
from drivers.dlms.wire.axdr import Tag, Value
from drivers.dlms.wire.axdr_encode import value
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.initiate import (
    InitiateRequest,
    InitiateResponse,
    parse_initiate_request,
    parse_initiate_response,
)
from drivers.dlms.wire.services import (
    ActionBlockResponse,
    ActionNextRequest,
    ActionNormalRequest,
    ActionNormalResponse,
    ActionResult,
    ConfirmedServiceError,
    Data,
    DataAccess,
    ExceptionResponse,
    GetBlockResponse,
    GetListRequest,
    GetListResponse,
    GetNextRequest,
    GetNormalRequest,
    GetNormalResponse,
    InvokeId,
    Request,
    Response,
    ServiceError,
    SetNormalRequest,
    SetNormalResponse,
    StateError,
    action_next,
    action_normal,
    encode_action_content,
    encode_list,
    get_list,
    get_next,
    get_normal,
    parse_action_content,
    parse_data,
    parse_list,
    parse_request,
    parse_response,
    set_normal,
)
from tests.drivers.dlms.apdu_vectors import AARES, AARQS, REQUESTS, RESPONSES, judged, octets
from tests.drivers.dlms.hdlc_bytes import examples

octet = st.integers(0, 0xFF)
short = st.binary(max_size=200)
conformances = st.integers(0, 0xFFFFFF).map(Conformance)
qualities = st.none() | st.integers(-128, 127)
user_ids = st.none() | octet
with_mechanism = st.sampled_from([mechanism for mechanism in Mechanism if mechanism is not Mechanism.NONE])
aarqs = st.builds(Aarq, st.booleans(), with_mechanism, short, short, short, user_ids) | st.builds(
    lambda ciphered, title, information, user_id: Aarq(ciphered, Mechanism.NONE, title, b"", information, user_id),
    st.booleans(),
    short,
    short,
    user_ids,
)
diagnostics = st.builds(Diagnostic, st.sampled_from(DiagnosticSource), octet)
aares = st.builds(
    Aare,
    st.booleans(),
    st.sampled_from(AssociationResult),
    diagnostics,
    short,
    st.sampled_from(Mechanism),
    short,
    short,
)
initiate_requests = st.builds(
    InitiateRequest, conformances, st.integers(0, 0xFFFF), short, st.booleans(), qualities, octet
)
initiate_responses = st.builds(
    InitiateResponse, conformances, st.integers(0, 0xFFFF), octet, st.integers(0, 0xFFFF), qualities
)

values = st.recursive(
    st.one_of(
        st.just(value(Tag.NULL)),
        st.binary(max_size=40).map(lambda content: value(Tag.OCTET_STRING, content)),
        st.integers(0, 0xFFFFFFFF).map(lambda number: value(Tag.DOUBLE_LONG_UNSIGNED, number)),
        st.integers(-128, 127).map(lambda number: value(Tag.INTEGER, number)),
    ),
    lambda inner: st.lists(inner, max_size=4).map(lambda made: value(Tag.STRUCTURE, children=tuple(made))),
    max_leaves=8,
)
invokes = octet.map(InvokeId.of)
numbers = st.integers(0, 0xFFFFFFFF)
data = values.map(Data)
access = octet.map(DataAccess)
actions = octet.map(ActionResult)
results = data | access
attributes = st.builds(Attribute, st.integers(0, 0xFFFF), st.binary(min_size=6, max_size=6), st.integers(-128, 127))
selections = st.none() | st.builds(AccessSelection, octet, values)
exceptions = st.builds(ExceptionResponse, octet.map(StateError), octet.filter(lambda code: code != 6).map(ServiceError))
responses = st.one_of(
    st.builds(GetNormalResponse, invokes, results),
    st.builds(GetBlockResponse, invokes, st.booleans(), numbers, short | access),
    st.builds(GetListResponse, invokes, st.lists(results, max_size=5).map(encode_list)),
    st.builds(SetNormalResponse, invokes, access),
    st.builds(ActionNormalResponse, invokes, actions, st.none() | results),
    st.builds(ActionBlockResponse, invokes, st.booleans(), numbers, short),
    exceptions,
    st.builds(ExceptionResponse, octet.map(StateError), st.just(ServiceError.INVOCATION_COUNTER_ERROR), numbers),
    st.builds(ConfirmedServiceError, octet, octet, octet),
)
requests = st.one_of(
    st.builds(GetNormalRequest, invokes, attributes, selections),
    st.builds(GetNextRequest, invokes, numbers),
    st.builds(GetListRequest, invokes, st.lists(st.tuples(attributes, selections), min_size=1, max_size=4).map(tuple)),
    st.builds(SetNormalRequest, invokes, attributes, selections, data),
    st.builds(ActionNormalRequest, invokes, attributes, st.none() | data),
    st.builds(ActionNextRequest, invokes, numbers),
)


def written(request: Request) -> bytes:
    match request:
        case GetNormalRequest(invoke, attribute, selection):
            return get_normal(invoke, attribute, selection)
        case GetNextRequest(invoke, number):
            return get_next(invoke, number)
        case GetListRequest(invoke, asked):
            return get_list(invoke, asked)
        case SetNormalRequest(invoke, attribute, selection, content):
            return set_normal(invoke, attribute, content.raw, selection)
        case ActionNormalRequest(invoke, method, parameters):
            raw = None if parameters is None else parameters.raw
            return action_normal(invoke, method.class_id, method.logical_name, method.index, raw)
        case ActionNextRequest(invoke, number):
            return action_next(invoke, number)


@given(aarqs)
@examples(200)
def test_aarqs(aarq: Aarq) -> None:
    assert parse_aarq(aarq.encoded) == aarq


@given(aares)
@examples(200)
def test_aares(aare: Aare) -> None:
    assert parse_aare(aare.encoded) == aare


@given(user_ids, short)
@examples(100)
def test_releases(reason: int | None, information: bytes) -> None:
    assert parse_rlrq(Rlrq(reason, information).encoded) == Rlrq(reason, information)
    assert parse_rlre(Rlre(reason, information).encoded) == Rlre(reason, information)


@given(initiate_requests)
@examples(200)
def test_initiate_requests(request: InitiateRequest) -> None:
    assert parse_initiate_request(request.encoded) == request


@given(initiate_responses)
@examples(200)
def test_initiate_responses(response: InitiateResponse) -> None:
    assert parse_initiate_response(response.encoded) == response


@given(requests)
@examples(300)
def test_requests(request: Request) -> None:
    assert parse_request(written(request)) == request


@given(responses)
@examples(300)
def test_responses(response: Response) -> None:
    read = parse_response(response.encoded)
    assert read == response
    assert type(read) is type(response)


@given(st.lists(results, max_size=6))
@examples(200)
def test_lists(wanted: list[Data | DataAccess]) -> None:
    assert parse_list(encode_list(wanted), len(wanted)) == tuple(wanted)


@given(values)
@examples(100)
def test_blocks(wanted: Value) -> None:
    assert parse_data(wanted.raw) == Data(wanted)


@given(actions, st.none() | results)
@examples(100)
def test_blocks_of_an_action(result: ActionResult, returned: Data | DataAccess | None) -> None:
    assert parse_action_content(encode_action_content(result, returned)) == (result, returned)


Parser = Callable[[bytes], Any]  # Any: what is parsed differs from parser to parser
PARSERS: dict[str, tuple[Parser, str]] = {
    "aarq": (parse_aarq, "60"),
    "aare": (parse_aare, "61"),
    "rlrq": (parse_rlrq, "62"),
    "rlre": (parse_rlre, "63"),
    "initiate-request": (parse_initiate_request, "01"),
    "initiate-response": (parse_initiate_response, "08 0E"),
    "request": (parse_request, "C0 C1 C3"),
    "response": (parse_response, "C4 C5 C7 D8 0E"),
    "data": (parse_data, "01 02 09"),
    "list": (lambda content: parse_list(content, content[0] if content else 0), "01 02 05"),
    "action content": (parse_action_content, "00 01"),
}
_LIKELY = list(
    octets("00 01 02 03 04 05 06 07 08 09 0A 0F 10 11 12 80 81 82 84 8A 8B A1 A2 A3 AC BE C1 5F 1F 60857405")
)


@pytest.mark.parametrize("name", PARSERS)
@given(content=st.data())
@examples(80)
def test_any_bytes_are_a_value_or_a_fault(name: str, content: st.DataObject) -> None:
    parse, firsts = PARSERS[name]
    first = content.draw(st.sampled_from([b"", *(bytes((code,)) for code in octets(firsts))]))
    noise = content.draw(st.binary(max_size=60) | st.lists(st.sampled_from(_LIKELY), max_size=60).map(bytes))
    judged(parse, first + noise)
    if firsts in ("60", "61", "62", "63") and len(noise) < 128:
        judged(parse, first + bytes((len(noise),)) + noise)


@pytest.mark.parametrize(
    ("parse", "texts"),
    [(parse_aarq, AARQS), (parse_aare, AARES), (parse_request, REQUESTS), (parse_response, RESPONSES)],
    ids=["aarq", "aare", "request", "response"],
)
@given(content=st.data())
@examples(80)
def test_octets_that_change_under_way(parse: Parser, texts: dict[str, str], content: st.DataObject) -> None:
    """One octet replaced, one taken out or one put in, anywhere in a sound APDU."""
    apdu = octets(texts[content.draw(st.sampled_from(sorted(texts)))])
    at, new, taken = content.draw(st.tuples(st.integers(0, len(apdu)), st.binary(max_size=2), st.integers(0, 1)))
    judged(parse, apdu[:at] + new + apdu[at + taken :])
