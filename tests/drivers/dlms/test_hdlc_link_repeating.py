"""Repetitions, sequence numbers and a meter that is not ready: nothing is counted twice, nothing goes on for ever."""

from __future__ import annotations

import pytest

from drivers.dlms.wire.hdlc_dialogue import (
    Received,
    Wait,
)
from gatewayd.errors import MeterSilent, ProtocolError
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.hdlc_conversation import (
    ANSWER,
    REQUEST,
    asked,
    asks,
    connected,
    poll,
    quiet,
    rnr,
    rr,
    says,
    sent,
)

# -- repeating -------------------------------------------------------------------------------------------------------


def test_a_request_without_answer_is_repeated_unchanged() -> None:
    link = connected()
    first = link.send(b"\xc0\x01", 1.0)
    again = link.expired(3.1)
    assert sent(again) == sent(first)
    assert link.feed(says(0, 1, ANSWER + b"a"), 3.2) == (Received(b"a"),)


def test_a_damaged_answer_is_asked_for_again_and_taken() -> None:
    link = asked()
    damaged = bytearray(says(0, 1, ANSWER + b"abc"))
    damaged[-4] ^= 0x10
    assert sent(link.feed(bytes(damaged), 1.1)) == asks(0, 0, REQUEST + b"\xc0\x01")
    assert link.feed(says(0, 1, ANSWER + b"abc"), 1.2) == (Received(b"abc"),)


def test_a_damaged_segment_is_asked_for_again_by_the_same_rr() -> None:
    link = asked()
    assert sent(link.feed(says(0, 1, ANSWER + b"abc", segmented=True), 1.1)) == poll(1)
    damaged = bytearray(says(1, 1, b"def"))
    damaged[-4] ^= 0x10
    assert sent(link.feed(bytes(damaged), 1.2)) == poll(1)
    assert sent(link.expired(3.3)) == poll(1)
    assert link.feed(says(1, 1, b"def"), 3.4) == (Received(b"abcdef"),)


def test_only_damaged_answers() -> None:
    link = asked()
    damaged = bytearray(says(0, 1, ANSWER + b"abc"))
    damaged[-4] ^= 0x10
    assert sent(link.feed(bytes(damaged), 1.1))
    assert sent(link.feed(bytes(damaged), 1.2))
    with pytest.raises(ProtocolError, match="3 times with a damaged frame") as caught:
        link.feed(bytes(damaged), 1.3)
    assert caught.value.raw == bytes(damaged)


@pytest.mark.parametrize("middle", ["23 03 30", "21 05 30"])
def test_damaged_frames_of_others_are_not_repeated(middle: str) -> None:
    link = asked()
    damaged = bytearray(frame(middle, ANSWER + b"abc"))
    damaged[-4] ^= 0x10
    assert quiet(link.feed(bytes(damaged), 1.1))


def test_a_damaged_header_waits_for_the_time_to_pass() -> None:
    link = asked()
    damaged = bytearray(says(0, 1, ANSWER + b"abc"))
    damaged[6] ^= 1
    assert quiet(link.feed(bytes(damaged), 1.1))


def test_the_attempts_count_anew_after_progress() -> None:
    link = asked()
    for number in range(5):
        assert link.expired(0.0)
        assert link.expired(0.0)
        assert sent(link.feed(says(number, 1, ANSWER + b"a", segmented=True), 0.0)) == poll(number + 1)


def test_a_second_answer_to_a_repetition_is_passed_over() -> None:
    link = asked()
    link.expired(3.1)
    assert link.feed(says(0, 1, ANSWER + b"a"), 3.2) == (Received(b"a"),)
    link.send(b"\xc0\x02", 3.3)
    assert quiet(link.feed(says(0, 1, ANSWER + b"a"), 3.4))
    assert link.feed(says(1, 2, ANSWER + b"b"), 3.5) == (Received(b"b"),)


def test_a_second_acknowledgement_of_a_repetition_doubles_nothing() -> None:
    link = connected()
    link.send(bytes(300), 1.0)
    link.expired(3.1)
    assert sent(link.feed(rr(1), 3.2)) == asks(1, 0, bytes(128), segmented=True)
    assert quiet(link.feed(rr(1), 3.3))
    assert sent(link.feed(rr(2), 3.4)) == asks(2, 0, bytes(47))


def test_silence_after_progress_is_silence() -> None:
    link = asked()
    link.feed(says(0, 1, ANSWER + b"a", segmented=True), 1.1)
    link.expired(3.2)
    link.expired(5.3)
    with pytest.raises(MeterSilent):
        link.expired(7.4)


def test_an_answer_without_its_flag_waits_for_the_time_to_pass() -> None:
    assert quiet(asked().feed(says(0, 1, ANSWER + b"abc")[:-1] + b"\x00", 1.1))


# -- sequence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ns", [1, 2, 3, 4, 5, 6])
def test_a_lost_segment_is_not_passed_over(ns: int) -> None:
    link = asked()
    with pytest.raises(ProtocolError, match=r"N\(S\) 0 is due"):
        link.feed(says(ns, 1, ANSWER + b"a"), 1.1)


@pytest.mark.parametrize("nr", [2, 3, 4, 5, 6, 7])
def test_an_acknowledgement_of_what_was_not_sent(nr: int) -> None:
    for data in (says(0, nr, ANSWER + b"a"), rr(nr), rnr(nr)):
        link = asked()
        with pytest.raises(ProtocolError, match=r"N\(R\) 1 is due"):
            link.feed(data, 1.1)


def test_an_answer_to_nothing() -> None:
    link = asked()
    with pytest.raises(ProtocolError, match="before it has the whole request"):
        link.feed(says(0, 0, ANSWER + b"a"), 1.1)
    link = connected()
    link.send(bytes(300), 1.0)
    with pytest.raises(ProtocolError, match="before it has the whole request"):
        link.feed(says(0, 1, ANSWER + b"a"), 1.1)


def test_a_segment_is_acknowledged_once() -> None:
    link = asked()
    assert quiet(link.feed(rr(1), 1.1))
    with pytest.raises(ProtocolError, match=r"N\(R\) 1 is due"):
        link.feed(rr(0), 1.2)


# -- not ready -------------------------------------------------------------------------------------------------------


def test_rnr_waits_and_asks_again() -> None:
    link = asked()
    assert link.feed(rnr(1), 1.1) == (Wait(1.6),)
    assert sent(link.expired(1.6)) == poll(0)
    assert link.feed(rnr(1), 1.7) == (Wait(2.2),)
    assert sent(link.expired(2.2)) == poll(0)
    assert link.feed(says(0, 1, ANSWER + b"a"), 2.3) == (Received(b"a"),)


def test_rr_without_an_answer_is_asked_again_too() -> None:
    link = asked()
    assert link.feed(rr(1), 1.1) == (Wait(1.6),)
    assert sent(link.expired(1.6)) == poll(0)
    assert link.feed(says(0, 1, ANSWER + b"a"), 1.7) == (Received(b"a"),)


def test_a_segment_lost_while_not_ready_is_sent_again() -> None:
    link = connected()
    first = sent(link.send(bytes(200), 1.0))
    assert link.feed(rnr(0), 1.1) == (Wait(1.6),)
    assert sent(link.expired(1.6)) == poll(0)
    assert sent(link.feed(rr(0), 1.7)) == first
    assert sent(link.feed(rr(1), 1.8)) == asks(1, 0, bytes(75))


def test_a_segment_taken_while_not_ready_is_not_sent_again() -> None:
    link = connected()
    link.send(bytes(200), 1.0)
    assert link.feed(rnr(1), 1.1) == (Wait(1.6),)
    assert sent(link.expired(1.6)) == poll(0)
    assert sent(link.feed(rr(1), 1.7)) == asks(1, 0, bytes(75))


def test_not_ready_has_an_end() -> None:
    link = asked()
    now = 1.0
    with pytest.raises(ProtocolError, match="not ready"):
        for _ in range(20):
            link.feed(rnr(1), now)
            now += 0.5
            link.expired(now)
    assert now == 3.0


def test_every_progress_gives_the_meter_its_time_again() -> None:
    link = connected()
    link.send(bytes(300), 1.0)
    for number, now in ((1, 2.0), (2, 4.5)):
        assert link.feed(rnr(number), now) == (Wait(now + 0.5),)
        assert sent(link.expired(now + 0.5)) == poll(0)
        assert sent(link.feed(rr(number), now + 0.6))[5] == number << 1 | 0x10
    for number, now in ((0, 7.0), (1, 9.5)):
        assert link.feed(rnr(3), now) == (Wait(now + 0.5),)
        assert sent(link.expired(now + 0.5)) == poll(number)
        part = says(number, 3, ANSWER + b"a", segmented=True)
        assert sent(link.feed(part, now + 0.6)) == poll(number + 1)


def test_noise_does_not_shorten_or_prolong_the_pause() -> None:
    link = asked()
    link.feed(rnr(1), 1.1)
    damaged = bytearray(says(0, 1, ANSWER + b"abc"))
    damaged[-4] ^= 0x10
    assert link.feed(bytes(damaged), 1.2) == (Wait(1.6),)
    assert link.feed(says(0, 1, ANSWER + b"abc")[:9], 1.5) == (Wait(1.6),)
