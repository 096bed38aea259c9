"""The link against any bytes, and against a meter on a line that loses and spoils frames.

Rules: whatever comes, typed errors only and an end; what a link gives as an answer is what the meter said, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import Action, Connected, LinkSettings, Received, Send, State, Wait
from drivers.dlms.wire.hdlc_link import Link
from gatewayd.errors import GatewayError
from tests.drivers.dlms.hdlc_bytes import examples, frame

SETTINGS = LinkSettings(response_timeout=2.0, attempts=3, busy_limit=5.0)
SEGMENT = 128


@dataclass
class Meter:
    """Server 1 of client 16, window 1, as IEC 62056-46 6.4.4 describes it. Its answers are twice the request.

    A request that it has had already gets its last frame again, and so does an RR that acknowledges nothing new.
    """

    vs: int = 0
    vr: int = 0
    request: bytes = b""
    waiting: list[bytes] = field(default_factory=list)
    last: bytes = b""

    def hears(self, data: bytes) -> bytes:
        if len(data) < 9 or data != frame(data[3:6].hex(), data[8:-3], bool(data[1] & 8)):
            return b""
        control, information, more = data[5], data[8:-3], data[1] & 8
        if control == 0x93:
            self.vs = self.vr = 0
            self.request, self.waiting, self.last = b"", [], b""
            return frame("21 03 73")
        nr = control >> 5
        if control & 1 == 0:
            if control >> 1 & 7 != self.vr:
                return self.last
            self.vr = (self.vr + 1) % 8
            self.request += information
            if more:
                return self.remembers(frame(f"21 03 {self.vr << 5 | 0x11:02X}"))
            answer = b"\xe6\xe7\x00" + self.request[3:] * 2
            self.request = b""
            self.waiting = [answer[begin : begin + SEGMENT] for begin in range(0, len(answer), SEGMENT)]
        elif nr != self.vs:
            return self.last
        part = self.waiting.pop(0) if self.waiting else b""
        if not part:
            return self.remembers(frame(f"21 03 {self.vr << 5 | 0x11:02X}"))
        number, self.vs = self.vs, (self.vs + 1) % 8
        return self.remembers(frame(f"21 03 {self.vr << 5 | 0x10 | number << 1:02X}", part, bool(self.waiting)))

    def remembers(self, data: bytes) -> bytes:
        self.last = data
        return data


def spoil(data: bytes, fate: int) -> bytes:
    """One frame in three is lost or has a bit wrong."""
    if fate % 3 or not data:
        return data
    if fate % 2:
        return b""
    wrong = bytearray(data)
    wrong[fate // 6 % len(data)] ^= 1 << fate % 8
    return bytes(wrong)


def converse(
    link: Link, meter: Meter, actions: tuple[Action, ...], fates: list[int], now: float
) -> tuple[Action, float]:
    """Until an event; a fate for each frame, in both directions, and none is spoilt when they are used up."""
    for _ in range(1000):
        answer = b""
        for action in actions:
            if isinstance(action, Send):
                heard = spoil(action.data, fates.pop() if fates else 1)
                answer += spoil(meter.hears(heard), fates.pop() if fates else 1)
            elif not isinstance(action, Wait):
                return action, now
        wait = actions[-1]
        assert isinstance(wait, Wait)
        if answer:
            now += 0.1
            actions = link.feed(answer, now)
        else:
            now = wait.until
            actions = link.expired(now)
    raise AssertionError("no end")


@examples(300)
@given(
    st.lists(st.binary(min_size=1, max_size=500), min_size=1, max_size=4), st.lists(st.integers(0, 5000), max_size=60)
)
def test_on_a_bad_line_the_answer_is_right_or_none(apdus: list[bytes], fates: list[int]) -> None:
    link, meter = Link(address(16), address(1), SETTINGS), Meter()
    try:
        event, now = converse(link, meter, link.start(0.0), fates, 0.0)
        assert isinstance(event, Connected)
        for apdu in apdus:
            event, now = converse(link, meter, link.send(apdu, now), fates, now)
            assert event == Received(apdu * 2)
    except GatewayError:
        assert link.state is State.OVER


@examples(50)
@given(st.lists(st.binary(min_size=1, max_size=1500), min_size=1, max_size=12))
def test_on_a_good_line_every_answer_comes(apdus: list[bytes]) -> None:
    link, meter = Link(address(16), address(1), SETTINGS), Meter()
    event, now = converse(link, meter, link.start(0.0), [], 0.0)
    for apdu in apdus:
        event, now = converse(link, meter, link.send(apdu, now), [], now)
        assert event == Received(apdu * 2)


ANYTHING = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda control, information, segmented: frame(f"21 03 {control:02X}", information, segmented),
        st.integers(0, 255),
        st.one_of(st.binary(max_size=40), st.binary(max_size=9).map(lambda data: b"\xe6\xe7\x00" + data)),
        st.booleans(),
    ),
    st.none(),
)


@examples(400)
@given(st.booleans(), st.integers(1, 600), st.lists(ANYTHING, max_size=25))
def test_whatever_comes(ready: bool, size: int, said: list[bytes | None]) -> None:
    link, now = Link(address(16), address(1), SETTINGS), 0.0
    link.start(now)
    if ready:
        link.feed(frame("21 03 73"), now)
    try:
        for data in said:
            if link.state is State.READY:
                link.send(bytes(size), now)
            now += 0.3
            actions = link.expired(now) if data is None else link.feed(data, now)
            assert all(isinstance(action, Send) for action in actions[:-1])
            assert actions == () or not isinstance(actions[-1], Send)
    except GatewayError:
        assert link.state is State.OVER
        assert link.feed(frame("21 03 73"), now) == ()
    assert len(link.close(now)) <= 1
    assert link.close(now) == ()
