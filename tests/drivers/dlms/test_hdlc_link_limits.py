"""Time, sizes and secrets of a link."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import (
    LinkSettings,
    Received,
    Send,
    Wait,
)
from drivers.dlms.wire.hdlc_link import Link
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.hdlc_bytes import frame
from tests.drivers.dlms.hdlc_conversation import (
    ANSWER,
    REQUEST,
    SETTINGS,
    asked,
    asks,
    connected,
    poll,
    quiet,
    rr,
    says,
    sent,
)

# -- time ------------------------------------------------------------------------------------------------------------


def test_noise_prolongs_nothing() -> None:
    link = Link(address(16), address(1), SETTINGS)
    actions = link.start(0.0)
    for tenth in range(30):
        assert link.feed(b"\x55\x7e", tenth / 10) == actions[-1:]


def test_a_frame_that_has_begun_may_end_but_not_drip() -> None:
    link = asked()
    data = says(0, 1, ANSWER + bytes(100), segmented=True)
    assert link.feed(data[:20], 2.9) == (Wait(4.9),)
    start = 1.0 + len(asks(0, 0, REQUEST + b"\xc0\x01")) * 10 / 9600 + 2.0
    latest = start + (1.0 + 2 * 2049 * 10 / 9600)
    assert link.feed(data[20:21], 6.8) == (Wait(latest),)
    assert link.feed(data[21:22], 7.2) == (Wait(latest),)
    assert sent(link.expired(7.3)) == asks(0, 0, REQUEST + b"\xc0\x01")


def test_a_meter_that_has_nothing_more_to_say_is_not_polled_for_long() -> None:
    patient = replace(SETTINGS, busy_limit=60.0)
    link = connected(settings=patient)
    link.send(REQUEST, 1.0)
    link.feed(says(0, 1, ANSWER + b"a"), 1.1)
    assert sent(link.listen(2.0)) == poll(1)
    link.feed(rr(1), 2.1)
    assert sent(link.expired(2.6)) == poll(1)
    link.feed(rr(1), 3.9)
    assert sent(link.expired(4.4)) == poll(1)
    with pytest.raises(ProtocolError, match="not ready for too long"):
        link.feed(rr(1), 4.5)


def test_the_beginning_of_a_frame_shortens_nothing() -> None:
    link = connected()
    (_, wait) = link.send(bytes(125), 1.0)
    assert link.feed(says(0, 1, ANSWER + bytes(100))[:20], 1.1) == (wait,)


def test_a_frame_behind_a_false_beginning_is_found_when_the_time_is_over() -> None:
    link = asked()
    begun = says(0, 1, bytes(100))[:20]
    assert quiet(link.feed(begun + says(0, 1, ANSWER + b"a"), 1.1))
    assert link.expired(3.1) == (Received(b"a"),)


# -- limits ----------------------------------------------------------------------------------------------------------


def test_an_endless_answer_ends() -> None:
    link = asked()
    part = bytes(2000)
    with pytest.raises(ProtocolError, match="more than 65536 bytes") as caught:
        for number in range(100):
            link.feed(says(number % 8, 1, part, segmented=True), 1.0)
    assert len(caught.value.raw) == 33 * 2000


def test_a_message_of_64_kib_is_allowed() -> None:
    link = asked()
    lsdu = ANSWER + bytes(65533)
    for number in range(64):
        part = says(number % 8, 1, lsdu[number * 1024 :][:1024], segmented=number < 63)
        actions = link.feed(part, 1.0)
    assert actions == (Received(bytes(65533)),)


def test_segments_without_content_do_not_go_on_for_ever() -> None:
    link = asked()
    with pytest.raises(ProtocolError, match="without content"):
        link.feed(frame("21 03 30", segmented=True), 1.1)


def test_requests_that_are_none() -> None:
    link = connected()
    for apdu in (b"", bytes(65534)):
        with pytest.raises(ValueError, match="APDU"):
            link.send(apdu, 1.0)
    assert sent(link.send(bytes(65533), 1.0)) == asks(0, 0, REQUEST + bytes(125), segmented=True)


# -- secrets ---------------------------------------------------------------------------------------------------------


SECRET = b"\x60\x36hunter22"


def test_a_secret_is_shown_nowhere() -> None:
    link = connected(settings=LinkSettings(attempts=2))
    actions = link.send(SECRET, 1.0, secret=True)
    assert "hunter22" not in repr(actions)
    assert isinstance(actions[0], Send)
    assert actions[0].secret
    # Its echo is spoilt, and nothing else is heard.
    link.feed(b"\x00" + actions[0].data[1:], 1.1)
    repeated = link.expired(9.0)
    assert isinstance(repeated[0], Send)
    assert repeated[0].secret
    link.feed(b"\x00" + actions[0].data[1:], 9.1)
    with pytest.raises(ProtocolError) as caught:
        while True:
            link.expired(20.0)
    assert b"hunter22" not in caught.value.raw


def test_the_next_request_is_none() -> None:
    link = connected()
    link.send(SECRET, 1.0, secret=True)
    assert link.feed(says(0, 1, ANSWER + b"a", segmented=True), 1.1)[0] == Send(poll(1))
    link.feed(says(1, 1, b"b"), 1.2)
    (action, _) = link.send(b"\xc0", 1.3)
    assert action == Send(asks(1, 2, REQUEST + b"\xc0"))
