"""General block transfer: blocks as bytes, joining, asking again, and whole transfers of an association.

Bytes are written by hand from the ASN.1 of IEC 62056-5-3 (General-Block-Transfer); gurux reads ours and writes its own.
"""

from __future__ import annotations

import contextlib
import io

import pytest
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, RequestTypes
from gurux_dlms.enums.Conformance import Conformance as GuruxConformance
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.acse import Mechanism
from drivers.dlms.wire.association import Association, State
from drivers.dlms.wire.association_dialogue import Answered, Ask, ServiceRefused, WaitOn
from drivers.dlms.wire.association_settings import AssociationSettings
from drivers.dlms.wire.axdr import decode
from drivers.dlms.wire.block_transfer import TRANSFER_LIMIT
from drivers.dlms.wire.general_block_transfer import Block, Incoming, Outgoing, Turn, parse_block
from drivers.dlms.wire.security_errors import SecurityError
from drivers.dlms.wire.services import Data
from gatewayd.errors import GatewayError, ProtocolError
from tests.drivers.dlms.association_meter import (
    CLOCK,
    CTOS,
    REGISTER,
    STOC,
    TIME,
    aare,
    apdu_of,
    ciphered,
    initiate_response,
    opened,
    sealed,
    unsealed,
)
from tests.drivers.dlms.hdlc_bytes import examples

ANSWER = bytes.fromhex("C4 01 C1 00") + TIME
ANSWERED = Answered((Data(decode(TIME)[0]),))


def block(number: int, content: bytes, *, last: bool = False, streaming: bool = False, ack: int = 0) -> bytes:
    control = 0x80 * last | 0x40 * streaming | 1
    return bytes((0xE0, control)) + number.to_bytes(2) + ack.to_bytes(2) + bytes((len(content),)) + content


def asked() -> Association:
    association = opened()
    association.get([(CLOCK, None)])
    return association


# -- blocks as bytes ---------------------------------------------------------------------------------------------------

BLOCKS = st.builds(
    Block, st.booleans(), st.booleans(), st.integers(0, 63), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary()
)


def test_a_block_in_bytes() -> None:
    assert Block(False, True, 5, 0x0102, 0x0304, b"abc").encoded == bytes.fromhex("E0 45 0102 0304 03 616263")
    assert parse_block(bytes.fromhex("E0 BF FFFF 0000 00")) == Block(True, False, 63, 0xFFFF, 0)


@given(BLOCKS)
@examples(100)
def test_a_block_there_and_back(wanted: Block) -> None:
    assert parse_block(wanted.encoded) == wanted


@given(st.binary(max_size=30).map(lambda rest: b"\xe0" + rest) | st.binary(max_size=10))
@examples(100)
def test_any_bytes_are_a_block_or_an_error(data: bytes) -> None:
    try:
        found = parse_block(data)
    except ProtocolError as error:
        assert error.raw == data
        return
    assert data.endswith(found.content)


def test_every_truncation_and_every_octet_more() -> None:
    whole = block(1, ANSWER)
    for wrong in [*(whole[:end] for end in range(len(whole))), whole + b"\x00"]:
        with pytest.raises(ProtocolError):
            parse_block(wrong)


# -- joining -----------------------------------------------------------------------------------------------------------


def test_one_block_at_a_time() -> None:
    association = asked()
    for number, piece in enumerate((ANSWER[:5], ANSWER[5:9]), 1):
        word = apdu_of(association.feed(block(number, piece)))
        # Ours is always the last one, as we have nothing to send; it is numbered, and takes one block in a row.
        assert word == bytes.fromhex("E0 81") + number.to_bytes(2) + number.to_bytes(2) + b"\x00"
    assert association.feed(block(3, ANSWER[9:], last=True)) == ANSWERED


def test_streams_are_heard_on() -> None:
    association = asked()
    assert association.feed(block(1, ANSWER[:3], streaming=True)) == WaitOn()
    assert association.feed(block(2, ANSWER[3:6], streaming=True)) == WaitOn()
    assert apdu_of(association.feed(block(3, ANSWER[6:9]))) == bytes.fromhex("E0 81 0001 0003 00")
    assert association.feed(block(4, ANSWER[9:], last=True)) == ANSWERED


def test_a_lost_block_is_asked_for_again() -> None:
    association = asked()
    assert association.feed(block(1, ANSWER[:3], streaming=True)) == WaitOn()
    assert association.feed(block(3, ANSWER[6:9], streaming=True)) == WaitOn()
    assert apdu_of(association.feed(block(4, ANSWER[9:], last=True))) == bytes.fromhex("E0 81 0001 0001 00")
    assert association.feed(block(2, ANSWER[3:6], streaming=True)) == WaitOn()
    assert association.feed(block(3, ANSWER[6:9], streaming=True)) == WaitOn()
    assert association.feed(block(4, ANSWER[9:], last=True)) == ANSWERED


def test_the_same_block_twice_is_heard_once() -> None:
    association = asked()
    association.feed(block(1, ANSWER[:3]))
    assert apdu_of(association.feed(block(1, ANSWER[:3]))) == bytes.fromhex("E0 81 0002 0001 00")
    association.feed(block(2, ANSWER[3:9]))
    assert association.feed(block(3, ANSWER[9:], last=True)) == ANSWERED


def test_a_block_that_never_comes_is_given_up() -> None:
    association = asked()
    for _ in range(3):
        assert isinstance(association.feed(block(2, ANSWER[3:])), Ask)
    with pytest.raises(ProtocolError, match="does not send block 1"):
        association.feed(block(2, ANSWER[3:]))
    assert association.state is State.READY


def test_a_stream_without_progress_is_given_up() -> None:
    incoming = Incoming()
    with pytest.raises(ProtocolError, match="does not send block 1"):
        for _ in range(1000):
            assert incoming.feed(Block(False, True, 1, 2, 0, b"x")) is Turn.THEIRS


@pytest.mark.parametrize(
    "wrong",
    [
        block(64, ANSWER),
        block(1, b""),
        block(1, b"", last=True),
        block(1, block(1, ANSWER, last=True), last=True),
        block(1, ANSWER[:-1], last=True),
        block(1, ANSWER + b"\x00", last=True),
    ],
)
def test_blocks_that_are_errors(wrong: bytes) -> None:
    association = asked()
    with pytest.raises(ProtocolError):
        association.feed(wrong)
    association.get([(CLOCK, None)])
    again = ANSWER.replace(b"\xc1", b"\xc2", 1)
    assert association.feed(block(1, again, last=True)) == ANSWERED


def test_blocks_end_at_1_mib_and_at_65535() -> None:
    incoming = Incoming()
    content = bytes(60_000)
    with pytest.raises(ProtocolError, match=str(TRANSFER_LIMIT)):
        for number in range(1, 100):
            assert incoming.feed(Block(False, False, 1, number, 0, content)) is Turn.OURS
    incoming = Incoming(first=0xFFFF)
    with pytest.raises(ProtocolError, match="65535 blocks"):
        incoming.feed(Block(False, False, 1, 0xFFFF, 0, b"x"))


def test_another_apdu_in_the_middle_is_an_error_except_an_error_of_the_meter() -> None:
    association = asked()
    association.feed(block(1, ANSWER[:3]))
    with pytest.raises(ProtocolError, match="breaks off"):
        association.feed(ANSWER)
    association = asked()
    association.feed(block(1, ANSWER[:3]))
    with pytest.raises(ServiceRefused):
        association.feed(b"\xd8\x01\x01")


def test_blocks_of_blocks_of_get() -> None:
    """What is joined may be a block of the GET service: each layer has its numbers."""
    association = asked()
    first = bytes.fromhex("C4 02 C1 00 00000001 00 04") + TIME[:4]
    association.feed(block(1, first[:6]))
    assert apdu_of(association.feed(block(2, first[6:], last=True))) == bytes.fromhex("C0 02 C1 00000001")
    second = bytes.fromhex("C4 02 C1 01 00000002 00 0A") + TIME[4:]
    assert association.feed(block(1, second, last=True)) == ANSWERED


@given(st.lists(st.integers(1, 8), min_size=1, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
@examples(100)
def test_how_it_is_cut_makes_no_difference(sizes: list[int], streaming: list[bool]) -> None:
    pieces, begin = [], 0
    for size in sizes:
        pieces.append(ANSWER[begin : begin + size])
        begin += size
    pieces = [*(piece for piece in pieces if piece), ANSWER[begin:]]
    association = asked()
    for number, (piece, stream) in enumerate(zip(pieces[:-1], streaming, strict=False), 1):
        step = association.feed(block(number, piece, streaming=stream))
        assert isinstance(step, WaitOn if stream else Ask)
    assert association.feed(block(len(pieces), pieces[-1], last=True)) == ANSWERED


# -- ciphered ----------------------------------------------------------------------------------------------------------


def test_what_is_ciphered_and_then_cut() -> None:
    association = opened(ciphered())
    association.get([(CLOCK, None)])
    whole = sealed(0xDB, ANSWER, 2)
    assert apdu_of(association.feed(block(1, whole[:20])))[0] == 0xE0
    assert association.feed(block(2, whole[20:], last=True)) == ANSWERED


def test_what_is_cut_and_then_ciphered() -> None:
    association = opened(ciphered(), first=3)
    association.get([(CLOCK, None)])
    step = association.feed(sealed(0xDB, block(1, ANSWER[:9]), 2))
    assert isinstance(step, Ask)
    assert unsealed(step.apdu) == bytes.fromhex("E0 81 0001 0001 00")
    assert association.feed(sealed(0xDB, block(2, ANSWER[9:], last=True), 3)) == ANSWERED


def test_plain_blocks_in_a_ciphered_association_prove_nothing() -> None:
    association = opened(ciphered())
    association.get([(CLOCK, None)])
    with pytest.raises(SecurityError):
        association.feed(block(1, ANSWER, last=True))
    assert association.state is State.OVER


def test_a_block_that_was_changed_on_its_way_is_noticed_at_the_end() -> None:
    association = opened(ciphered())
    association.get([(CLOCK, None)])
    whole = bytearray(sealed(0xDB, ANSWER, 2))
    whole[-20] ^= 1
    association.feed(block(1, bytes(whole[:20])))
    with pytest.raises(SecurityError):
        association.feed(block(2, bytes(whole[20:]), last=True))


# -- sending -----------------------------------------------------------------------------------------------------------


def test_a_request_that_is_too_long_goes_in_blocks() -> None:
    association = opened(information=initiate_response(max_pdu=24))
    sent = [association.get([(CLOCK, None)] * 2 + [(REGISTER, None)]).apdu]
    for acknowledged in (1, 2):
        sent.append(apdu_of(association.feed(block(acknowledged, b"", last=True, ack=acknowledged))))
    assert [apdu[:6] for apdu in sent] == [
        bytes.fromhex("E0 01 0001 0000"),
        bytes.fromhex("E0 01 0002 0001"),
        bytes.fromhex("E0 81 0003 0002"),
    ]
    assert all(len(apdu) <= 24 and apdu[6] == len(apdu) - 7 for apdu in sent)
    request = b"".join(apdu[7:] for apdu in sent)
    assert request == bytes.fromhex(
        "C0 03 C1 03 0008 0000010000FF 02 00 0008 0000010000FF 02 00 0003 0100010800FF 02 00"
    )
    event = association.feed(bytes.fromhex("C4 03 C1 03 01 03 01 03 01 03"))
    assert isinstance(event, Answered)


def test_the_meters_blocks_may_go_on_counting_behind_its_acknowledgements() -> None:
    for first in (1, 3):
        association = opened(information=initiate_response(max_pdu=24))
        association.get([(CLOCK, None)] * 3)
        association.feed(block(1, b"", last=True, ack=1))
        association.feed(block(2, b"", last=True, ack=2))
        content = bytes.fromhex("C4 03 C1 03 01 03 01 03 01 03")
        word = apdu_of(association.feed(block(first, content[:4], ack=3)))
        assert word == bytes.fromhex("E0 81 0004") + first.to_bytes(2) + b"\x00"
        assert isinstance(association.feed(block(first + 1, content[4:], last=True, ack=3)), Answered)


def test_a_block_that_the_meter_did_not_hear_is_sent_again_and_not_for_ever() -> None:
    association = opened(information=initiate_response(max_pdu=24))
    first = association.get([(CLOCK, None)] * 3).apdu
    for number in (1, 2, 3):
        again = apdu_of(association.feed(block(number, b"", last=True, ack=0)))
        assert again[6:] == first[6:]
    with pytest.raises(ProtocolError, match="acknowledges block 0"):
        association.feed(block(4, b"", last=True, ack=0))
    for wrong in (
        block(1, b"", last=True, ack=2),
        block(1, ANSWER, last=True, ack=1),
        block(1, ANSWER[:3], ack=1),
        ANSWER,
    ):
        association = opened(information=initiate_response(max_pdu=24))
        association.get([(CLOCK, None)] * 3)
        with pytest.raises(ProtocolError):
            association.feed(wrong)


def test_each_apdu_has_block_numbers_of_its_own() -> None:
    association = opened(information=initiate_response(max_pdu=24))
    association.get([(CLOCK, None)] * 3)
    association.feed(block(1, b"", last=True, ack=1))
    association.feed(block(2, b"", last=True, ack=2))
    # The answer is a block of the GET service; the next one comes in general blocks again.
    first = bytes.fromhex("C4 02 C1 00 00000001 00 03 03 01 03")
    assert apdu_of(association.feed(first)) == bytes.fromhex("C0 02 C1 00000001")
    second = bytes.fromhex("C4 02 C1 01 00000002 00 04 01 03 01 03")
    assert apdu_of(association.feed(block(1, second[:5]))) == bytes.fromhex("E0 81 0001 0001 00")
    assert isinstance(association.feed(block(2, second[5:], last=True)), Answered)


def test_the_blocks_of_a_proof_are_secret() -> None:
    settings = AssociationSettings(Mechanism.HLS_MD5, b"canary-canary", CTOS)
    association = Association(settings)
    association.open()
    step = association.feed(aare(diagnostic=14, mechanism=3, challenge=STOC, information=initiate_response(max_pdu=24)))
    for number in (1, 2):
        assert isinstance(step, Ask)
        assert step.secret
        step = association.feed(block(number, b"", last=True, ack=number))
    assert isinstance(step, Ask)
    assert step.secret


def test_blocks_that_cannot_be_cut() -> None:
    for apdu, size in ((b"", 100), (b"x", 11)):
        with pytest.raises(ValueError, match="nothing fits"):
            Outgoing(apdu, size)
    with pytest.raises(ValueError, match="65535"):
        Outgoing(bytes(0x10000), 12)


@given(
    st.lists(st.builds(block, st.integers(0, 70), st.binary(max_size=12), last=st.booleans(), streaming=st.booleans()))
)
@examples(100)
def test_any_blocks_give_steps_or_errors_that_are_known(apdus: list[bytes]) -> None:
    association = asked()
    for apdu in apdus:
        if association.state is not State.ASKED:
            association.get([(CLOCK, None)])
        with contextlib.suppress(GatewayError):
            association.feed(apdu)


# -- the foreign stack -------------------------------------------------------------------------------------------------


def gurux() -> GXDLMSClient:
    client = GXDLMSClient(True, 16, 1, Authentication.NONE, None, InterfaceType.PDU)
    client.settings.negotiatedConformance = GuruxConformance.GENERAL_BLOCK_TRANSFER | GuruxConformance.GET
    return client


def test_gurux_acknowledges_as_we_do_and_joins_as_we_do() -> None:
    client, reply = gurux(), GXReplyData()
    pieces = (ANSWER[:5], ANSWER[5:11], ANSWER[11:])
    association = asked()
    with contextlib.redirect_stdout(io.StringIO()):
        for number, piece in enumerate(pieces, 1):
            client.settings.blockNumber = number  # gurux 1.0.203 reads an attribute that it never sets
            apdu = Block(number == len(pieces), False, 1, number, number - 1, piece).encoded
            client.getData(GXByteBuffer(bytearray(apdu)), reply, GXReplyData())
            step = association.feed(apdu)
            if number < len(pieces):
                assert reply.moreData == RequestTypes.GBT
                assert bytes(client.receiverReady(reply)) == apdu_of(step)
    assert step == ANSWERED
    assert reply.moreData == RequestTypes.NONE
    assert bytes(reply.value) == TIME[2:]


def test_association_settings_name_the_window() -> None:
    association = opened(AssociationSettings(block_window=6))
    association.get([(CLOCK, None)])
    assert apdu_of(association.feed(block(1, ANSWER[:4]))) == bytes.fromhex("E0 86 0001 0001 00")
