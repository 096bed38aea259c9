"""The link as a conversation: what goes out is compared byte for byte, what comes in is made without the package."""

from __future__ import annotations

import pytest

from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import (
    Connected,
    Disconnected,
    FrameRejected,
    LinkRefused,
    LinkSettings,
    Received,
    Send,
    State,
    Wait,
)
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.hdlc_parameters import Parameters
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.hdlc_conversation import (
    ANSWER,
    DISC,
    DM,
    REQUEST,
    SETTINGS,
    SNRM,
    UA,
    asked,
    asks,
    at,
    connected,
    poll,
    quiet,
    rnr,
    rr,
    says,
    sent,
)

# -- setting up ------------------------------------------------------------------------------------------------------


def test_snrm_and_ua() -> None:
    link = Link(address(16), address(1), SETTINGS)
    actions = link.start(10.0)
    # 9 bytes at 9600 Bd and the response timeout
    assert actions == (Send(SNRM), Wait(10.0 + 90 / 9600 + 2.0))
    assert at(link) is State.CONNECTING
    assert link.feed(UA, 10.5) == (Connected(Parameters()),)
    assert at(link) is State.READY


def test_the_example_of_the_dlms_ua() -> None:
    link = Link(address(16), address(1, 17, 4))
    assert sent(link.start(0.0)) == bytes.fromhex("7EA00A00020023219318717E")
    ua = "7EA023210002002373F6C58180140502008006020080070400000001080400000001CE6A7E"
    assert link.feed(bytes.fromhex(ua), 0.1) == (Connected(Parameters()),)
    aarq = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F040000301DFFFF")
    expected = "7EA02E0002002321107ECBE6E600601DA109060760857405080101BE10040E01000000065F1F040000301DFFFFD4C57E"
    assert sent(link.send(aarq, 0.2)) == bytes.fromhex(expected)


def test_limits_are_proposed_and_the_lower_ones_hold() -> None:
    link = Link(address(16), address(1), SETTINGS, Parameters(1024, 2030, 7, 7))
    field = bytes.fromhex("81 80 14 05 02 04 00 06 02 07 EE 07 04 00 00 00 01 08 04 00 00 00 01")
    assert sent(link.start(0.0)) == frame("03 21 93", field)
    # The meter sends 1000 and takes 512; its window of 7 is not ours.
    answer = bytes.fromhex("81 80 14 05 02 03 E8 06 02 02 00 07 04 00 00 00 07 08 04 00 00 00 07")
    assert link.feed(frame("21 03 73", answer), 0.1) == (Connected(Parameters(512, 1000, 1, 1)),)
    assert link.negotiated.max_info_transmit == 512


def test_a_ua_that_makes_no_sense() -> None:
    link = Link(address(16), address(1), SETTINGS)
    link.start(0.0)
    with pytest.raises(ProtocolError, match="negotiates"):
        link.feed(frame("21 03 73", b"\x81\x80\x05\x05"), 0.1)
    assert at(link) is State.OVER
    assert link.close(0.2) == (Send(DISC),)


def test_dm_refuses_the_link_and_nothing_is_left_to_leave() -> None:
    link = Link(address(16), address(1), SETTINGS)
    link.start(0.0)
    with pytest.raises(LinkRefused) as caught:
        link.feed(DM, 0.1)
    assert caught.value.raw == DM
    assert link.close(0.2) == ()


def test_frames_of_an_earlier_link_do_not_set_this_one_up() -> None:
    link = Link(address(16), address(1), SETTINGS)
    actions = link.start(0.0)
    assert link.feed(says(3, 4, ANSWER + b"old") + rr(2) + rnr(1), 0.1) == actions[-1:]
    assert link.feed(UA, 0.2) == (Connected(Parameters()),)


@pytest.mark.parametrize(
    "data", [b"", b"\x00\xff\x7e\x7e", SNRM, SNRM + b"\x7f"], ids=["nothing", "idle", "echo", "both"]
)
def test_silence_is_three_times_asked(data: bytes) -> None:
    link = Link(address(16), address(1), SETTINGS)
    link.start(0.0)
    link.feed(data, 0.1)
    assert sent(link.expired(2.1)) == SNRM
    assert sent(link.expired(4.2)) == SNRM
    link.feed(data, 4.3)
    with pytest.raises(MeterSilent, match="asked 3 times"):
        link.expired(6.3)
    assert at(link) is State.OVER


def test_what_is_heard_without_a_frame_for_us_is_kept() -> None:
    link = Link(address(16), address(1), LinkSettings(attempts=1))
    link.start(0.0)
    link.feed(SNRM + b"/XYZ5", 0.1)
    with pytest.raises(ProtocolError, match="no frame for us") as caught:
        link.expired(9.0)
    assert caught.value.raw == b"/XYZ5"


# -- whose frames they are -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("middle", ["21 05 73", "23 03 73", "03 21 73", "21 02 07 73", "21 00 02 00 07 73", "FF 03 73"])
def test_frames_of_other_stations_are_passed_over(middle: str) -> None:
    link = Link(address(16), address(1), SETTINGS)
    actions = link.start(0.0)
    assert link.feed(frame(middle), 0.5) == actions[-1:]
    assert link.feed(UA, 0.6) == (Connected(Parameters()),)


def test_our_echo_is_dropped_by_content_where_the_addresses_are_the_same() -> None:
    link = Link(address(1), address(1), SETTINGS)
    snrm, ua = frame("03 03 93"), frame("03 03 73")
    assert sent(link.start(0.0)) == snrm
    assert link.feed(snrm + ua, 0.1) == (Connected(Parameters()),)
    request = frame("03 03 10", REQUEST + b"\xc0")
    assert sent(link.send(b"\xc0", 0.2)) == request
    assert quiet(link.feed(request, 0.3))
    part = frame("03 03 30", ANSWER + b"\x01", segmented=True)
    assert sent(link.feed(part, 0.4)) == frame("03 03 31")
    # The echo of RR would be "the meter has nothing to say yet"; a second one is just that.
    assert link.feed(frame("03 03 31"), 0.5) == (Wait(0.4 + 90 / 9600 + 2.0),)
    assert link.feed(frame("03 03 31"), 0.5) == (Wait(1.0),)
    assert link.feed(frame("03 03 32", b"\x02"), 0.6) == (Received(b"\x01\x02"),)


def test_a_spoilt_echo_is_no_spoilt_answer() -> None:
    link = Link(address(1), address(1), SETTINGS)
    link.start(0.0)
    link.feed(frame("03 03 73"), 0.1)
    request = bytearray(sent(link.send(b"\xc0\x01", 0.2)))
    request[-5] ^= 1
    assert quiet(link.feed(bytes(request), 0.3))
    assert link.feed(frame("03 03 30", ANSWER + b"\x01"), 0.4) == (Received(b"\x01"),)


# -- requests and answers --------------------------------------------------------------------------------------------


def test_numbers_go_round() -> None:
    link = connected()
    for turn in range(20):
        number = turn % 8
        assert sent(link.send(b"\xc0\x01", turn)) == asks(number, number, REQUEST + b"\xc0\x01")
        answer = says(number, (number + 1) % 8, ANSWER + bytes([turn]))
        assert link.feed(answer, turn + 0.5) == (Received(bytes([turn])),)
        assert at(link) is State.READY


def test_a_long_request_goes_in_segments() -> None:
    link = connected()
    apdu = bytes(range(253))
    lsdu = REQUEST + apdu  # 256 bytes: two of 128, and not an empty third
    assert sent(link.send(apdu, 0.0)) == asks(0, 0, lsdu[:128], segmented=True)
    assert at(link) is State.SENDING
    assert sent(link.feed(rr(1), 0.1)) == asks(1, 0, lsdu[128:])
    assert at(link) is State.ANSWERING
    assert link.feed(says(0, 2, ANSWER + b"\xc4"), 0.2) == (Received(b"\xc4"),)
    lsdu = REQUEST + bytes(254)
    assert sent(link.send(bytes(254), 0.3)) == asks(2, 1, lsdu[:128], segmented=True)
    assert sent(link.feed(rr(3), 0.4)) == asks(3, 1, lsdu[128:256], segmented=True)
    assert sent(link.feed(rr(4), 0.5)) == asks(4, 1, lsdu[256:])


def test_a_long_answer_comes_in_segments() -> None:
    link = asked()
    assert sent(link.feed(says(0, 1, ANSWER + b"abc", segmented=True), 1.1)) == poll(1)
    assert sent(link.feed(says(1, 1, b"def", segmented=True), 1.2)) == poll(2)
    assert link.feed(says(2, 1, b"g"), 1.3) == (Received(b"abcdefg"),)
    assert sent(link.send(b"\xc0", 2.0)) == asks(1, 3, REQUEST + b"\xc0")


def test_the_header_may_come_in_pieces_too() -> None:
    link = asked()
    assert sent(link.feed(says(0, 1, b"\xe6", segmented=True), 1.1)) == poll(1)
    assert link.feed(says(1, 1, b"\xe7\x00\xc4"), 1.2) == (Received(b"\xc4"),)


def test_without_the_final_bit_the_meter_goes_on() -> None:
    link = asked()
    assert link.feed(says(0, 1, ANSWER + b"a", segmented=True, final=False), 1.5) == (Wait(3.5),)
    assert sent(link.feed(says(1, 1, b"b", segmented=True), 1.6)) == poll(2)
    both = says(2, 1, b"c", segmented=True, final=False) + says(3, 1, b"d", segmented=True)
    assert sent(link.feed(both, 1.7)) == poll(4)
    assert link.feed(says(4, 1, b"e"), 1.8) == (Received(b"abcde"),)


def test_after_a_frame_without_the_final_bit_the_attempts_count_anew() -> None:
    link = asked()
    assert sent(link.expired(3.1))
    assert sent(link.expired(5.2))
    assert quiet(link.feed(says(0, 1, ANSWER + b"a", segmented=True, final=False), 5.3))
    assert sent(link.expired(7.4))


@pytest.mark.parametrize("lsdu", [REQUEST + b"\xc4", b"\xe6\xe7\x01\xc4", b"\xc4\x01\x02\x03", ANSWER, b"\xe6\xe7"])
def test_an_answer_without_its_llc_header(lsdu: bytes) -> None:
    link = asked()
    with pytest.raises(ProtocolError, match="LLC") as caught:
        link.feed(says(0, 1, lsdu), 1.1)
    assert caught.value.raw == lsdu


def test_frames_behind_the_answer_are_passed_over() -> None:
    link = asked()
    assert link.feed(says(0, 1, ANSWER + b"a") + says(0, 1, ANSWER + b"a") + rr(1), 1.1) == (Received(b"a"),)
    assert link.feed(rr(1), 1.2) == ()
    assert link.expired(9.0) == ()


def test_damage_behind_the_answer_is_passed_over() -> None:
    damaged = bytearray(says(1, 1, ANSWER + b"b"))
    damaged[-4] ^= 0x10
    assert asked().feed(says(0, 1, ANSWER + b"a") + damaged, 1.1) == (Received(b"a"),)


def test_what_came_late_does_not_hold_up_the_next_answer() -> None:
    link = asked()
    whole = says(0, 1, ANSWER + b"a")
    assert link.feed(whole + says(0, 1, ANSWER + bytes(100))[:20], 1.1) == (Received(b"a"),)
    link.send(b"\xc0", 2.0)
    assert link.feed(says(1, 2, ANSWER + b"b"), 2.1) == (Received(b"b"),)


# -- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [UA, DM])
def test_disc_and_the_meters_word(answer: bytes) -> None:
    link = connected()
    assert sent(link.disconnect(1.0)) == DISC
    assert link.feed(answer, 1.1) == (Disconnected(confirmed=True),)
    assert at(link) is State.OVER
    assert link.close(1.2) == ()


def test_disc_without_an_answer() -> None:
    link = connected()
    link.disconnect(1.0)
    assert sent(link.expired(3.1)) == DISC
    assert sent(link.expired(5.2)) == DISC
    assert link.expired(7.3) == (Disconnected(confirmed=False),)
    assert link.close(7.4) == ()


def test_close_leaves_from_anywhere() -> None:
    assert Link(address(16), address(1)).close(0.0) == ()
    for link in (asked(), connected()):
        assert link.close(1.5) == (Send(DISC),)
        assert link.close(1.6) == ()
        assert link.feed(says(0, 1, ANSWER + b"a"), 1.7) == ()
        assert link.expired(9.0) == ()


@pytest.mark.parametrize("long", [False, True])
def test_dm_and_frmr_in_a_conversation(long: bool) -> None:
    for data, error in ((DM, LinkRefused), (frame("21 03 97", b"\x32\x20\x01"), FrameRejected)):
        link = asked(bytes(300 if long else 2))
        with pytest.raises(error) as caught:
            link.feed(data, 1.1)
        assert caught.value.raw == data
        assert at(link) is State.OVER
    assert "32 20 01" in str(caught.value)


def test_frmr_to_snrm() -> None:
    link = Link(address(16), address(1), SETTINGS)
    link.start(0.0)
    with pytest.raises(FrameRejected, match="without reason"):
        link.feed(frame("21 03 97"), 0.1)


def test_the_order_of_calls() -> None:
    link = Link(address(16), address(1))
    with pytest.raises(ValueError, match="the link is NEW, not READY"):
        link.send(b"\xc0", 0.0)
    with pytest.raises(ValueError, match="the link is NEW, not READY"):
        link.disconnect(0.0)
    link.start(0.0)
    with pytest.raises(ValueError, match="the link is CONNECTING, not NEW"):
        link.start(0.0)
    with pytest.raises(ValueError, match="the link is ANSWERING, not READY"):
        asked().send(b"\xc0", 1.1)
