"""The foreign stack as referee: requests of gurux read by us and equal to ours, our APDUs read by gurux.

gurux proposes and asks through its client; what we write, its translator puts into words (XML) and its client takes.
"""

from __future__ import annotations

import contextlib
import io
import re
from datetime import datetime
from typing import Any

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSExceptionResponse, GXReplyData
from gurux_dlms.ConnectionState import ConnectionState
from gurux_dlms.enums import Authentication, DataType, InterfaceType, Security
from gurux_dlms.enums import Conformance as GuruxConformance
from gurux_dlms.GXDLMSConfirmedServiceError import GXDLMSConfirmedServiceError
from gurux_dlms.GXDLMSException import GXDLMSException
from gurux_dlms.GXDLMSTranslator import GXDLMSTranslator
from gurux_dlms.objects import GXDLMSClock, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from drivers.dlms.wire.acse import (
    Aare,
    Aarq,
    AssociationResult,
    Diagnostic,
    Mechanism,
    Rlre,
    Rlrq,
    UserDiagnostic,
    parse_aarq,
    parse_rlrq,
)
from drivers.dlms.wire.attribute import Attribute, CaptureObject, EntrySelection, RangeSelection
from drivers.dlms.wire.axdr import Tag, decode
from drivers.dlms.wire.axdr_encode import value
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.initiate import InitiateRequest, InitiateResponse, parse_initiate_request
from drivers.dlms.wire.services import (
    ActionNormalResponse,
    ActionResult,
    ConfirmedServiceError,
    Data,
    DataAccess,
    ExceptionResponse,
    GetBlockResponse,
    GetListRequest,
    GetListResponse,
    GetNormalRequest,
    GetNormalResponse,
    InvokeId,
    ServiceError,
    SetNormalResponse,
    StateError,
    action_normal,
    encode_list,
    get_list,
    get_next,
    get_normal,
    parse_request,
    set_normal,
)

TITLE = bytes.fromhex("4D4D4D0000BC614E")
CHALLENGE = b"K56iVagY"
CLOCK = Attribute(8, bytes.fromhex("0000010000FF"), 2)
ENERGY = Attribute(3, bytes.fromhex("0100010800FF"), 2)
BUFFER = Attribute(7, bytes.fromhex("0100630100FF"), 2)
MECHANISMS = {
    Mechanism.NONE: Authentication.NONE,
    Mechanism.LOW: Authentication.LOW,
    Mechanism.HLS: Authentication.HIGH,
    Mechanism.HLS_MD5: Authentication.HIGH_MD5,
    Mechanism.HLS_SHA1: Authentication.HIGH_SHA1,
    Mechanism.HLS_GMAC: Authentication.HIGH_GMAC,
    Mechanism.HLS_SHA256: Authentication.HIGH_SHA256,
}
WITH_TITLE = (Mechanism.HLS_GMAC, Mechanism.HLS_SHA256)
ONE = InvokeId(1, high_priority=True)


def client(mechanism: Mechanism = Mechanism.NONE) -> Any:  # gurux has no types
    """A client of gurux, which has agreed to every service and is associated."""
    made = GXDLMSSecureClient(True, 16, 1, MECHANISMS[mechanism], "12345678", InterfaceType.PDU)
    made.ciphering.systemTitle = TITLE
    made.negotiatedConformance = GuruxConformance(0xFFFFFF)
    made.ctoSChallenge = CHALLENGE
    made.settings.connected = ConnectionState.DLMS
    return made


def only(apdus: list[Any]) -> bytes:
    """Lists of lists where gurux asks for a list."""
    (apdu,) = apdus
    return only(apdu) if isinstance(apdu, list) else bytes(apdu)


def words(apdu: bytes) -> list[tuple[str, str]]:
    """What gurux reads in an APDU: the names and values of its XML, in order."""
    xml: str = GXDLMSTranslator().pduToXml(apdu)
    return re.findall(r'<(\w+) (?:Value|Name|Qty)="([^"]*)"', xml)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_aarq_of_gurux_is_ours(mechanism: Mechanism) -> None:
    foreign = client(mechanism)
    foreign.userId = 7
    theirs = only(foreign.aarqRequest())
    aarq = parse_aarq(theirs)
    secret = {Mechanism.NONE: b"", Mechanism.LOW: b"12345678"}.get(mechanism, CHALLENGE)
    title = TITLE if mechanism in WITH_TITLE else b""
    assert aarq == Aarq(False, mechanism, title, secret, aarq.user_information, 7)
    assert aarq.encoded == theirs
    assert parse_initiate_request(aarq.user_information).encoded == aarq.user_information


def test_the_ciphered_aarq_of_gurux_is_ours() -> None:
    foreign = client(Mechanism.HLS_GMAC)
    foreign.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = only(foreign.aarqRequest())
    aarq = parse_aarq(theirs)
    assert aarq == Aarq(True, Mechanism.HLS_GMAC, TITLE, CHALLENGE, aarq.user_information)
    assert aarq.user_information[:3] == bytes.fromhex("21 1F 30")
    assert aarq.encoded == theirs


def test_gurux_proposes_what_we_read() -> None:
    foreign = client()
    foreign.proposedConformance = (
        GuruxConformance.GET | GuruxConformance.GENERAL_BLOCK_TRANSFER | GuruxConformance.ACTION
    )
    foreign.maxReceivePDUSize = 1234
    proposed = parse_initiate_request(parse_aarq(only(foreign.aarqRequest())).user_information)
    services = Conformance.GET | Conformance.GENERAL_BLOCK_TRANSFER | Conformance.ACTION
    assert proposed == InitiateRequest(services, 1234)


def test_gurux_releases_as_we_do() -> None:
    theirs = only(client().releaseRequest())
    assert parse_rlrq(theirs) == Rlrq(0)
    assert Rlrq(0).encoded == theirs


def test_what_gurux_asks_is_what_we_ask() -> None:
    foreign = client()
    register, clock = GXDLMSRegister("1.0.1.8.0.255"), GXDLMSClock("0.0.1.0.0.255")
    buffer = GXDLMSProfileGeneric("1.0.99.1.0.255")
    day = EntrySelection(1, 96)
    assert only(foreign.read(register, 2)) == get_normal(ONE, ENERGY)
    assert only(foreign.readList([(register, 2), (clock, 2)])) == get_list(ONE, [(ENERGY, None), (CLOCK, None)])
    assert only(foreign.readRowsByEntry(buffer, 1, 96)) == get_normal(ONE, BUFFER, day)
    shift = value(Tag.LONG, 10).raw
    assert only(foreign.method(clock, 6, 10, DataType.INT16)) == action_normal(ONE, 8, CLOCK.logical_name, 6, shift)
    clock.timeZone = 60
    zone = Attribute(8, CLOCK.logical_name, 3)
    assert only(foreign.write(clock, 3)) == set_normal(ONE, zone, value(Tag.LONG, 60).raw)


def test_what_gurux_asks_is_what_a_server_of_ours_reads() -> None:
    """The range of gurux has the times of its own; all around them is the same."""
    foreign = client()
    buffer = GXDLMSProfileGeneric("1.0.99.1.0.255")
    asked = only(foreign.readRowsByRange(buffer, datetime(2026, 11, 1), datetime(2026, 11, 2)))  # noqa: DTZ001
    request = parse_request(asked)
    assert isinstance(request, GetNormalRequest)
    assert request.selection is not None
    selection = request.selection.selection
    assert isinstance(selection, RangeSelection)
    assert (selection.start[:4], selection.end[:4]) == (bytes.fromhex("07EA0B01"), bytes.fromhex("07EA0B02"))
    assert selection.restricting == CaptureObject(8, CLOCK.logical_name, 2)
    assert get_normal(request.invoke, BUFFER, selection) == asked
    listed = parse_request(only(foreign.readList([(GXDLMSRegister("1.0.1.8.0.255"), 2)] * 3)))
    assert isinstance(listed, GetListRequest)
    assert listed.asked == ((ENERGY, None),) * 3


def test_gurux_reads_our_aarq() -> None:
    information = InitiateRequest(Conformance.GET | Conformance.MULTIPLE_REFERENCES, 1200).encoded
    ours = Aarq(False, Mechanism.LOW, TITLE, b"12345678", information, 5)
    assert words(ours.encoded) == [
        ("ApplicationContextName", "LN"),
        ("CallingAPTitle", TITLE.hex().upper()),
        ("CallingAEInvocationId", "05"),
        ("SenderACSERequirements", "1"),
        ("MechanismName", "Low"),
        ("CallingAuthentication", b"12345678".hex()),
        ("ProposedDlmsVersionNumber", "06"),
        ("ConformanceBit", "MultipleReferences"),
        ("ConformanceBit", "Get"),
        ("ProposedMaxPduSize", "04B0"),
    ]


def test_gurux_reads_our_aare() -> None:
    information = InitiateResponse(Conformance.GET | Conformance.ACTION, 500).encoded
    ours = Aare(
        False,
        AssociationResult.ACCEPTED,
        Diagnostic(number=UserDiagnostic.AUTHENTICATION_REQUIRED),
        TITLE,
        Mechanism.HLS_GMAC,
        b"P6wRJ21F",
        information,
    )
    assert words(ours.encoded) == [
        ("ApplicationContextName", "LN"),
        ("AssociationResult", "00"),
        ("ACSEServiceUser", "0E"),
        ("RespondingAPTitle", TITLE.hex().upper()),
        ("ResponderACSERequirement", "1"),
        ("MechanismName", "HighGmac"),
        ("RespondingAuthentication", b"P6wRJ21F".hex().upper()),
        ("NegotiatedDlmsVersionNumber", "06"),
        ("ConformanceBit", "Get"),
        ("ConformanceBit", "Action"),
        ("NegotiatedMaxPduSize", "01F4"),
        ("VaaName", "0007"),
    ]
    foreign = client(Mechanism.HLS_GMAC)
    foreign.parseAareResponse(GXByteBuffer(ours.encoded))
    assert foreign.isAuthenticationRequired
    assert (bytes(foreign.settings.stoCChallenge), bytes(foreign.settings.sourceSystemTitle)) == (b"P6wRJ21F", TITLE)
    assert foreign.negotiatedConformance == GuruxConformance.GET | GuruxConformance.ACTION
    assert foreign.maxReceivePDUSize == 500


def test_gurux_understands_our_refusal() -> None:
    refused = Aare(
        False, AssociationResult.REJECTED_PERMANENT, Diagnostic(number=UserDiagnostic.AUTHENTICATION_FAILURE)
    )
    with pytest.raises(GXDLMSException) as caught:
        client().parseAareResponse(GXByteBuffer(refused.encoded))
    assert (int(caught.value.result), int(caught.value.diagnostic)) == (1, 13)


DESCRIPTOR = [("ClassId", "0008"), ("InstanceId", "0000010000FF"), ("AttributeId", "02")]
FIVE = Data(decode(bytes.fromhex("120005"))[0])


@pytest.mark.parametrize(
    ("apdu", "read"),
    [
        (get_normal(ONE, CLOCK), DESCRIPTOR),
        (
            get_normal(ONE, CLOCK, EntrySelection(2, 3)),
            [
                *DESCRIPTOR,
                ("AccessSelector", "02"),
                ("Structure", "04"),
                ("UInt32", "00000002"),
                ("UInt32", "00000003"),
                ("UInt16", "0001"),
                ("UInt16", "0000"),
            ],
        ),
        (get_next(ONE, 0x01020304), [("BlockNumber", "01020304")]),
        (get_list(ONE, [(CLOCK, None), (CLOCK, None)]), [("AttributeDescriptorList", "02"), *DESCRIPTOR, *DESCRIPTOR]),
        (set_normal(ONE, CLOCK, value(Tag.DOUBLE_LONG_UNSIGNED, 7).raw), [*DESCRIPTOR, ("UInt32", "00000007")]),
        (
            action_normal(ONE, 15, bytes.fromhex("0000280000FF"), 1, b"\x09\x03abc"),
            [("ClassId", "000F"), ("InstanceId", "0000280000FF"), ("MethodId", "01"), ("OctetString", "616263")],
        ),
        (GetNormalResponse(ONE, FIVE).encoded, [("UInt16", "0005")]),
        (GetNormalResponse(ONE, DataAccess.OBJECT_UNDEFINED).encoded, [("DataAccessError", "UndefinedObject")]),
        (
            GetBlockResponse(ONE, True, 9, FIVE.raw).encoded,
            [("LastBlock", "01"), ("BlockNumber", "00000009"), ("RawData", "120005")],
        ),
        (
            GetListResponse(ONE, encode_list([FIVE, FIVE])).encoded,
            [("Result", "02"), ("UInt16", "0005"), ("UInt16", "0005")],
        ),
        (SetNormalResponse(ONE, DataAccess.READ_WRITE_DENIED).encoded, [("Result", "ReadWriteDenied")]),
        (ActionNormalResponse(ONE, ActionResult.SUCCESS, FIVE).encoded, [("Result", "Success"), ("UInt16", "0005")]),
    ],
    ids=lambda given: given[:2].hex() if isinstance(given, bytes) else "",
)
def test_gurux_reads_our_services(apdu: bytes, read: list[tuple[str, str]]) -> None:
    assert words(apdu) == [("InvokeIdAndPriority", "C1"), *read]


def test_gurux_reads_our_releases() -> None:
    assert words(Rlrq(0).encoded) == words(Rlre(0).encoded) == [("Reason", "Normal")]


def taken(foreign: Any, apdu: bytes) -> Any:  # gurux has no types
    reply = GXReplyData()
    foreign.getData(GXByteBuffer(apdu), reply)
    return reply


def test_a_client_of_gurux_takes_our_answers() -> None:
    foreign = client()
    foreign.read(GXDLMSRegister("1.0.1.8.0.255"), 2)
    assert taken(foreign, GetNormalResponse(ONE, FIVE).encoded).value == 5
    assert taken(foreign, GetNormalResponse(ONE, DataAccess.SCOPE_OF_ACCESS_VIOLATED).encoded).error == 13
    assert taken(foreign, SetNormalResponse(ONE, DataAccess.TYPE_UNMATCHED).encoded).error == 12
    assert taken(foreign, ActionNormalResponse(ONE, ActionResult.SUCCESS, FIVE).encoded).value == 5


def test_a_client_of_gurux_understands_our_errors() -> None:
    with pytest.raises(GXDLMSExceptionResponse) as caught:
        taken(client(), ExceptionResponse(StateError(1), ServiceError.INVOCATION_COUNTER_ERROR, 77).encoded)
    assert (int(caught.value.exceptionServiceError), caught.value.serviceErrorValue) == (6, 77)
    with pytest.raises(GXDLMSConfirmedServiceError) as refused:
        taken(client(), ConfirmedServiceError(1, 6, 1).encoded)
    assert refused.value.serviceErrorValue == 1
