"""GET, SET and ACTION as APDUs: octet by octet, in both directions, and everything that is none."""

from __future__ import annotations

import pytest

from drivers.dlms.wire.attribute import AccessSelection, Attribute, CaptureObject, EntrySelection, RangeSelection
from drivers.dlms.wire.axdr import CutShort, Tag, decode
from drivers.dlms.wire.axdr_encode import value
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
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.apdu_vectors import REQUESTS, RESPONSES, cut, flipped, is_cut_short, judged, octets

ONE = InvokeId(1)
CLOCK = Attribute(8, octets("0000010000FF"), 2)
BUFFER = Attribute(7, octets("0100630100FF"), 2)
ENERGY = Attribute(3, octets("0100010800FF"), 2)
TIME = octets("090C 07EA0B1A04101E00FF800000")
START, END = octets("07EA0B1AFF000000FF800000"), octets("07EA0B1BFF000000FF800000")
BY_RANGE = RangeSelection(CaptureObject(8, CLOCK.logical_name, 2), START, END)
every_request = pytest.mark.parametrize("apdu", [octets(text) for text in REQUESTS.values()], ids=REQUESTS)
every_response = pytest.mark.parametrize("apdu", [octets(text) for text in RESPONSES.values()], ids=RESPONSES)


def data(text: str) -> Data:
    return Data(decode(octets(text))[0])


def asked(selection: RangeSelection | EntrySelection) -> AccessSelection:
    return AccessSelection(selection.encoded[0], decode(selection.encoded, 1)[0])


WRITTEN = dict(
    zip(
        REQUESTS,
        (
            get_normal(ONE, CLOCK),
            get_normal(ONE, BUFFER, EntrySelection(1, 96)),
            get_normal(InvokeId(2, high_priority=False), BUFFER, BY_RANGE),
            get_next(ONE, 3),
            get_list(InvokeId(2), [(CLOCK, None), (ENERGY, None)]),
            set_normal(InvokeId(3), CLOCK, TIME),
            action_normal(ONE, 15, octets("0000280000FF"), 1, octets("0903616263")),
            action_normal(ONE, 9, octets("00000A0064FF"), 1),
            action_next(ONE, 1),
        ),
        strict=True,
    )
)
READ: dict[str, Request] = dict(
    zip(
        REQUESTS,
        (
            GetNormalRequest(ONE, CLOCK, None),
            GetNormalRequest(ONE, BUFFER, asked(EntrySelection(1, 96))),
            GetNormalRequest(InvokeId(2, high_priority=False), BUFFER, asked(BY_RANGE)),
            GetNextRequest(ONE, 3),
            GetListRequest(InvokeId(2), ((CLOCK, None), (ENERGY, None))),
            SetNormalRequest(InvokeId(3), CLOCK, None, data("090C 07EA0B1A04101E00FF800000")),
            ActionNormalRequest(ONE, Attribute(15, octets("0000280000FF"), 1), data("0903616263")),
            ActionNormalRequest(ONE, Attribute(9, octets("00000A0064FF"), 1), None),
            ActionNextRequest(ONE, 1),
        ),
        strict=True,
    )
)
ANSWERED: dict[str, Response] = dict(
    zip(
        RESPONSES,
        (
            GetNormalResponse(ONE, data("0600001092")),
            GetNormalResponse(ONE, DataAccess.OBJECT_UNDEFINED),
            GetBlockResponse(ONE, False, 1, octets("0204120001")),
            GetBlockResponse(ONE, True, 2, b""),
            GetBlockResponse(ONE, True, 2, DataAccess.DATA_BLOCK_NUMBER_INVALID),
            GetListResponse(InvokeId(2), octets("02 00 120005 01 03")),
            SetNormalResponse(InvokeId(3), DataAccess.SUCCESS),
            ActionNormalResponse(ONE, ActionResult.SUCCESS),
            ActionNormalResponse(ONE, ActionResult.SUCCESS, data("0903616263")),
            ActionNormalResponse(ONE, ActionResult.SUCCESS, DataAccess.OBJECT_UNAVAILABLE),
            ActionBlockResponse(ONE, True, 1, octets("00 01 00 1105")),
            ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.SERVICE_NOT_SUPPORTED),
            ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.INVOCATION_COUNTER_ERROR, 0x12345),
            ConfirmedServiceError(1, 6, 1),
        ),
        strict=True,
    )
)


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_as_they_are_written_and_read(name: str) -> None:
    assert WRITTEN[name] == octets(REQUESTS[name])
    assert parse_request(octets(REQUESTS[name])) == READ[name]


@pytest.mark.parametrize("name", RESPONSES)
def test_responses_as_they_are_read_and_written(name: str) -> None:
    response = parse_response(octets(RESPONSES[name]))
    assert response == ANSWERED[name]
    assert type(response) is type(ANSWERED[name])
    assert response.encoded == octets(RESPONSES[name])


def test_what_a_selection_asks_for() -> None:
    request = parse_request(WRITTEN["by hand, GET of a buffer by range"])
    assert isinstance(request, GetNormalRequest)
    assert request.selection is not None
    assert request.selection.selection == BY_RANGE
    assert (
        get_normal(request.invoke, request.attribute, request.selection) == WRITTEN["by hand, GET of a buffer by range"]
    )


def test_a_result_keeps_its_bytes_and_its_value() -> None:
    response = parse_response(octets("C4 01 C1 00 0981 03 414243"))
    assert isinstance(response, GetNormalResponse)
    assert isinstance(response.result, Data)
    assert response.result.raw == octets("0981 03 414243")
    assert (response.result.value.tag, response.result.value.content) == (Tag.OCTET_STRING, b"ABC")


@every_request
def test_every_truncation_of_a_request(apdu: bytes) -> None:
    assert all(is_cut_short(parse_request, beginning) for beginning in cut(apdu) if beginning)


@pytest.mark.parametrize("name", [name for name in RESPONSES if name != "by hand, GET with list"])
def test_every_truncation_of_a_response(name: str) -> None:
    """A list is not looked into: it is cut short for `parse_list`."""
    # The counter of an exception may be missing, and the octet that says "no return parameters".
    whole = (b"", octets("D8 01 06"), octets("C7 01 C1 00"))
    assert all(is_cut_short(parse_response, part) for part in cut(octets(RESPONSES[name])) if part not in whole)


@every_request
def test_no_flipped_bit_of_a_request_goes_unseen(apdu: bytes) -> None:
    request = parse_request(apdu)
    assert all(judged(parse_request, changed) != request for changed in flipped(apdu))


@every_response
def test_a_flipped_bit_of_a_response(apdu: bytes) -> None:
    """Whether a block is the last one is said in eight bits: all of them but the lowest may be wrong."""
    response = parse_response(apdu)
    unseen = [changed for changed in flipped(apdu) if judged(parse_response, changed) == response]
    if isinstance(response, GetBlockResponse | ActionBlockResponse) and response.last:
        assert [changed[3] for changed in unseen] == [1 << bit | 1 for bit in range(1, 8)]
    else:
        assert unseen == []


@pytest.mark.parametrize("parse", [parse_request, parse_response])
def test_octets_behind_an_apdu(parse: object) -> None:
    assert callable(parse)
    texts = REQUESTS if parse is parse_request else RESPONSES
    for name, text in texts.items():
        if name == "by hand, GET with list" and parse is parse_response:
            continue
        with pytest.raises(ProtocolError, match="1 octets behind its end") as caught:
            parse(octets(text) + b"\x00")
        assert caught.value.raw == octets(text) + b"\x00"


@pytest.mark.parametrize(
    ("apdu", "message"),
    [
        ("", "sends nothing where a response is due"),
        ("C0 01 C1", "tag 0xc0 where a plain response"),
        ("CC 05 30 00000001", "tag 0xcc where a plain response"),
        ("C4 00 C1 00 00", "a GET response of the unknown kind 0"),
        ("C4 04 C1 00 00", "a GET response of the unknown kind 4"),
        ("C4 01 C1 02 00", "begins with 0x02, which is neither data nor an error"),
        ("C4 01 C1 00 07", "data that cannot be read: A-XDR: no type has the tag 7"),
        ("C4 02 C1 00 00000001 02 00", "block begins with 0x02"),
        ("C4 02 C1 00 00000001 00 8501", "data that cannot be read"),
        ("C5 02 C1 00000001", "a SET response of the kind 2, which is not supported"),
        ("C7 03 C1 00", "an ACTION response of the kind 3, which is not supported"),
        ("C7 04 C1 00000001", "an ACTION response of the kind 4, which is not supported"),
        ("C7 01 C1 00 02", "0x02 says neither that a part is there"),
        ("C7 01 C1 00 01 0A 10", "begins with 0x0a, which is neither data nor an error"),
    ],
)
def test_what_is_no_response(apdu: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        parse_response(octets(apdu))
    assert not isinstance(caught.value, CutShort)
    assert caught.value.raw == octets(apdu)


@pytest.mark.parametrize(
    ("apdu", "message"),
    [
        ("", "sends nothing where a request is due"),
        ("C4 01 C1 00 00", "tag 0xc4 where a plain request"),
        ("C0 00 C1", "a GET request of the unknown kind 0"),
        ("C0 04 C1", "a GET request of the unknown kind 4"),
        ("C1 02 C1", "a SET request of the kind 2, which is not supported"),
        ("C3 03 C1", "an ACTION request of the kind 3, which is not supported"),
        ("C0 01 C1 0008 0000010000FF 02 02", "0x02 says neither that a part is there"),
        ("C0 03 C1 822711", "10001 entries, more than 10000"),
        ("C0 03 C1 85", "data that cannot be read"),
    ],
)
def test_what_is_no_request(apdu: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message) as caught:
        parse_request(octets(apdu))
    assert not isinstance(caught.value, CutShort)
    assert caught.value.raw == octets(apdu)


def test_a_cut_value_carries_the_whole_apdu() -> None:
    with pytest.raises(CutShort, match="2 octets or more are missing") as caught:
        parse_response(octets("C4 01 C1 00 060000"))
    assert caught.value.raw == octets("C4 01 C1 00 060000")


def test_a_method_without_the_octet_of_its_return_parameters() -> None:
    """As the server of gurux refuses; some meters succeed without it as well (its client says so)."""
    refused = ActionNormalResponse(ONE, ActionResult.READ_WRITE_DENIED)
    assert parse_response(octets("C7 01 C1 03")) == parse_response(octets("C7 01 C1 03 00")) == refused
    done = ActionNormalResponse(ONE, ActionResult.SUCCESS)
    assert parse_response(octets("C7 01 C1 00")) == parse_response(octets("C7 01 C1 00 00")) == done
    assert is_cut_short(parse_response, octets("C7 01 C1 03 01"))


def test_octets_that_a_method_returns_without_the_choice_in_front() -> None:
    """Meters with a stack of Texas Instruments prove themselves so (gurux-dlms takes that as well)."""
    usual = parse_response(octets("C7 01 C1 00 01 00 0903616263"))
    assert parse_response(octets("C7 01 C1 00 01 0903616263")) == usual
    for wrong in ("C7 01 C1 00 01 09", "C7 01 C1 00 01 09036162", "C7 01 C1 00 01 090361626363"):
        with pytest.raises(ProtocolError):
            parse_response(octets(wrong))


@pytest.mark.parametrize(
    ("octet", "invoke"),
    [
        (0xC1, InvokeId(1)),
        (0x4F, InvokeId(15, high_priority=False)),
        (0x80, InvokeId(0, confirmed=False)),
        (0x75, InvokeId(5, high_priority=False, reserved=3)),
    ],
)
def test_invoke_ids(octet: int, invoke: InvokeId) -> None:
    """IEC 62056-5-3, Invoke-Id-And-Priority: bits 0 to 3 id, 6 service class, 7 priority."""
    assert InvokeId.of(octet) == invoke
    assert invoke.octet == octet
    assert parse_response(bytes((0xC5, 1, octet, 0))) == SetNormalResponse(invoke, DataAccess.SUCCESS)


def test_every_octet_is_an_invoke_id() -> None:
    assert [InvokeId.of(octet).octet for octet in range(256)] == list(range(256))
    for number in (-1, 16):
        with pytest.raises(ValueError, match="expected 0 to 15"):
            InvokeId(number)


RESULTS = (data("120005"), DataAccess.READ_WRITE_DENIED, data("0203 00 1101 0900"), data("00"))


def test_lists() -> None:
    content = octets("04 00 120005 01 03 00 0203 00 1101 0900 00 00")
    assert encode_list(RESULTS) == content
    assert parse_list(content, 4) == RESULTS
    assert parse_list(b"\x81" + content, 4) == RESULTS
    assert all(is_cut_short(lambda cut_: parse_list(cut_, 4), beginning) for beginning in cut(content))


@pytest.mark.parametrize("count", [0, 3, 5, 260])
def test_a_list_of_another_length(count: int) -> None:
    with pytest.raises(ProtocolError, match=f"has 4 where {count} are due") as caught:
        parse_list(encode_list(RESULTS), count)
    assert caught.value.raw == encode_list(RESULTS)


def test_a_list_with_something_else_in_it() -> None:
    with pytest.raises(ProtocolError, match="begins with 0x02"):
        parse_list(octets("01 02 00"), 1)
    with pytest.raises(ProtocolError, match="1 octets behind"):
        parse_list(octets("01 00 00 00"), 1)
    with pytest.raises(ProtocolError, match="10001 entries"):
        parse_list(octets("822711"), 10_001)


def test_a_list_of_nothing_and_of_too_much_is_not_asked_for() -> None:
    for asked_for in ([], [(CLOCK, None)] * 10_001):
        with pytest.raises(ValueError, match="expected 1 to 10000"):
            get_list(ONE, asked_for)
    assert len(get_list(ONE, [(CLOCK, None)] * 200)) == 3 + 2 + 200 * 10


def profile(octets_in_all: int) -> bytes:
    """A value of this size: octet-strings of 1,000 octets and one that fills up."""
    row = octets("09 8203E8") + bytes(1000)
    rows, rest = divmod(octets_in_all - 4, len(row))
    return octets(f"01 82 {rows + 1:04X}") + row * rows + octets(f"09 82 {rest - 4:04X}") + bytes(rest - 4)


def test_a_value_in_blocks_may_be_larger_than_an_apdu_and_not_than_a_transfer() -> None:
    for size in (100_000, 1 << 20):
        content = profile(size)
        assert len(content) == size
        assert parse_data(content).raw == content
        assert parse_list(b"\x01\x00" + profile(size - 2), 1)[0] == Data(decode(profile(size - 2), 0, size)[0])
    for parse in (parse_data, parse_action_content, lambda large: parse_list(large, 1)):
        with pytest.raises(ProtocolError, match="of more than 1048576 octets"):
            parse(profile((1 << 20) + 1))


def test_how_large_a_value_may_be_says_who_decodes() -> None:
    assert decode(profile(70_000), 0, 70_000)[1] == 70_000
    for most in (65_536, 69_999):
        with pytest.raises(ProtocolError, match=f"a value of more than {most} octets") as caught:
            decode(profile(70_000), 0, most)
        assert not isinstance(caught.value, CutShort)


def test_an_apdu_beyond_the_limit() -> None:
    most = octets("C4 01 C1 00") + profile(65_536 - 4)
    assert isinstance(parse_response(most), GetNormalResponse)
    with pytest.raises(ProtocolError, match="of more than 65536 octets"):
        parse_response(octets("C4 01 C1 00") + profile(65_536 - 3))


def test_what_blocks_hold_is_one_value() -> None:
    assert parse_data(octets("0202 1101 1102")).value.children[1].content == 2
    assert all(is_cut_short(parse_data, beginning) for beginning in cut(octets("0202 1101 1102")))
    with pytest.raises(ProtocolError, match="1 octets behind") as caught:
        parse_data(octets("1101 00"))
    assert caught.value.raw == octets("1101 00")


def test_what_blocks_of_an_action_hold() -> None:
    content = encode_action_content(ActionResult.SUCCESS, data("0903616263"))
    assert content == octets("00 01 00 0903616263")
    assert parse_action_content(content) == (ActionResult.SUCCESS, data("0903616263"))
    assert parse_action_content(octets("0C 00")) == (ActionResult.TYPE_UNMATCHED, None)
    with pytest.raises(ProtocolError, match="1 octets behind"):
        parse_action_content(content + b"\x00")


def test_a_value_that_is_set_is_one_value() -> None:
    assert set_normal(ONE, CLOCK, value(Tag.NULL).raw)[-1:] == b"\x00"
    with pytest.raises(ProtocolError, match="1 octets behind"):
        parse_request(set_normal(ONE, CLOCK, octets("00 00")))
