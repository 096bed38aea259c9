"""HDLC and the wrapper as the simulated DLMS meter speaks them, and their faults; every frame is written by hand.

Source: IEC 62056-46 6.4 (frames, SNRM and UA, sequence numbers), IEC 62056-47 (wrapper).
"""

from __future__ import annotations

import pytest

from simulators.dlms_faults import Kind
from tests.simulators.dlms_meter import (
    AARQ,
    GET_CLOCK,
    GET_LOGICAL_NAMES,
    GET_SERIAL,
    SERIAL_ANSWER,
    ByHand,
    check,
    frame,
    frames,
    in_wrapper,
    meter,
    wrapped,
)

UA, DM, FRMR = 0x73, 0x1F, 0x97
SNRM = frame(0x93)


def test_the_check_is_that_of_the_standard() -> None:
    # The SNRM of client 16 to logical device 1, physical 17; CRC-16/X-25 of "123456789" is 906E.
    assert check(b"123456789") == bytes.fromhex("6e90")
    (ua,) = frames(meter().hear(SNRM))
    assert ua.control == UA and ua.frame_sound and ua.header_sound


def test_ua_names_the_limits_that_hold() -> None:
    (ua,) = frames(meter().hear(SNRM))
    assert ua.information == bytes.fromhex("818014 05020080 06020080 070400000001 080400000001")
    proposal = bytes.fromhex("818014 05020400 06020200 070400000001 080400000007")
    (ua,) = frames(meter("--max-info", "1024", "--window", "3").hear(frame(0x93, proposal)))
    # The meter sends at most what the client takes (0200), and takes what the client sends (0400).
    assert ua.information == bytes.fromhex("818014 05020200 06020400 070400000003 080400000001")


@pytest.mark.parametrize("server", [b"\x03", b"\x02\x23", b"\x00\x02\x00\x23"])
def test_it_answers_by_the_address_that_it_was_called_by(server: bytes) -> None:
    (ua,) = frames(meter().hear(frame(0x93, server=server)))
    assert ua.server == server


@pytest.mark.parametrize("server", [b"\x05", b"\x02\x25", b"\x04\x23", b"\x00\x02\x02\x23"])
def test_it_is_silent_for_another_address(server: bytes) -> None:
    assert meter().hear(frame(0x93, server=server)) == b""


def test_without_a_link_everything_is_answered_by_dm() -> None:
    made = meter()
    (heard,) = frames(made.hear(frame(0x10, b"\xe6\xe6\x00" + AARQ)))
    assert heard.control == DM
    client = ByHand(made)
    (heard,) = frames(made.hear(frame(0x53)))
    assert heard.control == UA
    (heard,) = frames(made.hear(client.i_frame(GET_CLOCK)))
    assert heard.control == DM


def test_the_link_is_that_of_its_client() -> None:
    client = ByHand(meter())
    control = 0x10 | client.got << 5 | client.sent << 1
    (heard,) = frames(client.meter.hear(frame(control, b"\xe6\xe6\x00" + GET_SERIAL, client=b"\x03")))
    assert heard.control == DM
    assert client.ask(GET_SERIAL) == SERIAL_ANSWER


def test_a_damaged_frame_is_not_answered() -> None:
    made = meter()
    spoiled = bytearray(SNRM)
    spoiled[-2] ^= 1
    assert made.hear(bytes(spoiled)) == b""
    assert frames(made.hear(SNRM))[0].control == UA


@pytest.mark.parametrize("size", [1, 3, 7])
def test_frames_may_come_in_pieces_and_behind_noise(size: int) -> None:
    made = meter()
    stream = b"\x00\x7e\x7e\x12" + SNRM
    answers = [made.hear(stream[at : at + size]) for at in range(0, len(stream), size)]
    assert frames(b"".join(answers))[0].control == UA


def test_a_long_answer_comes_in_segments_each_asked_for() -> None:
    client = ByHand(meter())
    (first,) = frames(client.raw(GET_LOGICAL_NAMES))
    assert first.segmented and len(first.information) == 128
    client.got = (client.got + 1) % 8
    (second,) = frames(client.meter.hear(client.rr()))
    assert second.segmented and second.control >> 1 & 7 == client.got
    # The same RR once more: the segment once more, unchanged.
    assert frames(client.meter.hear(client.rr())) == [second]


def test_a_window_of_three_is_filled() -> None:
    made = meter("--window", "3")
    client = ByHand(made, associate=False)
    made.hear(frame(0x93, bytes.fromhex("818014 05020080 06020080 070400000001 080400000003")))
    client.ask(AARQ)
    three = frames(client.raw(GET_LOGICAL_NAMES))
    assert [each.control >> 1 & 7 for each in three] == [1, 2, 3]
    assert [each.control >> 4 & 1 for each in three] == [0, 0, 1]


def test_a_request_in_segments_is_joined() -> None:
    client = ByHand(meter())
    lsdu = b"\xe6\xe6\x00" + GET_SERIAL
    (ready,) = frames(client.meter.hear(frame(0x10 | client.got << 5 | client.sent << 1, lsdu[:7], segmented=True)))
    client.sent += 1
    assert ready.control == 0x11 | client.sent << 5
    rest = frame(0x10 | client.got << 5 | client.sent << 1, lsdu[7:])
    assert client.collect(client.meter.hear(rest)) == SERIAL_ANSWER


def test_a_request_that_comes_again_gets_its_answer_again() -> None:
    client = ByHand(meter())
    request = client.i_frame(GET_SERIAL)
    first = client.meter.hear(request)
    assert client.meter.hear(request) == first
    assert client.collect(first) == SERIAL_ANSWER


def test_a_sequence_number_out_of_turn_is_rejected() -> None:
    client = ByHand(meter())
    client.sent += 3
    (heard,) = frames(client.raw(GET_SERIAL))
    assert heard.control == FRMR and len(heard.information) == 3


@pytest.mark.parametrize(("kind", "header", "whole"), [("bad-hcs", False, False), ("bad-fcs", True, False)])
def test_a_wrong_check_sequence(kind: str, header: bool, whole: bool) -> None:
    client = ByHand(meter("--fault", f"{kind}:2"))
    request = client.i_frame(GET_SERIAL)
    (heard,) = frames(client.meter.hear(request))
    assert heard.header_sound is header
    if header:
        assert heard.frame_sound is whole
    # A repetition is sound, and so is the same answer in the next session.
    assert client.collect(client.meter.hear(request)) == SERIAL_ANSWER
    assert ByHand(client.meter).ask(GET_SERIAL) == SERIAL_ANSWER


def test_a_fault_with_a_star_comes_in_every_session_and_one_without_a_number_in_every_answer() -> None:
    made = meter("--fault", "bad-fcs:2*")
    for _ in range(2):
        client = ByHand(made)
        request = client.i_frame(GET_SERIAL)
        assert not frames(made.hear(request))[0].frame_sound
        assert client.collect(made.hear(request)) == SERIAL_ANSWER, "a repetition is sound"
    made = meter("--fault", "bad-fcs")
    client = ByHand(made, associate=False)
    request = client.i_frame(AARQ)
    for _ in range(3):
        assert not frames(made.hear(request))[0].frame_sound


def test_a_lost_frame_comes_when_it_is_asked_for_again() -> None:
    client = ByHand(meter("--fault", "lost-frame:2"))
    request = client.i_frame(GET_SERIAL)
    assert client.meter.hear(request) == b""
    assert client.collect(client.meter.hear(request)) == SERIAL_ANSWER


def test_a_lost_segment_leaves_a_gap_in_the_numbers() -> None:
    client = ByHand(meter("--fault", "lost-segment:2"))
    (first,) = frames(client.raw(GET_LOGICAL_NAMES))
    client.got = (client.got + 1) % 8
    (next_one,) = frames(client.meter.hear(client.rr()))
    assert first.control >> 1 & 7 == 1
    assert next_one.control >> 1 & 7 == 3


def test_the_last_segment_is_late() -> None:
    client = ByHand(meter("--fault", "late-last-segment:4.5", "--max-info", "32"))
    data, delays = client.raw(GET_CLOCK.replace(b"\x02\x00", b"\x02\x00")), []
    assert [out.after for out in client.meter.outs] == [0.0], "an answer of one frame has no last segment"
    client.collect(data)
    data = client.raw(GET_LOGICAL_NAMES)
    while True:
        delays += [out.after for out in client.meter.outs]
        (heard,) = frames(data)
        client.got = (client.got + 1) % 8
        if not heard.segmented:
            break
        data = client.meter.hear(client.rr())
    assert delays[-1] == 4.5 and set(delays[:-1]) == {0.0}


def test_rnr_comes_first_and_the_answer_when_it_is_polled() -> None:
    client = ByHand(meter("--fault", "rnr:2"))
    request = client.i_frame(GET_SERIAL)
    (heard,) = frames(client.meter.hear(request))
    assert heard.control == 0x15 | client.sent << 5
    assert frames(client.meter.hear(request)) == [heard]
    assert client.collect(client.meter.hear(client.rr())) == SERIAL_ANSWER


def test_frmr_and_dm_come_instead_of_an_answer() -> None:
    client = ByHand(meter("--fault", "frmr:2"))
    assert frames(client.raw(GET_SERIAL))[0].control == FRMR
    client = ByHand(meter("--fault", "dm:2"))
    assert frames(client.raw(GET_SERIAL))[0].control == DM
    assert frames(meter("--fault", "dm").hear(SNRM))[0].control == DM
    made = meter("--fault", "dm:0")
    assert [frames(made.hear(SNRM))[0].control for _ in range(2)] == [DM, UA]


def test_another_station_speaks_first() -> None:
    client = ByHand(meter("--fault", "other-station:2"))
    other, ours = frames(client.raw(GET_SERIAL))
    assert (other.server, ours.server) == (b"\x7d", b"\x02\x23")
    assert other.frame_sound and other.header_sound
    assert ours.information == b"\xe6\xe7\x00" + SERIAL_ANSWER


def test_silence_lasts_until_the_link_is_set_up_again() -> None:
    client = ByHand(meter("--fault", "silent:2"))
    request = client.i_frame(GET_SERIAL)
    assert [client.meter.hear(request) for _ in range(3)] == [b""] * 3
    assert client.meter.hear(client.rr()) == b""
    assert ByHand(client.meter).ask(GET_SERIAL) == SERIAL_ANSWER
    assert meter("--fault", "silent").hear(SNRM) == b""


def test_hanging_up_comes_in_the_middle_of_the_answer() -> None:
    client = ByHand(meter("--fault", "hang-up:2"))
    data = client.raw(GET_SERIAL)
    (out,) = client.meter.outs
    assert out.hang_up and data == out.data
    whole = ByHand(meter()).raw(GET_SERIAL)
    assert data == whole[: len(whole) // 2]


def test_noise_comes_before_the_frame() -> None:
    client = ByHand(meter("--fault", "noise:2"))
    data = client.raw(GET_SERIAL)
    assert b"\x7e" not in data[:12]
    assert frames(data[12:])[0].information == b"\xe6\xe7\x00" + SERIAL_ANSWER


# ---------------------------------------------------------------------------------------------------------- wrapper


def test_the_wrapper_is_answered_with_the_ports_exchanged() -> None:
    made = meter("--framing", "wrapper", "--client", "16", "--server", "1")
    assert in_wrapper(made, AARQ)[:1] == b"\x61"
    request = wrapped(GET_SERIAL)
    assert made.hear(request[:5]) == b""
    assert made.hear(request[5:]) == b"\x00\x01\x00\x01\x00\x10\x00\x0e" + SERIAL_ANSWER
    assert made.hear(wrapped(GET_SERIAL, server=2)) == b""


def test_two_requests_in_one_read_get_two_answers() -> None:
    made = meter("--framing", "wrapper")
    in_wrapper(made, AARQ)
    answer = b"\x00\x01\x00\x01\x00\x10\x00\x0e" + SERIAL_ANSWER
    assert made.hear(wrapped(GET_SERIAL) * 2) == answer * 2


def test_another_version_of_the_wrapper_ends_the_connection() -> None:
    made = meter("--framing", "wrapper")
    assert made.hear(b"\x00\x02" + wrapped(AARQ)[2:]) == b""
    assert made.outs[-1].hang_up


def test_faults_of_the_wrapper() -> None:
    answer = b"\x00\x01\x00\x01\x00\x10\x00\x0e" + SERIAL_ANSWER
    shown = {}
    for kind in (Kind.SILENT, Kind.LOST_FRAME, Kind.OTHER_STATION, Kind.NOISE, Kind.HANG_UP):
        made = meter("--framing", "wrapper", "--fault", f"{kind}:2")
        in_wrapper(made, AARQ)
        shown[kind] = made.hear(wrapped(GET_SERIAL))
        again = made.hear(wrapped(GET_SERIAL))
        assert again == (b"" if kind is Kind.SILENT else answer)
    assert shown[Kind.SILENT] == shown[Kind.LOST_FRAME] == b""
    assert shown[Kind.OTHER_STATION] == b"\x00\x01\x00\x7d" + answer[4:] + answer
    assert shown[Kind.NOISE][12:] == answer and shown[Kind.NOISE][:2] != b"\x00\x01"
    assert shown[Kind.HANG_UP] == answer[: len(answer) // 2]


@pytest.mark.parametrize("limits", ["05010006010007010008 0100", "0502ffff0602000107040000000008040000ffff"])
def test_limits_that_make_no_sense_are_taken_for_the_nearest_that_do(limits: str) -> None:
    group = bytes.fromhex(limits)
    made = meter("--window", "7")
    client = ByHand(made)
    (ua,) = frames(made.hear(frame(0x93, b"\x81\x80" + bytes([len(group)]) + group)))
    info, receive = int.from_bytes(ua.information[5:7]), int.from_bytes(ua.information[9:11])
    windows = int.from_bytes(ua.information[13:17]), int.from_bytes(ua.information[19:23])
    assert info == 32 and receive in (32, 2030) and windows in ((1, 1), (7, 1))
    client.sent = client.got = 0
    assert client.raw(AARQ)


def test_server_and_physical_address_can_be_chosen() -> None:
    made = meter("--server", "300", "--physical", "1000")
    address = bytes([300 >> 7 << 1, (300 & 0x7F) << 1, 1000 >> 7 << 1, (1000 & 0x7F) << 1 | 1])
    (ua,) = frames(made.hear(frame(0x93, server=address)))
    assert ua.control == UA and ua.server == address
    assert made.hear(SNRM) == b""
    assert in_wrapper(meter("--framing", "wrapper", "--server", "300"), AARQ) == b""
