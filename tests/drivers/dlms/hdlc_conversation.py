"""What tests of a link share: the frames of both sides, made without the package, and links in the usual states."""

from __future__ import annotations

from drivers.dlms.wire.hdlc_address import address
from drivers.dlms.wire.hdlc_dialogue import (
    Action,
    Connected,
    LinkSettings,
    Send,
    State,
    Wait,
)
from drivers.dlms.wire.hdlc_link import Link
from drivers.dlms.wire.hdlc_parameters import Parameters
from tests.drivers.dlms.hdlc_bytes import frame

SNRM = bytes.fromhex("7E A0 07 03 21 93 0F 01 7E")
UA = frame("21 03 73")
DM = frame("21 03 1F")
DISC = frame("03 21 53")
REQUEST, ANSWER = b"\xe6\xe6\x00", b"\xe6\xe7\x00"
SETTINGS = LinkSettings(response_timeout=2.0, grace=1.0, attempts=3, busy_pause=0.5, busy_limit=2.0, baud=9600)


def sent(actions: tuple[Action, ...]) -> bytes:
    """What goes out; an answer that sends ends in a wait."""
    assert isinstance(actions[-1], Wait)
    assert all(isinstance(action, Send) for action in actions[:-1])
    return b"".join(action.data for action in actions if isinstance(action, Send))


def quiet(actions: tuple[Action, ...]) -> bool:
    """Nothing but a wait."""
    return len(actions) == 1 and isinstance(actions[0], Wait)


def at(link: Link) -> State:
    """Its state, which mypy takes for unchangeable when it is read twice."""
    return link.state


def rr(nr: int) -> bytes:
    """RR of the meter with the final bit."""
    return frame(f"21 03 {nr << 5 | 0x11:02X}")


def poll(nr: int) -> bytes:
    """RR of the client with the poll bit."""
    return frame(f"03 21 {nr << 5 | 0x11:02X}")


def rnr(nr: int) -> bytes:
    return frame(f"21 03 {nr << 5 | 0x15:02X}")


def asks(ns: int, nr: int, information: bytes, segmented: bool = False) -> bytes:
    return frame(f"03 21 {nr << 5 | 0x10 | ns << 1:02X}", information, segmented)


def says(ns: int, nr: int, information: bytes, segmented: bool = False, final: bool = True) -> bytes:
    return frame(f"21 03 {nr << 5 | final << 4 | ns << 1:02X}", information, segmented)


def connected(ua: bytes = UA, proposal: Parameters | None = None, settings: LinkSettings = SETTINGS) -> Link:
    link = Link(address(16), address(1), settings, proposal)
    link.start(0.0)
    (event,) = link.feed(ua, 0.1)
    assert isinstance(event, Connected)
    return link


def asked(apdu: bytes = b"\xc0\x01") -> Link:
    link = connected()
    link.send(apdu, 1.0)
    return link
