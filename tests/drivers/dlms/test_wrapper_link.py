"""The wrapper with the interface of a link: ports, silence, what is no answer. Headers are written by hand from
IEC 62056-47 5.2.3."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlms.wire.hdlc_dialogue import Action, Connected, Disconnected, LinkSettings, Received, Send, State, Wait
from drivers.dlms.wire.hdlc_parameters import Parameters
from drivers.dlms.wire.transport import Transport
from drivers.dlms.wire.wrapper_link import WrapperLink
from gatewayd.errors import GatewayError, MeterSilent, ProtocolError
from tests.drivers.dlms.hdlc_bytes import examples, in_pieces

SETTINGS = LinkSettings(response_timeout=10.0, grace=2.0, baud=9600)
ASKED = bytes.fromhex("0001 0010 0001 0003 C00102")


def answer(apdu: bytes, source: int = 1, destination: int = 16) -> bytes:
    return b"\x00\x01" + source.to_bytes(2) + destination.to_bytes(2) + len(apdu).to_bytes(2) + apdu


def ready() -> WrapperLink:
    link = WrapperLink(16, 1, SETTINGS)
    link.start(0.0)
    return link


def asked() -> WrapperLink:
    link = ready()
    link.send(b"\xc0\x01\x02", 0.0)
    return link


def at(link: WrapperLink) -> State:
    return link.state


def test_it_is_a_transport_that_nobody_shares() -> None:
    link: Transport = WrapperLink(16, 1)
    assert not link.shared
    assert link.state is State.NEW


def test_one_exchange() -> None:
    link = WrapperLink(16, 1, SETTINGS)
    assert link.start(0.0) == (Connected(Parameters()),)
    sent, wait = link.send(b"\xc0\x01\x02", 5.0, secret=True)
    assert sent == Send(ASKED, secret=True)
    assert isinstance(wait, Wait)
    assert wait.until == pytest.approx(15.0, abs=0.1)
    assert link.feed(answer(b"\xc4"), 6.0) == (Received(b"\xc4"),)
    assert at(link) is State.READY
    assert link.disconnect(7.0) == (Disconnected(confirmed=True),)
    assert link.close(7.0) == ()
    assert at(link) is State.OVER


def test_silence_is_the_end_and_nothing_is_repeated() -> None:
    link = asked()
    with pytest.raises(MeterSilent):
        link.expired(10.1)
    assert at(link) is State.OVER
    assert link.feed(answer(b"\xc4"), 10.2) == ()
    assert link.expired(30.0) == ()
    with pytest.raises(ValueError, match="OVER"):
        link.send(b"\xc0", 11.0)


def test_a_part_of_an_answer_prolongs_the_wait_and_then_is_an_error() -> None:
    link = asked()
    (wait,) = link.feed(answer(b"\xc4\x01")[:-1], 9.0)
    assert wait == Wait(19.0)
    with pytest.raises(ProtocolError, match="breaks off") as caught:
        link.expired(19.1)
    assert caught.value.raw == answer(b"\xc4\x01")[:-1]


def test_an_answer_that_drips_has_an_end() -> None:
    """The longest APDU has 65543 octets with its header: 68.3 s at 9600 Bd, and it may take twice as long."""
    link = asked()
    whole = answer(bytes(0xFFFF))
    now, until = 0.0, 10.0
    for octet in whole:
        now = until
        actions = link.feed(bytes((octet,)), now)
        assert isinstance(actions[0], Wait)
        until = actions[0].until
        if until <= now:
            break
    assert 140.0 < now < 160.0


@pytest.mark.parametrize(("source", "destination"), [(16, 1), (2, 16), (1, 17), (0, 0)])
def test_other_ports_are_passed_over_and_named_at_the_end(source: int, destination: int) -> None:
    link = asked()
    assert isinstance(link.feed(answer(b"\xc4", source, destination), 1.0)[-1], Wait)
    with pytest.raises(ProtocolError, match=f"from wPort {source} to {destination}, where 1 to 16"):
        link.expired(11.0)
    link = asked()
    assert link.feed(answer(b"\xc4", source, destination) + answer(b"\xc5"), 1.0) == (Received(b"\xc5"),)
    link.send(b"\xc0", 2.0)
    with pytest.raises(MeterSilent):
        link.expired(13.0)


def test_what_came_before_a_request_is_no_answer_to_it() -> None:
    link = asked()
    assert link.feed(answer(b"\xc4") + answer(b"\xaa"), 1.0) == (Received(b"\xc4"),)
    link.send(b"\xc0", 2.0)
    assert link.feed(answer(b"\xc5"), 3.0) == (Received(b"\xc5"),)
    # Half of one that began before the request: the other half is none either.
    late = answer(b"\xbb\xbb")
    assert link.feed(late[:5], 4.0) == ()
    link.send(b"\xc0", 5.0)
    assert isinstance(link.feed(late[5:], 6.0)[0], Wait)
    assert link.feed(answer(b"\xc6"), 7.0) == (Received(b"\xc6"),)
    assert link.feed(answer(b"\xcc"), 8.0) == ()
    link.send(b"\xc0", 9.0)
    assert link.feed(answer(b"\xc7"), 9.5) == (Received(b"\xc7"),)


def test_who_listens_gets_what_has_come_first() -> None:
    link = asked()
    assert link.feed(answer(b"\x01") + answer(b"\x02") + answer(b"\x03")[:8], 1.0) == (Received(b"\x01"),)
    assert link.listen(2.0) == (Received(b"\x02"),)
    assert isinstance(link.listen(3.0)[0], Wait)
    assert link.feed(answer(b"\x03")[8:], 4.0) == (Received(b"\x03"),)
    link.close(5.0)
    with pytest.raises(ValueError, match="OVER"):
        link.listen(5.0)


def test_who_listens_waits_as_long_as_for_an_answer() -> None:
    link = asked()
    link.feed(answer(b"\x01"), 1.0)
    assert link.listen(2.0) == (Wait(12.0),)
    with pytest.raises(MeterSilent):
        link.expired(12.1)


def test_a_wrong_header_is_the_end() -> None:
    link = asked()
    with pytest.raises(ProtocolError, match="version 1"):
        link.feed(b"\x7e\xa0", 1.0)
    assert at(link) is State.OVER
    link = ready()
    with pytest.raises(ProtocolError):
        link.feed(b"\x7e\xa0", 1.0)
    assert at(link) is State.OVER


def test_a_flood_has_an_end() -> None:
    link = ready()
    link.feed(answer(b"\x01") * 64, 1.0)
    with pytest.raises(ProtocolError, match="more than 64"):
        link.feed(answer(b"\x01"), 1.0)


def test_a_wrong_state_is_our_fault() -> None:
    link = WrapperLink(16, 1)
    calls: list[Callable[[], object]] = [
        lambda: link.send(b"\xc0", 0.0),
        lambda: link.listen(0.0),
        lambda: link.disconnect(0.0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="NEW"):
            call()
    assert link.feed(answer(b"\x01"), 0.0) == ()
    link.start(0.0)
    with pytest.raises(ValueError, match="READY"):
        link.start(0.0)
    with pytest.raises(ValueError, match="expected 1 to"):
        link.send(b"", 0.0)
    assert at(link) is State.READY


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=4), st.lists(st.integers(0), max_size=12))
@examples(100)
def test_chunks_make_no_difference(apdus: list[bytes], cuts: list[int]) -> None:
    link = asked()
    heard: list[bytes] = []

    def take(actions: tuple[Action, ...]) -> None:
        for action in actions:
            if isinstance(action, Received):
                heard.append(action.apdu)
                if len(heard) < len(apdus):
                    take(link.listen(1.0))

    for piece in in_pieces(b"".join(answer(apdu) for apdu in apdus), cuts):
        take(link.feed(piece, 1.0))
    assert heard == apdus


@given(st.lists(st.binary(max_size=40), max_size=6))
@examples(100)
def test_any_bytes_give_actions_or_errors_that_are_known(chunks: list[bytes]) -> None:
    link = asked()
    try:
        for chunk in chunks:
            link.feed(chunk, 1.0)
        link.expired(20.0)
    except GatewayError:
        assert at(link) is State.OVER
